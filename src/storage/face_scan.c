/*-------------------------------------------------------------------------
 *
 * face_scan.c
 *	  Scanning the face of a wide table; EXPLAIN of it.
 *
 * A scan under equality conditions fetches row by row; any other walks one
 * range of keys.  The conditions are evaluated when the scan begins, and
 * again at each rescan; so are subscripts that tell which columns are wanted,
 * if they are constants and parameters.  Others, which might raise an error,
 * are not evaluated before something is stored under a key that is asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"

#include "storage/face.h"
#include "storage/rowscan.h"
#include "types/mutation.h"
#include "weir.h"
#include WEIR_EXPLAIN_H
#include WEIR_EXPLAIN_STATE_H

typedef struct FaceScan
{
	WeirWideTable *table;
	WeirRowScan *scan;			/* NULL before the first row is asked for */
	List	   *strategies;
	List	   *plan_columns;	/* numbers of subscripts */
	List	   *arguments;		/* ExprStates, those of the strategies first */
	bool		are_plain;		/* those that are subscripts */
	bool		needs_cells;
	ScanDirection direction;

	bool		is_started;
	bool		knows_columns;	/* subscripts have been evaluated */
	MemoryContext keys_context; /* holds the following; reset by rescans */
	WeirKeyRange range;
	bool		has_keys;		/* there is an equality condition */
	WeirRowKey *keys;			/* then: the rows to fetch, in order */
	int			nkeys;
	int			next_key;
} FaceScan;

/* ---- columns ---- */

/*
 * The bytes of a subscript of type text or bytea; text as UTF-8.  False if it
 * is null.
 */
static bool
subscript_bytes(ExprState *subscript, ExprContext *econtext,
				const char **bytes, uint32 *len)
{
	FmgrInfo	flinfo;

	LOCAL_FCINFO(fcinfo, 1);

	memset(&flinfo, 0, sizeof(flinfo));
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ExecEvalExprSwitchContext(subscript, econtext,
													  &fcinfo->args[0].isnull);
	if (fcinfo->args[0].isnull)
		return false;
	/* the expression's memory may be reset before the scan ends */
	fcinfo->args[0].value = PointerGetDatum(PG_DETOAST_DATUM_COPY(fcinfo->args[0].value));
	*bytes = weir_bytes_argument(fcinfo, 0,
								 exprType((Node *) subscript->expr) == TEXTOID,
								 "subscript", len);
	return true;
}

/*
 * The columns that are wanted, NULL for all, in the current memory context.
 * What is null or does not exist reads as nothing.
 */
static WeirColumnSet *
evaluate_columns(FaceScan *state, ExprContext *econtext)
{
	int			next = list_length(state->strategies);
	WeirColumnSet *set;
	ListCell   *lc;

	if (state->plan_columns == NIL)
		return NULL;
	set = palloc0(offsetof(WeirColumnSet, ranges) +
				  sizeof(WeirColumns) * list_length(state->plan_columns));
	foreach(lc, state->plan_columns)
	{
		WeirColumns *columns = &set->ranges[set->nranges];
		ExprState  *family_name = list_nth(state->arguments, next);
		ExprState  *qualifier = lfirst_int(lc) == 1 ? NULL :
			list_nth(state->arguments, next + 1);
		const WeirFamily *family;
		const char *name;
		uint32		len;

		next += lfirst_int(lc);
		if (!subscript_bytes(family_name, econtext, &name, &len))
			continue;
		family = weir_family_find(state->table, name, len);
		if (family == NULL)
			continue;
		columns->family = family->number;
		if (qualifier != NULL)
		{
			if (!subscript_bytes(qualifier, econtext, &columns->start,
								 &columns->start_len))
				continue;
			columns->end = columns->start;
			columns->end_len = columns->start_len;
		}
		set->nranges++;
	}
	return set;
}

static void
set_columns(FaceScan *state, ExprContext *econtext)
{
	MemoryContext old_context = MemoryContextSwitchTo(state->keys_context);

	weir_row_scan_set_columns(state->scan, evaluate_columns(state, econtext));
	MemoryContextSwitchTo(old_context);
	state->knows_columns = true;
}

