/*-------------------------------------------------------------------------
 *
 * live.c
 *	  The foreign table of an aggregate's open windows.
 *
 * The view of an aggregate is its table of closed rows and this foreign
 * table, which shows the windows that are not closed as they are now: their
 * state, and what has been committed in the stream but not consumed yet.  It
 * is a foreign table, not a function, so that the executor checks rights on
 * it as on the table of closed rows, and conditions reach it.
 *
 * Invariant: cursor, catalog, state, new rows and (by the view) closed rows
 * are read under one snapshot, that of the query.  A tick changes them in one
 * transaction; so no row is missed and none is seen twice.
 *
 * The rows are computed with the rights and settings of the aggregate's owner
 * at the first fetch, and kept in a tuplestore.  What the definition means, and
 * the plan for a few groups, is kept from query to query: definition_cache.c.
 *
 * Conditions "column = value", "column > value" and so on are looked for on
 * the columns of the window and on keys.  They decide which chunks of state
 * are opened and which groups are computed.  The executor still checks them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "weir.h"

#include WEIR_EXPLAIN_H
#include "aggregate/aggregate.h"
#include "aggregate/cascade.h"
#include "aggregate/definition.h"
#include "aggregate/consume.h"
#include "aggregate/counted.h"
#include "aggregate/definition_cache.h"
#include "aggregate/partial.h"
#include "aggregate/runs.h"
#include "aggregate/session.h"
#include "aggregate/sink_check.h"
#include "aggregate/source.h"
#include "aggregate/window_filter.h"
#include "stream/cursor.h"
#include "stream/newrows.h"

PG_FUNCTION_INFO_V1(weir__live_handler);

/* State rows that a chunk holds, by guess. */
#define ROWS_PER_CHUNK		100

/* What a condition is about; stored in fdw_private, three numbers each. */
typedef enum ConditionKind
{
	CONDITION_KEY,				/* number of the key; strategy is equality */
	CONDITION_WINDOW			/* 1: window_start, 2: window_end; strategy */
} ConditionKind;

typedef struct LiveScan
{
	List	   *conditions;		/* see ConditionKind */
	List	   *values;			/* ExprStates of their values */
	MemoryContext context;		/* of one computation */
	Tuplestorestate *rows;		/* NULL: to be computed */
	TupleTableSlot *slot;
} LiveScan;

/* What the conditions come to. */
typedef struct LiveFilter
{
	bool		is_empty;		/* no row can fulfil them */
	Timestamp	after;			/* windows end after this */
	Timestamp	until;			/* and not after this */
	Datum	   *keys;
	bool	   *has_key;
} LiveFilter;

/* ---------- planning ---------- */

static void
live_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	const WeirKnown *entry = weir_known_of_open(relid);
	Oid			state = weir_runs_relid(entry->aggregate_id);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(state));
	double		chunks = 10;

	if (HeapTupleIsValid(tuple))
	{
		chunks = Max(((Form_pg_class) GETSTRUCT(tuple))->reltuples, 10);
		ReleaseSysCache(tuple);
	}
	rel->fdw_private = entry->def;
	rel->tuples = chunks * ROWS_PER_CHUNK;
	rel->rows = clamp_row_est(rel->tuples *
							  clauselist_selectivity(root, rel->baserestrictinfo,
													 0, JOIN_INNER, NULL));
}

static void
live_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	Cost		startup = rel->tuples * cpu_operator_cost * 4;
	Cost		total = startup + rel->rows * cpu_tuple_cost;

	add_path(rel, (Path *)
			 weir_create_foreignscan_path(root, rel, rel->rows, startup, total,
										  NIL, rel->lateral_relids, NIL));
}

/* the column of the scan that an expression is, or 0 */
static AttrNumber
column_of(Node *node, Index relid)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node != NULL && IsA(node, Var) && ((Var *) node)->varno == relid &&
		((Var *) node)->varlevelsup == 0 && ((Var *) node)->varattno > 0)
		return ((Var *) node)->varattno;
	return 0;
}

