/*-------------------------------------------------------------------------
 *
 * delivery.c
 *	  Closed rows are given to sinks.
 *
 * A sink runs in the transaction of the tick that closes the windows, so its
 * effects are there exactly once, and sees the rows as the relation "closed",
 * as a trigger sees a transition table.
 *
 * It does so in a subtransaction.  If it fails, windows close nevertheless and
 * the other sinks go on: what it did is undone, and the rows are kept for it as
 * one delivery, numbered, in weir._undelivered.  A sink that is behind is given
 * nothing directly, so that it gets everything in order; what it is behind with
 * is delivered later, by the worker or by drain, delivery by delivery, and
 * deleted in the same transaction: exactly once too.
 *
 *		active		gets rows as they are closed; after weir.resume_sink, what
 *					it is behind with first
 *		retrying	has failed; is tried again at next_retry		note_failure()
 *		failed		has failed weir.max_failures times in a row; rows are kept
 *					until weir.resume_sink, weir.skip_sink			note_failure()
 *
 * What is nobody's fault (deadlocks, locks that are not to be had, lack of
 * space) is not counted: the sink stays "retrying".  Cancel and shutdown end
 * the tick as a whole.
 *
 * Invariants:
 * 1. A sink runs once for each closing that had rows since it was created, in
 *	  the order of closings, in a transaction that commits; or is skipped by
 *	  weir.skip_sink.
 * 2. _undelivered holds what _sink says the sink is behind with: both change
 *	  under the lock on the aggregate's state, or the exclusive one on the
 *	  aggregate.
 *
 * Values are kept as text, written so that every type reads back what it wrote,
 * as pg_dump does; so a dump has them too.
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
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/definition.h"
#include "aggregate/delivery.h"
#include "aggregate/failure.h"
#include "aggregate/partial.h"
#include "aggregate/sink_check.h"
#include "storage/debug_point.h"
#include "stream/cursor.h"
#include "stream/tick.h"

/* Rows delivered later in one transaction; one delivery at least. */
#define CATCH_UP_ROWS		10000

enum
{
	Anum_sink = 1,
	Anum_delivery,
	Anum_closed_at,
	Anum_row,
	Natts_undelivered = Anum_row
};

/* ---------- running a statement ---------- */

/* A statement and the rows it runs over. */
typedef struct SinkRun
{
	const char *name;
	const char *statement;
	Tuplestorestate *rows;
	TupleDesc	desc;
	const WeirAggregate *checked_for;	/* check the statement, too; or NULL */
} SinkRun;

static void
sink_error_callback(void *arg)
{
	errcontext("sink \"%s\"", (const char *) arg);
}

static void
execute(const char *statement)
{
	int			result;

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
}

/* What running it over no rows does not show. */
static void
check(const SinkRun *sink)
{
	SPIPlanPtr	plan = SPI_prepare(sink->statement, 0, NULL);
	ListCell   *lc;

	if (plan == NULL)
		elog(ERROR, "could not prepare the statement of a sink: %s",
			 SPI_result_code_string(SPI_result));
	foreach(lc, SPI_plan_get_plan_sources(plan))
		weir_sink_check(sink->checked_for,
						((CachedPlanSource *) lfirst(lc))->query_list);
}

