/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  The capture index access method: notes which rows a transaction
 *	  inserts, and logs them when it commits.
 *
 * The index stores nothing.  PostgreSQL calls aminsert for every row that
 * enters the heap by whatever road; it extends an in-memory list of TID runs.
 * At PRE_COMMIT (or PRE_PREPARE) the lists become log entries in the same
 * transaction, so an entry is visible when and only when the rows are.
 *
 * What this file deliberately does not do: it knows no cursor and no
 * consumer, and it does not read rows.
 *
 * Invariants:
 * 1. Buffers live as long as the transaction and are keyed by (table, file):
 *	  after TRUNCATE or a rewrite in the same transaction the table has a new
 *	  file.  At the flush those whose file is no longer the table's are
 *	  dropped (a rolled-back TRUNCATE makes the old file current again).
 * 2. Rows of rolled-back savepoints stay in the lists: visibility sorts them
 *	  out when the rows are read.  Every (sub)transaction id that inserted is
 *	  in the list of ids: with a TID it identifies the row, since TIDs may be
 *	  used again by others while the entry waits.
 * 3. The flush is complete: rows inserted after it, by other extensions'
 *	  PRE_COMMIT callbacks, are logged at once.
 * 4. Nothing is written before the flush, however long the list: the same
 *	  TID can come twice in a transaction and must not be in two entries.
 *
 * Locks: the log table, RowExclusiveLock, until the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/float.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "storage/debug_point.h"
#include "stream/capture.h"
#include "stream/log.h"
#include "stream/rewrite.h"
#include "stream/stream.h"
#include "types/window.h"
#include "weir.h"

#define INITIAL_RUNS	16
#define INITIAL_XIDS	4

/* More buffers than this are not looked through one by one. */
#define LISTED_BUFFERS	8

/* A list longer than this is normalised before it is made longer still. */
#define NORMALIZE_RUNS	(256 * 1024)

typedef struct BufferKey
{
	Oid			relid;
	Oid			filenode;
} BufferKey;

typedef struct CaptureBuffer
{
	BufferKey	key;
	int32		stream_id;		/* 0: no stream when the first row came */
	bool		has_event_time; /* the index is on the stream's event time */
	uint64		changes;		/* weir_leaf_changes then */
	int			nruns;
	int			maxruns;
	int			nxids;
	int			maxxids;
	TransactionId last_xid;		/* the one that was noted last */
	WeirTidRun *runs;
	TransactionId *xids;
	struct CaptureBuffer *next;
	WeirTidRun	first_runs[INITIAL_RUNS];	/* what runs points to at first */
	TransactionId first_xids[INITIAL_XIDS]; /* likewise */
} CaptureBuffer;

typedef struct BufferEntry
{
	BufferKey	key;			/* hash key */
	CaptureBuffer *buffer;
} BufferEntry;

/*
 * All in TopTransactionContext.  The table has the buffers of the list, and
 * exists only if there are many.
 */
static CaptureBuffer *buffers = NULL;
static int	nbuffers = 0;
static HTAB *buffer_table = NULL;

/*
 * What was forgotten in a subtransaction, to be known again should that be rolled
 * back.  In TopTransactionContext.
 */
typedef struct ForgottenRows
{
	CaptureBuffer *buffer;
	SubTransactionId subxact;
	int			nruns;
	int			nxids;
	WeirTidRun *runs;
	TransactionId *xids;
	struct ForgottenRows *next;
} ForgottenRows;

static ForgottenRows *forgotten = NULL;

/* Most transactions write to one table only. */
static CaptureBuffer first_buffer;

/*
 * The one that the last row went to, if that was of this subtransaction, whose
 * id has been noted, then, and has not been flushed.
 */
static CaptureBuffer *last_buffer = NULL;

static bool is_flushed = false; /* PRE_COMMIT has come and gone */
static bool has_rolled_back = false;	/* a subtransaction of this one */
static bool has_logged = false; /* this transaction wrote entries */

static const WeirCaptureHooks *capture_hooks = NULL;

PG_FUNCTION_INFO_V1(weir_capture_handler);

void
weir_capture_set_hooks(const WeirCaptureHooks *hooks)
{
	capture_hooks = hooks;
}

static void
enter_into_table(CaptureBuffer *buffer)
{
	BufferEntry *entry = hash_search(buffer_table, &buffer->key, HASH_ENTER, NULL);

	entry->buffer = buffer;
}

