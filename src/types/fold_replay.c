/*-------------------------------------------------------------------------
 *
 * fold_replay.c
 *	  A column of a family with rules: the steps are followed one by one, as
 *	  what is garbage depends on what was there just before each of them.
 *
 * All timestamps that will ever occur are known when the replay begins.  Each
 * of them has a place, in order of time, whether there is a version or not; a
 * set of places says where there is one.  A rule takes away the oldest versions
 * (see gc_rule.c), and so are they taken here, one after the other as long as
 * the oldest is garbage.  What is taken away was put before, so C cells and T
 * tombstones take some O((C + T) log C), in whatever order their times come.
 *
 * What the algebra is, see fold.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "types/fold_private.h"

/* ---- versions ---- */

/*
 * Lays out the places for the versions below and the cells of the steps, both
 * newest first, and gathers the events, which are the cells not older than step
 * "from".  The versions below are there, the others are not yet.
 */
static void
begin_versions(WeirFold *fold, const WeirStoredCell *base, uint32 nbase,
			   const WeirStoredCell *cells, uint32 ncells, uint32 from)
{
	WeirVersions *versions = &fold->versions;
	uint32		max_places = nbase + ncells;

	versions->items = weir_fold_make_room_for(fold, versions->items, max_places,
											  &versions->allocated,
											  sizeof(WeirStoredCell));
	versions->words = weir_fold_make_room_for(fold, versions->words,
											  weir_position_set_words(max_places),
											  &versions->words_allocated,
											  sizeof(uint64));
	versions->events = weir_fold_make_room_for(fold, versions->events, ncells,
											   &versions->events_allocated,
											   sizeof(WeirFoldEvent));
	weir_position_set_init(&versions->present, versions->words, max_places);
	versions->nplaces = versions->nevents = 0;
	versions->n = nbase;
	while (nbase > 0 || ncells > 0)
	{
		uint32		place = versions->nplaces++;
		int64		ts = PG_INT64_MAX;

		if (nbase > 0)
			ts = base[nbase - 1].ts;
		if (ncells > 0)
			ts = Min(ts, cells[ncells - 1].ts);
		versions->items[place].ts = ts;
		if (nbase > 0 && base[nbase - 1].ts == ts)
		{
			versions->items[place] = base[--nbase];
			weir_position_set_add(&versions->present, place);
		}
		while (ncells > 0 && cells[ncells - 1].ts == ts)
		{
			const WeirStoredCell *cell = &cells[--ncells];

			if (cell->step < from)
				continue;
			versions->events[versions->nevents].cell = cell;
			versions->events[versions->nevents++].place = place;
		}
	}
}

