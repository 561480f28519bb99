/*-------------------------------------------------------------------------
 *
 * partial_rows.c
 *	  The rows that are aggregated, one by one: those that are late, and others
 *	  that are to be kept.
 *
 * Declared in partial.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parsetree.h"
#include "storage/itemptr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/parent.h"
#include "aggregate/partial.h"
#include "aggregate/receiver.h"
#include "aggregate/row_filter.h"
#include "aggregate/step_query.h"
#include "aggregate/window_filter.h"

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
	Timestamp	event_time;
	Timestamp	window_end;
	bool		is_in_window;
	bool		found;

	slot_getallattrs(slot);
	memset(&key, 0, sizeof(key));
	key.relid = DatumGetObjectId(slot->tts_values[0]);
	key.tid = *(ItemPointer) DatumGetPointer(slot->tts_values[1]);
	event_time = DatumGetTimestamp(slot->tts_values[2]);
	is_in_window = weir_is_event_time(event_time);
	if (is_in_window)
		window_end = DatumGetTimestamp(slot->tts_values[3]);
	else
		window_end = event_time < 0 ? DT_NOBEGIN : DT_NOEND;
	if (receiver->test != NULL && is_in_window &&
		!receiver->test(receiver->test_arg, slot->tts_values + 5,
						slot->tts_isnull + 5, event_time, &window_end))
		return true;			/* it is in a session that is open */

	entry = hash_search(receiver->rows, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->late.event_time = event_time;
		entry->late.window_end = window_end;
		entry->has_row = false;
	}
	entry->late.window_end = Max(entry->late.window_end, window_end);
	if (!entry->has_row && (window_end <= receiver->bound || !is_in_window))
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
	weir_step_add_output(query, (Expr *) makeVar(def->stream_rti,
												 TableOidAttributeNumber,
												 OIDOID, -1, InvalidOid, 0), "relation");
	weir_step_add_output(query, (Expr *) makeVar(def->stream_rti,
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
	Query	   *query = weir_step_query(def);

	add_row_id(def, query);
	weir_step_add_output(query, copyObject(def->event_time), "event_time");
	weir_step_add_output(query, weir_step_window_end(def), "window_end");
	weir_step_add_output(query, row_as_jsonb(def, query), "row");
	if (def->is_session)
	{
		ListCell   *lc;

		foreach(lc, def->keys)
			weir_step_add_output(query, copyObject(((WeirKey *) lfirst(lc))->expr),
								 "key");
	}
	if (def->by_pane)
	{
		Expr	   *open = weir_step_call("_window_is_open", BOOLOID,
										  copyObject(def->event_time),
										  def->window_type, filter);

		weir_step_add_qual(query, makeBoolExpr(NOT_EXPR, list_make1(open), -1));
	}
	return query;
}

static char *
late_reason(Timestamp event_time)
{
	if (TIMESTAMP_NOT_FINITE(event_time))
		return "event time is infinite";
	return weir_is_event_time(event_time) ? "window closed" :
		"event time is out of range";
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
	weir_step_run(weir_step_plan(def, late_query(def, &filter), batch), NULL,
				  (DestReceiver *) &receiver);

	hash_seq_init(&status, receiver.rows);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->late.window_end <= bound ||
			!weir_is_event_time(entry->late.event_time))
		{
			WeirLateRow *row = palloc(sizeof(WeirLateRow));

			*row = entry->late;
			row->reason = late_reason(row->event_time);
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
	Query	   *query = weir_step_query(def);
	RangeTblRef *stream = makeNode(RangeTblRef);
	ListCell   *lc;
	Index		rti;

	/* the relation alone, and of WHERE only which rows of it are meant */
	for (rti = 1; rti <= list_length(query->rtable); rti++)
		if (rti != def->stream_rti)
			weir_step_forget_entry(query, rti);
	stream->rtindex = def->stream_rti;
	query->jointree = makeFromExpr(list_make1(stream), NULL);
	foreach(lc, def->row_conditions)
		weir_step_add_qual(query, copyObject(lfirst(lc)));
	add_row_id(def, query);
	if (with_values)
	{
		weir_step_add_output(query, own_event_time(def), "event_time");
		weir_step_add_output(query, row_as_jsonb(def, query), "row");
	}
	weir_step_run(weir_step_plan(def, query, batch), NULL, dest);
}
