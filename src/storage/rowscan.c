/*-------------------------------------------------------------------------
 *
 * rowscan.c
 *	  Reading wide tables: merging the base with the deltas.
 *
 * Both heaps are read through their indexes, which are in key order, under
 * one snapshot.  The tuples of a row, its segments and its deltas, are copied
 * into the memory of a fold, which makes the cells of them.
 *
 * Compaction puts deltas into the base and deletes them in one transaction,
 * so what a snapshot sees in the two heaps together is always the whole row.
 * The number up to which a row is folded, "hi", is not needed for that; but
 * when a single row is read, the scan of the deltas begins there, and does
 * not visit what is folded but not vacuumed yet.
 *
 * If only some columns are wanted of a single row, only the segments that
 * can hold them are read, and the first one for "hi".
 *
 * An authorized view with several prefixes of row keys is read prefix by
 * prefix: a range is scanned in parts.
 *
 * A heap that has no pages is not scanned: that of the deltas when all are
 * folded and vacuumed away, the base before the first compaction.
 *
 * A row without deltas, and without garbage, becomes a value that consists of
 * its segments, if the caller has said that values are all it wants.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "storage/authorized_view.h"
#include "storage/heapscan.h"
#include "storage/row_pieces.h"
#include "storage/rowscan.h"
#include "types/segment.h"

struct WeirRowScan
{
	MemoryContext context;		/* holds all of this */
	WeirWideTable *table;
	Snapshot	snapshot;
	int64		now;
	int64		limit;			/* see only smaller numbers; or PG_INT64_MAX */
	ScanDirection direction;
	WeirHeapScan	base;
	WeirHeapScan	delta;
	const WeirColumnSet *columns;
	WeirKeyTest key_test;		/* or NULL */
	void	   *key_test_arg;
	bool		expects_values; /* the caller does not ask for cells */

	WeirKeyRange range;			/* that is scanned */
	int			next_part;		/* of it */
	bytea	   *lower;			/* bounds of the part that is being scanned, */
	bytea	   *upper;			/* or NULL */

	WeirRowPieces pieces;		/* of the current row */
	WeirRowKey	key;			/* its key */
};

static bytea *
bytes_datum(const char *bytes, uint32 len)
{
	return (bytea *) cstring_to_text_with_len(bytes, (int) len);
}

/* ---- life of a scan ---- */

WeirRowScan *
weir_row_scan_begin(WeirWideTable *table, Snapshot snapshot, int64 now)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir row scan",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	WeirRowScan *scan = palloc0(sizeof(WeirRowScan));

	scan->context = context;
	scan->table = table;
	scan->snapshot = snapshot;
	scan->now = now;
	scan->limit = PG_INT64_MAX;
	scan->direction = ForwardScanDirection;
	weir_row_pieces_open(&scan->pieces, table);
	if (table->restriction != NULL)
		scan->columns = table->restriction->columns;
	weir_heap_scan_open_unless_empty(&scan->delta, table, WEIR_HEAP_DELTA);
	weir_heap_scan_open_unless_empty(&scan->base, table, WEIR_HEAP_BASE);
	MemoryContextSwitchTo(old_context);
	return scan;
}

void
weir_row_scan_end(WeirRowScan *scan)
{
	weir_heap_scan_close(&scan->base);
	weir_heap_scan_close(&scan->delta);
	weir_row_pieces_close(&scan->pieces);
	MemoryContextDelete(scan->context);
}

/* Then a row exists only if a cell in the view does. */
static bool
is_view_of_columns(const WeirRowScan *scan)
{
	return scan->table->restriction != NULL &&
		scan->table->restriction->columns != NULL;
}

void
weir_row_scan_set_columns(WeirRowScan *scan, const WeirColumnSet *columns)
{
	if (!is_view_of_columns(scan))
		scan->columns = columns;
}

void
weir_row_scan_set_key_test(WeirRowScan *scan, WeirKeyTest test, void *arg)
{
	scan->key_test = test;
	scan->key_test_arg = arg;
}

static bool
passes_key_test(const WeirRowScan *scan, WeirRowKey key)
{
	if (scan->table->restriction != NULL &&
		!weir_restriction_has_row(scan->table->restriction, key))
		return false;
	return scan->key_test == NULL || scan->key_test(scan->key_test_arg, key);
}

