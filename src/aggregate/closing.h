/*-------------------------------------------------------------------------
 *
 * closing.h
 *	  Closing of windows: their final rows, and what hangs on them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CLOSING_H
#define WEIR_CLOSING_H

#include "aggregate/aggregate.h"
#include "aggregate/definition.h"
#include "aggregate/runs.h"

/*
 * Close the windows that end after "after" and not after "until": final rows
 * into the table of closed rows and to the sinks, state deleted.  Part of their
 * state, or all of it, may be held (NULL: none is).  To be called with the
 * rights of the aggregate and the aggregate locked.  Adds to the counts of rows
 * and windows.
 */
extern void weir_closing_run(const WeirAggregate *agg, WeirDefinition *def,
							 Timestamp after, Timestamp until,
							 const WeirHeldRows *held,
							 WeirAggregateCounts *counts);

/*
 * Until when windows end whose state need not be stored, because it is there
 * for weir_closing_run with these times.
 */
extern Timestamp weir_closing_until(WeirDefinition *def, Timestamp after,
									Timestamp until);

#endif							/* WEIR_CLOSING_H */
