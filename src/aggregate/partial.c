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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "weir.h"
#include "aggregate/partial.h"
#include "aggregate/state_query.h"
#include "aggregate/state_scan.h"
#include "aggregate/step_query.h"
#include "aggregate/window_filter.h"
#include "stream/batch.h"

#define AGGSPLIT_COMBINE_SERIAL \
	((AggSplit) (AGGSPLITOP_COMBINE | AGGSPLITOP_SKIPFINAL | \
				 AGGSPLITOP_SERIALIZE | AGGSPLITOP_DESERIALIZE))

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

/*
 * By pane the end is a function of the start, which is grouped by.  Of sessions
 * these are rows of the same instant; what is late is seen after merging.
 */
static void
add_window(WeirDefinition *def, WeirOpenFilter *filter, Query *query)
{
	bool		by_start = def->is_session || def->by_pane;
	Expr	   *end = weir_step_window_end(def);
	Expr	   *time;

	if (by_start)
		weir_step_add_output(query, end, "window_end");
	else
		weir_step_group_by(query, end, "window_end", NULL);
	weir_step_group_by(query, weir_step_window_start(def), "window_start", NULL);
	time = by_start ? copyObject(def->event_time) : copyObject(end);
	weir_step_add_qual(query, weir_step_call("_window_is_open", BOOLOID, time,
											 def->window_type, filter));
}

static Query *
partial_query(WeirDefinition *def, WeirOpenFilter *filter)
{
	Query	   *query = weir_step_query(def);
	ListCell   *lc;

	if (def->nwindow > 0)
		add_window(def, filter, query);
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);

		weir_step_group_by(query, copyObject(key->expr), "key", key);
	}
	foreach(lc, def->states)
		weir_step_add_output(query, copyObject(lfirst(lc)), "state");
	query->hasAggs = true;
	return query;
}

static PlannedStmt *
plan_partial_query(WeirDefinition *def, Query *query, WeirBatch *batch)
{
	PlannedStmt *plan = weir_step_plan(def, query, batch);

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
	weir_step_run(plan, env, dest);
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
	return !plan->transientPlan && !plan->dependsOnRole &&
		plan->subplans == NIL && weir_newrows_can_rebind(plan);
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
		weir_step_run(plan->plan, NULL, dest);
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
	weir_step_run(plan_state_query(def, query, split, source->is_clustered),
				  weir_state_scan_env(source), dest);
}

void
weir_partial_hand_on(WeirDefinition *def, WeirStateSource *source,
					 DestReceiver *dest)
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
		weir_partial_hand_on(def, source, dest);
		return;
	}
	query = weir_state_query(def, source->rows);
	for (; column < def->nwindow; column++)
		weir_step_group_by(query, weir_state_var(def, column), "window", NULL);
	foreach(lc, def->keys)
		weir_step_group_by(query, weir_state_var(def, column++), "key", lfirst(lc));
	foreach(lc, def->states)
		weir_step_add_output(query, weir_state_aggref(def, lfirst(lc),
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
	weir_step_run(plan, weir_state_scan_env(source), dest);
}

TupleDesc
weir_partial_result_desc(const WeirDefinition *def)
{
	return ExecCleanTypeFromTL(def->query->targetList);
}
