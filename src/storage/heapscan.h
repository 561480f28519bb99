/*-------------------------------------------------------------------------
 *
 * heapscan.h
 *	  An index scan over one heap of a wide table; for this layer only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_HEAPSCAN_H
#define WEIR_HEAPSCAN_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "storage/catalog.h"

/* the heaps of a wide table */
typedef enum WeirHeapOf
{
	WEIR_HEAP_DELTA,
	WEIR_HEAP_BASE,
	WEIR_HEAP_CHANGES
} WeirHeapOf;

typedef struct WeirHeapScan
{
	Relation	heap;
	Relation	index;			/* NULL: known to find nothing */
	IndexScanDesc scan;			/* NULL before the first use */
	MemoryContext context;		/* in which it was opened; the scan is there */
	Snapshot	snapshot;		/* it was begun with this */
	int			nkeys;			/* and so many keys */
	TupleTableSlot *slot;		/* all attributes are there */
	bool		has_tuple;
} WeirHeapScan;

/*
 * Locks are kept to the end of the transaction.  The scan lives in the present
 * memory context, whichever one it is continued in.
 */
extern void weir_heap_scan_open(WeirHeapScan *cursor,
								const WeirWideTable *table, WeirHeapOf which);

/* the same by an index other than that of the descriptor, in use */
extern void weir_heap_scan_open_index(WeirHeapScan *cursor, Oid heap,
									  Oid index);

/*
 * The same, for scans with MVCC snapshots that were taken before this, which
 * see nothing of a heap without pages: then they end at once.
 */
extern void weir_heap_scan_open_unless_empty(WeirHeapScan *cursor,
											 const WeirWideTable *table,
											 WeirHeapOf which);
extern void weir_heap_scan_close(WeirHeapScan *cursor);

/* The keys must live until the next start. */
extern void weir_heap_scan_start(WeirHeapScan *cursor, Snapshot snapshot,
							  ScanKey keys, int nkeys);
extern bool weir_heap_scan_next(WeirHeapScan *cursor, ScanDirection direction);

/* Lets go of the snapshot, which may then be unregistered. */
extern void weir_heap_scan_stop(WeirHeapScan *cursor);

#endif							/* WEIR_HEAPSCAN_H */
