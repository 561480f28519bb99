/*-------------------------------------------------------------------------
 *
 * heapscan.c
 *	  An index scan over one heap of a wide table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "storage/heapscan.h"
#include "weir.h"

static void
open_index(WeirHeapScan *cursor, Oid index)
{
	cursor->index = index_open(index, AccessShareLock);
	cursor->slot = table_slot_create(cursor->heap, NULL);
	cursor->context = CurrentMemoryContext;
}

void
weir_heap_scan_open(WeirHeapScan *cursor, Oid heap, Oid index)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->heap = table_open(heap, AccessShareLock);
	open_index(cursor, index);
}

/*
 * What a snapshot sees was in the heap when the snapshot was taken, and is
 * not vacuumed away while the snapshot is there; so a heap that has no pages
 * now has nothing for it.  Serializable transactions need the scan for the
 * sake of its predicate locks.
 */
void
weir_heap_scan_open_unless_empty(WeirHeapScan *cursor, Oid heap, Oid index)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->heap = table_open(heap, AccessShareLock);
	if (IsolationIsSerializable() ||
		RelationGetNumberOfBlocks(cursor->heap) > 0)
		open_index(cursor, index);
}

void
weir_heap_scan_close(WeirHeapScan *cursor)
{
	weir_heap_scan_stop(cursor);
	if (cursor->index != NULL)
	{
		ExecDropSingleTupleTableSlot(cursor->slot);
		index_close(cursor->index, NoLock);
	}
	table_close(cursor->heap, NoLock);
}

void
weir_heap_scan_stop(WeirHeapScan *cursor)
{
	if (cursor->index == NULL)
		return;
	ExecClearTuple(cursor->slot);
	if (cursor->scan != NULL)
		index_endscan(cursor->scan);
	cursor->scan = NULL;
	cursor->has_tuple = false;
}

void
weir_heap_scan_start(WeirHeapScan *cursor, Snapshot snapshot, ScanKey keys,
				  int nkeys)
{
	MemoryContext old;

	if (cursor->index == NULL)
		return;
	if (cursor->scan != NULL &&
		(cursor->nkeys != nkeys || cursor->snapshot != snapshot))
		weir_heap_scan_stop(cursor);
	if (cursor->scan == NULL)
	{
		old = MemoryContextSwitchTo(cursor->context);
		cursor->scan = WeirIndexBeginScan(cursor->heap, cursor->index,
										  snapshot, nkeys);
		MemoryContextSwitchTo(old);
		cursor->snapshot = snapshot;
		cursor->nkeys = nkeys;
	}
	index_rescan(cursor->scan, keys, nkeys, NULL, 0);
}

bool
weir_heap_scan_next(WeirHeapScan *cursor, ScanDirection direction)
{
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	if (cursor->index == NULL)
		return false;
	/* what the scan allocates on its way must live as long as the scan */
	old = MemoryContextSwitchTo(cursor->context);
	cursor->has_tuple = index_getnext_slot(cursor->scan, direction,
										   cursor->slot);
	MemoryContextSwitchTo(old);
	if (cursor->has_tuple)
		slot_getallattrs(cursor->slot);
	return cursor->has_tuple;
}
