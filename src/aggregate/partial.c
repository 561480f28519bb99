/*-------------------------------------------------------------------------
 *
 * partial.c
 *	  Aggregation in steps: rows to states, states to states, states to the
 *	  final result.
 *
 * Each step is a query of its own, made from the definition, planned by the
 * server and run by its executor.  The server knows aggregation in steps from
 * parallel query, but plans it only below Gather; so the query is planned as
 * if it aggregated in one step, and its Agg nodes and Aggrefs are then marked
 * for the step in question, exactly as the planner would have done:
 *
 *		rows to states		AGGSPLIT_INITIAL_SERIAL, over the batch
 *		states to states	combine, deserialize, serialize; no final function
 *		states to result	AGGSPLIT_FINAL_DESERIAL
 *
 * In the latter two the one table is a row source of ours.  It is planned as
 * an ephemeral named relation, whose scan node is then replaced by a custom
 * scan (state_scan.c): no copy of the states is made.
 *
 * The queries are planned anew for every run.  That costs little beside a
 * batch, and needs no invalidation when a table, function or type is altered.
 * Only who reads a few rows, or a few groups, keeps the last plan
 * (definition_cache.c).
 *
 * Lateness.  Rows for windows that have closed are left out by a condition
 * added to WHERE, which counts what may be late for a window.  The server may
 * evaluate it before other conditions; only when it has counted something, the
 * batch is read a second time to find the rows that are late in earnest.
 *
 * A timestamp without time zone has the same representation as one with, and
 * is read as UTC (D11); the functions called here are declared for timestamptz
 * only and their arguments relabelled.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/parse_func.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "storage/itemptr.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/distinct.h"
#include "aggregate/distinct_row.h"
#include "aggregate/parent.h"
#include "aggregate/partial.h"
#include "aggregate/receiver.h"
#include "aggregate/row_filter.h"
#include "aggregate/state_query.h"
#include "aggregate/state_scan.h"
#include "aggregate/window_filter.h"
#include "stream/batch.h"


#define AGGSPLIT_COMBINE_SERIAL \
	((AggSplit) (AGGSPLITOP_COMBINE | AGGSPLITOP_SKIPFINAL | \
				 AGGSPLITOP_SERIALIZE | AGGSPLITOP_DESERIALIZE))

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
static Expr *
call_with_pointer(const char *name, Oid rettype, Expr *arg, Oid argtype,
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
static Expr *
start_expr(WeirDefinition *def)
{
	if (def->is_session)
		return copyObject(def->event_time);
	if (!def->by_pane)
		return window_column(def, 1);
	return call_with_pointer("_pane_start", TIMESTAMPTZOID,
							 copyObject(def->event_time), def->window_type,
							 &def->window);
}

static Expr *
end_expr(WeirDefinition *def)
{
	if (def->is_session)
		return call_with_pointer("_session_end", TIMESTAMPTZOID,
								 copyObject(def->event_time), def->window_type,
								 &def->window);
	if (!def->by_pane)
		return window_column(def, 2);
	return call_with_pointer("_pane_last_end", TIMESTAMPTZOID,
							 start_expr(def), def->window_type, &def->window);
}

/* ---------- parts of queries ---------- */

/* Group the query by an expression, which becomes its last output column. */
static void
add_group_column(Query *query, Expr *expr, const char *name,
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

static void
add_output(Query *query, Expr *expr, const char *name)
{
	query->targetList =
		lappend(query->targetList,
				makeTargetEntry(expr, list_length(query->targetList) + 1,
								pstrdup(name), false));
}

static void
add_qual(Query *query, Expr *qual)
{
	query->jointree->quals =
		make_and_qual(query->jointree->quals, (Node *) qual);
}

/* The FROM and WHERE of the definition, without what stands above. */
static Query *
source_query(WeirDefinition *def)
{
	Query	   *query = copyObject(def->query);

	query->targetList = NIL;
	query->groupClause = NIL;
	query->groupingSets = NIL;
	query->groupDistinct = false;
	query->havingQual = NULL;
	query->hasAggs = false;
	return query;
}

/* The entry becomes a row without columns, which the planner drops. */
static void
forget_entry(Query *query, Index rti)
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
static PlannedStmt *
plan_over_batch(WeirDefinition *def, Query *query, WeirBatch *batch)
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
		forget_entry(query, def->window_rti);
	if (batch == NULL)
		return pg_plan_query(query, "continuous aggregate", 0, NULL);
	weir_newrows_mark(rt_fetch(def->stream_rti, query->rtable));
	return weir_newrows_plan(query, batch);
}