/* the number of the key that a column is, or -1 */
static int
key_of_column(WeirDefinition *def, AttrNumber column)
{
	ListCell   *lc;

	foreach(lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->resno == column && !tle->resjunk)
			return weir_definition_find_key(def, (Node *) tle->expr);
	}
	return -1;
}

/* What column, operator and collation say, as three numbers; NIL if nothing. */
static List *
classify(WeirDefinition *def, AttrNumber column, Oid operator, Oid collation)
{
	int			key = key_of_column(def, column);
	AttrNumber	window;

	if (key >= 0)
	{
		WeirKey    *k = list_nth(def->keys, key);

		if (operator != k->eqop || collation != k->collation)
			return NIL;
		return list_make3_int(CONDITION_KEY, key, BTEqualStrategyNumber);
	}
	for (window = 1; window <= 2 && def->nwindow > 0; window++)
	{
		Oid			opclass = GetDefaultOpClass(def->window_type, BTREE_AM_OID);
		Oid			left;
		Oid			right;
		int			strategy;

		if (column != weir_definition_window_column(def, window))
			continue;
		op_input_types(operator, &left, &right);
		strategy = get_op_opfamily_strategy(operator, get_opclass_family(opclass));
		if (left == right && left == def->window_type && strategy != 0)
			return list_make3_int(CONDITION_WINDOW, window, strategy);
	}
	return NIL;
}

/* Take the clause apart if it is a condition; its value goes to *value. */
static List *
find_condition(WeirDefinition *def, Index relid, Expr *clause, Expr **value)
{
	OpExpr	   *op = (OpExpr *) clause;
	Node	   *left;
	Node	   *right;
	Oid			operator;

	if (!IsA(clause, OpExpr) || list_length(op->args) != 2)
		return NIL;
	left = linitial(op->args);
	right = lsecond(op->args);
	operator = op->opno;
	if (column_of(left, relid) == 0)
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		operator = get_commutator(operator);
	}
	if (column_of(left, relid) == 0 || !OidIsValid(operator) ||
		contain_var_clause(right) || contain_volatile_functions(right) ||
		contain_subplans(right))
		return NIL;
	*value = (Expr *) right;
	return classify(def, column_of(left, relid), operator, op->inputcollid);
}

static ForeignScan *
live_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
		  List *targets, List *clauses, Plan *outer)
{
	WeirDefinition *def = rel->fdw_private;
	List	   *values = NIL;
	List	   *conditions = NIL;
	ListCell   *lc;

	clauses = extract_actual_clauses(clauses, false);
	foreach(lc, clauses)
	{
		Expr	   *value;
		List	   *condition = find_condition(def, rel->relid, lfirst(lc),
											   &value);

		if (condition == NIL)
			continue;
		conditions = list_concat(conditions, condition);
		values = lappend(values, value);
	}
	return make_foreignscan(targets, clauses, rel->relid, values, conditions,
							NIL, NIL, outer);
}

/* ---------- conditions at run time ---------- */

static void
apply_window_condition(WeirDefinition *def, LiveFilter *filter, int column,
					   int strategy, Timestamp value)
{
	bool		is_end = column == 2;

	/* a window that starts at or after a time ends after it */
	if (strategy == BTGreaterStrategyNumber ||
		strategy == BTGreaterEqualStrategyNumber ||
		strategy == BTEqualStrategyNumber)
	{
		Timestamp	after = value;

		if (is_end && strategy != BTGreaterStrategyNumber &&
			!TIMESTAMP_NOT_FINITE(value))
			after = value - 1;
		filter->after = Max(filter->after, after);
	}
	if (strategy == BTLessStrategyNumber ||
		strategy == BTLessEqualStrategyNumber ||
		strategy == BTEqualStrategyNumber)
		filter->until = Min(filter->until,
							is_end ? value : weir_window_latest_end(def, value));
}

