/*-------------------------------------------------------------------------
 *
 * log_scan.c
 *	  Reading the log of a stream.
 *
 * The slots are read by turn, and each page by page.  What has been consumed
 * stays in the log until its slot is truncated, so that most of what is there
 * is not wanted: of such entries only the transaction id is looked at, in the
 * page, before anything else is done with them.  And not even that if the page
 * is as it was when this process last read it, and all in it is older than
 * anything that can be wanted: what a tick of a few rows pays for the thousands
 * of entries before it is a look at each of their pages.
 *
 * An entry that the pg_snapshot "consumed" sees is left out whatever has
 * become of the transaction that wrote it: that has the same id, or (rewrite.c)
 * writes anew what is not consumed only.
 *
 * Invariants: see log.c.
 *
 * Locks: ACCESS SHARE on the slots, to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "storage/sequence.h"
#include "stream/log.h"
#include "stream/log_slot.h"
#include "stream/snapshot.h"
#include "weir.h"

struct WeirLogScan
{
	int32		stream_id;
	Snapshot	snapshot;
	Datum		consumed;		/* pg_snapshot, or 0 */
	FullTransactionId consumed_xmin;	/* it sees all before */
	bool		heads_only;
	WeirLogPosition after;
	WeirLogSlot *slots;			/* those with a turn, by turn */
	int			nslots;
	bool		is_single;		/* one slot, whatever its state */
	int			next_slot;
	Relation	rel;			/* the slot that is being read, or NULL */
	BlockNumber nblocks;
	BlockNumber next_block;
	MemoryContext page_context;
	int			ntuples;		/* wanted ones of the page, copied */
	int			next_tuple;
	HeapTuple	tuples[MaxHeapTuplesPerPage];
	MemoryContext entry_context;	/* lists of an entry that is not plain */
	TransactionId top_xid;		/* where that is all of its ids */
	WeirLogEntry entry;
};

/*
 * What was in a page when it was read last: entries of no later transaction than
 * that.  It still is, if the page has the same LSN; only hint bits change without
 * another one.
 */
typedef struct PageNote
{
	Oid			relid;
	BlockNumber block;
	XLogRecPtr	lsn;
	uint64		last_xid;
} PageNote;

/* Each page has one place, which others may take; enough for 32 usual slots. */
#define PAGE_NOTES	1024
#define PAGES_APART 32

static PageNote page_notes[PAGE_NOTES];

int
weir_log_position_cmp(const WeirLogPosition *a, const WeirLogPosition *b)
{
	if (a->turn != b->turn)
		return a->turn < b->turn ? -1 : 1;
	return ItemPointerCompare((ItemPointer) &a->tid, (ItemPointer) &b->tid);
}

/* Invariant 4. */
static void
refuse_truncated(int32 stream_id, int64 turn)
{
	if (turn <= weir_sequence_read(weir_log_truncated_sequence(stream_id)))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the log of stream %d has been truncated past this snapshot",
						stream_id),
				 errhint("Retry the transaction.")));
}

/*
 * Slots that the snapshot sees drained are not among those of the scan.
 */
static void
check_truncations(WeirLogScan *scan)
{
	if (!scan->is_single && scan->nslots > 0)
		refuse_truncated(scan->stream_id, scan->slots[0].turn);
}

/* ----------------------------------------------------------------
 *		Begin and end
 * ----------------------------------------------------------------
 */

/*
 * Can the slot have entries that are wanted?  Who may write to one that is
 * closed has an id below closed_at (invariant 1).  If all of those whose end
 * the snapshot sees had ended for "consumed", there is nothing new in it: a
 * transaction that stays open for long keeps slots from being sealed, but not
 * from being passed over.
 */
static bool
can_have_news(const WeirLogSlot *slot, const WeirUnseen *unseen, Snapshot snapshot)
{
	return !FullTransactionIdIsValid(slot->closed_at) ||
		weir_snapshot_has_news(unseen, snapshot, slot->closed_at);
}

