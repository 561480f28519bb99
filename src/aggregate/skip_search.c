/*-------------------------------------------------------------------------
 *
 * skip_search.c
 *	  The search for what the query of an aggregate fails at.
 *
 * It is found by trying, in subtransactions that are undone: rows, or groups,
 * are numbered, and the least number is sought at which the query fails with
 * those up to there, by halving; that one is left out, and the search goes on
 * behind it.  So the rest are known to go together, also where it is a sum that
 * overflows.  The cost is a few readings for each one that is left out.
 *
 * All the while the stream is locked.  So when a search has found something and
 * taken its time, and there is more to find, it goes on in the next tick of the
 * aggregate: an error undoes what this one has done for it, what has been found
 * is stored (skip_found.c), and the cursor stays where it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "weir.h"
#include "aggregate/failure.h"
#include "aggregate/skip.h"
#include "aggregate/skip_found.h"
#include "aggregate/skip_search.h"

/* More rows of a tick, or groups that close, than this are no exceptions. */
#define MAX_SKIPPED		1000

/* Raised to undo a tick whose search goes on in the next; nobody else sees it. */
#define ERRCODE_SEARCH_POSTPONED	MAKE_SQLSTATE('W', 'R', '0', '0', '1')

/* setting: milliseconds that a tick may search */
static int	search_time;

/* What a postponed search has found, until it is stored; NIL: none was. */
static int32 postponed_id;
static List *postponed = NIL;

/* ---------- trying ---------- */

/* The error that the rows before that number make, or NULL. */
static char *
try_rows(WeirTrial *trial, int limit)
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
find_next(WeirTrial *trial, int good, char **reason)
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

bool
weir_skip_search(WeirTrial *trial, List **found)
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

		if (trial->in_tick && list_length(*found) > nknown &&
			is_out_of_time(&start))
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

void
weir_skip_postpone(const WeirAggregate *agg, List *skipped)
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

List *
weir_skip_keep_same(WeirTrial *trial, List *skipped)
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

List *
weir_skip_late_rows(List *skipped)
{
	List	   *rows = NIL;
	ListCell   *lc;

	foreach(lc, skipped)
		rows = lappend(rows, &((WeirSkipped *) lfirst(lc))->late);
	return rows;
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
