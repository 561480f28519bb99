/*-------------------------------------------------------------------------
 *
 * runs_stats.c
 *	  What state there is, and what of it should be merged.
 *
 * See runs.c for what runs are, and maintain.c for when they are merged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
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

/* Runs of one window, by level. */
#define RUN_MAX_LEVELS		16

typedef struct WindowRuns
{
	bool		valid;
	Timestamp	window_end;
	Timestamp	window_start;
	List	   *runs[RUN_MAX_LEVELS];	/* of "level"s: numbers, as bigints */
} WindowRuns;

static bool
has_run(List *runs, int64 run)
{
	ListCell   *lc;

	foreach(lc, runs)
	{
		if (*(int64 *) lfirst(lc) == run)
			return true;
	}
	return false;
}

static void
judge_window(WeirRunStats *stats, const WindowRuns *window)
{
	int32		level;

	if (!window->valid)
		return;
	stats->windows++;
	for (level = RUN_MAX_LEVELS - 1; level >= 0 && !stats->needs_merge; level--)
	{
		if (list_length(window->runs[level]) >= WEIR_RUN_FANOUT)
		{
			stats->needs_merge = true;
			stats->window_end = window->window_end;
			stats->window_start = window->window_start;
			stats->max_level = level;
		}
	}
}

static void
add_to_window(WindowRuns *window, const Datum *values)
{
	int32		level = DatumGetInt32(values[Anum_level - 1]);
	int64		run = DatumGetInt64(values[Anum_run - 1]);

	level = Min(Max(level, 0), RUN_MAX_LEVELS - 1);
	if (list_length(window->runs[level]) < WEIR_RUN_FANOUT &&
		!has_run(window->runs[level], run))
	{
		int64	   *copy = palloc(sizeof(int64));

		*copy = run;
		window->runs[level] = lappend(window->runs[level], copy);
	}
}

void
weir_runs_stats(Oid relid, bool is_session, Snapshot snapshot,
				WeirRunStats *stats)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Relation	index = index_open(weir_runs_index(rel), AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(rel, index, snapshot, 0, NULL);
	HeapTuple	tuple;
	WindowRuns	window;

	memset(stats, 0, sizeof(*stats));
	memset(&window, 0, sizeof(window));
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[Natts_run];
		bool		isnull[Natts_run];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		if (!window.valid ||
			(!is_session &&
			 (window.window_end != DatumGetTimestamp(values[Anum_window_end - 1]) ||
			  window.window_start != DatumGetTimestamp(values[Anum_window_start - 1]))))
		{
			judge_window(stats, &window);
			memset(&window, 0, sizeof(window));
			window.valid = true;
			window.window_end = DatumGetTimestamp(values[Anum_window_end - 1]);
			window.window_start = DatumGetTimestamp(values[Anum_window_start - 1]);
		}
		add_to_window(&window, values);
		stats->rows += DatumGetInt32(values[Anum_nrows - 1]);
		stats->bytes += toast_raw_datum_size(values[Anum_data - 1]);
	}
	judge_window(stats, &window);
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, NoLock);
}
