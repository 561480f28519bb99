/*-------------------------------------------------------------------------
 *
 * stream_guard.c
 *	  What keeps a stream a stream: triggers.
 *
 * A row trigger refuses UPDATE.  Event triggers refuse commands that would
 * make rows escape (dropping the index or that trigger, foreign tables as
 * partitions, detaching a partition whose first rows are being read, changing
 * columns of one that has left with rows waiting, rewriting the log), follow
 * those that are harmless (renaming, SET TABLESPACE), and clean up behind
 * tables that are dropped.
 *
 * Locks: none of its own; the commands hold theirs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "tcop/deparse_utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "storage/alter_table.h"
#include "storage/owner.h"
#include "stream/capture.h"
#include "stream/cursor.h"
#include "stream/rewrite.h"
#include "stream/stream.h"
#include "stream/stream_catalog.h"
#include "stream/stream_guard.h"
#include "stream/watermark.h"
#include "weir.h"

#define TRIGGER_NAME	"weir_refuse_update"

PG_FUNCTION_INFO_V1(weir_refuse_update);
PG_FUNCTION_INFO_V1(weir_stream_dropped);
PG_FUNCTION_INFO_V1(weir_stream_altering);
PG_FUNCTION_INFO_V1(weir_stream_altered);
PG_FUNCTION_INFO_V1(weir_index_drop);
PG_FUNCTION_INFO_V1(weir_log_rewriting);

/* set while weir itself drops a stream's parts */
static bool is_dropping = false;

bool
weir_guard_suspend(bool suspended)
{
	bool		before = is_dropping;

	is_dropping = suspended;
	return before;
}

/* The trigger that refuses UPDATE, whatever its name is by now; or NULL. */
static Trigger *
refusing_trigger(Relation rel)
{
	TriggerDesc *desc = rel->trigdesc;

	for (int i = 0; desc && i < desc->numtriggers; i++)
	{
		char	   *name = get_func_name(desc->triggers[i].tgfoid);

		if (name && strcmp(name, "_refuse_update") == 0 &&
			get_func_namespace(desc->triggers[i].tgfoid) == weir_schema_oid())
			return &desc->triggers[i];
	}
	return NULL;
}

void
weir_guard_add(Oid relid)
{
	weir_execute("CREATE TRIGGER %s BEFORE UPDATE ON %s FOR EACH ROW "
				 "EXECUTE FUNCTION " WEIR_SCHEMA "._refuse_update()",
				 TRIGGER_NAME, weir_stream_qualified_name(relid));
	weir_execute("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s",
				 weir_stream_qualified_name(relid), TRIGGER_NAME);
}

void
weir_guard_remove(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	Trigger    *trigger = refusing_trigger(rel);
	char	   *name = trigger ? pstrdup(trigger->tgname) : NULL;

	table_close(rel, NoLock);
	if (name)
		weir_execute("DROP TRIGGER %s ON %s", quote_identifier(name),
					 weir_stream_qualified_name(relid));
}

Datum
weir_refuse_update(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by trigger manager")));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot update stream \"%s\"",
					RelationGetRelationName(data->tg_relation)),
			 errdetail("Its rows are counted as they were inserted."),
			 errhint("Insert a new row; with a primary key use ON CONFLICT DO NOTHING.")));
	PG_RETURN_NULL();
}

static void
refuse_drop(const char *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop what makes table \"%s\" a stream", table),
			 errhint("Use weir.drop_stream to make it a plain table again.")));
}

/*
 * Is the source column there, if the stream has one?
 */
static bool
has_source(Oid relid, int32 stream_id)
{
	Relation	catalog = weir_stream_open_catalog(AccessShareLock);
	HeapTuple	tuple = weir_stream_fetch_tuple(catalog, stream_id);
	bool		is_null = true;
	Datum		source = 0;
	bool		result;

	if (HeapTupleIsValid(tuple))
		source = heap_getattr(tuple, STREAM_SOURCE, RelationGetDescr(catalog),
							  &is_null);
	result = is_null ||
		get_attnum(relid, NameStr(*DatumGetName(source))) != InvalidAttrNumber;
	table_close(catalog, AccessShareLock);
	return result;
}

