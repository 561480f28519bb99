/*-------------------------------------------------------------------------
 *
 * plain_row.h
 *	  A row at rest: from segments straight to a weir.widerow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_PLAIN_ROW_H
#define WEIR_PLAIN_ROW_H

#include "types/fold.h"
#include "types/widerow_writer.h"

typedef struct WeirPlainRow
{
	WeirRowShape shape;			/* of what was measured */
	/* private */
	const WeirFoldFamily *families;
	uint32		nfamilies;
	int64		now;
	const WeirGcRule *rule;		/* of the last cell's family, or NULL */
	WeirStoredCell last;		/* cell seen last; family 0 before the first */
	uint32		rank;			/* its version's number in its column */
	WeirRowWriter writer;
} WeirPlainRow;

/*
 * The families are those of weir_fold_reset; their numbers must ascend with
 * their names.  "hi" and "now": as for weir_fold_set_base, weir_fold_row.
 * False if the row has to be folded.
 */
extern bool weir_plain_row_begin(WeirPlainRow *row,
								 const WeirFoldFamily *families,
								 uint32 nfamilies, int64 hi, int64 now);

/*
 * Adds a segment; they come in order.  False if the row has to be folded, as
 * it has cells that are garbage or of dropped families.  Raises XX001 for
 * bytes that are no segment, or cells that are out of order.
 */
extern bool weir_plain_row_measure(WeirPlainRow *row, const char *bytes,
								   Size len);

/*
 * Then the row, in the current memory context: start, once more the same
 * segments, finish.
 */
extern void weir_plain_row_start(WeirPlainRow *row);
extern void weir_plain_row_write(WeirPlainRow *row, const char *bytes,
								 Size len);
extern WeirRow *weir_plain_row_finish(WeirPlainRow *row);

#endif							/* WEIR_PLAIN_ROW_H */
