/*-------------------------------------------------------------------------
 *
 * plain_row.h
 *	  A row at rest: a weir.widerow that is a list of segments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_PLAIN_ROW_H
#define WEIR_PLAIN_ROW_H

#include "types/fold.h"
#include "types/widerow_expanded.h"

typedef struct WeirSegmentBytes
{
	const char *bytes;
	Size		len;
} WeirSegmentBytes;

typedef struct WeirPlainRow
{
	WeirExpandedRow expanded;	/* with the shape, once it is measured */
	const WeirFoldFamily *families;
	uint32		nfamilies;
	uint32		nsegments;
	WeirSegmentBytes segments[FLEXIBLE_ARRAY_MEMBER];	/* in order */
} WeirPlainRow;

/*
 * In the current memory context.  The families are those of weir_fold_reset;
 * their numbers must ascend with their names.  The caller fills in the
 * segments; their bytes, and the families, must live as long as the row.
 */
extern WeirPlainRow *weir_plain_row_create(const WeirFoldFamily *families,
										   uint32 nfamilies,
										   uint32 nsegments);

/*
 * Checks the segments and measures the row.  False if it has to be folded, as
 * it has cells that are garbage or of dropped families.  "hi" and "now": as
 * for weir_fold_set_base, weir_fold_row.  Raises XX001 for bytes that are no
 * segment, or cells that are out of order.
 */
extern bool weir_plain_row_measure(WeirPlainRow *row, int64 hi, int64 now);

/* Then the value, which is this object. */
extern Datum weir_plain_row_datum(WeirPlainRow *row);

#endif							/* WEIR_PLAIN_ROW_H */
