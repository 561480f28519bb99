/*-------------------------------------------------------------------------
 *
 * closed_table.c
 *	  Putting rows into the table of closed rows.
 *
 * The table is the user's: it may have been given indexes, constraints,
 * triggers, columns, row security, and be published.  There are two roads into
 * it that come to the same:
 *
 *	directly	rows are sorted as they come, put into the heap by pages at a
 *				time, as COPY does, and into the indexes one by one.  For a
 *				table that has nothing but indexes, NOT NULL and CHECK
 *				constraints beside the rows, as most have.
 *	by INSERT	an INSERT ... SELECT; where anything else has to be done.
 *
 * Either way rows go in sorted by window and keys: as they lie on disk, and so
 * that one after the other goes to the same leaf of an index.  If they come one
 * window after the other, those of a window are sorted and put in before the
 * next one's come.
 *
 * A BRIN index is told of a row only if the one before it in the same range of
 * blocks had other values.  If it had the same, it has been seen to already:
 * either the summary of the range had it added, or there was none, and who makes
 * one from then on finds that row in the heap.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "weir.h"
#include "aggregate/closed_index.h"
#include "aggregate/closed_table.h"
#include "aggregate/partial.h"
#include "aggregate/receiver.h"

/* Rows that are put into the heap at a time: so many, or of so many bytes. */
#define BATCH_ROWS		1000
#define BATCH_BYTES		65535

/* A BRIN index of plain columns, and what it has last been told. */
typedef struct RangeIndex
{
	int			number;			/* among the indexes of the table */
	Relation	rel;
	BlockNumber pages_per_range;
	BlockNumber range;			/* InvalidBlockNumber: nothing yet */
	Datum	   *values;
	bool	   *isnull;
	MemoryContext context;		/* of the values */
} RangeIndex;

/* What is needed to put rows into the heap and its indexes. */
typedef struct DirectInsert
{
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *target;
	List	   *range_indexes;	/* of RangeIndex */
	BulkInsertState bulk;
	CommandId	command;
	MemoryContext context;		/* reset for each batch */
	TupleDesc	desc;			/* that of the table */
	TupleTableSlot *slots[BATCH_ROWS];	/* made when first used */
	int			nslots;			/* in the batch */
	Size		bytes;
} DirectInsert;

struct WeirClosedWriter
{
	DestReceiver pub;
	const WeirAggregate *agg;
	Relation	rel;
	TupleDesc	desc;			/* of the rows */
	List	   *order;			/* attnums they are sorted by */
	AttrNumber	window_column;	/* 0: windows are not told apart */
	Datum		window;			/* of the rows in the sort */
	MemoryContext context;		/* of the following */
	bool		is_direct;
	DirectInsert *insert;		/* NULL: not begun */
	TupleTableSlot *row;
	Tuplesortstate *sort;		/* directly, if there is an order */
	Tuplestorestate *rows;		/* otherwise, and where they are kept */
	int64		nrows;
	int64		nsorting;		/* rows in the sort */
};

/* ---------- the order ---------- */

/* By window, as rows lie on disk, then by key. */
static List *
insert_order(const WeirDefinition *def, TupleDesc desc)
{
	List	   *columns = weir_closed_key_columns(def, desc);
	AttrNumber	window = weir_closed_window_column(def);

	return window != 0 ? lcons_int(window, columns) : columns;
}

/*
 * Sort the rows of each window by themselves: comparing the window would take
 * a third of the sort.
 */
static void
sort_by_window(WeirClosedWriter *writer, const WeirDefinition *def)
{
	AttrNumber	window = weir_closed_window_column(def);

	if (window == 0 || list_length(writer->order) == 1)
		return;
	writer->order = list_delete_first(writer->order);
	writer->window_column = window;
}

