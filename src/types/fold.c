/*-------------------------------------------------------------------------
 *
 * fold.c
 *	  The algebra of deltas: composing them, and applying them to a row.
 *
 * A delta D consists of tombstones (the whole row, families, ranges of
 * timestamps [from, to) of columns) and of cells, each of which either sets
 * its coordinate or accumulates into it.
 *
 * Applying D to a row takes away every cell that a tombstone covers, then
 * puts D's cells: a set cell takes the place of what is at its coordinate,
 * an accumulating one combines with it, or takes the place if nothing is
 * there.
 *
 * Composing D2 after D1: the union of the tombstones; the cells of D1 that no
 * tombstone of D2 covers; over them the cells of D2, where accumulating onto
 * a set cell gives a set cell, and onto an accumulating one an accumulating
 * one.  This is a delta again, and apply(D2 after D1) = apply D1, then D2.
 *
 * Both are the same computation here.  Everything is collected with the
 * number of its step (0 is the row below, steps count from 1) and sorted by
 * coordinate and step.  At one coordinate, what is older than the newest
 * tombstone that covers it is out; the rest is combined in order of steps.
 *
 * Garbage collection.  A row reads as if its rules had been applied at every
 * instant.  A rule always drops the oldest versions of a column, more of them
 * as time passes (see gc_rule.c), so it is enough to apply it to a column
 * just before a step changes that column, as of that step's time, and once at
 * the end.  Times of steps are made monotone first.  When the rule of a
 * family was changed, the old one is applied as of the change, at that place
 * in the sequence of writes.
 *
 * Memory: cells point at bytes that the caller keeps, or at values that were
 * combined, which live in the fold's context until it is reset.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "types/fold.h"

/* Enough for most rows; a reset keeps that much. */
#define VALUES_INIT_SIZE	(64 * 1024)

/* So many are sorted by insertion. */
#define FEW_CELLS	16

typedef struct Step
{
	int64		seq;
	int64		at;				/* never less than that of the step before */
} Step;

/* Growing arrays; their memory is kept over resets. */
typedef struct CellArray
{
	WeirStoredCell *items;
	uint32		n;
	uint32		allocated;
	bool		is_sorted;
} CellArray;

struct WeirFold
{
	MemoryContext arrays;		/* holds the fold itself and its arrays */
	MemoryContext values;		/* reset with the fold */
	const WeirFoldFamily *families;
	uint32		nfamilies;
	WeirCombineHll combine_hll;
	const WeirColumnSet *columns;

	int64		base_hi;
	int64		base_at;
	CellArray	base;			/* step 0 */
	CellArray	cells;			/* of the steps */
	CellArray	result;
	CellArray	versions;		/* of the column being replayed */
	CellArray	events;

	Step	   *steps;			/* steps[0] stands for the base */
	uint32		nsteps;			/* including it */
	uint32		steps_allocated;

	uint32		row_deleted;	/* newest step that deletes the row, or 0 */
	struct
	{
		uint16		family;
		uint32		step;
	}		   *family_deleted; /* the newest step of each family */
	uint32		nfamily_deleted;
	uint32		family_deleted_allocated;
	WeirTombstone *tombs;
	uint32		ntombs;
	uint32		tombs_allocated;
	bool		tombs_are_sorted;
};

/* ---- collecting ---- */

WeirFold *
weir_fold_create(WeirCombineHll combine_hll)
{
	MemoryContext arrays = AllocSetContextCreate(CurrentMemoryContext,
												 "weir fold",
												 ALLOCSET_DEFAULT_SIZES);
	WeirFold   *fold = MemoryContextAllocZero(arrays, sizeof(WeirFold));

	fold->arrays = arrays;
	fold->values = AllocSetContextCreate(arrays, "weir fold values",
										 0, VALUES_INIT_SIZE,
										 ALLOCSET_DEFAULT_MAXSIZE);
	fold->combine_hll = combine_hll;
	fold->steps_allocated = 16;
	fold->steps = MemoryContextAlloc(arrays, 16 * sizeof(Step));
	weir_fold_reset(fold, NULL, 0);
	return fold;
}

