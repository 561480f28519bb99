/*-------------------------------------------------------------------------
 *
 * face_columns.c
 *	  What a query uses of the column "cells" of a wide table.
 *
 * If a query uses it only below subscripts, cells['f'] or cells['f']['q'],
 * that are the same for all rows of a scan, then no other cells need to be
 * read.  The planner has no list of expressions by relation, so all places of
 * the query are looked at where a reference may be; where that gets too
 * difficult the answer is "all", which is always right.
 *
 * A partition, or a branch of UNION ALL, is referred to by way of what it is a
 * part of: the planner translates the columns of that into its own.
 *
 * A scan computes the subscripts when it begins, or finds the first row.  So
 * they may be constants, parameters, and what is made of these by functions
 * that are not volatile; but no more than parameters where the query might
 * never compute them for a row, as below CASE, for they might raise an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/primnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"

#include "storage/face.h"
#include "weir.h"

/* Remembering more columns than this is not worth while. */
#define MAX_COLUMNS		32

/* What stands for the column "cells" in the query. */
typedef struct Target
{
	Index		relid;			/* the relation, or one that it is a part of */
	AttrNumber	attno;
} Target;

typedef struct Search
{
	List	   *targets;
	List	   *columns;		/* of lists of one or two expressions */
	bool		is_conditional; /* below what may not be computed */
	bool		found_other;	/* cells is used as a whole */
} Search;

/* Is it the column of a target, or, if so asked, a whole row of its relation? */
static bool
is_target(const Search *search, const Node *node, bool or_row)
{
	const Var  *var = (const Var *) node;
	ListCell   *lc;

	if (!IsA(node, Var) || var->varlevelsup > 0)
		return false;
	foreach(lc, search->targets)
	{
		const Target *target = lfirst(lc);

		if (var->varno == target->relid &&
			(var->varattno == target->attno ||
			 (or_row && var->varattno == InvalidAttrNumber)))
			return true;
	}
	return false;
}

static bool
is_parameter(const Node *node)
{
	while (IsA(node, RelabelType))
		node = (const Node *) ((const RelabelType *) node)->arg;
	return IsA(node, Param);
}

/* Can a scan compute the subscript when it begins? */
static bool
is_known_in_advance(const Search *search, Node *subscript)
{
	if (IsA(subscript, Const))
		return !((Const *) subscript)->constisnull;
	if (is_parameter(subscript))
		return true;
	return !search->is_conditional &&
		!contain_var_clause(subscript) &&
		!contain_agg_clause(subscript) &&
		!contain_window_function(subscript) &&
		!contain_subplans(subscript) &&
		!contain_volatile_functions(subscript) &&
		!expression_returns_set(subscript);
}

/* The subscripts, or NIL if they may differ from row to row. */
static List *
subscripts_of_scan(const Search *search, const SubscriptingRef *ref)
{
	ListCell   *lc;

	foreach(lc, ref->refupperindexpr)
		if (!is_known_in_advance(search, lfirst(lc)))
			return NIL;
	return ref->refupperindexpr;
}

static bool
is_conditional(const Node *node)
{
	return IsA(node, CaseExpr) || IsA(node, CoalesceExpr) ||
		IsA(node, BoolExpr);
}

static bool
search_walker(Node *node, Search *search)
{
	if (node == NULL || search->found_other)
		return search->found_other;
	if (IsA(node, SubscriptingRef) &&
		is_target(search, (Node *) ((SubscriptingRef *) node)->refexpr, false))
	{
		List	   *subscripts = subscripts_of_scan(search,
													(SubscriptingRef *) node);

		search->columns = list_append_unique(search->columns, subscripts);
		search->found_other = subscripts == NIL ||
			list_length(search->columns) > MAX_COLUMNS;
		return search->found_other;
	}
	if (IsA(node, Var))
	{
		search->found_other = is_target(search, node, true);
		return search->found_other;
	}
	if (IsA(node, RestrictInfo))
		return search_walker((Node *) ((RestrictInfo *) node)->clause, search);
	if (IsA(node, PlaceHolderVar))
		return search_walker((Node *) ((PlaceHolderVar *) node)->phexpr,
							 search);
	/* A query in a query could refer to the relation from inside. */
	if (IsA(node, Query) || IsA(node, SubPlan))
	{
		search->found_other = true;
		return true;
	}
	if (is_conditional(node))
	{
		bool		was_conditional = search->is_conditional;

		search->is_conditional = true;
		expression_tree_walker(node, search_walker, search);
		search->is_conditional = was_conditional;
		return search->found_other;
	}
	return expression_tree_walker(node, search_walker, search);
}

