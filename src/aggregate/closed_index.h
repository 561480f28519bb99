/*-------------------------------------------------------------------------
 *
 * closed_index.h
 *	  The indexes that the table of closed rows has at first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CLOSED_INDEX_H
#define WEIR_CLOSED_INDEX_H

#include "aggregate/aggregate.h"
#include "aggregate/definition.h"

/* statements that create them */
extern List *weir_closed_default_indexes(const WeirDefinition *def,
										 TupleDesc columns,
										 const char *table);

/* keys among the columns of the result that can be sorted: list of attnums */
extern List *weir_closed_key_columns(const WeirDefinition *def,
									 TupleDesc columns);

/* the column that tells windows apart, or 0 */
extern AttrNumber weir_closed_window_column(const WeirDefinition *def);

/*
 * weir_failure_attempt of what may close windows of the aggregate.  If that
 * fails because a key is too large for the default index on keys, the index is
 * dropped and the function is run again.
 */
extern ErrorData *weir_closed_attempt(int32 aggregate_id,
									  void (*function) (void *arg), void *arg);

#endif							/* WEIR_CLOSED_INDEX_H */
