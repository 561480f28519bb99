/*-------------------------------------------------------------------------
 *
 * state_order.h
 *	  Which state rows are equal in keys, and their order by these.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STATE_ORDER_H
#define WEIR_STATE_ORDER_H

#include "fmgr.h"
#include "utils/tuplesort.h"

#include "aggregate/partial.h"

/* equality of keys, as the query means it */
typedef struct WeirKeyEquality
{
	int			nkeys;
	FmgrInfo   *functions;
	Oid		   *collations;
} WeirKeyEquality;

extern void weir_keys_init_equality(WeirKeyEquality *equality,
									const WeirDefinition *def);
extern bool weir_keys_equal(WeirKeyEquality *equality, const Datum *a,
							const bool *anull, const Datum *b,
							const bool *bnull);

/* Have all keys an order? */
extern bool weir_keys_can_sort(const WeirDefinition *def);

/*
 * All rows of the source, sorted by keys, start and end of the window; there is
 * one of these at least.  To be ended by the caller.
 */
extern Tuplesortstate *weir_keys_sort(WeirDefinition *def,
									  WeirStateSource *source);

#endif							/* WEIR_STATE_ORDER_H */