static WeirLogScan *
make_scan(Snapshot snapshot)
{
	WeirLogScan *scan = palloc0(sizeof(WeirLogScan));

	scan->snapshot = snapshot;
	scan->page_context = AllocSetContextCreate(CurrentMemoryContext,
											   "weir log page",
											   ALLOCSET_DEFAULT_SIZES);
	scan->entry_context = AllocSetContextCreate(CurrentMemoryContext,
												"weir log entry",
												ALLOCSET_DEFAULT_SIZES);
	return scan;
}

static void
set_consumed(WeirLogScan *scan, Datum consumed)
{
	scan->consumed = consumed;
	scan->consumed_xmin =
		DatumGetFullTransactionId(DirectFunctionCall1(pg_snapshot_xmin, consumed));
}

WeirLogScan *
weir_log_begin(int32 stream_id, Snapshot snapshot, Datum consumed,
			   const WeirLogPosition *after, bool heads_only)
{
	WeirLogScan *scan = make_scan(snapshot);
	WeirUnseen	unseen;
	int			nslots;
	int			n = 0;

	scan->stream_id = stream_id;
	scan->heads_only = heads_only;
	if (consumed)
	{
		weir_snapshot_unpack(consumed, &unseen);
		set_consumed(scan, consumed);
	}
	if (after)
		scan->after = *after;
	scan->slots = weir_log_slots(stream_id, snapshot, &nslots);
	for (int i = 0; i < nslots; i++)
	{
		/* nothing in free ones, nothing new in drained ones */
		if (scan->slots[i].turn == 0 ||
			FullTransactionIdIsValid(scan->slots[i].drained_by))
			continue;
		scan->slots[n] = scan->slots[i];
		scan->slots[n].is_passed = consumed &&
			!can_have_news(&scan->slots[n], &unseen, snapshot);
		n++;
	}
	scan->nslots = n;
	check_truncations(scan);
	return scan;
}

WeirLogScan *
weir_log_begin_slot(WeirLogSlot *slot, Snapshot snapshot, Datum consumed)
{
	WeirLogScan *scan = make_scan(snapshot);

	if (consumed)
		set_consumed(scan, consumed);
	scan->heads_only = true;
	scan->is_single = true;
	scan->slots = slot;
	scan->nslots = 1;
	return scan;
}

static void
close_slot(WeirLogScan *scan)
{
	if (scan->rel == NULL)
		return;
	table_close(scan->rel, NoLock);
	scan->rel = NULL;
	scan->ntuples = scan->next_tuple = 0;
}

void
weir_log_end(WeirLogScan *scan)
{
	close_slot(scan);
	MemoryContextDelete(scan->page_context);
	MemoryContextDelete(scan->entry_context);
	pfree(scan);
}

/* Open the next slot that can have entries; false after the last. */
static bool
open_next_slot(WeirLogScan *scan)
{
	close_slot(scan);
	while (scan->next_slot < scan->nslots)
	{
		WeirLogSlot *slot = &scan->slots[scan->next_slot++];

		if (slot->turn < scan->after.turn || slot->is_passed)
			continue;
		if (!OidIsValid(slot->relid))
			slot->relid = weir_log_slot_relid(scan->stream_id, slot->slot);
		scan->rel = table_open(slot->relid, AccessShareLock);
		PredicateLockRelation(scan->rel, scan->snapshot);
		scan->nblocks = RelationGetNumberOfBlocks(scan->rel);
		scan->next_block = 0;
		scan->entry.position.turn = slot->turn;
		scan->entry.slot_file = WeirRelFileNumber(scan->rel);
		return true;
	}
	return false;
}

/* ----------------------------------------------------------------
 *		Pages
 * ----------------------------------------------------------------
 */

/*
 * The top transaction of an entry, read in place: the columns before it are
 * two oids, and none of them is null.
 */
static FullTransactionId
xid_of_tuple(HeapTupleHeader tuple)
{
	uint64		xid;

	memcpy(&xid, (char *) tuple + tuple->t_hoff + WEIR_LOG_XID_OFFSET,
		   sizeof(xid));
	return FullTransactionIdFromU64(xid);
}

