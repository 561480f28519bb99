/*-------------------------------------------------------------------------
 *
 * fold_column.c
 *	  A column folded without regard to garbage.
 *
 * Then the order of the steps need not be followed.  The cells of all of them
 * lie in order of coordinate and step, so one pass combines them, once it is
 * known of each cell which step deletes it last.
 *
 * To find that, the tombstones are gone through from the newest step to the
 * oldest, and each covers those cells in its range that none before has
 * covered.  Cells that are covered are jumped over, so T tombstones and C
 * cells take some O((T + C) log C), however they overlap.
 *
 * What the algebra is, see fold.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "types/fold_private.h"

/* The next of two lists that are in order of coordinates; NULL at the end. */
static inline const WeirStoredCell *
next_cell(const WeirStoredCell **base, uint32 *nbase,
		  const WeirStoredCell **cells, uint32 *ncells)
{
	if (*nbase > 0 && (*ncells == 0 || (*base)->ts >= (*cells)->ts))
	{
		(*nbase)--;
		return (*base)++;
	}
	if (*ncells > 0)
	{
		(*ncells)--;
		return (*cells)++;
	}
	return NULL;
}

/* Adds a cell to the column that begins in the result at index first. */
static inline void
put_cell(WeirFold *fold, uint32 first, const WeirStoredCell *cell)
{
	WeirCellArray *result = &fold->result;
	WeirStoredCell *last = result->n > first ?
		&result->items[result->n - 1] : NULL;

	if (last != NULL && last->ts == cell->ts)
		weir_fold_combine(fold, last, cell);
	else
		weir_fold_push_cell(fold, result, cell);
}

/* ---- tombstones ---- */

/* The index of the first cell that is older than ts, or n. */
static uint32
find_older(const WeirStoredCell *cells, uint32 n, int64 ts)
{
	uint32		low = 0;
	uint32		high = n;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (cells[middle].ts >= ts)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first cell from i on that is not covered, or the end. */
static inline uint32
find_uncovered(WeirCover *covers, uint32 i)
{
	while (covers[i].next != i)
	{
		covers[i].next = covers[covers[i].next].next;
		i = covers[i].next;
	}
	return i;
}

static void
cover_cells(WeirCover *covers, const WeirStoredCell *cells, uint32 n,
			const WeirTombstone *tomb)
{
	uint32		i = tomb->to == WEIR_TS_UNBOUNDED ? 0 :
		find_older(cells, n, tomb->to);

	for (i = find_uncovered(covers, i);
		 i < n && cells[i].ts >= tomb->from;
		 i = find_uncovered(covers, i + 1))
	{
		covers[i].step = tomb->step;
		covers[i].next = i + 1;
	}
}

/*
 * The cells of a column with tombstones, which are newer than the step that
 * deletes the family.
 */
static void
merge_with_tombstones(WeirFold *fold, const WeirStoredCell *cells, uint32 n,
					  uint32 deleted, const WeirTombstone *tombs,
					  uint32 ntombs)
{
	uint32		first = fold->result.n;
	WeirCover  *covers;

	fold->covers = weir_fold_make_room_for(fold, fold->covers, n + 1,
										   &fold->covers_allocated,
										   sizeof(WeirCover));
	covers = fold->covers;
	for (uint32 i = 0; i <= n; i++)
	{
		covers[i].step = deleted;
		covers[i].next = i;
	}
	for (uint32 i = ntombs; i > 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		cover_cells(covers, cells, n, &tombs[i - 1]);
	}
	for (uint32 i = 0; i < n; i++)
		if (cells[i].step >= covers[i].step)
			put_cell(fold, first, &cells[i]);
}

/* ---- columns ---- */

void
weir_fold_merge_column(WeirFold *fold,
					   const WeirStoredCell *base, uint32 nbase,
					   const WeirStoredCell *cells, uint32 ncells)
{
	const WeirStoredCell *cell = nbase > 0 ? base : cells;
	uint32		deleted = weir_fold_family_deleted(fold, cell->family);
	uint32		first = fold->result.n;
	uint32		ntombs;
	const WeirTombstone *tombs = weir_fold_tombstones(fold, cell, deleted,
													  &ntombs);

	if (ntombs == 0)
	{
		while ((cell = next_cell(&base, &nbase, &cells, &ncells)) != NULL)
			if (cell->step >= deleted)
				put_cell(fold, first, cell);
		return;
	}
	if (nbase > 0)
	{
		fold->merged.n = 0;
		while ((cell = next_cell(&base, &nbase, &cells, &ncells)) != NULL)
			weir_fold_push_cell(fold, &fold->merged, cell);
		cells = fold->merged.items;
		ncells = fold->merged.n;
	}
	merge_with_tombstones(fold, cells, ncells, deleted, tombs, ntombs);
}
