/*-------------------------------------------------------------------------
 *
 * distinct.h
 *	  Aggregate functions over distinct values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DISTINCT_H
#define WEIR_DISTINCT_H

#include "nodes/primnodes.h"

/* The set of values that an aggregate call with DISTINCT is about. */
extern Aggref *weir_distinct_set(const Aggref *aggref);

/* The result of the call, from the set. */
extern Expr *weir_distinct_apply(const Aggref *aggref, Expr *set);

#endif							/* WEIR_DISTINCT_H */
