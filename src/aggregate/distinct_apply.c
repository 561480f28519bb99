/*-------------------------------------------------------------------------
 *
 * distinct_apply.c
 *	  The result of an aggregate function over a set of distinct values.
 *
 * The function is called value by value, in the order of the type and NULL
 * last, as the server calls it after it has sorted; with a state node of
 * nodeAgg.c as its context.  count needs no look at the values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "weir.h"
#include "aggregate/distinct.h"
#include "aggregate/distinct_set.h"

PG_FUNCTION_INFO_V1(weir__distinct_apply);

/* A call of an aggregate function, as weir._distinct_apply is told of it. */
typedef struct DistinctCall
{
	Oid			aggfnoid;
	Oid			argtype;
} DistinctCall;

/* The function, and a state node that it is called with as its context. */
typedef struct Applied
{
	WeirDistinctType *type;		/* of the values */
	bool		is_count;		/* count(DISTINCT x) */
	FmgrInfo	transfn;
	FmgrInfo	finalfn;		/* fn_oid is 0 if there is none */
	int			final_nargs;
	Oid			collation;
	int16		translen;
	bool		transbyval;
	Datum		initial;
	bool		initial_is_null;
	AggState   *aggstate;
	ExprContext *econtext;		/* of one set */
} Applied;

static Datum
initial_value(Datum literal, Oid transtype)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(transtype, &input, &ioparam);
	return OidInputFunctionCall(input, TextDatumGetCString(literal), ioparam, -1);
}

/*
 * Look up what is needed to call the aggregate function as nodeAgg.c does.
 */
static Applied *
look_up(const DistinctCall *agg, Oid resulttype, Oid collation)
{
	Applied    *applied = palloc0(sizeof(Applied));
	HeapTuple	tuple = SearchSysCache1(AGGFNOID,
										ObjectIdGetDatum(agg->aggfnoid));
	Form_pg_aggregate form;
	Oid			argtype = agg->argtype;
	Oid			transtype;
	Expr	   *expr;
	Datum		literal;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", agg->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	transtype = resolve_aggregate_transtype(agg->aggfnoid, form->aggtranstype,
											&argtype, 1);
	get_typlenbyval(transtype, &applied->translen, &applied->transbyval);
	applied->collation = collation;
	applied->type = weir_distinct_type(argtype, collation);
	applied->is_count = agg->aggfnoid == F_COUNT_ANY;

	fmgr_info(form->aggtransfn, &applied->transfn);
	build_aggregate_transfn_expr(&argtype, 1, 0, false, transtype,
								 applied->collation, form->aggtransfn,
								 InvalidOid, &expr, NULL);
	fmgr_info_set_expr((Node *) expr, &applied->transfn);
	if (OidIsValid(form->aggfinalfn))
	{
		applied->final_nargs = form->aggfinalextra ? 2 : 1;
		fmgr_info(form->aggfinalfn, &applied->finalfn);
		build_aggregate_finalfn_expr(&argtype, applied->final_nargs, transtype,
									 resulttype, applied->collation,
									 form->aggfinalfn, &expr);
		fmgr_info_set_expr((Node *) expr, &applied->finalfn);
	}
	literal = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval,
							  &applied->initial_is_null);
	if (!applied->initial_is_null)
		applied->initial = initial_value(literal, transtype);
	ReleaseSysCache(tuple);

	applied->econtext = CreateStandaloneExprContext();
	applied->aggstate = makeNode(AggState);
	applied->aggstate->curaggcontext = applied->econtext;
	return applied;
}

/* The state after one more value; states live in the context of the set. */
static void
advance(Applied *applied, NullableDatum *state, bool *has_state, Datum value,
		bool isnull)
{
	LOCAL_FCINFO(call, 2);
	MemoryContext old;
	Datum		result;

	if (applied->transfn.fn_strict)
	{
		if (isnull)
			return;
		if (!*has_state)
		{
			/* the first value is the state, see nodeAgg.c */
			old = MemoryContextSwitchTo(applied->econtext->ecxt_per_tuple_memory);
			state->value = datumCopy(value, applied->transbyval,
									 applied->translen);
			MemoryContextSwitchTo(old);
			state->isnull = false;
			*has_state = true;
			return;
		}
		if (state->isnull)
			return;
	}
	InitFunctionCallInfoData(*call, &applied->transfn, 2, applied->collation,
							 (Node *) applied->aggstate, NULL);
	call->args[0] = *state;
	call->args[1].value = value;
	call->args[1].isnull = isnull;
	old = MemoryContextSwitchTo(applied->econtext->ecxt_per_tuple_memory);
	result = FunctionCallInvoke(call);
	MemoryContextSwitchTo(old);
	state->value = result;
	state->isnull = call->isnull;
	*has_state = true;
}

