/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  Compaction: folding deltas into the base.
 *
 * For a row: find the number "hi" up to which no delta can be missing, read
 * the row up to there, write what it has become into the base, and delete
 * the deltas; all in one transaction, so that any snapshot sees either all of
 * it or nothing (I9).
 *
 * Finding hi.  Under the row lock no read-modify-write has a number that it
 * has not used yet; under the exclusive barrier every blind write with a
 * number has its delta in the heap.  Then a scan that sees uncommitted deltas
 * finds the first one in doubt; hi is the last number before it.  Both locks
 * are released right after: whoever takes a number later gets a greater one.
 *
 * Garbage is collected as of the last delta that is folded.  If nothing is
 * left beyond hi, it can be as of the clock: later deltas have later times,
 * as those are taken under the barrier.
 *
 * A row is cut anew only where it changes: existing borders between segments
 * stay unless a segment gets too large, or two neighbours very small.
 *
 * Of a long row only the segments are read and written that hold columns
 * which the deltas change, and the first one, which has "hi"; the others stay
 * as they are.  That is right because garbage collection judges each column
 * for itself and may be late.  It is not done if a rule was changed between
 * the old hi and the new one, as hi also tells which rules have been applied.
 * A column cut off by the edge of what is read looks to have fewer newer
 * versions than it has, so that too little of it is collected, never too
 * much.
 *
 * Two compactions of one table exclude each other by a lock of their own,
 * held to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "storage/authorized_view.h"
#include "storage/compact.h"
#include "storage/heapscan.h"
#include "storage/hll.h"
#include "storage/rowlock.h"
#include "storage/rowscan.h"
#include "storage/shape.h"
#include "types/segment.h"
#include "weir.h"

/* Neighbours that are together smaller than this become one segment. */
#define SEGMENT_MERGE_LEN	(WEIR_SEGMENT_TARGET_LEN / 2)

/* Rows with more segments than this are long. */
#define LONG_ROW_SEGMENTS	8

/* Fold as a whole if more columns than this are changed. */
#define MAX_CHANGED_RANGES	32

/* A segment in the base, before. */
typedef struct OldSegment
{
	ItemPointerData tid;
	WeirRowKey	part;
	const char *bytes;
	Size		len;
	int64		gc_due;			/* PG_INT64_MAX: never */
	bool		is_kept;		/* has a successor with the same part */
	bool		is_adjacent;	/* to the one before it in the list */
} OldSegment;

/* Positions in a row between which something is changed. */
typedef struct ChangedRange
{
	struct varlena *low;
	struct varlena *high;
} ChangedRange;

/* A delta that is to be folded. */
typedef struct FoldedDelta
{
	ItemPointerData tid;
	int64		seq;
	WeirRowKey	bytes;
} FoldedDelta;

/* A run of cells that becomes a segment. */
typedef struct NewSegment
{
	struct varlena *part;
	uint32		first;			/* index of its first cell */
	uint32		ncells;
} NewSegment;

typedef struct Compaction
{
	WeirWideTable *table;
	const WeirCompactOptions *options;
	WeirCompactStats *stats;
	MemoryContext row_context;	/* reset after each row */
	Size		bytes_read;
	WeirHeapScan	base;
	WeirHeapScan	delta;
	WeirHeapScan	keys;			/* finds the rows, also in the delta heap */
	Relation	base_heap;		/* for writing */
	Relation	delta_heap;
	EState	   *estate;
	ResultRelInfo *base_rel;
	WeirFold   *fold;

	/* of the current row */
	WeirRowKey	key;
	Datum		key_datum;
	Snapshot	snapshot;
	OldSegment *old;			/* those that were read, in order */
	int			nold;
	int			old_allocated;
	bool		is_partial;		/* there are others */
	int64		old_hi;
	int64		old_folded_at;
	FoldedDelta *deltas;
	int			ndeltas;
} Compaction;

/* ---- the horizon of a row ---- */

typedef struct Horizon
{
	int64		hi;				/* 0: nothing to fold */
	int64		gc_time;		/* 0: as of the last delta */
} Horizon;