void
weir_row_scan_expect_values(WeirRowScan *scan, MemoryContext context)
{
	scan->expects_values = true;
	scan->pieces.values_context = context;
}

void
weir_row_scan_set_limit(WeirRowScan *scan, int64 seq)
{
	scan->limit = seq;
}

/* ---- collecting the pieces of a row ---- */

static void
begin_row(WeirRowScan *scan)
{
	weir_row_pieces_begin(&scan->pieces, scan->expects_values, scan->columns);
	scan->pieces.segments.is_reversed = scan->pieces.deltas.is_reversed =
		ScanDirectionIsBackward(scan->direction);
}

/* What the first segment of a row says about the whole row. */
static void
note_first_segment(WeirRowScan *scan)
{
	const TupleTableSlot *slot = scan->base.slot;

	if (!slot->tts_isnull[Anum_base_hi - 1])
		scan->pieces.hi = DatumGetInt64(slot->tts_values[Anum_base_hi - 1]);
	if (!slot->tts_isnull[Anum_base_folded_at - 1])
		scan->pieces.folded_at = DatumGetInt64(slot->tts_values[Anum_base_folded_at - 1]);
}

static void
add_segment(WeirRowScan *scan)
{
	note_first_segment(scan);
	weir_row_pieces_add_segment(&scan->pieces,
								scan->base.slot->tts_values[Anum_base_cells - 1]);
}

static void
add_delta(WeirRowScan *scan)
{
	const TupleTableSlot *slot = scan->delta.slot;
	int64		seq = DatumGetInt64(slot->tts_values[Anum_delta_seq - 1]);

	if (seq < scan->limit)
		weir_row_pieces_add_delta(&scan->pieces,
								  slot->tts_values[Anum_delta_cells - 1],
								  seq);
}

/* The row just made exists, but nothing of it is wanted. */
static void
forget_cells(WeirRowScan *scan)
{
	scan->pieces.plain = NULL;
	scan->pieces.ncells = 0;
}

/*
 * Makes the cells of the pieces.  A row of which no wanted column is left
 * exists if any other is.
 */
static bool
finish_row(WeirRowScan *scan)
{
	WeirRowPieces *pieces = &scan->pieces;

	if (pieces->segments.n == 0 && pieces->deltas.n == 0)
		return false;
	if (weir_row_pieces_make(pieces, scan->columns, scan->now))
		return true;
	if (scan->columns == NULL || is_view_of_columns(scan) ||
		!weir_row_pieces_make(pieces, NULL, scan->now))
		return false;
	forget_cells(scan);
	return true;
}

/* ---- one row ---- */

static void
collect_all_segments(WeirRowScan *scan, Datum key)
{
	ScanKeyData scankey;

	ScanKeyInit(&scankey, Anum_base_row_key, BTEqualStrategyNumber, F_BYTEAEQ,
				key);
	weir_heap_scan_start(&scan->base, scan->snapshot, &scankey, 1);
	while (weir_heap_scan_next(&scan->base, ForwardScanDirection))
		add_segment(scan);
}

/* The positions between which all the wanted columns are. */
static void
bounds_of_columns(const WeirColumnSet *columns,
				  struct varlena **low, struct varlena **high)
{
	*low = *high = NULL;
	for (int i = 0; i < columns->nranges; i++)
	{
		const WeirColumns *range = &columns->ranges[i];
		struct varlena *from = weir_position_before(range->family,
													range->start,
													range->start_len);
		struct varlena *to = weir_position_after(range->family, range->end,
												 range->end_len);

		if (*low == NULL ||
			weir_bytes_cmp(VARDATA(from), VARSIZE(from) - VARHDRSZ,
						   VARDATA(*low), VARSIZE(*low) - VARHDRSZ) < 0)
			*low = from;
		if (*high == NULL ||
			weir_bytes_cmp(VARDATA(to), VARSIZE(to) - VARHDRSZ,
						   VARDATA(*high), VARSIZE(*high) - VARHDRSZ) > 0)
			*high = to;
	}
}

