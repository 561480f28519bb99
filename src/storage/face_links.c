/*-------------------------------------------------------------------------
 *
 * face_links.c
 *	  Dependencies between the relations of wide tables.
 *
 * The heaps of a wide table are internal dependents of the face, so that they
 * go with it and not alone; what the heap of changes and authorized views are
 * is written where they are made.
 *
 * A dump does not have such dependencies.  When it is restored, triggers on
 * the catalog put them back (wide_table.c).  pg_upgrade takes the catalog as
 * a file, so that nothing is fired: therefore, before the first command of a
 * session that drops something, those that are missing are put back.
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
#include "commands/event_trigger.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/wide_table.h"
#include "weir.h"

/* No other session, and nothing in this one, takes a dependency away. */
static bool nothing_is_missing = false;

void
weir_link_heaps(Oid face, Oid delta, Oid base)
{
	ObjectAddress face_address;
	ObjectAddress heap_address;

	ObjectAddressSet(face_address, RelationRelationId, face);
	ObjectAddressSet(heap_address, RelationRelationId, delta);
	recordDependencyOn(&heap_address, &face_address, DEPENDENCY_INTERNAL);
	ObjectAddressSet(heap_address, RelationRelationId, base);
	recordDependencyOn(&heap_address, &face_address, DEPENDENCY_INTERNAL);
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

/* True if anything was missing. */
static bool
link_tables(void)
{
	Relation	rel = table_open(weir_catalog_relid("_wide_tables"),
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	TupleDesc	desc = RelationGetDescr(rel);
	HeapTuple	tuple;
	bool		missing = false;
	bool		isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			face = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_face,
														 desc, &isnull));
		Oid			delta = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_delta,
														  desc, &isnull));
		Oid			base = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_base,
														 desc, &isnull));
		Oid			changes = weir_changes_of_table(face);

		if (!is_linked(delta, face))
		{
			weir_link_heaps(face, delta, base);
			missing = true;
		}
		if (OidIsValid(changes) && !is_linked(changes, face))
		{
			weir_changes_link(face, changes);
			missing = true;
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return missing;
}

static bool
link_views(void)
{
	Relation	rel = table_open(weir_catalog_relid("_authorized_views"),
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	TupleDesc	desc = RelationGetDescr(rel);
	HeapTuple	tuple;
	bool		missing = false;
	bool		isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			view = DatumGetObjectId(heap_getattr(tuple, Anum_authorized_views_face,
														 desc, &isnull));
		Oid			home = DatumGetObjectId(heap_getattr(tuple, Anum_authorized_views_home,
														 desc, &isnull));

		if (is_linked(view, home))
			continue;
		weir_link_authorized_view(view, home);
		missing = true;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return missing;
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
		bool		missing = link_tables();

		missing |= link_views();
		CommandCounterIncrement();
		/* what was put back may yet be rolled back */
		nothing_is_missing = !missing;
	}
	PG_RETURN_NULL();
}