/* Under both locks: looks at all deltas of the row, committed or not. */
static Horizon
scan_horizon(Compaction *c)
{
	SnapshotData dirty;
	ScanKeyData scankeys[2];
	Horizon		horizon = {0, 0};
	int64		doubtful = PG_INT64_MAX;

	InitDirtySnapshot(dirty);
	ScanKeyInit(&scankeys[0], Anum_delta_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, c->key_datum);
	ScanKeyInit(&scankeys[1], Anum_delta_seq, BTGreaterStrategyNumber,
				F_INT8GT, Int64GetDatum(c->old_hi));
	weir_heap_scan_start(&c->delta, &dirty, scankeys, 2);
	while (weir_heap_scan_next(&c->delta, ForwardScanDirection))
	{
		int64		seq = DatumGetInt64(c->delta.slot->tts_values[Anum_delta_seq - 1]);

		if (TransactionIdIsValid(dirty.xmin) &&
			!TransactionIdIsCurrentTransactionId(dirty.xmin))
		{
			doubtful = seq;
			break;
		}
		horizon.hi = seq;
	}
	weir_heap_scan_stop(&c->delta);
	if (doubtful == PG_INT64_MAX)
		horizon.gc_time = weir_clock_usec();
	return horizon;
}

/* False if the row is locked. */
static bool
find_horizon(Compaction *c, Horizon *horizon)
{
	Oid			face = c->table->home;
	uint32		hash = weir_row_hash(c->key.bytes, c->key.len);

	if (!weir_row_lock(face, hash, c->options->wait_for_rows))
		return false;
	weir_barrier_acquire(face, hash, ExclusiveLock);
	*horizon = scan_horizon(c);
	weir_barrier_release(face, hash, ExclusiveLock);
	weir_row_unlock(face, hash);
	return true;
}

/* ---- reading a row ---- */

static WeirRowKey
bytes_of_datum(Datum d)
{
	struct varlena *v = PG_DETOAST_DATUM_COPY(d);
	WeirRowKey	bytes = {VARDATA(v), VARSIZE(v) - VARHDRSZ};

	return bytes;
}

static void
read_segment(Compaction *c, OldSegment *segment)
{
	const TupleTableSlot *slot = c->base.slot;
	WeirRowKey	cells = bytes_of_datum(slot->tts_values[Anum_base_cells - 1]);

	memset(segment, 0, sizeof(*segment));
	segment->tid = slot->tts_tid;
	segment->part = bytes_of_datum(slot->tts_values[Anum_base_part - 1]);
	segment->bytes = cells.bytes;
	segment->len = cells.len;
	segment->gc_due = slot->tts_isnull[Anum_base_gc_due - 1] ? PG_INT64_MAX :
		DatumGetInt64(slot->tts_values[Anum_base_gc_due - 1]);
	if (!slot->tts_isnull[Anum_base_hi - 1])
		c->old_hi = DatumGetInt64(slot->tts_values[Anum_base_hi - 1]);
	if (!slot->tts_isnull[Anum_base_folded_at - 1])
		c->old_folded_at = DatumGetInt64(slot->tts_values[Anum_base_folded_at - 1]);
	c->bytes_read += cells.len;
}

/* Adds the segment at which the scan stands. */
static void
push_segment(Compaction *c)
{
	if (c->nold == c->old_allocated)
	{
		c->old_allocated *= 2;
		c->old = repalloc_huge(c->old, sizeof(OldSegment) * c->old_allocated);
	}
	read_segment(c, &c->old[c->nold]);
	c->old[c->nold].is_adjacent = c->nold > 0;
	c->nold++;
}

static void
begin_base(Compaction *c)
{
	c->nold = 0;
	c->old_allocated = LONG_ROW_SEGMENTS * 2;
	c->old = palloc(sizeof(OldSegment) * c->old_allocated);
	c->is_partial = false;
}

/*
 * Reads the segments of the row; false if there are more than max.
 */
static bool
read_base(Compaction *c, int max)
{
	ScanKeyData scankey;
	bool		complete = true;

	begin_base(c);
	ScanKeyInit(&scankey, Anum_base_row_key, BTEqualStrategyNumber, F_BYTEAEQ,
				c->key_datum);
	weir_heap_scan_start(&c->base, c->snapshot, &scankey, 1);
	while (complete && weir_heap_scan_next(&c->base, ForwardScanDirection))
	{
		if (c->nold == max)
			complete = false;
		else
			push_segment(c);
	}
	weir_heap_scan_stop(&c->base);
	return complete;
}

static int
part_cmp(const void *x, const void *y)
{
	const OldSegment *a = x;
	const OldSegment *b = y;

	return weir_bytes_cmp(a->part.bytes, a->part.len,
						  b->part.bytes, b->part.len);
}

