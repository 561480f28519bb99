/*-------------------------------------------------------------------------
 *
 * changes_read.c
 *	  The change stream of a wide table: reading it up to where it is
 *	  settled, and deleting what is old.
 *
 * Numbers are given out before writes commit, so a smaller number can become
 * visible after a greater one.  Whoever reads by "seq > the greatest one I
 * have seen" would miss it.  So under a snapshot S records are handed out up
 * to a number only if every number up to there is settled: it is that of a
 * record which S sees, or no later snapshot will ever see a record with it.
 *
 * The records are read in the order of seq, whatever their transaction has
 * come to, and the first of these ends the reading:
 *
 *	a record whose transaction is in progress for S, unless it has been
 *	rolled back (it may have committed since; then a later S sees it)
 *
 *	a gap before a record r, unless r.horizon <= oldest(S), the oldest
 *	transaction, other than this one, that is in progress for S
 *
 * Why a gap that is passed stays empty.  Let g < r.seq be a missing number
 * and T the transaction that took it, if any did.  T had its (top) id before
 * it took g, g was given out before r.seq, and r.horizon was read after that
 * as the next id to be given out.  So T < r.horizon <= oldest(S): T is not
 * this transaction in the middle of a write and not in progress for S, so it
 * ended before S was taken.  All that it put into the heap was there before
 * this scan began, which sees everything that is there; g is not, so T has
 * not put it there, or it was rolled back and vacuumed away, or it was
 * deleted for age.  In all cases it never comes.
 *
 * It holds for
 *	- prepared transactions: in progress for S until they are finished
 *	- savepoints: ids of subtransactions are known to S as their parent's; a
 *	  record of one that was rolled back is dead, whatever the parent does
 *	- old snapshots (REPEATABLE READ): what committed after S is in progress
 *	  for S and ends the reading, though greater numbers may be visible.
 *	  Rows that S might see are not vacuumed while S lives
 *	- crashes: transactions that the crash ended are neither in progress nor
 *	  committed.  The sequence skips numbers, never repeats one whose record
 *	  was logged
 *	- standbys: a transaction of which the standby knows nothing yet has an
 *	  id not less than the xmax of any of its snapshots; one that it knows of
 *	  is in progress for it
 *	- numbers that are never used: by check_and_mutate_row without a match,
 *	  alter_family, a sequence altered by hand
 *
 * A writer of the table that is open for long holds back what was numbered
 * after its first write.  A transaction that does not write to the table can
 * hold back only what comes after a gap.  On a primary it is known who
 * writes: a taker of g holds a lock on the heap of changes from before it
 * takes g until it ends.  So before the scan, first the last number that was
 * given out is noted, then those who hold such a lock are looked up.  A gap
 * before r is passed, too, if r.seq is not greater than that number and all
 * the holders' ids are not less than r.horizon: g had been given out when
 * they were looked up, so T was not among them, had ended, and the scan sees
 * what it put into the heap.
 *
 * SERIALIZABLE: the scan's snapshot is none that the server could track
 * reads for, so the whole heap is locked for reading.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "storage/authorized_view.h"
#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/heapscan.h"
#include "storage/owner.h"
#include "storage/sequence.h"
#include "storage/writers.h"
#include "types/json_list.h"
#include "weir.h"

/* What is recorded of a change stream. */
typedef struct Limits
{
	int64		since_seq;		/* numbers up to here were not recorded */
	int64		trimmed_to;		/* 0, or records up to here were deleted */
} Limits;

typedef struct ChangeScan
{
	WeirHeapScan scan;
	Snapshot	snapshot;
	FullTransactionId oldest;	/* in progress for the snapshot */
	int64		noted_seq;		/* the last number given out, and after that */
	FullTransactionId oldest_writer;	/* of those that wrote to the table */
	int64		position;		/* every number up to here is settled */
	ScanKeyData key;
} ChangeScan;

/* ---- what is settled ---- */

