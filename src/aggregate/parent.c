/*-------------------------------------------------------------------------
 *
 * parent.c
 *	  Queries over another aggregate: what they mean, and what is read in its
 *	  place.
 *
 * The query names the view of the other aggregate, its parent.  Run as it
 * stands it is over the parent's closed rows and open windows as they are now,
 * and that is what the live view of this aggregate shows.  Its state is made of
 * the closed rows only, each once.  So that the rest need not know, what is to
 * be read is put into the query in place of the view, column for column; the
 * right to read the view is checked nevertheless.
 *
 * Time.  A row of the parent is final when its window has closed, and windows
 * close in the order of their ends.  So what has been closed is told by a time,
 * the end of the last window that has, and no log is needed: the rows that
 * came after are those whose windows end later.  From the same time follows
 * which event times cannot come any more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/parent.h"

/* ---------- finding it ---------- */

/*
 * What is closed must show in the columns: by window_end, or by window_start
 * where it goes up with the end.
 */
static void
check_parent(const WeirParent *parent)
{
	const char *name = get_rel_name(parent->agg.view);

	if (!OidIsValid(parent->agg.closed))
		weir_definition_refuse(psprintf("It reads the continuous aggregate \"%s\", which has no windows: its rows are never final.",
										name),
							   "Aggregate the stream itself, or put a window function into that aggregate.");
	if (parent->end_column == 0 &&
		(parent->start_column == 0 ||
		 (parent->def->window.kind != WEIR_WINDOW_TUMBLE &&
		  parent->def->window.kind != WEIR_WINDOW_HOP)))
		weir_definition_refuse(psprintf("The columns of the continuous aggregate \"%s\" do not tell when its rows are final.",
										name),
							   "Put window_end into its SELECT list.");
}

WeirParent *
weir_parent_find(const RangeTblEntry *rte)
{
	WeirAggregate agg;
	WeirParent *parent;

	/* a view's own query is in its range table, too, before 16 */
	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_VIEW ||
		!rte->inFromCl || !weir_aggregate_find(rte->relid, NULL, &agg) ||
		agg.view != rte->relid)
		return NULL;
	parent = palloc0(sizeof(WeirParent));
	parent->agg = agg;
	parent->def = weir_definition_analyze(weir_definition_query(agg.query));
	if (parent->def->window_rti != 0)
	{
		parent->start_column = weir_definition_window_column(parent->def, 1);
		parent->end_column = weir_definition_window_column(parent->def, 2);
	}
	check_parent(parent);
	return parent;
}

/* ---------- functions of functions ---------- */

/* name of a function of the server's, or NULL */
static const char *
server_function_name(Oid funcid)
{
	return get_func_namespace(funcid) == PG_CATALOG_NAMESPACE ?
		get_func_name(funcid) : NULL;
}

static bool
is_one_of(const char *name, const char *const *names, int n)
{
	int			i;

	for (i = 0; name != NULL && i < n; i++)
	{
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Is it the same function, and one that cannot be had from its results?  Or a
 * sum of numbers of distinct values, of which some are counted twice?
 */
static bool
is_other_over_rows(const Aggref *outer, const Aggref *inner)
{
	static const char *const means[] = {
		"avg", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop",
		"var_samp"
	};
	const char *name = server_function_name(outer->aggfnoid);

	return (outer->aggfnoid == inner->aggfnoid ||
			is_one_of(server_function_name(inner->aggfnoid), means, lengthof(means))) ?
		is_one_of(name, means, lengthof(means)) :
		inner->aggdistinct != NIL && name != NULL && strcmp(name, "sum") == 0;
}

typedef struct InnerSearch
{
	const Aggref *outer;
	const Aggref *found;		/* what makes it another over the rows */
} InnerSearch;

static bool
find_inner(Node *node, InnerSearch *search)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref) &&
		is_other_over_rows(search->outer, (Aggref *) node))
		search->found = (Aggref *) node;
	return search->found != NULL ||
		expression_tree_walker(node, find_inner, search);
}

