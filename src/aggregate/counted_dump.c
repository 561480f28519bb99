/*-------------------------------------------------------------------------
 *
 * counted_dump.c
 *	  What a dump takes along of the rows that aggregates have counted.
 *
 * weir._counted_now() is what pg_dump reads in place of the table weir._counted,
 * under the snapshot of the dump, which all its processes share.  For each cursor
 * of aggregates whose state is dumped it makes a set (counted.c): the digests of
 * the rows that are dumped, less those of the rows that the cursor has yet to
 * consume.
 * Sets that have come with an earlier dump and are still needed are taken as
 * they are.  An aggregate over another one whose state is dumped has a set
 * without digests.
 *
 * Rows are read as the dump reads them: with the rights of its user and, if it
 * enables row security, as that lets them through.  What waits is read in full.
 *
 * Nothing is read and sorted if as many rows wait as there are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/counted.h"
#include "aggregate/row_digest.h"
#include "aggregate/runs.h"
#include "stream/batch.h"
#include "stream/cursor.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(weir__counted_now);

#define PART_SIZE	(WEIR_COUNTED_PART_DIGESTS * WEIR_DIGEST_SIZE)

/* Sets on their way into the dump. */
typedef struct Output
{
	ReturnSetInfo *result;
	int32		set_id;			/* of the present set */
	int32		parts;			/* of it, so far */
	bytea	   *digests;		/* the part that is being filled */
	Size		used;
} Output;

/* Aggregates that share a cursor. */
typedef struct Sharers
{
	int32		cursor_id;
	int32		stream_id;
	List	   *aggregate_ids;
} Sharers;

/* ----------------------------------------------------------------
 *		Writing
 * ----------------------------------------------------------------
 */

static void
put_row(Output *output, int32 part, Datum *values, bool *nulls)
{
	values[COUNTED_SET_ID - 1] = Int32GetDatum(output->set_id);
	values[COUNTED_PART - 1] = Int32GetDatum(part);
	nulls[COUNTED_SET_ID - 1] = nulls[COUNTED_PART - 1] = false;
	tuplestore_putvalues(output->result->setResult, output->result->setDesc,
						 values, nulls);
}

static void
put_digests(Output *output, bytea *digests)
{
	Datum		values[COUNTED_NATTS] = {0};
	bool		nulls[COUNTED_NATTS];

	memset(nulls, true, sizeof(nulls));
	values[COUNTED_DIGESTS - 1] = PointerGetDatum(digests);
	nulls[COUNTED_DIGESTS - 1] = false;
	put_row(output, output->parts++, values, nulls);
}

static void
begin_set(Output *output)
{
	output->set_id++;
	output->parts = 1;
	output->used = 0;
}

static void
flush_digests(Output *output)
{
	if (output->used == 0)
		return;
	SET_VARSIZE(output->digests, VARHDRSZ + output->used);
	put_digests(output, output->digests);
	output->used = 0;
}

static void
add_digest(Output *output, const unsigned char *digest)
{
	if (output->used == PART_SIZE)
		flush_digests(output);
	memcpy(VARDATA(output->digests) + output->used, digest, WEIR_DIGEST_SIZE);
	output->used += WEIR_DIGEST_SIZE;
}

static void
end_set(Output *output, List *aggregate_ids, const int64 *state_chunks,
		int64 waiting_rows, uint64 waiting_sum)
{
	Datum		values[COUNTED_NATTS] = {0};
	bool		nulls[COUNTED_NATTS] = {0};

	flush_digests(output);
	values[COUNTED_PARTS - 1] = Int32GetDatum(output->parts);
	values[COUNTED_AGGREGATE_IDS - 1] = weir_counted_id_array(aggregate_ids);
	values[COUNTED_STATE_CHUNKS - 1] =
		weir_counted_chunk_array(state_chunks, list_length(aggregate_ids));
	values[COUNTED_WAITING_ROWS - 1] = Int64GetDatum(waiting_rows);
	values[COUNTED_WAITING_SUM - 1] = Int64GetDatum((int64) waiting_sum);
	nulls[COUNTED_DIGESTS - 1] = true;
	put_row(output, 0, values, nulls);
}

/* Chunks of state; none if it is gone since. */
static int64
count_state(int32 aggregate_id, Snapshot snapshot)
{
	Oid			relid = weir_runs_relid(aggregate_id);

	return OidIsValid(relid) ? weir_runs_count_chunks(relid, snapshot) : 0;
}

