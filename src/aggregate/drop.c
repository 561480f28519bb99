/*-------------------------------------------------------------------------
 *
 * drop.c
 *	  Dropping continuous aggregates, by weir's function or by hand.
 *
 * The relations of an aggregate are dropped together.  A user may also drop
 * one of them with the server's own commands, or the stream's table with
 * CASCADE; an event trigger then drops the rest.  Aggregates over the one that
 * is dropped go first, or prevent it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "weir.h"
#include "aggregate/drop.h"
#include "aggregate/runs.h"
#include "aggregate/sink.h"
#include "stream/cursor.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(weir_drop_continuous_aggregate);
PG_FUNCTION_INFO_V1(weir__aggregate_dropped);

/* DROP type relation, if it is still there. */
static void
drop_relation(const char *type, Oid relid, DropBehavior behavior)
{
	char	   *name = OidIsValid(relid) ? get_rel_name(relid) : NULL;

	if (name == NULL)
		return;
	weir_execute("DROP %s %s%s", type,
				 quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
											name),
				 behavior == DROP_CASCADE ? " CASCADE" : "");
}

/* As the server does; its view is gone if the server has told. */
static void
tell_of_cascade(const WeirAggregate *agg)
{
	char	   *name = get_rel_name(agg->view);

	if (name != NULL)
		ereport(NOTICE,
				(errmsg("drop cascades to continuous aggregate \"%s\"", name)));
}

/* Drop the aggregates over this one, or refuse because there are some. */
static void
drop_dependents(const WeirAggregate *agg, DropBehavior behavior)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_parent(agg->id))
	{
		WeirAggregate dependent;

		if (!weir_aggregate_read(lfirst_int(lc), NULL, &dependent))
			continue;
		/* its part that depends may have been dropped by hand already */
		if (behavior == DROP_RESTRICT && get_rel_name(dependent.query) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop continuous aggregate \"%s\" because other objects depend on it",
							get_rel_name(agg->view)),
					 errdetail("Continuous aggregate \"%s\" depends on it.",
							   get_rel_name(dependent.view)),
					 errhint("Use weir.drop_continuous_aggregate(..., cascade => true) to drop the dependent objects too.")));
		tell_of_cascade(&dependent);
		weir_drop_aggregate(&dependent, behavior);
	}
}

/*
 * A tick takes the stream's lock first and then the aggregate's; so do we.
 *
 * The relations are dropped by commands, so that event triggers see it: ours,
 * for aggregates over what is dropped here, and the stream layer's, if the
 * table of closed rows is a stream.  The catalog comes first, so that ours
 * finds nothing left to do for this one.  That whoever drops a stream need not
 * be the owner of its aggregates is why the extension's owner does it.
 */
void
weir_drop_aggregate(const WeirAggregate *agg, DropBehavior behavior)
{
	WeirStream	stream;
	WeirCursor	cursor;
	WeirIdentity identity;

	if (weir_stream_lookup_id(agg->stream_id, &stream))
		(void) weir_cursor_lock_stream(agg->stream_id, true);
	(void) weir_aggregate_lock(agg->open, true);
	drop_dependents(agg, behavior);
	weir_sink_drop_all(agg->id);
	weir_aggregate_delete(agg->id);
	if (agg->is_ready && agg->parent_id == 0 &&
		weir_aggregate_ids_of_cursor(agg->cursor_id) == NIL &&
		weir_cursor_read(agg->cursor_id, NULL, &cursor) && !cursor.is_main)
		weir_cursor_drop(agg->cursor_id);

	weir_become_extension_owner(&identity);
	drop_relation("VIEW", agg->view, behavior);
	drop_relation("FOREIGN TABLE", agg->open, behavior);
	drop_relation("TABLE", agg->closed, behavior);
	drop_relation("VIEW", agg->query, behavior);
	weir_restore_identity(&identity);
	weir_runs_drop(agg->id);
	CommandCounterIncrement();
}

void
weir_drop_of_stream(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_stream(stream_id))
	{
		WeirAggregate agg;

		/* may have gone with another one */
		if (!weir_aggregate_read(lfirst_int(lc), NULL, &agg))
			continue;
		tell_of_cascade(&agg);
		weir_drop_aggregate(&agg, DROP_CASCADE);
	}
}

Datum
weir_drop_continuous_aggregate(PG_FUNCTION_ARGS)
{
	WeirAggregate agg;
	bool		cascade = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);

	PreventCommandIfReadOnly("weir.drop_continuous_aggregate()");
	weir_aggregate_require_argument(fcinfo, 0, "aggregate");
	weir_aggregate_get_owned(PG_GETARG_OID(0), &agg);
	weir_drop_aggregate(&agg, cascade ? DROP_CASCADE : DROP_RESTRICT);
	PG_RETURN_VOID();
}

/* oids of the relations that the present command has dropped */
static List *
dropped_relations(void)
{
	List	   *relids = NIL;
	MemoryContext context = CurrentMemoryContext;
	uint64		i;

	SPI_connect();
	if (SPI_execute("SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "
					"WHERE classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass "
					"AND objsubid OPERATOR(pg_catalog.=) 0", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list dropped objects");
	for (i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc,
														   1, &isnull));
		MemoryContext old = MemoryContextSwitchTo(context);

		relids = lappend_oid(relids, relid);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return relids;
}

/* Does the command say CASCADE? */
static DropBehavior
behavior_of(Node *command)
{
	ListCell   *lc;

	if (IsA(command, DropStmt))
		return ((DropStmt *) command)->behavior;
	if (IsA(command, DropOwnedStmt))
		return ((DropOwnedStmt *) command)->behavior;
	if (IsA(command, AlterTableStmt))
	{
		foreach(lc, ((AlterTableStmt *) command)->cmds)
		{
			if (lfirst_node(AlterTableCmd, lc)->behavior == DROP_CASCADE)
				return DROP_CASCADE;
		}
	}
	return DROP_RESTRICT;
}

Datum
weir__aggregate_dropped(PG_FUNCTION_ARGS)
{
	DropBehavior behavior;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as an event trigger")));
	behavior = behavior_of(((EventTriggerData *) fcinfo->context)->parsetree);
	foreach(lc, dropped_relations())
	{
		WeirAggregate agg;

		if (!weir_aggregate_find(lfirst_oid(lc), NULL, &agg))
			continue;
		tell_of_cascade(&agg);
		weir_drop_aggregate(&agg, behavior);
	}
	PG_RETURN_NULL();
}
