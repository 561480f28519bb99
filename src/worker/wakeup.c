/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  A commit wakes the worker of its database, or starts one.
 *
 * There is no shared memory: weir works without being preloaded.  The worker
 * leaves its process id in the sequence weir._worker_pid; a transaction that
 * wrote to a stream reads it before it commits, where catalogs can be read,
 * and uses it afterwards, where nothing may fail.  If no worker of that id
 * runs here, one is registered.  Of several only one stays (worker.c).
 *
 * A wake-up that gets lost does no harm: the worker polls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "storage/owner.h"
#include "storage/sequence.h"
#include "stream/capture.h"
#include "stream/drain.h"
#include "stream/newrows.h"
#include "weir.h"
#include "worker/worker.h"

/* the lower half of what the sequence holds */
#define PID_MASK			INT64CONST(0xFFFFFFFF)

/* A process asks for a worker this often at most. */
#define START_INTERVAL_MS	1000

/* setting: may a commit start a worker? */
static bool start_workers;

/* what the sequence said before the commit */
static int	worker_pid = 0;

static TimestampTz last_start = 0;
static bool is_short_of_slots = false;

/*
 * When the server was started, in the upper half of what the sequence holds:
 * after a restart, the same process id may be that of another worker.
 */
static int64
boot_number(void)
{
	return ((PgStartTime / USECS_PER_SEC) & INT64CONST(0x7FFFFFFF)) << 32;
}

static Oid
pid_sequence(void)
{
	return get_relname_relid("_worker_pid", weir_schema_oid());
}

void
weir_wakeup_enroll(void)
{
	weir_sequence_set(pid_sequence(), boot_number() | MyProcPid);
}

static void
start_worker(void)
{
	BackgroundWorker worker;
	TimestampTz now = GetCurrentTimestamp();

	if (!start_workers)
		return;
	if (last_start != 0 &&
		!TimestampDifferenceExceeds(last_start, now, START_INTERVAL_MS))
		return;
	last_start = now;
	weir_worker_describe(&worker, MyDatabaseId);
	if (RegisterDynamicBackgroundWorker(&worker, NULL))
		is_short_of_slots = false;
	else if (!is_short_of_slots)
	{
		is_short_of_slots = true;
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start a weir worker"),
				 errhint("You might need to increase max_worker_processes.")));
	}
}

/* The worker whose process id is known, or NULL if there is none (now). */
static PGPROC *
find_worker(void)
{
	PGPROC	   *proc = worker_pid != 0 ? BackendPidGetProc(worker_pid) : NULL;

	if (proc && proc->databaseId == MyDatabaseId && WeirProcIsWorker(proc))
		return proc;
	return NULL;
}

static void
wake_or_start(void)
{
	PGPROC	   *proc = find_worker();

	if (proc)
		SetLatch(&proc->procLatch);
	else
		start_worker();
}

static void
note_worker(void)
{
	int64		value = weir_sequence_read(pid_sequence());

	worker_pid = (value & ~PID_MASK) == boot_number() ? (int) (value & PID_MASK) : 0;
}

/* The worker that was there last is most likely the one: no need to look. */
static void
note_worker_unless_known(void)
{
	if (find_worker() == NULL)
		note_worker();
}

static const WeirCaptureHooks capture_hooks = {
	.flushed = note_worker_unless_known,
	.committed = wake_or_start,
};

/* For those who wait. */
static void
nudge(void)
{
	if (RecoveryInProgress())
		return;
	note_worker();
	wake_or_start();
}

/* For those who read: after a restart they may be the first to come. */
static void
ensure_running(void)
{
	if (RecoveryInProgress())
		return;
	note_worker();
	if (find_worker() == NULL)
		start_worker();
}

void
weir_wakeup_init(void)
{
	DefineCustomBoolVariable("weir.start_workers",
							 "Start a background worker when rows are committed and none runs.",
							 NULL,
							 &start_workers,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	weir_capture_set_hooks(&capture_hooks);
	weir_drain_set_nudge(nudge);
	weir_batch_set_reader_hook(ensure_running);
}
