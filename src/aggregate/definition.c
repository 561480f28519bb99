/*-------------------------------------------------------------------------
 *
 * definition.c
 *	  What the query of a continuous aggregate means, and whether it can be
 *	  kept continuously.
 *
 * The query is looked at as the parser leaves it: its FROM clause by
 * definition_from.c, the rest here.  Nothing is changed, nothing is planned or
 * run; partial.c makes the queries that are run.
 *
 * What is kept continuously must not depend on how the rows are divided
 * into ticks.  Therefore: one stream, read once, on the side of no outer
 * join that fills in NULLs; no function that differs from call to call; only
 * aggregate functions whose states can be combined and stored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_agg.h"
#include "parser/parse_oper.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/definition.h"
#include "aggregate/definition_from.h"
#include "aggregate/distinct.h"
#include "aggregate/distinct_row.h"
#include "aggregate/parent.h"
#include "aggregate/row_type.h"

void
weir_definition_refuse(const char *reason, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the query cannot be kept as a continuous aggregate"),
			 errdetail("%s", reason),
			 hint ? errhint("%s", hint) : 0));
}

static inline void
refuse(const char *reason, const char *hint)
{
	weir_definition_refuse(reason, hint);
}

/*
 * The query of a view, as its rule holds it.  The range table entries are
 * checked against the view's owner when it is run.
 */
Query *
weir_definition_query(Oid view)
{
	Relation	rel = table_open(view, AccessShareLock);
	Query	   *query = NULL;

	if (rel->rd_rel->relkind == RELKIND_VIEW && rel->rd_rules != NULL)
	{
		RewriteRule *rule = rel->rd_rules->rules[0];

		if (rule->event == CMD_SELECT && list_length(rule->actions) == 1)
			query = copyObject(linitial_node(Query, rule->actions));
	}
	table_close(rel, NoLock);

	if (query == NULL)
		elog(ERROR, "relation %u holds no query", view);
	return query;
}

/* ---------- the shape of the query ---------- */

static void
check_shape(Query *query)
{
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL ||
		query->hasModifyingCTE)
		refuse("It is not a plain SELECT.", NULL);
	if (query->setOperations != NULL)
		refuse("UNION, INTERSECT and EXCEPT are not supported.",
			   "Create one aggregate for each branch and combine them in a view.");
	if (query->distinctClause != NIL)
		refuse("DISTINCT is not supported.", "Use GROUP BY.");
	if (query->limitCount != NULL || query->limitOffset != NULL)
		refuse("LIMIT and OFFSET are not supported.",
			   "Use them in the query that reads the aggregate.");
	if (query->sortClause != NIL)
		refuse("ORDER BY is not supported.",
			   "Use it in the query that reads the aggregate.");
	if (query->hasWindowFuncs)
		refuse("Window functions (OVER) are not supported.",
			   "Use them in the query that reads the aggregate.");
	if (query->hasTargetSRFs)
		refuse("Set-returning functions in the SELECT list are not supported.",
			   "Use LATERAL in the FROM clause.");
	if (query->rowMarks != NIL)
		refuse("FOR UPDATE and FOR SHARE are not supported.", NULL);
	if (!query->hasAggs && query->groupClause == NIL &&
		query->groupingSets == NIL)
		refuse("It does not aggregate.", "Use GROUP BY or an aggregate function.");
	if (isQueryUsingTempRelation(query))
		refuse("It reads a temporary table.", NULL);
	if (contain_volatile_functions((Node *) query))
		refuse("It calls a volatile function.",
			   "Such a function gives another result at each call; use now() in place of clock_timestamp().");
}

static bool
refuse_system_columns(Node *node, WeirDefinition *def)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == def->stream_rti && var->varlevelsup == 0 &&
			var->varattno < 0)
			refuse("It reads a system column of the stream.", NULL);
		return false;
	}
	return expression_tree_walker(node, refuse_system_columns, def);
}

/* ---------- keys ---------- */

static bool
is_window_var(const WeirDefinition *def, Node *node)
{
	return IsA(node, Var) && ((Var *) node)->varlevelsup == 0 &&
		((Var *) node)->varno == def->window_rti && def->window_rti != 0;
}

