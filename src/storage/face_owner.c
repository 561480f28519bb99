/*-------------------------------------------------------------------------
 *
 * face_owner.c
 *	  What goes along when a wide table gets another owner.
 *
 * After ALTER ... OWNER TO of the face, its heaps (with the sequence and the
 * indexes), its heap of changes and its authorized views are given to the new
 * owner, too: nobody keeps more of a table that he gave away than others have
 * granted him.  The server has checked that the user may give the face away;
 * its parts are its own, so that nothing else has to be checked.
 *
 * Only the table that a command names is looked at.  So its parts may have
 * another owner if somebody gives them away by themselves.
 *
 * Locks: the face is locked; then as catalog.c has it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "commands/tablecmds.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/owner.h"
#include "weir.h"

/* What was given away by itself stays where it is. */
static void
give(Oid relid, Oid before, Oid owner)
{
	if (weir_relation_owner(relid) == before)
		ATExecChangeOwner(relid, owner, true, AccessExclusiveLock);
}

/* The relations that make up a wide table; NIL if it is none. */
static List *
parts_of_table(Oid face)
{
	Relation	rel = table_open(weir_own_relid("_wide_tables", false),
								 AccessShareLock);
	SysScanDesc scan = weir_catalog_scan(rel, "_wide_tables_pkey", face);
	HeapTuple	tuple = systable_getnext(scan);
	List	   *parts = NIL;

	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	desc = RelationGetDescr(rel);
		Oid			changes = weir_changes_of_table(face);

		parts = list_make2_oid(weir_catalog_oid(tuple, Anum_wide_tables_delta, desc),
							   weir_catalog_oid(tuple, Anum_wide_tables_base, desc));
		if (OidIsValid(changes))
			parts = lappend_oid(parts, changes);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return parts;
}

typedef struct ViewsOfTable
{
	Oid			face;
	List	   *views;
} ViewsOfTable;

static void
append_view(HeapTuple tuple, TupleDesc desc, void *arg)
{
	ViewsOfTable *state = arg;

	if (weir_catalog_oid(tuple, Anum_authorized_views_home, desc) == state->face)
		state->views = lappend_oid(state->views,
								   weir_catalog_oid(tuple,
													Anum_authorized_views_face,
													desc));
}

static List *
views_of_table(Oid face)
{
	ViewsOfTable state = {face};

	weir_catalog_visit("_authorized_views", append_view, &state);
	return state.views;
}

static void
follow_owner(Oid face)
{
	List	   *parts = parts_of_table(face);
	Oid			owner = weir_relation_owner(face);
	Oid			before;
	ListCell   *lc;

	if (parts == NIL)
		return;
	/* the heap of deltas belongs to whom the table did */
	before = weir_relation_owner(linitial_oid(parts));
	if (!OidIsValid(before) || before == owner)
		return;
	foreach(lc, list_concat(parts, views_of_table(face)))
		give(lfirst_oid(lc), before, owner);
}

/* The foreign tables that the command has altered. */
static List *
altered_faces(void)
{
	return weir_select_oids("SELECT DISTINCT objid FROM pg_catalog.pg_event_trigger_ddl_commands()"
							" WHERE object_type OPERATOR(pg_catalog.=) 'foreign table'");
}

PG_FUNCTION_INFO_V1(weir__wide_table_altered);
Datum
weir__wide_table_altered(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by an event trigger")));
	foreach(lc, altered_faces())
		follow_owner(lfirst_oid(lc));
	PG_RETURN_NULL();
}