MemoryContext
weir_fold_context(WeirFold *fold)
{
	return fold->values;
}

Size
weir_fold_memory(const WeirFold *fold)
{
	return sizeof(WeirStoredCell) *
		((Size) fold->base.allocated + fold->cells.allocated +
		 fold->result.allocated + fold->versions.allocated +
		 fold->events.allocated);
}

void
weir_fold_reset(WeirFold *fold, const WeirFoldFamily *families,
				uint32 nfamilies)
{
	MemoryContextReset(fold->values);
	fold->families = families;
	fold->nfamilies = nfamilies;
	fold->columns = NULL;
	weir_fold_clear(fold);
}

void
weir_fold_clear(WeirFold *fold)
{
	fold->base.n = fold->cells.n = fold->result.n = 0;
	fold->base.is_sorted = fold->cells.is_sorted = true;
	fold->nsteps = 1;
	fold->steps[0].seq = fold->base_hi = 0;
	fold->steps[0].at = fold->base_at = 0;
	fold->row_deleted = 0;
	fold->nfamily_deleted = 0;
	fold->ntombs = 0;
	fold->tombs_are_sorted = true;
}

void
weir_fold_destroy(WeirFold *fold)
{
	MemoryContextDelete(fold->arrays);
}

void
weir_fold_set_columns(WeirFold *fold, const WeirColumnSet *columns)
{
	fold->columns = columns;
}

bool
weir_fold_is_empty(const WeirFold *fold)
{
	return fold->base.n == 0 && fold->nsteps == 1;
}

int64
weir_fold_last_time(const WeirFold *fold)
{
	return fold->steps[fold->nsteps - 1].at;
}

/* Room for one more item in an array that is doubled when it is full. */
static void *
make_room(WeirFold *fold, void *items, uint32 n, uint32 *allocated, Size size)
{
	if (n < *allocated)
		return items;
	*allocated = Max(*allocated * 2, 32);
	if (items == NULL)
		return MemoryContextAllocHuge(fold->arrays,
									  mul_size(*allocated, size));
	return repalloc_huge(items, mul_size(*allocated, size));
}

static WeirStoredCell *
push_cell(WeirFold *fold, CellArray *array, const WeirStoredCell *cell)
{
	WeirStoredCell *pushed;

	array->items = make_room(fold, array->items, array->n, &array->allocated,
							 sizeof(WeirStoredCell));
	pushed = &array->items[array->n++];
	*pushed = *cell;
	return pushed;
}

static bool
is_in_columns(const WeirColumns *range, const WeirStoredCell *cell)
{
	int			c;

	if (range->family != cell->family)
		return false;
	if (range->start != NULL)
	{
		c = weir_bytes_cmp(cell->qualifier, cell->qualifier_len,
						   range->start, range->start_len);
		if (c < 0 || (c == 0 && range->start_open))
			return false;
	}
	if (range->end != NULL)
	{
		c = weir_bytes_cmp(cell->qualifier, cell->qualifier_len,
						   range->end, range->end_len);
		if (c > 0 || (c == 0 && range->end_open))
			return false;
	}
	return true;
}

/* Is the cell of a family that exists, and of a column that is wanted? */
static bool
cell_is_wanted(const WeirFold *fold, const WeirStoredCell *cell)
{
	if (fold->families != NULL &&
		(cell->family >= fold->nfamilies ||
		 !fold->families[cell->family].exists))
		return false;
	if (fold->columns == NULL)
		return true;
	for (int i = 0; i < fold->columns->nranges; i++)
		if (is_in_columns(&fold->columns->ranges[i], cell))
			return true;
	return false;
}

void
weir_fold_set_base(WeirFold *fold, int64 hi, int64 at)
{
	fold->base_hi = fold->steps[0].seq = hi;
	fold->base_at = fold->steps[0].at = at;
}