static bool
is_nondeterministic(Oid collation)
{
	return OidIsValid(collation) && !get_collation_isdeterministic(collation);
}

/*
 * The hash of a row changes when its type gets or loses a column, and that of a
 * text under a nondeterministic collation with the version of the collation.
 * Ranges have a collation of their own.
 */
static bool
has_lasting_hash(const WeirKey *key)
{
	Oid			type;

	if (!key->hashable || weir_row_type_holds(key->type) ||
		is_nondeterministic(key->collation))
		return false;
	for (type = key->type; OidIsValid(type); type = weir_row_type_inner(type))
	{
		if (get_typtype(type) == TYPTYPE_RANGE &&
			is_nondeterministic(get_range_collation(type)))
			return false;
	}
	return true;
}

static void
add_key(WeirDefinition *def, Node *expr, SortGroupClause *clause)
{
	WeirKey    *key = palloc0(sizeof(WeirKey));

	key->expr = (Expr *) expr;
	key->type = exprType(expr);
	key->typmod = exprTypmod(expr);
	key->collation = exprCollation(expr);
	if (clause != NULL)
	{
		key->eqop = clause->eqop;
		key->sortop = clause->sortop;
		key->hashable = clause->hashable;
	}
	else
	{
		get_sort_group_operators(key->type, false, true, false,
								 &key->sortop, &key->eqop, NULL,
								 &key->hashable);
		key->is_implied = true;
	}
	key->has_lasting_hash = has_lasting_hash(key);
	if (key->type == RECORDOID || key->type == RECORDARRAYOID)
		refuse("It groups by an anonymous row.",
			   "Group by its columns, or by a row of a named composite type.");
	def->keys = lappend(def->keys, key);
}

static void
collect_keys(WeirDefinition *def)
{
	ListCell   *lc;
	bool		has_end = false;
	bool		has_start = false;

	foreach(lc, def->query->groupClause)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Node	   *expr = get_sortgroupclause_expr(clause,
													def->query->targetList);

		if (is_window_var(def, expr))
		{
			if (((Var *) expr)->varattno == 2)
				has_end = true;
			else
				has_start = true;
		}
		else if (weir_definition_find_key(def, expr) < 0)
			add_key(def, expr, clause);
	}
	if (def->window_rti == 0)
		return;
	if (!has_end && !has_start)
		refuse("A window function is used, but neither window_start nor window_end is among the grouping columns.",
			   "Add them to GROUP BY.");
	if (!has_end && (def->window.kind == WEIR_WINDOW_CUMULATE ||
					 def->window.kind == WEIR_WINDOW_SESSION))
		refuse("Windows of this kind can share their start, and window_end is not among the grouping columns.",
			   "Add window_end to GROUP BY.");
}

/* With grouping sets, the window has to be in each of them. */
static void
check_grouping_sets(WeirDefinition *def)
{
	List	   *sets;
	ListCell   *lc;

	if (def->query->groupingSets == NIL || def->window_rti == 0)
		return;
	sets = expand_grouping_sets(def->query->groupingSets,
								def->query->groupDistinct, -1);
	foreach(lc, sets)
	{
		bool		has_window = false;
		ListCell   *lc2;

		foreach(lc2, lfirst(lc))
		{
			TargetEntry *tle = get_sortgroupref_tle(lfirst_int(lc2),
													def->query->targetList);
			Node	   *expr = (Node *) tle->expr;

			if (is_window_var(def, expr) &&
				(((Var *) expr)->varattno == 2 ||
				 def->window.kind == WEIR_WINDOW_TUMBLE ||
				 def->window.kind == WEIR_WINDOW_HOP))
				has_window = true;
		}
		if (!has_window)
			refuse("A grouping set leaves out the window.",
				   "Group by the window outside of the sets: GROUP BY window_start, window_end, ROLLUP (...).");
	}
}

/* What an expression in a sub-select that deep is in the query outside. */
Node *
weir_definition_raise(Node *node, int depth)
{
	if (depth == 0)
		return node;
	node = copyObject(node);
	IncrementVarSublevelsUp(node, -depth, depth);
	return node;
}

