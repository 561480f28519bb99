/*-------------------------------------------------------------------------
 *
 * changes_gc.c
 *	  The change stream of a wide table: what garbage collection takes away.
 *
 * Garbage is not seen from the instant on at which it is garbage, but it is
 * recorded when a compaction drops it for good.  Recorded is the difference
 * between what the row would be if its writes alone counted and what it is:
 *
 *	a cell that is in the former only	delete_from_column of just that cell
 *	an aggregate cell that is in both,	the same, and then the cell as it is
 *	with different values
 *
 * So whoever applies the records to a copy has the cells of the table after
 * each compaction, and cells that the user deleted, or wrote again, do not
 * come up.  A cell is dropped once, thus recorded once.
 *
 * The difference is that as of the write hi, but the record gets a number of
 * its own, and between the two there can be writes that are not folded,
 * because they are in doubt.  A record with the wrong effect on those would
 * corrupt a copy.  So the number is taken under the row lock and the
 * exclusive barrier, when every delta with a smaller number is in the heap;
 * if one of them touches what is to be recorded, the row is left for a later
 * compaction.
 *
 * Locks: as compaction of a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "storage/changes.h"
#include "storage/heapscan.h"
#include "storage/rowlock.h"
#include "storage/rowscan.h"
#include "weir.h"

/* One record has so many mutations, or bytes, at most. */
#define RECORD_MAX_MUTATIONS	10000
#define RECORD_MAX_BYTES		(16 * 1024 * 1024)

/* A cell that is dropped. */
typedef struct Dropped
{
	const WeirStoredCell *cell;
	const WeirStoredCell *now;	/* what it is now, or NULL */
} Dropped;

typedef struct DroppedList
{
	Dropped    *items;
	uint32		n;
	bool		has_changed;	/* any item that is something now */
} DroppedList;

static bool
same_value(const WeirStoredCell *a, const WeirStoredCell *b)
{
	return a->value_len == b->value_len &&
		memcmp(a->value, b->value, a->value_len) == 0;
}

/* The difference; both lists are in order. */
static void
list_dropped(DroppedList *list, const WeirStoredCell *with, uint32 nwith,
			 const WeirStoredCell *without, uint32 nwithout)
{
	uint32		j = 0;

	list->items = MemoryContextAllocHuge(CurrentMemoryContext,
										 sizeof(Dropped) * ((Size) nwith + 1));
	for (uint32 i = 0; i < nwith; i++)
	{
		const WeirStoredCell *now = NULL;

		if (j < nwithout && weir_stored_cell_cmp(&with[i], &without[j]) == 0)
			now = &without[j++];
		if (now != NULL && same_value(&with[i], now))
			continue;
		list->items[list->n].cell = &with[i];
		list->items[list->n++].now = now;
		if (now != NULL)
			list->has_changed = true;
	}
	Assert(j == nwithout);
}

