/*-------------------------------------------------------------------------
 *
 * maintain.h
 *	  What has to be done for an aggregate now and then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_MAINTAIN_H
#define WEIR_MAINTAIN_H

#include "aggregate/aggregate.h"

/*
 * Merge runs of state, delete closed rows past their retention, start an
 * aggregate that was restored from a dump.  In a transaction of its own, which
 * the caller commits.  True if there may be more to do at once.
 */
extern bool weir_aggregate_maintain(int32 aggregate_id);

/*
 * Begin with the rows that the stream holds, after a restore; but not before its
 * definition has been restored.
 */
extern bool weir_aggregate_can_start(const WeirAggregate *agg);
extern void weir_aggregate_start(WeirAggregate *agg);

#endif							/* WEIR_MAINTAIN_H */
