/*-------------------------------------------------------------------------
 *
 * tick.c
 *	  One step of consumption.
 *
 * A tick is one transaction: lock the stream, take a snapshot, read the log
 * for entries beyond the cursor, hand their rows to the consumer, store the
 * cursor.  The caller commits.  A crash repeats the tick, nothing else.
 *
 *	main cursor			consumes what the snapshot sees
 *	other cursors		consume up to where the main one stands and then join
 *						it: their users use the main one from then on
 *
 * Invariants:
 * 1. Every statement of a tick runs under one snapshot, taken after the lock
 *	  and after all leaves with new rows were locked.
 * 2. A tick that finds nothing writes nothing.
 *
 * Locks: the stream (cursor.c), then the leaves ACCESS SHARE, then whatever
 * the consumer takes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "storage/debug_point.h"
#include "storage/writers.h"
#include "stream/batch.h"
#include "stream/left_out.h"
#include "stream/retention.h"
#include "stream/tick.h"
#include "weir.h"

/* What the consumer sees is the first part of it. */
typedef struct TickState
{
	WeirTick	tick;
	WeirStream	stream;
	TimestampTz now;
	Timestamp	floor;			/* a joining cursor takes over this watermark */
	bool		is_watermark_known;
	Timestamp	watermark;
} TickState;

/* Commands that are refused while a stream is being consumed. */
static const char *const refused_commands[] = {
	"weir.advance_watermark",
	"weir.alter_continuous_aggregate",
	"weir.drain",
	"weir.drop_stream",
	"weir.pause",
	"weir.resume",
	"weir.resume_sink",
	"weir.skip",
	"weir.skip_sink",
	"weir.wait",
};

static const WeirConsumer *consumer = NULL;
static int	sink_depth = 0;
static bool is_consuming = false;

void
weir_tick_set_consumer(const WeirConsumer *the_consumer)
{
	consumer = the_consumer;
}

const WeirConsumer *
weir_tick_consumer(void)
{
	return consumer;
}

void
weir_stream_enter_sink(void)
{
	sink_depth++;
}

void
weir_stream_leave_sink(void)
{
	sink_depth--;
}

bool
weir_stream_is_in_tick(void)
{
	return sink_depth > 0 || is_consuming;
}

/* Is the command one that would count rows twice? */
static bool
is_refused_in_tick(const char *command)
{
	for (int i = 0; i < lengthof(refused_commands); i++)
		if (strcmp(command, refused_commands[i]) == 0)
			return true;
	return false;
}

static void
refuse_in_sink(const char *command)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot use %s in a sink", command),
			 errdetail("A sink runs while its stream is being consumed.")));
}

void
weir_stream_check_sink_call(const char *function)
{
	if (is_refused_in_tick(function))
		refuse_in_sink(function);
}

void
weir_stream_refuse_in_tick(const char *command)
{
	Assert(is_refused_in_tick(command));
	if (sink_depth > 0)
		refuse_in_sink(command);
	if (is_consuming)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot use %s while a stream is being consumed", command),
				 errdetail("It is called by a trigger or a function that runs in the same transaction.")));
}

Timestamp
weir_tick_watermark(WeirTick *tick)
{
	TickState  *state = (TickState *) tick;

	if (!state->is_watermark_known)
	{
		weir_batch_observe(tick->batch);
		/* it moves only when the interval is done, see cursor.c */
		state->watermark = !tick->batch->ends_interval ? tick->cursor.watermark :
			Max(state->floor,
				weir_watermark_compute(&state->stream, &tick->cursor,
									   tick->batch->observer, state->now));
		state->is_watermark_known = true;
	}
	return state->watermark;
}

int32
weir_tick_fork_cursor(WeirTick *tick)
{
	return weir_cursor_fork(&tick->cursor);
}

void
weir_tick_force_read_committed(void)
{
	if (!IsolationUsesXactSnapshot())
		return;
	if (FirstSnapshotSet)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a stream cannot be consumed in a transaction with isolation level REPEATABLE READ or SERIALIZABLE"),
				 errhint("Use READ COMMITTED.")));
	XactIsoLevel = XACT_READ_COMMITTED;
}

/* One of those that has_settled waits for, or an invalid id. */
static TransactionId
unsettled_writer(const WeirStream *stream, const WeirCursor *cursor)
{
	FullTransactionId limit;
	ListCell   *lc;

	limit = DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmax,
														  cursor->high));
	foreach(lc, find_all_inheritors(stream->relid, NoLock, NULL))
	{
		FullTransactionId oldest = weir_oldest_writer(lfirst_oid(lc));

		if (FullTransactionIdPrecedes(oldest, limit))
			return XidFromFullTransactionId(oldest);
	}
	return InvalidTransactionId;
}