/* Run a plan to its end under the active snapshot. */
static void
run_plan(PlannedStmt *plan, QueryEnvironment *env, DestReceiver *dest)
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

/* ---------- marking a plan for its step ---------- */

static bool
mark_aggrefs(Node *node, AggSplit *split)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		mark_partial_aggref((Aggref *) node, *split);
		return false;
	}
	return expression_tree_walker(node, mark_aggrefs, split);
}

static void
mark_agg(Agg *agg, AggSplit split)
{
	ListCell   *lc;

	agg->aggsplit = split;
	foreach(lc, agg->chain)
		lfirst_node(Agg, lc)->aggsplit = split;
	(void) mark_aggrefs((Node *) agg->plan.targetlist, &split);
	(void) mark_aggrefs((Node *) agg->plan.qual, &split);
}

/* ---------- rows to states ---------- */

static Query *
partial_query(WeirDefinition *def, WeirOpenFilter *filter)
{
	Query	   *query = source_query(def);
	ListCell   *lc;

	if (def->nwindow > 0)
	{
		if (def->is_session)
		{
			/* rows of the same instant; what is late is seen after merging */
			add_output(query, end_expr(def), "window_end");
			add_group_column(query, start_expr(def), "window_start", NULL);
			add_qual(query, call_with_pointer("_window_is_open", BOOLOID,
											  copyObject(def->event_time),
											  def->window_type, filter));
		}
		else if (def->by_pane)
		{
			/* the end is a function of the start, which is grouped by */
			add_output(query, end_expr(def), "window_end");
			add_group_column(query, start_expr(def), "window_start", NULL);
			add_qual(query, call_with_pointer("_window_is_open", BOOLOID,
											  copyObject(def->event_time),
											  def->window_type, filter));
		}
		else
		{
			add_group_column(query, end_expr(def), "window_end", NULL);
			add_group_column(query, start_expr(def), "window_start", NULL);
			add_qual(query, call_with_pointer("_window_is_open", BOOLOID,
											  end_expr(def),
											  def->window_type, filter));
		}
	}
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);

		add_group_column(query, copyObject(key->expr), "key", key);
	}
	foreach(lc, def->aggs)
		add_output(query, copyObject(lfirst(lc)), "state");
	query->hasAggs = true;
	return query;
}

static PlannedStmt *
plan_partial_query(WeirDefinition *def, Query *query, WeirBatch *batch)
{
	PlannedStmt *plan = plan_over_batch(def, query, batch);

	if (!IsA(plan->planTree, Agg))
		elog(ERROR, "plan of a continuous aggregate is topped by node type %d",
			 (int) nodeTag(plan->planTree));
	mark_agg((Agg *) plan->planTree, AGGSPLIT_INITIAL_SERIAL);
	return plan;
}

static int64
rows_to_states(WeirDefinition *def, WeirBatch *batch, QueryEnvironment *env,
			   Timestamp bound, DestReceiver *dest)
{
	WeirOpenFilter	filter;
	PlannedStmt *plan;

	weir_open_filter_init(def, bound, &filter);
	plan = plan_partial_query(def, partial_query(def, &filter), batch);
	run_plan(plan, env, dest);
	return filter.late;
}

int64
weir_partial_from_batch(WeirDefinition *def, WeirBatch *batch,
						Timestamp bound, DestReceiver *dest)
{
	return rows_to_states(def, batch, NULL, bound, dest);
}

/* ---------- the same, with a plan that is kept ---------- */

struct WeirBatchPlan
{
	PlannedStmt *plan;
	WeirOpenFilter filter;		/* what the plan compares with */
};

