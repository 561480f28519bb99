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
 * All the while the stream is locked.  So when a search has found something and
 * taken its time, and there is more to find, it goes on in the next tick of the
 * aggregate: an error undoes what this one has done for it, what has been found
 * is stored (skip_found.c), and the cursor stays where it is.
 *
 *		failed --weir.skip--> skipping --tick--> active
 *							   |	^
 *							   +----+ out of time: weir_skip_is_postponed
 *
 * What is left out is kept, at the end, with the rows that are late, with the
 * error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/htup_details.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/failure.h"
#include "aggregate/receiver.h"
#include "aggregate/row_filter.h"
#include "aggregate/skip.h"
#include "aggregate/skip_found.h"
#include "aggregate/source.h"
#include "stream/cursor.h"
#include "stream/tick.h"

PG_FUNCTION_INFO_V1(weir_skip);

/* More rows of a tick, or groups that close, than this are no exceptions. */
#define MAX_SKIPPED		1000

/* Raised to undo a tick whose search goes on in the next; nobody else sees it. */
#define ERRCODE_SEARCH_POSTPONED	MAKE_SQLSTATE('W', 'R', '0', '0', '1')

/* setting: milliseconds that a tick may search */
static int	search_time;

/* What a postponed search has found, until it is stored; NIL: none was. */
static int32 postponed_id;
static List *postponed = NIL;

/* What is tried: taking in rows, or finishing groups. */
typedef struct Trial
{
	void		(*function) (void *trial);
	const WeirAggregate *agg;
	WeirDefinition *def;
	WeirRowFilter *filter;		/* which rows, or groups, by number */
	WeirIntakeReader *read;		/* for taking in */
	void	   *arg;
	Timestamp	bound;
	WeirIntake *intake;
	Tuplestorestate *groups;	/* for finishing: state rows */
} Trial;

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

/* Has the search taken the time it may? */
static bool
is_out_of_time(const instr_time *start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *start);
	return INSTR_TIME_GET_MILLISEC(now) >= search_time;
}

/*
 * Leave out rows until the rest do not fail: adds them to the list of those that
 * earlier ticks have found, which are left out already.  False if there are more,
 * and the next tick is to find them.
 */
static bool
find_poisonous(Trial *trial, List **found)
{
	int			nknown = list_length(*found);
	int			good = 0;
	char	   *reason;
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	if (try_rows(trial, 0) != NULL)
		return true;			/* it is not the rows */
	while ((reason = try_rows(trial, trial->filter->nrows)) != NULL)
	{
		WeirSkipped *skipped;

		if (list_length(*found) > nknown && is_out_of_time(&start))
			return false;
		if (list_length(*found) >= MAX_SKIPPED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the query of aggregate \"%s\" fails at more than %d rows at once",
							get_rel_name(trial->agg->view), MAX_SKIPPED),
					 errdetail("The next one %s.", reason),
					 errhint("Drop the continuous aggregate and create it with another query.")));
		skipped = palloc0(sizeof(WeirSkipped));
		skipped->number = find_next(trial, good, &reason);
		if (trial->filter->ids != NULL)
			skipped->id = trial->filter->ids[skipped->number];
		skipped->late.reason = reason;
		*found = lappend(*found, skipped);
		trial->filter->is_left_out[skipped->number] = true;
		good = skipped->number + 1;
	}
	return true;
}

/* ---------- from tick to tick ---------- */

WEIR_NORETURN static void postpone(const WeirAggregate *agg, List *skipped);

static void
postpone(const WeirAggregate *agg, List *skipped)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	postponed_id = agg->id;
	postponed = weir_skip_found_new(skipped);
	MemoryContextSwitchTo(old);
	ereport(ERROR,
			(errcode(ERRCODE_SEARCH_POSTPONED),
			 errmsg("the search for what continuous aggregate \"%s\" fails at goes on in its next tick",
					get_rel_name(agg->view))));
}

bool
weir_skip_is_postponed(int32 aggregate_id, const ErrorData *error)
{
	List	   *skipped = postponed;

	postponed = NIL;
	if (error->sqlerrcode != ERRCODE_SEARCH_POSTPONED || skipped == NIL ||
		postponed_id != aggregate_id)
		return false;
	weir_skip_found_store(aggregate_id, skipped);
	return true;
}

