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
#include "aggregate/session.h"

/*
 * Makes state rows of the new rows, wherever they come from, and sends them to
 * dest; returns how many were left out, as weir_partial_from_batch does.
 */
typedef int64 WeirIntakeReader(WeirDefinition *def, Timestamp bound,
							DestReceiver *dest, void *arg);

typedef struct WeirIntake
{
	int64		state_rows;		/* written */
	int64		rejected;		/* rows (or windows) that may be late */
	WeirLateSessions *late_sessions;	/* sessions left out; NULL: none */
} WeirIntake;

/* bound: the one in force, by which lateness is judged */
extern void weir_intake_run(const WeirAggregate *agg, WeirDefinition *def,
							WeirIntakeReader *read, void *arg, Timestamp bound,
							WeirIntake *intake);

#endif							/* WEIR_INTAKE_H */
