/*-------------------------------------------------------------------------
 *
 * stream_ddl.c
 *	  Making a table a stream, changing it, and making it a table again.
 *
 * A stream is a table with a capture index, a trigger that refuses UPDATE, a
 * row in weir._stream, a main cursor and a log.
 *
 * Locks: the strongest that the command needs on the table is taken by
 * polling, so that no writer queues behind us.  Index and trigger (see
 * stream_guard.c) are made by SQL as the caller, who owns the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "storage/changes.h"
#include "storage/newest.h"
#include "storage/owner.h"
#include "stream/capture.h"
#include "stream/change_stream.h"
#include "stream/cursor.h"
#include "stream/log.h"
#include "stream/restored.h"
#include "stream/stream.h"
#include "stream/stream_catalog.h"
#include "stream/stream_failure.h"
#include "stream/stream_guard.h"
#include "stream/tick.h"
#include "stream/watermark.h"
#include "weir.h"

/* how long to try for a lock, and how often */
#define LOCK_PATIENCE_MS	10000
#define LOCK_POLL_MS		2

PG_FUNCTION_INFO_V1(weir_create_stream);
PG_FUNCTION_INFO_V1(weir_alter_stream);
PG_FUNCTION_INFO_V1(weir_drop_stream);
PG_FUNCTION_INFO_V1(weir_extension_dropping);

char *
weir_stream_qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/*
 * Lock a table and its partitions, all or none of them, without waiting; the
 * table first, so that no partition comes or goes afterwards.
 */
static bool
lock_tree(Oid relid, LOCKMODE lockmode)
{
	List	   *locked = NIL;
	List	   *tree;
	ListCell   *lc;

	if (!ConditionalLockRelationOid(relid, lockmode))
		return false;
	tree = find_all_inheritors(relid, NoLock, NULL);
	foreach(lc, tree)
	{
		Oid			member = lfirst_oid(lc);

		if (member == relid)
			continue;
		if (!ConditionalLockRelationOid(member, lockmode))
			break;
		locked = lappend_oid(locked, member);
	}
	if (lc == NULL)
		return true;

	/* let their writers go on meanwhile */
	foreach(lc, locked)
		UnlockRelationOid(lfirst_oid(lc), lockmode);
	UnlockRelationOid(relid, lockmode);
	return false;
}

/*
 * Lock a table and its partitions without queueing in front of their writers.
 * lock_timeout can shorten our patience.
 */
static void
lock_patiently(Oid relid, LOCKMODE lockmode)
{
	int			patience_ms = LockTimeout > 0 ?
		Min(LockTimeout, LOCK_PATIENCE_MS) : LOCK_PATIENCE_MS;
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													patience_ms);

	while (!lock_tree(relid, lockmode))
	{
		if (GetCurrentTimestamp() >= until)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("could not lock table \"%s\" without making its writers wait",
							get_rel_name(relid)),
					 errdetail("Other transactions that use the table or a partition of it were open all the time."),
					 errhint("Try again when no long transaction writes to it. On a big table run CREATE INDEX CONCURRENTLY ... USING %s first and set the event-time column NOT NULL, so that the lock is held for a short time only.",
							 WEIR_CAPTURE_AM)));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOCK_POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ----------------------------------------------------------------
 *		DROP EXTENSION
 * ----------------------------------------------------------------
 */

static bool
drops_us(const Node *command, Oid extension)
{
	const DropStmt *drop = (const DropStmt *) command;
	ListCell   *lc;

	if (!IsA(command, DropStmt) || drop->removeType != OBJECT_EXTENSION ||
		drop->behavior != DROP_CASCADE)
		return false;
	foreach(lc, drop->objects)
		if (get_extension_oid(strVal(lfirst(lc)), true) == extension)
			return true;
	return false;
}

/*
 * Before DROP EXTENSION, which would lock weir's own tables before those of
 * streams: who has written to one of these needs the others when he commits, and
 * it would be a deadlock.  The extension comes first, so that the worker gives
 * way.
 */
