/*-------------------------------------------------------------------------
 *
 * rowlock.c
 *	  The locks that order the writers of a row.
 *
 * Writes to a row are ordered by the numbers that the table's sequence gives
 * them.  Two locks a row, both named by the face and a hash of the row key:
 *
 *	barrier		Held from before a write takes its number until its delta is
 *				in the heap, shared by all blind writers.  Who holds it
 *				exclusively knows that every write with a smaller number than
 *				the next is in the heap, committed or not.
 *
 *	row lock	Held to the end of the transaction by those who write what
 *				they computed from what they read; by compaction while it
 *				looks for what it can fold.
 *
 * What a transaction has written to a row can be waited for, so who has
 * written may give the row lock back.  But then he has to wait for the next
 * one, who waits for him, should he come to the row again.  Therefore a
 * transaction keeps its row locks, unless they are so many that they would
 * fill the server's lock table.
 *
 * A blind write never waits for another transaction's end.  The row lock is
 * taken before the barrier; nothing else is waited for under the barrier.
 *
 * They are heavyweight locks of the class of advisory locks, with a kind of
 * their own, so they never meet those of pg_advisory_lock.  The lock manager
 * releases them when a transaction or subtransaction fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"

#include "storage/rowlock.h"
#include "weir.h"

/* fourth field of the tag; pg_advisory_lock uses 1 and 2 */
#define LOCK_KIND_BARRIER	0x5701
#define LOCK_KIND_ROW		0x5702
#define LOCK_KIND_COMPACTION	0x5703

uint32
weir_row_hash(const char *key, Size len)
{
	return hash_bytes((const unsigned char *) key, (int) len);
}

void
weir_barrier_acquire(Oid face, uint32 hash, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, face, hash, LOCK_KIND_BARRIER);
	(void) LockAcquire(&tag, mode, false, false);
}

void
weir_barrier_release(Oid face, uint32 hash, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, face, hash, LOCK_KIND_BARRIER);
	(void) LockRelease(&tag, mode, false);
}

bool
weir_row_lock(Oid face, uint32 hash, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, face, hash, LOCK_KIND_ROW);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) !=
		LOCKACQUIRE_NOT_AVAIL;
}

/* So many row locks a transaction keeps: an eighth of the lock table. */
static int
max_kept(void)
{
	return max_locks_per_xact * (MaxBackends + max_prepared_xacts) / 8;
}

bool
weir_row_lock_to_keep(Oid face, uint32 hash)
{
	/* Those of subtransactions that were rolled back are counted, too. */
	static LocalTransactionId keeper = InvalidLocalTransactionId;
	static int	nkept;
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, face, hash, LOCK_KIND_ROW);
	if (LockAcquire(&tag, ExclusiveLock, false, false) ==
		LOCKACQUIRE_ALREADY_HELD)
		return true;
	if (keeper != WeirProcLxid(MyProc))
	{
		keeper = WeirProcLxid(MyProc);
		nkept = 0;
	}
	if (nkept >= max_kept())
		return false;
	nkept++;
	return true;
}

void
weir_row_unlock(Oid face, uint32 hash)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, face, hash, LOCK_KIND_ROW);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

bool
weir_compaction_lock(Oid face, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, face, 0, LOCK_KIND_COMPACTION);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) !=
		LOCKACQUIRE_NOT_AVAIL;
}
