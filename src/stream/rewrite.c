/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *	  A stream's table gets a new file: TRUNCATE, VACUUM FULL, CLUSTER,
 *	  ALTER TABLE that rewrites, ALTER TABLE SET TABLESPACE.
 *
 * Log entries name rows by file and TID.  When PostgreSQL builds the capture
 * index anew, the table may have another file than the entries say:
 *
 * - It is empty: TRUNCATE.  Rows that were not consumed are gone, as if
 *	 deleted; their entries are superseded.
 * - Rows have moved.  The old file is still there, as that of the server's
 *	 transient table pg_temp_<oid>.  For every transaction with entries that
 *	 are not consumed, its rows are counted in the old file (by TID and raw
 *	 xmin) and in the new one (by raw xmin, which survives freezing).  Equal
 *	 counts say that xmin identifies them: an entry for the new file, with the
 *	 old transaction id, takes the place of the old ones.  Other counts refuse
 *	 the command.  So it is when xmin has been used for other rows in the
 *	 meantime, and for ALTER TABLE, which gives every row a new xmin.
 * - What this transaction itself has inserted and not logged yet is treated
 *	 the same way.
 *
 * SET TABLESPACE copies the file as it is and builds no index; an event
 * trigger tells us (weir_rewrite_moved).
 *
 * The rows need not be of the stream that the table belongs to: those that
 * waited when it was detached from a stream still do.  So the logs of all
 * partitioned streams are asked.  Nor do the columns that these rows are read by
 * change while they wait.
 *
 * Whoever gives a table a new file holds its ACCESS EXCLUSIVE lock, so that
 * no other transaction has rows in it that are not committed, and no tick is
 * consuming any: what the latest snapshot sees of the log, and this
 * transaction's own buffers, is all there is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "storage/debug_point.h"
#include "stream/capture.h"
#include "stream/cursor.h"
#include "stream/log.h"
#include "stream/rewrite.h"
#include "stream/stream.h"
#include "weir.h"

/* The rows of one transaction that have to be found again. */
typedef struct Moved
{
	int32		stream_id;		/* whose log they are in, or will be */
	FullTransactionId xid;		/* invalid: this transaction, not logged yet */
	TransactionId *xids;
	int			nxids;
	int64		old_rows;
	int64		new_rows;
	WeirTidRun *runs;			/* in the new file */
	int			nruns;
	int			maxruns;
} Moved;

typedef struct XidEntry
{
	TransactionId xid;			/* hash key */
	int			moved;			/* index */
} XidEntry;

typedef struct TopXidEntry
{
	FullTransactionId xid;		/* hash key */
	int			moved;			/* index */
} TopXidEntry;

typedef struct Translation
{
	Relation	heap;			/* with its new file */
	Relation	old;			/* the transient table, with the old file */
	int32		stream_id;		/* whose rows are being collected */
	Moved	   *moved;
	int			nmoved;
	int			maxmoved;
	HTAB	   *by_xid;
	HTAB	   *by_top_xid;
} Translation;

/* The table may be a partition of the stream, or have been one. */
static void
refuse(Relation heap, int32 stream_id, const char *detail)
{
	WeirStream	stream;

	if (!weir_stream_lookup_id(stream_id, &stream))
		elog(ERROR, "stream %d is not there", stream_id);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 stream.relid == RelationGetRelid(heap) ?
			 errmsg("cannot rewrite stream \"%s\" now",
					RelationGetRelationName(heap)) :
			 errmsg("cannot rewrite table \"%s\" with rows of stream \"%s\" now",
					RelationGetRelationName(heap), get_rel_name(stream.relid)),
			 errdetail_internal("%s", detail),
			 errhint("Run CALL weir.drain('%s') first, and try again.",
					 get_rel_name(stream.relid))));
}

/* ----------------------------------------------------------------
 *		Finding rows again
 * ----------------------------------------------------------------
 */