static void
run(void *arg)
{
	SinkRun    *sink = arg;
	EphemeralNamedRelation enr;
	ErrorContextCallback callback;

	callback.callback = sink_error_callback;
	callback.arg = unconstify(char *, sink->name);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	SPI_connect();
	enr = palloc0(sizeof(*enr));
	enr->md.name = "closed";
	enr->md.tupdesc = sink->desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = (double) tuplestore_tuple_count(sink->rows);
	enr->reldata = sink->rows;
	if (SPI_register_relation(enr) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the closed rows");
	execute(sink->statement);
	if (sink->checked_for != NULL)
		check(sink);
	SPI_finish();
	WEIR_DEBUG_POINT("sink_run");

	error_context_stack = callback.previous;
}

/* ---------- values as text ---------- */

/* Until AtEOXact_GUC with the result. */
static int
begin_exact_text(void)
{
	static const char *const settings[][2] = {
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"extra_float_digits", "3"},
		{"xmloption", "content"},
	};
	int			nest_level = NewGUCNestLevel();
	int			i;

	for (i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

static Datum
row_to_text(TupleTableSlot *slot, FmgrInfo *output)
{
	int			natts = slot->tts_tupleDescriptor->natts;
	Datum	   *values = palloc(natts * sizeof(Datum));
	int			lower_bound = 1;
	int			i;

	slot_getallattrs(slot);
	for (i = 0; i < natts; i++)
		if (!slot->tts_isnull[i])
			values[i] = CStringGetTextDatum(OutputFunctionCall(&output[i],
															   slot->tts_values[i]));
	return PointerGetDatum(construct_md_array(values, slot->tts_isnull, 1,
											  &natts, &lower_bound, TEXTOID,
											  -1, false, TYPALIGN_INT));
}

static void
row_from_text(Datum row, TupleDesc desc, AttInMetadata *input,
			  Tuplestorestate *rows)
{
	ArrayType  *array = DatumGetArrayTypeP(row);
	Datum	   *texts;
	bool	   *isnull;
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	int			n;
	int			i;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, &isnull,
					  &n);
	if (n != desc->natts)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("row kept for a sink has %d columns instead of %d", n,
						desc->natts)));
	for (i = 0; i < n; i++)
		values[i] = InputFunctionCall(&input->attinfuncs[i],
									  isnull[i] ? NULL : TextDatumGetCString(texts[i]),
									  input->attioparams[i],
									  input->atttypmods[i]);
	tuplestore_putvalues(rows, desc, values, isnull);
}

/* ---------- deliveries that are kept ---------- */

static Relation
open_undelivered(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_undelivered", false),
					  lockmode);
}

/* The rows kept for a sink: of one delivery, or all if it is 0. */
static SysScanDesc
scan_undelivered(Relation rel, const char *name, int64 delivery)
{
	ScanKeyData keys[2];
	Name		namedata = palloc(NAMEDATALEN);

	namestrcpy(namedata, name);
	ScanKeyInit(&keys[0], Anum_sink, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(namedata));
	ScanKeyInit(&keys[1], Anum_delivery, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(delivery));
	return systable_beginscan(rel,
							  weir_own_relid("_undelivered_sink_delivery_idx", false),
							  true, NULL, delivery == 0 ? 1 : 2, keys);
}

/* Keep the rows as the last delivery of a sink. */
static void
keep(WeirSink *sink, Tuplestorestate *rows, TupleDesc desc)
{
	Relation	rel = open_undelivered(RowExclusiveLock);
	CatalogIndexState indexes = CatalogOpenIndexes(rel);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	FmgrInfo   *output = palloc(desc->natts * sizeof(FmgrInfo));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir undelivered row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	Datum		values[Natts_undelivered];
	bool		isnull[Natts_undelivered] = {false};
	TimestampTz now = GetCurrentTimestamp();
	int			nest_level = begin_exact_text();
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		Oid			function;
		bool		is_varlena;

		getTypeOutputInfo(TupleDescAttr(desc, i)->atttypid, &function,
						  &is_varlena);
		fmgr_info(function, &output[i]);
	}

	sink->closings_behind++;
	if (sink->closings_behind == 1)
		sink->behind_since = now;
	values[Anum_sink - 1] = NameGetDatum(&sink->name);
	values[Anum_delivery - 1] = Int64GetDatum(sink->done + sink->closings_behind);
	values[Anum_closed_at - 1] = TimestampTzGetDatum(now);
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		old = MemoryContextSwitchTo(context);
		values[Anum_row - 1] = row_to_text(slot, output);
		CatalogTupleInsertWithInfo(rel, heap_form_tuple(RelationGetDescr(rel),
														values, isnull), indexes);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		sink->rows_behind++;
	}

	AtEOXact_GUC(true, nest_level);
	MemoryContextDelete(context);
	ExecDropSingleTupleTableSlot(slot);
	CatalogCloseIndexes(indexes);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* The rows of a delivery, as they were closed. */
