/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  How far a stream has been consumed.
 *
 * A cursor is a row of weir._cursor.  An entry of the log is consumed when
 * its top transaction is seen by "low"; or by "high", and it stands at or
 * before "position".  While "high" is set an interval of the log is being
 * consumed in bounded steps; when it is done, high becomes low.  The
 * watermark moves only at the end of an interval, so that the result does
 * not depend on where the steps were cut.
 *
 * A position is a place in the file of a slot.  Should somebody give that another
 * one, by VACUUM FULL, its entries come to stand elsewhere, in the same order but
 * for where this begins; so it is kept, too, how many entries of the interval in
 * the slot are consumed, and which these are (log.h).  There are no more of these
 * later: the rewriting of a stream's table, which logs entries of old transactions
 * again, waits for the end of the interval (rewrite.c).
 *
 * A cursor with history starts with low unset.  Its first tick takes its own
 * snapshot for low; rows that this snapshot saw are history and are read
 * block by block, which counts as the first interval.
 *
 * Invariants:
 * 1. low never goes back, and neither does the watermark.
 * 2. All changes are made under the stream's lock (weir_cursor_lock_stream),
 *	  but for the insertion of new cursors with history, which need nothing of
 *	  the log that is there.
 *
 * Locks: an advisory-class lock of weir's own for each stream, to the end of
 * the transaction; and weir._cursor, ACCESS SHARE, likewise, by whoever may write
 * what he has read: VACUUM FULL must not move it meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "storage/newest.h"
#include "storage/owner.h"
#include "stream/cursor.h"
#include "stream/left_out.h"
#include "stream/watermark.h"
#include "weir.h"

/* columns of weir._cursor */
enum
{
	CURSOR_ID = 1,
	CURSOR_STREAM_ID,
	CURSOR_IS_MAIN,
	CURSOR_IS_PAUSED,
	CURSOR_LOW,
	CURSOR_HIGH,
	CURSOR_TURN,
	CURSOR_TID,
	CURSOR_SLOT_FILE,
	CURSOR_SLOT_ENTRIES,
	CURSOR_SLOT_DIGEST,
	CURSOR_HISTORY_LEAF,
	CURSOR_HISTORY_BLOCK,
	CURSOR_WATERMARK,
	CURSOR_MAX_EVENT_TIME,
	CURSOR_ROWS_CONSUMED,
	CURSOR_LAST_ROW_AT,
	CURSOR_LAST_TICK_AT,
	CURSOR_NOT_BEFORE,
	CURSOR_VERSION,
	CURSOR_UPDATES,
	CURSOR_NATTS = CURSOR_UPDATES
};

/* fourth field of the lock tag, apart from those of pg_advisory_lock */
#define LOCK_CLASS_STREAM	76

/* not_before of a cursor whose next tick is wanted: long over */
#define TICK_WANTED			((TimestampTz) 1)

static Relation
open_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_cursor", false), lockmode);
}

static void
set_stream_tag(LOCKTAG *tag, int32 stream_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) stream_id, 0,
						 LOCK_CLASS_STREAM);
}

bool
weir_cursor_lock_stream(int32 stream_id, bool wait)
{
	LOCKTAG		tag;

	set_stream_tag(&tag, stream_id);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) !=
		LOCKACQUIRE_NOT_AVAIL;
}

bool
weir_cursor_holds_stream(int32 stream_id)
{
	LOCKTAG		tag;

	set_stream_tag(&tag, stream_id);
	return WeirLockHeldByMe(&tag, ExclusiveLock);
}

bool
weir_cursor_has_consumed(const WeirCursor *cursor, const WeirLogEntry *entry)
{
	if (cursor->low == 0)
		return true;			/* history, when it starts */
	if (weir_snapshot_sees(cursor->low, entry->xid))
		return true;
	return cursor->high != 0 &&
		weir_snapshot_sees(cursor->high, entry->xid) &&
		weir_log_has_passed(&cursor->place, entry);
}

