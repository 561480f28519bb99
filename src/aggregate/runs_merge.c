/*-------------------------------------------------------------------------
 *
 * runs_merge.c
 *	  Reading of state so that equal rows follow each other.
 *
 * Within a run the rows of a window are in the order of their hash, and the
 * chunks of a window are read in the order in which they begin.  So the
 * runs are merged with one chunk of each in memory, and who brings rows of a
 * group together needs neither a table of all groups nor a sort.  Rows of the
 * same hash that differ are put aside until those equal to the first are through.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/runs_format.h"
#include "aggregate/runs_reader.h"

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
	MemoryContext row_context;	/* of what hash and equality functions leave */
} RunMerge;

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

	MemoryContext old;

	weir_runs_read_row(chunk, chunk->values, chunk->isnull);
	MemoryContextReset(merge->row_context);
	old = MemoryContextSwitchTo(merge->row_context);
	chunk->hash = weir_runs_hash_keys(&merge->hasher, chunk->values + nwindow,
									  chunk->isnull + nwindow);
	MemoryContextSwitchTo(old);
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
	merge->has_next = weir_runs_next_chunk(merge->reader);
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
	MemoryContext old;
	bool		result = true;
	int			i;

	MemoryContextReset(merge->row_context);
	old = MemoryContextSwitchTo(merge->row_context);
	for (i = 0; i < def->nkeys && result; i++)
	{
		int			column = def->nwindow + i;

		if (isnull[column] != merge->key_isnull[i])
			result = false;
		else if (!isnull[column])
			result = DatumGetBool(FunctionCall2Coll(&merge->equal[i],
													merge->hasher.collations[i],
													merge->keys[i],
													values[column]));
	}
	MemoryContextSwitchTo(old);
	return result;
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
	/* its bytes, and what has to be copied of them */
	Size		each = 3 * BLCKSZ + sizeof(WeirRunReader);
	Size		max_open = Max(limit / each, 1);
	OpenChunk  *open = palloc(sizeof(OpenChunk) * (max_open + 1));
	int			nopen = 0;
	Size		size = 0;
	Timestamp	window_end = DT_NOBEGIN;
	Timestamp	window_start = DT_NOBEGIN;
	HeapTuple	tuple;

	while (size <= limit && (tuple = weir_runs_next_tuple(reader)) != NULL)
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
		open[n].size = Max(each, 2 * toast_raw_datum_size(values[Anum_data - 1]));
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

	weir_runs_restart_in_order(reader);
	fits = merge_fits(reader, Min(get_hash_memory_limit(), MaxAllocSize));
	weir_runs_restart_in_order(reader);
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
	merge->row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "weir state row",
											   ALLOCSET_SMALL_SIZES);
	reader->values = palloc(sizeof(Datum) * def->state_desc->natts);
	reader->isnull = palloc(sizeof(bool) * def->state_desc->natts);
	fetch_chunk(merge);
	return &merge->source;
}
