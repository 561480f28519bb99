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

#define WEIR_LATE_NATTS	7

/* A row of weir._late_row; none of the values is NULL. */
extern void weir_late_form(const WeirAggregate *agg, const WeirLateRow *row,
						   Timestamp watermark, Datum *values);

/* Keep the rows, a list of WeirLateRow; the watermark is the one in force. */
extern void weir_late_keep(const WeirAggregate *agg, List *rows,
						   Timestamp watermark);

#endif							/* WEIR_LATE_H */