static void
make_table(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(BufferKey);
	ctl.entrysize = sizeof(BufferEntry);
	ctl.hcxt = TopTransactionContext;
	buffer_table = hash_create("weir capture buffers", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (CaptureBuffer *buffer = buffers; buffer; buffer = buffer->next)
		enter_into_table(buffer);
}

static CaptureBuffer *
find_buffer(Oid relid, Oid filenode)
{
	if (buffer_table)
	{
		BufferKey	key = {relid, filenode};
		BufferEntry *entry = hash_search(buffer_table, &key, HASH_FIND, NULL);

		return entry ? entry->buffer : NULL;
	}
	for (CaptureBuffer *buffer = buffers; buffer; buffer = buffer->next)
		if (buffer->key.relid == relid && buffer->key.filenode == filenode)
			return buffer;
	return NULL;
}

static CaptureBuffer *
make_buffer(Oid relid, Oid filenode)
{
	CaptureBuffer *buffer = buffers == NULL ? &first_buffer :
		MemoryContextAlloc(TopTransactionContext, sizeof(CaptureBuffer));

	buffer->key.relid = relid;
	buffer->key.filenode = filenode;
	/* remembered now, since a detached partition has lost its parent */
	buffer->stream_id = weir_leaf_look_up(relid, &buffer->has_event_time,
										  &buffer->changes);
	buffer->nruns = buffer->nxids = 0;
	buffer->maxruns = INITIAL_RUNS;
	buffer->maxxids = INITIAL_XIDS;
	buffer->last_xid = InvalidTransactionId;
	buffer->runs = buffer->first_runs;
	buffer->xids = buffer->first_xids;

	if (nbuffers == LISTED_BUFFERS)
		make_table();
	buffer->next = buffers;
	buffers = buffer;
	nbuffers++;
	if (buffer_table)
		enter_into_table(buffer);
	return buffer;
}

/*
 * The buffer for a table and its present file, made if it is new.
 */
static CaptureBuffer *
buffer_for(Oid relid, Oid filenode)
{
	CaptureBuffer *buffer = find_buffer(relid, filenode);

	return buffer ? buffer : make_buffer(relid, filenode);
}

/* More room for a list, which is part of its buffer at first. */
static void *
enlarge(void *list, const void *first, Size old_size, Size new_size)
{
	void	   *result;

	if (list != first)
		return repalloc_huge(list, new_size);
	result = MemoryContextAllocHuge(TopTransactionContext, new_size);
	memcpy(result, list, old_size);
	return result;
}

static void
note_xid(CaptureBuffer *buffer, TransactionId xid)
{
	if (buffer->nxids == buffer->maxxids)
	{
		buffer->nxids = weir_xids_normalize(buffer->xids, buffer->nxids);
		if (buffer->nxids > buffer->maxxids / 2)
		{
			Size		size = sizeof(TransactionId) * buffer->maxxids;

			buffer->xids = enlarge(buffer->xids, buffer->first_xids, size, 2 * size);
			buffer->maxxids *= 2;
		}
	}
	buffer->xids[buffer->nxids++] = xid;
	buffer->last_xid = xid;
}

/* The same, for a row of this subtransaction. */
static CaptureBuffer *
go_to_buffer(Oid relid, Oid filenode)
{
	CaptureBuffer *buffer = buffer_for(relid, filenode);
	TransactionId xid = GetCurrentTransactionId();

	if (xid != buffer->last_xid)
		note_xid(buffer, xid);
	return buffer;
}

static void
start_run(CaptureBuffer *buffer, BlockNumber block, OffsetNumber offset)
{
	WeirTidRun *run;

	if (buffer->nruns == buffer->maxruns)
	{
		if (buffer->nruns >= NORMALIZE_RUNS)
			buffer->nruns = weir_tidrun_normalize(buffer->runs, buffer->nruns);
		if (buffer->nruns > buffer->maxruns / 2)
		{
			Size		size = sizeof(WeirTidRun) * buffer->maxruns;

			buffer->runs = enlarge(buffer->runs, buffer->first_runs, size, 2 * size);
			buffer->maxruns *= 2;
		}
	}
	run = &buffer->runs[buffer->nruns++];
	run->block = block;
	run->first = run->last = offset;
}

/*
 * Has anything changed since the first row that this very transaction can have
 * done?  Others cannot have, since we hold a lock on the table (see lock_table).
 */
static bool
has_changes(const CaptureBuffer *buffer)
{
	return buffer->changes != weir_leaf_changes();
}

/* Is the file still the table's: not dropped, truncated or rewritten? */
static bool
is_current_file(const CaptureBuffer *buffer)
{
	HeapTuple	tuple;
	bool		result;

	if (!has_changes(buffer))
		return true;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(buffer->key.relid));
	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode == buffer->key.filenode;
	ReleaseSysCache(tuple);
	return result;
}

