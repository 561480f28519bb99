/*-------------------------------------------------------------------------
 *
 * stream_failure.c
 *	  What went wrong with a stream as a whole.
 *
 * An error that is not an aggregate's own undoes the tick and all that is in it:
 * a trigger or a foreign key that does not let a queue's rows go, a file that has
 * been replaced, a disk that is full.  Nothing is lost by that, and nothing is
 * consumed.  So that not only the log of the server tells, whoever tries again and
 * again notes the error in a transaction of its own, and forgets it when all goes
 * well.
 *
 * Locks: those of catalog reads and writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "storage/newest.h"
#include "storage/owner.h"
#include "stream/cursor.h"
#include "stream/stream_failure.h"

/* columns of weir._stream_failure */
enum
{
	FAILURE_STREAM_ID = 1,
	FAILURE_ERROR,
	FAILURE_FAILED_AT,
	FAILURE_NATTS = FAILURE_FAILED_AT
};

static Relation
open_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_stream_failure", false), lockmode);
}

/* The row of that stream, a copy, or NULL. */
static HeapTuple
find_row(Relation rel, int32 stream_id)
{
	ScanKeyData key;

	ScanKeyInit(&key, FAILURE_STREAM_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	return weir_newest_version(rel, "_stream_failure_pkey", NULL, 1, &key);
}

/* Under the stream's lock, as DROP has it, so that nothing is left of one. */
void
weir_stream_failure_note(int32 stream_id, const char *error)
{
	Relation	rel;
	HeapTuple	old;
	HeapTuple	tuple;
	Datum		values[FAILURE_NATTS];
	bool		nulls[FAILURE_NATTS] = {0};

	if (!weir_cursor_lock_stream(stream_id, false) ||
		weir_cursor_list(stream_id) == NIL)
		return;
	rel = open_catalog(RowExclusiveLock);
	values[FAILURE_STREAM_ID - 1] = Int32GetDatum(stream_id);
	values[FAILURE_ERROR - 1] = CStringGetTextDatum(error);
	values[FAILURE_FAILED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	old = find_row(rel, stream_id);
	if (old != NULL)
		CatalogTupleUpdate(rel, &old->t_self, tuple);
	else
		CatalogTupleInsert(rel, tuple);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
weir_stream_failure_clear(int32 stream_id, bool is_dropped)
{
	Relation	rel = open_catalog(AccessShareLock);
	HeapTuple	tuple = find_row(rel, stream_id);

	table_close(rel, AccessShareLock);
	if (tuple == NULL || !weir_cursor_lock_stream(stream_id, is_dropped))
		return;
	rel = open_catalog(RowExclusiveLock);
	tuple = find_row(rel, stream_id);
	if (tuple != NULL)
		CatalogTupleDelete(rel, &tuple->t_self);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}
