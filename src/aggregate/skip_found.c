/*-------------------------------------------------------------------------
 *
 * skip_found.c
 *	  What weir.skip has found, from one tick to the next: weir._skip_found.
 *
 * A search that takes longer than a tick may goes on in the next tick of the
 * aggregate, which meets the same rows; what it has found so far is in the table
 * meanwhile.  A place in a table can have another row by then, so the row itself
 * is kept and compared; of a group, only that is there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "weir.h"
#include "aggregate/skip_found.h"
#include "storage/owner.h"

enum
{
	Anum_found_aggregate_id = 1,
	Anum_found_relid,
	Anum_found_tid,
	Anum_found_row,
	Anum_found_reason,
	Natts_found = Anum_found_reason
};

static Relation
open_table(LOCKMODE mode)
{
	return table_open(weir_own_relid("_skip_found", false), mode);
}

static WeirSkipped *
read_tuple(HeapTuple tuple, TupleDesc desc)
{
	WeirSkipped *skipped = palloc0(sizeof(WeirSkipped));
	Datum		values[Natts_found];
	bool		isnull[Natts_found];

	heap_deform_tuple(tuple, desc, values, isnull);
	skipped->id.relid = DatumGetObjectId(values[Anum_found_relid - 1]);
	skipped->id.tid = *DatumGetItemPointer(values[Anum_found_tid - 1]);
	skipped->is_stored = true;
	skipped->stored_row = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[Anum_found_row - 1]));
	skipped->late.reason = TextDatumGetCString(values[Anum_found_reason - 1]);
	return skipped;
}

List *
weir_skip_found_read(int32 aggregate_id, bool groups)
{
	Relation	rel = open_table(AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *found = NIL;

	ScanKeyInit(&key, Anum_found_aggregate_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(aggregate_id));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		WeirSkipped *skipped = read_tuple(tuple, RelationGetDescr(rel));

		if (OidIsValid(skipped->id.relid) != groups)
			found = lappend(found, skipped);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

void
weir_skip_found_store(int32 aggregate_id, List *skipped)
{
	Relation	rel = open_table(RowExclusiveLock);
	CatalogIndexState indexes = CatalogOpenIndexes(rel);
	ListCell   *lc;

	foreach(lc, skipped)
	{
		WeirSkipped *one = lfirst(lc);
		Datum		values[Natts_found];
		bool		isnull[Natts_found] = {false};

		values[Anum_found_aggregate_id - 1] = Int32GetDatum(aggregate_id);
		values[Anum_found_relid - 1] = ObjectIdGetDatum(one->id.relid);
		values[Anum_found_tid - 1] = ItemPointerGetDatum(&one->id.tid);
		values[Anum_found_row - 1] = one->late.row;
		values[Anum_found_reason - 1] = CStringGetTextDatum(one->late.reason);
		CatalogTupleInsertWithInfo(rel, heap_form_tuple(RelationGetDescr(rel),
														values, isnull), indexes);
	}
	CatalogCloseIndexes(indexes);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

List *
weir_skip_found_new(List *skipped)
{
	List	   *list = NIL;
	ListCell   *lc;

	foreach(lc, skipped)
	{
		WeirSkipped *one = lfirst(lc);
		WeirSkipped *copy;

		if (one->is_stored)
			continue;
		copy = palloc(sizeof(WeirSkipped));
		*copy = *one;
		copy->late.row = datumCopy(one->late.row, false, -1);
		copy->late.reason = pstrdup(one->late.reason);
		list = lappend(list, copy);
	}
	return list;
}
