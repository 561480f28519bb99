/*-------------------------------------------------------------------------
 *
 * left_out.c
 *	  Rows of its history that a cursor leaves out.
 *
 * Whoever starts with the rows of a table may have counted some of them before:
 * an aggregate over a queue that comes out of a dump together with its state
 * (aggregate/counted.c).  Where these rows are is kept in weir._left_out, until
 * the cursor has read its history.
 *
 * Invariants:
 * 1. Only rows of the history are left out.  A row inserted later, which may
 *	  have come to the place of one that was deleted, is read by its log entry.
 * 2. Rows do not move meanwhile: a table is not rewritten while history is being
 *	  read (rewrite.c), and the cursor's "low" is set when the rows are stored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "weir.h"
#include "storage/owner.h"
#include "stream/left_out.h"
#include "types/tidrun.h"

/* columns of weir._left_out */
enum
{
	LEFT_OUT_CURSOR_ID = 1,
	LEFT_OUT_LEAF,
	LEFT_OUT_PART,
	LEFT_OUT_RUNS,
	LEFT_OUT_NATTS = LEFT_OUT_RUNS
};

/* packed runs of a row: a page has room for it */
#define MAX_RUNS_SIZE	7500

typedef struct LeafRows
{
	Oid			leaf;
	WeirTidRun *runs;			/* normalised */
	int			nruns;
	int			maxruns;
} LeafRows;

struct WeirLeftOut
{
	MemoryContext context;
	LeafRows   *leaves;
	int			nleaves;
	int			maxleaves;
	int			last;			/* the leaf last asked for */
};

WeirLeftOut *
weir_left_out_make(void)
{
	WeirLeftOut *left_out = palloc0(sizeof(WeirLeftOut));

	left_out->context = CurrentMemoryContext;
	return left_out;
}

/* The rows of the leaf, NULL if it has none. */
static LeafRows *
find_leaf(WeirLeftOut *left_out, Oid leaf)
{
	if (left_out->last < left_out->nleaves &&
		left_out->leaves[left_out->last].leaf == leaf)
		return &left_out->leaves[left_out->last];
	for (int i = 0; i < left_out->nleaves; i++)
	{
		if (left_out->leaves[i].leaf != leaf)
			continue;
		left_out->last = i;
		return &left_out->leaves[i];
	}
	return NULL;
}

static LeafRows *
make_leaf(WeirLeftOut *left_out, Oid leaf)
{
	LeafRows   *rows;

	if (left_out->nleaves == left_out->maxleaves)
	{
		left_out->maxleaves = Max(4, left_out->maxleaves * 2);
		left_out->leaves = left_out->leaves ?
			repalloc_huge(left_out->leaves,
						  sizeof(LeafRows) * left_out->maxleaves) :
			MemoryContextAlloc(left_out->context,
							   sizeof(LeafRows) * left_out->maxleaves);
	}
	left_out->last = left_out->nleaves;
	rows = &left_out->leaves[left_out->nleaves++];
	memset(rows, 0, sizeof(LeafRows));
	rows->leaf = leaf;
	return rows;
}

static void
append_run(WeirLeftOut *left_out, LeafRows *rows, const WeirTidRun *run)
{
	if (rows->nruns == rows->maxruns)
	{
		rows->maxruns = Max(16, rows->maxruns * 2);
		rows->runs = rows->runs ?
			repalloc_huge(rows->runs, sizeof(WeirTidRun) * rows->maxruns) :
			MemoryContextAlloc(left_out->context,
							   sizeof(WeirTidRun) * rows->maxruns);
	}
	rows->runs[rows->nruns++] = *run;
}

void
weir_left_out_add(WeirLeftOut *left_out, Oid leaf, const ItemPointerData *tid)
{
	LeafRows   *rows = find_leaf(left_out, leaf);
	WeirTidRun	run = {
		ItemPointerGetBlockNumber(tid),
		ItemPointerGetOffsetNumber(tid),
		ItemPointerGetOffsetNumber(tid)
	};

	if (rows == NULL)
		rows = make_leaf(left_out, leaf);
	if (rows->nruns > 0)
	{
		WeirTidRun *before = &rows->runs[rows->nruns - 1];

		Assert(before->block < run.block ||
			   (before->block == run.block && before->last < run.first));
		if (before->block == run.block && before->last + 1 == run.first)
		{
			before->last = run.last;
			return;
		}
	}
	append_run(left_out, rows, &run);
}

