/*-------------------------------------------------------------------------
 *
 * indexes.c
 *	  The indexes of a heap that is written by file access, all of them.
 *
 * The owner of a wide table may add indexes to its heaps, also such on
 * expressions, with predicates, or unique ones.  So the executor's machinery
 * is used, without a plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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
