/*-------------------------------------------------------------------------
 *
 * base_row.c
 *	  The segments of one row in the base, for compaction.
 *
 * A row is read as a whole, or only the segments that reach into some spans
 * of positions.  Those lie in runs, each of adjacent segments.  Where a run
 * begins in the middle of a column, the newer versions of that column are
 * not known, and so neither is when the older ones become garbage: then what
 * the segments said before is kept.  Of a segment that is due by that, the
 * whole column is read with which it begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "storage/base_row.h"
#include "storage/rowscan.h"
#include "types/segment.h"

/* ---- reading ---- */

static int
key_cmp_bytes(WeirRowKey a, const struct varlena *b)
{
	return weir_bytes_cmp(a.bytes, a.len, VARDATA(b), VARSIZE(b) - VARHDRSZ);
}

static int64
due_of_slot(const TupleTableSlot *slot)
{
	return slot->tts_isnull[Anum_base_gc_due - 1] ? PG_INT64_MAX :
		DatumGetInt64(slot->tts_values[Anum_base_gc_due - 1]);
}

static void
read_segment(WeirBaseRow *row, WeirBaseSegment *segment)
{
	const TupleTableSlot *slot = row->scan.slot;
	WeirRowKey	cells = weir_row_key_copy(slot->tts_values[Anum_base_cells - 1]);

	memset(segment, 0, sizeof(*segment));
	segment->tid = slot->tts_tid;
	segment->part = weir_row_key_copy(slot->tts_values[Anum_base_part - 1]);
	segment->bytes = cells.bytes;
	segment->len = cells.len;
	segment->gc_due = due_of_slot(slot);
	if (!slot->tts_isnull[Anum_base_hi - 1])
		row->hi = DatumGetInt64(slot->tts_values[Anum_base_hi - 1]);
	if (!slot->tts_isnull[Anum_base_folded_at - 1])
		row->folded_at = DatumGetInt64(slot->tts_values[Anum_base_folded_at - 1]);
	row->bytes_read += cells.len;
}

/* Adds the segment at which the scan stands. */
static void
push_segment(WeirBaseRow *row)
{
	if (row->n == row->allocated)
	{
		row->allocated *= 2;
		row->segments = repalloc_huge(row->segments,
									  sizeof(WeirBaseSegment) * row->allocated);
	}
	read_segment(row, &row->segments[row->n]);
	row->segments[row->n].is_adjacent = row->n > 0;
	row->n++;
}

static void
begin_row(WeirBaseRow *row)
{
	row->n = 0;
	row->hi = row->folded_at = 0;
	row->allocated = 16;
	row->segments = palloc(sizeof(WeirBaseSegment) * row->allocated);
	row->is_partial = false;
}

static void
start_row_scan(WeirBaseRow *row, ScanKey scankey, Datum key)
{
	ScanKeyInit(scankey, Anum_base_row_key, BTEqualStrategyNumber, F_BYTEAEQ,
				key);
	weir_heap_scan_start(&row->scan, row->snapshot, scankey, 1);
}

bool
weir_base_row_read(WeirBaseRow *row, Datum key, int max)
{
	ScanKeyData scankey;
	bool		complete = true;

	begin_row(row);
	start_row_scan(row, &scankey, key);
	while (complete && weir_heap_scan_next(&row->scan, ForwardScanDirection))
	{
		if (row->n == max)
			complete = false;
		else
			push_segment(row);
	}
	weir_heap_scan_stop(&row->scan);
	return complete;
}

static int
part_cmp(const void *x, const void *y)
{
	const WeirBaseSegment *a = x;
	const WeirBaseSegment *b = y;

	return weir_bytes_cmp(a->part.bytes, a->part.len,
						  b->part.bytes, b->part.len);
}

/* Adds the segments that reach into the span, from the last one back. */
static void
read_span(WeirBaseRow *row, Datum key, const WeirRowSpan *span)
{
	ScanKeyData scankeys[2];
	int			first = row->n;

	ScanKeyInit(&scankeys[0], Anum_base_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, key);
	ScanKeyInit(&scankeys[1], Anum_base_part, BTLessEqualStrategyNumber,
				F_BYTEALE, PointerGetDatum(span->high));
	weir_heap_scan_start(&row->scan, row->snapshot, scankeys, 2);
	while (weir_heap_scan_next(&row->scan, BackwardScanDirection))
	{
		push_segment(row);
		/* each but the last one read follows the one read after it */
		row->segments[row->n - 1].is_adjacent = false;
		if (row->n - 1 > first)
			row->segments[row->n - 2].is_adjacent = true;
		if (key_cmp_bytes(row->segments[row->n - 1].part, span->low) <= 0)
			break;
	}
}