/* Are all subscripts values that are there when the query begins? */
static bool
subscripts_are_plain(const FaceScan *state)
{
	for (int i = list_length(state->strategies);
		 i < list_length(state->arguments); i++)
	{
		const Node *node = (const Node *) ((ExprState *) list_nth(state->arguments, i))->expr;

		while (IsA(node, RelabelType))
			node = (const Node *) ((const RelabelType *) node)->arg;
		if (!IsA(node, Const) &&
			!(IsA(node, Param) && ((const Param *) node)->paramkind == PARAM_EXTERN))
			return false;
	}
	return true;
}

/* ---- begin and end ---- */

/* How many of the expressions have to be evaluated. */
static int
number_of_arguments(const ForeignScan *plan)
{
	int			n = list_length(list_nth(plan->fdw_private, WEIR_PLAN_STRATEGIES));
	ListCell   *lc;

	foreach(lc, (List *) list_nth(plan->fdw_private, WEIR_PLAN_COLUMNS))
		n += lfirst_int(lc);
	return n;
}

static void
begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	FaceScan   *state;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	state = palloc0(sizeof(FaceScan));
	state->table = weir_wide_table_require_locked(RelationGetRelid(node->ss.ss_currentRelation),
												  AccessShareLock);
	state->strategies = list_nth(plan->fdw_private, WEIR_PLAN_STRATEGIES);
	state->arguments = ExecInitExprList(list_truncate(list_copy(plan->fdw_exprs),
													  number_of_arguments(plan)),
										&node->ss.ps);
	state->needs_cells = intVal(list_nth(plan->fdw_private,
										 WEIR_PLAN_NEEDS_CELLS));
	state->plan_columns = list_nth(plan->fdw_private, WEIR_PLAN_COLUMNS);
	state->are_plain = subscripts_are_plain(state);
	state->direction = intVal(list_nth(plan->fdw_private,
									   WEIR_PLAN_BACKWARD)) ?
		BackwardScanDirection : ForwardScanDirection;
	state->keys_context = AllocSetContextCreate(CurrentMemoryContext,
												"weir face keys",
												ALLOCSET_SMALL_SIZES);
	node->fdw_state = state;
}

static void
rescan(ForeignScanState *node)
{
	FaceScan   *state = node->fdw_state;

	state->is_started = false;
}

static void
end_scan(ForeignScanState *node)
{
	FaceScan   *state = node->fdw_state;

	if (state != NULL && state->scan != NULL)
		weir_row_scan_end(state->scan);
}

/* ---- key conditions ---- */

/* Keeps of the keys so far those that are among these, sorted, unique. */
static void
intersect_keys(FaceScan *state, WeirRowKey *keys, int nkeys)
{
	int			n = 0;

	qsort(keys, nkeys, sizeof(WeirRowKey), weir_row_key_cmp_void);
	for (int i = 0; i < nkeys; i++)
	{
		if (n > 0 && weir_row_key_cmp(&keys[n - 1], &keys[i]) == 0)
			continue;
		if (state->has_keys &&
			bsearch(&keys[i], state->keys, state->nkeys, sizeof(WeirRowKey),
					weir_row_key_cmp_void) == NULL)
			continue;
		keys[n++] = keys[i];
	}
	state->keys = keys;
	state->nkeys = n;
	state->has_keys = true;
}

