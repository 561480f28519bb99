/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Which rows of a stream are to be read.
 *
 * A batch is a set of log entries whose rows are read by TID run, or a set
 * of block ranges whose rows are history, or (for readers of a cursor that is
 * still in history) both.  batch_reader.c reads them.
 *
 * Invariants:
 * 1. Every leaf with an entry, or with history, is locked ACCESS SHARE before
 *	  the snapshot is taken (ticks: weir_batch_next asks for another snapshot) or
 *	  a change of its file raises 40001 (readers, who cannot choose their
 *	  snapshot).
 * 2. An entry whose file is not the table's is skipped only if the change of
 *	  files is explained: the table is dropped, or the file is recorded as
 *	  superseded.  Otherwise ticks stop with an error; never a silent skip.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "storage/debug_point.h"
#include "stream/batch.h"
#include "stream/capture.h"
#include "weir.h"

static void (*reader_hook) (void) = NULL;

/* settings: limits of a tick */
static int	tick_rows;
static int	tick_blocks;

static void (*breather) (void) = NULL;

typedef enum LeafState
{
	LEAF_READABLE,
	LEAF_GONE,					/* or truncated, rewritten */
	LEAF_LOCKED_LATE			/* locked only now */
} LeafState;

/* ----------------------------------------------------------------
 *		Building
 * ----------------------------------------------------------------
 */

int
weir_batch_tick_rows(void)
{
	return tick_rows;
}

/*
 * Can the entry's rows be read?  With locked set (ticks) the leaf is locked
 * unless it is in that list already; without, readers.
 */
static LeafState
check_leaf(const WeirStream *stream, const WeirLogEntry *entry,
		   List **locked, Snapshot snapshot)
{
	Relation	rel;
	Oid			filenode;

	if (locked && !list_member_oid(*locked, entry->leaf))
	{
		LockRelationOid(entry->leaf, AccessShareLock);
		*locked = lappend_oid(*locked, entry->leaf);
		return LEAF_LOCKED_LATE;
	}

	rel = try_relation_open(entry->leaf, AccessShareLock);
	if (rel == NULL)
		return LEAF_GONE;
	filenode = WeirRelFileNumber(rel);
	relation_close(rel, NoLock);
	if (filenode == entry->filenode)
		return LEAF_READABLE;
	if (weir_log_is_superseded(stream->stream_id, entry->leaf,
							   entry->filenode, locked ? NULL : snapshot))
		return LEAF_GONE;
	if (!locked)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("table \"%s\" has been rewritten since this snapshot",
						get_rel_name(entry->leaf)),
				 errhint("Retry the transaction.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("file of table \"%s\" has been replaced while rows of it were not consumed",
					get_rel_name(entry->leaf)),
			 errdetail("Rows logged in file %u cannot be found in file %u.",
					   entry->filenode, filenode),
			 errhint("Drop the stream with weir.drop_stream and create it again; the rows of the table become its first rows.")));
	return LEAF_GONE;			/* keep compiler quiet */
}

/* If the last entry's file can be read, so can this one's, which is the same. */
static bool
is_same_file(const WeirBatch *batch, const WeirLogEntry *entry)
{
	return batch->entries != NULL && batch->last_leaf == entry->leaf &&
		batch->last_filenode == entry->filenode;
}

static void
append_entry(WeirBatch *batch, const WeirLogEntry *entry)
{
	if (batch->entries == NULL)
		batch->entries = weir_entries_create(batch->max_memory);
	weir_entries_add(batch->entries, entry);
	batch->last_leaf = entry->leaf;
	batch->last_filenode = entry->filenode;
	batch->max_rows += entry->rows;
}

static int
later_xid_cmp(const void *a, const void *b)
{
	const WeirLaterXid *x = (const WeirLaterXid *) a;
	const WeirLaterXid *y = (const WeirLaterXid *) b;

	return x->xid < y->xid ? -1 : (x->xid > y->xid ? 1 : 0);
}

