/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The worker: consumes the streams of one database.
 *
 * It goes round all streams, one tick for each cursor in a transaction of its
 * own, until there is nothing left to do, and then sleeps until a commit
 * wakes it (wakeup.c) or weir.naptime is over.  All state is in tables: it
 * can be killed at any time.
 *
 * An error ends the tick, not the process: the stream (or other task) is left
 * alone for a while, longer each time, and the others go on.  While it fails in
 * the same way again and again, the log says so now and then only.
 *
 * It holds no lock between transactions but one, which makes it the only one
 * in its database.  It ends
 * - when the extension is not there (any more), or is not the one that it has
 *	 enrolled with: commits would look for it elsewhere,
 * - when somebody wants the database for himself (DROP DATABASE, ALTER
 *	 DATABASE, CREATE DATABASE with this one as its template), and when
 *	 somebody waits for the extension (DROP EXTENSION): every task locks both
 *	 first, so that nobody waits for anything else of a task's (giveway.c),
 * - on SIGTERM.
 * In all these cases but the first the postmaster starts it again, and it ends
 * for good if the database is gone then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <unistd.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "aggregate/failure.h"
#include "stream/batch.h"
#include "stream/cursor.h"
#include "stream/stream.h"
#include "stream/stream_failure.h"
#include "stream/tick.h"
#include "weir.h"
#include "worker/giveway.h"
#include "worker/housekeeping.h"
#include "worker/worker.h"

#define LOCK_CLASS_WORKER	77

/* seconds until the postmaster restarts a worker that has died */
#define RESTART_SECONDS		1

/* how often a worker that sleeps looks whether somebody waits for it to end */
#define GIVE_WAY_MS			500

/* between rounds that found only a little, to let rows gather */
#define GATHER_MS			8

/* housekeeping of a stream */
#define ROTATE_INTERVAL_MS	500
#define RETAIN_INTERVAL_MS	5000

/*
 * Without an index on the event time retention reads the whole table to find
 * what is too old: it rests so many times longer than it worked.
 */
#define RETAIN_REST			20

/* after errors */
#define MIN_BACKOFF_MS		500
#define MAX_BACKOFF_MS		60000

/* while something is left alone, how often to look whether it still is */
#define RETRY_LOOK_MS		1000

/* what fails in the same way again and again is reported this often */
#define REPORT_INTERVAL_MS	(10 * 60 * 1000)

static int	naptime = 1000;

/* What the worker remembers of a stream; lost when it ends. */
typedef struct StreamState
{
	int32		stream_id;		/* hash key */
	uint32		seen_in_round;
	WeirBackoff backoff;
	bool		is_clear;		/* no failure is noted */
	TimestampTz rotated_at;
	TimestampTz retained_at;
	int			retain_rest_ms;
	bool		is_unrestored;	/* which has been told */
} StreamState;

static HTAB *stream_states = NULL;
static uint32 round_number = 0;
static Oid	enrolled_with = InvalidOid; /* the extension */
static Oid	extension_found;	/* by the last task */
static const char *database_name = "?"; /* for the log; who renames it ends us */
static MemoryContext task_context = NULL;
static int	connect_error = 0;	/* SQLSTATE of what refused us */
static emit_log_hook_type previous_log_hook = NULL;
static uint64 changes_seen;		/* of relations, when the streams were listed */
static int32 served_stream;		/* whose cursors are ticked */
static bool has_backlog = false;	/* a tick left something behind */
static bool is_failing = false; /* something is left alone for a while */
static char *last_error = NULL; /* of a task; NULL: none since it was taken */

