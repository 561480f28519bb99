/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  Stored state: state rows packed into runs.
 *
 * A tick writes the states of the groups its rows belong to as a run, and
 * never looks at what is there already: states of the same group in several
 * runs are combined by whoever reads them.  Merging runs is left to the
 * background (compact.c) and to closing (closing.c).
 *
 * The state of aggregate N is the table weir._state_N.  Its rows are chunks:
 *
 *		window_end, window_start	of the window, or pane, that all state rows
 *									in the chunk belong to; a running aggregate
 *									has 'infinity' in both
 *		level						0 as written by a tick; merged runs are one
 *									above the highest level they were made of
 *		run							chunks with the same number, window and
 *									level are one run; the number is the xid
 *									of the (sub)transaction that wrote it
 *		hash_lo, hash_hi			range of the hashes of the keys in it, as
 *									signed numbers in unsigned order
 *		nrows						state rows in the chunk
 *		data						the state rows
 *
 * A chunk takes about a page; within a run the chunks of a window follow each
 * other by hash, so that a reader of one group opens one chunk of each run:
 * the index finds it without a look at the others.
 * A state row too large for a page is a chunk of its own, and TOASTed.
 *
 * Bytes of data, after the varlena header, in the server's byte order:
 *
 *		offset	size	meaning								example
 *		0		1		format version						01
 *		1		1		server major version				0f (15)
 *		2		2		columns of a state row				03 00
 *		4		4		state rows							02 00 00 00
 *		8		4		fingerprint of the definition		d1 7a 03 9c
 *		12		4		zero								00 00 00 00
 *		16				state rows: MinimalTuples, each padded to a multiple
 *						of MAXIMUM_ALIGNOF; first their t_len, see htup_details.h
 *
 * The columns of a state row are the keys and the states; those of the window
 * are in the chunk.  Sessions differ from key to key: there a state row has
 * all columns, and the chunk the least window_end and window_start in it.
 *
 * Invariants:
 *	1. Chunks are inserted and deleted, never updated.
 *	2. Chunks are deleted by closing and merging only, under
 *	   weir_aggregate_lock_state, in the transaction that makes the result.
 *	3. No value in a state row is out of line: it is fetched before it is
 *	   packed.
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
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/runs.h"

#define RUN_FORMAT_VERSION	1

/* Data of a chunk with several rows; a whole tuple is at most 8160 bytes. */
#define RUN_DATA_MAX		8064

/* Chunks that are inserted at once. */
#define RUN_INSERT_CHUNKS	32

typedef struct RunHeader
{
	uint8		version;
	uint8		server_major;
	uint16		natts;
	uint32		nrows;
	uint32		fingerprint;
	uint32		reserved;
} RunHeader;

#define RUN_HEADER_SIZE		MAXALIGN(sizeof(RunHeader))

enum
{
	Anum_window_end = 1,
	Anum_window_start,
	Anum_level,
	Anum_run,
	Anum_hash_lo,
	Anum_hash_hi,
	Anum_nrows,
	Anum_data,
	Natts_run = Anum_data
};

/* columns of the index: window_end, window_start, hash_lo, hash_hi */
#define Natts_index			4

/* A state row that waits to be packed. */
typedef struct PendingRow
{
	Timestamp	window_end;		/* for sessions, none */
	Timestamp	window_start;
	uint32		hash;
	MinimalTuple tuple;
} PendingRow;

/* keys of a definition, ready to be hashed */
typedef struct KeyHasher
{
	int			nkeys;
	FmgrInfo   *functions;		/* fn_oid is 0 where the type has no hash */
	Oid		   *collations;
} KeyHasher;

struct WeirRunWriter
{
	DestReceiver pub;
	WeirDefinition *def;
	TupleDesc	row_desc;		/* keys and states */
	KeyHasher	hasher;
	int32		level;
	Relation	rel;
	Relation	index;
	IndexInfo  *index_info;
	BulkInsertState bulk;
	PendingRow *rows;
	int			nrows;
	int			max_rows;
	Size		bytes;			/* in row_context */
	Size		max_bytes;
	int64		total;			/* rows written so far */
	MemoryContext row_context;
	MemoryContext chunk_context;
	MemoryContext tmp_context;
	TupleTableSlot *slots[RUN_INSERT_CHUNKS];
	int			nslots;
};

