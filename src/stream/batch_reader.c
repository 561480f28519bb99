/*-------------------------------------------------------------------------
 *
 * batch_reader.c
 *	  Reading the rows of a batch, page by page.
 *
 * A TID is a hint.  A row belongs to an entry if it is at one of the entry's
 * TIDs, its raw xmin (which survives freezing) is among the entry's
 * transaction ids, and the snapshot sees it.  A row is history if the
 * snapshot sees it and it belongs to no entry that is later than the
 * cursor's start; some of these may be left out (left_out.c).
 *
 * All aggregates that share a cursor read the same batch, one after the other.
 * The first that comes to the end leaves behind where the rows are, and the
 * others read just these: they need not lock pages and judge rows.
 *
 * Invariant: what has been found stays: the batch's snapshot sees it, and is
 * active or registered as long as the batch lives, so that it is not pruned;
 * the leaves are locked, so that they are not truncated or rewritten.  What
 * sinks of one aggregate do to the stream's rows in this transaction is
 * nothing to the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tupconvert.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "stream/batch.h"
#include "weir.h"

/* Rows of a page that belong to the batch. */
typedef struct FoundPage
{
	Oid			leaf;
	BlockNumber block;
	int			first;			/* of its offsets */
	int			noffsets;
} FoundPage;

/* In the order in which they were found. */
struct WeirFoundRows
{
	FoundPage  *pages;
	int			npages;
	int			maxpages;
	OffsetNumber *offsets;
	int			noffsets;
	int			maxoffsets;
};

/* A leaf that a reader has open. */
typedef struct OpenLeaf
{
	Oid			relid;
	Relation	rel;
	BlockNumber nblocks;
	TupleTableSlot *slot;		/* of the leaf's own row type */
	AttrMap    *map;			/* NULL: the same columns as the stream's */
	TupleTableSlot *mapped;		/* of the stream's row type */
} OpenLeaf;

struct WeirBatchReader
{
	WeirBatch  *batch;
	MemoryContext context;		/* that it was made in */
	Relation	rel;			/* the stream */
	OpenLeaf  **leaves;
	int			nleaves;
	int			maxleaves;
	OpenLeaf   *leaf;			/* that of the present page */
	int			range;			/* next range ... */
	BlockNumber block;			/* ... from this block on */
	WeirEntryReader entries;
	const WeirBatchEntry *entry;	/* present one; NULL: before the first */
	int			run;			/* its next run */
	WeirFoundRows *finding;		/* what has been found; NULL: nobody asks */
	bool		replays;		/* another reader has found them */
	int			page;			/* the next of the pages it found */
	Buffer		buffer;
	BlockNumber buffer_block;
	BufferAccessStrategy strategy;
	int			noffsets;		/* rows found on the page */
	int			next_offset;
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	HeapTupleData tuple;
};

WeirBatchReader *
weir_batch_reader_begin(WeirBatch *batch, Relation rel)
{
	WeirBatchReader *reader = palloc0(sizeof(WeirBatchReader));

	reader->batch = batch;
	reader->context = CurrentMemoryContext;
	reader->rel = rel;
	reader->buffer = InvalidBuffer;
	reader->strategy = GetAccessStrategy(BAS_BULKREAD);
	weir_batch_reader_rewind(reader);
	return reader;
}

/* ---------- what others have found ---------- */

static WeirFoundRows *
make_found_rows(const WeirBatch *batch)
{
	WeirFoundRows *found = MemoryContextAlloc(batch->context,
											  sizeof(WeirFoundRows));

	found->npages = found->noffsets = 0;
	found->maxpages = 64;
	found->maxoffsets = 4096;
	found->pages = MemoryContextAlloc(batch->context,
									  sizeof(FoundPage) * found->maxpages);
	found->offsets = MemoryContextAlloc(batch->context,
										sizeof(OffsetNumber) * found->maxoffsets);
	return found;
}

