/*-------------------------------------------------------------------------
 *
 * consume.c
 *	  What a tick means to continuous aggregates: each of those that share
 *	  the cursor folds the new rows into its state, closes what the watermark
 *	  allows, and keeps the rows that came too late.
 *
 * Each aggregate does so in a subtransaction (failure.c).  One that fails is
 * given a cursor of its own, which stays where the tick began, and is tried
 * again later; its cursor waits, or is paused when it has failed too often.
 * The first tick that works makes it active again; when its cursor has reached
 * the main one, both join.
 *
 * Aggregates over aggregates take no ticks: see cascade.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/cascade.h"
#include "aggregate/closed_index.h"
#include "aggregate/closing.h"
#include "aggregate/consume.h"
#include "aggregate/definition_cache.h"
#include "aggregate/delivery.h"
#include "aggregate/drop.h"
#include "aggregate/dumped.h"
#include "aggregate/failure.h"
#include "aggregate/intake.h"
#include "aggregate/late.h"
#include "aggregate/maintain.h"
#include "aggregate/partial.h"
#include "aggregate/runs.h"
#include "aggregate/session.h"
#include "aggregate/skip.h"
#include "storage/debug_point.h"
#include "stream/cursor.h"
#include "stream/tick.h"

/* cursor whose tick is under way; 0 if none is */
static int32 ticking_cursor = 0;

bool
weir_consume_is_in_tick(int32 cursor_id)
{
	return ticking_cursor != 0 && ticking_cursor == cursor_id;
}

/* ---------- one aggregate ---------- */

/*
 * Find and keep the late rows, and count those late for some of their windows:
 * they count in the others (D4).  Not if the aggregate is made again: what is
 * rejected in its history is in the closed rows already, or was kept then.
 */
static void
find_late_rows(WeirTick *tick, const WeirAggregate *agg, WeirDefinition *def,
			   Timestamp bound, WeirLateTest *test, void *arg,
			   WeirAggregateCounts *counts)
{
	List	   *late;
	int64		partly_late;

	if (tick->cursor.in_history && agg->is_remade)
		return;
	late = weir_partial_late_rows(def, tick->batch, bound, test, arg,
								  &partly_late);
	if (late != NIL)
		weir_late_keep(agg, late,
					   Max(tick->cursor.watermark, agg->closed_until));
	counts->late_rows += list_length(late);
	counts->partly_late_rows += partly_late;
}

static int64
read_batch(WeirDefinition *def, Timestamp bound, DestReceiver *dest, void *arg)
{
	return weir_known_from_batch(def, (WeirBatch *) arg, bound, dest);
}

/* The bound after the tick; reads the batch if nobody has. */
static Timestamp
bound_after(WeirTick *tick, const WeirAggregate *agg)
{
	return weir_aggregate_bound(agg, weir_tick_watermark(tick));
}

/*
 * New rows into the state, but for what the intake holds; bound is the one in
 * force when the tick began.
 */
static void
fold_batch(WeirTick *tick, const WeirAggregate *agg, WeirDefinition *def,
		   Timestamp bound, WeirIntake *intake, WeirAggregateCounts *counts)
{
	if (agg->status == WEIR_AGGREGATE_SKIPPING)
	{
		List	   *skipped = weir_skip_intake(agg, def, read_batch, tick->batch,
											   bound, def, tick->batch, intake);

		weir_late_keep(agg, skipped, tick->cursor.watermark);
		counts->skipped_rows += list_length(skipped);
	}
	else
	{
		weir_intake_begin(agg, def, read_batch, tick->batch, bound, intake);
		weir_intake_end(def,
						weir_closing_until(def, bound, bound_after(tick, agg)),
						intake);
	}
	counts->state_rows += intake->state_rows;
	/* rows of such a session may lie next to those of a closed one: see dumped.c */
	if (intake->reaches_back && !(tick->cursor.in_history && agg->is_remade))
		weir_runs_set_dumped(agg->id);
	if (intake->rejected > 0 || intake->late_sessions != NULL)
		find_late_rows(tick, agg, def, bound,
					   def->is_session ? weir_session_is_late : NULL,
					   intake->late_sessions, counts);
}

static void
take_tick(WeirTick *tick, const WeirAggregate *listed)
{
	WeirAggregate agg = *listed;
	WeirDefinition *def;
	WeirIdentity saved;
	WeirAggregateCounts counts = {0};
	WeirIntake	intake = {0};
	TimestampTz start = GetCurrentTimestamp();
	Timestamp	bound;

	if (!weir_aggregate_lock_listed(&agg))
		return;					/* dropped meanwhile */

	weir_aggregate_become_owner(&agg, &saved);
	def = weir_known_definition(&agg);
	bound = weir_aggregate_bound(&agg, tick->cursor.watermark);
	if (weir_batch_max_rows(tick->batch) > 0)
		fold_batch(tick, &agg, def, bound, &intake, &counts);
	if (def->nwindow > 0)
		weir_closing_run(&agg, def, bound, bound_after(tick, &agg),
						 intake.held, &counts);
	weir_intake_release(&intake);
	weir_restore_identity(&saved);
	WEIR_DEBUG_POINT("tick_aggregate");

	if (counts.state_rows > 0 || counts.late_rows > 0 ||
		counts.skipped_rows > 0 || counts.closed_windows > 0)
	{
		counts.busy_usec = GetCurrentTimestamp() - start;
		weir_aggregate_count(agg.id, &counts);
	}

	if (agg.status == WEIR_AGGREGATE_RETRYING ||
		agg.status == WEIR_AGGREGATE_SKIPPING)
	{
		agg.status = WEIR_AGGREGATE_ACTIVE;
		agg.failures = 0;
		weir_aggregate_set_progress(&agg, NULL);
	}
}