/* Adds the segments that reach into the range, from the last one back. */
static void
read_range(Compaction *c, const ChangedRange *range)
{
	ScanKeyData scankeys[2];
	int			first = c->nold;

	ScanKeyInit(&scankeys[0], Anum_base_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, c->key_datum);
	ScanKeyInit(&scankeys[1], Anum_base_part, BTLessEqualStrategyNumber,
				F_BYTEALE, PointerGetDatum(range->high));
	weir_heap_scan_start(&c->base, c->snapshot, scankeys, 2);
	while (weir_heap_scan_next(&c->base, BackwardScanDirection))
	{
		const OldSegment *read;

		push_segment(c);
		read = &c->old[c->nold - 1];
		/* each but the last one read follows the one read after it */
		c->old[c->nold - 1].is_adjacent = false;
		if (c->nold - 1 > first)
			c->old[c->nold - 2].is_adjacent = true;
		if (weir_bytes_cmp(read->part.bytes, read->part.len,
						   VARDATA(range->low),
						   VARSIZE(range->low) - VARHDRSZ) <= 0)
			break;
	}
}

/* Sorts the segments and drops those that were read twice. */
static void
sort_segments(Compaction *c)
{
	int			n = 0;

	qsort(c->old, c->nold, sizeof(OldSegment), part_cmp);
	for (int i = 0; i < c->nold; i++)
	{
		if (n > 0 && part_cmp(&c->old[n - 1], &c->old[i]) == 0)
			c->old[n - 1].is_adjacent |= c->old[i].is_adjacent;
		else
			c->old[n++] = c->old[i];
	}
	c->nold = n;
}

/* Reads the segments that the ranges reach into, and the first one. */
static void
read_changed_segments(Compaction *c, const ChangedRange *ranges, int nranges)
{
	ChangedRange first;

	begin_base(c);
	c->is_partial = true;
	first.low = first.high = (struct varlena *) cstring_to_text("");
	read_range(c, &first);
	for (int i = 0; i < nranges; i++)
		read_range(c, &ranges[i]);
	weir_heap_scan_stop(&c->base);
	sort_segments(c);
}

static void
fold_base(Compaction *c)
{
	weir_fold_reset(c->fold, c->table->by_number, c->table->nnumbers);
	weir_fold_set_base(c->fold, c->old_hi, c->old_folded_at);
	for (int i = 0; i < c->nold; i++)
	{
		WeirSegmentReader reader;
		WeirStoredCell cell;

		weir_segment_reader_init(&reader, c->old[i].bytes, c->old[i].len);
		while (weir_segment_next_cell(&reader, &cell))
			weir_fold_add_base_cell(c->fold, &cell);
	}
}

static void
fold_deltas(Compaction *c)
{
	for (int i = 0; i < c->ndeltas; i++)
		weir_fold_add_delta(c->fold, c->deltas[i].seq,
							c->deltas[i].bytes.bytes, c->deltas[i].bytes.len);
}

/* The deltas up to hi. */
static void
read_deltas(Compaction *c, int64 hi)
{
	ScanKeyData scankeys[2];
	int			allocated = 16;

	c->ndeltas = 0;
	c->deltas = palloc(sizeof(FoldedDelta) * allocated);
	ScanKeyInit(&scankeys[0], Anum_delta_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, c->key_datum);
	ScanKeyInit(&scankeys[1], Anum_delta_seq, BTLessEqualStrategyNumber,
				F_INT8LE, Int64GetDatum(hi));
	weir_heap_scan_start(&c->delta, c->snapshot, scankeys, 2);
	while (weir_heap_scan_next(&c->delta, ForwardScanDirection))
	{
		const TupleTableSlot *slot = c->delta.slot;
		FoldedDelta *delta;

		if (c->ndeltas == allocated)
		{
			allocated *= 2;
			c->deltas = repalloc_huge(c->deltas,
									  sizeof(FoldedDelta) * allocated);
		}
		delta = &c->deltas[c->ndeltas++];
		delta->tid = slot->tts_tid;
		delta->seq = DatumGetInt64(slot->tts_values[Anum_delta_seq - 1]);
		delta->bytes = bytes_of_datum(slot->tts_values[Anum_delta_cells - 1]);
		c->bytes_read += delta->bytes.len;
	}
	weir_heap_scan_stop(&c->delta);
}

/* ---- what the deltas change ---- */

/*
 * Adds a column, a family if the qualifier is NULL; false if there are too
 * many.  Columns mostly come several times in a row.
 */
static bool
add_changed(ChangedRange *ranges, int *nranges, uint16 family,
			const char *qualifier, uint32 qualifier_len)
{
	struct varlena *low = weir_position_before(family, qualifier,
											   qualifier_len);

	for (int i = 0; i < *nranges; i++)
		if (VARSIZE(ranges[i].low) == VARSIZE(low) &&
			memcmp(ranges[i].low, low, VARSIZE(low)) == 0)
			return true;
	if (*nranges == MAX_CHANGED_RANGES)
		return false;
	ranges[*nranges].low = low;
	ranges[*nranges].high = weir_position_after(family, qualifier,
												qualifier_len);
	(*nranges)++;
	return true;
}