void
weir_worker_describe(BackgroundWorker *worker, Oid database)
{
	memset(worker, 0, sizeof(BackgroundWorker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker->bgw_library_name, "weir", sizeof(worker->bgw_library_name));
	strlcpy(worker->bgw_function_name, "weir_worker_main", BGW_MAXLEN);
	snprintf(worker->bgw_name, BGW_MAXLEN, "weir worker for database %u", database);
	strlcpy(worker->bgw_type, "weir worker", BGW_MAXLEN);
	worker->bgw_main_arg = ObjectIdGetDatum(database);
}

/* ----------------------------------------------------------------
 *		Tasks
 * ----------------------------------------------------------------
 */

/* Context of errors: a background worker's lines in the log name nobody else. */
static void
add_context(void *activity)
{
	errcontext("%s, in database \"%s\"", (const char *) activity, database_name);
}

static void
forget_error(void)
{
	if (last_error != NULL)
		pfree(last_error);
	last_error = NULL;
}

/*
 * The error that has just been caught: kept, and reported unless it has been told
 * already.
 */
static void
report_error(WeirBackoff *backoff)
{
	TimestampTz now = GetCurrentTimestamp();
	ErrorData  *error = CopyErrorData();
	char	   *text = weir_failure_text(error);

	FreeErrorData(error);
	forget_error();
	last_error = MemoryContextStrdup(TopMemoryContext, text);

	if (backoff->ms > 0 && backoff->reported_code == geterrcode() &&
		backoff->reported_at <= now &&
		!TimestampDifferenceExceeds(backoff->reported_at, now, REPORT_INTERVAL_MS))
		return;
	backoff->reported_code = geterrcode();
	backoff->reported_at = now;
	EmitErrorReport();
}

bool
weir_worker_run_task(WeirTask task, int32 id, const char *activity,
					 WeirBackoff *backoff, bool *failed)
{
	volatile bool result = false;
	ErrorContextCallback callback;

	*failed = false;
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, activity);
	StartTransactionCommand();
	MemoryContextSwitchTo(task_context);
	callback.callback = add_context;
	callback.arg = unconstify(char *, activity);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	PG_TRY();
	{
		if (!weir_giveway_lock(&extension_found) ||
			(OidIsValid(enrolled_with) && extension_found != enrolled_with))
			*failed = true;
		else
			result = task(id);
		weir_giveway_unlock();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(task_context);
		weir_giveway_unlock();
		if (!weir_giveway_is_wanted() || geterrcode() != ERRCODE_QUERY_CANCELED)
			report_error(backoff);
		FlushErrorState();
		AbortCurrentTransaction();
		*failed = true;
		result = false;
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	if (weir_giveway_is_wanted())
		weir_giveway_try();
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(task_context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

/* filled in by tasks, in TopMemoryContext */
static List *remembered = NIL;

void
weir_worker_remember(List *ids)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	list_free(remembered);
	remembered = list_copy(ids);
	MemoryContextSwitchTo(old);
}

List *
weir_worker_take_remembered(void)
{
	List	   *result = remembered;

	remembered = NIL;
	return result;
}

/* Is there an extension? */
static bool
find_extension(int32 unused)
{
	return OidIsValid(extension_found);
}

static bool
find_streams(int32 unused)
{
	changes_seen = weir_leaf_changes();
	weir_worker_remember(weir_stream_ids());
	return true;
}

static bool
is_progress(WeirTickResult result)
{
	if (result >= WEIR_TICK_MORE)
		has_backlog = true;
	return result >= WEIR_TICK_DONE;
}

/* For who looks at how a stream fares. */
static bool
note_failure(int32 stream_id)
{
	weir_stream_failure_note(stream_id, last_error);
	return true;
}

static bool
clear_failure(int32 stream_id)
{
	weir_stream_failure_clear(stream_id, false);
	return true;
}

/* ----------------------------------------------------------------
 *		Streams
 * ----------------------------------------------------------------
 */

static StreamState *
stream_state(int32 stream_id)
{
	StreamState *state;
	bool		found;

	if (stream_states == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(int32);
		ctl.entrysize = sizeof(StreamState);
		ctl.hcxt = TopMemoryContext;
		stream_states = hash_create("weir streams", 16, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	state = hash_search(stream_states, &stream_id, HASH_ENTER, &found);
	if (!found)
	{
		memset(state, 0, sizeof(StreamState));
		state->stream_id = stream_id;
	}
	state->seen_in_round = round_number;
	return state;
}

/* While a dump is being restored one line says that its streams are not consumed. */
static bool
is_revived(int32 stream_id)
{
	StreamState *state = stream_state(stream_id);
	bool		is_told = state->is_unrestored;

	state->is_unrestored = false;	/* an error is something else */
	state->is_unrestored = !weir_stream_revive(stream_id, is_told ? DEBUG1 : LOG);
	return !state->is_unrestored;
}

/* Of the main cursor; the others are remembered. */
static bool
tick_main(int32 stream_id)
{
	if (!is_revived(stream_id))
		return false;
	return is_progress(weir_tick_main(stream_id, weir_worker_remember));
}

static bool
tick_other(int32 cursor_id)
{
	return is_progress(weir_tick_cursor(served_stream, cursor_id, (Datum) 0,
										false));
}

/* After a round through "left" streams: those that are gone. */
static void
forget_streams(int left)
{
	HASH_SEQ_STATUS status;
	StreamState *state;

	if (stream_states == NULL || hash_get_num_entries(stream_states) <= left)
		return;
	hash_seq_init(&status, stream_states);
	while ((state = hash_seq_search(&status)) != NULL)
		if (state->seen_in_round != round_number)
			hash_search(stream_states, &state->stream_id, HASH_REMOVE, NULL);
}

bool
weir_backoff_holds(const WeirBackoff *backoff)
{
	TimestampTz now = GetCurrentTimestamp();

	/* further away than it can be: the clock has been set back */
	if (backoff->ms == 0 || backoff->until <= now ||
		backoff->until > TimestampTzPlusMilliseconds(now, backoff->ms))
		return false;
	is_failing = true;
	return true;
}

void
weir_backoff_note(WeirBackoff *backoff, bool failed)
{
	if (!failed)
		backoff->ms = 0;
	else
	{
		backoff->ms = backoff->ms == 0 ? MIN_BACKOFF_MS :
			Min(backoff->ms * 2, MAX_BACKOFF_MS);
		backoff->until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 backoff->ms);
		is_failing = true;
	}
}

bool
weir_worker_is_due(TimestampTz *last, int interval_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	/* the clock may have been set back */
	if (*last != 0 && *last <= now &&
		!TimestampDifferenceExceeds(*last, now, interval_ms))
		return false;
	*last = now;
	return true;
}

/* Delete some of what is too old, if that is due; in the next round, more. */
static void
retain(StreamState *state, bool *failed)
{
	TimestampTz start;
	bool		more;

	if (!weir_worker_is_due(&state->retained_at,
							Max(RETAIN_INTERVAL_MS, state->retain_rest_ms)))
		return;
	start = state->retained_at;
	more = weir_worker_run_task(weir_tick_retain, state->stream_id,
								"weir: deleting consumed rows",
								&state->backoff, failed);
	state->retain_rest_ms = more ? 0 :
		(int) Min(TimestampDifferenceMilliseconds(start, GetCurrentTimestamp()) * RETAIN_REST,
				  INT_MAX);
	if (more)
		state->retained_at = 0;
}

/*
 * A stream that has failed says so, until it goes well again: in transactions of
 * their own, which do not matter to it.  Who has to give way leaves no error.
 */
static void
tell_failure(StreamState *state, bool failed)
{
	WeirBackoff unused = {0};
	bool		is_lost;

	if (failed && last_error != NULL)
	{
		weir_worker_run_task(note_failure, state->stream_id,
							 "weir: noting a failure", &unused, &is_lost);
		state->is_clear = false;
	}
	else if (!failed && !state->is_clear)
	{
		weir_worker_run_task(clear_failure, state->stream_id,
							 "weir: noting that all goes well", &unused, &is_lost);
		state->is_clear = !is_lost;
	}
}

/*
 * One tick of each cursor of a stream, and its housekeeping.  True if there
 * may be more to do at once.
 */
static bool
serve_stream(int32 stream_id)
{
	StreamState *state = stream_state(stream_id);
	List	   *cursors;
	ListCell   *lc;
	bool		failed;
	bool		tick_failed;
	bool		more;

	if (weir_backoff_holds(&state->backoff))
		return false;
	forget_error();
	more = weir_worker_run_task(tick_main, stream_id, "weir: tick",
								&state->backoff, &tick_failed);
	if (state->is_unrestored)
		return false;
	cursors = weir_worker_take_remembered();
	served_stream = stream_id;
	foreach(lc, cursors)
	{
		/* what one cursor fails at need not be in the way of another */
		if (weir_worker_run_task(tick_other, lfirst_int(lc), "weir: tick",
								 &state->backoff, &failed))
			more = true;
		tick_failed |= failed;
	}
	list_free(cursors);
	failed = tick_failed;

	if (!failed && weir_worker_is_due(&state->rotated_at, ROTATE_INTERVAL_MS) &&
		weir_worker_run_task(weir_tick_rotate, stream_id, "weir: rotating a log",
							 &state->backoff, &failed))
		state->rotated_at = 0;
	if (!failed)
		retain(state, &failed);

	weir_backoff_note(&state->backoff, failed);
	tell_failure(state, failed);
	return more;
}

/* ----------------------------------------------------------------
 *		The process
 * ----------------------------------------------------------------
 */

/* Has the database been dropped, or does it let nobody in? */
static bool
is_refused(void)
{
	return connect_error == ERRCODE_UNDEFINED_DATABASE ||
		connect_error == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
}

/* Why there is no connection.  Where none is to be had, that is no news. */
static void
note_connect_error(ErrorData *error)
{
	if (error->elevel >= FATAL)
		connect_error = error->sqlerrcode;
	if (is_refused())
		error->output_to_server = false;
	else if (previous_log_hook)
		previous_log_hook(error);
}

/*
 * Where there is nothing to connect to, the postmaster would try again for
 * ever: end as one who has done his work does.  Runs last, when nothing is
 * shared any more.
 */
static void
end_for_good_if_refused(int code, Datum arg)
{
	if (is_refused())
		_exit(0);
}

static void
connect_to(Oid database)
{
	on_proc_exit(end_for_good_if_refused, 0);
	previous_log_hook = emit_log_hook;
	emit_log_hook = note_connect_error;
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	emit_log_hook = previous_log_hook;
}

static void
set_place_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, 0, LOCK_CLASS_WORKER);
}

/* Be the only worker of this database, or end. */
static void
become_the_one(void)
{
	LOCKTAG		tag;

	set_place_tag(&tag);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		proc_exit(0);
}

/*
 * There is no extension (that we know): end for good, unless there is one by
 * now.  A worker that was started for that one may have ended because it found
 * us here: hence in this order, and the postmaster starts another.
 */
WEIR_NORETURN static void leave(void);

static void
leave(void)
{
	LOCKTAG		tag;
	WeirBackoff backoff = {0};
	bool		failed;

	set_place_tag(&tag);
	LockRelease(&tag, ExclusiveLock, true);
	enrolled_with = InvalidOid;
	if (weir_worker_run_task(find_extension, 0, "weir: ending", &backoff, &failed) ||
		failed)
		proc_exit(1);
	proc_exit(0);
}

/* False if there is no extension. */
static bool
enroll(int32 unused)
{
	if (!OidIsValid(extension_found))
		return false;
	enrolled_with = extension_found;
	database_name = MemoryContextStrdup(TopMemoryContext,
										get_database_name(MyDatabaseId));
	PushActiveSnapshot(GetTransactionSnapshot());
	weir_wakeup_enroll();
	PopActiveSnapshot();
	return true;
}

/* In a way that leaves what the configuration says where it can be read. */
static void
set_milliseconds(const char *name, int ms)
{
	char		value[16];

	snprintf(value, sizeof(value), "%d", ms);
	SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

/*
 * A user's command that waits for us looks for deadlocks after deadlock_timeout.
 * By then we must have given up what we wait for ourselves, if we began to wait
 * before him; and if he did, found the deadlock: so it is our task that fails,
 * which is repeated.
 */
static void
set_patience(void)
{
	int			others = atoi(GetConfigOptionResetString("deadlock_timeout"));

	set_milliseconds("lock_timeout", Max(others * 9 / 10, 1));
	set_milliseconds("deadlock_timeout", Max(others / 10, 1));
}

static void
set_options(void)
{
	static const char *const options[][2] = {
		{"synchronous_commit", "off"},	/* a crash repeats the tick */
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"jit", "off"},
		{"role", "none"},
		WEIR_NO_TRANSACTION_TIMEOUT
	};

	for (int i = 0; i < lengthof(options); i++)
		SetConfigOption(options[i][0], options[i][1], PGC_USERSET,
						PGC_S_OVERRIDE);
}

/*
 * Let rows gather: each tick has a cost of its own, so that many small ones
 * take from the writers what one would not.
 */
static void
gather(void)
{
	(void) WaitLatch(NULL, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, GATHER_MS,
					 PG_WAIT_EXTENSION);
}

/* Sleep; wakes early when the latch is set, which is what a commit does. */
static void
nap(int ms)
{
	bool		woken = false;

	while (ms > 0 && !woken)
	{
		int			slice = Min(ms, GIVE_WAY_MS);

		woken = (WaitLatch(MyLatch,
						   WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						   slice, PG_WAIT_EXTENSION) & WL_LATCH_SET) != 0;
		CHECK_FOR_INTERRUPTS();
		weir_giveway_try();
		ms -= slice;
	}
}

/*
 * The ids of all streams.  Who makes or drops one tells all sessions, as long as
 * these take part in transactions; what comes out of a dump is not told of.
 */
static List *
all_streams(bool *failed)
{
	static WeirBackoff backoff = {0};
	static List *streams = NIL;
	static TimestampTz looked_at = 0;

	*failed = false;
	if (streams != NIL && changes_seen == weir_leaf_changes() &&
		!weir_worker_is_due(&looked_at, naptime))
		return streams;
	weir_worker_run_task(find_streams, 0, "weir: looking for streams",
						 &backoff, failed);
	weir_backoff_note(&backoff, *failed);
	list_free(streams);
	streams = weir_worker_take_remembered();
	return streams;
}

/* One tick for everybody; true if there may be more to do at once. */
static bool
serve_all(void)
{
	List	   *streams;
	ListCell   *lc;
	bool		failed;
	bool		more = false;

	streams = all_streams(&failed);
	round_number++;
	foreach(lc, streams)
	{
		CHECK_FOR_INTERRUPTS();
		weir_giveway_try();
		if (serve_stream(lfirst_int(lc)))
			more = true;
	}
	if (extension_found != enrolled_with)
		leave();
	if (failed)
		return false;
	forget_streams(list_length(streams));
	/* it may have been a stream that has come meanwhile */
	if (changes_seen != weir_leaf_changes())
		more = true;
	return weir_housekeeping_run() || more;
}

void
weir_worker_main(Datum database)
{
	WeirBackoff backoff = {0};
	bool		failed;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	connect_to(DatumGetObjectId(database));
	weir_giveway_init();
	task_context = AllocSetContextCreate(TopMemoryContext, "weir task",
										 ALLOCSET_DEFAULT_SIZES);
	set_options();
	set_patience();
	become_the_one();
	weir_batch_set_breather(weir_giveway_watch);
	if (!weir_worker_run_task(enroll, 0, "weir: starting", &backoff, &failed))
	{
		if (failed)
			proc_exit(1);
		leave();
	}

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			set_patience();
		}
		weir_giveway_try();
		ResetLatch(MyLatch);
		has_backlog = is_failing = false;
		if (!serve_all())
			nap(is_failing ? Min(naptime, RETRY_LOOK_MS) : naptime);
		else if (!has_backlog)
			gather();
	}
}

void
weir_worker_init(void)
{
	DefineCustomIntVariable("weir.naptime",
							"Time between looks for work that nobody has announced.",
							NULL,
							&naptime,
							1000, 10, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}
