/*-------------------------------------------------------------------------
 *
 * delta.h
 *	  The type weir.delta: what one write does to a row.
 *
 * Internal to wide tables.  The format of the bytes is described at the top
 * of delta.c, what a delta means and how deltas combine at the top of
 * fold.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DELTA_H
#define WEIR_DELTA_H

#include "types/stored.h"

typedef struct WeirDelta WeirDelta; /* a varlena with a 4-byte header */

/* "to" of a column tombstone without an upper bound */
#define WEIR_TS_UNBOUNDED	PG_INT64_MAX

/* A range without an end holds the greatest timestamp of all, too. */
static inline bool
weir_ts_range_is_empty(int64 from, int64 to)
{
	return from >= to && to != WEIR_TS_UNBOUNDED;
}

/* The cells of a column with from <= timestamp < to are deleted. */
typedef struct WeirTombstone
{
	const char *qualifier;
	int64		from;
	int64		to;
	uint32		step;			/* used by fold.c; not stored */
	uint16		family;
	uint16		qualifier_len;
} WeirTombstone;

/*
 * Reading a delta from front to back: all its families, then all its columns,
 * then all its cells.  The results point into the delta.  Bytes that make no
 * sense raise DATA_CORRUPTED; no byte outside the delta is read.
 */
typedef struct WeirDeltaReader
{
	const char *start;
	const char *next;
	const char *end;
	int64		at;				/* when it was written, usec since 1970 */
	bool		deletes_row;
	uint32		nfamilies;		/* those not read yet */
	uint32		ncolumns;
	uint32		ncells;
	WeirStoredCell last;		/* the last cell read; at first its family is 0 */
} WeirDeltaReader;

extern void weir_delta_reader_init(WeirDeltaReader *reader,
								   const char *bytes, Size len);
extern bool weir_delta_next_family(WeirDeltaReader *reader, uint16 *family);
extern bool weir_delta_next_column(WeirDeltaReader *reader,
								   WeirTombstone *column);
extern bool weir_delta_next_cell(WeirDeltaReader *reader,
								 WeirStoredCell *cell);

/*
 * Builds a delta.  Each list is sorted and without duplicates, the tombstones
 * of a column are disjoint.  Raises 54000 when it would be too large.
 */
extern WeirDelta *weir_delta_build(int64 at, bool deletes_row,
								   const uint16 *families, uint32 nfamilies,
								   const WeirTombstone *columns, uint32 ncolumns,
								   const WeirStoredCell *cells, uint32 ncells);

/* Says when the delta is written. */
extern void weir_delta_set_time(WeirDelta *delta, int64 at);

#endif							/* WEIR_DELTA_H */