/* Is a cell with this coordinate among those dropped? */
static bool
is_dropped(const DroppedList *list, const WeirStoredCell *cell)
{
	uint32		low = 0;
	uint32		high = list->n;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		int			c = weir_stored_cell_cmp(list->items[middle].cell, cell);

		if (c == 0)
			return true;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Would it matter whether the delta comes before or after the record? */
static bool
delta_interferes(const DroppedList *list, Datum delta)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(delta);
	WeirDeltaReader reader;
	WeirTombstone column;
	WeirStoredCell cell;
	uint16		family;

	weir_delta_reader_init(&reader, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
	if (list->has_changed &&
		(reader.deletes_row || reader.nfamilies > 0 || reader.ncolumns > 0))
		return true;
	while (weir_delta_next_family(&reader, &family))
		 /* they may delete what is deleted */ ;
	while (weir_delta_next_column(&reader, &column))
		 /* likewise */ ;
	while (weir_delta_next_cell(&reader, &cell))
		if (is_dropped(list, &cell))
			return true;
	return false;
}

/* The deltas of the row after hi, committed or not. */
static List *
later_deltas(const WeirWideTable *table, WeirRowKey key, int64 hi)
{
	bytea	   *key_datum = (bytea *) cstring_to_text_with_len(key.bytes, key.len);
	SnapshotData dirty;
	ScanKeyData scankeys[2];
	WeirHeapScan scan;
	List	   *deltas = NIL;

	InitDirtySnapshot(dirty);
	weir_heap_scan_open(&scan, table, WEIR_HEAP_DELTA);
	ScanKeyInit(&scankeys[0], Anum_delta_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, PointerGetDatum(key_datum));
	ScanKeyInit(&scankeys[1], Anum_delta_seq, BTGreaterStrategyNumber,
				F_INT8GT, Int64GetDatum(hi));
	weir_heap_scan_start(&scan, &dirty, scankeys, 2);
	while (weir_heap_scan_next(&scan, ForwardScanDirection))
	{
		Datum		stored = scan.slot->tts_values[Anum_delta_cells - 1];

		deltas = lappend(deltas, DatumGetPointer(datumCopy(stored, false, -1)));
	}
	weir_heap_scan_close(&scan);
	return deltas;
}

/*
 * Takes n numbers, consecutive or not, when every delta with a smaller number
 * than the last is in the heap.  NULL if the row is locked, or if such a
 * delta interferes.
 */
static int64 *
take_numbers(const WeirWideTable *table, WeirRowKey key, int64 hi, bool wait,
			 const DroppedList *list, int n)
{
	uint32		hash = weir_row_hash(key.bytes, key.len);
	int64	   *numbers = palloc(sizeof(int64) * n);
	List	   *deltas;
	ListCell   *lc;

	if (!weir_row_lock(table->home, hash, wait))
		return NULL;
	weir_barrier_acquire(table->home, hash, ExclusiveLock);
	deltas = later_deltas(table, key, hi);
	for (int i = 0; i < n; i++)
		numbers[i] = nextval_internal(table->seq, false);
	weir_barrier_release(table->home, hash, ExclusiveLock);
	weir_row_unlock(table->home, hash);
	foreach(lc, deltas)
		if (delta_interferes(list, PointerGetDatum(lfirst(lc))))
			return NULL;
	return numbers;
}

/* How many items from the first on go into one record. */
static uint32
items_of_record(const DroppedList *list, uint32 first)
{
	Size		bytes = 0;
	uint32		n = 0;

	while (first + n < list->n && n < RECORD_MAX_MUTATIONS / 2 &&
		   bytes < RECORD_MAX_BYTES)
	{
		const Dropped *item = &list->items[first + n];

		bytes += weir_stored_cell_size(item->cell);
		if (item->now != NULL)
			bytes += weir_stored_cell_size(item->now);
		n++;
	}
	return n;
}

static void
put_record(const WeirWideTable *table, WeirChangeWriter *writer,
		   WeirRowKey key, int64 seq, const Dropped *items, uint32 n)
{
	Datum	   *mutations = palloc(sizeof(Datum) * n * 2);
	int			nmutations = 0;

	for (uint32 i = 0; i < n; i++)
	{
		/* what a segment holds takes the place of what was there */
		if (items[i].now != NULL)
			nmutations += weir_change_of_cell(table, items[i].now,
											  &mutations[nmutations]);
		else
			mutations[nmutations++] = weir_change_of_deleted_cell(table,
																  items[i].cell);
	}
	weir_change_writer_put(writer, &key, seq, WEIR_CHANGE_GC,
						   weir_clock_usec(), mutations, nmutations);
}

bool
weir_changes_put_garbage(const WeirWideTable *table, WeirChangeWriter *writer,
						 WeirRowKey key, int64 hi, bool wait,
						 const WeirStoredCell *with, uint32 nwith,
						 const WeirStoredCell *without, uint32 nwithout)
{
	DroppedList list = {0};
	int64	   *numbers;
	int			nrecords = 0;
	uint32		first;

	list_dropped(&list, with, nwith, without, nwithout);
	if (list.n == 0)
		return true;
	for (first = 0; first < list.n; first += items_of_record(&list, first))
		nrecords++;
	numbers = take_numbers(table, key, hi, wait, &list, nrecords);
	if (numbers == NULL)
		return false;
	first = 0;
	for (int i = 0; i < nrecords; i++)
	{
		uint32		n = items_of_record(&list, first);

		put_record(table, writer, key, numbers[i], &list.items[first], n);
		first += n;
	}
	return true;
}
