/*-------------------------------------------------------------------------
 *
 * drain.c
 *	  Consuming a stream from a session: drain, wait, advance_watermark.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "common/int.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "replication/syncrep.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "stream/batch.h"
#include "stream/drain.h"
#include "stream/retention.h"
#include "stream/stream_failure.h"
#include "stream/tick.h"
#include "weir.h"

#define MIN_POLL_MS		2
#define MAX_POLL_MS		100

PG_FUNCTION_INFO_V1(weir_drain);
PG_FUNCTION_INFO_V1(weir_wait);
PG_FUNCTION_INFO_V1(weir_advance_watermark);
PG_FUNCTION_INFO_V1(weir_stream_status);

static void (*nudge_worker) (void) = NULL;

void
weir_drain_set_nudge(void (*nudge) (void))
{
	nudge_worker = nudge;
}

static Oid
stream_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("stream must not be null")));
	return PG_GETARG_OID(0);
}

static void
refuse_paused(const WeirStream *stream)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("stream \"%s\" is paused", get_rel_name(stream->relid)),
			 errhint("Use weir.resume('%s').", get_rel_name(stream->relid))));
}

/* ----------------------------------------------------------------
 *		Waiting
 * ----------------------------------------------------------------
 */

/* Does the cursor lack something that the target sees? */
static bool
is_cursor_behind(const WeirCursor *cursor, Datum target)
{
	WeirLogScan *scan;
	WeirLogEntry *entry;
	bool		behind = false;

	if (cursor->in_history || cursor->low == 0)
		return true;
	scan = weir_log_begin(cursor->stream_id, GetActiveSnapshot(), cursor->low,
						  NULL, true);
	while (!behind && (entry = weir_log_next(scan)) != NULL)
		behind = weir_snapshot_sees(target, entry->xid) &&
			!weir_cursor_has_consumed(cursor, entry);
	weir_log_end(scan);
	return behind;
}

/* While the stream is paused nothing of it is consumed, and all wait for that. */
static bool
is_waited_for(const WeirCursor *cursor)
{
	return cursor->is_main || !cursor->is_paused;
}

/* Nor is what has failed, until its time has come. */
static bool
may_tick(const WeirCursor *cursor)
{
	return !cursor->is_paused && !weir_cursor_is_deferred(cursor);
}

/*
 * Is the watermark of some cursor not what it will be without any more rows?
 * One that is to join the main one still has a watermark of its own, and the
 * settings may have changed.
 */
static bool
is_unsettled(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_cursor_list(stream_id))
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (may_tick(cursor) &&
			(!cursor->is_main || weir_cursor_is_tick_wanted(cursor)))
			return true;
	}
	return false;
}

/* Is one of the cursors that count behind? */
static bool
is_behind(int32 stream_id, Datum target,
		  bool (*counts) (const WeirCursor *cursor))
{
	ListCell   *lc;
	bool		behind = false;

	/* fresh from a dump: nothing is consumed; or is it by now? */
	AcceptInvalidationMessages();
	if (!weir_log_exists(stream_id))
		return true;
	PushActiveSnapshot(GetLatestSnapshot());
	foreach(lc, weir_cursor_list(stream_id))
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (counts(cursor) && is_cursor_behind(cursor, target))
		{
			behind = true;
			break;
		}
	}
	PopActiveSnapshot();
	return behind;
}

/*
 * Is the stream, or one of the cursors that are waited for, as only this transaction
 * knows it, or locked by it?  Then nobody can consume anything before it has ended.
 */
static bool
is_in_own_way(const WeirStream *stream)
{
	LOCKTAG		table;
	ListCell   *lc;

	SET_LOCKTAG_RELATION(table, MyDatabaseId, stream->relid);
	if (weir_cursor_holds_stream(stream->stream_id) ||
		WeirLockHeldByMe(&table, AccessExclusiveLock))
		return true;
	foreach(lc, weir_cursor_list(stream->stream_id))
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (is_waited_for(cursor) &&
			TransactionIdIsCurrentTransactionId(cursor->xmin))
			return true;
	}
	return false;
}

