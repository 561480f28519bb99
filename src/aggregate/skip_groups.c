/*-------------------------------------------------------------------------
 *
 * skip_groups.c
 *	  Going on with an aggregate without groups that it fails at.
 *
 * A group fails when its states are combined, as sums that overflow together, or
 * when its result is computed.  So that a trial can do both with the first so many
 * groups, and with whole ones, the state rows are put in the order of their groups
 * first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/runs.h"
#include "aggregate/skip.h"
#include "aggregate/skip_found.h"
#include "aggregate/skip_search.h"
#include "aggregate/source.h"
#include "aggregate/state_order.h"

/* What is done with state rows: combining or finishing them. */
typedef void GroupStep(WeirDefinition *def, WeirStateSource *source,
					   DestReceiver *dest);

/* State rows, those of a group one after the other. */
typedef struct GroupTrial
{
	WeirTrial	pub;
	WeirDefinition *def;
	GroupStep  *step;
	Tuplestorestate *rows;
	int64	   *ends;			/* rows up to the end of each group */
	int			ngroups;
	int			max_groups;
} GroupTrial;

/* ---------- groups ---------- */

/* One more row, of the last group or of a new one. */
static void
count_row(GroupTrial *trial, bool is_new)
{
	int64		before = trial->ngroups > 0 ? trial->ends[trial->ngroups - 1] : 0;

	if (is_new && trial->ngroups == trial->max_groups)
	{
		if (trial->max_groups > PG_INT32_MAX / 2)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many groups to find out which the query of aggregate \"%s\" fails at",
							get_rel_name(trial->pub.agg->view))));
		trial->max_groups *= 2;
		trial->ends = repalloc_huge(trial->ends,
									sizeof(int64) * trial->max_groups);
	}
	if (is_new)
		trial->ngroups++;
	trial->ends[trial->ngroups - 1] = before + 1;
}

static void
add_row(TupleTableSlot *row, bool is_new, void *arg)
{
	GroupTrial *trial = arg;

	count_row(trial, is_new);
	tuplestore_puttupleslot(trial->rows, row);
}