void
weir_fold_add_base_cell(WeirFold *fold, const WeirStoredCell *cell)
{
	if (cell_is_wanted(fold, cell))
		push_cell(fold, &fold->base, cell);
}

void
weir_fold_begin_step(WeirFold *fold, int64 seq, int64 at)
{
	fold->steps = make_room(fold, fold->steps, fold->nsteps,
							&fold->steps_allocated, sizeof(Step));
	fold->steps[fold->nsteps].seq = seq;
	fold->steps[fold->nsteps].at = Max(at, weir_fold_last_time(fold));
	fold->nsteps++;
}

static uint32
current_step(const WeirFold *fold)
{
	Assert(fold->nsteps > 1);
	return fold->nsteps - 1;
}

void
weir_fold_delete_row(WeirFold *fold)
{
	fold->row_deleted = current_step(fold);
}

void
weir_fold_delete_family(WeirFold *fold, uint16 family)
{
	for (uint32 i = 0; i < fold->nfamily_deleted; i++)
	{
		if (fold->family_deleted[i].family == family)
		{
			fold->family_deleted[i].step = current_step(fold);
			return;
		}
	}
	fold->family_deleted = make_room(fold, fold->family_deleted,
									 fold->nfamily_deleted,
									 &fold->family_deleted_allocated,
									 sizeof(*fold->family_deleted));
	fold->family_deleted[fold->nfamily_deleted].family = family;
	fold->family_deleted[fold->nfamily_deleted].step = current_step(fold);
	fold->nfamily_deleted++;
}

void
weir_fold_delete_column(WeirFold *fold, const WeirTombstone *column)
{
	fold->tombs = make_room(fold, fold->tombs, fold->ntombs,
							&fold->tombs_allocated, sizeof(WeirTombstone));
	fold->tombs[fold->ntombs] = *column;
	fold->tombs[fold->ntombs].step = current_step(fold);
	fold->ntombs++;
	fold->tombs_are_sorted = fold->ntombs == 1;
}

/* coordinate, then step */
static int
cell_and_step_cmp(const void *x, const void *y)
{
	const WeirStoredCell *a = x;
	const WeirStoredCell *b = y;
	int			c = weir_stored_cell_cmp(a, b);

	if (c == 0 && a->step != b->step)
		c = a->step < b->step ? -1 : 1;
	return c;
}

void
weir_fold_add_cell(WeirFold *fold, const WeirStoredCell *cell)
{
	CellArray  *cells = &fold->cells;
	WeirStoredCell *pushed;

	if (!cell_is_wanted(fold, cell))
		return;
	pushed = push_cell(fold, cells, cell);
	pushed->step = current_step(fold);
	if (cells->is_sorted && cells->n > 1 &&
		cell_and_step_cmp(pushed - 1, pushed) >= 0)
		cells->is_sorted = false;
}

void
weir_fold_add_delta(WeirFold *fold, int64 seq, const char *bytes, Size len)
{
	WeirDeltaReader reader;
	WeirTombstone column;
	WeirStoredCell cell;
	uint16		family;

	weir_delta_reader_init(&reader, bytes, len);
	weir_fold_begin_step(fold, seq, reader.at);
	if (reader.deletes_row)
		weir_fold_delete_row(fold);
	while (weir_delta_next_family(&reader, &family))
		weir_fold_delete_family(fold, family);
	while (weir_delta_next_column(&reader, &column))
		weir_fold_delete_column(fold, &column);
	while (weir_delta_next_cell(&reader, &cell))
		weir_fold_add_cell(fold, &cell);
}

