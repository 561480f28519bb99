/*-------------------------------------------------------------------------
 *
 * log.c
 *	  The log of a stream: which rows each transaction inserted.
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
 * 1. Writers read the slot number from the sequence's page, not under a
 *	  snapshot, and after their top transaction has its id; the mover advances
 *	  it first and then reads the next id, U.  So who may still write to the
 *	  slot has an id below U: it is sealed once all those have ended, that is
 *	  when U <= xmin of a fresh snapshot.  (A later U is as good: after a
 *	  crash, or when the mover fails half-way, U is simply taken again.)
 * 2. Whoever sees an entry sees its slot's turn, since the turn was committed
 *	  before anybody could write there.  Entries are read by turn, then by
 *	  TID: for a given set of transactions the order never changes, so a
 *	  position in it is good in later transactions.
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

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "storage/debug_point.h"
#include "storage/owner.h"
#include "storage/sequence.h"
#include "stream/log.h"
#include "stream/snapshot.h"
#include "weir.h"

/* columns of a slot */
enum
{
	LOG_LEAF = 1,
	LOG_FILENODE,
	LOG_XID,
	LOG_LOGGED_AT,
	LOG_ROWS,
	LOG_BLOCKS,
	LOG_XIDS,
	LOG_RUNS,
	LOG_NATTS = LOG_RUNS
};

/* columns of weir._log_slot */
enum
{
	SLOT_STREAM_ID = 1,
	SLOT_SLOT,
	SLOT_TURN,
	SLOT_CLOSED_AT,
	SLOT_DRAINED_BY,
	SLOT_NATTS = SLOT_DRAINED_BY
};

/* slots that a stream starts with, and has at most */
#define INITIAL_SLOTS	3
#define MAX_SLOTS		256

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

typedef struct Slot
{
	int32		slot;
	Oid			relid;
	int64		turn;
	FullTransactionId closed_at;
	FullTransactionId drained_by;
	bool		is_passed;		/* in a scan: nothing wanted in it */
	HeapTuple	tuple;			/* of _log_slot */
} Slot;

struct WeirLogScan
{
	int32		stream_id;
	Snapshot	snapshot;
	bool		heads_only;
	WeirLogPosition after;
	Slot	   *slots;			/* those with a turn, by turn */
	int			nslots;
	int			next_slot;
	Relation	rel;			/* the slot that is being read, or NULL */
	TableScanDesc scan;
	TupleTableSlot *tuple_slot;
	MemoryContext entry_context;
	WeirLogEntry entry;
};

