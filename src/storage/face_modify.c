/*-------------------------------------------------------------------------
 *
 * face_modify.c
 *	  INSERT, COPY, DELETE and TRUNCATE on the face of a wide table.
 *
 * A row inserted adds its cells to those that are there, as set_cell does;
 * rows of one key that follow each other in one statement become one delta.
 * A row deleted is one delta with a row tombstone; if the transaction has one
 * snapshot, that must see all of the row, see rowmodify.c.  Under READ
 * COMMITTED conditions are tested again, as for a plain table, on the row as
 * it is when nobody else can write to it; the server's EvalPlanQual does that.
 * If the row key alone decides there is nothing to test, and the deletion is
 * a blind write.  A condition that itself writes to the row it is tested on is
 * refused (27000), as for a plain table.
 *
 * Rows are collected until the next key comes or the statement ends, so the
 * last delta is written when the executor shuts down.  That is after triggers
 * have been fired; so if there are any, which must see the rows, each row is
 * written at once.  UPDATE has no callback here, so that the executor refuses
 * it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "storage/authorized_view.h"
#include "storage/changes.h"
#include "storage/face.h"
#include "storage/heap_guard.h"
#include "storage/hll.h"
#include "storage/rowstore.h"
#include "storage/wide_table.h"
#include "types/widerow.h"
#include "weir.h"

/* Write a delta when this many bytes have been collected for one key. */
#define MAX_PENDING_BYTES	(8 * 1024 * 1024)

/* names of the junk columns that DELETE needs */
#define JUNK_ROW_KEY		"weir_row_key"
#define JUNK_CELLS			"weir_cells"

typedef struct FaceModify
{
	MemoryContext context;
	MemoryContext row_context;	/* reset for each delta written */
	WeirWideTable *table;
	WeirWriter *writer;
	AttrNumber	row_key_junk;	/* for DELETE */
	AttrNumber	cells_junk;		/* or InvalidAttrNumber */
	ModifyTableState *node;		/* to test conditions again, or NULL */
	ResultRelInfo *result_rel;
	TupleTableSlot *tested;		/* a row as it is now */

	bool		writes_at_once; /* collects nothing */
	WeirFold   *pending;		/* the cells for pending_key */
	WeirRowKey	pending_key;	/* bytes NULL: nothing is pending */
	Size		pending_bytes;
} FaceModify;

/* ---- begin and end ---- */

static bool
has_insert_triggers(const TriggerDesc *triggers)
{
	return triggers != NULL &&
		(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		 triggers->trig_insert_after_statement);
}

/* Those of a statement are triggers of the table that it names. */
static bool
fires_insert_triggers(const ResultRelInfo *rri)
{
	const ResultRelInfo *root = rri->ri_RootResultRelInfo;

	return has_insert_triggers(rri->ri_TrigDesc) ||
		(root != NULL && has_insert_triggers(root->ri_TrigDesc));
}

static FaceModify *
begin(const ResultRelInfo *rri)
{
	Relation	rel = rri->ri_RelationDesc;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir face modify",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	FaceModify *state = palloc0(sizeof(FaceModify));

	state->context = context;
	state->row_context = AllocSetContextCreate(context, "weir face delta",
											   ALLOCSET_DEFAULT_SIZES);
	state->table = weir_wide_table_require_locked(RelationGetRelid(rel),
												  RowExclusiveLock);
	state->writer = weir_writer_open(state->table);
	state->pending = weir_fold_create(weir_hll_combine);
	state->writes_at_once = fires_insert_triggers(rri);
	MemoryContextSwitchTo(old_context);
	return state;
}

static void
put(FaceModify *state, WeirRowKey key, WeirFold *fold)
{
	MemoryContext old_context = MemoryContextSwitchTo(state->row_context);

	weir_writer_put(state->writer, key, weir_fold_delta(fold, 0));
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(state->row_context);
}

