/*-------------------------------------------------------------------------
 *
 * row_filter.c
 *	  Which rows a step of aggregation reads, one by one.
 *
 * To find out at which rows a query fails (skip.c), and to leave them out.  The
 * filter is a condition on the relation that holds the rows, which the server
 * evaluates before all others there because it costs less than any, and before
 * joins and aggregation: a row that is left out is seen by nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "weir.h"
#include "aggregate/receiver.h"
#include "aggregate/row_filter.h"

PG_FUNCTION_INFO_V1(weir__row_is_wanted);

struct WeirRowCollector
{
	DestReceiver pub;
	WeirRowFilter *filter;
	int			max_rows;
};

/* ---------- numbers of rows ---------- */

static int
compare_ids(const void *a, const void *b)
{
	WeirRowId  *left = (WeirRowId *) a;
	WeirRowId  *right = (WeirRowId *) b;

	if (left->relid != right->relid)
		return left->relid < right->relid ? -1 : 1;
	return ItemPointerCompare(&left->tid, &right->tid);
}

int
weir_row_filter_find(const WeirRowFilter *filter, Oid relid, ItemPointer tid)
{
	WeirRowId	id;
	WeirRowId  *found;

	id.relid = relid;
	id.tid = *tid;
	found = bsearch(&id, filter->ids, filter->nrows, sizeof(WeirRowId),
					compare_ids);
	return found == NULL ? -1 : found - filter->ids;
}

/* The same of rows that are read in their order, as most are. */
static int
find_next(WeirRowFilter *filter, Oid relid, ItemPointer tid)
{
	int			number = filter->next;

	if (number >= filter->nrows || filter->ids[number].relid != relid ||
		!ItemPointerEquals(&filter->ids[number].tid, tid))
		number = weir_row_filter_find(filter, relid, tid);
	if (number >= 0)
		filter->next = number + 1;
	return number;
}

Datum
weir__row_is_wanted(PG_FUNCTION_ARGS)
{
	WeirRowFilter *filter = (WeirRowFilter *) PG_GETARG_POINTER(2);
	int			number = find_next(filter, PG_GETARG_OID(0),
								   DatumGetItemPointer(PG_GETARG_DATUM(1)));

	if (number < 0)
	{
		if (filter->knows_all)
			elog(ERROR, "row of a tick has not been seen before");
		PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(filter->is_inverted ? filter->is_left_out[number] :
				   number < filter->limit && !filter->is_left_out[number]);
}

void
weir_row_filter_add(WeirRowFilter *filter, Index rti, Query *query)
{
	Oid			argtypes[3] = {OIDOID, TIDOID, INTERNALOID};
	List	   *name = list_make2(makeString(WEIR_SCHEMA),
								  makeString("_row_is_wanted"));
	List	   *args;

	args = list_make3(makeVar(rti, TableOidAttributeNumber, OIDOID, -1,
							  InvalidOid, 0),
					  makeVar(rti, SelfItemPointerAttributeNumber, TIDOID, -1,
							  InvalidOid, 0),
					  makeConst(INTERNALOID, -1, InvalidOid, sizeof(Datum),
								PointerGetDatum(filter), false, true));
	query->jointree->quals =
		make_and_qual((Node *) makeFuncExpr(LookupFuncName(name, 3, argtypes, false),
											BOOLOID, args, InvalidOid,
											InvalidOid, COERCE_EXPLICIT_CALL),
					  query->jointree->quals);
}

/* ---------- collecting rows ---------- */

static bool
collect(TupleTableSlot *slot, DestReceiver *self)
{
	WeirRowCollector *collector = (WeirRowCollector *) self;
	WeirRowFilter *filter = collector->filter;
	WeirRowId  *id;

	if (filter->nrows == collector->max_rows)
	{
		collector->max_rows *= 2;
		filter->ids = repalloc_huge(filter->ids,
									mul_size(sizeof(WeirRowId), collector->max_rows));
	}
	slot_getallattrs(slot);
	id = &filter->ids[filter->nrows++];
	id->relid = DatumGetObjectId(slot->tts_values[0]);
	id->tid = *DatumGetItemPointer(slot->tts_values[1]);
	return true;
}

WeirRowCollector *
weir_row_collector(void)
{
	WeirRowCollector *collector = palloc0(sizeof(WeirRowCollector));

	weir_receiver_init(&collector->pub, collect);
	collector->max_rows = 1024;
	collector->filter = palloc0(sizeof(WeirRowFilter));
	collector->filter->ids = palloc(sizeof(WeirRowId) * collector->max_rows);
	return collector;
}

DestReceiver *
weir_row_collector_receiver(WeirRowCollector *collector)
{
	return &collector->pub;
}

WeirRowFilter *
weir_row_collector_filter(WeirRowCollector *collector, bool knows_all)
{
	WeirRowFilter *filter = collector->filter;

	qsort(filter->ids, filter->nrows, sizeof(WeirRowId), compare_ids);
	filter->is_left_out = MemoryContextAllocExtended(CurrentMemoryContext,
													 Max(filter->nrows, 1),
													 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	filter->limit = filter->nrows;
	filter->knows_all = knows_all;
	return filter;
}
