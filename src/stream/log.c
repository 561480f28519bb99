/*-------------------------------------------------------------------------
 *
 * log.c
 *	  The log of a stream: which rows each transaction inserted.  What it is,
 *	  writing to it, and its rotation; it is read by log_scan.c.
 *
 * Every stream has a log of its own (a shared one would make unrelated
 * streams conflict under SERIALIZABLE): a few heaps, the slots, named
 * _log_<stream>_<slot>.  Writers append to the current one; when it has
 * enough, they are moved on to the next, and a slot whose entries are all
 * consumed is truncated and used again (as PgQ rotates its tables).
 *
 *	column		meaning
 *	leaf		table that has the rows
 *	filenode	its file when they were inserted
 *	xid			top transaction
 *	logged_at	clock of the writer
 *	rows		number of rows in runs
 *	blocks		number of blocks in runs
 *	xids		its transaction ids, packed (tidrun.c); NULL: the top one only
 *	runs		TID runs, packed (tidrun.c)
 *
 * A transaction may write several entries for one file; their runs are
 * disjoint.  An entry stays below a page, so that the slots have no TOAST but
 * for transactions with thousands of savepoints.
 *
 * States of a slot, by its row in weir._log_slot, and who moves it on:
 *
 *	free		turn = 0; empty
 *	next		turn > the current slot's; weir_log_rotate prepares it in one
 *				transaction ...
 *	current		... and puts its number into the sequence
 *				_log_<stream>_slot in a later one
 *	closed		turn < the current slot's, closed_at = U
 *	drained		drained_by = transaction that found all consumed
 *	free		again, after it was truncated
 *
 * Invariants:
 * 1. Writers have the slot number from the sequence's page, not under a
 *	  snapshot, and keep it until they hear that it has changed; they listen
 *	  after their top transaction has its id.  The mover advances it first,
 *	  then tells, and then reads the next id, U.  So who may still write to the
 *	  slot has an id below U: it is sealed once all those have ended, that is
 *	  when U <= xmin of a fresh snapshot.  (A later U is as good: after a
 *	  crash, or when the mover fails half-way, it tells again and takes another
 *	  U.)
 * 2. Whoever sees an entry sees its slot's turn, since the turn was committed
 *	  before anybody could write there.  Entries are read by turn, then by
 *	  TID: for a given set of transactions the order never changes, so a
 *	  position in it is good in later transactions.  (Where somebody gives the
 *	  slot another file, see weir_log_relocate.)
 * 3. A slot is truncated only when all in it is consumed by every cursor, the
 *	  transaction that recorded this is seen by every snapshot there is
 *	  (GetOldestNonRemovableTransactionId), and, under its exclusive lock, a
 *	  last look confirms it.  The lock is only ever taken conditionally.
 * 4. Truncation is in place, takes effect at once and goes by turn.  The
 *	  sequence _log_<stream>_truncated holds the last turn, outside
 *	  transactions.  A reader whose snapshot does not see that slot drained
 *	  (a standby without feedback can have one) raises 40001.
 *
 * Locks: the slots, ACCESS SHARE by readers and ROW EXCLUSIVE by writers to
 * the end of their transactions.  weir_log_rotate is called with the stream
 * locked, so that there is one mover.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/heap.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "storage/sinval.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "storage/debug_point.h"
#include "storage/invalidation.h"
#include "storage/sequence.h"
#include "storage/writers.h"
#include "stream/log.h"
#include "stream/log_slot.h"
#include "stream/snapshot.h"
#include "weir.h"

/*
 * The slot is moved on when it has so many blocks, twice as many for each
 * SLOTS_PER_SIZE slots that are in use: so there is room for a long time while
 * some transaction keeps slots from being used again.
 */
static int	slot_blocks = 32;
#define SLOTS_PER_SIZE	32
#define MAX_DOUBLINGS	5