static void
free_found_rows(WeirFoundRows *found)
{
	pfree(found->pages);
	pfree(found->offsets);
	pfree(found);
}

/* Keep what has been found on the present page. */
static void
keep_found(WeirBatchReader *reader)
{
	WeirFoundRows *found = reader->finding;
	FoundPage  *page;

	if (found->npages == found->maxpages)
	{
		found->maxpages *= 2;
		found->pages = repalloc_huge(found->pages,
									 sizeof(FoundPage) * found->maxpages);
	}
	if (found->maxoffsets - found->noffsets < reader->noffsets)
	{
		found->maxoffsets *= 2;
		found->offsets = repalloc_huge(found->offsets,
									   sizeof(OffsetNumber) * found->maxoffsets);
	}
	page = &found->pages[found->npages++];
	page->leaf = reader->leaf->relid;
	page->block = reader->buffer_block;
	page->first = found->noffsets;
	page->noffsets = reader->noffsets;
	memcpy(found->offsets + found->noffsets, reader->offsets,
		   sizeof(OffsetNumber) * reader->noffsets);
	found->noffsets += reader->noffsets;
}

/* The end has been reached: others need not search. */
static void
leave_found(WeirBatchReader *reader)
{
	WeirBatch  *batch = reader->batch;

	if (reader->finding == NULL)
		return;
	if (batch->found == NULL)
		batch->found = reader->finding;
	else
		free_found_rows(reader->finding);
	reader->finding = NULL;
}

static void
release_page(WeirBatchReader *reader)
{
	if (reader->leaf)
		ExecClearTuple(reader->leaf->slot);
	if (BufferIsValid(reader->buffer))
		ReleaseBuffer(reader->buffer);
	reader->buffer = InvalidBuffer;
	reader->noffsets = reader->next_offset = 0;
}

void
weir_batch_reader_rewind(WeirBatchReader *reader)
{
	release_page(reader);
	reader->leaf = NULL;
	if (reader->finding)
		free_found_rows(reader->finding);
	reader->replays = reader->batch->found != NULL;
	reader->finding = reader->batch->shares_found && !reader->replays ?
		make_found_rows(reader->batch) : NULL;
	weir_entries_read(reader->batch->entries, &reader->entries);
	reader->entry = NULL;
	reader->range = reader->run = reader->page = 0;
	reader->block = reader->batch->nranges > 0 ?
		reader->batch->ranges[0].first : 0;
}

void
weir_batch_reader_end(WeirBatchReader *reader)
{
	release_page(reader);
	if (reader->finding)
		free_found_rows(reader->finding);
	for (int i = 0; i < reader->nleaves; i++)
	{
		OpenLeaf   *leaf = reader->leaves[i];

		ExecDropSingleTupleTableSlot(leaf->slot);
		if (leaf->mapped)
			ExecDropSingleTupleTableSlot(leaf->mapped);
		if (leaf->map)
			free_attrmap(leaf->map);
		table_close(leaf->rel, NoLock);
		pfree(leaf);
	}
	FreeAccessStrategy(reader->strategy);
	pfree(reader);
}