/* False if the delta changes too much to fold only parts of the row. */
static bool
add_changes_of_delta(const FoldedDelta *delta, ChangedRange *ranges,
					 int *nranges)
{
	WeirDeltaReader reader;
	WeirTombstone column;
	WeirStoredCell cell;
	uint16		family;

	weir_delta_reader_init(&reader, delta->bytes.bytes, delta->bytes.len);
	if (reader.deletes_row)
		return false;
	while (weir_delta_next_family(&reader, &family))
		if (!add_changed(ranges, nranges, family, NULL, 0))
			return false;
	while (weir_delta_next_column(&reader, &column))
		if (!add_changed(ranges, nranges, column.family, column.qualifier,
						 column.qualifier_len))
			return false;
	while (weir_delta_next_cell(&reader, &cell))
		if (!add_changed(ranges, nranges, cell.family, cell.qualifier,
						 cell.qualifier_len))
			return false;
	return true;
}

/* Adds the segments that hold garbage. */
static bool
add_garbage(Compaction *c, int64 now, ChangedRange *ranges, int *nranges)
{
	ScanKeyData scankey;
	bool		few = true;

	ScanKeyInit(&scankey, Anum_base_row_key, BTEqualStrategyNumber, F_BYTEAEQ,
				c->key_datum);
	weir_heap_scan_start(&c->base, c->snapshot, &scankey, 1);
	while (few && weir_heap_scan_next(&c->base, ForwardScanDirection))
	{
		const TupleTableSlot *slot = c->base.slot;

		if (slot->tts_isnull[Anum_base_gc_due - 1] ||
			DatumGetInt64(slot->tts_values[Anum_base_gc_due - 1]) > now)
			continue;
		few = *nranges < MAX_CHANGED_RANGES;
		if (few)
		{
			ranges[*nranges].low = ranges[*nranges].high =
				PG_DETOAST_DATUM_COPY(slot->tts_values[Anum_base_part - 1]);
			(*nranges)++;
		}
	}
	weir_heap_scan_stop(&c->base);
	return few;
}

/* Was a rule replaced between the old hi and the new one? */
static bool
rules_have_changed(const Compaction *c, int64 hi)
{
	for (uint32 i = 0; i < c->table->nnumbers; i++)
	{
		const WeirFoldFamily *family = &c->table->by_number[i];

		for (int j = 0; j < family->nrules; j++)
			if (family->rules[j].until_seq > c->old_hi &&
				family->rules[j].until_seq <= hi)
				return true;
	}
	return false;
}

/*
 * Reads what has to be folded: the deltas, and all segments of a short row
 * or those of a long one that are changed.
 */
static void
read_row(Compaction *c, Horizon horizon)
{
	ChangedRange ranges[MAX_CHANGED_RANGES];
	int			nranges = 0;
	bool		partial;

	c->old_hi = c->old_folded_at = 0;
	read_deltas(c, horizon.hi);
	if (read_base(c, c->options->whole_rows ? INT_MAX : LONG_ROW_SEGMENTS))
		return;
	partial = !rules_have_changed(c, horizon.hi);
	for (int i = 0; partial && i < c->ndeltas; i++)
		partial = add_changes_of_delta(&c->deltas[i], ranges, &nranges);
	if (partial && c->table->has_rules)
		partial = add_garbage(c, horizon.gc_time, ranges, &nranges);
	if (partial)
		read_changed_segments(c, ranges, nranges);
	else
		(void) read_base(c, INT_MAX);
}

/* ---- cutting a row ---- */

static int
cell_and_part_cmp(const WeirStoredCell *cell, WeirRowKey part)
{
	struct varlena *position = weir_position_of_cell(cell);
	int			c = weir_bytes_cmp(VARDATA(position),
								   VARSIZE(position) - VARHDRSZ,
								   part.bytes, part.len);

	pfree(position);
	return c;
}

