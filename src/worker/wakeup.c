/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  A commit wakes the worker of its database, or starts one.
 *
 * There is no shared memory: weir works without being preloaded.  The worker
 * leaves its process id in the sequence weir._worker_pid; a transaction that
 * wrote to a stream reads it before it commits, where catalogs can be read,
 * and uses it afterwards, where nothing may fail.  If no worker of that id
 * runs here, one is registered.  Of several only one stays (worker.c).  Who
 * writes to a wide table wakes nobody, but sees to it that there is a worker.
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
#include "storage/rowstore.h"
#include "storage/sequence.h"
#include "stream/capture.h"
#include "stream/drain.h"
#include "stream/newrows.h"
#include "weir.h"
#include "worker/housekeeping.h"
#include "worker/worker.h"

/* the lower half of what the sequence holds */
#define PID_MASK			INT64CONST(0xFFFFFFFF)

/* A process asks for a worker this often at most. */
#define START_INTERVAL_MS	1000

/*
 * Where none was found, commits look again after so long: until then one that
 * has been started meanwhile is not woken, and has just begun to look itself.
 */
#define LOOK_INTERVAL_MS	100

/*
 * While there is no process for one, one line says so, whatever the number of
 * sessions that ask: again if it has not changed after so long.
 */
#define REPORT_INTERVAL_SEC	(10 * 60)

/* setting: may a commit start a worker? */
static bool start_workers;

/*
 * The worker that was found last, and its process id: the place is another's, or
 * nobody's, if that is no longer the same.
 */
static PGPROC *worker_proc = NULL;
static int	worker_pid = 0;

static TimestampTz last_miss = 0;	/* when a commit last found no worker */
static TimestampTz last_start = 0;
static bool may_report = false; /* it is ours to say that none can be started */

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
	return weir_own_relid("_worker_pid", false);
}

static Oid
report_sequence(void)
{
	return weir_own_relid("_shortage_reported_at", false);
}

void
weir_wakeup_enroll(void)
{
	weir_sequence_set(pid_sequence(), boot_number() | MyProcPid);
	weir_sequence_set(report_sequence(), 0);
}

static bool
is_start_due(TimestampTz now)
{
	/* the clock may have been set back */
	return start_workers &&
		(last_start == 0 || last_start > now ||
		 TimestampDifferenceExceeds(last_start, now, START_INTERVAL_MS));
}

/*
 * Before a worker is asked for, where catalogs can be written: who writes the
 * time is the one to report if there is none to be had.  A worker that starts
 * clears it.
 */
static void
claim_report(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		seconds = now / USECS_PER_SEC;
	int64		claimed_at;

	may_report = false;
	/* a transaction may be made READ ONLY after it has written */
	if (!is_start_due(now) || XactReadOnly)
		return;
	claimed_at = weir_sequence_read(report_sequence());
	if (claimed_at != 0 && claimed_at <= seconds &&
		seconds - claimed_at < REPORT_INTERVAL_SEC)
		return;
	weir_sequence_set(report_sequence(), seconds);
	may_report = true;
}

static void
start_worker(TimestampTz now)
{
	BackgroundWorker worker;

	if (!is_start_due(now))
		return;
	last_start = now;
	weir_worker_describe(&worker, MyDatabaseId);
	if (!RegisterDynamicBackgroundWorker(&worker, NULL) && may_report)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start a weir worker"),
				 errdetail("Rows are consumed when one can be started, or by weir.drain."),
				 errhint("You might need to increase max_worker_processes.")));
	may_report = false;
}

/*
 * The worker, or NULL if there is none (now).  Every commit asks, so that no lock
 * is taken: what is found may have ended the moment after, with a lock as well,
 * and its latch is there for as long as the server runs.
 */
static PGPROC *
find_worker(void)
{
	if (worker_proc && worker_proc->pid == worker_pid &&
		worker_proc->databaseId == MyDatabaseId && WeirProcIsWorker(worker_proc))
		return worker_proc;
	return NULL;
}

static void
wake_or_start(TimestampTz now)
{
	PGPROC	   *proc = find_worker();

	if (proc)
		SetLatch(&proc->procLatch);
	else
		start_worker(now);
}

static void
wake_after_commit(void)
{
	wake_or_start(GetCurrentTransactionStopTimestamp());
}

static void
note_worker(void)
{
	int64		value = weir_sequence_read(pid_sequence());

	worker_pid = (int) (value & PID_MASK);
	worker_proc = (value & ~PID_MASK) == boot_number() && worker_pid != 0 ?
		BackendPidGetProc(worker_pid) : NULL;
}

/* The worker that was there last is most likely the one: no need to look. */
static void
note_worker_unless_known(TimestampTz now)
{
	if (find_worker() != NULL)
		return;
	/* the clock may have been set back */
	if (last_miss != 0 && last_miss <= now &&
		!TimestampDifferenceExceeds(last_miss, now, LOOK_INTERVAL_MS))
		return;
	note_worker();
	if (find_worker() == NULL)
	{
		last_miss = now;
		claim_report();
	}
}

static const WeirCaptureHooks capture_hooks = {
	.flushed = note_worker_unless_known,
	.committed = wake_after_commit,
};

/* For those who wait. */
static void
nudge(void)
{
	if (RecoveryInProgress())
		return;
	note_worker();
	if (find_worker() == NULL)
		claim_report();
	wake_or_start(GetCurrentTimestamp());
}

/* For those who read: after a restart they may be the first to come. */
static void
ensure_running(void)
{
	if (RecoveryInProgress())
		return;
	note_worker();
	if (find_worker() == NULL)
		start_worker(GetCurrentTimestamp());
}

/* For those who write to wide tables, which nobody else may come to compact. */
static void
ensure_compacted(void)
{
	TimestampTz now;

	if (find_worker() != NULL || !weir_housekeeping_compacts())
		return;
	now = GetCurrentStatementStartTimestamp();
	note_worker_unless_known(now);
	if (find_worker() == NULL)
		start_worker(now);
}

void
weir_wakeup_init(void)
{
	DefineCustomBoolVariable("weir.start_workers",
							 "Start a background worker when there is work for one and none runs.",
							 NULL,
							 &start_workers,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	weir_capture_set_hooks(&capture_hooks);
	weir_drain_set_nudge(nudge);
	weir_batch_set_reader_hook(ensure_running);
	weir_writer_set_hook(ensure_compacted);
}
