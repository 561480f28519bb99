/*-------------------------------------------------------------------------
 *
 * state_order.h
 *	  Which state rows are equal in keys, and their order by these.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STATE_ORDER_H
#define WEIR_STATE_ORDER_H

#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/tuplesort.h"

#include "aggregate/partial.h"

/* equality of keys, as the query means it */
typedef struct WeirKeyEquality
{
	int			nkeys;
	FmgrInfo   *functions;
	Oid		   *collations;
	bool	   *is_ordered;		/* can it be sorted by? */
} WeirKeyEquality;

extern void weir_keys_init_equality(WeirKeyEquality *equality,
									const WeirDefinition *def);
extern bool weir_keys_equal(WeirKeyEquality *equality, const Datum *a,
							const bool *anull, const Datum *b,
							const bool *bnull);

/*
 * All rows of the source, sorted by keys, start and end of the window; there is
 * one of these at least, and all keys have an order.  To be ended by the caller.
 */
extern Tuplesortstate *weir_keys_sort(WeirDefinition *def,
									  WeirStateSource *source);

/*
 * All rows of the source, those of a group (of the same window and equal keys)
 * one after the other, whether keys have an order or not; "is_new" is the first
 * of a group.
 */
typedef void WeirGroupVisitor(TupleTableSlot *row, bool is_new, void *arg);

extern void weir_keys_visit_groups(WeirDefinition *def,
								   WeirStateSource *source,
								   WeirGroupVisitor *visit, void *arg);

#endif							/* WEIR_STATE_ORDER_H */