static Tuplesortstate *
begin_sort(TupleDesc desc, List *columns)
{
	int			n = list_length(columns);
	AttrNumber *attnos = palloc(sizeof(AttrNumber) * n);
	Oid		   *operators = palloc(sizeof(Oid) * n);
	Oid		   *collations = palloc(sizeof(Oid) * n);
	bool	   *nulls_first = palloc0(sizeof(bool) * n);
	ListCell   *lc;

	foreach(lc, columns)
	{
		Form_pg_attribute att = TupleDescAttr(desc, lfirst_int(lc) - 1);
		int			i = foreach_current_index(lc);

		attnos[i] = att->attnum;
		operators[i] = lookup_type_cache(att->atttypid, TYPECACHE_LT_OPR)->lt_opr;
		collations[i] = att->attcollation;
	}
	return tuplesort_begin_heap(desc, n, attnos, operators, collations,
								nulls_first,
								Max(work_mem, maintenance_work_mem), NULL,
								TUPLESORT_NONE);
}

/* ---------- which road ---------- */

static bool
has_columns(Relation rel, TupleDesc desc)
{
	TupleDesc	columns = RelationGetDescr(rel);
	int			i;

	if (columns->natts != desc->natts)
		return false;
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (column->attisdropped || column->attidentity != '\0' ||
			column->attgenerated != '\0' ||
			column->atttypid != att->atttypid ||
			(column->atttypmod != -1 && column->atttypmod != att->atttypmod))
			return false;
	}
	return true;
}

static bool
has_insert_trigger(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;

	return triggers != NULL &&
		(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		 triggers->trig_insert_instead_row ||
		 triggers->trig_insert_before_statement ||
		 triggers->trig_insert_after_statement ||
		 triggers->trig_insert_new_table);
}

/* Is there nothing to do but to store the rows? */
static bool
can_insert_directly(Relation rel, TupleDesc desc)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		!rel->rd_rel->relispartition &&
		!rel->rd_rel->relrowsecurity &&
		rel->rd_rules == NULL &&
		!has_insert_trigger(rel) &&
		has_columns(rel, desc) &&
		!XactReadOnly &&
		pg_class_aclcheck(RelationGetRelid(rel), GetUserId(),
						  ACL_INSERT) == ACLCHECK_OK;
}

static char *insert_command(WeirClosedWriter *writer);

/*
 * Does no other extension put something else in the place of an INSERT, by
 * what it has the planner do?
 */