void
weir_parent_check(const WeirDefinition *def)
{
	ListCell   *lc;

	foreach(lc, def->aggs)
	{
		InnerSearch search = {lfirst_node(Aggref, lc), NULL};
		TargetEntry *column;
		Var		   *var;

		if (list_length(search.outer->args) != 1)
			continue;
		var = (Var *) linitial_node(TargetEntry, search.outer->args)->expr;
		if (!IsA(var, Var) || var->varno != def->stream_rti ||
			var->varlevelsup != 0)
			continue;
		column = get_tle_by_resno(def->parent->def->query->targetList,
								  var->varattno);
		if (column == NULL || !find_inner((Node *) column->expr, &search))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s over column \"%s\" of \"%s\" is not what it is over the rows that this is made of",
						get_func_name(search.outer->aggfnoid),
						get_attname(def->parent->agg.view, var->varattno, false),
						get_rel_name(def->parent->agg.view)),
				 search.found->aggdistinct != NIL ?
				 errdetail("A value that is in several windows counts several times.") :
				 errdetail("A result of %s counts as one value, of however many rows it is.",
						   get_func_name(search.found->aggfnoid)),
				 errhint("Add to \"%s\" what can be combined, such as sum and count, or aggregate the stream itself.  If just this is wanted, write the column as an expression: (%s + 0).",
						 get_rel_name(def->parent->agg.view),
						 quote_identifier(get_attname(def->parent->agg.view,
													  var->varattno, false)))));
	}
}

/* ---------- event time ---------- */

static bool
is_column(const WeirDefinition *def, Node *node, AttrNumber column)
{
	return column != 0 && IsA(node, Var) && ((Var *) node)->varlevelsup == 0 &&
		((Var *) node)->varno == def->stream_rti &&
		((Var *) node)->varattno == column;
}

/* Is it window_end - interval 'so long'?  Longer than a day has no one length. */
static bool
is_end_less_constant(const WeirDefinition *def, Node *node, int64 *usec)
{
	OpExpr	   *op = (OpExpr *) node;
	Const	   *length;
	Oid			funcid;
	Interval   *interval;

	if (!IsA(node, OpExpr) || list_length(op->args) != 2)
		return false;
	funcid = get_opcode(op->opno);
	length = lsecond(op->args);
	if ((funcid != F_TIMESTAMPTZ_MI_INTERVAL &&
		 funcid != F_TIMESTAMP_MI_INTERVAL) ||
		!is_column(def, linitial(op->args), def->parent->end_column) ||
		!IsA(length, Const) || length->constisnull)
		return false;
	interval = DatumGetIntervalP(length->constvalue);
	*usec = interval->time;
	return interval->month == 0 && interval->day == 0 &&
		interval->time >= 0 && interval->time < USECS_PER_DAY;
}

bool
weir_parent_set_event_time(WeirDefinition *def, Node *node)
{
	WeirParent *parent = def->parent;

	parent->by_start = is_column(def, node, parent->start_column);
	if (parent->by_start && parent->def->is_session)
		weir_definition_refuse(psprintf("The window function is over window_start of the sessions of \"%s\", and a session can go back further than those that have closed before it.",
										get_rel_name(parent->agg.view)),
							   "Use window_end - interval '1 microsecond', the time of its end, in place of window_start.");
	return parent->by_start ||
		is_column(def, node, parent->end_column) ||
		is_end_less_constant(def, node, &parent->less_usec);
}

/*
 * Nothing closes between the boundaries of panes, so the time of the last one
 * is what counts; closing.c does not even look in between.
 */
Timestamp
weir_parent_watermark(const WeirDefinition *def, Timestamp until)
{
	WeirParent *parent = def->parent;
	WeirWindowSpec spec = parent->def->window;

	if (TIMESTAMP_NOT_FINITE(until))
		return until;
	if (parent->by_start)
		return weir_window_start_after(&spec, until);
	if (!parent->def->is_session)
		until = weir_window_pane_start(&spec, weir_window_pane(&spec, until));
	/* the next end is a microsecond later at the least */
	return parent->less_usec > 0 ? until + 1 - parent->less_usec : until;
}

/* ---------- something else in its place ---------- */

/*
 * A copy whose query can be changed: the entry of the view, and another one
 * behind that keeps the check of rights, as the server does for views.
 */
