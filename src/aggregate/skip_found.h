/*-------------------------------------------------------------------------
 *
 * skip_found.h
 *	  What weir.skip has found, from one tick to the next.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SKIP_FOUND_H
#define WEIR_SKIP_FOUND_H

#include "aggregate/partial.h"
#include "aggregate/row_filter.h"

/* A row or a group at which a query fails. */
typedef struct WeirSkipped
{
	int			number;			/* in this tick */
	WeirRowId	id;				/* of a row; no relation: it is a group */
	WeirLateRow late;			/* as it will be kept; the reason is known
								 * first */
	bool		is_stored;		/* an earlier tick has found it, */
	Datum		stored_row;		/* when this was the row */
} WeirSkipped;

/* Rows, or groups, of earlier ticks: a list of WeirSkipped without numbers. */
extern List *weir_skip_found_read(int32 aggregate_id, bool groups);

/* Those of the list that are not stored yet, copied to the current context. */
extern List *weir_skip_found_new(List *skipped);

/*
 * Store them for the next tick.  All of an aggregate's are forgotten when its
 * status becomes another, see weir_aggregate_set_progress.
 */
extern void weir_skip_found_store(int32 aggregate_id, List *skipped);

#endif							/* WEIR_SKIP_FOUND_H */