bool
weir_left_out_contains(WeirLeftOut *left_out, Oid leaf,
					   const ItemPointerData *tid)
{
	LeafRows   *rows = find_leaf(left_out, leaf);

	return rows != NULL && weir_tidrun_contains(rows->runs, rows->nruns, tid);
}

/* ----------------------------------------------------------------
 *		weir._left_out
 * ----------------------------------------------------------------
 */

static Relation
open_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_left_out", false), lockmode);
}

static SysScanDesc
begin_scan(Relation catalog, int32 cursor_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, LEFT_OUT_CURSOR_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(cursor_id));
	return systable_beginscan(catalog, weir_own_relid("_left_out_pkey", false),
							  true, snapshot, 1, &key);
}

/* The runs of a row of the catalog. */
static void
add_tuple(WeirLeftOut *left_out, Relation catalog, HeapTuple tuple)
{
	Datum		values[LEFT_OUT_NATTS];
	bool		nulls[LEFT_OUT_NATTS];
	Oid			leaf;
	LeafRows   *rows;
	bytea	   *packed;
	WeirTidRun *runs;
	int			nruns;

	heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
	leaf = DatumGetObjectId(values[LEFT_OUT_LEAF - 1]);
	rows = find_leaf(left_out, leaf);
	if (rows == NULL)
		rows = make_leaf(left_out, leaf);
	packed = DatumGetByteaPP(values[LEFT_OUT_RUNS - 1]);
	runs = weir_tidrun_unpack(packed, &nruns);
	for (int i = 0; i < nruns; i++)
		append_run(left_out, rows, &runs[i]);
	pfree(runs);
	if ((Pointer) packed != DatumGetPointer(values[LEFT_OUT_RUNS - 1]))
		pfree(packed);
}

WeirLeftOut *
weir_left_out_read(int32 cursor_id, Snapshot snapshot)
{
	Relation	catalog = open_catalog(AccessShareLock);
	SysScanDesc scan = begin_scan(catalog, cursor_id, snapshot);
	WeirLeftOut *left_out = NULL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		if (left_out == NULL)
			left_out = weir_left_out_make();
		add_tuple(left_out, catalog, tuple);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	for (int i = 0; left_out && i < left_out->nleaves; i++)
		left_out->leaves[i].nruns =
			weir_tidrun_normalize(left_out->leaves[i].runs,
								  left_out->leaves[i].nruns);
	return left_out;
}

static void
insert_part(Relation catalog, int32 cursor_id, Oid leaf, int32 part,
			bytea *runs)
{
	Datum		values[LEFT_OUT_NATTS];
	bool		nulls[LEFT_OUT_NATTS] = {0};
	HeapTuple	tuple;

	values[LEFT_OUT_CURSOR_ID - 1] = Int32GetDatum(cursor_id);
	values[LEFT_OUT_LEAF - 1] = ObjectIdGetDatum(leaf);
	values[LEFT_OUT_PART - 1] = Int32GetDatum(part);
	values[LEFT_OUT_RUNS - 1] = PointerGetDatum(runs);
	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	CatalogTupleInsert(catalog, tuple);
	heap_freetuple(tuple);
}

static void
insert_leaf(Relation catalog, int32 cursor_id, const LeafRows *rows)
{
	int32		part = 0;
	int			packed;

	for (int i = 0; i < rows->nruns; i += packed)
	{
		bytea	   *runs = weir_tidrun_pack(rows->runs + i, rows->nruns - i,
											MAX_RUNS_SIZE, &packed);

		CHECK_FOR_INTERRUPTS();
		insert_part(catalog, cursor_id, rows->leaf, part++, runs);
		pfree(runs);
	}
}

void
weir_left_out_store(const WeirLeftOut *left_out, int32 cursor_id)
{
	Relation	catalog = open_catalog(RowExclusiveLock);

	for (int i = 0; i < left_out->nleaves; i++)
		insert_leaf(catalog, cursor_id, &left_out->leaves[i]);
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

void
weir_left_out_copy(int32 from_cursor, int32 to_cursor)
{
	WeirLeftOut *left_out = weir_left_out_read(from_cursor, NULL);

	if (left_out != NULL)
		weir_left_out_store(left_out, to_cursor);
}

void
weir_left_out_forget(int32 cursor_id)
{
	Relation	catalog = open_catalog(RowExclusiveLock);
	SysScanDesc scan = begin_scan(catalog, cursor_id, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(catalog, &tuple->t_self);
	systable_endscan(scan);
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}
