/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  The catalog of continuous aggregates.
 *
 * weir._aggregate holds definitions and goes into dumps, together with how
 * far windows have closed, because the closed rows are dumped too.
 * weir._aggregate_progress holds what makes sense on this server only.
 *
 * The tables are read and written directly, not through SQL: nobody but the
 * extension's owner has rights on them, and a reader has to be able to say
 * under which snapshot.
 *
 * Locks, in the order in which they are taken:
 *	1. the stream's cursor (stream layer)
 *	2. the aggregate: RowExclusiveLock on its foreign table by a tick,
 *	   ShareRowExclusiveLock by whoever changes it, AccessExclusiveLock by
 *	   whoever drops it
 *	3. the aggregate's state: a lock on the object (weir._aggregate, id)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/counted.h"
#include "aggregate/runs.h"
#include "storage/newest.h"
#include "stream/restored.h"
#include "stream/stream.h"
#include "types/window.h"

enum
{
	Anum_aggregate_id = 1,
	Anum_stream_id,
	Anum_parent_id,
	Anum_view,
	Anum_closed,
	Anum_query,
	Anum_open,
	Anum_allowed_lateness,
	Anum_retention,
	Anum_realtime,
	Anum_with_data,
	Anum_settings,
	Anum_closed_until,
	Anum_parent_until,
	Natts_aggregate = Anum_parent_until
};

enum
{
	Anum_progress_id = 1,
	Anum_cursor_id,
	Anum_status,
	Anum_failures,
	Anum_next_retry,
	Anum_is_remade,
	Anum_last_error,
	Anum_last_error_at,
	Anum_late_rows,				/* counters from here on */
	Anum_partly_late_rows,
	Anum_skipped_rows,
	Anum_ticks,
	Anum_state_rows,
	Anum_closed_rows,
	Anum_closed_windows,
	Anum_busy_usec,				/* the last of them */
	Anum_progress_version,
	Anum_progress_updates,
	Natts_progress = Anum_progress_updates
};

#define N_COUNTERS	(Anum_busy_usec - Anum_late_rows + 1)

/* The rows with that id in the column, which the index is on. */
static SysScanDesc
scan_by(Relation rel, const char *index, AttrNumber column, int32 id,
		Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(id));
	return systable_beginscan(rel, weir_own_relid(index, false), true, snapshot, 1, &key);
}

static SysScanDesc
scan_by_id(Relation rel, int32 id, Snapshot snapshot)
{
	return scan_by(rel, "_aggregate_pkey", Anum_aggregate_id, id, snapshot);
}

static Relation
open_progress(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_aggregate_progress", false), lockmode);
}

/* The row of that aggregate, or NULL. */
static HeapTuple
progress_row(Relation rel, int32 id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_progress_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(id));
	return weir_newest_version(rel, "_aggregate_progress_id_version", snapshot,
							   1, &key);
}

static List *
text_array_to_list(Datum array)
{
	Datum	   *elements;
	int			n;
	int			i;
	List	   *list = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, NULL, &n);
	for (i = 0; i < n; i++)
		list = lappend(list, TextDatumGetCString(elements[i]));
	return list;
}

static Datum
list_to_text_array(List *list)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(list), 1));
	ListCell   *lc;

	foreach(lc, list)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elements, list_length(list), TEXTOID,
										   -1, false, TYPALIGN_INT));
}

/* ---------- reading ---------- */

static void
set_owners(WeirAggregate *agg)
{
	agg->owner = weir_relation_owner(agg->query);
	agg->view_owner = weir_relation_owner(agg->view);
}

