/*-------------------------------------------------------------------------
 *
 * distinct_row.h
 *	  Numbers of distinct rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DISTINCT_ROW_H
#define WEIR_DISTINCT_ROW_H

#include "nodes/primnodes.h"

/*
 * The call itself, or, of count(DISTINCT (a, b)), one with the same result
 * over values that can be stored.  NULL if there is none such.
 */
extern Aggref *weir_distinct_row(Aggref *aggref);

#endif							/* WEIR_DISTINCT_ROW_H */
