/*-------------------------------------------------------------------------
 *
 * fold_row.c
 *	  Deltas applied to a row, with garbage collection as it goes.
 *
 * Column by column: the versions below are replayed forward through the steps
 * that touch the column, if its family has rules.  What the algebra is, see
 * fold.c.
 *
 * The versions lie in an array with a gap.  Each change first moves the gap to
 * its place, so changes in order of time, up or down, move each version once
 * at most: those of one step are in order, and mostly those of many steps.  In
 * no order, n steps on a column of m versions move up to n * m of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "types/fold_private.h"

/* ---- versions ---- */

/* The versions as they are below, with room for so many more. */
static void
begin_versions(WeirFold *fold, const WeirStoredCell *base, uint32 nbase,
			   uint32 nmore)
{
	WeirVersions *versions = &fold->versions;

	versions->items = weir_fold_make_room_for(fold, versions->items,
											  nbase + nmore,
											  &versions->allocated,
											  sizeof(WeirStoredCell));
	for (uint32 i = 0; i < nbase; i++)
		versions->items[i] = base[nbase - 1 - i];
	versions->first = 0;
	versions->gap = nbase;		/* new versions mostly are the newest */
	versions->rest = versions->end = nbase + nmore;
}

static uint32
count_versions(const WeirVersions *versions)
{
	return versions->gap - versions->first + versions->end - versions->rest;
}

/* The version with so many newer ones. */
static const WeirStoredCell *
version_at_rank(const WeirVersions *versions, uint32 rank)
{
	uint32		nrest = versions->end - versions->rest;

	return rank < nrest ? &versions->items[versions->end - 1 - rank] :
		&versions->items[versions->gap - 1 - (rank - nrest)];
}

/* The first of items[low .. high - 1] that is not older than ts, or high. */
static uint32
find_version(const WeirVersions *versions, uint32 low, uint32 high, int64 ts)
{
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

/* Puts the gap after all versions that are older than ts. */
static void
move_gap(WeirVersions *versions, int64 ts)
{
	WeirStoredCell *items = versions->items;
	uint32		moved;

	if (versions->gap > versions->first && items[versions->gap - 1].ts >= ts)
	{
		moved = versions->gap - find_version(versions, versions->first,
											 versions->gap, ts);
		versions->gap -= moved;
		versions->rest -= moved;
		memmove(&items[versions->rest], &items[versions->gap],
				moved * sizeof(WeirStoredCell));
	}
	else if (versions->rest < versions->end && items[versions->rest].ts < ts)
	{
		moved = find_version(versions, versions->rest, versions->end, ts) -
			versions->rest;
		memmove(&items[versions->gap], &items[versions->rest],
				moved * sizeof(WeirStoredCell));
		versions->gap += moved;
		versions->rest += moved;
	}
}

static void
put_version(WeirFold *fold, const WeirStoredCell *cell)
{
	WeirVersions *versions = &fold->versions;

	move_gap(versions, cell->ts);
	if (versions->rest < versions->end &&
		versions->items[versions->rest].ts == cell->ts)
		weir_fold_combine(fold, &versions->items[versions->rest], cell);
	else
	{
		Assert(versions->gap < versions->rest);
		versions->items[versions->gap++] = *cell;
	}
}

static void
delete_versions(WeirVersions *versions, const WeirTombstone *tomb)
{
	move_gap(versions, tomb->from);
	if (tomb->to == WEIR_TS_UNBOUNDED)
		versions->rest = versions->end;
	else
		versions->rest = find_version(versions, versions->rest, versions->end,
									  tomb->to);
}

/* Takes away all but the newest ones. */
static void
keep_versions(WeirVersions *versions, uint32 n)
{
	uint32		nrest = versions->end - versions->rest;

	if (n < nrest)
	{
		versions->rest = versions->end - n;
		n = nrest;
	}
	versions->first = versions->gap - (n - nrest);
}

/* ---- garbage ---- */

/* How many of the versions are not garbage; see weir_gc_rule_keep. */
static uint32
count_kept(const WeirVersions *versions, const WeirGcRule *rule, int64 now)
{
	uint32		low = 0;
	uint32		high = count_versions(versions);

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (weir_gc_rule_due(rule, middle,
							 version_at_rank(versions, middle)->ts) > now)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
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
			keep_versions(versions,
						  count_kept(versions, r->rule,
									 was_replaced ? r->until_time : at));
		if (!was_replaced)
			return;
		(*rule)++;
		Assert(*rule < family->nrules);
	}
}

/* ---- columns ---- */

/* by step, then time, newest first */
static int
event_cmp(const void *x, const void *y)
{
	const WeirStoredCell *a = x;
	const WeirStoredCell *b = y;

	if (a->step != b->step)
		return a->step < b->step ? -1 : 1;
	if (a->ts != b->ts)
		return a->ts > b->ts ? -1 : 1;
	return 0;
}