/*
 * Adds a column of a relation, and what stands for it in relations that this
 * one is a part of.  Of other columns of these, which the query may use or
 * not, the expressions are looked at that they are translated into.
 */
static void
add_target(Search *search, PlannerInfo *root, Index relid, AttrNumber attno)
{
	const AppendRelInfo *part = root->append_rel_array == NULL ? NULL :
		root->append_rel_array[relid];
	Target	   *target = palloc(sizeof(Target));
	AttrNumber	column = 0;
	ListCell   *lc;

	target->relid = relid;
	target->attno = attno;
	search->targets = lappend(search->targets, target);
	if (part == NULL)
		return;
	foreach(lc, part->translated_vars)
	{
		Node	   *node = lfirst(lc);
		bool		was_conditional = search->is_conditional;

		column++;
		if (node != NULL && IsA(node, Var) && is_target(search, node, false))
		{
			add_target(search, root, part->parent_relid, column);
			continue;
		}
		search->is_conditional = true;
		search_walker(node, search);
		search->is_conditional = was_conditional;
	}
}

static void
search_clauses(Search *search, List *clauses)
{
	ListCell   *lc;

	foreach(lc, clauses)
		search_walker((Node *) lfirst(lc), search);
}

/* The conditions on the relations of all targets. */
static void
search_conditions(Search *search, PlannerInfo *root)
{
	ListCell   *lc;

	foreach(lc, search->targets)
	{
		const RelOptInfo *rel = root->simple_rel_array[((Target *) lfirst(lc))->relid];

		search_clauses(search, rel->baserestrictinfo);
		search_clauses(search, rel->joininfo);
	}
}

static void
search_outer_join_clauses(Search *search, List *clauses)
{
	ListCell   *lc;

	foreach(lc, clauses)
		search_walker(weir_outer_join_clause(lfirst(lc)), search);
}

static void
search_equivalences(Search *search, PlannerInfo *root)
{
	ListCell   *lc;

	foreach(lc, root->eq_classes)
	{
		EquivalenceClass *ec = lfirst(lc);
		ListCell   *lm;

		search_clauses(search, ec->ec_sources);
		foreach(lm, ec->ec_members)
			search_walker((Node *) ((EquivalenceMember *) lfirst(lm))->em_expr,
						  search);
	}
}

static void
search_placeholders(Search *search, PlannerInfo *root)
{
	ListCell   *lc;

	foreach(lc, root->placeholder_list)
		search_walker((Node *) ((PlaceHolderInfo *) lfirst(lc))->ph_var, search);
}

bool
weir_face_needs_cells(RelOptInfo *rel)
{
	Bitmapset  *attrs = NULL;
	ListCell   *lc;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &attrs);
	foreach(lc, rel->baserestrictinfo)
		pull_varattnos((Node *) ((RestrictInfo *) lfirst(lc))->clause,
					   rel->relid, &attrs);
	foreach(lc, rel->joininfo)
		pull_varattnos((Node *) ((RestrictInfo *) lfirst(lc))->clause,
					   rel->relid, &attrs);
	return bms_is_member(Anum_face_cells - FirstLowInvalidHeapAttributeNumber,
						 attrs) ||
		bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attrs);
}

List *
weir_face_columns(PlannerInfo *root, RelOptInfo *rel)
{
	Search		search = {0};

	if (root->hasLateralRTEs || root->parse->commandType != CMD_SELECT ||
		root->parse->rowMarks != NIL)
		return NIL;
	add_target(&search, root, rel->relid, Anum_face_cells);
	search_walker((Node *) root->processed_tlist, &search);
	search_walker((Node *) root->parse->havingQual, &search);
	search_walker((Node *) root->parse->jointree->quals, &search);
	search_conditions(&search, root);
	search_outer_join_clauses(&search, root->left_join_clauses);
	search_outer_join_clauses(&search, root->right_join_clauses);
	search_outer_join_clauses(&search, root->full_join_clauses);
	search_equivalences(&search, root);
	search_placeholders(&search, root);
	return search.found_other ? NIL : search.columns;
}
