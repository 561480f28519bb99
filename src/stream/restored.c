/*-------------------------------------------------------------------------
 *
 * restored.c
 *	  Streams that have come out of a dump, until they are started.
 *
 * A stream is started by whoever consumes it first.  If that happened before a
 * restore has come to its end, there would be no closed rows yet for
 * aggregates over others, no sinks, or no policies that say which rows an
 * aggregate may see.  A restore ends with what pg_dump puts behind all the
 * rest, in each of its formats: refreshing materialized views.  So there is one,
 * weir._restored, which lists the streams that were there when it was refreshed.
 * The first weir.create_stream makes it, as one that is dumped: no member of the
 * extension, but it goes with that.  (A member whose data is dumped would be
 * refreshed by pg_upgrade, too, which cannot be done.)  Where there is none, a
 * dump has come without it, as one of chosen schemas does, and says nothing.
 *
 * Started, a stream goes on where it was: its watermark is not behind that of
 * the dump, which may rest on rows that are gone, and it is paused if it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "storage/owner.h"
#include "stream/cursor.h"
#include "stream/restored.h"
#include "stream/watermark.h"
#include "weir.h"

/* columns of weir._paused */
enum
{
	PAUSED_STREAM_ID = 1,
	PAUSED_AGGREGATE_ID,
	PAUSED_NATTS = PAUSED_AGGREGATE_ID
};

/* columns of weir._last_watermark */
enum
{
	LAST_STREAM_ID = 1,
	LAST_WATERMARK,
	LAST_MAX_EVENT_TIME,
	LAST_NATTS = LAST_MAX_EVENT_TIME
};

/* columns of weir._last_source */
enum
{
	SOURCE_STREAM_ID = 1,
	SOURCE_SOURCE,
	SOURCE_IS_WHOLE,
	SOURCE_MAX_EVENT_TIME,
	SOURCE_NATTS = SOURCE_MAX_EVENT_TIME
};

/* The rows of one of these relations with that id in the column; few. */
static SysScanDesc
begin_scan(Relation rel, AttrNumber column, int32 id)
{
	ScanKeyData key;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(id));
	return systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
}

static void
delete_rows(const char *name, AttrNumber column, int32 id)
{
	Relation	rel = table_open(weir_own_relid(name, false), RowExclusiveLock);
	SysScanDesc scan = begin_scan(rel, column, id);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* ----------------------------------------------------------------
 *		The end of a restore
 * ----------------------------------------------------------------
 */

/* If it is there it is left as it is: a restore may be under way. */
void
weir_restored_mark_dumps(void)
{
	WeirIdentity identity;

	if (OidIsValid(weir_own_relid("_restored", true)))
		return;
	/* others may be about to make it as well */
	LockRelationOid(weir_own_relid("_last_watermark", false),
					ShareRowExclusiveLock);
	AcceptInvalidationMessages();
	if (OidIsValid(weir_own_relid("_restored", true)))
		return;
	weir_become_extension_owner(&identity);
	weir_execute("CREATE MATERIALIZED VIEW %s._restored AS "
				 "SELECT s.id AS stream_id FROM %s._stream s",
				 WEIR_SCHEMA, WEIR_SCHEMA);
	weir_execute("ALTER MATERIALIZED VIEW %s._restored DEPENDS ON EXTENSION weir",
				 WEIR_SCHEMA);
	weir_execute("COMMENT ON MATERIALIZED VIEW %s._restored IS "
				 "'streams that have been restored completely'", WEIR_SCHEMA);
	weir_revoke_default_privileges(weir_own_relid("_restored", false));
	weir_restore_identity(&identity);
}

bool
weir_restored_has_ended(int32 stream_id, int elevel)
{
	Oid			matview = weir_own_relid("_restored", true);
	Relation	rel;
	SysScanDesc scan;
	bool		is_listed;

	if (!OidIsValid(matview))
		return true;
	rel = table_open(matview, AccessShareLock);
	scan = begin_scan(rel, 1, stream_id);
	is_listed = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (!is_listed)
		ereport(elevel,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("database \"%s\" has not been restored completely",
						get_database_name(MyDatabaseId)),
				 errdetail("Streams are not consumed before that."),
				 errhint("If nothing more is to come, say so: REFRESH MATERIALIZED VIEW %s._restored.",
						 WEIR_SCHEMA)));
	return is_listed;
}

/* ----------------------------------------------------------------
 *		What was paused
 * ----------------------------------------------------------------
 */

