/*-------------------------------------------------------------------------
 *
 * heap_guard.c
 *	  The heaps of wide tables are not written by SQL.
 *
 * Their owner may add indexes, move, cluster and vacuum them.  Rows that he
 * wrote by hand, or took away, would make the table read wrongly: a row's first
 * segment says up to which write it is folded, and the numbers of writes must
 * not begin anew, as TRUNCATE ... RESTART IDENTITY would have it.  So triggers
 * refuse that.  weir itself writes by file access, which fires none, but for
 * TRUNCATE.  A dump makes triggers after it has brought the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "storage/heap_guard.h"
#include "storage/owner.h"
#include "weir.h"

/* The face is being truncated, and its heaps with it. */
static bool truncates_face = false;

void
weir_heap_guard_create(const char *heap)
{
	weir_execute("CREATE TRIGGER weir_refuse_write"
				 " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s"
				 " FOR EACH STATEMENT EXECUTE FUNCTION "
				 WEIR_SCHEMA "._refuse_write()", heap);
}

void
weir_heap_guard_truncate(List *rels, List *relids)
{
	truncates_face = true;
	PG_TRY();
	{
		weir_truncate(rels, relids);
	}
	PG_FINALLY();
	{
		truncates_face = false;
	}
	PG_END_TRY();
}

PG_FUNCTION_INFO_V1(weir__refuse_write);
Datum
weir__refuse_write(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by trigger manager")));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) && truncates_face)
		PG_RETURN_POINTER(NULL);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot write to \"%s\"",
					RelationGetRelationName(trigger->tg_relation)),
			 errdetail("It is part of a wide table."),
			 errhint("Write to the wide table, or restore a dump of data alone with --disable-triggers.")));
	PG_RETURN_POINTER(NULL);
}