static void
deform_aggregate(HeapTuple tuple, TupleDesc desc, WeirAggregate *agg)
{
	Datum		values[Natts_aggregate];
	bool		isnull[Natts_aggregate];

	memset(agg, 0, sizeof(*agg));
	heap_deform_tuple(tuple, desc, values, isnull);
	agg->id = DatumGetInt32(values[Anum_aggregate_id - 1]);
	agg->stream_id = DatumGetInt32(values[Anum_stream_id - 1]);
	agg->parent_id = DatumGetInt32(values[Anum_parent_id - 1]);
	agg->view = DatumGetObjectId(values[Anum_view - 1]);
	if (!isnull[Anum_closed - 1])
		agg->closed = DatumGetObjectId(values[Anum_closed - 1]);
	agg->query = DatumGetObjectId(values[Anum_query - 1]);
	agg->open = DatumGetObjectId(values[Anum_open - 1]);
	agg->lateness_usec = weir_interval_usec(values[Anum_allowed_lateness - 1],
											"allowed_lateness");
	agg->retention_usec = isnull[Anum_retention - 1] ? -1 :
		weir_interval_usec(values[Anum_retention - 1], "retention");
	agg->realtime = DatumGetBool(values[Anum_realtime - 1]);
	agg->with_data = DatumGetBool(values[Anum_with_data - 1]);
	agg->settings = text_array_to_list(values[Anum_settings - 1]);
	agg->closed_until = DatumGetTimestamp(values[Anum_closed_until - 1]);
	agg->parent_until = isnull[Anum_parent_until - 1] ? DT_NOEND :
		DatumGetTimestamp(values[Anum_parent_until - 1]);
	set_owners(agg);
}

static void
read_progress(WeirAggregate *agg, Snapshot snapshot)
{
	Relation	rel = open_progress(AccessShareLock);
	HeapTuple	tuple = progress_row(rel, agg->id, snapshot);

	if (tuple != NULL)
	{
		Datum		values[Natts_progress];
		bool		isnull[Natts_progress];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		agg->is_ready = true;
		agg->cursor_id = DatumGetInt32(values[Anum_cursor_id - 1]);
		agg->status = (WeirAggregateStatus) DatumGetInt32(values[Anum_status - 1]);
		agg->failures = DatumGetInt32(values[Anum_failures - 1]);
		agg->next_retry = isnull[Anum_next_retry - 1] ? DT_NOEND :
			DatumGetTimestampTz(values[Anum_next_retry - 1]);
		agg->is_remade = DatumGetBool(values[Anum_is_remade - 1]);
	}
	else if (agg->parent_id != 0 && !OidIsValid(weir_runs_relid(agg->id)))
		agg->parent_until = DT_NOBEGIN; /* restored without its state */
	table_close(rel, AccessShareLock);
}

bool
weir_aggregate_read(int32 id, Snapshot snapshot, WeirAggregate *agg)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), AccessShareLock);
	SysScanDesc scan = scan_by_id(rel, id, snapshot);
	HeapTuple	tuple = systable_getnext(scan);

	if (tuple != NULL)
		deform_aggregate(tuple, RelationGetDescr(rel), agg);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (tuple != NULL)
		read_progress(agg, snapshot);
	return tuple != NULL;
}

char *
weir_aggregate_last_error(int32 id)
{
	Relation	rel = open_progress(AccessShareLock);
	HeapTuple	tuple = progress_row(rel, id, NULL);
	bool		isnull = true;
	Datum		error = 0;
	char	   *result = NULL;

	if (tuple != NULL)
		error = heap_getattr(tuple, Anum_last_error, RelationGetDescr(rel),
							 &isnull);
	if (!isnull)
		result = TextDatumGetCString(error);
	table_close(rel, AccessShareLock);
	return result;
}

/* There are few: the table is read through. */
bool
weir_aggregate_find(Oid relid, Snapshot snapshot, WeirAggregate *agg)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0,
										  NULL);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && (tuple = systable_getnext(scan)) != NULL)
	{
		Datum		values[Natts_aggregate];
		bool		isnull[Natts_aggregate];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		if (relid != DatumGetObjectId(values[Anum_view - 1]) &&
			relid != DatumGetObjectId(values[Anum_open - 1]) &&
			relid != DatumGetObjectId(values[Anum_query - 1]) &&
			(isnull[Anum_closed - 1] ||
			 relid != DatumGetObjectId(values[Anum_closed - 1])))
			continue;
		deform_aggregate(tuple, RelationGetDescr(rel), agg);
		found = true;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (found)
		read_progress(agg, snapshot);
	return found;
}

void
weir_aggregate_get_owned(Oid relid, WeirAggregate *agg)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!weir_aggregate_find(relid, NULL, agg))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a continuous aggregate", name),
				 errhint("The view weir.continuous_aggregates lists them.")));
	if (!has_privs_of_role(GetUserId(), agg->owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, name);
}

