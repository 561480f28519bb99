/*-------------------------------------------------------------------------
 *
 * state_order.c
 *	  Which state rows are equal in keys, and their order by these.
 *
 * Keys that have no order, only hash functions, are sorted by the hash of all of
 * them, after those that have one.  Among the rows that this leaves together, most
 * of the time those of a single group, groups are told apart by going through
 * them once for each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "parser/parse_oper.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/state_order.h"

void
weir_keys_init_equality(WeirKeyEquality *equality, const WeirDefinition *def)
{
	ListCell   *lc;

	equality->nkeys = def->nkeys;
	equality->functions = palloc0(sizeof(FmgrInfo) * Max(def->nkeys, 1));
	equality->collations = palloc0(sizeof(Oid) * Max(def->nkeys, 1));
	equality->is_ordered = palloc0(sizeof(bool) * Max(def->nkeys, 1));
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);
		int			i = foreach_current_index(lc);

		fmgr_info(get_opcode(key->eqop), &equality->functions[i]);
		equality->collations[i] = key->collation;
		equality->is_ordered[i] = OidIsValid(key->sortop);
	}
}

/* All keys, or those that have an order? */
static inline bool
keys_equal(WeirKeyEquality *equality, bool only_ordered, const Datum *a,
		   const bool *anull, const Datum *b, const bool *bnull)
{
	int			i;

	for (i = 0; i < equality->nkeys; i++)
	{
		if (only_ordered && !equality->is_ordered[i])
			continue;
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
weir_keys_equal(WeirKeyEquality *equality, const Datum *a, const bool *anull,
				const Datum *b, const bool *bnull)
{
	return keys_equal(equality, false, a, anull, b, bnull);
}

/* ---------- sorting ---------- */

/* Of state rows, or of such with a hash in the column before theirs. */
static Tuplesortstate *
begin_sort(const WeirDefinition *def, TupleDesc desc, bool has_hash)
{
	int			max = def->nkeys + def->nwindow + 1;
	AttrNumber *attnos = palloc(sizeof(AttrNumber) * max);
	Oid		   *operators = palloc(sizeof(Oid) * max);
	Oid		   *collations = palloc0(sizeof(Oid) * max);
	bool	   *nulls_first = palloc0(sizeof(bool) * max);
	int			before = has_hash ? 1 : 0;
	int			n = 0;
	ListCell   *lc;
	int			i;

	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);

		if (has_hash && !OidIsValid(key->sortop))
			continue;
		attnos[n] = before + def->nwindow + foreach_current_index(lc) + 1;
		operators[n] = key->sortop;
		collations[n] = key->collation;
		n++;
	}
	/* window_start is the second column, window_end the first */
	for (i = def->nwindow; i > 0; i--)
	{
		attnos[n] = before + i;
		get_sort_group_operators(def->window_type, true, false, false,
								 &operators[n], NULL, NULL, NULL);
		n++;
	}
	if (has_hash)
	{
		attnos[n] = 1;
		operators[n] = Int4LessOperator;
		n++;
	}
	return tuplesort_begin_heap(desc, n, attnos, operators, collations,
								nulls_first, work_mem, NULL, TUPLESORT_NONE);
}