struct WeirRunReader
{
	WeirStateSource source;
	WeirDefinition *def;
	TupleDesc	row_desc;
	WeirRunRange range;
	Relation	rel;
	SysScanDesc scan;
	MemoryContext context;		/* that of the scan */
	ItemPointerData *tids;		/* chunks read, and their windows' ends */
	Timestamp  *ends;
	int			nread;
	int			max_read;
	Timestamp	window_end;		/* of the current chunk */
	Timestamp	window_start;
	char	   *data;			/* its bytes, aligned */
	Size		data_size;
	Size		max_data;
	Size		offset;
	uint32		rows_left;
};

/* ---------- the state table ---------- */

static char *
state_name(int32 aggregate_id)
{
	return psprintf("_state_%d", aggregate_id);
}

Oid
weir_runs_relid(int32 aggregate_id)
{
	return get_relname_relid(state_name(aggregate_id),
							 weir_schema_oid());
}

/*
 * The table is the extension's, so that it is neither dumped (state is made
 * again from the rows) nor dropped by hand.  A stream that is a queue has no
 * rows but those not consumed yet: there the state has to be dumped, and the
 * table is one that happens to be in schema weir.
 */
void
weir_runs_set_dumped(int32 aggregate_id, bool is_dumped)
{
	Oid			relid = weir_runs_relid(aggregate_id);
	bool		is_member = OidIsValid(getExtensionOfObject(RelationRelationId,
															relid));

	if (is_member && is_dumped)
		weir_leave_extension(relid);
	else if (!is_member && !is_dumped)
		weir_join_extension(relid);
}

void
weir_runs_create(int32 aggregate_id, bool is_dumped)
{
	const char *name = state_name(aggregate_id);
	WeirIdentity identity;

	weir_become_extension_owner(&identity);
	weir_execute("CREATE TABLE %s.%s ("
				 "window_end timestamp NOT NULL, "
				 "window_start timestamp NOT NULL, "
				 "level int4 NOT NULL, "
				 "run int8 NOT NULL, "
				 "hash_lo int4 NOT NULL, "
				 "hash_hi int4 NOT NULL, "
				 "nrows int4 NOT NULL, "
				 "data bytea NOT NULL) "
				 "WITH (toast_tuple_target = 8160)", WEIR_SCHEMA, name);
	weir_execute("ALTER TABLE %s.%s ALTER COLUMN data SET STORAGE EXTERNAL",
				 WEIR_SCHEMA, name);
	weir_execute("CREATE INDEX ON %s.%s (window_end, window_start, hash_lo, hash_hi)",
				 WEIR_SCHEMA, name);
	weir_restore_identity(&identity);
	weir_runs_set_dumped(aggregate_id, is_dumped);
}

void
weir_runs_drop(int32 aggregate_id)
{
	Oid			relid = weir_runs_relid(aggregate_id);
	ObjectAddress table;

	if (!OidIsValid(relid))
		return;
	weir_runs_set_dumped(aggregate_id, true);
	ObjectAddressSet(table, RelationRelationId, relid);
	performDeletion(&table, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

/* oid of the one index of the state table */
static Oid
state_index(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);

	if (list_length(indexes) != 1)
		elog(ERROR, "state table \"%s\" has %d indexes",
			 RelationGetRelationName(rel), list_length(indexes));
	return linitial_oid(indexes);
}

/* columns in front of a state row that are not packed with it */
static inline int
chunk_columns(const WeirDefinition *def)
{
	return def->is_session ? 0 : def->nwindow;
}

/* the columns of state rows that are packed */
static TupleDesc
packed_desc(const WeirDefinition *def)
{
	int			skipped = chunk_columns(def);
	int			natts = def->state_desc->natts - skipped;
	TupleDesc	desc = CreateTemplateTupleDesc(natts);
	int			i;

	for (i = 1; i <= natts; i++)
		TupleDescCopyEntry(desc, i, def->state_desc, i + skipped);
	return desc;
}

/* ---------- hashing of keys ---------- */

static void
init_hasher(KeyHasher *hasher, const WeirDefinition *def)
{
	ListCell   *lc;

	hasher->nkeys = def->nkeys;
	hasher->functions = palloc0(sizeof(FmgrInfo) * Max(def->nkeys, 1));
	hasher->collations = palloc0(sizeof(Oid) * Max(def->nkeys, 1));
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);
		int			i = foreach_current_index(lc);
		RegProcedure left;
		RegProcedure right;

		if (key->hashable && get_op_hash_functions(key->eqop, &left, &right))
			fmgr_info(left, &hasher->functions[i]);
		hasher->collations[i] = key->collation;
	}
}