/* an entry's runs take so many bytes at most, and hold so many rows */
#define MAX_RUNS_SIZE	6000
#define MAX_ENTRY_ROWS	100000

/* ----------------------------------------------------------------
 *		Finding the log
 * ----------------------------------------------------------------
 */

/*
 * Where writers have found the logs of streams, newest first, so that a
 * transaction of one row need not look for them by name, nor read the sequence:
 * forgotten when the relation cache says that one of the two relations has
 * changed, which the mover has it say (tell_writers).  What was not found is not
 * kept.
 */
#define KNOWN_LOGS		4

typedef struct KnownLog
{
	int32		stream_id;		/* 0: none */
	Oid			sequence;		/* _log_<stream>_slot */
	Oid			slot_relid;		/* table of the current slot; InvalidOid: not
								 * looked for yet */
} KnownLog;

static KnownLog known_logs[KNOWN_LOGS];
static uint64 known_invalidations = 0;

static void
forget_known_logs(Oid relid)
{
	known_invalidations++;
	for (int i = 0; i < KNOWN_LOGS; i++)
		if (!OidIsValid(relid) || known_logs[i].sequence == relid ||
			known_logs[i].slot_relid == relid)
			memset(&known_logs[i], 0, sizeof(KnownLog));
}

/*
 * The log of a stream, or NULL.  What is returned may be forgotten, and its
 * place taken, whenever a lock is taken or a catalog is read.
 */
static KnownLog *
known_log(int32 stream_id)
{
	KnownLog	log = {0};
	uint64		seen;

	/*
	 * Somebody else may be making it just now.  No lock tells our caches, as
	 * it would if there were something to lock.
	 */
	AcceptInvalidationMessages();
	for (int i = 0; i < KNOWN_LOGS; i++)
		if (known_logs[i].stream_id == stream_id)
			return &known_logs[i];

	/* an invalidation may come in the middle of a lookup */
	do
	{
		seen = known_invalidations;
		log.sequence = weir_log_relid(stream_id, "slot", true);
	} while (seen != known_invalidations);
	if (!OidIsValid(log.sequence))
		return NULL;
	log.stream_id = stream_id;
	memmove(&known_logs[1], &known_logs[0], sizeof(KnownLog) * (KNOWN_LOGS - 1));
	known_logs[0] = log;
	return &known_logs[0];
}

bool
weir_log_exists(int32 stream_id)
{
	return known_log(stream_id) != NULL;
}

bool
weir_log_is_new(int32 stream_id)
{
	Relation	rel = relation_open(weir_log_sequence(stream_id), AccessShareLock);
	bool		result = rel->rd_createSubid != InvalidSubTransactionId;

	relation_close(rel, AccessShareLock);
	return result;
}

/*
 * The table of the slot that is the current one now: see invariant 1.
 * InvalidOid if there is no log.  The log itself does not go away, as the
 * caller holds a lock on a table of the stream.
 */
static Oid
current_slot_relid(int32 stream_id)
{
	KnownLog   *log = known_log(stream_id);
	uint64		seen = known_invalidations;
	int32		slot;
	Oid			relid;

	if (log == NULL || OidIsValid(log->slot_relid))
		return log ? log->slot_relid : InvalidOid;
	slot = (int32) weir_sequence_read(log->sequence);
	relid = weir_log_slot_relid(stream_id, slot);
	/* good for this transaction; for others unless it has been changed meanwhile */
	if (seen == known_invalidations)
		log->slot_relid = relid;
	return relid;
}

/* ----------------------------------------------------------------
 *		Writing
 * ----------------------------------------------------------------
 */

static void
count_runs(WeirLogHead *head, const WeirTidRun *runs, int nruns)
{
	head->rows = (int32) weir_tidrun_count_rows(runs, nruns);
	head->blocks = weir_tidrun_count_blocks(runs, nruns);
}

