/*-------------------------------------------------------------------------
 *
 * compact_row.c
 *	  Compaction of one row.
 *
 * Find the number "hi" up to which no delta can be missing, read the row up
 * to there, write what it has become into the base, and delete the deltas;
 * all in one transaction, so that any snapshot sees either all of it or
 * nothing (I9).
 *
 * Finding hi.  Under the row lock no read-modify-write has a number that it
 * has not used yet; under the exclusive barrier every blind write with a
 * number has its delta in the heap.  Then a scan that sees uncommitted deltas
 * finds the first one in doubt; hi is the last number before it.  Both locks
 * are released right after: whoever takes a number later gets a greater one.
 *
 * Nobody but a compaction changes the base, and there is one at a time, so
 * the base may be read under a snapshot that is older than that.
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
 * much; and what it knows of when more is due is kept.
 *
 * A rule that was replaced is applied as of its replacement.  If nothing of
 * the row is in doubt it has had all of them when it is written: then its hi
 * is at least the number at which the last of them was replaced.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "storage/base_row.h"
#include "storage/changes.h"
#include "storage/compact_row.h"
#include "storage/heapscan.h"
#include "storage/hll.h"
#include "storage/indexes.h"
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

/* A delta that is to be folded. */
typedef struct FoldedDelta
{
	ItemPointerData tid;
	int64		seq;
	Datum		stored;			/* as it is in the tuple, copied */
	WeirRowKey	bytes;			/* detoasted */
} FoldedDelta;

/* A run of cells that becomes a segment. */
typedef struct NewSegment
{
	struct varlena *part;
	uint32		first;			/* index of its first cell */
	uint32		ncells;
} NewSegment;

struct WeirRowCompaction
{
	WeirWideTable *table;
	const WeirCompactOptions *options;
	MemoryContext row_context;	/* reset after each row */
	Size		delta_bytes_read;
	WeirBaseRow base;			/* as it is in the base */
	WeirHeapScan delta;
	Relation	base_heap;		/* for writing */
	Relation	delta_heap;
	WeirIndexes *base_indexes;
	WeirFold   *fold;
	WeirChangeWriter *changes;	/* for garbage; NULL: not recorded */
	WeirFold   *fold_without_rules; /* what the row would be without */
	WeirFoldFamily *families;	/* for that */

	/* of the current row */
	WeirRowKey	key;
	Datum		key_datum;
	FoldedDelta *deltas;
	int			ndeltas;
	int			deltas_allocated;
	int64		hi;				/* number of the last delta */
	int64		new_hi;			/* as of which the row is written */
	int64		gc_time;		/* 0: as of the last delta */
};

typedef struct WeirRowCompaction Compaction;

/* The row as it was, under other rules maybe. */
static void
fold_base(Compaction *c, WeirFold *fold, const WeirFoldFamily *families)
{
	weir_fold_reset(fold, families, c->table->nnumbers);
	weir_base_row_fold(&c->base, fold);
}

/* ---- the deltas up to the horizon ---- */

/* Adds the delta at which the scan stands. */
static void
push_delta(Compaction *c)
{
	const TupleTableSlot *slot = c->delta.slot;
	FoldedDelta *delta;

	if (c->ndeltas == c->deltas_allocated)
	{
		c->deltas_allocated *= 2;
		c->deltas = repalloc_huge(c->deltas,
								  sizeof(FoldedDelta) * c->deltas_allocated);
	}
	delta = &c->deltas[c->ndeltas++];
	delta->tid = slot->tts_tid;
	delta->seq = DatumGetInt64(slot->tts_values[Anum_delta_seq - 1]);
	delta->stored = datumCopy(slot->tts_values[Anum_delta_cells - 1],
							  false, -1);
	c->hi = delta->seq;
}

/* Under both locks: looks at all deltas of the row, committed or not. */
static void
scan_deltas(Compaction *c)
{
	SnapshotData dirty;
	ScanKeyData scankeys[2];
	bool		in_doubt = false;

	InitDirtySnapshot(dirty);
	ScanKeyInit(&scankeys[0], Anum_delta_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, c->key_datum);
	ScanKeyInit(&scankeys[1], Anum_delta_seq, BTGreaterStrategyNumber,
				F_INT8GT, Int64GetDatum(c->base.hi));
	weir_heap_scan_start(&c->delta, &dirty, scankeys, 2);
	while (!in_doubt && weir_heap_scan_next(&c->delta, ForwardScanDirection))
	{
		in_doubt = TransactionIdIsValid(dirty.xmin) &&
			!TransactionIdIsCurrentTransactionId(dirty.xmin);
		if (!in_doubt)
			push_delta(c);
	}
	weir_heap_scan_stop(&c->delta);
	c->gc_time = in_doubt ? 0 : weir_clock_usec();

	/*
	 * When a rule was replaced there were no writers; so if there is nothing
	 * in doubt, all writes before that are there.
	 */
	c->new_hi = in_doubt ? c->hi : Max(c->hi, c->table->rules_replaced);
}