int
weir_definition_find_key(const WeirDefinition *def, Node *node)
{
	ListCell   *lc;

	foreach(lc, def->keys)
	{
		if (equal(((WeirKey *) lfirst(lc))->expr, node))
			return foreach_current_index(lc);
	}
	return -1;
}

/* ---------- aggregate functions ---------- */

static char *
agg_name(Aggref *aggref)
{
	return format_procedure(aggref->aggfnoid);
}

/* the type in which the states of an aggregate function are stored */
static Oid
agg_state_type(Aggref *aggref)
{
	HeapTuple	tuple;
	Form_pg_aggregate form;
	Oid			argtypes[FUNC_MAX_ARGS];
	int			nargs;
	Oid			type;

	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggref->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);

	if (!OidIsValid(form->aggcombinefn))
		refuse(psprintf("Partial results of the aggregate function %s cannot be combined.",
						agg_name(aggref)),
			   "Use an aggregate function that has a combine function (COMBINEFUNC).");
	nargs = get_aggregate_argtypes(aggref, argtypes);
	type = resolve_aggregate_transtype(aggref->aggfnoid, form->aggtranstype,
									   argtypes, nargs);
	if (type == INTERNALOID)
	{
		if (!OidIsValid(form->aggserialfn) || !OidIsValid(form->aggdeserialfn))
			refuse(psprintf("Partial results of the aggregate function %s cannot be stored.",
							agg_name(aggref)),
				   "Use an aggregate function that has serialization functions (SERIALFUNC, DESERIALFUNC).");
		if (!WeirStateCanBeSent(aggref, form->aggserialfn))
			refuse(psprintf("Partial results of the aggregate function %s cannot be stored for this type of argument.",
							agg_name(aggref)),
				   "The type needs functions for binary input and output (SEND, RECEIVE).");
		type = BYTEAOID;
	}
	ReleaseSysCache(tuple);
	if (get_typtype(type) == TYPTYPE_PSEUDO)
		refuse(psprintf("Partial results of the aggregate function %s have no type that can be stored.",
						agg_name(aggref)), NULL);
	return type;
}

/* A set is of values; what comes beside them must be the same for all. */
static void
check_distinct_args(const Aggref *aggref)
{
	int			i;

	if (aggref->aggvariadic)
		refuse("DISTINCT is not supported with VARIADIC.", NULL);
	for (i = 1; i < list_length(aggref->args); i++)
	{
		if (weir_distinct_constant(aggref, i) == NULL)
			refuse("DISTINCT in an aggregate function is supported for a single argument only, besides constants.",
				   "Use a row of a named composite type as the argument, or group by the arguments in an aggregate below.");
	}
}

/* What is kept for a call; with DISTINCT, the set of its values. */
static Aggref *
kept_aggref(Aggref *aggref)
{
	if (aggref->aggkind != AGGKIND_NORMAL)
		refuse(psprintf("The aggregate function %s needs all values at once (WITHIN GROUP).",
						agg_name(aggref)),
			   "Use a sketch, such as tdigest, for percentiles.");
	if (aggref->aggorder != NIL)
		refuse("ORDER BY in an aggregate function is not supported.",
			   "Use weir.first or weir.last.");
	if (aggref->aggdistinct != NIL)
	{
		check_distinct_args(aggref);
		aggref = weir_distinct_row(aggref);
		if (aggref == NULL)
			refuse("DISTINCT is not supported for this anonymous row: only count is, of numbers, text, dates and the like.",
				   "Use a row of a named composite type.");
		aggref = weir_distinct_set(aggref);
	}
	(void) agg_state_type(aggref);
	return aggref;
}

/*
 * Do the functions differ in what they make of the same states, at most?  Only of
 * the server's own this is known to stay so.
 */