/* The record for a transaction, made if it is new. */
static Moved *
moved_by(Translation *t, FullTransactionId xid,
		 const TransactionId *xids, int nxids)
{
	Moved	   *moved;
	TopXidEntry *top;
	bool		found;

	top = hash_search(t->by_top_xid, &xid, HASH_ENTER, &found);
	if (found)
	{
		if (t->moved[top->moved].stream_id != t->stream_id)
			refuse(t->heap, t->stream_id,
				   "A transaction has inserted rows of two streams.");
		return &t->moved[top->moved];
	}
	top->moved = t->nmoved;
	if (t->nmoved == t->maxmoved)
	{
		t->maxmoved = Max(16, t->maxmoved * 2);
		t->moved = t->moved ?
			repalloc_huge(t->moved, sizeof(Moved) * t->maxmoved) :
			palloc(sizeof(Moved) * t->maxmoved);
	}
	moved = &t->moved[t->nmoved];
	memset(moved, 0, sizeof(Moved));
	moved->stream_id = t->stream_id;
	moved->xid = xid;
	moved->nxids = nxids;
	moved->xids = palloc(sizeof(TransactionId) * nxids);
	memcpy(moved->xids, xids, sizeof(TransactionId) * nxids);
	for (int i = 0; i < nxids; i++)
	{
		XidEntry   *entry = hash_search(t->by_xid, &xids[i], HASH_ENTER, &found);

		if (found)
			refuse(t->heap, t->stream_id,
				   "A transaction id stands for two transactions.");
		entry->moved = t->nmoved;
	}
	t->nmoved++;
	return moved;
}

/* Count the rows that the runs name in the old file. */
static void
count_old(Translation *t, Moved *moved, const WeirTidRun *runs, int nruns)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(t->old);

	for (int i = 0; i < nruns; i++)
	{
		Buffer		buffer;
		Page		page;
		OffsetNumber last;

		CHECK_FOR_INTERRUPTS();
		if (runs[i].block >= nblocks)
			continue;
		buffer = ReadBuffer(t->old, runs[i].block);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		last = Min(runs[i].last, PageGetMaxOffsetNumber(page));
		for (OffsetNumber offset = runs[i].first; offset <= last; offset++)
		{
			ItemId		item = PageGetItemId(page, offset);
			HeapTupleData tuple;

			if (!ItemIdIsNormal(item))
				continue;
			tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
			tuple.t_len = ItemIdGetLength(item);
			tuple.t_tableOid = RelationGetRelid(t->old);
			ItemPointerSet(&tuple.t_self, runs[i].block, offset);
			if (weir_xids_contain(moved->xids, moved->nxids,
								  HeapTupleHeaderGetRawXmin(tuple.t_data)) &&
				HeapTupleSatisfiesVisibility(&tuple, SnapshotSelf, buffer))
				moved->old_rows++;
		}
		UnlockReleaseBuffer(buffer);
	}
}

static void
add_new_row(Moved *moved, const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	WeirTidRun *run;

	moved->new_rows++;
	if (moved->nruns > 0)
	{
		run = &moved->runs[moved->nruns - 1];
		if (run->block == block && run->last + 1 == offset)
		{
			run->last = offset;
			return;
		}
	}
	if (moved->nruns == moved->maxruns)
	{
		moved->maxruns = Max(16, moved->maxruns * 2);
		moved->runs = moved->runs ?
			repalloc_huge(moved->runs, sizeof(WeirTidRun) * moved->maxruns) :
			palloc(sizeof(WeirTidRun) * moved->maxruns);
	}
	run = &moved->runs[moved->nruns++];
	run->block = block;
	run->first = run->last = offset;
}

/* Find in the new file the rows of all those transactions. */
static void
find_new(Translation *t)
{
	TableScanDesc scan = table_beginscan(t->heap, SnapshotSelf, 0, NULL);
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		TransactionId xid = HeapTupleHeaderGetRawXmin(tuple->t_data);
		XidEntry   *entry = hash_search(t->by_xid, &xid, HASH_FIND, NULL);

		if (entry)
			add_new_row(&t->moved[entry->moved], &tuple->t_self);
	}
	table_endscan(scan);
}

