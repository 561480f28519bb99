/*-------------------------------------------------------------------------
 *
 * create.c
 *	  Creating a continuous aggregate, and changing its options.
 *
 * A continuous aggregate "a" with the number N is made of
 *
 *		weir._query_N	a view: the definition, as the server itself keeps
 *						definitions; so renaming tables and columns,
 *						dependencies, dump and restore are the server's own
 *		a_closed		a table: final rows; not for running aggregates
 *		weir._open_N	a foreign table of weir's own wrapper: the current rows
 *						of the windows that are not closed (live.c)
 *		a				a view: both together
 *		weir._state_N	a table that belongs to the extension: state (runs.c)
 *
 * All but the last belong to the caller, and are created as the caller would
 * create them, in the schema of the aggregate.  The two that are internal are
 * then moved to schema weir, where the caller need have no rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/cascade.h"
#include "aggregate/closed_index.h"
#include "aggregate/closing.h"
#include "aggregate/definition.h"
#include "aggregate/dumped.h"
#include "aggregate/parent.h"
#include "aggregate/partial.h"
#include "aggregate/runs.h"
#include "stream/cursor.h"
#include "stream/tick.h"

PG_FUNCTION_INFO_V1(weir_create_continuous_aggregate);
PG_FUNCTION_INFO_V1(weir_alter_continuous_aggregate);

/* What is being created. */
typedef struct NewAggregate
{
	WeirAggregate agg;
	WeirDefinition *def;
	char	   *schema;
	char	   *name;
	char	   *closed_name;
	TupleDesc	columns;
	char	   *column_list;	/* quoted, with commas */
} NewAggregate;

/* ---------- small helpers ---------- */

static void
run_sql(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run: %s", sql);
}

static Datum
require_interval(FunctionCallInfo fcinfo, int argno, const char *name)
{
	weir_aggregate_require_argument(fcinfo, argno, name);
	(void) weir_interval_usec(PG_GETARG_DATUM(argno), name);
	return PG_GETARG_DATUM(argno);
}

/* schema, if given, and name */
static RangeVar *
parse_name(text *qualified)
{
	char	   *text = text_to_cstring(qualified);
	List	   *names;

	if (!SplitIdentifierString(pstrdup(text), '.', &names) || names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name syntax: \"%s\"", text),
				 errhint("As in SQL, a name with spaces, capital letters or the like is written in double quotes.")));
	return makeRangeVarFromNameList(textToQualifiedNameList(qualified));
}