static Tuplestorestate *
fetch(const WeirSink *sink, int64 delivery, TupleDesc desc)
{
	Relation	rel = open_undelivered(AccessShareLock);
	SysScanDesc scan = scan_undelivered(rel, NameStr(sink->name), delivery);
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	AttInMetadata *input = TupleDescGetAttInMetadata(desc);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir undelivered row",
												  ALLOCSET_DEFAULT_SIZES);
	int			nest_level = begin_exact_text();
	HeapTuple	tuple;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		bool		isnull;
		MemoryContext old = MemoryContextSwitchTo(context);

		row_from_text(heap_getattr(tuple, Anum_row, RelationGetDescr(rel),
								   &isnull), desc, input, rows);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	AtEOXact_GUC(true, nest_level);
	MemoryContextDelete(context);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rows;
}

/* Returns how many rows they were. */
static int64
forget(const char *name, int64 delivery)
{
	Relation	rel = open_undelivered(RowExclusiveLock);
	SysScanDesc scan = scan_undelivered(rel, name, delivery);
	HeapTuple	tuple;
	int64		n = 0;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		CatalogTupleDelete(rel, &tuple->t_self);
		n++;
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return n;
}

/* When the first delivery of a sink that is behind was closed. */
static TimestampTz
first_closed_at(const WeirSink *sink)
{
	Relation	rel = open_undelivered(AccessShareLock);
	SysScanDesc scan = scan_undelivered(rel, NameStr(sink->name),
										sink->done + 1);
	HeapTuple	tuple = systable_getnext(scan);
	TimestampTz at = 0;
	bool		isnull;

	if (tuple != NULL)
		at = DatumGetTimestampTz(heap_getattr(tuple, Anum_closed_at,
											  RelationGetDescr(rel), &isnull));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return at;
}

int64
weir_delivery_forget_first(WeirSink *sink)
{
	int64		n = forget(NameStr(sink->name), sink->done + 1);

	sink->done++;
	sink->closings_behind--;
	sink->rows_behind -= n;
	sink->status = WEIR_SINK_ACTIVE;
	sink->failures = 0;
	if (sink->closings_behind > 0)
		sink->behind_since = first_closed_at(sink);
	return n;
}

void
weir_delivery_forget_all(const char *name)
{
	(void) forget(name, 0);
}

/* ---------- failures ---------- */

static void
note_failure(const WeirAggregate *agg, WeirSink *sink, const ErrorData *error)
{
	bool		is_counted = !weir_failure_is_nobodys(error);
	bool		is_first = sink->status == WEIR_SINK_ACTIVE;

	sink->status = WEIR_SINK_RETRYING;
	sink->next_retry = weir_failure_next_retry(sink->failures + 1);
	if (is_counted && ++sink->failures >= weir_max_failures)
		sink->status = WEIR_SINK_FAILED;
	weir_sink_write(sink, weir_failure_text(error));

	if (!is_counted && !is_first)
		return;
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("sink \"%s\" of continuous aggregate \"%s\" failed: %s",
					NameStr(sink->name), get_rel_name(agg->view), error->message),
			 sink->status == WEIR_SINK_FAILED ?
			 errdetail("Rows are kept for it until weir.resume_sink is called.") :
			 errdetail("It will be tried again.")));
}

/* The session may find names where the sink does not, whose settings are in force. */
static void
explain_undefined(ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_UNDEFINED_TABLE && error->hint == NULL &&
		error->internalpos > 0)
		error->hint = psprintf("A sink runs with the settings that the aggregate was created with, search_path = %s. Write the schemas of other relations before their names.",
							   GetConfigOption("search_path", false, false));
}

