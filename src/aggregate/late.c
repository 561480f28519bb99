/*-------------------------------------------------------------------------
 *
 * late.c
 *	  Rows that count in no window are kept, in weir._late_row, until their
 *	  aggregate goes or its owner deletes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/late.h"

PG_FUNCTION_INFO_V1(weir_delete_late_rows);

enum
{
	Anum_late_aggregate_id = 1,
	Anum_late_arrived_at,
	Anum_late_event_time,
	Anum_late_watermark,
	Anum_late_window_end,
	Anum_late_reason,
	Anum_late_row
};

StaticAssertDecl((int) Anum_late_row == WEIR_LATE_NATTS,
				 "row of weir._late_row");

void
weir_late_form(const WeirAggregate *agg, const WeirLateRow *row,
			   Timestamp watermark, Datum *values)
{
	values[Anum_late_aggregate_id - 1] = Int32GetDatum(agg->id);
	values[Anum_late_arrived_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[Anum_late_event_time - 1] = TimestampTzGetDatum(row->event_time);
	values[Anum_late_watermark - 1] = TimestampTzGetDatum(watermark);
	values[Anum_late_window_end - 1] = TimestampTzGetDatum(row->window_end);
	values[Anum_late_reason - 1] = CStringGetTextDatum(row->reason);
	values[Anum_late_row - 1] = row->row;
}

void
weir_late_keep(const WeirAggregate *agg, List *rows, Timestamp watermark)
{
	Relation	rel = table_open(weir_own_relid("_late_row", false),
								 RowExclusiveLock);
	CatalogIndexState indexes = CatalogOpenIndexes(rel);
	Datum		values[WEIR_LATE_NATTS];
	bool		isnull[WEIR_LATE_NATTS] = {false};
	ListCell   *lc;

	foreach(lc, rows)
	{
		weir_late_form(agg, lfirst(lc), watermark, values);
		CatalogTupleInsertWithInfo(rel, heap_form_tuple(RelationGetDescr(rel),
														values, isnull), indexes);
	}
	CatalogCloseIndexes(indexes);
	table_close(rel, NoLock);
}

Datum
weir_delete_late_rows(PG_FUNCTION_ARGS)
{
	WeirAggregate agg;
	WeirIdentity identity;
	Oid			types[2] = {INT4OID, TIMESTAMPTZOID};
	Datum		values[2];
	int64		deleted;

	PreventCommandIfReadOnly("weir.delete_late_rows()");
	weir_aggregate_require_argument(fcinfo, 0, "aggregate");
	weir_aggregate_get_owned(PG_GETARG_OID(0), &agg);
	values[0] = Int32GetDatum(agg.id);
	values[1] = TimestampTzGetDatum(PG_ARGISNULL(1) ? DT_NOEND :
									PG_GETARG_TIMESTAMPTZ(1));
	weir_become_extension_owner(&identity);
	SPI_connect();
	if (SPI_execute_with_args("DELETE FROM weir._late_row "
							  "WHERE aggregate_id OPERATOR(pg_catalog.=) $1 "
							  "AND arrived_at OPERATOR(pg_catalog.<) $2",
							  2, types, values, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete late rows");
	deleted = (int64) SPI_processed;
	SPI_finish();
	weir_restore_identity(&identity);
	PG_RETURN_INT64(deleted);
}
