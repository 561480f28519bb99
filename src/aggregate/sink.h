/*-------------------------------------------------------------------------
 *
 * sink.h
 *	  Statements that run over the rows of windows just closed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SINK_H
#define WEIR_SINK_H

#include "aggregate/aggregate.h"

/*
 * Run the sinks of the aggregate, in the order of their names; SPI is
 * connected and knows the relation "closed", and the rights are those of the
 * aggregate.
 */
extern void weir_sink_run_all(const WeirAggregate *agg);

/* The aggregate is being dropped. */
extern void weir_sink_drop_all(int32 aggregate_id);

#endif							/* WEIR_SINK_H */