/* Have we locked the table so that nobody else writes to it until we have ended? */
static bool
holds_writers_off(const WeirStream *stream)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, stream->relid);
	return WeirLockHeldByMe(&tag, ShareLock);
}

/*
 * The first tick of a stream whose capture index was there before it:
 * transactions that inserted rows without logging them, because there was no
 * stream then, must have ended before history begins.  They hold locks on the
 * table, or a partition, that writers take, and had their ids when the tick
 * first looked, which is when others had been told of the stream.  True once
 * they have ended.
 */
static bool
has_settled(const WeirStream *stream, WeirCursor *cursor)
{
	if (cursor->low != 0 || cursor->history_block != InvalidBlockNumber)
		return true;
	if (weir_log_is_new(stream->stream_id) && !holds_writers_off(stream))
		return false;
	if (cursor->high == 0)
	{
		/* not what a snapshot sees: that does not tell of the last ids */
		cursor->high = weir_snapshot_before(ReadNextFullTransactionId());
		PushActiveSnapshot(GetTransactionSnapshot());
		weir_cursor_write(cursor);
		PopActiveSnapshot();
		return false;
	}
	if (TransactionIdIsValid(unsettled_writer(stream, cursor)))
		return false;
	cursor->high = 0;
	cursor->history_block = 0;
	return true;
}

void
weir_tick_wait_for_unsettled(const WeirStream *stream, const WeirCursor *cursor)
{
	TransactionId xid = InvalidTransactionId;

	if (weir_log_is_new(stream->stream_id))
	{
		/* nobody is told of the log before we commit */
		LockRelationOid(stream->relid, ShareLock);
		(void) find_all_inheritors(stream->relid, ShareLock, NULL);
	}
	else if (cursor->high != 0)
		xid = unsettled_writer(stream, cursor);
	if (TransactionIdIsValid(xid))
		XactLockTableWait(xid, NULL, NULL, XLTW_None);
}

/*
 * A batch, with its snapshot active: take one after all leaves are locked.
 */
static WeirBatch *
take_batch(const WeirStream *stream, const WeirCursor *cursor, Datum target,
		   List **locked)
{
	*locked = NIL;
	for (;;)
	{
		WeirBatch  *batch;

		PushActiveSnapshot(GetTransactionSnapshot());
		batch = weir_batch_next(stream, cursor, target, locked);
		if (batch)
			return batch;
		PopActiveSnapshot();
	}
}

static bool
batch_is_empty(const WeirBatch *batch)
{
	return batch->entries == NULL && batch->nranges == 0 && !batch->has_skipped;
}

/*
 * Hand over the batch and store the cursor as it is afterwards, if the consumer
 * has taken it.
 */
static void
consume_batch(TickState *state)
{
	WeirBatch  *batch = state->tick.batch;
	WeirCursor *after = &batch->after;

	weir_batch_breathe();
	WEIR_DEBUG_POINT("tick_batch");
	if (consumer)
		consumer->consume(&state->tick);
	WEIR_DEBUG_POINT("tick_consumed");
	if (state->tick.stays)
		return;
	/* invariant 1 of cursor.c */
	Assert(state->tick.cursor.low == 0 ||
		   weir_snapshot_covers(after->low, state->tick.cursor.low));
	after->watermark = weir_tick_watermark(&state->tick);
	weir_watermark_store(after, batch->observer, state->now);
	after->last_tick_at = state->now;
	after->not_before = 0;
	/* both as consume has seen them: a dump may just be being restored */
	if (weir_retention_is_queue(&state->stream) && state->tick.is_used &&
		!state->tick.has_unstarted)
		weir_retention_delete_batch(batch, &state->tick.cursor);
	weir_cursor_write(after);
	if (state->tick.cursor.in_history && !after->in_history)
		weir_left_out_forget(after->cursor_id);
	WEIR_DEBUG_POINT("tick_stored");
}

/*
 * The tables with the batch's rows, open: so the server refuses whatever would
 * take their files away, as TRUNCATE by a sink, while there is somebody to come
 * who has not read them.
 */
static List *
open_leaves(List *leaves)
{
	List	   *relations = NIL;
	ListCell   *lc;

	foreach(lc, leaves)
	{
		Relation	rel = try_relation_open(lfirst_oid(lc), AccessShareLock);

		if (rel != NULL)
			relations = lappend(relations, rel);
	}
	return relations;
}