static bool
functions_share_state(Oid a, Oid b)
{
	HeapTuple	tuples[2];
	Form_pg_aggregate forms[2];
	text	   *initial[2];
	bool		result;
	int			i;

	if (a >= FirstNormalObjectId || b >= FirstNormalObjectId)
		return false;
	for (i = 0; i < 2; i++)
	{
		bool		isnull;
		Datum		value;

		tuples[i] = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(i == 0 ? a : b));
		if (!HeapTupleIsValid(tuples[i]))
			elog(ERROR, "cache lookup failed for aggregate %u", i == 0 ? a : b);
		forms[i] = (Form_pg_aggregate) GETSTRUCT(tuples[i]);
		value = SysCacheGetAttr(AGGFNOID, tuples[i],
								Anum_pg_aggregate_agginitval, &isnull);
		initial[i] = isnull ? NULL : DatumGetTextPP(value);
	}
	result = forms[0]->aggtransfn == forms[1]->aggtransfn &&
		forms[0]->aggtranstype == forms[1]->aggtranstype &&
		forms[0]->aggcombinefn == forms[1]->aggcombinefn &&
		forms[0]->aggserialfn == forms[1]->aggserialfn &&
		forms[0]->aggdeserialfn == forms[1]->aggdeserialfn &&
		/* then a state is a result for both or for neither (plain_state.c) */
		OidIsValid(forms[0]->aggfinalfn) == OidIsValid(forms[1]->aggfinalfn) &&
		(initial[0] == NULL) == (initial[1] == NULL) &&
		(initial[0] == NULL ||
		 strcmp(text_to_cstring(initial[0]), text_to_cstring(initial[1])) == 0);
	ReleaseSysCache(tuples[0]);
	ReleaseSysCache(tuples[1]);
	return result;
}

/* Do the calls have the same state, of the same rows? */
static bool
share_state(const Aggref *a, const Aggref *b)
{
	if (equal(a, b))
		return true;
	return a->inputcollid == b->inputcollid &&
		a->aggstar == b->aggstar &&
		a->aggvariadic == b->aggvariadic &&
		equal(a->aggargtypes, b->aggargtypes) &&
		equal(a->args, b->args) &&
		equal(a->aggfilter, b->aggfilter) &&
		functions_share_state(a->aggfnoid, b->aggfnoid);
}

int
weir_definition_find_state(const WeirDefinition *def, const Aggref *aggref)
{
	ListCell   *lc;

	foreach(lc, def->states)
	{
		if (share_state(lfirst(lc), aggref))
			return foreach_current_index(lc);
	}
	return -1;
}

static void
add_agg(WeirDefinition *def, Aggref *aggref)
{
	if (list_member(def->aggs, aggref))
		return;
	def->aggs = lappend(def->aggs, aggref);
	if (weir_definition_find_state(def, aggref) < 0)
		def->states = lappend(def->states, aggref);
}

/* A part of the query, and how many sub-selects deep it stands. */
typedef struct OutputSearch
{
	WeirDefinition *def;
	int			depth;
} OutputSearch;

/* A column that is not grouped by depends on those that are. */
static void
collect_var(WeirDefinition *def, Node *var)
{
	if (is_window_var(def, var) || weir_definition_find_key(def, var) >= 0)
		return;
	if (def->query->groupingSets != NIL)
		refuse("With grouping sets a column outside of GROUP BY is not supported.",
			   "Add the column to GROUP BY.");
	add_key(def, var, NULL);
}

/*
 * What stands above the grouping: aggregate functions, keys, and Vars that
 * are neither, which depend on keys (a primary key of a joined table).  In a
 * sub-select, those of the query outside; there the server knows keys that are
 * expressions by their Vars only.
 */
static bool
collect_outputs(Node *node, OutputSearch *search)
{
	WeirDefinition *def = search->def;
	bool		result;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		search->depth++;
		result = query_tree_walker((Query *) node, collect_outputs, search, 0);
		search->depth--;
		return result;
	}
	if (IsA(node, Aggref) &&
		((Aggref *) node)->agglevelsup == search->depth)
	{
		add_agg(def, kept_aggref((Aggref *) weir_definition_raise(node,
																  search->depth)));
		return false;
	}
	if (IsA(node, GroupingFunc) &&
		((GroupingFunc *) node)->agglevelsup == search->depth)
		return false;
	if (search->depth == 0 && weir_definition_find_key(def, node) >= 0)
		return false;
	if (IsA(node, Var))
	{
		if (((Var *) node)->varlevelsup == search->depth)
			collect_var(def, weir_definition_raise(node, search->depth));
		return false;
	}
	return expression_tree_walker(node, collect_outputs, search);
}

