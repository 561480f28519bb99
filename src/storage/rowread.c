/*-------------------------------------------------------------------------
 *
 * rowread.c
 *	  The functions that read wide tables: read_row and read_rows.
 *
 * Both read under the snapshot of the query that calls them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "storage/filtered.h"
#include "storage/rowscan.h"
#include "storage/rowstore.h"
#include "types/json_list.h"

/* ---- read_row ---- */

static Datum
read_row(FunctionCallInfo fcinfo, bool key_is_text)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												AccessShareLock, ACL_SELECT);
	WeirRowKey	key = weir_row_key_argument(fcinfo, 1, key_is_text);
	WeirRowScan *scan = weir_row_scan_begin(table, GetActiveSnapshot(),
											weir_clock_usec());
	Datum		row = (Datum) 0;
	bool		found;

	if (PG_ARGISNULL(2))
	{
		weir_row_scan_expect_values(scan, CurrentMemoryContext);
		found = weir_row_scan_get(scan, key);
		if (found)
			row = weir_row_scan_row(scan);
	}
	else
	{
		WeirRowFilter *filter = weir_row_filter_create(table, PG_GETARG_DATUM(2));

		weir_row_filter_restrict(filter, scan);
		found = weir_row_scan_get(scan, key);
		if (found)
			row = PointerGetDatum(weir_row_filter_row(filter, scan));
		found = DatumGetPointer(row) != NULL;
	}
	weir_row_scan_end(scan);
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(row);
}

PG_FUNCTION_INFO_V1(weir_read_row);
Datum
weir_read_row(PG_FUNCTION_ARGS)
{
	return read_row(fcinfo, false);
}

PG_FUNCTION_INFO_V1(weir_read_row_text);
Datum
weir_read_row_text(PG_FUNCTION_ARGS)
{
	return read_row(fcinfo, true);
}

/* ---- read_rows ---- */

typedef struct ReadRows
{
	WeirRowScan *scan;
	WeirRowFilter *filter;		/* or NULL */
	ReturnSetInfo *rsinfo;
	Datum		no_labels;
	int64		limit;			/* rows still wanted */
	MemoryContext row_context;
} ReadRows;

static void
put_cell(ReadRows *state, Datum row_key, const WeirCell *cell,
		 const char *label)
{
	Datum		values[6];
	bool		nulls[6] = {false};

	values[0] = row_key;
	values[1] = PointerGetDatum(cstring_to_text_with_len(cell->family,
														 cell->family_len));
	values[2] = PointerGetDatum(cstring_to_text_with_len(cell->qualifier,
														 cell->qualifier_len));
	values[3] = TimestampTzGetDatum(weir_cell_ts_to_timestamptz(cell->ts));
	values[4] = PointerGetDatum(cstring_to_text_with_len(cell->value,
														 cell->value_len));
	values[5] = state->no_labels;
	if (label != NULL)
	{
		Datum		element = CStringGetTextDatum(label);

		values[5] = PointerGetDatum(construct_array(&element, 1, TEXTOID, -1,
													false, TYPALIGN_INT));
	}
	tuplestore_putvalues(state->rsinfo->setResult, state->rsinfo->setDesc,
						 values, nulls);
}

/* The cells of the row just read; false if the filter leaves none. */
static bool
put_row(ReadRows *state)
{
	WeirRowKey	key = weir_row_scan_key(state->scan);
	Datum		row_key = PointerGetDatum(cstring_to_text_with_len(key.bytes,
																   key.len));
	const WeirCell *cells = weir_row_scan_cells(state->scan);
	uint32		ncells = weir_row_scan_ncells(state->scan);
	WeirFilteredCell *filtered;
	int			n;

	if (state->filter == NULL)
	{
		for (uint32 i = 0; i < ncells; i++)
			put_cell(state, row_key, &cells[i], NULL);
		return ncells > 0;
	}
	n = weir_row_filter_apply(state->filter, key, cells, ncells, &filtered);
	for (int i = 0; i < n; i++)
		put_cell(state, row_key, &filtered[i].cell, filtered[i].label);
	return n > 0;
}