static void
refuse_in_own_way(const WeirStream *stream)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot wait for stream \"%s\" in this transaction",
					get_rel_name(stream->relid)),
			 errdetail("The transaction itself has changed or locked the stream or one of its aggregates, which others can consume when it has ended."),
			 errhint("Commit the transaction, then call weir.wait.")));
}

/* Sleep for so long or until something happens; always true. */
static bool
nap_for(int ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return true;
}

/* ----------------------------------------------------------------
 *		drain
 * ----------------------------------------------------------------
 */

typedef struct DrainState
{
	Oid			relid;
	int32		stream_id;
	Datum		target;			/* what was committed when we began */
	MemoryContext context;		/* reset for each transaction */
} DrainState;

/*
 * On to the next transaction.  Each of them is committed asynchronously, as the
 * worker's are: a crash repeats it.  What is read in the next one before a tick
 * takes snapshots, so its isolation is settled first, whatever the default is.
 */
static void
commit_and_go_on(const DrainState *state)
{
	MemoryContextSwitchTo(TopTransactionContext);
	(void) set_config_option("synchronous_commit", "off",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
	SPI_commit();
	weir_tick_force_read_committed();
	MemoryContextSwitchTo(state->context);
}

/*
 * Who has called drain may rely on what it has done as on a command of his own:
 * before it returns all is where synchronous_commit wants it, here and on
 * standbys.
 */
static void
wait_until_durable(void)
{
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF ||
		XLogRecPtrIsInvalid(XactLastCommitEnd))
		return;
	XLogFlush(XactLastCommitEnd);
	/* if it is cancelled, a warning says so, as after any commit */
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(XactLastCommitEnd, true);
	RESUME_INTERRUPTS();
}

/* Is there nothing left for this cursor? */
static bool
is_done(const WeirCursor *cursor, Datum target)
{
	return !cursor->in_history && cursor->low != 0 &&
		weir_snapshot_covers(cursor->low, target);
}

/*
 * One tick of each cursor that is not done, each in a transaction of its own;
 * false when all are, but for those that have failed and wait for their time.
 */
static bool
drain_round(DrainState *state)
{
	List	   *cursors;
	ListCell   *lc;
	bool		again = false;
	bool		progress = false;

	MemoryContextReset(state->context);
	MemoryContextSwitchTo(state->context);
	cursors = weir_cursor_list(state->stream_id);
	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (!may_tick(cursor) || is_done(cursor, state->target))
			continue;
		again = true;
		if (weir_tick_cursor(state->stream_id, cursor->cursor_id, state->target,
							 true) >= WEIR_TICK_DONE)
			progress = true;
		commit_and_go_on(state);
	}
	if (again && !progress)
	{
		/*
		 * All is consumed, though not all cursors say so (a tick that finds
		 * nothing writes nothing), or some must wait for others to end.
		 */
		return is_behind(state->stream_id, state->target, may_tick) &&
			nap_for(MAX_POLL_MS);
	}
	return again;
}

/* One step of what has fallen behind, in a transaction; false if nothing has. */
static bool
follow_up_round(DrainState *state)
{
	WeirTickResult result;

	MemoryContextReset(state->context);
	MemoryContextSwitchTo(state->context);
	CHECK_FOR_INTERRUPTS();
	result = weir_tick_follow_up(state->stream_id);
	commit_and_go_on(state);
	return result != WEIR_TICK_IDLE;
}

/* Then what could not be done in ticks, if it is due. */
static bool
catch_up(DrainState *state)
{
	const WeirConsumer *consumer = weir_tick_consumer();
	bool		more;

	MemoryContextReset(state->context);
	MemoryContextSwitchTo(state->context);
	more = consumer != NULL && consumer->catch_up(state->stream_id);
	commit_and_go_on(state);
	return more;
}

/*
 * Rows of a queue that were consumed, but not by the tick of a sole cursor, are
 * still there: those that were history of an aggregate are.
 */
