/*-------------------------------------------------------------------------
 *
 * plain_state.h
 *	  States that are results, combined without an aggregation node.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_PLAIN_STATE_H
#define WEIR_PLAIN_STATE_H

#include "aggregate/definition.h"

typedef struct WeirPlainStates WeirPlainStates;

/*
 * How to combine the states of the definition, made in the current context;
 * NULL if one of them is not plain.
 */
extern WeirPlainStates *weir_plain_states(const WeirDefinition *def);

/*
 * Of state rows: take the states of the first row of a group, and add those of
 * another.  What is not passed by value is copied to the current context, and
 * must stay there until the group is done.
 */
extern void weir_plain_begin(WeirPlainStates *states, Datum *values,
							 bool *isnull, const Datum *row,
							 const bool *row_isnull);
extern void weir_plain_add(WeirPlainStates *states, Datum *values,
						   bool *isnull, const Datum *row,
						   const bool *row_isnull);

#endif							/* WEIR_PLAIN_STATE_H */
