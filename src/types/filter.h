/*-------------------------------------------------------------------------
 *
 * filter.h
 *	  Row filters: the type weir.filter, and what it does to a row.
 *
 * A filter value is compiled once and then applied to row after row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FILTER_H
#define WEIR_FILTER_H

#include "types/cell.h"

#define WEIR_MAX_FILTER_LEN		20480	/* bytes of a stored filter */
#define WEIR_MAX_FILTER_DEPTH	20
#define WEIR_MAX_LABEL_LEN		15

typedef struct WeirFilter WeirFilter;	/* a varlena, detoasted */
typedef struct WeirFilterState WeirFilterState;

typedef struct WeirFilteredCell
{
	WeirCell	cell;
	const char *label;			/* NULL, or the label applied to it */
} WeirFilteredCell;

/* Columns of one family: qualifiers from start to end. */
typedef struct WeirColumnRange
{
	const char *family;
	const char *start;			/* NULL for the first */
	const char *end;			/* NULL for the last */
	uint32		family_len;
	uint32		start_len;
	uint32		end_len;
	bool		start_open;		/* start itself is not included */
	bool		end_open;
} WeirColumnRange;

/* Detoasts only: what is done with a filter raises DATA_CORRUPTED if it is none. */
extern WeirFilter *weir_filter_from_datum(Datum d);

/*
 * Prepare a filter for use; NULL passes all.  The state lives in the memory context that is
 * current, points into the filter, and goes away with the context.
 */
extern WeirFilterState *weir_filter_compile(const WeirFilter *filter);

/*
 * Apply to a row whose cells are given in weir_cell_cmp order.  Returns how
 * many cells come out; *result, in cell order too but possibly with
 * duplicates, is valid until the state is used again and points to the bytes
 * of the cells given.  row_key NULL: the cells have none (22023 if the filter
 * asks for it).
 */
extern int	weir_filter_apply(WeirFilterState *state,
							  const char *row_key, size_t row_key_len,
							  const WeirCell *cells, int ncells,
							  WeirFilteredCell **result);

/* Does any cell come out? */
extern bool weir_filter_matches(WeirFilterState *state,
								const char *row_key, size_t row_key_len,
								const WeirCell *cells, int ncells);

/*
 * What a reader may leave out.  Each answer is safe, not exact, and they may
 * be combined: weir_filter_apply gives the same result without the row (if
 * false), without the columns outside the ranges, and with only so many of
 * the newest cells of each column.
 */
extern bool weir_filter_may_pass_row(WeirFilterState *state,
									 const char *row_key, size_t row_key_len);

/* returns the number of ranges, or -1 when all columns are needed */
extern int	weir_filter_needed_columns(WeirFilterState *state,
									   const WeirColumnRange **ranges);

/* PG_UINT32_MAX when all versions are needed */
extern uint32 weir_filter_needed_versions(WeirFilterState *state);

#endif							/* WEIR_FILTER_H */
