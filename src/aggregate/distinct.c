/*-------------------------------------------------------------------------
 *
 * distinct.c
 *	  Aggregate functions over distinct values.
 *
 * The server removes duplicates before it calls an aggregate function, so
 * partial results of f(DISTINCT x) can't be combined: a value may be in
 * several.  What can be combined is the set of values.  In a continuous
 * aggregate f(DISTINCT x) is therefore kept as weir._distinct_set(x), and f is
 * applied to the set at the end.  Calls over the same values share the set.
 *
 * A set is an array of values that is sorted, without duplicates, and some
 * unsorted ones behind it; when these outnumber the others all are sorted
 * anew.  Equality and order are those of the type's btree operator class and
 * the collation of the call, as in the server.  Bytes of a stored set: those
 * of an array of the type, as the server stores arrays, after its length word.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/nodeAgg.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_agg.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "weir.h"
#include "aggregate/distinct.h"

PG_FUNCTION_INFO_V1(weir__distinct_trans);
PG_FUNCTION_INFO_V1(weir__distinct_combine);
PG_FUNCTION_INFO_V1(weir__distinct_serial);
PG_FUNCTION_INFO_V1(weir__distinct_deserial);
PG_FUNCTION_INFO_V1(weir__distinct_apply);

/* Unsorted values that a set may have at any size. */
#define MIN_UNSORTED	64

typedef struct DistinctSet
{
	MemoryContext context;		/* of the values */
	Oid			type;
	Oid			collation;		/* InvalidOid after deserialization, too */
	TypeCacheEntry *typcache;
	Datum	   *values;
	int			nsorted;		/* values in front that are sorted, distinct */
	int			nvalues;
	int			max_values;
	bool		has_null;
} DistinctSet;

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "function was called outside of an aggregate");
	return context;
}

/* ---------- sets ---------- */

static DistinctSet *
create_set(MemoryContext context, Oid type, Oid collation)
{
	DistinctSet *set = MemoryContextAllocZero(context, sizeof(DistinctSet));

	set->context = context;
	set->type = type;
	set->collation = collation;
	set->typcache = lookup_type_cache(type, TYPECACHE_CMP_PROC_FINFO);
	if (!OidIsValid(set->typcache->cmp_proc_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify a comparison function for type %s",
						format_type_be(type))));
	return set;
}

static inline int
compare(DistinctSet *set, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&set->typcache->cmp_proc_finfo,
										   set->collation, a, b));
}

static int
compare_values(const void *a, const void *b, void *arg)
{
	CHECK_FOR_INTERRUPTS();
	return compare(arg, *(const Datum *) a, *(const Datum *) b);
}

static void
forget_value(DistinctSet *set, Datum value)
{
	if (!set->typcache->typbyval)
		pfree(DatumGetPointer(value));
}

/* Sort all values and drop duplicates. */
static void
settle(DistinctSet *set)
{
	int			kept = 0;
	int			i;

	if (set->nsorted == set->nvalues)
		return;
	qsort_arg(set->values, set->nvalues, sizeof(Datum), compare_values, set);
	for (i = 1; i < set->nvalues; i++)
	{
		if (compare(set, set->values[kept], set->values[i]) == 0)
			forget_value(set, set->values[i]);
		else
			set->values[++kept] = set->values[i];
	}
	set->nvalues = set->nsorted = kept + 1;
}