/*
 * Does it do the same whoever runs it, as long as it is not invalidated?  Views
 * are no matter: it is what they read that counts, and the one that holds the
 * definition is there before 16.
 */
static bool
can_be_kept(const WeirDefinition *def, const PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->relationOids)
		if (lfirst_oid(lc) != def->stream.relid &&
			get_rel_relkind(lfirst_oid(lc)) != RELKIND_VIEW)
			return false;
	return !plan->transientPlan && !plan->dependsOnRole && plan->subplans == NIL;
}

/* The query stays, too, as in weir_partial_prepare_finish. */
WeirBatchPlan *
weir_partial_prepare_batch(WeirDefinition *def, WeirBatch *batch, double rows)
{
	WeirBatchPlan *result = palloc0(sizeof(WeirBatchPlan));
	Query	   *query = partial_query(def, &result->filter);
	WeirBatch	sample = *batch;
	MemoryContext planning;
	MemoryContext old;
	PlannedStmt *plan;

	sample.max_rows = (int64) rows;
	planning = AllocSetContextCreate(CurrentMemoryContext,
									 "weir planning",
									 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(planning);
	plan = plan_partial_query(def, query, &sample);
	MemoryContextSwitchTo(old);
	if (can_be_kept(def, plan))
		result->plan = copyObject(plan);
	MemoryContextDelete(planning);
	return result->plan != NULL ? result : NULL;
}

List *
weir_partial_plan_items(const WeirBatchPlan *plan)
{
	return plan->plan->invalItems;
}

/*
 * A function in the query may cause the plan to be run again, in the midst of
 * this: each run has the filter as it was given it.
 */
int64
weir_partial_run_batch(WeirDefinition *def, WeirBatchPlan *plan,
					   WeirBatch *batch, Timestamp bound, DestReceiver *dest)
{
	WeirOpenFilter saved = plan->filter;
	int64		late = 0;

	PG_TRY();
	{
		weir_open_filter_init(def, bound, &plan->filter);
		weir_newrows_rebind(plan->plan, batch);
		run_plan(plan->plan, NULL, dest);
		late = plan->filter.late;
	}
	PG_FINALLY();
	{
		plan->filter = saved;
	}
	PG_END_TRY();
	return late;
}

int64
weir_partial_from_rows(WeirDefinition *def, EphemeralNamedRelation rows,
					   Timestamp bound, DestReceiver *dest)
{
	QueryEnvironment *env = create_queryEnv();

	register_ENR(env, rows);
	return rows_to_states(def, NULL, env, bound, dest);
}

int64
weir_partial_from_table(WeirDefinition *def, Timestamp bound,
						DestReceiver *dest)
{
	return rows_to_states(def, NULL, NULL, bound, dest);
}

/* ---------- late rows ---------- */

typedef struct LateKey
{
	Oid			relid;
	ItemPointerData tid;
} LateKey;

/* A row met in the second reading. */
typedef struct LateEntry
{
	LateKey		key;			/* hash key; must be first */
	WeirLateRow late;
	bool		has_row;
} LateEntry;

typedef struct LateReceiver
{
	DestReceiver pub;
	HTAB	   *rows;
	MemoryContext context;
	Timestamp	bound;
	WeirLateTest *test;			/* NULL: the window decides */
	void	   *test_arg;
} LateReceiver;

/* columns: relation, tid, event time, end of a window, row as jsonb, keys */
static bool
receive_late(TupleTableSlot *slot, DestReceiver *self)
{
	LateReceiver *receiver = (LateReceiver *) self;
	LateKey		key;
	LateEntry  *entry;
	Timestamp	window_end;
	bool		is_infinite;
	bool		found;

	slot_getallattrs(slot);
	memset(&key, 0, sizeof(key));
	key.relid = DatumGetObjectId(slot->tts_values[0]);
	key.tid = *(ItemPointer) DatumGetPointer(slot->tts_values[1]);
	window_end = DatumGetTimestamp(slot->tts_values[3]);
	is_infinite = TIMESTAMP_NOT_FINITE(DatumGetTimestamp(slot->tts_values[2]));
	if (receiver->test != NULL && !is_infinite &&
		!receiver->test(receiver->test_arg, slot->tts_values + 5,
						slot->tts_isnull + 5,
						DatumGetTimestamp(slot->tts_values[2]), &window_end))
		return true;			/* it is in a session that is open */

	entry = hash_search(receiver->rows, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->late.event_time = DatumGetTimestamp(slot->tts_values[2]);
		entry->late.window_end = window_end;
		entry->has_row = false;
	}
	entry->late.window_end = Max(entry->late.window_end, window_end);
	if (!entry->has_row && (window_end <= receiver->bound || is_infinite))
	{
		MemoryContext old = MemoryContextSwitchTo(receiver->context);

		entry->late.row = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[4]));
		entry->has_row = true;
		MemoryContextSwitchTo(old);
	}
	return true;
}