/* Keys whose type has no hash function don't count. */
static uint32
hash_keys(KeyHasher *hasher, const Datum *values, const bool *isnull)
{
	uint32		hash = 0;
	int			i;

	for (i = 0; i < hasher->nkeys; i++)
	{
		hash = (hash << 1) | (hash >> 31);
		if (!isnull[i] && OidIsValid(hasher->functions[i].fn_oid))
			hash ^= DatumGetUInt32(FunctionCall1Coll(&hasher->functions[i],
													 hasher->collations[i],
													 values[i]));
	}
	return hash;
}

uint32
weir_runs_hash(WeirDefinition *def, const Datum *keys, const bool *isnull)
{
	KeyHasher	hasher;

	init_hasher(&hasher, def);
	return hash_keys(&hasher, keys, isnull);
}

/* signed numbers in the order of the unsigned ones */
static inline int32
hash_position(uint32 hash)
{
	return (int32) (hash ^ 0x80000000U);
}

/* ---------- writing ---------- */

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
		values[2] = slot_getattr(slot, Anum_hash_lo, &isnull[2]);
		values[3] = slot_getattr(slot, Anum_hash_hi, &isnull[3]);
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
		HeapTupleData tuple;
		bool		isnull;
		Timestamp	value;

		tuple.t_len = row->tuple->t_len + MINIMAL_TUPLE_OFFSET;
		tuple.t_data = (HeapTupleHeader) ((char *) row->tuple - MINIMAL_TUPLE_OFFSET);
		value = DatumGetTimestamp(heap_getattr(&tuple, 1, writer->row_desc, &isnull));
		*window_end = Min(*window_end, value);
		value = DatumGetTimestamp(heap_getattr(&tuple, 2, writer->row_desc, &isnull));
		*window_start = Min(*window_start, value);
	}
}

/* Pack the rows from first to before end into a chunk. */
static void
add_chunk(WeirRunWriter *writer, const PendingRow *first,
		  const PendingRow *end, Size size)
{
	MemoryContext old = MemoryContextSwitchTo(writer->chunk_context);
	TupleTableSlot *slot = writer->slots[writer->nslots];
	bytea	   *data = palloc0(VARHDRSZ + size);
	char	   *to = VARDATA(data) + RUN_HEADER_SIZE;
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
	memcpy(VARDATA(data), &header, sizeof(header));
	for (row = first; row < end; row++)
	{
		memcpy(to, row->tuple, row->tuple->t_len);
		to += MAXALIGN(row->tuple->t_len);
	}
	Assert(to == VARDATA(data) + size);

	window_end = first->window_end;
	window_start = first->window_start;
	if (writer->def->is_session)
		least_session(writer, first, end, &window_end, &window_start);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, Natts_run);
	slot->tts_values[Anum_window_end - 1] = TimestampGetDatum(window_end);
	slot->tts_values[Anum_window_start - 1] = TimestampGetDatum(window_start);
	slot->tts_values[Anum_level - 1] = Int32GetDatum(writer->level);
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

/* Pack and write what has been received. */
static void
flush_rows(WeirRunWriter *writer)
{
	PendingRow *first = writer->rows;
	PendingRow *end = writer->rows + writer->nrows;
	PendingRow *row;
	Size		size = RUN_HEADER_SIZE;

	if (writer->nrows == 0)
		return;
	sort_pending(writer->rows, writer->nrows);
	if (writer->nrows > 1000 && writer->bulk == NULL)
		writer->bulk = GetBulkInsertState();
	for (row = first; row < end; row++)
	{
		Size		length = MAXALIGN(row->tuple->t_len);

		if (row > first &&
			(row->window_end != first->window_end ||
			 row->window_start != first->window_start ||
			 size + length > RUN_DATA_MAX))
		{
			add_chunk(writer, first, row, size);
			first = row;
			size = RUN_HEADER_SIZE;
		}
		size += length;
	}
	add_chunk(writer, first, end, size);
	insert_chunks(writer);

	writer->total += writer->nrows;
	writer->nrows = 0;
	writer->bytes = 0;
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

	old = MemoryContextSwitchTo(writer->tmp_context);
	row->hash = hash_keys(&writer->hasher, slot->tts_values + nwindow,
						  slot->tts_isnull + nwindow);
	fetch_external_values(writer, slot->tts_values + skipped,
						  slot->tts_isnull + skipped);
	MemoryContextSwitchTo(writer->row_context);
	row->tuple = WeirFormMinimalTuple(writer->row_desc,
									  slot->tts_values + skipped,
									  slot->tts_isnull + skipped);
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->tmp_context);

	writer->bytes += row->tuple->t_len + sizeof(PendingRow);
	if (writer->bytes > writer->max_bytes)
		flush_rows(writer);
	return true;
}

