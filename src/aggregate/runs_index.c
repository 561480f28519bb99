/*-------------------------------------------------------------------------
 *
 * runs_index.c
 *	  Finding chunks of state by their index.
 *
 * The index is on (window_end, window_start, spread, hash_lo, hash_hi).
 *
 * To find a hash, the entries of a window are walked through, as in most
 * windows there are few.  Where there are more, what is left of the window is
 * not walked through but looked up, once for each class of chunks by the width
 * of their range of hashes (spread): one of the class that holds the hash begins
 * at most so far below it.  Then the walk goes on behind the window.
 *
 *		WALKING		entries of a window			walk()
 *		LOOKING		one class of a window		look()
 *
 * For the order in which runs are merged the entries of one window at a time
 * are read and sorted by where the chunks begin.
 *
 * Until they are fetched, what is there for the snapshot cannot be removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/runs.h"
#include "aggregate/runs_format.h"

/*
 * Entries of a window that are walked through before the rest is looked up: to
 * look up all classes takes about as long as to walk through so many.
 */
#define MAX_WALK			64

/* at most: the window, a class, the hash from two sides and its end */
#define MAX_KEYS			6

typedef enum ScanState
{
	RUN_SCAN_WALKING,
	RUN_SCAN_LOOKING,
	RUN_SCAN_ORDERED
} ScanState;

typedef struct IndexEntry
{
	Timestamp	window_end;
	Timestamp	window_start;
	int			spread;
	int32		hash_lo;
	int32		hash_hi;
	ItemPointerData tid;
} IndexEntry;

struct WeirRunScan
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	WeirRunRange range;
	ScanState	state;
	ScanKeyData keys[MAX_KEYS];
	ScanKeyData window_keys[2]; /* members of a row among them */
	int			nkeys;
	bool		at_end;			/* the index has no more; to ask again would
								 * start again */
	int32		position;		/* of the hash */
	Timestamp	window_end;		/* the window that is walked through */
	Timestamp	window_start;
	int			nwalked;		/* its entries so far */
	int			spread;			/* the class that is looked up */
	ItemPointerData found[MAX_WALK];	/* chunks of the window, in the walk */
	int			nfound;
	IndexFetchTableData *fetch; /* of what is read in order */
	IndexEntry *entries;		/* of the window */
	int			nentries;
	int			max_entries;
	int			next_entry;
	IndexEntry	ahead;			/* the first entry of the next window */
	bool		has_ahead;
};

/* ---------- scans ---------- */

static WeirRunScan *
begin(Relation rel, const WeirRunRange *range, Snapshot snapshot)
{
	WeirRunScan *scan = palloc0(sizeof(WeirRunScan));

	scan->rel = rel;
	scan->index = index_open(weir_runs_index(rel), AccessShareLock);
	scan->snapshot = snapshot;
	scan->range = *range;
	scan->slot = table_slot_create(rel, NULL);
	return scan;
}

static void
add_key(WeirRunScan *scan, AttrNumber column, StrategyNumber strategy,
		RegProcedure function, Datum value)
{
	ScanKeyInit(&scan->keys[scan->nkeys++], column, strategy, function, value);
}

static void
add_until(WeirRunScan *scan)
{
	if (scan->range.has_until)
		add_key(scan, Anum_index_window_end, BTLessEqualStrategyNumber,
				F_TIMESTAMP_LE, TimestampGetDatum(scan->range.until));
}

static void
start(WeirRunScan *scan)
{
	if (scan->scan == NULL)
	{
		scan->scan = WeirIndexBeginScan(scan->rel, scan->index, scan->snapshot,
										scan->nkeys);
		scan->scan->xs_want_itup = true;
	}
	Assert(scan->scan->numberOfKeys == scan->nkeys);
	index_rescan(scan->scan, scan->keys, scan->nkeys, NULL, 0);
	scan->at_end = false;
}

static ItemPointer
next_tid(WeirRunScan *scan)
{
	ItemPointer tid = NULL;

	CHECK_FOR_INTERRUPTS();
	if (!scan->at_end)
		tid = index_getnext_tid(scan->scan, ForwardScanDirection);
	scan->at_end = tid == NULL;
	return tid;
}

/* The number of keys is given when a scan begins. */
static void
stop(WeirRunScan *scan)
{
	if (scan->scan != NULL)
		index_endscan(scan->scan);
	scan->scan = NULL;
	scan->nkeys = 0;
}

