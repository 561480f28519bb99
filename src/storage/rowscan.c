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
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "storage/authorized_view.h"
#include "storage/heapscan.h"
#include "storage/hll.h"
#include "storage/rowscan.h"
#include "types/plain_row.h"
#include "types/segment.h"

/* A segment or delta of the current row, copied. */
typedef struct Piece
{
	const char *bytes;
	Size		len;
	int64		seq;			/* of a delta */
} Piece;

typedef struct PieceArray
{
	Piece	   *items;
	uint32		n;
	uint32		allocated;
	bool		is_reversed;	/* collected in descending order */
} PieceArray;

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
	MemoryContext values_context;	/* holds the bytes of values; or NULL */

	WeirFold   *fold;
	bool		has_spare_fold; /* it is the spare one */
	PieceArray	segments;		/* of the current row */
	PieceArray	deltas;
	int64		hi;
	int64		folded_at;
	WeirRowKey	key;
	WeirPlainRow *plain;		/* the row, if it was not folded */
	const WeirStoredCell *cells;
	uint32		ncells;
};

static bytea *
bytes_datum(const char *bytes, uint32 len)
{
	return (bytea *) cstring_to_text_with_len(bytes, (int) len);
}

/* ---- life of a scan ---- */

/*
 * Reading one row takes a few microseconds, of which the memory of a new fold
 * would be a good part.  So one fold is kept, in TopMemoryContext, and used
 * by one scan at a time.  It is free again when that scan or the transaction
 * ends.
 */
static WeirFold *spare_fold = NULL;
static bool spare_fold_is_taken = false;

/* The spare fold is freed after use when it holds more than this. */
#define SPARE_FOLD_MAX_MEMORY	(1024 * 1024)

static void
release_spare_fold(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		spare_fold_is_taken = false;
}

void
weir_rowscan_init(void)
{
	RegisterXactCallback(release_spare_fold, NULL);
}

static WeirFold *
take_fold(WeirRowScan *scan)
{
	if (spare_fold_is_taken)
		return weir_fold_create(weir_hll_combine);
	if (spare_fold == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		spare_fold = weir_fold_create(weir_hll_combine);
		MemoryContextSwitchTo(old_context);
	}
	spare_fold_is_taken = scan->has_spare_fold = true;
	return spare_fold;
}

static void
give_fold_back(WeirRowScan *scan)
{
	Assert(scan->fold == spare_fold);
	if (weir_fold_memory(spare_fold) > SPARE_FOLD_MAX_MEMORY)
	{
		weir_fold_destroy(spare_fold);
		spare_fold = NULL;
	}
	else
		weir_fold_reset(spare_fold, NULL, 0);
	spare_fold_is_taken = false;
}

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
	scan->fold = take_fold(scan);
	if (table->restriction != NULL)
		scan->columns = table->restriction->columns;
	weir_heap_scan_open_unless_empty(&scan->delta, table->delta,
									 table->delta_index);
	weir_heap_scan_open_unless_empty(&scan->base, table->base,
									 table->base_index);
	MemoryContextSwitchTo(old_context);
	return scan;
}

void
weir_row_scan_end(WeirRowScan *scan)
{
	weir_heap_scan_close(&scan->base);
	weir_heap_scan_close(&scan->delta);
	if (scan->has_spare_fold)
		give_fold_back(scan);
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
	scan->values_context = context;
}

/* Might the row be made without a fold, if there are no deltas? */
static bool
may_be_plain(const WeirRowScan *scan)
{
	return scan->expects_values && scan->columns == NULL &&
		scan->table->is_in_name_order;
}

/* where the bytes of a row go that may be plain */
static MemoryContext
values_context(WeirRowScan *scan)
{
	return scan->values_context != NULL ? scan->values_context :
		weir_fold_context(scan->fold);
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
	weir_fold_reset(scan->fold, scan->table->by_number,
					scan->table->nnumbers);
	scan->segments.n = scan->deltas.n = 0;
	scan->segments.is_reversed = scan->deltas.is_reversed =
		ScanDirectionIsBackward(scan->direction);
	scan->hi = scan->folded_at = 0;
	scan->plain = NULL;
}

/* Copies the bytes of the datum into the context. */
static void
add_piece(WeirRowScan *scan, PieceArray *array, Datum d, int64 seq,
		  MemoryContext context)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);
	struct varlena *original = (struct varlena *) DatumGetPointer(d);
	struct varlena *detoasted = PG_DETOAST_DATUM_PACKED(d);
	Size		len = VARSIZE_ANY_EXHDR(detoasted);
	const char *bytes = VARDATA_ANY(detoasted);
	Piece	   *piece;

	if (detoasted == original)
	{
		char	   *copy = palloc(len);

		memcpy(copy, bytes, len);
		bytes = copy;
	}
	MemoryContextSwitchTo(old_context);

	if (array->n == array->allocated)
	{
		array->allocated = Max(16, array->allocated * 2);
		if (array->items == NULL)
			array->items = MemoryContextAlloc(scan->context,
											  sizeof(Piece) * array->allocated);
		else
			array->items = repalloc_huge(array->items,
										 sizeof(Piece) * array->allocated);
	}
	piece = &array->items[array->n++];
	piece->bytes = bytes;
	piece->len = len;
	piece->seq = seq;
}

