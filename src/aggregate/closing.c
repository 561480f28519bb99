/*-------------------------------------------------------------------------
 *
 * closing.c
 *	  Closing of windows: their final rows, and what hangs on them.
 *
 * All in the transaction of the tick that moved the watermark: the state of
 * the windows is merged and finished, the rows are inserted into the table of
 * closed rows (closed_table.c), the sinks run over the same rows, and the state
 * is deleted.
 *
 * Where state is kept by pane and windows overlap, a pane's state stays until
 * the last window that holds it has closed.
 *
 * State that the tick has made of windows, or panes, that are done with now is
 * not stored but held in memory (intake.c); it is merged with what is stored.
 *
 * The state is read under a snapshot taken after the lock on it, not under
 * that of the tick: merging may have committed in between.  What the runs add
 * up to is the same under both, because only ticks of this aggregate's cursor
 * add to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "aggregate/cascade.h"
#include "aggregate/closed_table.h"
#include "aggregate/closing.h"
#include "aggregate/delivery.h"
#include "aggregate/late.h"
#include "aggregate/partial.h"
#include "aggregate/runs.h"
#include "aggregate/session.h"
#include "aggregate/sink.h"
#include "aggregate/skip.h"
#include "aggregate/source.h"
#include "aggregate/window_filter.h"

/* Do windows of this kind share panes? */
static bool
shares_panes(const WeirDefinition *def)
{
	return def->by_pane && def->window.kind != WEIR_WINDOW_TUMBLE;
}

/* Can any window end in (after, until]?  Most ticks stop here. */
static bool
may_end_between(WeirDefinition *def, Timestamp after, Timestamp until)
{
	int64		pane;

	if (until <= after)
		return false;
	if (!def->by_pane || TIMESTAMP_NOT_FINITE(after) ||
		TIMESTAMP_NOT_FINITE(until))
		return true;
	pane = weir_window_pane(&def->window, until);
	return weir_window_pane_start(&def->window, pane) > after;
}

/*
 * Is there at most one end of a window in (after, until]?  Where state is kept
 * by pane, windows end where a pane begins, and no two at the same time.
 */
static bool
at_most_one_ends(WeirDefinition *def, Timestamp after, Timestamp until)
{
	Timestamp	last;
	int64		pane;

	if (!def->by_pane || TIMESTAMP_NOT_FINITE(after) ||
		TIMESTAMP_NOT_FINITE(until))
		return false;
	pane = weir_window_pane(&def->window, until);
	last = weir_window_pane_start(&def->window, pane);
	pane = weir_window_pane(&def->window, last - 1);
	return weir_window_pane_start(&def->window, pane) <= after;
}

/*
 * The state that has a part in windows that end by then.  A window that ends
 * by "until" holds no pane later than the one before it.
 */
static void
range_until(WeirDefinition *def, Timestamp until, WeirRunRange *range)
{
	memset(range, 0, sizeof(*range));
	if (TIMESTAMP_NOT_FINITE(until))
		return;
	if (def->is_session)
	{
		/* one that begins later touches none that has ended */
		range->has_starts_until = true;
		range->starts_until = until;
		return;
	}
	range->has_until = true;
	range->until = until;
	if (shares_panes(def))
		range->until = weir_window_latest_end(def, until - 1);
}

/* The rows as the relation "closed"; NULL: there are none, or nobody asks. */
static EphemeralNamedRelation
name_rows(Tuplestorestate *rows, TupleDesc desc, int64 nrows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(*enr));

	enr->md.name = "closed";
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = (double) nrows;
	enr->reldata = rows;
	return enr;
}

/* Does anything hang on the rows? */
static bool
has_followers(const WeirAggregate *agg)
{
	return weir_sink_list(agg->id) != NIL ||
		weir_aggregate_ids_of_parent(agg->id) != NIL;
}

/* What is being closed. */
typedef struct Closing
{
	const WeirAggregate *agg;
	WeirDefinition *def;
	Timestamp	after;
	Timestamp	until;
	Oid			state;
	WeirRunReader *reader;
	WeirAggregateCounts *counts;
} Closing;

/* A step of aggregation, and the same without the groups that it fails at. */
typedef void Step(WeirDefinition *def, WeirStateSource *source,
				  DestReceiver *dest);
typedef List *SkippingStep(const WeirAggregate *agg, WeirDefinition *def,
						   WeirStateSource *source, DestReceiver *dest);

static void
run_step(Closing *closing, Step *step, SkippingStep *skipping_step,
		 WeirStateSource *source, DestReceiver *dest)
{
	const WeirAggregate *agg = closing->agg;
	List	   *skipped;

	if (agg->status != WEIR_AGGREGATE_SKIPPING)
	{
		step(closing->def, source, dest);
		return;
	}
	skipped = skipping_step(agg, closing->def, source, dest);
	weir_late_keep(agg, skipped, TIMESTAMP_NOT_FINITE(closing->until) ?
				   closing->until : closing->until + agg->lateness_usec);
	closing->counts->skipped_rows += list_length(skipped);
}

/* The result of state rows, all of windows that close. */
static void
finish(Closing *closing, WeirStateSource *source, DestReceiver *dest)
{
	run_step(closing, weir_partial_finish, weir_skip_finish, source, dest);
}

/*
 * Sessions: what is stored is merged first, and only then seen to be closed or
 * not.  What is still open is written anew, so all that was read can go.
 */
