/*-------------------------------------------------------------------------
 *
 * wide_table.c
 *	  Creating, altering and dropping wide tables.
 *
 * A wide table consists of
 *
 *	<name>			the face, a foreign table (row_key bytea, cells
 *					weir.widerow); all rights are those on it
 *	<name>_delta	heap of the deltas, btree (row_key, seq)
 *	<name>_base		heap of the folded rows, UNIQUE (row_key, part), and a
 *					partial index on gc_due
 *	<name>_seq		gives the numbers of the writes, owned by the deltas
 *
 * all in the face's schema, owned by its creator, and dumped by pg_dump as any
 * others; the face may be renamed, and moved to another schema or owner, where
 * they follow (face_alter.c).  The heaps are internal dependents of the face.  When the
 * description of a wide table comes from a dump, a trigger on the catalog
 * makes them so; after pg_upgrade, see face_links.c.
 *
 * Locks: see catalog.c.  Every change ends with a relcache invalidation of
 * the face.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "storage/authorized_view.h"
#include "storage/catalog.h"
#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/heap_guard.h"
#include "storage/hll.h"
#include "storage/owner.h"
#include "storage/wide_table.h"
#include "types/json_list.h"
#include "types/mutation.h"
#include "weir.h"

/* ---- helpers ---- */

void
weir_check_owner(Oid face)
{
	if (!WeirOwnsRelation(face, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE,
					   get_rel_name(face));
}

/* The wide table in argument 0, locked; the current user must own it. */
static WeirWideTable *
owned_table_argument(FunctionCallInfo fcinfo, LOCKMODE lockmode)
{
	Oid			face = weir_table_argument(fcinfo, 0);
	WeirWideTable *table = weir_wide_table_open(face, lockmode, 0);

	weir_check_owner(face);
	weir_check_is_no_view(table);
	return table;
}

/* ---- creating ---- */

/* Splits the name and checks that the relation can be created. */
static Oid
creation_namespace(const char *name, char **relname)
{
	List	   *names = stringToQualifiedNameList(name WEIR_NO_ESCONTEXT);
	RangeVar   *rv = makeRangeVarFromNameList(names);
	Oid			nspid = RangeVarGetAndCheckCreationNamespace(rv, NoLock, NULL);

	if (rv->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("wide tables cannot be temporary")));
	if (OidIsValid(get_relname_relid(rv->relname, nspid)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("relation \"%s\" already exists", rv->relname)));
	*relname = rv->relname;
	return nspid;
}

static const char *
qualified(Oid nspid, const char *relname)
{
	return quote_qualified_identifier(get_namespace_name(nspid), relname);
}

static void
create_delta_heap(const char *delta, const char *seq)
{
	/*
	 * Tuples stay inline as far as a page allows: out of line they cost
	 * another descent.  Row keys are never compressed, as index entries are
	 * made of them.
	 */
	weir_execute("CREATE TABLE %s (row_key bytea NOT NULL,"
				 " seq bigint NOT NULL, cells weir.delta NOT NULL)"
				 " USING heap WITH (toast_tuple_target = 8160)", delta);
	weir_execute("ALTER TABLE %s ALTER COLUMN row_key SET STORAGE PLAIN",
				 delta);
	/* no two entries are equal, so that looking for duplicates is in vain */
	weir_execute("CREATE INDEX ON %s (row_key, seq)"
				 " WITH (deduplicate_items = off)", delta);
	weir_execute("CREATE SEQUENCE %s AS bigint CACHE 1 OWNED BY %s.seq",
				 seq, delta);
}

static void
create_base_heap(const char *base)
{
	weir_execute("CREATE TABLE %s (row_key bytea NOT NULL,"
				 " part bytea NOT NULL, hi bigint, folded_at bigint,"
				 " gc_due bigint, cells weir.segment NOT NULL,"
				 " PRIMARY KEY (row_key, part))"
				 " USING heap WITH (toast_tuple_target = 8160)", base);
	weir_execute("ALTER TABLE %s ALTER COLUMN row_key SET STORAGE PLAIN,"
				 " ALTER COLUMN part SET STORAGE PLAIN", base);
	weir_execute("CREATE INDEX ON %s (gc_due) WHERE gc_due IS NOT NULL",
				 base);
}