/* An entry with all its columns. */
static HeapTuple
form_entry(TupleDesc desc, const WeirLogHead *head, bytea *xids, bytea *runs)
{
	Datum		values[LOG_NATTS];
	bool		nulls[LOG_NATTS] = {0};

	values[LOG_LEAF - 1] = ObjectIdGetDatum(head->leaf);
	values[LOG_FILENODE - 1] = ObjectIdGetDatum(head->filenode);
	values[LOG_XID - 1] = FullTransactionIdGetDatum(head->xid);
	values[LOG_LOGGED_AT - 1] = TimestampTzGetDatum(head->logged_at);
	values[LOG_ROWS - 1] = Int32GetDatum(head->rows);
	values[LOG_BLOCKS - 1] = Int32GetDatum(head->blocks);
	values[LOG_XIDS - 1] = PointerGetDatum(xids);
	nulls[LOG_XIDS - 1] = xids == NULL;
	values[LOG_RUNS - 1] = PointerGetDatum(runs);
	return heap_form_tuple(desc, values, nulls);
}

/*
 * Most transactions have few rows and no savepoints.  Their entry is put
 * together where it stands, byte by byte what form_entry would make of it: a
 * header with a bitmap of nulls, the head, and the runs behind a length of one
 * byte.  (BITMAPLEN is no constant expression in 18.)
 */
#define SHORT_ENTRY_HOFF \
	MAXALIGN(SizeofHeapTupleHeader + (LOG_NATTS + 7) / 8)
#define MAX_SHORT_RUNS	(VARATT_SHORT_MAX - VARHDRSZ_SHORT)

typedef struct ShortEntry
{
	HeapTupleData tuple;
	union
	{
		HeapTupleHeaderData header;
		char		bytes[SHORT_ENTRY_HOFF + sizeof(WeirLogHead) +
						  VARATT_SHORT_MAX];
		int64		force_align;
	}			data;
} ShortEntry;

static void
check_short_entry(TupleDesc desc, ShortEntry *entry, const WeirLogHead *head)
{
#ifdef USE_ASSERT_CHECKING
	char	   *packed = entry->data.bytes + SHORT_ENTRY_HOFF + sizeof(WeirLogHead);
	HeapTuple	tuple = form_entry(desc, head, NULL, (bytea *) packed);
	Size		begin = offsetof(HeapTupleHeaderData, t_infomask2);

	/* what is before, and these bits, heap_insert sets */
	tuple->t_data->t_infomask &= ~HEAP_XACT_MASK;
	Assert(tuple->t_len == entry->tuple.t_len);
	Assert(memcmp((char *) tuple->t_data + begin, entry->data.bytes + begin,
				  tuple->t_len - begin) == 0);
	pfree(tuple);
#endif
}

/* False if it does not fit. */
static bool
form_short_entry(TupleDesc desc, WeirLogHead *head,
				 const WeirTidRun *runs, int nruns, ShortEntry *entry)
{
	HeapTupleHeader header = &entry->data.header;
	char	   *columns = entry->data.bytes + SHORT_ENTRY_HOFF;
	char	   *packed = columns + sizeof(WeirLogHead);
	Size		size;

	if (weir_tidrun_pack_into(packed + VARHDRSZ_SHORT, MAX_SHORT_RUNS,
							  runs, nruns, &size) < nruns)
		return false;
	SET_VARSIZE_SHORT(packed, VARHDRSZ_SHORT + size);
	count_runs(head, runs, nruns);
	memcpy(columns, head, sizeof(WeirLogHead));

	memset(header, 0, SHORT_ENTRY_HOFF);
	header->t_infomask = HEAP_HASNULL | HEAP_HASVARWIDTH;
	HeapTupleHeaderSetNatts(header, LOG_NATTS);
	header->t_hoff = SHORT_ENTRY_HOFF;
	ItemPointerSetInvalid(&header->t_ctid);
	/* a bit is set where there is a value: all but xids */
	header->t_bits[0] = (bits8) (~(1 << (LOG_XIDS - 1)) & ((1 << LOG_NATTS) - 1));

	entry->tuple.t_len = SHORT_ENTRY_HOFF + sizeof(WeirLogHead) +
		VARHDRSZ_SHORT + size;
	ItemPointerSetInvalid(&entry->tuple.t_self);
	entry->tuple.t_tableOid = InvalidOid;
	entry->tuple.t_data = header;
	check_short_entry(desc, entry, head);
	return true;
}