static void
apply_array(FaceScan *state, Datum d)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			nkeys = 0;
	WeirRowKey *keys;

	deconstruct_array(DatumGetArrayTypeP(d), BYTEAOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	keys = palloc(sizeof(WeirRowKey) * (n + 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			keys[nkeys++] = weir_row_key_copy(elements[i]);
	intersect_keys(state, keys, nkeys);
}

static void
apply_condition(FaceScan *state, int strategy, Datum d)
{
	WeirKeyRange range = {{NULL, 0}, {NULL, 0}, false, false};
	WeirRowKey *key;

	if (strategy == WEIR_KEY_IN_ARRAY)
	{
		apply_array(state, d);
		return;
	}
	key = palloc(sizeof(WeirRowKey));
	*key = weir_row_key_copy(d);
	switch (strategy)
	{
		case BTEqualStrategyNumber:
			intersect_keys(state, key, 1);
			break;
		case BTLessStrategyNumber:
		case BTLessEqualStrategyNumber:
			range.upper = *key;
			range.upper_open = strategy == BTLessStrategyNumber;
			break;
		case BTGreaterStrategyNumber:
		case BTGreaterEqualStrategyNumber:
			range.lower = *key;
			range.lower_open = strategy == BTGreaterStrategyNumber;
			break;
		default:
			elog(ERROR, "unrecognized strategy: %d", strategy);
	}
	(void) weir_key_range_intersect(&state->range, &range);
}

/* Evaluates the conditions; false if no row can satisfy them. */
static bool
evaluate_conditions(FaceScan *state, ExprContext *econtext)
{
	MemoryContext old_context;
	bool		satisfiable = true;

	MemoryContextReset(state->keys_context);
	memset(&state->range, 0, sizeof(state->range));
	state->has_keys = false;
	state->nkeys = state->next_key = 0;
	old_context = MemoryContextSwitchTo(state->keys_context);
	for (int i = 0; satisfiable && i < list_length(state->strategies); i++)
	{
		bool		isnull;
		Datum		d = ExecEvalExprSwitchContext(list_nth(state->arguments, i),
												  econtext, &isnull);

		if (isnull)
			satisfiable = false;
		else
			apply_condition(state, list_nth_int(state->strategies, i), d);
	}
	MemoryContextSwitchTo(old_context);
	return satisfiable;
}

/* ---- rows ---- */

static void
start(ForeignScanState *node)
{
	FaceScan   *state = node->fdw_state;
	EState	   *estate = node->ss.ps.state;
	MemoryContext old_context;

	state->is_started = true;
	/* since the scan was begun its table may have got new indexes */
	if (state->scan == NULL)
		state->table = weir_wide_table_require(RelationGetRelid(node->ss.ss_currentRelation));
	if (!evaluate_conditions(state, node->ss.ps.ps_ExprContext))
	{
		state->has_keys = true; /* none */
		state->nkeys = 0;
		return;
	}
	if (state->scan == NULL)
	{
		old_context = MemoryContextSwitchTo(estate->es_query_cxt);
		state->scan = weir_row_scan_begin(state->table, estate->es_snapshot,
										  weir_clock_usec());
		weir_row_scan_expect_values(state->scan, NULL);
		MemoryContextSwitchTo(old_context);
	}
	state->knows_columns = false;
	if (state->are_plain)
		set_columns(state, node->ss.ps.ps_ExprContext);
	if (!state->has_keys)
		weir_row_scan_start(state->scan, &state->range, state->direction);
}

/* The row with the key; false if there is none. */
static bool
get_row(FaceScan *state, WeirRowKey key, ExprContext *econtext)
{
	if (!state->knows_columns)
	{
		if (!weir_row_scan_finds_key(state->scan, key))
			return false;
		set_columns(state, econtext);
	}
	return weir_row_scan_get(state->scan, key);
}

static bool
next_row(FaceScan *state, ExprContext *econtext)
{
	if (!state->has_keys)
	{
		if (!state->knows_columns)
		{
			if (weir_row_scan_is_at_end(state->scan))
				return false;
			set_columns(state, econtext);
		}
		return weir_row_scan_next(state->scan);
	}
	while (state->next_key < state->nkeys)
	{
		int			i = state->next_key++;
		const WeirRowKey *key;

		if (ScanDirectionIsBackward(state->direction))
			i = state->nkeys - 1 - i;
		key = &state->keys[i];
		if (weir_key_range_contains(&state->range, *key) &&
			get_row(state, *key, econtext))
			return true;
	}
	return false;
}

void
weir_face_store_row(WeirRowScan *scan, bool needs_cells, Datum *values,
					bool *nulls, int natts)
{
	WeirRowKey	key = weir_row_scan_key(scan);

	memset(nulls, true, natts * sizeof(bool));
	values[Anum_face_row_key - 1] =
		PointerGetDatum(cstring_to_text_with_len(key.bytes, key.len));
	nulls[Anum_face_row_key - 1] = false;
	if (needs_cells)
	{
		values[Anum_face_cells - 1] = weir_row_scan_row(scan);
		nulls[Anum_face_cells - 1] = false;
	}
}

static TupleTableSlot *
iterate(ForeignScanState *node)
{
	FaceScan   *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	if (!state->is_started)
		start(node);
	ExecClearTuple(slot);
	if (!next_row(state, node->ss.ps.ps_ExprContext))
		return slot;
	weir_face_store_row(state->scan, state->needs_cells, slot->tts_values,
						slot->tts_isnull, slot->tts_tupleDescriptor->natts);
	return ExecStoreVirtualTuple(slot);
}

/* ---- EXPLAIN ---- */

/*
 * For expressions of the plan.  Parameters are looked for in the plan, so a
 * context of the relation alone will not do.
 */
static List *
explain_context(ForeignScanState *node, struct ExplainState *es)
{
	return set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, NIL);
}

static void
explain_conditions(ForeignScanState *node, struct ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	Expr	   *conditions;

	if (list_nth(plan->fdw_private, WEIR_PLAN_STRATEGIES) == NIL)
		return;
	conditions = make_ands_explicit(list_copy_tail(plan->fdw_exprs,
												   number_of_arguments(plan)));
	ExplainPropertyText("Key Cond",
						deparse_expression((Node *) conditions,
										   explain_context(node, es),
										   false, false), es);
}

/* A column as "family:qualifier"; what is no constant, as an expression. */
static char *
column_name(List *subscripts, List *deparse_context)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, subscripts)
	{
		const Const *subscript = lfirst(lc);
		Oid			output;
		bool		is_varlena;

		if (buf.len > 0)
			appendStringInfoChar(&buf, ':');
		if (IsA(subscript, Const) && !subscript->constisnull)
		{
			getTypeOutputInfo(subscript->consttype, &output, &is_varlena);
			appendStringInfoString(&buf, OidOutputFunctionCall(output, subscript->constvalue));
		}
		else
			appendStringInfo(&buf, "(%s)",
							 deparse_expression((Node *) subscript,
												deparse_context, false, false));
	}
	return buf.data;
}