/* Take the rows of the source apart into groups, and number these. */
static void
collect_groups(GroupTrial *trial, WeirStateSource *source)
{
	trial->rows = tuplestore_begin_heap(false, false, work_mem);
	trial->max_groups = 1024;
	trial->ends = palloc(sizeof(int64) * trial->max_groups);
	weir_keys_visit_groups(trial->def, source, add_row, trial);
	trial->pub.filter->nrows = trial->ngroups;
	trial->pub.filter->is_left_out =
		MemoryContextAllocExtended(CurrentMemoryContext, Max(trial->ngroups, 1),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* ---------- some of them ---------- */

/* State rows of groups by number, as the filter says. */
typedef struct FilteredSource
{
	WeirStateSource pub;
	WeirStateSource *inner;
	GroupTrial *trial;
	int64		row;			/* the next, and its group */
	int			group;
} FilteredSource;

static bool
next_filtered(WeirStateSource *source, TupleTableSlot *slot)
{
	FilteredSource *filtered = (FilteredSource *) source;
	const WeirRowFilter *filter = filtered->trial->pub.filter;

	while (filtered->group < filter->limit &&
		   filtered->inner->next(filtered->inner, slot))
	{
		bool		is_left_out = filter->is_left_out[filtered->group];

		if (++filtered->row == filtered->trial->ends[filtered->group])
			filtered->group++;
		if (!is_left_out)
			return true;
		ExecClearTuple(slot);
	}
	return false;
}

static WeirStateSource *
filter_groups(GroupTrial *trial)
{
	FilteredSource *filtered = palloc0(sizeof(FilteredSource));

	filtered->pub.next = next_filtered;
	filtered->inner = weir_source_stored(trial->def, trial->rows);
	filtered->pub.rows = filtered->inner->rows;
	filtered->trial = trial;
	return &filtered->pub;
}

static void
try_step(void *arg)
{
	GroupTrial *trial = arg;

	trial->step(trial->def, filter_groups(trial), None_Receiver);
}

/* ---------- describing them ---------- */

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
describe_group(const WeirDefinition *def, TupleDesc desc, TupleTableSlot *slot,
			   WeirLateRow *row)
{
	HeapTuple	tuple = heap_form_tuple(desc, slot->tts_values, slot->tts_isnull);
	Datum		json = DirectFunctionCall1(row_to_json,
										   HeapTupleGetDatum(tuple));

	row->window_end = def->nwindow > 0 ?
		DatumGetTimestamp(slot->tts_values[0]) : DT_NOEND;
	row->event_time = def->nwindow > 0 ?
		DatumGetTimestamp(slot->tts_values[1]) : GetCurrentTimestamp();
	row->row = DirectFunctionCall1(jsonb_in,
								   CStringGetDatum(TextDatumGetCString(json)));
}

/* What to do with a group: describe it as one that is left out, or find it. */
typedef void GroupVisitor(List *skipped, int number, const WeirDefinition *def,
						  TupleDesc desc, TupleTableSlot *slot);

/* Goes through all groups. */
static void
visit_groups(GroupTrial *trial, List *skipped, GroupVisitor *visit)
{
	WeirStateSource *source = weir_source_stored(trial->def, trial->rows);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(trial->def->state_desc,
													&TTSOpsVirtual);
	TupleDesc	desc = group_desc(trial->def);
	int64		row = 0;
	int			number = 0;

	while (source->next(source, slot))
	{
		/* the first of a group stands for all */
		if (row == (number > 0 ? trial->ends[number - 1] : 0))
			visit(skipped, number++, trial->def, desc, slot);
		row++;
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static void
describe_skipped(List *skipped, int number, const WeirDefinition *def,
				 TupleDesc desc, TupleTableSlot *slot)
{
	ListCell   *lc;

	foreach(lc, skipped)
	{
		WeirSkipped *one = lfirst(lc);

		if (one->number == number)
			describe_group(def, desc, slot, &one->late);
	}
}

/* Is it one of those that earlier ticks have found? */
static void
recognize(List *known, int number, const WeirDefinition *def, TupleDesc desc,
		  TupleTableSlot *slot)
{
	WeirLateRow row;
	ListCell   *lc;

	describe_group(def, desc, slot, &row);
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
leave_out_known_groups(GroupTrial *trial, List *known)
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
	return weir_skip_keep_same(&trial->pub, skipped);
}

/* ---------- going on without them ---------- */

/*
 * Find the groups at which the step fails, and leave them out; returns them.
 */
static List *
find_groups(GroupTrial *trial, WeirStateSource *source)
{
	List	   *known = NIL;
	List	   *skipped;
	bool		is_complete;

	collect_groups(trial, source);
	if (trial->pub.in_tick)
		known = weir_skip_found_read(trial->pub.agg->id, true);
	skipped = leave_out_known_groups(trial, known);
	is_complete = weir_skip_search(&trial->pub, &skipped);
	trial->pub.filter->limit = trial->pub.filter->nrows;
	if (skipped != NIL)
		visit_groups(trial, skipped, describe_skipped);
	if (!is_complete)
		weir_skip_postpone(trial->pub.agg, skipped);
	return skipped;
}

static List *
run_without(const WeirAggregate *agg, WeirDefinition *def, GroupStep *step,
			WeirStateSource *source, DestReceiver *dest)
{
	WeirRowFilter filter = {0};
	GroupTrial	trial = {{try_step, agg, &filter, true}, def, step};
	List	   *skipped = find_groups(&trial, source);

	step(def, filter_groups(&trial), dest);
	tuplestore_end(trial.rows);
	return weir_skip_late_rows(skipped);
}

List *
weir_skip_finish(const WeirAggregate *agg, WeirDefinition *def,
				 WeirStateSource *source, DestReceiver *dest)
{
	return run_without(agg, def, weir_partial_finish, source, dest);
}

List *
weir_skip_combine(const WeirAggregate *agg, WeirDefinition *def,
				  WeirStateSource *source, DestReceiver *dest)
{
	return run_without(agg, def, weir_partial_combine, source, dest);
}

void
weir_skip_combining(const WeirAggregate *agg, WeirDefinition *def,
					WeirStateSource *source, DestReceiver *dest)
{
	WeirRowFilter filter = {0};
	GroupTrial	trial = {{try_step, agg, &filter, false}, def,
	weir_partial_combine};
	int			i;

	(void) find_groups(&trial, source);
	weir_partial_combine(def, filter_groups(&trial), dest);
	for (i = 0; i < filter.nrows; i++)
		filter.is_left_out[i] = !filter.is_left_out[i];
	weir_partial_hand_on(def, filter_groups(&trial), dest);
	tuplestore_end(trial.rows);
}

/* Only if some fail, the state is written anew. */
List *
weir_skip_state(const WeirAggregate *agg, WeirDefinition *def)
{
	Oid			state = weir_runs_relid(agg->id);
	WeirRowFilter filter = {0};
	GroupTrial	trial = {{try_step, agg, &filter, false}, def,
	weir_partial_combine};
	WeirRunRange range = {0};
	WeirRunReader *reader;
	Snapshot	snapshot;
	List	   *skipped;

	(void) weir_aggregate_lock_state(agg->id, true);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	reader = weir_runs_begin_read(def, state, &range, snapshot);
	skipped = find_groups(&trial, weir_runs_source(reader));
	if (skipped != NIL)
	{
		WeirRunWriter *writer = weir_runs_begin_write(def, state, 0);

		weir_partial_combine(def, filter_groups(&trial),
							 weir_runs_receiver(writer));
		(void) weir_runs_end_write(writer);
		(void) weir_runs_delete_read(reader, DT_NOEND);
	}
	tuplestore_end(trial.rows);
	weir_runs_end_read(reader);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	return weir_skip_late_rows(skipped);
}