/*
 * The row as a value.  Late rows are shown to the aggregate's owner, in whose
 * name we are: of a table of which he may not read every column, those that
 * he may.
 */
static Expr *
readable_row(WeirDefinition *def, RangeTblEntry *rte)
{
	RowExpr    *row;
	Relation	rel;
	Oid			relid = def->parent != NULL ? def->parent->agg.view : rte->relid;
	bool		is_readable = pg_class_aclcheck(relid, GetUserId(),
												ACL_SELECT) == ACLCHECK_OK;

	/* the parent's table may have columns that its view does not show */
	if (is_readable && def->parent == NULL)
		return (Expr *) makeWholeRowVar(rte, def->stream_rti, 0, false);

	row = makeNode(RowExpr);
	row->row_typeid = RECORDOID;
	row->row_format = COERCE_EXPLICIT_CALL;
	row->location = -1;
	rel = relation_open(relid, AccessShareLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (att->attisdropped ||
			(!is_readable &&
			 pg_attribute_aclcheck(relid, att->attnum, GetUserId(),
								   ACL_SELECT) != ACLCHECK_OK))
			continue;
		row->args = lappend(row->args,
							makeVar(def->stream_rti, att->attnum, att->atttypid,
									att->atttypmod, att->attcollation, 0));
		row->colnames = lappend(row->colnames,
								makeString(pstrdup(NameStr(att->attname))));
	}
	relation_close(rel, NoLock);
	return (Expr *) row;
}

