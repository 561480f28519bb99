/*-------------------------------------------------------------------------
 *
 * skip.c
 *	  Going on with an aggregate without what its query fails at.
 *
 * weir.skip only says that this is wanted: the next tick of the aggregate (or
 * the next step behind its parent) does it, and makes it active again.  If that
 * tick does not fail at all, nothing is left out.
 *
 * Which rows are the poisonous ones is found by trying, in subtransactions that
 * are undone: rows are numbered, and the least number is sought at which the
 * query fails with the rows up to there, by halving; that row is left out, and
 * the search goes on behind it.  So the rest are known to go together, also
 * where it is a sum that overflows.  The cost is a few readings of the tick's
 * rows for each row that is left out.
 *
 * A group can be at fault as well: its result is computed when its window closes.
 * The same is done with groups then.
 *
 * What is left out is kept with the rows that are late, with the error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/failure.h"
#include "aggregate/row_filter.h"
#include "aggregate/skip.h"
#include "aggregate/source.h"
#include "stream/cursor.h"

PG_FUNCTION_INFO_V1(weir_skip);

/* More rows of a tick, or groups that close, than this are no exceptions. */
#define MAX_SKIPPED		1000

/* What is tried: taking in rows, or finishing groups. */
typedef struct Trial
{
	void		(*function) (void *trial);
	const WeirAggregate *agg;
	WeirDefinition *def;
	WeirRowFilter *filter;		/* which rows, or groups, by number */
	WeirRowReader *read;		/* for taking in */
	void	   *arg;
	Timestamp	bound;
	WeirIntake *intake;
	Tuplestorestate *groups;	/* for finishing: state rows */
} Trial;

/* A row that is left out. */
typedef struct Skipped
{
	int			number;
	char	   *reason;
} Skipped;

/* ---------- trying ---------- */

static void
take_in(void *arg)
{
	Trial	   *trial = arg;

	weir_intake_run(trial->agg, trial->def, trial->read, trial->arg,
					trial->bound, trial->intake);
}

/* Aggregate the rows that the filter lets through, for nothing. */
static void
only_read(void *arg)
{
	Trial	   *trial = arg;

	(void) trial->read(trial->def, trial->bound, None_Receiver, trial->arg);
}

/* The error that the rows before that number make, or NULL. */
static char *
try_rows(Trial *trial, int limit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir trial",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ErrorData  *error;
	char	   *reason = NULL;

	CHECK_FOR_INTERRUPTS();
	trial->filter->limit = limit;
	error = weir_failure_catch(trial->function, trial, true);
	MemoryContextSwitchTo(old);
	if (error != NULL && weir_failure_is_nobodys(error))
		ReThrowError(error);
	if (error != NULL)
		reason = psprintf("failed: %s: %s", unpack_sql_state(error->sqlerrcode),
						  error->message);
	MemoryContextDelete(context);
	return reason;
}

/*
 * The number of the row that fails with those before it, of which the first
 * "good" are known not to; replaces the reason by its own.
 */
static int
find_next(Trial *trial, int good, char **reason)
{
	int			fails = trial->filter->nrows;

	while (fails - good > 1)
	{
		int			middle = good + (fails - good) / 2;
		char	   *other = try_rows(trial, middle);

		if (other == NULL)
			good = middle;
		else
		{
			fails = middle;
			*reason = other;
		}
	}
	return fails - 1;
}

/* Leave out rows until the rest do not fail; returns a list of Skipped. */
static List *
find_poisonous(Trial *trial)
{
	List	   *found = NIL;
	int			good = 0;
	char	   *reason;

	if (try_rows(trial, 0) != NULL)
		return NIL;				/* it is not the rows */
	while ((reason = try_rows(trial, trial->filter->nrows)) != NULL)
	{
		Skipped    *skipped = palloc(sizeof(Skipped));

		if (list_length(found) == MAX_SKIPPED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the query of aggregate \"%s\" fails at more than %d rows at once",
							get_rel_name(trial->agg->view), MAX_SKIPPED),
					 errdetail("The next one %s.", reason),
					 errhint("Drop the continuous aggregate and create it with another query.")));
		skipped->number = find_next(trial, good, &reason);
		skipped->reason = reason;
		found = lappend(found, skipped);
		trial->filter->is_left_out[skipped->number] = true;
		good = skipped->number + 1;
	}
	return found;
}