/* What the first segment of a row says about the whole row. */
static void
note_first_segment(WeirRowScan *scan)
{
	const TupleTableSlot *slot = scan->base.slot;

	if (!slot->tts_isnull[Anum_base_hi - 1])
		scan->hi = DatumGetInt64(slot->tts_values[Anum_base_hi - 1]);
	if (!slot->tts_isnull[Anum_base_folded_at - 1])
		scan->folded_at = DatumGetInt64(slot->tts_values[Anum_base_folded_at - 1]);
}

static void
add_segment(WeirRowScan *scan)
{
	note_first_segment(scan);
	add_piece(scan, &scan->segments,
			  scan->base.slot->tts_values[Anum_base_cells - 1], 0,
			  may_be_plain(scan) ? values_context(scan) :
			  weir_fold_context(scan->fold));
}

static void
add_delta(WeirRowScan *scan)
{
	const TupleTableSlot *slot = scan->delta.slot;
	int64		seq = DatumGetInt64(slot->tts_values[Anum_delta_seq - 1]);

	if (seq < scan->limit)
		add_piece(scan, &scan->deltas,
				  slot->tts_values[Anum_delta_cells - 1], seq,
				  weir_fold_context(scan->fold));
}

static const Piece *
piece_in_order(const PieceArray *array, uint32 i)
{
	return &array->items[array->is_reversed ? array->n - 1 - i : i];
}

static void
fold_pieces(WeirRowScan *scan, const WeirColumnSet *columns)
{
	WeirFold   *fold = scan->fold;

	weir_fold_set_columns(fold, columns);
	weir_fold_set_base(fold, scan->hi, scan->folded_at);
	for (uint32 i = 0; i < scan->segments.n; i++)
	{
		const Piece *piece = piece_in_order(&scan->segments, i);
		WeirSegmentReader reader;
		WeirStoredCell cell;

		weir_segment_reader_init(&reader, piece->bytes, piece->len);
		while (weir_segment_next_cell(&reader, &cell))
			weir_fold_add_base_cell(fold, &cell);
	}
	for (uint32 i = 0; i < scan->deltas.n; i++)
	{
		const Piece *piece = piece_in_order(&scan->deltas, i);

		weir_fold_add_delta(fold, piece->seq, piece->bytes, piece->len);
	}
	scan->cells = weir_fold_row(fold, scan->now, &scan->ncells);
}

/* The row as it is in its segments; NULL if it has to be folded. */
static WeirPlainRow *
measure_plain_row(WeirRowScan *scan)
{
	const WeirWideTable *table = scan->table;
	MemoryContext old_context;
	WeirPlainRow *row;
	bool		is_plain;

	if (!may_be_plain(scan) || scan->deltas.n > 0)
		return NULL;
	old_context = MemoryContextSwitchTo(values_context(scan));
	row = weir_plain_row_create(table->by_number, table->nnumbers,
								scan->segments.n);
	for (uint32 i = 0; i < scan->segments.n; i++)
	{
		const Piece *piece = piece_in_order(&scan->segments, i);

		row->segments[i].bytes = piece->bytes;
		row->segments[i].len = piece->len;
	}
	is_plain = weir_plain_row_measure(row, scan->hi,
									  Max(scan->now, scan->folded_at));
	MemoryContextSwitchTo(old_context);
	return is_plain ? row : NULL;
}

/*
 * Makes the cells of the pieces.  A row of which no wanted column is left
 * exists if any other is.
 */
static bool
finish_row(WeirRowScan *scan)
{
	if (scan->segments.n == 0 && scan->deltas.n == 0)
		return false;
	scan->plain = measure_plain_row(scan);
	if (scan->plain != NULL)
	{
		scan->ncells = scan->plain->expanded.shape.cells;
		return scan->ncells > 0;
	}
	fold_pieces(scan, scan->columns);
	if (scan->ncells > 0)
		return true;
	if (scan->columns == NULL || is_view_of_columns(scan))
		return false;

	weir_fold_clear(scan->fold);
	fold_pieces(scan, NULL);
	if (scan->ncells == 0)
		return false;
	scan->ncells = 0;
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
		scan->segments.is_reversed = true;
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
				F_INT8GT, Int64GetDatum(scan->hi));
	weir_heap_scan_start(&scan->delta, scan->snapshot, scankeys, 2);
	scan->deltas.is_reversed = false;
	while (weir_heap_scan_next(&scan->delta, ForwardScanDirection))
		add_delta(scan);
}

static bool
get_row(WeirRowScan *scan, Datum key)
{
	begin_row(scan);
	scan->segments.is_reversed = false;
	if (scan->columns == NULL)
		collect_all_segments(scan, key);
	else
		collect_some_segments(scan, key);
	collect_deltas(scan, key);
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
	scan->ncells = 0;
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
		scan->ncells = 0;
	}
	pfree(DatumGetPointer(d));
	MemoryContextSwitchTo(old_context);
	return found;
}

