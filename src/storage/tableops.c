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

/* A row key, and how many bytes it stands for. */
typedef struct SampleKey
{
	WeirRowKey	key;
	double		bytes;
} SampleKey;

typedef struct Sample
{
	SampleKey  *keys;
	int			nkeys;
	int			allocated;
	double		bytes;			/* of all that was sampled */
} Sample;

static void
push_key(Sample *sample, WeirRowKey key, double bytes)
{
	if (sample->nkeys == sample->allocated)
	{
		sample->allocated = Max(64, sample->allocated * 2);
		sample->keys = sample->keys == NULL ?
			palloc(sizeof(SampleKey) * sample->allocated) :
			repalloc_huge(sample->keys, sizeof(SampleKey) * sample->allocated);
	}
	sample->keys[sample->nkeys].key = key;
	sample->keys[sample->nkeys++].bytes = bytes;
}

/* The row keys of the visible tuples of a page, at most "max" of them. */
static List *
keys_of_page(Relation heap, BlockNumber block, int max)
{
	TableScanDesc scan = table_beginscan_strat(heap, GetActiveSnapshot(), 0,
											   NULL, true, false);
	List	   *keys = NIL;
	HeapTuple	tuple;

	heap_setscanlimits(scan, block, 1);
	while (list_length(keys) < max &&
		   (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		WeirRowKey *key = palloc(sizeof(WeirRowKey));
		bool		isnull;

		*key = weir_row_key_copy(heap_getattr(tuple, Anum_base_row_key,
											  RelationGetDescr(heap), &isnull));
		keys = lappend(keys, key);
	}
	table_endscan(scan);
	return keys;
}

/* Pages at equal distances; a key of each will do. */
static void
sample_heap(Sample *sample, Relation heap, BlockNumber npages)
{
	int			nsamples = Min(npages / SAMPLE_PAGES, SAMPLE_MAX);

	for (int i = 1; i <= nsamples; i++)
	{
		BlockNumber block = (uint64) npages * i / (nsamples + 1);
		List	   *keys;

		CHECK_FOR_INTERRUPTS();
		keys = keys_of_page(heap, block, 1);
		if (keys != NIL)
			push_key(sample, *(WeirRowKey *) linitial(keys), 0);
	}
	sample->bytes += (double) npages * BLCKSZ;
}

/*
 * The rows of an authorized view may be few, and anywhere.  So all pages are
 * looked at unless they are very many, and each tuple has its share of a page.
 */
static void
sample_heap_for_view(Sample *sample, Relation heap, BlockNumber npages,
					 const WeirRestriction *view)
{
	int			nsamples = Min(npages, SAMPLE_MAX);

	for (int i = 0; i < nsamples; i++)
	{
		BlockNumber block = (uint64) npages * i / nsamples;
		List	   *keys;
		double		share;
		ListCell   *lc;

		CHECK_FOR_INTERRUPTS();
		keys = keys_of_page(heap, block, INT_MAX);
		share = (double) npages * BLCKSZ / nsamples / Max(list_length(keys), 1);
		foreach(lc, keys)
		{
			WeirRowKey	key = *(WeirRowKey *) lfirst(lc);

			if (!weir_restriction_has_row(view, key))
				continue;
			push_key(sample, key, share);
			sample->bytes += share;
		}
		list_free(keys);
	}
}

static void
sample_relation(Sample *sample, Oid relid, const WeirRestriction *view)
{
	Relation	heap = table_open(relid, AccessShareLock);
	BlockNumber npages = RelationGetNumberOfBlocks(heap);

	if (view == NULL || view->prefixes == NULL)
		sample_heap(sample, heap, npages);
	else
		sample_heap_for_view(sample, heap, npages, view);
	table_close(heap, NoLock);
}

static int
sample_key_cmp(const void *a, const void *b)
{
	return weir_row_key_cmp(&((const SampleKey *) a)->key,
							&((const SampleKey *) b)->key);
}

static void
put_key(ReturnSetInfo *rsinfo, WeirRowKey key, double offset)
{
	Datum		values[2];
	bool		nulls[2] = {false};

	values[0] = PointerGetDatum(cstring_to_text_with_len(key.bytes, key.len));
	values[1] = Int64GetDatum((int64) offset);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * The keys in order, each once; if they stand for nothing by themselves, they
 * divide all bytes evenly.
 */
static void
put_sample(ReturnSetInfo *rsinfo, Sample *sample, bool is_view)
{
	double		even = is_view ? 0 : sample->bytes / (sample->nkeys + 1);
	double		distance = is_view ?
		Max((double) SAMPLE_PAGES * BLCKSZ, sample->bytes / SAMPLE_MAX) : 0;
	double		offset = 0;
	double		last = 0;

	qsort(sample->keys, sample->nkeys, sizeof(SampleKey), sample_key_cmp);
	for (int i = 0; i < sample->nkeys; i++)
	{
		offset += even + sample->keys[i].bytes;
		if (offset - last < distance ||
			(i > 0 && sample_key_cmp(&sample->keys[i - 1],
									 &sample->keys[i]) == 0))
			continue;
		put_key(rsinfo, sample->keys[i].key, offset);
		last = offset;
	}
	put_key(rsinfo, (WeirRowKey) {"", 0}, sample->bytes);
}

PG_FUNCTION_INFO_V1(weir_sample_row_keys);
Datum
weir_sample_row_keys(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												AccessShareLock, ACL_SELECT);
	Sample		sample = {0};

	InitMaterializedSRF(fcinfo, 0);
	sample_relation(&sample, table->base, table->restriction);
	sample_relation(&sample, table->delta, table->restriction);
	put_sample((ReturnSetInfo *) fcinfo->resultinfo, &sample,
			   table->restriction != NULL &&
			   table->restriction->prefixes != NULL);
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
