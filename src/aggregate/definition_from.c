/*-------------------------------------------------------------------------
 *
 * definition_from.c
 *	  What the query of a continuous aggregate reads, and over which windows.
 *
 * See definition.c for what has to hold and why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/definition_from.h"
#include "aggregate/parent.h"

/* ---------- streams where they must not be ---------- */

typedef struct StreamSearch
{
	List	   *views;			/* being searched, against recursion */
	bool		found;
} StreamSearch;

static bool
find_nested_stream(Node *node, StreamSearch *search)
{
	if (node == NULL || search->found)
		return search->found;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;
		WeirStream	stream;

		if (rte->rtekind != RTE_RELATION)
			return false;
		if (rte->relkind == RELKIND_VIEW &&
			!list_member_oid(search->views, rte->relid))
		{
			search->views = lappend_oid(search->views, rte->relid);
			return find_nested_stream((Node *) weir_definition_query(rte->relid),
									  search);
		}
		if (weir_stream_lookup(rte->relid, &stream))
			search->found = true;
		return search->found;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_nested_stream, search,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, find_nested_stream, search);
}

/* Is a stream read anywhere but in the FROM list of the query itself? */
static void
refuse_nested_stream(WeirDefinition *def)
{
	Query	   *query = def->query;
	StreamSearch search = {NIL, false};
	ListCell   *lc;

	/* an old view holds itself, as OLD and NEW */
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW)
			continue;
		if (rte->rtekind == RTE_RELATION && !rte->inFromCl)
			continue;
		if (foreach_current_index(lc) + 1 == def->stream_rti)
			continue;			/* the parent */
		if (rte->rtekind == RTE_RELATION)
			(void) find_nested_stream((Node *) rte, &search);
		else
			(void) range_table_entry_walker(rte, find_nested_stream, &search, 0);
	}
	(void) query_tree_walker(query, find_nested_stream, &search,
							 QTW_IGNORE_RANGE_TABLE);
	if (search.found)
		weir_definition_refuse("A stream is read in a sub-select, a common table expression or a view.",
							   "Name the stream itself in the FROM clause of the query.");
}

/* ---------- the FROM clause ---------- */

/* Take the range table entry if it is a stream, or an aggregate to be over. */
static bool
take_stream(WeirDefinition *def, RangeTblEntry *rte)
{
	WeirParent *parent = weir_parent_find(rte);
	WeirStream	stream;

	if (parent == NULL &&
		(rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW ||
		 !weir_stream_lookup(rte->relid, &stream)))
		return false;
	if (def->stream_rti != 0)
		weir_definition_refuse("More than one stream or aggregate is read, or one of them twice.",
							   "Join it to ordinary tables only; the closed rows of an aggregate are one.");
	def->parent = parent;
	def->stream = parent != NULL ? parent->def->stream : stream;
	return true;
}

/* Is an aggregate read, or a part of one, anywhere? */
static bool
find_aggregate(Node *node, WeirAggregate *agg)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->rtekind == RTE_RELATION &&
			weir_aggregate_find(((RangeTblEntry *) node)->relid, NULL, agg);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_aggregate, agg,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, find_aggregate, agg);
}

static void
find_stream(WeirDefinition *def)
{
	WeirAggregate agg;
	Index		rti = 0;
	ListCell   *lc;

	foreach(lc, def->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		rti++;
		if (!take_stream(def, rte))
			continue;
		if (rte->tablesample != NULL)
			weir_definition_refuse("The stream is sampled with TABLESAMPLE.", NULL);
		if (rte->relkind == RELKIND_PARTITIONED_TABLE && !rte->inh)
			weir_definition_refuse("ONLY leaves out the partitions of the stream.", NULL);
		def->stream_rti = rti;
	}
	refuse_nested_stream(def);
	if (def->stream_rti != 0)
		return;
	if (find_aggregate((Node *) def->query, &agg))
		weir_definition_refuse("No stream is read.",
							   psprintf("Name the continuous aggregate \"%s\" itself in the FROM clause of the query.",
										get_rel_name(agg.view)));
	weir_definition_refuse("No stream is read.",
						   "Make a table that is read a stream with weir.create_stream.");
}

/* Is the relation on the side of an outer join that NULLs are filled in for? */
static bool
is_nullable(Node *jtnode, Index rti, bool below_outer)
{
	ListCell   *lc;
	JoinExpr   *join;

	if (jtnode == NULL)
		return false;
	if (IsA(jtnode, RangeTblRef))
		return below_outer && ((RangeTblRef *) jtnode)->rtindex == rti;
	if (IsA(jtnode, FromExpr))
	{
		foreach(lc, ((FromExpr *) jtnode)->fromlist)
		{
			if (is_nullable(lfirst(lc), rti, below_outer))
				return true;
		}
		return false;
	}
	join = castNode(JoinExpr, jtnode);
	return is_nullable(join->larg, rti, below_outer ||
					   join->jointype == JOIN_RIGHT ||
					   join->jointype == JOIN_FULL) ||
		is_nullable(join->rarg, rti, below_outer ||
					join->jointype == JOIN_LEFT ||
					join->jointype == JOIN_FULL);
}

