/*-------------------------------------------------------------------------
 *
 * distinct.c
 *	  Sets of distinct values as states of an aggregate function.
 *
 * The server removes duplicates before it calls an aggregate function, so
 * partial results of f(DISTINCT x) can't be combined: a value may be in
 * several.  What can be combined is the set of values.  In a continuous
 * aggregate f(DISTINCT x) is therefore kept as weir._distinct_set(x), and f is
 * applied to the set at the end (distinct_apply.c).  Calls over the same
 * values share the set.
 *
 * A stored set is not unpacked to be combined: "deserialized", it is a view of
 * its bytes (distinct_set.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "weir.h"
#include "aggregate/distinct.h"
#include "aggregate/distinct_set.h"

PG_FUNCTION_INFO_V1(weir__distinct_trans);
PG_FUNCTION_INFO_V1(weir__distinct_combine);
PG_FUNCTION_INFO_V1(weir__distinct_serial);
PG_FUNCTION_INFO_V1(weir__distinct_deserial);

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "function was called outside of an aggregate");
	return context;
}

/* A new set; what there is to know about the type is kept for the next one. */
static WeirDistinctSet *
create_set(FunctionCallInfo fcinfo, Oid type)
{
	MemoryContext context = aggregate_context(fcinfo);
	WeirDistinctType *dtype = fcinfo->flinfo->fn_extra;

	if (dtype == NULL ||
		!weir_distinct_type_is(dtype, type, PG_GET_COLLATION()))
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		dtype = weir_distinct_type(type, PG_GET_COLLATION());
		fcinfo->flinfo->fn_extra = dtype;
		MemoryContextSwitchTo(old);
	}
	return weir_distinct_create(context, dtype);
}

Datum
weir__distinct_trans(PG_FUNCTION_ARGS)
{
	WeirDistinctSet *set;

	if (PG_ARGISNULL(0))
		set = create_set(fcinfo, get_fn_expr_argtype(fcinfo->flinfo, 1));
	else
		set = (WeirDistinctSet *) PG_GETARG_POINTER(0);
	if (PG_ARGISNULL(1))
		weir_distinct_add_null(set);
	else
		weir_distinct_add(set, PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(set);
}

/* The second one, as bytes, is added to the first. */
Datum
weir__distinct_combine(PG_FUNCTION_ARGS)
{
	WeirDistinctSet *set = PG_ARGISNULL(0) ? NULL :
		(WeirDistinctSet *) PG_GETARG_POINTER(0);
	WeirDistinctSet *view;

	if (!PG_ARGISNULL(1))
	{
		view = (WeirDistinctSet *) PG_GETARG_POINTER(1);
		if (set == NULL)
			set = create_set(fcinfo, weir_distinct_view_type(view));
		weir_distinct_add_view(set, view);
	}
	if (set == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(set);
}

Datum
weir__distinct_serial(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(weir_distinct_pack((WeirDistinctSet *) PG_GETARG_POINTER(0)));
}

/* In the context of the call: it is combined at once. */
Datum
weir__distinct_deserial(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_POINTER(weir_distinct_view(PG_GETARG_BYTEA_PP(0)));
}

/* ---------- expressions ---------- */

Aggref *
weir_distinct_set(const Aggref *aggref)
{
	Aggref	   *set = makeNode(Aggref);
	Oid			argtypes[1] = {ANYELEMENTOID};
	TargetEntry *arg = linitial_node(TargetEntry, aggref->args);

	set->aggfnoid = LookupFuncName(list_make2(makeString(WEIR_SCHEMA),
											  makeString(pstrdup("_distinct_set"))),
								   1, argtypes, false);
	set->aggtype = BYTEAOID;
	set->inputcollid = aggref->inputcollid;
	set->aggargtypes = list_make1_oid(exprType((Node *) arg->expr));
	set->args = list_make1(makeTargetEntry(copyObject(arg->expr), 1, NULL, false));
	set->aggfilter = copyObject(aggref->aggfilter);
	set->aggkind = AGGKIND_NORMAL;
	set->aggsplit = AGGSPLIT_SIMPLE;
	set->aggno = -1;
	set->aggtransno = -1;
	set->location = -1;
	return set;
}
