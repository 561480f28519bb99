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
 * (NULL: a new one) sees; NULL if there is none.  A copy in the current memory
 * context.
 */
extern HeapTuple weir_newest_version(Relation rel, const char *index,
									 Snapshot snapshot, int nkeys,
									 ScanKeyData *keys);

#endif							/* WEIR_NEWEST_H */