/* Up to nruns runs, but not more rows than an entry may have. */
static int
runs_of_an_entry(const WeirTidRun *runs, int nruns)
{
	int64		rows = 0;
	int			n;

	for (n = 0; n < nruns; n++)
	{
		rows += runs[n].last - runs[n].first + 1;
		if (rows > MAX_ENTRY_ROWS && n > 0)
			break;
	}
	return n;
}

/* Write one entry for as many of the runs as it can hold; returns how many. */
static int
write_entry(Relation rel, WeirLogHead *head, bytea *xids,
			const WeirTidRun *runs, int nruns)
{
	ShortEntry	short_entry;
	HeapTuple	tuple;
	bytea	   *packed;

	if (xids == NULL &&
		form_short_entry(RelationGetDescr(rel), head, runs, nruns, &short_entry))
	{
		simple_heap_insert(rel, &short_entry.tuple);
		return nruns;
	}
	packed = weir_tidrun_pack(runs, nruns, MAX_RUNS_SIZE, &nruns);
	count_runs(head, runs, nruns);
	tuple = form_entry(RelationGetDescr(rel), head, xids, packed);
	simple_heap_insert(rel, tuple);
	heap_freetuple(tuple);
	pfree(packed);
	return nruns;
}

bool
weir_log_write(int32 stream_id, Oid leaf, Oid filenode, FullTransactionId xid,
			   TimestampTz now, const WeirTidRun *runs, int nruns,
			   const TransactionId *xids, int nxids)
{
	Oid			relid = current_slot_relid(stream_id);	/* the caller has its id */
	Relation	rel;
	WeirLogHead head = {.leaf = leaf, .filenode = filenode, .xid = xid,
	.logged_at = now};
	bytea	   *packed_xids = NULL;

	if (!OidIsValid(relid))
		return false;
	rel = table_open(relid, RowExclusiveLock);
	if (nxids != 1 || xids[0] != XidFromFullTransactionId(xid))
		packed_xids = weir_xids_pack(xids, nxids);

	while (nruns > 0)
	{
		int			n = runs_of_an_entry(runs, nruns);

		n = write_entry(rel, &head, packed_xids, runs, n);
		runs += n;
		nruns -= n;
	}
	table_close(rel, NoLock);
	return true;
}

/* ----------------------------------------------------------------
 *		Rotation
 * ----------------------------------------------------------------
 */

/* The oldest transaction that a fresh snapshot takes for running. */
static FullTransactionId
fresh_xmin(void)
{
	return weir_full_xid(GetLatestSnapshot()->xmin);
}

/*
 * Does that hold for every entry of the slot?  If "known" is given, for those
 * that this pg_snapshot sees it does.
 */
static bool
all_consumed(WeirLogSlot *slot, Datum known, WeirLogConsumed is_consumed,
			 void *arg)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	WeirLogScan *scan = weir_log_begin_slot(slot, snapshot, known);
	bool		result = true;
	WeirLogEntry *entry;

	while (result && (entry = weir_log_next(scan)) != NULL)
		result = is_consumed(entry, arg);
	weir_log_end(scan);
	UnregisterSnapshot(snapshot);
	return result;
}

/*
 * Empty a drained slot if no snapshot can need it any more and nobody is
 * looking; see invariant 3.  True if it is free now.
 */
