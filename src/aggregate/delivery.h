/*-------------------------------------------------------------------------
 *
 * delivery.h
 *	  Closed rows are given to sinks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DELIVERY_H
#define WEIR_DELIVERY_H

#include "access/tupdesc.h"
#include "utils/tuplestore.h"

#include "aggregate/aggregate.h"
#include "aggregate/sink.h"

/*
 * Give the rows just closed to every sink of the aggregate, or keep them for
 * it.  With the rights of the aggregate and weir_aggregate_lock_state.
 */
extern void weir_delivery_run(const WeirAggregate *agg, Tuplestorestate *rows,
							  TupleDesc desc);

/*
 * Deliver some of what sinks are behind with, those that are due.  With
 * weir_aggregate_lock; true if there may be more to do at once.  Without wait,
 * does nothing while somebody else has the state locked.
 */
extern bool weir_delivery_catch_up(const WeirAggregate *agg, bool wait);

/*
 * Run a sink's statement over no rows and undo it, and check it: names, types and
 * rights, and whether what it does is allowed in a sink.
 */
extern void weir_delivery_try(const WeirAggregate *agg, const char *name,
							  const char *statement);

/*
 * Give up the first delivery that the sink is behind with (at least one), or
 * all of them.  Changes the struct only; returns how many rows it was.
 */
extern int64 weir_delivery_forget_first(WeirSink *sink);
extern void weir_delivery_forget_all(const char *name);

#endif							/* WEIR_DELIVERY_H */