static void
read_entry(WeirRunScan *scan, ItemPointer tid, IndexEntry *entry)
{
	Datum		values[Natts_index];
	bool		isnull[Natts_index];

	index_deform_tuple(scan->scan->xs_itup, scan->scan->xs_itupdesc, values,
					   isnull);
	entry->window_end = DatumGetTimestamp(values[Anum_index_window_end - 1]);
	entry->window_start = DatumGetTimestamp(values[Anum_index_window_start - 1]);
	entry->spread = DatumGetInt16(values[Anum_index_spread - 1]);
	entry->hash_lo = DatumGetInt32(values[Anum_index_hash_lo - 1]);
	entry->hash_hi = DatumGetInt32(values[Anum_index_hash_hi - 1]);
	entry->tid = *tid;
}

static HeapTuple
slot_tuple(WeirRunScan *scan)
{
	bool		is_copy;

	return ExecFetchSlotHeapTuple(scan->slot, false, &is_copy);
}

void
weir_run_scan_end(WeirRunScan *scan)
{
	stop(scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->fetch != NULL)
		table_index_fetch_end(scan->fetch);
	index_close(scan->index, NoLock);
	if (scan->entries != NULL)
		pfree(scan->entries);
	pfree(scan);
}

/* ---------- by hash ---------- */

/* Walk from the beginning of the range. */
static void
walk_from_start(WeirRunScan *scan)
{
	stop(scan);
	scan->state = RUN_SCAN_WALKING;
	if (scan->range.has_after)
		add_key(scan, Anum_index_window_end, BTGreaterStrategyNumber,
				F_TIMESTAMP_GT, TimestampGetDatum(scan->range.after));
	add_until(scan);
	start(scan);
	scan->nwalked = scan->nfound = 0;
}

/* Walk from behind the window: a row is compared, (end, start) > (this one's). */
static void
walk_behind_window(WeirRunScan *scan)
{
	ScanKey		row;

	stop(scan);
	scan->state = RUN_SCAN_WALKING;
	ScanKeyEntryInitialize(&scan->window_keys[0], SK_ROW_MEMBER,
						   Anum_index_window_end, BTGreaterStrategyNumber,
						   InvalidOid, InvalidOid, F_TIMESTAMP_CMP,
						   TimestampGetDatum(scan->window_end));
	ScanKeyEntryInitialize(&scan->window_keys[1], SK_ROW_MEMBER | SK_ROW_END,
						   Anum_index_window_start, BTGreaterStrategyNumber,
						   InvalidOid, InvalidOid, F_TIMESTAMP_CMP,
						   TimestampGetDatum(scan->window_start));
	row = &scan->keys[scan->nkeys++];
	memset(row, 0, sizeof(*row));
	row->sk_flags = SK_ROW_HEADER;
	row->sk_attno = Anum_index_window_end;
	row->sk_strategy = BTGreaterStrategyNumber;
	row->sk_argument = PointerGetDatum(scan->window_keys);
	add_until(scan);
	start(scan);
	scan->nwalked = scan->nfound = 0;
}

/* Look up the class in the window: those that begin at most so far below. */
static void
look_up(WeirRunScan *scan, int spread)
{
	int64		least = (int64) scan->position - run_spread_width(spread);

	scan->nkeys = 0;
	if (scan->state != RUN_SCAN_LOOKING)
		stop(scan);
	scan->state = RUN_SCAN_LOOKING;
	scan->spread = spread;
	add_key(scan, Anum_index_window_end, BTEqualStrategyNumber, F_TIMESTAMP_EQ,
			TimestampGetDatum(scan->window_end));
	add_key(scan, Anum_index_window_start, BTEqualStrategyNumber,
			F_TIMESTAMP_EQ, TimestampGetDatum(scan->window_start));
	add_key(scan, Anum_index_spread, BTEqualStrategyNumber, F_INT2EQ,
			Int16GetDatum((int16) spread));
	add_key(scan, Anum_index_hash_lo, BTGreaterEqualStrategyNumber, F_INT4GE,
			Int32GetDatum((int32) Max(least, PG_INT32_MIN)));
	add_key(scan, Anum_index_hash_lo, BTLessEqualStrategyNumber, F_INT4LE,
			Int32GetDatum(scan->position));
	add_key(scan, Anum_index_hash_hi, BTGreaterEqualStrategyNumber, F_INT4GE,
			Int32GetDatum(scan->position));
	start(scan);
}

/* Has the walk met it before it was given up? */
static bool
is_found(WeirRunScan *scan, ItemPointer tid)
{
	int			i;

	for (i = 0; i < scan->nfound; i++)
	{
		if (ItemPointerEquals(&scan->found[i], tid))
			return true;
	}
	return false;
}