static void
close_leaves(List *relations)
{
	ListCell   *lc;

	foreach(lc, relations)
		relation_close((Relation) lfirst(lc), NoLock);
}

static void
consume_open(TickState *state, List *leaves)
{
	List	   *relations = open_leaves(leaves);

	consume_batch(state);
	close_leaves(relations);
}

static void
consume(TickState *state, List *leaves)
{
	PG_TRY();
	{
		is_consuming = true;
		consume_open(state, leaves);
	}
	PG_FINALLY();
	{
		is_consuming = false;
	}
	PG_END_TRY();
}

/* Users of a cursor that has reached the main one go over to that. */
static void
join_main(const WeirCursor *cursor, const WeirCursor *main_cursor)
{
	if (consumer)
		consumer->join_cursor(cursor->cursor_id, main_cursor->cursor_id);
	weir_cursor_drop(cursor->cursor_id);
	WEIR_DEBUG_POINT("join_cursor");
}

/*
 * How far a cursor other than the main one may go.  False if there is
 * nothing for it to do yet.
 */
static bool
target_of(const WeirCursor *cursor, const WeirCursor *main_cursor,
		  Datum *target)
{
	if (main_cursor->low == 0)
		return false;
	if (cursor->in_history || cursor->high != 0)
		return true;
	*target = main_cursor->low;
	return weir_snapshot_covers(main_cursor->low, cursor->low);
}

/*
 * Does some cursor stand further than the main one?  It has started later,
 * and waits for the main one to come to where they can join, rows or not.
 */
static bool
is_waited_for(const WeirCursor *main_cursor, List *cursors)
{
	ListCell   *lc;

	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (!cursor->is_main && !cursor->is_paused && !cursor->in_history &&
			cursor->low != 0 && main_cursor->low != 0 &&
			!weir_snapshot_covers(main_cursor->low, cursor->low))
			return true;
	}
	return false;
}

/*
 * In the stream's lock: one tick.
 */
static WeirTickResult
tick_locked(const WeirStream *stream, WeirCursor *cursor, List *cursors,
			Datum target)
{
	WeirCursor *main_cursor = (WeirCursor *) linitial(cursors);
	TickState	state = {0};
	List	   *leaves;
	bool		joins = false;
	bool		is_due;

	state.stream = *stream;
	state.now = GetCurrentTimestamp();
	state.tick.cursor = *cursor;
	state.floor = cursor->watermark;

	state.tick.batch = take_batch(stream, cursor, target, &leaves);
	state.tick.snapshot = GetActiveSnapshot();
	state.tick.batch->observer = weir_observer_create(stream, state.now);
	if (!cursor->is_main && !cursor->in_history &&
		state.tick.batch->ends_interval && main_cursor->high == 0 &&
		weir_snapshot_covers(main_cursor->low, state.tick.batch->after.low) &&
		weir_snapshot_covers(state.tick.batch->after.low, main_cursor->low))
	{
		joins = true;
		state.floor = Max(state.floor, main_cursor->watermark);
	}

	is_due = cursor->is_main && state.tick.batch->ends_interval &&
		batch_is_empty(state.tick.batch) &&
		weir_watermark_is_due(stream, cursor, state.now);
	if (batch_is_empty(state.tick.batch) && !joins && !is_due &&
		cursor->high == 0 && !cursor->in_history &&
		!(cursor->is_main && is_waited_for(cursor, cursors)))
	{
		PopActiveSnapshot();
		return WEIR_TICK_IDLE;
	}

	consume(&state, leaves);
	if (state.tick.stays)
	{
		PopActiveSnapshot();
		return WEIR_TICK_STAYS;
	}
	if (joins)
		join_main(&state.tick.batch->after, main_cursor);
	PopActiveSnapshot();
	return state.tick.batch->ends_interval ? WEIR_TICK_DONE : WEIR_TICK_MORE;
}

/* NULL if it is gone. */
static WeirCursor *
find_cursor(List *cursors, int32 cursor_id)
{
	ListCell   *lc;

	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (cursor->cursor_id == cursor_id)
			return cursor;
	}
	return NULL;
}

/*
 * The stream with all its cursors, locked; the table is locked after the stream.
 * BUSY if that is not to be had without waiting, IDLE if the stream is gone.
 */
static WeirTickResult
lock_and_list(int32 stream_id, bool wait, WeirStream *stream, List **cursors)
{
	weir_tick_force_read_committed();
	if (!weir_cursor_lock_stream(stream_id, wait))
		return WEIR_TICK_BUSY;
	if (!weir_stream_lookup_id(stream_id, stream))
		return WEIR_TICK_IDLE;
	*cursors = weir_cursor_list(stream_id);
	return WEIR_TICK_DONE;
}