static void
writer_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
writer_nothing(DestReceiver *self)
{
}

WeirRunWriter *
weir_runs_begin_write(WeirDefinition *def, Oid relid, int32 level)
{
	WeirRunWriter *writer = palloc0(sizeof(WeirRunWriter));
	int			i;

	writer->pub.receiveSlot = receive_state;
	writer->pub.rStartup = writer_startup;
	writer->pub.rShutdown = writer_nothing;
	writer->pub.rDestroy = writer_nothing;
	writer->pub.mydest = DestNone;
	writer->def = def;
	writer->level = level;
	writer->row_desc = packed_desc(def);
	init_hasher(&writer->hasher, def);
	writer->rel = table_open(relid, RowExclusiveLock);
	writer->index = index_open(state_index(writer->rel), RowExclusiveLock);
	writer->index_info = BuildIndexInfo(writer->index);
	writer->max_rows = 256;
	writer->rows = palloc(sizeof(PendingRow) * writer->max_rows);
	writer->max_bytes = (Size) maintenance_work_mem * 1024;
	writer->row_context = AllocSetContextCreate(CurrentMemoryContext,
												"weir state rows",
												ALLOCSET_DEFAULT_SIZES);
	writer->chunk_context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir state chunks",
												  ALLOCSET_DEFAULT_SIZES);
	writer->tmp_context = AllocSetContextCreate(CurrentMemoryContext,
												"weir state values",
												ALLOCSET_DEFAULT_SIZES);
	for (i = 0; i < RUN_INSERT_CHUNKS; i++)
		writer->slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(writer->rel),
													&TTSOpsVirtual);
	return writer;
}

DestReceiver *
weir_runs_receiver(WeirRunWriter *writer)
{
	return &writer->pub;
}

int64
weir_runs_end_write(WeirRunWriter *writer)
{
	int			i;

	flush_rows(writer);
	for (i = 0; i < RUN_INSERT_CHUNKS; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	if (writer->bulk != NULL)
	{
		FreeBulkInsertState(writer->bulk);
		table_finish_bulk_insert(writer->rel, 0);
	}
	index_close(writer->index, NoLock);
	table_close(writer->rel, NoLock);
	MemoryContextDelete(writer->row_context);
	MemoryContextDelete(writer->chunk_context);
	MemoryContextDelete(writer->tmp_context);
	return writer->total;
}

/* ---------- reading ---------- */

static void
corrupted(WeirRunReader *reader, const char *what)
{
	ItemPointer tid = &reader->tids[reader->nread - 1];

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
	reader->tids[reader->nread] = tuple->t_self;
	reader->ends[reader->nread] = reader->window_end;
	reader->nread++;
}

/* Copy the bytes to where they are aligned. */
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
		tuple = systable_getnext(reader->scan);
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

static bool
read_state(WeirStateSource *source, TupleTableSlot *slot)
{
	WeirRunReader *reader = (WeirRunReader *) source;
	int			skipped = chunk_columns(reader->def);
	HeapTupleData tuple;
	MinimalTuple packed;
	Size		left;

	while (reader->rows_left == 0)
	{
		if (!next_chunk(reader))
			return false;
	}
	left = reader->data_size - reader->offset;
	packed = (MinimalTuple) (reader->data + reader->offset);
	if (left < SizeofMinimalTupleHeader || packed->t_len > left ||
		packed->t_len < SizeofMinimalTupleHeader ||
		HeapTupleHeaderGetNatts(packed) != reader->row_desc->natts ||
		packed->t_hoff > packed->t_len + MINIMAL_TUPLE_OFFSET)
		corrupted(reader, psprintf("There is no state row at byte %zu.",
								   reader->offset));
	reader->offset += MAXALIGN(packed->t_len);
	reader->rows_left--;

	tuple.t_len = packed->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) packed - MINIMAL_TUPLE_OFFSET);
	heap_deform_tuple(&tuple, reader->row_desc, slot->tts_values + skipped,
					  slot->tts_isnull + skipped);
	if (skipped > 0)
	{
		slot->tts_values[0] = TimestampGetDatum(reader->window_end);
		slot->tts_values[1] = TimestampGetDatum(reader->window_start);
		slot->tts_isnull[0] = slot->tts_isnull[1] = false;
	}
	ExecStoreVirtualTuple(slot);
	return true;
}

