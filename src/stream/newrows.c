/*-------------------------------------------------------------------------
 *
 * newrows.c
 *	  The custom scan that reads a batch in place of a stream's table.
 *
 * The range table entry for the stream is marked before planning; our
 * set_rel_pathlist hook gives it the custom scan as its only path.  The scan
 * reads all leaves of a partitioned stream by itself, in the order of the
 * log, so planning does not depend on their number.
 *
 * The plan refers to its batch by address: whoever keeps it has to give it
 * another one (weir_newrows_rebind) before he runs it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "jit/jit.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"

#include "stream/batch.h"
#include "weir.h"

/* in a field of the range table entry that its kind does not use */
#define NEWROWS_MARK	"weir new rows"

#define SCAN_NAME		"WeirNewRows"

typedef struct NewRowsState
{
	CustomScanState css;
	WeirBatch  *batch;
	WeirBatchReader *reader;
	bool		observes;		/* we show the rows to the batch's observer */
} NewRowsState;

/* set while weir_newrows_plan runs the planner */
static WeirBatch *planned_batch = NULL;

static set_rel_pathlist_hook_type previous_hook = NULL;

static const CustomScanMethods newrows_scan_methods;

void
weir_newrows_mark(RangeTblEntry *rte)
{
	rte->enrname = NEWROWS_MARK;
	rte->inh = false;
	/* plan a partitioned table as if it were one heap: to our scan it is */
	rte->relkind = RELKIND_RELATION;
}

PlannedStmt *
weir_newrows_plan(Query *query, WeirBatch *batch)
{
	WeirBatch  *saved = planned_batch;
	PlannedStmt *volatile plan = NULL;

	PG_TRY();
	{
		planned_batch = batch;
		plan = planner(query, "weir", 0, NULL);
	}
	PG_FINALLY();
	{
		planned_batch = saved;
	}
	PG_END_TRY();

	/* compiling would take longer than a tick */
	plan->jitFlags = PGJIT_NONE;
	return plan;
}

/* The scan of the batch, on whichever side of a join it is; NULL: not found. */
static CustomScan *
find_scan(Plan *plan)
{
	CustomScan *scan;

	if (plan == NULL)
		return NULL;
	if (IsA(plan, CustomScan) &&
		((CustomScan *) plan)->methods == &newrows_scan_methods)
		return (CustomScan *) plan;
	if (IsA(plan, SubqueryScan))
		return find_scan(((SubqueryScan *) plan)->subplan);
	scan = find_scan(plan->lefttree);
	return scan != NULL ? scan : find_scan(plan->righttree);
}

bool
weir_newrows_can_rebind(const PlannedStmt *stmt)
{
	return find_scan(stmt->planTree) != NULL;
}

void
weir_newrows_rebind(PlannedStmt *stmt, WeirBatch *batch)
{
	CustomScan *scan = find_scan(stmt->planTree);

	linitial_node(Const, scan->custom_private)->constvalue =
		PointerGetDatum(batch);
}

/* ----------------------------------------------------------------
 *		Execution
 * ----------------------------------------------------------------
 */

static TupleTableSlot *
newrows_access(ScanState *node)
{
	NewRowsState *state = (NewRowsState *) node;
	TupleTableSlot *slot = weir_batch_reader_next(state->reader);

	if (slot == NULL)
	{
		if (state->observes)
		{
			state->batch->is_observed = true;
			state->observes = false;
		}
		return ExecClearTuple(node->ss_ScanTupleSlot);
	}
	if (state->observes)
		weir_observer_see(state->batch->observer, slot);
	return slot;
}

