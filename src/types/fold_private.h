/*-------------------------------------------------------------------------
 *
 * fold_private.h
 *	  What a fold consists of; only for fold*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FOLD_PRIVATE_H
#define WEIR_FOLD_PRIVATE_H

#include "types/fold.h"
#include "types/position_set.h"

typedef struct WeirFoldStep
{
	int64		seq;
	int64		at;				/* never less than that of the step before */
} WeirFoldStep;

/* Growing arrays; their memory is kept over resets. */
typedef struct WeirCellArray
{
	WeirStoredCell *items;
	uint32		n;
	uint32		allocated;
	bool		is_sorted;
} WeirCellArray;

/* A cell of a step, put into a column with rules. */
typedef struct WeirFoldEvent
{
	const WeirStoredCell *cell;
	uint32		place;			/* of its timestamp */
} WeirFoldEvent;

/*
 * A column with rules: the versions that it has at some time, and what is to
 * happen to it.  items[0 .. nplaces - 1] are in order of time, oldest first;
 * where there is no version, only the timestamp is valid.
 */
typedef struct WeirVersions
{
	WeirStoredCell *items;
	uint32		allocated;
	uint32		nplaces;
	uint32		n;				/* of places where there is a version */
	WeirPositionSet present;	/* these places */
	uint64	   *words;			/* memory of the set */
	uint32		words_allocated;
	WeirFoldEvent *events;
	uint32		nevents;
	uint32		events_allocated;
} WeirVersions;

/* About one of the cells of a column, which is the i'th newest. */
typedef struct WeirCover
{
	uint32		step;			/* the newest that deletes it, or 0 */
	uint32		next;			/* i, or where to look for a cell after it that
								 * no tombstone has covered yet */
} WeirCover;

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
	WeirCellArray base;			/* step 0 */
	WeirCellArray cells;		/* of the steps */
	WeirCellArray result;
	WeirCellArray merged;		/* of one column: base and cells, in order */
	WeirVersions versions;		/* of one column with rules */
	WeirCover  *covers;
	uint32		covers_allocated;

	WeirFoldStep *steps;		/* steps[0] stands for the base */
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

/* Room for one more item in an array that is doubled when it is full. */
extern void *weir_fold_grow(WeirFold *fold, void *items, uint32 *allocated,
							Size size);

static inline void *
weir_fold_make_room(WeirFold *fold, void *items, uint32 n, uint32 *allocated,
					Size size)
{
	return n < *allocated ? items :
		weir_fold_grow(fold, items, allocated, size);
}

static inline WeirStoredCell *
weir_fold_push_cell(WeirFold *fold, WeirCellArray *array,
					const WeirStoredCell *cell)
{
	WeirStoredCell *pushed;

	array->items = weir_fold_make_room(fold, array->items, array->n,
									   &array->allocated,
									   sizeof(WeirStoredCell));
	pushed = &array->items[array->n++];
	*pushed = *cell;
	return pushed;
}

/* Room for n items, whatever was in the array. */
static inline void *
weir_fold_make_room_for(WeirFold *fold, void *items, uint32 n,
						uint32 *allocated, Size size)
{
	while (n > *allocated)
		items = weir_fold_grow(fold, items, allocated, size);
	return items;
}

/* by coordinate, then step; by column, then step, then from */
extern void weir_fold_sort_cells(WeirCellArray *cells);
extern void weir_fold_sort_tombstones(WeirFold *fold);

/*
 * The column tombstones of the cell's column that are not older than a step,
 * in order of steps.  They have been sorted.
 */
extern const WeirTombstone *weir_fold_tombstones(const WeirFold *fold,
												 const WeirStoredCell *cell,
												 uint32 from_step,
												 uint32 *ntombs);

static inline int
weir_tombstone_column_cmp(const WeirTombstone *a, const WeirTombstone *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return weir_bytes_cmp(a->qualifier, a->qualifier_len,
						  b->qualifier, b->qualifier_len);
}

/* How many of the cells from the first on are of its column. */
static inline uint32
weir_fold_column_run(const WeirStoredCell *cells, uint32 n)
{
	uint32		run = 1;

	while (run < n && weir_stored_column_cmp(&cells[0], &cells[run]) == 0)
		run++;
	return run;
}

/*
 * Appends to the result what all steps together make of a column, when no
 * garbage is collected on the way.
 */
extern void weir_fold_merge_column(WeirFold *fold,
								   const WeirStoredCell *base, uint32 nbase,
								   const WeirStoredCell *cells, uint32 ncells);

/*
 * The same with garbage collected on the way, for a column of a family with
 * rules, as of "now".
 */
extern void weir_fold_replay_column(WeirFold *fold,
									const WeirFoldFamily *family,
									const WeirStoredCell *base, uint32 nbase,
									const WeirStoredCell *cells, uint32 ncells,
									int64 now);

/* The newest step that deletes the family or the whole row, or 0. */
static inline uint32
weir_fold_family_deleted(const WeirFold *fold, uint16 family)
{
	uint32		step = fold->row_deleted;

	for (uint32 i = 0; i < fold->nfamily_deleted; i++)
		if (fold->family_deleted[i].family == family)
			return Max(step, fold->family_deleted[i].step);
	return step;
}

/*
 * Puts a newer cell over an older one with the same coordinate.  The result
 * in *older accumulates only if both do.
 */
extern void weir_fold_combine(WeirFold *fold, WeirStoredCell *older,
							  const WeirStoredCell *newer);

#endif							/* WEIR_FOLD_PRIVATE_H */
