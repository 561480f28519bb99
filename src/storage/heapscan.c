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
#include "storage/indexes.h"
#include "weir.h"

static void
open_index(WeirHeapScan *cursor, Oid index)
{
	cursor->index = index_open(index, AccessShareLock);
	cursor->slot = table_slot_create(cursor->heap, NULL);
	cursor->context = CurrentMemoryContext;
}

static void
open_heap(WeirHeapScan *cursor, Oid heap)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->heap = table_open(heap, AccessShareLock);
}

static Oid
heap_of(const WeirWideTable *table, WeirHeapOf which)
{
	return which == WEIR_HEAP_DELTA ? table->delta :
		which == WEIR_HEAP_BASE ? table->base : table->changes;
}

/*
 * Before the heap was locked its owner may have put another index in the place
 * of the one that the descriptor knows, which then is gone, or without newer
 * entries.  With the lock came the message of that.
 */
static Oid
index_of(const WeirHeapScan *cursor, const WeirWideTable *table,
		 WeirHeapOf which)
{
	if (table->is_outdated)
		return weir_index_of_heap(cursor->heap,
								  which == WEIR_HEAP_CHANGES ? 1 : 2);
	return which == WEIR_HEAP_DELTA ? table->delta_index :
		which == WEIR_HEAP_BASE ? table->base_index : table->changes_index;
}

void
weir_heap_scan_open(WeirHeapScan *cursor, const WeirWideTable *table,
					WeirHeapOf which)
{
	open_heap(cursor, heap_of(table, which));
	open_index(cursor, index_of(cursor, table, which));
}

void
weir_heap_scan_open_index(WeirHeapScan *cursor, Oid heap, Oid index)
{
	open_heap(cursor, heap);
	open_index(cursor, index);
}

/*
 * What a snapshot sees was in the heap when the snapshot was taken, and is
 * not vacuumed away while the snapshot is there; so a heap that has no pages
 * now has nothing for it.  Serializable transactions need the scan for the
 * sake of its predicate locks.
 */
void
weir_heap_scan_open_unless_empty(WeirHeapScan *cursor,
								 const WeirWideTable *table, WeirHeapOf which)
{
	open_heap(cursor, heap_of(table, which));
	if (IsolationIsSerializable() ||
		RelationGetNumberOfBlocks(cursor->heap) > 0)
		open_index(cursor, index_of(cursor, table, which));
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
