/*-------------------------------------------------------------------------
 *
 * drop.h
 *	  Dropping continuous aggregates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DROP_H
#define WEIR_DROP_H

#include "catalog/dependency.h"

#include "aggregate/aggregate.h"

/* Drop what is left of an aggregate; rights are not checked. */
extern void weir_drop_aggregate(const WeirAggregate *agg,
								DropBehavior behavior);

/* Drop all aggregates of a stream, and what depends on them. */
extern void weir_drop_of_stream(int32 stream_id);

#endif							/* WEIR_DROP_H */