static void
evaluate_conditions(LiveScan *scan, WeirDefinition *def, ExprContext *econtext,
					LiveFilter *filter)
{
	ListCell   *lc;

	memset(filter, 0, sizeof(*filter));
	filter->after = DT_NOBEGIN;
	filter->until = DT_NOEND;
	filter->keys = palloc0(sizeof(Datum) * Max(def->nkeys, 1));
	filter->has_key = palloc0(sizeof(bool) * Max(def->nkeys, 1));
	foreach(lc, scan->values)
	{
		int			first = foreach_current_index(lc) * 3;
		int			number = list_nth_int(scan->conditions, first + 1);
		bool		isnull;
		Datum		value = ExecEvalExpr(lfirst(lc), econtext, &isnull);

		if (isnull)
			filter->is_empty = true;
		else if (list_nth_int(scan->conditions, first) == CONDITION_KEY)
		{
			WeirKey    *key = list_nth(def->keys, number);

			if (get_typlen(key->type) == -1)
				value = PointerGetDatum(PG_DETOAST_DATUM(value));
			filter->keys[number] = value;
			filter->has_key[number] = true;
		}
		else
			apply_window_condition(def, filter, number,
								   list_nth_int(scan->conditions, first + 2),
								   DatumGetTimestamp(value));
	}
}

/* which chunks have to be opened */
static void
chunk_range(WeirDefinition *def, const LiveFilter *filter,
			WeirRunRange *range)
{
	int			i;

	memset(range, 0, sizeof(*range));
	/* a session may be made of stored ones that end earlier */
	if (def->nwindow > 0 && !def->is_session &&
		!TIMESTAMP_NOT_FINITE(filter->after))
	{
		range->has_after = true;
		range->after = filter->after;
	}
	if (def->nwindow > 0 && !def->is_session &&
		!TIMESTAMP_NOT_FINITE(filter->until))
	{
		range->has_until = true;
		range->until = def->by_pane && def->window.kind != WEIR_WINDOW_TUMBLE ?
			weir_window_latest_end(def, filter->until - 1) : filter->until;
	}
	if (def->nkeys == 0)
		return;
	for (i = 0; i < def->nkeys; i++)
	{
		if (!filter->has_key[i])
			return;
	}
	range->has_hash = true;
	range->hash = weir_runs_hash(def, filter->keys,
								 palloc0(sizeof(bool) * def->nkeys));
}

/* ---------- computing the rows ---------- */

/*
 * State rows of what has been committed but not consumed.  Without a cursor
 * the aggregate has just been restored from a dump: all that is in the table and
 * has not been counted before.
 */
static Tuplestorestate *
pending_rows(const WeirAggregate *agg, WeirDefinition *def,
			 const WeirCursor *cursor, Timestamp bound, Snapshot snapshot)
{
	WeirBatch  *batch = agg->cursor_id == 0 ?
		weir_counted_pending(agg, snapshot) :
		weir_batch_pending_in_file(cursor, snapshot);
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *dest = weir_source_receiver(rows);

	if (agg->parent_id != 0)
		weir_cascade_pending(agg, def, bound, dest);
	else if (batch == NULL)
		(void) weir_partial_from_table(def, bound, dest);
	else if (weir_batch_max_rows(batch) > 0)
		(void) weir_partial_from_batch(def, batch, bound, dest);
	if (batch != NULL)
		weir_batch_close(batch);
	dest->rDestroy(dest);
	return rows;
}

