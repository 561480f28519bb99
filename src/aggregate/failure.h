/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  What becomes of an aggregate that fails.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FAILURE_H
#define WEIR_FAILURE_H

#include "aggregate/aggregate.h"

/*
 * Run the function in a subtransaction.  NULL if it succeeds; if not, it is
 * undone and the error returned, in the current memory context.  An error that
 * is nobody's fault is raised again.
 */
extern ErrorData *weir_failure_attempt(void (*run) (void *arg), void *arg);

/*
 * One more failure of the aggregate: its status, and when to try again, here
 * and in the catalog.
 */
extern void weir_failure_note(WeirAggregate *agg, const ErrorData *error);

extern void weir_failure_init(void);

#endif							/* WEIR_FAILURE_H */