/*
 * A query without any aggregate function, or one that the planner could
 * answer from an index (min, max), gets a count of its rows.
 */
static void
add_count(WeirDefinition *def)
{
	Aggref	   *count;

	if (def->aggs != NIL && def->query->groupClause != NIL)
		return;
	count = makeNode(Aggref);
	count->aggfnoid = F_COUNT_;
	count->aggtype = INT8OID;
	count->aggstar = true;
	count->aggkind = AGGKIND_NORMAL;
	count->aggsplit = AGGSPLIT_SIMPLE;
	count->aggno = -1;
	count->aggtransno = -1;
	count->location = -1;
	add_agg(def, count);
}

/* ---------- state rows ---------- */

static void
describe_state(WeirDefinition *def)
{
	AttrNumber	attno = 0;
	ListCell   *lc;
	TupleDesc	desc;

	def->nwindow = def->window_rti != 0 ? 2 : 0;
	def->nkeys = list_length(def->keys);
	desc = CreateTemplateTupleDesc(def->nwindow + def->nkeys +
								   list_length(def->states));
	if (def->nwindow > 0)
	{
		TupleDescInitEntry(desc, ++attno, "window_end", def->window_type, -1, 0);
		TupleDescInitEntry(desc, ++attno, "window_start", def->window_type, -1, 0);
	}
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);

		attno++;
		TupleDescInitEntry(desc, attno, psprintf("key%d", attno), key->type,
						   key->typmod, 0);
		TupleDescInitEntryCollation(desc, attno, key->collation);
	}
	foreach(lc, def->states)
	{
		Aggref	   *aggref = lfirst_node(Aggref, lc);
		Oid			type = agg_state_type(aggref);

		attno++;
		TupleDescInitEntry(desc, attno, psprintf("state%d", attno), type, -1, 0);
		if (OidIsValid(get_typcollation(type)) && OidIsValid(aggref->inputcollid))
			TupleDescInitEntryCollation(desc, attno, aggref->inputcollid);
	}
	def->state_desc = desc;
}

/*
 * What is the extension's own has a name, which does not change; so state in a
 * dump can be read where it has been restored.  What is a user's is known by its
 * oid: it may be renamed, and its values hold the oid, such as rows and enums do.
 */
static uint32
hash_object(int cache, Oid oid, AttrNumber namespace_column,
			AttrNumber name_column)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));
	bool		isnull;
	uint32		hash = hash_bytes_uint32(oid);

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for object %u", oid);
	if (oid >= FirstNormalObjectId &&
		DatumGetObjectId(SysCacheGetAttr(cache, tuple, namespace_column,
										 &isnull)) == weir_schema_oid())
	{
		const char *name = NameStr(*DatumGetName(SysCacheGetAttr(cache, tuple,
																 name_column,
																 &isnull)));

		hash = hash_bytes((const unsigned char *) name, strlen(name));
	}
	ReleaseSysCache(tuple);
	return hash;
}

static uint32
hash_function(Oid function)
{
	return hash_object(PROCOID, function, Anum_pg_proc_pronamespace,
					   Anum_pg_proc_proname);
}

static uint32
hash_type(Oid type)
{
	return hash_object(TYPEOID, type, Anum_pg_type_typnamespace,
					   Anum_pg_type_typname);
}

/* Two definitions with the same one can read each other's state. */
static void
compute_fingerprint(WeirDefinition *def)
{
	uint32		hash = hash_bytes_uint32((uint32) def->window.kind * 2 +
										 def->by_pane);
	ListCell   *lc;
	ListCell   *lc2;
	int			i;

	for (i = 0; i < def->state_desc->natts; i++)
		hash = hash_combine(hash,
							hash_type(TupleDescAttr(def->state_desc, i)->atttypid));
	foreach(lc, def->states)
	{
		Aggref	   *aggref = lfirst_node(Aggref, lc);

		hash = hash_combine(hash, hash_function(aggref->aggfnoid));
		/* values of these may be in states that do not tell */
		foreach(lc2, aggref->aggargtypes)
			hash = hash_combine(hash, hash_type(lfirst_oid(lc2)));
	}
	def->fingerprint = hash;
}