/* The place and name of the new view, which must be free. */
static void
resolve_name(text *qualified, NewAggregate *new)
{
	RangeVar   *rv = parse_name(qualified);
	Oid			namespace = RangeVarGetCreationNamespace(rv);

	new->name = rv->relname;
	new->schema = get_namespace_name(namespace);
	if (isTempNamespace(namespace))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a continuous aggregate cannot be temporary")));
	if (strcmp(new->schema, WEIR_SCHEMA) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("schema \"%s\" is reserved for objects of the extension",
						WEIR_SCHEMA)));
	if (strlen(new->name) + strlen("_closed") >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name \"%s\" is too long for a continuous aggregate",
						new->name),
				 errdetail("With \"_closed\" appended it must be shorter than %d bytes.",
						   NAMEDATALEN)));
	new->closed_name = psprintf("%s_closed", new->name);
	if (OidIsValid(get_relname_relid(new->name, namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", new->name)));
	if (OidIsValid(get_relname_relid(new->closed_name, namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", new->closed_name),
				 errdetail("It is the name of the table for closed rows.")));
}

/* ---------- the definition ---------- */

/* A position in an error message counts in the text of the query. */
static void
query_error_callback(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

static RawStmt *
parse_select(const char *sql)
{
	List	   *statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	RawStmt    *raw;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the query of a continuous aggregate must be one statement")));
	raw = linitial_node(RawStmt, statements);
	if (!IsA(raw->stmt, SelectStmt) || ((SelectStmt *) raw->stmt)->intoClause)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the query of a continuous aggregate must be a SELECT")));
	return raw;
}

/* CREATE VIEW schema._query_N AS query, as if the caller had typed it. */
static void
create_query_view(NewAggregate *new, const char *sql, RawStmt *raw)
{
	ViewStmt   *view = makeNode(ViewStmt);
	PlannedStmt *utility = makeNode(PlannedStmt);

	view->view = makeRangeVar(new->schema, psprintf("_query_%d", new->agg.id), -1);
	view->query = raw->stmt;
	view->withCheckOption = NO_CHECK_OPTION;
	utility->commandType = CMD_UTILITY;
	utility->utilityStmt = (Node *) view;
	utility->stmt_location = raw->stmt_location;
	utility->stmt_len = raw->stmt_len;
	ProcessUtility(utility, sql, false, PROCESS_UTILITY_QUERY, NULL, NULL,
				   None_Receiver, NULL);
	CommandCounterIncrement();
}

/* A state row is a row to the executor. */
static void
check_width(const WeirDefinition *def)
{
	if (def->state_desc->natts > MaxTupleAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("the query of a continuous aggregate has too many keys and aggregate functions"),
				 errdetail("Together with the window they are %d; at most %d are possible.",
						   def->state_desc->natts, MaxTupleAttributeNumber)));
}

/*
 * Analyze first, so that what is refused is refused before anything is
 * created.
 */
static void
define(NewAggregate *new, const char *sql)
{
	ErrorContextCallback callback;
	RawStmt    *raw;
	Query	   *query;

	callback.callback = query_error_callback;
	callback.arg = unconstify(char *, sql);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	raw = parse_select(sql);
	query = parse_analyze_fixedparams(copyObject(raw), sql, NULL, 0, NULL);
	new->def = weir_definition_analyze(query);
	check_width(new->def);
	create_query_view(new, sql, raw);

	error_context_stack = callback.previous;
}

/*
 * Into schema weir, without regard to the caller's rights there, and for
 * nobody else.
 */
static Oid
move_to_weir(NewAggregate *new, const char *name)
{
	Oid			from = get_namespace_oid(new->schema, false);
	Oid			to = weir_schema_oid();
	Oid			relid = get_relname_relid(name, from);
	Relation	rel = relation_open(relid, AccessExclusiveLock);
	ObjectAddresses *moved = new_object_addresses();

	AlterTableNamespaceInternal(rel, from, to, moved);
	free_object_addresses(moved);
	relation_close(rel, NoLock);
	CommandCounterIncrement();
	weir_revoke_default_privileges(relid);
	return relid;
}

static void
describe_columns(NewAggregate *new)
{
	Relation	rel = relation_open(new->agg.query, AccessShareLock);
	StringInfoData list;
	int			i;

	new->columns = CreateTupleDescCopy(RelationGetDescr(rel));
	relation_close(rel, NoLock);
	initStringInfo(&list);
	for (i = 0; i < new->columns->natts; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(new->columns, i)->attname)));
	new->column_list = list.data;
}

/*
 * Check the caller's rights on what the query reads, and that the server can
 * plan it; the same over an empty state.
 */
static void
dry_run(NewAggregate *new)
{
	Query	   *query = weir_definition_query(new->agg.query);
	QueryDesc  *desc;

	AcquireRewriteLocks(query, true, false);
	query = linitial_node(Query, QueryRewrite(query));
	desc = CreateQueryDesc(pg_plan_query(query, "continuous aggregate", 0, NULL),
						   "continuous aggregate", GetActiveSnapshot(),
						   InvalidSnapshot, None_Receiver, NULL, NULL, 0);
	ExecutorStart(desc, EXEC_FLAG_EXPLAIN_ONLY);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
}

/* ---------- tables and views ---------- */

static char *
qualified(const char *schema, const char *name)
{
	return quote_qualified_identifier(schema, name);
}

static void
create_closed_table(NewAggregate *new)
{
	char	   *closed = qualified(new->schema, new->closed_name);
	ListCell   *lc;

	run_sql(psprintf("CREATE TABLE %s AS SELECT * FROM %s WITH NO DATA", closed,
					 qualified(WEIR_SCHEMA, psprintf("_query_%d", new->agg.id))));
	new->agg.closed = get_relname_relid(new->closed_name,
										get_namespace_oid(new->schema, false));
	foreach(lc, weir_closed_default_indexes(new->def, new->columns, closed))
		run_sql(lfirst(lc));
}

static void
create_open_table(NewAggregate *new)
{
	char	   *name = psprintf("_open_%d", new->agg.id);
	StringInfoData sql;
	int			i;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE FOREIGN TABLE %s (",
					 qualified(new->schema, name));
	for (i = 0; i < new->columns->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(new->columns, i);

		appendStringInfo(&sql, "%s%s %s", i > 0 ? ", " : "",
						 quote_identifier(NameStr(att->attname)),
						 format_type_extended(att->atttypid, att->atttypmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
		if (OidIsValid(att->attcollation))
			appendStringInfo(&sql, " COLLATE %s",
							 generate_collation_name(att->attcollation));
	}
	appendStringInfoString(&sql, ") SERVER weir_live");
	run_sql(sql.data);
	new->agg.open = move_to_weir(new, name);
}

static void
create_view(NewAggregate *new)
{
	char	   *open = qualified(WEIR_SCHEMA, psprintf("_open_%d", new->agg.id));
	char	   *view = qualified(new->schema, new->name);

	if (OidIsValid(new->agg.closed))
		run_sql(psprintf("CREATE VIEW %s AS SELECT %s FROM %s UNION ALL SELECT %s FROM %s",
						 view, new->column_list,
						 qualified(new->schema, new->closed_name),
						 new->column_list, open));
	else
		run_sql(psprintf("CREATE VIEW %s AS SELECT %s FROM %s",
						 view, new->column_list, open));
	new->agg.view = get_relname_relid(new->name,
									  get_namespace_oid(new->schema, false));
}

/* ---------- SQL functions ---------- */

/* Do closed rows show when their windows ended?  See maintain.c. */
static bool
tells_end(const WeirDefinition *def)
{
	return weir_definition_window_column(def, 2) != 0 ||
		(weir_definition_window_column(def, 1) != 0 &&
		 (def->window.kind == WEIR_WINDOW_TUMBLE ||
		  def->window.kind == WEIR_WINDOW_HOP));
}

static void
check_retention(const WeirDefinition *def)
{
	if (def->window_rti == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention does not apply to an aggregate without windows")));
	if (!tells_end(def))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention needs to know when the windows of closed rows ended"),
				 errhint("Put window_end into the SELECT list.")));
}

/* The query may use nothing of weir's, but is of no use without it. */
static void
depend_on_extension(Oid relid)
{
	ObjectAddress object;
	ObjectAddress extension;

	ObjectAddressSet(object, RelationRelationId, relid);
	ObjectAddressSet(extension, ExtensionRelationId,
					 get_extension_oid("weir", false));
	recordDependencyOn(&object, &extension, DEPENDENCY_NORMAL);
}

/*
 * Over another aggregate: it must be there still, and not close windows before
 * we have committed, or nobody would know that the new one lacks them.
 */
static void
adopt_parent(NewAggregate *new)
{
	WeirAggregate *parent = &new->def->parent->agg;

	(void) weir_cursor_lock_stream(parent->stream_id, true);
	if (!weir_aggregate_lock(parent->open, false) ||
		!weir_aggregate_read(parent->id, NULL, parent))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the continuous aggregate was dropped concurrently")));
	new->agg.parent_id = parent->id;
}

Datum
weir_create_continuous_aggregate(PG_FUNCTION_ARGS)
{
	NewAggregate new;
	Datum		lateness;
	Datum		retention = (Datum) 0;
	bool		has_retention = !PG_ARGISNULL(3);

	PreventCommandIfReadOnly("weir.create_continuous_aggregate()");
	memset(&new, 0, sizeof(new));
	weir_aggregate_require_argument(fcinfo, 0, "name");
	weir_aggregate_require_argument(fcinfo, 1, "query");
	weir_aggregate_require_argument(fcinfo, 4, "realtime");
	weir_aggregate_require_argument(fcinfo, 5, "with_data");
	lateness = require_interval(fcinfo, 2, "allowed_lateness");
	if (has_retention)
		retention = require_interval(fcinfo, 3, "retention");
	new.agg.lateness_usec = weir_interval_usec(lateness, "allowed_lateness");
	new.agg.realtime = PG_GETARG_BOOL(4);
	new.agg.with_data = PG_GETARG_BOOL(5);

	resolve_name(PG_GETARG_TEXT_PP(0), &new);
	new.agg.id = weir_aggregate_next_id();
	define(&new, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (has_retention)
		check_retention(new.def);
	new.agg.stream_id = new.def->stream.stream_id;
	if (new.def->parent != NULL)
	{
		adopt_parent(&new);
		weir_parent_check(new.def);
	}
	new.agg.settings = weir_aggregate_settings();
	new.agg.closed_until = DT_NOBEGIN;
	new.agg.query = move_to_weir(&new, psprintf("_query_%d", new.agg.id));
	depend_on_extension(new.agg.query);
	describe_columns(&new);

	SPI_connect();
	dry_run(&new);
	if (new.def->window_rti != 0)
		create_closed_table(&new);
	create_open_table(&new);
	create_view(&new);
	SPI_finish();

	new.agg.parent_until = new.agg.with_data ? DT_NOBEGIN : DT_NOEND;
	weir_runs_create(new.agg.id);
	if (weir_dumped_needs_state(&new.agg, new.def))
		weir_runs_set_dumped(new.agg.id);
	weir_runs_guard(new.agg.id, new.def);
	weir_aggregate_insert(&new.agg, lateness, retention, has_retention);
	if (new.def->parent == NULL)
		new.agg.cursor_id = weir_cursor_create(new.agg.stream_id,
											   new.agg.with_data);
	new.agg.status = WEIR_AGGREGATE_ACTIVE;
	weir_aggregate_set_progress(&new.agg, NULL);
	PG_RETURN_OID(new.agg.view);
}

/* Windows that close because of another lateness. */
typedef struct LatenessChange
{
	WeirAggregate *agg;
	WeirDefinition *def;
	Timestamp	before;
	Timestamp	after;
} LatenessChange;

static void
close_between(void *arg)
{
	LatenessChange *change = arg;
	WeirAggregateCounts counts = {0};
	WeirIdentity identity;

	weir_aggregate_become_owner(change->agg, &identity);
	weir_closing_run(change->agg, change->def, change->before, change->after,
					 NULL, &counts);
	weir_restore_identity(&identity);
	weir_aggregate_count(change->agg->id, &counts);
}

/*
 * Another lateness: windows that were closed, or would have been if there had
 * been rows for them, stay closed; those that it lets close do so at once, so
 * that the view never lacks them.
 */
static void
change_lateness(WeirAggregate *agg, Datum lateness)
{
	LatenessChange change;
	ErrorData  *volatile error = NULL;

	change.agg = agg;
	change.def = weir_definition_analyze(weir_definition_query(agg->query));
	change.before = weir_cascade_bound(agg, change.def, NULL);
	weir_aggregate_set_closed_until(agg->id, change.before);
	agg->lateness_usec = weir_interval_usec(lateness, "allowed_lateness");
	change.after = weir_cascade_bound(agg, change.def, NULL);
	weir_stream_enter_sink();
	PG_TRY();
	{
		error = weir_closed_attempt(agg->id, close_between, &change);
	}
	PG_FINALLY();
	{
		weir_stream_leave_sink();
	}
	PG_END_TRY();
	if (error != NULL)
		ReThrowError(error);
}

/*
 * The states of aggregates over one that deletes its closed rows cannot be made
 * again from these.
 */
static void
dump_states_over(const WeirAggregate *parent)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_parent(parent->id))
		weir_runs_set_dumped(lfirst_int(lc));
}

Datum
weir_alter_continuous_aggregate(PG_FUNCTION_ARGS)
{
	WeirAggregate agg;
	bool		set_lateness = !PG_ARGISNULL(1);
	bool		set_retention = !PG_ARGISNULL(2);
	bool		set_realtime = !PG_ARGISNULL(3);

	PreventCommandIfReadOnly("weir.alter_continuous_aggregate()");
	weir_stream_refuse_in_tick("weir.alter_continuous_aggregate");
	weir_aggregate_require_argument(fcinfo, 0, "aggregate");
	weir_aggregate_get_owned(PG_GETARG_OID(0), &agg);
	(void) weir_cursor_lock_stream(agg.stream_id, true);
	if (!weir_aggregate_lock(agg.open, true) ||
		!weir_aggregate_read(agg.id, NULL, &agg))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the continuous aggregate was dropped concurrently")));
	if (set_lateness)
		change_lateness(&agg, require_interval(fcinfo, 1, "allowed_lateness"));
	if (set_retention)
	{
		(void) require_interval(fcinfo, 2, "retention");
		check_retention(weir_definition_analyze(weir_definition_query(agg.query)));
		dump_states_over(&agg);
	}
	weir_aggregate_set_options(agg.id,
							   set_lateness ? PG_GETARG_DATUM(1) : (Datum) 0,
							   set_lateness,
							   set_retention ? PG_GETARG_DATUM(2) : (Datum) 0,
							   set_retention,
							   set_realtime && PG_GETARG_BOOL(3), set_realtime);
	if (set_lateness)
		weir_dumped_review(&agg);
	PG_RETURN_VOID();
}
