/*-------------------------------------------------------------------------
 *
 * sink.c
 *	  The catalog of sinks, and the commands on them.
 *
 * A sink is one SQL statement of the owner of an aggregate, which runs over
 * the rows of windows just closed; when and how is delivery.c's.
 *
 * Locks: whoever changes a sink holds the exclusive lock on its aggregate, but
 * for a delivery, which holds the shared one and the one on the state.
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
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/delivery.h"
#include "aggregate/sink.h"
#include "stream/tick.h"

PG_FUNCTION_INFO_V1(weir_create_sink);
PG_FUNCTION_INFO_V1(weir_drop_sink);
PG_FUNCTION_INFO_V1(weir_resume_sink);
PG_FUNCTION_INFO_V1(weir_skip_sink);

enum
{
	Anum_name = 1,
	Anum_aggregate_id,
	Anum_statement,
	Anum_status,
	Anum_failures,
	Anum_next_retry,
	Anum_last_error,
	Anum_last_error_at,
	Anum_done,
	Anum_closings_behind,
	Anum_rows_behind,
	Anum_behind_since,
	Natts_sink = Anum_behind_since
};

/* ---------- the catalog ---------- */

static Relation
open_sinks(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_sink", false), lockmode);
}

/* All, or those with the name; there are few: the table is read through. */
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

static WeirSink *
deform_sink(HeapTuple tuple, TupleDesc desc)
{
	WeirSink   *sink = palloc0(sizeof(WeirSink));
	Datum		values[Natts_sink];
	bool		isnull[Natts_sink];

	heap_deform_tuple(tuple, desc, values, isnull);
	sink->name = *DatumGetName(values[Anum_name - 1]);
	sink->aggregate_id = DatumGetInt32(values[Anum_aggregate_id - 1]);
	sink->statement = TextDatumGetCString(values[Anum_statement - 1]);
	sink->status = (WeirSinkStatus) DatumGetInt32(values[Anum_status - 1]);
	sink->failures = DatumGetInt32(values[Anum_failures - 1]);
	if (!isnull[Anum_next_retry - 1])
		sink->next_retry = DatumGetTimestampTz(values[Anum_next_retry - 1]);
	sink->done = DatumGetInt64(values[Anum_done - 1]);
	sink->closings_behind = DatumGetInt64(values[Anum_closings_behind - 1]);
	sink->rows_behind = DatumGetInt64(values[Anum_rows_behind - 1]);
	if (!isnull[Anum_behind_since - 1])
		sink->behind_since = DatumGetTimestampTz(values[Anum_behind_since - 1]);
	return sink;
}

static int
compare_sinks(const ListCell *a, const ListCell *b)
{
	return strcmp(NameStr(((WeirSink *) lfirst(a))->name),
				  NameStr(((WeirSink *) lfirst(b))->name));
}

List *
weir_sink_list(int32 aggregate_id)
{
	Relation	rel = open_sinks(AccessShareLock);
	SysScanDesc scan = scan_sinks(rel, NULL);
	HeapTuple	tuple;
	List	   *sinks = NIL;
	bool		isnull;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		if (DatumGetInt32(heap_getattr(tuple, Anum_aggregate_id,
									   RelationGetDescr(rel),
									   &isnull)) == aggregate_id)
			sinks = lappend(sinks, deform_sink(tuple, RelationGetDescr(rel)));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	list_sort(sinks, compare_sinks);
	return sinks;
}