static void
first_segment_scankeys(ScanKey scankeys, Datum key)
{
	ScanKeyInit(&scankeys[0], Anum_base_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, key);
	ScanKeyInit(&scankeys[1], Anum_base_part, BTEqualStrategyNumber,
				F_BYTEAEQ, PointerGetDatum(bytes_datum("", 0)));
}

/* The first segment only, for what it says about the row. */
static void
look_at_first_segment(WeirRowScan *scan, Datum key)
{
	ScanKeyData scankeys[2];

	first_segment_scankeys(scankeys, key);
	weir_heap_scan_start(&scan->base, scan->snapshot, scankeys, 2);
	if (weir_heap_scan_next(&scan->base, ForwardScanDirection))
		note_first_segment(scan);
}

/* The segments that can hold wanted columns, found from the last one back. */
static void
collect_some_segments(WeirRowScan *scan, Datum key)
{
	struct varlena *low;
	struct varlena *high;
	ScanKeyData scankeys[2];
	bool		is_first = false;

	if (scan->columns->nranges > 0)
	{
		bounds_of_columns(scan->columns, &low, &high);
		ScanKeyInit(&scankeys[0], Anum_base_row_key, BTEqualStrategyNumber,
					F_BYTEAEQ, key);
		ScanKeyInit(&scankeys[1], Anum_base_part, BTLessEqualStrategyNumber,
					F_BYTEALE, PointerGetDatum(high));
		weir_heap_scan_start(&scan->base, scan->snapshot, scankeys, 2);
		scan->pieces.segments.is_reversed = true;
		while (weir_heap_scan_next(&scan->base, BackwardScanDirection))
		{
			struct varlena *part = PG_DETOAST_DATUM_PACKED(scan->base.slot->tts_values[Anum_base_part - 1]);

			add_segment(scan);
			is_first = VARSIZE_ANY_EXHDR(part) == 0;
			if (weir_bytes_cmp(VARDATA_ANY(part), VARSIZE_ANY_EXHDR(part),
							   VARDATA(low), VARSIZE(low) - VARHDRSZ) <= 0)
				break;
		}
	}
	if (!is_first)
		look_at_first_segment(scan, key);
}

static void
collect_deltas(WeirRowScan *scan, Datum key)
{
	ScanKeyData scankeys[2];

	ScanKeyInit(&scankeys[0], Anum_delta_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, key);
	ScanKeyInit(&scankeys[1], Anum_delta_seq, BTGreaterStrategyNumber,
				F_INT8GT, Int64GetDatum(scan->pieces.hi));
	weir_heap_scan_start(&scan->delta, scan->snapshot, scankeys, 2);
	scan->pieces.deltas.is_reversed = false;
	while (weir_heap_scan_next(&scan->delta, ForwardScanDirection))
		add_delta(scan);
}

static bool
get_row(WeirRowScan *scan, Datum key)
{
	MemoryContext old_context;

	begin_row(scan);
	/* what is looked for is forgotten with the row */
	old_context = MemoryContextSwitchTo(weir_fold_context(scan->pieces.fold));
	scan->pieces.segments.is_reversed = false;
	if (scan->columns == NULL)
		collect_all_segments(scan, key);
	else
		collect_some_segments(scan, key);
	collect_deltas(scan, key);
	MemoryContextSwitchTo(old_context);
	return finish_row(scan);
}

bool
weir_row_scan_get(WeirRowScan *scan, WeirRowKey key)
{
	MemoryContext old_context;
	const WeirColumnSet *columns = scan->columns;
	Datum		d;
	bool		found;

	scan->key = key;
	scan->pieces.ncells = 0;
	if (!passes_key_test(scan, key))
		return false;
	old_context = MemoryContextSwitchTo(scan->context);
	d = PointerGetDatum(bytes_datum(key.bytes, key.len));
	found = get_row(scan, d);
	if (!found && columns != NULL && !is_view_of_columns(scan))
	{
		/* No wanted cell, but does the row exist? */
		scan->columns = NULL;
		found = get_row(scan, d);
		scan->columns = columns;
		forget_cells(scan);
	}
	pfree(DatumGetPointer(d));
	MemoryContextSwitchTo(old_context);
	return found;
}