static bool
mentions_window(Node *node, WeirDefinition *def)
{
	if (node == NULL)
		return false;
	if (is_window_var(def, node))
		return true;
	if (IsA(node, SubLink) || IsA(node, Query))
		return true;			/* may do so; not worth the search */
	return expression_tree_walker(node, mentions_window, def);
}

/* Does anything but the grouping, and what stands above it, use the window? */
static bool
uses_window_below(WeirDefinition *def)
{
	ListCell   *lc;

	if (mentions_window((Node *) def->query->jointree, def) ||
		mentions_window((Node *) def->aggs, def))
		return true;
	foreach(lc, def->keys)
	{
		if (mentions_window((Node *) ((WeirKey *) lfirst(lc))->expr, def))
			return true;
	}
	foreach(lc, def->query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->lateral && foreach_current_index(lc) + 1 != def->window_rti)
			return true;		/* may do so */
	}
	return false;
}

/*
 * State by pane serves every window that holds the pane, and is what is
 * cheapest for a tumbling window too.  Not possible where the query itself
 * looks at the windows a row falls into: in WHERE, in a join, in a key or
 * inside an aggregate function.
 */
static bool
can_use_panes(WeirDefinition *def)
{
	return def->window_rti != 0 && def->window.kind != WEIR_WINDOW_SESSION &&
		!uses_window_below(def);
}

/*
 * A session is known only after rows have been merged, by key: nothing below
 * the grouping may depend on it, and the rows of a key must be comparable.
 */
static void
check_session(WeirDefinition *def)
{
	ListCell   *lc;

	def->is_session = def->window_rti != 0 &&
		def->window.kind == WEIR_WINDOW_SESSION;
	if (!def->is_session)
		return;
	if (def->query->groupingSets != NIL)
		refuse("Grouping sets are not supported with sessions.",
			   "Sessions are formed for each combination of the grouping columns; create an aggregate for each set.");
	if (uses_window_below(def))
		refuse("The bounds of a session are used in WHERE, in a join, in another grouping column or in an aggregate function.",
			   "They are known only when all rows of the session are; use them in HAVING, in the SELECT list or in the query that reads the aggregate.");
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);

		if (!OidIsValid(key->sortop))
			refuse(psprintf("Sessions are formed for values of type %s, which cannot be sorted.",
							format_type_be(key->type)), NULL);
	}
}

WeirDefinition *
weir_definition_analyze(const Query *source)
{
	WeirDefinition *def = palloc0(sizeof(WeirDefinition));
	Query	   *query = copyObject(unconstify(Query *, source));
	OutputSearch outputs = {def, 0};

	def->query = query;
	check_shape(query);
	WeirFlattenOutputs(query);
	weir_definition_read_from(def);
	(void) query_tree_walker(query, refuse_system_columns, def,
							 QTW_IGNORE_RC_SUBQUERIES);
	collect_keys(def);
	check_grouping_sets(def);
	(void) collect_outputs((Node *) query->targetList, &outputs);
	(void) collect_outputs(query->havingQual, &outputs);
	add_count(def);
	def->by_pane = can_use_panes(def);
	check_session(def);
	describe_state(def);
	compute_fingerprint(def);
	return def;
}

/* ---------- columns of the result ---------- */

AttrNumber
weir_definition_window_column(const WeirDefinition *def, AttrNumber column)
{
	ListCell   *lc;

	foreach(lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!tle->resjunk && is_window_var(def, (Node *) tle->expr) &&
			((Var *) tle->expr)->varattno == column)
			return tle->resno;
	}
	return 0;
}

List *
weir_definition_key_columns(const WeirDefinition *def)
{
	List	   *attnos = NIL;
	ListCell   *lc;

	foreach(lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!tle->resjunk &&
			weir_definition_find_key(def, (Node *) tle->expr) >= 0)
			attnos = lappend_int(attnos, tle->resno);
	}
	return attnos;
}