/*
 * After a DROP: streams whose table is gone are forgotten; those that have
 * lost their index or trigger refuse the command.
 */
Datum
weir_stream_dropped(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by event trigger manager")));
	if (is_dropping || !OidIsValid(get_index_am_oid(WEIR_CAPTURE_AM, true)))
		PG_RETURN_NULL();

	foreach(lc, weir_stream_tables())
	{
		Oid			relid = lfirst_oid(lc);
		int32		stream_id = weir_stream_of_leaf(relid);
		Relation	rel;
		AttrNumber	attno;
		bool		valid;

		/* no lock: the command holds one, or has nothing to do with it */
		rel = RelationIdGetRelation(relid);
		if (!RelationIsValid(rel))
		{
			is_dropping = true;
			PG_TRY();
			{
				weir_stream_forget(stream_id);
			}
			PG_FINALLY();
			{
				is_dropping = false;
			}
			PG_END_TRY();
			continue;
		}
		if (!OidIsValid(weir_stream_capture_index(rel, &attno, &valid)) ||
			refusing_trigger(rel) == NULL || !has_source(relid, stream_id))
			refuse_drop(RelationGetRelationName(rel));
		RelationClose(rel);
	}
	PG_RETURN_NULL();
}

static bool
sets_tablespace(CollectedCommand *command)
{
	ListCell   *lc;

	if (command->type != SCT_AlterTable)
		return false;
	foreach(lc, command->d.alterTable.subcmds)
	{
		AlterTableCmd *subcommand =
			(AlterTableCmd *) ((CollectedATSubcmd *) lfirst(lc))->parsetree;

		if (IsA(subcommand, AlterTableCmd) &&
			subcommand->subtype == AT_SetTableSpace)
			return true;
	}
	return false;
}

/* The tables that the command has put into another tablespace. */
static List *
moved_tables(void)
{
	List	   *result = NIL;
	MemoryContext outer = CurrentMemoryContext;

	SPI_connect();
	if (SPI_execute("SELECT objid, command FROM pg_catalog.pg_event_trigger_ddl_commands() "
					"WHERE classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the objects altered");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		is_null;
		Oid			relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc,
														   1, &is_null));
		Datum		command = SPI_getbinval(SPI_tuptable->vals[i],
											SPI_tuptable->tupdesc, 2, &is_null);
		MemoryContext old;

		if (is_null || !sets_tablespace((CollectedCommand *) DatumGetPointer(command)))
			continue;
		old = MemoryContextSwitchTo(outer);
		result = list_append_unique_oid(result, relid);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return result;
}

