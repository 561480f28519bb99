/*-------------------------------------------------------------------------
 *
 * runs_read.c
 *	  Reading of state, and deleting what has been read.
 *
 * See runs.c for what is read.  Usually that is chunk by chunk.  A reader who
 * has to bring equal rows together may have them so: within a run the rows of a
 * window are in the order of their hash, and the index has the chunks of a
 * window in the order in which they begin; so the runs can be merged with one
 * chunk of each in memory, and no table of all groups is needed.  Rows of the
 * same hash that differ are put aside until those equal to the first are through.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "executor/executor.h"
#include "executor/nodeHash.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/packed_row.h"
#include "aggregate/runs.h"
#include "aggregate/runs_format.h"

/* Rows of the same window and hash as those being handed on, but not equal. */
typedef struct AsideRow
{
	Datum	   *values;			/* of a whole state row */
	bool	   *isnull;
} AsideRow;

/* The merge of runs. */
typedef struct RunMerge
{
	WeirStateSource source;
	WeirRunReader *reader;		/* has the chunk that comes next */
	bool		has_next;
	WeirRunReader **chunks;		/* a heap: the least row is in the first */
	int			nchunks;
	int			max_chunks;
	List	   *free_chunks;
	bool		in_row;			/* the first chunk's row is handed on */
	WeirKeyHasher hasher;
	FmgrInfo   *equal;			/* for each key */
	bool		has_leader;		/* all that is handed on is equal to this: */
	Timestamp	window_end;
	Timestamp	window_start;
	uint32		hash;
	Datum	   *keys;
	bool	   *key_isnull;
	List	   *aside;			/* of AsideRow */
	MemoryContext leader_context;
	MemoryContext aside_context;
} RunMerge;

struct WeirRunReader
{
	WeirStateSource source;
	WeirDefinition *def;
	TupleDesc	row_desc;
	WeirRowPacker *packer;
	WeirRunRange range;
	Relation	rel;
	SysScanDesc scan;
	Relation	index;			/* NULL: it is read in no order */
	ScanKeyData keys[5];
	int			nkeys;
	Snapshot	snapshot;
	MemoryContext context;		/* that of the scan */
	ItemPointerData *tids;		/* chunks read, and their windows' ends */
	Timestamp  *ends;
	int			nread;
	int			max_read;
	ItemPointerData tid;		/* of the current chunk */
	Timestamp	window_end;
	Timestamp	window_start;
	char	   *data;			/* its bytes */
	Size		data_size;
	Size		max_data;
	Size		offset;
	uint32		rows_left;
	Datum	   *values;			/* the row that it stands at, in a merge */
	bool	   *isnull;
	uint32		hash;
};

static void
corrupted(WeirRunReader *reader, const char *what)
{
	ItemPointer tid = &reader->tid;

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid state in block %u, item %u of table \"%s\"",
					ItemPointerGetBlockNumber(tid),
					ItemPointerGetOffsetNumber(tid),
					RelationGetRelationName(reader->rel)),
			 errdetail("%s", what)));
}

static void
check_header(WeirRunReader *reader, uint32 nrows)
{
	RunHeader	header;

	if (reader->data_size < RUN_HEADER_SIZE)
		corrupted(reader, "The header is cut short.");
	memcpy(&header, reader->data, sizeof(header));
	if (header.version != RUN_FORMAT_VERSION)
		corrupted(reader, psprintf("The format version is %d.", header.version));
	if (header.reserved != 0 || header.nrows != nrows || nrows == 0)
		corrupted(reader, "The header contradicts the row.");
	if (header.server_major != WEIR_SERVER_MAJOR ||
		header.fingerprint != reader->def->fingerprint ||
		header.natts != reader->row_desc->natts)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("state in table \"%s\" is of another definition or server version",
						RelationGetRelationName(reader->rel)),
				 errhint("Drop the continuous aggregate and create it again.")));
	reader->rows_left = header.nrows;
	reader->offset = RUN_HEADER_SIZE;
}

