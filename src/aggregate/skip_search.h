/*-------------------------------------------------------------------------
 *
 * skip_search.h
 *	  The search for what the query of an aggregate fails at; for skip*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SKIP_SEARCH_H
#define WEIR_SKIP_SEARCH_H

#include "aggregate/aggregate.h"
#include "aggregate/row_filter.h"

/*
 * What is tried: the function is called again and again, with this as its
 * argument, and what it does is undone.  It looks at rows, or groups, as the
 * filter says.
 */
typedef struct WeirTrial
{
	void		(*function) (void *trial);
	const WeirAggregate *agg;
	WeirRowFilter *filter;		/* by number */
	bool		in_tick;		/* it may go on in the next */
} WeirTrial;

/*
 * Leave out rows until the rest do not fail: adds them to the list, of
 * WeirSkipped, of those that earlier ticks have found, which are left out
 * already.  False if there are more, and the next tick is to find them.
 */
extern bool weir_skip_search(WeirTrial *trial, List **found);

/* Of these, only those are left out that are still the same in this tick. */
extern List *weir_skip_keep_same(WeirTrial *trial, List *skipped);

/* Raise the error that makes weir_skip_is_postponed true. */
WEIR_NORETURN extern void weir_skip_postpone(const WeirAggregate *agg,
											 List *skipped);

/* what is kept with the late rows: a list of WeirLateRow */
extern List *weir_skip_late_rows(List *skipped);

#endif							/* WEIR_SKIP_SEARCH_H */
