/*-------------------------------------------------------------------------
 *
 * state_query.h
 *	  Queries over state rows; for partial.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STATE_QUERY_H
#define WEIR_STATE_QUERY_H

#include "aggregate/definition.h"

/* a column of state rows, from 0 */
extern Expr *weir_state_var(const WeirDefinition *def, int column);

/* the aggregate function, number so and so of the definition, over its states */
extern Expr *weir_state_aggref(const WeirDefinition *def, Aggref *aggref,
							   int number);

/* a query that reads state rows, about so many, and puts out nothing yet */
extern Query *weir_state_query(WeirDefinition *def, double rows);

/*
 * The definition's query over them, as if it aggregated in one step; if they are
 * combined (see WeirStateSource), there is nothing to aggregate.
 */
extern Query *weir_state_query_finish(WeirDefinition *def, double rows,
									  bool is_combined);

#endif							/* WEIR_STATE_QUERY_H */