static bool
empty_queue(DrainState *state)
{
	bool		more;

	MemoryContextReset(state->context);
	MemoryContextSwitchTo(state->context);
	CHECK_FOR_INTERRUPTS();
	(void) weir_cursor_lock_stream(state->stream_id, true);
	more = weir_tick_retain(state->stream_id);
	commit_and_go_on(state);
	return more;
}

/* Between transactions: all that is committed is to be consumed. */
static void
set_target(DrainState *state)
{
	PushActiveSnapshot(GetLatestSnapshot());
	MemoryContextSwitchTo(MemoryContextGetParent(state->context));
	state->target = weir_snapshot_current();
	PopActiveSnapshot();
}

Datum
weir_drain(PG_FUNCTION_ARGS)
{
	DrainState	state;
	WeirStream	stream;
	WeirCursor	cursor;
	MemoryContext outer = CurrentMemoryContext;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("weir.drain cannot run inside a transaction block or a function"),
				 errhint("It commits after each batch. Use CALL weir.drain(...) on its own.")));
	weir_stream_refuse_in_tick("weir.drain");
	PreventCommandIfReadOnly("weir.drain()");
	state.relid = stream_argument(fcinfo);
	weir_stream_get_owned(state.relid, &stream);
	state.stream_id = stream.stream_id;
	(void) weir_stream_revive(stream.stream_id, ERROR);
	if (weir_cursor_read(weir_cursor_main(stream.stream_id), NULL, &cursor) &&
		cursor.is_paused)
		refuse_paused(&stream);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	MemoryContextSwitchTo(outer);
	state.context = AllocSetContextCreate(outer, "weir drain",
										  ALLOCSET_DEFAULT_SIZES);
	SPI_commit();
	weir_tick_force_read_committed();
	set_target(&state);
	while (drain_round(&state))
		;
	/* who has read history meanwhile stands further than the main cursor */
	if (is_unsettled(state.stream_id))
	{
		set_target(&state);
		while (drain_round(&state))
			;
	}
	while (follow_up_round(&state))
		;
	while (catch_up(&state))
		CHECK_FOR_INTERRUPTS();
	while (weir_retention_is_queue(&stream) && empty_queue(&state))
		;
	(void) weir_tick_rotate(state.stream_id);
	weir_stream_failure_clear(state.stream_id, false);
	commit_and_go_on(&state);
	wait_until_durable();
	if (weir_tick_consumer() != NULL)
		weir_tick_consumer()->warn_of_failed(state.stream_id);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(state.context);
	SPI_finish();
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *		wait
 * ----------------------------------------------------------------
 */

static void
check_may_wait(Oid relid)
{
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), ACL_INSERT);

	if (result != ACLCHECK_OK)
		result = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

/* Does the stream lack something that the target sees, or its aggregates? */
static bool
lacks_something(Oid relid, Datum target)
{
	const WeirConsumer *consumer = weir_tick_consumer();
	WeirStream	stream;
	bool		behind;

	if (!weir_stream_lookup(relid, &stream))
		weir_stream_get_owned(relid, &stream);	/* raises */
	check_may_wait(relid);
	behind = is_behind(stream.stream_id, target, is_waited_for) ||
		(!weir_cursor_holds_stream(stream.stream_id) &&
		 is_unsettled(stream.stream_id)) ||
		(consumer != NULL && consumer->is_behind(stream.stream_id));
	if (behind && is_in_own_way(&stream))
		refuse_in_own_way(&stream);
	return behind;
}

static void
end_look(MemoryContext outer, ResourceOwner owner)
{
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(outer);
	CurrentResourceOwner = owner;
}

/*
 * Looks in a subtransaction that is rolled back: of what it locks nothing stays
 * locked.  Else whoever is to alter, truncate or rewrite one of these tables would
 * wait for us, the worker behind him, and we for the worker.
 */