/* NULL if there is none. */
static WeirSink *
read_sink(const char *name)
{
	Relation	rel = open_sinks(AccessShareLock);
	SysScanDesc scan = scan_sinks(rel, name);
	HeapTuple	tuple = systable_getnext(scan);
	WeirSink   *sink = NULL;

	if (tuple != NULL)
		sink = deform_sink(tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return sink;
}

static void
insert_sink(const WeirSink *sink)
{
	Relation	rel = open_sinks(RowExclusiveLock);
	Datum		values[Natts_sink] = {0};
	bool		isnull[Natts_sink] = {false};

	values[Anum_name - 1] = NameGetDatum(&sink->name);
	values[Anum_aggregate_id - 1] = Int32GetDatum(sink->aggregate_id);
	values[Anum_statement - 1] = CStringGetTextDatum(sink->statement);
	isnull[Anum_next_retry - 1] = true;
	isnull[Anum_last_error - 1] = true;
	isnull[Anum_last_error_at - 1] = true;
	isnull[Anum_behind_since - 1] = true;
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values,
											isnull));
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
weir_sink_write(const WeirSink *sink, const char *error)
{
	Relation	rel = open_sinks(RowExclusiveLock);
	SysScanDesc scan = scan_sinks(rel, NameStr(sink->name));
	HeapTuple	tuple = systable_getnext(scan);
	Datum		values[Natts_sink] = {0};
	bool		isnull[Natts_sink] = {false};
	bool		replace[Natts_sink] = {false};
	int			i;

	for (i = Anum_status; i <= Natts_sink; i++)
		replace[i - 1] = true;
	values[Anum_status - 1] = Int32GetDatum((int32) sink->status);
	values[Anum_failures - 1] = Int32GetDatum(sink->failures);
	values[Anum_next_retry - 1] = TimestampTzGetDatum(sink->next_retry);
	isnull[Anum_next_retry - 1] = sink->status != WEIR_SINK_RETRYING;
	values[Anum_done - 1] = Int64GetDatum(sink->done);
	values[Anum_closings_behind - 1] = Int64GetDatum(sink->closings_behind);
	values[Anum_rows_behind - 1] = Int64GetDatum(sink->rows_behind);
	values[Anum_behind_since - 1] = TimestampTzGetDatum(sink->behind_since);
	isnull[Anum_behind_since - 1] = sink->closings_behind == 0;
	if (error != NULL)
	{
		values[Anum_last_error - 1] = CStringGetTextDatum(error);
		values[Anum_last_error_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	}
	else
	{
		isnull[Anum_last_error - 1] = isnull[Anum_last_error_at - 1] = true;
		replace[Anum_last_error - 1] = replace[Anum_last_error_at - 1] =
			sink->status == WEIR_SINK_ACTIVE;
	}
	if (tuple != NULL)
		CatalogTupleUpdate(rel, &tuple->t_self,
						   heap_modify_tuple(tuple, RelationGetDescr(rel),
											 values, isnull, replace));
	systable_endscan(scan);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

static void
delete_sink(const char *name)
{
	Relation	rel = open_sinks(RowExclusiveLock);
	SysScanDesc scan = scan_sinks(rel, name);
	HeapTuple	tuple = systable_getnext(scan);

	if (tuple != NULL)
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, NoLock);
	weir_delivery_forget_all(name);
}

static void
resume(WeirSink *sink)
{
	sink->status = WEIR_SINK_ACTIVE;
	sink->failures = 0;
	weir_sink_write(sink, NULL);
}

void
weir_sink_resume_all(int32 aggregate_id)
{
	ListCell   *lc;

	foreach(lc, weir_sink_list(aggregate_id))
	{
		WeirSink   *sink = lfirst(lc);

		if (sink->status != WEIR_SINK_ACTIVE)
			resume(sink);
	}
}

void
weir_sink_drop_all(int32 aggregate_id)
{
	ListCell   *lc;

	foreach(lc, weir_sink_list(aggregate_id))
		delete_sink(NameStr(((WeirSink *) lfirst(lc))->name));
	CommandCounterIncrement();
}

/* ---------- commands ---------- */

/* A position in an error message counts in the text of the statement. */
static void
statement_error_callback(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

/* What running it cannot tell, or not so well. */
static void
check_statement(const char *statement)
{
	List	   *statements;
	Node	   *node;
	ErrorContextCallback callback;

	callback.callback = statement_error_callback;
	callback.arg = unconstify(char *, statement);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	statements = raw_parser(statement, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a sink must be one statement"),
				 errhint("Create several sinks, or call a function.")));
	node = linitial_node(RawStmt, statements)->stmt;
	if (IsA(node, TransactionStmt))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a sink cannot begin or end a transaction"),
				 errdetail("It runs in the one in which windows close.")));
	if (IsA(node, CopyStmt) && ((CopyStmt *) node)->filename == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a sink cannot copy from or to a client"),
				 errhint("Use INSERT, or COPY with a file or a program.")));
}

