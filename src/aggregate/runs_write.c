/*-------------------------------------------------------------------------
 *
 * runs_write.c
 *	  Writing of state: rows are packed into chunks of a run.
 *
 * Rows are kept back, sorted by window and hash, and packed.  What exceeds
 * maintenance_work_mem is written before the rest; it is the same run still.
 * Rows of windows that close at once need not be written at all: they are held,
 * for who closes them.
 * See runs.c for what is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/packed_row.h"
#include "aggregate/receiver.h"
#include "aggregate/runs.h"
#include "aggregate/runs_format.h"

/* Data of a chunk with several rows; a whole tuple is at most 8160 bytes. */
#define RUN_DATA_MAX		8064

/* Memory for the bytes of rows is taken in blocks of this at least. */
#define ROW_BLOCK			4000

/* Chunks that are inserted at once. */
#define RUN_INSERT_CHUNKS	32

struct WeirRunWriter
{
	DestReceiver pub;
	WeirDefinition *def;
	TupleDesc	row_desc;		/* keys and states */
	WeirRowPacker *packer;
	Datum	   *values;			/* of a row, room for reading one */
	bool	   *isnull;
	WeirKeyHasher hasher;
	int32		level;
	Relation	rel;
	Relation	index;
	IndexInfo  *index_info;
	BulkInsertState bulk;
	PendingRow *rows;
	int			nrows;
	int			max_rows;
	bool		has_windows;	/* of several windows */
	Size		max_row;		/* of any row; 0: it has values of any length */
	char	   *room;			/* what is left of the last block */
	Size		room_left;
	Size		bytes;			/* in row_context */
	Size		max_bytes;
	int64		total;			/* rows written so far */
	MemoryContext context;		/* that it was made in */
	MemoryContext row_context;
	MemoryContext chunk_context;
	MemoryContext tmp_context;
	TupleTableSlot *slots[RUN_INSERT_CHUNKS];	/* made when first used */
	int			nslots;
};

#define ST_SORT sort_pending
#define ST_ELEMENT_TYPE PendingRow
#define ST_COMPARE(a, b) compare_pending(a, b)
#define ST_SCOPE static
#define ST_DEFINE
static inline int
compare_pending(const PendingRow *a, const PendingRow *b)
{
	if (a->window_end != b->window_end)
		return a->window_end < b->window_end ? -1 : 1;
	if (a->window_start != b->window_start)
		return a->window_start < b->window_start ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return 0;
}
#include "lib/sort_template.h"

/* Those of one window. */
#define ST_SORT sort_by_hash
#define ST_ELEMENT_TYPE PendingRow
#define ST_COMPARE(a, b) ((a)->hash < (b)->hash ? -1 : (a)->hash > (b)->hash)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static void
sort_rows(WeirRunWriter *writer)
{
	if (writer->has_windows)
		sort_pending(writer->rows, writer->nrows);
	else
		sort_by_hash(writer->rows, writer->nrows);
}

static void
insert_chunks(WeirRunWriter *writer)
{
	int			i;

	if (writer->nslots == 0)
		return;
	table_multi_insert(writer->rel, writer->slots, writer->nslots,
					   GetCurrentCommandId(true), 0, writer->bulk);
	for (i = 0; i < writer->nslots; i++)
	{
		TupleTableSlot *slot = writer->slots[i];
		Datum		values[Natts_index];
		bool		isnull[Natts_index];

		values[0] = slot_getattr(slot, Anum_window_end, &isnull[0]);
		values[1] = slot_getattr(slot, Anum_window_start, &isnull[1]);
		values[2] = slot_getattr(slot, Anum_spread, &isnull[2]);
		values[3] = slot_getattr(slot, Anum_hash_lo, &isnull[3]);
		values[4] = slot_getattr(slot, Anum_hash_hi, &isnull[4]);
		index_insert(writer->index, values, isnull, &slot->tts_tid,
					 writer->rel, UNIQUE_CHECK_NO, false, writer->index_info);
		ExecClearTuple(slot);
	}
	writer->nslots = 0;
	MemoryContextReset(writer->chunk_context);
}