/*
 * Reads the deltas up to the horizon.  False if the row is locked.
 */
static bool
read_deltas(Compaction *c)
{
	Oid			home = c->table->home;
	uint32		hash = weir_row_hash(c->key.bytes, c->key.len);

	c->hi = c->base.hi;
	c->ndeltas = 0;
	c->deltas_allocated = 16;
	c->deltas = palloc(sizeof(FoldedDelta) * c->deltas_allocated);
	if (!weir_row_lock(home, hash, c->options->wait_for_rows))
		return false;
	weir_barrier_acquire(home, hash, ExclusiveLock);
	scan_deltas(c);
	weir_barrier_release(home, hash, ExclusiveLock);
	weir_row_unlock(home, hash);

	/* What lies out of line is fetched without holding up writers. */
	for (int i = 0; i < c->ndeltas; i++)
	{
		c->deltas[i].bytes = weir_row_key_copy(c->deltas[i].stored);
		c->delta_bytes_read += c->deltas[i].bytes.len;
	}
	return true;
}

static void
fold_deltas(Compaction *c, WeirFold *fold)
{
	for (int i = 0; i < c->ndeltas; i++)
		weir_fold_add_delta(fold, c->deltas[i].seq,
							c->deltas[i].bytes.bytes, c->deltas[i].bytes.len);
}

/* ---- what the deltas change ---- */

/*
 * Adds a column, a family if the qualifier is NULL; false if there are too
 * many.  Columns mostly come several times in a row.
 */