static bool
has_to_wait(Oid relid, Datum target, MemoryContext context)
{
	MemoryContext outer = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool behind = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		behind = lacks_something(relid, target);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		/* who catches it knows of his own subtransaction only */
		MemoryContextSwitchTo(outer);
		error = CopyErrorData();
		FlushErrorState();
		end_look(outer, owner);
		ReThrowError(error);
	}
	PG_END_TRY();
	end_look(outer, owner);
	MemoryContextReset(context);
	return behind;
}

Datum
weir_wait(PG_FUNCTION_ARGS)
{
	Oid			relid = stream_argument(fcinfo);
	TimestampTz until;
	Datum		target;
	int			nap = MIN_POLL_MS;
	MemoryContext context;

	weir_stream_refuse_in_tick("weir.wait");
	if (PG_ARGISNULL(1) ||
		pg_add_s64_overflow(GetCurrentTimestamp(),
							weir_interval_usec(PG_GETARG_DATUM(1), "timeout"),
							&until))
		until = DT_NOEND;

	PushActiveSnapshot(GetLatestSnapshot());
	target = weir_snapshot_current();
	PopActiveSnapshot();
	context = AllocSetContextCreate(CurrentMemoryContext, "weir wait",
									ALLOCSET_DEFAULT_SIZES);
	while (has_to_wait(relid, target, context))
	{
		if (GetCurrentTimestamp() >= until)
			PG_RETURN_BOOL(false);
		if (nudge_worker)
			nudge_worker();
		nap_for(nap);
		nap = Min(nap * 2, MAX_POLL_MS);
	}
	PG_RETURN_BOOL(true);
}

/* ----------------------------------------------------------------
 *		advance_watermark
 * ----------------------------------------------------------------
 */

/* One tick of the cursor, whose memory is free afterwards. */
static WeirTickResult
tick_once(int32 stream_id, int32 cursor_id, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	WeirTickResult result;

	CHECK_FOR_INTERRUPTS();
	result = weir_tick_cursor(stream_id, cursor_id, (Datum) 0, true);
	CommandCounterIncrement();
	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
	return result;
}

static List *
cursor_ids(int32 stream_id, MemoryContext context)
{
	MemoryContext outer = MemoryContextSwitchTo(context);
	List	   *cursors = weir_cursor_list(stream_id);
	List	   *ids = NIL;
	ListCell   *lc;

	MemoryContextSwitchTo(outer);
	foreach(lc, cursors)
		ids = lappend_int(ids, ((WeirCursor *) lfirst(lc))->cursor_id);
	MemoryContextReset(context);
	return ids;
}

/*
 * Consume what can be, in this transaction.  What has to do the same again in
 * another one, as an aggregate that looks for what to skip, is left behind: it
 * has a cursor of its own, and closes windows when it has caught up.
 */
static void
consume_available(int32 stream_id, MemoryContext context)
{
	List	   *left_behind = NIL;
	bool		progress = true;

	while (progress)
	{
		List	   *ids = list_difference_int(cursor_ids(stream_id, context),
											  left_behind);
		ListCell   *lc;

		progress = false;
		foreach(lc, ids)
		{
			WeirTickResult result = tick_once(stream_id, lfirst_int(lc), context);

			if (result == WEIR_TICK_STAYS)
				left_behind = lappend_int(left_behind, lfirst_int(lc));
			else if (result >= WEIR_TICK_DONE)
				progress = true;
		}
		list_free(ids);
	}
}

/*
 * All there is.  Who may have inserted first rows is waited for by a lock, so that
 * it is found out if he waits for us.
 */
static void
consume_everything(const WeirStream *stream, int32 main_cursor,
				   MemoryContext context)
{
	WeirCursor	cursor;
	int			nap = MIN_POLL_MS;

	for (;;)
	{
		consume_available(stream->stream_id, context);
		if (!weir_cursor_read(main_cursor, NULL, &cursor) || cursor.low != 0)
			return;
		weir_tick_wait_for_unsettled(stream, &cursor);
		nap_for(nap);
		nap = Min(nap * 2, MAX_POLL_MS);
	}
}