/* How many of the cells, in order, lie before the part. */
static uint32
cells_before(const WeirStoredCell *cells, uint32 ncells, WeirRowKey part)
{
	uint32		low = 0;
	uint32		high = ncells;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (cell_and_part_cmp(&cells[middle], part) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static Size
size_of_cells(const WeirStoredCell *cells, uint32 ncells)
{
	Size		size = 0;

	for (uint32 i = 0; i < ncells; i++)
		size += weir_stored_cell_size(&cells[i]);
	return size;
}

/*
 * Divides the cells along the old borders, without those that would make an
 * empty segment or two very small ones.  The first range may stay empty if
 * there are segments that were not read.
 */
static int
divide_along_borders(Compaction *c, const WeirStoredCell *cells,
					 uint32 ncells, NewSegment *ranges)
{
	int			n = 1;
	uint32		done = 0;
	Size		size = 0;		/* of the last range */

	ranges[0].part = (struct varlena *) cstring_to_text("");
	ranges[0].first = ranges[0].ncells = 0;
	for (int i = 0; i < c->nold; i++)
	{
		uint32		run = i + 1 < c->nold ?
			cells_before(&cells[done], ncells - done, c->old[i + 1].part) :
			ncells - done;
		Size		run_size = size_of_cells(&cells[done], run);

		if (run == 0)
			continue;
		if (i > 0 &&
			((c->is_partial && !c->old[i].is_adjacent) ||
			 (ranges[n - 1].ncells > 0 &&
			  size + run_size >= SEGMENT_MERGE_LEN)))
		{
			ranges[n].part = (struct varlena *)
				cstring_to_text_with_len(c->old[i].part.bytes,
										 c->old[i].part.len);
			ranges[n].first = done;
			ranges[n].ncells = 0;
			n++;
			size = 0;
		}
		ranges[n - 1].ncells += run;
		size += run_size;
		done += run;
	}
	ranges[n - 1].ncells += ncells - done;
	return n;
}

/* Cuts the row into segments; the result is allocated. */
static NewSegment *
cut_row(Compaction *c, const WeirStoredCell *cells, uint32 ncells,
		int *nsegments)
{
	NewSegment *ranges = palloc(sizeof(NewSegment) * (c->nold + 1));
	int			nranges = divide_along_borders(c, cells, ncells, ranges);
	int			allocated = nranges * 2;
	NewSegment *segments = palloc(sizeof(NewSegment) * allocated);
	int			n = 0;

	for (int i = 0; i < nranges; i++)
	{
		struct varlena *part = ranges[i].part;
		uint32		first = ranges[i].first;
		uint32		left = ranges[i].ncells;

		do
		{
			struct varlena *next_part;
			uint32		cut = weir_segment_cut(&cells[first], left, &next_part);

			if (n == allocated)
			{
				allocated *= 2;
				segments = repalloc(segments, sizeof(NewSegment) * allocated);
			}
			segments[n].part = part;
			segments[n].first = first;
			segments[n].ncells = cut;
			n++;
			first += cut;
			left -= cut;
			part = next_part;
		} while (left > 0);
	}
	*nsegments = n;
	return segments;
}

/* ---- writing a row ---- */

/* When the first of the cells of a segment becomes garbage. */
static int64
due_of_segment(const Compaction *c, const WeirStoredCell *cells,
			   const NewSegment *segment)
{
	int64		due = PG_INT64_MAX;
	uint32		column_start = segment->first;

	if (!c->table->has_rules)
		return due;
	while (column_start > 0 &&
		   weir_stored_column_cmp(&cells[column_start - 1],
								  &cells[segment->first]) == 0)
		column_start--;
	for (uint32 i = segment->first; i < segment->first + segment->ncells; i++)
	{
		const WeirFamily *family = c->table->family_by_number[cells[i].family];

		if (weir_stored_column_cmp(&cells[column_start], &cells[i]) != 0)
			column_start = i;
		if (family->gc != NULL)
			due = Min(due, weir_gc_rule_due(family->gc, i - column_start,
											cells[i].ts));
	}
	return due;
}

static void
insert_index_entries(Compaction *c, HeapTuple tuple)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(c->base_heap),
													&TTSOpsHeapTuple);

	ExecStoreHeapTuple(tuple, slot, false);
	slot->tts_tableOid = RelationGetRelid(c->base_heap);
	WeirExecInsertIndexTuples(c->base_rel, slot, c->estate, false);
	ExecDropSingleTupleTableSlot(slot);
	ResetPerTupleExprContext(c->estate);
}

static OldSegment *
old_segment_at(Compaction *c, const struct varlena *part)
{
	for (int i = 0; i < c->nold; i++)
		if (weir_bytes_cmp(c->old[i].part.bytes, c->old[i].part.len,
						   VARDATA(part), VARSIZE(part) - VARHDRSZ) == 0)
			return &c->old[i];
	return NULL;
}

