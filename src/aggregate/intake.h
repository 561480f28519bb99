/*-------------------------------------------------------------------------
 *
 * intake.h
 *	  New rows into the state of an aggregate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_INTAKE_H
#define WEIR_INTAKE_H

#include "aggregate/aggregate.h"
#include "aggregate/partial.h"
#include "aggregate/runs.h"
#include "aggregate/session.h"

/*
 * Makes state rows of the new rows, wherever they come from, and sends them to
 * dest; returns how many were left out, as weir_partial_from_batch does.
 */
typedef int64 WeirIntakeReader(WeirDefinition *def, Timestamp bound,
							DestReceiver *dest, void *arg);

typedef struct WeirIntake
{
	int64		state_rows;		/* that have come of the rows */
	int64		rejected;		/* rows (or windows) that may be late */
	WeirLateSessions *late_sessions;	/* sessions left out; NULL: none */
	bool		reaches_back;	/* some are not, but begin by the bound */
	WeirRunWriter *writer;		/* between begin and end */
	WeirHeldRows *held;			/* not stored, for weir_closing_run; NULL: none */
} WeirIntake;

/*
 * In two steps: read the rows, then store their state.  In between it is known
 * how far the watermark has come, and so which windows will be closed at once:
 * of those that end by closing_until the state is not stored, but held.
 * bound: the one in force, by which lateness is judged
 */
extern void weir_intake_begin(const WeirAggregate *agg, WeirDefinition *def,
							  WeirIntakeReader *read, void *arg,
							  Timestamp bound, WeirIntake *intake);
extern void weir_intake_end(WeirDefinition *def, Timestamp closing_until,
							WeirIntake *intake);
extern void weir_intake_release(WeirIntake *intake);

/* In one step, and all is stored. */
extern void weir_intake_run(const WeirAggregate *agg, WeirDefinition *def,
							WeirIntakeReader *read, void *arg, Timestamp bound,
							WeirIntake *intake);

/* Which of the sessions of the rows would be left out; nothing is stored. */
extern WeirLateSessions *weir_intake_late_sessions(const WeirAggregate *agg,
												   WeirDefinition *def,
												   WeirIntakeReader *read,
												   void *arg, Timestamp bound,
												   Snapshot snapshot);

#endif							/* WEIR_INTAKE_H */