/* Does the row as it is now satisfy the conditions of the statement? */
static bool
passes_conditions(void *arg, WeirRowScan *scan)
{
	FaceModify *state = arg;
	TupleTableSlot *slot = state->tested;
	Relation	rel = state->result_rel->ri_RelationDesc;
	MemoryContext old_context;

	ExecClearTuple(slot);
	weir_face_store_row(scan, true, slot->tts_values, slot->tts_isnull,
						slot->tts_tupleDescriptor->natts);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(rel);

	/* what it sets up when it is first called must live as long as the query */
	old_context = MemoryContextSwitchTo(state->node->ps.state->es_query_cxt);
	slot = EvalPlanQual(&state->node->mt_epqstate, rel,
						state->result_rel->ri_RangeTableIndex, slot);
	MemoryContextSwitchTo(old_context);
	return !TupIsNull(slot);
}

/*
 * The statement has read the row that it deletes.  What others have written
 * to it since must not be lost unseen.  False if the row is not to be deleted
 * any more.
 */
static bool
put_deletion(FaceModify *state, WeirRowKey key, WeirFold *fold)
{
	MemoryContext old_context = MemoryContextSwitchTo(state->row_context);
	WeirDelta  *delta = weir_fold_delta(fold, 0);
	bool		done = true;

	/* a join may give a row several times: it is deleted once */
	if (IsolationUsesXactSnapshot())
		done = weir_row_put_if_current(state->table, key, delta,
									   state->node != NULL);
	else if (state->node != NULL)
		done = weir_row_put_if(state->table, key, delta, passes_conditions,
							   state);
	else
		weir_writer_put(state->writer, key, delta);
	MemoryContextSwitchTo(old_context);
	return done;
}

/* Does anything but the row key decide which rows the plan gives? */
static bool
has_other_conditions(const Plan *plan)
{
	return !IsA(plan, ForeignScan) || plan->qual != NIL;
}

/* Writes what is pending, if anything. */
static void
flush(FaceModify *state)
{
	if (state->pending_key.bytes == NULL)
		return;
	put(state, state->pending_key, state->pending);
	weir_fold_reset(state->pending, NULL, 0);
	state->pending_key.bytes = NULL;
	state->pending_bytes = 0;
}

static void
end_modify(EState *estate, ResultRelInfo *rri)
{
	FaceModify *state = rri->ri_FdwState;

	if (state == NULL)
		return;
	flush(state);
	weir_writer_close(state->writer);
	if (state->tested != NULL)
		ExecDropSingleTupleTableSlot(state->tested);
	MemoryContextDelete(state->context);
	rri->ri_FdwState = NULL;
}

static void
begin_modify(ModifyTableState *mtstate, ResultRelInfo *rri,
			 List *fdw_private, int subplan_index, int eflags)
{
	FaceModify *state;
	List	   *tlist;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	state = begin(rri);
	if (mtstate->operation == CMD_DELETE)
	{
		tlist = outerPlanState(mtstate)->plan->targetlist;
		state->row_key_junk = ExecFindJunkAttributeInTlist(tlist, JUNK_ROW_KEY);
		state->cells_junk = ExecFindJunkAttributeInTlist(tlist, JUNK_CELLS);
		if (!AttributeNumberIsValid(state->row_key_junk))
			elog(ERROR, "could not find junk column \"%s\"", JUNK_ROW_KEY);
		if (has_other_conditions(outerPlanState(mtstate)->plan))
		{
			state->node = mtstate;
			state->result_rel = rri;
			state->tested = MakeSingleTupleTableSlot(RelationGetDescr(rri->ri_RelationDesc),
													 &TTSOpsVirtual);
		}
	}
	rri->ri_FdwState = state;
}