static void
explain_columns(ForeignScanState *node, struct ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List	   *context = explain_context(node, es);
	int			next = list_length(list_nth(plan->fdw_private,
											WEIR_PLAN_STRATEGIES));
	List	   *names = NIL;
	ListCell   *lc;

	if (!intVal(list_nth(plan->fdw_private, WEIR_PLAN_NEEDS_CELLS)))
	{
		ExplainPropertyText("Columns", "none", es);
		return;
	}
	foreach(lc, (List *) list_nth(plan->fdw_private, WEIR_PLAN_COLUMNS))
	{
		List	   *subscripts = list_make1(list_nth(plan->fdw_exprs, next));

		if (lfirst_int(lc) > 1)
			subscripts = lappend(subscripts,
								 list_nth(plan->fdw_exprs, next + 1));
		next += lfirst_int(lc);
		names = lappend(names, column_name(subscripts, context));
	}
	if (names != NIL)
		ExplainPropertyList("Columns", names, es);
}

static void
explain(ForeignScanState *node, struct ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;

	explain_conditions(node, es);
	if (intVal(list_nth(plan->fdw_private, WEIR_PLAN_BACKWARD)))
		ExplainPropertyText("Order", "descending", es);
	explain_columns(node, es);
}

void
weir_face_scan_init(FdwRoutine *routine)
{
	routine->BeginForeignScan = begin_scan;
	routine->IterateForeignScan = iterate;
	routine->ReScanForeignScan = rescan;
	routine->EndForeignScan = end_scan;
	routine->ExplainForeignScan = explain;
}