/* The same of what has fallen behind in other ways. */
static void
follow_up_everything(int32 stream_id, MemoryContext context)
{
	WeirTickResult result = WEIR_TICK_MORE;

	while (result == WEIR_TICK_MORE)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		result = weir_tick_follow_up(stream_id);
		CommandCounterIncrement();
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

Datum
weir_advance_watermark(PG_FUNCTION_ARGS)
{
	Oid			relid = stream_argument(fcinfo);
	WeirStream	stream;
	WeirCursor	cursor;
	int32		main_cursor;
	MemoryContext context;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("watermark must not be null")));
	weir_stream_refuse_in_tick("weir.advance_watermark");
	PreventCommandIfReadOnly("weir.advance_watermark()");
	weir_stream_get_owned(relid, &stream);
	weir_tick_force_read_committed();
	(void) weir_stream_revive(stream.stream_id, ERROR);
	weir_cursor_lock_stream(stream.stream_id, true);
	main_cursor = weir_cursor_main(stream.stream_id);
	if (weir_cursor_read(main_cursor, NULL, &cursor) && cursor.is_paused)
		refuse_paused(&stream);

	/* what came before the watermark is before it */
	context = AllocSetContextCreate(CurrentMemoryContext, "weir advance",
									ALLOCSET_DEFAULT_SIZES);
	consume_everything(&stream, main_cursor, context);
	follow_up_everything(stream.stream_id, context);
	MemoryContextDelete(context);
	PG_RETURN_TIMESTAMPTZ(weir_tick_set_watermark(stream.stream_id,
												  PG_GETARG_TIMESTAMPTZ(1)));
}

/* ----------------------------------------------------------------
 *		Status
 * ----------------------------------------------------------------
 */

/* Whoever may read the stream or write to it may know how it fares. */
static bool
may_see(Oid relid)
{
	return pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) == ACLCHECK_OK ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

/*
 * How far a stream's main cursor is behind: (rows_consumed, rows_behind,
 * blocks_behind, oldest_at, watermark, last_tick_at, is_paused, in_history).
 */
Datum
weir_stream_status(PG_FUNCTION_ARGS)
{
	int32		stream_id = PG_GETARG_INT32(0);
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {0};
	Snapshot	snapshot = GetActiveSnapshot();
	WeirStream	stream;
	WeirCursor	cursor;
	WeirLogScan *scan;
	WeirLogEntry *entry;
	int64		rows = 0;
	int64		blocks = 0;
	TimestampTz oldest = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	/*
	 * The reader's snapshot may have a stream that others have dropped since; if it
	 * is there, nobody drops it any more, as its table is locked.
	 */
	if (!weir_stream_lookup_id(stream_id, &stream) || !may_see(stream.relid) ||
		!weir_log_exists(stream_id) || weir_cursor_list(stream_id) == NIL ||
		!weir_cursor_read(weir_cursor_main(stream_id), snapshot, &cursor))
		PG_RETURN_NULL();

	scan = weir_log_begin(stream_id, snapshot, cursor.low, NULL, true);
	while ((entry = weir_log_next(scan)) != NULL)
	{
		/* before the first tick nothing is */
		if (cursor.low != 0 && weir_cursor_has_consumed(&cursor, entry))
			continue;
		rows += entry->rows;
		blocks += entry->blocks;
		if (oldest == 0 || entry->logged_at < oldest)
			oldest = entry->logged_at;
	}
	weir_log_end(scan);

	values[0] = Int64GetDatum(cursor.rows_consumed);
	values[1] = Int64GetDatum(rows);
	values[2] = Int64GetDatum(blocks);
	values[3] = TimestampTzGetDatum(oldest);
	nulls[3] = oldest == 0;
	values[4] = TimestampTzGetDatum(cursor.watermark);
	values[5] = TimestampTzGetDatum(cursor.last_tick_at);
	nulls[5] = cursor.last_tick_at == 0;
	values[6] = BoolGetDatum(cursor.is_paused);
	values[7] = BoolGetDatum(cursor.in_history);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