static void
from_tuple(Relation catalog, HeapTuple tuple, WeirCursor *cursor)
{
	Datum		values[CURSOR_NATTS];
	bool		nulls[CURSOR_NATTS];

#define SNAPSHOT(col) \
	(nulls[(col) - 1] ? (Datum) 0 : \
	 PointerGetDatum(PG_DETOAST_DATUM_COPY(values[(col) - 1])))
#define TIME_OR_0(col) \
	(nulls[(col) - 1] ? 0 : DatumGetTimestampTz(values[(col) - 1]))

	heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
	cursor->cursor_id = DatumGetInt32(values[CURSOR_ID - 1]);
	cursor->stream_id = DatumGetInt32(values[CURSOR_STREAM_ID - 1]);
	cursor->is_main = DatumGetBool(values[CURSOR_IS_MAIN - 1]);
	cursor->is_paused = DatumGetBool(values[CURSOR_IS_PAUSED - 1]);
	cursor->low = SNAPSHOT(CURSOR_LOW);
	cursor->high = SNAPSHOT(CURSOR_HIGH);
	memset(&cursor->place, 0, sizeof(WeirLogPlace));
	cursor->place.position.turn = DatumGetInt64(values[CURSOR_TURN - 1]);
	ItemPointerCopy(DatumGetItemPointer(values[CURSOR_TID - 1]),
					&cursor->place.position.tid);
	cursor->place.slot_file = DatumGetObjectId(values[CURSOR_SLOT_FILE - 1]);
	cursor->place.n = DatumGetInt64(values[CURSOR_SLOT_ENTRIES - 1]);
	cursor->place.digest = DatumGetInt64(values[CURSOR_SLOT_DIGEST - 1]);
	cursor->in_history = !nulls[CURSOR_HISTORY_LEAF - 1];
	cursor->history_leaf = cursor->in_history ?
		DatumGetObjectId(values[CURSOR_HISTORY_LEAF - 1]) : InvalidOid;
	cursor->history_block = (BlockNumber) DatumGetInt64(values[CURSOR_HISTORY_BLOCK - 1]);
	cursor->watermark = DatumGetTimestampTz(values[CURSOR_WATERMARK - 1]);
	cursor->max_event_time = DatumGetTimestampTz(values[CURSOR_MAX_EVENT_TIME - 1]);
	cursor->rows_consumed = DatumGetInt64(values[CURSOR_ROWS_CONSUMED - 1]);
	cursor->last_row_at = DatumGetTimestampTz(values[CURSOR_LAST_ROW_AT - 1]);
	cursor->last_tick_at = TIME_OR_0(CURSOR_LAST_TICK_AT);
	cursor->not_before = TIME_OR_0(CURSOR_NOT_BEFORE);
	cursor->version = DatumGetInt64(values[CURSOR_VERSION - 1]);
	cursor->updates = DatumGetInt32(values[CURSOR_UPDATES - 1]);
	cursor->self = tuple->t_self;
	cursor->xmin = HeapTupleHeaderGetXmin(tuple->t_data);
#undef SNAPSHOT
#undef TIME_OR_0
}

static HeapTuple
to_tuple(Relation catalog, const WeirCursor *cursor)
{
	Datum		values[CURSOR_NATTS];
	bool		nulls[CURSOR_NATTS] = {0};

	values[CURSOR_ID - 1] = Int32GetDatum(cursor->cursor_id);
	values[CURSOR_STREAM_ID - 1] = Int32GetDatum(cursor->stream_id);
	values[CURSOR_IS_MAIN - 1] = BoolGetDatum(cursor->is_main);
	values[CURSOR_IS_PAUSED - 1] = BoolGetDatum(cursor->is_paused);
	values[CURSOR_LOW - 1] = cursor->low;
	nulls[CURSOR_LOW - 1] = cursor->low == 0;
	values[CURSOR_HIGH - 1] = cursor->high;
	nulls[CURSOR_HIGH - 1] = cursor->high == 0;
	values[CURSOR_TURN - 1] = Int64GetDatum(cursor->place.position.turn);
	values[CURSOR_TID - 1] = ItemPointerGetDatum(&cursor->place.position.tid);
	values[CURSOR_SLOT_FILE - 1] = ObjectIdGetDatum(cursor->place.slot_file);
	values[CURSOR_SLOT_ENTRIES - 1] = Int64GetDatum(cursor->place.n);
	values[CURSOR_SLOT_DIGEST - 1] = Int64GetDatum(cursor->place.digest);
	values[CURSOR_HISTORY_LEAF - 1] = ObjectIdGetDatum(cursor->history_leaf);
	nulls[CURSOR_HISTORY_LEAF - 1] = !cursor->in_history;
	values[CURSOR_HISTORY_BLOCK - 1] = Int64GetDatum((int64) cursor->history_block);
	values[CURSOR_WATERMARK - 1] = TimestampTzGetDatum(cursor->watermark);
	values[CURSOR_MAX_EVENT_TIME - 1] = TimestampTzGetDatum(cursor->max_event_time);
	values[CURSOR_ROWS_CONSUMED - 1] = Int64GetDatum(cursor->rows_consumed);
	values[CURSOR_LAST_ROW_AT - 1] = TimestampTzGetDatum(cursor->last_row_at);
	values[CURSOR_LAST_TICK_AT - 1] = TimestampTzGetDatum(cursor->last_tick_at);
	nulls[CURSOR_LAST_TICK_AT - 1] = cursor->last_tick_at == 0;
	values[CURSOR_NOT_BEFORE - 1] = TimestampTzGetDatum(cursor->not_before);
	nulls[CURSOR_NOT_BEFORE - 1] = cursor->not_before == 0;
	values[CURSOR_VERSION - 1] = Int64GetDatum(cursor->version);
	values[CURSOR_UPDATES - 1] = Int32GetDatum(cursor->updates);
	return heap_form_tuple(RelationGetDescr(catalog), values, nulls);
}