static void
insert_wide_table(Oid face, Oid delta, Oid base, Oid seq,
				  const char *granularity)
{
	Relation	rel = table_open(weir_own_relid("_wide_tables", false),
								 RowExclusiveLock);
	Datum		values[Natts_wide_tables];
	bool		nulls[Natts_wide_tables] = {false};

	values[Anum_wide_tables_face - 1] = ObjectIdGetDatum(face);
	values[Anum_wide_tables_delta - 1] = ObjectIdGetDatum(delta);
	values[Anum_wide_tables_base - 1] = ObjectIdGetDatum(base);
	values[Anum_wide_tables_seq - 1] = ObjectIdGetDatum(seq);
	values[Anum_wide_tables_granularity - 1] = CStringGetTextDatum(granularity);
	values[Anum_wide_tables_last_family - 1] = Int32GetDatum(0);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel),
											values, nulls));
	table_close(rel, NoLock);
}

Oid
weir_create_face(const char *name)
{
	char	   *relname;
	Oid			nspid = creation_namespace(name, &relname);

	weir_execute("CREATE FOREIGN TABLE %s (row_key bytea NOT NULL,"
				 " cells weir.widerow NOT NULL) SERVER weir",
				 qualified(nspid, relname));
	return get_relname_relid(relname, nspid);
}

PG_FUNCTION_INFO_V1(weir_create_wide_table);
Datum
weir_create_wide_table(PG_FUNCTION_ARGS)
{
	char	   *granularity;
	char	   *relname;
	char	   *delta_name;
	char	   *base_name;
	char	   *seq_name;
	Oid			nspid;
	Oid			face;
	Oid			delta;
	Oid			base;
	Oid			seq;

	PreventCommandIfReadOnly("weir.create_wide_table()");
	if (PG_ARGISNULL(0))
		weir_argument_is_null("name");
	if (PG_ARGISNULL(1))
		weir_argument_is_null("granularity");
	granularity = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strcmp(granularity, "micros") != 0 && strcmp(granularity, "millis") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized granularity \"%s\"", granularity),
				 errhint("Valid granularities are \"micros\" and \"millis\".")));
	face = weir_create_face(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	nspid = get_rel_namespace(face);
	relname = get_rel_name(face);
	delta_name = ChooseRelationName(relname, NULL, "delta", nspid, false);
	seq_name = ChooseRelationName(relname, NULL, "seq", nspid, false);
	create_delta_heap(qualified(nspid, delta_name),
					  qualified(nspid, seq_name));
	base_name = ChooseRelationName(relname, NULL, "base", nspid, false);
	create_base_heap(qualified(nspid, base_name));
	delta = get_relname_relid(delta_name, nspid);
	base = get_relname_relid(base_name, nspid);
	seq = get_relname_relid(seq_name, nspid);
	weir_revoke_default_privileges(delta);
	weir_revoke_default_privileges(base);
	weir_revoke_default_privileges(seq);
	weir_heap_guard_create(qualified(nspid, delta_name));
	weir_heap_guard_create(qualified(nspid, base_name));

	insert_wide_table(face, delta, base, seq, granularity);
	weir_link_heaps(face, delta, base, seq);
	CacheInvalidateRelcacheByRelid(face);
	CommandCounterIncrement();
	PG_RETURN_OID(face);
}

/* ---- dropping ---- */

void
weir_drop_face(Oid face)
{
	weir_execute("DROP FOREIGN TABLE %s",
				 qualified(get_rel_namespace(face), get_rel_name(face)));
}

PG_FUNCTION_INFO_V1(weir_drop_wide_table);
Datum
weir_drop_wide_table(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("weir.drop_wide_table()");
	weir_drop_face(owned_table_argument(fcinfo, AccessExclusiveLock)->face);
	PG_RETURN_VOID();
}

/* Drops a heap that was left behind. */
static void
drop_if_exists(Oid heap)
{
	ObjectAddress address;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(heap)))
		return;
	ObjectAddressSet(address, RelationRelationId, heap);
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

