/*-------------------------------------------------------------------------
 *
 * snapshot.h
 *	  Snapshots that are stored: what a cursor has consumed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SNAPSHOT_H
#define WEIR_SNAPSHOT_H

#include "access/transam.h"
#include "utils/snapshot.h"

/* Does the pg_snapshot see the transaction as ended? */
extern bool weir_snapshot_sees(Datum snapshot, FullTransactionId xid);

/* Does pg_snapshot a see all that b sees? */
extern bool weir_snapshot_covers(Datum a, Datum b);

/*
 * The active snapshot as a pg_snapshot, in the current memory context.  The
 * present transaction is running for it.
 */
extern Datum weir_snapshot_current(void);

/* One that sees all transactions with lower ids, running or not. */
extern Datum weir_snapshot_before(FullTransactionId xid);

/*
 * What a pg_snapshot does not see, unpacked: transactions that ran then, and
 * all from xmax on.
 */
typedef struct WeirUnseen
{
	FullTransactionId xmax;
	int			nrunning;
	FullTransactionId *running; /* ascending */
} WeirUnseen;

extern void weir_snapshot_unpack(Datum snapshot, WeirUnseen *unseen);

/*
 * Can the snapshot see something of transactions with ids below the limit
 * that the other did not see?
 */
extern bool weir_snapshot_has_news(const WeirUnseen *unseen, Snapshot snapshot,
								   FullTransactionId limit);

#endif							/* WEIR_SNAPSHOT_H */
