/*-------------------------------------------------------------------------
 *
 * counted.c
 *	  Rows that were dumped though they are in the state of an aggregate.
 *
 * A queue keeps a row until all its aggregates have counted it, and others keep
 * rows for longer.  A dump takes the rows and, where they cannot be made again
 * (dumped.c), the states, which would count rows again after a restore.  So the
 * dump takes along, in
 * weir._counted, which of the rows each aggregate had counted
 * (counted_dump.c): by value, as digests (row_digest.c), each as often as there
 * were such rows.  Equal rows are as good as each other.
 *
 * A set is that of all aggregates that shared a cursor.  Its part 0 says whose
 * it is and how many parts there are; the others have the digests, ascending.
 * All aggregates whose state is dumped have a set, over queues most often an empty
 * one, and over other aggregates always: so that one is not started as long as its
 * set, or state, has not come.
 *
 *		not started		its id is in a set; its view leaves these rows out
 *		started			the rows have been found in the table, and its cursor
 *						leaves them out (stream/left_out.c); no set
 *		held back		started, paused as failed; its id stays in the set until
 *						weir.resume or weir.skip: weir._counted goes into
 *						another dump as it is
 *
 * It is held back if rows it had counted are missing and the others are not those
 * that had waited, by their number and the sum of their digests: some of the latter
 * may be some of the former, changed on their way (pg_dump --extra-float-digits),
 * and would be counted again.  That only counted rows have been deleted since is no
 * reason, nor that only others have come or gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "weir.h"
#include "aggregate/counted.h"
#include "aggregate/row_digest.h"
#include "aggregate/runs.h"
#include "stream/stream.h"

static Relation
open_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_counted", false), lockmode);
}

/* ----------------------------------------------------------------
 *		Sets
 * ----------------------------------------------------------------
 */

Datum
weir_counted_id_array(List *ids)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(ids), 1));
	ListCell   *lc;

	foreach(lc, ids)
		elements[foreach_current_index(lc)] = Int32GetDatum(lfirst_int(lc));
	return PointerGetDatum(construct_array(elements, list_length(ids), INT4OID,
										   sizeof(int32), true, TYPALIGN_INT));
}

Datum
weir_counted_chunk_array(const int64 *chunks, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = Int64GetDatum(chunks[i]);
	return PointerGetDatum(construct_array(elements, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Those of n aggregates. */
static int64 *
chunk_numbers(Datum array, int n)
{
	int64	   *chunks = palloc(sizeof(int64) * Max(n, 1));
	Datum	   *elements;
	int			found;

	deconstruct_array(DatumGetArrayTypeP(array), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, NULL, &found);
	if (found != n)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%d aggregates have counted rows, but %d have state",
						n, found)));
	for (int i = 0; i < n; i++)
		chunks[i] = DatumGetInt64(elements[i]);
	return chunks;
}

static List *
id_list(Datum array)
{
	Datum	   *elements;
	int			n;
	List	   *ids = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), INT4OID, sizeof(int32), true,
					  TYPALIGN_INT, &elements, NULL, &n);
	for (int i = 0; i < n; i++)
		ids = lappend_int(ids, DatumGetInt32(elements[i]));
	return ids;
}

/* The first parts of all sets. */
static SysScanDesc
begin_sets_scan(Relation catalog, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, COUNTED_PART, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(0));
	return systable_beginscan(catalog, weir_own_relid("_counted_pkey", false),
							  true, snapshot, 1, &key);
}

static WeirCountedSet *
set_of_tuple(Relation catalog, HeapTuple tuple)
{
	WeirCountedSet *set = palloc(sizeof(WeirCountedSet));
	Datum		values[COUNTED_NATTS];
	bool		nulls[COUNTED_NATTS];

	heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
	set->set_id = DatumGetInt32(values[COUNTED_SET_ID - 1]);
	set->parts = DatumGetInt32(values[COUNTED_PARTS - 1]);
	set->aggregate_ids = id_list(values[COUNTED_AGGREGATE_IDS - 1]);
	set->state_chunks = chunk_numbers(values[COUNTED_STATE_CHUNKS - 1],
									  list_length(set->aggregate_ids));
	set->waiting_rows = DatumGetInt64(values[COUNTED_WAITING_ROWS - 1]);
	set->waiting_sum = (uint64) DatumGetInt64(values[COUNTED_WAITING_SUM - 1]);
	return set;
}

List *
weir_counted_sets(Snapshot snapshot)
{
	Relation	catalog = open_catalog(AccessShareLock);
	SysScanDesc scan = begin_sets_scan(catalog, snapshot);
	List	   *sets = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		sets = lappend(sets, set_of_tuple(catalog, tuple));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return sets;
}

