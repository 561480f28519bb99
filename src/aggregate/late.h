/*-------------------------------------------------------------------------
 *
 * late.h
 *	  Rows that count in no window are kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_LATE_H
#define WEIR_LATE_H

#include "aggregate/aggregate.h"
#include "aggregate/partial.h"

/* Keep the rows, a list of WeirLateRow; the watermark is the one in force. */
extern void weir_late_keep(const WeirAggregate *agg, List *rows,
						   Timestamp watermark);

#endif							/* WEIR_LATE_H */