static void
finish_sessions(Closing *closing, DestReceiver *dest)
{
	WeirDefinition *def = closing->def;
	Tuplestorestate *closed = tuplestore_begin_heap(false, false, work_mem);
	Tuplestorestate *open = tuplestore_begin_heap(false, false, work_mem);

	weir_session_split(def,
					   weir_session_merge(def, weir_runs_source(closing->reader)),
					   closing->until, closed, open);
	finish(closing, weir_source_stored(def, closed), dest);
	if (tuplestore_tuple_count(open) > 0)
	{
		WeirRunWriter *writer = weir_runs_begin_write(def, closing->state, 0);

		run_step(closing, weir_partial_combine, weir_skip_combine,
				 weir_source_stored(def, open), weir_runs_receiver(writer));
		(void) weir_runs_end_write(writer);
	}
	tuplestore_end(closed);
	tuplestore_end(open);
}

/*
 * Merging all the runs of a window is given the memory of maintenance, as
 * merging some of them is.  Returns what ends it, for AtEOXact_GUC.
 */
static int
use_maintenance_memory(void)
{
	int			nest_level = NewGUCNestLevel();

	if (maintenance_work_mem > work_mem)
		(void) set_config_option("work_mem",
								 psprintf("%d", maintenance_work_mem),
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	return nest_level;
}

/*
 * The state rows of windows that close, if possible so that those of a group
 * follow each other.  Who looks for what an aggregate fails at combines them
 * himself.
 */
static WeirStateSource *
windows_source(Closing *closing)
{
	WeirDefinition *def = closing->def;
	WeirStateSource *source = NULL;

	if (closing->agg->status != WEIR_AGGREGATE_SKIPPING &&
		weir_partial_can_cluster(def))
	{
		int			nest_level = use_maintenance_memory();

		source = weir_runs_merged_source(closing->reader);
		AtEOXact_GUC(true, nest_level);
	}
	if (source == NULL)
		source = weir_runs_source(closing->reader);
	/* state of a window that shares nothing is there until it is closed */
	return weir_source_spread(def, source,
							  shares_panes(def) ? closing->after : DT_NOBEGIN,
							  closing->until);
}

/* Groups that are neither in order nor fit in memory are written to disk first. */
static void
finish_with_memory(Closing *closing, WeirStateSource *source,
				   DestReceiver *dest)
{
	int			nest_level = use_maintenance_memory();

	if (closing->def->is_session)
		finish_sessions(closing, dest);
	else
		finish(closing, source, dest);
	AtEOXact_GUC(true, nest_level);
}

/* Is there state of windows that close?  Tells the first end of any. */
static bool
has_state(WeirDefinition *def, Oid state, const WeirHeldRows *held,
		  Timestamp until, Timestamp *first)
{
	bool		is_stored = weir_runs_first_end(state, NULL, first);

	if (held == NULL)
		return is_stored && (shares_panes(def) || *first <= until);
	if (!is_stored || weir_runs_held_first_end(held) < *first)
		*first = weir_runs_held_first_end(held);
	return true;
}

/* Close the windows; returns their rows if there are any and they are wanted. */
static EphemeralNamedRelation
close_windows(const WeirAggregate *agg, WeirDefinition *def, Timestamp after,
			  Timestamp until, const WeirHeldRows *held,
			  WeirAggregateCounts *counts)
{
	Closing		closing = {agg, def, after, until, weir_runs_relid(agg->id), NULL, counts};
	WeirRunRange range;
	WeirRunReader *reader;
	Snapshot	snapshot;
	WeirStateSource *source = NULL;
	WeirClosedWriter *writer;
	EphemeralNamedRelation closed = NULL;
	Timestamp	first;
	bool		by_window;
	int64		nrows;
	int64		nwindows;

	if (!has_state(def, closing.state, held, until, &first))
		return NULL;
	(void) weir_aggregate_lock_state(agg->id, true);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	range_until(def, until, &range);
	closing.reader = reader = weir_runs_begin_read(def, closing.state, &range,
												   snapshot);
	if (held != NULL)
		weir_runs_add_held(reader, held);
	if (!def->is_session)
		source = windows_source(&closing);
	by_window = (source != NULL && source->is_clustered) ||
		at_most_one_ends(def, shares_panes(def) ? after : first - 1, until);
	writer = weir_closed_begin_write(agg, def, by_window, has_followers(agg));
	finish_with_memory(&closing, source, weir_closed_receiver(writer));
	nrows = weir_closed_end_write(writer);
	if (nrows > 0 && weir_closed_rows(writer) != NULL)
	{
		closed = name_rows(weir_closed_rows(writer),
						   weir_partial_result_desc(def), nrows);
		weir_delivery_run(agg, weir_closed_rows(writer), closed->md.tupdesc);
	}
	nwindows = weir_runs_delete_read(reader,
									 def->is_session ? DT_NOEND : until);
	if (nwindows > 0 || nrows > 0)
		weir_aggregate_set_closed_until(agg->id, until);
	counts->closed_rows += nrows;
	counts->closed_windows += def->is_session ? nrows : nwindows;
	weir_runs_end_read(reader);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	return closed;
}

Timestamp
weir_closing_until(WeirDefinition *def, Timestamp after, Timestamp until)
{
	return def->nwindow > 0 && may_end_between(def, after, until) ? until :
		DT_NOBEGIN;
}

void
weir_closing_run(const WeirAggregate *agg, WeirDefinition *def,
				 Timestamp after, Timestamp until, const WeirHeldRows *held,
				 WeirAggregateCounts *counts)
{
	MemoryContext context;
	MemoryContext old;
	EphemeralNamedRelation closed;

	if (def->nwindow == 0 || !may_end_between(def, after, until))
	{
		if (held != NULL)
			elog(ERROR, "state is held of windows that do not close");
		return;
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "weir closing",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	closed = close_windows(agg, def, after, until, held, counts);
	/* rows or not, time goes on for those over this one */
	weir_cascade_follow(agg, closed, after, until);
	if (closed != NULL)
		tuplestore_end((Tuplestorestate *) closed->reldata);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
