/*-------------------------------------------------------------------------
 *
 * window.h
 *	  Windows over event time: which of them a row falls into.
 *
 * Time is cut into panes, numbered, of one step each: the size of a tumbling
 * window, the slide of a hopping one, the step of a cumulating one.  Every
 * window is a run of whole panes, so one state per pane serves all windows
 * that share it.  A window is the half-open [start, end).
 *
 * Timestamps are those of the event-time column.  Values of type "timestamp"
 * are read as UTC.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WINDOW_H
#define WEIR_WINDOW_H

#include "datatype/timestamp.h"

#include "types/wallclock.h"

/*
 * Event times closer to the ends of the range of the type than this, and infinite
 * ones, are none: bounds of windows could not be in the range.
 */
#define WEIR_EVENT_TIME_MARGIN_YEARS	100
#define WEIR_EVENT_TIME_MARGIN \
	((int64) (WEIR_EVENT_TIME_MARGIN_YEARS * DAYS_PER_YEAR * USECS_PER_DAY))

static inline bool
weir_is_event_time(Timestamp t)
{
	return t >= MIN_TIMESTAMP + WEIR_EVENT_TIME_MARGIN &&
		t <= END_TIMESTAMP - WEIR_EVENT_TIME_MARGIN;
}

/* More windows for one row than this are refused. */
#define WEIR_MAX_WINDOWS_PER_ROW	1000000

typedef enum WeirWindowKind
{
	WEIR_WINDOW_TUMBLE,
	WEIR_WINDOW_HOP,
	WEIR_WINDOW_CUMULATE,
	WEIR_WINDOW_SESSION
} WeirWindowKind;

/* A window function with its parameters, checked and put to use. */
typedef struct WeirWindowSpec
{
	WeirWindowKind kind;
	bool		has_zone;		/* panes follow the clocks of "clock" */
	int32		step_months;	/* calendar panes: their length; else 0 */
	int64		step_usec;		/* other panes: their length; session: gap */
	int64		npanes;			/* in a window, or in a period of cumulate */
	int64		origin_month;	/* calendar: a pane's start, months of year 0 */
	int32		origin_day;		/* calendar: its day of the month */
	int64		origin_usec;	/* calendar: its time of day; else, its time */
	WeirWallClock clock;		/* if has_zone */
} WeirWindowSpec;

typedef struct WeirWindow
{
	Timestamp	start;
	Timestamp	end;
} WeirWindow;

/* The windows of one row, in order of their ends; fields are private. */
typedef struct WeirWindowIter
{
	WeirWindowSpec *spec;
	int64		next;
	int64		last;
	WeirWindow	previous;
} WeirWindowIter;

/*
 * Is "weir.<funcname>" a window function?  If so, fill in spec from the
 * arguments of the call, in the order in which they are declared; the event
 * time, args[0], is not looked at.  Raises 22023 if they make no sense, 54000
 * for too many windows per row.  The spec holds no pointer to the arguments.
 */
extern bool weir_window_spec_from_call(WeirWindowSpec *spec,
									   const char *funcname,
									   const NullableDatum *args, int nargs);

/*
 * Panes.  The one that holds an instant (never empty; raises 22008 when
 * infinite or out of range), and where pane number n begins; it ends where
 * n + 1 begins.  With a zone, panes that the clocks skip are empty.
 * Not for sessions.
 */
extern int64 weir_window_pane(WeirWindowSpec *spec, Timestamp t);
extern Timestamp weir_window_pane_start(WeirWindowSpec *spec, int64 pane);

/* where the last window that holds the pane ends */
extern Timestamp weir_window_last_end(WeirWindowSpec *spec, int64 pane);

/* the windows that hold a pane: none empty, no two equal; not for sessions */
extern void weir_window_iter_init(WeirWindowIter *iter, WeirWindowSpec *spec,
								  int64 pane);
extern bool weir_window_iter_next(WeirWindowIter *iter, WeirWindow *window);

/* where the first window starts that ends after t; not for sessions */
extern Timestamp weir_window_start_after(WeirWindowSpec *spec, Timestamp t);

/* the session of a row alone: [t, t + gap) */
extern WeirWindow weir_window_session(const WeirWindowSpec *spec, Timestamp t);

#endif							/* WEIR_WINDOW_H */
