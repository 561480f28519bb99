/*-------------------------------------------------------------------------
 *
 * late.c
 *	  Rows that count in no window are kept, in weir._late_row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/late.h"

enum
{
	Anum_late_aggregate_id = 1,
	Anum_late_arrived_at,
	Anum_late_event_time,
	Anum_late_watermark,
	Anum_late_window_end,
	Anum_late_reason,
	Anum_late_row,
	Natts_late = Anum_late_row
};

void
weir_late_keep(const WeirAggregate *agg, List *rows, Timestamp watermark)
{
	Relation	rel = table_open(get_relname_relid("_late_row",
												   weir_schema_oid()),
								 RowExclusiveLock);
	CatalogIndexState indexes = CatalogOpenIndexes(rel);
	Datum		values[Natts_late];
	bool		isnull[Natts_late] = {false};
	ListCell   *lc;

	values[Anum_late_aggregate_id - 1] = Int32GetDatum(agg->id);
	values[Anum_late_arrived_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[Anum_late_watermark - 1] = TimestampTzGetDatum(watermark);
	foreach(lc, rows)
	{
		WeirLateRow *row = lfirst(lc);

		values[Anum_late_event_time - 1] = TimestampTzGetDatum(row->event_time);
		values[Anum_late_window_end - 1] = TimestampTzGetDatum(row->window_end);
		values[Anum_late_reason - 1] = CStringGetTextDatum(row->reason);
		values[Anum_late_row - 1] = row->row;
		CatalogTupleInsertWithInfo(rel, heap_form_tuple(RelationGetDescr(rel),
														values, isnull), indexes);
	}
	CatalogCloseIndexes(indexes);
	table_close(rel, RowExclusiveLock);
}