/* An error that is not about the sink ends what we are doing. */
static ErrorData *
try_run(const WeirSink *sink, Tuplestorestate *rows, TupleDesc desc)
{
	SinkRun		sink_run = {NameStr(sink->name), sink->statement, rows, desc, NULL};
	ErrorData  *error = weir_failure_catch(run, &sink_run, false);

	if (error != NULL &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	if (error != NULL)
		explain_undefined(error);
	return error;
}

/* ---------- when windows close ---------- */

void
weir_delivery_run(const WeirAggregate *agg, Tuplestorestate *rows,
				  TupleDesc desc)
{
	ListCell   *lc;

	foreach(lc, weir_sink_list(agg->id))
	{
		WeirSink   *sink = lfirst(lc);
		ErrorData  *error = NULL;

		if (sink->closings_behind == 0)
		{
			error = try_run(sink, rows, desc);
			if (error == NULL)
				continue;
		}
		keep(sink, rows, desc);
		if (error != NULL)
			note_failure(agg, sink, error);
		else
			weir_sink_write(sink, NULL);
	}
}

/* ---------- later ---------- */

static bool
is_due(const WeirSink *sink)
{
	TimestampTz now = GetCurrentTimestamp();

	if (sink->closings_behind == 0 || sink->status == WEIR_SINK_FAILED)
		return false;
	/* further away than it can be: the clock has been set back */
	return sink->status == WEIR_SINK_ACTIVE || sink->next_retry <= now ||
		sink->next_retry > TimestampTzPlusMilliseconds(now, WEIR_MAX_DEFER_MS);
}

static bool
any_is_due(int32 aggregate_id)
{
	ListCell   *lc;

	foreach(lc, weir_sink_list(aggregate_id))
		if (is_due(lfirst(lc)))
			return true;
	return false;
}

/*
 * The next delivery of a sink; false if it failed.  Adds the number of rows.
 */
static bool
deliver_next(const WeirAggregate *agg, WeirSink *sink, TupleDesc desc,
			 int64 *nrows)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir delivery",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Tuplestorestate *rows = fetch(sink, sink->done + 1, desc);
	ErrorData  *error = try_run(sink, rows, desc);

	tuplestore_end(rows);
	if (error != NULL)
		note_failure(agg, sink, error);
	else
	{
		*nrows += weir_delivery_forget_first(sink);
		weir_sink_write(sink, NULL);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return error == NULL;
}

bool
weir_delivery_catch_up(const WeirAggregate *agg, bool wait)
{
	WeirIdentity saved;
	TupleDesc	desc;
	int64		nrows = 0;
	ListCell   *lc;

	if (agg->status == WEIR_AGGREGATE_PAUSED || !any_is_due(agg->id) ||
		!weir_aggregate_lock_state(agg->id, wait))
		return false;

	weir_aggregate_become_owner(agg, &saved);
	PushActiveSnapshot(GetTransactionSnapshot());
	desc = weir_partial_result_desc(weir_definition_analyze(weir_definition_query(agg->query)));
	foreach(lc, weir_sink_list(agg->id))
	{
		WeirSink   *sink = lfirst(lc);

		while (is_due(sink) && nrows < CATCH_UP_ROWS &&
			   deliver_next(agg, sink, desc, &nrows))
			CHECK_FOR_INTERRUPTS();
	}
	PopActiveSnapshot();
	weir_restore_identity(&saved);
	return nrows >= CATCH_UP_ROWS;
}

/* ---------- before a sink is created ---------- */

void
weir_delivery_try(const WeirAggregate *agg, const char *name,
				  const char *statement)
{
	SinkRun		sink_run = {0};
	WeirIdentity saved;
	ErrorData  *error;

	weir_aggregate_become_owner(agg, &saved);
	sink_run.name = name;
	sink_run.statement = statement;
	sink_run.checked_for = agg;
	sink_run.desc = weir_partial_result_desc(weir_definition_analyze(weir_definition_query(agg->query)));
	sink_run.rows = tuplestore_begin_heap(false, false, work_mem);
	error = weir_failure_catch(run, &sink_run, true);
	if (error != NULL)
		explain_undefined(error);
	weir_restore_identity(&saved);
	if (error != NULL)
		ReThrowError(error);
}