static void
lock_before_drop(Oid extension)
{
	List	   *tables = NIL;
	ListCell   *lc;

	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessExclusiveLock);
	foreach(lc, weir_stream_ids())
	{
		WeirStream	stream;

		if (weir_stream_lookup_id(lfirst_int(lc), &stream))
			tables = lappend_oid(tables, stream.relid);
	}
	list_sort(tables, list_oid_cmp);
	foreach(lc, tables)
	{
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
		(void) find_all_inheritors(lfirst_oid(lc), AccessExclusiveLock, NULL);
	}
}

Datum
weir_extension_dropping(PG_FUNCTION_ARGS)
{
	Oid			extension = weir_extension_find();

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by event trigger manager")));
	/* who may not drop it is told so afterwards, and locks nothing */
	if (OidIsValid(extension) &&
		drops_us(((EventTriggerData *) fcinfo->context)->parsetree, extension) &&
		has_privs_of_role(GetUserId(), weir_extension_owner()))
		lock_before_drop(extension);
	PG_RETURN_NULL();
}

/* ----------------------------------------------------------------
 *		What can be a stream
 * ----------------------------------------------------------------
 */

static void
refuse_table(Relation rel, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot make \"%s\" a stream", RelationGetRelationName(rel)),
			 errdetail_internal("%s", what),
			 errhint("A stream is an ordinary or a natively partitioned table.")));
}

/*
 * A foreign key that would update the stream's rows is refused.
 */
static void
check_foreign_keys(Relation rel)
{
	ListCell   *lc;

	foreach(lc, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = (ForeignKeyCacheInfo *) lfirst(lc);
		HeapTuple	tuple = SearchSysCache1(CONSTROID,
											ObjectIdGetDatum(fk->conoid));
		Form_pg_constraint con;
		bool		updates;

		if (!HeapTupleIsValid(tuple))
			continue;
		con = (Form_pg_constraint) GETSTRUCT(tuple);
		updates = con->confupdtype == FKCONSTR_ACTION_CASCADE ||
			con->confupdtype == FKCONSTR_ACTION_SETNULL ||
			con->confupdtype == FKCONSTR_ACTION_SETDEFAULT ||
			con->confdeltype == FKCONSTR_ACTION_SETNULL ||
			con->confdeltype == FKCONSTR_ACTION_SETDEFAULT;
		if (updates)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot make \"%s\" a stream",
							RelationGetRelationName(rel)),
					 errdetail("Foreign key \"%s\" may update its rows.",
							   NameStr(con->conname)),
					 errhint("Rows of a stream are never updated; use ON UPDATE NO ACTION, and ON DELETE NO ACTION or CASCADE.")));
		ReleaseSysCache(tuple);
	}
}

static void
check_leaf(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);

	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		refuse_table(rel, "Foreign tables cannot be captured.");
	if (rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		refuse_table(rel, "Its rows are not in a heap.");
	check_foreign_keys(rel);
	relation_close(rel, NoLock);
}

