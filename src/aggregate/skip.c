/*-------------------------------------------------------------------------
 *
 * skip.c
 *	  Going on with an aggregate without the rows at which its query fails.
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
 * Rows that are left out are kept with those that are late, with the error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/failure.h"
#include "aggregate/row_filter.h"
#include "aggregate/skip.h"
#include "stream/cursor.h"

PG_FUNCTION_INFO_V1(weir_skip);

/* More rows of a tick than this are no exceptions. */
#define MAX_SKIPPED		1000

/* What is tried. */
typedef struct Trial
{
	const WeirAggregate *agg;
	WeirDefinition *def;
	WeirRowReader *read;
	void	   *arg;
	Timestamp	bound;
	WeirIntake *intake;
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
	trial->def->row_filter->limit = limit;
	error = weir_failure_attempt(only_read, trial);
	MemoryContextSwitchTo(old);
	if (error != NULL)
		reason = psprintf("failed: %s: %s", unpack_sql_state(error->sqlerrcode),
						  error->message);
	MemoryContextDelete(context);
	return reason;
}

/* Leave out rows until the rest do not fail; returns a list of Skipped. */
static List *
find_poisonous(Trial *trial)
{
	WeirRowFilter *filter = trial->def->row_filter;
	List	   *found = NIL;
	int			good = 0;		/* rows before this number do not fail */
	char	   *reason = try_rows(trial, 0);

	if (reason != NULL)
		return NIL;				/* it is not the rows */
	while ((reason = try_rows(trial, filter->nrows)) != NULL)
	{
		Skipped    *skipped = palloc(sizeof(Skipped));
		int			fails = filter->nrows;

		if (list_length(found) == MAX_SKIPPED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the query of aggregate \"%s\" fails at more than %d rows of one tick",
							get_rel_name(trial->agg->view), MAX_SKIPPED),
					 errdetail("The next one %s.", reason),
					 errhint("Drop the continuous aggregate and create it with another query.")));
		while (fails - good > 1)
		{
			int			middle = good + (fails - good) / 2;
			char	   *other = try_rows(trial, middle);

			if (other == NULL)
				good = middle;
			else
			{
				fails = middle;
				reason = other;
			}
		}
		filter->is_left_out[fails - 1] = true;
		good = fails;
		skipped->number = fails - 1;
		skipped->reason = reason;
		found = lappend(found, skipped);
	}
	filter->limit = filter->nrows;
	return found;
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
	ListCell   *lc;

	slot_getallattrs(slot);
	number = weir_row_filter_find(receiver->filter,
								  DatumGetObjectId(slot->tts_values[0]),
								  DatumGetItemPointer(slot->tts_values[1]));
	row->event_time = slot->tts_isnull[2] ? GetCurrentTimestamp() :
		DatumGetTimestamp(slot->tts_values[2]);
	row->window_end = DT_NOEND; /* nobody has seen which */
	row->row = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[3]));
	row->reason = NULL;
	foreach(lc, receiver->skipped)
	{
		Skipped    *skipped = lfirst(lc);

		if (skipped->number == number)
			row->reason = skipped->reason;
	}
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
	Trial		trial = {agg, def, read, arg, bound, intake};
	WeirRowCollector *collector;
	List	   *skipped;

	if (weir_failure_attempt(take_in, &trial) == NULL)
		return NIL;
	collector = weir_row_collector();
	weir_partial_rows(source, batch, false,
					  weir_row_collector_receiver(collector));
	def->row_filter = source->row_filter =
		weir_row_collector_filter(collector, batch != NULL);
	skipped = find_poisonous(&trial);
	weir_intake_run(agg, def, read, arg, bound, intake);
	return skipped == NIL ? NIL : fetch_skipped(source, batch, skipped);
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
	weir_aggregate_set_progress(&agg, NULL);
	if (agg.parent_id == 0)
		weir_cursor_set_paused(agg.cursor_id, false);
	PG_RETURN_VOID();
}