/* ----------------------------------------------------------------
 *		Sets that have been restored, and not used up
 * ----------------------------------------------------------------
 */

/*
 * Of one that has been started, what there is: chunks of it may have been merged.
 */
static void
renew_state_chunks(WeirCountedSet *set, Snapshot snapshot)
{
	ListCell   *lc;

	foreach(lc, set->aggregate_ids)
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), snapshot, &agg) && agg.is_ready)
			set->state_chunks[foreach_current_index(lc)] =
				count_state(agg.id, snapshot);
	}
}

static void
copy_part(bytea *digests, void *arg)
{
	put_digests(arg, digests);
}

/* One that is not complete yet is not complete in the copy either. */
static void
put_restored(Output *output, Snapshot snapshot)
{
	ListCell   *lc;

	foreach(lc, weir_counted_sets(snapshot))
	{
		WeirCountedSet *set = lfirst(lc);

		begin_set(output);
		renew_state_chunks(set, snapshot);
		(void) weir_counted_visit(set->set_id, snapshot, copy_part, output);
		output->parts = set->parts;
		end_set(output, set->aggregate_ids, set->state_chunks,
				set->waiting_rows, set->waiting_sum);
	}
}

/* ----------------------------------------------------------------
 *		Sets as they are now
 * ----------------------------------------------------------------
 */

/* The tables that hold the rows. */
static List *
leaves_of(Relation rel)
{
	List	   *leaves = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			leaves = lappend_oid(leaves, lfirst_oid(lc));
	return leaves;
}

/* Rows in one of them, with the rights of who asks. */
static int64
count_rows(Oid leaf)
{
	bool		is_null;
	int64		result;

	SPI_connect();
	if (SPI_execute(psprintf("SELECT pg_catalog.count(*) FROM ONLY %s",
							 quote_qualified_identifier(get_namespace_name(get_rel_namespace(leaf)),
														get_rel_name(leaf))),
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of a stream");
	result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	return result;
}

/* Do just as many rows wait, all of them in these tables? */
static bool
all_wait(const WeirCursor *cursor, Relation rel, List *leaves, int64 nrows,
		 Snapshot snapshot)
{
	WeirBatchReader *reader = weir_batch_reader_begin(weir_batch_pending(cursor, snapshot),
													  rel);
	TupleTableSlot *slot;
	Oid			known = InvalidOid;
	int64		nwaiting = 0;

	while ((slot = weir_batch_reader_next(reader)) != NULL)
	{
		/* what waits in a partition that was detached is not dumped with us */
		if (slot->tts_tableOid != known &&
			!list_member_oid(leaves, slot->tts_tableOid))
			continue;
		known = slot->tts_tableOid;
		nwaiting++;
	}
	weir_batch_reader_end(reader);
	return nwaiting == nrows;
}

/* What is dumped less what waits; returns how many rows of the dump wait. */
static int64
put_difference(Output *output, WeirDigestSort *dumped, WeirDigestSort *pending,
			   uint64 *waiting_sum)
{
	WeirDigested row;
	WeirDigested waiting;
	bool		has_waiting = weir_digest_sort_next(pending, &waiting);
	int64		nwaiting = 0;

	while (weir_digest_sort_next(dumped, &row))
	{
		int			cmp = 1;

		while (has_waiting &&
			   (cmp = weir_digest_cmp(waiting.digest, row.digest)) < 0)
			has_waiting = weir_digest_sort_next(pending, &waiting);
		if (has_waiting && cmp == 0)
		{
			nwaiting++;
			*waiting_sum += weir_digest_number(row.digest);
			has_waiting = weir_digest_sort_next(pending, &waiting);
		}
		else
			add_digest(output, row.digest);
	}
	return nwaiting;
}

/* Digests of what the cursor has consumed of the rows; returns how many wait. */
static int64
put_consumed(Output *output, Relation rel, const WeirCursor *cursor,
			 Snapshot snapshot, uint64 *waiting_sum)
{
	List	   *leaves = leaves_of(rel);
	WeirDigestSort *dumped;
	WeirDigestSort *pending;
	bool		is_all = true;
	int64		nrows = 0;
	int64		nwaiting;
	ListCell   *lc;

	foreach(lc, leaves)
	{
		nrows += count_rows(lfirst_oid(lc));
		if (check_enable_rls(lfirst_oid(lc), InvalidOid, true) == RLS_ENABLED)
			is_all = false;
	}
	if (nrows == 0 ||
		(is_all && all_wait(cursor, rel, leaves, nrows, snapshot)))
		return nrows;
	dumped = weir_digest_sort_dumped(rel, leaves);
	pending = weir_digest_sort_batch(rel, weir_batch_pending(cursor, snapshot),
									 leaves);
	nwaiting = put_difference(output, dumped, pending, waiting_sum);
	weir_digest_sort_end(pending);
	weir_digest_sort_end(dumped);
	return nwaiting;
}

static void
end_current(Output *output, List *aggregate_ids, int64 waiting_rows,
			uint64 waiting_sum, Snapshot snapshot)
{
	int64	   *chunks = palloc(sizeof(int64) * list_length(aggregate_ids));
	ListCell   *lc;

	foreach(lc, aggregate_ids)
		chunks[foreach_current_index(lc)] = count_state(lfirst_int(lc), snapshot);
	end_set(output, aggregate_ids, chunks, waiting_rows, waiting_sum);
}

static void
put_current(Output *output, const Sharers *sharers, Snapshot snapshot)
{
	WeirStream	stream;
	WeirCursor	cursor;
	Relation	rel;
	int64		nwaiting;
	uint64		waiting_sum = 0;

	if (!weir_cursor_read(sharers->cursor_id, snapshot, &cursor))
		return;					/* no place in the stream: it has failed for good */
	if (!weir_stream_lookup_id(sharers->stream_id, &stream))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("stream has been dropped or changed since this snapshot"),
				 errhint("Retry the transaction.")));
	rel = table_open(stream.relid, AccessShareLock);
	begin_set(output);
	nwaiting = put_consumed(output, rel, &cursor, snapshot, &waiting_sum);
	end_current(output, sharers->aggregate_ids, nwaiting, waiting_sum, snapshot);
	table_close(rel, NoLock);
}