static Datum
finish(Applied *applied, NullableDatum *state, bool *isnull)
{
	LOCAL_FCINFO(call, 2);
	Datum		result;

	if (!OidIsValid(applied->finalfn.fn_oid))
	{
		*isnull = state->isnull;
		return state->value;
	}
	if (applied->finalfn.fn_strict &&
		(state->isnull || applied->final_nargs > 1))
	{
		*isnull = true;
		return (Datum) 0;
	}
	InitFunctionCallInfoData(*call, &applied->finalfn, applied->final_nargs,
							 applied->collation, (Node *) applied->aggstate,
							 NULL);
	call->args[0] = *state;
	call->args[1].value = (Datum) 0;
	call->args[1].isnull = true;
	result = FunctionCallInvoke(call);
	*isnull = call->isnull;
	return result;
}

/* Call the function for each value; has_state: *state is the initial one. */
static void
advance_over_set(Applied *applied, const WeirDistinctSet *set,
				 NullableDatum *state, bool has_state)
{
	int64		n = weir_distinct_count(set);
	MemoryContext old;
	Datum	   *values;
	int64		i;

	old = MemoryContextSwitchTo(applied->econtext->ecxt_per_tuple_memory);
	values = weir_distinct_values(set, applied->type);
	MemoryContextSwitchTo(old);
	for (i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		advance(applied, state, &has_state, values[i], false);
	}
	if (weir_distinct_has_null(set))
		advance(applied, state, &has_state, (Datum) 0, true);
}

/* The function over no value, or over those of the set. */
static Datum
apply(Applied *applied, const WeirDistinctSet *set, bool *isnull)
{
	NullableDatum state;

	ReScanExprContext(applied->econtext);
	state.isnull = applied->initial_is_null;
	state.value = (Datum) 0;
	if (!state.isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(applied->econtext->ecxt_per_tuple_memory);

		state.value = datumCopy(applied->initial, applied->transbyval,
								applied->translen);
		MemoryContextSwitchTo(old);
	}
	if (set != NULL)
		advance_over_set(applied, set, &state, !state.isnull);
	return finish(applied, &state, isnull);
}

Datum
weir__distinct_apply(PG_FUNCTION_ARGS)
{
	Oid			resulttype = get_fn_expr_rettype(fcinfo->flinfo);
	Applied    *applied = fcinfo->flinfo->fn_extra;
	WeirDistinctSet *set = NULL;
	bool		isnull;
	Datum		result;

	if (applied == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		applied = look_up((DistinctCall *) PG_GETARG_POINTER(1), resulttype,
						  PG_GET_COLLATION());
		fcinfo->flinfo->fn_extra = applied;
		MemoryContextSwitchTo(old);
	}
	if (!PG_ARGISNULL(0))
		set = weir_distinct_view(PG_GETARG_BYTEA_PP(0));
	if (applied->is_count)
		PG_RETURN_INT64(set == NULL ? 0 : weir_distinct_count(set));
	result = apply(applied, set, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(datumCopy(result, get_typbyval(resulttype),
							  get_typlen(resulttype)));
}

/* ---------- expressions ---------- */

/* The expression must not outlive the current memory context. */
Expr *
weir_distinct_apply(const Aggref *aggref, Expr *set)
{
	Oid			argtypes[3] = {BYTEAOID, INTERNALOID, ANYELEMENTOID};
	DistinctCall *call = palloc(sizeof(DistinctCall));
	Const	   *pointer;
	Oid			funcid;

	funcid = LookupFuncName(list_make2(makeString(WEIR_SCHEMA),
									   makeString(pstrdup("_distinct_apply"))),
							3, argtypes, false);
	call->aggfnoid = aggref->aggfnoid;
	call->argtype = linitial_oid(aggref->aggargtypes);
	pointer = makeConst(INTERNALOID, -1, InvalidOid, sizeof(Datum),
						PointerGetDatum(call), false, true);
	return (Expr *) makeFuncExpr(funcid, aggref->aggtype,
								 list_make3(set, pointer,
											makeNullConst(aggref->aggtype, -1,
														  aggref->aggcollid)),
								 aggref->aggcollid, aggref->inputcollid,
								 COERCE_EXPLICIT_CALL);
}