/* The streams whose tables are OF the type, and change with it. */
static List *
streams_of_type(const RangeVar *type)
{
	Oid			typrelid = RangeVarGetRelid(type, NoLock, true);
	Oid			type_oid = OidIsValid(typrelid) ? get_rel_type_id(typrelid) : InvalidOid;
	List	   *result = NIL;
	ListCell   *lc;

	if (!OidIsValid(type_oid))
		return NIL;
	foreach(lc, weir_stream_tables())
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			continue;
		if (((Form_pg_class) GETSTRUCT(tuple))->reloftype == type_oid)
			result = lappend_oid(result, lfirst_oid(lc));
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * The source column is kept by name, as it is dumped; it follows a renaming.
 */
static void
rename_source(Oid relid, const char *from, const char *to)
{
	int32		stream_id;
	Relation	catalog;
	HeapTuple	tuple;
	bool		is_null;
	Datum		source;

	if (!OidIsValid(relid) || (stream_id = weir_stream_of_leaf(relid)) == 0)
		return;
	catalog = weir_stream_open_catalog(RowExclusiveLock);
	tuple = weir_stream_fetch_tuple(catalog, stream_id);
	source = heap_getattr(tuple, STREAM_SOURCE, RelationGetDescr(catalog), &is_null);
	if (!is_null && strcmp(NameStr(*DatumGetName(source)), from) == 0)
	{
		Datum		values[STREAM_NATTS] = {0};
		bool		nulls[STREAM_NATTS] = {0};
		bool		replaces[STREAM_NATTS] = {0};
		NameData	name;

		namestrcpy(&name, to);
		values[STREAM_SOURCE - 1] = NameGetDatum(&name);
		replaces[STREAM_SOURCE - 1] = true;
		tuple = heap_modify_tuple(tuple, RelationGetDescr(catalog),
								  values, nulls, replaces);
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	}
	table_close(catalog, NoLock);
}

static void
follow_renaming(RenameStmt *statement)
{
	ListCell   *lc;

	if (statement->relation == NULL)
		return;
	if (statement->renameType == OBJECT_COLUMN)
	{
		Oid			relid = RangeVarGetRelid(statement->relation, NoLock, true);

		rename_source(relid, statement->subname, statement->newname);
		if (OidIsValid(relid) && statement->relationType == OBJECT_TABLE)
			weir_rewrite_check_columns(relid);
	}
	else if (statement->renameType == OBJECT_ATTRIBUTE)
	{
		foreach(lc, streams_of_type(statement->relation))
			rename_source(lfirst_oid(lc), statement->subname,
						  statement->newname);
	}
}

static bool
changes_triggers(AlterTableStmt *statement)
{
	ListCell   *lc;

	foreach(lc, statement->cmds)
	{
		switch (((AlterTableCmd *) lfirst(lc))->subtype)
		{
			case AT_EnableTrig:
			case AT_EnableReplicaTrig:
			case AT_EnableTrigAll:
			case AT_EnableTrigUser:
			case AT_DisableTrig:
			case AT_DisableTrigAll:
			case AT_DisableTrigUser:
				return true;
			default:
				break;
		}
	}
	return false;
}

/*
 * After something has been done to triggers: the one that refuses UPDATE is
 * ALWAYS on.  pg_restore --disable-triggers switches all off and on again, so
 * that this is not refused.
 */
static void
keep_trigger(Oid relid)
{
	Relation	rel;
	Trigger    *trigger;
	char	   *name = NULL;

	if (!OidIsValid(relid) || weir_stream_of_leaf(relid) == 0)
		return;
	rel = table_open(relid, AccessShareLock);
	trigger = refusing_trigger(rel);
	if (trigger && trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
		name = pstrdup(trigger->tgname);
	table_close(rel, NoLock);
	if (name)
		weir_execute("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s",
					 weir_stream_qualified_name(relid), quote_identifier(name));
}

/* Sources must stay what can be told apart. */
static void
check_source_type(Oid relid)
{
	WeirStream	stream;

	if (OidIsValid(relid) && weir_stream_lookup(relid, &stream) &&
		stream.source_attno != 0)
		(void) weir_observer_source_type(relid, stream.source_attno);
}

/*
 * Rows of a table that is a stream are logged as that's: as a partition of another
 * stream it would keep them from this.
 */
static void
refuse_streams_in(Oid partition, Oid parent)
{
	List	   *streams = weir_stream_tables();
	ListCell   *lc;

	foreach(lc, find_all_inheritors(partition, NoLock, NULL))
		if (lfirst_oid(lc) != parent && list_member_oid(streams, lfirst_oid(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot make stream \"%s\" a partition of stream \"%s\"",
							get_rel_name(lfirst_oid(lc)), get_rel_name(parent)),
					 errhint("Use weir.drop_stream to make it a plain table first.")));
}

/* Before it is done: the server would complain of the trigger that both have. */
static void
check_attach(AlterTableStmt *statement)
{
	ListCell   *lc;

	foreach(lc, statement->cmds)
	{
		AlterTableCmd *command = (AlterTableCmd *) lfirst(lc);
		Oid			parent;
		Oid			partition;

		if (command->subtype != AT_AttachPartition || statement->objtype != OBJECT_TABLE)
			continue;
		parent = RangeVarGetRelid(statement->relation, NoLock, true);
		partition = RangeVarGetRelid(castNode(PartitionCmd, command->def)->name,
									 NoLock, true);
		if (OidIsValid(parent) && OidIsValid(partition) &&
			weir_stream_of_leaf(parent) != 0)
			refuse_streams_in(partition, parent);
	}
}

/* A partition that cannot be captured is none of a stream's. */
static void
check_partitions(Oid relid)
{
	ListCell   *lc;

	if (!OidIsValid(relid) || weir_stream_of_leaf(relid) == 0)
		return;
	refuse_streams_in(relid, relid);
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot make foreign table \"%s\" a partition of stream \"%s\"",
							get_rel_name(lfirst_oid(lc)), get_rel_name(relid)),
					 errdetail("Rows that are inserted into a foreign table cannot be captured.")));
}