/* Under NULLs for the other side the stream would still decide which rows. */
static void
check_joins(WeirDefinition *def)
{
	if (is_nullable((Node *) def->query->jointree, def->stream_rti, false))
		weir_definition_refuse("The stream is on the side of an outer join that is filled in with NULLs.",
							   "Put the stream on the left of LEFT JOIN.");
	if (def->window_rti != 0 &&
		is_nullable((Node *) def->query->jointree, def->window_rti, false))
		weir_definition_refuse("The window function is on the side of an outer join that is filled in with NULLs.",
							   "Use CROSS JOIN LATERAL, or a comma.");
}

/* name of a function in schema weir, or NULL */
static char *
weir_function_name(Node *node)
{
	FuncExpr   *call = (FuncExpr *) node;

	if (node == NULL || !IsA(node, FuncExpr) ||
		get_func_namespace(call->funcid) != get_namespace_oid(WEIR_SCHEMA, true))
		return NULL;
	return get_func_name(call->funcid);
}

/* the event time of the stream, as a window function may take it */
static bool
is_event_time(WeirDefinition *def, Node *node)
{
	if (def->parent != NULL)
		return weir_parent_set_event_time(def, node);
	if (def->stream.event_time_attno == 0)
		return IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == F_NOW;
	return IsA(node, Var) && ((Var *) node)->varlevelsup == 0 &&
		((Var *) node)->varno == def->stream_rti &&
		((Var *) node)->varattno == def->stream.event_time_attno;
}

/*
 * Take the parameters out of the call.  The parser leaves out defaults and
 * keeps the order in which arguments were named; simplifying mends both.
 */
static bool
read_window_call(WeirDefinition *def, FuncExpr *call, const char *funcname)
{
	NullableDatum args[FUNC_MAX_ARGS];
	FuncExpr   *simple = (FuncExpr *) eval_const_expressions(NULL, (Node *) call);
	int			i;

	memset(args, 0, sizeof(args));
	for (i = 1; i < list_length(simple->args); i++)
	{
		Const	   *arg = list_nth(simple->args, i);

		if (!IsA(arg, Const))
			weir_definition_refuse(psprintf("A parameter of %s.%s is not a constant.",
											WEIR_SCHEMA, funcname),
								   "All but the event time must have the same value for every row: write interval '1 hour' or the like, no columns and no functions that can change.");
		args[i].value = arg->constvalue;
		args[i].isnull = arg->constisnull;
	}
	def->event_time = linitial(simple->args);
	return weir_window_spec_from_call(&def->window, funcname, args,
									  list_length(simple->args));
}

static bool
is_window_function(const char *funcname)
{
	return strcmp(funcname, "tumble") == 0 || strcmp(funcname, "hop") == 0 ||
		strcmp(funcname, "cumulate") == 0 || strcmp(funcname, "session") == 0;
}

static void
find_window(WeirDefinition *def)
{
	Index		rti = 0;
	ListCell   *lc;

	foreach(lc, def->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		ListCell   *lc2;

		rti++;
		if (rte->rtekind != RTE_FUNCTION)
			continue;
		foreach(lc2, rte->functions)
		{
			RangeTblFunction *function = lfirst_node(RangeTblFunction, lc2);
			char	   *funcname = weir_function_name(function->funcexpr);
			FuncExpr   *call = (FuncExpr *) function->funcexpr;

			if (funcname == NULL || !is_window_function(funcname))
				continue;
			if (def->window_rti != 0)
				weir_definition_refuse("There is more than one window function.", NULL);
			if (list_length(rte->functions) > 1 || rte->funcordinality)
				weir_definition_refuse("The window function is used WITH ORDINALITY or in ROWS FROM.",
									   NULL);
			if (!read_window_call(def, call, funcname))
				elog(ERROR, "could not read the call of %s", funcname);
			if (!is_event_time(def, (Node *) def->event_time))
				weir_definition_refuse("The window function is not over the event time of the stream.",
									   def->parent != NULL ?
									   "Over an aggregate it is window_start, or window_end - interval '1 microsecond', of that." :
									   def->stream.event_time_attno == 0 ?
									   "This stream has no event time: windows are over now()." :
									   "Pass it the column that weir.create_stream was given as event_time.");
			def->window_rti = rti;
			def->window_type = exprType((Node *) def->event_time);
		}
	}
}

void
weir_definition_read_from(WeirDefinition *def)
{
	find_stream(def);
	find_window(def);
	check_joins(def);
}