static OpenLeaf *
open_leaf(WeirBatchReader *reader, Oid relid)
{
	OpenLeaf   *leaf;
	MemoryContext old;

	/* the one before is most likely the one */
	for (int i = reader->nleaves - 1; i >= 0; i--)
		if (reader->leaves[i]->relid == relid)
			return reader->leaves[i];

	old = MemoryContextSwitchTo(reader->context);
	if (reader->nleaves == reader->maxleaves)
	{
		reader->maxleaves = Max(4, reader->maxleaves * 2);
		reader->leaves = reader->leaves ?
			repalloc(reader->leaves, sizeof(OpenLeaf *) * reader->maxleaves) :
			palloc(sizeof(OpenLeaf *) * reader->maxleaves);
	}
	/* each stays where it is: the reader points to one of them */
	leaf = palloc(sizeof(OpenLeaf));
	reader->leaves[reader->nleaves++] = leaf;
	leaf->relid = relid;
	leaf->rel = table_open(relid, AccessShareLock);
	leaf->nblocks = RelationGetNumberOfBlocks(leaf->rel);
	leaf->slot = MakeSingleTupleTableSlot(RelationGetDescr(leaf->rel),
										  &TTSOpsBufferHeapTuple);
	leaf->map = NULL;
	leaf->mapped = NULL;
	if (relid != RelationGetRelid(reader->rel))
	{
		leaf->map = WeirBuildAttrMap(RelationGetDescr(leaf->rel),
									 RelationGetDescr(reader->rel));
		if (leaf->map)
			leaf->mapped = MakeSingleTupleTableSlot(RelationGetDescr(reader->rel),
													&TTSOpsVirtual);
	}
	MemoryContextSwitchTo(old);
	/* what was not there when we looked must not appear later (SERIALIZABLE) */
	PredicateLockRelation(leaf->rel, reader->batch->snapshot);
	return leaf;
}

static void
pin_page(WeirBatchReader *reader, OpenLeaf *leaf, BlockNumber block)
{
	if (BufferIsValid(reader->buffer) && reader->leaf == leaf &&
		reader->buffer_block == block)
	{
		reader->noffsets = reader->next_offset = 0;
		return;
	}
	release_page(reader);
	reader->leaf = leaf;
	reader->buffer = ReadBufferExtended(leaf->rel, MAIN_FORKNUM, block,
										RBM_NORMAL, reader->strategy);
	reader->buffer_block = block;
}

/*
 * Find the rows of the page at first..last that belong to the entry, or, with
 * entry NULL, that are history.
 */