/* By insertion, which for few cells that are nearly in order is quickest. */
static void
sort_few_cells(WeirStoredCell *cells, uint32 n)
{
	for (uint32 i = 1; i < n; i++)
	{
		WeirStoredCell cell = cells[i];
		uint32		at = i;

		while (at > 0 && cell_and_step_cmp(&cells[at - 1], &cell) > 0)
			at--;
		if (at == i)
			continue;
		memmove(&cells[at + 1], &cells[at], (i - at) * sizeof(WeirStoredCell));
		cells[at] = cell;
	}
}

static void
sort_cells(CellArray *cells)
{
	if (cells->is_sorted)
		return;
	if (cells->n <= FEW_CELLS)
		sort_few_cells(cells->items, cells->n);
	else
		qsort(cells->items, cells->n, sizeof(WeirStoredCell),
			  cell_and_step_cmp);
	cells->is_sorted = true;
}

/* column, then step */
static int
tombstone_cmp(const void *x, const void *y)
{
	const WeirTombstone *a = x;
	const WeirTombstone *b = y;
	int			c;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	c = weir_bytes_cmp(a->qualifier, a->qualifier_len,
					   b->qualifier, b->qualifier_len);
	if (c == 0 && a->step != b->step)
		c = a->step < b->step ? -1 : 1;
	return c;
}

static void
sort_tombstones(WeirFold *fold)
{
	if (!fold->tombs_are_sorted)
		qsort(fold->tombs, fold->ntombs, sizeof(WeirTombstone), tombstone_cmp);
	fold->tombs_are_sorted = true;
}

/* Compares the column of a tombstone with that of a cell. */
static int
tombstone_column_cmp(const WeirTombstone *tomb, const WeirStoredCell *cell)
{
	if (tomb->family != cell->family)
		return tomb->family < cell->family ? -1 : 1;
	return weir_bytes_cmp(tomb->qualifier, tomb->qualifier_len,
						  cell->qualifier, cell->qualifier_len);
}

/* The column tombstones of the cell's column, in order of steps. */
static const WeirTombstone *
tombstones_of_column(const WeirFold *fold, const WeirStoredCell *cell,
					 uint32 *ntombs)
{
	uint32		low = 0;
	uint32		high = fold->ntombs;
	uint32		first;

	*ntombs = 0;
	if (fold->ntombs == 0)
		return NULL;
	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (tombstone_column_cmp(&fold->tombs[middle], cell) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	first = low;
	while (low < fold->ntombs &&
		   tombstone_column_cmp(&fold->tombs[low], cell) == 0)
		low++;
	*ntombs = low - first;
	return &fold->tombs[first];
}

/* The newest step that deletes the family or the whole row, or 0. */
static uint32
step_that_deletes_family(const WeirFold *fold, uint16 family)
{
	uint32		step = fold->row_deleted;

	for (uint32 i = 0; i < fold->nfamily_deleted; i++)
		if (fold->family_deleted[i].family == family)
			return Max(step, fold->family_deleted[i].step);
	return step;
}

static inline bool
tombstone_covers(const WeirTombstone *tomb, int64 ts)
{
	return tomb->from <= ts &&
		(ts < tomb->to || tomb->to == WEIR_TS_UNBOUNDED);
}

/* ---- combining ---- */

static int64
int64_of_state(const WeirStoredCell *cell)
{
	uint64		v;

	if (cell->value_len != sizeof(v))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an aggregate cell has %u bytes instead of 8",
						cell->value_len)));
	memcpy(&v, cell->value, sizeof(v));
	return (int64) pg_ntoh64(v);
}

/*
 * Puts a newer cell over an older one with the same coordinate.  The result
 * in *older accumulates only if both do.
 */
