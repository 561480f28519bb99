/*-------------------------------------------------------------------------
 *
 * cascade.c
 *	  Aggregates over aggregates: how they follow, and how far they are.
 *
 * An aggregate over another one, its parent, takes no ticks of its own.  When
 * windows of the parent close, their rows go into its state in the same
 * transaction, and it closes in turn what can have no more rows; and so on
 * upwards.  So all levels agree under every snapshot, and each row counts once.
 *
 * One that cannot follow stays where it is: parent_until says by when the
 * windows of the parent had ended whose rows it has, and the closed rows of
 * the parent are its backlog, in the order of their windows.
 *
 *		following	parent_until is unset: all that has closed is in the state
 *		behind		new, restored, paused, or it has failed; it catches up,
 *					and follows again when nothing is left		catch_up()
 *
 * Invariants:
 * 1. The state of an aggregate that follows has the rows of exactly those
 *	  windows of the parent that have closed; of one that is behind, of those
 *	  that end by parent_until.
 * 2. Windows of the parent close, and this changes, under the stream's lock
 *	  only.
 * 3. A failure here is one of this aggregate, never of its parent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/cascade.h"
#include "aggregate/closed_index.h"
#include "aggregate/closing.h"
#include "aggregate/failure.h"
#include "aggregate/intake.h"
#include "aggregate/late.h"
#include "aggregate/maintain.h"
#include "aggregate/parent.h"
#include "aggregate/skip.h"
#include "storage/debug_point.h"
#include "stream/cursor.h"
#include "stream/newrows.h"

PG_FUNCTION_INFO_V1(weir__followed_until);

/* One aggregate's part when windows of its parent have closed. */
typedef struct Step
{
	int32		id;
	EphemeralNamedRelation closed;	/* their rows; NULL: there are none, or */
	bool		from_table;		/* they are to be read from the table */
	Timestamp	after;			/* they end after this */
	Timestamp	until;			/* and not after this */
	bool		is_last;		/* nothing is left then */
} Step;

/* ---------- how far ---------- */

Timestamp
weir_cascade_bound(const WeirAggregate *agg, const WeirDefinition *def,
				   Snapshot snapshot)
{
	WeirCursor	cursor;

	if (agg->parent_id != 0)
		return weir_aggregate_bound(agg,
									weir_parent_watermark(def,
														  weir_cascade_parent_until(agg, def, snapshot)));
	if (!agg->is_ready || !weir_cursor_read(agg->cursor_id, snapshot, &cursor))
		cursor.watermark = DT_NOBEGIN;
	return weir_aggregate_bound(agg, cursor.watermark);
}

Timestamp
weir_cascade_parent_until(const WeirAggregate *agg, const WeirDefinition *def,
						  Snapshot snapshot)
{
	WeirAggregate parent;

	if (!TIMESTAMP_IS_NOEND(agg->parent_until) ||
		!weir_aggregate_read(agg->parent_id, snapshot, &parent))
		return agg->parent_until;
	return weir_cascade_bound(&parent, def->parent->def, snapshot);
}

int32
weir_cascade_cursor(const WeirAggregate *agg, Snapshot snapshot)
{
	WeirAggregate parent;

	if (agg->parent_id == 0)
		return agg->is_ready ? agg->cursor_id : 0;
	return weir_aggregate_read(agg->parent_id, snapshot, &parent) ?
		weir_cascade_cursor(&parent, snapshot) : 0;
}

Timestamp
weir_cascade_needed_from(const WeirAggregate *parent)
{
	Timestamp	least = DT_NOEND;
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_parent(parent->id))
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg))
			least = Min(least, agg.parent_until);
	}
	return least;
}

/* For the view of statistics: NULL for aggregates over streams. */
Datum
weir__followed_until(PG_FUNCTION_ARGS)
{
	WeirAggregate agg;
	Timestamp	until;
	Snapshot	snapshot = GetActiveSnapshot();

	if (!weir_aggregate_read(PG_GETARG_INT32(0), snapshot, &agg) ||
		agg.parent_id == 0)
		PG_RETURN_NULL();
	until = weir_cascade_parent_until(&agg,
									  weir_definition_analyze(weir_definition_query(agg.query)),
									  snapshot);
	if (TIMESTAMP_NOT_FINITE(until))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(until);
}

/* ---------- taking rows ---------- */

static int64
read_closed(WeirDefinition *def, Timestamp bound, DestReceiver *dest, void *arg)
{
	Step	   *step = (Step *) arg;

	if (step->closed != NULL)
		return weir_partial_from_rows(weir_parent_rows(def, step->closed),
									  step->closed, bound, dest);
	return weir_partial_from_table(weir_parent_closed(def, step->after,
													  step->until),
								   bound, dest);
}

