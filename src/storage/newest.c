/*-------------------------------------------------------------------------
 *
 * newest.c
 *	  Rows of catalogs that are updated all the time.
 *
 * While some snapshot is held, none of the old versions of a row can be removed,
 * and who looks for it by its id would walk over all of them.  So such a row has
 * a column "version", counted up by whoever updates it, and each index by which
 * it is found ends with that, the highest first: the version in force is the
 * first that the index leads to, unless one that is not committed comes before
 * it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"

#include "storage/newest.h"
#include "storage/owner.h"

HeapTuple
weir_newest_version(Relation rel, const char *index, Snapshot snapshot,
					int nkeys, ScanKeyData *keys)
{
	SysScanDesc scan = systable_beginscan(rel, weir_own_relid(index, false), true,
										  snapshot, nkeys, keys);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}
