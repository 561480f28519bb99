/*-------------------------------------------------------------------------
 *
 * fold_row.c
 *	  Deltas applied to a row, with garbage collection as it goes.
 *
 * Column by column: if its family has rules, the versions below are replayed
 * forward through the steps that touch the column (fold_replay.c), else all
 * steps are taken at once (fold_column.c).  What the algebra is, see fold.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "types/fold_private.h"

static inline bool
deletes_nothing(const WeirFold *fold)
{
	return fold->ntombs == 0 && fold->nfamily_deleted == 0 &&
		fold->row_deleted == 0;
}

/* Appends to the result what all steps make of a column. */
static void
fold_column(WeirFold *fold, const WeirStoredCell *base, uint32 nbase,
			const WeirStoredCell *cells, uint32 ncells, int64 now)
{
	uint16		family = nbase > 0 ? base->family : cells->family;
	WeirCellArray *result = &fold->result;
	uint32		first = result->n;

	if (fold->families != NULL && fold->families[family].has_rules)
		weir_fold_replay_column(fold, &fold->families[family], base, nbase,
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