/*
 * Rows into the state; then close.  What is rejected belongs to windows that
 * are closed: after a restore, which makes the state anew, these have it.
 */
static void
take_rows(const WeirAggregate *agg, Step *step)
{
	WeirDefinition *def;
	WeirIdentity saved;
	WeirAggregateCounts counts = {0};
	TimestampTz start = GetCurrentTimestamp();
	WeirIntake	intake = {0};
	Timestamp	bound;
	Timestamp	until;

	weir_aggregate_become_owner(agg, &saved);
	def = weir_definition_analyze(weir_definition_query(agg->query));
	bound = weir_aggregate_bound(agg, weir_parent_watermark(def, step->after));
	until = weir_aggregate_bound(agg, weir_parent_watermark(def, step->until));
	if (step->closed != NULL || step->from_table)
	{
		if (agg->status == WEIR_AGGREGATE_SKIPPING && step->from_table)
		{
			List	   *skipped;

			skipped = weir_skip_intake(agg, def, read_closed, step, bound,
									   weir_parent_closed(def, step->after,
														  step->until),
									   NULL, &intake);
			weir_late_keep(agg, skipped, weir_parent_watermark(def, step->after));
			counts.skipped_rows += list_length(skipped);
		}
		else
		{
			weir_intake_begin(agg, def, read_closed, step, bound, &intake);
			weir_intake_end(def, weir_closing_until(def, bound, until), &intake);
		}
		counts.state_rows += intake.state_rows;
	}
	if (def->nwindow > 0)
		weir_closing_run(agg, def, bound, until, intake.held, &counts);
	weir_intake_release(&intake);
	weir_restore_identity(&saved);
	WEIR_DEBUG_POINT("cascade_aggregate");

	if (counts.state_rows > 0 || counts.skipped_rows > 0 ||
		counts.closed_windows > 0)
	{
		counts.busy_usec = GetCurrentTimestamp() - start;
		weir_aggregate_count(agg->id, &counts);
	}
}

static bool
lock_and_read(int32 id, WeirAggregate *agg)
{
	return weir_aggregate_read(id, NULL, agg) &&
		weir_aggregate_lock(agg->open, false) &&
		weir_aggregate_read(id, NULL, agg);
}

/* It could not take that step: it stays where it was, and is tried again. */
static void
fall_behind(const Step *step, const ErrorData *error)
{
	WeirAggregate agg;

	if (!weir_aggregate_read(step->id, NULL, &agg))
		return;
	if (TIMESTAMP_IS_NOEND(agg.parent_until))
		weir_aggregate_set_parent_until(agg.id, step->after);
	weir_failure_note(&agg, error);
}

/* ---------- following ---------- */

static void
follow(void *arg)
{
	Step	   *step = (Step *) arg;
	WeirAggregate agg;

	if (!lock_and_read(step->id, &agg) || !TIMESTAMP_IS_NOEND(agg.parent_until))
		return;
	if (agg.is_ready)
		take_rows(&agg, step);
	else						/* restored, and not started yet */
		weir_aggregate_set_parent_until(agg.id, step->after);
}

void
weir_cascade_follow(const WeirAggregate *parent, EphemeralNamedRelation closed,
					Timestamp after, Timestamp until)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_parent(parent->id))
	{
		Step		step = {0};
		ErrorData  *error;

		step.id = lfirst_int(lc);
		step.closed = closed != NULL && closed->md.enrtuples > 0 ? closed : NULL;
		step.after = after;
		step.until = until;
		error = weir_closed_attempt(step.id, follow, &step);
		if (error != NULL)
			fall_behind(&step, error);
	}
}

void
weir_cascade_detach(const WeirAggregate *agg)
{
	WeirDefinition *def = weir_definition_analyze(weir_definition_query(agg->query));

	if (TIMESTAMP_IS_NOEND(agg->parent_until))
		weir_aggregate_set_parent_until(agg->id,
										weir_cascade_parent_until(agg, def, NULL));
}

/* ---------- catching up ---------- */

/*
 * The end of the last window that is taken in one transaction, of those that
 * end in (after, until], so that it is about as many rows as a tick takes.
 * Where the end is no column, all are taken.
 */