static void
lock_aggregate(const WeirAggregate *agg)
{
	if (!weir_aggregate_lock(agg->open, true))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the continuous aggregate was dropped concurrently")));
}

/*
 * The sink with the name, its aggregate locked; raises 42704 if there is none,
 * 42501 if the user does not own the aggregate.
 */
static WeirSink *
lock_owned_sink(const char *name)
{
	WeirSink   *sink = strlen(name) < NAMEDATALEN ? read_sink(name) : NULL;
	WeirAggregate agg;

	if (sink != NULL && weir_aggregate_read(sink->aggregate_id, NULL, &agg))
	{
		if (!has_privs_of_role(GetUserId(), agg.owner))
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(agg.view));
		lock_aggregate(&agg);
		sink = read_sink(name);
	}
	if (sink == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("sink \"%s\" does not exist", name)));
	return sink;
}

static char *
name_argument(FunctionCallInfo fcinfo)
{
	weir_aggregate_require_argument(fcinfo, 0, "name");
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

static void
check_name(const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of a sink must not be empty")));
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name \"%s\" is too long for a sink", name),
				 errdetail("It must be shorter than %d bytes.", NAMEDATALEN)));
}

Datum
weir_create_sink(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);
	WeirSink	sink = {0};
	WeirAggregate agg;

	PreventCommandIfReadOnly("weir.create_sink()");
	weir_aggregate_require_argument(fcinfo, 1, "aggregate");
	weir_aggregate_require_argument(fcinfo, 2, "statement");
	check_name(name);
	weir_aggregate_get_owned(PG_GETARG_OID(1), &agg);
	if (!OidIsValid(agg.closed))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("aggregate \"%s\" has no windows that could close",
						get_rel_name(agg.view)),
				 errhint("Sinks run when windows close; group by a window function.")));
	namestrcpy(&sink.name, name);
	sink.aggregate_id = agg.id;
	sink.statement = text_to_cstring(PG_GETARG_TEXT_PP(2));
	check_statement(sink.statement);
	lock_aggregate(&agg);
	if (read_sink(name) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("sink \"%s\" already exists", name)));
	weir_delivery_try(&agg, name, sink.statement);
	insert_sink(&sink);
	PG_RETURN_VOID();
}

Datum
weir_drop_sink(PG_FUNCTION_ARGS)
{
	WeirSink   *sink = lock_owned_sink(name_argument(fcinfo));

	PreventCommandIfReadOnly("weir.drop_sink()");
	delete_sink(NameStr(sink->name));
	PG_RETURN_VOID();
}

Datum
weir_resume_sink(PG_FUNCTION_ARGS)
{
	WeirSink   *sink;

	weir_stream_refuse_in_tick("weir.resume_sink");
	sink = lock_owned_sink(name_argument(fcinfo));
	PreventCommandIfReadOnly("weir.resume_sink()");
	if (sink->status != WEIR_SINK_ACTIVE)
		resume(sink);
	PG_RETURN_VOID();
}

Datum
weir_skip_sink(PG_FUNCTION_ARGS)
{
	WeirSink   *sink;
	int64		skipped = 0;

	weir_stream_refuse_in_tick("weir.skip_sink");
	sink = lock_owned_sink(name_argument(fcinfo));
	PreventCommandIfReadOnly("weir.skip_sink()");
	if (sink->closings_behind > 0)
	{
		skipped = weir_delivery_forget_first(sink);
		weir_sink_write(sink, NULL);
	}
	PG_RETURN_INT64(skipped);
}