static void
note_row(CaptureBuffer *buffer, BlockNumber block, OffsetNumber offset)
{
	WeirTidRun *run = buffer->nruns > 0 ? &buffer->runs[buffer->nruns - 1] : NULL;

	if (likely(run && run->block == block && run->last + 1 == offset))
		run->last = offset;
	else if (run == NULL || run->block != block || run->last != offset)
		start_run(buffer, block, offset);
}

/*
 * The stream whose log is to be written; false if there is none.  The table
 * may have become one since the first row.  Or this transaction has dropped the
 * stream, the extension, or rolled the making of the stream back.
 */
static bool
find_stream(CaptureBuffer *buffer)
{
	if (buffer->stream_id != 0 &&
		(!has_changes(buffer) || weir_log_exists(buffer->stream_id)))
		return true;
	if (!OidIsValid(get_namespace_oid(WEIR_SCHEMA, true)))
		return false;
	buffer->stream_id = weir_stream_of_leaf(buffer->key.relid);
	return buffer->stream_id != 0 && weir_log_exists(buffer->stream_id);
}

/*
 * Is the table locked as by whoever inserts, so that it keeps its file until we
 * have ended?  The lock goes with a subtransaction that is rolled back, and an
 * entry that names a file of before would not be found again.  So it is taken
 * anew; where others are in the way all rows are rolled-back ones.
 */
static bool
lock_table(const CaptureBuffer *buffer)
{
	LOCKTAG		tag;

	if (!has_rolled_back)
		return true;
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, buffer->key.relid);
	for (LOCKMODE mode = RowExclusiveLock; mode <= AccessExclusiveLock; mode++)
		if (WeirLockHeldByMe(&tag, mode))
			return true;
	return ConditionalLockRelationOid(buffer->key.relid, RowExclusiveLock);
}

/*
 * Write one buffer's entries and empty it.  Rows of a table that is not a
 * stream (yet, or any more) are nobody's business: the rows that a new stream
 * finds are its history.
 */
static void
flush_buffer(CaptureBuffer *buffer, TimestampTz now)
{
	if (buffer->nruns == 0)
		return;
	if (lock_table(buffer) && is_current_file(buffer) && find_stream(buffer))
	{
		buffer->nruns = weir_tidrun_normalize(buffer->runs, buffer->nruns);
		buffer->nxids = weir_xids_normalize(buffer->xids, buffer->nxids);
		WEIR_DEBUG_POINT("flush_begin");

		/*
		 * A stream fresh from a dump has no log yet: what is inserted until
		 * it is revived is its history, like all that came from the dump.
		 */
		if (weir_log_write(buffer->stream_id, buffer->key.relid,
						   buffer->key.filenode, GetTopFullTransactionId(),
						   now, buffer->runs, buffer->nruns,
						   buffer->xids, buffer->nxids))
			has_logged = true;
		WEIR_DEBUG_POINT("flush_end");
	}
	buffer->nruns = buffer->nxids = 0;
	buffer->last_xid = InvalidTransactionId;
	last_buffer = NULL;
}

static void
flush_all(void)
{
	if (buffers)
	{
		TimestampTz now = GetCurrentTimestamp();

		for (CaptureBuffer *buffer = buffers; buffer; buffer = buffer->next)
			flush_buffer(buffer, now);
		if (has_logged && capture_hooks)
			capture_hooks->flushed(now);
	}
	is_flushed = true;
}

/* Invariant 3. */
static pg_noinline void
flush_late(CaptureBuffer *buffer)
{
	TimestampTz now = GetCurrentTimestamp();

	flush_buffer(buffer, now);
	if (has_logged && capture_hooks)
		capture_hooks->flushed(now);
}

/* They go with the transaction's memory. */
static void
forget_all(void)
{
	buffers = last_buffer = NULL;
	forgotten = NULL;
	nbuffers = 0;
	buffer_table = NULL;
	is_flushed = has_logged = has_rolled_back = false;
}

static void
capture_xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			flush_all();
			break;
		case XACT_EVENT_COMMIT:
			if (has_logged && capture_hooks)
				capture_hooks->committed();
			forget_all();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_all();
			break;
		default:
			break;
	}
}

