/*-------------------------------------------------------------------------
 *
 * cascade.h
 *	  Aggregates over aggregates: how they follow, and how far they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CASCADE_H
#define WEIR_CASCADE_H

#include "tcop/dest.h"
#include "utils/queryenvironment.h"
#include "utils/snapshot.h"

#include "aggregate/aggregate.h"
#include "aggregate/definition.h"
#include "stream/tick.h"

/*
 * The windows of the parent that end in (after, until] have closed, in this
 * transaction; their rows, NULL if there are none, go into the state of the
 * aggregates over it, and these close what that allows.
 */
extern void weir_cascade_follow(const WeirAggregate *parent,
								EphemeralNamedRelation closed,
								Timestamp after, Timestamp until);

/*
 * In a transaction that can tick: one step of each aggregate of the stream
 * that is behind its parent, and may run; as WeirConsumer has it.
 */
extern WeirTickResult weir_cascade_catch_up(int32 stream_id);

/* Is there an aggregate that is behind its parent and not paused? */
extern bool weir_cascade_is_behind(int32 stream_id);

/* For pausing: from now on it does not follow. */
extern void weir_cascade_detach(const WeirAggregate *agg);

/*
 * By when the windows of an aggregate are closed, of any; and, of one over
 * another, by when those of the parent are whose rows it has.
 */
extern Timestamp weir_cascade_bound(const WeirAggregate *agg,
									const WeirDefinition *def,
									Snapshot snapshot);
extern Timestamp weir_cascade_parent_until(const WeirAggregate *agg,
										   const WeirDefinition *def,
										   Snapshot snapshot);

/* Closed rows of windows that end later are still needed: by those over it. */
extern Timestamp weir_cascade_needed_from(const WeirAggregate *parent);

/* the cursor that moves it, with those below it; 0: not started */
extern int32 weir_cascade_cursor(const WeirAggregate *agg, Snapshot snapshot);

/*
 * State rows of what the parent shows and the state has not, under the active
 * snapshot.
 */
extern void weir_cascade_pending(const WeirAggregate *agg,
								 WeirDefinition *def, Timestamp bound,
								 DestReceiver *dest);

#endif							/* WEIR_CASCADE_H */
