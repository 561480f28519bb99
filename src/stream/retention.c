/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  Deleting rows of a stream that are consumed and not to be kept.
 *
 * Deletion is by SQL, as the owner of the table or partition, so that the table's triggers and
 * foreign keys see it, a few thousand rows a statement.  A stream without
 * aggregates keeps its rows.  Change streams of wide tables have ways of
 * their own: see change_stream.c.
 *
 * Invariant: no row is deleted that some cursor has not consumed, nor any as
 * long as somebody is there who has no cursor yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "storage/changes.h"
#include "storage/owner.h"
#include "stream/change_stream.h"
#include "stream/retention.h"
#include "stream/tick.h"
#include "weir.h"

/* rows of one statement, and of one transaction of the worker */
#define DELETE_ROWS		10000

/* rows that are looked at together */
#define FETCH_ROWS		1000

/* Rows of one leaf that are to be deleted. */
typedef struct Victims
{
	Oid			leaf;
	int			n;
	int			ndeleted;		/* so far */
	Datum		tids[DELETE_ROWS];
	ItemPointerData data[DELETE_ROWS];
} Victims;

/*
 * Leave out those that another transaction has locked or is deleting: a tick
 * does not wait for it, they are found again later.
 */
static void
spare_locked(Victims *victims)
{
	Relation	rel = table_open(victims->leaf, RowExclusiveLock);
	Buffer		buffer = InvalidBuffer;
	int			n = 0;

	for (int i = 0; i < victims->n; i++)
	{
		ItemPointer tid = &victims->data[i];
		Page		page;
		ItemId		item;
		bool		is_free = false;

		buffer = ReleaseAndReadBuffer(buffer, rel,
									  ItemPointerGetBlockNumber(tid));
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		item = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));
		if (ItemIdIsNormal(item))
		{
			HeapTupleData tuple;

			tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
			tuple.t_len = ItemIdGetLength(item);
			tuple.t_tableOid = victims->leaf;
			tuple.t_self = *tid;
			is_free = HeapTupleSatisfiesUpdate(&tuple,
											   GetCurrentCommandId(false),
											   buffer) == TM_Ok;
		}
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (is_free)
			victims->data[n++] = *tid;
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	table_close(rel, NoLock);
	victims->n = n;
}

/* It may be dropped in another session: not without a lock. */
static Oid
owner_of(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;

	table_close(rel, NoLock);
	return owner;
}

/* Context of errors: those of the table's triggers and keys keep rows from going. */
static void
add_context(void *table)
{
	errcontext("deleting consumed rows of table \"%s\", as its retention demands",
			   (const char *) table);
}

static void
execute_delete(Victims *victims)
{
	ErrorContextCallback callback;
	StringInfoData sql;
	Oid			types[1] = {TIDARRAYOID};
	Datum		values[1];

	for (int i = 0; i < victims->n; i++)
		victims->tids[i] = ItemPointerGetDatum(&victims->data[i]);
	weir_batch_breathe();
	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM ONLY %s WHERE ctid OPERATOR(pg_catalog.=) ANY ($1)",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(victims->leaf)),
												get_rel_name(victims->leaf)));
	values[0] = PointerGetDatum(construct_array(victims->tids, victims->n,
												TIDOID, sizeof(ItemPointerData),
												false, TYPALIGN_SHORT));
	callback.callback = add_context;
	callback.arg = get_rel_name(victims->leaf);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	SPI_connect();
	if (SPI_execute_with_args(sql.data, 1, types, values, NULL, false, 0) != SPI_OK_DELETE)
		weir_report_rule(victims->leaf);
	victims->ndeleted += (int) SPI_processed;
	SPI_finish();
	error_context_stack = callback.previous;
}

/* We are the stream's owner; a partition may belong to somebody else. */
static void
delete_victims(Victims *victims)
{
	WeirIdentity identity;
	Oid			owner;

	if (victims->n > 0)
		spare_locked(victims);
	if (victims->n == 0)
		return;
	owner = owner_of(victims->leaf);
	if (owner == GetUserId())
		execute_delete(victims);
	else
	{
		weir_become_restricted(&identity, owner);
		execute_delete(victims);
		weir_restore_identity(&identity);
	}
	victims->n = 0;
}

static void
add_victim(Victims *victims, Oid leaf, const ItemPointerData *tid)
{
	if (victims->n == DELETE_ROWS || victims->leaf != leaf)
		delete_victims(victims);
	victims->leaf = leaf;
	victims->data[victims->n++] = *tid;
}