static bool
is_wanted(const WeirLogScan *scan, HeapTuple tuple)
{
	WeirLogPosition position = scan->entry.position;
	FullTransactionId xid;

	if (scan->consumed != 0)
	{
		xid = xid_of_tuple(tuple->t_data);
		if (FullTransactionIdPrecedes(xid, scan->consumed_xmin) ||
			weir_snapshot_sees(scan->consumed, xid))
			return false;
	}
	position.tid = tuple->t_self;
	return weir_log_position_cmp(&position, &scan->after) > 0;
}

static inline PageNote *
page_note(const WeirLogScan *scan)
{
	return &page_notes[(RelationGetRelid(scan->rel) * PAGES_APART +
						scan->next_block) % PAGE_NOTES];
}

/* Is it known that nothing in the page, which is locked, can be wanted? */
static bool
is_page_consumed(const WeirLogScan *scan, Buffer buffer)
{
	const PageNote *note = page_note(scan);

	return scan->consumed != 0 && note->block == scan->next_block &&
		note->relid == RelationGetRelid(scan->rel) &&
		!XLogRecPtrIsInvalid(note->lsn) &&
		note->lsn == BufferGetLSNAtomic(buffer) &&
		note->last_xid < U64FromFullTransactionId(scan->consumed_xmin);
}

static void
write_note(const WeirLogScan *scan, Buffer buffer)
{
	PageNote   *note = page_note(scan);
	Page		page = BufferGetPage(buffer);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	uint64		last_xid = 0;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		uint64		xid;

		if (!ItemIdIsNormal(item))
			continue;
		xid = U64FromFullTransactionId(xid_of_tuple((HeapTupleHeader) PageGetItem(page, item)));
		last_xid = Max(last_xid, xid);
	}
	note->relid = RelationGetRelid(scan->rel);
	note->block = scan->next_block;
	note->lsn = BufferGetLSNAtomic(buffer);
	note->last_xid = last_xid;
}

/* Copy what is wanted of the page, which is locked, and the snapshot sees. */
static void
copy_wanted(WeirLogScan *scan, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	MemoryContext old = MemoryContextSwitchTo(scan->page_context);

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleData tuple;
		bool		is_visible;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(scan->rel);
		ItemPointerSet(&tuple.t_self, scan->next_block, offset);
		if (!is_wanted(scan, &tuple))
			continue;
		is_visible = HeapTupleSatisfiesVisibility(&tuple, scan->snapshot, buffer);
		HeapCheckForSerializableConflictOut(is_visible, scan->rel, &tuple,
											buffer, scan->snapshot);
		if (is_visible)
			scan->tuples[scan->ntuples++] = heap_copytuple(&tuple);
	}
	MemoryContextSwitchTo(old);
}

static void
read_page(WeirLogScan *scan)
{
	Buffer		buffer = ReadBuffer(scan->rel, scan->next_block);

	scan->ntuples = scan->next_tuple = 0;
	MemoryContextReset(scan->page_context);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!is_page_consumed(scan, buffer))
	{
		copy_wanted(scan, buffer);
		/* while entries are wanted it will be read again anyway */
		if (scan->ntuples == 0)
			write_note(scan, buffer);
	}
	UnlockReleaseBuffer(buffer);
	scan->next_block++;
}

/* ----------------------------------------------------------------
 *		Entries
 * ----------------------------------------------------------------
 */

/*
 * The runs of an entry that has no list of ids and whose runs are in it as they
 * are, which is nearly every one; NULL: it is another.  What stands before them
 * is the head, in which nothing is NULL.
 */
static bytea *
plain_runs(HeapTuple tuple)
{
	char	   *runs = (char *) tuple->t_data + tuple->t_data->t_hoff +
		sizeof(WeirLogHead);

	if (HeapTupleNoNulls(tuple) ||
		!att_isnull(LOG_XIDS - 1, tuple->t_data->t_bits) ||
		VARATT_IS_EXTERNAL(runs) || VARATT_IS_COMPRESSED(runs))
		return NULL;
	return (bytea *) runs;
}