/* ---------- failures ---------- */

/* Give the aggregate its own cursor where the tick began, and note why. */
static void
isolate(WeirTick *tick, int32 id, const ErrorData *error)
{
	WeirAggregate agg;

	if (!weir_aggregate_read(id, NULL, &agg))
		return;
	agg.cursor_id = weir_tick_fork_cursor(tick);
	weir_failure_note(&agg, error);
	if (agg.status == WEIR_AGGREGATE_FAILED)
		weir_cursor_set_paused(agg.cursor_id, true);
	else
		weir_cursor_defer(agg.cursor_id, agg.next_retry);
}

/* Have the aggregate meet the rows of this tick again in its next. */
static void
stay(WeirTick *tick, int32 id)
{
	WeirAggregate agg;

	if (!tick->cursor.is_main &&
		list_length(weir_aggregate_ids_of_cursor(tick->cursor.cursor_id)) == 1)
		tick->stays = true;
	else if (weir_aggregate_read(id, NULL, &agg))
	{
		agg.cursor_id = weir_tick_fork_cursor(tick);
		weir_aggregate_set_progress(&agg, NULL);
	}
}

typedef struct TickOfOne
{
	WeirTick   *tick;
	const WeirAggregate *agg;
} TickOfOne;

static void
take_tick_of_one(void *arg)
{
	TickOfOne  *one = arg;

	take_tick(one->tick, one->agg);
}

static void
take_tick_or_isolate(WeirTick *tick, const WeirAggregate *agg)
{
	TickOfOne	one = {tick, agg};
	ErrorData  *error = weir_closed_attempt(agg->id, take_tick_of_one, &one);

	if (error == NULL)
		return;
	if (weir_skip_is_postponed(agg->id, error))
		stay(tick, agg->id);
	else
		isolate(tick, agg->id, error);
}

/* ---------- the consumer of ticks ---------- */

/* What has come out of a dump has no cursor, and needs the rows, until it is started. */
static bool
is_unstarted(const WeirAggregate *agg)
{
	return !agg->is_ready && agg->parent_id == 0;
}

static bool
has_unstarted(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_list(stream_id))
		if (is_unstarted(lfirst(lc)))
			return true;
	return false;
}

/* Aggregates that came out of a dump with the stream begin with it. */
static void
start_restored(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_stream(stream_id))
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg) && !agg.is_ready &&
			weir_aggregate_can_start(&agg))
			weir_aggregate_start(&agg);
	}
}

/*
 * A cursor of its own that an aggregate leaves behind is dropped later, see
 * maintain.c: the tick still writes it.
 */
static void
consume(WeirTick *tick)
{
	int32		saved = ticking_cursor;
	ListCell   *lc;

	if (tick->cursor.is_main && tick->cursor.in_history)
		start_restored(tick->cursor.stream_id);
	PG_TRY();
	{
		ticking_cursor = tick->cursor.cursor_id;
		foreach(lc, weir_aggregate_list(tick->cursor.stream_id))
		{
			const WeirAggregate *agg = lfirst(lc);

			tick->is_used = true;
			if (agg->is_ready && agg->cursor_id == tick->cursor.cursor_id)
				take_tick_or_isolate(tick, agg);
			else if (is_unstarted(agg))
				tick->has_unstarted = true;
		}
	}
	PG_FINALLY();
	{
		ticking_cursor = saved;
	}
	PG_END_TRY();
}

static bool
catch_up(int32 stream_id)
{
	ListCell   *lc;
	bool		more = false;

	foreach(lc, weir_aggregate_ids_of_stream(stream_id))
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg) &&
			weir_aggregate_lock(agg.open, false) &&
			weir_aggregate_read(lfirst_int(lc), NULL, &agg) &&
			weir_delivery_catch_up(&agg, true))
			more = true;
	}
	return more;
}

static void
join_cursor(int32 from, int32 to)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_cursor(from))
	{
		WeirAggregate agg;

		if (!weir_aggregate_read(lfirst_int(lc), NULL, &agg))
			continue;
		agg.cursor_id = to;
		weir_aggregate_set_cursor(&agg);
	}
}

static char *
dependent(int32 stream_id)
{
	List	   *ids = weir_aggregate_ids_of_stream(stream_id);
	WeirAggregate agg;

	if (ids == NIL || !weir_aggregate_read(linitial_int(ids), NULL, &agg))
		return NULL;
	return get_rel_name(agg.view);
}

/* It may keep its rows for another time; aggregates over others need none of them. */
static void
stream_altered(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_stream(stream_id))
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg) &&
			agg.parent_id == 0)
			weir_dumped_review(&agg);
	}
}

static const WeirConsumer consumer = {
	.consume = consume,
	.catch_up = catch_up,
	.join_cursor = join_cursor,
	.dependent = dependent,
	.has_unstarted = has_unstarted,
	.stream_altered = stream_altered,
	.drop_dependents = weir_drop_of_stream,
	.follow_up = weir_cascade_catch_up,
	.is_behind = weir_cascade_is_behind,
	.warn_of_failed = weir_failure_warn,
};

void
weir_consume_init(void)
{
	weir_tick_set_consumer(&consumer);
}
