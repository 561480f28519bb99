/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Merging runs of state.
 *
 * Merging is size-tiered.  When a window has WEIR_RUN_FANOUT runs of a level,
 * these and all below are made one run of the next level: a state row is
 * rewritten once a level, and a reader meets fewer than WEIR_RUN_FANOUT runs
 * of each.  What is read then is deleted and what comes out inserted in one
 * transaction, so any snapshot sees the one or the other.
 *
 * Windows with too many runs are found by reading the index of the state
 * through.  One search finds many of them, and they are merged one after the
 * other, each in a transaction of its own; what has been found is remembered
 * in memory only.  So that searching never takes more than a small part of the
 * time, the next search waits for a multiple of what the last one took.
 *
 * The rows of groups whose states cannot be combined are kept as they are, while
 * the others are merged.  The error is logged now and then, and shown in last_error;
 * nothing else of the aggregate fails before the window closes (skip.c).  If that
 * cannot be done either, the next search waits as a failed aggregate does.
 *
 * Locks: the aggregate (the caller's), then its state (aggregate.h), if that is
 * to be had at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/definition_cache.h"
#include "aggregate/failure.h"
#include "aggregate/merge.h"
#include "aggregate/runs.h"
#include "aggregate/session.h"
#include "aggregate/skip.h"
#include "storage/debug_point.h"
#include "stream/cursor.h"

/* A search waits this many times its own duration. */
#define SEARCH_PAUSE_FACTOR		20

/* What fails again and again is logged this often. */
#define TELL_INTERVAL_MS		(10 * 60 * 1000)

/* Windows found by one search. */
#define MAX_FOUND				64

/* What is known of an aggregate. */
typedef struct Search
{
	int32		aggregate_id;	/* hash key */
	TimestampTz not_before;		/* of the next search */
	int			nfound;
	int			next;			/* the first that is not merged yet */
	int			failures;		/* searches in a row of which one that was
								 * found could not be merged */
	bool		has_failed;		/* one of this search */
	TimestampTz told_at;		/* when an error was logged; 0: never */
	WeirCrowdedWindow *found;	/* NULL, or room for MAX_FOUND */
} Search;

/* For as long as the process lives; an entry an aggregate. */
static HTAB *searches = NULL;

static Search *
search_of(int32 aggregate_id)
{
	Search	   *search;
	bool		found;

	if (searches == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(int32);
		ctl.entrysize = sizeof(Search);
		ctl.hcxt = TopMemoryContext;
		searches = hash_create("weir merge searches", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	search = hash_search(searches, &aggregate_id, HASH_ENTER, &found);
	if (!found)
	{
		search->not_before = 0;
		search->nfound = search->next = 0;
		search->failures = 0;
		search->has_failed = false;
		search->told_at = 0;
		search->found = NULL;
	}
	return search;
}

static void
forget_found(Search *search)
{
	if (search->found)
		pfree(search->found);
	search->found = NULL;
	search->nfound = search->next = 0;
}

void
weir_merge_search_now(int32 aggregate_id)
{
	search_of(aggregate_id)->not_before = 0;
}

/* Do we know of nothing to merge, and is it too early to look for more? */
static bool
is_resting(const Search *search)
{
	TimestampTz now = GetCurrentTimestamp();

	/* further away than any search takes: the clock has been set back */
	return search->next >= search->nfound && now < search->not_before &&
		search->not_before - now < USECS_PER_HOUR;
}

static void
find_windows(Search *search, Oid state, bool is_session)
{
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz end;

	if (search->found == NULL)
		search->found = MemoryContextAlloc(TopMemoryContext,
										   sizeof(WeirCrowdedWindow) * MAX_FOUND);
	search->next = 0;
	if (!search->has_failed)
		search->failures = 0;
	search->has_failed = false;
	search->nfound = weir_runs_find_crowded(state, is_session, search->found,
											MAX_FOUND);
	end = GetCurrentTimestamp();
	search->not_before = search->nfound == MAX_FOUND ? 0 :
		end + (end - start) * SEARCH_PAUSE_FACTOR;
}

/*
 * The next window to merge; false if there is none.  One found earlier may have
 * been closed or merged since: the state is locked now.
 */
static bool
next_window(Search *search, Oid state, bool is_session,
			WeirCrowdedWindow *window)
{
	while (search->next < search->nfound)
	{
		*window = search->found[search->next++];
		if (weir_runs_is_crowded(state, is_session, window))
			return true;
	}
	forget_found(search);
	return false;
}

static void
init_range(const WeirCrowdedWindow *window, bool is_session,
		   WeirRunRange *range)
{
	memset(range, 0, sizeof(*range));
	if (!is_session)
	{
		range->has_after = !TIMESTAMP_NOT_FINITE(window->window_end);
		range->after = window->window_end - 1;
		range->has_until = true;
		range->until = window->window_end;
		range->has_start = true;
		range->start = window->window_start;
	}
	range->has_max_level = true;
	range->max_level = window->max_level;
}

/* What is to be merged. */
typedef struct Merge
{
	const WeirAggregate *agg;
	WeirDefinition *def;
	const WeirCrowdedWindow *window;
	bool		but_some;		/* there are groups that cannot be combined */
} Merge;

static void
merge_runs(void *arg)
{
	const Merge *merge = arg;
	const WeirAggregate *agg = merge->agg;
	WeirDefinition *def = merge->def;
	const WeirCrowdedWindow *window = merge->window;
	WeirIdentity saved;
	Oid			state = weir_runs_relid(agg->id);
	WeirStateSource *source;
	WeirRunRange range;
	Snapshot	snapshot;
	WeirRunReader *reader;
	WeirRunWriter *writer;

	weir_aggregate_become_owner(agg, &saved);
	init_range(window, def->is_session, &range);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	reader = weir_runs_begin_read(def, state, &range, snapshot);
	writer = weir_runs_begin_write(def, state, window->max_level + 1);
	source = merge->but_some ? NULL : weir_runs_merged_source(reader);
	if (source == NULL)
		source = weir_runs_source(reader);
	if (def->is_session)
		source = weir_session_merge(def, source);
	if (merge->but_some)
		weir_skip_combining(agg, def, source, weir_runs_receiver(writer));
	else
		weir_partial_combine(def, source, weir_runs_receiver(writer));
	(void) weir_runs_end_write(writer);
	(void) weir_runs_delete_read(reader, DT_NOEND);
	weir_runs_end_read(reader);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	weir_restore_identity(&saved);
}

/*
 * Note the error in the catalog, if no tick is doing so, nor has failed itself.
 * While we merged, a tick may have given the aggregate another cursor or status:
 * so it is read anew, under the stream's lock.
 */
static void
note(const WeirAggregate *merged, const ErrorData *error)
{
	WeirAggregate agg;

	if (!weir_cursor_lock_stream(merged->stream_id, false) ||
		!weir_aggregate_read(merged->id, NULL, &agg) ||
		agg.status != WEIR_AGGREGATE_ACTIVE)
		return;
	weir_aggregate_set_progress(&agg, psprintf("merging of state: %s",
											   weir_failure_text(error)));
}

/* Log the error, and note it, now and then. */
static void
tell(Search *search, const WeirAggregate *agg, const ErrorData *error)
{
	TimestampTz now = GetCurrentTimestamp();

	if (search->told_at != 0 && search->told_at <= now &&
		!TimestampDifferenceExceeds(search->told_at, now, TELL_INTERVAL_MS))
		return;
	search->told_at = now;
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("state of continuous aggregate \"%s\" could not be merged: %s",
					get_rel_name(agg->view), error->message),
			 errdetail("What cannot be merged is kept as it is.")));
	WEIR_DEBUG_POINT("merge_failed");
	note(agg, error);
}

static void
back_off(Search *search)
{
	if (!search->has_failed)
		search->failures++;
	search->has_failed = true;
	search->not_before = Max(search->not_before,
							 weir_failure_next_retry(search->failures));
}

bool
weir_merge_step(const WeirAggregate *agg)
{
	Search	   *search = search_of(agg->id);
	Oid			state = weir_runs_relid(agg->id);
	WeirDefinition *def;
	WeirCrowdedWindow window;
	Merge		merge = {agg, NULL, &window, false};
	ErrorData  *error;

	if (is_resting(search))
		return false;
	def = weir_known_definition(agg);
	if (search->next >= search->nfound)
		find_windows(search, state, def->is_session);
	if (search->nfound == 0 || !weir_aggregate_lock_state(agg->id, false) ||
		!next_window(search, state, def->is_session, &window))
		return false;

	merge.def = def;
	error = weir_failure_attempt(merge_runs, &merge);
	if (error != NULL)
	{
		merge.but_some = true;
		if (weir_failure_attempt(merge_runs, &merge) != NULL)
			back_off(search);
		tell(search, agg, error);
	}
	return true;
}
