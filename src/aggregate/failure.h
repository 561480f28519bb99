/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  What is made of errors in users' queries and statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FAILURE_H
#define WEIR_FAILURE_H

#include "aggregate/aggregate.h"

/* failures in a row after which something is paused; weir.max_failures */
extern int	weir_max_failures;

/* Does the error say nothing about what was run? */
extern bool weir_failure_is_nobodys(const ErrorData *error);

/* When to try again what has failed so many times in a row. */
extern TimestampTz weir_failure_next_retry(int failures);

/* What views show of an error. */
extern char *weir_failure_text(const ErrorData *error);

/*
 * Run the function in a subtransaction.  Returns the error, after undoing what
 * was done, or NULL.  With undo, undoes it anyway.
 */
extern ErrorData *weir_failure_catch(void (*function) (void *arg), void *arg,
									 bool undo);

/*
 * The same, not undone; an error that is nobody's fault is raised again.
 */
extern ErrorData *weir_failure_attempt(void (*function) (void *arg), void *arg);

/*
 * One more failure of the aggregate, if it counts: its status, and when to try
 * again, here and in the catalog.
 */
extern void weir_failure_note(WeirAggregate *agg, const ErrorData *error);

/*
 * Warn of those aggregates of the stream that have missed rows because they have
 * failed.
 */
extern void weir_failure_warn(int32 stream_id);

extern void weir_failure_init(void);

#endif							/* WEIR_FAILURE_H */
