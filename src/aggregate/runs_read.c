/*-------------------------------------------------------------------------
 *
 * runs_read.c
 *	  Reading of state, and deleting what has been read.
 *
 * See runs.c for what is read; here it is read chunk by chunk.  Which chunks, the
 * index says (runs_index.c), unless it is all of them, in no order.  Rows of the
 * same tick that have not been stored are read as if they were.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/packed_row.h"
#include "aggregate/runs.h"
#include "aggregate/runs_format.h"
#include "aggregate/runs_reader.h"

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
check_directory(WeirRunReader *reader, const char *directory, uint32 ngroups)
{
	RunGroup	last = {0, 0};

	for (uint32 i = 0; i < ngroups; i++)
	{
		RunGroup	group = run_directory_get(directory, i);

		if (group.hash < last.hash || group.offset < last.offset)
			corrupted(reader, "The directory is out of order.");
		last = group;
	}
	if (last.offset > reader->data_size - reader->offset)
		corrupted(reader, "The directory points behind the end.");
}

/* The first group whose hash is above the limit, or not below it. */
static uint32
find_group(const char *directory, uint32 ngroups, uint32 limit, bool above)
{
	uint32		low = 0;
	uint32		high = ngroups;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		uint32		hash = run_directory_get(directory, middle).hash;

		if (above ? hash <= limit : hash < limit)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Only the groups in which there can be keys of the hash are read: it may
 * begin in the one before the first group that begins with it.
 */
static void
narrow_to_hash(WeirRunReader *reader, uint32 nrows, uint32 ngroups)
{
	const char *directory = reader->data + RUN_HEADER_SIZE;
	Size		start = reader->offset;
	uint32		first;
	uint32		end;

	check_directory(reader, directory, ngroups);
	first = find_group(directory, ngroups, reader->range.hash, false);
	end = find_group(directory, ngroups, reader->range.hash, true);
	if (first > 0)
		first--;
	reader->rows_left = (end < ngroups ? end * RUN_GROUP_ROWS : nrows) -
		first * RUN_GROUP_ROWS;
	reader->offset = start + run_directory_get(directory, first).offset;
	if (end < ngroups)
		reader->end = start + run_directory_get(directory, end).offset;
}

static void
check_header(WeirRunReader *reader, uint32 nrows)
{
	uint32		ngroups = run_directory_groups(nrows);
	RunHeader	header;

	if (reader->data_size < RUN_HEADER_SIZE)
		corrupted(reader, "The header is cut short.");
	memcpy(&header, reader->data, sizeof(header));
	if (header.version != RUN_FORMAT_VERSION)
		corrupted(reader, psprintf("The format version is %d.", header.version));
	if (header.checksum != weir_runs_checksum(reader->data, reader->data_size))
		corrupted(reader, "The checksum does not match the bytes.");
	if (header.nrows != nrows || nrows == 0)
		corrupted(reader, "The header contradicts the row.");
	if (header.server_major != WEIR_SERVER_MAJOR ||
		header.fingerprint != reader->def->fingerprint ||
		header.natts != reader->row_desc->natts)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("state in table \"%s\" is of another definition or server version",
						RelationGetRelationName(reader->rel)),
				 errhint("Drop the continuous aggregate and create it again.")));
	if ((reader->data_size - RUN_HEADER_SIZE) / RUN_GROUP_SIZE < ngroups)
		corrupted(reader, "The directory is cut short.");
	reader->rows_left = header.nrows;
	reader->offset = RUN_HEADER_SIZE + ngroups * RUN_GROUP_SIZE;
	reader->end = reader->data_size;
	if (reader->range.has_hash && ngroups > 0)
		narrow_to_hash(reader, header.nrows, ngroups);
}

static void
enlarge(WeirRunReader *reader)
{
	reader->max_read *= 2;
	reader->tids = repalloc_huge(reader->tids,
								 sizeof(ItemPointerData) * reader->max_read);
	reader->ends = repalloc_huge(reader->ends,
								 sizeof(Timestamp) * reader->max_read);
}

