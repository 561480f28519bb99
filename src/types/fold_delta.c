/*-------------------------------------------------------------------------
 *
 * fold_delta.c
 *	  Deltas composed into one.
 *
 * What the algebra is, see fold.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "types/fold_private.h"

/* Combines the cells into fold->result, one a coordinate. */
static void
compose_cells(WeirFold *fold)
{
	const WeirStoredCell *cells = fold->cells.items;
	uint32		n = fold->cells.n;

	fold->result.n = 0;
	while (n > 0)
	{
		uint32		run = weir_fold_column_run(cells, n);

		CHECK_FOR_INTERRUPTS();
		weir_fold_merge_column(fold, NULL, 0, cells, run);
		cells += run;
		n -= run;
	}
}

/* column, then from */
static int
tombstone_range_cmp(const void *x, const void *y)
{
	const WeirTombstone *a = x;
	const WeirTombstone *b = y;
	int			c = weir_tombstone_column_cmp(a, b);

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
	weir_fold_sort_cells(&fold->cells);
	weir_fold_sort_tombstones(fold);
	compose_cells(fold);
	families = compose_families(fold, &nfamilies);
	columns = compose_tombstones(fold, &ncolumns);
	if (deletes_row)
		nfamilies = ncolumns = 0;	/* all covered */
	return weir_delta_build(at, deletes_row, families, nfamilies,
							columns, ncolumns,
							fold->result.items, fold->result.n);
}
