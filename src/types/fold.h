/*-------------------------------------------------------------------------
 *
 * fold.h
 *	  The algebra of deltas: composing them, and applying them to a row.
 *
 * What the operations mean is written at the top of fold.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FOLD_H
#define WEIR_FOLD_H

#include "types/delta.h"
#include "types/gc_rule.h"

/*
 * A rule of garbage collection in force until a write with the number
 * until_seq, which was made at until_time; the last one of a family is in
 * force for good (until_seq is PG_INT64_MAX).
 */
typedef struct WeirFoldRule
{
	int64		until_seq;
	int64		until_time;
	const WeirGcRule *rule;		/* NULL: keep everything */
} WeirFoldRule;

typedef struct WeirFoldFamily
{
	const char *name;
	uint16		name_len;
	bool		exists;			/* cells of dropped families are skipped */
	bool		has_rules;
	int			nrules;
	const WeirFoldRule *rules;	/* ascending by until_seq */
} WeirFoldFamily;

/* Columns of one family, from qualifier to qualifier. */
typedef struct WeirColumns
{
	const char *start;			/* NULL: from the first */
	const char *end;			/* NULL: to the last */
	uint32		start_len;
	uint32		end_len;
	bool		start_open;		/* start itself is not among them */
	bool		end_open;
	uint16		family;
} WeirColumns;

typedef struct WeirColumnSet
{
	int			nranges;
	WeirColumns ranges[FLEXIBLE_ARRAY_MEMBER];
} WeirColumnSet;

/*
 * Combines two states of op HLL; the result is allocated in the current
 * memory context.  Given by the caller because it needs another extension.
 */
typedef void (*WeirCombineHll) (const char *a, uint32 alen,
								const char *b, uint32 blen,
								const char **result, uint32 *result_len);

typedef struct WeirFold WeirFold;

/* The fold lives in a child of the current memory context. */
extern WeirFold *weir_fold_create(WeirCombineHll combine_hll);
extern void weir_fold_destroy(WeirFold *fold);

/*
 * Begins anew.  families[0 .. nfamilies - 1] is indexed by family number and
 * must live until the next reset; NULL: every family exists and keeps
 * everything.
 */
extern void weir_fold_reset(WeirFold *fold, const WeirFoldFamily *families,
							uint32 nfamilies);

/* Forgets what was added, but keeps the memory below. */
extern void weir_fold_clear(WeirFold *fold);

/* memory that lives until the next reset, for the bytes of what is added */
extern MemoryContext weir_fold_context(WeirFold *fold);

/* roughly how many bytes of memory the fold holds on to over resets */
extern Size weir_fold_memory(const WeirFold *fold);

/* restrict what is added from now on to some columns (NULL: all) */
extern void weir_fold_set_columns(WeirFold *fold, const WeirColumnSet *columns);

/*
 * The row below all deltas, as it was folded up to the write hi, at time at.
 * Cells come in order, segment by segment; only the pointers are kept.
 */
extern void weir_fold_set_base(WeirFold *fold, int64 hi, int64 at);
extern void weir_fold_add_base_cell(WeirFold *fold, const WeirStoredCell *cell);

/*
 * A step is one write; steps are given in the order of their numbers.  Within
 * a step the tombstones come before the cells.
 */
extern void weir_fold_begin_step(WeirFold *fold, int64 seq, int64 at);
extern void weir_fold_delete_row(WeirFold *fold);
extern void weir_fold_delete_family(WeirFold *fold, uint16 family);
extern void weir_fold_delete_column(WeirFold *fold, const WeirTombstone *column);
extern void weir_fold_add_cell(WeirFold *fold, const WeirStoredCell *cell);

/* all of these for the bytes of a delta, which must stay where they are */
extern void weir_fold_add_delta(WeirFold *fold, int64 seq,
								const char *bytes, Size len);

/* true if nothing has been added since the last reset */
extern bool weir_fold_is_empty(const WeirFold *fold);

/*
 * The cells of the row after all steps, with what is garbage at "now" taken
 * away.  The array and the bytes live until the next reset.
 */
extern WeirStoredCell *weir_fold_row(WeirFold *fold, int64 now,
									 uint32 *ncells);

/* the composition of all steps as one delta written at "at" */
extern WeirDelta *weir_fold_delta(WeirFold *fold, int64 at);

/* the latest time of any step, or that of the base */
extern int64 weir_fold_last_time(const WeirFold *fold);

#endif							/* WEIR_FOLD_H */
