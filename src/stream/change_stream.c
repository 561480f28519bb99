/*-------------------------------------------------------------------------
 *
 * change_stream.c
 *	  Change streams of wide tables as streams: switching them on and off,
 *	  and deleting old records.
 *
 * The storage layer records the changes in a heap (storage/changes.c).  Here
 * that is made a stream with the event time "at", so that continuous
 * aggregates can be defined on it.  Its retention is that of the stream, but
 * means something else than for a table of the user's: records older than the
 * clock less the retention are deleted even if no aggregate is there to
 * consume them.  Those that one has yet to consume are kept nevertheless.
 *
 * Locks: the wide table, the stream, the heap of changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/tablecmds.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "storage/authorized_view.h"
#include "storage/changes.h"
#include "storage/owner.h"
#include "storage/wide_table.h"
#include "stream/batch.h"
#include "stream/change_stream.h"
#include "stream/stream.h"
#include "stream/tick.h"
#include "weir.h"

/* records deleted in one transaction */
#define TRIM_ROWS	10000

/*
 * Writes are recorded with the time at which they are made, and become
 * visible when they commit: how far apart short transactions may be.
 */
#define OUT_OF_ORDERNESS	"1 second"
#define MAX_DRIFT			"1 hour"

/* A statement of this session that has begun to write goes on as it began. */
static void
check_has_no_writer(const WeirWideTable *table)
{
	Relation	delta = table_open(table->delta, AccessShareLock);

	CheckTableNotInUse(delta, "change the recording of");
	table_close(delta, NoLock);
}

/* The wide table in argument 0, closed to writers, owned by the user. */
static WeirWideTable *
owned_table_argument(FunctionCallInfo fcinfo)
{
	Oid			face = weir_table_argument(fcinfo, 0);
	WeirWideTable *table = weir_wide_table_open(face, ShareRowExclusiveLock, 0);

	weir_check_owner(face);
	weir_check_is_no_view(table);
	check_has_no_writer(table);
	return table;
}

static Datum
interval_of(const char *text)
{
	return DirectFunctionCall3(interval_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

static void
set_argument(FunctionCallInfo fcinfo, int n, Datum value, bool isnull)
{
	fcinfo->args[n].value = value;
	fcinfo->args[n].isnull = isnull;
}

/* weir.create_stream with the arguments that suit a change stream. */
static void
make_stream(Oid changes, Datum retention, bool keeps_all)
{
	LOCAL_FCINFO(create, 7);
	NameData	event_time;

	namestrcpy(&event_time, "at");
	InitFunctionCallInfoData(*create, NULL, 7, InvalidOid, NULL, NULL);
	set_argument(create, 0, ObjectIdGetDatum(changes), false);
	set_argument(create, 1, NameGetDatum(&event_time), false);
	set_argument(create, 2, interval_of(OUT_OF_ORDERNESS), false);
	set_argument(create, 3, (Datum) 0, true);
	set_argument(create, 4, (Datum) 0, true);
	set_argument(create, 5, retention, keeps_all);
	set_argument(create, 6, interval_of(MAX_DRIFT), false);
	(void) weir_create_stream(create);
}

void
weir_change_stream_check_retention(int64 usec)
{
	if (usec == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention of a change stream must be positive"),
				 errdetail("Its records are not only for continuous aggregates.")));
}

PG_FUNCTION_INFO_V1(weir_enable_changes);
Datum
weir_enable_changes(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = owned_table_argument(fcinfo);
	Oid			changes;

	PreventCommandIfReadOnly("weir.enable_changes()");
	if (OidIsValid(table->changes))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("wide table \"%s\" has a change stream",
						get_rel_name(table->face)),
				 errhint("Use weir.alter_stream on \"%s\" to change its retention.",
						 get_rel_name(table->changes))));
	if (!PG_ARGISNULL(1))
		weir_change_stream_check_retention(weir_interval_usec(PG_GETARG_DATUM(1),
															  "retention"));
	changes = weir_changes_create(table);
	make_stream(changes, PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
				PG_ARGISNULL(1));
	PG_RETURN_OID(changes);
}

/* The stream goes first, with the aggregates on it. */
static void
drop_stream(Oid changes, bool cascade)
{
	LOCAL_FCINFO(drop, 2);

	InitFunctionCallInfoData(*drop, NULL, 2, InvalidOid, NULL, NULL);
	set_argument(drop, 0, ObjectIdGetDatum(changes), false);
	set_argument(drop, 1, BoolGetDatum(cascade), false);
	(void) weir_drop_stream(drop);
}

static void
check_dependents(const WeirWideTable *table)
{
	WeirStream	stream;
	char	   *dependent = NULL;

	if (weir_tick_consumer() && weir_stream_lookup(table->changes, &stream))
		dependent = weir_tick_consumer()->dependent(stream.stream_id);
	if (dependent)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot disable the change stream of wide table \"%s\" because other objects depend on it",
						get_rel_name(table->face)),
				 errdetail("Continuous aggregate \"%s\" depends on it.", dependent),
				 errhint("Use weir.disable_changes(..., cascade => true) to drop the dependent objects too.")));
}

PG_FUNCTION_INFO_V1(weir_disable_changes);
Datum
weir_disable_changes(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = owned_table_argument(fcinfo);
	bool		cascade = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	Oid			changes = table->changes;

	PreventCommandIfReadOnly("weir.disable_changes()");
	if (!OidIsValid(changes))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("wide table \"%s\" has no change stream",
						get_rel_name(table->face))));
	if (!cascade)
		check_dependents(table);
	weir_changes_forget(table->home);
	drop_stream(changes, cascade);
	weir_execute("DROP TABLE %s%s",
				 quote_qualified_identifier(get_namespace_name(get_rel_namespace(changes)),
											get_rel_name(changes)),
				 cascade ? " CASCADE" : "");
	PG_RETURN_VOID();
}

void
weir_change_stream_check_drop(Oid relid)
{
	Oid			home = weir_changes_home(relid);

	if (OidIsValid(home))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop stream \"%s\" because wide table \"%s\" records its changes there",
						get_rel_name(relid), get_rel_name(home)),
				 errhint("Use weir.disable_changes.")));
}

/* ---- retention ---- */

typedef struct Consumers
{
	Oid			changes;
	int			n;
	WeirBatch **unconsumed;		/* of each cursor */
} Consumers;

static bool
is_needed(const ItemPointerData *tid, TransactionId xmin, void *arg)
{
	const Consumers *consumers = arg;

	for (int i = 0; i < consumers->n; i++)
		if (weir_batch_is_later(consumers->unconsumed[i], consumers->changes,
								xmin, tid))
			return true;
	return false;
}

bool
weir_change_stream_trim(const WeirStream *stream, Oid home, List *cursors)
{
	TimestampTz limit = GetCurrentTimestamp() - stream->retention_usec;
	Consumers	consumers = {stream->relid};
	ListCell   *lc;
	int			ndeleted;

	if (list_length(cursors) > 0)
		consumers.unconsumed = palloc(sizeof(WeirBatch *) * list_length(cursors));
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, cursors)
		consumers.unconsumed[consumers.n++] =
			weir_batch_unconsumed(stream, (WeirCursor *) lfirst(lc));
	ndeleted = weir_changes_trim(home, limit, TRIM_ROWS, is_needed, &consumers);
	PopActiveSnapshot();
	return ndeleted >= TRIM_ROWS;
}