/* Of any other entry. */
static void
fill_lists(WeirLogScan *scan, HeapTuple tuple)
{
	WeirLogEntry *entry = &scan->entry;
	Datum		values[LOG_NATTS];
	bool		nulls[LOG_NATTS];
	MemoryContext old;

	heap_deform_tuple(tuple, RelationGetDescr(scan->rel), values, nulls);
	MemoryContextReset(scan->entry_context);
	old = MemoryContextSwitchTo(scan->entry_context);
	if (!nulls[LOG_XIDS - 1])
		entry->xids = weir_xids_unpack(DatumGetByteaPP(values[LOG_XIDS - 1]),
									   &entry->nxids);
	entry->runs = weir_tidrun_unpack(DatumGetByteaPP(values[LOG_RUNS - 1]),
									 &entry->nruns);
	MemoryContextSwitchTo(old);
}

static void
fill_entry(WeirLogScan *scan, HeapTuple tuple)
{
	WeirLogEntry *entry = &scan->entry;
	WeirLogHead head;
	bytea	   *runs;

	memcpy(&head, (char *) tuple->t_data + tuple->t_data->t_hoff, sizeof(head));
	entry->position.tid = tuple->t_self;
	entry->leaf = head.leaf;
	entry->filenode = head.filenode;
	entry->xid = head.xid;
	entry->logged_at = head.logged_at;
	entry->rows = head.rows;
	entry->blocks = head.blocks;
	entry->xids = NULL;
	entry->runs = NULL;
	entry->nxids = entry->nruns = 0;
	if (scan->heads_only)
		return;

	runs = plain_runs(tuple);
	if (runs != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->page_context);

		entry->runs = weir_tidrun_unpack(runs, &entry->nruns);
		MemoryContextSwitchTo(old);
	}
	else
		fill_lists(scan, tuple);
	if (entry->xids == NULL)
	{
		scan->top_xid = XidFromFullTransactionId(entry->xid);
		entry->xids = &scan->top_xid;
		entry->nxids = 1;
	}
}

WeirLogEntry *
weir_log_next(WeirLogScan *scan)
{
	for (;;)
	{
		if (scan->next_tuple < scan->ntuples)
		{
			fill_entry(scan, scan->tuples[scan->next_tuple++]);
			return &scan->entry;
		}
		CHECK_FOR_INTERRUPTS();
		if (scan->rel != NULL && scan->next_block < scan->nblocks)
			read_page(scan);
		else if (!open_next_slot(scan))
		{
			/* nothing was taken away while we were reading? */
			check_truncations(scan);
			return NULL;
		}
	}
}

/* ----------------------------------------------------------------
 *		Positions
 * ----------------------------------------------------------------
 */

/* The slot that had its turn then; NULL if nothing in it is wanted any more. */
static WeirLogSlot *
slot_of_turn(int32 stream_id, Snapshot snapshot, int64 turn)
{
	int			nslots;
	WeirLogSlot *slots = weir_log_slots(stream_id, snapshot, &nslots);

	for (int i = 0; i < nslots; i++)
	{
		if (slots[i].turn != turn ||
			FullTransactionIdIsValid(slots[i].drained_by))
			continue;
		slots[i].relid = weir_log_slot_relid(stream_id, slots[i].slot);
		return &slots[i];
	}
	return NULL;
}

/* The file of the table, which stays its file to the end of the transaction. */
static Oid
present_file(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Oid			result = WeirRelFileNumber(rel);

	table_close(rel, NoLock);
	return result;
}

/*
 * Its first row is in no other entry of its transaction, and runs of an entry are
 * never empty.
 */
int64
weir_log_entry_digest(const WeirLogEntry *entry)
{
	struct
	{
		uint64		xid;
		Oid			leaf;
		Oid			filenode;
		BlockNumber block;
		uint32		offset;
	}			key;

	key.xid = U64FromFullTransactionId(entry->xid);
	key.leaf = entry->leaf;
	key.filenode = entry->filenode;
	key.block = entry->runs[0].block;
	key.offset = entry->runs[0].first;
	return (int64) hash_bytes_extended((unsigned char *) &key, sizeof(key), 0);
}

