/*-------------------------------------------------------------------------
 *
 * face_analyze.c
 *	  ANALYZE of the face of a wide table.
 *
 * A large table is sampled as the server samples a plain one: rows of blocks
 * chosen at random.  A row is where its first segment is, of which each
 * folded row has one.  Rows of which there are only deltas are not seen that
 * way; so a table of which much is not folded, or a small one, is read as a
 * whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/heapam.h"
#include "access/table.h"
#include "commands/vacuum.h"
#include "common/pg_prng.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"
#include "utils/snapmgr.h"

#include "storage/face.h"
#include "storage/rowscan.h"
#include "weir.h"

/* Sample only if the deltas are at most this part of the base. */
#define MAX_DELTAS_OF_BASE	0.1

/* A random sample of things that come one after the other. */
typedef struct Reservoir
{
	ReservoirStateData state;
	int			size;
	int			n;				/* so many are in it */
	double		seen;
	double		skip;			/* -1: not known */
} Reservoir;

static void
reservoir_init(Reservoir *reservoir, int size)
{
	reservoir_init_selection_state(&reservoir->state, size);
	reservoir->size = size;
	reservoir->n = 0;
	reservoir->seen = 0;
	reservoir->skip = -1;
}

/* Where to put the next thing; -1: nowhere.  What was there is replaced. */
static int
reservoir_place(Reservoir *reservoir)
{
	reservoir->seen++;
	if (reservoir->n < reservoir->size)
		return reservoir->n++;
	if (reservoir->skip < 0)
		reservoir->skip = reservoir_get_next_S(&reservoir->state,
											   reservoir->seen - 1,
											   reservoir->size);
	if (reservoir->skip-- > 0)
		return -1;
	return (int) (reservoir->size *
				  sampler_random_fract(&reservoir->state.randstate));
}

/* The row just read as a tuple of the face. */
static HeapTuple
form_row(WeirRowScan *scan, TupleDesc desc)
{
	Datum	   *values = palloc0(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	HeapTuple	tuple;

	weir_face_store_row(scan, true, values, nulls, desc->natts);
	tuple = heap_form_tuple(desc, values, nulls);
	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(values[Anum_face_cells - 1])))
		pfree(DatumGetPointer(values[Anum_face_cells - 1]));
	pfree(values);
	pfree(nulls);
	return tuple;
}

static WeirRowScan *
begin_scan(WeirWideTable *table)
{
	WeirRowScan *scan = weir_row_scan_begin(table, GetActiveSnapshot(),
											weir_clock_usec());

	weir_row_scan_expect_values(scan, NULL);
	return scan;
}

/* ---- all rows ---- */

static int
sample_all_rows(WeirWideTable *table, TupleDesc desc, HeapTuple *rows,
				int targrows, double *totalrows)
{
	WeirKeyRange all = {{NULL, 0}, {NULL, 0}, false, false};
	WeirRowScan *scan = begin_scan(table);
	Reservoir	reservoir;

	reservoir_init(&reservoir, targrows);
	weir_row_scan_start(scan, &all, ForwardScanDirection);
	while (weir_row_scan_next(scan))
	{
		int			n = reservoir.n;
		int			place = reservoir_place(&reservoir);

		weir_analyze_delay_point();
		if (place < 0)
			continue;
		if (place < n)
			heap_freetuple(rows[place]);
		rows[place] = form_row(scan, desc);
	}
	weir_row_scan_end(scan);
	*totalrows = reservoir.seen;
	return reservoir.n;
}

/* ---- rows of some blocks ---- */

/* The first segments in a block that the snapshot sees, copied. */
static int
first_segments(Relation base, BlockNumber block, Snapshot snapshot,
			   HeapTuple *segments)
{
	Buffer		buffer = ReadBuffer(base, block);
	Page		page;
	int			n = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	for (OffsetNumber i = FirstOffsetNumber;
		 i <= PageGetMaxOffsetNumber(page); i++)
	{
		ItemId		item = PageGetItemId(page, i);
		HeapTupleData tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_tableOid = RelationGetRelid(base);
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, block, i);
		if (!heap_attisnull(&tuple, Anum_base_hi, RelationGetDescr(base)) &&
			HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
			segments[n++] = heap_copytuple(&tuple);
	}
	UnlockReleaseBuffer(buffer);
	return n;
}