/* Index the entries that are not history by their transaction ids. */
static void
index_later(WeirBatch *batch, WeirEntryList *entries)
{
	WeirEntryReader reader = {0};
	const WeirBatchEntry *entry;
	int64		n = 0;

	weir_entries_read(entries, &reader);
	while ((entry = weir_entries_next(&reader)) != NULL)
		n += entry->nxids;
	batch->later_xids = MemoryContextAllocHuge(CurrentMemoryContext,
											   sizeof(WeirLaterXid) * Max(n, 1));
	n = 0;
	weir_entries_read(entries, &reader);
	while ((entry = weir_entries_next(&reader)) != NULL)
		for (int j = 0; j < entry->nxids; j++)
		{
			batch->later_xids[n].xid = weir_batch_entry_xids(entry)[j];
			batch->later_xids[n].entry = entry;
			n++;
		}
	qsort(batch->later_xids, n, sizeof(WeirLaterXid), later_xid_cmp);
	batch->nlater_xids = n;
}

/* Does the row belong to an entry that is later than the history? */
bool
weir_batch_is_later(const WeirBatch *batch, Oid leaf, TransactionId xid,
					const ItemPointerData *tid)
{
	int64		low = 0;
	int64		high = batch->nlater_xids;

	while (low < high)
	{
		int64		mid = low + (high - low) / 2;

		if (batch->later_xids[mid].xid < xid)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < batch->nlater_xids && batch->later_xids[low].xid == xid; low++)
	{
		const WeirBatchEntry *entry = batch->later_xids[low].entry;

		if (entry->leaf == leaf &&
			weir_tidrun_contains(weir_batch_entry_runs(entry), entry->nruns, tid))
			return true;
	}
	return false;
}

static int
oid_list_cmp(const ListCell *a, const ListCell *b)
{
	return lfirst_oid(a) < lfirst_oid(b) ? -1 :
		(lfirst_oid(a) > lfirst_oid(b) ? 1 : 0);
}

/* The tables that hold the stream's rows, by oid, locked. */
static List *
leaves_of(const WeirStream *stream)
{
	List	   *all;
	List	   *leaves = NIL;
	ListCell   *lc;

	if (get_rel_relkind(stream->relid) != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(stream->relid);
	all = find_all_inheritors(stream->relid, AccessShareLock, NULL);
	foreach(lc, all)
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			leaves = lappend_oid(leaves, lfirst_oid(lc));
	list_sort(leaves, oid_list_cmp);
	return leaves;
}

static BlockNumber
count_blocks(Oid leaf)
{
	Relation	rel = table_open(leaf, AccessShareLock);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);

	table_close(rel, NoLock);
	return nblocks;
}

static void
append_range(WeirBatch *batch, Oid leaf, BlockNumber first, BlockNumber end)
{
	WeirHistoryRange *range;

	if (first >= end)
		return;
	if (batch->ranges == NULL)
		batch->ranges = palloc(sizeof(WeirHistoryRange));
	else
		batch->ranges = repalloc(batch->ranges,
								 sizeof(WeirHistoryRange) * (batch->nranges + 1));
	range = &batch->ranges[batch->nranges++];
	range->leaf = leaf;
	range->first = first;
	range->end = end;
	batch->max_rows += (int64) (end - first) * 100;
}

/*
 * The history from where the cursor stands, max_blocks at the most; says in
 * *leaf and *block where it goes on, InvalidOid at the end.
 */
static void
collect_history(WeirBatch *batch, const WeirCursor *cursor, int64 max_blocks,
				Oid *leaf, BlockNumber *block)
{
	List	   *leaves = leaves_of(&batch->stream);
	BlockNumber first = cursor->history_block;
	ListCell   *lc;

	*leaf = InvalidOid;
	*block = 0;
	foreach(lc, leaves)
	{
		Oid			relid = lfirst_oid(lc);
		BlockNumber end;

		if (relid < cursor->history_leaf)
			continue;
		if (relid > cursor->history_leaf)
			first = 0;
		end = count_blocks(relid);
		if (end > first && end - first > max_blocks)
		{
			end = first + max_blocks;
			*leaf = relid;
			*block = end;
		}
		append_range(batch, relid, first, end);
		if (end > first)
			max_blocks -= end - first;
		if (OidIsValid(*leaf))
			return;
		first = 0;
	}
}

