/*-------------------------------------------------------------------------
 *
 * mutate_row.c
 *	  weir.mutate_row.
 *
 * A call usually has a list of set_cell calls.  To set up a call of a function
 * costs the executor more, each time a prepared statement is executed, than
 * such a function does; and its result is a value that is taken apart at
 * once.  So the planner, asked by a support function, makes of
 *
 *		mutate_row(t, key, set_cell(f, q, v, ts), m, ...)
 * the call
 *		_mutate_row(NULL, layout, t, key, f, q, v, ts, m, ...)
 *
 * The layout, a constant of type bytea, says what the arguments are:
 *
 *	offset	size	meaning										example
 *	0		1		row key: 1 if of type text, 0 if bytea		01
 *	1		1 each	mutations, in order							17 00
 *
 * where 00 is one argument of type mutation, and 10 to 15 and up are the four of
 * set_cell: bit 0 for a qualifier of type text, bits 1 and 2 for the type of
 * the value, a WeirValueKind.
 *
 * As the function has to believe the layout, nobody else may call it: its
 * first argument has type internal, of which SQL has no values, not even NULL.
 * As for functions of the language SQL that are put in line, the right to
 * execute the functions that are not called any more is checked here; who may
 * not execute this one, because all rights were taken away and some given back,
 * gets the calls as they are written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/planmain.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "storage/rowstore.h"
#include "types/json_list.h"
#include "weir.h"

#define LAYOUT_MUTATION		0x00
#define LAYOUT_SET_CELL		0x10
#define LAYOUT_TEXT_QUALIFIER	0x01
#define LAYOUT_VALUE_SHIFT	1

/* of _mutate_row: those before the mutations */
#define FIXED_ARGS	4

/* ---- execution ---- */

static void
write_list(WeirWideTable *table, WeirRowKey key, const WeirMutationList *list)
{
	WeirWriter *writer = weir_writer_open(table);

	weir_writer_put_list(writer, key, list);
	weir_writer_close(writer);
}

