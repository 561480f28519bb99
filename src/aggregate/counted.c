/*-------------------------------------------------------------------------
 *
 * counted.c
 *	  Rows that a queue still holds though an aggregate has counted them.
 *
 * A queue keeps a row until all its aggregates have counted it.  A dump takes
 * the rows and the states, but not who has counted which row: an aggregate that
 * was ahead of another one would count its rows again after a restore.
 *
 * Every aggregate has two rows in weir._counted, of which a dump takes the one
 * that weir._has_counted, called by the dump, chooses, or none:
 *
 *		rows	all_rows	meaning
 *		2		f, t		the aggregate has been started
 *		1		f			restored; had counted some of the queue's rows
 *		1		t			restored; had counted all of them
 *		0					restored; had counted none of them
 *
 * With one row it does not go on until weir.resume or weir.skip is called, and
 * its view raises an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "weir.h"
#include "aggregate/counted.h"
#include "stream/batch.h"
#include "stream/cursor.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(weir__has_counted);

/* columns of weir._counted */
enum
{
	COUNTED_AGGREGATE_ID = 1,
	COUNTED_ALL_ROWS,
	COUNTED_NATTS = COUNTED_ALL_ROWS
};

static Relation
open_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_counted", false), lockmode);
}

static SysScanDesc
begin_scan(Relation catalog, int32 aggregate_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, COUNTED_AGGREGATE_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(aggregate_id));
	return systable_beginscan(catalog, weir_own_relid("_counted_pkey", false),
							  true, snapshot, 1, &key);
}

WeirCounted
weir_counted_read(int32 aggregate_id, Snapshot snapshot)
{
	Relation	catalog = open_catalog(AccessShareLock);
	SysScanDesc scan = begin_scan(catalog, aggregate_id, snapshot);
	WeirCounted result = WEIR_COUNTED_NONE;
	int			n = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		is_null;

		n++;
		result = DatumGetBool(heap_getattr(tuple, COUNTED_ALL_ROWS,
										   RelationGetDescr(catalog), &is_null)) ?
			WEIR_COUNTED_ALL : WEIR_COUNTED_SOME;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return n == 1 ? result : WEIR_COUNTED_NONE;
}

static void
forget(int32 aggregate_id)
{
	Relation	catalog = open_catalog(RowExclusiveLock);
	SysScanDesc scan = begin_scan(catalog, aggregate_id, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(catalog, &tuple->t_self);
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

void
weir_counted_settle(int32 aggregate_id)
{
	Relation	catalog;
	Datum		values[COUNTED_NATTS];
	bool		nulls[COUNTED_NATTS] = {0};

	forget(aggregate_id);
	catalog = open_catalog(RowExclusiveLock);
	values[COUNTED_AGGREGATE_ID - 1] = Int32GetDatum(aggregate_id);
	for (int all_rows = 0; all_rows <= 1; all_rows++)
	{
		values[COUNTED_ALL_ROWS - 1] = BoolGetDatum(all_rows == 1);
		CatalogTupleInsert(catalog,
						   heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	}
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/* ---------- what a dump asks ---------- */

/* Rows of the stream's table, with the rights of who asks. */
static int64
count_rows(const WeirStream *stream)
{
	bool		is_null;
	int64		result;

	SPI_connect();
	if (SPI_execute(psprintf("SELECT pg_catalog.count(*) FROM %s",
							 quote_qualified_identifier(get_namespace_name(get_rel_namespace(stream->relid)),
														get_rel_name(stream->relid))),
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of a stream");
	result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	return result;
}

/* Those of them that the cursor has not consumed. */
static int64
count_pending(const WeirStream *stream, const WeirCursor *cursor,
			  Snapshot snapshot)
{
	WeirBatch  *batch = weir_batch_pending(cursor, snapshot);
	Relation	rel = table_open(stream->relid, AccessShareLock);
	WeirBatchReader *reader = weir_batch_reader_begin(batch, rel);
	int64		result = 0;

	while (weir_batch_reader_next(reader) != NULL)
		result++;
	weir_batch_reader_end(reader);
	table_close(rel, NoLock);
	return result;
}

static WeirCounted
compare_counts(const WeirAggregate *agg, Snapshot snapshot)
{
	WeirStream	stream;
	WeirCursor	cursor;
	int64		nrows;
	int64		npending;

	if (!weir_stream_lookup_id(agg->stream_id, &stream) ||
		stream.retention_usec != 0 ||
		!weir_cursor_read(agg->cursor_id, snapshot, &cursor))
		return WEIR_COUNTED_NONE;
	nrows = count_rows(&stream);
	if (nrows == 0)
		return WEIR_COUNTED_NONE;
	npending = count_pending(&stream, &cursor, snapshot);
	return npending >= nrows ? WEIR_COUNTED_NONE :
		(npending == 0 ? WEIR_COUNTED_ALL : WEIR_COUNTED_SOME);
}

/*
 * Has the aggregate counted rows that its queue still holds?  False: some, true:
 * all, NULL: none.
 */
Datum
weir__has_counted(PG_FUNCTION_ARGS)
{
	int32		id = PG_GETARG_INT32(0);
	Snapshot	snapshot = GetActiveSnapshot();
	WeirCounted counted = weir_counted_read(id, snapshot);
	WeirAggregate agg;

	if (counted == WEIR_COUNTED_NONE &&
		weir_aggregate_read(id, snapshot, &agg) && agg.is_ready &&
		agg.parent_id == 0)
		counted = compare_counts(&agg, snapshot);
	if (counted == WEIR_COUNTED_NONE)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(counted == WEIR_COUNTED_ALL);
}