static bool
truncate_slot(int32 stream_id, WeirLogSlot *slot, Datum known,
			  WeirLogConsumed is_consumed, void *arg)
{
	Relation	rel = table_open(slot->relid, AccessShareLock);
	FullTransactionId horizon;

	/* look first: to try for the lock takes an id and writes WAL */
	horizon = weir_full_xid(GetOldestNonRemovableTransactionId(rel));
	if (!FullTransactionIdPrecedes(slot->drained_by, horizon) ||
		!ConditionalLockRelationOid(slot->relid, AccessExclusiveLock))
	{
		table_close(rel, AccessShareLock);
		return false;
	}
	if (!all_consumed(slot, known, is_consumed, arg))
	{
		/* let go of it at once: writers may want it after the next turn */
		table_close(rel, NoLock);
		UnlockRelationOid(slot->relid, AccessExclusiveLock);
		return false;
	}
	WEIR_DEBUG_POINT("truncate_begin");
	weir_sequence_set(weir_log_truncated_sequence(stream_id), slot->turn);

	/*
	 * Who has consumed the entries may have committed asynchronously; the file
	 * is cut off at once, and not every server flushes WAL for that.
	 */
	XLogFlush(XactLastRecEnd);
	WEIR_DEBUG_POINT("truncate_marked");
	slot->turn = 0;
	slot->closed_at = slot->drained_by = InvalidFullTransactionId;
	weir_log_slot_store(stream_id, slot);
	heap_truncate_one_rel(rel);
	WEIR_DEBUG_POINT("truncate_end");
	table_close(rel, NoLock);
	return true;
}

/* What is_file_in_log looks for. */
typedef struct FileSearch
{
	WeirLogSlot *slots;
	int			nslots;
	Oid			leaf;
	Oid			filenode;
} FileSearch;

static bool
is_other_file(const WeirLogEntry *entry, void *arg)
{
	FileSearch *search = (FileSearch *) arg;

	return entry->leaf != search->leaf || entry->filenode != search->filenode;
}

static bool
is_file_in_log(Oid leaf, Oid filenode, void *arg)
{
	FileSearch *search = (FileSearch *) arg;

	search->leaf = leaf;
	search->filenode = filenode;
	for (int i = 0; i < search->nslots; i++)
		if (search->slots[i].turn != 0 &&
			!all_consumed(&search->slots[i], (Datum) 0, is_other_file, search))
			return true;
	return false;
}

/*
 * After a slot was truncated: that a file is superseded need not be known any
 * more when no entry names it.  An entry that some snapshot sees is in a slot
 * that has not been truncated, and no new one names an old file.
 */
static void
forget_files(int32 stream_id, WeirLogSlot *slots, int nslots)
{
	FileSearch	search = {slots, nslots, InvalidOid, InvalidOid};

	weir_log_superseded_forget(stream_id, is_file_in_log, &search);
}

static bool
is_full(WeirLogSlot *slots, int nslots, WeirLogSlot *current)
{
	Relation	rel = table_open(current->relid, AccessShareLock);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	int			used = 0;

	table_close(rel, AccessShareLock);
	for (int i = 0; i < nslots; i++)
		if (slots[i].turn != 0)
			used++;
	return nblocks >= (BlockNumber) slot_blocks << Min(used / SLOTS_PER_SIZE,
													   MAX_DOUBLINGS);
}

/*
 * Have every session forget which slot it writes to.  The message is not one of
 * this transaction's: it is sent at once, whether that commits or not.  Who gets
 * an id for a transaction from now on has it before it looks (invariant 1).
 */
static void
tell_writers(int32 stream_id)
{
	SharedInvalidationMessage message;

	memset(&message, 0, sizeof(message));
	message.rc.id = SHAREDINVALRELCACHE_ID;
	message.rc.dbId = MyDatabaseId;
	message.rc.relId = weir_log_sequence(stream_id);
	SendSharedInvalidMessages(&message, 1);
}

