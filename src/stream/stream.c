/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  Which tables are streams: the catalog weir._stream.
 *
 * The event-time column is the one that the capture index is on, so that it
 * follows renames.
 *
 * Writers ask for the stream of each table they write to
 * (weir_stream_of_leaf); the answers are kept until the relation cache says
 * that the table, or weir._stream itself (which create_stream and drop_stream
 * see to), has changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/int.h"
#include "miscadmin.h"
#include "storage/sinval.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "storage/invalidation.h"
#include "storage/owner.h"
#include "stream/capture.h"
#include "stream/stream.h"
#include "stream/stream_catalog.h"
#include "weir.h"

typedef struct LeafCacheEntry
{
	Oid			relid;			/* hash key */
	int32		stream_id;		/* 0: none */
	bool		has_event_time; /* of the stream; false if none */
} LeafCacheEntry;

/* Lives as long as the process; emptied by invalidations. */
static HTAB *leaf_cache = NULL;
static LeafCacheEntry last_leaf = {0};	/* copy of what was asked for last */
static Oid	stream_catalog_relid = InvalidOid;
static uint64 invalidations = 0;	/* how many have come */

/* ----------------------------------------------------------------
 *		Lookups
 * ----------------------------------------------------------------
 */

int64
weir_interval_usec(Datum interval, const char *what)
{
	Interval   *value = DatumGetIntervalP(interval);
	int64		usec;

	if (value->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not have months or years: %s", what,
						DatumGetCString(DirectFunctionCall1(interval_out, interval))),
				 errhint("A month has no fixed length; use days or smaller units.")));
	if (pg_mul_s64_overflow(value->day, USECS_PER_DAY, &usec) ||
		pg_add_s64_overflow(usec, value->time, &usec))
		ereport(ERROR,
				(errcode(ERRCODE_INTERVAL_FIELD_OVERFLOW),
				 errmsg("%s is out of range", what)));
	if (usec < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative: %s", what,
						DatumGetCString(DirectFunctionCall1(interval_out, interval)))));
	return usec;
}

/*
 * By the caches and without locks on the indexes: one that is being rebuilt
 * is no reason to wait.
 */
Oid
weir_stream_capture_index(Relation rel, AttrNumber *attno, bool *valid)
{
	Oid			am = get_index_am_oid(WEIR_CAPTURE_AM, false);
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		HeapTuple	tuple;
		bool		is_capture;

		tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));
		is_capture = HeapTupleIsValid(tuple) &&
			((Form_pg_class) GETSTRUCT(tuple))->relam == am;
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
		if (!is_capture)
			continue;
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		if (HeapTupleIsValid(tuple))
		{
			Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

			*attno = index->indkey.values[0];
			*valid = index->indisvalid && index->indisready;
			ReleaseSysCache(tuple);
			return lfirst_oid(lc);
		}
	}
	return InvalidOid;
}

Relation
weir_stream_open_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_stream", false), lockmode);
}

/*
 * What the table itself says of the stream: its columns.
 */
static void
fill_columns(WeirStream *stream, Relation rel, bool processing_time,
			 const char *source)
{
	stream->event_time_attno = 0;
	stream->event_time_type = TIMESTAMPTZOID;
	stream->source_attno = 0;
	if (!processing_time)
	{
		bool		valid;

		if (!OidIsValid(weir_stream_capture_index(rel,
												  &stream->event_time_attno,
												  &valid)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("stream \"%s\" has no capture index",
							RelationGetRelationName(rel)),
					 errhint("Use weir.drop_stream to make it a plain table again.")));
		stream->event_time_type = TupleDescAttr(RelationGetDescr(rel),
												stream->event_time_attno - 1)->atttypid;
	}
	if (source)
	{
		stream->source_attno = get_attnum(stream->relid, source);
		if (stream->source_attno == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of stream \"%s\" does not exist",
							source, RelationGetRelationName(rel)),
					 errdetail("It is the stream's source column.")));
	}
}