/* The first place that is not older than ts. */
static uint32
find_place(const WeirVersions *versions, int64 ts)
{
	uint32		low = 0;
	uint32		high = versions->nplaces;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (versions->items[middle].ts < ts)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
remove_version(WeirVersions *versions, uint32 place)
{
	weir_position_set_remove(&versions->present, place);
	versions->n--;
}

static void
put_version(WeirFold *fold, const WeirFoldEvent *event)
{
	WeirVersions *versions = &fold->versions;
	WeirStoredCell *item = &versions->items[event->place];

	if (weir_position_set_has(&versions->present, event->place))
	{
		weir_fold_combine(fold, item, event->cell);
		return;
	}
	*item = *event->cell;
	weir_position_set_add(&versions->present, event->place);
	versions->n++;
}

static void
delete_versions(WeirVersions *versions, const WeirTombstone *tomb)
{
	uint32		end = tomb->to == WEIR_TS_UNBOUNDED ? versions->nplaces :
		find_place(versions, tomb->to);

	for (uint32 place = weir_position_set_next(&versions->present,
											   find_place(versions, tomb->from));
		 place < end;
		 place = weir_position_set_next(&versions->present, place + 1))
		remove_version(versions, place);
}

/* ---- garbage ---- */

static void
drop_garbage(WeirVersions *versions, const WeirGcRule *rule, int64 now)
{
	while (versions->n > 0)
	{
		uint32		oldest = weir_position_set_next(&versions->present, 0);

		if (weir_gc_rule_due(rule, versions->n - 1,
							 versions->items[oldest].ts) > now)
			return;
		remove_version(versions, oldest);
	}
}

/*
 * Takes from the versions what is garbage just before the write "seq" at
 * time "at": first by the rules that were replaced before, each as of its
 * replacement, then by the one in force.  *rule is the index of the latter,
 * kept by the caller from call to call.
 */
static void
collect_garbage(const WeirFoldFamily *family, int *rule,
				WeirVersions *versions, int64 seq, int64 at)
{
	for (;;)
	{
		const WeirFoldRule *r = &family->rules[*rule];
		bool		was_replaced = r->until_seq < seq;

		if (r->rule != NULL)
			drop_garbage(versions, r->rule, was_replaced ? r->until_time : at);
		if (!was_replaced)
			return;
		(*rule)++;
		Assert(*rule < family->nrules);
	}
}

/* ---- the column ---- */

/* by step, then time, newest first */
static int
event_cmp(const void *x, const void *y)
{
	const WeirFoldEvent *a = x;
	const WeirFoldEvent *b = y;

	if (a->cell->step != b->cell->step)
		return a->cell->step < b->cell->step ? -1 : 1;
	if (a->place != b->place)
		return a->place > b->place ? -1 : 1;
	return 0;
}

/* Appends what is left to the result, newest first. */
static void
append_versions(WeirFold *fold)
{
	const WeirVersions *versions = &fold->versions;
	WeirCellArray *result = &fold->result;
	uint32		at = result->n + versions->n;

	result->items = weir_fold_make_room_for(fold, result->items, at,
											&result->allocated,
											sizeof(WeirStoredCell));
	result->n = at;
	for (uint32 place = weir_position_set_next(&versions->present, 0);
		 place < versions->nplaces;
		 place = weir_position_set_next(&versions->present, place + 1))
	{
		result->items[--at] = versions->items[place];
		result->items[at].op = WEIR_OP_SET;
	}
}

void
weir_fold_replay_column(WeirFold *fold, const WeirFoldFamily *family,
						const WeirStoredCell *base, uint32 nbase,
						const WeirStoredCell *cells, uint32 ncells, int64 now)
{
	const WeirStoredCell *any = nbase > 0 ? base : cells;
	uint32		deleted = weir_fold_family_deleted(fold, any->family);
	WeirVersions *versions = &fold->versions;
	const WeirFoldEvent *event;
	const WeirFoldEvent *end;
	const WeirTombstone *tombs;
	uint32		ntombs;
	int			rule = 0;

	while (family->rules[rule].until_seq <= fold->base_hi)
		rule++;					/* was applied when the base was folded */
	tombs = weir_fold_tombstones(fold, any, deleted, &ntombs);
	begin_versions(fold, base, deleted == 0 ? nbase : 0, cells, ncells, deleted);
	if (versions->nevents > 1)
		qsort(versions->events, versions->nevents, sizeof(WeirFoldEvent),
			  event_cmp);
	event = versions->events;
	end = event + versions->nevents;

	while (ntombs > 0 || event < end)
	{
		uint32		step = ntombs > 0 ? tombs->step : PG_UINT32_MAX;

		if (event < end)
			step = Min(step, event->cell->step);
		collect_garbage(family, &rule, versions,
						fold->steps[step].seq, fold->steps[step].at);
		for (; ntombs > 0 && tombs->step == step; tombs++, ntombs--)
		{
			CHECK_FOR_INTERRUPTS();
			delete_versions(versions, tombs);
		}
		for (; event < end && event->cell->step == step; event++)
		{
			CHECK_FOR_INTERRUPTS();
			put_version(fold, event);
		}
	}
	collect_garbage(family, &rule, versions, PG_INT64_MAX, now);
	append_versions(fold);
}