/* Only those are left out that are still the same in this tick. */
static List *
keep_same(Trial *trial, List *skipped)
{
	List	   *same = NIL;
	ListCell   *lc;

	foreach(lc, skipped)
	{
		WeirSkipped *one = lfirst(lc);

		trial->filter->is_left_out[one->number] = false;
		if (one->late.row != 0 &&
			datumIsEqual(one->late.row, one->stored_row, false, -1))
			same = lappend(same, one);
	}
	foreach(lc, same)
		trial->filter->is_left_out[((WeirSkipped *) lfirst(lc))->number] = true;
	return same;
}

/* What is kept with the late rows. */
static List *
late_rows(List *skipped)
{
	List	   *rows = NIL;
	ListCell   *lc;

	foreach(lc, skipped)
		rows = lappend(rows, &((WeirSkipped *) lfirst(lc))->late);
	return rows;
}

/* ---------- the rows left out ---------- */

typedef struct SkippedReceiver
{
	DestReceiver pub;
	const WeirRowFilter *filter;
	List	   *skipped;		/* of WeirSkipped */
	MemoryContext context;
} SkippedReceiver;

/* columns: relation, tid, event time, row */
static bool
receive_skipped(TupleTableSlot *slot, DestReceiver *self)
{
	SkippedReceiver *receiver = (SkippedReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);
	Datum		row;
	int			number;
	ListCell   *lc;

	slot_getallattrs(slot);
	number = weir_row_filter_find(receiver->filter,
								  DatumGetObjectId(slot->tts_values[0]),
								  DatumGetItemPointer(slot->tts_values[1]));
	row = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[3]));
	foreach(lc, receiver->skipped)
	{
		WeirSkipped *skipped = lfirst(lc);

		if (skipped->number != number)
			continue;
		skipped->late.event_time = slot->tts_isnull[2] ? GetCurrentTimestamp() :
			DatumGetTimestamp(slot->tts_values[2]);
		skipped->late.window_end = DT_NOEND;	/* nobody has seen which */
		skipped->late.row = row;
	}
	MemoryContextSwitchTo(old);
	return true;
}

/* Read the rows that are left out. */
static void
fetch_skipped(WeirDefinition *source, WeirBatch *batch, List *skipped)
{
	SkippedReceiver receiver;

	if (skipped == NIL)
		return;
	memset(&receiver, 0, sizeof(receiver));
	weir_receiver_init(&receiver.pub, receive_skipped);
	receiver.filter = source->row_filter;
	receiver.skipped = skipped;
	receiver.context = CurrentMemoryContext;
	source->row_filter->is_inverted = true;
	weir_partial_rows(source, batch, true, &receiver.pub);
	source->row_filter->is_inverted = false;
}

/* Leave out the rows that earlier ticks have found; returns them. */
static List *
leave_out_known(Trial *trial, WeirDefinition *source, WeirBatch *batch,
				List *known)
{
	List	   *skipped = NIL;
	ListCell   *lc;

	foreach(lc, known)
	{
		WeirSkipped *one = lfirst(lc);

		one->number = weir_row_filter_find(trial->filter, one->id.relid,
										   &one->id.tid);
		if (one->number < 0)
			continue;			/* it has been deleted */
		trial->filter->is_left_out[one->number] = true;
		skipped = lappend(skipped, one);
	}
	fetch_skipped(source, batch, skipped);
	return keep_same(trial, skipped);
}