static bool
finds_key(WeirHeapScan *heap_scan, Snapshot snapshot, Datum key)
{
	ScanKeyData scankey;

	ScanKeyInit(&scankey, 1, BTEqualStrategyNumber, F_BYTEAEQ, key);
	weir_heap_scan_start(heap_scan, snapshot, &scankey, 1);
	return weir_heap_scan_next(heap_scan, ForwardScanDirection);
}

bool
weir_row_scan_finds_key(WeirRowScan *scan, WeirRowKey key)
{
	MemoryContext old_context;
	Datum		d;
	bool		found;

	if (!passes_key_test(scan, key))
		return false;
	old_context = MemoryContextSwitchTo(scan->context);
	d = PointerGetDatum(bytes_datum(key.bytes, key.len));
	found = finds_key(&scan->base, scan->snapshot, d) ||
		finds_key(&scan->delta, scan->snapshot, d);
	pfree(DatumGetPointer(d));
	MemoryContextSwitchTo(old_context);
	return found;
}

/* ---- many rows ---- */

/* Replaces a bound of the part; NULL if there is none. */
static bytea *
set_bound(bytea **bound, WeirRowKey key)
{
	if (*bound != NULL)
		pfree(*bound);
	*bound = key.bytes == NULL ? NULL : bytes_datum(key.bytes, key.len);
	return *bound;
}

static int
range_scankeys(WeirRowScan *scan, const WeirKeyRange *range, ScanKey scankeys)
{
	int			n = 0;

	if (set_bound(&scan->lower, range->lower) != NULL)
	{
		ScanKeyInit(&scankeys[n++], 1,
					range->lower_open ? BTGreaterStrategyNumber :
					BTGreaterEqualStrategyNumber,
					range->lower_open ? F_BYTEAGT : F_BYTEAGE,
					PointerGetDatum(scan->lower));
	}
	if (set_bound(&scan->upper, range->upper) != NULL)
	{
		ScanKeyInit(&scankeys[n++], 1,
					range->upper_open ? BTLessStrategyNumber :
					BTLessEqualStrategyNumber,
					range->upper_open ? F_BYTEALT : F_BYTEALE,
					PointerGetDatum(scan->upper));
	}
	return n;
}

static void
start_part(WeirRowScan *scan, const WeirKeyRange *part)
{
	MemoryContext old_context = MemoryContextSwitchTo(scan->context);
	ScanKeyData scankeys[2];
	int			n = range_scankeys(scan, part, scankeys);

	weir_heap_scan_start(&scan->base, scan->snapshot, scankeys, n);
	weir_heap_scan_start(&scan->delta, scan->snapshot, scankeys, n);
	weir_heap_scan_next(&scan->base, scan->direction);
	weir_heap_scan_next(&scan->delta, scan->direction);
	MemoryContextSwitchTo(old_context);
}

/* Into how many parts is a range divided? */
static int
number_of_parts(const WeirRowScan *scan)
{
	const WeirRestriction *restriction = scan->table->restriction;

	return restriction == NULL || restriction->prefixes == NULL ? 1 :
		restriction->nprefixes;
}

/* Begins with the next part in which rows can be; false if there is none. */
static bool
start_next_part(WeirRowScan *scan)
{
	const WeirRestriction *restriction = scan->table->restriction;
	int			nparts = number_of_parts(scan);

	while (scan->next_part < nparts)
	{
		int			i = scan->next_part++;
		WeirKeyRange part = scan->range;

		if (ScanDirectionIsBackward(scan->direction))
			i = nparts - 1 - i;
		if (restriction == NULL || restriction->prefixes == NULL ||
			weir_key_range_intersect(&part, &restriction->ranges[i]))
		{
			start_part(scan, &part);
			return true;
		}
	}
	return false;
}

void
weir_row_scan_start(WeirRowScan *scan, const WeirKeyRange *range,
					ScanDirection direction)
{
	scan->direction = direction;
	scan->range = *range;
	scan->next_part = 0;
	scan->base.has_tuple = scan->delta.has_tuple = false;
	(void) start_next_part(scan);
}

/* The row key of the cursor's tuple; valid until the cursor moves. */
static WeirRowKey
cursor_key(const WeirHeapScan *cursor)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(cursor->slot->tts_values[0]);
	WeirRowKey	key = {VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v)};

	return key;
}