static void
remember_chunk(WeirRunReader *reader, HeapTuple tuple)
{
	if (reader->nread == reader->max_read)
	{
		reader->max_read *= 2;
		reader->tids = repalloc_huge(reader->tids, sizeof(ItemPointerData) * reader->max_read);
		reader->ends = repalloc_huge(reader->ends, sizeof(Timestamp) * reader->max_read);
	}
	reader->tid = tuple->t_self;
	reader->tids[reader->nread] = tuple->t_self;
	reader->ends[reader->nread] = reader->window_end;
	reader->nread++;
}

/* Copy the bytes to where they stay. */
static void
load_data(WeirRunReader *reader, Datum datum)
{
	struct varlena *data = PG_DETOAST_DATUM_PACKED(datum);

	reader->data_size = VARSIZE_ANY_EXHDR(data);
	if (reader->data_size > reader->max_data)
	{
		reader->max_data = reader->data_size;
		pfree(reader->data);
		reader->data = MemoryContextAllocHuge(GetMemoryChunkContext(reader),
											  reader->max_data);
	}
	memcpy(reader->data, VARDATA_ANY(data), reader->data_size);
	if ((Pointer) data != DatumGetPointer(datum))
		pfree(data);
}

static bool
chunk_is_wanted(WeirRunReader *reader, const Datum *values)
{
	if (reader->range.has_starts_until &&
		reader->window_start > reader->range.starts_until)
		return false;
	if (reader->range.has_max_level &&
		DatumGetInt32(values[Anum_level - 1]) > reader->range.max_level)
		return false;
	return true;
}

/* By window, and where the chunks begin, from the first one on. */
static void
restart_in_order(WeirRunReader *reader)
{
	if (reader->index != NULL)
		systable_endscan_ordered(reader->scan);
	else
	{
		systable_endscan(reader->scan);
		reader->index = index_open(weir_runs_index(reader->rel),
								   AccessShareLock);
	}
	reader->scan = systable_beginscan_ordered(reader->rel, reader->index,
											  reader->snapshot, reader->nkeys,
											  reader->keys);
}

static HeapTuple
next_tuple(WeirRunReader *reader)
{
	return reader->index != NULL ?
		systable_getnext_ordered(reader->scan, ForwardScanDirection) :
		systable_getnext(reader->scan);
}

/* Go to the next chunk; false if there is none. */
static bool
next_chunk(WeirRunReader *reader)
{
	for (;;)
	{
		Datum		values[Natts_run];
		bool		isnull[Natts_run];
		MemoryContext old;
		HeapTuple	tuple;

		/* what the scan allocates on its way must live as long as the scan */
		old = MemoryContextSwitchTo(reader->context);
		tuple = next_tuple(reader);
		MemoryContextSwitchTo(old);
		if (tuple == NULL)
			return false;

		heap_deform_tuple(tuple, RelationGetDescr(reader->rel), values, isnull);
		reader->window_end = DatumGetTimestamp(values[Anum_window_end - 1]);
		reader->window_start = DatumGetTimestamp(values[Anum_window_start - 1]);
		if (!chunk_is_wanted(reader, values))
			continue;
		remember_chunk(reader, tuple);
		load_data(reader, values[Anum_data - 1]);
		check_header(reader, (uint32) DatumGetInt32(values[Anum_nrows - 1]));
		return true;
	}
}

/* The next row of the chunk, which has one. */
static void
read_row(WeirRunReader *reader, Datum *values, bool *isnull)
{
	int			skipped = chunk_columns(reader->def);
	const char *from;

	from = reader->data + reader->offset;
	if (!weir_row_get(reader->packer, &from, reader->data + reader->data_size,
					  values + skipped, isnull + skipped))
		corrupted(reader, psprintf("There is no state row at byte %zu.",
								   reader->offset));
	reader->offset = from - reader->data;
	if (--reader->rows_left == 0 && reader->offset != reader->data_size)
		corrupted(reader, psprintf("The last state row ends at byte %zu of %zu.",
								   reader->offset, reader->data_size));
	if (skipped > 0)
	{
		values[0] = TimestampGetDatum(reader->window_end);
		values[1] = TimestampGetDatum(reader->window_start);
		isnull[0] = isnull[1] = false;
	}
}

