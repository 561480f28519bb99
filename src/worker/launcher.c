/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  With shared_preload_libraries: starts a worker in every database, at
 *	  boot and after promotion, and ends.
 *
 * A worker in a database without the extension ends by itself.  Databases
 * that get the extension later are served from the first write on.  Workers
 * that die are restarted by the postmaster.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "weir.h"
#include "worker/worker.h"

#define RETRY_MS	10000

/* The databases that can be connected to, as a list in the given context. */
static List *
list_databases(MemoryContext context)
{
	List	   *result = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!database->datallowconn || database->datistemplate)
			continue;
		old = MemoryContextSwitchTo(context);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return result;
}

static void
start_worker(Oid database)
{
	bool		is_reported = false;

	for (;;)
	{
		BackgroundWorker worker;
		BackgroundWorkerHandle *handle;
		pid_t		pid;

		weir_worker_describe(&worker, database);
		worker.bgw_notify_pid = MyProcPid;
		if (RegisterDynamicBackgroundWorker(&worker, &handle))
		{
			/* one after the other: not all slots at once */
			(void) WaitForBackgroundWorkerStartup(handle, &pid);
			return;
		}
		if (!is_reported)
			ereport(LOG,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("could not start a weir worker"),
					 errhint("You might need to increase max_worker_processes.")));
		is_reported = true;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RETRY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
weir_launcher_main(Datum unused)
{
	ListCell   *lc;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	foreach(lc, list_databases(TopMemoryContext))
		start_worker(lfirst_oid(lc));
	proc_exit(0);
}

void
weir_launcher_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 10;
	strlcpy(worker.bgw_library_name, "weir", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "weir_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "weir launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "weir launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