Tuplesortstate *
weir_keys_sort(WeirDefinition *def, WeirStateSource *source)
{
	Tuplesortstate *sort = begin_sort(def, def->state_desc, false);
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

/* ---------- groups ---------- */

/* A visit of all groups. */
typedef struct GroupVisit
{
	WeirDefinition *def;
	WeirKeyEquality keys;
	TupleTableSlot *first;		/* the first row of the group; empty: none yet */
	WeirGroupVisitor *visit;
	void	   *arg;
} GroupVisit;

/* Is the row of the group, or, as far as it is sorted by, can be? */
static bool
is_like_first(GroupVisit *visit, bool only_ordered, TupleTableSlot *row)
{
	TupleTableSlot *first = visit->first;
	int			nwindow = visit->def->nwindow;
	int			i;

	if (TTS_EMPTY(first))
		return false;
	for (i = 0; i < nwindow; i++)
	{
		if (first->tts_values[i] != row->tts_values[i])
			return false;
	}
	return keys_equal(&visit->keys, only_ordered,
					  first->tts_values + nwindow, first->tts_isnull + nwindow,
					  row->tts_values + nwindow, row->tts_isnull + nwindow);
}

/* The row's values have been fetched. */
static void
visit_row(GroupVisit *visit, TupleTableSlot *row, bool is_new)
{
	CHECK_FOR_INTERRUPTS();
	if (is_new)
	{
		ExecCopySlot(visit->first, row);
		slot_getallattrs(visit->first);
	}
	visit->visit(row, is_new, visit->arg);
}

static void
visit_in_order(GroupVisit *visit, WeirStateSource *source)
{
	Tuplesortstate *sort = weir_keys_sort(visit->def, source);
	TupleTableSlot *row = MakeSingleTupleTableSlot(visit->def->state_desc,
												   &TTSOpsMinimalTuple);

	while (tuplesort_gettupleslot(sort, true, false, row, NULL))
	{
		slot_getallattrs(row);
		visit_row(visit, row, !is_like_first(visit, false, row));
	}
	ExecDropSingleTupleTableSlot(row);
	tuplesort_end(sort);
}

/* There is a single group. */
static void
visit_all(GroupVisit *visit, WeirStateSource *source)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(visit->def->state_desc,
												   &TTSOpsVirtual);

	while (source->next(source, row))
	{
		visit_row(visit, row, TTS_EMPTY(visit->first));
		ExecClearTuple(row);
	}
	ExecDropSingleTupleTableSlot(row);
}

/* ---------- groups of keys without an order ---------- */

/* State rows with a hash in front. */
static TupleDesc
hashed_desc(const WeirDefinition *def)
{
	int			natts = def->state_desc->natts;
	TupleDesc	desc = CreateTemplateTupleDesc(natts + 1);
	int			i;

	TupleDescInitEntry(desc, 1, "hash", INT4OID, -1, 0);
	for (i = 1; i <= natts; i++)
		TupleDescCopyEntry(desc, i + 1, def->state_desc, i);
	return desc;
}

/* The functions, in the order of the keys; those that have an order need none. */
static FmgrInfo *
hash_functions(const WeirDefinition *def)
{
	FmgrInfo   *functions = palloc0(sizeof(FmgrInfo) * def->nkeys);
	ListCell   *lc;

	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);
		RegProcedure left;
		RegProcedure right;

		if (OidIsValid(key->sortop))
			continue;
		if (!get_op_hash_functions(key->eqop, &left, &right))
			elog(ERROR, "could not find hash function for operator %u",
				 key->eqop);
		fmgr_info(left, &functions[foreach_current_index(lc)]);
	}
	return functions;
}

static uint32
hash_row(const GroupVisit *visit, FmgrInfo *functions, TupleTableSlot *row)
{
	const Datum *values = row->tts_values + visit->def->nwindow;
	const bool *isnull = row->tts_isnull + visit->def->nwindow;
	uint32		hash = 0;
	int			i;

	for (i = 0; i < visit->keys.nkeys; i++)
	{
		if (!visit->keys.is_ordered[i] && !isnull[i])
			hash = hash_combine(hash,
								DatumGetUInt32(FunctionCall1Coll(&functions[i],
																 visit->keys.collations[i],
																 values[i])));
	}
	return hash;
}

