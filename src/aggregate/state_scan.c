/*-------------------------------------------------------------------------
 *
 * state_scan.c
 *	  Scan of state rows in a plan of ours.
 *
 * The rows are those of a source (partial.h), not of a relation, and are not
 * copied.  The scan finds its source in the query environment of the execution,
 * where the server keeps the transition tables of triggers; so the plan knows
 * nothing of it and can be kept.  A source is read once: the scan cannot be
 * started again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "aggregate/state_scan.h"

typedef struct StateScanState
{
	CustomScanState css;
	WeirStateSource *source;
} StateScanState;

static TupleTableSlot *
state_scan_next(ScanState *node)
{
	StateScanState *state = (StateScanState *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	CHECK_FOR_INTERRUPTS();
	ExecClearTuple(slot);
	(void) state->source->next(state->source, slot);
	return slot;
}

static bool
state_scan_recheck(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

static void
state_scan_begin(CustomScanState *node, EState *estate, int eflags)
{
	EphemeralNamedRelation relation = get_ENR(estate->es_queryEnv,
											  WEIR_STATE_SCAN_NAME);

	if (relation == NULL)
		elog(ERROR, "execution has no source of state rows");
	((StateScanState *) node)->source = relation->reldata;
}

static TupleTableSlot *
state_scan_exec(CustomScanState *node)
{
	return ExecScan(&node->ss, state_scan_next, state_scan_recheck);
}

static void
state_scan_end(CustomScanState *node)
{
}

static void
state_scan_rescan(CustomScanState *node)
{
	elog(ERROR, "state rows can be read only once");
}

static const CustomExecMethods state_scan_exec_methods = {
	.CustomName = "WeirState",
	.BeginCustomScan = state_scan_begin,
	.ExecCustomScan = state_scan_exec,
	.EndCustomScan = state_scan_end,
	.ReScanCustomScan = state_scan_rescan,
};

static Node *
state_scan_create(CustomScan *scan)
{
	StateScanState *state = palloc0(sizeof(StateScanState));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &state_scan_exec_methods;
	return (Node *) state;
}

static const CustomScanMethods state_scan_methods = {
	.CustomName = "WeirState",
	.CreateCustomScanState = state_scan_create,
};

/* columns of the scan are those of the source, not of a relation */
static Node *
index_vars(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = copyObject((Var *) node);

		var->varno = INDEX_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, index_vars, context);
}

QueryEnvironment *
weir_state_scan_env(WeirStateSource *source)
{
	QueryEnvironment *env = create_queryEnv();
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = WEIR_STATE_SCAN_NAME;
	relation->reldata = source;
	register_ENR(env, relation);
	return env;
}

Plan *
weir_state_scan_make(const WeirDefinition *def, Plan *old)
{
	CustomScan *scan = makeNode(CustomScan);
	int			i;

	scan->scan.plan = *old;
	scan->scan.plan.type = T_CustomScan;
	scan->scan.plan.targetlist = (List *) index_vars((Node *) old->targetlist, NULL);
	scan->scan.plan.qual = (List *) index_vars((Node *) old->qual, NULL);
	scan->methods = &state_scan_methods;
	scan->custom_relids = bms_make_singleton(1);
	for (i = 0; i < def->state_desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(def->state_desc, i);
		Var		   *var = makeVar(1, i + 1, att->atttypid, att->atttypmod,
								  att->attcollation, 0);

		scan->custom_scan_tlist =
			lappend(scan->custom_scan_tlist,
					makeTargetEntry((Expr *) var, i + 1, NULL, false));
	}
	return (Plan *) scan;
}