/* Writers have been moved on: note who may still come. */
static void
close_slot(int32 stream_id, WeirLogSlot *slot)
{
	tell_writers(stream_id);
	WEIR_DEBUG_POINT("rotate_told");
	slot->closed_at = ReadNextFullTransactionId();
	weir_log_slot_store(stream_id, slot);
}

/*
 * Move writers on to the next slot, in two steps: prepare, then switch in a
 * later transaction (invariant 2).
 */
static bool
advance(int32 stream_id, WeirLogSlot *slots, int nslots, WeirLogSlot *current)
{
	WeirLogSlot *spare = NULL;
	WeirLogSlot created;
	int32		number = nslots;

	for (int i = 0; i < nslots; i++)
	{
		if (slots[i].turn > current->turn)
		{
			/* prepared earlier */
			weir_sequence_set(weir_log_sequence(stream_id), slots[i].slot);
			WEIR_DEBUG_POINT("rotate_switched");
			close_slot(stream_id, current);
			WEIR_DEBUG_POINT("rotate_closed");
			return true;
		}
		if (slots[i].turn == 0 && spare == NULL)
			spare = &slots[i];
	}
	if (spare)
	{
		spare->turn = current->turn + 1;
		weir_log_slot_store(stream_id, spare);
		WEIR_DEBUG_POINT("rotate_prepared");
		return true;
	}
	if (nslots == WEIR_MAX_LOG_SLOTS)
		return false;			/* grow the current one; nothing is lost */
	weir_log_slot_create(stream_id, &created, number, current->turn + 1);
	WEIR_DEBUG_POINT("rotate_prepared");
	return true;
}

bool
weir_log_rotate(int32 stream_id, Datum known, WeirLogConsumed is_consumed,
				void *arg)
{
	int			nslots;
	WeirLogSlot *slots = weir_log_slots(stream_id, NULL, &nslots);
	WeirLogSlot *current = NULL;
	int32		current_number;
	bool		changed = false;
	bool		truncated = false;
	bool		older_left = false; /* truncation goes by turn */

	current_number = (int32) weir_sequence_read(weir_log_sequence(stream_id));
	for (int i = 0; i < nslots; i++)
	{
		slots[i].relid = weir_log_slot_relid(stream_id, slots[i].slot);
		if (slots[i].slot == current_number)
			current = &slots[i];
	}
	if (current == NULL || current->turn == 0)
		elog(ERROR, "stream %d has no log slot %d", stream_id, current_number);

	for (int i = 0; i < nslots; i++)
	{
		WeirLogSlot *slot = &slots[i];

		if (slot->turn == 0 || slot->turn >= current->turn)
			continue;
		if (!FullTransactionIdIsValid(slot->closed_at))
		{
			close_slot(stream_id, slot);
			changed = true;
		}
		else if (!FullTransactionIdIsValid(slot->drained_by))
		{
			if (FullTransactionIdPrecedesOrEquals(slot->closed_at, fresh_xmin()) &&
				all_consumed(slot, known, is_consumed, arg))
			{
				slot->drained_by = GetTopFullTransactionId();
				weir_log_slot_store(stream_id, slot);
				WEIR_DEBUG_POINT("rotate_drained");
				changed = true;
			}
		}
		else if (!older_left &&
				 truncate_slot(stream_id, slot, known, is_consumed, arg))
		{
			changed = truncated = true;
			continue;
		}
		older_left = true;
	}
	if (truncated)
		forget_files(stream_id, slots, nslots);

	if (is_full(slots, nslots, current) &&
		advance(stream_id, slots, nslots, current))
		changed = true;
	return changed;
}

void
weir_log_init(void)
{
	weir_watch_relations(forget_known_logs);
	DefineCustomIntVariable("weir.log_slot_size",
							"Size at which the log of a stream goes on to another table.",
							NULL,
							&slot_blocks,
							32, 1, 8192,
							PGC_SUSET, GUC_UNIT_BLOCKS,
							NULL, NULL, NULL);
}