static int64
interval_or_none(Datum *values, bool *nulls, int attno, const char *what)
{
	return nulls[attno - 1] ? -1 : weir_interval_usec(values[attno - 1], what);
}

/* Find the one row with that key, as committed now; false if there is none. */
static bool
read_row(AttrNumber attno, Oid eq_function, Datum key_value,
		 const char *index_name, Datum *values, bool *nulls)
{
	Relation	catalog = weir_stream_open_catalog(AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	ScanKeyInit(&key, attno, BTEqualStrategyNumber, eq_function, key_value);
	scan = systable_beginscan(catalog,
							  weir_own_relid(index_name, false),
							  true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		tuple = heap_copytuple(tuple);
		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/*
 * Find the stream and fill in what it is; false if there is none or its table
 * is gone.  The lock on the table may have waited for the stream, or the table,
 * to be dropped or changed: then what was read before is read again.
 */
static bool
lookup(AttrNumber attno, Oid eq_function, Datum key_value,
	   const char *index_name, WeirStream *stream)
{
	Datum		values[STREAM_NATTS];
	bool		nulls[STREAM_NATTS];
	Relation	rel;

	for (;;)
	{
		uint64		seen = SharedInvalidMessageCounter;

		if (!read_row(attno, eq_function, key_value, index_name, values, nulls))
			return false;
		stream->relid = DatumGetObjectId(values[STREAM_RELATION - 1]);
		rel = try_relation_open(stream->relid, AccessShareLock);
		if (rel == NULL)
			return false;
		if (seen == SharedInvalidMessageCounter)
			break;
		relation_close(rel, NoLock);
	}

	stream->stream_id = DatumGetInt32(values[STREAM_ID - 1]);
	stream->out_of_orderness_usec =
		weir_interval_usec(values[STREAM_OUT_OF_ORDERNESS - 1],
						   "max_out_of_orderness");
	stream->idle_timeout_usec = interval_or_none(values, nulls,
												 STREAM_IDLE_TIMEOUT,
												 "idle_timeout");
	stream->retention_usec = interval_or_none(values, nulls, STREAM_RETENTION,
											  "retention");
	stream->max_drift_usec = interval_or_none(values, nulls, STREAM_MAX_DRIFT,
											  "max_drift");
	fill_columns(stream, rel, DatumGetBool(values[STREAM_PROCESSING_TIME - 1]),
				 nulls[STREAM_SOURCE - 1] ? NULL :
				 NameStr(*DatumGetName(values[STREAM_SOURCE - 1])));
	relation_close(rel, NoLock);
	return true;
}

bool
weir_stream_lookup(Oid relid, WeirStream *stream)
{
	return lookup(STREAM_RELATION, F_OIDEQ, ObjectIdGetDatum(relid),
				  "_stream_relation_key", stream);
}

bool
weir_stream_lookup_id(int32 stream_id, WeirStream *stream)
{
	return lookup(STREAM_ID, F_INT4EQ, Int32GetDatum(stream_id),
				  "_stream_pkey", stream);
}

void
weir_stream_get_owned(Oid relid, WeirStream *stream)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!weir_stream_lookup(relid, stream))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a stream", name),
				 errhint("Use weir.create_stream to make a table a stream.")));
	if (!WeirOwnsRelation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(relid)), name);
}