void
weir_aggregate_require_argument(FunctionCallInfo fcinfo, int argno,
								const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/* Ends the scan, too. */
static List *
collect_ids(Relation rel, SysScanDesc scan)
{
	HeapTuple	tuple;
	List	   *ids = NIL;
	bool		isnull;

	while ((tuple = systable_getnext(scan)) != NULL)
		ids = lappend_int(ids, DatumGetInt32(heap_getattr(tuple, 1,
														  RelationGetDescr(rel),
														  &isnull)));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	list_sort(ids, list_int_cmp);
	return ids;
}

List *
weir_aggregate_ids(void)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), AccessShareLock);

	return collect_ids(rel, systable_beginscan(rel, InvalidOid, false, NULL, 0,
											   NULL));
}

List *
weir_aggregate_ids_of_stream(int32 stream_id)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), AccessShareLock);

	return collect_ids(rel, scan_by(rel, "_aggregate_stream_id", Anum_stream_id,
									stream_id, NULL));
}

List *
weir_aggregate_ids_of_parent(int32 parent_id)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), AccessShareLock);

	return collect_ids(rel, scan_by(rel, "_aggregate_parent_id", Anum_parent_id,
									parent_id, NULL));
}

/* Not often: the table is read through. */
List *
weir_aggregate_ids_of_cursor(int32 cursor_id)
{
	Relation	rel = open_progress(AccessShareLock);
	ScanKeyData key;

	ScanKeyInit(&key, Anum_cursor_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(cursor_id));
	return collect_ids(rel, systable_beginscan(rel, InvalidOid, false, NULL, 1,
											   &key));
}

static int
compare_by_id(const ListCell *a, const ListCell *b)
{
	const WeirAggregate *x = lfirst(a);
	const WeirAggregate *y = lfirst(b);

	return x->id < y->id ? -1 : (x->id > y->id ? 1 : 0);
}

List *
weir_aggregate_list(int32 stream_id)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), AccessShareLock);
	SysScanDesc scan = scan_by(rel, "_aggregate_stream_id", Anum_stream_id,
							   stream_id, NULL);
	List	   *list = NIL;
	ListCell   *lc;
	HeapTuple	tuple;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		WeirAggregate *agg = palloc(sizeof(WeirAggregate));

		deform_aggregate(tuple, RelationGetDescr(rel), agg);
		list = lappend(list, agg);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	foreach(lc, list)
		read_progress(lfirst(lc), NULL);
	list_sort(list, compare_by_id);
	return list;
}

/* ---------- writing ---------- */

int32
weir_aggregate_next_id(void)
{
	return (int32) nextval_internal(weir_own_relid("_aggregate_id_seq", false), false);
}