/*
 * Within an interval: make its position one in the present file of the slot, which
 * stays that until the end of the transaction.
 */
static void
relocate(WeirCursor *cursor, Snapshot snapshot)
{
	if (cursor->low != 0 && cursor->high != 0 && cursor->place.position.turn != 0)
		weir_log_relocate(cursor->stream_id, snapshot, cursor->low, cursor->high,
						  &cursor->place);
}

bool
weir_cursor_read(int32 cursor_id, Snapshot snapshot, WeirCursor *cursor)
{
	Relation	catalog = open_catalog(AccessShareLock);
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, CURSOR_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(cursor_id));
	tuple = weir_newest_version(catalog, "_cursor_id_version", snapshot, 1, &key);
	if (HeapTupleIsValid(tuple))
		from_tuple(catalog, tuple, cursor);
	table_close(catalog, snapshot == NULL ? NoLock : AccessShareLock);
	if (HeapTupleIsValid(tuple))
		relocate(cursor, snapshot);
	return HeapTupleIsValid(tuple);
}

/* The stream's cursor with the least id above that one, or NULL. */
static WeirCursor *
next_cursor(Relation catalog, int32 stream_id, int32 after)
{
	ScanKeyData keys[2];
	HeapTuple	tuple;
	WeirCursor *cursor = NULL;

	ScanKeyInit(&keys[0], CURSOR_STREAM_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	ScanKeyInit(&keys[1], CURSOR_ID, BTGreaterStrategyNumber, F_INT4GT,
				Int32GetDatum(after));
	tuple = weir_newest_version(catalog, "_cursor_stream_id", NULL, 2, keys);
	if (HeapTupleIsValid(tuple))
	{
		cursor = palloc(sizeof(WeirCursor));
		from_tuple(catalog, tuple, cursor);
	}
	return cursor;
}

List *
weir_cursor_list(int32 stream_id)
{
	Relation	catalog = open_catalog(AccessShareLock);
	List	   *result = NIL;
	WeirCursor *cursor;
	ListCell   *lc;
	int32		after = 0;

	while ((cursor = next_cursor(catalog, stream_id, after)) != NULL)
	{
		after = cursor->cursor_id;
		result = cursor->is_main ? lcons(cursor, result) :
			lappend(result, cursor);
	}
	table_close(catalog, NoLock);
	foreach(lc, result)
		relocate((WeirCursor *) lfirst(lc), NULL);
	return result;
}

void
weir_cursor_write(WeirCursor *cursor)
{
	Relation	catalog = open_catalog(RowExclusiveLock);
	HeapTuple	tuple;

	weir_newest_count_update(&cursor->version, &cursor->updates);
	tuple = to_tuple(catalog, cursor);
	CatalogTupleUpdate(catalog, &cursor->self, tuple);
	cursor->self = tuple->t_self;
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

/* Stores a new cursor under a new id, which is returned. */
static int32
insert(WeirCursor *cursor)
{
	Relation	catalog = open_catalog(RowExclusiveLock);
	HeapTuple	tuple;

	cursor->cursor_id = (int32) nextval_internal(weir_own_relid("_cursor_id", false),
												 false);
	tuple = to_tuple(catalog, cursor);
	CatalogTupleInsert(catalog, tuple);
	cursor->self = tuple->t_self;
	table_close(catalog, NoLock);
	CommandCounterIncrement();
	return cursor->cursor_id;
}

static void
init_cursor(WeirCursor *cursor, int32 stream_id)
{
	memset(cursor, 0, sizeof(WeirCursor));
	cursor->stream_id = stream_id;
	cursor->watermark = DT_NOBEGIN;
	cursor->max_event_time = DT_NOBEGIN;
	cursor->last_row_at = GetCurrentTimestamp();
}

int32
weir_cursor_create(int32 stream_id, bool with_history)
{
	WeirCursor	cursor;
	WeirCursor	main_cursor;

	init_cursor(&cursor, stream_id);
	cursor.in_history = with_history;
	if (!with_history)
	{
		/* what others have consumed must not go before they know of this one */
		(void) weir_cursor_lock_stream(stream_id, true);
		PushActiveSnapshot(GetLatestSnapshot());
		cursor.low = weir_snapshot_current();
		PopActiveSnapshot();
		/* the stream's time does not start anew with it */
		if (weir_cursor_read(weir_cursor_main(stream_id), NULL, &main_cursor))
		{
			cursor.watermark = main_cursor.watermark;
			cursor.max_event_time = main_cursor.max_event_time;
		}
	}
	return insert(&cursor);
}

int32
weir_cursor_create_main(int32 stream_id)
{
	WeirCursor	cursor;

	init_cursor(&cursor, stream_id);
	cursor.is_main = true;
	cursor.in_history = true;
	return insert(&cursor);
}

int32
weir_cursor_fork(const WeirCursor *cursor)
{
	WeirCursor	copy = *cursor;

	copy.is_main = false;
	insert(&copy);
	weir_watermark_fork(cursor->cursor_id, copy.cursor_id);
	if (cursor->in_history)
		weir_left_out_copy(cursor->cursor_id, copy.cursor_id);
	return copy.cursor_id;
}

int32
weir_cursor_main(int32 stream_id)
{
	List	   *cursors = weir_cursor_list(stream_id);
	WeirCursor *first;

	if (cursors == NIL)
		elog(ERROR, "stream %d has no cursor", stream_id);
	first = (WeirCursor *) linitial(cursors);
	if (!first->is_main)
		elog(ERROR, "stream %d has no main cursor", stream_id);
	return first->cursor_id;
}

/*
 * Lock the cursor's stream and read it again: false if it is gone.
 */
static bool
lock_and_read(int32 cursor_id, WeirCursor *cursor)
{
	if (!weir_cursor_read(cursor_id, NULL, cursor))
		return false;
	weir_cursor_lock_stream(cursor->stream_id, true);
	return weir_cursor_read(cursor_id, NULL, cursor);
}

void
weir_cursor_drop(int32 cursor_id)
{
	WeirCursor	cursor;
	Relation	catalog;

	if (!lock_and_read(cursor_id, &cursor))
		return;
	if (cursor.is_main)
		elog(ERROR, "cursor %d is a stream's main cursor", cursor_id);
	weir_watermark_forget(cursor_id);
	weir_left_out_forget(cursor_id);
	catalog = open_catalog(RowExclusiveLock);
	CatalogTupleDelete(catalog, &cursor.self);
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

void
weir_cursor_drop_all(int32 stream_id)
{
	List	   *cursors = weir_cursor_list(stream_id);
	Relation	catalog = open_catalog(RowExclusiveLock);
	ListCell   *lc;

	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		weir_watermark_forget(cursor->cursor_id);
		weir_left_out_forget(cursor->cursor_id);
		CatalogTupleDelete(catalog, &cursor->self);
	}
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

void
weir_cursor_set_paused(int32 cursor_id, bool paused)
{
	WeirCursor	cursor;

	if (!lock_and_read(cursor_id, &cursor))
		return;
	cursor.is_paused = paused;
	cursor.not_before = 0;
	weir_cursor_write(&cursor);
}

void
weir_cursor_fix_history(int32 cursor_id)
{
	WeirCursor	cursor;

	if (!lock_and_read(cursor_id, &cursor))
		return;
	cursor.low = weir_snapshot_current();
	weir_cursor_write(&cursor);
}

void
weir_cursor_leave_history(int32 cursor_id)
{
	WeirCursor	cursor;

	if (!lock_and_read(cursor_id, &cursor))
		return;
	cursor.in_history = false;
	cursor.is_paused = false;
	weir_cursor_write(&cursor);
	weir_left_out_forget(cursor_id);
}

void
weir_cursor_defer(int32 cursor_id, TimestampTz not_before)
{
	WeirCursor	cursor;

	if (!lock_and_read(cursor_id, &cursor))
		return;
	cursor.not_before = not_before;
	weir_cursor_write(&cursor);
}

bool
weir_cursor_is_deferred(const WeirCursor *cursor)
{
	TimestampTz now = GetCurrentTimestamp();

	return cursor->not_before > now &&
		cursor->not_before <= TimestampTzPlusMilliseconds(now, WEIR_MAX_DEFER_MS);
}

void
weir_cursor_want_tick(int32 cursor_id)
{
	WeirCursor	cursor;

	if (!lock_and_read(cursor_id, &cursor))
		return;
	cursor.not_before = TICK_WANTED;
	weir_cursor_write(&cursor);
}

bool
weir_cursor_is_tick_wanted(const WeirCursor *cursor)
{
	return cursor->not_before == TICK_WANTED;
}