static void
delete_rows_of_face(const char *table, const char *index, Oid face)
{
	Relation	rel = table_open(weir_own_relid(table, false), RowExclusiveLock);
	SysScanDesc scan = weir_catalog_scan(rel, index, face);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, NoLock);
}

/* Forgets the wide table, if the foreign table dropped was one. */
static void
forget_wide_table(Oid face)
{
	Relation	rel = table_open(weir_own_relid("_wide_tables", false),
								 RowExclusiveLock);
	SysScanDesc scan = weir_catalog_scan(rel, "_wide_tables_pkey", face);
	HeapTuple	tuple = systable_getnext(scan);
	TupleDesc	desc = RelationGetDescr(rel);
	Oid			delta = InvalidOid;
	Oid			base = InvalidOid;
	Oid			changes;
	bool		isnull;

	if (HeapTupleIsValid(tuple))
	{
		delta = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_delta,
											  desc, &isnull));
		base = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_base,
											 desc, &isnull));
		CatalogTupleDelete(rel, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	delete_rows_of_face("_authorized_views", "_authorized_views_pkey", face);
	if (!OidIsValid(delta))
		return;
	delete_rows_of_face("_families", "_families_pkey", face);
	delete_rows_of_face("_family_rules", "_family_rules_pkey", face);
	changes = weir_changes_of_table(face);
	weir_changes_forget(face);
	drop_if_exists(delta);
	drop_if_exists(base);
	if (OidIsValid(changes))
		drop_if_exists(changes);
}

PG_FUNCTION_INFO_V1(weir__wide_table_drop);
Datum
weir__wide_table_drop(PG_FUNCTION_ARGS)
{
	List	   *faces;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by an event trigger")));
	/* Nothing to do when it is the extension itself that goes. */
	if (!OidIsValid(get_relname_relid("_wide_tables",
									  get_namespace_oid(WEIR_SCHEMA, true))))
		PG_RETURN_NULL();

	faces = weir_select_oids("SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects()"
							 " WHERE object_type OPERATOR(pg_catalog.=) 'foreign table'");
	foreach(lc, faces)
		forget_wide_table(lfirst_oid(lc));
	weir_changes_check_dropped();
	PG_RETURN_NULL();
}

/* A row of the catalog was inserted by SQL, that is by a dump. */
PG_FUNCTION_INFO_V1(weir__wide_table_changed);
Datum
weir__wide_table_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	tuple;
	bool		isnull;
	Oid			face;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by a row trigger after INSERT")));
	desc = RelationGetDescr(trigger->tg_relation);
	tuple = trigger->tg_trigtuple;

	/* The face is the first column of each of the tables. */
	face = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_face, desc,
										 &isnull));
	if (RelationGetRelid(trigger->tg_relation) ==
		weir_own_relid("_wide_tables", false))
	{
		Datum		delta = heap_getattr(tuple, Anum_wide_tables_delta, desc,
										 &isnull);
		Datum		base = heap_getattr(tuple, Anum_wide_tables_base, desc,
										&isnull);
		Datum		seq = heap_getattr(tuple, Anum_wide_tables_seq, desc,
									   &isnull);

		weir_link_heaps(face, DatumGetObjectId(delta), DatumGetObjectId(base),
						DatumGetObjectId(seq));
	}
	else if (RelationGetRelid(trigger->tg_relation) ==
			 weir_own_relid("_authorized_views", false))
	{
		Datum		home = heap_getattr(tuple, Anum_authorized_views_home, desc,
										&isnull);

		weir_link_authorized_view(face, DatumGetObjectId(home));
	}
	else if (RelationGetRelid(trigger->tg_relation) ==
			 weir_own_relid("_change_streams", false))
	{
		Datum		changes = heap_getattr(tuple, Anum_change_streams_changes,
										   desc, &isnull);

		weir_changes_link(face, DatumGetObjectId(changes));
	}
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(face)))
		CacheInvalidateRelcacheByRelid(face);
	return PointerGetDatum(tuple);
}

/* ---- families ---- */