void
weir_aggregate_insert(const WeirAggregate *agg, Datum lateness,
					  Datum retention, bool has_retention)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), RowExclusiveLock);
	Datum		values[Natts_aggregate];
	bool		isnull[Natts_aggregate];

	memset(isnull, 0, sizeof(isnull));
	values[Anum_aggregate_id - 1] = Int32GetDatum(agg->id);
	values[Anum_stream_id - 1] = Int32GetDatum(agg->stream_id);
	values[Anum_parent_id - 1] = Int32GetDatum(agg->parent_id);
	values[Anum_view - 1] = ObjectIdGetDatum(agg->view);
	values[Anum_closed - 1] = ObjectIdGetDatum(agg->closed);
	isnull[Anum_closed - 1] = !OidIsValid(agg->closed);
	values[Anum_query - 1] = ObjectIdGetDatum(agg->query);
	values[Anum_open - 1] = ObjectIdGetDatum(agg->open);
	values[Anum_allowed_lateness - 1] = lateness;
	values[Anum_retention - 1] = retention;
	isnull[Anum_retention - 1] = !has_retention;
	values[Anum_realtime - 1] = BoolGetDatum(agg->realtime);
	values[Anum_with_data - 1] = BoolGetDatum(agg->with_data);
	values[Anum_settings - 1] = list_to_text_array(agg->settings);
	values[Anum_closed_until - 1] = TimestampGetDatum(agg->closed_until);
	values[Anum_parent_until - 1] = TimestampGetDatum(agg->parent_until);
	isnull[Anum_parent_until - 1] = agg->parent_id == 0 ||
		TIMESTAMP_IS_NOEND(agg->parent_until);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values,
											isnull));
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* Replace columns of the row with this id. */
static void
update_row(int32 id, Datum *values, bool *isnull, bool *replace)
{
	Relation	rel = table_open(weir_own_relid("_aggregate", false), RowExclusiveLock);
	SysScanDesc scan = scan_by_id(rel, id, NULL);
	HeapTuple	tuple = systable_getnext(scan);

	if (tuple != NULL)
	{
		HeapTuple	changed = heap_modify_tuple(tuple, RelationGetDescr(rel),
												values, isnull, replace);

		CatalogTupleUpdate(rel, &tuple->t_self, changed);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

static void
delete_rows(const char *table, int32 id)
{
	Relation	rel = table_open(weir_own_relid(table, false), RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
weir_aggregate_delete(int32 id)
{
	delete_rows("_aggregate", id);
	delete_rows("_aggregate_progress", id);
	delete_rows("_late_row", id);
	delete_rows("_skip_found", id);
	weir_counted_settle(id);
	weir_restored_forget_aggregate(id);
}

void
weir_aggregate_set_options(int32 id, Datum lateness, bool set_lateness,
						   Datum retention, bool set_retention,
						   bool realtime, bool set_realtime)
{
	Datum		values[Natts_aggregate];
	bool		isnull[Natts_aggregate];
	bool		replace[Natts_aggregate];

	memset(values, 0, sizeof(values));
	memset(isnull, 0, sizeof(isnull));
	memset(replace, 0, sizeof(replace));
	values[Anum_allowed_lateness - 1] = lateness;
	replace[Anum_allowed_lateness - 1] = set_lateness;
	values[Anum_retention - 1] = retention;
	replace[Anum_retention - 1] = set_retention;
	values[Anum_realtime - 1] = BoolGetDatum(realtime);
	replace[Anum_realtime - 1] = set_realtime;
	update_row(id, values, isnull, replace);
}

/* How far something has come; "forever" is stored as NULL. */
static void
set_until(int32 id, AttrNumber column, Datum until, bool is_forever)
{
	Datum		values[Natts_aggregate] = {0};
	bool		isnull[Natts_aggregate] = {false};
	bool		replace[Natts_aggregate] = {false};

	values[column - 1] = until;
	isnull[column - 1] = is_forever;
	replace[column - 1] = true;
	update_row(id, values, isnull, replace);
}

void
weir_aggregate_set_closed_until(int32 id, Timestamp closed_until)
{
	set_until(id, Anum_closed_until, TimestampGetDatum(closed_until), false);
}

void
weir_aggregate_set_parent_until(int32 id, Timestamp parent_until)
{
	set_until(id, Anum_parent_until, TimestampGetDatum(parent_until),
			  TIMESTAMP_IS_NOEND(parent_until));
}

/* Those of a row of progress in the place of this one; NULL: it is the first. */
static void
set_version(Relation rel, HeapTuple tuple, Datum *values)
{
	int64		version = 0;
	int32		updates = 0;
	bool		isnull;

	if (tuple != NULL)
	{
		version = DatumGetInt64(heap_getattr(tuple, Anum_progress_version,
											 RelationGetDescr(rel), &isnull));
		updates = DatumGetInt32(heap_getattr(tuple, Anum_progress_updates,
											 RelationGetDescr(rel), &isnull));
		weir_newest_count_update(&version, &updates);
	}
	values[Anum_progress_version - 1] = Int64GetDatum(version);
	values[Anum_progress_updates - 1] = Int32GetDatum(updates);
}

/* error: the last one; NULL leaves the one that there is, or clears it. */
static void
write_progress(const WeirAggregate *agg, const char *error, bool clear)
{
	Datum		values[Natts_progress];
	bool		isnull[Natts_progress];
	bool		replace[Natts_progress];
	Relation	rel;
	HeapTuple	tuple;
	int			i;

	memset(values, 0, sizeof(values));
	memset(isnull, 0, sizeof(isnull));
	memset(replace, true, sizeof(replace));
	values[Anum_progress_id - 1] = Int32GetDatum(agg->id);
	values[Anum_cursor_id - 1] = Int32GetDatum(agg->cursor_id);
	values[Anum_status - 1] = Int32GetDatum((int32) agg->status);
	values[Anum_failures - 1] = Int32GetDatum(agg->failures);
	values[Anum_next_retry - 1] = TimestampTzGetDatum(agg->next_retry);
	isnull[Anum_next_retry - 1] = agg->status != WEIR_AGGREGATE_RETRYING &&
		agg->status != WEIR_AGGREGATE_SKIPPING;
	values[Anum_is_remade - 1] = BoolGetDatum(agg->is_remade);
	if (error != NULL)
	{
		values[Anum_last_error - 1] = CStringGetTextDatum(error);
		values[Anum_last_error_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	}
	else
	{
		isnull[Anum_last_error - 1] = isnull[Anum_last_error_at - 1] = true;
		replace[Anum_last_error - 1] = replace[Anum_last_error_at - 1] = clear;
	}
	for (i = Anum_late_rows; i <= Anum_busy_usec; i++)
	{
		values[i - 1] = Int64GetDatum(0);
		replace[i - 1] = false;
	}
	if (agg->status != WEIR_AGGREGATE_SKIPPING)
		delete_rows("_skip_found", agg->id);

	rel = open_progress(RowExclusiveLock);
	tuple = progress_row(rel, agg->id, NULL);
	set_version(rel, tuple, values);
	if (tuple != NULL)
		CatalogTupleUpdate(rel, &tuple->t_self,
						   heap_modify_tuple(tuple, RelationGetDescr(rel),
											 values, isnull, replace));
	else
		CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values,
												isnull));
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * Store cursor, status, failures and time of the next try; an error message,
 * if given, replaces the last one, and becoming active clears it.  With the
 * status "skipping" ends what was found in it.
 */
void
weir_aggregate_set_progress(const WeirAggregate *agg, const char *error)
{
	write_progress(agg, error, error == NULL && agg->failures == 0 &&
				   agg->status == WEIR_AGGREGATE_ACTIVE);
}

/* It has gone over to another cursor; what its last error says stays true. */
void
weir_aggregate_set_cursor(const WeirAggregate *agg)
{
	write_progress(agg, NULL, false);
}

/* One more tick, and what it did. */
void
weir_aggregate_count(int32 id, const WeirAggregateCounts *counts)
{
	Relation	rel = open_progress(RowExclusiveLock);
	HeapTuple	tuple = progress_row(rel, id, NULL);
	int64		added[N_COUNTERS];
	int			i;

	added[0] = counts->late_rows;
	added[Anum_partly_late_rows - Anum_late_rows] = counts->partly_late_rows;
	added[Anum_skipped_rows - Anum_late_rows] = counts->skipped_rows;
	added[Anum_ticks - Anum_late_rows] = 1;
	added[Anum_state_rows - Anum_late_rows] = counts->state_rows;
	added[Anum_closed_rows - Anum_late_rows] = counts->closed_rows;
	added[Anum_closed_windows - Anum_late_rows] = counts->closed_windows;
	added[Anum_busy_usec - Anum_late_rows] = counts->busy_usec;
	if (tuple != NULL)
	{
		Datum		values[Natts_progress];
		bool		isnull[Natts_progress];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		for (i = Anum_late_rows; i <= Anum_busy_usec; i++)
			values[i - 1] = Int64GetDatum(DatumGetInt64(values[i - 1]) +
										  added[i - Anum_late_rows]);
		set_version(rel, tuple, values);
		CatalogTupleUpdate(rel, &tuple->t_self,
						   heap_form_tuple(RelationGetDescr(rel), values, isnull));
	}
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* ---------- locks ---------- */

bool
weir_aggregate_lock(Oid open, bool exclusive)
{
	LockRelationOid(open, exclusive ? ShareRowExclusiveLock : RowExclusiveLock);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(open)))
		return true;
	UnlockRelationOid(open, exclusive ? ShareRowExclusiveLock : RowExclusiveLock);
	return false;
}

/*
 * Whoever changes the row has the lock of the stream, as we do.  What the
 * server's catalogs say may have changed while we waited.
 */
bool
weir_aggregate_lock_listed(WeirAggregate *agg)
{
	if (!weir_aggregate_lock(agg->open, false))
		return false;
	set_owners(agg);
	return OidIsValid(agg->owner);
}

bool
weir_aggregate_lock_state(int32 id, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, weir_own_relid("_aggregate", false), id, 0);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) !=
		LOCKACQUIRE_NOT_AVAIL;
}

Timestamp
weir_aggregate_bound(const WeirAggregate *agg, Timestamp watermark)
{
	Timestamp	bound = watermark;

	if (!TIMESTAMP_NOT_FINITE(watermark))
	{
		bound = watermark - agg->lateness_usec;
		/* no window can have ended that early */
		if (bound > watermark ||
			bound < MIN_TIMESTAMP + WEIR_EVENT_TIME_MARGIN)
			bound = DT_NOBEGIN;
	}
	return Max(bound, agg->closed_until);
}
