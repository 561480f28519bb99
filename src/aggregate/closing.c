/*-------------------------------------------------------------------------
 *
 * closing.c
 *	  Closing of windows: their final rows, and what hangs on them.
 *
 * All in the transaction of the tick that moved the watermark: the state of
 * the windows is merged and finished, the rows are inserted into the table of
 * closed rows by an ordinary INSERT (so it can have indexes, triggers and
 * subscribers), the sinks run over the same rows, and the state is deleted.
 *
 * Where state is kept by pane and windows overlap, a pane's state stays until
 * the last window that holds it has closed.
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
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "aggregate/cascade.h"
#include "aggregate/closing.h"
#include "aggregate/delivery.h"
#include "aggregate/partial.h"
#include "aggregate/runs.h"
#include "aggregate/session.h"
#include "aggregate/source.h"

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
		range->until = weir_window_last_end(&def->window,
											weir_window_pane(&def->window,
															 until - 1));
}

/*
 * The order in which rows go into the table: by window, as they lie on disk,
 * then by key.  They come in order of a hash, so that each would go to
 * another leaf of an index on the keys.  If all are of the same window there is
 * no need to compare it, which takes a third of the sort.
 */
static void
append_order(StringInfo sql, WeirDefinition *def, TupleDesc desc,
			 bool is_one_window)
{
	List	   *columns = list_copy(weir_definition_key_columns(def));
	AttrNumber	window = weir_definition_window_column(def, 1);
	const char *separator = " ORDER BY ";
	ListCell   *lc;

	if (window == 0)
		window = weir_definition_window_column(def, 2);
	if (window != 0 && !(is_one_window && columns != NIL))
		columns = lcons_int(window, columns);
	foreach(lc, columns)
	{
		Form_pg_attribute att = TupleDescAttr(desc, lfirst_int(lc) - 1);

		if (!OidIsValid(GetDefaultOpClass(att->atttypid, BTREE_AM_OID)))
			continue;
		appendStringInfo(sql, "%s%s", separator,
						 quote_identifier(NameStr(att->attname)));
		separator = ", ";
	}
}

/* INSERT INTO closed (columns) SELECT columns, by position */
static char *
insert_command(const WeirAggregate *agg, WeirDefinition *def, TupleDesc desc,
			   bool is_one_window)
{
	StringInfoData to;
	StringInfoData from;
	int			i;

	initStringInfo(&to);
	initStringInfo(&from);
	for (i = 1; i <= desc->natts; i++)
	{
		char	   *name = get_attname(agg->closed, i, true);

		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("a column of table \"%s\" has been dropped",
							get_rel_name(agg->closed)),
					 errhint("Drop the continuous aggregate and create it again.")));
		appendStringInfo(&to, "%s%s", i > 1 ? ", " : "", quote_identifier(name));
		appendStringInfo(&from, "%s%s", i > 1 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(desc, i - 1)->attname)));
	}
	appendStringInfoString(&from, " FROM closed");
	append_order(&from, def, desc, is_one_window);
	return psprintf("INSERT INTO %s (%s) SELECT %s",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(agg->closed)),
											   get_rel_name(agg->closed)),
					to.data, from.data);
}

/* The rows as the relation "closed". */
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

/* Insert the closed rows into their table. */
static void
insert(const WeirAggregate *agg, WeirDefinition *def,
	   EphemeralNamedRelation closed, bool is_one_window)
{
	SPI_connect();
	if (SPI_register_relation(closed) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the closed rows");
	if (SPI_execute(insert_command(agg, def, closed->md.tupdesc, is_one_window),
					false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert closed rows");
	SPI_finish();
}

/*
 * Sessions: what is stored is merged first, and only then seen to be closed or
 * not.  What is still open is written anew, so all that was read can go.
 */
static void
finish_sessions(WeirDefinition *def, Oid state, WeirRunReader *reader,
				Timestamp until, Tuplestorestate *rows)
{
	Tuplestorestate *closed = tuplestore_begin_heap(false, false, work_mem);
	Tuplestorestate *open = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *dest = weir_source_receiver(rows);

	weir_session_split(def, weir_session_merge(def, weir_runs_source(reader)),
					   until, closed, open);
	weir_partial_finish(def, weir_source_stored(def, closed), NIL, dest);
	dest->rDestroy(dest);
	if (tuplestore_tuple_count(open) > 0)
	{
		WeirRunWriter *writer = weir_runs_begin_write(def, state, 0);

		weir_partial_combine(def, weir_source_stored(def, open),
							 weir_runs_receiver(writer));
		(void) weir_runs_end_write(writer);
	}
	tuplestore_end(closed);
	tuplestore_end(open);
}

/* Finish the state that is read into rows. */
static void
finish(WeirDefinition *def, WeirRunReader *reader, Timestamp after,
	   Timestamp until, Tuplestorestate *rows)
{
	WeirStateSource *source;
	DestReceiver *dest;

	/* state of a window that shares nothing is there until it is closed */
	source = weir_source_spread(def, weir_runs_source(reader),
								shares_panes(def) ? after : DT_NOBEGIN, until);
	dest = weir_source_receiver(rows);
	weir_partial_finish(def, source, NIL, dest);
	dest->rDestroy(dest);
}

/* Is there state of windows that close?  Tells the first end of any. */
static bool
has_state(WeirDefinition *def, Oid state, Timestamp until, Timestamp *first)
{
	return weir_runs_first_end(state, NULL, first) &&
		(shares_panes(def) || *first <= until);
}

/* Close the windows; returns their rows, or NULL if there are none. */
static EphemeralNamedRelation
close_windows(const WeirAggregate *agg, WeirDefinition *def, Timestamp after,
			  Timestamp until, WeirAggregateCounts *counts)
{
	Oid			state = weir_runs_relid(agg->id);
	WeirRunRange range;
	WeirRunReader *reader;
	Snapshot	snapshot;
	Tuplestorestate *rows;
	EphemeralNamedRelation closed;
	Timestamp	first;
	int64		nrows;
	int64		nwindows;

	if (!has_state(def, state, until, &first))
		return NULL;
	(void) weir_aggregate_lock_state(agg->id, true);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	range_until(def, until, &range);
	reader = weir_runs_begin_read(def, state, &range, snapshot);
	rows = tuplestore_begin_heap(false, false, work_mem);
	if (def->is_session)
		finish_sessions(def, state, reader, until, rows);
	else
		finish(def, reader, after, until, rows);

	nrows = tuplestore_tuple_count(rows);
	closed = name_rows(rows, weir_partial_result_desc(def), nrows);
	if (nrows > 0)
	{
		insert(agg, def, closed,
			   at_most_one_ends(def, shares_panes(def) ? after : first - 1,
								until));
		weir_delivery_run(agg, rows, closed->md.tupdesc);
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

void
weir_closing_run(const WeirAggregate *agg, WeirDefinition *def,
				 Timestamp after, Timestamp until,
				 WeirAggregateCounts *counts)
{
	MemoryContext context;
	MemoryContext old;
	EphemeralNamedRelation closed;

	if (def->nwindow == 0 || !may_end_between(def, after, until))
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "weir closing",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	closed = close_windows(agg, def, after, until, counts);
	/* rows or not, time goes on for those over this one */
	weir_cascade_follow(agg, closed, after, until);
	if (closed != NULL)
		tuplestore_end((Tuplestorestate *) closed->reldata);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
