/*-------------------------------------------------------------------------
 *
 * late_dump.c
 *	  What a dump takes along of the rows that wait to be consumed and are late.
 *
 * Where state is made again after a restore (dumped.c), rows of windows that are
 * closed are taken for those that these were made of.  Those that had not been
 * consumed, and would have been late, are kept in the dump already:
 * weir._late_now() is what pg_dump reads besides the table weir._late_row, under
 * the snapshot of the dump.  It judges as the next tick would.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "weir.h"
#include "aggregate/definition_cache.h"
#include "aggregate/failure.h"
#include "aggregate/intake.h"
#include "aggregate/late.h"
#include "aggregate/partial.h"
#include "aggregate/runs.h"
#include "stream/batch.h"
#include "stream/cursor.h"

PG_FUNCTION_INFO_V1(weir__late_now);

typedef struct LateDump
{
	const WeirAggregate *agg;
	const WeirCursor *cursor;
	Snapshot	snapshot;
	List	   *rows;			/* WeirLateRow */
} LateDump;

static int64
read_batch(WeirDefinition *def, Timestamp bound, DestReceiver *dest, void *arg)
{
	return weir_partial_from_batch(def, (WeirBatch *) arg, bound, dest);
}

/* With the owner's rights. */
static List *
late_rows(LateDump *dump, WeirBatch *batch)
{
	WeirDefinition *def = weir_known_definition(dump->agg);
	Timestamp	bound = weir_aggregate_bound(dump->agg, dump->cursor->watermark);
	WeirLateSessions *sessions;
	int64		partly_late;

	if (def->is_session)
	{
		sessions = weir_intake_late_sessions(dump->agg, def, read_batch, batch,
											 bound, dump->snapshot);
		return weir_partial_late_rows(def, batch, bound, weir_session_is_late,
									  sessions, &partly_late);
	}
	if (read_batch(def, bound, None_Receiver, batch) == 0)
		return NIL;
	return weir_partial_late_rows(def, batch, bound, NULL, NULL, &partly_late);
}

static void
find_late(void *arg)
{
	LateDump   *dump = arg;
	WeirBatch  *batch = weir_batch_pending(dump->cursor, dump->snapshot);
	WeirIdentity identity;

	if (weir_batch_max_rows(batch) == 0)
		return;
	weir_aggregate_become_owner(dump->agg, &identity);
	dump->rows = late_rows(dump, batch);
	weir_restore_identity(&identity);
}

/* Is its state made again, from rows of which it has not consumed all? */
static bool
is_concerned(int32 aggregate_id, Snapshot snapshot, WeirAggregate *agg,
			 WeirCursor *cursor)
{
	return weir_aggregate_read(aggregate_id, snapshot, agg) &&
		agg->is_ready && agg->parent_id == 0 && OidIsValid(agg->closed) &&
		!weir_runs_is_dumped(agg->id, snapshot) &&
		weir_cursor_read(agg->cursor_id, snapshot, cursor) &&
	/* see consume.c */
		!(cursor->in_history && agg->is_remade);
}

static void
put_late(ReturnSetInfo *result, const WeirAggregate *agg,
		 const WeirCursor *cursor, List *rows)
{
	Datum		values[WEIR_LATE_NATTS];
	bool		nulls[WEIR_LATE_NATTS] = {false};
	ListCell   *lc;

	foreach(lc, rows)
	{
		weir_late_form(agg, lfirst(lc),
					   Max(cursor->watermark, agg->closed_until), values);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* An aggregate that fails at what waits must not be in the way of the dump. */
static void
warn(const WeirAggregate *agg, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("late rows that wait for aggregate \"%s\" are not known to this dump: %s",
					get_rel_name(agg->view), weir_failure_text(error))));
}

/* For who may read those that are kept already, of all aggregates. */
static void
require_rights(void)
{
	AclResult	result = pg_class_aclcheck(weir_own_relid("_late_row", false),
										   GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, "_late_row");
}

/* What a dump writes besides weir._late_row. */
Datum
weir__late_now(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Snapshot	snapshot = GetActiveSnapshot();
	ListCell   *lc;

	require_rights();
	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, weir_aggregate_ids())
	{
		WeirAggregate agg;
		WeirCursor	cursor;
		LateDump	dump = {&agg, &cursor, snapshot, NIL};
		ErrorData  *error;

		if (!is_concerned(lfirst_int(lc), snapshot, &agg, &cursor))
			continue;
		error = weir_failure_attempt(find_late, &dump);
		if (error != NULL)
			warn(&agg, error);
		else
			put_late(result, &agg, &cursor, dump.rows);
	}
	return (Datum) 0;
}