/* The next family number of the table, which is recorded as used. */
static int32
take_family_number(Oid face)
{
	Relation	rel = table_open(weir_own_relid("_wide_tables", false),
								 RowExclusiveLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = weir_catalog_scan(rel, "_wide_tables_pkey", face);
	HeapTuple	tuple = systable_getnext(scan);
	Datum		values[Natts_wide_tables] = {0};
	bool		nulls[Natts_wide_tables] = {false};
	bool		replace[Natts_wide_tables] = {false};
	bool		isnull;
	int32		number;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "no catalog row for wide table %u", face);
	number = DatumGetInt32(heap_getattr(tuple, Anum_wide_tables_last_family,
										desc, &isnull)) + 1;
	if (number > PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("wide table \"%s\" has had too many families",
						get_rel_name(face)),
				 errdetail("At most %d can be added over its life.",
						   PG_UINT16_MAX)));
	values[Anum_wide_tables_last_family - 1] = Int32GetDatum(number);
	replace[Anum_wide_tables_last_family - 1] = true;
	tuple = heap_modify_tuple(tuple, desc, values, nulls, replace);
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	systable_endscan(scan);
	table_close(rel, NoLock);
	return number;
}

/* Ends a change of the catalog. */
static void
finish_change(Oid face)
{
	CacheInvalidateRelcacheByRelid(face);
	CommandCounterIncrement();
}

static void
insert_family(Oid face, const char *name, uint32 name_len,
			  const char *aggregate, Datum gc, bool gc_is_null)
{
	Relation	rel = table_open(weir_own_relid("_families", false),
								 RowExclusiveLock);
	Datum		values[Natts_families] = {0};
	bool		nulls[Natts_families] = {false};

	values[Anum_families_face - 1] = ObjectIdGetDatum(face);
	values[Anum_families_number - 1] = Int32GetDatum(take_family_number(face));
	values[Anum_families_name - 1] =
		PointerGetDatum(cstring_to_text_with_len(name, name_len));
	if (aggregate != NULL)
		values[Anum_families_aggregate - 1] = CStringGetTextDatum(aggregate);
	else
		nulls[Anum_families_aggregate - 1] = true;
	values[Anum_families_gc - 1] = gc;
	nulls[Anum_families_gc - 1] = gc_is_null;
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel),
											values, nulls));
	table_close(rel, NoLock);
}

PG_FUNCTION_INFO_V1(weir_add_family);
Datum
weir_add_family(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = owned_table_argument(fcinfo,
												ShareUpdateExclusiveLock);
	Oid			face = table->face;
	uint32		len;
	const char *name = weir_family_argument(fcinfo, 1, &len);
	const char *aggregate = PG_ARGISNULL(3) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(3));

	PreventCommandIfReadOnly("weir.add_family()");
	if (weir_op_of_aggregate(aggregate) == WEIR_OP_HLL)
		weir_hll_require();
	if (weir_family_find(table, name, len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("family \"%s\" of wide table \"%s\" already exists",
						pnstrdup(name, len), get_rel_name(face))));
	insert_family(face, name, len, aggregate,
				  PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2),
				  PG_ARGISNULL(2));
	finish_change(face);
	PG_RETURN_VOID();
}

/* The family's row in the catalog, a copy. */
static HeapTuple
family_tuple(Relation rel, Oid face, uint16 number)
{
	SysScanDesc scan = weir_catalog_scan(rel, "_families_pkey", face);
	HeapTuple	found = NULL;
	HeapTuple	tuple;

	while (found == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		d = heap_getattr(tuple, Anum_families_number,
									 RelationGetDescr(rel), &isnull);

		if (DatumGetInt32(d) == number)
			found = heap_copytuple(tuple);
	}
	systable_endscan(scan);
	if (found == NULL)
		elog(ERROR, "no catalog row for family %u of wide table %u",
			 number, face);
	return found;
}

/*
 * A rule that was replaced is needed as long as something is left to which it
 * has not been applied: see compact.c.
 */