/*
 * A plain query of the table would show rows of its children, which are none of
 * the stream's.
 */
static void
refuse_inheritance(Oid relid)
{
	if (weir_stream_of_leaf(relid) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("stream \"%s\" cannot take part in inheritance",
						get_rel_name(relid)),
				 errdetail("Rows of child tables are not captured."),
				 errhint("A stream can have partitions, if it is a partitioned table.")));
}

/* Of tables that the command has made or altered: what they inherit from. */
static void
check_inheritance(void)
{
	SPI_connect();
	if (SPI_execute("SELECT i.inhrelid, i.inhparent "
					"FROM pg_catalog.pg_event_trigger_ddl_commands() d "
					"JOIN pg_catalog.pg_inherits i ON i.inhrelid OPERATOR(pg_catalog.=) d.objid "
					"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid "
					"WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
					"AND c.relkind OPERATOR(pg_catalog.<>) 'i' AND c.relkind OPERATOR(pg_catalog.<>) 'I' "
					"AND NOT c.relispartition",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list what is inherited");
	for (uint64 i = 0; i < SPI_processed; i++)
		for (int column = 1; column <= 2; column++)
		{
			bool		is_null;

			refuse_inheritance(DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
															  SPI_tuptable->tupdesc,
															  column, &is_null)));
		}
	SPI_finish();
}

/*
 * The first rows are read partition by partition; one that left meanwhile would
 * take those along that have not been read.
 */
static void
check_detach(AlterTableStmt *statement)
{
	ListCell   *lc;

	foreach(lc, statement->cmds)
	{
		Oid			relid;
		int32		stream_id;
		ListCell   *cell;

		if (((AlterTableCmd *) lfirst(lc))->subtype != AT_DetachPartition)
			continue;
		relid = RangeVarGetRelid(statement->relation, NoLock, true);
		if (!OidIsValid(relid) || (stream_id = weir_stream_of_leaf(relid)) == 0)
			continue;
		foreach(cell, weir_cursor_list(stream_id))
			if (((WeirCursor *) lfirst(cell))->in_history)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("cannot detach a partition of stream \"%s\" now",
								get_rel_name(relid)),
						 errdetail("The rows that were there before the stream, or before an aggregate, are being read."),
						 errhint("Resume what is paused, run CALL weir.drain('%s'), and try again.",
								 get_rel_name(relid))));
	}
}

/* Before ALTER TABLE: with CONCURRENTLY it is too late afterwards. */
Datum
weir_stream_altering(PG_FUNCTION_ARGS)
{
	EventTriggerData *data;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by event trigger manager")));
	data = (EventTriggerData *) fcinfo->context;
	if (IsA(data->parsetree, AlterTableStmt))
	{
		check_detach((AlterTableStmt *) data->parsetree);
		check_attach((AlterTableStmt *) data->parsetree);
	}
	PG_RETURN_NULL();
}