WeirRunReader *
weir_runs_begin_read(WeirDefinition *def, Oid relid,
					 const WeirRunRange *range, Snapshot snapshot)
{
	WeirRunReader *reader = palloc0(sizeof(WeirRunReader));
	ScanKeyData keys[5];
	int			nkeys = 0;

	reader->context = CurrentMemoryContext;
	reader->source.next = read_state;
	reader->def = def;
	reader->row_desc = packed_desc(def);
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
	reader->scan = systable_beginscan(reader->rel, state_index(reader->rel),
									  nkeys > 0, snapshot, nkeys, keys);
	return reader;
}

WeirStateSource *
weir_runs_source(WeirRunReader *reader)
{
	return &reader->source;
}

void
weir_runs_end_read(WeirRunReader *reader)
{
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

/* ---------- what there is ---------- */

bool
weir_runs_first_end(Oid relid, Snapshot snapshot, Timestamp *end)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Relation	index = index_open(state_index(rel), AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(rel, index, snapshot, 0, NULL);
	HeapTuple	tuple = systable_getnext_ordered(scan, ForwardScanDirection);
	bool		isnull;

	if (tuple != NULL)
		*end = DatumGetTimestamp(heap_getattr(tuple, Anum_window_end,
											  RelationGetDescr(rel), &isnull));
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, NoLock);
	return tuple != NULL;
}

/* Runs of one window, by level. */
#define RUN_MAX_LEVELS		16

typedef struct WindowRuns
{
	bool		valid;
	Timestamp	window_end;
	Timestamp	window_start;
	List	   *runs[RUN_MAX_LEVELS];	/* of "level"s: numbers, as bigints */
} WindowRuns;

static bool
has_run(List *runs, int64 run)
{
	ListCell   *lc;

	foreach(lc, runs)
	{
		if (*(int64 *) lfirst(lc) == run)
			return true;
	}
	return false;
}

static void
judge_window(WeirRunStats *stats, const WindowRuns *window)
{
	int32		level;

	if (!window->valid)
		return;
	stats->windows++;
	for (level = RUN_MAX_LEVELS - 1; level >= 0 && !stats->needs_merge; level--)
	{
		if (list_length(window->runs[level]) >= WEIR_RUN_FANOUT)
		{
			stats->needs_merge = true;
			stats->window_end = window->window_end;
			stats->window_start = window->window_start;
			stats->max_level = level;
		}
	}
}

static void
add_to_window(WindowRuns *window, const Datum *values)
{
	int32		level = DatumGetInt32(values[Anum_level - 1]);
	int64		run = DatumGetInt64(values[Anum_run - 1]);

	level = Min(Max(level, 0), RUN_MAX_LEVELS - 1);
	if (list_length(window->runs[level]) < WEIR_RUN_FANOUT &&
		!has_run(window->runs[level], run))
	{
		int64	   *copy = palloc(sizeof(int64));

		*copy = run;
		window->runs[level] = lappend(window->runs[level], copy);
	}
}

void
weir_runs_stats(Oid relid, bool is_session, Snapshot snapshot,
				WeirRunStats *stats)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Relation	index = index_open(state_index(rel), AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(rel, index, snapshot, 0, NULL);
	HeapTuple	tuple;
	WindowRuns	window;

	memset(stats, 0, sizeof(*stats));
	memset(&window, 0, sizeof(window));
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[Natts_run];
		bool		isnull[Natts_run];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		if (!window.valid ||
			(!is_session &&
			 (window.window_end != DatumGetTimestamp(values[Anum_window_end - 1]) ||
			  window.window_start != DatumGetTimestamp(values[Anum_window_start - 1]))))
		{
			judge_window(stats, &window);
			memset(&window, 0, sizeof(window));
			window.valid = true;
			window.window_end = DatumGetTimestamp(values[Anum_window_end - 1]);
			window.window_start = DatumGetTimestamp(values[Anum_window_start - 1]);
		}
		add_to_window(&window, values);
		stats->rows += DatumGetInt32(values[Anum_nrows - 1]);
		stats->bytes += toast_raw_datum_size(values[Anum_data - 1]);
	}
	judge_window(stats, &window);
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, NoLock);
}
