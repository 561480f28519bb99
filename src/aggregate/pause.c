/*-------------------------------------------------------------------------
 *
 * pause.c
 *	  Pausing and resuming consumption.
 *
 * A paused aggregate stands on a cursor of its own that takes no ticks; what
 * it has missed stays in the log until it is resumed or dropped.  The live
 * view stays exact meanwhile.  One over another aggregate stops following it;
 * what it has missed stays in the table of closed rows.
 *
 * Pausing a stream pauses the cursors of all its aggregates, but leaves it to
 * each aggregate whether it was paused, or has failed, before.  The stream's own
 * cursor, which an aggregate that is resumed may share, goes on with it only.
 *
 * Of what has come out of a dump, and has no cursor yet, it is noted for then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/cascade.h"
#include "aggregate/counted.h"
#include "aggregate/sink.h"
#include "stream/cursor.h"
#include "stream/log.h"
#include "stream/restored.h"
#include "stream/stream.h"
#include "stream/tick.h"

PG_FUNCTION_INFO_V1(weir_pause);
PG_FUNCTION_INFO_V1(weir_resume);

/* Lock in the order of a tick, and read what is true then. */
static void
lock_aggregate(WeirAggregate *agg)
{
	(void) weir_cursor_lock_stream(agg->stream_id, true);
	if (!weir_aggregate_lock(agg->open, true) ||
		!weir_aggregate_read(agg->id, NULL, agg))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the continuous aggregate was dropped concurrently")));
}

/* Give the aggregate a cursor that nobody else uses. */
static void
make_cursor_own(WeirAggregate *agg)
{
	WeirCursor	cursor;

	if (!weir_cursor_read(agg->cursor_id, NULL, &cursor))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("aggregate \"%s\" has lost its place in the stream",
						get_rel_name(agg->view)),
				 errhint("Drop the continuous aggregate and create it again.")));
	if (cursor.is_main ||
		list_length(weir_aggregate_ids_of_cursor(agg->cursor_id)) > 1)
		agg->cursor_id = weir_cursor_fork(&cursor);
}

static void
set_aggregate_paused(WeirAggregate *agg, bool paused)
{
	lock_aggregate(agg);
	if (!agg->is_ready)
	{
		weir_restored_set_paused(agg->stream_id, agg->id, paused);
		return;
	}
	if (agg->parent_id == 0)
	{
		if (paused)
			make_cursor_own(agg);
		if (paused || agg->cursor_id != weir_cursor_main(agg->stream_id))
			weir_cursor_set_paused(agg->cursor_id, paused);
	}
	else if (paused)
		weir_cascade_detach(agg);
	if (!paused)
		weir_counted_settle(agg->id);
	agg->status = paused ? WEIR_AGGREGATE_PAUSED : WEIR_AGGREGATE_ACTIVE;
	agg->failures = 0;
	weir_aggregate_set_progress(agg, NULL);
	if (!paused)
		weir_sink_resume_all(agg->id);
}

/* Does anybody on the cursor want ticks? */
static bool
cursor_is_wanted(const WeirCursor *cursor)
{
	ListCell   *lc;

	if (cursor->is_main)
		return true;
	foreach(lc, weir_aggregate_ids_of_cursor(cursor->cursor_id))
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg) &&
			(agg.status == WEIR_AGGREGATE_ACTIVE ||
			 agg.status == WEIR_AGGREGATE_SKIPPING ||
			 agg.status == WEIR_AGGREGATE_RETRYING))
			return true;
	}
	return false;
}

static void
set_stream_paused(Oid relid, bool paused)
{
	WeirStream	stream;
	ListCell   *lc;

	weir_stream_get_owned(relid, &stream);
	(void) weir_cursor_lock_stream(stream.stream_id, true);
	if (!weir_log_exists(stream.stream_id))
		weir_restored_set_paused(stream.stream_id, 0, paused);
	foreach(lc, weir_cursor_list(stream.stream_id))
	{
		WeirCursor *cursor = lfirst(lc);

		if (paused || cursor_is_wanted(cursor))
			weir_cursor_set_paused(cursor->cursor_id, paused);
	}
}

static void
refuse_others(Oid relid)
{
	WeirStream	stream;
	char	   *name = get_rel_name(relid);

	if (name != NULL && !weir_stream_lookup(relid, &stream))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is neither a stream nor a continuous aggregate", name),
				 errhint("The views weir.stat_streams and weir.continuous_aggregates list them.")));
}

static void
set_paused(Oid relid, bool paused)
{
	WeirAggregate agg;

	if (weir_aggregate_find(relid, NULL, &agg))
	{
		weir_aggregate_get_owned(relid, &agg);
		set_aggregate_paused(&agg, paused);
	}
	else
	{
		refuse_others(relid);
		set_stream_paused(relid, paused);
	}
}

Datum
weir_pause(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("weir.pause()");
	weir_stream_refuse_in_tick("weir.pause");
	weir_aggregate_require_argument(fcinfo, 0, "object");
	set_paused(PG_GETARG_OID(0), true);
	PG_RETURN_VOID();
}

Datum
weir_resume(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("weir.resume()");
	weir_stream_refuse_in_tick("weir.resume");
	weir_aggregate_require_argument(fcinfo, 0, "object");
	set_paused(PG_GETARG_OID(0), false);
	PG_RETURN_VOID();
}