/* After ALTER TABLE, or ALTER TYPE of a composite type. */
static void
follow_altering(AlterTableStmt *statement)
{
	List	   *streams;
	ListCell   *lc;
	Oid			relid = RangeVarGetRelid(statement->relation, NoLock, true);

	foreach(lc, moved_tables())
		weir_rewrite_moved(lfirst_oid(lc));
	if (changes_triggers(statement))
		keep_trigger(relid);
	if (weir_alter_table_has(statement, AT_AttachPartition))
		check_partitions(relid);
	if (weir_alter_table_has(statement, AT_AlterColumnType))
	{
		streams = statement->objtype == OBJECT_TYPE ?
			streams_of_type(statement->relation) : list_make1_oid(relid);
		foreach(lc, streams)
			check_source_type(lfirst_oid(lc));
	}
	if (OidIsValid(relid) && statement->objtype == OBJECT_TABLE &&
		weir_alter_table_changes_columns(statement))
		weir_rewrite_check_columns(relid);
	if (weir_alter_table_has(statement, AT_AddInherit))
		check_inheritance();
}

/*
 * After ALTER TABLE and CREATE TABLE, and what else does the same.  With SET
 * TABLESPACE the bytes are the same, the file is another.
 */
Datum
weir_stream_altered(PG_FUNCTION_ARGS)
{
	EventTriggerData *data;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by event trigger manager")));
	data = (EventTriggerData *) fcinfo->context;
	if (IsA(data->parsetree, RenameStmt))
		follow_renaming((RenameStmt *) data->parsetree);
	else if (IsA(data->parsetree, CreateStmt) ||
			 IsA(data->parsetree, CreateForeignTableStmt))
	{
		CreateStmt *statement = (CreateStmt *) data->parsetree;

		if (statement->partbound != NULL)
			foreach(lc, statement->inhRelations)
				check_partitions(RangeVarGetRelid(lfirst(lc), NoLock, true));
		else if (statement->inhRelations != NIL)
			check_inheritance();
	}
	else if (IsA(data->parsetree, CreateSchemaStmt))
		check_inheritance();
	else if (IsA(data->parsetree, AlterTableStmt))
		follow_altering((AlterTableStmt *) data->parsetree);
	else
	{
		foreach(lc, moved_tables())
			weir_rewrite_moved(lfirst_oid(lc));
	}
	PG_RETURN_NULL();
}

/* Is it one that captures, not what a failed REINDEX CONCURRENTLY left? */
static bool
is_valid_capture_index(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	bool		result = HeapTupleIsValid(tuple) &&
		((Form_pg_class) GETSTRUCT(tuple))->relkind == RELKIND_INDEX &&
		((Form_pg_class) GETSTRUCT(tuple))->relam ==
		get_index_am_oid(WEIR_CAPTURE_AM, true);

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result && get_index_isvalid(index);
}

/*
 * Before DROP INDEX: with CONCURRENTLY the index would be of no use any more
 * when the trigger above gets to refuse.
 */
Datum
weir_index_drop(PG_FUNCTION_ARGS)
{
	DropStmt   *statement;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by event trigger manager")));
	statement = (DropStmt *) ((EventTriggerData *) fcinfo->context)->parsetree;
	if (!IsA(statement, DropStmt) || !statement->concurrent)
		PG_RETURN_NULL();
	foreach(lc, statement->objects)
	{
		Oid			index = RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)),
											 NoLock, true);
		Oid			relid = InvalidOid;

		if (OidIsValid(index) && is_valid_capture_index(index))
			relid = IndexGetRelation(index, true);
		if (OidIsValid(relid) && weir_stream_of_leaf(relid) != 0)
			refuse_drop(get_rel_name(relid));
	}
	PG_RETURN_NULL();
}

/*
 * Before ALTER TABLE makes the rows of a table anew, as those of its own
 * transaction: what is read of the log under older snapshots would be missing.
 * (VACUUM FULL leaves rows as they are.)
 */
Datum
weir_log_rewriting(PG_FUNCTION_ARGS)
{
	Oid			relid;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by event trigger manager")));
	relid = DatumGetObjectId(OidFunctionCall0(F_PG_EVENT_TRIGGER_TABLE_REWRITE_OID));
	if (weir_log_is_slot(relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rewrite table \"%s\" of the log of a stream",
						get_rel_name(relid)),
				 errdetail("Its rows would become those of another transaction.")));
	PG_RETURN_NULL();
}