/* That of the aggregate, NULL if it has none. */
static WeirCountedSet *
set_of(int32 aggregate_id, Snapshot snapshot)
{
	ListCell   *lc;

	foreach(lc, weir_counted_sets(snapshot))
	{
		WeirCountedSet *set = lfirst(lc);

		if (list_member_int(set->aggregate_ids, aggregate_id))
			return set;
	}
	return NULL;
}

int32
weir_counted_visit(int32 set_id, Snapshot snapshot, WeirCountedVisit visit,
				   void *arg)
{
	Relation	catalog = open_catalog(AccessShareLock);
	Relation	index = index_open(weir_own_relid("_counted_pkey", false),
								   AccessShareLock);
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	int32		n = 0;

	ScanKeyInit(&keys[0], COUNTED_SET_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(set_id));
	ScanKeyInit(&keys[1], COUNTED_PART, BTGreaterStrategyNumber, F_INT4GT,
				Int32GetDatum(0));
	scan = systable_beginscan_ordered(catalog, index, snapshot, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		bool		is_null;
		Datum		digests;
		bytea	   *copy;

		CHECK_FOR_INTERRUPTS();
		n++;
		if (visit == NULL)
			continue;
		digests = heap_getattr(tuple, COUNTED_DIGESTS, RelationGetDescr(catalog),
							   &is_null);
		copy = DatumGetByteaPCopy(digests);
		visit(copy, arg);
		pfree(copy);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(catalog, AccessShareLock);
	return n;
}

static bool
has_all_state(const WeirCountedSet *set, int32 aggregate_id, Snapshot snapshot)
{
	ListCell   *lc;

	foreach(lc, set->aggregate_ids)
		if (lfirst_int(lc) == aggregate_id)
			return weir_runs_count_chunks(weir_runs_relid(aggregate_id),
										  snapshot) ==
				set->state_chunks[foreach_current_index(lc)];
	return false;
}

/* For the aggregate, whose set it is; NULL: it has not come. */
static bool
is_complete(const WeirCountedSet *set, int32 aggregate_id, Snapshot snapshot)
{
	return set != NULL &&
		weir_counted_visit(set->set_id, snapshot, NULL, NULL) + 1 == set->parts &&
		has_all_state(set, aggregate_id, snapshot);
}

/* State that has come with a dump tells that rows have been counted. */
static bool
needs_set(const WeirAggregate *agg)
{
	return !agg->is_ready && OidIsValid(weir_runs_relid(agg->id));
}

bool
weir_counted_is_complete(const WeirAggregate *agg)
{
	Snapshot	snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;

	return !needs_set(agg) ||
		is_complete(set_of(agg->id, snapshot), agg->id, snapshot);
}

bool
weir_counted_is_undecided(int32 aggregate_id, Snapshot snapshot)
{
	return set_of(aggregate_id, snapshot) != NULL;
}

/* Delete all of a set. */
static void
delete_set(Relation catalog, int32 set_id)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, COUNTED_SET_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(set_id));
	scan = systable_beginscan(catalog, weir_own_relid("_counted_pkey", false),
							  true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(catalog, &tuple->t_self);
	systable_endscan(scan);
}

/* Take the aggregate out of the set of this tuple. */
static void
leave_set(Relation catalog, HeapTuple tuple, const WeirCountedSet *set,
		  int32 aggregate_id)
{
	List	   *others = NIL;
	int64	   *chunks = palloc(sizeof(int64) * list_length(set->aggregate_ids));
	ListCell   *lc;
	Datum		values[COUNTED_NATTS] = {0};
	bool		nulls[COUNTED_NATTS] = {0};
	bool		replaces[COUNTED_NATTS] = {0};

	foreach(lc, set->aggregate_ids)
	{
		if (lfirst_int(lc) == aggregate_id)
			continue;
		chunks[list_length(others)] = set->state_chunks[foreach_current_index(lc)];
		others = lappend_int(others, lfirst_int(lc));
	}
	if (others == NIL)
	{
		delete_set(catalog, set->set_id);
		return;
	}
	values[COUNTED_AGGREGATE_IDS - 1] = weir_counted_id_array(others);
	replaces[COUNTED_AGGREGATE_IDS - 1] = true;
	values[COUNTED_STATE_CHUNKS - 1] =
		weir_counted_chunk_array(chunks, list_length(others));
	replaces[COUNTED_STATE_CHUNKS - 1] = true;
	CatalogTupleUpdate(catalog, &tuple->t_self,
					   heap_modify_tuple(tuple, RelationGetDescr(catalog),
										 values, nulls, replaces));
}