/* The rows of one range, until the limit is reached. */
static void
read_range(ReadRows *state, const WeirKeyRange *range, bool reversed)
{
	weir_row_scan_start(state->scan, range,
						reversed ? BackwardScanDirection : ForwardScanDirection);
	while (state->limit > 0 && weir_row_scan_next(state->scan))
	{
		MemoryContext old_context = MemoryContextSwitchTo(state->row_context);

		if (put_row(state))
			state->limit--;
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(state->row_context);
	}
}

static WeirRowKey
key_of_bound(const RangeBound *bound)
{
	WeirRowKey	key = {NULL, 0};

	if (!bound->infinite)
	{
		struct varlena *v = PG_DETOAST_DATUM_PACKED(bound->val);

		key.bytes = VARDATA_ANY(v);
		key.len = VARSIZE_ANY_EXHDR(v);
	}
	return key;
}

/* The ranges that the arguments "rows" and "prefix" ask for, ascending. */
static WeirKeyRange *
ranges_of_arguments(FunctionCallInfo fcinfo, int *nranges)
{
	WeirKeyRange all = {{NULL, 0}, {NULL, 0}, false, false};
	WeirKeyRange *result;
	MultirangeType *set;
	TypeCacheEntry *typcache;
	RangeType **ranges;
	int32		n;

	if (!PG_ARGISNULL(3))
	{
		bytea	   *prefix = PG_GETARG_BYTEA_PP(3);

		all = weir_key_range_of_prefix(VARDATA_ANY(prefix),
									   VARSIZE_ANY_EXHDR(prefix));
	}
	if (PG_ARGISNULL(2))
	{
		result = palloc(sizeof(WeirKeyRange));
		*result = all;
		*nranges = 1;
		return result;
	}
	set = PG_GETARG_MULTIRANGE_P(2);
	typcache = multirange_get_typcache(fcinfo, MultirangeTypeGetOid(set));
	multirange_deserialize(typcache->rngtype, set, &n, &ranges);
	result = palloc(sizeof(WeirKeyRange) * (n + 1));
	*nranges = 0;
	for (int i = 0; i < n; i++)
	{
		WeirKeyRange *range = &result[*nranges];
		RangeBound	lower;
		RangeBound	upper;
		bool		empty;

		range_deserialize(typcache->rngtype, ranges[i], &lower, &upper, &empty);
		range->lower = key_of_bound(&lower);
		range->lower_open = !lower.inclusive;
		range->upper = key_of_bound(&upper);
		range->upper_open = !upper.inclusive;
		if (!empty && weir_key_range_intersect(range, &all))
			(*nranges)++;
	}
	return result;
}

static int64
limit_argument(FunctionCallInfo fcinfo, int n)
{
	int64		limit = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT64(n);

	if (limit < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("row limit must not be negative")));
	return limit == 0 ? PG_INT64_MAX : limit;
}

PG_FUNCTION_INFO_V1(weir_read_rows);
Datum
weir_read_rows(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												AccessShareLock, ACL_SELECT);
	ReadRows	state = {0};
	WeirKeyRange *ranges;
	int			nranges;
	bool		reversed = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);

	InitMaterializedSRF(fcinfo, 0);
	state.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	state.no_labels = PointerGetDatum(construct_empty_array(TEXTOID));
	state.limit = limit_argument(fcinfo, 4);
	state.row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "weir read_rows row",
											  ALLOCSET_DEFAULT_SIZES);
	ranges = ranges_of_arguments(fcinfo, &nranges);
	state.scan = weir_row_scan_begin(table, GetActiveSnapshot(),
									 weir_clock_usec());
	if (!PG_ARGISNULL(1))
	{
		state.filter = weir_row_filter_create(table, PG_GETARG_DATUM(1));
		weir_row_filter_restrict(state.filter, state.scan);
	}
	for (int i = 0; i < nranges && state.limit > 0; i++)
		read_range(&state, &ranges[reversed ? nranges - 1 - i : i], reversed);
	weir_row_scan_end(state.scan);
	return (Datum) 0;
}
