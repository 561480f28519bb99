/*-------------------------------------------------------------------------
 *
 * skip.c
 *	  Going on with an aggregate without what its query fails at.
 *
 * weir.skip only says that this is wanted: the next tick of the aggregate (or
 * the next step behind its parent) does it, and makes it active again.  If that
 * tick does not fail at all, nothing is left out.
 *
 * How it is found which rows are the poisonous ones: skip_search.c.  A group can be
 * at fault as well: its states cannot be combined, or its result not be computed
 * when its window closes.  The same is done with groups then (skip_groups.c).
 *
 *		failed --weir.skip--> skipping --tick--> active
 *							   |	^
 *							   +----+ out of time: weir_skip_is_postponed
 *
 * Groups of an aggregate without windows never close.  If their states cannot be
 * combined, who reads the view is told, and who merges them: nothing that a tick
 * does fails.  There weir.skip itself leaves them out.
 *
 * What is left out is kept, at the end, with the rows that are late, with the
 * error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/cascade.h"
#include "aggregate/counted.h"
#include "aggregate/failure.h"
#include "aggregate/late.h"
#include "aggregate/receiver.h"
#include "aggregate/row_filter.h"
#include "aggregate/session.h"
#include "aggregate/skip.h"
#include "aggregate/skip_found.h"
#include "aggregate/skip_search.h"
#include "aggregate/source.h"
#include "stream/cursor.h"
#include "stream/tick.h"

PG_FUNCTION_INFO_V1(weir_skip);

/* Taking in rows. */
typedef struct RowTrial
{
	WeirTrial	pub;
	WeirDefinition *def;
	WeirIntakeReader *read;
	void	   *arg;
	Timestamp	bound;
	WeirIntake *intake;
} RowTrial;

static void
take_in(void *arg)
{
	RowTrial   *trial = arg;

	weir_intake_run(trial->pub.agg, trial->def, trial->read, trial->arg,
					trial->bound, trial->intake);
}

/* Rows of the same session are combined as they are taken in. */
static void
try_combining(RowTrial *trial)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *dest = weir_source_receiver(rows);

	(void) trial->read(trial->def, trial->bound, dest, trial->arg);
	dest->rDestroy(dest);
	weir_partial_combine(trial->def,
						 weir_session_merge(trial->def,
											weir_source_stored(trial->def, rows)),
						 None_Receiver);
	tuplestore_end(rows);
}

/* Aggregate the rows that the filter lets through, for nothing. */
static void
try_taking_in(void *arg)
{
	RowTrial   *trial = arg;

	if (trial->def->is_session)
		try_combining(trial);
	else
		(void) trial->read(trial->def, trial->bound, None_Receiver, trial->arg);
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
leave_out_known(RowTrial *trial, WeirDefinition *source, WeirBatch *batch,
				List *known)
{
	List	   *skipped = NIL;
	ListCell   *lc;

	foreach(lc, known)
	{
		WeirSkipped *one = lfirst(lc);

		one->number = weir_row_filter_find(trial->pub.filter, one->id.relid,
										   &one->id.tid);
		if (one->number < 0)
			continue;			/* it has been deleted */
		trial->pub.filter->is_left_out[one->number] = true;
		skipped = lappend(skipped, one);
	}
	fetch_skipped(source, batch, skipped);
	return weir_skip_keep_same(&trial->pub, skipped);
}

List *
weir_skip_intake(const WeirAggregate *agg, WeirDefinition *def,
				 WeirIntakeReader *read, void *arg, Timestamp bound,
				 WeirDefinition *source, WeirBatch *batch, WeirIntake *intake)
{
	RowTrial	trial = {{try_taking_in, agg, NULL, true}, def, read, arg, bound, intake};
	List	   *known = weir_skip_found_read(agg->id, false);
	WeirRowCollector *collector;
	List	   *skipped;
	bool		is_complete;

	if (known == NIL && weir_failure_attempt(take_in, &trial) == NULL)
		return NIL;
	collector = weir_row_collector();
	weir_partial_rows(source, batch, false,
					  weir_row_collector_receiver(collector));
	trial.pub.filter = weir_row_collector_filter(collector, batch != NULL);
	def->row_filter = source->row_filter = trial.pub.filter;
	skipped = leave_out_known(&trial, source, batch, known);
	is_complete = weir_skip_search(&trial.pub, &skipped);
	trial.pub.filter->limit = trial.pub.filter->nrows;
	fetch_skipped(source, batch, skipped);
	if (!is_complete)
		weir_skip_postpone(agg, skipped);
	weir_intake_run(agg, def, read, arg, bound, intake);
	return weir_skip_late_rows(skipped);
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

/*
 * Leave out the groups of an aggregate without windows whose states cannot be
 * combined; returns how many these are.
 */
static int
skip_groups(const WeirAggregate *agg)
{
	WeirAggregateCounts counts = {0};
	WeirDefinition *def;
	WeirIdentity identity;
	List	   *skipped;

	if (OidIsValid(agg->closed) || !agg->is_ready)
		return 0;
	weir_aggregate_become_owner(agg, &identity);
	def = weir_definition_analyze(weir_definition_query(agg->query));
	skipped = weir_skip_state(agg, def);
	weir_late_keep(agg, skipped, weir_cascade_bound(agg, def, NULL));
	weir_restore_identity(&identity);
	if (skipped == NIL)
		return 0;
	counts.skipped_rows = list_length(skipped);
	weir_aggregate_count(agg->id, &counts);
	return list_length(skipped);
}

/* Go on without any of the rows that came with a dump, see counted.c. */
static void
skip_restored(WeirAggregate *agg)
{
	weir_cursor_leave_history(agg->cursor_id);
	weir_counted_settle(agg->id);
	agg->status = WEIR_AGGREGATE_ACTIVE;
	weir_aggregate_set_progress(agg, NULL);
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
	if (agg.is_ready && weir_counted_is_undecided(agg.id, NULL))
	{
		skip_restored(&agg);
		PG_RETURN_VOID();
	}
	if (skip_groups(&agg) > 0 && agg.status == WEIR_AGGREGATE_ACTIVE)
	{
		/* nothing else has failed; it may have been noted by merge.c */
		weir_aggregate_set_progress(&agg, NULL);
		PG_RETURN_VOID();
	}
	require_failed(&agg);
	agg.status = WEIR_AGGREGATE_SKIPPING;
	agg.next_retry = GetCurrentTimestamp();
	weir_aggregate_set_progress(&agg, NULL);
	if (agg.parent_id == 0)
		weir_cursor_set_paused(agg.cursor_id, false);
	PG_RETURN_VOID();
}
