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

/* the constant that an argument is, from 0, or NULL */
extern Const *weir_distinct_constant(const Aggref *aggref, int number);

/*
 * The result of the call, from the set; arguments beyond the first are
 * constants.
 */
extern Expr *weir_distinct_apply(const Aggref *aggref, Expr *set);

#endif							/* WEIR_DISTINCT_H */