void
weir_forget_rules(Oid face, uint16 family, int64 until_seq)
{
	Relation	rel = table_open(weir_own_relid("_family_rules", false),
								 RowExclusiveLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = weir_catalog_scan(rel, "_family_rules_pkey", face);
	HeapTuple	tuple;
	bool		any = false;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		int32		number = DatumGetInt32(heap_getattr(tuple,
														Anum_family_rules_number,
														desc, &isnull));
		int64		seq = DatumGetInt64(heap_getattr(tuple,
													 Anum_family_rules_until_seq,
													 desc, &isnull));

		if ((family != 0 && number != family) || seq > until_seq)
			continue;
		CatalogTupleDelete(rel, &tuple->t_self);
		any = true;
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	if (any)
		CacheInvalidateRelcacheByRelid(face);
}

static bool
is_same_rule(Datum a, bool a_is_null, Datum b, bool b_is_null)
{
	if (a_is_null || b_is_null)
		return a_is_null && b_is_null;
	return datum_image_eq(a, b, false, -1);
}

/* Keeps the rule that is about to be replaced. */
static void
insert_earlier_rule(const WeirWideTable *table, uint16 number,
					Datum gc, bool gc_is_null)
{
	Relation	rel = table_open(weir_own_relid("_family_rules", false),
								 RowExclusiveLock);
	Datum		values[Natts_family_rules] = {0};
	bool		nulls[Natts_family_rules] = {false};

	values[Anum_family_rules_face - 1] = ObjectIdGetDatum(table->face);
	values[Anum_family_rules_number - 1] = Int32GetDatum(number);
	values[Anum_family_rules_until_seq - 1] =
		Int64GetDatum(nextval_internal(table->seq, false));
	values[Anum_family_rules_until_time - 1] =
		TimestampTzGetDatum(GetCurrentTimestamp());
	values[Anum_family_rules_gc - 1] = gc;
	nulls[Anum_family_rules_gc - 1] = gc_is_null;
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel),
											values, nulls));
	table_close(rel, NoLock);
}

PG_FUNCTION_INFO_V1(weir_alter_family);
Datum
weir_alter_family(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = owned_table_argument(fcinfo, ShareRowExclusiveLock);
	Oid			face = table->face;
	uint32		len;
	const char *name = weir_family_argument(fcinfo, 1, &len);
	uint16		number = weir_family_get(table, name, len)->number;
	Relation	rel = table_open(weir_own_relid("_families", false),
								 RowExclusiveLock);
	HeapTuple	tuple = family_tuple(rel, face, number);
	Datum		values[Natts_families] = {0};
	bool		nulls[Natts_families] = {false};
	bool		replace[Natts_families] = {false};
	bool		old_is_null;
	Datum		old = heap_getattr(tuple, Anum_families_gc,
								   RelationGetDescr(rel), &old_is_null);

	PreventCommandIfReadOnly("weir.alter_family()");
	if (is_same_rule(old, old_is_null,
					 PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2),
					 PG_ARGISNULL(2)))
	{
		table_close(rel, NoLock);
		PG_RETURN_VOID();
	}
	insert_earlier_rule(table, number, old, old_is_null);
	values[Anum_families_gc - 1] = PG_ARGISNULL(2) ? (Datum) 0 :
		PG_GETARG_DATUM(2);
	nulls[Anum_families_gc - 1] = PG_ARGISNULL(2);
	replace[Anum_families_gc - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(rel),
							  values, nulls, replace);
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	table_close(rel, NoLock);
	finish_change(face);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(weir_drop_family);
Datum
weir_drop_family(PG_FUNCTION_ARGS)
{
	WeirWideTable *table = owned_table_argument(fcinfo, ShareRowExclusiveLock);
	Oid			face = table->face;
	uint32		len;
	const char *name = weir_family_argument(fcinfo, 1, &len);
	const WeirFamily *dropped = weir_family_get(table, name, len);
	Relation	rel;

	PreventCommandIfReadOnly("weir.drop_family()");
	weir_changes_put_event(table, WEIR_CHANGE_DROP_FAMILY, dropped);
	rel = table_open(weir_own_relid("_families", false), RowExclusiveLock);
	CatalogTupleDelete(rel, &family_tuple(rel, face, dropped->number)->t_self);
	table_close(rel, NoLock);
	weir_forget_rules(face, dropped->number, PG_INT64_MAX);
	finish_change(face);
	PG_RETURN_VOID();
}
