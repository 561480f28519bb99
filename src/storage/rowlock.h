/*-------------------------------------------------------------------------
 *
 * rowlock.h
 *	  The locks that order the writers of a row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ROWLOCK_H
#define WEIR_ROWLOCK_H

#include "storage/lockdefs.h"

/* identifies a row of a wide table, up to collisions */
extern uint32 weir_row_hash(const char *key, Size len);

/* ShareLock or ExclusiveLock, for as long as it takes to number a write */
extern void weir_barrier_acquire(Oid face, uint32 hash, LOCKMODE mode);
extern void weir_barrier_release(Oid face, uint32 hash, LOCKMODE mode);

/*
 * Exclusive, to the end of the transaction.  Without "wait", false if it
 * could not be had at once.
 */
extern bool weir_row_lock(Oid face, uint32 hash, bool wait);

/*
 * The same with waiting.  False if the transaction holds many row locks: then
 * this one is to be given back as soon as the row is written.
 */
extern bool weir_row_lock_to_keep(Oid face, uint32 hash);

/* Gives a row lock back, when nothing was done under it or all is written. */
extern void weir_row_unlock(Oid face, uint32 hash);

/* Against other compactions of the table, to the end of the transaction. */
extern bool weir_compaction_lock(Oid face, bool wait);

#endif							/* WEIR_ROWLOCK_H */
