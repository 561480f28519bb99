/*-------------------------------------------------------------------------
 *
 * dumped.h
 *	  What of an aggregate has to go into a dump.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DUMPED_H
#define WEIR_DUMPED_H

#include "aggregate/aggregate.h"
#include "aggregate/definition.h"

/* Can its state not be made again from the rows of the stream, or the parent? */
extern bool weir_dumped_needs_state(const WeirAggregate *agg,
									const WeirDefinition *def);

/*
 * Have its state dumped from now on if it cannot be made again: after changes to
 * the stream or the aggregate.  If its definition cannot be analyzed any more, it
 * is dumped.
 */
extern void weir_dumped_review(const WeirAggregate *agg);

#endif							/* WEIR_DUMPED_H */