static void
begin_translation(Translation *t, Relation heap, Oid old)
{
	HASHCTL		ctl = {0};

	memset(t, 0, sizeof(Translation));
	t->heap = heap;
	t->old = table_open(old, AccessShareLock);
	ctl.keysize = sizeof(TransactionId);
	ctl.entrysize = sizeof(XidEntry);
	ctl.hcxt = CurrentMemoryContext;
	t->by_xid = hash_create("weir moved rows", 256, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.keysize = sizeof(FullTransactionId);
	ctl.entrysize = sizeof(TopXidEntry);
	t->by_top_xid = hash_create("weir moved transactions", 256, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * The old entries have been collected: find the rows in the new file and log
 * them there.
 */
static void
finish_translation(Translation *t)
{
	Oid			relid = RelationGetRelid(t->heap);
	Oid			filenode = WeirRelFileNumber(t->heap);

	if (t->nmoved > 0)
		find_new(t);
	for (int i = 0; i < t->nmoved; i++)
	{
		Moved	   *moved = &t->moved[i];

		if (moved->old_rows != moved->new_rows)
			refuse(t->heap, moved->stream_id,
				   "Rows of it that have not been consumed cannot be followed to their new places.");
		if (moved->nruns == 0)
			continue;
		if (FullTransactionIdIsValid(moved->xid))
			(void) weir_log_write(moved->stream_id, relid, filenode, moved->xid,
								  GetCurrentTimestamp(), moved->runs, moved->nruns,
								  moved->xids, moved->nxids);
		else
			weir_capture_replace(relid, filenode, moved->stream_id,
								 moved->runs, moved->nruns,
								 moved->xids, moved->nxids);
	}
	table_close(t->old, NoLock);
}

/* ----------------------------------------------------------------
 *		What is to be followed
 * ----------------------------------------------------------------
 */

/*
 * While a table is rewritten its old file belongs to a transient table, under
 * a name that the server makes up.
 */
static Oid
transient_table(Relation heap)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "pg_temp_%u", RelationGetRelid(heap));
	return get_relname_relid(name, RelationGetNamespace(heap));
}

/*
 * Does some cursor still need the entry?  A cursor that is half through an
 * interval with it has its place in the log.  It may have passed the entry, and
 * would meet the successor, and count the rows twice; or the successor, which
 * goes where there is room, might stand where it has been, and never be met.
 * Then the rewrite has to wait.
 */
static bool
is_needed(Relation heap, int32 stream_id, List *cursors,
		  const WeirLogEntry *entry)
{
	bool		needed = false;
	bool		half_way = false;
	ListCell   *lc;

	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (!weir_cursor_has_consumed(cursor, entry))
			needed = true;
		if (cursor->low != 0 && cursor->high != 0 &&
			!weir_snapshot_sees(cursor->low, entry->xid) &&
			weir_snapshot_sees(cursor->high, entry->xid))
			half_way = true;
	}
	if (needed && half_way)
		refuse(heap, stream_id, "A large transaction, or a backlog, is being consumed.");
	return needed;
}

/*
 * All transactions with entries for that file that somebody needs must be
 * needed as a whole: rows of one that are consumed cannot be told from those
 * that are not.
 */
static void
collect_entries(Translation *t, List *cursors)
{
	Oid			relid = RelationGetRelid(t->heap);
	Oid			filenode = WeirRelFileNumber(t->heap);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	WeirLogScan *scan = weir_log_begin(t->stream_id, snapshot, (Datum) 0, NULL, false);
	WeirLogEntry *entry;

	while ((entry = weir_log_next(scan)) != NULL)
	{
		Moved	   *moved;

		if (entry->leaf != relid || entry->filenode == filenode ||
			weir_log_is_superseded(t->stream_id, relid, entry->filenode, NULL) ||
			!is_needed(t->heap, t->stream_id, cursors, entry))
			continue;
		moved = moved_by(t, entry->xid, entry->xids, entry->nxids);
		count_old(t, moved, entry->runs, entry->nruns);
	}
	weir_log_end(scan);
	UnregisterSnapshot(snapshot);
}

static void
collect_own(Translation *t)
{
	WeirTidRun *runs;
	TransactionId *xids;
	int			nruns;
	int			nxids;

	if (!weir_capture_take(RelationGetRelid(t->heap),
						   WeirRelFileNumber(t->old), &t->stream_id,
						   &runs, &nruns, &xids, &nxids) ||
		t->stream_id == 0)
		return;
	count_old(t, moved_by(t, InvalidFullTransactionId, xids, nxids),
			  runs, nruns);
}

/* Is history being read, block by block? */
static bool
history_is_under_way(List *cursors)
{
	ListCell   *lc;

	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (cursor->in_history && cursor->low != 0)
			return true;
	}
	return false;
}

/*
 * Entries for other files than the present one lead nowhere any more.
 */
static void
supersede_others(int32 stream_id, Relation heap)
{
	Oid			relid = RelationGetRelid(heap);
	Oid			filenode = WeirRelFileNumber(heap);
	Oid			last = InvalidOid;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	WeirLogScan *scan = weir_log_begin(stream_id, snapshot, (Datum) 0, NULL, true);
	WeirLogEntry *entry;

	while ((entry = weir_log_next(scan)) != NULL)
	{
		if (entry->leaf != relid || entry->filenode == filenode ||
			entry->filenode == last)
			continue;
		last = entry->filenode;
		weir_log_supersede(stream_id, relid, last);
	}
	weir_log_end(scan);
	UnregisterSnapshot(snapshot);
}