static void
append_rows(CaptureBuffer *buffer, const WeirTidRun *runs, int nruns,
			const TransactionId *xids, int nxids)
{
	for (int i = 0; i < nxids; i++)
		note_xid(buffer, xids[i]);
	for (int i = 0; i < nruns; i++)
	{
		start_run(buffer, runs[i].block, runs[i].first);
		buffer->runs[buffer->nruns - 1].last = runs[i].last;
	}
	last_buffer = NULL;
}

static void
remember_forgotten(SubTransactionId subxact)
{
	ForgottenRows **link = &forgotten;

	while (*link != NULL)
	{
		ForgottenRows *rows = *link;

		if (rows->subxact != subxact)
		{
			link = &rows->next;
			continue;
		}
		append_rows(rows->buffer, rows->runs, rows->nruns, rows->xids, rows->nxids);
		*link = rows->next;
	}
}

static void
capture_subxact_callback(SubXactEvent event, SubTransactionId subxact,
						 SubTransactionId parent, void *arg)
{
	last_buffer = NULL;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		has_rolled_back = true;
		remember_forgotten(subxact);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (ForgottenRows *rows = forgotten; rows; rows = rows->next)
			if (rows->subxact == subxact)
				rows->subxact = parent;
	}
}

bool
weir_capture_take(Oid relid, Oid filenode, int32 *stream_id,
				  WeirTidRun **runs, int *nruns,
				  TransactionId **xids, int *nxids)
{
	CaptureBuffer *buffer = find_buffer(relid, filenode);

	if (buffer == NULL || buffer->nruns == 0)
		return false;
	buffer->nruns = weir_tidrun_normalize(buffer->runs, buffer->nruns);
	buffer->nxids = weir_xids_normalize(buffer->xids, buffer->nxids);

	/*
	 * It stays where it is: if the rewrite is rolled back to a savepoint, the
	 * old file is the table's again.
	 */
	*stream_id = buffer->stream_id != 0 ? buffer->stream_id :
		weir_stream_of_leaf(relid);
	*runs = buffer->runs;
	*nruns = buffer->nruns;
	*xids = buffer->xids;
	*nxids = buffer->nxids;
	return true;
}

void
weir_capture_replace(Oid relid, Oid filenode, int32 stream_id,
					 const WeirTidRun *runs, int nruns,
					 const TransactionId *xids, int nxids)
{
	CaptureBuffer *buffer = buffer_for(relid, filenode);

	buffer->stream_id = stream_id;
	buffer->changes = PG_UINT64_MAX;	/* it has been known for long */
	append_rows(buffer, runs, nruns, xids, nxids);
}

/* Would it be written to the log of the stream? */
static bool
is_for_stream(CaptureBuffer *buffer, int32 stream_id)
{
	return buffer->nruns > 0 && is_current_file(buffer) &&
		find_stream(buffer) && buffer->stream_id == stream_id;
}

void
weir_capture_visit(int32 stream_id, WeirCaptureVisitor visit, void *arg)
{
	for (CaptureBuffer *buffer = buffers; buffer; buffer = buffer->next)
	{
		WeirLogEntry entry = {0};

		if (!is_for_stream(buffer, stream_id))
			continue;
		buffer->nruns = weir_tidrun_normalize(buffer->runs, buffer->nruns);
		buffer->nxids = weir_xids_normalize(buffer->xids, buffer->nxids);
		entry.leaf = buffer->key.relid;
		entry.filenode = buffer->key.filenode;
		entry.xid = GetTopFullTransactionId();
		entry.xids = buffer->xids;
		entry.nxids = buffer->nxids;
		entry.runs = buffer->runs;
		entry.nruns = buffer->nruns;
		visit(&entry, arg);
	}
}

/* In case the subtransaction is rolled back. */
static void
put_aside(CaptureBuffer *buffer)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	ForgottenRows *rows = palloc(sizeof(ForgottenRows));

	rows->buffer = buffer;
	rows->subxact = GetCurrentSubTransactionId();
	rows->nruns = weir_tidrun_normalize(buffer->runs, buffer->nruns);
	rows->nxids = weir_xids_normalize(buffer->xids, buffer->nxids);
	rows->runs = MemoryContextAllocHuge(TopTransactionContext,
										sizeof(WeirTidRun) * rows->nruns);
	memcpy(rows->runs, buffer->runs, sizeof(WeirTidRun) * rows->nruns);
	rows->xids = MemoryContextAllocHuge(TopTransactionContext,
										sizeof(TransactionId) * rows->nxids);
	memcpy(rows->xids, buffer->xids, sizeof(TransactionId) * rows->nxids);
	rows->next = forgotten;
	forgotten = rows;
	MemoryContextSwitchTo(old);
}

