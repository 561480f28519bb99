/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  Merging runs of state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_MERGE_H
#define WEIR_MERGE_H

#include "aggregate/aggregate.h"

/*
 * Merge the runs of one window, if one is known, or found, that has too many;
 * searching waits for its turn.  In a transaction of its own, with the
 * aggregate locked.  True if there may be more to do at once.
 */
extern bool weir_merge_step(const WeirAggregate *agg);

/* Don't wait with the next search. */
extern void weir_merge_search_now(int32 aggregate_id);

#endif							/* WEIR_MERGE_H */