static bool
add_changed(WeirRowSpan *ranges, int *nranges, uint16 family,
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
add_changes_of_delta(const FoldedDelta *delta, WeirRowSpan *ranges,
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

/* Was a rule replaced between the old hi and the one to be written? */
static bool
rules_have_changed(const Compaction *c)
{
	for (uint32 i = 0; i < c->table->nnumbers; i++)
	{
		const WeirFoldFamily *family = &c->table->by_number[i];

		for (int j = 0; j < family->nrules; j++)
			if (family->rules[j].until_seq > c->base.hi &&
				family->rules[j].until_seq <= c->new_hi)
				return true;
	}
	return false;
}

/*
 * A long row: reads the segments that are changed, or, if those are many,
 * all of them.
 */
static void
read_long_row(Compaction *c)
{
	WeirRowSpan ranges[MAX_CHANGED_RANGES];
	int			nranges = 0;
	bool		partial = !rules_have_changed(c);

	for (int i = 0; partial && i < c->ndeltas; i++)
		partial = add_changes_of_delta(&c->deltas[i], ranges, &nranges);
	if (partial && c->table->has_rules)
		partial = weir_base_row_find_garbage(&c->base, c->key_datum,
											 c->gc_time, ranges, &nranges,
											 MAX_CHANGED_RANGES);
	if (partial)
		weir_base_row_read_spans(&c->base, c->key_datum, ranges, nranges);
	else
		(void) weir_base_row_read(&c->base, c->key_datum, INT_MAX);
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
	for (int i = 0; i < c->base.n; i++)
	{
		uint32		run = i + 1 < c->base.n ?
			cells_before(&cells[done], ncells - done,
						 c->base.segments[i + 1].part) :
			ncells - done;
		Size		run_size = size_of_cells(&cells[done], run);

		if (run == 0)
			continue;
		if (i > 0 &&
			((c->base.is_partial && !c->base.segments[i].is_adjacent) ||
			 (ranges[n - 1].ncells > 0 &&
			  size + run_size >= SEGMENT_MERGE_LEN)))
		{
			ranges[n].part = (struct varlena *)
				cstring_to_text_with_len(c->base.segments[i].part.bytes,
										 c->base.segments[i].part.len);
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
	NewSegment *ranges = palloc(sizeof(NewSegment) * (c->base.n + 1));
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
	if (segment->ncells > 0)
		due = Min(due, weir_base_row_due_of_cut(&c->base, segment->part,
												&cells[segment->first],
												c->gc_time));
	return due;
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
	WeirBaseSegment *old = weir_base_row_segment(&c->base, segment->part);
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
		weir_indexes_insert(c->base_indexes, tuple);
}

static void
write_row(Compaction *c, const WeirStoredCell *cells, uint32 ncells, int64 hi,
		  int64 folded_at)
{
	int			nsegments = 0;
	NewSegment *segments;

	if (ncells > 0 || c->base.is_partial)
	{
		segments = cut_row(c, cells, ncells, &nsegments);
		for (int i = 0; i < nsegments; i++)
			write_segment(c, cells, &segments[i], hi, folded_at);
	}
	for (int i = 0; i < c->base.n; i++)
		if (!c->base.segments[i].is_kept)
			simple_heap_delete(c->base_heap, &c->base.segments[i].tid);
	for (int i = 0; i < c->ndeltas; i++)
		simple_heap_delete(c->delta_heap, &c->deltas[i].tid);
}

/* ---- one row ---- */

/* The families of the table as if no rule had ever been given. */
static WeirFoldFamily *
families_without_rules(const WeirWideTable *table)
{
	WeirFoldFamily *families = palloc0(sizeof(WeirFoldFamily) *
									   (table->nnumbers + 1));

	for (uint32 i = 0; i < table->nnumbers; i++)
		families[i].exists = table->by_number[i].exists;
	return families;
}

/*
 * Records what garbage collection has taken from the row that was folded;
 * false if the row has to be left for later.
 */
static bool
record_garbage(Compaction *c, const WeirStoredCell *cells, uint32 ncells)
{
	WeirStoredCell *with;
	uint32		nwith;

	if (c->changes == NULL)
		return true;
	fold_base(c, c->fold_without_rules, c->families);
	fold_deltas(c, c->fold_without_rules);
	with = weir_fold_row(c->fold_without_rules, c->gc_time, &nwith);
	return weir_changes_put_garbage(c->table, c->changes, c->key, c->hi,
									c->options->wait_for_rows,
									with, nwith, cells, ncells);
}

/* False if the row is locked. */
static bool
compact_row(Compaction *c, WeirCompactStats *stats)
{
	WeirStoredCell *cells;
	uint32		ncells;
	bool		is_long;

	is_long = !weir_base_row_read(&c->base, c->key_datum,
								  c->options->whole_rows ? INT_MAX :
								  LONG_ROW_SEGMENTS);
	if (!read_deltas(c))
		return false;
	if (is_long)
		read_long_row(c);
	if (c->ndeltas == 0 && !weir_base_row_is_due(&c->base, c->gc_time) &&
		!(c->options->whole_rows && rules_have_changed(c)))
		return true;

	fold_base(c, c->fold, c->table->by_number);
	fold_deltas(c, c->fold);
	cells = weir_fold_row(c->fold, c->gc_time, &ncells);
	if (!record_garbage(c, cells, ncells))
		return false;
	write_row(c, cells, ncells, c->new_hi,
			  Max(c->gc_time, weir_fold_last_time(c->fold)));
	stats->rows++;
	stats->deltas += c->ndeltas;
	return true;
}

bool
weir_row_compaction_do(WeirRowCompaction *c, WeirRowKey key,
					   WeirCompactStats *stats)
{
	MemoryContext old_context = MemoryContextSwitchTo(c->row_context);
	bool		done;

	c->key = key;
	c->key_datum = PointerGetDatum(cstring_to_text_with_len(key.bytes,
															key.len));
	done = compact_row(c, stats);
	if (!done)
		stats->skipped++;
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(c->row_context);
	return done;
}

Size
weir_row_compaction_bytes(const WeirRowCompaction *c)
{
	return c->base.bytes_read + c->delta_bytes_read;
}

/* ---- begin and end ---- */

WeirRowCompaction *
weir_row_compaction_begin(WeirWideTable *table,
						  const WeirCompactOptions *options)
{
	Compaction *c = palloc0(sizeof(Compaction));

	c->table = table;
	c->options = options;
	c->base_heap = table_open(table->base, RowExclusiveLock);
	c->delta_heap = table_open(table->delta, RowExclusiveLock);
	weir_heap_scan_open(&c->base.scan, table, WEIR_HEAP_BASE);
	weir_heap_scan_open(&c->delta, table, WEIR_HEAP_DELTA);
	c->base_indexes = weir_indexes_open(c->base_heap);
	c->row_context = AllocSetContextCreate(CurrentMemoryContext,
										   "weir compaction row",
										   ALLOCSET_DEFAULT_SIZES);
	c->fold = weir_fold_create(weir_hll_combine);
	if (OidIsValid(table->changes) && table->has_rules)
	{
		c->changes = weir_change_writer_open(table);
		c->fold_without_rules = weir_fold_create(weir_hll_combine);
		c->families = families_without_rules(table);
	}
	c->base.snapshot = RegisterSnapshot(GetLatestSnapshot());
	return c;
}

void
weir_row_compaction_renew(WeirRowCompaction *c)
{
	CommandCounterIncrement();
	UnregisterSnapshot(c->base.snapshot);
	c->base.snapshot = RegisterSnapshot(GetLatestSnapshot());
}

void
weir_row_compaction_end(WeirRowCompaction *c)
{
	UnregisterSnapshot(c->base.snapshot);
	weir_fold_destroy(c->fold);
	if (c->changes != NULL)
	{
		weir_fold_destroy(c->fold_without_rules);
		weir_change_writer_close(c->changes);
	}
	MemoryContextDelete(c->row_context);
	weir_indexes_close(c->base_indexes);
	weir_heap_scan_close(&c->delta);
	weir_heap_scan_close(&c->base.scan);
	table_close(c->delta_heap, NoLock);
	table_close(c->base_heap, NoLock);
	pfree(c);
}
