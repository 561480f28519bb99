/*-------------------------------------------------------------------------
 *
 * window_filter.c
 *	  Functions in the plans of partial.c: panes, and which windows are open.
 *
 * Their second argument is an address, so they can be called by plans only
 * that are made and run in the same breath.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

#include "aggregate/window_filter.h"

PG_FUNCTION_INFO_V1(weir__event_time);
PG_FUNCTION_INFO_V1(weir__window_is_open);
PG_FUNCTION_INFO_V1(weir__pane_start);
PG_FUNCTION_INFO_V1(weir__pane_last_end);
PG_FUNCTION_INFO_V1(weir__session_end);

/*
 * Rows older than the stream can have an event time that is infinite, or so near
 * the end of the range of its type that windows cannot be computed.  They are left
 * out as late ones are, and kept with them; one bad clock must not stop an
 * aggregate.
 */

/* NULL in the place of such a time: a window function makes windows of NULLs. */
Datum
weir__event_time(PG_FUNCTION_ARGS)
{
	if (!weir_is_event_time(PG_GETARG_TIMESTAMP(0)))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMP(PG_GETARG_TIMESTAMP(0));
}

Datum
weir__window_is_open(PG_FUNCTION_ARGS)
{
	WeirOpenFilter *filter = (WeirOpenFilter *) PG_GETARG_POINTER(1);
	Timestamp	value = PG_GETARG_TIMESTAMP(0);
	bool		is_window = !PG_ARGISNULL(0) &&
		(!filter->is_of_times || weir_is_event_time(value));

	if (likely(is_window && value > filter->last_late))
		PG_RETURN_BOOL(true);
	filter->late++;
	PG_RETURN_BOOL(is_window && value > filter->last_closed);
}

/* Beyond all windows, in the direction of a time that is none. */
static Timestamp
end_of_time(Timestamp t)
{
	return t < 0 ? DT_NOBEGIN : DT_NOEND;
}

Datum
weir__pane_start(PG_FUNCTION_ARGS)
{
	Timestamp	t = PG_GETARG_TIMESTAMP(0);
	WeirWindowSpec *spec = (WeirWindowSpec *) PG_GETARG_POINTER(1);

	if (!weir_is_event_time(t))
		PG_RETURN_TIMESTAMP(end_of_time(t));
	PG_RETURN_TIMESTAMP(weir_window_pane_start(spec, weir_window_pane(spec, t)));
}

Datum
weir__pane_last_end(PG_FUNCTION_ARGS)
{
	Timestamp	t = PG_GETARG_TIMESTAMP(0);
	WeirWindowSpec *spec = (WeirWindowSpec *) PG_GETARG_POINTER(1);

	if (TIMESTAMP_NOT_FINITE(t))
		PG_RETURN_TIMESTAMP(t);
	PG_RETURN_TIMESTAMP(weir_window_last_end(spec, weir_window_pane(spec, t)));
}

Datum
weir__session_end(PG_FUNCTION_ARGS)
{
	Timestamp	t = PG_GETARG_TIMESTAMP(0);
	WeirWindowSpec *spec = (WeirWindowSpec *) PG_GETARG_POINTER(1);

	if (!weir_is_event_time(t))
		PG_RETURN_TIMESTAMP(end_of_time(t));
	PG_RETURN_TIMESTAMP(weir_window_session(spec, t).end);
}

/* ---------- what is open ---------- */

/*
 * Where the last window ends that holds the pane; DT_NOEND where that is beyond
 * the range of the type, as no window of a row's is.
 */
static Timestamp
last_end_of_pane(WeirDefinition *def, int64 pane)
{
	int64		last = weir_window_pane(&def->window, END_TIMESTAMP - 1);

	return pane > last - def->window.npanes ? DT_NOEND :
		weir_window_last_end(&def->window, pane);
}

Timestamp
weir_window_latest_end(WeirDefinition *def, Timestamp t)
{
	if (TIMESTAMP_NOT_FINITE(t) || def->is_session)
		return DT_NOEND;
	/* no row is earlier than this */
	t = Max(t, MIN_TIMESTAMP + WEIR_EVENT_TIME_MARGIN);
	return last_end_of_pane(def, weir_window_pane(&def->window, t));
}

/*
 * The least event time whose last window ends after the bound: the start of
 * a pane.  Ends never decrease from pane to pane, so halving finds it.
 */
static Timestamp
first_open(WeirDefinition *def, Timestamp bound)
{
	int64		low,
				high;

	Assert(def->by_pane);
	if (TIMESTAMP_NOT_FINITE(bound))
		return bound;
	high = weir_window_pane(&def->window, bound);	/* ends after the bound */
	low = high - def->window.npanes - 1;
	while (high - low > 1)
	{
		int64		middle = low + (high - low) / 2;

		if (last_end_of_pane(def, middle) > bound)
			high = middle;
		else
			low = middle;
	}
	return weir_window_pane_start(&def->window, high);
}

/*
 * The greatest event time whose first window ends by the bound, so that a row
 * is late for that window at least.  The end of its pane, most of the time.
 */
static Timestamp
last_late_for_some(WeirDefinition *def, Timestamp bound)
{
	int64		pane = weir_window_pane(&def->window, bound);
	int64		least = pane - def->window.npanes - 1;
	WeirWindowIter windows;
	WeirWindow	window;

	while (--pane > least)
	{
		weir_window_iter_init(&windows, &def->window, pane);
		if (weir_window_iter_next(&windows, &window) && window.end <= bound)
			break;
	}
	return weir_window_pane_start(&def->window, pane + 1) - 1;
}

void
weir_open_filter_init(WeirDefinition *def, Timestamp bound,
					  WeirOpenFilter *filter)
{
	filter->late = 0;
	filter->is_of_times = def->by_pane || def->is_session;
	filter->last_closed = def->is_session ? DT_NOBEGIN : bound;
	filter->last_late = filter->last_closed;
	if (def->by_pane && !TIMESTAMP_NOT_FINITE(bound))
	{
		filter->last_closed = first_open(def, bound) - 1;
		filter->last_late = def->window.kind == WEIR_WINDOW_TUMBLE ?
			filter->last_closed :
			Max(last_late_for_some(def, bound), filter->last_closed);
	}
}