/* Does the log of the stream name rows of the table in another file? */
static bool
has_entries(int32 stream_id, Relation heap)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	WeirLogScan *scan = weir_log_begin(stream_id, snapshot, (Datum) 0, NULL, true);
	WeirLogEntry *entry;
	bool		found = false;

	while (!found && (entry = weir_log_next(scan)) != NULL)
		found = entry->leaf == RelationGetRelid(heap) &&
			entry->filenode != WeirRelFileNumber(heap);
	weir_log_end(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * The stream that this partitioned table is, locked against being dropped, if
 * the heap was a partition of it, so that rows of it may wait in the stream's
 * log; else 0.  A heap that belongs to no stream now most likely was one, and
 * is worth waiting for the lock; others are not.
 */
static int32
stream_left_by(Relation heap, Oid parent, bool wait)
{
	int32		stream_id;

	if (wait)
		LockRelationOid(parent, AccessShareLock);
	else if (!ConditionalLockRelationOid(parent, AccessShareLock))
		return 0;
	stream_id = weir_stream_of_leaf(parent);
	if (stream_id != 0 && weir_log_exists(stream_id) &&
		has_entries(stream_id, heap))
		return stream_id;
	UnlockRelationOid(parent, AccessShareLock);
	return 0;
}

/*
 * The streams in whose logs rows of the table may wait: the one that it
 * belongs to, and such as it has been a partition of.
 */
static List *
streams_with_rows(Relation heap)
{
	int32		own = weir_stream_of_leaf(RelationGetRelid(heap));
	List	   *result = NIL;
	ListCell   *lc;

	/* what is not a stream yet has nothing to lose */
	if (own != 0 && weir_log_exists(own))
		result = lappend_int(result, own);
	foreach(lc, weir_stream_tables())
	{
		Oid			parent = lfirst_oid(lc);
		int32		left = 0;

		if (get_rel_relkind(parent) == RELKIND_PARTITIONED_TABLE &&
			weir_stream_of_leaf(parent) != own)
			left = stream_left_by(heap, parent, own == 0);
		if (left != 0)
			result = lappend_int(result, left);
	}
	return result;
}

/* The rows have moved from the file of the old table to that of the heap. */
static void
translate(Relation heap, Oid old, List *streams)
{
	int32		own = weir_stream_of_leaf(RelationGetRelid(heap));
	Translation translation;
	ListCell   *lc;

	WEIR_DEBUG_POINT("rewrite_begin");
	begin_translation(&translation, heap, old);
	foreach(lc, streams)
	{
		List	   *cursors = weir_cursor_list(lfirst_int(lc));

		if (lfirst_int(lc) == own && history_is_under_way(cursors))
			refuse(heap, own, "Its first rows are being read.");
		translation.stream_id = lfirst_int(lc);
		collect_entries(&translation, cursors);
	}
	collect_own(&translation);
	foreach(lc, streams)
		supersede_others(lfirst_int(lc), heap);
	WEIR_DEBUG_POINT("rewrite_superseded");
	finish_translation(&translation);
	WEIR_DEBUG_POINT("rewrite_end");
}

void
weir_rewrite_follow(Relation heap, Relation index)
{
	Oid			old = transient_table(heap);
	MemoryContext context;
	MemoryContext outer;
	List	   *streams;
	ListCell   *lc;

	if (!OidIsValid(old) &&
		(index->rd_createSubid != InvalidSubTransactionId ||
		 RelationGetNumberOfBlocks(heap) > 0))
		return;					/* CREATE INDEX, REINDEX */
	context = AllocSetContextCreate(CurrentMemoryContext, "weir rewrite",
									ALLOCSET_DEFAULT_SIZES);
	outer = MemoryContextSwitchTo(context);
	streams = streams_with_rows(heap);
	if (OidIsValid(old))
		translate(heap, old, streams);
	else
		foreach(lc, streams)
			supersede_others(lfirst_int(lc), heap);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/*
 * Log once more, for the present file, what somebody needs of the entries for
 * another one; the places of the rows are the same.
 */
static void
copy_entries(int32 stream_id, Relation heap)
{
	Oid			relid = RelationGetRelid(heap);
	Oid			filenode = WeirRelFileNumber(heap);
	List	   *cursors = weir_cursor_list(stream_id);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	WeirLogScan *scan = weir_log_begin(stream_id, snapshot, (Datum) 0, NULL, false);
	WeirLogEntry *entry;

	while ((entry = weir_log_next(scan)) != NULL)
	{
		if (entry->leaf != relid || entry->filenode == filenode ||
			weir_log_is_superseded(stream_id, relid, entry->filenode, NULL) ||
			!is_needed(heap, stream_id, cursors, entry))
			continue;
		(void) weir_log_write(stream_id, relid, filenode, entry->xid,
							  GetCurrentTimestamp(), entry->runs, entry->nruns,
							  entry->xids, entry->nxids);
	}
	weir_log_end(scan);
	UnregisterSnapshot(snapshot);
}

void
weir_rewrite_moved(Oid relid)
{
	Relation	heap;
	AttrNumber	attno;
	bool		valid;
	ListCell   *lc;

	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return;
	heap = table_open(relid, AccessShareLock);
	if (OidIsValid(weir_stream_capture_index(heap, &attno, &valid)))
	{
		foreach(lc, streams_with_rows(heap))
		{
			copy_entries(lfirst_int(lc), heap);
			supersede_others(lfirst_int(lc), heap);
		}
		weir_capture_move(relid, WeirRelFileNumber(heap));
	}
	table_close(heap, NoLock);
}

/* ----------------------------------------------------------------
 *		Columns
 * ----------------------------------------------------------------
 */

/* The stream's column that the table does not have as it is, or NULL. */
static const char *
lacking_column(TupleDesc stream, TupleDesc table)
{
	for (int i = 0; i < stream->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(stream, i);
		bool		found = att->attisdropped;

		for (int j = 0; j < table->natts && !found; j++)
		{
			Form_pg_attribute other = TupleDescAttr(table, j);

			found = !other->attisdropped &&
				strcmp(NameStr(other->attname), NameStr(att->attname)) == 0 &&
				other->atttypid == att->atttypid &&
				other->atttypmod == att->atttypmod;
		}
		if (!found)
			return NameStr(att->attname);
	}
	return NULL;
}

/* The entry's table is not, or no longer, one of the stream's. */
static void
check_entry_columns(Relation stream, const WeirLogEntry *entry)
{
	Relation	leaf = try_relation_open(entry->leaf, AccessShareLock);
	const char *column;

	if (leaf == NULL)
		return;
	column = WeirRelFileNumber(leaf) != entry->filenode ? NULL :
		lacking_column(RelationGetDescr(stream), RelationGetDescr(leaf));
	if (column != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has rows of stream \"%s\" that have not been consumed",
						RelationGetRelationName(leaf),
						RelationGetRelationName(stream)),
				 errdetail("It was a partition of it, and both must have column \"%s\" alike until then.",
						   column),
				 errhint("Run CALL weir.drain('%s') first, and try again.",
						 RelationGetRelationName(stream))));
	relation_close(leaf, NoLock);
}

