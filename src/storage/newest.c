/*-------------------------------------------------------------------------
 *
 * newest.c
 *	  Rows of catalogs that are updated all the time.
 *
 * While some snapshot is held, no old version of a row can be removed, and who
 * looks for it by its id would walk over all of them.  So such a row has a column
 * "version", and each index by which it is found ends with that, the highest
 * first: old versions come behind the one in force.
 *
 * Were it counted up by every update, none could be a HOT update, whose leftovers
 * the next one removes; and entries of an index that are never met are never found
 * to be dead, so that each search would read a page full of them.  So it is
 * counted up by one of some updates, which the column "updates" counts, and that
 * many old versions may be met.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "storage/newest.h"
#include "storage/owner.h"

/* one of so many updates counts up the version */
#define UPDATES_PER_VERSION		32

void
weir_newest_count_update(int64 *version, int32 *updates)
{
	if (++*updates < UPDATES_PER_VERSION)
		return;
	*updates = 0;
	++*version;
}

/*
 * Of rows that one snapshot sees, that with the least value in a column, which is
 * an integer.  (Sources, which have a text, are read through then, see
 * watermark.c.)
 */
static HeapTuple
least_of_all(SysScanDesc scan, Relation rel, AttrNumber column)
{
	HeapTuple	least = NULL;
	int32		least_value = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		is_null;
		int32		value = DatumGetInt32(heap_getattr(tuple, column,
													   RelationGetDescr(rel),
													   &is_null));

		if (least != NULL && least_value <= value)
			continue;
		least = heap_copytuple(tuple);
		least_value = value;
	}
	return least;
}

HeapTuple
weir_newest_version(Relation rel, const char *index, Snapshot snapshot,
					int nkeys, ScanKeyData *keys)
{
	AttrNumber	last_column = keys[nkeys - 1].sk_attno;
	SysScanDesc scan = systable_beginscan(rel, weir_own_relid(index, false), true,
										  snapshot, nkeys, keys);
	HeapTuple	tuple;

	/* then it has not been read in the order of the index */
	if (IgnoreSystemIndexes)
		tuple = least_of_all(scan, rel, last_column);
	else
	{
		tuple = systable_getnext(scan);
		if (HeapTupleIsValid(tuple))
			tuple = heap_copytuple(tuple);
	}
	systable_endscan(scan);
	return tuple;
}
