/*-------------------------------------------------------------------------
 *
 * face_links.c
 *	  Dependencies between the relations of wide tables.
 *
 * The heaps of a wide table are internal dependents of the face, so that they
 * go with it and not alone, and its row type depends on the sequence, so that
 * neither does that; what the heap of changes and authorized views are is
 * written where they are made.
 *
 * A dump does not have such dependencies.  When it is restored, triggers on
 * the catalog put them back (wide_table.c).  pg_upgrade takes the catalog as
 * a file, so that nothing is fired: therefore, before the first command of a
 * session that drops something, those that are missing are put back.
 *
 * Locks: the extension, as an object, by who puts something back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/owner.h"
#include "storage/wide_table.h"
#include "weir.h"

/* No other session, and nothing in this one, takes a dependency away. */
static bool nothing_is_missing = false;

void
weir_link_heaps(Oid face, Oid delta, Oid base, Oid seq)
{
	ObjectAddress face_address;
	ObjectAddress heap_address;
	ObjectAddress seq_address;
	ObjectAddress type_address;

	ObjectAddressSet(face_address, RelationRelationId, face);
	ObjectAddressSet(heap_address, RelationRelationId, delta);
	recordDependencyOn(&heap_address, &face_address, DEPENDENCY_INTERNAL);
	ObjectAddressSet(heap_address, RelationRelationId, base);
	recordDependencyOn(&heap_address, &face_address, DEPENDENCY_INTERNAL);

	/*
	 * pg_dump would take an internal one of the sequence for that of an
	 * identity column, and one of the face itself would make a loop, as the
	 * sequence is owned by the heap of deltas.
	 */
	ObjectAddressSet(seq_address, RelationRelationId, seq);
	ObjectAddressSet(type_address, TypeRelationId, get_rel_type_id(face));
	recordDependencyOn(&type_address, &seq_address, DEPENDENCY_NORMAL);
}

/* Does a relation depend on another one? */
static bool
is_linked(Oid relid, Oid on)
{
	Relation	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, DependDependerIndexId, true, NULL, 2, keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		found = form->refclassid == RelationRelationId &&
			form->refobjid == on;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* A walk through the catalog. */
typedef struct Links
{
	bool		repairs;		/* put back what is missing */
	bool		missing;		/* anything was */
} Links;

static void
check_table(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Links	   *links = arg;
	Oid			face = weir_catalog_oid(tuple, Anum_wide_tables_face, desc);
	Oid			delta = weir_catalog_oid(tuple, Anum_wide_tables_delta, desc);
	Oid			base = weir_catalog_oid(tuple, Anum_wide_tables_base, desc);
	Oid			seq = weir_catalog_oid(tuple, Anum_wide_tables_seq, desc);
	Oid			changes = weir_changes_of_table(face);

	if (!is_linked(delta, face))
	{
		links->missing = true;
		if (links->repairs)
			weir_link_heaps(face, delta, base, seq);
	}
	if (OidIsValid(changes) && !is_linked(changes, face))
	{
		links->missing = true;
		if (links->repairs)
			weir_changes_link(face, changes);
	}
}

static void
check_view(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Links	   *links = arg;
	Oid			view = weir_catalog_oid(tuple, Anum_authorized_views_face, desc);
	Oid			home = weir_catalog_oid(tuple, Anum_authorized_views_home, desc);

	if (is_linked(view, home))
		return;
	links->missing = true;
	if (links->repairs)
		weir_link_authorized_view(view, home);
}

/* True if anything was missing. */
static bool
check_links(bool repairs)
{
	Links		links = {repairs, false};

	weir_catalog_visit("_wide_tables", check_table, &links);
	weir_catalog_visit("_authorized_views", check_view, &links);
	return links.missing;
}

/*
 * One session at a time, to the end of its transaction; who has waited sees
 * what the one before him has put back.
 */
static void
put_links_back(void)
{
	LockDatabaseObject(ExtensionRelationId, weir_extension_oid(), 0,
					   ShareUpdateExclusiveLock);
	check_links(true);
	CommandCounterIncrement();
}

PG_FUNCTION_INFO_V1(weir__wide_table_dropping);
Datum
weir__wide_table_dropping(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by an event trigger")));
	if (!nothing_is_missing)
	{
		/* what is put back may yet be rolled back, so look again next time */
		nothing_is_missing = !check_links(false);
		if (!nothing_is_missing)
			put_links_back();
	}
	PG_RETURN_NULL();
}