void
weir_capture_forget(int32 stream_id)
{
	for (CaptureBuffer *buffer = buffers; buffer; buffer = buffer->next)
	{
		if (!is_for_stream(buffer, stream_id))
			continue;
		if (GetCurrentTransactionNestLevel() > 1)
			put_aside(buffer);
		buffer->nruns = buffer->nxids = 0;
		buffer->last_xid = InvalidTransactionId;
	}
	last_buffer = NULL;
}

void
weir_capture_move(Oid relid, Oid filenode)
{
	List	   *others = NIL;
	ListCell   *lc;

	for (CaptureBuffer *buffer = buffers; buffer; buffer = buffer->next)
		if (buffer->key.relid == relid && buffer->key.filenode != filenode &&
			buffer->nruns > 0)
			others = lappend_oid(others, buffer->key.filenode);
	foreach(lc, others)
	{
		WeirTidRun *runs;
		TransactionId *xids;
		int32		stream_id;
		int			nruns;
		int			nxids;

		if (weir_capture_take(relid, lfirst_oid(lc), &stream_id,
							  &runs, &nruns, &xids, &nxids))
			weir_capture_replace(relid, filenode, stream_id,
								 runs, nruns, xids, nxids);
	}
}

/*
 * No window has a row whose event time is infinite, and one whose bounds are
 * not in the range of the type cannot be either: one such row, and no aggregate
 * with windows could go on.
 */
static void
refuse_event_time(Relation heap, IndexInfo *index_info, bool is_null,
				  Timestamp event_time)
{
	const char *column = NameStr(TupleDescAttr(RelationGetDescr(heap),
											   index_info->ii_IndexAttrNumbers[0] - 1)->attname);

	/* the column can lose its NOT NULL */
	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("event time \"%s\" of stream \"%s\" must not be null",
						column, RelationGetRelationName(heap)),
				 errtablecol(heap, index_info->ii_IndexAttrNumbers[0])));
	if (TIMESTAMP_NOT_FINITE(event_time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("event time \"%s\" of stream \"%s\" must be finite",
						column, RelationGetRelationName(heap)),
				 errdetail("No window has a row whose event time is infinite."),
				 errhint("Leave such rows out, or give them the time of their arrival.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("event time \"%s\" of stream \"%s\" is out of range",
					column, RelationGetRelationName(heap)),
			 errdetail("Less than %d years from the end of the range of its type there is no room for windows.",
					   WEIR_EVENT_TIME_MARGIN_YEARS),
			 errhint("Leave such rows out, or give them the time of their arrival.")));
}

/* Note a row, whatever came before. */
static pg_noinline void
note_any_row(Relation heap, Datum *values, bool *isnull, ItemPointer tid,
			 IndexInfo *index_info)
{
	CaptureBuffer *buffer = go_to_buffer(RelationGetRelid(heap),
										 WeirRelFileNumber(heap));

	if (buffer->has_event_time &&
		(isnull[0] || !weir_is_event_time(DatumGetTimestamp(values[0]))))
		refuse_event_time(heap, index_info, isnull[0],
						  DatumGetTimestamp(values[0]));
	note_row(buffer, ItemPointerGetBlockNumber(tid),
			 ItemPointerGetOffsetNumber(tid));
	last_buffer = buffer;
	if (is_flushed)
		flush_late(buffer);
}

/*
 * Note one row.  Called for every row inserted: mostly it is next to the one
 * before, of the same table and subtransaction.
 */
static bool
capture_insert(Relation index, Datum *values, bool *isnull,
			   ItemPointer heap_tid, Relation heap,
			   IndexUniqueCheck check_unique, bool index_unchanged,
			   IndexInfo *index_info)
{
	CaptureBuffer *buffer = last_buffer;

	/* validation of CREATE INDEX CONCURRENTLY: old rows, not new ones */
	if (index_info->ii_Concurrent)
		return false;

	if (likely(buffer && buffer->key.relid == RelationGetRelid(heap) &&
			   buffer->key.filenode == WeirRelFileNumber(heap) &&
			   (!buffer->has_event_time ||
				(!isnull[0] && weir_is_event_time(DatumGetTimestamp(values[0]))))))
	{
		WeirTidRun *run = &buffer->runs[buffer->nruns - 1];

		if (likely(run->block == ItemPointerGetBlockNumber(heap_tid) &&
				   run->last + 1 == ItemPointerGetOffsetNumber(heap_tid)))
		{
			run->last++;
			return false;
		}
	}
	note_any_row(heap, values, isnull, heap_tid, index_info);
	return false;
}

