/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Acting as the extension's owner, or as another role, for a while.
 *
 * All changes of identity go through these functions, which also pin
 * search_path: what runs under another identity must not find objects that
 * the caller has put in its way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "storage/invalidation.h"
#include "storage/owner.h"
#include "weir.h"

static void
become(WeirIdentity *identity, Oid role, int flags)
{
	GetUserIdAndSecContext(&identity->saved_user, &identity->saved_context);
	SetUserIdAndSecContext(role, identity->saved_context | flags);
	identity->saved_nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
weir_become_extension_owner(WeirIdentity *identity)
{
	become(identity, weir_extension_owner(), SECURITY_LOCAL_USERID_CHANGE);
}

void
weir_become_restricted(WeirIdentity *identity, Oid role)
{
	become(identity, role,
		   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

void
weir_restore_identity(const WeirIdentity *identity)
{
	AtEOXact_GUC(false, identity->saved_nest_level);
	SetUserIdAndSecContext(identity->saved_user, identity->saved_context);
}

/*
 * Relations of weir's own are looked for by name again and again.  Each name has
 * one place, which others may take.
 */
#define OWN_RELATIONS	64

typedef struct OwnRelation
{
	NameData	name;
	Oid			relid;			/* InvalidOid: forgotten */
} OwnRelation;

static OwnRelation own_relations[OWN_RELATIONS];

static void
forget_own(Oid relid)
{
	for (int i = 0; i < OWN_RELATIONS; i++)
		if (!OidIsValid(relid) || own_relations[i].relid == relid)
			own_relations[i].relid = InvalidOid;
}

/*
 * There are no messages about extensions, but about relations there are, and
 * this one comes and goes with ours.
 */
#define WITNESS		"_stream"

static Oid	witness = InvalidOid;
static Oid	known_extension;	/* good while there is a witness */

static void
relation_changed(Oid relid)
{
	if (!OidIsValid(relid) || relid == witness)
		witness = InvalidOid;
	forget_own(relid);
}

Oid
weir_extension_find(void)
{
	Oid			schema;
	Oid			extension;

	if (OidIsValid(witness))
		return known_extension;

	/* the witness first: if it is of an older one, we shall hear of its end */
	schema = get_namespace_oid(WEIR_SCHEMA, true);
	if (OidIsValid(schema))
		witness = get_relname_relid(WITNESS, schema);
	extension = get_extension_oid("weir", true);
	if (!OidIsValid(extension))
		witness = InvalidOid;
	known_extension = extension;
	return extension;
}

Oid
weir_extension_oid(void)
{
	return get_extension_oid("weir", false);
}

void
weir_owner_init(void)
{
	weir_watch_relations(relation_changed);
}

Oid
weir_extension_owner(void)
{
	Oid			extension = weir_extension_oid();
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "could not find tuple for extension %u", extension);
	owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return owner;
}

Oid
weir_own_relid(const char *name, bool missing_ok)
{
	uint32		hash = hash_bytes((const unsigned char *) name, strlen(name));
	OwnRelation *own = &own_relations[hash % OWN_RELATIONS];
	Oid			schema;
	Oid			relid = InvalidOid;

	if (OidIsValid(own->relid) && strcmp(NameStr(own->name), name) == 0)
		return own->relid;

	schema = get_namespace_oid(WEIR_SCHEMA, true);
	if (OidIsValid(schema))
		relid = get_relname_relid(name, schema);
	if (OidIsValid(relid))
	{
		namestrcpy(&own->name, name);
		own->relid = relid;
	}
	else if (!missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist",
						WEIR_SCHEMA, name),
				 errhint("Is the extension weir installed completely?")));
	return relid;
}

Oid
weir_schema_oid(void)
{
	return get_namespace_oid(WEIR_SCHEMA, false);
}

void
weir_join_extension(Oid relid)
{
	ObjectAddress object;
	ObjectAddress extension;

	ObjectAddressSet(object, RelationRelationId, relid);
	ObjectAddressSet(extension, ExtensionRelationId, weir_extension_oid());
	recordDependencyOn(&object, &extension, DEPENDENCY_EXTENSION);
	CommandCounterIncrement();
}