/* The oldest transaction, other than this one, in progress for a snapshot. */
static FullTransactionId
oldest_in_progress(Snapshot snapshot)
{
	TransactionId oldest = snapshot->xmax;

	if (snapshot->takenDuringRecovery)
		return weir_full_xid(snapshot->xmin);
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		if (TransactionIdPrecedes(snapshot->xip[i], oldest) &&
			!TransactionIdIsCurrentTransactionId(snapshot->xip[i]))
			oldest = snapshot->xip[i];
	return weir_full_xid(oldest);
}

typedef enum RecordState
{
	RECORD_VISIBLE,
	RECORD_PENDING,				/* not seen, but may be later */
	RECORD_GONE					/* rolled back, or deleted for age */
} RecordState;

/* What the snapshot has to say of the record at which the scan stands. */
static RecordState
state_of_record(const ChangeScan *s)
{
	TupleTableSlot *slot = s->scan.slot;
	HeapTuple	tuple;
	TransactionId xmin;
	bool		should_free;

	if (table_tuple_satisfies_snapshot(s->scan.heap, slot, s->snapshot))
		return RECORD_VISIBLE;
	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
	Assert(!should_free);
	if (HeapTupleHeaderXminFrozen(tuple->t_data))
		return RECORD_GONE;
	xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	if (TransactionIdIsCurrentTransactionId(xmin))
		return RECORD_PENDING;	/* by a later command than the snapshot's */
	if (!XidInMVCCSnapshot(xmin, s->snapshot))
		return RECORD_GONE;
	if (TransactionIdIsInProgress(xmin) || TransactionIdDidCommit(xmin))
		return RECORD_PENDING;
	return RECORD_GONE;
}

static int64
seq_of_record(const ChangeScan *s)
{
	return DatumGetInt64(s->scan.slot->tts_values[Anum_changes_seq - 1]);
}

/* Have all that were given smaller numbers than the record ended? */
static bool
predecessors_have_ended(const ChangeScan *s)
{
	Datum		d = s->scan.slot->tts_values[Anum_changes_horizon - 1];

	return FullTransactionIdPrecedesOrEquals(DatumGetFullTransactionId(d),
											 s->oldest);
}

/* Have those that can have written to the table, at least? */
static bool
writers_have_ended(const ChangeScan *s)
{
	Datum		d = s->scan.slot->tts_values[Anum_changes_horizon - 1];

	return seq_of_record(s) <= s->noted_seq &&
		FullTransactionIdPrecedesOrEquals(DatumGetFullTransactionId(d),
										  s->oldest_writer);
}

/* Opens a scan of the records; the snapshot must live as long. */
static void
begin_scan(ChangeScan *s, const WeirWideTable *table, Snapshot snapshot)
{
	memset(s, 0, sizeof(*s));
	s->snapshot = snapshot;
	s->oldest = oldest_in_progress(snapshot);
	weir_heap_scan_open(&s->scan, table, WEIR_HEAP_CHANGES);
	PredicateLockRelation(s->scan.heap, snapshot);
	/* locks of writers are not known on a standby */
	if (!RecoveryInProgress())
	{
		s->noted_seq = weir_sequence_read(table->seq);
		s->oldest_writer = weir_oldest_writer(table->changes);
	}
}

/* From the first record after a number, up to which everything is settled. */
static void
seek(ChangeScan *s, int64 after)
{
	ScanKeyInit(&s->key, Anum_changes_seq, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(after));
	weir_heap_scan_start(&s->scan, SnapshotAny, &s->key, 1);
	s->position = after;
}

static void
end_scan(ChangeScan *s)
{
	weir_heap_scan_close(&s->scan);
}

/* Goes to the next record that is seen; false at the end of what is settled. */
static bool
next_settled(ChangeScan *s)
{
	while (weir_heap_scan_next(&s->scan, ForwardScanDirection))
	{
		RecordState state = state_of_record(s);

		if (state == RECORD_PENDING ||
			(seq_of_record(s) - 1 > s->position &&
			 !predecessors_have_ended(s) && !writers_have_ended(s)))
			return false;
		s->position = seq_of_record(s);
		if (state == RECORD_VISIBLE)
			return true;
	}
	return false;
}