/* The least end and the least start of the sessions from first to before end. */
static void
least_session(WeirRunWriter *writer, const PendingRow *first,
			  const PendingRow *end, Timestamp *window_end,
			  Timestamp *window_start)
{
	const PendingRow *row;

	*window_end = *window_start = DT_NOEND;
	for (row = first; row < end; row++)
	{
		const char *from = row->bytes;

		if (!weir_row_get(writer->packer, &from, row->bytes + row->size,
						  writer->values, writer->isnull))
			elog(ERROR, "could not read a packed row");
		*window_end = Min(*window_end, DatumGetTimestamp(writer->values[0]));
		*window_start = Min(*window_start, DatumGetTimestamp(writer->values[1]));
	}
}

/* In the writer's context. */
static TupleTableSlot *
next_slot(WeirRunWriter *writer)
{
	TupleTableSlot **slot = &writer->slots[writer->nslots];

	if (*slot == NULL)
		*slot = MakeSingleTupleTableSlot(RelationGetDescr(writer->rel),
										 &TTSOpsVirtual);
	return *slot;
}

/* Pack the rows from first to before end into a chunk. */
static void
add_chunk(WeirRunWriter *writer, const PendingRow *first,
		  const PendingRow *end, Size size)
{
	TupleTableSlot *slot = next_slot(writer);
	MemoryContext old = MemoryContextSwitchTo(writer->chunk_context);
	bytea	   *data = palloc(VARHDRSZ + size);
	char	   *directory = VARDATA(data) + RUN_HEADER_SIZE;
	uint32		ngroups = run_directory_groups(end - first);
	char	   *start;
	char	   *to;
	const PendingRow *row;
	RunHeader	header;
	Timestamp	window_end;
	Timestamp	window_start;

	SET_VARSIZE(data, VARHDRSZ + size);
	memset(&header, 0, sizeof(header));
	header.version = RUN_FORMAT_VERSION;
	header.server_major = WEIR_SERVER_MAJOR;
	header.natts = writer->row_desc->natts;
	header.nrows = end - first;
	header.fingerprint = writer->def->fingerprint;
	start = to = directory + ngroups * RUN_GROUP_SIZE;
	for (row = first; row < end; row++)
	{
		if (ngroups > 0 && (row - first) % RUN_GROUP_ROWS == 0)
			run_directory_put(directory, (row - first) / RUN_GROUP_ROWS,
							  row->hash, to - start);
		memcpy(to, row->bytes, row->size);
		to += row->size;
	}
	Assert(to == VARDATA(data) + size);
	memcpy(VARDATA(data), &header, sizeof(header));
	header.checksum = weir_runs_checksum(VARDATA(data), size);
	memcpy(VARDATA(data), &header, sizeof(header));

	window_end = first->window_end;
	window_start = first->window_start;
	if (writer->def->is_session)
		least_session(writer, first, end, &window_end, &window_start);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, Natts_run);
	slot->tts_values[Anum_window_end - 1] = TimestampGetDatum(window_end);
	slot->tts_values[Anum_window_start - 1] = TimestampGetDatum(window_start);
	slot->tts_values[Anum_level - 1] = Int32GetDatum(writer->level);
	slot->tts_values[Anum_spread - 1] =
		Int16GetDatum((int16) run_spread(first->hash, (end - 1)->hash));
	slot->tts_values[Anum_run - 1] =
		Int64GetDatum((int64) U64FromFullTransactionId(GetCurrentFullTransactionId()));
	slot->tts_values[Anum_hash_lo - 1] = Int32GetDatum(hash_position(first->hash));
	slot->tts_values[Anum_hash_hi - 1] = Int32GetDatum(hash_position((end - 1)->hash));
	slot->tts_values[Anum_nrows - 1] = Int32GetDatum((int32) header.nrows);
	slot->tts_values[Anum_data - 1] = PointerGetDatum(data);
	ExecStoreVirtualTuple(slot);
	MemoryContextSwitchTo(old);

	if (++writer->nslots == RUN_INSERT_CHUNKS)
		insert_chunks(writer);
}

