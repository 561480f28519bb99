/*-------------------------------------------------------------------------
 *
 * filtered.c
 *	  A row filter in use on a wide table.
 *
 * Between the filters of the layer below, which know families by name, and
 * the scan, which knows them by number.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/filtered.h"

struct WeirRowFilter
{
	WeirFilterState *state;
	WeirColumnSet *columns;		/* NULL: all */
};

WeirRowFilter *
weir_row_filter_create(const WeirWideTable *table, Datum d)
{
	WeirRowFilter *filter = palloc0(sizeof(WeirRowFilter));
	const WeirColumnRange *ranges;
	int			n;

	filter->state = weir_filter_compile(weir_filter_from_datum(d));
	n = weir_filter_needed_columns(filter->state, &ranges);
	if (n < 0)
		return filter;
	filter->columns = palloc0(offsetof(WeirColumnSet, ranges) +
							  sizeof(WeirColumns) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		const WeirFamily *family = weir_family_find(table, ranges[i].family,
													ranges[i].family_len);
		WeirColumns *columns = &filter->columns->ranges[filter->columns->nranges];

		if (family == NULL)
			continue;
		columns->family = family->number;
		columns->start = ranges[i].start;
		columns->start_len = ranges[i].start_len;
		columns->start_open = ranges[i].start_open;
		columns->end = ranges[i].end;
		columns->end_len = ranges[i].end_len;
		columns->end_open = ranges[i].end_open;
		filter->columns->nranges++;
	}
	return filter;
}

const WeirColumnSet *
weir_row_filter_columns(const WeirRowFilter *filter)
{
	return filter->columns;
}

static bool
may_pass(void *arg, WeirRowKey key)
{
	WeirRowFilter *filter = arg;

	return weir_filter_may_pass_row(filter->state, key.bytes, key.len);
}

void
weir_row_filter_restrict(WeirRowFilter *filter, WeirRowScan *scan)
{
	weir_row_scan_set_columns(scan, filter->columns);
	weir_row_scan_set_key_test(scan, may_pass, filter);
}

int
weir_row_filter_apply(WeirRowFilter *filter, WeirRowKey key,
					  const WeirCell *cells, uint32 ncells,
					  WeirFilteredCell **result)
{
	return weir_filter_apply(filter->state, key.bytes, key.len,
							 cells, (int) ncells, result);
}

WeirRow *
weir_row_filter_row(WeirRowFilter *filter, WeirRowScan *scan)
{
	WeirFilteredCell *filtered;
	WeirCell   *cells;
	uint32		ncells = 0;
	int			n;

	n = weir_row_filter_apply(filter, weir_row_scan_key(scan),
							  weir_row_scan_cells(scan),
							  weir_row_scan_ncells(scan), &filtered);
	if (n == 0)
		return NULL;
	cells = palloc_extended(sizeof(WeirCell) * n, MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
		if (ncells == 0 ||
			weir_cell_cmp(&cells[ncells - 1], &filtered[i].cell) != 0)
			cells[ncells++] = filtered[i].cell;
	return weir_row_from_cells(cells, ncells);
}

bool
weir_row_filter_matches(WeirRowFilter *filter, WeirRowScan *scan)
{
	WeirRowKey	key = weir_row_scan_key(scan);

	return weir_filter_matches(filter->state, key.bytes, key.len,
							   weir_row_scan_cells(scan),
							   (int) weir_row_scan_ncells(scan));
}
