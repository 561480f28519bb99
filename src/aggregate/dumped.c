/*-------------------------------------------------------------------------
 *
 * dumped.c
 *	  What of an aggregate has to go into a dump.
 *
 * State is left out of dumps as long as it can be made again from what is in
 * them: it is large, and only servers of the same major version can read it.  It
 * cannot be made again
 * - over a queue, which has no rows but those that wait,
 * - if the stream deletes rows while they are in windows that are open, or if
 *	 there are no windows,
 * - over an aggregate that deletes its closed rows,
 * - if the aggregate has not begun with the first row: nobody knows in the new
 *	 database which rows are older,
 * - if rows have come of sessions that begin before all that is closed then ended
 *	 (consume.c): made again, they would be merged with closed ones.
 *
 * Where state is dumped, so is which of the rows are in it: see counted.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/dumped.h"
#include "aggregate/failure.h"
#include "aggregate/parent.h"
#include "aggregate/runs.h"
#include "storage/changes.h"
#include "stream/cursor.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(weir__closed_until);

#define MAX_DAYS_PER_MONTH	31

/*
 * No window of this kind is longer; false if there is no such length.  Clocks are
 * set by less than a day.
 */
static bool
longest_window(const WeirWindowSpec *spec, int64 *usec)
{
	int64		pane = spec->step_usec;

	if (spec->kind == WEIR_WINDOW_SESSION)
		return false;
	if (spec->step_months > 0)
		pane = spec->step_months * (MAX_DAYS_PER_MONTH * USECS_PER_DAY);
	return !pg_mul_s64_overflow(pane, spec->npanes, usec) &&
		!(spec->has_zone && pg_add_s64_overflow(*usec, USECS_PER_DAY, usec));
}

/*
 * Does a stream that deletes its rows still have those of open windows?  These
 * begin after the watermark less the lateness and the length of a window.
 */
static bool
keeps_open_windows(const WeirStream *stream, const WeirAggregate *agg,
				   const WeirDefinition *def)
{
	int64		needed;

	/* records of changes go by the clock, not by the watermark */
	if (OidIsValid(weir_changes_home(stream->relid)))
		return false;
	return def->window_rti != 0 && longest_window(&def->window, &needed) &&
		!pg_add_s64_overflow(needed, agg->lateness_usec, &needed) &&
		needed <= stream->retention_usec;
}

bool
weir_dumped_needs_state(const WeirAggregate *agg, const WeirDefinition *def)
{
	const WeirStream *stream = &def->stream;

	if (!agg->with_data)
		return true;
	if (def->parent != NULL)
		return def->parent->agg.retention_usec >= 0;
	return stream->retention_usec >= 0 &&
		!keeps_open_windows(stream, agg, def);
}

typedef struct Review
{
	const WeirAggregate *agg;
	bool		needs_state;
} Review;

static void
review(void *arg)
{
	Review	   *result = arg;

	result->needs_state =
		weir_dumped_needs_state(result->agg,
								weir_definition_analyze(weir_definition_query(result->agg->query)));
}

void
weir_dumped_review(const WeirAggregate *agg)
{
	Review		result = {agg, false};

	if (!OidIsValid(weir_runs_relid(agg->id)))
		return;					/* restored, and not started yet */
	if (weir_failure_attempt(review, &result) != NULL || result.needs_state)
		weir_runs_set_dumped(agg->id);
}

/*
 * The catalog says by when windows had ended when some last closed that had rows.
 * Others may have ended since, which are not to be opened in a new database: what
 * is over this aggregate may have closed with them.
 */
Datum
weir__closed_until(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = GetActiveSnapshot();
	WeirAggregate agg;
	WeirCursor	cursor;

	if (!weir_aggregate_read(PG_GETARG_INT32(0), snapshot, &agg))
		PG_RETURN_NULL();
	if (agg.parent_id != 0 || !OidIsValid(agg.closed) || !agg.is_ready ||
		!weir_cursor_read(agg.cursor_id, snapshot, &cursor))
		PG_RETURN_TIMESTAMP(agg.closed_until);
	PG_RETURN_TIMESTAMP(weir_aggregate_bound(&agg, cursor.watermark));
}
