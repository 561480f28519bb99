/*-------------------------------------------------------------------------
 *
 * indexes.c
 *	  The indexes of a heap of a wide table: the one that it is read by, and
 *	  entries in all of them.
 *
 * The owner of a wide table may add indexes to its heaps, also such on
 * expressions, with predicates, in other orders, or unique ones; and may put
 * another one in the place of one that weir has made.  So the index to read by
 * is found by what it is, not by its name, and to make entries in all of them
 * the executor's machinery is used, without a plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/rel.h"

#include "storage/indexes.h"
#include "weir.h"

struct WeirIndexes
{
	Relation	heap;
	EState	   *estate;
	ResultRelInfo *rel;
	TupleTableSlot *slot;
};

/* ---- the index to read by ---- */

/* Is the heap's column the index's key number i, in the usual order? */
static bool
has_key(Relation heap, Relation index, int i, AttrNumber column)
{
	Oid			type = TupleDescAttr(RelationGetDescr(heap), column - 1)->atttypid;

	return index->rd_index->indkey.values[i] == column &&
		index->rd_indoption[i] == 0 &&
		index->rd_opfamily[i] == (type == BYTEAOID ? BYTEA_BTREE_FAM_OID :
								  INTEGER_BTREE_FAM_OID);
}

/* Is it a btree with so many keys, fit for use, and of all the heap? */
static bool
is_whole_btree(Relation index, int nkeys)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_index->indisvalid &&
		index->rd_index->indnkeyatts == nkeys &&
		RelationGetIndexPredicate(index) == NIL;
}

Oid
weir_index_of_heap(Relation heap, int nkeys)
{
	List	   *indexes = RelationGetIndexList(heap);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Oid			oid = lfirst_oid(lc);
		Relation	index = index_open(oid, AccessShareLock);
		bool		fits = is_whole_btree(index, nkeys);

		for (int i = 0; fits && i < nkeys; i++)
			fits = has_key(heap, index, i, i + 1);
		index_close(index, AccessShareLock);
		if (fits)
		{
			list_free(indexes);
			return oid;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has lost its index",
					RelationGetRelationName(heap)),
			 nkeys == 1 ? errhint("Create a btree index on its first column.") :
			 errhint("Create a btree index on its first two columns.")));
	return InvalidOid;
}

Oid
weir_index_on_column(Relation heap, AttrNumber column)
{
	List	   *indexes = RelationGetIndexList(heap);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indisvalid &&
			index->rd_index->indnkeyatts == 1 &&
			has_key(heap, index, 0, column))
			found = lfirst_oid(lc);
		index_close(index, AccessShareLock);
		if (OidIsValid(found))
			break;
	}
	list_free(indexes);
	return found;
}

/* ---- entries in all of them ---- */

WeirIndexes *
weir_indexes_open(Relation heap)
{
	WeirIndexes *indexes = palloc(sizeof(WeirIndexes));

	indexes->heap = heap;
	indexes->estate = CreateExecutorState();
	indexes->rel = makeNode(ResultRelInfo);
	InitResultRelInfo(indexes->rel, heap, 0, NULL, 0);
	ExecOpenIndices(indexes->rel, false);
	indexes->slot = MakeSingleTupleTableSlot(RelationGetDescr(heap),
											 &TTSOpsHeapTuple);
	return indexes;
}

void
weir_indexes_close(WeirIndexes *indexes)
{
	ExecDropSingleTupleTableSlot(indexes->slot);
	ExecCloseIndices(indexes->rel);
	FreeExecutorState(indexes->estate);
	pfree(indexes);
}

void
weir_indexes_insert(WeirIndexes *indexes, HeapTuple tuple)
{
	ExecStoreHeapTuple(tuple, indexes->slot, false);
	indexes->slot->tts_tableOid = RelationGetRelid(indexes->heap);
	WeirExecInsertIndexTuples(indexes->rel, indexes->slot, indexes->estate,
							  false);
	ExecClearTuple(indexes->slot);
	ResetPerTupleExprContext(indexes->estate);
}