static Oid
internal_relid(const char *what, int32 stream_id, const char *suffix,
			   bool missing_ok)
{
	char		name[NAMEDATALEN];
	Oid			relid;

	snprintf(name, sizeof(name), "_%s_%d_%s", what, stream_id, suffix);
	relid = get_relname_relid(name, weir_schema_oid());
	if (!OidIsValid(relid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", WEIR_SCHEMA, name)));
	return relid;
}

static Oid
slot_relid(int32 stream_id, int32 slot)
{
	char		suffix[16];

	snprintf(suffix, sizeof(suffix), "%d", slot);
	return internal_relid("log", stream_id, suffix, false);
}

Oid
weir_log_sequence(int32 stream_id)
{
	return internal_relid("log", stream_id, "slot", false);
}

static Oid
truncated_sequence(int32 stream_id)
{
	return internal_relid("log", stream_id, "truncated", false);
}

/* ----------------------------------------------------------------
 *		weir._log_slot
 * ----------------------------------------------------------------
 */

static Relation
open_slot_catalog(LOCKMODE lockmode)
{
	return table_open(get_relname_relid("_log_slot", weir_schema_oid()),
					  lockmode);
}

static int
slot_turn_cmp(const void *a, const void *b)
{
	const Slot *x = (const Slot *) a;
	const Slot *y = (const Slot *) b;

	return x->turn < y->turn ? -1 : (x->turn > y->turn ? 1 : 0);
}

/*
 * All slots of a stream as the snapshot sees them (NULL: as committed now),
 * by turn.
 */
static Slot *
read_slots(int32 stream_id, Snapshot snapshot, int *nslots)
{
	Relation	catalog = open_slot_catalog(AccessShareLock);
	Slot	   *slots = palloc(sizeof(Slot) * MAX_SLOTS);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;

	ScanKeyInit(&key, SLOT_STREAM_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	scan = systable_beginscan(catalog,
							  get_relname_relid("_log_slot_pkey",
												weir_schema_oid()),
							  true, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[SLOT_NATTS];
		bool		nulls[SLOT_NATTS];
		Slot	   *slot = &slots[n++];

		if (n > MAX_SLOTS)
			elog(ERROR, "stream %d has too many log slots", stream_id);
		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		slot->slot = DatumGetInt32(values[SLOT_SLOT - 1]);
		slot->relid = InvalidOid;
		slot->turn = DatumGetInt64(values[SLOT_TURN - 1]);
		slot->closed_at = nulls[SLOT_CLOSED_AT - 1] ? InvalidFullTransactionId :
			DatumGetFullTransactionId(values[SLOT_CLOSED_AT - 1]);
		slot->drained_by = nulls[SLOT_DRAINED_BY - 1] ? InvalidFullTransactionId :
			DatumGetFullTransactionId(values[SLOT_DRAINED_BY - 1]);
		slot->tuple = heap_copytuple(tuple);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	qsort(slots, n, sizeof(Slot), slot_turn_cmp);
	*nslots = n;
	return slots;
}

/*
 * Store what the struct says; inserts when it has no tuple yet.
 */
static void
write_slot(int32 stream_id, Slot *slot)
{
	Relation	catalog = open_slot_catalog(RowExclusiveLock);
	Datum		values[SLOT_NATTS];
	bool		nulls[SLOT_NATTS] = {0};
	HeapTuple	tuple;

	values[SLOT_STREAM_ID - 1] = Int32GetDatum(stream_id);
	values[SLOT_SLOT - 1] = Int32GetDatum(slot->slot);
	values[SLOT_TURN - 1] = Int64GetDatum(slot->turn);
	values[SLOT_CLOSED_AT - 1] = FullTransactionIdGetDatum(slot->closed_at);
	nulls[SLOT_CLOSED_AT - 1] = !FullTransactionIdIsValid(slot->closed_at);
	values[SLOT_DRAINED_BY - 1] = FullTransactionIdGetDatum(slot->drained_by);
	nulls[SLOT_DRAINED_BY - 1] = !FullTransactionIdIsValid(slot->drained_by);

	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	if (slot->tuple)
	{
		tuple->t_self = slot->tuple->t_self;
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	}
	else
		CatalogTupleInsert(catalog, tuple);
	slot->tuple = tuple;
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * A new slot: a heap that is a member of the extension, so that nobody drops
 * it by hand and dumps leave it out.
 */
static void
create_slot(int32 stream_id, Slot *slot, int32 number, int64 turn)
{
	WeirIdentity identity;

	weir_become_extension_owner(&identity);
	weir_execute("CREATE TABLE " WEIR_SCHEMA "._log_%d_%d ("
				 "leaf oid NOT NULL, filenode oid NOT NULL, xid xid8 NOT NULL, "
				 "logged_at timestamptz NOT NULL, rows int NOT NULL, "
				 "blocks int NOT NULL, xids bytea, runs bytea NOT NULL) "
				 "USING heap WITH (autovacuum_enabled = off, "
				 "toast.autovacuum_enabled = off, toast_tuple_target = 8160)",
				 stream_id, number);
	weir_restore_identity(&identity);
	memset(slot, 0, sizeof(Slot));
	slot->slot = number;
	slot->turn = turn;
	slot->relid = slot_relid(stream_id, number);
	weir_join_extension(slot->relid);
	write_slot(stream_id, slot);
}

static Oid
create_sequence(int32 stream_id, const char *suffix)
{
	WeirIdentity identity;
	Oid			relid;

	weir_become_extension_owner(&identity);
	weir_execute("CREATE SEQUENCE " WEIR_SCHEMA "._log_%d_%s MINVALUE 0",
				 stream_id, suffix);
	weir_restore_identity(&identity);
	relid = internal_relid("log", stream_id, suffix, false);
	weir_join_extension(relid);
	weir_sequence_set(relid, 0);
	return relid;
}

void
weir_log_create(int32 stream_id)
{
	Slot		slot;

	create_sequence(stream_id, "slot");
	create_sequence(stream_id, "truncated");
	for (int i = 0; i < INITIAL_SLOTS; i++)
		create_slot(stream_id, &slot, i, i == 0 ? 1 : 0);
}

static void
forget_superseded(int32 stream_id)
{
	Relation	rel = table_open(get_relname_relid("_superseded",
												   weir_schema_oid()),
								 RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	scan = systable_beginscan(rel, get_relname_relid("_superseded_pkey",
													 weir_schema_oid()),
							  true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
}

static void
drop_internal(const char *kind, Oid relid)
{
	WeirIdentity identity;
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return;
	weir_leave_extension(relid);
	weir_become_extension_owner(&identity);
	weir_execute("DROP %s " WEIR_SCHEMA ".%s", kind, quote_identifier(name));
	weir_restore_identity(&identity);
}

void
weir_log_drop(int32 stream_id)
{
	int			nslots;
	Slot	   *slots = read_slots(stream_id, NULL, &nslots);
	Relation	catalog;

	for (int i = 0; i < nslots; i++)
		drop_internal("TABLE", slot_relid(stream_id, slots[i].slot));
	drop_internal("SEQUENCE", internal_relid("log", stream_id, "slot", true));
	drop_internal("SEQUENCE",
				  internal_relid("log", stream_id, "truncated", true));
	catalog = open_slot_catalog(RowExclusiveLock);
	for (int i = 0; i < nslots; i++)
		CatalogTupleDelete(catalog, &slots[i].tuple->t_self);
	table_close(catalog, RowExclusiveLock);
	forget_superseded(stream_id);
}

bool
weir_log_exists(int32 stream_id)
{
	/*
	 * Somebody else may be making it just now.  No lock tells our caches, as
	 * it would if there were something to lock.
	 */
	AcceptInvalidationMessages();
	return OidIsValid(internal_relid("log", stream_id, "slot", true));
}

/* ----------------------------------------------------------------
 *		Writing
 * ----------------------------------------------------------------
 */

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

bool
weir_log_write(int32 stream_id, Oid leaf, Oid filenode, FullTransactionId xid,
			   const WeirTidRun *runs, int nruns,
			   const TransactionId *xids, int nxids)
{
	Oid			sequence = internal_relid("log", stream_id, "slot", true);
	Relation	rel;
	Datum		values[LOG_NATTS];
	bool		nulls[LOG_NATTS] = {0};

	if (!OidIsValid(sequence))
		return false;
	/* invariant 1: the caller's id exists, now read the slot */
	rel = table_open(slot_relid(stream_id, (int32) weir_sequence_read(sequence)),
					 RowExclusiveLock);

	values[LOG_LEAF - 1] = ObjectIdGetDatum(leaf);
	values[LOG_FILENODE - 1] = ObjectIdGetDatum(filenode);
	values[LOG_XID - 1] = FullTransactionIdGetDatum(xid);
	values[LOG_LOGGED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	if (nxids == 1 && xids[0] == XidFromFullTransactionId(xid))
		nulls[LOG_XIDS - 1] = true;
	else
		values[LOG_XIDS - 1] = PointerGetDatum(weir_xids_pack(xids, nxids));

	while (nruns > 0)
	{
		int			packed = runs_of_an_entry(runs, nruns);
		bytea	   *data = weir_tidrun_pack(runs, packed, MAX_RUNS_SIZE, &packed);
		HeapTuple	tuple;

		values[LOG_ROWS - 1] = Int32GetDatum(weir_tidrun_count_rows(runs, packed));
		values[LOG_BLOCKS - 1] = Int32GetDatum(weir_tidrun_count_blocks(runs, packed));
		values[LOG_RUNS - 1] = PointerGetDatum(data);
		tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
		simple_heap_insert(rel, tuple);
		heap_freetuple(tuple);
		pfree(data);
		runs += packed;
		nruns -= packed;
	}
	table_close(rel, NoLock);
	return true;
}

/* ----------------------------------------------------------------
 *		Reading
 * ----------------------------------------------------------------
 */

int
weir_log_position_cmp(const WeirLogPosition *a, const WeirLogPosition *b)
{
	if (a->turn != b->turn)
		return a->turn < b->turn ? -1 : 1;
	return ItemPointerCompare((ItemPointer) &a->tid, (ItemPointer) &b->tid);
}

/*
 * Invariant 4.  Slots that the snapshot sees drained are not among those of
 * the scan.
 */
static void
check_truncations(WeirLogScan *scan)
{
	int64		truncated = weir_sequence_read(truncated_sequence(scan->stream_id));

	if (scan->nslots > 0 && scan->slots[0].turn <= truncated)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the log of stream %d has been truncated past this snapshot",
						scan->stream_id),
				 errhint("Retry the transaction.")));
}

/*
 * Can the slot have entries that are wanted?  Who may write to one that is
 * closed has an id below closed_at (invariant 1).  If all of those whose end
 * the snapshot sees had ended for "consumed", there is nothing new in it: a
 * transaction that stays open for long keeps slots from being sealed, but not
 * from being passed over.
 */
static bool
can_have_news(const Slot *slot, const WeirUnseen *unseen, Snapshot snapshot)
{
	return !FullTransactionIdIsValid(slot->closed_at) ||
		weir_snapshot_has_news(unseen, snapshot, slot->closed_at);
}

WeirLogScan *
weir_log_begin(int32 stream_id, Snapshot snapshot, Datum consumed,
			   const WeirLogPosition *after, bool heads_only)
{
	WeirLogScan *scan = palloc0(sizeof(WeirLogScan));
	WeirUnseen	unseen;
	int			nslots;
	int			n = 0;

	if (consumed)
		weir_snapshot_unpack(consumed, &unseen);
	scan->stream_id = stream_id;
	scan->snapshot = snapshot;
	scan->heads_only = heads_only;
	if (after)
		scan->after = *after;
	scan->slots = read_slots(stream_id, snapshot, &nslots);
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
	scan->entry_context = AllocSetContextCreate(CurrentMemoryContext,
												"weir log entry",
												ALLOCSET_DEFAULT_SIZES);
	check_truncations(scan);
	return scan;
}

static void
close_slot(WeirLogScan *scan)
{
	if (scan->rel == NULL)
		return;
	table_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->tuple_slot);
	table_close(scan->rel, NoLock);
	scan->rel = NULL;
}

/* Open the next slot that can have entries; false after the last. */
static bool
open_next_slot(WeirLogScan *scan)
{
	close_slot(scan);
	while (scan->next_slot < scan->nslots)
	{
		Slot	   *slot = &scan->slots[scan->next_slot++];
		Relation	rel;

		if (slot->turn < scan->after.turn || slot->is_passed)
			continue;
		slot->relid = slot_relid(scan->stream_id, slot->slot);
		rel = table_open(slot->relid, AccessShareLock);
		if (RelationGetNumberOfBlocks(rel) == 0)
		{
			table_close(rel, NoLock);
			continue;
		}
		scan->rel = rel;
		scan->tuple_slot = table_slot_create(rel, NULL);
		scan->scan = table_beginscan(rel, scan->snapshot, 0, NULL);
		scan->entry.position.turn = slot->turn;
		return true;
	}
	return false;
}

static void
fill_entry(WeirLogScan *scan)
{
	TupleTableSlot *slot = scan->tuple_slot;
	WeirLogEntry *entry = &scan->entry;
	MemoryContext old;

	slot_getallattrs(slot);
	entry->leaf = DatumGetObjectId(slot->tts_values[LOG_LEAF - 1]);
	entry->filenode = DatumGetObjectId(slot->tts_values[LOG_FILENODE - 1]);
	entry->xid = DatumGetFullTransactionId(slot->tts_values[LOG_XID - 1]);
	entry->logged_at = DatumGetTimestampTz(slot->tts_values[LOG_LOGGED_AT - 1]);
	entry->rows = DatumGetInt32(slot->tts_values[LOG_ROWS - 1]);
	entry->blocks = DatumGetInt32(slot->tts_values[LOG_BLOCKS - 1]);
	entry->xids = NULL;
	entry->runs = NULL;
	entry->nxids = entry->nruns = 0;
	if (scan->heads_only)
		return;

	MemoryContextReset(scan->entry_context);
	old = MemoryContextSwitchTo(scan->entry_context);
	if (slot->tts_isnull[LOG_XIDS - 1])
	{
		entry->xids = palloc(sizeof(TransactionId));
		entry->xids[0] = XidFromFullTransactionId(entry->xid);
		entry->nxids = 1;
	}
	else
		entry->xids = weir_xids_unpack(DatumGetByteaPP(slot->tts_values[LOG_XIDS - 1]),
									   &entry->nxids);
	entry->runs = weir_tidrun_unpack(DatumGetByteaPP(slot->tts_values[LOG_RUNS - 1]),
									 &entry->nruns);
	MemoryContextSwitchTo(old);
}

WeirLogEntry *
weir_log_next(WeirLogScan *scan)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (scan->rel == NULL && !open_next_slot(scan))
		{
			/* nothing was taken away while we were reading? */
			check_truncations(scan);
			return NULL;
		}
		if (!table_scan_getnextslot(scan->scan, ForwardScanDirection,
									scan->tuple_slot))
		{
			close_slot(scan);
			continue;
		}
		scan->entry.position.tid = scan->tuple_slot->tts_tid;
		if (weir_log_position_cmp(&scan->entry.position, &scan->after) <= 0)
			continue;
		fill_entry(scan);
		return &scan->entry;
	}
}

void
weir_log_end(WeirLogScan *scan)
{
	close_slot(scan);
	MemoryContextDelete(scan->entry_context);
	pfree(scan);
}

/* ----------------------------------------------------------------
 *		Rotation
 * ----------------------------------------------------------------
 */

/* The oldest transaction that a fresh snapshot takes for running. */
static FullTransactionId
fresh_xmin(void)
{
	return weir_snapshot_widen(GetLatestSnapshot()->xmin);
}

static bool
all_consumed(Slot *slot, WeirLogConsumed is_consumed, void *arg)
{
	WeirLogScan scan = {0};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		result = true;

	scan.rel = table_open(slot->relid, AccessShareLock);
	scan.heads_only = true;
	scan.tuple_slot = table_slot_create(scan.rel, NULL);
	scan.scan = table_beginscan(scan.rel, snapshot, 0, NULL);
	scan.entry.position.turn = slot->turn;
	while (result && table_scan_getnextslot(scan.scan, ForwardScanDirection,
											scan.tuple_slot))
	{
		scan.entry.position.tid = scan.tuple_slot->tts_tid;
		fill_entry(&scan);
		result = is_consumed(&scan.entry, arg);
	}
	close_slot(&scan);
	UnregisterSnapshot(snapshot);
	return result;
}

/*
 * Empty a drained slot if no snapshot can need it any more and nobody is
 * looking; see invariant 3.  True if it is free now.
 */
static bool
truncate_slot(int32 stream_id, Slot *slot,
			  WeirLogConsumed is_consumed, void *arg)
{
	Relation	rel = table_open(slot->relid, AccessShareLock);
	FullTransactionId horizon;

	/* look first: to try for the lock takes an id and writes WAL */
	horizon = weir_snapshot_widen(GetOldestNonRemovableTransactionId(rel));
	if (!FullTransactionIdPrecedes(slot->drained_by, horizon) ||
		!ConditionalLockRelationOid(slot->relid, AccessExclusiveLock))
	{
		table_close(rel, AccessShareLock);
		return false;
	}
	if (!all_consumed(slot, is_consumed, arg))
	{
		/* let go of it at once: writers may want it after the next turn */
		table_close(rel, NoLock);
		UnlockRelationOid(slot->relid, AccessExclusiveLock);
		return false;
	}
	WEIR_DEBUG_POINT("truncate_begin");
	weir_sequence_set(truncated_sequence(stream_id), slot->turn);
	WEIR_DEBUG_POINT("truncate_marked");
	slot->turn = 0;
	slot->closed_at = slot->drained_by = InvalidFullTransactionId;
	write_slot(stream_id, slot);
	heap_truncate_one_rel(rel);
	WEIR_DEBUG_POINT("truncate_end");
	table_close(rel, NoLock);
	return true;
}

static bool
is_full(Slot *slots, int nslots, Slot *current)
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
 * Move writers on to the next slot, in two steps: prepare, then switch in a
 * later transaction (invariant 2).
 */
static bool
advance(int32 stream_id, Slot *slots, int nslots, Slot *current)
{
	Slot	   *spare = NULL;
	Slot		created;
	int32		number = nslots;

	for (int i = 0; i < nslots; i++)
	{
		if (slots[i].turn > current->turn)
		{
			/* prepared earlier */
			weir_sequence_set(weir_log_sequence(stream_id), slots[i].slot);
			WEIR_DEBUG_POINT("rotate_switched");
			current->closed_at = ReadNextFullTransactionId();
			write_slot(stream_id, current);
			WEIR_DEBUG_POINT("rotate_closed");
			return true;
		}
		if (slots[i].turn == 0 && spare == NULL)
			spare = &slots[i];
	}
	if (spare)
	{
		spare->turn = current->turn + 1;
		write_slot(stream_id, spare);
		WEIR_DEBUG_POINT("rotate_prepared");
		return true;
	}
	if (nslots == MAX_SLOTS)
		return false;			/* grow the current one; nothing is lost */
	create_slot(stream_id, &created, number, current->turn + 1);
	WEIR_DEBUG_POINT("rotate_prepared");
	return true;
}

bool
weir_log_rotate(int32 stream_id, WeirLogConsumed is_consumed, void *arg)
{
	int			nslots;
	Slot	   *slots = read_slots(stream_id, NULL, &nslots);
	Slot	   *current = NULL;
	int32		current_number;
	bool		changed = false;
	bool		older_left = false; /* truncation goes by turn */

	current_number = (int32) weir_sequence_read(weir_log_sequence(stream_id));
	for (int i = 0; i < nslots; i++)
	{
		slots[i].relid = slot_relid(stream_id, slots[i].slot);
		if (slots[i].slot == current_number)
			current = &slots[i];
	}
	if (current == NULL || current->turn == 0)
		elog(ERROR, "stream %d has no log slot %d", stream_id, current_number);

	for (int i = 0; i < nslots; i++)
	{
		Slot	   *slot = &slots[i];

		if (slot->turn == 0 || slot->turn >= current->turn)
			continue;
		if (!FullTransactionIdIsValid(slot->closed_at))
		{
			slot->closed_at = ReadNextFullTransactionId();
			write_slot(stream_id, slot);
			changed = true;
		}
		else if (!FullTransactionIdIsValid(slot->drained_by))
		{
			if (FullTransactionIdPrecedesOrEquals(slot->closed_at, fresh_xmin()) &&
				all_consumed(slot, is_consumed, arg))
			{
				slot->drained_by = GetTopFullTransactionId();
				write_slot(stream_id, slot);
				WEIR_DEBUG_POINT("rotate_drained");
				changed = true;
			}
		}
		else if (!older_left &&
				 truncate_slot(stream_id, slot, is_consumed, arg))
		{
			changed = true;
			continue;
		}
		older_left = true;
	}

	if (is_full(slots, nslots, current) &&
		advance(stream_id, slots, nslots, current))
		changed = true;
	return changed;
}

/* ----------------------------------------------------------------
 *		Files that are no more
 * ----------------------------------------------------------------
 */

void
weir_log_supersede(int32 stream_id, Oid leaf, Oid filenode)
{
	Relation	rel = table_open(get_relname_relid("_superseded",
												   weir_schema_oid()),
								 RowExclusiveLock);
	Datum		values[3];
	bool		nulls[3] = {0};

	if (!weir_log_is_superseded(stream_id, leaf, filenode, NULL))
	{
		values[0] = Int32GetDatum(stream_id);
		values[1] = ObjectIdGetDatum(leaf);
		values[2] = ObjectIdGetDatum(filenode);
		CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel),
												values, nulls));
		CommandCounterIncrement();
	}
	table_close(rel, RowExclusiveLock);
}

bool
weir_log_is_superseded(int32 stream_id, Oid leaf, Oid filenode,
					   Snapshot snapshot)
{
	Relation	rel = table_open(get_relname_relid("_superseded",
												   weir_schema_oid()),
								 AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(leaf));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(filenode));
	scan = systable_beginscan(rel, get_relname_relid("_superseded_pkey",
													 weir_schema_oid()),
							  true, snapshot, 3, keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

void
weir_log_init(void)
{
	DefineCustomIntVariable("weir.log_slot_size",
							"Size at which the log of a stream goes on to another table.",
							NULL,
							&slot_blocks,
							32, 1, 8192,
							PGC_SUSET, GUC_UNIT_BLOCKS,
							NULL, NULL, NULL);
}
