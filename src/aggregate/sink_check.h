/*-------------------------------------------------------------------------
 *
 * sink_check.h
 *	  What can be told of a sink's statement before it has rows to run over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SINK_CHECK_H
#define WEIR_SINK_CHECK_H

#include "aggregate/aggregate.h"

/*
 * Raise the error that the statement, which has been analyzed and rewritten to
 * these queries, would raise for the first row.  With the rights of the
 * aggregate.
 */
extern void weir_sink_check(const WeirAggregate *agg, List *queries);

/* What a sink of the same stream is told that reads it. */
WEIR_NORETURN extern void weir_sink_refuse_open_windows(const WeirAggregate *agg);

#endif							/* WEIR_SINK_CHECK_H */
