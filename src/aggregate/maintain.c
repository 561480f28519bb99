/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  What has to be done for an aggregate now and then: merging runs of
 *	  state, retention of closed rows, sinks that are behind, starting after a
 *	  restore.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/cascade.h"
#include "aggregate/counted.h"
#include "aggregate/definition_cache.h"
#include "aggregate/delivery.h"
#include "aggregate/dumped.h"
#include "aggregate/failure.h"
#include "aggregate/maintain.h"
#include "aggregate/merge.h"
#include "aggregate/runs.h"
#include "stream/cursor.h"
#include "stream/restored.h"
#include "stream/retention.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(weir__maintain_aggregate);

/* Closed rows deleted in one transaction. */
#define RETENTION_BATCH_ROWS	10000

/* ---------- retention ---------- */

/* What age is measured by. */
static Timestamp
watermark_of(const WeirAggregate *agg, const WeirDefinition *def)
{
	WeirCursor	cursor;

	if (agg->parent_id != 0)
		return weir_cascade_parent_until(agg, def, NULL);
	return weir_cursor_read(agg->cursor_id, NULL, &cursor) ?
		cursor.watermark : DT_NOBEGIN;
}

/*
 * The column that tells which windows ended before "limit", and what it is less
 * than in these.
 */
static AttrNumber
ended_before(const WeirDefinition *def, Timestamp *limit)
{
	AttrNumber	column = weir_definition_window_column(def, 2);
	WeirWindowSpec spec = def->window;

	if (column == 0)
	{
		/* then create.c has seen to it that the end goes up with the start */
		column = weir_definition_window_column(def, 1);
		*limit = weir_window_start_after(&spec, *limit - 1);
	}
	return column;
}

/* Delete rows in which the column is less than the limit; is there more? */
static bool
delete_older(Oid closed, const char *column, Oid type, Timestamp limit)
{
	char	   *table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(closed)),
												   get_rel_name(closed));
	Oid			argtypes[1] = {type};
	Datum		values[1] = {TimestampGetDatum(limit)};
	int64		deleted;

	SPI_connect();
	if (SPI_execute_with_args(psprintf("DELETE FROM %s WHERE ctid OPERATOR(pg_catalog.=) ANY ("
									   "ARRAY(SELECT ctid FROM %s WHERE %s OPERATOR(pg_catalog.<) $1 LIMIT %d))",
									   table, table, quote_identifier(column),
									   RETENTION_BATCH_ROWS),
							  1, argtypes, values, NULL, false, 0) != SPI_OK_DELETE)
		weir_report_rule(closed);
	deleted = SPI_processed;
	SPI_finish();
	return deleted == RETENTION_BATCH_ROWS;
}

/*
 * True if there may be more.  What an aggregate over this one has not taken yet
 * stays, and so does what a stream has not consumed that the table is made, or is
 * a partition of.
 */
static bool
maintain_retention(const WeirAggregate *agg)
{
	WeirDefinition *def;
	Timestamp	watermark;
	WeirIdentity saved;
	char	   *column;
	Timestamp	limit;
	bool		more;

	if (agg->retention_usec < 0 || !OidIsValid(agg->closed))
		return false;
	def = weir_known_definition(agg);
	watermark = watermark_of(agg, def);
	if (TIMESTAMP_NOT_FINITE(watermark))
		return false;
	limit = watermark - agg->retention_usec;
	if (limit > watermark)
		return false;
	limit = Min(limit, weir_cascade_needed_from(agg));
	/* no window has ended so early */
	if (limit < MIN_TIMESTAMP + WEIR_EVENT_TIME_MARGIN)
		return false;

	weir_aggregate_become_owner(agg, &saved);
	column = get_attname(agg->closed, ended_before(def, &limit), false);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (weir_stream_of_leaf(agg->closed) != 0)
		more = weir_retention_delete_consumed(agg->closed, column,
											  def->window_type, limit);
	else
		more = delete_older(agg->closed, column, def->window_type, limit);
	PopActiveSnapshot();
	weir_restore_identity(&saved);
	return more;
}

