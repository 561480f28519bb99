/*-------------------------------------------------------------------------
 *
 * state_query.c
 *	  Queries over state rows: the definition's, in terms of its states.
 *
 * They are planned, marked for their step and run by partial.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"

#include "weir.h"
#include "aggregate/distinct.h"
#include "aggregate/distinct_row.h"
#include "aggregate/state_query.h"
#include "aggregate/state_scan.h"

Expr *
weir_state_var(const WeirDefinition *def, int column)
{
	Form_pg_attribute att = TupleDescAttr(def->state_desc, column);

	return (Expr *) makeVar(1, column + 1, att->atttypid, att->atttypmod,
							att->attcollation, 0);
}

/* the aggregate function over its stored states */
Expr *
weir_state_aggref(const WeirDefinition *def, Aggref *aggref, int number)
{
	Aggref	   *over = copyObject(aggref);
	Expr	   *state = weir_state_var(def, def->nwindow + def->nkeys + number);

	over->args = list_make1(makeTargetEntry(state, 1, NULL, false));
	over->aggfilter = NULL;
	over->aggstar = false;
	return (Expr *) over;
}

Query *
weir_state_query(WeirDefinition *def, double rows)
{
	Query	   *query = makeNode(Query);
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	int			i;

	rte->rtekind = RTE_NAMEDTUPLESTORE;
	rte->enrname = WEIR_STATE_SCAN_NAME;
	rte->enrtuples = rows;
	rte->eref = makeAlias("state", NIL);
	rte->inFromCl = true;
	for (i = 0; i < def->state_desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(def->state_desc, i);

		rte->coltypes = lappend_oid(rte->coltypes, att->atttypid);
		rte->coltypmods = lappend_int(rte->coltypmods, att->atttypmod);
		rte->colcollations = lappend_oid(rte->colcollations, att->attcollation);
		rte->eref->colnames = lappend(rte->eref->colnames,
									  makeString(pstrdup(NameStr(att->attname))));
	}
	ref->rtindex = 1;
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make1(rte);
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	return query;
}

/* A part of the query, and how many sub-selects deep it stands. */
typedef struct OutputPlace
{
	WeirDefinition *def;
	int			depth;
	bool		is_combined;	/* a row is a group */
} OutputPlace;

static Expr *
aggref_over_state(WeirDefinition *def, Aggref *aggref, bool is_combined)
{
	Aggref	   *kept = aggref;
	Expr	   *result;
	int			number;

	if (aggref->aggdistinct != NIL)
	{
		aggref = weir_distinct_row(aggref);
		kept = weir_distinct_set(aggref);
	}
	number = weir_definition_find_state(def, kept);
	Assert(number >= 0);
	if (is_combined)
		return weir_state_var(def, def->nwindow + def->nkeys + number);
	result = weir_state_aggref(def, kept, number);
	if (aggref->aggdistinct != NIL)
		result = weir_distinct_apply(aggref, result);
	return result;
}

/* The state column that a column of the query is, or NULL. */
static Expr *
var_over_state(WeirDefinition *def, Node *var)
{
	int			number;

	if (((Var *) var)->varno == def->window_rti && def->window_rti != 0)
		return weir_state_var(def, ((Var *) var)->varattno == 2 ? 0 : 1);
	number = weir_definition_find_key(def, var);
	return number >= 0 ? weir_state_var(def, def->nwindow + number) : NULL;
}

/*
 * Put state columns in the place of keys and aggregate functions; in a
 * sub-select, of those of the query outside.
 */
static Node *
over_state(Node *node, OutputPlace *place)
{
	WeirDefinition *def = place->def;
	Expr	   *result = NULL;
	int			number;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		place->depth++;
		node = (Node *) query_tree_mutator((Query *) node, over_state, place, 0);
		place->depth--;
		return node;
	}
	if (place->depth == 0 &&
		(number = weir_definition_find_key(def, node)) >= 0)
		return (Node *) weir_state_var(def, def->nwindow + number);
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == place->depth)
		result = aggref_over_state(def, (Aggref *) weir_definition_raise(node, place->depth),
								   place->is_combined);
	else if (place->is_combined && IsA(node, GroupingFunc) &&
			 ((GroupingFunc *) node)->agglevelsup == place->depth)
		return (Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
								  Int32GetDatum(0), false, true);
	else if (IsA(node, Var) && ((Var *) node)->varlevelsup == place->depth)
		result = var_over_state(def, weir_definition_raise(node, place->depth));
	if (result == NULL)
		return expression_tree_mutator(node, over_state, place);
	if (place->depth > 0)
		IncrementVarSublevelsUp((Node *) result, place->depth, 0);
	return (Node *) result;
}

/* Columns that only depend on what is grouped by are grouped by, too. */
static void
group_by_implied(WeirDefinition *def, Query *query)
{
	Index		ref = 0;
	ListCell   *lc;

	foreach(lc, query->targetList)
		ref = Max(ref, lfirst_node(TargetEntry, lc)->ressortgroupref);
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);
		SortGroupClause *clause;
		TargetEntry *tle;

		if (!key->is_implied)
			continue;
		tle = makeTargetEntry(weir_state_var(def, def->nwindow +
										foreach_current_index(lc)),
							  list_length(query->targetList) + 1, NULL, true);
		tle->ressortgroupref = ++ref;
		query->targetList = lappend(query->targetList, tle);
		clause = makeNode(SortGroupClause);
		clause->tleSortGroupRef = ref;
		clause->eqop = key->eqop;
		clause->sortop = key->sortop;
		clause->hashable = key->hashable;
		query->groupClause = lappend(query->groupClause, clause);
	}
}

/*
 * Where there are sub-selects, they may be over common table expressions, and
 * over views, which have to be expanded.
 */
static Query *
with_sub_selects(WeirDefinition *def, Query *query)
{
	List	   *rewritten;

	if (!checkExprHasSubLink((Node *) query->targetList) &&
		!checkExprHasSubLink((Node *) query->jointree) &&
		!checkExprHasSubLink(query->havingQual))
		return query;
	query->hasSubLinks = true;
	query->cteList = copyObject(def->query->cteList);
	query->hasRecursive = def->query->hasRecursive;
	AcquireRewriteLocks(query, true, false);
	rewritten = QueryRewrite(query);
	if (list_length(rewritten) != 1)
		elog(ERROR, "unexpected rewrite result for a continuous aggregate");
	return linitial_node(Query, rewritten);
}

Query *
weir_state_query_finish(WeirDefinition *def, double rows, bool is_combined)
{
	Query	   *query = weir_state_query(def, rows);
	OutputPlace place = {def, 0, is_combined};
	Node	   *having;

	query->targetList = (List *) over_state((Node *) def->query->targetList, &place);
	having = over_state(def->query->havingQual, &place);
	if (is_combined)
		/* nothing is left to aggregate */
		query->jointree->quals = having;
	else
	{
		query->havingQual = having;
		query->groupClause = copyObject(def->query->groupClause);
		query->groupingSets = copyObject(def->query->groupingSets);
		query->groupDistinct = def->query->groupDistinct;
		query->hasAggs = def->query->hasAggs;
		group_by_implied(def, query);
	}
	return with_sub_selects(def, query);
}