static WeirRowKey
key_of_segment(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;

	return weir_row_key_copy(heap_getattr(tuple, Anum_base_row_key, desc,
										  &isnull));
}

/* A sample of the row keys, in no order; estimates how many there are. */
static int
sample_keys(WeirWideTable *table, WeirRowKey *keys, int targrows,
			double *totalrows)
{
	Relation	base = table_open(table->base, AccessShareLock);
	BlockNumber nblocks = RelationGetNumberOfBlocks(base);
	BlockSamplerData blocks;
	Reservoir	reservoir;
	HeapTuple	segments[MaxHeapTuplesPerPage];

	reservoir_init(&reservoir, targrows);
	BlockSampler_Init(&blocks, nblocks, targrows,
					  pg_prng_uint32(&pg_global_prng_state));
	while (BlockSampler_HasMore(&blocks))
	{
		int			n;

		weir_analyze_delay_point();
		n = first_segments(base, BlockSampler_Next(&blocks),
						   GetActiveSnapshot(), segments);
		for (int i = 0; i < n; i++)
		{
			int			place = reservoir_place(&reservoir);

			if (place >= 0)
				keys[place] = key_of_segment(segments[i],
											 RelationGetDescr(base));
			heap_freetuple(segments[i]);
		}
	}
	table_close(base, AccessShareLock);
	*totalrows = blocks.m == 0 ? 0 :
		floor(reservoir.seen / blocks.m * nblocks + 0.5);
	return reservoir.n;
}

/* Rows that are deleted, but not folded yet, are left out. */
static int
sample_some_rows(WeirWideTable *table, TupleDesc desc, HeapTuple *rows,
				 int targrows, double *totalrows)
{
	WeirRowKey *keys = palloc(sizeof(WeirRowKey) * targrows);
	int			nkeys = sample_keys(table, keys, targrows, totalrows);
	WeirRowScan *scan = begin_scan(table);
	int			n = 0;

	qsort(keys, nkeys, sizeof(WeirRowKey), weir_row_key_cmp_void);
	for (int i = 0; i < nkeys; i++)
	{
		weir_analyze_delay_point();
		if (weir_row_scan_get(scan, keys[i]))
			rows[n++] = form_row(scan, desc);
	}
	weir_row_scan_end(scan);
	if (nkeys > 0)
		*totalrows = floor(*totalrows * n / nkeys + 0.5);
	return n;
}

/* ---- the callbacks ---- */

static BlockNumber
blocks_of(Oid heap)
{
	Relation	rel = table_open(heap, AccessShareLock);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);

	table_close(rel, NoLock);
	return nblocks;
}

static int
acquire_sample(Relation rel, int elevel, HeapTuple *rows, int targrows,
			   double *totalrows, double *totaldeadrows)
{
	WeirWideTable *table = weir_wide_table_require(RelationGetRelid(rel));
	double		nbase = blocks_of(table->base);
	double		ndelta = blocks_of(table->delta);

	*totaldeadrows = 0;
	/* the rows of an authorized view may be few of those in the base */
	if (table->home != table->face || nbase <= targrows ||
		ndelta > nbase * MAX_DELTAS_OF_BASE)
		return sample_all_rows(table, RelationGetDescr(rel), rows, targrows,
							   totalrows);
	return sample_some_rows(table, RelationGetDescr(rel), rows, targrows,
							totalrows);
}

static bool
analyze(Relation rel, AcquireSampleRowsFunc *func, BlockNumber *totalpages)
{
	WeirWideTable *table = weir_wide_table_require(RelationGetRelid(rel));

	*totalpages = blocks_of(table->base) + blocks_of(table->delta);
	*func = acquire_sample;
	return true;
}

void
weir_face_analyze_init(FdwRoutine *routine)
{
	routine->AnalyzeForeignTable = analyze;
}