/* Sorts the segments and drops those that were read twice. */
static void
sort_segments(WeirBaseRow *row)
{
	int			n = 0;

	qsort(row->segments, row->n, sizeof(WeirBaseSegment), part_cmp);
	for (int i = 0; i < row->n; i++)
	{
		if (n > 0 && part_cmp(&row->segments[n - 1], &row->segments[i]) == 0)
			row->segments[n - 1].is_adjacent |= row->segments[i].is_adjacent;
		else
			row->segments[n++] = row->segments[i];
	}
	row->n = n;
}

void
weir_base_row_read_spans(WeirBaseRow *row, Datum key,
						 const WeirRowSpan *spans, int nspans)
{
	WeirRowSpan first;

	begin_row(row);
	row->is_partial = true;
	first.low = first.high = (struct varlena *) cstring_to_text("");
	read_span(row, key, &first);
	for (int i = 0; i < nspans; i++)
		read_span(row, key, &spans[i]);
	weir_heap_scan_stop(&row->scan);
	sort_segments(row);
}

/* ---- garbage ---- */

/*
 * Where the first column begins of which a segment has cells, which may be
 * in one of the segments before.
 */
static struct varlena *
start_of_first_column(WeirRowKey segment)
{
	WeirSegmentReader reader;
	WeirStoredCell cell;

	weir_segment_reader_init(&reader, segment.bytes, segment.len);
	if (!weir_segment_next_cell(&reader, &cell))
		return (struct varlena *) cstring_to_text("");
	return weir_position_before(cell.family, cell.qualifier,
								cell.qualifier_len);
}

bool
weir_base_row_find_garbage(WeirBaseRow *row, Datum key, int64 now,
						   WeirRowSpan *spans, int *nspans, int max)
{
	ScanKeyData scankey;
	bool		few = true;

	start_row_scan(row, &scankey, key);
	while (few && weir_heap_scan_next(&row->scan, ForwardScanDirection))
	{
		const TupleTableSlot *slot = row->scan.slot;

		if (due_of_slot(slot) > now)
			continue;
		few = *nspans < max;
		if (few)
		{
			spans[*nspans].low =
				start_of_first_column(weir_row_key_copy(slot->tts_values[Anum_base_cells - 1]));
			spans[*nspans].high =
				PG_DETOAST_DATUM_COPY(slot->tts_values[Anum_base_part - 1]);
			(*nspans)++;
		}
	}
	weir_heap_scan_stop(&row->scan);
	return few;
}

bool
weir_base_row_is_due(const WeirBaseRow *row, int64 now)
{
	for (int i = 0; i < row->n; i++)
		if (row->segments[i].gc_due <= now)
			return true;
	return false;
}

int64
weir_base_row_due_of_cut(const WeirBaseRow *row, const struct varlena *part,
						 const WeirStoredCell *cell, int64 now)
{
	int64		due = PG_INT64_MAX;
	int			at = 0;
	int			start;

	if (!row->is_partial || row->n == 0)
		return due;
	while (at + 1 < row->n &&
		   key_cmp_bytes(row->segments[at + 1].part, part) <= 0)
		at++;
	for (start = at; start > 0 && row->segments[start].is_adjacent;)
		start--;
	if (key_cmp_bytes(row->segments[start].part,
					  weir_position_before(cell->family, cell->qualifier,
										   cell->qualifier_len)) <= 0)
		return due;				/* the column begins in the run */
	for (int i = at; i < row->n; i++)
	{
		if (i > at && !row->segments[i].is_adjacent)
			break;
		if (row->segments[i].gc_due > now)
			due = Min(due, row->segments[i].gc_due);
	}
	return due;
}

/* ---- using what was read ---- */

void
weir_base_row_fold(const WeirBaseRow *row, WeirFold *fold)
{
	weir_fold_set_base(fold, row->hi, row->folded_at);
	for (int i = 0; i < row->n; i++)
	{
		WeirSegmentReader reader;
		WeirStoredCell cell;

		weir_segment_reader_init(&reader, row->segments[i].bytes,
								 row->segments[i].len);
		while (weir_segment_next_cell(&reader, &cell))
			weir_fold_add_base_cell(fold, &cell);
	}
}

WeirBaseSegment *
weir_base_row_segment(WeirBaseRow *row, const struct varlena *part)
{
	for (int i = 0; i < row->n; i++)
		if (key_cmp_bytes(row->segments[i].part, part) == 0)
			return &row->segments[i];
	return NULL;
}