/*
 * From the last record back to one before which everything is settled, then
 * forward.
 */
static int64
settled_position(ChangeScan *s, int64 at_least)
{
	int64		position = at_least;

	weir_heap_scan_start(&s->scan, SnapshotAny, &s->key, 0);
	while (position == at_least &&
		   weir_heap_scan_next(&s->scan, BackwardScanDirection))
		if (predecessors_have_ended(s))
			position = Max(seq_of_record(s), at_least);
	seek(s, position);
	while (next_settled(s))
		 /* go on */ ;
	return s->position;
}

/* ---- SQL functions ---- */

/* As the snapshot sees them, so that they fit to the records. */
static Limits
read_limits(const WeirWideTable *table, Snapshot snapshot)
{
	Relation	rel = table_open(weir_own_relid("_change_streams", false),
								 AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Limits		limits = {0, 0};
	bool		isnull;

	ScanKeyInit(&key, Anum_change_streams_face, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table->home));
	scan = systable_beginscan(rel, weir_own_relid("_change_streams_pkey", false),
							  true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		limits.since_seq = DatumGetInt64(heap_getattr(tuple,
													  Anum_change_streams_since_seq,
													  desc, &isnull));
		limits.trimmed_to = DatumGetInt64(heap_getattr(tuple,
													   Anum_change_streams_trimmed_to,
													   desc, &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return limits;
}

/*
 * The wide table in argument 0; the current user may read its changes, and
 * they stay there until the end of the transaction.
 */
static WeirWideTable *
readable_table_argument(FunctionCallInfo fcinfo)
{
	Oid			face = weir_table_argument(fcinfo, 0);
	WeirWideTable *table = weir_wide_table_open(face, AccessShareLock, 0);

	weir_check_is_no_view(table);
	(void) weir_changes_lock(table->home, AccessShareLock);
	/* what was changed until the lock was had counts */
	table = weir_wide_table_require(face);
	if (!OidIsValid(table->changes))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("wide table \"%s\" has no change stream",
						get_rel_name(table->face)),
				 errhint("Use weir.enable_changes.")));
	if (pg_class_aclcheck(table->changes, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE,
					   get_rel_name(table->changes));
	if (check_enable_rls(table->changes, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("row-level security is not supported by weir.changes"),
				 errhint("Read the table \"%s\" itself.",
						 get_rel_name(table->changes))));
	return table;
}

/*
 * A reader must not go on behind what it has not seen.  Position 0 is the
 * beginning of the stream.
 */
static void
check_position(const WeirWideTable *table, int64 after, const Limits *limits)
{
	int64		first = after == 0 ? limits->trimmed_to :
		Max(limits->since_seq, limits->trimmed_to);

	if (after < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("position in a change stream must not be negative")));
	if (after < first)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("changes of wide table \"%s\" after position " INT64_FORMAT " are not all there",
						get_rel_name(table->face), after),
				 limits->trimmed_to > after ?
				 errdetail("Those up to " INT64_FORMAT " were older than the retention and have been deleted.",
						   limits->trimmed_to) :
				 errdetail("The change stream was enabled at " INT64_FORMAT ".",
						   limits->since_seq),
				 errhint("Note weir.changes_position, read the table anew in the same snapshot, and go on from there; NULL reads what there is.")));
}

static void
put_record(ReturnSetInfo *rsinfo, TupleTableSlot *slot)
{
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
						 slot->tts_values, slot->tts_isnull);
}

