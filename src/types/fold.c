/*-------------------------------------------------------------------------
 *
 * fold.c
 *	  The algebra of deltas: what it is, and collecting what is to be folded.
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
 * Deltas are applied in fold_row.c and composed in fold_delta.c.  A column
 * without rules is the same computation in both, that of fold_column.c; one
 * with rules is replayed in fold_replay.c.
 *
 * Memory: cells point at bytes that the caller keeps, or at values that were
 * combined, which live in the fold's context until it is reset.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "types/fold_private.h"

/* Enough for most rows; a reset keeps that much. */
#define VALUES_INIT_SIZE	(64 * 1024)

/* So many are sorted by insertion. */
#define FEW_CELLS	16

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
	fold->steps = MemoryContextAlloc(arrays, 16 * sizeof(WeirFoldStep));
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
		 fold->merged.allocated) +
		sizeof(WeirFoldEvent) * (Size) fold->versions.events_allocated +
		sizeof(uint64) * (Size) fold->versions.words_allocated +
		sizeof(WeirCover) * (Size) fold->covers_allocated +
		sizeof(WeirFoldStep) * (Size) fold->steps_allocated +
		sizeof(WeirTombstone) * (Size) fold->tombs_allocated;
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

void *
weir_fold_grow(WeirFold *fold, void *items, uint32 *allocated, Size size)
{
	*allocated = Max(*allocated * 2, 32);
	if (items == NULL)
		return MemoryContextAllocHuge(fold->arrays,
									  mul_size(*allocated, size));
	return repalloc_huge(items, mul_size(*allocated, size));
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
		weir_fold_push_cell(fold, &fold->base, cell);
}

void
weir_fold_begin_step(WeirFold *fold, int64 seq, int64 at)
{
	fold->steps = weir_fold_make_room(fold, fold->steps, fold->nsteps,
							&fold->steps_allocated, sizeof(WeirFoldStep));
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
	fold->family_deleted = weir_fold_make_room(fold, fold->family_deleted,
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
	fold->tombs = weir_fold_make_room(fold, fold->tombs, fold->ntombs,
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
	WeirCellArray *cells = &fold->cells;
	WeirStoredCell *pushed;

	if (!cell_is_wanted(fold, cell))
		return;
	pushed = weir_fold_push_cell(fold, cells, cell);
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

void
weir_fold_sort_cells(WeirCellArray *cells)
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

/* column, then step, then from */
static int
tombstone_cmp(const void *x, const void *y)
{
	const WeirTombstone *a = x;
	const WeirTombstone *b = y;
	int			c = weir_tombstone_column_cmp(a, b);

	if (c == 0 && a->step != b->step)
		c = a->step < b->step ? -1 : 1;
	if (c == 0 && a->from != b->from)
		c = a->from < b->from ? -1 : 1;
	return c;
}

void
weir_fold_sort_tombstones(WeirFold *fold)
{
	if (!fold->tombs_are_sorted)
		qsort(fold->tombs, fold->ntombs, sizeof(WeirTombstone), tombstone_cmp);
	fold->tombs_are_sorted = true;
}

/* Compares column and step of a tombstone with a cell's column and a step. */
static int
tombstone_place_cmp(const WeirTombstone *tomb, const WeirStoredCell *cell,
					uint32 step)
{
	int			c;

	if (tomb->family != cell->family)
		return tomb->family < cell->family ? -1 : 1;
	c = weir_bytes_cmp(tomb->qualifier, tomb->qualifier_len,
					   cell->qualifier, cell->qualifier_len);
	if (c == 0 && tomb->step != step)
		c = tomb->step < step ? -1 : 1;
	return c;
}

/* How many tombstones come before the step's first one for the column. */
static uint32
find_tombstone(const WeirFold *fold, const WeirStoredCell *cell, uint32 step)
{
	uint32		low = 0;
	uint32		high = fold->ntombs;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (tombstone_place_cmp(&fold->tombs[middle], cell, step) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const WeirTombstone *
weir_fold_tombstones(const WeirFold *fold, const WeirStoredCell *cell,
					 uint32 from_step, uint32 *ntombs)
{
	uint32		first;

	*ntombs = 0;
	if (fold->ntombs == 0)
		return NULL;
	Assert(fold->tombs_are_sorted);
	first = find_tombstone(fold, cell, from_step);
	*ntombs = find_tombstone(fold, cell, fold->nsteps) - first;
	return &fold->tombs[first];
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

void
weir_fold_combine(WeirFold *fold, WeirStoredCell *older, const WeirStoredCell *newer)
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

	CHECK_FOR_INTERRUPTS();		/* states may be large, and many */
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