/* ---------- cursors ---------- */

/* Are closed rows of the aggregate deleted? */
static bool
is_trimmed(int32 aggregate_id)
{
	WeirAggregate agg;

	return weir_aggregate_read(aggregate_id, NULL, &agg) &&
		agg.retention_usec >= 0;
}

/* Have rows been deleted that the aggregate is made of? */
static bool
lacks_rows(const WeirAggregate *agg)
{
	WeirStream	stream;

	if (agg->parent_id != 0)
		return is_trimmed(agg->parent_id);
	return weir_stream_lookup_id(agg->stream_id, &stream) &&
		stream.retention_usec > 0;
}

/*
 * While a dump is restored, a view that depends on a primary key is made without
 * FROM first, and replaced when the key is there.
 */
static bool
has_definition(const WeirAggregate *agg)
{
	return weir_definition_query(agg->query)->jointree->fromlist != NIL;
}

bool
weir_aggregate_can_start(const WeirAggregate *agg)
{
	return has_definition(agg) && weir_counted_is_complete(agg);
}

static void
guard_state(void *arg)
{
	const WeirAggregate *agg = arg;

	weir_runs_guard(agg->id,
					weir_definition_analyze(weir_definition_query(agg->query)));
}

/* Rows of a stream that have come with a dump. */
typedef struct RestoredRows
{
	const WeirAggregate *agg;
	WeirCountedRows counted;
} RestoredRows;

static void
leave_out_counted(void *arg)
{
	RestoredRows *rows = arg;

	weir_counted_find(rows->agg, &rows->counted);
	weir_left_out_store(rows->counted.left_out, rows->agg->cursor_id);
}

/*
 * Rows that were dumped though they are in the state of this aggregate are
 * left out.  If it is in doubt which ones these are, it is for the owner to say
 * what is to become of the others; they stay until then.  Returns what is to be
 * shown as the error then, or NULL.
 */
static const char *
begin_without_counted(WeirAggregate *agg)
{
	RestoredRows rows = {agg};
	ErrorData  *error;

	weir_cursor_fix_history(agg->cursor_id);
	error = weir_failure_attempt(leave_out_counted, &rows);
	if (error == NULL && !weir_counted_is_doubtful(&rows.counted))
		return NULL;
	weir_cursor_set_paused(agg->cursor_id, true);
	agg->status = WEIR_AGGREGATE_FAILED;
	if (error != NULL)
		return psprintf("restored from a dump, but which rows of the stream had been counted could not be found out; weir.resume counts all rows, weir.skip goes on without those that came with the dump: %s",
						weir_failure_text(error));
	return psprintf("restored from a dump, but " INT64_FORMAT " rows of the stream that had been counted are missing, and the others are not those that had not been; weir.resume counts these, weir.skip goes on without all rows that came with the dump",
					rows.counted.missing);
}

/* It was when it was dumped. */
static void
stay_paused(WeirAggregate *agg)
{
	if (agg->status != WEIR_AGGREGATE_FAILED)
		agg->status = WEIR_AGGREGATE_PAUSED;
	if (agg->parent_id == 0)
		weir_cursor_set_paused(agg->cursor_id, true);
	weir_restored_set_paused(agg->stream_id, agg->id, false);
}

/*
 * After a restore the definition is there, and the closed rows are, but no state,
 * unless it cannot be made again (dumped.c): begin with the rows that the stream
 * holds, or those that are not in the state.  Windows that are closed stay closed.
 * If there should be no state of a running aggregate over rows that retention has
 * deleted, whether to go on with what is left is the owner's to say.
 */