static WeirBatch *
make_batch(const WeirStream *stream, Snapshot snapshot)
{
	WeirBatch  *batch = palloc0(sizeof(WeirBatch));

	batch->context = CurrentMemoryContext;
	batch->stream = *stream;
	batch->snapshot = snapshot;
	return batch;
}

/*
 * Are all tables that can have history locked?  If not, they are now: what one of
 * them was rewritten to while we waited for it only a later snapshot sees.
 */
static bool
lock_history(const WeirStream *stream, List **locked)
{
	List	   *leaves = leaves_of(stream);

	if (equal(leaves, *locked))
		return true;
	*locked = leaves;
	return false;
}

/* The entry is the next of the interval. */
static void
go_to_entry(WeirCursor *cursor, const WeirLogEntry *entry)
{
	WeirLogPlace *place = &cursor->place;

	if (place->position.turn != entry->position.turn)
		memset(place, 0, sizeof(WeirLogPlace));
	place->position = entry->position;
	place->slot_file = entry->slot_file;
	place->n++;
	place->digest += weir_log_entry_digest(entry);
}

static void
forget_place(WeirCursor *cursor)
{
	memset(&cursor->place, 0, sizeof(WeirLogPlace));
}

/* Has the slot entries that come round behind those that are consumed? */
static bool
is_turned_slot(const WeirCursor *cursor, const WeirLogEntry *entry)
{
	return cursor->place.is_turned &&
		entry->position.turn == cursor->place.position.turn;
}

/* All of the interval in such a slot is consumed. */
static void
leave_turned_slot(const WeirCursor *cursor, WeirCursor *last)
{
	WeirLogPlace *place = &last->place;

	if (!cursor->place.is_turned ||
		place->position.turn != cursor->place.position.turn)
		return;
	place->is_turned = false;
	ItemPointerSet(&place->position.tid, MaxBlockNumber, MaxOffsetNumber);
}

/* Where to look for what is not consumed: a turned slot is read through. */
static WeirLogPosition
begin_position(const WeirCursor *cursor)
{
	WeirLogPosition result = cursor->place.position;

	if (cursor->place.is_turned)
		ItemPointerSet(&result.tid, 0, InvalidOffsetNumber);
	return result;
}

/*
 * Entries beyond the cursor, as many as a tick takes (or all); last goes along,
 * if it is not NULL.  A slot that is turned is taken to its end, which leaves a
 * position like any other.  False if a leaf had to be locked first.
 */
static bool
collect_entries(WeirBatch *batch, const WeirCursor *cursor, Datum high,
				const WeirLogPosition *after, List **locked,
				WeirCursor *last, bool *is_all)
{
	WeirLogScan *scan = weir_log_begin(batch->stream.stream_id,
									   batch->snapshot, cursor->low, after,
									   false);
	int64		blocks = 0;
	bool		retry = false;
	WeirLogEntry *entry;

	*is_all = true;
	while ((entry = weir_log_next(scan)) != NULL)
	{
		LeafState	state;

		if (weir_cursor_has_consumed(cursor, entry) ||
			(high != 0 && !weir_snapshot_sees(high, entry->xid)))
			continue;
		if (locked && batch->entries != NULL && !is_turned_slot(cursor, entry) &&
			(batch->max_rows + entry->rows > tick_rows ||
			 blocks + entry->blocks > tick_blocks))
		{
			*is_all = false;
			break;
		}
		state = is_same_file(batch, entry) ? LEAF_READABLE :
			check_leaf(&batch->stream, entry, locked, batch->snapshot);
		if (state == LEAF_LOCKED_LATE)
			retry = true;
		else if (state == LEAF_READABLE)
		{
			append_entry(batch, entry);
			blocks += entry->blocks;
		}
		else
			batch->has_skipped = true;
		if (last)
			go_to_entry(last, entry);
	}
	weir_log_end(scan);
	if (last)
		leave_turned_slot(cursor, last);
	return !retry;
}

