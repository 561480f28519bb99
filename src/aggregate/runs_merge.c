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
 * Where states are plain (plain_state.h), the rows of a group are made one here.
 *
 * Rows that are held are a run of one chunk a window.  Most often nothing of such
 * a window is stored; then each row is a group, as it is of one tick.
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
#include "aggregate/plain_state.h"
#include "aggregate/runs_format.h"
#include "aggregate/runs_reader.h"

/* A chunk that takes part, and the hash of the row that it stands at. */
typedef struct OpenChunk
{
	uint32		hash;
	WeirRunReader *chunk;
} OpenChunk;

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
	WeirRunReader *held;		/* stands at the rows held of a window; */
	bool		has_held;		/* they have not taken part yet */
	bool		is_alone;		/* nothing else is there of the window */
	OpenChunk  *chunks;			/* a heap, all of the same window: the least
								 * hash is in the first */
	int			nchunks;
	int			max_chunks;
	List	   *free_chunks;
	bool		in_row;			/* the first chunk's row is handed on */
	WeirKeyHasher hasher;
	FunctionCallInfo *equal;	/* for each key */
	WeirPlainStates *states;	/* NULL: they are not combined here */
	bool		has_leader;		/* all that is handed on is equal to this, */
	bool		is_single;		/* or it is the only one of its group: */
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

/* Is the row that comes next behind those of the chunks, or one of the least? */
static bool
next_is_behind(const RunMerge *merge)
{
	const WeirRunReader *next = merge->reader;
	const WeirRunReader *first = merge->chunks[0].chunk;

	return next->window_end != first->window_end ||
		next->window_start != first->window_start ||
		next->hash > merge->chunks[0].hash;
}

/* Put a chunk in the place of the first one, or of one behind it. */
static void
sift_down(RunMerge *merge, OpenChunk open)
{
	OpenChunk  *heap = merge->chunks;
	int			hole = 0;
	int			child;

	while ((child = 2 * hole + 1) < merge->nchunks)
	{
		if (child + 1 < merge->nchunks && heap[child + 1].hash < heap[child].hash)
			child++;
		if (heap[child].hash >= open.hash)
			break;
		heap[hole] = heap[child];
		hole = child;
	}
	heap[hole] = open;
}

/* Put a chunk in the last place, or one before it. */
static void
sift_up(RunMerge *merge, OpenChunk open)
{
	OpenChunk  *heap = merge->chunks;
	int			hole = merge->nchunks - 1;

	while (hole > 0 && open.hash < heap[(hole - 1) / 2].hash)
	{
		heap[hole] = heap[(hole - 1) / 2];
		hole = (hole - 1) / 2;
	}
	heap[hole] = open;
}

