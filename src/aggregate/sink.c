/*-------------------------------------------------------------------------
 *
 * sink.c
 *	  Statements that run over the rows of windows just closed.
 *
 * A sink is one SQL statement of the owner of an aggregate.  It runs in the
 * transaction of the tick that closes the windows, so its effects are there
 * exactly once, and sees the rows as the relation "closed", as a trigger sees
 * a transition table.
 *
 * If it fails, the aggregate fails with it: windows close together with what
 * follows from it, or not yet.
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
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/definition.h"
#include "aggregate/partial.h"
#include "aggregate/sink.h"
#include "stream/tick.h"

PG_FUNCTION_INFO_V1(weir_create_sink);
PG_FUNCTION_INFO_V1(weir_drop_sink);

enum
{
	Anum_name = 1,
	Anum_aggregate_id,
	Anum_statement,
	Natts_sink = Anum_statement
};

static Relation
open_sinks(LOCKMODE lockmode)
{
	return table_open(get_relname_relid("_sink",
										weir_schema_oid()),
					  lockmode);
}

static SysScanDesc
scan_sinks(Relation rel, const char *name)
{
	ScanKeyData key;
	Name		namedata;

	if (name == NULL)
		return systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	namedata = palloc(NAMEDATALEN);
	namestrcpy(namedata, name);
	ScanKeyInit(&key, Anum_name, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(namedata));
	return systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
}

/* ---------- running ---------- */

static void
sink_error_callback(void *arg)
{
	errcontext("sink \"%s\"", (const char *) arg);
}

static void
run_sink(const char *name, const char *statement)
{
	ErrorContextCallback callback;
	int			result;

	callback.callback = sink_error_callback;
	callback.arg = unconstify(char *, name);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	weir_stream_enter_sink();
	PG_TRY();
	{
		result = SPI_execute(statement, false, 0);
		if (result < 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("statement cannot be run in a sink: %s",
							SPI_result_code_string(result))));
	}
	PG_FINALLY();
	{
		weir_stream_leave_sink();
	}
	PG_END_TRY();
	SPI_freetuptable(SPI_tuptable);

	error_context_stack = callback.previous;
}

typedef struct Sink
{
	char	   *name;
	char	   *statement;
} Sink;

static int
compare_sinks(const ListCell *a, const ListCell *b)
{
	return strcmp(((Sink *) lfirst(a))->name, ((Sink *) lfirst(b))->name);
}

void
weir_sink_run_all(const WeirAggregate *agg)
{
	Relation	rel = open_sinks(AccessShareLock);
	SysScanDesc scan = scan_sinks(rel, NULL);
	HeapTuple	tuple;
	List	   *sinks = NIL;
	ListCell   *lc;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Datum		values[Natts_sink];
		bool		isnull[Natts_sink];
		Sink	   *sink;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		if (DatumGetInt32(values[Anum_aggregate_id - 1]) != agg->id)
			continue;
		sink = palloc(sizeof(Sink));
		sink->name = pstrdup(NameStr(*DatumGetName(values[Anum_name - 1])));
		sink->statement = TextDatumGetCString(values[Anum_statement - 1]);
		sinks = lappend(sinks, sink);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	list_sort(sinks, compare_sinks);
	foreach(lc, sinks)
	{
		Sink	   *sink = lfirst(lc);

		run_sink(sink->name, sink->statement);
	}
}

/* ---------- creating and dropping ---------- */

/* Run the statement over no rows, as it will be run. */
static void
run_over_nothing(const WeirAggregate *agg, const char *name,
				 const char *statement)
{
	WeirDefinition *def = weir_definition_analyze(weir_definition_query(agg->query));
	EphemeralNamedRelation enr = palloc0(sizeof(*enr));
	WeirIdentity saved;

	weir_aggregate_become_owner(agg, &saved);
	SPI_connect();
	enr->md.name = "closed";
	enr->md.tupdesc = weir_partial_result_desc(def);
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->reldata = tuplestore_begin_heap(false, false, work_mem);
	if (SPI_register_relation(enr) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the closed rows");
	run_sink(name, statement);
	SPI_finish();
	weir_restore_identity(&saved);
}

/*
 * Run the statement and undo it: names, types and rights are checked, and
 * whether the command is allowed in a sink.
 */
static void
try_statement(const WeirAggregate *agg, const char *name,
			  const char *statement)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		run_over_nothing(agg, name, statement);
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
}

static void
check_statement(const char *statement)
{
	if (list_length(raw_parser(statement, RAW_PARSE_DEFAULT)) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a sink must be one statement"),
				 errhint("Create several sinks, or call a function.")));
}

Datum
weir_create_sink(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *statement = text_to_cstring(PG_GETARG_TEXT_PP(2));
	WeirAggregate agg;
	Relation	rel;
	SysScanDesc scan;
	NameData	namedata;
	Datum		values[Natts_sink];
	bool		isnull[Natts_sink] = {false};
	bool		exists;

	if (strlen(name) >= NAMEDATALEN || name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name for a sink: \"%s\"", name)));
	weir_aggregate_get_owned(PG_GETARG_OID(1), &agg);
	if (!OidIsValid(agg.closed))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("aggregate \"%s\" has no windows that could close",
						get_rel_name(agg.view)),
				 errhint("Sinks run when windows close; group by a window function.")));
	check_statement(statement);
	if (!weir_aggregate_lock(agg.open, true))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the continuous aggregate was dropped concurrently")));

	rel = open_sinks(ShareRowExclusiveLock);
	scan = scan_sinks(rel, name);
	exists = systable_getnext(scan) != NULL;
	systable_endscan(scan);
	if (exists)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("sink \"%s\" already exists", name)));
	try_statement(&agg, name, statement);

	namestrcpy(&namedata, name);
	values[Anum_name - 1] = NameGetDatum(&namedata);
	values[Anum_aggregate_id - 1] = Int32GetDatum(agg.id);
	values[Anum_statement - 1] = CStringGetTextDatum(statement);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values,
											isnull));
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

Datum
weir_drop_sink(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Relation	rel = open_sinks(RowExclusiveLock);
	SysScanDesc scan;
	HeapTuple	tuple = NULL;
	bool		isnull;
	WeirAggregate agg;

	scan = scan_sinks(rel, strlen(name) < NAMEDATALEN ? name : "");
	tuple = systable_getnext(scan);
	if (tuple == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("sink \"%s\" does not exist", name)));
	if (weir_aggregate_read(DatumGetInt32(heap_getattr(tuple, Anum_aggregate_id,
													   RelationGetDescr(rel),
													   &isnull)), NULL, &agg) &&
		!has_privs_of_role(GetUserId(), agg.owner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(agg.view));
	CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
	PG_RETURN_VOID();
}

void
weir_sink_drop_all(int32 aggregate_id)
{
	Relation	rel = open_sinks(RowExclusiveLock);
	SysScanDesc scan = scan_sinks(rel, NULL);
	HeapTuple	tuple;
	bool		isnull;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		if (DatumGetInt32(heap_getattr(tuple, Anum_aggregate_id,
									   RelationGetDescr(rel),
									   &isnull)) == aggregate_id)
			CatalogTupleDelete(rel, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}
