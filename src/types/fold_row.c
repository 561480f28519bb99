/*-------------------------------------------------------------------------
 *
 * fold_row.c
 *	  Deltas applied to a row, with garbage collection as it goes.
 *
 * Column by column: the versions below are replayed forward through the steps
 * that touch the column.  What the algebra is, see fold.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/fold_private.h"

/*
 * The versions of the column being replayed lie in fold->versions, oldest
 * first, from index *first on.  Finds the place of a timestamp.
 */
static uint32
find_version(const WeirCellArray *versions, uint32 first, int64 ts)
{
	uint32		low = first;
	uint32		high = versions->n;

	/* New versions mostly are the newest. */
	if (low == high || versions->items[high - 1].ts < ts)
		return high;
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
put_version(WeirFold *fold, uint32 first, const WeirStoredCell *cell)
{
	WeirCellArray *versions = &fold->versions;
	uint32		at = find_version(versions, first, cell->ts);

	if (at < versions->n && versions->items[at].ts == cell->ts)
	{
		weir_fold_combine(fold, &versions->items[at], cell);
		return;
	}
	weir_fold_push_cell(fold, versions, cell);
	if (at < versions->n - 1)
	{
		memmove(&versions->items[at + 1], &versions->items[at],
				(versions->n - 1 - at) * sizeof(WeirStoredCell));
		versions->items[at] = *cell;
	}
}

static void
delete_versions(WeirCellArray *versions, uint32 first, const WeirTombstone *tomb)
{
	uint32		from = find_version(versions, first, tomb->from);
	uint32		to = find_version(versions, first, tomb->to);

	if (tomb->to == WEIR_TS_UNBOUNDED)
		to = versions->n;
	if (to <= from)
		return;
	memmove(&versions->items[from], &versions->items[to],
			(versions->n - to) * sizeof(WeirStoredCell));
	versions->n -= to - from;
}

/*
 * Takes from the versions what is garbage just before the write "seq" at
 * time "at": first by the rules that were replaced before, each as of its
 * replacement, then by the one in force.  *rule is the index of the latter,
 * kept by the caller from call to call.
 */
static void
collect_garbage(const WeirFoldFamily *family, int *rule,
				const WeirCellArray *versions, uint32 *first,
				int64 seq, int64 at)
{
	for (;;)
	{
		const WeirFoldRule *r = &family->rules[*rule];
		bool		was_replaced = r->until_seq < seq;
		uint32		n = versions->n - *first;

		if (n > 0 && r->rule != NULL)
			*first += n - weir_gc_rule_keep(r->rule,
											&versions->items[versions->n - 1],
											-1, n,
											was_replaced ? r->until_time : at);
		if (!was_replaced)
			return;
		(*rule)++;
		Assert(*rule < family->nrules);
	}
}

/* by step */
static int
step_cmp(const void *x, const void *y)
{
	const WeirStoredCell *a = x;
	const WeirStoredCell *b = y;

	if (a->step != b->step)
		return a->step < b->step ? -1 : 1;
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
		qsort(events->items, events->n, sizeof(WeirStoredCell), step_cmp);
}

/*
 * One column: the versions below, the cells of the steps and the tombstones
 * are turned into the versions after all steps, which are appended to the
 * result, newest first.
 */
static void
replay_column(WeirFold *fold, const WeirStoredCell *base, uint32 nbase,
			  const WeirStoredCell *cells, uint32 ncells, int64 now)
{
	const WeirStoredCell *any = nbase > 0 ? base : cells;
	const WeirFoldFamily *family = NULL;
	const WeirTombstone *tombs;
	uint32		ntombs;
	uint32		deleted = weir_fold_family_deleted(fold, any->family);
	WeirCellArray *versions = &fold->versions;
	WeirCellArray *events = &fold->events;
	uint32		first = 0;
	uint32		next_event = 0;
	int			rule = 0;

	if (fold->families != NULL && fold->families[any->family].has_rules)
	{
		family = &fold->families[any->family];
		while (family->rules[rule].until_seq <= fold->base_hi)
			rule++;				/* was applied when the base was folded */
	}
	tombs = weir_fold_tombstones(fold, any, &ntombs);
	while (ntombs > 0 && tombs->step < deleted)
	{
		tombs++;
		ntombs--;
	}
	if (family == NULL && ntombs == 0 && deleted == 0 && nbase + ncells == 1)
	{
		weir_fold_push_cell(fold, &fold->result, any)->op = WEIR_OP_SET;
		return;
	}
	gather_events(fold, cells, ncells, deleted);

	versions->n = 0;
	if (deleted == 0)
		for (uint32 i = nbase; i > 0; i--)
			weir_fold_push_cell(fold, versions, &base[i - 1]);

	while (ntombs > 0 || next_event < events->n)
	{
		uint32		step;

		step = ntombs > 0 ? tombs->step : PG_UINT32_MAX;
		if (next_event < events->n)
			step = Min(step, events->items[next_event].step);
		if (family != NULL)
			collect_garbage(family, &rule, versions, &first,
							fold->steps[step].seq, fold->steps[step].at);
		for (; ntombs > 0 && tombs->step == step; tombs++, ntombs--)
			delete_versions(versions, first, tombs);
		for (; next_event < events->n &&
			 events->items[next_event].step == step; next_event++)
			put_version(fold, first, &events->items[next_event]);
	}
	if (family != NULL)
		collect_garbage(family, &rule, versions, &first, PG_INT64_MAX, now);
	for (uint32 i = versions->n; i > first; i--)
		weir_fold_push_cell(fold, &fold->result, &versions->items[i - 1])->op = WEIR_OP_SET;
}

/* How many of the cells from the first on are of its column. */
static uint32
column_run(const WeirStoredCell *cells, uint32 n)
{
	uint32		run = 1;

	while (run < n && weir_stored_column_cmp(&cells[0], &cells[run]) == 0)
		run++;
	return run;
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
			base_run = column_run(base, nbase);
		if (c >= 0)
			new_run = column_run(cells, nnew);
		replay_column(fold, base, base_run, cells, new_run, now);
		base += base_run;
		nbase -= base_run;
		cells += new_run;
		nnew -= new_run;
	}
	*ncells = fold->result.n;
	return fold->result.items;
}