static void
check_table(Relation rel)
{
	Form_pg_class form = rel->rd_rel;
	ListCell   *lc;

	if (form->relkind != RELKIND_RELATION &&
		form->relkind != RELKIND_PARTITIONED_TABLE)
		refuse_table(rel, form->relkind == RELKIND_VIEW ? "It is a view." :
					 form->relkind == RELKIND_MATVIEW ? "It is a materialized view." :
					 form->relkind == RELKIND_FOREIGN_TABLE ? "It is a foreign table." :
					 "It is not a table.");
	if (form->relpersistence == RELPERSISTENCE_TEMP)
		refuse_table(rel, "It is a temporary table.");
	if (RelationGetRelid(rel) < FirstNormalObjectId ||
		RelationGetNamespace(rel) == weir_schema_oid())
		refuse_table(rel, "It is a system table.");
	if (form->relispartition)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot make \"%s\" a stream",
						RelationGetRelationName(rel)),
				 errdetail("It is a partition."),
				 errhint("Make its partitioned table \"%s\" the stream.",
						 get_rel_name(llast_oid(get_partition_ancestors(RelationGetRelid(rel)))))));
	if (form->relkind == RELKIND_RELATION &&
		(has_superclass(RelationGetRelid(rel)) ||
		 find_inheritance_children(RelationGetRelid(rel), NoLock) != NIL))
		refuse_table(rel, "It takes part in inheritance.");
	foreach(lc, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
		check_leaf(lfirst_oid(lc));
	if (form->relpersistence == RELPERSISTENCE_UNLOGGED)
		ereport(WARNING,
				(errmsg("table \"%s\" is unlogged", RelationGetRelationName(rel)),
				 errdetail("After a crash it is empty, and rows that were not consumed are lost.")));
}

/* The column's number, checked to be of a time type. */
static AttrNumber
check_event_time(Relation rel, const char *column)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), column);
	Oid			type;

	if (attno == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", column,
						RelationGetRelationName(rel))));
	type = attno < 0 ? InvalidOid : get_atttype(RelationGetRelid(rel), attno);
	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("event-time column \"%s\" must be of type timestamp with time zone or timestamp",
						column)));
	return attno;
}

static void
check_source(Relation rel, const char *column)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), column);

	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", column,
						RelationGetRelationName(rel))));
	(void) weir_observer_source_type(RelationGetRelid(rel), attno);
}

/* ----------------------------------------------------------------
 *		create_stream
 * ----------------------------------------------------------------
 */

/*
 * Insert into weir._stream; returns the new id.
 */
static int32
insert_stream(Oid relid, FunctionCallInfo fcinfo)
{
	Relation	catalog = weir_stream_open_catalog(RowExclusiveLock);
	Datum		values[STREAM_NATTS];
	bool		nulls[STREAM_NATTS] = {0};
	int32		id;

	id = (int32) nextval_internal(weir_own_relid("_stream_id", false), false);
	values[STREAM_ID - 1] = Int32GetDatum(id);
	values[STREAM_RELATION - 1] = ObjectIdGetDatum(relid);
	values[STREAM_PROCESSING_TIME - 1] = BoolGetDatum(PG_ARGISNULL(1));
	values[STREAM_SOURCE - 1] = PG_GETARG_DATUM(4);
	nulls[STREAM_SOURCE - 1] = PG_ARGISNULL(4);
	values[STREAM_OUT_OF_ORDERNESS - 1] = PG_GETARG_DATUM(2);
	values[STREAM_IDLE_TIMEOUT - 1] = PG_GETARG_DATUM(3);
	nulls[STREAM_IDLE_TIMEOUT - 1] = PG_ARGISNULL(3);
	values[STREAM_RETENTION - 1] = PG_GETARG_DATUM(5);
	nulls[STREAM_RETENTION - 1] = PG_ARGISNULL(5);
	values[STREAM_MAX_DRIFT - 1] = PG_GETARG_DATUM(6);
	nulls[STREAM_MAX_DRIFT - 1] = PG_ARGISNULL(6);
	CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog),
												values, nulls));
	/* other sessions forget what they know of which table is a stream */
	CacheInvalidateRelcache(catalog);
	table_close(catalog, NoLock);
	CommandCounterIncrement();
	return id;
}

static void
check_intervals(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("max_out_of_orderness must not be null")));
	(void) weir_interval_usec(PG_GETARG_DATUM(2), "max_out_of_orderness");
	if (!PG_ARGISNULL(3))
		(void) weir_interval_usec(PG_GETARG_DATUM(3), "idle_timeout");
	if (!PG_ARGISNULL(5) &&
		weir_interval_usec(PG_GETARG_DATUM(5), "retention") > 0 &&
		PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention must be zero or null without an event-time column"),
				 errdetail("Age is measured by event time.")));
	if (!PG_ARGISNULL(6))
		(void) weir_interval_usec(PG_GETARG_DATUM(6), "max_drift");
	if (PG_ARGISNULL(1) && !PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source needs an event-time column")));
}