/* Two aggregates of a set may be dropped at the same time. */
void
weir_counted_settle(int32 aggregate_id)
{
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (set_of(aggregate_id, NULL) == NULL)
		return;
	catalog = open_catalog(ShareRowExclusiveLock);
	scan = begin_sets_scan(catalog, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		WeirCountedSet *set = set_of_tuple(catalog, tuple);

		if (list_member_int(set->aggregate_ids, aggregate_id))
			leave_set(catalog, tuple, set, aggregate_id);
	}
	systable_endscan(scan);
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

/* ----------------------------------------------------------------
 *		Finding the rows
 * ----------------------------------------------------------------
 */

/* Digests of the set and rows of the table, both ascending, side by side. */
typedef struct Match
{
	WeirDigestSort *rows;		/* of the table */
	WeirDigested row;			/* the next of them */
	bool		has_row;
	WeirDigestSort *found;		/* by place */
	int64		missing;
} Match;

static void
match_digest(Match *match, const unsigned char *digest)
{
	int			cmp = -1;

	while (match->has_row &&
		   (cmp = weir_digest_cmp(match->row.digest, digest)) < 0)
		match->has_row = weir_digest_sort_next(match->rows, &match->row);
	if (!match->has_row || cmp != 0)
	{
		match->missing++;
		return;
	}
	weir_digest_sort_add(match->found, &match->row);
	match->has_row = weir_digest_sort_next(match->rows, &match->row);
}

static void
match_part(bytea *digests, void *arg)
{
	Size		size = VARSIZE(digests) - VARHDRSZ;

	if (size % WEIR_DIGEST_SIZE != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("digests of counted rows have an invalid length: %zu bytes",
						size)));
	for (Size i = 0; i < size; i += WEIR_DIGEST_SIZE)
		match_digest(arg, (unsigned char *) VARDATA(digests) + i);
}

static WeirLeftOut *
places_of(WeirDigestSort *found)
{
	WeirLeftOut *left_out = weir_left_out_make();
	WeirDigested row;

	weir_digest_sort_perform(found);
	while (weir_digest_sort_next(found, &row))
		weir_left_out_add(left_out, row.leaf, &row.tid);
	return left_out;
}

/* Of a set that is not empty. */
static void
find_rows(const WeirAggregate *agg, const WeirCountedSet *set,
		  Snapshot snapshot, WeirCountedRows *result)
{
	WeirBatch  *batch = weir_batch_of_table(agg->stream_id, snapshot);
	Match		match = {0};
	WeirStream	stream;
	Relation	rel;

	if (!weir_stream_lookup_id(agg->stream_id, &stream))
		elog(ERROR, "stream %d has gone", agg->stream_id);
	rel = table_open(stream.relid, AccessShareLock);
	match.rows = weir_digest_sort_batch(rel, batch, NIL);
	match.found = weir_digest_sort_by_place();
	match.has_row = weir_digest_sort_next(match.rows, &match.row);
	(void) weir_counted_visit(set->set_id, snapshot, match_part, &match);
	result->missing = match.missing;
	result->is_same_rest =
		weir_digest_sort_rows(match.rows) - weir_digest_sort_rows(match.found) ==
		set->waiting_rows &&
		weir_digest_sort_sum(match.rows) - weir_digest_sort_sum(match.found) ==
		set->waiting_sum;
	result->left_out = places_of(match.found);
	weir_digest_sort_end(match.found);
	weir_digest_sort_end(match.rows);
	table_close(rel, NoLock);
}

/* Values are written by functions of their types: with the owner's rights. */
void
weir_counted_find(const WeirAggregate *agg, WeirCountedRows *rows)
{
	Snapshot	snapshot = GetActiveSnapshot();
	WeirCountedSet *set = set_of(agg->id, snapshot);
	WeirIdentity identity;

	memset(rows, 0, sizeof(*rows));
	if (set == NULL || set->parts == 1)
	{
		rows->left_out = weir_left_out_make();
		return;
	}
	weir_aggregate_become_owner(agg, &identity);
	find_rows(agg, set, snapshot, rows);
	weir_restore_identity(&identity);
}

bool
weir_counted_is_doubtful(const WeirCountedRows *rows)
{
	return rows->missing > 0 && !rows->is_same_rest;
}

WeirBatch *
weir_counted_pending(const WeirAggregate *agg, Snapshot snapshot)
{
	WeirCountedSet *set;
	WeirCountedRows rows = {0};
	WeirBatch  *batch;

	if (!needs_set(agg))
		return NULL;
	set = set_of(agg->id, snapshot);
	if (!is_complete(set, agg->id, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("aggregate \"%s\" has not been restored completely",
						get_rel_name(agg->view)),
				 errdetail("It is not known yet what it had counted.")));
	if (set->parts == 1)
		return NULL;
	find_rows(agg, set, snapshot, &rows);
	if (weir_counted_is_doubtful(&rows))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("aggregate \"%s\" was restored with other rows than it had counted",
						get_rel_name(agg->view)),
				 errhint("The worker, or weir.drain, starts it; then weir.stat_aggregates says more.")));
	batch = weir_batch_of_table(agg->stream_id, snapshot);
	weir_batch_leave_out(batch, rows.left_out);
	return batch;
}
