/*-------------------------------------------------------------------------
 *
 * face_alter.c
 *	  What goes along when a wide table is altered, and what it refuses.
 *
 * After ALTER ... OWNER TO of the face, its heaps (with the sequence and the
 * indexes), its heap of changes and its authorized views are given to the new
 * owner, too: nobody keeps more of a table that he gave away than others have
 * granted him.  After ALTER ... SET SCHEMA, all of these but the views, which
 * have names of their own, go to the schema where the face is now: else to drop
 * the old schema would drop the table.  The server has checked that the user may
 * do this to the face; its parts are its own, so that nothing else has to be
 * checked.
 *
 * Only the table that a command names is looked at.  So its parts may be
 * elsewhere, or have another owner, if somebody moves them, or gives them away,
 * by themselves.
 *
 * Child tables of a face are refused: a query of the face would show rows of
 * theirs that no function of weir's knows of.  So are other columns than those
 * that a face, or an authorized view, was made with, also when they come down
 * from a parent.  To take them away again is not.
 *
 * Locks: the face is locked; then as catalog.c has it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "commands/tablecmds.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "storage/alter_table.h"
#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/owner.h"
#include "storage/shape.h"
#include "weir.h"

/* ---- owner ---- */

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

/* ---- schema ---- */

static void
move(Oid relid, Oid schema)
{
	Relation	rel = relation_open(relid, AccessExclusiveLock);
	ObjectAddresses *moved = new_object_addresses();

	if (RelationGetNamespace(rel) != schema)
	{
		AlterTableNamespaceInternal(rel, RelationGetNamespace(rel), schema,
									moved);
		CommandCounterIncrement();
	}
	free_object_addresses(moved);
	relation_close(rel, NoLock);
}

/* The sequence and the indexes go with their heaps. */
static void
follow_schema(Oid face)
{
	ListCell   *lc;

	foreach(lc, parts_of_table(face))
		move(lfirst_oid(lc), get_rel_namespace(face));
}

/* ---- inheritance ---- */

static bool
is_listed(const char *table, const char *index, Oid face)
{
	Relation	rel = table_open(weir_own_relid(table, false), AccessShareLock);
	SysScanDesc scan = weir_catalog_scan(rel, index, face);
	bool		found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

static bool
is_face(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE &&
		(is_listed("_wide_tables", "_wide_tables_pkey", relid) ||
		 is_listed("_authorized_views", "_authorized_views_pkey", relid));
}

/* Of tables that the command has made or altered: what they inherit from. */
static void
refuse_children(void)
{
	ListCell   *lc;

	foreach(lc, weir_select_oids("SELECT DISTINCT i.inhparent"
								 " FROM pg_catalog.pg_event_trigger_ddl_commands() d"
								 " JOIN pg_catalog.pg_inherits i ON i.inhrelid OPERATOR(pg_catalog.=) d.objid"
								 " WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"))
	{
		Oid			parent = lfirst_oid(lc);

		if (is_face(parent))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("wide table \"%s\" cannot have child tables",
							get_rel_name(parent)),
					 errdetail("Rows of child tables are none of the wide table's."),
					 errhint("Wide tables can be partitions of a partitioned table.")));
	}
}

/* ---- columns ---- */

static void
check_columns(Oid face)
{
	Relation	rel = relation_open(face, AccessShareLock);

	if (!weir_shape_face_is_whole(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot alter the columns of wide table \"%s\"",
						RelationGetRelationName(rel)),
				 errdetail("A wide table can have no other columns than those it was made with.")));
	relation_close(rel, AccessShareLock);
}

/* The tables that the command has altered, with all that inherit from them. */
static void
refuse_columns(void)
{
	ListCell   *lc;

	foreach(lc, weir_select_oids("SELECT DISTINCT objid FROM pg_catalog.pg_event_trigger_ddl_commands()"
								 " WHERE classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"))
	{
		ListCell   *child;

		foreach(child, find_all_inheritors(lfirst_oid(lc), NoLock, NULL))
			if (is_face(lfirst_oid(child)))
				check_columns(lfirst_oid(child));
	}
}

/* ---- numbers of writes ---- */

typedef struct SequenceSearch
{
	Oid			seq;
	Oid			face;			/* of which it is the sequence, or InvalidOid */
} SequenceSearch;

static void
look_at_sequence(HeapTuple tuple, TupleDesc desc, void *arg)
{
	SequenceSearch *search = arg;

	if (weir_catalog_oid(tuple, Anum_wide_tables_seq, desc) == search->seq)
		search->face = weir_catalog_oid(tuple, Anum_wide_tables_face, desc);
}

/* Numbers that were given out before, and folded, would not be seen again. */
static void
refuse_restart(const AlterSeqStmt *statement)
{
	SequenceSearch search = {RangeVarGetRelid(statement->sequence, NoLock, true)};
	bool		restarts = false;
	ListCell   *lc;

	foreach(lc, statement->options)
		if (strcmp(((DefElem *) lfirst(lc))->defname, "restart") == 0)
			restarts = true;
	if (!restarts || !OidIsValid(search.seq))
		return;
	weir_catalog_visit("_wide_tables", look_at_sequence, &search);
	if (OidIsValid(search.face))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot restart sequence \"%s\"",
						get_rel_name(search.seq)),
				 errdetail("It numbers the writes to wide table \"%s\", none of which must get a number that was used.",
						   get_rel_name(search.face))));
}

/* ---- the event trigger ---- */

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
	const Node *statement;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by an event trigger")));
	statement = ((EventTriggerData *) fcinfo->context)->parsetree;
	switch (nodeTag(statement))
	{
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			/* those of a partition are partitioned tables */
			if (((CreateStmt *) statement)->inhRelations != NIL &&
				((CreateStmt *) statement)->partbound == NULL)
				refuse_children();
			break;
		case T_CreateSchemaStmt:
			refuse_children();
			break;
		case T_AlterObjectSchemaStmt:
			foreach(lc, altered_faces())
				follow_schema(lfirst_oid(lc));
			break;
		case T_AlterTableStmt:
			foreach(lc, altered_faces())
				follow_owner(lfirst_oid(lc));
			if (weir_alter_table_has((AlterTableStmt *) statement, AT_AddInherit))
				refuse_children();
			if (weir_alter_table_changes_columns((AlterTableStmt *) statement))
				refuse_columns();
			break;
		case T_AlterSeqStmt:
			refuse_restart((AlterSeqStmt *) statement);
			break;
		default:
			break;
	}
	PG_RETURN_NULL();
}
