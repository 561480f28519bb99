/*-------------------------------------------------------------------------
 *
 * debug_point.c
 *	  Named places in the code where tests can hold a process, make it fail
 *	  or kill it.
 *
 * Only in a build with -DWEIR_DEBUG.  The setting weir.debug_point is empty or
 * 'name:action', and names one point:
 *
 *	wait	waits while somebody holds pg_advisory_lock(hashtext(name))
 *	error	raises an error
 *	full	raises the error of a disk that is full
 *	kill	sends SIGKILL to the process itself, which makes the server
 *			restart as after a crash
 *
 * The points, in the order of what happens to a row:
 *
 *	families_read								what is known of a wide table is read
 *	write_numbered								a write to a wide table
 *	flush_begin, flush_end						a writer's commit
 *	tick_locked, tick_batch, tick_aggregate,
 *	tick_consumed, tick_stored					a tick, from claim to commit
 *	join_cursor									its last step for a cursor
 *	sink_run									a sink has run, in tick or later
 *	merge_failed								state could not be merged
 *	read_pending								a reader of rows that wait
 *	rotate_prepared, rotate_switched,
 *	rotate_told, rotate_closed, rotate_drained,
 *	truncate_marked, truncate_begin,
 *	truncate_end								the log's tables
 *	rewrite_begin, rewrite_superseded,
 *	rewrite_end									a table gets a new file
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef WEIR_DEBUG

#include <signal.h>
#include <unistd.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

#include "storage/debug_point.h"
#include "weir.h"

static char *setting = NULL;

/* As pg_advisory_xact_lock_shared(hashtext(name)) would, and lets go of it. */
static void
wait_for_lock(const char *name)
{
	int64		key = (int32) hash_bytes((const unsigned char *) name,
										 (int) strlen(name));
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32),
						 (uint32) key, 1);
	(void) LockAcquire(&tag, ShareLock, false, false);
	LockRelease(&tag, ShareLock, false);
}

void
weir_debug_point_reach(const char *name)
{
	size_t		length = strlen(name);
	const char *action;

	if (setting == NULL || strncmp(setting, name, length) != 0 ||
		setting[length] != ':')
		return;
	action = setting + length + 1;
	if (strcmp(action, "wait") == 0)
		wait_for_lock(name);
	else if (strcmp(action, "error") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("debug point \"%s\" has been reached", name)));
	else if (strcmp(action, "full") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DISK_FULL),
				 errmsg("debug point \"%s\" finds no space left on device", name)));
	else if (strcmp(action, "kill") == 0)
		kill(getpid(), SIGKILL);
}

void
weir_debug_point_init(void)
{
	DefineCustomStringVariable("weir.debug_point",
							   "Point in the code, and what to do there: name:wait, name:error, name:full or name:kill.",
							   NULL,
							   &setting,
							   "",
							   PGC_SUSET, GUC_NOT_IN_SAMPLE,
							   NULL, NULL, NULL);
}

#endif							/* WEIR_DEBUG */