static char *
reason_of(List *skipped, int number)
{
	ListCell   *lc;

	foreach(lc, skipped)
	{
		Skipped    *row = lfirst(lc);

		if (row->number == number)
			return row->reason;
	}
	elog(ERROR, "row %d has not been skipped", number);
	return NULL;				/* keep the compiler quiet */
}

/* ---------- the rows left out ---------- */

typedef struct SkippedReceiver
{
	DestReceiver pub;
	const WeirRowFilter *filter;
	List	   *skipped;		/* of Skipped */
	List	   *rows;			/* of WeirLateRow */
	MemoryContext context;
} SkippedReceiver;

/* columns: relation, tid, event time, row */
static bool
receive_skipped(TupleTableSlot *slot, DestReceiver *self)
{
	SkippedReceiver *receiver = (SkippedReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);
	WeirLateRow *row = palloc(sizeof(WeirLateRow));
	int			number;

	slot_getallattrs(slot);
	number = weir_row_filter_find(receiver->filter,
								  DatumGetObjectId(slot->tts_values[0]),
								  DatumGetItemPointer(slot->tts_values[1]));
	row->event_time = slot->tts_isnull[2] ? GetCurrentTimestamp() :
		DatumGetTimestamp(slot->tts_values[2]);
	row->window_end = DT_NOEND; /* nobody has seen which */
	row->row = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[3]));
	row->reason = reason_of(receiver->skipped, number);
	receiver->rows = lappend(receiver->rows, row);
	MemoryContextSwitchTo(old);
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_nothing(DestReceiver *self)
{
}

static List *
fetch_skipped(WeirDefinition *source, WeirBatch *batch, List *skipped)
{
	SkippedReceiver receiver;

	memset(&receiver, 0, sizeof(receiver));
	receiver.pub.receiveSlot = receive_skipped;
	receiver.pub.rStartup = receiver_startup;
	receiver.pub.rShutdown = receiver_nothing;
	receiver.pub.rDestroy = receiver_nothing;
	receiver.pub.mydest = DestNone;
	receiver.filter = source->row_filter;
	receiver.skipped = skipped;
	receiver.context = CurrentMemoryContext;
	source->row_filter->is_inverted = true;
	weir_partial_rows(source, batch, true, (DestReceiver *) &receiver);
	source->row_filter->is_inverted = false;
	return receiver.rows;
}

List *
weir_skip_intake(const WeirAggregate *agg, WeirDefinition *def,
				 WeirRowReader *read, void *arg, Timestamp bound,
				 WeirDefinition *source, WeirBatch *batch, WeirIntake *intake)
{
	Trial		trial = {only_read, agg, def, NULL, read, arg, bound, intake, NULL};
	WeirRowCollector *collector;
	List	   *skipped;

	if (weir_failure_attempt(take_in, &trial) == NULL)
		return NIL;
	collector = weir_row_collector();
	weir_partial_rows(source, batch, false,
					  weir_row_collector_receiver(collector));
	trial.filter = weir_row_collector_filter(collector, batch != NULL);
	def->row_filter = source->row_filter = trial.filter;
	skipped = find_poisonous(&trial);
	trial.filter->limit = trial.filter->nrows;
	weir_intake_run(agg, def, read, arg, bound, intake);
	return skipped == NIL ? NIL : fetch_skipped(source, batch, skipped);
}

/* ---------- groups ---------- */

/* State rows by number, as the filter says. */
typedef struct FilteredSource
{
	WeirStateSource pub;
	WeirStateSource *inner;
	const WeirRowFilter *filter;
	int			number;			/* of the next */
} FilteredSource;

static bool
next_filtered(WeirStateSource *source, TupleTableSlot *slot)
{
	FilteredSource *filtered = (FilteredSource *) source;

	while (filtered->number < filtered->filter->limit &&
		   filtered->inner->next(filtered->inner, slot))
	{
		if (!filtered->filter->is_left_out[filtered->number++])
			return true;
		ExecClearTuple(slot);
	}
	return false;
}

static WeirStateSource *
filter_groups(Trial *trial)
{
	FilteredSource *filtered = palloc0(sizeof(FilteredSource));

	filtered->pub.next = next_filtered;
	filtered->inner = weir_source_stored(trial->def, trial->groups);
	filtered->pub.rows = filtered->inner->rows;
	filtered->filter = trial->filter;
	return &filtered->pub;
}

static void
only_finish(void *arg)
{
	Trial	   *trial = arg;

	weir_partial_finish(trial->def, filter_groups(trial), NIL, None_Receiver);
}

