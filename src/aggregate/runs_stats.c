/*-------------------------------------------------------------------------
 *
 * runs_stats.c
 *	  What state there is, and what of it should be merged.
 *
 * See runs.c for what runs are, and merge.c for when they are merged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/runs.h"
#include "aggregate/runs_format.h"

bool
weir_runs_first_end(Oid relid, Snapshot snapshot, Timestamp *end)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Relation	index = index_open(weir_runs_index(rel), AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(rel, index, snapshot, 0, NULL);
	HeapTuple	tuple = systable_getnext_ordered(scan, ForwardScanDirection);
	bool		isnull;

	if (tuple != NULL)
		*end = DatumGetTimestamp(heap_getattr(tuple, Anum_window_end,
											  RelationGetDescr(rel), &isnull));
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, NoLock);
	return tuple != NULL;
}

int64
weir_runs_count_chunks(Oid relid, Snapshot snapshot)
{
	Relation	rel = table_open(relid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0,
										  NULL);
	int64		n = 0;

	while (systable_getnext(scan) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		n++;
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	return n;
}

/* What there is of one window. */
#define RUN_MAX_LEVELS		16

typedef struct WindowRuns
{
	bool		valid;
	Timestamp	window_end;
	Timestamp	window_start;
	int64		rows;
	int64		bytes;
	int			nruns[RUN_MAX_LEVELS];	/* of each level, and which */
	int64		runs[RUN_MAX_LEVELS][WEIR_RUN_FANOUT];
} WindowRuns;

/* To be called for each window, in their order; false: enough. */
typedef bool (*WindowFunction) (const WindowRuns *window, void *arg);

static void
add_to_window(WindowRuns *window, const Datum *values)
{
	int32		level = DatumGetInt32(values[Anum_level - 1]);
	int64		run = DatumGetInt64(values[Anum_run - 1]);
	int			n;

	window->rows += DatumGetInt32(values[Anum_nrows - 1]);
	window->bytes += toast_raw_datum_size(values[Anum_data - 1]);
	level = Min(Max(level, 0), RUN_MAX_LEVELS - 1);
	n = window->nruns[level];
	for (int i = 0; i < n; i++)
		if (window->runs[level][i] == run)
			return;
	if (n < WEIR_RUN_FANOUT)
		window->runs[level][window->nruns[level]++] = run;
}

static void
begin_window(WindowRuns *window, const Datum *values)
{
	memset(window, 0, sizeof(*window));
	window->valid = true;
	window->window_end = DatumGetTimestamp(values[Anum_window_end - 1]);
	window->window_start = DatumGetTimestamp(values[Anum_window_start - 1]);
}

static bool
is_of_window(const WindowRuns *window, const Datum *values)
{
	return window->window_end == DatumGetTimestamp(values[Anum_window_end - 1]) &&
		window->window_start == DatumGetTimestamp(values[Anum_window_start - 1]);
}

static int
init_window_keys(const WeirCrowdedWindow *only, ScanKey keys)
{
	if (only == NULL)
		return 0;
	ScanKeyInit(&keys[0], Anum_window_end, BTEqualStrategyNumber,
				F_TIMESTAMP_EQ, TimestampGetDatum(only->window_end));
	ScanKeyInit(&keys[1], Anum_window_start, BTEqualStrategyNumber,
				F_TIMESTAMP_EQ, TimestampGetDatum(only->window_start));
	return 2;
}

/*
 * Go through the windows, or through one.  Sessions are all taken for one
 * window.
 */
static void
walk(Oid relid, bool is_session, Snapshot snapshot,
	 const WeirCrowdedWindow *only, WindowFunction function, void *arg)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Relation	index = index_open(weir_runs_index(rel), AccessShareLock);
	ScanKeyData keys[2];
	int			nkeys = init_window_keys(is_session ? NULL : only, keys);
	SysScanDesc scan = systable_beginscan_ordered(rel, index, snapshot,
												  nkeys, keys);
	HeapTuple	tuple;
	WindowRuns	window = {0};
	bool		goes_on = true;

	while (goes_on &&
		   (tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[Natts_run];
		bool		isnull[Natts_run];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		if (!window.valid)
			begin_window(&window, values);
		else if (!is_session && !is_of_window(&window, values))
		{
			goes_on = function(&window, arg);
			begin_window(&window, values);
		}
		add_to_window(&window, values);
	}
	if (goes_on && window.valid)
		(void) function(&window, arg);
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, NoLock);
}

static bool
count_window(const WindowRuns *window, void *arg)
{
	WeirRunStats *stats = (WeirRunStats *) arg;

	stats->rows += window->rows;
	stats->bytes += window->bytes;
	stats->windows++;
	return true;
}

void
weir_runs_stats(Oid relid, bool is_session, Snapshot snapshot,
				WeirRunStats *stats)
{
	memset(stats, 0, sizeof(*stats));
	walk(relid, is_session, snapshot, NULL, count_window, stats);
}

typedef struct Crowded
{
	WeirCrowdedWindow *windows;
	int			n;
	int			max;
} Crowded;

static bool
note_if_crowded(const WindowRuns *window, void *arg)
{
	Crowded    *found = (Crowded *) arg;
	int			level = RUN_MAX_LEVELS - 1;

	while (level >= 0 && window->nruns[level] < WEIR_RUN_FANOUT)
		level--;
	if (level >= 0)
	{
		WeirCrowdedWindow *crowded = &found->windows[found->n++];

		crowded->window_end = window->window_end;
		crowded->window_start = window->window_start;
		crowded->max_level = level;
	}
	return found->n < found->max;
}

int
weir_runs_find_crowded(Oid relid, bool is_session, WeirCrowdedWindow *windows,
					   int max)
{
	Crowded		found = {windows, 0, max};

	walk(relid, is_session, NULL, NULL, note_if_crowded, &found);
	return found.n;
}

bool
weir_runs_is_crowded(Oid relid, bool is_session, WeirCrowdedWindow *window)
{
	WeirCrowdedWindow asked = *window;
	Crowded		found = {window, 0, 1};

	walk(relid, is_session, NULL, &asked, note_if_crowded, &found);
	return found.n > 0;
}
