/*-------------------------------------------------------------------------
 *
 * state_order.c
 *	  Which state rows are equal in keys, and their order by these.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "miscadmin.h"
#include "parser/parse_oper.h"
#include "utils/lsyscache.h"

#include "weir.h"
#include "aggregate/state_order.h"

void
weir_keys_init_equality(WeirKeyEquality *equality, const WeirDefinition *def)
{
	ListCell   *lc;

	equality->nkeys = def->nkeys;
	equality->functions = palloc0(sizeof(FmgrInfo) * Max(def->nkeys, 1));
	equality->collations = palloc0(sizeof(Oid) * Max(def->nkeys, 1));
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);
		int			i = foreach_current_index(lc);

		fmgr_info(get_opcode(key->eqop), &equality->functions[i]);
		equality->collations[i] = key->collation;
	}
}

bool
weir_keys_equal(WeirKeyEquality *equality, const Datum *a, const bool *anull,
				const Datum *b, const bool *bnull)
{
	int			i;

	for (i = 0; i < equality->nkeys; i++)
	{
		if (anull[i] || bnull[i])
		{
			if (anull[i] != bnull[i])
				return false;
		}
		else if (!DatumGetBool(FunctionCall2Coll(&equality->functions[i],
												 equality->collations[i],
												 a[i], b[i])))
			return false;
	}
	return true;
}

bool
weir_keys_can_sort(const WeirDefinition *def)
{
	ListCell   *lc;

	foreach(lc, def->keys)
	{
		if (!OidIsValid(((WeirKey *) lfirst(lc))->sortop))
			return false;
	}
	return true;
}

static Tuplesortstate *
begin_sort(const WeirDefinition *def)
{
	int			n = def->nkeys + def->nwindow;
	AttrNumber *attnos = palloc(sizeof(AttrNumber) * n);
	Oid		   *operators = palloc(sizeof(Oid) * n);
	Oid		   *collations = palloc(sizeof(Oid) * n);
	bool	   *nulls_first = palloc0(sizeof(bool) * n);
	ListCell   *lc;
	int			i;

	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);

		i = foreach_current_index(lc);
		attnos[i] = def->nwindow + i + 1;
		operators[i] = key->sortop;
		collations[i] = key->collation;
	}
	/* window_start is the second column, window_end the first */
	for (i = def->nkeys; i < n; i++)
	{
		attnos[i] = n - i;
		get_sort_group_operators(def->window_type, true, false, false,
								 &operators[i], NULL, NULL, NULL);
		collations[i] = InvalidOid;
	}
	return tuplesort_begin_heap(def->state_desc, n, attnos, operators,
								collations, nulls_first, work_mem, NULL,
								TUPLESORT_NONE);
}

Tuplesortstate *
weir_keys_sort(WeirDefinition *def, WeirStateSource *source)
{
	Tuplesortstate *sort = begin_sort(def);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(def->state_desc,
													&TTSOpsVirtual);

	while (source->next(source, slot))
	{
		CHECK_FOR_INTERRUPTS();
		tuplesort_puttupleslot(sort, slot);
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplesort_performsort(sort);
	return sort;
}