static bool
has_aggregates(const WeirStream *stream)
{
	const WeirConsumer *consumer = weir_tick_consumer();

	return consumer && consumer->dependent(stream->stream_id) != NULL;
}

/*
 * What other cursors have not consumed of a batch, in *pending, *npending of
 * them; before is where the batch's own cursor stood.  False if one of them may
 * have consumed next to nothing of it: then it is not worth a look.
 */
static bool
others_pending(const WeirBatch *batch, const WeirCursor *before,
			   WeirBatch ***pending, int *npending)
{
	const WeirCursor *after = &batch->after;
	Datum		reached = after->high != 0 ? after->high : after->low;
	List	   *cursors = weir_cursor_list(batch->stream.stream_id);
	ListCell   *lc;

	*pending = palloc(sizeof(WeirBatch *) * list_length(cursors));
	*npending = 0;
	foreach(lc, cursors)
	{
		WeirCursor *other = (WeirCursor *) lfirst(lc);

		if (other->cursor_id == after->cursor_id)
			continue;
		if (other->in_history || other->low == 0 || other->is_paused ||
			weir_cursor_is_deferred(other))
			return false;
		if (weir_snapshot_covers(other->low, reached))
			continue;			/* all of it */
		if (before->low != 0 && weir_snapshot_covers(before->low, other->low))
			return false;		/* nothing */
		(*pending)[(*npending)++] = weir_batch_unconsumed(&batch->stream, other);
	}
	return true;
}

static bool
is_pending(WeirBatch **pending, int npending, Oid leaf, TransactionId xid,
		   const ItemPointerData *tid)
{
	for (int i = 0; i < npending; i++)
		if (weir_batch_is_later(pending[i], leaf, xid, tid))
			return true;
	return false;
}

bool
weir_retention_is_queue(const WeirStream *stream)
{
	return stream->retention_usec == 0;
}

void
weir_retention_delete_batch(WeirBatch *batch, const WeirCursor *before)
{
	Victims    *victims;
	Relation	rel;
	WeirBatchReader *reader;
	TupleTableSlot *slot;
	WeirIdentity identity;
	WeirBatch **pending;
	int			npending;

	/*
	 * What some other cursor has not consumed is deleted when it does, or by
	 * weir_retention_run later.
	 */
	if (!others_pending(batch, before, &pending, &npending))
		return;
	victims = palloc(sizeof(Victims));
	victims->n = victims->ndeleted = 0;
	weir_become_restricted(&identity, owner_of(batch->stream.relid));
	rel = table_open(batch->stream.relid, AccessShareLock);
	reader = weir_batch_reader_begin(batch, rel);
	while ((slot = weir_batch_reader_next(reader)) != NULL)
		if (npending == 0 ||
			!is_pending(pending, npending, slot->tts_tableOid,
						weir_batch_reader_xmin(reader), &slot->tts_tid))
			add_victim(victims, slot->tts_tableOid, &slot->tts_tid);
	weir_batch_reader_end(reader);
	table_close(rel, NoLock);
	delete_victims(victims);
	weir_restore_identity(&identity);
	pfree(victims);
}

/* Rows that may be deleted, if nobody needs them. */
typedef struct Candidates
{
	Oid			relid;
	const char *column;			/* NULL: all rows; otherwise those in which this */
	Oid			type;			/* of that type is */
	Timestamp	limit;			/* less than this */
} Candidates;

/* As a query whose parameter is the limit. */
static char *
candidates_query(const Candidates *candidates)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT tableoid, ctid, xmin FROM %s",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(candidates->relid)),
												get_rel_name(candidates->relid)));
	if (candidates->column != NULL)
		appendStringInfo(&sql, " WHERE %s OPERATOR(pg_catalog.<) $1",
						 quote_identifier(candidates->column));
	return sql.data;
}

/*
 * They may be many that are needed, for as long as an aggregate is paused, before
 * one that is not: so they are read as far as it takes, not a certain number.
 */
static Portal
open_candidates(const Candidates *candidates)
{
	Oid			types[1] = {candidates->type};
	Datum		values[1] = {TimestampGetDatum(candidates->limit)};

	return SPI_cursor_open_with_args(NULL, candidates_query(candidates), 1,
									 types, values, NULL, true,
									 CURSOR_OPT_FAST_PLAN);
}