/*
 * What ALTER TABLE can do to a stream, too, and would do it no good.
 */
static void
check_heap(Relation heap, AttrNumber column)
{
	AttrNumber	first_column;
	bool		valid;
	Oid			type;

	if (heap->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" does not support temporary tables",
						WEIR_CAPTURE_AM)));
	if (heap->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" supports tables of access method \"heap\" only",
						WEIR_CAPTURE_AM)));
	if (OidIsValid(weir_stream_capture_index(heap, &first_column, &valid)) &&
		first_column != column)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table \"%s\" has a capture index on another column",
						RelationGetRelationName(heap)),
				 errdetail("The column of a capture index is the event time.")));
	type = TupleDescAttr(RelationGetDescr(heap), column - 1)->atttypid;
	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID &&
		weir_leaf_has_event_time(RelationGetRelid(heap)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("event-time column \"%s\" must be of type timestamp with time zone or timestamp",
						NameStr(TupleDescAttr(RelationGetDescr(heap), column - 1)->attname))));
}

/*
 * A build comes with CREATE INDEX, where there is nothing to do, with
 * REINDEX, the same, and with whatever gives the table a new file.
 */
static IndexBuildResult *
capture_build(Relation heap, Relation index, IndexInfo *index_info)
{
	if (index_info->ii_Expressions != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" does not support expressions",
						WEIR_CAPTURE_AM)));
	if (index_info->ii_Predicate != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" does not support partial indexes",
						WEIR_CAPTURE_AM)));
	check_heap(heap, index_info->ii_IndexAttrNumbers[0]);
	if (!IsBinaryUpgrade)
		weir_rewrite_follow(heap, index);
	return palloc0(sizeof(IndexBuildResult));
}

static void
capture_build_empty(Relation index)
{
}

static IndexBulkDeleteResult *
capture_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
					IndexBulkDeleteCallback callback, void *callback_state)
{
	return stats ? stats : palloc0(sizeof(IndexBulkDeleteResult));
}

static IndexBulkDeleteResult *
capture_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	return stats ? stats : palloc0(sizeof(IndexBulkDeleteResult));
}

static void
capture_cost_estimate(struct PlannerInfo *root, struct IndexPath *path,
					  double loop_count, Cost *startup_cost, Cost *total_cost,
					  Selectivity *selectivity, double *correlation,
					  double *pages)
{
	*startup_cost = *total_cost = get_float8_infinity();
	*selectivity = 1.0;
	*correlation = 0.0;
	*pages = 0.0;
}

static bytea *
capture_options(Datum reloptions, bool validate)
{
	return NULL;
}

static bool
capture_validate(Oid opclass)
{
	return true;
}

static IndexScanDesc
capture_begin_scan(Relation index, int nkeys, int norderbys)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("index \"%s\" cannot be scanned",
					RelationGetRelationName(index)),
			 errdetail("An index of access method \"%s\" holds no entries.",
					   WEIR_CAPTURE_AM)));
	return NULL;
}

static void
capture_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
			   ScanKey orderbys, int norderbys)
{
}

static void
capture_end_scan(IndexScanDesc scan)
{
}

static int64
capture_get_bitmap(IndexScanDesc scan, TIDBitmap *tbm)
{
	return 0;
}

Datum
weir_capture_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amsupport = 1;
	am->amoptionalkey = true;
	am->ampredlocks = true;
	am->amkeytype = InvalidOid;

	am->ambuild = capture_build;
	am->ambuildempty = capture_build_empty;
	am->aminsert = capture_insert;
	am->ambulkdelete = capture_bulk_delete;
	am->amvacuumcleanup = capture_vacuum_cleanup;
	am->amcostestimate = capture_cost_estimate;
	am->amoptions = capture_options;
	am->amvalidate = capture_validate;
	am->ambeginscan = capture_begin_scan;
	am->amrescan = capture_rescan;
	am->amendscan = capture_end_scan;
	am->amgetbitmap = capture_get_bitmap;

	PG_RETURN_POINTER(am);
}

void
weir_capture_init(void)
{
	RegisterXactCallback(capture_xact_callback, NULL);
	RegisterSubXactCallback(capture_subxact_callback, NULL);
}