static HeapTuple
form_segment(Compaction *c, const NewSegment *segment, struct varlena *bytes,
			 int64 hi, int64 folded_at, int64 gc_due)
{
	Datum		values[Natts_base] = {0};
	bool		nulls[Natts_base] = {false};
	bool		is_first = VARSIZE(segment->part) == VARHDRSZ;

	values[Anum_base_row_key - 1] = c->key_datum;
	values[Anum_base_part - 1] = PointerGetDatum(segment->part);
	values[Anum_base_hi - 1] = Int64GetDatum(hi);
	nulls[Anum_base_hi - 1] = !is_first;
	values[Anum_base_folded_at - 1] = Int64GetDatum(folded_at);
	nulls[Anum_base_folded_at - 1] = !is_first;
	values[Anum_base_gc_due - 1] = Int64GetDatum(gc_due);
	nulls[Anum_base_gc_due - 1] = gc_due == PG_INT64_MAX;
	values[Anum_base_cells - 1] = PointerGetDatum(bytes);
	return weir_shape_form_tuple(c->base_heap, values, nulls, Natts_base);
}

static void
write_segment(Compaction *c, const WeirStoredCell *cells,
			  const NewSegment *segment, int64 hi, int64 folded_at)
{
	OldSegment *old = old_segment_at(c, segment->part);
	struct varlena *bytes = weir_segment_build(&cells[segment->first],
											   segment->ncells);
	int64		gc_due = due_of_segment(c, cells, segment);
	bool		is_first = VARSIZE(segment->part) == VARHDRSZ;
	HeapTuple	tuple;

	if (old != NULL)
	{
		old->is_kept = true;
		if (!is_first && old->gc_due == gc_due &&
			old->len == VARSIZE(bytes) - VARHDRSZ &&
			memcmp(old->bytes, VARDATA(bytes), old->len) == 0)
			return;
	}
	tuple = form_segment(c, segment, bytes, hi, folded_at, gc_due);
	if (old != NULL)
		WeirHeapUpdate(c->base_heap, &old->tid, tuple);
	else
		heap_insert(c->base_heap, tuple, GetCurrentCommandId(true), 0, NULL);
	if (!HeapTupleIsHeapOnly(tuple))
		insert_index_entries(c, tuple);
}

static void
write_row(Compaction *c, const WeirStoredCell *cells, uint32 ncells, int64 hi,
		  int64 folded_at)
{
	int			nsegments = 0;
	NewSegment *segments;

	if (ncells > 0 || c->is_partial)
	{
		segments = cut_row(c, cells, ncells, &nsegments);
		for (int i = 0; i < nsegments; i++)
			write_segment(c, cells, &segments[i], hi, folded_at);
	}
	for (int i = 0; i < c->nold; i++)
		if (!c->old[i].is_kept)
			simple_heap_delete(c->base_heap, &c->old[i].tid);
	for (int i = 0; i < c->ndeltas; i++)
		simple_heap_delete(c->delta_heap, &c->deltas[i].tid);
}

/* ---- one row ---- */

/* Is any segment that was read due for garbage collection? */
static bool
is_garbage_due(const Compaction *c, int64 now)
{
	for (int i = 0; i < c->nold; i++)
		if (c->old[i].gc_due <= now)
			return true;
	return false;
}

static void
fold_row(Compaction *c, Horizon horizon)
{
	WeirStoredCell *cells;
	uint32		ncells;
	int64		folded_at;

	/* What was committed when the horizon was found is visible now. */
	c->snapshot = RegisterSnapshot(GetLatestSnapshot());
	read_row(c, horizon);
	UnregisterSnapshot(c->snapshot);
	if (c->ndeltas == 0 && !is_garbage_due(c, horizon.gc_time))
		return;
	fold_base(c);
	fold_deltas(c);
	cells = weir_fold_row(c->fold, horizon.gc_time, &ncells);
	folded_at = Max(horizon.gc_time, weir_fold_last_time(c->fold));
	write_row(c, cells, ncells, Max(horizon.hi, c->old_hi), folded_at);
	c->stats->rows++;
	c->stats->deltas += c->ndeltas;
}

/* What the base says about the row without reading it. */
static void
read_old_hi(Compaction *c)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData scankeys[2];

	c->old_hi = 0;
	ScanKeyInit(&scankeys[0], Anum_base_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, c->key_datum);
	ScanKeyInit(&scankeys[1], Anum_base_part, BTEqualStrategyNumber,
				F_BYTEAEQ, PointerGetDatum(cstring_to_text("")));
	weir_heap_scan_start(&c->base, snapshot, scankeys, 2);
	if (weir_heap_scan_next(&c->base, ForwardScanDirection) &&
		!c->base.slot->tts_isnull[Anum_base_hi - 1])
		c->old_hi = DatumGetInt64(c->base.slot->tts_values[Anum_base_hi - 1]);
	weir_heap_scan_stop(&c->base);
	UnregisterSnapshot(snapshot);
}