static Tuplesortstate *
sort_hashed(GroupVisit *visit, TupleDesc desc, WeirStateSource *source)
{
	Tuplesortstate *sort = begin_sort(visit->def, desc, true);
	FmgrInfo   *functions = hash_functions(visit->def);
	TupleTableSlot *row = MakeSingleTupleTableSlot(visit->def->state_desc,
												   &TTSOpsVirtual);
	TupleTableSlot *hashed = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);

	while (source->next(source, row))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(row);
		hashed->tts_values[0] = UInt32GetDatum(hash_row(visit, functions, row));
		hashed->tts_isnull[0] = false;
		memcpy(hashed->tts_values + 1, row->tts_values,
			   sizeof(Datum) * (desc->natts - 1));
		memcpy(hashed->tts_isnull + 1, row->tts_isnull,
			   sizeof(bool) * (desc->natts - 1));
		ExecStoreVirtualTuple(hashed);
		tuplesort_puttupleslot(sort, hashed);
		ExecClearTuple(hashed);
		ExecClearTuple(row);
	}
	ExecDropSingleTupleTableSlot(hashed);
	ExecDropSingleTupleTableSlot(row);
	tuplesort_performsort(sort);
	return sort;
}

static void
put_aside(Tuplestorestate **aside, TupleTableSlot *row)
{
	if (*aside == NULL)
		*aside = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_puttupleslot(*aside, row);
}

/* The groups of rows that were put aside, which is ended; NULL: there are none. */
static void
visit_aside(GroupVisit *visit, Tuplestorestate *aside)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(visit->def->state_desc,
												   &TTSOpsMinimalTuple);

	while (aside != NULL)
	{
		Tuplestorestate *rest = NULL;
		bool		is_new = true;

		while (tuplestore_gettupleslot(aside, true, false, row))
		{
			slot_getallattrs(row);
			if (is_new || is_like_first(visit, false, row))
				visit_row(visit, row, is_new);
			else
				put_aside(&rest, row);
			is_new = false;
		}
		tuplestore_end(aside);
		aside = rest;
	}
	ExecDropSingleTupleTableSlot(row);
}

static void
visit_by_hash(GroupVisit *visit, WeirStateSource *source)
{
	TupleDesc	desc = hashed_desc(visit->def);
	Tuplesortstate *sort = sort_hashed(visit, desc, source);
	TupleTableSlot *hashed = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *row = MakeSingleTupleTableSlot(visit->def->state_desc,
												   &TTSOpsVirtual);
	Tuplestorestate *aside = NULL;
	int32		hash = 0;

	while (tuplesort_gettupleslot(sort, true, false, hashed, NULL))
	{
		slot_getallattrs(hashed);
		memcpy(row->tts_values, hashed->tts_values + 1,
			   sizeof(Datum) * (desc->natts - 1));
		memcpy(row->tts_isnull, hashed->tts_isnull + 1,
			   sizeof(bool) * (desc->natts - 1));
		ExecStoreVirtualTuple(row);
		if (hash != DatumGetInt32(hashed->tts_values[0]) ||
			!is_like_first(visit, true, row))
		{
			visit_aside(visit, aside);
			aside = NULL;
			hash = DatumGetInt32(hashed->tts_values[0]);
			visit_row(visit, row, true);
		}
		else if (is_like_first(visit, false, row))
			visit_row(visit, row, false);
		else
			put_aside(&aside, row);
		ExecClearTuple(row);
	}
	visit_aside(visit, aside);
	ExecDropSingleTupleTableSlot(row);
	ExecDropSingleTupleTableSlot(hashed);
	tuplesort_end(sort);
}

void
weir_keys_visit_groups(WeirDefinition *def, WeirStateSource *source,
					   WeirGroupVisitor *visitor, void *arg)
{
	GroupVisit	visit = {def};
	bool		all_ordered = true;
	int			i;

	weir_keys_init_equality(&visit.keys, def);
	visit.first = MakeSingleTupleTableSlot(def->state_desc, &TTSOpsMinimalTuple);
	visit.visit = visitor;
	visit.arg = arg;
	for (i = 0; i < def->nkeys; i++)
		all_ordered = all_ordered && visit.keys.is_ordered[i];
	if (def->nwindow + def->nkeys == 0)
		visit_all(&visit, source);
	else if (all_ordered)
		visit_in_order(&visit, source);
	else
		visit_by_hash(&visit, source);
	ExecDropSingleTupleTableSlot(visit.first);
}