static void
append_unlogged(const WeirLogEntry *entry, void *arg)
{
	weir_entries_add((WeirEntryList *) arg, entry);
}

/*
 * All entries that the snapshot sees and low does not, whatever their files; and
 * those that this transaction will write.  low: 0 if it sees all there is.
 */
static void
collect_later(WeirBatch *batch, Datum low)
{
	WeirEntryList *later = weir_entries_create(0);

	if (low != 0)
	{
		WeirLogScan *scan = weir_log_begin(batch->stream.stream_id,
										   batch->snapshot, low, NULL, false);
		WeirLogEntry *entry;

		while ((entry = weir_log_next(scan)) != NULL)
			if (!weir_snapshot_sees(low, entry->xid))
				weir_entries_add(later, entry);
		weir_log_end(scan);
	}
	weir_capture_visit(batch->stream.stream_id, append_unlogged, later);
	index_later(batch, later);
}

WeirBatch *
weir_batch_empty(const WeirStream *stream, const WeirCursor *cursor)
{
	WeirBatch  *batch = make_batch(stream, GetActiveSnapshot());

	batch->after = *cursor;
	batch->ends_interval = true;
	return batch;
}

WeirBatch *
weir_batch_unconsumed(const WeirStream *stream, const WeirCursor *cursor)
{
	WeirBatch  *batch = make_batch(stream, GetActiveSnapshot());

	collect_later(batch, cursor->low);
	return batch;
}

/*
 * Who reads where others have found rows relies on the snapshot to keep them
 * there.
 */
static bool
can_share_found(void)
{
	return !WeirSnapshotsExpire();
}

/* Has any cursor of the stream taken the snapshot that it begins with? */
static bool
has_begun(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_cursor_list(stream_id))
		if (((WeirCursor *) lfirst(lc))->low != 0)
			return true;
	return false;
}

/*
 * What this transaction has inserted itself is later than the history; but as long
 * as nobody has begun to consume the stream it is history to all who will, like all
 * else: then it need not be logged.
 */
static WeirBatch *
next_history(const WeirStream *stream, const WeirCursor *cursor)
{
	WeirBatch  *batch = make_batch(stream, GetActiveSnapshot());

	batch->shares_found = can_share_found();
	batch->after = *cursor;
	batch->left_out = weir_left_out_read(cursor->cursor_id, NULL);
	if (cursor->low == 0)
		batch->after.low = weir_snapshot_current();
	if (cursor->low == 0 && !has_begun(stream->stream_id))
		weir_capture_forget(stream->stream_id);
	collect_later(batch, cursor->low);
	collect_history(batch, cursor, tick_blocks,
					&batch->after.history_leaf, &batch->after.history_block);
	batch->after.in_history = OidIsValid(batch->after.history_leaf);
	batch->ends_interval = !batch->after.in_history;
	return batch;
}

WeirBatch *
weir_batch_next(const WeirStream *stream, const WeirCursor *cursor,
				Datum target, List **locked)
{
	WeirBatch  *batch;
	WeirCursor *after;
	WeirLogPosition begin;
	Datum		high;
	bool		is_all;

	if (cursor->in_history)
		return lock_history(stream, locked) ? next_history(stream, cursor) : NULL;

	batch = make_batch(stream, GetActiveSnapshot());
	batch->shares_found = can_share_found();
	batch->after = *cursor;
	after = &batch->after;
	high = cursor->high ? cursor->high : target;
	if (cursor->high == 0)
		forget_place(after);
	begin = begin_position(after);
	if (!collect_entries(batch, cursor, high, &begin, locked, after, &is_all))
		return NULL;

	if (high == 0)
		high = weir_snapshot_current();
	if (is_all)
	{
		batch->ends_interval = true;
		after->low = high;
		after->high = 0;
		forget_place(after);
	}
	else
		after->high = high;
	return batch;
}