/* Is the value among the sorted ones? */
static bool
is_known(DistinctSet *set, Datum value)
{
	int			low = 0;
	int			high = set->nsorted;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		int			order = compare(set, set->values[middle], value);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void
make_room(DistinctSet *set, int values)
{
	if (values <= set->max_values)
		return;
	if (values > MaxAllocHugeSize / sizeof(Datum) / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many distinct values")));
	set->max_values = Max(values, Max(set->max_values * 2, 8));
	if (set->values == NULL)
		set->values = MemoryContextAlloc(set->context,
										 sizeof(Datum) * set->max_values);
	else
		set->values = repalloc_huge(set->values,
									sizeof(Datum) * set->max_values);
}

/* The value is copied. */
static void
add_value(DistinctSet *set, Datum value)
{
	MemoryContext old;

	if (is_known(set, value))
		return;
	if (set->nvalues - set->nsorted >= Max(set->nsorted, MIN_UNSORTED))
		settle(set);
	make_room(set, set->nvalues + 1);
	old = MemoryContextSwitchTo(set->context);
	if (set->typcache->typlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, set->typcache->typbyval, set->typcache->typlen);
	MemoryContextSwitchTo(old);
	set->values[set->nvalues++] = value;
}

/* ---------- the aggregate of sets ---------- */

Datum
weir__distinct_trans(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	DistinctSet *set = PG_ARGISNULL(0) ? NULL :
		(DistinctSet *) PG_GETARG_POINTER(0);

	if (set == NULL)
		set = create_set(context, get_fn_expr_argtype(fcinfo->flinfo, 1),
						 PG_GET_COLLATION());
	if (PG_ARGISNULL(1))
		set->has_null = true;
	else
		add_value(set, PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(set);
}

/* The second one is added to the first. */
Datum
weir__distinct_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	DistinctSet *a = PG_ARGISNULL(0) ? NULL : (DistinctSet *) PG_GETARG_POINTER(0);
	DistinctSet *b = PG_ARGISNULL(1) ? NULL : (DistinctSet *) PG_GETARG_POINTER(1);
	int			i;

	if (b == NULL)
	{
		if (a == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(a);
	}
	if (a == NULL)
		a = create_set(context, b->type, PG_GET_COLLATION());
	if (a->type != b->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sets of different types cannot be combined")));
	for (i = 0; i < b->nvalues; i++)
		add_value(a, b->values[i]);
	a->has_null |= b->has_null;
	PG_RETURN_POINTER(a);
}

Datum
weir__distinct_serial(PG_FUNCTION_ARGS)
{
	DistinctSet *set = (DistinctSet *) PG_GETARG_POINTER(0);
	TypeCacheEntry *type = set->typcache;
	Datum	   *values;
	bool	   *isnull;
	int			dims[1];
	int			lower[1] = {1};

	settle(set);
	dims[0] = set->nvalues + set->has_null;
	values = palloc(sizeof(Datum) * Max(dims[0], 1));
	isnull = palloc0(sizeof(bool) * Max(dims[0], 1));
	if (set->nvalues > 0)
		memcpy(values, set->values, sizeof(Datum) * set->nvalues);
	if (set->has_null)
		isnull[set->nvalues] = true;
	PG_RETURN_BYTEA_P((bytea *) construct_md_array(values, isnull, 1, dims, lower,
												   set->type, type->typlen,
												   type->typbyval,
												   type->typalign));
}

/* The values of a stored set, not copied; NULL, if it is one, is the last. */
static void
unpack_set(ArrayType *array, TypeCacheEntry *type, Datum **values, int *n,
		   bool *has_null)
{
	bool	   *isnull;

	if (ARR_NDIM(array) > 1 || ARR_ELEMTYPE(array) != type->type_id)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid stored set of distinct values")));
	deconstruct_array(array, type->type_id, type->typlen, type->typbyval,
					  type->typalign, values, &isnull, n);
	*has_null = *n > 0 && isnull[*n - 1];
	if (*has_null)
		(*n)--;
}

Datum
weir__distinct_deserial(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	ArrayType  *array = (ArrayType *) PG_GETARG_BYTEA_P_COPY(0);
	DistinctSet *set;
	Datum	   *values;
	int			n;

	if (VARSIZE(array) < sizeof(ArrayType))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid stored set of distinct values")));
	set = create_set(context, ARR_ELEMTYPE(array), InvalidOid);
	unpack_set(array, set->typcache, &values, &n, &set->has_null);
	make_room(set, n);
	if (n > 0)
		memcpy(set->values, values, sizeof(Datum) * n);
	set->nvalues = set->nsorted = n;
	PG_RETURN_POINTER(set);
}

/* ---------- applying an aggregate function to a set ---------- */

/* A call of an aggregate function, as weir._distinct_apply is told of it. */
typedef struct DistinctCall
{
	Oid			aggfnoid;
	Oid			argtype;
} DistinctCall;

/* The function, and a state node that it is called with as its context. */
typedef struct Applied
{
	TypeCacheEntry *type;		/* of the values */
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
	applied->type = lookup_type_cache(argtype, 0);

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

/*
 * NULLs come last in a set, as in the server's sort order.
 */
static void
advance_over_set(Applied *applied, bytea *set, NullableDatum *state,
				 bool *has_state)
{
	Datum	   *values;
	int			n;
	bool		has_null;
	int			i;

	unpack_set((ArrayType *) set, applied->type, &values, &n, &has_null);
	for (i = 0; i < n; i++)
		advance(applied, state, has_state, values[i], false);
	if (has_null)
		advance(applied, state, has_state, (Datum) 0, true);
}

Datum
weir__distinct_apply(PG_FUNCTION_ARGS)
{
	Oid			resulttype = get_fn_expr_rettype(fcinfo->flinfo);
	Applied    *applied = fcinfo->flinfo->fn_extra;
	NullableDatum state;
	bool		has_state;
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
	ReScanExprContext(applied->econtext);
	state.isnull = applied->initial_is_null;
	state.value = (Datum) 0;
	has_state = !state.isnull;
	if (has_state)
	{
		MemoryContext old = MemoryContextSwitchTo(applied->econtext->ecxt_per_tuple_memory);

		state.value = datumCopy(applied->initial, applied->transbyval,
								applied->translen);
		MemoryContextSwitchTo(old);
	}
	if (!PG_ARGISNULL(0))
		advance_over_set(applied, PG_GETARG_BYTEA_P(0), &state, &has_state);
	result = finish(applied, &state, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(datumCopy(result, get_typbyval(resulttype),
							  get_typlen(resulttype)));
}

/* ---------- expressions ---------- */

static Oid
own_function(const char *name, int nargs, const Oid *argtypes)
{
	return LookupFuncName(list_make2(makeString(WEIR_SCHEMA),
									 makeString(pstrdup(name))),
						  nargs, argtypes, false);
}

Aggref *
weir_distinct_set(const Aggref *aggref)
{
	Aggref	   *set = makeNode(Aggref);
	Oid			argtypes[1] = {ANYELEMENTOID};
	TargetEntry *arg = linitial_node(TargetEntry, aggref->args);

	set->aggfnoid = own_function("_distinct_set", 1, argtypes);
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

/* The expression must not outlive the current memory context. */
Expr *
weir_distinct_apply(const Aggref *aggref, Expr *set)
{
	Oid			argtypes[3] = {BYTEAOID, INTERNALOID, ANYELEMENTOID};
	DistinctCall *call = palloc(sizeof(DistinctCall));
	Const	   *pointer;

	call->aggfnoid = aggref->aggfnoid;
	call->argtype = linitial_oid(aggref->aggargtypes);
	pointer = makeConst(INTERNALOID, -1, InvalidOid, sizeof(Datum),
						PointerGetDatum(call), false, true);
	return (Expr *) makeFuncExpr(own_function("_distinct_apply", 3, argtypes),
								 aggref->aggtype,
								 list_make3(set, pointer,
											makeNullConst(aggref->aggtype, -1,
														  aggref->aggcollid)),
								 aggref->aggcollid, aggref->inputcollid,
								 COERCE_EXPLICIT_CALL);
}