/* Is the chunk of the entry that the walk has come to wanted? */
static bool
walk(WeirRunScan *scan, ItemPointer tid)
{
	IndexEntry	entry;

	read_entry(scan, tid, &entry);
	if (scan->nwalked == 0 || entry.window_end != scan->window_end ||
		entry.window_start != scan->window_start)
	{
		scan->window_end = entry.window_end;
		scan->window_start = entry.window_start;
		scan->nwalked = scan->nfound = 0;
	}
	if (scan->nwalked++ == MAX_WALK)
	{
		/* all classes before this one have been walked through */
		look_up(scan, entry.spread);
		return false;
	}
	if (entry.hash_lo > scan->position || entry.hash_hi < scan->position)
		return false;
	scan->found[scan->nfound++] = entry.tid;
	return true;
}

static HeapTuple
next_of_hash(WeirRunScan *scan)
{
	for (;;)
	{
		ItemPointer tid = next_tid(scan);

		if (tid == NULL)
		{
			if (scan->state == RUN_SCAN_WALKING)
				return NULL;
			if (scan->spread + 1 < RUN_SPREADS)
				look_up(scan, scan->spread + 1);
			else
				walk_behind_window(scan);
			continue;
		}
		if (scan->state == RUN_SCAN_WALKING ? walk(scan, tid) :
			!is_found(scan, tid))
		{
			if (index_fetch_heap(scan->scan, scan->slot))
				return slot_tuple(scan);
		}
	}
}

WeirRunScan *
weir_run_scan_of_hash(Relation rel, const WeirRunRange *range,
					  Snapshot snapshot)
{
	WeirRunScan *scan = begin(rel, range, snapshot);

	Assert(range->has_hash && !range->has_start);
	scan->position = hash_position(range->hash);
	walk_from_start(scan);
	return scan;
}

/* ---------- in order ---------- */

static int
compare_entries(const void *a, const void *b)
{
	const IndexEntry *left = a;
	const IndexEntry *right = b;

	if (left->hash_lo == right->hash_lo)
		return 0;
	return left->hash_lo < right->hash_lo ? -1 : 1;
}

static void
append_entry(WeirRunScan *scan, const IndexEntry *entry)
{
	if (scan->nentries == scan->max_entries)
	{
		scan->max_entries *= 2;
		scan->entries = repalloc_huge(scan->entries,
									  mul_size(sizeof(IndexEntry),
											   scan->max_entries));
	}
	scan->entries[scan->nentries++] = *entry;
}

/* Read the entries of the next window; false if there is none. */
static bool
read_window(WeirRunScan *scan)
{
	ItemPointer tid;

	scan->nentries = scan->next_entry = 0;
	if (scan->has_ahead)
		append_entry(scan, &scan->ahead);
	scan->has_ahead = false;
	while ((tid = next_tid(scan)) != NULL)
	{
		read_entry(scan, tid, &scan->ahead);
		if (scan->nentries > 0 &&
			(scan->ahead.window_end != scan->entries[0].window_end ||
			 scan->ahead.window_start != scan->entries[0].window_start))
		{
			scan->has_ahead = true;
			break;
		}
		append_entry(scan, &scan->ahead);
	}
	qsort(scan->entries, scan->nentries, sizeof(IndexEntry), compare_entries);
	return scan->nentries > 0;
}

static HeapTuple
next_in_order(WeirRunScan *scan)
{
	for (;;)
	{
		IndexEntry *entry;
		bool		is_continued = false;

		if (scan->next_entry == scan->nentries && !read_window(scan))
			return NULL;
		entry = &scan->entries[scan->next_entry++];
		if (table_index_fetch_tuple(scan->fetch, &entry->tid, scan->snapshot,
									scan->slot, &is_continued, NULL))
			return slot_tuple(scan);
	}
}

WeirRunScan *
weir_run_scan_in_order(Relation rel, const WeirRunRange *range,
					   Snapshot snapshot)
{
	WeirRunScan *scan = begin(rel, range, snapshot);

	scan->state = RUN_SCAN_ORDERED;
	scan->fetch = table_index_fetch_begin(rel);
	scan->max_entries = 64;
	scan->entries = palloc(sizeof(IndexEntry) * scan->max_entries);
	if (range->has_after)
		add_key(scan, Anum_index_window_end, BTGreaterStrategyNumber,
				F_TIMESTAMP_GT, TimestampGetDatum(range->after));
	add_until(scan);
	if (range->has_start)
		add_key(scan, Anum_index_window_start, BTEqualStrategyNumber,
				F_TIMESTAMP_EQ, TimestampGetDatum(range->start));
	start(scan);
	return scan;
}

HeapTuple
weir_run_scan_next(WeirRunScan *scan)
{
	return scan->state == RUN_SCAN_ORDERED ? next_in_order(scan) :
		next_of_hash(scan);
}