static void
find_rows(WeirBatchReader *reader, const WeirBatchEntry *entry,
		  OffsetNumber first, OffsetNumber last)
{
	Snapshot	snapshot = reader->batch->snapshot;
	Buffer		buffer = reader->buffer;
	Oid			relid = RelationGetRelid(reader->leaf->rel);
	const TransactionId *xids = entry ? weir_batch_entry_xids(entry) : NULL;
	Page		page;
	bool		all_visible;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	last = Min(last, PageGetMaxOffsetNumber(page));
	all_visible = PageIsAllVisible(page) && !snapshot->takenDuringRecovery;
	for (OffsetNumber offset = first; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleData tuple;
		TransactionId xid;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = relid;
		ItemPointerSet(&tuple.t_self, reader->buffer_block, offset);
		xid = HeapTupleHeaderGetRawXmin(tuple.t_data);
		if (entry && xids[0] != xid &&
			!weir_xids_contain(xids, entry->nxids, xid))
			continue;
		if (!all_visible)
		{
			bool		visible = HeapTupleSatisfiesVisibility(&tuple, snapshot,
															   buffer);

			HeapCheckForSerializableConflictOut(visible, reader->leaf->rel,
												&tuple, buffer, snapshot);
			if (!visible)
				continue;
		}
		if (!entry && weir_batch_is_later(reader->batch, relid, xid, &tuple.t_self))
			continue;
		if (!entry && reader->batch->left_out &&
			weir_left_out_contains(reader->batch->left_out, relid, &tuple.t_self))
			continue;
		reader->offsets[reader->noffsets++] = offset;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
}

/* Go on to the next page of the history; false at its end. */
static bool
search_history(WeirBatchReader *reader)
{
	WeirBatch  *batch = reader->batch;

	while (reader->range < batch->nranges)
	{
		WeirHistoryRange *range = &batch->ranges[reader->range];
		OpenLeaf   *leaf = open_leaf(reader, range->leaf);

		if (reader->block < range->end && reader->block < leaf->nblocks)
		{
			pin_page(reader, leaf, reader->block++);
			find_rows(reader, NULL, FirstOffsetNumber, MaxOffsetNumber);
			return true;
		}
		if (++reader->range < batch->nranges)
			reader->block = batch->ranges[reader->range].first;
	}
	return false;
}

/* Go on to the next run of the entries' TIDs; false at the end. */
static bool
search_entries(WeirBatchReader *reader)
{
	const WeirBatchEntry *entry = reader->entry;
	const WeirTidRun *run;
	OpenLeaf   *leaf;

	while (entry == NULL || reader->run >= entry->nruns)
	{
		entry = reader->entry = weir_entries_next(&reader->entries);
		reader->run = 0;
		if (entry == NULL)
			return false;
	}
	run = &weir_batch_entry_runs(entry)[reader->run++];
	leaf = open_leaf(reader, entry->leaf);
	if (run->block >= leaf->nblocks)
		return true;			/* cut off since, by VACUUM or a crash */
	pin_page(reader, leaf, run->block);
	find_rows(reader, entry, run->first, run->last);
	return true;
}

/* Go on to the next page where another reader has found rows. */
static bool
next_found_page(WeirBatchReader *reader)
{
	WeirFoundRows *found = reader->batch->found;
	FoundPage  *page;

	if (reader->page >= found->npages)
		return false;
	page = &found->pages[reader->page++];
	pin_page(reader, open_leaf(reader, page->leaf), page->block);
	memcpy(reader->offsets, found->offsets + page->first,
		   sizeof(OffsetNumber) * page->noffsets);
	reader->noffsets = page->noffsets;
	return true;
}

/* Go on to the next page that may have rows; false at the end. */
static bool
next_page(WeirBatchReader *reader)
{
	if (reader->replays)
		return next_found_page(reader);
	if (!search_history(reader) && !search_entries(reader))
	{
		leave_found(reader);
		return false;
	}
	if (reader->finding && reader->noffsets > 0)
		keep_found(reader);
	return true;
}

TupleTableSlot *
weir_batch_reader_next(WeirBatchReader *reader)
{
	OpenLeaf   *leaf;
	Page		page;
	OffsetNumber offset;
	ItemId		item;

	while (reader->next_offset >= reader->noffsets)
	{
		CHECK_FOR_INTERRUPTS();
		weir_batch_breathe();
		if (!next_page(reader))
			return NULL;
	}
	leaf = reader->leaf;
	offset = reader->offsets[reader->next_offset++];
	page = BufferGetPage(reader->buffer);
	item = PageGetItemId(page, offset);
	reader->tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	reader->tuple.t_len = ItemIdGetLength(item);
	reader->tuple.t_tableOid = RelationGetRelid(leaf->rel);
	ItemPointerSet(&reader->tuple.t_self, reader->buffer_block, offset);
	ExecStoreBufferHeapTuple(&reader->tuple, leaf->slot, reader->buffer);
	if (leaf->map == NULL)
		return leaf->slot;
	execute_attr_map_slot(leaf->map, leaf->slot, leaf->mapped);
	leaf->mapped->tts_tid = leaf->slot->tts_tid;
	leaf->mapped->tts_tableOid = leaf->slot->tts_tableOid;
	return leaf->mapped;
}

TransactionId
weir_batch_reader_xmin(const WeirBatchReader *reader)
{
	return HeapTupleHeaderGetRawXmin(reader->tuple.t_data);
}

void
weir_batch_observe(WeirBatch *batch)
{
	Relation	rel;
	WeirBatchReader *reader;
	TupleTableSlot *slot;

	if (batch->observer == NULL || batch->is_observed)
		return;
	weir_observer_reset(batch->observer);
	rel = table_open(batch->stream.relid, AccessShareLock);
	reader = weir_batch_reader_begin(batch, rel);
	while ((slot = weir_batch_reader_next(reader)) != NULL)
		weir_observer_see(batch->observer, slot);
	weir_batch_reader_end(reader);
	table_close(rel, NoLock);
	batch->is_observed = true;
}