static void
find_aggregate(int32 id, Snapshot snapshot, WeirAggregate *agg,
			   WeirCursor *cursor)
{
	if (!weir_aggregate_read(id, snapshot, agg))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the continuous aggregate was created after the transaction's snapshot was taken")));
	if (agg->is_ready && agg->status != WEIR_AGGREGATE_ACTIVE &&
		weir_counted_is_undecided(agg->id, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("aggregate \"%s\" was restored with other rows than it had counted",
						get_rel_name(agg->view)),
				 errhint("Use weir.resume to count these rows, or weir.skip to go on without all that came with the dump.")));
	memset(cursor, 0, sizeof(*cursor));
	cursor->watermark = DT_NOBEGIN;
	if (!agg->is_ready)
		return;
	if (agg->parent_id == 0 &&
		!weir_cursor_read(agg->cursor_id, snapshot, cursor))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("aggregate \"%s\" has lost its place in the stream",
						get_rel_name(agg->view)),
				 errhint("Drop the continuous aggregate and create it again.")));
	if (weir_consume_is_in_tick(weir_cascade_cursor(agg, snapshot)))
		weir_sink_refuse_open_windows(agg);
}

/*
 * The stored state rows; if they are all of the state, and many groups may be
 * wanted, so that those of a group follow each other.
 */
static WeirStateSource *
stored_rows(WeirDefinition *def, WeirRunReader *reader, bool is_all,
			bool is_one_group)
{
	WeirStateSource *source = NULL;

	if (is_all && !is_one_group && weir_partial_can_cluster(def))
		source = weir_runs_merged_source(reader);
	return source != NULL ? source : weir_runs_source(reader);
}

/* The result of the state rows; of a few groups by a plan that is kept. */
static void
finish(const WeirKnown *entry, const WeirAggregate *agg,
	   WeirDefinition *def, WeirStateSource *source, bool is_one_group,
	   DestReceiver *dest)
{
	PlannedStmt *plan = is_one_group ? weir_known_plan(entry, agg) : NULL;

	if (plan != NULL)
		weir_partial_run_finish(plan, source, dest);
	else
		weir_partial_finish(def, source, dest);
}

/* With the owner's rights: put the rows into the scan's tuplestore. */
static void
compute(LiveScan *scan, const WeirKnown *entry, const WeirAggregate *agg,
		WeirDefinition *def, const WeirCursor *cursor, const LiveFilter *filter,
		Snapshot snapshot)
{
	Timestamp	bound = agg->parent_id != 0 ?
		weir_cascade_bound(agg, def, snapshot) :
		weir_aggregate_bound(agg, cursor->watermark);
	WeirRunRange range;
	Oid			state = weir_runs_relid(agg->id);
	WeirRunReader *reader = NULL;
	WeirStateSource *source = NULL;
	Tuplestorestate *pending = NULL;
	DestReceiver *dest;

	chunk_range(def, filter, &range);
	if (agg->realtime || !agg->is_ready)
	{
		pending = pending_rows(agg, def, cursor, bound, snapshot);
		if (tuplestore_tuple_count(pending) > 0)
			source = weir_source_stored(def, pending);
	}
	if (OidIsValid(state))
	{
		WeirStateSource *stored;

		reader = weir_runs_begin_read(def, state, &range, snapshot);
		stored = stored_rows(def, reader, source == NULL, range.has_hash);
		source = source != NULL ? weir_source_concat(stored, source) : stored;
	}
	if (source == NULL)
	{
		if (pending == NULL)
			return;
		source = weir_source_stored(def, pending);
	}
	source = weir_source_filter(def, source, filter->keys, filter->has_key);
	if (def->is_session)
		source = weir_session_merge(def, source);
	source = weir_source_spread(def, source, Max(bound, filter->after),
								filter->until);
	dest = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(dest, scan->rows, scan->context, false,
									NULL, NULL);
	finish(entry, agg, def, source, range.has_hash || def->nkeys == 0, dest);
	dest->rDestroy(dest);
	if (reader != NULL)
		weir_runs_end_read(reader);
	if (pending != NULL)
		tuplestore_end(pending);
}