/* The window and the keys of a state row, with the names of the result. */
static TupleDesc
group_desc(const WeirDefinition *def)
{
	int			natts = def->nwindow + def->nkeys;
	TupleDesc	desc = CreateTemplateTupleDesc(natts);
	ListCell   *lc;
	int			i;

	for (i = 1; i <= natts; i++)
	{
		TupleDescCopyEntry(desc, i, def->state_desc, i);
		if (i > def->nwindow)
			namestrcpy(&TupleDescAttr(desc, i - 1)->attname,
					   psprintf("key_%d", i - def->nwindow));
	}
	foreach(lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		int			key = tle->resjunk ? -1 :
			weir_definition_find_key(def, (Node *) tle->expr);

		if (key >= 0)
			namestrcpy(&TupleDescAttr(desc, def->nwindow + key)->attname,
					   tle->resname);
	}
	return BlessTupleDesc(desc);
}

static WeirLateRow *
describe_group(TupleDesc desc, TupleTableSlot *slot, char *reason)
{
	WeirLateRow *row = palloc(sizeof(WeirLateRow));
	HeapTuple	tuple = heap_form_tuple(desc, slot->tts_values, slot->tts_isnull);
	Datum		json = DirectFunctionCall1(row_to_json,
										   HeapTupleGetDatum(tuple));

	row->window_end = DatumGetTimestamp(slot->tts_values[0]);
	row->event_time = DatumGetTimestamp(slot->tts_values[1]);
	row->row = DirectFunctionCall1(jsonb_in,
								   CStringGetDatum(TextDatumGetCString(json)));
	row->reason = reason;
	return row;
}

static List *
describe_groups(Trial *trial, List *skipped)
{
	WeirStateSource *source = weir_source_stored(trial->def, trial->groups);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(trial->def->state_desc,
													&TTSOpsVirtual);
	TupleDesc	desc = group_desc(trial->def);
	List	   *rows = NIL;
	int			number = 0;

	while (source->next(source, slot))
	{
		if (trial->filter->is_left_out[number])
			rows = lappend(rows, describe_group(desc, slot,
												reason_of(skipped, number)));
		number++;
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	return rows;
}

List *
weir_skip_finish(const WeirAggregate *agg, WeirDefinition *def,
				 WeirStateSource *source, DestReceiver *dest)
{
	Tuplestorestate *groups = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *receiver = weir_source_receiver(groups);
	WeirRowFilter filter = {0};
	Trial		trial = {only_finish, agg, def, &filter};
	List	   *rows = NIL;
	List	   *skipped;

	weir_partial_combine(def, source, receiver);
	receiver->rDestroy(receiver);
	trial.groups = groups;
	filter.nrows = (int) Min(tuplestore_tuple_count(groups), PG_INT32_MAX);
	filter.is_left_out = MemoryContextAllocExtended(CurrentMemoryContext,
													Max(filter.nrows, 1),
													MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	skipped = find_poisonous(&trial);
	filter.limit = filter.nrows;
	weir_partial_finish(def, filter_groups(&trial), NIL, dest);
	if (skipped != NIL)
		rows = describe_groups(&trial, skipped);
	tuplestore_end(groups);
	return rows;
}

/* ---------- SQL ---------- */

static void
require_failed(const WeirAggregate *agg)
{
	if (agg->status == WEIR_AGGREGATE_RETRYING ||
		agg->status == WEIR_AGGREGATE_FAILED ||
		agg->status == WEIR_AGGREGATE_SKIPPING)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("continuous aggregate \"%s\" has not failed",
					get_rel_name(agg->view)),
			 errhint("Only what a continuous aggregate has failed at can be skipped; see weir.stat_aggregates.")));
}

Datum
weir_skip(PG_FUNCTION_ARGS)
{
	WeirAggregate agg;

	PreventCommandIfReadOnly("weir.skip()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("aggregate must not be null")));
	weir_aggregate_get_owned(PG_GETARG_OID(0), &agg);
	/* in the order of a tick */
	(void) weir_cursor_lock_stream(agg.stream_id, true);
	if (!weir_aggregate_lock(agg.open, true) ||
		!weir_aggregate_read(agg.id, NULL, &agg))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the continuous aggregate was dropped concurrently")));
	require_failed(&agg);
	agg.status = WEIR_AGGREGATE_SKIPPING;
	agg.next_retry = GetCurrentTimestamp();
	weir_aggregate_set_progress(&agg, NULL);
	if (agg.parent_id == 0)
		weir_cursor_set_paused(agg.cursor_id, false);
	PG_RETURN_VOID();
}