static bool
is_planned_plainly(WeirClosedWriter *writer)
{
	EphemeralNamedRelation closed;
	CachedPlan *plan;
	bool		is_plain;

	if (planner_hook == NULL)
		return true;
	closed = palloc0(sizeof(*closed));
	closed->md.name = "closed";
	closed->md.tupdesc = writer->desc;
	closed->md.enrtype = ENR_NAMED_TUPLESTORE;
	SPI_connect();
	if (SPI_register_relation(closed) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the closed rows");
	plan = SPI_plan_get_cached_plan(SPI_prepare(insert_command(writer), 0, NULL));
	is_plain = plan != NULL && list_length(plan->stmt_list) == 1 &&
		linitial_node(PlannedStmt, plan->stmt_list)->planTree != NULL &&
		IsA(linitial_node(PlannedStmt, plan->stmt_list)->planTree, ModifyTable);
	if (plan != NULL)
		ReleaseCachedPlan(plan, NULL);
	SPI_finish();
	return is_plain;
}

/* ---------- BRIN indexes ---------- */

static List *
find_range_indexes(ResultRelInfo *target)
{
	List	   *found = NIL;
	int			i;

	for (i = 0; i < target->ri_NumIndices; i++)
	{
		IndexInfo  *info = target->ri_IndexRelationInfo[i];
		RangeIndex *index;

		if (target->ri_IndexRelationDescs[i]->rd_rel->relam != BRIN_AM_OID ||
			info->ii_Expressions != NIL || info->ii_Predicate != NIL)
			continue;
		index = palloc(sizeof(RangeIndex));
		index->number = i;
		index->rel = target->ri_IndexRelationDescs[i];
		index->pages_per_range = BrinGetPagesPerRange(index->rel);
		index->range = InvalidBlockNumber;
		index->values = palloc(sizeof(Datum) * info->ii_NumIndexAttrs);
		index->isnull = palloc(sizeof(bool) * info->ii_NumIndexAttrs);
		index->context = AllocSetContextCreate(CurrentMemoryContext,
											   "weir range index",
											   ALLOCSET_SMALL_SIZES);
		found = lappend(found, index);
	}
	return found;
}

/* Has it been told of the values, in the range of blocks of the row? */
static bool
knows_values(RangeIndex *index, IndexInfo *info, TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	int			i;

	if (ItemPointerGetBlockNumber(&slot->tts_tid) / index->pages_per_range !=
		index->range)
		return false;
	for (i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		int			column = info->ii_IndexAttrNumbers[i] - 1;
		Form_pg_attribute att = TupleDescAttr(desc, column);

		if (slot->tts_isnull[column] != index->isnull[i] ||
			(!index->isnull[i] &&
			 !datumIsEqual(slot->tts_values[column], index->values[i],
						   att->attbyval, att->attlen)))
			return false;
	}
	return true;
}

static void
remember_values(RangeIndex *index, IndexInfo *info, TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	MemoryContext old;
	int			i;

	MemoryContextReset(index->context);
	old = MemoryContextSwitchTo(index->context);
	index->range = ItemPointerGetBlockNumber(&slot->tts_tid) /
		index->pages_per_range;
	for (i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		int			column = info->ii_IndexAttrNumbers[i] - 1;
		Form_pg_attribute att = TupleDescAttr(desc, column);

		index->isnull[i] = slot->tts_isnull[column];
		if (!index->isnull[i])
			index->values[i] = datumCopy(slot->tts_values[column],
										 att->attbyval, att->attlen);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Hide from the server the indexes that need not be told of the row; until
 * show_range_indexes.
 */
static void
hide_range_indexes(DirectInsert *insert, TupleTableSlot *slot)
{
	ListCell   *lc;

	if (insert->range_indexes == NIL)
		return;
	slot_getallattrs(slot);
	foreach(lc, insert->range_indexes)
	{
		RangeIndex *index = lfirst(lc);
		IndexInfo  *info = insert->target->ri_IndexRelationInfo[index->number];

		if (knows_values(index, info, slot))
			insert->target->ri_IndexRelationDescs[index->number] = NULL;
		else
			remember_values(index, info, slot);
	}
}

static void
show_range_indexes(DirectInsert *insert)
{
	ListCell   *lc;

	foreach(lc, insert->range_indexes)
	{
		RangeIndex *index = lfirst(lc);

		insert->target->ri_IndexRelationDescs[index->number] = index->rel;
	}
}

/* ---------- directly ---------- */

static DirectInsert *
begin_direct(Relation rel)
{
	DirectInsert *insert = palloc0(sizeof(DirectInsert));

	insert->rel = rel;
	/* a copy, as references to the relation's would be counted */
	insert->desc = CreateTupleDescCopy(RelationGetDescr(rel));
	insert->estate = CreateExecutorState();
	insert->target = makeNode(ResultRelInfo);
	InitResultRelInfo(insert->target, rel, 0, NULL, 0);
	ExecOpenIndices(insert->target, false);
	insert->range_indexes = find_range_indexes(insert->target);
	insert->bulk = GetBulkInsertState();
	insert->command = GetCurrentCommandId(true);
	insert->context = AllocSetContextCreate(CurrentMemoryContext,
											"weir closed rows",
											ALLOCSET_DEFAULT_SIZES);
	return insert;
}

/* Store the rows of the batch. */
static void
flush_direct(DirectInsert *insert)
{
	MemoryContext old;
	int			i;

	if (insert->nslots == 0)
		return;
	old = MemoryContextSwitchTo(insert->context);
	table_multi_insert(insert->rel, insert->slots, insert->nslots,
					   insert->command, 0, insert->bulk);
	MemoryContextSwitchTo(old);
	for (i = 0; i < insert->nslots; i++)
	{
		if (insert->target->ri_NumIndices > 0)
		{
			hide_range_indexes(insert, insert->slots[i]);
			list_free(WeirExecInsertIndexTuples(insert->target, insert->slots[i],
												insert->estate, false));
			show_range_indexes(insert);
		}
		ExecClearTuple(insert->slots[i]);
		ResetPerTupleExprContext(insert->estate);
	}
	MemoryContextReset(insert->context);
	insert->nslots = 0;
	insert->bytes = 0;
}

static void
insert_directly(DirectInsert *insert, TupleTableSlot *row, Size bytes)
{
	TupleTableSlot *slot = insert->slots[insert->nslots];

	if (slot == NULL)
		slot = insert->slots[insert->nslots] =
			MakeSingleTupleTableSlot(insert->desc,
									 table_slot_callbacks(insert->rel));
	ExecCopySlot(slot, row);
	slot->tts_tableOid = RelationGetRelid(insert->rel);
	if (RelationGetDescr(insert->rel)->constr != NULL)
		ExecConstraints(insert->target, slot, insert->estate);
	insert->nslots++;
	insert->bytes += bytes;
	if (insert->nslots == BATCH_ROWS || insert->bytes >= BATCH_BYTES)
		flush_direct(insert);
}

static void
end_direct(DirectInsert *insert)
{
	int			i;

	flush_direct(insert);
	table_finish_bulk_insert(insert->rel, 0);
	FreeBulkInsertState(insert->bulk);
	for (i = 0; i < BATCH_ROWS && insert->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(insert->slots[i]);
	ExecCloseIndices(insert->target);
	FreeExecutorState(insert->estate);
	MemoryContextDelete(insert->context);
	CommandCounterIncrement();
}

/* The next row in order, without copying it; false at the end. */
static bool
next_row(WeirClosedWriter *writer)
{
	if (writer->sort != NULL)
		return tuplesort_gettupleslot(writer->sort, true, false, writer->row, NULL);
	return tuplestore_gettupleslot(writer->rows, true, false, writer->row);
}

/* Put in what has come; then the sort can begin again. */
static void
insert_directly_so_far(WeirClosedWriter *writer)
{
	MemoryContext old = MemoryContextSwitchTo(writer->context);

	if (writer->insert == NULL)
	{
		writer->insert = begin_direct(writer->rel);
		writer->row = MakeSingleTupleTableSlot(writer->desc,
											   &TTSOpsMinimalTuple);
	}
	if (writer->sort != NULL)
		tuplesort_performsort(writer->sort);
	while (next_row(writer))
	{
		MinimalTupleTableSlot *minimal = (MinimalTupleTableSlot *) writer->row;

		CHECK_FOR_INTERRUPTS();
		insert_directly(writer->insert, writer->row, minimal->mintuple->t_len);
		if (writer->sort != NULL && writer->rows != NULL)
			tuplestore_puttupleslot(writer->rows, writer->row);
	}
	ExecClearTuple(writer->row);
	writer->nsorting = 0;
	MemoryContextSwitchTo(old);
}

/* ---------- by INSERT ---------- */

/* INSERT INTO closed (columns) SELECT columns ORDER BY order, by position */
static char *
insert_command(WeirClosedWriter *writer)
{
	TupleDesc	desc = writer->desc;
	StringInfoData to;
	StringInfoData from;
	ListCell   *lc;
	int			i;

	initStringInfo(&to);
	initStringInfo(&from);
	for (i = 1; i <= desc->natts; i++)
	{
		char	   *name = get_attname(writer->agg->closed, i, true);

		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("a column of table \"%s\" has been dropped",
							RelationGetRelationName(writer->rel)),
					 errhint("Drop the continuous aggregate and create it again.")));
		appendStringInfo(&to, "%s%s", i > 1 ? ", " : "", quote_identifier(name));
		appendStringInfo(&from, "%s%s", i > 1 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(desc, i - 1)->attname)));
	}
	appendStringInfoString(&from, " FROM closed");
	foreach(lc, writer->order)
		appendStringInfo(&from, "%s%s",
						 foreach_current_index(lc) == 0 ? " ORDER BY " : ", ",
						 quote_identifier(NameStr(TupleDescAttr(desc, lfirst_int(lc) - 1)->attname)));
	return psprintf("INSERT INTO %s (%s) SELECT %s",
					quote_qualified_identifier(get_namespace_name(RelationGetNamespace(writer->rel)),
											   RelationGetRelationName(writer->rel)),
					to.data, from.data);
}

