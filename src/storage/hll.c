/*-------------------------------------------------------------------------
 *
 * hll.c
 *	  Families that count distinct values, by way of the extension hll.
 *
 * The extension is looked up when it is needed, by its functions' names in
 * its own schema; weir does not depend on it.  The OIDs are kept until any
 * function of the database changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "storage/hll.h"
#include "storage/invalidation.h"

/* the parameters of all states */
#define HLL_LOG2M		11
#define HLL_REGWIDTH	5
#define HLL_EXPTHRESH	(-1)
#define HLL_SPARSEON	1

/* what hll_type says of the set of which nothing is known */
#define HLL_TYPE_UNDEFINED	0

static struct
{
	bool		is_valid;
	Oid			empty;			/* hll_empty(integer, integer, bigint, integer) */
	Oid			hash;			/* hll_hash_bytea(bytea, integer) */
	Oid			add;			/* hll_add(hll, hll_hashval) */
	Oid			join;			/* hll_union(hll, hll) */
	Oid			type;			/* hll_type(hll) */
}			functions;

static void
invalidate(int cacheid, uint32 hashvalue)
{
	functions.is_valid = false;
}

void
weir_hll_init(void)
{
	weir_watch_objects(PROCOID, invalidate);
}

/* The schema of the extension, InvalidOid if it is not installed. */
static Oid
schema_of_hll(void)
{
	Oid			extension = get_extension_oid("hll", true);
	Oid			schema = InvalidOid;
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(extension))
		return InvalidOid;
	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return schema;
}

static Oid
find_type(Oid schema, char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum(name), ObjectIdGetDatum(schema));
}

static Oid
find_function(Oid schema, char *name, int nargs, Oid *args)
{
	return LookupFuncName(list_make2(makeString(get_namespace_name(schema)),
									 makeString(name)),
						  nargs, args, false);
}

void
weir_hll_require(void)
{
	Oid			schema;
	Oid			hll;
	Oid			hashval;

	if (functions.is_valid)
		return;
	schema = schema_of_hll();
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("families of kind \"hll\" need the extension \"hll\""),
				 errhint("Install it and run CREATE EXTENSION hll.")));
	hll = find_type(schema, "hll");
	hashval = find_type(schema, "hll_hashval");
	functions.empty = find_function(schema, "hll_empty", 4,
									(Oid[4]) {INT4OID, INT4OID, INT8OID, INT4OID});
	functions.hash = find_function(schema, "hll_hash_bytea", 2,
								   (Oid[2]) {BYTEAOID, INT4OID});
	functions.add = find_function(schema, "hll_add", 2,
								  (Oid[2]) {hll, hashval});
	functions.join = find_function(schema, "hll_union", 2,
								   (Oid[2]) {hll, hll});
	functions.type = find_function(schema, "hll_type", 1, (Oid[1]) {hll});
	functions.is_valid = true;
}

static Datum
bytes_to_datum(const char *bytes, uint32 len)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, (int) len));
}

static void
datum_to_bytes(Datum d, const char **bytes, uint32 *len)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(d);

	*bytes = VARDATA_ANY(v);
	*len = VARSIZE_ANY_EXHDR(v);
}

/*
 * The state of nothing.  Only states with the same parameters can be combined,
 * and it is not before a row is read that its states are.  So all have the
 * same: those that the extension has at first, whatever hll_set_defaults says.
 */
static Datum
empty_state(void)
{
	return OidFunctionCall4(functions.empty,
							Int32GetDatum(HLL_LOG2M),
							Int32GetDatum(HLL_REGWIDTH),
							Int64GetDatum(HLL_EXPTHRESH),
							Int32GetDatum(HLL_SPARSEON));
}

void
weir_hll_of_bytes(const char *bytes, uint32 len,
				  const char **state, uint32 *state_len)
{
	Datum		hash;

	weir_hll_require();
	hash = OidFunctionCall2(functions.hash, bytes_to_datum(bytes, len),
							Int32GetDatum(0));
	datum_to_bytes(OidFunctionCall2(functions.add, empty_state(), hash),
				   state, state_len);
}

void
weir_hll_combine(const char *a, uint32 alen, const char *b, uint32 blen,
				 const char **result, uint32 *result_len)
{
	weir_hll_require();
	datum_to_bytes(OidFunctionCall2(functions.join, bytes_to_datum(a, alen),
									bytes_to_datum(b, blen)),
				   result, result_len);
}

/* Raises 22023 in place of what the extension says of the error being handled. */
static void
state_is_invalid(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) !=
		ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION))
		PG_RE_THROW();
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid state for a family of kind \"hll\": %s",
					error->message),
			 errhint("States of such families are made with log2m %d, regwidth %d, expthresh %d and sparseon %d.",
					 HLL_LOG2M, HLL_REGWIDTH, HLL_EXPTHRESH, HLL_SPARSEON)));
}

/*
 * The extension checks a value when it works with it.  Of nothing defined, which
 * is a state to it, it would make nothing defined again, whatever is added.
 */
void
weir_hll_check(const char *state, uint32 len)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		datum = bytes_to_datum(state, len);
	volatile int32 type = HLL_TYPE_UNDEFINED;

	weir_hll_require();
	PG_TRY();
	{
		(void) OidFunctionCall2(functions.join, empty_state(), datum);
		type = DatumGetInt32(OidFunctionCall1(functions.type, datum));
	}
	PG_CATCH();
	{
		state_is_invalid(context);
	}
	PG_END_TRY();
	if (type == HLL_TYPE_UNDEFINED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid state for a family of kind \"hll\": the set is undefined"),
				 errhint("The state of no values is an empty set.")));
}