/* COPY, and rows routed to a partition */
static void
begin_insert(ModifyTableState *mtstate, ResultRelInfo *rri)
{
	if (mtstate->ps.plan != NULL &&
		((ModifyTable *) mtstate->ps.plan)->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ON CONFLICT is not supported on wide tables"),
				 errhint("INSERT adds cells to the row; use weir.check_and_mutate_row for a condition.")));
	rri->ri_FdwState = begin(rri);
}

static List *
plan_modify(PlannerInfo *root, ModifyTable *plan, Index relation,
			int subplan_index)
{
	if (plan->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ON CONFLICT is not supported on wide tables"),
				 errhint("INSERT adds cells to the row; use weir.check_and_mutate_row for a condition.")));
	return NIL;
}

static int
is_updatable(Relation rel)
{
	return (1 << CMD_INSERT) | (1 << CMD_DELETE);
}

/* ---- INSERT ---- */

static void
add_cells(FaceModify *state, Datum cells)
{
	MemoryContext old_context;
	WeirRow    *row;
	WeirRowReader reader;
	WeirCell	cell;

	old_context = MemoryContextSwitchTo(weir_fold_context(state->pending));
	row = weir_row_from_datum(PointerGetDatum(PG_DETOAST_DATUM_COPY(cells)));
	MemoryContextSwitchTo(old_context);
	weir_row_reader_init(&reader, row);
	while (weir_row_reader_next(&reader, &cell))
		weir_builder_set_cell(state->pending, state->table, &cell);
	state->pending_bytes += VARSIZE(row);
}

static TupleTableSlot *
exec_insert(EState *estate, ResultRelInfo *rri, TupleTableSlot *slot,
			TupleTableSlot *plan_slot)
{
	FaceModify *state = rri->ri_FdwState;
	struct varlena *v;
	WeirRowKey	key;

	slot_getallattrs(slot);
	if (slot->tts_isnull[Anum_face_row_key - 1] ||
		slot->tts_isnull[Anum_face_cells - 1])
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in a row of wide table \"%s\"",
						RelationGetRelationName(rri->ri_RelationDesc))));
	v = PG_DETOAST_DATUM_PACKED(slot->tts_values[Anum_face_row_key - 1]);
	key.bytes = VARDATA_ANY(v);
	key.len = VARSIZE_ANY_EXHDR(v);
	weir_check_row_key(key.bytes, key.len);

	if (state->pending_key.bytes != NULL &&
		(state->pending_bytes > MAX_PENDING_BYTES ||
		 weir_bytes_cmp(state->pending_key.bytes, state->pending_key.len,
						key.bytes, key.len) != 0))
		flush(state);
	add_cells(state, slot->tts_values[Anum_face_cells - 1]);
	if (state->pending_key.bytes == NULL && state->pending_bytes > 0 &&
		!weir_fold_is_empty(state->pending))
	{
		char	   *copy = MemoryContextAlloc(weir_fold_context(state->pending),
											  key.len);

		memcpy(copy, key.bytes, key.len);
		state->pending_key.bytes = copy;
		state->pending_key.len = key.len;
	}
	if (state->writes_at_once)
		flush(state);
	return slot;
}

/* ---- DELETE ---- */

/*
 * Not in the order of the face: then the scan would hand on the tuple that
 * EvalPlanQual gives it, and that is empty again when EvalPlanQual returns.
 */
static void
add_delete_targets(PlannerInfo *root, Index rtindex, RangeTblEntry *target_rte,
				   Relation target_relation)
{
	TupleDesc	desc = RelationGetDescr(target_relation);
	Form_pg_attribute cells = TupleDescAttr(desc, Anum_face_cells - 1);
	Var		   *var;

	if (root->parse->returningList != NIL)
	{
		var = makeVar(rtindex, Anum_face_cells, cells->atttypid, -1,
					  InvalidOid, 0);
		add_row_identity_var(root, var, rtindex, JUNK_CELLS);
	}
	var = makeVar(rtindex, Anum_face_row_key, BYTEAOID, -1, InvalidOid, 0);
	add_row_identity_var(root, var, rtindex, JUNK_ROW_KEY);
}