static Timestamp
end_of_step(const WeirParent *parent, Timestamp after, Timestamp until)
{
	const char *column;
	Oid			argtypes[2];
	Datum		values[2];
	Timestamp	end = until;
	bool		isnull;
	Datum		found;

	if (parent->end_column == 0)
		return until;
	column = quote_identifier(get_attname(parent->agg.closed,
										  parent->end_column, false));
	argtypes[0] = argtypes[1] = parent->def->window_type;
	values[0] = TimestampGetDatum(after);
	values[1] = TimestampGetDatum(until);
	SPI_connect();
	if (SPI_execute_with_args(psprintf("SELECT %s FROM %s WHERE %s OPERATOR(pg_catalog.>) $1 "
									   "AND %s OPERATOR(pg_catalog.<=) $2 "
									   "ORDER BY %s OFFSET %d LIMIT 1",
									   column,
									   quote_qualified_identifier(get_namespace_name(get_rel_namespace(parent->agg.closed)),
																  get_rel_name(parent->agg.closed)),
									   column, column, column,
									   weir_batch_tick_rows() - 1),
							  2, argtypes, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read closed rows");
	if (SPI_processed > 0)
	{
		found = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							  &isnull);
		end = DatumGetTimestamp(found);
	}
	SPI_finish();
	return end;
}

/* What is to be done for one that is behind: (after, until] of the parent. */
static void
plan_step(const WeirAggregate *agg, Step *step)
{
	WeirDefinition *def = weir_definition_analyze(weir_definition_query(agg->query));
	Timestamp	until = weir_cascade_bound(&def->parent->agg, def->parent->def,
										   NULL);
	WeirIdentity saved;

	step->after = agg->parent_until;
	step->from_table = true;
	weir_aggregate_become_owner(&def->parent->agg, &saved);
	step->until = end_of_step(def->parent, step->after, until);
	weir_restore_identity(&saved);
	step->is_last = step->until >= until;
}

static void
catch_up(void *arg)
{
	Step	   *step = (Step *) arg;
	WeirAggregate agg;

	if (!lock_and_read(step->id, &agg) || TIMESTAMP_IS_NOEND(agg.parent_until))
		return;
	if (!agg.is_ready)
	{
		weir_aggregate_start(&agg);
		return;
	}
	plan_step(&agg, step);
	if (step->until > step->after)
		take_rows(&agg, step);
	weir_aggregate_set_parent_until(agg.id, step->is_last ? DT_NOEND : step->until);
	if (agg.status == WEIR_AGGREGATE_RETRYING ||
		agg.status == WEIR_AGGREGATE_SKIPPING)
	{
		agg.status = WEIR_AGGREGATE_ACTIVE;
		agg.failures = 0;
		weir_aggregate_set_progress(&agg, NULL);
	}
}

static bool
may_run(const WeirAggregate *agg)
{
	return agg->status == WEIR_AGGREGATE_ACTIVE ||
		((agg->status == WEIR_AGGREGATE_RETRYING ||
		  agg->status == WEIR_AGGREGATE_SKIPPING) &&
		 agg->next_retry <= GetCurrentTimestamp());
}

WeirTickResult
weir_cascade_catch_up(int32 stream_id)
{
	WeirTickResult result = WEIR_TICK_IDLE;
	ListCell   *lc;

	/* the parents come first, as their numbers are lower */
	foreach(lc, weir_aggregate_ids_of_stream(stream_id))
	{
		WeirAggregate agg;
		Step		step = {0};
		ErrorData  *error;

		if (!weir_aggregate_read(lfirst_int(lc), NULL, &agg) ||
			agg.parent_id == 0 || TIMESTAMP_IS_NOEND(agg.parent_until) ||
			!may_run(&agg) ||
			(!agg.is_ready && !weir_aggregate_can_start(&agg)))
			continue;
		step.id = agg.id;
		step.after = agg.parent_until;
		PushActiveSnapshot(GetLatestSnapshot());
		error = weir_closed_attempt(step.id, catch_up, &step);
		PopActiveSnapshot();
		if (error != NULL && weir_skip_is_postponed(step.id, error))
		{
			if (result == WEIR_TICK_IDLE)
				result = WEIR_TICK_STAYS;
			continue;
		}
		result = WEIR_TICK_MORE;
		if (error != NULL)
			fall_behind(&step, error);
	}
	return result;
}

bool
weir_cascade_is_behind(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_stream(stream_id))
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg) &&
			agg.parent_id != 0 &&
			!TIMESTAMP_IS_NOEND(agg.parent_until) &&
			(agg.status == WEIR_AGGREGATE_ACTIVE ||
			 agg.status == WEIR_AGGREGATE_SKIPPING ||
			 agg.status == WEIR_AGGREGATE_RETRYING))
			return true;
	}
	return false;
}

/* ---------- reading ---------- */

void
weir_cascade_pending(const WeirAggregate *agg, WeirDefinition *def,
					 Timestamp bound, DestReceiver *dest)
{
	(void) weir_partial_from_table(TIMESTAMP_IS_NOEND(agg->parent_until) ?
								   weir_parent_open(def) :
								   weir_parent_later(def, agg->parent_until),
								   bound, dest);
}
