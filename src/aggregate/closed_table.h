/*-------------------------------------------------------------------------
 *
 * closed_table.h
 *	  Putting rows into the table of closed rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CLOSED_TABLE_H
#define WEIR_CLOSED_TABLE_H

#include "tcop/dest.h"
#include "utils/tuplestore.h"

#include "aggregate/aggregate.h"
#include "aggregate/definition.h"

typedef struct WeirClosedWriter WeirClosedWriter;

/*
 * Insert rows of the definition's result into the table of closed rows, with
 * the rights of the aggregate.  What the receiver is sent is kept back and
 * sorted; all is inserted when end_write returns, which tells how many rows
 * it was.  If windows come one after the other, say so ("by_window").  If asked
 * to keep the rows, they can be had in the end; the tuplestore lives in the
 * memory context of begin_write.
 */
extern WeirClosedWriter *weir_closed_begin_write(const WeirAggregate *agg,
												 WeirDefinition *def,
												 bool by_window,
												 bool keep);
extern DestReceiver *weir_closed_receiver(WeirClosedWriter *writer);
extern int64 weir_closed_end_write(WeirClosedWriter *writer);
extern Tuplestorestate *weir_closed_rows(WeirClosedWriter *writer);

#endif							/* WEIR_CLOSED_TABLE_H */