/* ---- many rows ---- */

static int
range_scankeys(const WeirKeyRange *range, ScanKey scankeys)
{
	int			n = 0;

	if (range->lower.bytes != NULL)
	{
		ScanKeyInit(&scankeys[n++], 1,
					range->lower_open ? BTGreaterStrategyNumber :
					BTGreaterEqualStrategyNumber,
					range->lower_open ? F_BYTEAGT : F_BYTEAGE,
					PointerGetDatum(bytes_datum(range->lower.bytes,
												range->lower.len)));
	}
	if (range->upper.bytes != NULL)
	{
		ScanKeyInit(&scankeys[n++], 1,
					range->upper_open ? BTLessStrategyNumber :
					BTLessEqualStrategyNumber,
					range->upper_open ? F_BYTEALT : F_BYTEALE,
					PointerGetDatum(bytes_datum(range->upper.bytes,
												range->upper.len)));
	}
	return n;
}

void
weir_row_scan_start(WeirRowScan *scan, const WeirKeyRange *range,
					ScanDirection direction)
{
	MemoryContext old_context = MemoryContextSwitchTo(scan->context);
	WeirKeyRange cut = *range;
	ScanKeyData scankeys[2];
	int			n;

	if (scan->table->restriction != NULL)
		weir_restriction_cut_range(scan->table->restriction, &cut);
	n = range_scankeys(&cut, scankeys);
	scan->direction = direction;
	weir_heap_scan_start(&scan->base, scan->snapshot, scankeys, n);
	weir_heap_scan_start(&scan->delta, scan->snapshot, scankeys, n);
	weir_heap_scan_next(&scan->base, direction);
	weir_heap_scan_next(&scan->delta, direction);
	MemoryContextSwitchTo(old_context);
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
	char	   *copy = MemoryContextAlloc(weir_fold_context(scan->fold),
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
weir_row_scan_next(WeirRowScan *scan)
{
	while (scan->base.has_tuple || scan->delta.has_tuple)
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
	return scan->ncells;
}

static void
set_cell(WeirCell *cell, const WeirStoredCell *stored, const WeirFamily *family)
{
	cell->family = family->name;
	cell->family_len = family->name_len;
	cell->qualifier = stored->qualifier;
	cell->qualifier_len = stored->qualifier_len;
	cell->value = stored->value;
	cell->value_len = stored->value_len;
	cell->ts = stored->ts;
}

/*
 * Where in the result the cells of each family begin, when families are put
 * into the order of their names.
 */
static uint32 *
family_positions(const WeirRowScan *scan)
{
	const WeirWideTable *table = scan->table;
	uint32	   *positions = palloc0(sizeof(uint32) * table->nnumbers);
	uint32		n = 0;

	for (uint32 i = 0; i < scan->ncells; i++)
		positions[scan->cells[i].family]++;
	for (int i = 0; i < table->nfamilies; i++)
	{
		uint32	   *position = &positions[table->families[i].number];
		uint32		count = *position;

		*position = n;
		n += count;
	}
	return positions;
}

WeirCell *
weir_row_scan_cells(WeirRowScan *scan)
{
	MemoryContext old_context = MemoryContextSwitchTo(weir_fold_context(scan->fold));
	const WeirWideTable *table = scan->table;
	WeirCell   *cells = palloc_extended(sizeof(WeirCell) * (scan->ncells + 1),
										MCXT_ALLOC_HUGE);
	uint32	   *positions = NULL;

	Assert(scan->plain == NULL);
	if (!table->is_in_name_order)
		positions = family_positions(scan);
	for (uint32 i = 0; i < scan->ncells; i++)
	{
		const WeirStoredCell *stored = &scan->cells[i];
		uint32		at = positions ? positions[stored->family]++ : i;

		set_cell(&cells[at], stored, table->family_by_number[stored->family]);
	}
	MemoryContextSwitchTo(old_context);
	return cells;
}

Datum
weir_row_scan_row(WeirRowScan *scan)
{
	MemoryContext old_context;
	Datum		result;

	if (scan->plain == NULL)
		return PointerGetDatum(weir_row_from_cells(weir_row_scan_cells(scan),
												   scan->ncells));
	old_context = MemoryContextSwitchTo(values_context(scan));
	result = weir_plain_row_datum(scan->plain);
	MemoryContextSwitchTo(old_context);
	return result;
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
	weir_heap_scan_open_unless_empty(&base, table->base, table->base_index);
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

	weir_heap_scan_open(&cursor, table->delta, table->delta_index);
	ScanKeyInit(&scankey, Anum_delta_row_key, BTEqualStrategyNumber, F_BYTEAEQ,
				PointerGetDatum(bytes_datum(key.bytes, key.len)));
	weir_heap_scan_start(&cursor, GetActiveSnapshot(), &scankey, 1);
	while (weir_heap_scan_next(&cursor, ForwardScanDirection))
		 /* the reading alone is what counts */ ;
	weir_heap_scan_close(&cursor);
}