/*
 * Rows that are not there yet must not appear unnoticed: whoever inserts them
 * may log them where we have not looked.
 */
static void
lock_for_serializable(const WeirStream *stream, Snapshot snapshot)
{
	ListCell   *lc;

	if (!IsolationIsSerializable())
		return;
	foreach(lc, leaves_of(stream))
	{
		Relation	rel = table_open(lfirst_oid(lc), AccessShareLock);

		PredicateLockRelation(rel, snapshot);
		table_close(rel, NoLock);
	}
}

void
weir_batch_set_reader_hook(void (*hook) (void))
{
	reader_hook = hook;
}

static WeirBatch *
pending(const WeirCursor *cursor, Snapshot snapshot, Size max_memory)
{
	WeirStream	stream;
	WeirBatch  *batch;
	bool		is_all;

	if (!weir_stream_lookup_id(cursor->stream_id, &stream))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("stream has been dropped or changed since this snapshot"),
				 errhint("Retry the transaction.")));
	if (reader_hook)
		reader_hook();
	batch = make_batch(&stream, snapshot);
	batch->max_memory = max_memory;
	LockRelationOid(stream.relid, AccessShareLock);
	lock_for_serializable(&stream, snapshot);
	WEIR_DEBUG_POINT("read_pending");
	if (cursor->in_history)
	{
		Oid			leaf;
		BlockNumber block;

		batch->left_out = weir_left_out_read(cursor->cursor_id, snapshot);
		collect_history(batch, cursor, PG_INT64_MAX, &leaf, &block);
		/* what this transaction has inserted itself is not committed yet */
		collect_later(batch, cursor->low);
		if (cursor->low == 0)
			return batch;		/* all else that the snapshot sees */
	}

	/*
	 * From the start: before the cursor's position there may be entries of
	 * transactions that had not ended when its interval began.
	 */
	collect_entries(batch, cursor, (Datum) 0, NULL, NULL, NULL, &is_all);
	return batch;
}

WeirBatch *
weir_batch_pending(const WeirCursor *cursor, Snapshot snapshot)
{
	return pending(cursor, snapshot, 0);
}

WeirBatch *
weir_batch_pending_in_file(const WeirCursor *cursor, Snapshot snapshot)
{
	return pending(cursor, snapshot, (Size) work_mem * 1024);
}

void
weir_batch_close(WeirBatch *batch)
{
	if (batch->entries != NULL)
		weir_entries_close(batch->entries);
	batch->entries = NULL;
}

WeirBatch *
weir_batch_of_table(int32 stream_id, Snapshot snapshot)
{
	WeirCursor	start = {0};

	start.stream_id = stream_id;
	start.in_history = true;
	return weir_batch_pending(&start, snapshot);
}

void
weir_batch_leave_out(WeirBatch *batch, WeirLeftOut *left_out)
{
	batch->left_out = left_out;
}

int64
weir_batch_max_rows(const WeirBatch *batch)
{
	return batch->max_rows;
}

void
weir_batch_set_breather(void (*breathe) (void))
{
	breather = breathe;
}

void
weir_batch_breathe(void)
{
	if (breather)
		breather();
}

void
weir_batch_init(void)
{
	DefineCustomIntVariable("weir.tick_rows",
							"Rows that one transaction consumes, more or less.",
							NULL,
							&tick_rows,
							500000, 1, INT_MAX,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("weir.tick_blocks",
							"Blocks of a table that one transaction consumes, more or less.",
							NULL,
							&tick_blocks,
							16384, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_BLOCKS,
							NULL, NULL, NULL);
}
