/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  Snapshots that are stored: what a cursor has consumed.
 *
 * They are values of the server's type pg_snapshot, whose layout is private;
 * its text form (xmin:xmax:xip,xip,...) is not.  They know top transactions
 * only, as the log does, by ids that do not wrap around.
 *
 * Ids of 32 bits are left where the server has no others: the xmin of a row, and
 * the list of ids that an entry compares it with.  A row is taken for one of an
 * entry's if it stands at one of its TIDs with one of its xmins; another row can
 * do so only if it was inserted 2^32 transactions later, while the entry waited
 * and its own row had been deleted and vacuumed away.  Ids that are widened
 * (weir_full_xid) are those of running transactions, at most 2^31 old; the
 * server stops before there are older ones.  Old log tables are frozen like any
 * table: autovacuum_enabled does not keep anti-wraparound vacuum away.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "storage/writers.h"
#include "stream/snapshot.h"
#include "weir.h"

bool
weir_snapshot_sees(Datum snapshot, FullTransactionId xid)
{
	return DatumGetBool(DirectFunctionCall2(pg_visible_in_snapshot,
											FullTransactionIdGetDatum(xid),
											snapshot));
}

/*
 * The same pg_snapshot, but the transaction, whose id it has passed, is running
 * for it.  It is not below xmin.
 */
static Datum
with_running(Datum snapshot, FullTransactionId xid)
{
	WeirUnseen	unseen;
	StringInfoData text;
	bool		is_written = false;

	weir_snapshot_unpack(snapshot, &unseen);
	initStringInfo(&text);
	appendStringInfo(&text, UINT64_FORMAT ":" UINT64_FORMAT ":",
					 U64FromFullTransactionId(DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmin,
																							 snapshot))),
					 U64FromFullTransactionId(unseen.xmax));
	for (int i = 0; i < unseen.nrunning; i++)
	{
		if (!is_written && FullTransactionIdPrecedes(xid, unseen.running[i]))
		{
			appendStringInfo(&text, UINT64_FORMAT ",", U64FromFullTransactionId(xid));
			is_written = true;
		}
		appendStringInfo(&text, UINT64_FORMAT ",",
						 U64FromFullTransactionId(unseen.running[i]));
	}
	if (!is_written)
		appendStringInfo(&text, UINT64_FORMAT ",", U64FromFullTransactionId(xid));
	/* the last comma */
	text.data[--text.len] = '\0';
	return DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(text.data));
}

Datum
weir_snapshot_before(FullTransactionId xid)
{
	uint64		id = U64FromFullTransactionId(xid);

	return DirectFunctionCall1(pg_snapshot_in,
							   CStringGetDatum(psprintf(UINT64_FORMAT ":" UINT64_FORMAT ":",
														id, id)));
}

/*
 * The server has a transaction seen by its own snapshots once others, with later
 * ids, have ended.  But what it will log when it commits is not consumed.
 */
Datum
weir_snapshot_current(void)
{
	Datum		current = OidFunctionCall0(F_PG_CURRENT_SNAPSHOT);
	FullTransactionId own = GetTopFullTransactionIdIfAny();

	if (FullTransactionIdIsValid(own) && weir_snapshot_sees(current, own))
		return with_running(current, own);
	return current;
}

void
weir_snapshot_unpack(Datum snapshot, WeirUnseen *unseen)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(pg_snapshot_out,
														   snapshot));
	char	   *p = strchr(text, ':') + 1;
	int			n = 1;

	for (char *q = p; *q; q++)
		if (*q == ',')
			n++;
	unseen->running = palloc(sizeof(FullTransactionId) * n);
	unseen->nrunning = 0;
	unseen->xmax = FullTransactionIdFromU64(strtou64(p, &p, 10));
	while (*p++ && *p)
		unseen->running[unseen->nrunning++] =
			FullTransactionIdFromU64(strtou64(p, &p, 10));
	pfree(text);
}

bool
weir_snapshot_covers(Datum a, Datum b)
{
	FullTransactionId b_xmax;
	WeirUnseen	unseen;
	bool		result = true;

	b_xmax = DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmax, b));
	weir_snapshot_unpack(a, &unseen);
	if (FullTransactionIdPrecedes(unseen.xmax, b_xmax))
		result = false;
	/* what is running for a must be so for b */
	for (int i = 0; result && i < unseen.nrunning; i++)
		if (FullTransactionIdPrecedes(unseen.running[i], b_xmax) &&
			weir_snapshot_sees(b, unseen.running[i]))
			result = false;
	pfree(unseen.running);
	return result;
}

bool
weir_snapshot_has_news(const WeirUnseen *unseen, Snapshot snapshot,
					   FullTransactionId limit)
{
	FullTransactionId xmin = weir_full_xid(snapshot->xmin);

	if (FullTransactionIdPrecedes(unseen->xmax, limit))
		return true;
	for (int i = 0; i < unseen->nrunning; i++)
	{
		FullTransactionId xid = unseen->running[i];

		if (FullTransactionIdFollowsOrEquals(xid, limit))
			break;
		if (FullTransactionIdPrecedes(xid, xmin) ||
			!XidInMVCCSnapshot(XidFromFullTransactionId(xid), snapshot))
			return true;
	}
	return false;
}