static void
combine_into(WeirFold *fold, WeirStoredCell *older, const WeirStoredCell *newer)
{
	MemoryContext old_context;
	int64		a;
	int64		b;
	uint64		be;
	char	   *value;

	if (newer->op == WEIR_OP_SET)
	{
		*older = *newer;
		return;
	}
	if (older->op != WEIR_OP_SET && older->op != newer->op)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a cell is aggregated in two different ways")));

	old_context = MemoryContextSwitchTo(fold->values);
	if (newer->op == WEIR_OP_HLL)
		fold->combine_hll(older->value, older->value_len,
						  newer->value, newer->value_len,
						  &older->value, &older->value_len);
	else
	{
		a = int64_of_state(older);
		b = int64_of_state(newer);
		if (newer->op == WEIR_OP_SUM)
			a = (int64) ((uint64) a + (uint64) b);	/* wraps, as documented */
		else if (newer->op == WEIR_OP_MIN)
			a = Min(a, b);
		else
			a = Max(a, b);
		be = pg_hton64((uint64) a);
		value = palloc(sizeof(be));
		memcpy(value, &be, sizeof(be));
		older->value = value;
	}
	older->step = newer->step;
	MemoryContextSwitchTo(old_context);
}

/* ---- applying to a row ---- */

/*
 * The versions of the column being replayed lie in fold->versions, oldest
 * first, from index *first on.  Finds the place of a timestamp.
 */
static uint32
find_version(const CellArray *versions, uint32 first, int64 ts)
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
	CellArray  *versions = &fold->versions;
	uint32		at = find_version(versions, first, cell->ts);

	if (at < versions->n && versions->items[at].ts == cell->ts)
	{
		combine_into(fold, &versions->items[at], cell);
		return;
	}
	push_cell(fold, versions, cell);
	if (at < versions->n - 1)
	{
		memmove(&versions->items[at + 1], &versions->items[at],
				(versions->n - 1 - at) * sizeof(WeirStoredCell));
		versions->items[at] = *cell;
	}
}

static void
delete_versions(CellArray *versions, uint32 first, const WeirTombstone *tomb)
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
				const CellArray *versions, uint32 *first,
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
	CellArray  *events = &fold->events;

	events->n = 0;
	for (uint32 i = 0; i < ncells; i++)
		if (cells[i].step >= from)
			push_cell(fold, events, &cells[i]);
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
	uint32		deleted = step_that_deletes_family(fold, any->family);
	CellArray  *versions = &fold->versions;
	CellArray  *events = &fold->events;
	uint32		first = 0;
	uint32		next_event = 0;
	int			rule = 0;

	if (fold->families != NULL && fold->families[any->family].has_rules)
	{
		family = &fold->families[any->family];
		while (family->rules[rule].until_seq <= fold->base_hi)
			rule++;				/* was applied when the base was folded */
	}
	tombs = tombstones_of_column(fold, any, &ntombs);
	while (ntombs > 0 && tombs->step < deleted)
	{
		tombs++;
		ntombs--;
	}
	if (family == NULL && ntombs == 0 && deleted == 0 && nbase + ncells == 1)
	{
		push_cell(fold, &fold->result, any)->op = WEIR_OP_SET;
		return;
	}
	gather_events(fold, cells, ncells, deleted);

	versions->n = 0;
	if (deleted == 0)
		for (uint32 i = nbase; i > 0; i--)
			push_cell(fold, versions, &base[i - 1]);

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
		push_cell(fold, &fold->result, &versions->items[i - 1])->op = WEIR_OP_SET;
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

	sort_cells(&fold->cells);
	sort_tombstones(fold);
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

/* ---- composing into a delta ---- */

/* The newest step with a tombstone that covers the cell, or 0. */
static uint32
step_that_deletes_cell(const WeirFold *fold, const WeirStoredCell *cell)
{
	uint32		step = step_that_deletes_family(fold, cell->family);
	uint32		ntombs;
	const WeirTombstone *tombs = tombstones_of_column(fold, cell, &ntombs);

	for (uint32 i = ntombs; i > 0 && tombs[i - 1].step > step; i--)
		if (tombstone_covers(&tombs[i - 1], cell->ts))
			return tombs[i - 1].step;
	return step;
}