static void
stand_at_row(RunMerge *merge, WeirRunReader *chunk)
{
	int			nwindow = chunk->def->nwindow;
	MemoryContext old;

	weir_runs_read_row(chunk, chunk->values, chunk->isnull);
	if (chunk->held_row != NULL)
		return;					/* its hash is known */
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

static void
add_chunk(RunMerge *merge, WeirRunReader *chunk)
{
	OpenChunk	open = {chunk->hash, chunk};

	if (merge->nchunks == merge->max_chunks)
	{
		merge->max_chunks *= 2;
		merge->chunks = repalloc_huge(merge->chunks, sizeof(OpenChunk) *
									  merge->max_chunks);
	}
	merge->nchunks++;
	sift_up(merge, open);
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

	add_chunk(merge, chunk);
	fetch_chunk(merge);
	MemoryContextSwitchTo(old);
}

/* Is the window of the one before that of the other (-1), the same, or behind? */
static int
compare_windows(const WeirRunReader *a, const WeirRunReader *b)
{
	if (a->window_end != b->window_end)
		return a->window_end < b->window_end ? -1 : 1;
	if (a->window_start != b->window_start)
		return a->window_start < b->window_start ? -1 : 1;
	return 0;
}

/*
 * No chunk takes part: the next does, of the same window or another.  Where a
 * window begins, what is held of it comes first.
 */
static void
enter_first(RunMerge *merge)
{
	int			order = !merge->has_held ? -1 : !merge->has_next ? 1 :
		compare_windows(merge->reader, merge->held);

	merge->is_alone = false;
	if (order >= 0)
	{
		merge->is_alone = order > 0;
		merge->has_held = false;
		stand_at_row(merge, merge->held);
		add_chunk(merge, merge->held);
	}
	else if (merge->has_next)
		enter_chunk(merge);
}

/* The chunk is through. */
static void
retire_chunk(RunMerge *merge, WeirRunReader *chunk)
{
	MemoryContext old;

	if (chunk == merge->held)
	{
		merge->has_held = weir_runs_next_held(chunk);
		return;
	}
	old = MemoryContextSwitchTo(merge->reader->context);
	merge->free_chunks = lappend(merge->free_chunks, chunk);
	MemoryContextSwitchTo(old);
}

/* Go beyond the first chunk's row. */
static void
leave_row(RunMerge *merge)
{
	OpenChunk	open = merge->chunks[0];

	merge->in_row = false;
	if (open.chunk->rows_left > 0)
	{
		stand_at_row(merge, open.chunk);
		open.hash = open.chunk->hash;
	}
	else
	{
		retire_chunk(merge, open.chunk);
		open = merge->chunks[--merge->nchunks];
		if (merge->nchunks == 0)
			return;
	}
	sift_down(merge, open);
}

/* The chunk with the least row of all, or NULL at the end. */
static WeirRunReader *
least_chunk(RunMerge *merge)
{
	if (merge->in_row)
		leave_row(merge);
	if (merge->nchunks == 0)
		enter_first(merge);
	while (merge->has_next && !next_is_behind(merge))
		enter_chunk(merge);
	return merge->nchunks > 0 ? merge->chunks[0].chunk : NULL;
}

static bool
is_equal(FunctionCallInfo call, Datum a, Datum b)
{
	Datum		result;

	call->args[0].value = a;
	call->args[1].value = b;
	call->isnull = false;
	result = FunctionCallInvoke(call);
	if (call->isnull)
		elog(ERROR, "equality function %u returned NULL", call->flinfo->fn_oid);
	return DatumGetBool(result);
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
			result = is_equal(merge->equal[i], merge->keys[i], values[column]);
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

static bool
is_of_leader(const RunMerge *merge, const WeirRunReader *chunk)
{
	return chunk->hash == merge->hash &&
		chunk->window_end == merge->window_end &&
		chunk->window_start == merge->window_start;
}

/* A row that was put aside: the values live until all of the hash are through. */
static void
take_aside(RunMerge *merge, ListCell *cell, const Datum **values,
		   const bool **isnull)
{
	AsideRow   *row = lfirst(cell);

	*values = row->values;
	*isnull = row->isnull;
	merge->aside = list_delete_cell(merge->aside, cell);
}

/*
 * The first row of the next group, which becomes the leader; false at the end.
 * All that are equal to the one before have been taken.
 */
static bool
next_leader(RunMerge *merge, const Datum **values, const bool **isnull)
{
	merge->is_single = false;
	if (merge->aside != NIL)
		take_aside(merge, list_head(merge->aside), values, isnull);
	else
	{
		WeirRunReader *chunk = least_chunk(merge);

		MemoryContextReset(merge->aside_context);
		if (chunk == NULL)
			return false;
		merge->in_row = true;
		merge->is_single = merge->is_alone;
		merge->window_end = chunk->window_end;
		merge->window_start = chunk->window_start;
		merge->hash = chunk->hash;
		*values = chunk->values;
		*isnull = chunk->isnull;
	}
	if (!merge->is_single)
		make_leader(merge, *values, *isnull);
	return true;
}

/* Another row that is equal to the leader; false if there is none. */
static bool
next_of_leader(RunMerge *merge, const Datum **values, const bool **isnull)
{
	WeirRunReader *chunk;
	ListCell   *lc;

	if (merge->is_single)
		return false;
	while ((chunk = least_chunk(merge)) != NULL && is_of_leader(merge, chunk))
	{
		merge->in_row = true;
		if (equals_leader(merge, chunk->values, chunk->isnull))
		{
			*values = chunk->values;
			*isnull = chunk->isnull;
			return true;
		}
		put_aside(merge, chunk);
	}
	foreach(lc, merge->aside)
	{
		AsideRow   *row = lfirst(lc);

		if (equals_leader(merge, row->values, row->isnull))
		{
			take_aside(merge, lc, values, isnull);
			return true;
		}
	}
	return false;
}

static void
store_row(TupleTableSlot *slot, const Datum *values, const bool *isnull)
{
	int			natts = slot->tts_tupleDescriptor->natts;

	memcpy(slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, isnull, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
}

static bool
read_merged(WeirStateSource *source, TupleTableSlot *slot)
{
	RunMerge   *merge = (RunMerge *) source;
	const Datum *values;
	const bool *isnull;

	if (!(merge->has_leader && next_of_leader(merge, &values, &isnull)) &&
		!next_leader(merge, &values, &isnull))
		return false;
	merge->has_leader = true;
	store_row(slot, values, isnull);
	return true;
}

/* A group as one row: its window and keys are in the leader. */
static bool
read_combined(WeirStateSource *source, TupleTableSlot *slot)
{
	RunMerge   *merge = (RunMerge *) source;
	WeirDefinition *def = merge->reader->def;
	const Datum *values;
	const bool *isnull;
	MemoryContext old;

	if (!next_leader(merge, &values, &isnull))
		return false;
	if (merge->is_single)
	{
		store_row(slot, values, isnull);
		return true;
	}
	memcpy(slot->tts_values, values, sizeof(Datum) * def->nwindow);
	memcpy(slot->tts_isnull, isnull, sizeof(bool) * def->nwindow);
	memcpy(slot->tts_values + def->nwindow, merge->keys,
		   sizeof(Datum) * def->nkeys);
	memcpy(slot->tts_isnull + def->nwindow, merge->key_isnull,
		   sizeof(bool) * def->nkeys);
	old = MemoryContextSwitchTo(merge->leader_context);
	weir_plain_begin(merge->states, slot->tts_values, slot->tts_isnull,
					 values, isnull);
	while (next_of_leader(merge, &values, &isnull))
		weir_plain_add(merge->states, slot->tts_values, slot->tts_isnull,
					   values, isnull);
	MemoryContextSwitchTo(old);
	ExecStoreVirtualTuple(slot);
	return true;
}

/* Reads what is held, window by window. */
static WeirRunReader *
make_held_chunk(const WeirRunReader *reader)
{
	WeirRunReader *chunk = palloc0(sizeof(WeirRunReader));
	int			natts = reader->def->state_desc->natts;

	chunk->def = reader->def;
	chunk->packer = weir_row_packer(reader->row_desc);
	chunk->held = reader->held;
	chunk->values = palloc(sizeof(Datum) * natts);
	chunk->isnull = palloc(sizeof(bool) * natts);
	return chunk;
}

/* A chunk that a merge would have in memory. */
typedef struct PlannedChunk
{
	int32		hash_hi;
	Size		size;
} PlannedChunk;

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
	PlannedChunk *open = palloc(sizeof(PlannedChunk) * (max_open + 1));
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

/* Rows that are not equal have to be of different hashes, but for a few. */
static bool
can_merge(const WeirDefinition *def)
{
	ListCell   *lc;

	foreach(lc, def->keys)
	{
		if (!((WeirKey *) lfirst(lc))->has_lasting_hash)
			return false;
	}
	return !def->is_session;
}

WeirStateSource *
weir_runs_merged_source(WeirRunReader *reader)
{
	WeirDefinition *def = reader->def;
	RunMerge   *merge;
	ListCell   *lc;
	bool		fits;

	if (!can_merge(def))
		return NULL;
	weir_runs_restart_in_order(reader);
	fits = merge_fits(reader, Min(get_hash_memory_limit(), MaxAllocSize));
	weir_runs_restart_in_order(reader);
	if (!fits)
		return NULL;
	merge = palloc0(sizeof(RunMerge));
	merge->states = weir_plain_states(def);
	merge->source.next = merge->states != NULL ? read_combined : read_merged;
	merge->source.is_combined = merge->states != NULL;
	merge->source.rows = reader->source.rows;
	merge->source.is_clustered = true;
	merge->reader = reader;
	merge->max_chunks = 16;
	merge->chunks = palloc(sizeof(OpenChunk) * merge->max_chunks);
	weir_runs_init_hasher(&merge->hasher, def);
	merge->equal = palloc0(sizeof(FunctionCallInfo) * Max(def->nkeys, 1));
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);

		merge->equal[foreach_current_index(lc)] =
			weir_runs_prepare_call(get_opcode(key->eqop), 2, key->collation);
	}
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
	if (reader->held != NULL)
	{
		merge->held = make_held_chunk(reader);
		merge->has_held = weir_runs_next_held(merge->held);
	}
	fetch_chunk(merge);
	return &merge->source;
}
