/*-------------------------------------------------------------------------
 *
 * writers.c
 *	  Who may be writing to a table.
 *
 * Whoever writes to a table holds a lock on it that conflicts with SHARE, from
 * before the first row to the end of the transaction, a prepared one included.
 *
 * Locks: none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"

#include "storage/writers.h"
#include "weir.h"

/* Of a transaction that runs or is prepared; invalid if it has none, or ended */
static TransactionId
xid_of(VirtualTransactionId vxid)
{
	PGPROC	   *proc = WeirVxidGetProc(vxid);
	bool		have_more;

	if (proc && WeirProcLxid(proc) == vxid.localTransactionId)
	{
		TransactionId xid = proc->xid;

		/* none, or it is being prepared just now, which clears this first */
		if (TransactionIdIsValid(xid))
			return xid;
	}
	return TwoPhaseGetXidByVirtualXID(vxid, &have_more);
}

FullTransactionId
weir_full_xid(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

FullTransactionId
weir_oldest_writer(Oid relid)
{
	FullTransactionId oldest = FullTransactionIdFromU64(PG_UINT64_MAX);
	LOCKTAG		tag;
	VirtualTransactionId *holder;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	for (holder = GetLockConflicts(&tag, ShareLock, NULL);
		 VirtualTransactionIdIsValid(*holder); holder++)
	{
		TransactionId xid = xid_of(*holder);

		if (TransactionIdIsValid(xid) &&
			FullTransactionIdPrecedes(weir_full_xid(xid), oldest))
			oldest = weir_full_xid(xid);
	}
	return oldest;
}