static Expr *
row_as_jsonb(WeirDefinition *def, Query *query)
{
	RangeTblEntry *rte = rt_fetch(def->stream_rti, query->rtable);

	return (Expr *) makeFuncExpr(F_TO_JSONB, JSONBOID,
								 list_make1(readable_row(def, rte)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static void
add_row_id(WeirDefinition *def, Query *query)
{
	add_output(query, (Expr *) makeVar(def->stream_rti,
									   TableOidAttributeNumber,
									   OIDOID, -1, InvalidOid, 0), "relation");
	add_output(query, (Expr *) makeVar(def->stream_rti,
									   SelfItemPointerAttributeNumber,
									   TIDOID, -1, InvalidOid, 0), "tid");
}

/*
 * Every row of the batch that the query wants, once for each window; where
 * state is kept by pane, those that are late for one.
 */
static Query *
late_query(WeirDefinition *def, WeirOpenFilter *filter)
{
	Query	   *query = source_query(def);

	add_row_id(def, query);
	add_output(query, copyObject(def->event_time), "event_time");
	add_output(query, end_expr(def), "window_end");
	add_output(query, row_as_jsonb(def, query), "row");
	if (def->is_session)
	{
		ListCell   *lc;

		foreach(lc, def->keys)
			add_output(query, copyObject(((WeirKey *) lfirst(lc))->expr), "key");
	}
	if (def->by_pane)
	{
		Expr	   *open = call_with_pointer("_window_is_open", BOOLOID,
											 copyObject(def->event_time),
											 def->window_type, filter);

		add_qual(query, makeBoolExpr(NOT_EXPR, list_make1(open), -1));
	}
	return query;
}

static int
compare_late(const ListCell *a, const ListCell *b)
{
	const WeirLateRow *left = lfirst(a);
	const WeirLateRow *right = lfirst(b);

	if (left->event_time == right->event_time)
		return 0;
	return left->event_time < right->event_time ? -1 : 1;
}

List *
weir_partial_late_rows(WeirDefinition *def, WeirBatch *batch, Timestamp bound,
					   WeirLateTest *test, void *arg, int64 *partly_late)
{
	WeirOpenFilter	filter;
	LateReceiver receiver;
	HASHCTL		ctl;
	HASH_SEQ_STATUS status;
	LateEntry  *entry;
	List	   *late = NIL;

	memset(&receiver, 0, sizeof(receiver));
	weir_receiver_init(&receiver.pub, receive_late);
	receiver.context = CurrentMemoryContext;
	receiver.bound = bound;
	receiver.test = test;
	receiver.test_arg = arg;
	ctl.keysize = sizeof(LateKey);
	ctl.entrysize = sizeof(LateEntry);
	ctl.hcxt = CurrentMemoryContext;
	receiver.rows = hash_create("weir late rows", 256, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	weir_open_filter_init(def, bound, &filter);
	filter.last_closed = filter.last_late;
	*partly_late = 0;
	run_plan(plan_over_batch(def, late_query(def, &filter), batch), NULL,
			 (DestReceiver *) &receiver);

	hash_seq_init(&status, receiver.rows);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->late.window_end <= bound ||
			TIMESTAMP_NOT_FINITE(entry->late.event_time))
		{
			WeirLateRow *row = palloc(sizeof(WeirLateRow));

			*row = entry->late;
			row->reason = TIMESTAMP_NOT_FINITE(row->event_time) ?
				"event time is infinite" : "window closed";
			late = lappend(late, row);
		}
		else if (def->by_pane || entry->has_row)
			(*partly_late)++;
	}
	hash_destroy(receiver.rows);
	list_sort(late, compare_late);
	return late;
}

/* ---------- the rows themselves ---------- */

/* event time of the row as the stream has it, or NULL if it has none */
static Expr *
own_event_time(WeirDefinition *def)
{
	if (def->event_time != NULL)
		return copyObject(def->event_time);
	if (def->stream.event_time_attno == 0)
		return (Expr *) makeNullConst(TIMESTAMPTZOID, -1, InvalidOid);
	return (Expr *) makeVar(def->stream_rti, def->stream.event_time_attno,
							def->stream.event_time_type, -1, InvalidOid, 0);
}

void
weir_partial_rows(WeirDefinition *def, WeirBatch *batch, bool with_values,
				  DestReceiver *dest)
{
	Query	   *query = source_query(def);
	RangeTblRef *stream = makeNode(RangeTblRef);
	ListCell   *lc;
	Index		rti;

	/* the relation alone, and of WHERE only which rows of it are meant */
	for (rti = 1; rti <= list_length(query->rtable); rti++)
		if (rti != def->stream_rti)
			forget_entry(query, rti);
	stream->rtindex = def->stream_rti;
	query->jointree = makeFromExpr(list_make1(stream), NULL);
	foreach(lc, def->row_conditions)
		add_qual(query, copyObject(lfirst(lc)));
	add_row_id(def, query);
	if (with_values)
	{
		add_output(query, own_event_time(def), "event_time");
		add_output(query, row_as_jsonb(def, query), "row");
	}
	run_plan(plan_over_batch(def, query, batch), NULL, dest);
}

/* ---------- queries over state rows ---------- */

bool
weir_partial_can_cluster(const WeirDefinition *def)
{
	return !def->is_session && def->nkeys > 0 &&
		def->query->groupingSets == NIL &&
		(!def->by_pane || def->window.kind == WEIR_WINDOW_TUMBLE);
}

/* Rows of a group follow each other: neither a hash table nor a sort is needed. */
static void
use_clusters(Agg *agg)
{
	Plan	   *input = agg->plan.lefttree;

	if (IsA(input, Sort))
		input = input->lefttree;
	if (!IsA(input, NamedTuplestoreScan) || agg->numCols == 0 ||
		agg->groupingSets != NIL || agg->chain != NIL)
		return;
	agg->plan.lefttree = input;
	agg->aggstrategy = AGG_SORTED;
}

/*
 * Mark the Agg nodes of the plan and put the scan of the source in the place
 * of that of the ephemeral relation.
 */
static Plan *
fix_state_plan(WeirDefinition *def, Plan *plan, AggSplit split,
			   bool is_clustered)
{
	if (plan == NULL)
		return NULL;
	if (IsA(plan, NamedTuplestoreScan))
		return weir_state_scan_make(def, plan);
	if (IsA(plan, Agg))
	{
		mark_agg((Agg *) plan, split);
		if (is_clustered)
			use_clusters((Agg *) plan);
	}
	plan->lefttree = fix_state_plan(def, plan->lefttree, split, is_clustered);
	plan->righttree = fix_state_plan(def, plan->righttree, split, is_clustered);
	return plan;
}

static PlannedStmt *
plan_state_query(WeirDefinition *def, Query *query, AggSplit split,
				 bool is_clustered)
{
	PlannedStmt *plan = pg_plan_query(query, "continuous aggregate", 0, NULL);

	plan->planTree = fix_state_plan(def, plan->planTree, split, is_clustered);
	return plan;
}

static void
run_state_query(WeirDefinition *def, Query *query, AggSplit split,
				WeirStateSource *source, DestReceiver *dest)
{
	run_plan(plan_state_query(def, query, split, source->is_clustered),
			 weir_state_scan_env(source), dest);
}

/* Rows that are groups already. */
static void
hand_on(WeirDefinition *def, WeirStateSource *source, DestReceiver *dest)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(def->state_desc,
													&TTSOpsVirtual);

	while (source->next(source, slot))
	{
		CHECK_FOR_INTERRUPTS();
		(void) dest->receiveSlot(slot, dest);
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

void
weir_partial_combine(WeirDefinition *def, WeirStateSource *source,
					 DestReceiver *dest)
{
	Query	   *query;
	ListCell   *lc;
	int			column = 0;

	if (source->is_combined)
	{
		hand_on(def, source, dest);
		return;
	}
	query = weir_state_query(def, source->rows);
	for (; column < def->nwindow; column++)
		add_group_column(query, weir_state_var(def, column), "window", NULL);
	foreach(lc, def->keys)
		add_group_column(query, weir_state_var(def, column++), "key", lfirst(lc));
	foreach(lc, def->aggs)
		add_output(query, weir_state_aggref(def, lfirst(lc),
									   foreach_current_index(lc)), "state");
	query->hasAggs = true;
	run_state_query(def, query, AGGSPLIT_COMBINE_SERIAL, source, dest);
}

void
weir_partial_finish(WeirDefinition *def, WeirStateSource *source,
					DestReceiver *dest)
{
	run_state_query(def, weir_state_query_finish(def, source->rows,
											 source->is_combined),
					AGGSPLIT_FINAL_DESERIAL, source, dest);
}

/*
 * The query stays, too: its expressions may hold addresses of parts of it
 * (weir_distinct_apply).  What else the planner leaves behind does not.
 */
PlannedStmt *
weir_partial_prepare_finish(WeirDefinition *def, double rows)
{
	Query	   *query = weir_state_query_finish(def, rows, false);
	MemoryContext planning;
	MemoryContext old;
	PlannedStmt *plan;
	PlannedStmt *copy;

	if (query->hasSubLinks)
		return NULL;
	planning = AllocSetContextCreate(CurrentMemoryContext,
									 "weir planning",
									 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(planning);
	plan = plan_state_query(def, query, AGGSPLIT_FINAL_DESERIAL, false);
	MemoryContextSwitchTo(old);
	copy = plan->relationOids == NIL ? copyObject(plan) : NULL;
	MemoryContextDelete(planning);
	return copy;
}

void
weir_partial_run_finish(PlannedStmt *plan, WeirStateSource *source,
						DestReceiver *dest)
{
	run_plan(plan, weir_state_scan_env(source), dest);
}

TupleDesc
weir_partial_result_desc(const WeirDefinition *def)
{
	return ExecCleanTypeFromTL(def->query->targetList);
}