static bool
newrows_recheck(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

/* From the first row on: is it our turn to show the rows? */
static void
start(NewRowsState *state)
{
	state->observes = state->batch->observer && !state->batch->is_observed;
	if (state->observes)
		weir_observer_reset(state->batch->observer);
}

static void
newrows_begin(CustomScanState *node, EState *estate, int eflags)
{
	NewRowsState *state = (NewRowsState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Relation	rel = node->ss.ss_currentRelation;
	bool		one_leaf = rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE;

	state->batch = (WeirBatch *)
		DatumGetPointer(((Const *) linitial(plan->custom_private))->constvalue);

	/*
	 * The server has prepared a slot and, with it, projection and qual that
	 * do not suit the tuples that come; do it again.  The leaves of a
	 * partitioned stream come in slots of several kinds.
	 */
	ExecInitScanTupleSlot(estate, &node->ss, RelationGetDescr(rel),
						  one_leaf ? &TTSOpsBufferHeapTuple : &TTSOpsVirtual);
	node->ss.ps.scanops = one_leaf ? &TTSOpsBufferHeapTuple : NULL;
	node->ss.ps.scanopsfixed = one_leaf;
	node->ss.ps.scanopsset = true;
	ExecAssignScanProjectionInfoWithVarno(&node->ss, plan->scan.scanrelid);
	node->ss.ps.qual = ExecInitQual(plan->scan.plan.qual, &node->ss.ps);

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	state->reader = weir_batch_reader_begin(state->batch, rel);
	start(state);
}

static TupleTableSlot *
newrows_exec(CustomScanState *node)
{
	return ExecScan(&node->ss, newrows_access, newrows_recheck);
}

static void
newrows_end(CustomScanState *node)
{
	NewRowsState *state = (NewRowsState *) node;

	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	if (state->reader)
		weir_batch_reader_end(state->reader);
}

static void
newrows_rescan(CustomScanState *node)
{
	NewRowsState *state = (NewRowsState *) node;

	weir_batch_reader_rewind(state->reader);
	start(state);
	ExecScanReScan(&node->ss);
}

static const CustomExecMethods newrows_exec_methods = {
	.CustomName = SCAN_NAME,
	.BeginCustomScan = newrows_begin,
	.ExecCustomScan = newrows_exec,
	.EndCustomScan = newrows_end,
	.ReScanCustomScan = newrows_rescan,
};

/* ----------------------------------------------------------------
 *		Planning
 * ----------------------------------------------------------------
 */

static Node *
create_state(CustomScan *plan)
{
	NewRowsState *state = (NewRowsState *) newNode(sizeof(NewRowsState),
												   T_CustomScanState);

	state->css.methods = &newrows_exec_methods;
	return (Node *) state;
}

static const CustomScanMethods newrows_scan_methods = {
	.CustomName = SCAN_NAME,
	.CreateCustomScanState = create_state,
};

static Plan *
plan_path(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
		  List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *plan = makeNode(CustomScan);

	plan->scan.plan.targetlist = tlist;
	plan->scan.plan.qual = extract_actual_clauses(clauses, false);
	plan->scan.scanrelid = rel->relid;
	plan->flags = path->flags;
	plan->custom_private = path->custom_private;
	plan->methods = &newrows_scan_methods;
	return &plan->scan.plan;
}

static const CustomPathMethods newrows_path_methods = {
	.CustomName = SCAN_NAME,
	.PlanCustomPath = plan_path,
};

static void
newrows_set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti,
						 RangeTblEntry *rte)
{
	CustomPath *path;
	QualCost	qual_cost;

	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	if (planned_batch == NULL || rte->rtekind != RTE_RELATION ||
		rte->enrname == NULL || strcmp(rte->enrname, NEWROWS_MARK) != 0)
		return;

	rel->tuples = (double) Max(planned_batch->max_rows, 1);
	set_baserel_size_estimates(root, rel);
	cost_qual_eval(&qual_cost, rel->baserestrictinfo, root);

	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = get_baserel_parampathinfo(root, rel,
													  rel->lateral_relids);
	path->path.rows = rel->rows;
	path->path.startup_cost = qual_cost.startup;
	path->path.total_cost = qual_cost.startup +
		rel->tuples * (cpu_tuple_cost + qual_cost.per_tuple) +
		rel->tuples / 100 * seq_page_cost;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = list_make1(makeConst(INT8OID, -1, InvalidOid,
												sizeof(int64),
												PointerGetDatum(planned_batch),
												false, true));
	path->methods = &newrows_path_methods;
	rel->pathlist = list_make1(path);
	rel->partial_pathlist = NIL;
	rel->consider_parallel = false;
}

void
weir_newrows_init(void)
{
	RegisterCustomScanMethods(&newrows_scan_methods);
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = newrows_set_rel_pathlist;
}
