/*-------------------------------------------------------------------------
 *
 * newest.h
 *	  Rows of catalogs that are updated all the time, found at the same cost
 *	  however many old versions of them there are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_NEWEST_H
#define WEIR_NEWEST_H

#include "access/htup.h"
#include "access/skey.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/*
 * The first row by the index for which the keys hold and which the snapshot
 * (NULL: a new one) sees; NULL if there is none.  The keys, one at least, are those
 * of the first columns of the index; all but the last say that they are equal.  A
 * copy in the current memory context.  (So also the row of a unique key.)
 */
extern HeapTuple weir_newest_version(Relation rel, const char *index,
									 Snapshot snapshot, int nkeys,
									 ScanKeyData *keys);

/* What the columns "version" and "updates" are after one more update of a row. */
extern void weir_newest_count_update(int64 *version, int32 *updates);

#endif							/* WEIR_NEWEST_H */
