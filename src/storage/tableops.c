/*-------------------------------------------------------------------------
 *
 * tableops.c
 *	  Functions on whole wide tables: sample_row_keys and drop_row_range.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "storage/authorized_view.h"
#include "storage/changes.h"
#include "storage/rowscan.h"
#include "storage/rowstore.h"
#include "types/json_list.h"

/* ---- sample_row_keys ---- */

/* One key for so many pages, and so many keys at most for a heap. */
#define SAMPLE_PAGES	128
#define SAMPLE_MAX		1000

typedef struct Sample
{
	WeirRowKey *keys;
	int			nkeys;
	int64		bytes;			/* size of both heaps */
} Sample;

/* The row key of the first visible tuple of a page, if there is one. */
static bool
first_key_of_page(Relation heap, BlockNumber block, WeirRowKey *key)
{
	TableScanDesc scan = table_beginscan_strat(heap, GetActiveSnapshot(), 0,
											   NULL, true, false);
	HeapTuple	tuple;
	bool		found = false;

	heap_setscanlimits(scan, block, 1);
	tuple = heap_getnext(scan, ForwardScanDirection);
	if (tuple != NULL)
	{
		bool		isnull;
		Datum		d = heap_getattr(tuple, Anum_base_row_key,
									 RelationGetDescr(heap), &isnull);
		struct varlena *v = PG_DETOAST_DATUM_COPY(d);

		key->bytes = VARDATA(v);
		key->len = VARSIZE(v) - VARHDRSZ;
		found = true;
	}
	table_endscan(scan);
	return found;
}

/* Looks at pages of the heap at equal distances. */
static void
sample_heap(Sample *sample, Oid relid)
{
	Relation	heap = table_open(relid, AccessShareLock);
	BlockNumber npages = RelationGetNumberOfBlocks(heap);
	int			nsamples = Min(npages / SAMPLE_PAGES, SAMPLE_MAX);

	for (int i = 1; i <= nsamples; i++)
	{
		BlockNumber block = (uint64) npages * i / (nsamples + 1);

		CHECK_FOR_INTERRUPTS();
		if (first_key_of_page(heap, block, &sample->keys[sample->nkeys]))
			sample->nkeys++;
	}
	sample->bytes += (int64) npages * BLCKSZ;
	table_close(heap, NoLock);
}

static void
put_sample(ReturnSetInfo *rsinfo, WeirRowKey key, int64 offset)
{
	Datum		values[2];
	bool		nulls[2] = {false};

	values[0] = PointerGetDatum(cstring_to_text_with_len(key.bytes, key.len));
	values[1] = Int64GetDatum(offset);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(weir_sample_row_keys);
Datum
weir_sample_row_keys(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												AccessShareLock, ACL_SELECT);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	WeirRowKey	end = {"", 0};
	Sample		sample = {0};

	InitMaterializedSRF(fcinfo, 0);
	sample.keys = palloc(sizeof(WeirRowKey) * SAMPLE_MAX * 2);
	sample_heap(&sample, table->base);
	sample_heap(&sample, table->delta);
	qsort(sample.keys, sample.nkeys, sizeof(WeirRowKey), weir_row_key_cmp_void);
	for (int i = 0; i < sample.nkeys; i++)
	{
		if (i > 0 && weir_row_key_cmp(&sample.keys[i - 1], &sample.keys[i]) == 0)
			continue;
		if (table->restriction != NULL &&
			!weir_restriction_has_row(table->restriction, sample.keys[i]))
			continue;
		put_sample(rsinfo, sample.keys[i],
				   sample.bytes * (i + 1) / (sample.nkeys + 1));
	}
	put_sample(rsinfo, end, sample.bytes);
	return (Datum) 0;
}

/* ---- drop_row_range ---- */

static Datum
drop_row_range(FunctionCallInfo fcinfo, bool prefix_is_text)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												RowExclusiveLock, ACL_DELETE);
	uint32		len;
	const char *prefix = weir_bytes_argument(fcinfo, 1, prefix_is_text,
											 "prefix", &len);
	MemoryContext row_context;
	WeirKeyRange range;
	WeirRowScan *scan;
	WeirWriter *writer;
	int64		n = 0;

	PreventCommandIfReadOnly("weir.drop_row_range()");
	weir_check_whole_row_in_view(table);
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prefix of row keys must not be empty"),
				 errhint("To delete all rows use TRUNCATE.")));
	row_context = AllocSetContextCreate(CurrentMemoryContext,
										"weir drop_row_range row",
										ALLOCSET_DEFAULT_SIZES);
	range = weir_key_range_of_prefix(prefix, len);
	writer = weir_writer_open(table);
	weir_writer_set_change_kind(writer, WEIR_CHANGE_DROP_ROW_RANGE);
	scan = weir_row_scan_begin(table, GetActiveSnapshot(), weir_clock_usec());
	weir_row_scan_start(scan, &range, ForwardScanDirection);
	while (weir_row_scan_next(scan))
	{
		MemoryContext old_context = MemoryContextSwitchTo(row_context);

		weir_writer_put(writer, weir_row_scan_key(scan),
						weir_delta_build(0, true, NULL, 0, NULL, 0, NULL, 0));
		n++;
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(row_context);
	}
	weir_row_scan_end(scan);
	weir_writer_close(writer);
	PG_RETURN_INT64(n);
}

PG_FUNCTION_INFO_V1(weir_drop_row_range);
Datum
weir_drop_row_range(PG_FUNCTION_ARGS)
{
	return drop_row_range(fcinfo, false);
}

PG_FUNCTION_INFO_V1(weir_drop_row_range_text);
Datum
weir_drop_row_range_text(PG_FUNCTION_ARGS)
{
	return drop_row_range(fcinfo, true);
}