/* Bytes of a chunk of so many rows of so many bytes. */
static Size
chunk_size(uint32 nrows, Size bytes)
{
	return RUN_HEADER_SIZE + run_directory_groups(nrows) * RUN_GROUP_SIZE + bytes;
}

/* Pack and write the rows from first to before end, which are in order. */
static void
write_rows(WeirRunWriter *writer, const PendingRow *first, const PendingRow *end)
{
	const PendingRow *row;
	Size		bytes = 0;
	MemoryContext old;

	if (first == end)
		return;
	/* we may be called by an executor, but what we need outlives it */
	old = MemoryContextSwitchTo(writer->context);
	if (end - first > 1000 && writer->bulk == NULL)
		writer->bulk = GetBulkInsertState();
	writer->total += end - first;
	for (row = first; row < end; row++)
	{
		if (row > first &&
			(row->window_end != first->window_end ||
			 row->window_start != first->window_start ||
			 chunk_size(row + 1 - first, bytes + row->size) > RUN_DATA_MAX))
		{
			add_chunk(writer, first, row, chunk_size(row - first, bytes));
			first = row;
			bytes = 0;
		}
		bytes += row->size;
	}
	add_chunk(writer, first, end, chunk_size(end - first, bytes));
	insert_chunks(writer);
	MemoryContextSwitchTo(old);
}

/* Pack and write what has been received. */
static void
flush_rows(WeirRunWriter *writer)
{
	sort_rows(writer);
	write_rows(writer, writer->rows, writer->rows + writer->nrows);
	writer->nrows = 0;
	writer->has_windows = false;
	writer->bytes = 0;
	writer->room_left = 0;
	MemoryContextReset(writer->row_context);
}

/* Invariant 3. */
static void
fetch_external_values(WeirRunWriter *writer, Datum *values,
					  const bool *isnull)
{
	int			i;

	for (i = 0; i < writer->row_desc->natts; i++)
	{
		if (!isnull[i] && TupleDescAttr(writer->row_desc, i)->attlen == -1 &&
			VARATT_IS_EXTERNAL(DatumGetPointer(values[i])))
			values[i] = PointerGetDatum(detoast_external_attr((struct varlena *)
															  DatumGetPointer(values[i])));
	}
}

/* Room for so many bytes; what is used of it is to be taken. */
static char *
make_room(WeirRunWriter *writer, Size size)
{
	if (size > writer->room_left)
	{
		writer->room_left = Max(size, ROW_BLOCK);
		writer->room = MemoryContextAllocHuge(writer->row_context,
											  writer->room_left);
	}
	return writer->room;
}

static void
pack_row(WeirRunWriter *writer, PendingRow *row, const Datum *values,
		 const bool *isnull)
{
	Size		size = writer->max_row > 0 ? writer->max_row :
		weir_row_size(writer->packer, values, isnull);
	char	   *end;

	if (size > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("state row of %zu bytes is too large", size)));
	row->bytes = make_room(writer, size);
	end = weir_row_put(writer->packer, row->bytes, values, isnull);
	row->size = (uint32) (end - row->bytes);
	writer->room = end;
	writer->room_left -= row->size;
}

static bool
receive_state(TupleTableSlot *slot, DestReceiver *self)
{
	WeirRunWriter *writer = (WeirRunWriter *) self;
	int			nwindow = writer->def->nwindow;
	int			skipped = chunk_columns(writer->def);
	MemoryContext old;
	PendingRow *row;

	slot_getallattrs(slot);
	if (writer->nrows == writer->max_rows)
	{
		writer->max_rows *= 2;
		writer->rows = repalloc_huge(writer->rows,
									 sizeof(PendingRow) * writer->max_rows);
	}
	row = &writer->rows[writer->nrows++];
	row->window_end = skipped > 0 ?
		DatumGetTimestamp(slot->tts_values[0]) : DT_NOEND;
	row->window_start = skipped > 0 ?
		DatumGetTimestamp(slot->tts_values[1]) : DT_NOEND;
	if (row->window_end != writer->rows->window_end ||
		row->window_start != writer->rows->window_start)
		writer->has_windows = true;

	old = MemoryContextSwitchTo(writer->tmp_context);
	row->hash = weir_runs_hash_keys(&writer->hasher, slot->tts_values + nwindow,
									slot->tts_isnull + nwindow);
	if (writer->max_row == 0)
		fetch_external_values(writer, slot->tts_values + skipped,
							  slot->tts_isnull + skipped);
	pack_row(writer, row, slot->tts_values + skipped,
			 slot->tts_isnull + skipped);
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->tmp_context);

	writer->bytes += row->size + sizeof(PendingRow);
	if (writer->bytes > writer->max_bytes)
		flush_rows(writer);
	return true;
}