static void
remember_chunk(WeirRunReader *reader, HeapTuple tuple)
{
	if (reader->nread == reader->max_read)
		enlarge(reader);
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

static void
end_scan(WeirRunReader *reader)
{
	if (reader->index_scan != NULL)
		weir_run_scan_end(reader->index_scan);
	else
		systable_endscan(reader->scan);
	reader->scan = NULL;
	reader->index_scan = NULL;
}

void
weir_runs_restart_in_order(WeirRunReader *reader)
{
	Assert(!reader->range.has_hash);
	end_scan(reader);
	reader->index_scan = weir_run_scan_in_order(reader->rel, &reader->range,
												reader->snapshot);
}

HeapTuple
weir_runs_next_tuple(WeirRunReader *reader)
{
	return reader->index_scan != NULL ?
		weir_run_scan_next(reader->index_scan) :
		systable_getnext(reader->scan);
}

bool
weir_runs_next_chunk(WeirRunReader *reader)
{
	/* an index scan would begin again */
	while (!reader->is_done)
	{
		Datum		values[Natts_run];
		bool		isnull[Natts_run];
		MemoryContext old;
		HeapTuple	tuple;

		/* what the scan allocates on its way must live as long as the scan */
		old = MemoryContextSwitchTo(reader->context);
		tuple = weir_runs_next_tuple(reader);
		MemoryContextSwitchTo(old);
		if (tuple == NULL)
		{
			reader->is_done = true;
			break;
		}
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
	return false;
}

bool
weir_runs_next_held(WeirRunReader *reader)
{
	const WeirHeldRows *held = reader->held;
	const PendingRow *row;

	if (held == NULL || reader->next_held == held->nrows)
		return false;
	row = reader->held_row = &held->rows[reader->next_held];
	reader->window_end = row->window_end;
	reader->window_start = row->window_start;
	while (reader->next_held < held->nrows &&
		   held->rows[reader->next_held].window_end == row->window_end &&
		   held->rows[reader->next_held].window_start == row->window_start)
		reader->next_held++;
	reader->rows_left = &held->rows[reader->next_held] - row;
	return true;
}

static void
read_stored(WeirRunReader *reader, Datum *values, bool *isnull)
{
	const char *from = reader->data + reader->offset;

	if (!weir_row_get(reader->packer, &from, reader->data + reader->end,
					  values, isnull))
		corrupted(reader, psprintf("There is no state row at byte %zu.",
								   reader->offset));
	reader->offset = from - reader->data;
	if (--reader->rows_left == 0 && reader->offset != reader->end)
		corrupted(reader, psprintf("The last state row ends at byte %zu, not %zu.",
								   reader->offset, reader->end));
}

static void
read_held(WeirRunReader *reader, Datum *values, bool *isnull)
{
	const PendingRow *row = reader->held_row++;
	const char *from = row->bytes;

	if (!weir_row_get(reader->packer, &from, row->bytes + row->size, values,
					  isnull))
		elog(ERROR, "could not read a packed row");
	reader->hash = row->hash;
	reader->rows_left--;
}

void
weir_runs_read_row(WeirRunReader *reader, Datum *values, bool *isnull)
{
	int			skipped = chunk_columns(reader->def);

	if (reader->held_row != NULL)
		read_held(reader, values + skipped, isnull + skipped);
	else
		read_stored(reader, values + skipped, isnull + skipped);
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
		if (!weir_runs_next_chunk(reader) && !weir_runs_next_held(reader))
			return false;
	}
	weir_runs_read_row(reader, slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	return true;
}

/*
 * The scan of what is read in no order.  Each chunk of sessions is in a window
 * of its own: to find a hash there, all entries of the index are looked at.
 */
static void
begin_scan(WeirRunReader *reader)
{
	const WeirRunRange *range = &reader->range;
	ScanKeyData keys[5];
	int			nkeys = 0;

	if (range->has_hash && !reader->def->is_session)
	{
		reader->index_scan = weir_run_scan_of_hash(reader->rel, range,
												   reader->snapshot);
		return;
	}
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
	reader->scan = systable_beginscan(reader->rel, weir_runs_index(reader->rel),
									  nkeys > 0, reader->snapshot, nkeys, keys);
}

WeirRunReader *
weir_runs_begin_read(WeirDefinition *def, Oid relid,
					 const WeirRunRange *range, Snapshot snapshot)
{
	WeirRunReader *reader = palloc0(sizeof(WeirRunReader));

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
	reader->rel = table_open(relid, AccessShareLock);
	reader->source.rows = Max(reader->rel->rd_rel->reltuples, 10) * 100;
	reader->snapshot = snapshot;
	begin_scan(reader);
	return reader;
}

WeirStateSource *
weir_runs_source(WeirRunReader *reader)
{
	return &reader->source;
}

void
weir_runs_add_held(WeirRunReader *reader, const WeirHeldRows *held)
{
	Assert(!reader->def->is_session && !reader->range.has_hash);
	reader->held = held;
	reader->source.rows += held->nrows;
}

void
weir_runs_end_read(WeirRunReader *reader)
{
	end_scan(reader);
	table_close(reader->rel, NoLock);
}

static void
remember_end(WeirRunReader *reader, Timestamp end)
{
	if (reader->nread == reader->max_read)
		enlarge(reader);
	ItemPointerSetInvalid(&reader->tids[reader->nread]);
	reader->ends[reader->nread++] = end;
}

/* The windows of rows that are held count as if these had been stored. */
static void
remember_held(WeirRunReader *reader)
{
	const WeirHeldRows *held = reader->held;
	int			i;

	for (i = 0; held != NULL && i < held->nrows; i++)
	{
		if (i == 0 || held->rows[i].window_end != held->rows[i - 1].window_end)
			remember_end(reader, held->rows[i].window_end);
	}
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

	/* who takes the rows may have seen that he needs none, or no more */
	while (weir_runs_next_chunk(reader))
		CHECK_FOR_INTERRUPTS();
	LockRelationOid(RelationGetRelid(reader->rel), RowExclusiveLock);
	for (i = 0; i < reader->nread; i++)
	{
		if (reader->ends[i] <= until)
			simple_heap_delete(reader->rel, &reader->tids[i]);
	}
	remember_held(reader);
	qsort(reader->ends, reader->nread, sizeof(Timestamp), compare_ends);
	for (i = 0; i < reader->nread && reader->ends[i] <= until; i++)
	{
		if (i == 0 || reader->ends[i] != reader->ends[i - 1])
			ends++;
	}
	return ends;
}