/* Which cursor stands at the next row? */
static const WeirHeapScan *
next_cursor(const WeirRowScan *scan)
{
	WeirRowKey	base_key;
	WeirRowKey	delta_key;
	int			c;

	if (!scan->base.has_tuple)
		return &scan->delta;
	if (!scan->delta.has_tuple)
		return &scan->base;
	base_key = cursor_key(&scan->base);
	delta_key = cursor_key(&scan->delta);
	c = weir_row_key_cmp(&base_key, &delta_key);
	if (ScanDirectionIsBackward(scan->direction))
		c = -c;
	return c <= 0 ? &scan->base : &scan->delta;
}

static void
set_key(WeirRowScan *scan, WeirRowKey key)
{
	char	   *copy = MemoryContextAlloc(weir_fold_context(scan->pieces.fold),
										  key.len + 1);

	memcpy(copy, key.bytes, key.len);
	scan->key.bytes = copy;
	scan->key.len = key.len;
}

/*
 * Moves a scan past the tuples of the current key, which are collected if
 * "add" is given.
 */
static void
pass_row(WeirRowScan *scan, WeirHeapScan *heap_scan,
		 void (*add) (WeirRowScan *scan))
{
	while (heap_scan->has_tuple)
	{
		WeirRowKey	key = cursor_key(heap_scan);

		if (weir_row_key_cmp(&scan->key, &key) != 0)
			return;
		if (add != NULL)
			add(scan);
		weir_heap_scan_next(heap_scan, scan->direction);
	}
}

bool
weir_row_scan_is_at_end(WeirRowScan *scan)
{
	while (!scan->base.has_tuple && !scan->delta.has_tuple)
		if (!start_next_part(scan))
			return true;
	return false;
}

bool
weir_row_scan_next(WeirRowScan *scan)
{
	while (!weir_row_scan_is_at_end(scan))
	{
		bool		wanted;

		begin_row(scan);
		set_key(scan, cursor_key(next_cursor(scan)));
		wanted = passes_key_test(scan, scan->key);
		pass_row(scan, &scan->base, wanted ? add_segment : NULL);
		pass_row(scan, &scan->delta, wanted ? add_delta : NULL);
		if (wanted && finish_row(scan))
			return true;
	}
	return false;
}

/* ---- the row just read ---- */

WeirRowKey
weir_row_scan_key(const WeirRowScan *scan)
{
	return scan->key;
}

uint32
weir_row_scan_ncells(const WeirRowScan *scan)
{
	return scan->pieces.ncells;
}

WeirCell *
weir_row_scan_cells(WeirRowScan *scan)
{
	return weir_row_pieces_cells(&scan->pieces);
}

Datum
weir_row_scan_row(WeirRowScan *scan)
{
	return weir_row_pieces_value(&scan->pieces);
}

/* ---- other ---- */

int64
weir_row_folded_up_to(WeirWideTable *table, Snapshot snapshot, WeirRowKey key)
{
	WeirHeapScan base;
	ScanKeyData scankeys[2];
	int64		hi = 0;

	first_segment_scankeys(scankeys, PointerGetDatum(bytes_datum(key.bytes,
																 key.len)));
	weir_heap_scan_open_unless_empty(&base, table, WEIR_HEAP_BASE);
	weir_heap_scan_start(&base, snapshot, scankeys, 2);
	if (weir_heap_scan_next(&base, ForwardScanDirection) &&
		!base.slot->tts_isnull[Anum_base_hi - 1])
		hi = DatumGetInt64(base.slot->tts_values[Anum_base_hi - 1]);
	weir_heap_scan_close(&base);
	return hi;
}

void
weir_row_touch_deltas(WeirWideTable *table, WeirRowKey key)
{
	WeirHeapScan	cursor;
	ScanKeyData scankey;

	weir_heap_scan_open(&cursor, table, WEIR_HEAP_DELTA);
	ScanKeyInit(&scankey, Anum_delta_row_key, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(bytes_datum(key.bytes, key.len)));
	weir_heap_scan_start(&cursor, GetActiveSnapshot(), &scankey, 1);
	while (weir_heap_scan_next(&cursor, ForwardScanDirection))
		 /* the reading alone is what counts */ ;
	weir_heap_scan_close(&cursor);
}