static bool
is_waited_for(List *cursors, const WeirLogEntry *entry)
{
	ListCell   *lc;

	foreach(lc, cursors)
		if (!weir_cursor_has_consumed((WeirCursor *) lfirst(lc), entry))
			return true;
	return false;
}

/* All tables that have left the stream with rows waiting, or that one. */
static void
check_detached(Relation stream, int32 stream_id, Oid only)
{
	List	   *cursors = weir_cursor_list(stream_id);
	Oid			checked = InvalidOid;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	WeirLogScan *scan = weir_log_begin(stream_id, snapshot, (Datum) 0, NULL, true);
	WeirLogEntry *entry;

	while ((entry = weir_log_next(scan)) != NULL)
	{
		if (entry->leaf == checked ||
			(OidIsValid(only) && entry->leaf != only) ||
			weir_stream_of_leaf(entry->leaf) == stream_id ||
			!is_waited_for(cursors, entry))
			continue;
		check_entry_columns(stream, entry);
		checked = entry->leaf;
	}
	weir_log_end(scan);
	UnregisterSnapshot(snapshot);
}

/*
 * Rows that waited when their table was detached are mapped to the stream's row
 * type by the names of columns.
 */
void
weir_rewrite_check_columns(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	AttrNumber	attno;
	bool		valid;
	bool		may_have_left = rel->rd_rel->relkind == RELKIND_RELATION &&
		OidIsValid(weir_stream_capture_index(rel, &attno, &valid));
	ListCell   *lc;

	foreach(lc, weir_stream_tables())
	{
		Oid			parent = lfirst_oid(lc);
		bool		is_own = parent == relid;
		int32		stream_id;
		Relation	stream;

		if (get_rel_relkind(parent) != RELKIND_PARTITIONED_TABLE ||
			(!is_own && !may_have_left))
			continue;
		stream = try_relation_open(parent, AccessShareLock);
		if (stream == NULL)
			continue;
		stream_id = weir_stream_of_leaf(parent);
		if (stream_id != 0 && weir_log_exists(stream_id))
			check_detached(stream, stream_id, is_own ? InvalidOid : relid);
		relation_close(stream, NoLock);
	}
	relation_close(rel, NoLock);
}
