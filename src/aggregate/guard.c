/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  What keeps the parts of a continuous aggregate together: an event trigger.
 *
 * The view of an aggregate depends on its other parts, and thus is in the way
 * when one of these is dropped; replaced, it would not.  It can be renamed and
 * moved, given other column names, options or another owner (rights.c).  The
 * parts that are internal are not for users to alter at all: the view that holds
 * the definition says what the stored state means.
 *
 * While a dump is restored, which makes a view first as one of NULLs and replaces
 * it if it depends on a primary key, the aggregate is not ready.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "storage/owner.h"

PG_FUNCTION_INFO_V1(weir__aggregate_guard);

/* The relations that the command has altered, or given a SELECT rule. */
static List *
altered_relations(void)
{
	return weir_select_oids("SELECT coalesce(r.ev_class, c.objid)"
							" FROM pg_catalog.pg_event_trigger_ddl_commands() c"
							" LEFT JOIN pg_catalog.pg_rewrite r ON r.oid OPERATOR(pg_catalog.=) c.objid"
							" AND c.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
							" WHERE c.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
							" OR r.ev_type OPERATOR(pg_catalog.=) '1'");
}

static void
check_altered(Oid relid, bool is_replaced)
{
	WeirAggregate agg;

	if (!weir_aggregate_find(relid, NULL, &agg) || !agg.is_ready)
		return;
	if (relid == agg.query || relid == agg.open)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot alter \"%s\": it is a part of continuous aggregate \"%s\"",
						get_rel_name(relid), get_rel_name(agg.view)),
				 errhint("To change the query, drop the continuous aggregate and create another one.")));
	if (relid == agg.view && is_replaced)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot replace the view of continuous aggregate \"%s\"",
						get_rel_name(relid)),
				 errhint("Create another view over it. To change the query, drop the continuous aggregate and create another one.")));
}

Datum
weir__aggregate_guard(PG_FUNCTION_ARGS)
{
	Node	   *command;
	bool		is_replaced;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as an event trigger")));
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	is_replaced = IsA(command, ViewStmt) || IsA(command, RuleStmt);
	foreach(lc, altered_relations())
		check_altered(lfirst_oid(lc), is_replaced);
	PG_RETURN_NULL();
}