static void
insert_by_command(WeirClosedWriter *writer)
{
	EphemeralNamedRelation closed = palloc0(sizeof(*closed));

	closed->md.name = "closed";
	closed->md.tupdesc = writer->desc;
	closed->md.enrtype = ENR_NAMED_TUPLESTORE;
	closed->md.enrtuples = (double) writer->nrows;
	closed->reldata = writer->rows;
	SPI_connect();
	if (SPI_register_relation(closed) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the closed rows");
	if (SPI_execute(insert_command(writer), false, 0) != SPI_OK_INSERT)
		weir_report_rule(RelationGetRelid(writer->rel));
	SPI_finish();
}

/* ---------- the writer ---------- */

/* Another window begins: those before it are through. */
static void
begin_window(WeirClosedWriter *writer, Datum window)
{
	if (writer->nsorting > 0)
	{
		insert_directly_so_far(writer);
		tuplesort_reset(writer->sort);
	}
	writer->window = window;
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	WeirClosedWriter *writer = (WeirClosedWriter *) self;

	writer->nrows++;
	if (writer->window_column != 0)
	{
		bool		isnull;
		Datum		window = slot_getattr(slot, writer->window_column, &isnull);

		if (window != writer->window || writer->nsorting == 0)
			begin_window(writer, window);
	}
	if (writer->sort != NULL)
	{
		tuplesort_puttupleslot(writer->sort, slot);
		writer->nsorting++;
	}
	else
		tuplestore_puttupleslot(writer->rows, slot);
	return true;
}

WeirClosedWriter *
weir_closed_begin_write(const WeirAggregate *agg, WeirDefinition *def,
						bool by_window, bool keep)
{
	WeirClosedWriter *writer = palloc0(sizeof(WeirClosedWriter));

	weir_receiver_init(&writer->pub, receive);
	writer->agg = agg;
	writer->desc = weir_partial_result_desc(def);
	writer->rel = table_open(agg->closed, RowExclusiveLock);
	writer->context = CurrentMemoryContext;
	writer->order = insert_order(def, writer->desc);
	writer->is_direct = can_insert_directly(writer->rel, writer->desc) &&
		is_planned_plainly(writer);
	if (writer->is_direct && by_window)
		sort_by_window(writer, def);
	if (writer->is_direct && writer->order != NIL)
		writer->sort = begin_sort(writer->desc, writer->order);
	if (writer->sort == NULL || keep)
		writer->rows = tuplestore_begin_heap(false, false, work_mem);
	return writer;
}

DestReceiver *
weir_closed_receiver(WeirClosedWriter *writer)
{
	return &writer->pub;
}

int64
weir_closed_end_write(WeirClosedWriter *writer)
{
	if (writer->nrows > 0)
	{
		if (writer->is_direct)
		{
			insert_directly_so_far(writer);
			ExecDropSingleTupleTableSlot(writer->row);
			end_direct(writer->insert);
		}
		else
			insert_by_command(writer);
	}
	if (writer->sort != NULL)
		tuplesort_end(writer->sort);
	table_close(writer->rel, NoLock);
	return writer->nrows;
}

Tuplestorestate *
weir_closed_rows(WeirClosedWriter *writer)
{
	return writer->rows;
}