static void
compact_row(Compaction *c, WeirRowKey key)
{
	MemoryContext old_context = MemoryContextSwitchTo(c->row_context);
	Horizon		horizon;

	c->key = key;
	c->key_datum = PointerGetDatum(cstring_to_text_with_len(key.bytes,
															key.len));
	read_old_hi(c);
	if (find_horizon(c, &horizon))
		fold_row(c, horizon);
	else
		c->stats->skipped++;
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(c->row_context);
}

/* ---- finding rows ---- */

/* Has the row at which "keys" stands enough deltas?  Moves "keys". */
static bool
has_enough_deltas(Compaction *c, WeirRowKey key)
{
	int			n = 1;

	while (n < c->options->min_deltas &&
		   weir_heap_scan_next(&c->keys, ForwardScanDirection))
	{
		struct varlena *v = PG_DETOAST_DATUM_PACKED(c->keys.slot->tts_values[0]);

		if (weir_bytes_cmp(VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v),
						   key.bytes, key.len) != 0)
			return false;
		n++;
	}
	return n >= c->options->min_deltas;
}

/* Copies the first column of the tuple at which the cursor stands. */
static void
advance_position(WeirCompactPosition *position, const WeirHeapScan *cursor)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(cursor->slot->tts_values[0]);
	uint32		len = VARSIZE_ANY_EXHDR(v);
	char	   *copy = palloc(len + 1);

	memcpy(copy, VARDATA_ANY(v), len);
	if (position->row_key != NULL)
		pfree(position->row_key);
	position->row_key = copy;
	position->row_key_len = len;
}

/*
 * The next row with deltas after the position; "enough" tells whether it is
 * to be compacted.  False if there is none.
 */
static bool
next_row_with_deltas(Compaction *c, WeirCompactPosition *position,
					 bool *enough)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bytea	   *after = NULL;
	ScanKeyData scankey;
	bool		found;

	if (position->row_key != NULL)
	{
		after = (bytea *) cstring_to_text_with_len(position->row_key,
												   position->row_key_len);
		ScanKeyInit(&scankey, Anum_delta_row_key, BTGreaterStrategyNumber,
					F_BYTEAGT, PointerGetDatum(after));
	}
	weir_heap_scan_start(&c->keys, snapshot, &scankey, after != NULL ? 1 : 0);
	found = weir_heap_scan_next(&c->keys, ForwardScanDirection);
	if (found)
	{
		advance_position(position, &c->keys);
		*enough = has_enough_deltas(c, (WeirRowKey) {position->row_key,
									position->row_key_len});
	}
	weir_heap_scan_stop(&c->keys);
	UnregisterSnapshot(snapshot);
	if (after != NULL)
		pfree(after);
	return found;
}

/* The index of the base on gc_due, InvalidOid if it was dropped. */
static Oid
gc_due_index(Relation base)
{
	List	   *indexes = RelationGetIndexList(base);
	ListCell   *lc;
	Oid			found = InvalidOid;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indnatts == 1 && index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == Anum_base_gc_due)
			found = lfirst_oid(lc);
		index_close(index, AccessShareLock);
	}
	return found;
}

/* Row keys of segments that hold garbage, at most "max" of them, sorted. */
static List *
rows_with_garbage(Compaction *c, int64 now, int64 max)
{
	Oid			index = gc_due_index(c->base_heap);
	Snapshot	snapshot;
	WeirHeapScan	cursor;
	ScanKeyData scankey;
	List	   *rows = NIL;
	int64		n = 0;

	if (!OidIsValid(index))
		return NIL;
	weir_heap_scan_open(&cursor, c->table->base, index);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyInit(&scankey, 1, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(now));
	weir_heap_scan_start(&cursor, snapshot, &scankey, 1);
	while (n < max && weir_heap_scan_next(&cursor, ForwardScanDirection))
	{
		WeirRowKey *key = palloc(sizeof(WeirRowKey));

		*key = bytes_of_datum(cursor.slot->tts_values[Anum_base_row_key - 1]);
		rows = lappend(rows, key);
		n++;
	}
	weir_heap_scan_close(&cursor);
	UnregisterSnapshot(snapshot);
	return rows;
}

/* ---- the pass ---- */

static bool
is_exhausted(const Compaction *c, int64 nrows)
{
	return nrows >= c->options->max_rows ||
		c->bytes_read >= c->options->max_bytes;
}