/* The cells of the column not older than step "from", in order of steps. */
static void
gather_events(WeirFold *fold, const WeirStoredCell *cells, uint32 ncells,
			  uint32 from)
{
	WeirCellArray *events = &fold->events;

	events->n = 0;
	for (uint32 i = 0; i < ncells; i++)
		if (cells[i].step >= from)
			weir_fold_push_cell(fold, events, &cells[i]);
	if (events->n > 1)
		qsort(events->items, events->n, sizeof(WeirStoredCell), event_cmp);
}

/*
 * One column of a family with rules: the versions below, the cells of the
 * steps and the tombstones are turned into the versions after all steps,
 * which are appended to the result, newest first.
 */
static void
replay_column(WeirFold *fold, const WeirFoldFamily *family,
			  const WeirStoredCell *base, uint32 nbase,
			  const WeirStoredCell *cells, uint32 ncells, int64 now)
{
	const WeirStoredCell *any = nbase > 0 ? base : cells;
	uint32		deleted = weir_fold_family_deleted(fold, any->family);
	WeirVersions *versions = &fold->versions;
	WeirCellArray *events = &fold->events;
	const WeirTombstone *tombs;
	uint32		ntombs;
	uint32		next_event = 0;
	uint32		nkept;
	int			rule = 0;

	while (family->rules[rule].until_seq <= fold->base_hi)
		rule++;					/* was applied when the base was folded */
	tombs = weir_fold_tombstones(fold, any, deleted, &ntombs);
	gather_events(fold, cells, ncells, deleted);
	begin_versions(fold, base, deleted == 0 ? nbase : 0, events->n);

	while (ntombs > 0 || next_event < events->n)
	{
		uint32		step;

		CHECK_FOR_INTERRUPTS();
		step = ntombs > 0 ? tombs->step : PG_UINT32_MAX;
		if (next_event < events->n)
			step = Min(step, events->items[next_event].step);
		collect_garbage(family, &rule, versions,
						fold->steps[step].seq, fold->steps[step].at);
		for (; ntombs > 0 && tombs->step == step; tombs++, ntombs--)
			delete_versions(versions, tombs);
		for (; next_event < events->n &&
			 events->items[next_event].step == step; next_event++)
			put_version(fold, &events->items[next_event]);
	}
	collect_garbage(family, &rule, versions, PG_INT64_MAX, now);
	nkept = count_versions(versions);
	for (uint32 rank = 0; rank < nkept; rank++)
		weir_fold_push_cell(fold, &fold->result,
							version_at_rank(versions, rank))->op = WEIR_OP_SET;
}

static inline bool
deletes_nothing(const WeirFold *fold)
{
	return fold->ntombs == 0 && fold->nfamily_deleted == 0 &&
		fold->row_deleted == 0;
}

/* The same for any family. */
static void
fold_column(WeirFold *fold, const WeirStoredCell *base, uint32 nbase,
			const WeirStoredCell *cells, uint32 ncells, int64 now)
{
	uint16		family = nbase > 0 ? base->family : cells->family;
	WeirCellArray *result = &fold->result;
	uint32		first = result->n;

	if (fold->families != NULL && fold->families[family].has_rules)
		replay_column(fold, &fold->families[family], base, nbase,
					  cells, ncells, now);
	else if (nbase + ncells == 1 && deletes_nothing(fold))
		weir_fold_push_cell(fold, result, nbase > 0 ? base : cells)->op = WEIR_OP_SET;
	else
	{
		weir_fold_merge_column(fold, base, nbase, cells, ncells);
		for (uint32 i = first; i < result->n; i++)
			result->items[i].op = WEIR_OP_SET;
	}
}

/* Can the base be taken as it is, and is there nothing else? */
static bool
base_is_the_row(const WeirFold *fold)
{
	if (fold->nsteps > 1)
		return false;
	if (fold->families == NULL)
		return true;
	for (uint32 i = 0; i < fold->nfamilies; i++)
		if (fold->families[i].exists && fold->families[i].has_rules)
			return false;
	return true;
}

WeirStoredCell *
weir_fold_row(WeirFold *fold, int64 now, uint32 *ncells)
{
	const WeirStoredCell *base = fold->base.items;
	const WeirStoredCell *cells;
	uint32		nbase = fold->base.n;
	uint32		nnew;

	if (base_is_the_row(fold))
	{
		*ncells = nbase;
		return fold->base.items;
	}

	weir_fold_sort_cells(&fold->cells);
	weir_fold_sort_tombstones(fold);
	cells = fold->cells.items;
	nnew = fold->cells.n;
	now = Max(now, weir_fold_last_time(fold));
	fold->result.n = 0;
	while (nbase > 0 || nnew > 0)
	{
		uint32		base_run = 0;
		uint32		new_run = 0;
		int			c;

		if (nbase == 0)
			c = 1;
		else if (nnew == 0)
			c = -1;
		else
			c = weir_stored_column_cmp(base, cells);
		if (c <= 0)
			base_run = weir_fold_column_run(base, nbase);
		if (c >= 0)
			new_run = weir_fold_column_run(cells, nnew);
		CHECK_FOR_INTERRUPTS();
		fold_column(fold, base, base_run, cells, new_run, now);
		base += base_run;
		nbase -= base_run;
		cells += new_run;
		nnew -= new_run;
	}
	*ncells = fold->result.n;
	return fold->result.items;
}