/* Any will do for the index of a stream without event time. */
static const char *
first_column(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			return pstrdup(NameStr(TupleDescAttr(desc, i)->attname));
	refuse_table(rel, "It has no columns.");
	return NULL;
}

/*
 * The capture index: adopt a valid one, or make one.  Returns whether it was
 * there.
 */
static bool
ensure_index(Oid relid, const char *event_time)
{
	Relation	rel = table_open(relid, NoLock);
	AttrNumber	attno;
	bool		valid;
	Oid			index = weir_stream_capture_index(rel, &attno, &valid);
	const char *column = event_time ? event_time : first_column(rel);

	if (OidIsValid(index))
	{
		if (!valid)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("capture index \"%s\" is not valid",
							get_rel_name(index)),
					 errhint("Drop it and create it again.")));
		if (event_time && attno != get_attnum(relid, event_time))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("capture index \"%s\" is not on column \"%s\"",
							get_rel_name(index), event_time)));
		table_close(rel, NoLock);
		return true;
	}
	table_close(rel, NoLock);
	weir_execute("CREATE INDEX %s ON %s USING %s (%s)",
				 quote_identifier(ChooseRelationName(get_rel_name(relid), NULL,
													 "weir",
													 get_rel_namespace(relid),
													 false)),
				 weir_stream_qualified_name(relid), WEIR_CAPTURE_AM,
				 quote_identifier(column));
	return false;
}

static bool
is_not_null(Oid relid, const char *column)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	AttrNumber	attno = get_attnum(relid, column);
	bool		result = attno > 0 &&
		TupleDescAttr(RelationGetDescr(rel), attno - 1)->attnotnull;

	relation_close(rel, NoLock);
	return result;
}

/*
 * The log and the main cursor of a stream.  With must_settle there can be
 * transactions that have inserted rows and not logged them, see has_settled
 * in tick.c.
 */
static void
make_consumable(int32 stream_id, bool must_settle)
{
	WeirCursor	cursor;

	weir_log_create(stream_id);
	weir_cursor_create_main(stream_id);
	if (must_settle)
	{
		weir_cursor_read(weir_cursor_main(stream_id), NULL, &cursor);
		cursor.history_block = InvalidBlockNumber;
		weir_cursor_write(&cursor);
	}
}

/*
 * Rows that come out of a dump come before the index that logs them, and those of a
 * partition before that of the whole is valid: who began earlier would never meet
 * them.
 */
static void
require_index(const WeirStream *stream)
{
	Relation	rel = table_open(stream->relid, AccessShareLock);
	AttrNumber	attno;
	bool		valid;
	Oid			index = weir_stream_capture_index(rel, &attno, &valid);

	if (!OidIsValid(index) || !valid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 OidIsValid(index) ?
				 errmsg("capture index \"%s\" is not valid", get_rel_name(index)) :
				 errmsg("stream \"%s\" has no capture index",
						RelationGetRelationName(rel)),
				 errdetail("The stream has not been restored completely."),
				 errhint("Use weir.drop_stream if this is all there is to restore.")));
	table_close(rel, NoLock);
}

bool
weir_stream_revive(int32 stream_id, int elevel)
{
	WeirStream	stream;

	if (weir_log_exists(stream_id))
		return true;
	weir_cursor_lock_stream(stream_id, true);
	if (weir_log_exists(stream_id))
		return true;
	/* no log: then either it has not had one, or it has just been dropped */
	if (!weir_stream_lookup_id(stream_id, &stream))
		return true;
	if (!weir_restored_has_ended(stream_id, elevel))
		return false;
	require_index(&stream);
	make_consumable(stream_id, true);
	weir_restored_start(&stream);
	return true;
}