static WeirDefinition *
copy_definition(const WeirDefinition *def, RangeTblEntry **entry)
{
	WeirDefinition *copy = palloc(sizeof(WeirDefinition));
	RangeTblEntry *check;

	*copy = *def;
	copy->query = copyObject(def->query);
	*entry = rt_fetch(copy->stream_rti, copy->query->rtable);
	check = copyObject(*entry);
	check->inFromCl = false;
	copy->query->rtable = lappend(copy->query->rtable, check);
	WeirForgetRights(*entry);
	return copy;
}

static WeirDefinition *
over_relation(const WeirDefinition *def, Oid relid, char relkind)
{
	RangeTblEntry *entry;
	WeirDefinition *copy = copy_definition(def, &entry);

	entry->relid = relid;
	entry->relkind = relkind;
	WeirNeedNoRights(copy->query, entry);
	return copy;
}

/* column <operator of this strategy> value */
static void
add_condition(WeirDefinition *def, AttrNumber column, int strategy,
			  Timestamp value)
{
	Oid			type = def->parent->def->window_type;
	Oid			opclass = GetDefaultOpClass(type, BTREE_AM_OID);
	Oid			operator = get_opfamily_member(get_opclass_family(opclass), type,
											   type, strategy);
	Expr	   *condition;

	if (!OidIsValid(operator))
		elog(ERROR, "missing operator %d of type %u", strategy, type);
	condition = make_opclause(operator, BOOLOID, false,
							  (Expr *) makeVar(def->stream_rti, column, type,
											   -1, InvalidOid, 0),
							  (Expr *) makeConst(type, -1, InvalidOid, 8,
												 TimestampGetDatum(value),
												 false, FLOAT8PASSBYVAL),
							  InvalidOid, InvalidOid);
	def->query->jointree->quals =
		make_and_qual(def->query->jointree->quals, (Node *) condition);
	def->row_conditions = lappend(def->row_conditions, condition);
}

/* The windows end later than that (or not later). */
static void
add_end_condition(WeirDefinition *def, Timestamp end, bool is_later)
{
	WeirParent *parent = def->parent;
	WeirWindowSpec spec = parent->def->window;

	if (end == (is_later ? DT_NOBEGIN : DT_NOEND))
		return;					/* all do */
	if (parent->end_column != 0)
		add_condition(def, parent->end_column,
					  is_later ? BTGreaterStrategyNumber :
					  BTLessEqualStrategyNumber, end);
	else
		add_condition(def, parent->start_column,
					  is_later ? BTGreaterEqualStrategyNumber :
					  BTLessStrategyNumber,
					  TIMESTAMP_NOT_FINITE(end) ? end :
					  weir_window_start_after(&spec, end));
}

WeirDefinition *
weir_parent_closed(const WeirDefinition *def, Timestamp after, Timestamp until)
{
	WeirDefinition *copy = over_relation(def, def->parent->agg.closed,
										 RELKIND_RELATION);

	add_end_condition(copy, after, true);
	add_end_condition(copy, until, false);
	return copy;
}

WeirDefinition *
weir_parent_open(const WeirDefinition *def)
{
	return over_relation(def, def->parent->agg.open, RELKIND_FOREIGN_TABLE);
}

WeirDefinition *
weir_parent_later(const WeirDefinition *def, Timestamp after)
{
	WeirDefinition *copy = over_relation(def, def->parent->agg.view,
										 RELKIND_VIEW);

	add_end_condition(copy, after, true);
	return copy;
}

WeirDefinition *
weir_parent_rows(const WeirDefinition *def, EphemeralNamedRelation rows)
{
	RangeTblEntry *entry;
	WeirDefinition *copy = copy_definition(def, &entry);
	TupleDesc	desc = rows->md.tupdesc;
	int			i;

	entry->rtekind = RTE_NAMEDTUPLESTORE;
	entry->relid = InvalidOid;
	entry->relkind = '\0';
	entry->rellockmode = 0;
	entry->inh = false;
	entry->enrname = rows->md.name;
	entry->enrtuples = rows->md.enrtuples;
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		entry->coltypes = lappend_oid(entry->coltypes, att->atttypid);
		entry->coltypmods = lappend_int(entry->coltypmods, att->atttypmod);
		entry->colcollations = lappend_oid(entry->colcollations,
										   att->attcollation);
	}
	return copy;
}