PG_FUNCTION_INFO_V1(weir_changes);
Datum
weir_changes(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = readable_table_argument(fcinfo);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		limit = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	int64		nrecords = 0;
	int64		first;
	Limits		limits;
	ChangeScan	s;

	InitMaterializedSRF(fcinfo, 0);
	if (limit < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit of records must not be negative")));
	begin_scan(&s, table, GetActiveSnapshot());
	limits = read_limits(table, s.snapshot);
	first = Max(limits.since_seq, limits.trimmed_to);
	if (!PG_ARGISNULL(1))
	{
		check_position(table, PG_GETARG_INT64(1), &limits);
		first = Max(first, PG_GETARG_INT64(1));
	}
	seek(&s, first);
	while ((limit == 0 || nrecords < limit) && next_settled(&s))
	{
		put_record(rsinfo, s.scan.slot);
		nrecords++;
	}
	end_scan(&s);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(weir_changes_position);
Datum
weir_changes_position(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = readable_table_argument(fcinfo);
	Limits		limits;
	ChangeScan	s;
	int64		position;

	begin_scan(&s, table, GetActiveSnapshot());
	limits = read_limits(table, s.snapshot);
	position = settled_position(&s, Max(limits.since_seq, limits.trimmed_to));
	end_scan(&s);
	PG_RETURN_INT64(position);
}

/* ---- deleting what is old ---- */

static void
set_trimmed_to(const WeirWideTable *table, int64 trimmed_to)
{
	Relation	rel = table_open(weir_own_relid("_change_streams", false),
								 RowExclusiveLock);
	SysScanDesc scan = weir_catalog_scan(rel, "_change_streams_pkey",
										 table->home);
	HeapTuple	tuple = systable_getnext(scan);
	Datum		values[Natts_change_streams] = {0};
	bool		nulls[Natts_change_streams] = {false};
	bool		replace[Natts_change_streams] = {false};

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "no catalog row for the change stream of wide table %u",
			 table->home);
	values[Anum_change_streams_trimmed_to - 1] = Int64GetDatum(trimmed_to);
	replace[Anum_change_streams_trimmed_to - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls,
							  replace);
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	systable_endscan(scan);
	table_close(rel, NoLock);
}

/* Deletes the record at which the scan stands; false if somebody locks it. */
static bool
delete_record(Relation heap, ChangeScan *s)
{
	TM_FailureData failure;

	return table_tuple_delete(heap, &s->scan.slot->tts_tid,
							  GetCurrentCommandId(true), s->snapshot, NULL,
							  false, &failure, false) == TM_Ok;
}

/*
 * What is deleted is a beginning of what is settled, so that one number says
 * what is missing.
 */
int
weir_changes_trim(Oid face, TimestampTz limit, int max_rows,
				  WeirChangeIsNeeded is_needed, void *arg)
{
	WeirWideTable *table;
	Relation	heap;
	Limits		limits;
	ChangeScan	s;
	int64		trimmed_to;
	int			n = 0;

	/*
	 * The caller holds what others, who disable the change stream, take after
	 * a lock on the face.
	 */
	if (!ConditionalLockRelationOid(face, ShareUpdateExclusiveLock))
		return 0;
	table = weir_wide_table_open(face, AccessShareLock, 0);
	if (!OidIsValid(table->changes))
		return 0;
	heap = table_open(table->changes, RowExclusiveLock);
	begin_scan(&s, table, GetActiveSnapshot());
	limits = read_limits(table, s.snapshot);
	trimmed_to = limits.trimmed_to;
	seek(&s, Max(limits.since_seq, trimmed_to));
	while (n < max_rows && next_settled(&s))
	{
		TupleTableSlot *slot = s.scan.slot;
		HeapTuple	tuple;
		bool		should_free;

		if (DatumGetTimestampTz(slot->tts_values[Anum_changes_at - 1]) >= limit)
			break;
		tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
		if (is_needed(&slot->tts_tid,
					  HeapTupleHeaderGetRawXmin(tuple->t_data), arg) ||
			!delete_record(heap, &s))
			break;
		trimmed_to = seq_of_record(&s);
		n++;
	}
	end_scan(&s);
	if (n > 0)
		set_trimmed_to(table, trimmed_to);
	table_close(heap, NoLock);
	return n;
}