static Datum
mutate_row(FunctionCallInfo fcinfo, bool key_is_text)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												RowExclusiveLock, 0);
	WeirRowKey	key = weir_row_key_argument(fcinfo, 1, key_is_text);
	ArrayType  *mutations;
	WeirMutationList list;

	PreventCommandIfReadOnly("weir.mutate_row()");
	if (PG_ARGISNULL(2))
		weir_argument_is_null("list of mutations");
	mutations = PG_GETARG_ARRAYTYPE_P(2);
	if (ArrayGetNItems(ARR_NDIM(mutations), ARR_DIMS(mutations)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no mutations")));
	list = weir_mutation_list_of_array(table, mutations);
	write_list(table, key, &list);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(weir_mutate_row);
Datum
weir_mutate_row(PG_FUNCTION_ARGS)
{
	return mutate_row(fcinfo, false);
}

PG_FUNCTION_INFO_V1(weir_mutate_row_text);
Datum
weir_mutate_row_text(PG_FUNCTION_ARGS)
{
	return mutate_row(fcinfo, true);
}

/* The calls of set_cell among the arguments. */
static void
call_set_cells(FunctionCallInfo fcinfo, const uint8 *layout, int n,
			   WeirMutation *mutations)
{
	int			arg = FIXED_ARGS;

	for (int i = 0; i < n; i++)
	{
		if (layout[i] == LAYOUT_MUTATION)
		{
			arg++;
			continue;
		}
		weir_set_cell_arguments(fcinfo, arg,
								(layout[i] & LAYOUT_TEXT_QUALIFIER) != 0,
								(layout[i] & ~LAYOUT_SET_CELL) >> LAYOUT_VALUE_SHIFT,
								&mutations[i]);
		arg += 4;
	}
	Assert(arg == PG_NARGS());
}

/* The other mutations. */
static void
read_mutations(FunctionCallInfo fcinfo, const uint8 *layout, int n,
			   WeirMutation *mutations)
{
	int			arg = FIXED_ARGS;

	for (int i = 0; i < n; i++)
	{
		if (layout[i] != LAYOUT_MUTATION)
		{
			arg += 4;
			continue;
		}
		if (PG_ARGISNULL(arg))
			weir_argument_is_null("mutation");
		weir_mutation_from_datum(&mutations[i], PG_GETARG_DATUM(arg));
		arg++;
	}
}

PG_FUNCTION_INFO_V1(weir__mutate_row);
Datum
weir__mutate_row(PG_FUNCTION_ARGS)
{
	const bytea *layout = PG_GETARG_BYTEA_PP(1);
	const uint8 *kinds = (const uint8 *) VARDATA_ANY(layout) + 1;
	WeirMutationList list = {0};
	WeirWideTable *table;
	WeirRowKey	key;

	list.n = VARSIZE_ANY_EXHDR(layout) - 1;
	list.mutations = palloc(sizeof(WeirMutation) * list.n);
	/* what is wrong is found in the order in which the one call does */
	call_set_cells(fcinfo, kinds, list.n, list.mutations);
	table = weir_wide_table_open(weir_table_argument(fcinfo, 2),
								 RowExclusiveLock, 0);
	key = weir_row_key_argument(fcinfo, 3, kinds[-1] != 0);
	PreventCommandIfReadOnly("weir.mutate_row()");
	read_mutations(fcinfo, kinds, list.n, list.mutations);
	weir_mutation_list_finish(table, &list);
	write_list(table, key, &list);
	PG_RETURN_VOID();
}

/* ---- planning ---- */

/* What is gathered for the new call. */
typedef struct Spread
{
	PlannerInfo *root;
	bytea	   *layout;
	List	   *args;			/* those after the fixed ones */
	bool		has_set_cell;
} Spread;

/* May the function be called?  Then the plan depends on it. */
static bool
may_be_spread(Spread *spread, Oid function)
{
	if (WeirProcAclcheck(function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		return false;
	record_plan_function_dependency(spread->root, function);
	return true;
}

/* The byte that describes a call of set_cell; LAYOUT_MUTATION if it is none. */
static uint8
layout_of_element(Node *element)
{
	FuncExpr   *call = (FuncExpr *) element;
	Oid		   *types;
	int			n;
	uint8		layout = LAYOUT_SET_CELL;

	if (!IsA(element, FuncExpr) || list_length(call->args) != 4 ||
		get_func_namespace(call->funcid) != get_namespace_oid(WEIR_SCHEMA, false) ||
		strcmp(get_func_name(call->funcid), "set_cell") != 0)
		return LAYOUT_MUTATION;
	(void) get_func_signature(call->funcid, &types, &n);
	if (n != 4 || types[0] != TEXTOID || types[3] != TIMESTAMPTZOID)
		return LAYOUT_MUTATION;
	if (types[1] == TEXTOID)
		layout |= LAYOUT_TEXT_QUALIFIER;
	else if (types[1] != BYTEAOID)
		return LAYOUT_MUTATION;
	switch (types[2])
	{
		case BYTEAOID:
			return layout | (WEIR_VALUE_BYTES << LAYOUT_VALUE_SHIFT);
		case TEXTOID:
			return layout | (WEIR_VALUE_TEXT << LAYOUT_VALUE_SHIFT);
		case INT8OID:
			return layout | (WEIR_VALUE_INTEGER << LAYOUT_VALUE_SHIFT);
		default:
			return LAYOUT_MUTATION;
	}
}

static bool
spread_elements(Spread *spread, List *elements)
{
	uint8	   *kinds = (uint8 *) VARDATA(spread->layout) + 1;
	ListCell   *lc;

	foreach(lc, elements)
	{
		Node	   *element = lfirst(lc);
		uint8		kind = layout_of_element(element);

		kinds[foreach_current_index(lc)] = kind;
		if (kind == LAYOUT_MUTATION)
			spread->args = lappend(spread->args, element);
		else if (may_be_spread(spread, ((FuncExpr *) element)->funcid))
		{
			spread->args = list_concat(spread->args,
									   ((FuncExpr *) element)->args);
			spread->has_set_cell = true;
		}
		else
			return false;
		if (FIXED_ARGS + list_length(spread->args) > FUNC_MAX_ARGS)
			return false;
	}
	return spread->has_set_cell;
}

/* The call of _mutate_row in place of one of mutate_row, or NULL. */
static Node *
spread_call(PlannerInfo *root, FuncExpr *call)
{
	static const Oid argtypes[] = {INTERNALOID, BYTEAOID, REGCLASSOID, ANYOID, ANYOID};
	Spread		spread = {root};
	ArrayExpr  *array = lthird(call->args);
	Size		len;
	Oid			function;

	if (root == NULL || !IsA(array, ArrayExpr) || array->multidims)
		return NULL;
	len = VARHDRSZ + 1 + list_length(array->elements);
	spread.layout = palloc(len);
	SET_VARSIZE(spread.layout, len);
	*VARDATA(spread.layout) = exprType(lsecond(call->args)) == TEXTOID;
	if (!may_be_spread(&spread, call->funcid) ||
		!spread_elements(&spread, array->elements))
		return NULL;
	function = LookupFuncName(list_make2(makeString(WEIR_SCHEMA),
										 makeString("_mutate_row")),
							  lengthof(argtypes), argtypes, true);
	if (!OidIsValid(function) || !may_be_spread(&spread, function))
		return NULL;
	return (Node *) makeFuncExpr(function, VOIDOID,
								 list_concat(list_make4(makeNullConst(INTERNALOID, -1, InvalidOid),
														makeConst(BYTEAOID, -1, InvalidOid, -1,
																  PointerGetDatum(spread.layout), false, false),
														linitial(call->args),
														lsecond(call->args)),
											 spread.args),
								 InvalidOid, call->inputcollid,
								 COERCE_EXPLICIT_CALL);
}

PG_FUNCTION_INFO_V1(weir__mutate_row_support);
Datum
weir__mutate_row_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(spread_call(((SupportRequestSimplify *) request)->root,
								  ((SupportRequestSimplify *) request)->fcall));
}