bool
weir_restored_is_paused(int32 stream_id, int32 aggregate_id)
{
	Relation	rel = table_open(weir_own_relid("_paused", false),
								 AccessShareLock);
	SysScanDesc scan = begin_scan(rel, PAUSED_STREAM_ID, stream_id);
	HeapTuple	tuple;
	bool		is_null;
	bool		result = false;

	while (!result && HeapTupleIsValid(tuple = systable_getnext(scan)))
		result = DatumGetInt32(heap_getattr(tuple, PAUSED_AGGREGATE_ID,
											RelationGetDescr(rel), &is_null)) ==
			aggregate_id;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static void
add_paused(int32 stream_id, int32 aggregate_id)
{
	Relation	rel = table_open(weir_own_relid("_paused", false),
								 RowExclusiveLock);
	Datum		values[PAUSED_NATTS];
	bool		nulls[PAUSED_NATTS] = {0};

	values[PAUSED_STREAM_ID - 1] = Int32GetDatum(stream_id);
	values[PAUSED_AGGREGATE_ID - 1] = Int32GetDatum(aggregate_id);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
remove_paused(int32 stream_id, int32 aggregate_id)
{
	Relation	rel = table_open(weir_own_relid("_paused", false),
								 RowExclusiveLock);
	SysScanDesc scan = begin_scan(rel, PAUSED_STREAM_ID, stream_id);
	HeapTuple	tuple;
	bool		is_null;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (DatumGetInt32(heap_getattr(tuple, PAUSED_AGGREGATE_ID,
									   RelationGetDescr(rel), &is_null)) ==
			aggregate_id)
			CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

void
weir_restored_set_paused(int32 stream_id, int32 aggregate_id, bool paused)
{
	if (weir_restored_is_paused(stream_id, aggregate_id) == paused)
		return;
	if (paused)
		add_paused(stream_id, aggregate_id);
	else
		remove_paused(stream_id, aggregate_id);
}

/* ----------------------------------------------------------------
 *		How far event time had come
 * ----------------------------------------------------------------
 */

static void
restore_watermark(const WeirStream *stream, WeirCursor *cursor)
{
	Relation	rel = table_open(weir_own_relid("_last_watermark", false),
								 AccessShareLock);
	SysScanDesc scan = begin_scan(rel, LAST_STREAM_ID, stream->stream_id);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
	{
		Datum		values[LAST_NATTS];
		bool		nulls[LAST_NATTS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		cursor->watermark = DatumGetTimestampTz(values[LAST_WATERMARK - 1]);
		cursor->max_event_time = DatumGetTimestampTz(values[LAST_MAX_EVENT_TIME - 1]);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
restore_sources(const WeirStream *stream, const WeirCursor *cursor)
{
	Relation	rel = table_open(weir_own_relid("_last_source", false),
								 AccessShareLock);
	SysScanDesc scan = begin_scan(rel, SOURCE_STREAM_ID, stream->stream_id);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[SOURCE_NATTS];
		bool		nulls[SOURCE_NATTS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		weir_watermark_add_source(stream, cursor->cursor_id,
								  TextDatumGetCString(values[SOURCE_SOURCE - 1]),
								  DatumGetBool(values[SOURCE_IS_WHOLE - 1]),
								  DatumGetTimestampTz(values[SOURCE_MAX_EVENT_TIME - 1]));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
forget_times(int32 stream_id)
{
	delete_rows("_last_watermark", LAST_STREAM_ID, stream_id);
	delete_rows("_last_source", SOURCE_STREAM_ID, stream_id);
}

void
weir_restored_start(const WeirStream *stream)
{
	WeirCursor	cursor;

	if (!weir_cursor_read(weir_cursor_main(stream->stream_id), NULL, &cursor))
		elog(ERROR, "stream %d has no main cursor", stream->stream_id);
	restore_watermark(stream, &cursor);
	if (stream->source_attno != 0)
		restore_sources(stream, &cursor);
	cursor.is_paused = weir_restored_is_paused(stream->stream_id, 0);
	weir_cursor_write(&cursor);
	weir_restored_set_paused(stream->stream_id, 0, false);
	forget_times(stream->stream_id);
}

void
weir_restored_forget(int32 stream_id)
{
	delete_rows("_paused", PAUSED_STREAM_ID, stream_id);
	forget_times(stream_id);
}

void
weir_restored_forget_aggregate(int32 aggregate_id)
{
	delete_rows("_paused", PAUSED_AGGREGATE_ID, aggregate_id);
}