/* Combines the cells into fold->result, one a coordinate. */
static void
compose_cells(WeirFold *fold)
{
	const CellArray *cells = &fold->cells;
	CellArray  *result = &fold->result;
	const WeirStoredCell *group = NULL;

	result->n = 0;
	for (uint32 i = 0; i < cells->n; i++)
	{
		const WeirStoredCell *cell = &cells->items[i];

		if (cell->step < step_that_deletes_cell(fold, cell))
			continue;
		if (group != NULL && weir_stored_cell_cmp(group, cell) == 0)
			combine_into(fold, &result->items[result->n - 1], cell);
		else
			push_cell(fold, result, cell);
		group = cell;
	}
}

/* column, then from */
static int
tombstone_range_cmp(const void *x, const void *y)
{
	const WeirTombstone *a = x;
	const WeirTombstone *b = y;
	int			c;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	c = weir_bytes_cmp(a->qualifier, a->qualifier_len,
					   b->qualifier, b->qualifier_len);
	if (c == 0 && a->from != b->from)
		c = a->from < b->from ? -1 : 1;
	return c;
}

static bool
family_is_deleted(const WeirFold *fold, uint16 family)
{
	for (uint32 i = 0; i < fold->nfamily_deleted; i++)
		if (fold->family_deleted[i].family == family)
			return true;
	return false;
}

/*
 * The union of the column tombstones as disjoint ranges, without those that
 * a family tombstone makes superfluous.
 */
static WeirTombstone *
compose_tombstones(WeirFold *fold, uint32 *ncolumns)
{
	WeirTombstone *union_of = fold->tombs;
	uint32		n = 0;

	qsort(fold->tombs, fold->ntombs, sizeof(WeirTombstone),
		  tombstone_range_cmp);
	fold->tombs_are_sorted = false;
	for (uint32 i = 0; i < fold->ntombs; i++)
	{
		const WeirTombstone *tomb = &fold->tombs[i];
		WeirTombstone *last = n > 0 ? &union_of[n - 1] : NULL;

		if (family_is_deleted(fold, tomb->family))
			continue;
		if (last != NULL && last->family == tomb->family &&
			weir_bytes_cmp(last->qualifier, last->qualifier_len,
						   tomb->qualifier, tomb->qualifier_len) == 0 &&
			last->to >= tomb->from)
			last->to = Max(last->to, tomb->to);
		else
			union_of[n++] = *tomb;
	}
	fold->ntombs = n;
	*ncolumns = n;
	return union_of;
}

static int
family_cmp(const void *x, const void *y)
{
	uint16		a = *(const uint16 *) x;
	uint16		b = *(const uint16 *) y;

	return a < b ? -1 : a > b ? 1 : 0;
}

static uint16 *
compose_families(WeirFold *fold, uint32 *nfamilies)
{
	uint16	   *families;

	families = MemoryContextAlloc(fold->values,
								  sizeof(uint16) * (fold->nfamily_deleted + 1));
	for (uint32 i = 0; i < fold->nfamily_deleted; i++)
		families[i] = fold->family_deleted[i].family;
	qsort(families, fold->nfamily_deleted, sizeof(uint16), family_cmp);
	*nfamilies = fold->nfamily_deleted;
	return families;
}

/*
 * Uses up the tombstones: only reset or destroy may follow.
 */
WeirDelta *
weir_fold_delta(WeirFold *fold, int64 at)
{
	bool		deletes_row = fold->row_deleted > 0;
	uint16	   *families;
	WeirTombstone *columns;
	uint32		nfamilies = 0;
	uint32		ncolumns = 0;

	Assert(fold->base.n == 0);
	sort_cells(&fold->cells);
	sort_tombstones(fold);
	compose_cells(fold);
	families = compose_families(fold, &nfamilies);
	columns = compose_tombstones(fold, &ncolumns);
	if (deletes_row)
		nfamilies = ncolumns = 0;	/* all covered */
	return weir_delta_build(at, deletes_row, families, nfamilies,
							columns, ncolumns,
							fold->result.items, fold->result.n);
}