bool
weir_log_has_passed(const WeirLogPlace *place, const WeirLogEntry *entry)
{
	ItemPointer tid = (ItemPointer) &entry->position.tid;
	ItemPointer first = (ItemPointer) &place->first;
	ItemPointer last = (ItemPointer) &place->position.tid;
	bool		is_before_last = ItemPointerCompare(tid, last) <= 0;

	if (!place->is_turned || entry->position.turn != place->position.turn)
		return weir_log_position_cmp(&entry->position, &place->position) <= 0;
	/* in a part in the midst, or in two */
	if (ItemPointerCompare(first, last) <= 0)
		return ItemPointerCompare(tid, first) >= 0 && is_before_last;
	return ItemPointerCompare(tid, first) >= 0 || is_before_last;
}

/* An entry of an interval, while a place in it is looked for. */
typedef struct PlacedEntry
{
	ItemPointerData tid;
	int64		digest;
} PlacedEntry;

/* Those of the slot, in the order of its file. */
static PlacedEntry *
interval_entries(WeirLogSlot *slot, Snapshot snapshot, Datum low, Datum high,
				 int64 *n)
{
	WeirLogScan *scan = weir_log_begin_slot(slot, snapshot, low);
	PlacedEntry *entries = NULL;
	int64		max = 0;
	WeirLogEntry *entry;

	scan->heads_only = false;
	*n = 0;
	while ((entry = weir_log_next(scan)) != NULL)
	{
		if (!weir_snapshot_sees(high, entry->xid))
			continue;
		if (*n == max)
		{
			max = Max(max * 2, 64);
			entries = entries == NULL ? palloc(sizeof(PlacedEntry) * max) :
				repalloc_huge(entries, sizeof(PlacedEntry) * max);
		}
		entries[*n].tid = entry->position.tid;
		entries[*n].digest = weir_log_entry_digest(entry);
		(*n)++;
	}
	weir_log_end(scan);
	return entries;
}

/*
 * Where do n entries with that digest begin, of which any may be the first and the
 * first follows the last?  -1: nowhere.
 */
static int64
find_consumed(const PlacedEntry *entries, int64 nentries, int64 n, int64 digest)
{
	uint64		sum = 0;

	if (n == 0 || n > nentries)
		return -1;
	for (int64 i = 0; i < n; i++)
		sum += (uint64) entries[i].digest;
	for (int64 begin = 0; begin < nentries; begin++)
	{
		if (sum == (uint64) digest)
			return begin;
		sum -= (uint64) entries[begin].digest;
		sum += (uint64) entries[(begin + n) % nentries].digest;
	}
	return -1;
}

void
weir_log_relocate(int32 stream_id, Snapshot snapshot, Datum low, Datum high,
				  WeirLogPlace *place)
{
	WeirLogSlot *slot = slot_of_turn(stream_id, snapshot, place->position.turn);
	PlacedEntry *entries;
	int64		nentries;
	int64		begin;
	Oid			file;

	if (slot == NULL || (file = present_file(slot->relid)) == place->slot_file)
		return;
	snapshot = RegisterSnapshot(snapshot ? snapshot : GetLatestSnapshot());
	entries = interval_entries(slot, snapshot, low, high, &nentries);
	UnregisterSnapshot(snapshot);
	begin = find_consumed(entries, nentries, place->n, place->digest);
	if (begin < 0)
	{
		refuse_truncated(stream_id, place->position.turn);
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the log of stream %d lacks entries, or they have been put in another order",
						stream_id),
				 errdetail("It is not known any more which of its rows have been consumed."),
				 errhint("Restore the database from a backup.")));
	}
	place->position.tid = entries[(begin + place->n - 1) % nentries].tid;
	place->first = entries[begin].tid;
	place->is_turned = begin > 0;
	if (!place->is_turned)
		place->slot_file = file;
	pfree(entries);
}