static List *
add_sharer(List *cursors, const WeirAggregate *agg)
{
	Sharers    *sharers;
	ListCell   *lc;

	foreach(lc, cursors)
	{
		sharers = lfirst(lc);
		if (sharers->cursor_id != agg->cursor_id)
			continue;
		sharers->aggregate_ids = lappend_int(sharers->aggregate_ids, agg->id);
		return cursors;
	}
	sharers = palloc(sizeof(Sharers));
	sharers->cursor_id = agg->cursor_id;
	sharers->stream_id = agg->stream_id;
	sharers->aggregate_ids = list_make1_int(agg->id);
	return lappend(cursors, sharers);
}

/*
 * The cursors of aggregates over streams whose state is dumped, which have been
 * started, and of which it is clear what they have counted.
 */
static List *
find_cursors(Snapshot snapshot)
{
	List	   *cursors = NIL;
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids())
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), snapshot, &agg) &&
			agg.is_ready && agg.parent_id == 0 &&
			weir_runs_is_dumped(agg.id, snapshot) &&
			!weir_counted_is_undecided(agg.id, snapshot))
			cursors = add_sharer(cursors, &agg);
	}
	return cursors;
}

/*
 * Of an aggregate over another one parent_until says what is in its state.
 */
static void
put_children(Output *output, Snapshot snapshot)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids())
	{
		WeirAggregate agg;

		if (!weir_aggregate_read(lfirst_int(lc), snapshot, &agg) ||
			!agg.is_ready || agg.parent_id == 0 ||
			!weir_runs_is_dumped(agg.id, snapshot))
			continue;
		begin_set(output);
		end_current(output, list_make1_int(agg.id), 0, 0, snapshot);
	}
}

/* What a dump writes as weir._counted. */
Datum
weir__counted_now(PG_FUNCTION_ARGS)
{
	Output		output = {0};
	Snapshot	snapshot = GetActiveSnapshot();
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	output.result = (ReturnSetInfo *) fcinfo->resultinfo;
	output.digests = palloc(VARHDRSZ + PART_SIZE);
	put_restored(&output, snapshot);
	foreach(lc, find_cursors(snapshot))
		put_current(&output, lfirst(lc), snapshot);
	put_children(&output, snapshot);
	return (Datum) 0;
}