void
weir_aggregate_start(WeirAggregate *agg)
{
	const char *error = NULL;
	bool		has_state = OidIsValid(weir_runs_relid(agg->id));

	if (!has_state)
	{
		weir_runs_create(agg->id);
		weir_dumped_review(agg);
		if (agg->parent_id != 0)
			weir_aggregate_set_parent_until(agg->id, agg->parent_until);
	}
	/* one that cannot be analyzed fails in its first tick */
	(void) weir_failure_attempt(guard_state, agg);
	agg->cursor_id = agg->parent_id != 0 ? 0 :
		weir_cursor_create(agg->stream_id, true);
	agg->status = WEIR_AGGREGATE_ACTIVE;
	agg->failures = 0;
	agg->is_remade = !has_state;
	if (!OidIsValid(agg->closed) && !has_state && lacks_rows(agg))
	{
		error = "restored from a dump that lacks rows deleted by retention; weir.resume goes on with the rows that are there";
		agg->status = WEIR_AGGREGATE_PAUSED;
		if (agg->parent_id == 0)
			weir_cursor_set_paused(agg->cursor_id, true);
	}
	if (has_state && agg->parent_id == 0)
		error = begin_without_counted(agg);
	if (agg->status != WEIR_AGGREGATE_FAILED)
		weir_counted_settle(agg->id);
	if (weir_restored_is_paused(agg->stream_id, agg->id))
		stay_paused(agg);
	weir_aggregate_set_progress(agg, error);
}

/*
 * Cursors that failing aggregates have left behind hold back the log.  The
 * stream's lock comes before the aggregate's, which we have: don't wait.
 */
static void
drop_unused_cursors(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_cursor_list(stream_id))
	{
		WeirCursor *cursor = lfirst(lc);

		if (cursor->is_main ||
			weir_aggregate_ids_of_cursor(cursor->cursor_id) != NIL)
			continue;
		if (!weir_cursor_lock_stream(stream_id, false))
			return;
		weir_cursor_drop(cursor->cursor_id);
	}
}

/*
 * The first tick of the stream starts what has been restored by then; what comes
 * later is started here, but not before that: the rows are there then.  The
 * stream's lock comes first here, too: don't wait for it.
 */
static bool
start_late(WeirAggregate *agg)
{
	List	   *cursors;

	if (!weir_cursor_lock_stream(agg->stream_id, false) ||
		!weir_aggregate_read(agg->id, NULL, agg) || agg->is_ready)
		return false;
	cursors = weir_cursor_list(agg->stream_id);
	if (cursors == NIL || ((WeirCursor *) linitial(cursors))->low == 0 ||
		!weir_aggregate_can_start(agg))
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	weir_aggregate_start(agg);
	PopActiveSnapshot();
	return true;
}

/*
 * One that has fallen behind its parent catches up.  The stream's lock comes
 * first here, too: don't wait for it.
 */
static bool
maintain_place(const WeirAggregate *agg)
{
	return agg->parent_id != 0 && !TIMESTAMP_IS_NOEND(agg->parent_until) &&
		weir_cursor_lock_stream(agg->stream_id, false) &&
		weir_cascade_catch_up(agg->stream_id) != WEIR_TICK_IDLE;
}

/*
 * Who is changing the aggregate may take his time, as after PREPARE TRANSACTION:
 * the others would wait, too.
 */
bool
weir_aggregate_maintain(int32 aggregate_id)
{
	WeirAggregate agg;
	bool		more;

	if (!weir_aggregate_read(aggregate_id, NULL, &agg) ||
		!ConditionalLockRelationOid(agg.open, RowExclusiveLock) ||
		!weir_aggregate_read(aggregate_id, NULL, &agg))
		return false;
	if (!agg.is_ready)
		return start_late(&agg);
	drop_unused_cursors(agg.stream_id);
	more = maintain_place(&agg);
	more = weir_delivery_catch_up(&agg, false) || more;
	more = weir_merge_step(&agg) || more;
	return maintain_retention(&agg) || more;
}

/* For tests, and for who wants it done without a worker. */
Datum
weir__maintain_aggregate(PG_FUNCTION_ARGS)
{
	WeirAggregate agg;

	weir_aggregate_get_owned(PG_GETARG_OID(0), &agg);
	weir_merge_search_now(agg.id);
	PG_RETURN_BOOL(weir_aggregate_maintain(agg.id));
}
