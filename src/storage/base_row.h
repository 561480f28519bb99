/*-------------------------------------------------------------------------
 *
 * base_row.h
 *	  The segments of one row in the base, for compaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_BASE_ROW_H
#define WEIR_BASE_ROW_H

#include "storage/catalog.h"
#include "storage/heapscan.h"
#include "types/fold.h"

typedef struct WeirBaseSegment
{
	ItemPointerData tid;
	WeirRowKey	part;
	const char *bytes;
	Size		len;
	int64		gc_due;			/* PG_INT64_MAX: never */
	bool		is_kept;		/* has a successor with the same part */
	bool		is_adjacent;	/* to the one before it in the list */
} WeirBaseSegment;

typedef struct WeirBaseRow
{
	WeirHeapScan scan;			/* kept from row to row, as the next two */
	Snapshot	snapshot;
	Size		bytes_read;

	WeirBaseSegment *segments;	/* those that were read, in order */
	int			n;
	int			allocated;
	bool		is_partial;		/* there are others */
	int64		hi;
	int64		folded_at;
} WeirBaseRow;

/* Positions in a row, both included. */
typedef struct WeirRowSpan
{
	struct varlena *low;
	struct varlena *high;
} WeirRowSpan;

/*
 * Everything is allocated in the current memory context.  Reads the segments
 * of the row; false if there are more than max.
 */
extern bool weir_base_row_read(WeirBaseRow *row, Datum key, int max);

/* Reads the segments that reach into the spans, and the first one. */
extern void weir_base_row_read_spans(WeirBaseRow *row, Datum key,
									 const WeirRowSpan *spans, int nspans);

/*
 * Adds the spans to read for collecting what is garbage at "now"; false if
 * there would be more than max.
 */
extern bool weir_base_row_find_garbage(WeirBaseRow *row, Datum key, int64 now,
									   WeirRowSpan *spans, int *nspans,
									   int max);

/* The row below: what has been read. */
extern void weir_base_row_fold(const WeirBaseRow *row, WeirFold *fold);

/* the segment with that part, or NULL */
extern WeirBaseSegment *weir_base_row_segment(WeirBaseRow *row,
											  const struct varlena *part);

/* Is any segment that was read due for garbage collection? */
extern bool weir_base_row_is_due(const WeirBaseRow *row, int64 now);

/*
 * When cells from the given one on, which begins the part, become garbage if
 * newer versions of its column were not read; PG_INT64_MAX if there are none.
 */
extern int64 weir_base_row_due_of_cut(const WeirBaseRow *row,
									  const struct varlena *part,
									  const WeirStoredCell *cell, int64 now);

#endif							/* WEIR_BASE_ROW_H */