static void
leave_extension(Oid class, Oid object)
{
	if (OidIsValid(object))
		(void) deleteDependencyRecordsForClass(class, object,
											   ExtensionRelationId,
											   DEPENDENCY_EXTENSION);
}

/*
 * The types of its rows, and of arrays of these, are members where ALTER
 * EXTENSION has made the relation one, as pg_upgrade does: from 17 on.
 */
void
weir_leave_extension(Oid relid)
{
	Oid			type = get_rel_type_id(relid);

	leave_extension(RelationRelationId, relid);
	leave_extension(TypeRelationId, type);
	if (OidIsValid(type))
		leave_extension(TypeRelationId, get_array_type(type));
	CommandCounterIncrement();
}

/*
 * Functions of event triggers run with our search_path, as they do in CREATE
 * EXTENSION: with the caller's they could find what he has put in their way.
 */
static void
explain_undefined(void *unused)
{
	switch (geterrcode())
	{
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_UNDEFINED_OBJECT:
			errhint("Event triggers run with search_path = %s here: their functions need the schemas of what they use before its name, or a SET clause for search_path.",
					GetConfigOption("search_path", false, false));
			break;
		default:
			break;
	}
}

void
weir_execute(const char *format,...)
{
	ErrorContextCallback callback = {error_context_stack, explain_undefined, NULL};
	StringInfoData sql;
	int			result;
	bool		needs_snapshot = !ActiveSnapshotSet();

	initStringInfo(&sql);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&sql, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&sql, needed);
	}

	/* in a worker's transaction there is no statement to have one */
	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	error_context_stack = &callback;
	SPI_connect();
	result = SPI_execute(sql.data, false, 0);
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql.data,
			 SPI_result_code_string(result));
	SPI_finish();
	error_context_stack = callback.previous;
	if (needs_snapshot)
		PopActiveSnapshot();
	pfree(sql.data);
}

Oid
weir_relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* The roles other than the owner that have rights, InvalidOid for PUBLIC. */
static List *
grantees(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	List	   *roles = NIL;
	bool		isnull;
	Datum		d;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	d = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);
	if (!isnull)
	{
		Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		Acl		   *acl = DatumGetAclP(d);

		for (int i = 0; i < ACL_NUM(acl); i++)
			if (ACL_DAT(acl)[i].ai_grantee != owner)
				roles = list_append_unique_oid(roles,
											   ACL_DAT(acl)[i].ai_grantee);
	}
	ReleaseSysCache(tuple);
	return roles;
}

/* TABLE for what GRANT takes as one. */
static const char *
name_for_grant(Oid relid)
{
	return psprintf("%s %s",
					get_rel_relkind(relid) == RELKIND_SEQUENCE ?
					"SEQUENCE" : "TABLE",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
											   get_rel_name(relid)));
}

void
weir_revoke_default_privileges(Oid relid)
{
	ListCell   *lc;

	foreach(lc, grantees(relid))
		weir_execute("REVOKE ALL ON %s FROM %s", name_for_grant(relid),
					 OidIsValid(lfirst_oid(lc)) ?
					 quote_identifier(GetUserNameFromId(lfirst_oid(lc), false)) :
					 "PUBLIC");
}

/* Of the extension's own relations all may read the views, and that is all. */
PG_FUNCTION_INFO_V1(weir__revoke_default_privileges);
Datum
weir__revoke_default_privileges(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	weir_revoke_default_privileges(relid);
	if (get_rel_relkind(relid) == RELKIND_VIEW)
		weir_execute("GRANT SELECT ON %s TO PUBLIC", name_for_grant(relid));
	PG_RETURN_VOID();
}

void
weir_report_rule(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("could not change the rows of table \"%s\"",
					get_rel_name(relid)),
			 errdetail("A rule of the table takes the place of the command."),
			 errhint("Drop the rule; a trigger may do what it does.")));
}

List *
weir_select_oids(const char *query)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *oids = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);
		bool		isnull;
		Datum		oid = SPI_getbinval(SPI_tuptable->vals[i],
										SPI_tuptable->tupdesc, 1, &isnull);

		oids = lappend_oid(oids, DatumGetObjectId(oid));
		MemoryContextSwitchTo(old_context);
	}
	SPI_finish();
	return oids;
}