WeirRunWriter *
weir_runs_begin_write(WeirDefinition *def, Oid relid, int32 level)
{
	WeirRunWriter *writer = palloc0(sizeof(WeirRunWriter));

	weir_receiver_init(&writer->pub, receive_state);
	writer->def = def;
	writer->level = level;
	writer->row_desc = weir_runs_packed_desc(def);
	writer->packer = weir_row_packer(writer->row_desc);
	writer->max_row = weir_row_max_size(writer->packer);
	writer->values = palloc(sizeof(Datum) * writer->row_desc->natts);
	writer->isnull = palloc(sizeof(bool) * writer->row_desc->natts);
	weir_runs_init_hasher(&writer->hasher, def);
	writer->rel = table_open(relid, RowExclusiveLock);
	writer->index = index_open(weir_runs_index(writer->rel), RowExclusiveLock);
	writer->index_info = BuildIndexInfo(writer->index);
	writer->max_rows = 256;
	writer->rows = palloc(sizeof(PendingRow) * writer->max_rows);
	writer->max_bytes = (Size) maintenance_work_mem * 1024;
	writer->context = CurrentMemoryContext;
	writer->row_context = AllocSetContextCreate(CurrentMemoryContext,
												"weir state rows",
												ALLOCSET_DEFAULT_SIZES);
	writer->chunk_context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir state chunks",
												  ALLOCSET_DEFAULT_SIZES);
	writer->tmp_context = AllocSetContextCreate(CurrentMemoryContext,
												"weir state values",
												ALLOCSET_DEFAULT_SIZES);
	return writer;
}

DestReceiver *
weir_runs_receiver(WeirRunWriter *writer)
{
	return &writer->pub;
}

WeirHeldRows *
weir_runs_hold(WeirRunWriter *writer, Timestamp until)
{
	WeirHeldRows *held;
	int			n = 0;

	Assert(!writer->def->is_session);
	sort_rows(writer);
	while (n < writer->nrows && writer->rows[n].window_end <= until)
		n++;
	if (n == 0)
		return NULL;
	write_rows(writer, writer->rows + n, writer->rows + writer->nrows);
	held = MemoryContextAlloc(writer->row_context, sizeof(WeirHeldRows));
	held->rows = writer->rows;
	held->nrows = n;
	held->context = writer->row_context;
	/* they are not the writer's any more */
	writer->rows = NULL;
	writer->nrows = writer->max_rows = 0;
	writer->row_context = NULL;
	return held;
}

int64
weir_runs_held_rows(const WeirHeldRows *held)
{
	return held->nrows;
}

Timestamp
weir_runs_held_first_end(const WeirHeldRows *held)
{
	return held->rows[0].window_end;
}

void
weir_runs_release(WeirHeldRows *held)
{
	pfree(held->rows);
	MemoryContextDelete(held->context);
}

int64
weir_runs_end_write(WeirRunWriter *writer)
{
	int			i;

	if (writer->nrows > 0)
		flush_rows(writer);
	for (i = 0; i < RUN_INSERT_CHUNKS && writer->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	if (writer->bulk != NULL)
	{
		FreeBulkInsertState(writer->bulk);
		table_finish_bulk_insert(writer->rel, 0);
	}
	index_close(writer->index, NoLock);
	table_close(writer->rel, NoLock);
	if (writer->row_context != NULL)
		MemoryContextDelete(writer->row_context);
	MemoryContextDelete(writer->chunk_context);
	MemoryContextDelete(writer->tmp_context);
	return writer->total;
}
