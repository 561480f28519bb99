/*-------------------------------------------------------------------------
 *
 * window_filter.h
 *	  Functions in the plans of partial.c: panes, and which windows are open.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WINDOW_FILTER_H
#define WEIR_WINDOW_FILTER_H

#include "aggregate/definition.h"

/* What _window_is_open compares with: event times, or ends of windows. */
typedef struct WeirOpenFilter
{
	Timestamp	last_closed;	/* greatest value that is not open */
	Timestamp	last_late;		/* greatest that may be late for a window */
	int64		late;			/* values up to there that it has met, and such
								 * as are none */
	bool		is_of_times;	/* values are event times */
} WeirOpenFilter;

/*
 * For windows that end after the bound: the values are event times where state
 * is kept by pane and for sessions (which are all let through), else ends.
 */
extern void weir_open_filter_init(WeirDefinition *def, Timestamp bound,
								  WeirOpenFilter *filter);

/*
 * Windows that start by then end by this at the latest; DT_NOEND if that cannot be
 * told.
 */
extern Timestamp weir_window_latest_end(WeirDefinition *def, Timestamp t);

#endif							/* WEIR_WINDOW_FILTER_H */
