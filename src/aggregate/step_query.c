/*-------------------------------------------------------------------------
 *
 * step_query.c
 *	  Queries over the rows that an aggregate reads: their parts, planning and
 *	  running them.
 *
 * For partial.c and partial_rows.c.  A timestamp without time zone has the same
 * representation as one with, and is read as UTC (D11); the functions called here
 * are declared for timestamptz only and their arguments relabelled.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "weir.h"
#include "aggregate/row_filter.h"
#include "aggregate/step_query.h"

/* ---------- expressions ---------- */

static Expr *
relabel(Expr *expr, Oid from, Oid to)
{
	if (from == to)
		return expr;
	return (Expr *) makeRelabelType(expr, to, -1, InvalidOid,
									COERCE_IMPLICIT_CAST);
}

static Expr *
pointer_const(void *pointer)
{
	return (Expr *) makeConst(INTERNALOID, -1, InvalidOid, sizeof(Datum),
							  PointerGetDatum(pointer), false, true);
}

/* weir.<name>(arg, pointer); arg and, if it is one, result of a time type */
Expr *
weir_step_call(const char *name, Oid rettype, Expr *arg, Oid argtype,
			   void *pointer)
{
	Oid			argtypes[2] = {TIMESTAMPTZOID, INTERNALOID};
	List	   *qualified = list_make2(makeString(WEIR_SCHEMA),
									   makeString(pstrdup(name)));
	Oid			funcid = LookupFuncName(qualified, 2, argtypes, false);
	Expr	   *call;

	call = (Expr *) makeFuncExpr(funcid, rettype,
								 list_make2(relabel(arg, argtype, TIMESTAMPTZOID),
											pointer_const(pointer)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	if (rettype == TIMESTAMPTZOID)
		return relabel(call, TIMESTAMPTZOID, argtype);
	return call;
}

static Expr *
window_column(const WeirDefinition *def, AttrNumber column)
{
	return (Expr *) makeVar(def->window_rti, column, def->window_type, -1,
							InvalidOid, 0);
}

/*
 * Start of the pane or of the window, and end of the last window or of it; of
 * a session, as if the row were alone.
 */
Expr *
weir_step_window_start(WeirDefinition *def)
{
	if (def->is_session)
		return copyObject(def->event_time);
	if (!def->by_pane)
		return window_column(def, 1);
	return weir_step_call("_pane_start", TIMESTAMPTZOID,
						  copyObject(def->event_time), def->window_type,
						  &def->window);
}

Expr *
weir_step_window_end(WeirDefinition *def)
{
	if (def->is_session)
		return weir_step_call("_session_end", TIMESTAMPTZOID,
							  copyObject(def->event_time), def->window_type,
							  &def->window);
	if (!def->by_pane)
		return window_column(def, 2);
	return weir_step_call("_pane_last_end", TIMESTAMPTZOID,
						  weir_step_window_start(def), def->window_type,
						  &def->window);
}

/* ---------- parts of queries ---------- */

/* Group the query by an expression, which becomes its last output column. */
void
weir_step_group_by(Query *query, Expr *expr, const char *name,
				   const WeirKey *key)
{
	TargetEntry *tle;
	SortGroupClause *clause = makeNode(SortGroupClause);

	tle = makeTargetEntry(expr, list_length(query->targetList) + 1,
						  pstrdup(name), false);
	tle->ressortgroupref = tle->resno;
	query->targetList = lappend(query->targetList, tle);

	clause->tleSortGroupRef = tle->resno;
	if (key != NULL)
	{
		clause->eqop = key->eqop;
		clause->sortop = key->sortop;
		clause->hashable = key->hashable;
	}
	else
		get_sort_group_operators(exprType((Node *) expr), true, true, false,
								 &clause->sortop, &clause->eqop, NULL,
								 &clause->hashable);
	query->groupClause = lappend(query->groupClause, clause);
}

void
weir_step_add_output(Query *query, Expr *expr, const char *name)
{
	query->targetList =
		lappend(query->targetList,
				makeTargetEntry(expr, list_length(query->targetList) + 1,
								pstrdup(name), false));
}

void
weir_step_add_qual(Query *query, Expr *qual)
{
	query->jointree->quals =
		make_and_qual(query->jointree->quals, (Node *) qual);
}

static Node *
guard_event_time(Node *node, WeirDefinition *def)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return (Node *) weir_step_call("_event_time", TIMESTAMPTZOID, (Expr *) node,
									   def->window_type, &def->window);
	return expression_tree_mutator(node, guard_event_time, def);
}

/*
 * The window function, where it is called, is to see no event time for which it
 * would raise an error.  Among its arguments only that of a stream is a column.
 */
static void
guard_window_call(WeirDefinition *def, Query *query)
{
	RangeTblEntry *rte = rt_fetch(def->window_rti, query->rtable);
	RangeTblFunction *function = linitial_node(RangeTblFunction, rte->functions);

	function->funcexpr = guard_event_time(function->funcexpr, def);
}

/* The FROM and WHERE of the definition, without what stands above. */
Query *
weir_step_query(WeirDefinition *def)
{
	Query	   *query = copyObject(def->query);

	if (def->window_rti != 0 && !def->by_pane && !def->is_session &&
		def->parent == NULL)
		guard_window_call(def, query);

	query->targetList = NIL;
	query->groupClause = NIL;
	query->groupingSets = NIL;
	query->groupDistinct = false;
	query->havingQual = NULL;
	query->hasAggs = false;
	return query;
}

/* The entry becomes a row without columns, which the planner drops. */
void
weir_step_forget_entry(Query *query, Index rti)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RESULT;
	rte->eref = makeAlias("forgotten", NIL);
	lfirst(list_nth_cell(query->rtable, rti - 1)) = rte;
}

/*
 * Expand views, apply row security, and plan to read the batch, or, without
 * one, the table.
 */
PlannedStmt *
weir_step_plan(WeirDefinition *def, Query *query, WeirBatch *batch)
{
	List	   *rewritten;

	if (def->row_filter != NULL)
		weir_row_filter_add(def->row_filter, def->stream_rti, query);
	AcquireRewriteLocks(query, true, false);
	rewritten = QueryRewrite(query);
	if (list_length(rewritten) != 1)
		elog(ERROR, "unexpected rewrite result for a continuous aggregate");
	query = linitial_node(Query, rewritten);
	/* by pane, and for sessions, the window function is not called */
	if (def->by_pane || def->is_session)
		weir_step_forget_entry(query, def->window_rti);
	if (batch == NULL)
		return pg_plan_query(query, "continuous aggregate", 0, NULL);
	weir_newrows_mark(rt_fetch(def->stream_rti, query->rtable));
	return weir_newrows_plan(query, batch);
}

/* Run a plan to its end under the active snapshot. */
void
weir_step_run(PlannedStmt *plan, QueryEnvironment *env, DestReceiver *dest)
{
	QueryDesc  *desc;

	desc = CreateQueryDesc(plan, "continuous aggregate", GetActiveSnapshot(),
						   InvalidSnapshot, dest, NULL, env, 0);
	ExecutorStart(desc, 0);
	WeirExecutorRun(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
}