/* One column of all streams. */
static List *
list_column(AttrNumber attno, List *(*append) (List *, Datum))
{
	Relation	catalog = weir_stream_open_catalog(AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *result = NIL;

	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		is_null;

		result = append(result, heap_getattr(tuple, attno,
											 RelationGetDescr(catalog),
											 &is_null));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

static List *
append_int(List *list, Datum value)
{
	return lappend_int(list, DatumGetInt32(value));
}

static List *
append_oid(List *list, Datum value)
{
	return lappend_oid(list, DatumGetObjectId(value));
}

List *
weir_stream_ids(void)
{
	return list_column(STREAM_ID, append_int);
}

List *
weir_stream_tables(void)
{
	return list_column(STREAM_RELATION, append_oid);
}

/* ----------------------------------------------------------------
 *		From a leaf to its stream
 * ----------------------------------------------------------------
 */

static void
invalidate_leaf(Oid relid)
{
	invalidations++;
	memset(&last_leaf, 0, sizeof(last_leaf));
	if (leaf_cache == NULL)
		return;
	if (OidIsValid(relid) && relid != stream_catalog_relid)
		hash_search(leaf_cache, &relid, HASH_REMOVE, NULL);
	else
	{
		hash_destroy(leaf_cache);
		leaf_cache = NULL;
	}
}

/* The id without the cache. */
static int32
id_of(Oid relid)
{
	Relation	catalog = weir_stream_open_catalog(AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int32		result = 0;

	stream_catalog_relid = RelationGetRelid(catalog);
	ScanKeyInit(&key, STREAM_RELATION, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog,
							  weir_own_relid("_stream_relation_key", false),
							  true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		is_null;

		result = DatumGetInt32(heap_getattr(tuple, STREAM_ID,
											RelationGetDescr(catalog), &is_null));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

/*
 * What the table is a partition of, or InvalidOid.  A partition that is being
 * detached concurrently is one until that is done: transactions with snapshots of
 * before still insert rows there.
 */
static Oid
parent_of(Oid relid)
{
	Relation	catalog = table_open(InheritsRelationId, AccessShareLock);
	Oid			result = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, NULL,
							  1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

static int32
find_stream_of_leaf(Oid relid)
{
	int32		result = id_of(relid);

	while (result == 0 && get_rel_relispartition(relid))
	{
		relid = parent_of(relid);
		result = id_of(relid);
	}
	return result;
}

/* Without the cache, too. */
static bool
has_event_time(int32 stream_id)
{
	Relation	catalog = weir_stream_open_catalog(AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_null;
	bool		result = false;

	ScanKeyInit(&key, STREAM_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	scan = systable_beginscan(catalog, weir_own_relid("_stream_pkey", false),
							  true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = !DatumGetBool(heap_getattr(tuple, STREAM_PROCESSING_TIME,
											RelationGetDescr(catalog), &is_null));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

/* Look the leaf up without the cache, and put it there. */
static LeafCacheEntry *
make_leaf_entry(Oid relid)
{
	LeafCacheEntry *entry;
	LeafCacheEntry result = {0};
	uint64		seen;

	/* an invalidation may come in the middle of a lookup */
	do
	{
		seen = invalidations;
		result.stream_id = find_stream_of_leaf(relid);
		result.has_event_time = result.stream_id != 0 &&
			has_event_time(result.stream_id);
	} while (seen != invalidations);
	if (leaf_cache == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(LeafCacheEntry);
		ctl.hcxt = CacheMemoryContext;
		leaf_cache = hash_create("weir streams by leaf", 64, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(leaf_cache, &relid, HASH_ENTER, NULL);
	entry->stream_id = result.stream_id;
	entry->has_event_time = result.has_event_time;
	return entry;
}

/* An answer is never older than what has been committed. */
static const LeafCacheEntry *
leaf_entry(Oid relid)
{
	LeafCacheEntry *entry = NULL;

	AcceptInvalidationMessages();
	if (last_leaf.relid != relid)
	{
		if (leaf_cache)
			entry = hash_search(leaf_cache, &relid, HASH_FIND, NULL);
		if (entry == NULL)
			entry = make_leaf_entry(relid);
		last_leaf = *entry;
	}
	return &last_leaf;
}

int32
weir_stream_of_leaf(Oid relid)
{
	return leaf_entry(relid)->stream_id;
}

bool
weir_leaf_has_event_time(Oid relid)
{
	return leaf_entry(relid)->has_event_time;
}

int32
weir_leaf_look_up(Oid relid, bool *has_event_time, uint64 *changes)
{
	const LeafCacheEntry *entry = leaf_entry(relid);

	*has_event_time = entry->has_event_time;
	*changes = invalidations;
	return entry->stream_id;
}

uint64
weir_leaf_changes(void)
{
	return invalidations;
}

void
weir_stream_init(void)
{
	weir_watch_relations(invalidate_leaf);
}
