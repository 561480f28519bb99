/*-------------------------------------------------------------------------
 *
 * sequence.c
 *	  Numbers that all sessions share outside of transactions: the last
 *	  values of sequences.
 *
 * They survive crashes as WAL does: a value that was set is kept once a
 * later record has been flushed, so nobody's committed work depends on one
 * that is lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "commands/sequence.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

#include "storage/owner.h"
#include "storage/sequence.h"
#include "weir.h"

int64
weir_sequence_read(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Buffer		buffer = ReadBuffer(rel, 0);
	Page		page;
	HeapTupleHeader header;
	int64		value;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	header = (HeapTupleHeader) PageGetItem(page,
										   PageGetItemId(page, FirstOffsetNumber));
	value = ((Form_pg_sequence_data) ((char *) header + header->t_hoff))->last_value;
	UnlockReleaseBuffer(buffer);
	table_close(rel, NoLock);
	return value;
}

void
weir_sequence_set(Oid relid, int64 value)
{
	WeirIdentity identity;

	weir_become_extension_owner(&identity);
	DirectFunctionCall2(setval_oid, ObjectIdGetDatum(relid),
						Int64GetDatum(value));
	weir_restore_identity(&identity);
}