/* True if stopped before the last row with deltas. */
static bool
compact_deltas(Compaction *c, WeirCompactPosition *position)
{
	int64		nrows = 0;
	bool		enough = false;

	while (next_row_with_deltas(c, position, &enough))
	{
		CHECK_FOR_INTERRUPTS();
		nrows++;
		if (enough)
			compact_row(c, (WeirRowKey) {position->row_key,
						position->row_key_len});
		if (is_exhausted(c, nrows))
			return true;
	}
	return false;
}

/*
 * True if there may be more.  A row with several segments that are due is
 * compacted once, as its others are not due any more afterwards.
 */
static bool
compact_garbage(Compaction *c)
{
	int64		now = weir_clock_usec();
	int64		max = Min(c->options->max_rows, 10000);
	int64		rows_before = c->stats->rows;
	List	   *rows;
	ListCell   *lc;

	CommandCounterIncrement();	/* see what was just written */
	rows = rows_with_garbage(c, now, max);
	foreach(lc, rows)
	{
		CHECK_FOR_INTERRUPTS();
		compact_row(c, *(WeirRowKey *) lfirst(lc));
		CommandCounterIncrement();
		if (c->bytes_read >= c->options->max_bytes)
			return true;
	}
	/* If nothing could be done there is no use in trying again at once. */
	return list_length(rows) == max && c->stats->rows > rows_before;
}

static void
open_compaction(Compaction *c)
{
	c->base_heap = table_open(c->table->base, RowExclusiveLock);
	c->delta_heap = table_open(c->table->delta, RowExclusiveLock);
	weir_heap_scan_open(&c->base, c->table->base, c->table->base_index);
	weir_heap_scan_open(&c->delta, c->table->delta, c->table->delta_index);
	weir_heap_scan_open(&c->keys, c->table->delta, c->table->delta_index);
	c->estate = CreateExecutorState();
	c->base_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(c->base_rel, c->base_heap, 0, NULL, 0);
	ExecOpenIndices(c->base_rel, false);
	c->row_context = AllocSetContextCreate(CurrentMemoryContext,
										   "weir compaction row",
										   ALLOCSET_DEFAULT_SIZES);
	c->fold = weir_fold_create(weir_hll_combine);
}

static void
close_compaction(Compaction *c)
{
	weir_fold_destroy(c->fold);
	MemoryContextDelete(c->row_context);
	ExecCloseIndices(c->base_rel);
	FreeExecutorState(c->estate);
	weir_heap_scan_close(&c->keys);
	weir_heap_scan_close(&c->delta);
	weir_heap_scan_close(&c->base);
	table_close(c->delta_heap, NoLock);
	table_close(c->base_heap, NoLock);
}

bool
weir_compact_some(Oid face, const WeirCompactOptions *options,
				  WeirCompactPosition *position, WeirCompactStats *stats)
{
	Compaction	c = {0};
	bool		more = true;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("compaction needs a READ COMMITTED transaction")));
	c.table = weir_wide_table_open(face, RowExclusiveLock, 0);
	weir_check_is_no_view(c.table);
	c.options = options;
	c.stats = stats;
	if (!weir_compaction_lock(face, options->wait_for_rows))
		return false;
	CommandCounterIncrement();
	open_compaction(&c);
	if (!position->deltas_done)
	{
		more = compact_deltas(&c, position);
		position->deltas_done = !more;
	}
	if (position->deltas_done)
		more = c.table->has_rules && compact_garbage(&c);
	close_compaction(&c);
	CommandCounterIncrement();
	return more;
}

/* ---- weir.compact ---- */

PG_FUNCTION_INFO_V1(weir_compact);
Datum
weir_compact(PG_FUNCTION_ARGS)
{
	Oid			face = weir_table_argument(fcinfo, 0);
	WeirCompactOptions options = {1, PG_INT64_MAX, SIZE_MAX, false, false};
	WeirCompactPosition position = {0};
	WeirCompactStats stats = {0};
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	PreventCommandIfReadOnly("weir.compact()");
	options.whole_rows = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	(void) weir_wide_table_open(face, RowExclusiveLock, 0);
	if (!WeirOwnsRelation(face, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE,
					   get_rel_name(face));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	weir_compaction_lock(face, true);
	while (weir_compact_some(face, &options, &position, &stats))
		 /* go on */ ;
	values[0] = Int64GetDatum(stats.rows);
	values[1] = Int64GetDatum(stats.deltas);
	values[2] = Int64GetDatum(stats.skipped);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