List *
weir_skip_intake(const WeirAggregate *agg, WeirDefinition *def,
				 WeirIntakeReader *read, void *arg, Timestamp bound,
				 WeirDefinition *source, WeirBatch *batch, WeirIntake *intake)
{
	Trial		trial = {only_read, agg, def, NULL, read, arg, bound, intake, NULL};
	List	   *known = weir_skip_found_read(agg->id, false);
	WeirRowCollector *collector;
	List	   *skipped;
	bool		is_complete;

	if (known == NIL && weir_failure_attempt(take_in, &trial) == NULL)
		return NIL;
	collector = weir_row_collector();
	weir_partial_rows(source, batch, false,
					  weir_row_collector_receiver(collector));
	trial.filter = weir_row_collector_filter(collector, batch != NULL);
	def->row_filter = source->row_filter = trial.filter;
	skipped = leave_out_known(&trial, source, batch, known);
	is_complete = find_poisonous(&trial, &skipped);
	trial.filter->limit = trial.filter->nrows;
	fetch_skipped(source, batch, skipped);
	if (!is_complete)
		postpone(agg, skipped);
	weir_intake_run(agg, def, read, arg, bound, intake);
	return late_rows(skipped);
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

	weir_partial_finish(trial->def, filter_groups(trial), None_Receiver);
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

static void
describe_group(TupleDesc desc, TupleTableSlot *slot, WeirLateRow *row)
{
	HeapTuple	tuple = heap_form_tuple(desc, slot->tts_values, slot->tts_isnull);
	Datum		json = DirectFunctionCall1(row_to_json,
										   HeapTupleGetDatum(tuple));

	row->window_end = DatumGetTimestamp(slot->tts_values[0]);
	row->event_time = DatumGetTimestamp(slot->tts_values[1]);
	row->row = DirectFunctionCall1(jsonb_in,
								   CStringGetDatum(TextDatumGetCString(json)));
}

/* What to do with a group: describe it as one that is left out, or find it. */
typedef void GroupVisitor(List *skipped, int number, TupleDesc desc,
						  TupleTableSlot *slot);

static void
visit_groups(Trial *trial, List *skipped, GroupVisitor *visit)
{
	WeirStateSource *source = weir_source_stored(trial->def, trial->groups);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(trial->def->state_desc,
													&TTSOpsVirtual);
	TupleDesc	desc = group_desc(trial->def);
	int			number = 0;

	while (source->next(source, slot))
	{
		visit(skipped, number++, desc, slot);
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static void
describe_skipped(List *skipped, int number, TupleDesc desc,
				 TupleTableSlot *slot)
{
	ListCell   *lc;

	foreach(lc, skipped)
	{
		WeirSkipped *one = lfirst(lc);

		if (one->number == number)
			describe_group(desc, slot, &one->late);
	}
}

/* Is it one of those that earlier ticks have found? */
static void
recognize(List *known, int number, TupleDesc desc, TupleTableSlot *slot)
{
	WeirLateRow row;
	ListCell   *lc;

	describe_group(desc, slot, &row);
	foreach(lc, known)
	{
		WeirSkipped *one = lfirst(lc);

		if (one->number < 0 && datumIsEqual(row.row, one->stored_row, false, -1))
		{
			row.reason = one->late.reason;
			one->late = row;
			one->number = number;
			return;
		}
	}
}

/* Leave out the groups that earlier ticks have found; returns them. */
static List *
leave_out_known_groups(Trial *trial, List *known)
{
	List	   *skipped = NIL;
	ListCell   *lc;

	if (known == NIL)
		return NIL;
	foreach(lc, known)
		((WeirSkipped *) lfirst(lc))->number = -1;
	visit_groups(trial, known, recognize);
	foreach(lc, known)
	{
		if (((WeirSkipped *) lfirst(lc))->number >= 0)
			skipped = lappend(skipped, lfirst(lc));
	}
	return keep_same(trial, skipped);
}

List *
weir_skip_finish(const WeirAggregate *agg, WeirDefinition *def,
				 WeirStateSource *source, DestReceiver *dest)
{
	Tuplestorestate *groups = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *receiver = weir_source_receiver(groups);
	WeirRowFilter filter = {0};
	Trial		trial = {only_finish, agg, def, &filter};
	List	   *skipped;
	bool		is_complete;

	weir_partial_combine(def, source, receiver);
	receiver->rDestroy(receiver);
	trial.groups = groups;
	filter.nrows = (int) Min(tuplestore_tuple_count(groups), PG_INT32_MAX);
	filter.is_left_out = MemoryContextAllocExtended(CurrentMemoryContext,
													Max(filter.nrows, 1),
													MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	skipped = leave_out_known_groups(&trial, weir_skip_found_read(agg->id, true));
	is_complete = find_poisonous(&trial, &skipped);
	filter.limit = filter.nrows;
	if (skipped != NIL)
		visit_groups(&trial, skipped, describe_skipped);
	if (!is_complete)
		postpone(agg, skipped);
	weir_partial_finish(def, filter_groups(&trial), dest);
	tuplestore_end(groups);
	return late_rows(skipped);
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
	weir_stream_refuse_in_tick("weir.skip");
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

void
weir_skip_init(void)
{
	DefineCustomIntVariable("weir.skip_time",
							"Time for which a tick searches for what weir.skip leaves out; then the next goes on.",
							"A tick finds at least one row or group.",
							&search_time,
							1000, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
}