static bool
read_state(WeirStateSource *source, TupleTableSlot *slot)
{
	WeirRunReader *reader = (WeirRunReader *) source;

	while (reader->rows_left == 0)
	{
		if (!next_chunk(reader))
			return false;
	}
	read_row(reader, slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	return true;
}

WeirRunReader *
weir_runs_begin_read(WeirDefinition *def, Oid relid,
					 const WeirRunRange *range, Snapshot snapshot)
{
	WeirRunReader *reader = palloc0(sizeof(WeirRunReader));
	ScanKey		keys = reader->keys;
	int			nkeys = 0;

	reader->context = CurrentMemoryContext;
	reader->source.next = read_state;
	reader->def = def;
	reader->row_desc = weir_runs_packed_desc(def);
	reader->packer = weir_row_packer(reader->row_desc);
	reader->range = *range;
	reader->max_read = 64;
	reader->tids = palloc(sizeof(ItemPointerData) * reader->max_read);
	reader->ends = palloc(sizeof(Timestamp) * reader->max_read);
	reader->max_data = BLCKSZ;
	reader->data = palloc(reader->max_data);
	if (range->has_after)
		ScanKeyInit(&keys[nkeys++], Anum_window_end, BTGreaterStrategyNumber,
					F_TIMESTAMP_GT, TimestampGetDatum(range->after));
	if (range->has_until)
		ScanKeyInit(&keys[nkeys++], Anum_window_end, BTLessEqualStrategyNumber,
					F_TIMESTAMP_LE, TimestampGetDatum(range->until));
	if (range->has_start)
		ScanKeyInit(&keys[nkeys++], Anum_window_start, BTEqualStrategyNumber,
					F_TIMESTAMP_EQ, TimestampGetDatum(range->start));
	if (range->has_hash)
	{
		Datum		position = Int32GetDatum(hash_position(range->hash));

		ScanKeyInit(&keys[nkeys++], Anum_hash_lo, BTLessEqualStrategyNumber,
					F_INT4LE, position);
		ScanKeyInit(&keys[nkeys++], Anum_hash_hi, BTGreaterEqualStrategyNumber,
					F_INT4GE, position);
	}
	reader->rel = table_open(relid, AccessShareLock);
	reader->source.rows = Max(reader->rel->rd_rel->reltuples, 10) * 100;
	reader->nkeys = nkeys;
	reader->snapshot = snapshot;
	reader->scan = systable_beginscan(reader->rel, weir_runs_index(reader->rel),
									  nkeys > 0, snapshot, nkeys, keys);
	return reader;
}

WeirStateSource *
weir_runs_source(WeirRunReader *reader)
{
	return &reader->source;
}

/* ---------- runs merged ---------- */

static bool
precedes(const WeirRunReader *a, const WeirRunReader *b)
{
	if (a->window_end != b->window_end)
		return a->window_end < b->window_end;
	if (a->window_start != b->window_start)
		return a->window_start < b->window_start;
	return a->hash < b->hash;
}

/* The chunk at the root may have gone beyond others. */
static void
sift_down(RunMerge *merge)
{
	WeirRunReader *chunk = merge->chunks[0];
	int			hole = 0;

	for (;;)
	{
		int			child = 2 * hole + 1;

		if (child >= merge->nchunks)
			break;
		if (child + 1 < merge->nchunks &&
			precedes(merge->chunks[child + 1], merge->chunks[child]))
			child++;
		if (!precedes(merge->chunks[child], chunk))
			break;
		merge->chunks[hole] = merge->chunks[child];
		hole = child;
	}
	merge->chunks[hole] = chunk;
}

static void
sift_up(RunMerge *merge)
{
	int			hole = merge->nchunks - 1;
	WeirRunReader *chunk = merge->chunks[hole];

	while (hole > 0 && precedes(chunk, merge->chunks[(hole - 1) / 2]))
	{
		merge->chunks[hole] = merge->chunks[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	merge->chunks[hole] = chunk;
}

static void
stand_at_row(RunMerge *merge, WeirRunReader *chunk)
{
	int			nwindow = chunk->def->nwindow;

	read_row(chunk, chunk->values, chunk->isnull);
	chunk->hash = weir_runs_hash_keys(&merge->hasher, chunk->values + nwindow,
									  chunk->isnull + nwindow);
}

static WeirRunReader *
make_chunk(WeirRunReader *reader)
{
	WeirRunReader *chunk = palloc0(sizeof(WeirRunReader));
	int			natts = reader->def->state_desc->natts;

	chunk->data = palloc(BLCKSZ);
	chunk->max_data = BLCKSZ;
	chunk->packer = weir_row_packer(reader->row_desc);
	chunk->values = palloc(sizeof(Datum) * natts);
	chunk->isnull = palloc(sizeof(bool) * natts);
	return chunk;
}

/* Read ahead: the reader stands at the first row of the chunk to come next. */
static void
fetch_chunk(RunMerge *merge)
{
	merge->has_next = next_chunk(merge->reader);
	if (merge->has_next)
		stand_at_row(merge, merge->reader);
}

/* The next chunk takes part; what it has is exchanged for what is not used. */
static void
enter_chunk(RunMerge *merge)
{
	WeirRunReader *reader = merge->reader;
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	WeirRunReader *chunk;
	WeirRunReader unused;

	if (merge->free_chunks == NIL)
		chunk = make_chunk(reader);
	else
	{
		chunk = llast(merge->free_chunks);
		merge->free_chunks = list_delete_last(merge->free_chunks);
	}
	unused = *chunk;
	*chunk = *reader;
	reader->data = unused.data;
	reader->max_data = unused.max_data;
	reader->packer = unused.packer;
	reader->values = unused.values;
	reader->isnull = unused.isnull;

	if (merge->nchunks == merge->max_chunks)
	{
		merge->max_chunks *= 2;
		merge->chunks = repalloc_huge(merge->chunks, sizeof(WeirRunReader *) *
									  merge->max_chunks);
	}
	merge->chunks[merge->nchunks++] = chunk;
	sift_up(merge);
	fetch_chunk(merge);
	MemoryContextSwitchTo(old);
}

/* Go beyond the first chunk's row. */
static void
leave_row(RunMerge *merge)
{
	WeirRunReader *chunk = merge->chunks[0];

	merge->in_row = false;
	if (chunk->rows_left > 0)
		stand_at_row(merge, chunk);
	else
	{
		MemoryContext old = MemoryContextSwitchTo(merge->reader->context);

		merge->free_chunks = lappend(merge->free_chunks, chunk);
		MemoryContextSwitchTo(old);
		merge->chunks[0] = merge->chunks[--merge->nchunks];
		if (merge->nchunks == 0)
			return;
	}
	sift_down(merge);
}

/* The chunk with the least row of all, or NULL at the end. */
static WeirRunReader *
least_chunk(RunMerge *merge)
{
	if (merge->in_row)
		leave_row(merge);
	while (merge->has_next &&
		   (merge->nchunks == 0 ||
			!precedes(merge->chunks[0], merge->reader)))
		enter_chunk(merge);
	return merge->nchunks > 0 ? merge->chunks[0] : NULL;
}

/* Of which it is known that window and hash are the leader's. */
static bool
equals_leader(RunMerge *merge, const Datum *values, const bool *isnull)
{
	WeirDefinition *def = merge->reader->def;
	int			i;

	for (i = 0; i < def->nkeys; i++)
	{
		int			column = def->nwindow + i;

		if (isnull[column] != merge->key_isnull[i])
			return false;
		if (!isnull[column] &&
			!DatumGetBool(FunctionCall2Coll(&merge->equal[i],
											merge->hasher.collations[i],
											merge->keys[i], values[column])))
			return false;
	}
	return true;
}

static void
make_leader(RunMerge *merge, const Datum *values, const bool *isnull)
{
	WeirDefinition *def = merge->reader->def;
	MemoryContext old;
	int			i;

	MemoryContextReset(merge->leader_context);
	old = MemoryContextSwitchTo(merge->leader_context);
	for (i = 0; i < def->nkeys; i++)
	{
		int			column = def->nwindow + i;
		Form_pg_attribute att = TupleDescAttr(def->state_desc, column);

		merge->key_isnull[i] = isnull[column];
		if (!isnull[column])
			merge->keys[i] = datumCopy(values[column], att->attbyval, att->attlen);
	}
	merge->has_leader = true;
	MemoryContextSwitchTo(old);
}

static void
put_aside(RunMerge *merge, const WeirRunReader *chunk)
{
	TupleDesc	desc = chunk->def->state_desc;
	MemoryContext old = MemoryContextSwitchTo(merge->aside_context);
	AsideRow   *row = palloc(sizeof(AsideRow));
	int			i;

	row->values = palloc(sizeof(Datum) * desc->natts);
	row->isnull = palloc(sizeof(bool) * desc->natts);
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		row->isnull[i] = chunk->isnull[i];
		row->values[i] = chunk->isnull[i] ? (Datum) 0 :
			datumCopy(chunk->values[i], att->attbyval, att->attlen);
	}
	merge->aside = lappend(merge->aside, row);
	MemoryContextSwitchTo(old);
}

static void
store_row(TupleTableSlot *slot, const Datum *values, const bool *isnull)
{
	int			natts = slot->tts_tupleDescriptor->natts;

	memcpy(slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, isnull, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
}

/*
 * A row put aside that is equal to the leader; if there is none, the first one
 * leads.
 */
static void
take_aside(RunMerge *merge, TupleTableSlot *slot)
{
	AsideRow   *row = NULL;
	ListCell   *lc;

	foreach(lc, merge->aside)
	{
		row = lfirst(lc);
		if (equals_leader(merge, row->values, row->isnull))
			break;
	}
	if (lc == NULL)
	{
		row = linitial(merge->aside);
		make_leader(merge, row->values, row->isnull);
		lc = list_head(merge->aside);
	}
	store_row(slot, row->values, row->isnull);
	merge->aside = list_delete_cell(merge->aside, lc);
}

static bool
is_of_leader(const RunMerge *merge, const WeirRunReader *chunk)
{
	return merge->has_leader && chunk->hash == merge->hash &&
		chunk->window_end == merge->window_end &&
		chunk->window_start == merge->window_start;
}

static bool
read_merged(WeirStateSource *source, TupleTableSlot *slot)
{
	RunMerge   *merge = (RunMerge *) source;
	WeirRunReader *chunk;

	while ((chunk = least_chunk(merge)) != NULL &&
		   is_of_leader(merge, chunk) &&
		   !equals_leader(merge, chunk->values, chunk->isnull))
	{
		put_aside(merge, chunk);
		merge->in_row = true;
	}
	if (chunk == NULL || !is_of_leader(merge, chunk))
	{
		if (merge->aside != NIL)
		{
			take_aside(merge, slot);
			return true;
		}
		MemoryContextReset(merge->aside_context);
		if (chunk == NULL)
			return false;
		merge->window_end = chunk->window_end;
		merge->window_start = chunk->window_start;
		merge->hash = chunk->hash;
		make_leader(merge, chunk->values, chunk->isnull);
	}
	store_row(slot, chunk->values, chunk->isnull);
	merge->in_row = true;
	return true;
}

/* A chunk that a merge would have in memory. */
typedef struct OpenChunk
{
	int32		hash_hi;
	Size		size;
} OpenChunk;

/*
 * Do the chunks that a merge has in memory at once take less than the limit?
 * Reads them through in order.
 */
static bool
merge_fits(WeirRunReader *reader, Size limit)
{
	Size		each = BLCKSZ + sizeof(WeirRunReader);
	Size		max_open = Max(limit / each, 1);
	OpenChunk  *open = palloc(sizeof(OpenChunk) * (max_open + 1));
	int			nopen = 0;
	Size		size = 0;
	Timestamp	window_end = DT_NOBEGIN;
	Timestamp	window_start = DT_NOBEGIN;
	HeapTuple	tuple;

	while (size <= limit && (tuple = next_tuple(reader)) != NULL)
	{
		Datum		values[Natts_run];
		bool		isnull[Natts_run];
		bool		is_same;
		int			n = 0;
		int			i;

		heap_deform_tuple(tuple, RelationGetDescr(reader->rel), values, isnull);
		is_same = window_end == DatumGetTimestamp(values[Anum_window_end - 1]) &&
			window_start == DatumGetTimestamp(values[Anum_window_start - 1]);
		window_end = DatumGetTimestamp(values[Anum_window_end - 1]);
		window_start = DatumGetTimestamp(values[Anum_window_start - 1]);
		size = 0;
		for (i = 0; i < nopen && is_same; i++)
		{
			if (open[i].hash_hi < DatumGetInt32(values[Anum_hash_lo - 1]))
				continue;
			open[n++] = open[i];
			size += open[i].size;
		}
		open[n].hash_hi = DatumGetInt32(values[Anum_hash_hi - 1]);
		open[n].size = Max(each, toast_raw_datum_size(values[Anum_data - 1]));
		size += open[n].size;
		nopen = n + 1;
	}
	pfree(open);
	return size <= limit;
}

WeirStateSource *
weir_runs_merged_source(WeirRunReader *reader)
{
	WeirDefinition *def = reader->def;
	RunMerge   *merge;
	ListCell   *lc;
	bool		fits;

	restart_in_order(reader);
	fits = merge_fits(reader, Min(get_hash_memory_limit(), MaxAllocSize));
	restart_in_order(reader);
	if (!fits)
		return NULL;
	merge = palloc0(sizeof(RunMerge));
	merge->source.next = read_merged;
	merge->source.rows = reader->source.rows;
	merge->source.is_clustered = true;
	merge->reader = reader;
	merge->max_chunks = 16;
	merge->chunks = palloc(sizeof(WeirRunReader *) * merge->max_chunks);
	weir_runs_init_hasher(&merge->hasher, def);
	merge->equal = palloc0(sizeof(FmgrInfo) * Max(def->nkeys, 1));
	foreach(lc, def->keys)
		fmgr_info(get_opcode(((WeirKey *) lfirst(lc))->eqop),
				  &merge->equal[foreach_current_index(lc)]);
	merge->keys = palloc0(sizeof(Datum) * Max(def->nkeys, 1));
	merge->key_isnull = palloc0(sizeof(bool) * Max(def->nkeys, 1));
	merge->leader_context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir state key",
												  ALLOCSET_SMALL_SIZES);
	merge->aside_context = AllocSetContextCreate(CurrentMemoryContext,
												 "weir state rows put aside",
												 ALLOCSET_SMALL_SIZES);
	reader->values = palloc(sizeof(Datum) * def->state_desc->natts);
	reader->isnull = palloc(sizeof(bool) * def->state_desc->natts);
	fetch_chunk(merge);
	return &merge->source;
}

void
weir_runs_end_read(WeirRunReader *reader)
{
	if (reader->index != NULL)
	{
		systable_endscan_ordered(reader->scan);
		index_close(reader->index, NoLock);
	}
	else
		systable_endscan(reader->scan);
	table_close(reader->rel, NoLock);
}

static int
compare_ends(const void *a, const void *b)
{
	Timestamp	left = *(const Timestamp *) a;
	Timestamp	right = *(const Timestamp *) b;

	return left < right ? -1 : left > right;
}

int64
weir_runs_delete_read(WeirRunReader *reader, Timestamp until)
{
	int64		ends = 0;
	int			i;

	LockRelationOid(RelationGetRelid(reader->rel), RowExclusiveLock);
	for (i = 0; i < reader->nread; i++)
	{
		if (reader->ends[i] <= until)
			simple_heap_delete(reader->rel, &reader->tids[i]);
	}
	qsort(reader->ends, reader->nread, sizeof(Timestamp), compare_ends);
	for (i = 0; i < reader->nread && reader->ends[i] <= until; i++)
	{
		if (i == 0 || reader->ends[i] != reader->ends[i - 1])
			ends++;
	}
	return ends;
}