static void
refuse_stream(Oid relid)
{
	WeirStream	existing;

	if (weir_stream_lookup(relid, &existing))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is already a stream", get_rel_name(relid)),
				 errhint("Use weir.alter_stream to change its settings.")));
}

/* No row is of two streams. */
static void
refuse_streams_within(Oid relid)
{
	List	   *streams = weir_stream_tables();
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (lfirst_oid(lc) != relid && list_member_oid(streams, lfirst_oid(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot make \"%s\" a stream", get_rel_name(relid)),
					 errdetail("Partition \"%s\" is a stream of its own.",
							   get_rel_name(lfirst_oid(lc))),
					 errhint("Use weir.drop_stream to make that a plain table first.")));
}

Datum
weir_create_stream(PG_FUNCTION_ARGS)
{
	Oid			relid;
	char	   *event_time = PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1));
	Relation	rel;
	bool		sets_not_null;
	bool		must_settle;
	int32		stream_id;

	PreventCommandIfReadOnly("weir.create_stream()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("stream must not be null")));
	relid = PG_GETARG_OID(0);
	rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!WeirOwnsRelation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
	refuse_stream(relid);
	check_table(rel);
	if (event_time)
		(void) check_event_time(rel, event_time);
	if (!PG_ARGISNULL(4))
		check_source(rel, NameStr(*PG_GETARG_NAME(4)));
	check_intervals(fcinfo);
	relation_close(rel, NoLock);

	/* SET NOT NULL locks readers out, even if there is nothing to set */
	sets_not_null = event_time && !is_not_null(relid, event_time);
	lock_patiently(relid, sets_not_null ? AccessExclusiveLock :
				   ShareRowExclusiveLock);
	/* it may have become one while we waited */
	refuse_stream(relid);
	refuse_streams_within(relid);
	if (sets_not_null)
		weir_execute("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL",
					 weir_stream_qualified_name(relid), quote_identifier(event_time));
	must_settle = ensure_index(relid, event_time);
	/* the table of a dump of that alone has one */
	weir_guard_remove(relid);
	weir_guard_add(relid);

	stream_id = insert_stream(relid, fcinfo);
	/* no tick before we have committed and everybody has been told */
	weir_cursor_lock_stream(stream_id, true);
	make_consumable(stream_id, must_settle);
	weir_restored_mark_dumps();
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *		alter_stream, drop_stream
 * ----------------------------------------------------------------
 */

HeapTuple
weir_stream_fetch_tuple(Relation catalog, int32 stream_id)
{
	ScanKeyData key;

	ScanKeyInit(&key, STREAM_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	return weir_newest_version(catalog, "_stream_pkey", NULL, 1, &key);
}

Datum
weir_alter_stream(PG_FUNCTION_ARGS)
{
	static const struct
	{
		int			argno;
		int			attno;
		const char *name;
	}			settings[] = {
		{1, STREAM_OUT_OF_ORDERNESS, "max_out_of_orderness"},
		{2, STREAM_IDLE_TIMEOUT, "idle_timeout"},
		{3, STREAM_RETENTION, "retention"},
		{4, STREAM_MAX_DRIFT, "max_drift"},
	};
	Relation	catalog;
	HeapTuple	tuple;
	Datum		values[STREAM_NATTS] = {0};
	bool		nulls[STREAM_NATTS] = {0};
	bool		replaces[STREAM_NATTS] = {0};
	WeirStream	stream;

	PreventCommandIfReadOnly("weir.alter_stream()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("stream must not be null")));
	weir_stream_get_owned(PG_GETARG_OID(0), &stream);
	for (int i = 0; i < lengthof(settings); i++)
	{
		int64		usec;

		if (PG_ARGISNULL(settings[i].argno))
			continue;
		usec = weir_interval_usec(PG_GETARG_DATUM(settings[i].argno),
								  settings[i].name);
		if (settings[i].attno == STREAM_RETENTION && usec > 0 &&
			stream.event_time_attno == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("retention must be zero or null without an event-time column"),
					 errdetail("Age is measured by event time.")));
		if (settings[i].attno == STREAM_RETENTION &&
			OidIsValid(weir_changes_home(stream.relid)))
			weir_change_stream_check_retention(usec);
		values[settings[i].attno - 1] = PG_GETARG_DATUM(settings[i].argno);
		replaces[settings[i].attno - 1] = true;
	}
	weir_cursor_lock_stream(stream.stream_id, true);
	catalog = weir_stream_open_catalog(RowExclusiveLock);
	tuple = weir_stream_fetch_tuple(catalog, stream.stream_id);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "stream %d has gone", stream.stream_id);
	tuple = heap_modify_tuple(tuple, RelationGetDescr(catalog),
							  values, nulls, replaces);
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	table_close(catalog, NoLock);
	CommandCounterIncrement();
	/* a tick that is under way writes its cursor itself */
	if (weir_log_exists(stream.stream_id) && !weir_stream_is_in_tick())
		weir_cursor_want_tick(weir_cursor_main(stream.stream_id));
	if (weir_tick_consumer())
		weir_tick_consumer()->stream_altered(stream.stream_id);
	PG_RETURN_VOID();
}

void
weir_stream_forget(int32 stream_id)
{
	Relation	catalog;
	HeapTuple	tuple;

	if (weir_tick_consumer())
		weir_tick_consumer()->drop_dependents(stream_id);
	weir_cursor_drop_all(stream_id);
	weir_stream_failure_clear(stream_id, true);
	weir_log_drop(stream_id);
	weir_restored_forget(stream_id);
	catalog = weir_stream_open_catalog(RowExclusiveLock);
	tuple = weir_stream_fetch_tuple(catalog, stream_id);
	if (HeapTupleIsValid(tuple))
		CatalogTupleDelete(catalog, &tuple->t_self);
	CacheInvalidateRelcache(catalog);
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

Datum
weir_drop_stream(PG_FUNCTION_ARGS)
{
	WeirStream	stream;
	bool		cascade = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	char	   *dependent = NULL;
	Relation	rel;
	Oid			index;
	AttrNumber	attno;
	bool		valid;
	bool		was_suspended;

	PreventCommandIfReadOnly("weir.drop_stream()");
	weir_stream_refuse_in_tick("weir.drop_stream");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("stream must not be null")));
	weir_stream_get_owned(PG_GETARG_OID(0), &stream);
	weir_change_stream_check_drop(stream.relid);
	/* in the order of a tick */
	weir_cursor_lock_stream(stream.stream_id, true);
	lock_patiently(stream.relid, AccessExclusiveLock);
	/* it may have been dropped while we waited */
	weir_stream_get_owned(PG_GETARG_OID(0), &stream);
	if (weir_tick_consumer())
		dependent = weir_tick_consumer()->dependent(stream.stream_id);
	if (dependent && !cascade)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop stream \"%s\" because other objects depend on it",
						get_rel_name(stream.relid)),
				 errdetail("Continuous aggregate \"%s\" depends on it.", dependent),
				 errhint("Use weir.drop_stream(..., cascade => true) to drop the dependent objects too.")));

	/* among what depends on it may be tables that are streams themselves */
	if (dependent)
		weir_tick_consumer()->drop_dependents(stream.stream_id);

	rel = table_open(stream.relid, NoLock);
	index = weir_stream_capture_index(rel, &attno, &valid);
	table_close(rel, NoLock);
	was_suspended = weir_guard_suspend(true);
	PG_TRY();
	{
		weir_stream_forget(stream.stream_id);
		if (OidIsValid(index))
			weir_execute("DROP INDEX %s", weir_stream_qualified_name(index));
		weir_guard_remove(stream.relid);
	}
	PG_FINALLY();
	{
		(void) weir_guard_suspend(was_suspended);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
