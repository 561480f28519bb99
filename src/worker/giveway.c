/*-------------------------------------------------------------------------
 *
 * giveway.c
 *	  A worker is in nobody's way: it ends when somebody wants the database
 *	  or the extension for himself.
 *
 * Each task of the worker holds two locks for others to wait for: on the
 * database, in the mode of somebody who connects (DROP DATABASE, ALTER
 * DATABASE, and CREATE DATABASE with this one as its template conflict with
 * it), and on the extension (DROP EXTENSION does).  While rows are read it
 * looks whether anybody waits for one of them.  Between tasks it holds none,
 * and tries whether it could have the database's.
 *
 * In the middle of a user's statement, which may take as long as it likes,
 * there is nobody to look but a signal handler, and that may take no lock.
 * But while the worker holds a lock, its entry in the lock table stays where
 * it is, and whether somebody waits is an integer in it that can be read at
 * any time.  If so, the handler cancels the statement.
 *
 * The timer runs only while something is watched: each time that it rings it
 * sets the latch, which a worker with nothing to do sleeps on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "utils/inval.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "storage/owner.h"
#include "weir.h"
#include "worker/giveway.h"

/* how often a watched statement is interrupted to look */
#define LOOK_MS		500

/* The locks' entries in shared memory while they are held, else NULL. */
static volatile LOCK *database_lock = NULL;
static volatile LOCK *extension_lock = NULL;

static TimeoutId timer;
static bool is_watching = false;
static volatile sig_atomic_t is_wanted = false;

static inline bool
has_waiters(void)
{
	return (database_lock && database_lock->waitMask != 0) ||
		(extension_lock && extension_lock->waitMask != 0);
}

/* Runs in a signal handler. */
static void
look(void)
{
	if (!has_waiters())
		return;
	is_wanted = true;
	QueryCancelPending = true;
	InterruptPending = true;
}

WEIR_NORETURN static void give_way(void);

static void
give_way(void)
{
	ereport(DEBUG1, (errmsg_internal("weir worker gives way")));
	proc_exit(1);
}

/* For this transaction; NULL if the lock is not to be had without waiting. */
static volatile LOCK *
acquire(const LOCKTAG *tag, LOCKMODE mode)
{
	LOCALLOCK  *local = NULL;

	if (WeirLockAcquireExtended(tag, mode, false, true,
								&local) == LOCKACQUIRE_NOT_AVAIL)
		return NULL;
	return local->lock;
}

static void
set_database_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
}

bool
weir_giveway_lock(Oid *extension)
{
	LOCKTAG		tag;

	set_database_tag(&tag);
	database_lock = acquire(&tag, RowExclusiveLock);
	if (database_lock == NULL)
		give_way();
	*extension = weir_extension_find();
	if (!OidIsValid(*extension))
		return true;
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, *extension, 0);
	extension_lock = acquire(&tag, AccessShareLock);
	if (extension_lock == NULL)
		return false;
	/* it may have gone before */
	AcceptInvalidationMessages();
	*extension = weir_extension_find();
	return true;
}

void
weir_giveway_watch(void)
{
	if (!is_watching)
	{
		enable_timeout_every(timer,
							 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 LOOK_MS),
							 LOOK_MS);
		is_watching = true;
	}
	if (is_wanted || has_waiters())
		give_way();
}

void
weir_giveway_unlock(void)
{
	if (is_watching)
		disable_timeout(timer, false);
	is_watching = false;
	database_lock = extension_lock = NULL;
	/* what came too late to cancel anything must not cancel what is next */
	if (is_wanted)
		QueryCancelPending = false;
}

bool
weir_giveway_is_wanted(void)
{
	return is_wanted;
}

void
weir_giveway_try(void)
{
	LOCKTAG		tag;

	set_database_tag(&tag);
	if (is_wanted ||
		LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		give_way();
	LockRelease(&tag, RowExclusiveLock, true);
}

void
weir_giveway_init(void)
{
	timer = RegisterTimeout(USER_TIMEOUT, look);
}