static TupleTableSlot *
exec_delete(EState *estate, ResultRelInfo *rri, TupleTableSlot *slot,
			TupleTableSlot *plan_slot)
{
	FaceModify *state = rri->ri_FdwState;
	bool		isnull;
	Datum		d = ExecGetJunkAttribute(plan_slot, state->row_key_junk, &isnull);
	WeirMutation mutation = {WEIR_DELETE_FROM_ROW};
	struct varlena *v;
	WeirRowKey	key;
	bool		done;

	if (isnull)
		elog(ERROR, "row key is null");
	MemoryContextReset(state->row_context);
	v = PG_DETOAST_DATUM_PACKED(d);
	key.bytes = VARDATA_ANY(v);
	key.len = VARSIZE_ANY_EXHDR(v);
	weir_builder_add_mutation(state->pending, state->table, &mutation, 0);
	done = put_deletion(state, key, state->pending);
	weir_fold_reset(state->pending, NULL, 0);
	if (!done)
		return NULL;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot->tts_values[Anum_face_row_key - 1] = d;
	slot->tts_isnull[Anum_face_row_key - 1] = false;
	if (!AttributeNumberIsValid(state->cells_junk))
		return ExecStoreVirtualTuple(slot);
	if (state->tested != NULL && !TTS_EMPTY(state->tested))
	{
		/* the row that was deleted, not the one that was found first */
		slot->tts_values[Anum_face_cells - 1] =
			state->tested->tts_values[Anum_face_cells - 1];
		slot->tts_isnull[Anum_face_cells - 1] = false;
	}
	else
		slot->tts_values[Anum_face_cells - 1] =
			ExecGetJunkAttribute(plan_slot, state->cells_junk,
								 &slot->tts_isnull[Anum_face_cells - 1]);
	return ExecStoreVirtualTuple(slot);
}

/* ---- TRUNCATE ---- */

static Relation
open_for_truncate(Oid heap)
{
	Relation	rel = table_open(heap, AccessExclusiveLock);

	CheckTableNotInUse(rel, "TRUNCATE");
	return rel;
}

static void
exec_truncate(List *faces, DropBehavior behavior, bool restart_seqs)
{
	List	   *rels = NIL;
	List	   *relids = NIL;
	ListCell   *lc;

	/* Numbers of writes go on: they must never be used twice. */
	foreach(lc, faces)
	{
		WeirWideTable *table = weir_wide_table_require(RelationGetRelid((Relation) lfirst(lc)));

		weir_check_is_no_view(table);
		rels = lappend(rels, open_for_truncate(table->delta));
		relids = lappend_oid(relids, table->delta);
		rels = lappend(rels, open_for_truncate(table->base));
		relids = lappend_oid(relids, table->base);
	}
	weir_heap_guard_truncate(rels, relids);
	foreach(lc, faces)
	{
		Oid			face = RelationGetRelid((Relation) lfirst(lc));

		weir_changes_put_event(weir_wide_table_require(face),
							   WEIR_CHANGE_TRUNCATE, NULL);
		weir_forget_rules(face, 0, PG_INT64_MAX);
	}
	foreach(lc, rels)
		table_close((Relation) lfirst(lc), NoLock);
}

void
weir_face_modify_init(FdwRoutine *routine)
{
	routine->AddForeignUpdateTargets = add_delete_targets;
	routine->PlanForeignModify = plan_modify;
	routine->BeginForeignModify = begin_modify;
	routine->EndForeignModify = end_modify;
	routine->BeginForeignInsert = begin_insert;
	routine->EndForeignInsert = end_modify;
	routine->ExecForeignInsert = exec_insert;
	routine->ExecForeignDelete = exec_delete;
	routine->IsForeignRelUpdatable = is_updatable;
	routine->ExecForeignTruncate = exec_truncate;
}