/* Of the rows just fetched, those that nobody needs; how many are these? */
static int
add_unneeded(Victims *victims, WeirBatch **pending, int npending, int max)
{
	SPITupleTable *found = SPI_tuptable;
	int			n = 0;

	for (uint64 i = 0; i < found->numvals && n < max; i++)
	{
		bool		is_null;
		Oid			leaf = DatumGetObjectId(SPI_getbinval(found->vals[i],
														  found->tupdesc, 1, &is_null));
		ItemPointer tid = DatumGetItemPointer(SPI_getbinval(found->vals[i],
															found->tupdesc, 2, &is_null));
		TransactionId xid = DatumGetTransactionId(SPI_getbinval(found->vals[i],
																found->tupdesc, 3, &is_null));

		if (is_pending(pending, npending, leaf, xid, tid))
			continue;
		add_victim(victims, leaf, tid);
		n++;
	}
	SPI_freetuptable(found);
	return n;
}

/*
 * Delete those that no cursor still needs; how many rows?
 */
static int
delete_candidates(const WeirStream *stream, List *cursors,
				  const Candidates *candidates)
{
	WeirBatch **pending = palloc(sizeof(WeirBatch *) * list_length(cursors));
	Victims    *victims = palloc(sizeof(Victims));
	Portal		portal;
	ListCell   *lc;
	int			npending = 0;
	int			n = 0;

	foreach(lc, cursors)
		pending[npending++] = weir_batch_unconsumed(stream,
													(WeirCursor *) lfirst(lc));

	victims->n = victims->ndeleted = 0;
	SPI_connect();
	portal = open_candidates(candidates);
	while (n < DELETE_ROWS)
	{
		CHECK_FOR_INTERRUPTS();
		weir_batch_breathe();
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		n += add_unneeded(victims, pending, npending, DELETE_ROWS - n);
	}
	SPI_cursor_close(portal);
	delete_victims(victims);
	SPI_finish();
	return victims->ndeleted;
}

/* Has every cursor read the history, so that the rest is in the log? */
static bool
have_begun(List *cursors)
{
	ListCell   *lc;

	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (cursor->in_history || cursor->low == 0)
			return false;
	}
	return cursors != NIL;
}

bool
weir_retention_delete_consumed(Oid relid, const char *column, Oid type,
							   Timestamp limit)
{
	Candidates	candidates = {relid, column, type, limit};
	WeirStream	stream;
	List	   *cursors;

	if (!weir_stream_lookup_id(weir_stream_of_leaf(relid), &stream) ||
		!weir_log_exists(stream.stream_id) ||
		!weir_cursor_lock_stream(stream.stream_id, false))
		return false;
	cursors = weir_cursor_list(stream.stream_id);
	return have_begun(cursors) &&
		delete_candidates(&stream, cursors, &candidates) >= DELETE_ROWS;
}

bool
weir_retention_run(const WeirStream *stream, List *cursors)
{
	Timestamp	watermark = DT_NOEND;
	Candidates	candidates = {0};
	WeirIdentity identity;
	ListCell   *lc;
	Oid			home;
	int			ndeleted;

	if (stream->retention_usec < 0)
		return false;
	home = weir_changes_home(stream->relid);
	if (!has_aggregates(stream))
		return OidIsValid(home) && weir_change_stream_trim(stream, home, NIL);
	if (!have_begun(cursors))
		return false;
	foreach(lc, cursors)
		watermark = Min(watermark, ((WeirCursor *) lfirst(lc))->watermark);
	if (OidIsValid(home))
		return weir_change_stream_trim(stream, home, cursors);
	if (weir_tick_consumer()->has_unstarted(stream->stream_id))
		return false;
	if (stream->retention_usec > 0 && TIMESTAMP_IS_NOBEGIN(watermark))
		return false;
	candidates.relid = stream->relid;
	candidates.type = stream->event_time_type;
	candidates.limit = watermark;
	if (stream->retention_usec > 0)
		candidates.column = get_attname(stream->relid, stream->event_time_attno,
										false);
	/* so long that no row can be that old */
	if (!TIMESTAMP_NOT_FINITE(watermark) &&
		(pg_sub_s64_overflow(watermark, stream->retention_usec, &candidates.limit) ||
		 candidates.limit < MIN_TIMESTAMP))
		return false;

	PushActiveSnapshot(GetTransactionSnapshot());
	weir_become_restricted(&identity, owner_of(stream->relid));
	ndeleted = delete_candidates(stream, cursors, &candidates);
	weir_restore_identity(&identity);
	PopActiveSnapshot();
	return ndeleted >= DELETE_ROWS;
}