static void
compute_rows(ForeignScanState *node)
{
	LiveScan   *scan = (LiveScan *) node->fdw_state;
	Snapshot	snapshot = node->ss.ps.state->es_snapshot;
	Oid			relid = RelationGetRelid(node->ss.ss_currentRelation);
	MemoryContext old;
	const WeirKnown *entry;
	WeirAggregate agg;
	WeirDefinition def;
	WeirCursor	cursor;
	LiveFilter	filter;
	WeirIdentity saved;

	MemoryContextReset(scan->context);
	old = MemoryContextSwitchTo(scan->context);
	scan->rows = tuplestore_begin_heap(true, false, work_mem);
	PushActiveSnapshot(snapshot);
	entry = weir_known_of_open(relid);
	/* windows remember what has last been asked of them */
	def = *entry->def;
	find_aggregate(entry->aggregate_id, snapshot, &agg, &cursor);

	/* the values of conditions are the reader's expressions: with his rights */
	evaluate_conditions(scan, &def, node->ss.ps.ps_ExprContext, &filter);
	if (!filter.is_empty)
	{
		weir_aggregate_become_owner(&agg, &saved);
		compute(scan, entry, &agg, &def, &cursor, &filter, snapshot);
		weir_restore_identity(&saved);
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
}

/* ---------- the scan ---------- */

static void
live_begin(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	LiveScan   *scan = palloc0(sizeof(LiveScan));

	node->fdw_state = scan;
	scan->conditions = plan->fdw_private;
	scan->values = ExecInitExprList(plan->fdw_exprs, &node->ss.ps);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan->context = AllocSetContextCreate(node->ss.ps.state->es_query_cxt,
										  "weir live rows",
										  ALLOCSET_DEFAULT_SIZES);
	scan->slot = ExecAllocTableSlot(&node->ss.ps.state->es_tupleTable,
									RelationGetDescr(node->ss.ss_currentRelation),
									&TTSOpsMinimalTuple);
}

static TupleTableSlot *
live_iterate(ForeignScanState *node)
{
	LiveScan   *scan = (LiveScan *) node->fdw_state;

	MemoryContext old;

	if (scan->rows == NULL)
		compute_rows(node);
	/* the slot may come to own a tuple that was on disk */
	old = MemoryContextSwitchTo(scan->context);
	(void) tuplestore_gettupleslot(scan->rows, true, false, scan->slot);
	MemoryContextSwitchTo(old);
	return scan->slot;
}

static void
forget_rows(LiveScan *scan)
{
	if (scan->rows == NULL)
		return;
	ExecClearTuple(scan->slot);
	tuplestore_end(scan->rows);
	scan->rows = NULL;
}

static void
live_rescan(ForeignScanState *node)
{
	LiveScan   *scan = (LiveScan *) node->fdw_state;

	if (node->ss.ps.chgParam != NULL && scan->values != NIL)
		forget_rows(scan);
	else if (scan->rows != NULL)
		tuplestore_rescan(scan->rows);
}

static void
live_end(ForeignScanState *node)
{
	LiveScan   *scan = (LiveScan *) node->fdw_state;

	if (scan != NULL)
		forget_rows(scan);
}

static void
live_explain(ForeignScanState *node, struct ExplainState *es)
{
	LiveScan   *scan = (LiveScan *) node->fdw_state;
	int			nkeys = 0;
	int			nwindows = 0;
	int			i;

	for (i = 0; i < list_length(scan->conditions); i += 3)
	{
		if (list_nth_int(scan->conditions, i) == CONDITION_KEY)
			nkeys++;
		else
			nwindows++;
	}
	if (nkeys > 0)
		ExplainPropertyInteger("Conditions on Keys", NULL, nkeys, es);
	if (nwindows > 0)
		ExplainPropertyInteger("Conditions on Window", NULL, nwindows, es);
}

Datum
weir__live_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = live_rel_size;
	routine->GetForeignPaths = live_paths;
	routine->GetForeignPlan = live_plan;
	routine->BeginForeignScan = live_begin;
	routine->IterateForeignScan = live_iterate;
	routine->ReScanForeignScan = live_rescan;
	routine->EndForeignScan = live_end;
	routine->ExplainForeignScan = live_explain;
	PG_RETURN_POINTER(routine);
}
