/*-------------------------------------------------------------------------
 *
 * drop.c
 *	  Dropping continuous aggregates, by weir's function or by hand.
 *
 * The relations of an aggregate are dropped together.  A user may also drop
 * one of them with the server's own commands, or the stream's table with
 * CASCADE; an event trigger then drops the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "weir.h"
#include "aggregate/drop.h"
#include "aggregate/runs.h"
#include "aggregate/sink.h"
#include "stream/cursor.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(weir_drop_continuous_aggregate);
PG_FUNCTION_INFO_V1(weir__aggregate_dropped);

static void
add_relation(ObjectAddresses *objects, Oid relid)
{
	ObjectAddress address;

	if (!OidIsValid(relid) ||
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return;
	ObjectAddressSet(address, RelationRelationId, relid);
	add_exact_object_address(&address, objects);
}

/*
 * A tick takes the stream's lock first and then the aggregate's; so do we.
 */
void
weir_drop_aggregate(const WeirAggregate *agg, DropBehavior behavior)
{
	ObjectAddresses *objects = new_object_addresses();
	WeirStream	stream;
	WeirCursor	cursor;

	if (weir_stream_lookup_id(agg->stream_id, &stream))
		(void) weir_cursor_lock_stream(agg->stream_id, true);
	add_relation(objects, agg->view);
	add_relation(objects, agg->closed);
	add_relation(objects, agg->open);
	add_relation(objects, agg->query);
	performMultipleDeletions(objects, behavior, 0);
	free_object_addresses(objects);

	weir_runs_drop(agg->id);
	weir_sink_drop_all(agg->id);
	weir_aggregate_delete(agg->id);
	if (agg->is_ready &&
		weir_aggregate_ids_of_cursor(agg->cursor_id) == NIL &&
		weir_cursor_read(agg->cursor_id, NULL, &cursor) && !cursor.is_main)
		weir_cursor_drop(agg->cursor_id);
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
		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg))
			weir_drop_aggregate(&agg, DROP_CASCADE);
	}
}

Datum
weir_drop_continuous_aggregate(PG_FUNCTION_ARGS)
{
	WeirAggregate agg;

	weir_aggregate_get_owned(PG_GETARG_OID(0), &agg);
	weir_drop_aggregate(&agg, PG_GETARG_BOOL(1) ? DROP_CASCADE : DROP_RESTRICT);
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

Datum
weir__aggregate_dropped(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as an event trigger")));
	foreach(lc, dropped_relations())
	{
		WeirAggregate agg;

		if (weir_aggregate_find(lfirst_oid(lc), NULL, &agg))
			weir_drop_aggregate(&agg, DROP_RESTRICT);
	}
	PG_RETURN_NULL();
}