/* In the stream's lock: a tick of that cursor if it may have one. */
static WeirTickResult
tick_if_ready(const WeirStream *stream, WeirCursor *cursor, List *cursors,
			  Datum target)
{
	WEIR_DEBUG_POINT("tick_locked");
	if (cursor == NULL || cursor->is_paused || weir_cursor_is_deferred(cursor))
		return WEIR_TICK_IDLE;
	if (!cursor->is_main)
	{
		target = 0;
		if (!target_of(cursor, (WeirCursor *) linitial(cursors), &target))
			return WEIR_TICK_IDLE;
	}
	/* while we waited for the lock somebody may have gone beyond it */
	else if (target != 0 && cursor->low != 0 && cursor->high == 0 &&
			 !cursor->in_history &&
			 weir_snapshot_covers(cursor->low, target))
		return WEIR_TICK_IDLE;
	if (!has_settled(stream, cursor))
		return WEIR_TICK_IDLE;
	return tick_locked(stream, cursor, cursors, target);
}

WeirTickResult
weir_tick_cursor(int32 stream_id, int32 cursor_id, Datum target, bool wait)
{
	WeirStream	stream;
	List	   *cursors;
	WeirTickResult result = lock_and_list(stream_id, wait, &stream, &cursors);

	if (result != WEIR_TICK_DONE)
		return result;
	return tick_if_ready(&stream, find_cursor(cursors, cursor_id), cursors,
						 target);
}

WeirTickResult
weir_tick_main(int32 stream_id, void (*remember) (List *others))
{
	WeirStream	stream;
	List	   *cursors;
	List	   *others = NIL;
	ListCell   *lc;
	WeirTickResult result = lock_and_list(stream_id, false, &stream, &cursors);

	if (result != WEIR_TICK_DONE)
		return result;
	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (!cursor->is_main)
			others = lappend_int(others, cursor->cursor_id);
	}
	remember(others);
	return tick_if_ready(&stream, cursors ? linitial(cursors) : NULL, cursors,
						 (Datum) 0);
}

Timestamp
weir_tick_set_watermark(int32 stream_id, Timestamp watermark)
{
	TickState	state = {0};
	WeirCursor *cursor;

	weir_cursor_lock_stream(stream_id, true);
	cursor = (WeirCursor *) linitial(weir_cursor_list(stream_id));
	if (watermark <= cursor->watermark ||
		!weir_stream_lookup_id(stream_id, &state.stream))
		return cursor->watermark;

	PushActiveSnapshot(GetTransactionSnapshot());
	state.now = GetCurrentTimestamp();
	state.tick.cursor = *cursor;
	state.tick.snapshot = GetActiveSnapshot();
	state.tick.batch = weir_batch_empty(&state.stream, cursor);
	state.tick.batch->observer = weir_observer_create(&state.stream, state.now);
	state.watermark = watermark;
	state.is_watermark_known = true;
	consume(&state, NIL);
	PopActiveSnapshot();
	return watermark;
}

static bool
consumed_by_all(const WeirLogEntry *entry, void *arg)
{
	ListCell   *lc;

	foreach(lc, (List *) arg)
		if (!weir_cursor_has_consumed((WeirCursor *) lfirst(lc), entry))
			return false;
	return true;
}

WeirTickResult
weir_tick_follow_up(int32 stream_id)
{
	WeirTickResult result;

	if (consumer == NULL || !consumer->is_behind(stream_id))
		return WEIR_TICK_IDLE;
	weir_tick_force_read_committed();
	weir_cursor_lock_stream(stream_id, true);
	PG_TRY();
	{
		is_consuming = true;
		result = consumer->follow_up(stream_id);
	}
	PG_FINALLY();
	{
		is_consuming = false;
	}
	PG_END_TRY();
	return result;
}

bool
weir_tick_rotate(int32 stream_id)
{
	WeirStream	stream;
	List	   *cursors;
	Datum		known = 0;

	if (lock_and_list(stream_id, false, &stream, &cursors) != WEIR_TICK_DONE)
		return false;
	if (list_length(cursors) == 1)
		known = ((WeirCursor *) linitial(cursors))->low;
	return weir_log_rotate(stream_id, known, consumed_by_all, cursors);
}

bool
weir_tick_retain(int32 stream_id)
{
	WeirStream	stream;
	List	   *cursors;

	return lock_and_list(stream_id, false, &stream, &cursors) == WEIR_TICK_DONE &&
		weir_retention_run(&stream, cursors);
}
