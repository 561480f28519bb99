/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  What is known of a wide table: its relations and its families.
 *
 * Five tables of the extension describe wide tables:
 *
 *	_wide_tables	face, its two heaps and its sequence, granularity, the
 *					highest family number ever given
 *	_families		a family: its number, name, kind of aggregate, rule
 *	_family_rules	rules that were in force earlier (see fold.c)
 *	_authorized_views	see authorized_view.c
 *	_change_streams	see changes.c
 *
 * They are written by wide_table.c, authorized_view.c and changes.c only.
 * Here they are read into one descriptor a table, cached for the life of the
 * process.  A descriptor is outdated when a relcache invalidation arrives
 * for the face or one of its relations; who writes the tables sends one for
 * the face.  Whoever holds a descriptor may keep using it until the end of the
 * transaction, but for the indexes: these may have been replaced before their
 * heap was locked, so who opens one looks whether it is outdated (heapscan.c,
 * rowstore.c).
 *
 * Locks, in this order: the face, the heap of deltas, the base, their
 * indexes, the sequence, then those of rowlock.c.  Readers take
 * AccessShareLock and writers RowExclusiveLock, to the end of the
 * transaction.  A change of a family that must not meet half a write takes
 * ShareRowExclusiveLock on the face.
 *
 * Rights are checked on the face alone; its relations are reached by file
 * access with the rights of the code, never by SQL.  So a writer needs
 * nothing but INSERT on the face.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "storage/authorized_view.h"
#include "storage/catalog.h"
#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/debug_point.h"
#include "storage/indexes.h"
#include "storage/invalidation.h"
#include "storage/owner.h"
#include "storage/shape.h"
#include "types/json_list.h"
#include "weir.h"

typedef struct CacheEntry
{
	Oid			face;			/* hash key */
	WeirWideTable *table;		/* NULL: not known to be a wide table */
} CacheEntry;

/* The cache, in TopMemoryContext: it lives as long as the process. */
static HTAB *cache = NULL;

/* Descriptors that were replaced, freed at the end of the transaction. */
static List *outdated = NIL;

/*
 * The descriptor that is being loaded, or NULL.  Loading takes locks, and with
 * them arrive messages about what has been read already.
 */
static WeirWideTable *loading = NULL;

/* ---- the cache ---- */

static bool
depends_on(const WeirWideTable *table, Oid relid)
{
	return !OidIsValid(relid) ||
		table->face == relid || table->home == relid ||
		table->delta == relid || table->base == relid ||
		table->seq == relid || table->changes == relid;
}

static void
invalidate(Oid relid)
{
	HASH_SEQ_STATUS status;
	CacheEntry *entry;

	if (loading != NULL && depends_on(loading, relid))
		loading->is_outdated = true;
	if (cache == NULL)
		return;
	hash_seq_init(&status, cache);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->table != NULL && depends_on(entry->table, relid))
			entry->table->is_outdated = true;
}

static void
free_outdated(XactEvent event, void *arg)
{
	ListCell   *lc;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	foreach(lc, outdated)
		MemoryContextDelete(((WeirWideTable *) lfirst(lc))->context);
	list_free(outdated);
	outdated = NIL;
}

static void
set_outdated(WeirWideTable *table)
{
	MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

	outdated = lappend(outdated, table);
	MemoryContextSwitchTo(old_context);
}

void
weir_catalog_init(void)
{
	weir_watch_relations(invalidate);
	RegisterXactCallback(free_outdated, NULL);
}

static CacheEntry *
cache_entry(Oid face)
{
	CacheEntry *entry;
	bool		found;

	if (cache == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(CacheEntry);
		cache = hash_create("weir wide tables", 32, &ctl,
							HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(cache, &face, HASH_ENTER, &found);
	if (!found)
		entry->table = NULL;
	return entry;
}

/* ---- reading the catalog ---- */

SysScanDesc
weir_catalog_scan(Relation rel, const char *index, Oid face)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(face));
	return systable_beginscan(rel, weir_own_relid(index, false), true, NULL,
							  1, &key);
}

void
weir_catalog_visit(const char *name, WeirCatalogVisit visit, void *arg)
{
	Relation	rel = table_open(weir_own_relid(name, false), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		visit(tuple, RelationGetDescr(rel), arg);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

Oid
weir_catalog_oid(HeapTuple tuple, int attnum, TupleDesc desc)
{
	bool		isnull;

	return DatumGetObjectId(heap_getattr(tuple, attnum, desc, &isnull));
}

static const WeirGcRule *
rule_of_attribute(HeapTuple tuple, int attnum, TupleDesc desc)
{
	bool		isnull;
	Datum		d = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? NULL : weir_gc_rule_from_datum(d);
}

static WeirCellOp
op_of_aggregate(const char *aggregate)
{
	if (strcmp(aggregate, "sum") == 0)
		return WEIR_OP_SUM;
	if (strcmp(aggregate, "min") == 0)
		return WEIR_OP_MIN;
	if (strcmp(aggregate, "max") == 0)
		return WEIR_OP_MAX;
	if (strcmp(aggregate, "hll") == 0)
		return WEIR_OP_HLL;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized aggregate \"%s\"", aggregate),
			 errhint("Valid aggregates are \"sum\", \"min\", \"max\" and \"hll\".")));
	return WEIR_OP_SET;
}

WeirCellOp
weir_op_of_aggregate(const char *aggregate)
{
	return aggregate == NULL ? WEIR_OP_SET : op_of_aggregate(aggregate);
}

static int
family_name_cmp(const void *x, const void *y)
{
	const WeirFamily *a = x;
	const WeirFamily *b = y;

	return weir_bytes_cmp(a->name, a->name_len, b->name, b->name_len);
}

static void
load_families(WeirWideTable *table)
{
	Relation	rel = table_open(weir_own_relid("_families", false),
								 AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = weir_catalog_scan(rel, "_families_pkey", table->home);
	HeapTuple	tuple;
	int			allocated = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		WeirFamily *family;
		bool		isnull;
		Datum		d;

		if (table->nfamilies == allocated)
		{
			allocated = Max(8, allocated * 2);
			table->families = table->families == NULL ?
				palloc(sizeof(WeirFamily) * allocated) :
				repalloc(table->families, sizeof(WeirFamily) * allocated);
		}
		family = &table->families[table->nfamilies++];
		family->number = DatumGetInt32(heap_getattr(tuple,
													Anum_families_number,
													desc, &isnull));
		d = heap_getattr(tuple, Anum_families_name, desc, &isnull);
		family->name = TextDatumGetCString(d);
		family->name_len = strlen(family->name);
		d = heap_getattr(tuple, Anum_families_aggregate, desc, &isnull);
		family->op = isnull ? WEIR_OP_SET :
			op_of_aggregate(TextDatumGetCString(d));
		family->gc = rule_of_attribute(tuple, Anum_families_gc, desc);
		table->nnumbers = Max(table->nnumbers, (uint32) family->number + 1);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	if (table->nfamilies > 1)
		qsort(table->families, table->nfamilies, sizeof(WeirFamily),
			  family_name_cmp);
	table->is_in_name_order = true;
	for (int i = 1; i < table->nfamilies; i++)
		if (table->families[i - 1].number > table->families[i].number)
			table->is_in_name_order = false;
}

/* Appends a rule to those of a family that is being loaded. */
static void
append_rule(WeirFoldFamily *family, int64 until_seq, int64 until_time,
			const WeirGcRule *rule)
{
	WeirFoldRule *rules;

	rules = palloc(sizeof(WeirFoldRule) * (family->nrules + 1));
	if (family->nrules > 0)
		memcpy(rules, family->rules, sizeof(WeirFoldRule) * family->nrules);
	rules[family->nrules].until_seq = until_seq;
	rules[family->nrules].until_time = until_time;
	rules[family->nrules].rule = rule;
	family->rules = rules;
	family->nrules++;
	if (rule != NULL)
		family->has_rules = true;
}

/* The rules in the order in which they were in force; the index gives it. */
static void
load_earlier_rules(WeirWideTable *table)
{
	Relation	rel = table_open(weir_own_relid("_family_rules", false),
								 AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = weir_catalog_scan(rel, "_family_rules_pkey",
										 table->home);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		uint32		number;
		int64		seq;
		TimestampTz time;

		number = DatumGetInt32(heap_getattr(tuple, Anum_family_rules_number,
											desc, &isnull));
		seq = DatumGetInt64(heap_getattr(tuple, Anum_family_rules_until_seq,
										 desc, &isnull));
		time = DatumGetTimestampTz(heap_getattr(tuple,
												Anum_family_rules_until_time,
												desc, &isnull));
		if (number >= table->nnumbers || !table->by_number[number].exists)
			continue;
		append_rule(&table->by_number[number], seq,
					weir_cell_ts_from_timestamptz(time),
					rule_of_attribute(tuple, Anum_family_rules_gc, desc));
		table->rules_replaced = Max(table->rules_replaced, seq);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
load_rules(WeirWideTable *table)
{
	table->by_number = palloc0(sizeof(WeirFoldFamily) * (table->nnumbers + 1));
	table->family_by_number = palloc0(sizeof(WeirFamily *) *
									  (table->nnumbers + 1));
	for (int i = 0; i < table->nfamilies; i++)
	{
		const WeirFamily *family = &table->families[i];

		table->by_number[family->number].name = family->name;
		table->by_number[family->number].name_len = family->name_len;
		table->by_number[family->number].exists = true;
		table->family_by_number[family->number] = family;
	}
	load_earlier_rules(table);
	for (int i = 0; i < table->nfamilies; i++)
	{
		const WeirFamily *family = &table->families[i];
		WeirFoldFamily *fold_family = &table->by_number[family->number];

		append_rule(fold_family, PG_INT64_MAX, PG_INT64_MAX, family->gc);
		if (fold_family->has_rules)
			table->has_rules = true;
	}
}

/*
 * Reads the description, in a memory context of its own; NULL if none.
 */
static WeirWideTable *
load_table(Oid face, Oid home)
{
	Relation	rel = table_open(weir_own_relid("_wide_tables", false),
								 AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = weir_catalog_scan(rel, "_wide_tables_pkey", home);
	HeapTuple	tuple = systable_getnext(scan);
	WeirWideTable *table = NULL;

	if (HeapTupleIsValid(tuple))
	{
		MemoryContext context = AllocSetContextCreate(TopMemoryContext,
													  "weir wide table",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext old_context = MemoryContextSwitchTo(context);
		bool		isnull;
		char	   *granularity;

		table = palloc0(sizeof(WeirWideTable));
		table->context = context;
		table->face = face;
		table->home = home;
		table->delta = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_delta,
													 desc, &isnull));
		table->base = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_base,
													desc, &isnull));
		table->seq = DatumGetObjectId(heap_getattr(tuple, Anum_wide_tables_seq,
												   desc, &isnull));
		granularity = TextDatumGetCString(heap_getattr(tuple,
													   Anum_wide_tables_granularity,
													   desc, &isnull));
		table->is_millis = strcmp(granularity, "millis") == 0;
		MemoryContextSwitchTo(old_context);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return table;
}

/* The wide table of which the relation is an authorized view; InvalidOid. */
static Oid
home_of_view(Oid face)
{
	Relation	rel = table_open(weir_own_relid("_authorized_views", false),
								 AccessShareLock);
	SysScanDesc scan = weir_catalog_scan(rel, "_authorized_views_pkey", face);
	HeapTuple	tuple = systable_getnext(scan);
	Oid			home = InvalidOid;
	bool		isnull;

	if (HeapTupleIsValid(tuple))
		home = DatumGetObjectId(heap_getattr(tuple, Anum_authorized_views_home,
											 RelationGetDescr(rel), &isnull));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return home;
}

/* What an authorized view holds. */
static void
load_restriction(WeirWideTable *table)
{
	Relation	rel = table_open(weir_own_relid("_authorized_views", false),
								 AccessShareLock);
	SysScanDesc scan = weir_catalog_scan(rel, "_authorized_views_pkey",
										 table->face);
	HeapTuple	tuple = systable_getnext(scan);
	bool		no_prefixes;
	bool		no_columns;
	Datum		prefixes;
	Datum		columns;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "no catalog row for authorized view %u", table->face);
	prefixes = heap_getattr(tuple, Anum_authorized_views_prefixes,
							RelationGetDescr(rel), &no_prefixes);
	columns = heap_getattr(tuple, Anum_authorized_views_columns,
						   RelationGetDescr(rel), &no_columns);
	table->restriction = weir_restriction_create(table, prefixes, no_prefixes,
												 columns, no_columns);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Finds the relations and indexes that are left, and checks all their shapes. */
static void
load_relations(WeirWideTable *table)
{
	Relation	rel = table_open(table->face, AccessShareLock);

	weir_shape_check_face(rel);
	table_close(rel, AccessShareLock);
	rel = table_open(table->delta, AccessShareLock);
	weir_shape_check_delta(rel);
	table->delta_index = weir_index_of_heap(rel, 2);
	table_close(rel, AccessShareLock);
	rel = table_open(table->base, AccessShareLock);
	weir_shape_check_base(rel);
	table->base_index = weir_index_of_heap(rel, 2);
	table_close(rel, AccessShareLock);
	weir_shape_check_sequence(table->seq);
	table->changes = weir_changes_lock(table->home, AccessShareLock);
	if (!OidIsValid(table->changes))
		return;
	rel = table_open(table->changes, NoLock);
	weir_shape_check_changes(rel);
	table->changes_index = weir_index_of_heap(rel, 1);
	table_close(rel, AccessShareLock);
}

/*
 * The rest of the description; frees all of it on error.  If something of it
 * has been changed meanwhile, it is outdated: good for the caller, who began
 * before that, but not for the next one.
 */
static void
load_details(WeirWideTable *table)
{
	MemoryContext old_context = MemoryContextSwitchTo(table->context);

	loading = table;
	PG_TRY();
	{
		load_relations(table);
		load_families(table);
		WEIR_DEBUG_POINT("families_read");
		load_rules(table);
		if (table->home != table->face)
			load_restriction(table);
	}
	PG_CATCH();
	{
		loading = NULL;
		MemoryContextSwitchTo(old_context);
		MemoryContextDelete(table->context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	loading = NULL;
	MemoryContextSwitchTo(old_context);
}

static WeirWideTable *
wide_table_lookup(Oid face)
{
	CacheEntry *entry = cache_entry(face);
	WeirWideTable *table;

	if (entry->table != NULL && !entry->table->is_outdated)
		return entry->table;

	table = load_table(face, face);
	if (table == NULL)
	{
		Oid			home = home_of_view(face);

		if (OidIsValid(home))
		{
			LockRelationOid(home, AccessShareLock);
			table = load_table(face, home);
		}
	}
	if (table != NULL)
		load_details(table);

	/* Loading took locks, so the hash table may have changed. */
	entry = cache_entry(face);
	if (entry->table != NULL)
		set_outdated(entry->table);
	entry->table = table;
	return table;
}

/* All of the rights are needed, not just any. */
void
weir_wide_table_check_acl(Oid face, AclMode required)
{
	if (required != 0 &&
		pg_class_aclmask(face, GetUserId(), required, ACLMASK_ALL) != required)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE,
					   get_rel_name(face));
}

WeirWideTable *
weir_wide_table_require(Oid face)
{
	WeirWideTable *table = NULL;

	if (get_rel_relkind(face) == RELKIND_FOREIGN_TABLE)
		table = wide_table_lookup(face);
	if (table == NULL)
	{
		char	   *name = get_rel_name(face);

		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("wide table with OID %u does not exist", face)));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("\"%s\" is not a wide table", name),
				 errhint("Wide tables are created with weir.create_wide_table.")));
	}
	return table;
}

WeirWideTable *
weir_wide_table_require_locked(Oid face, LOCKMODE lockmode)
{
	WeirWideTable *table = weir_wide_table_require(face);

	if (table->home == face)
		return table;
	LockRelationOid(table->home, lockmode);
	/* what was changed until the lock was had counts */
	return weir_wide_table_require(face);
}

WeirWideTable *
weir_wide_table_open(Oid face, LOCKMODE lockmode, AclMode required)
{
	WeirWideTable *table;

	LockRelationOid(face, lockmode);
	table = weir_wide_table_require_locked(face, lockmode);
	weir_wide_table_check_acl(face, required);
	return table;
}

/* ---- families ---- */

const WeirFamily *
weir_family_find(const WeirWideTable *table, const char *name, Size len)
{
	int			low = 0;
	int			high = table->nfamilies;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		const WeirFamily *family = &table->families[middle];
		int			c = weir_bytes_cmp(family->name, family->name_len,
									   name, len);

		if (c == 0)
			return family;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const WeirFamily *
weir_family_get(const WeirWideTable *table, const char *name, Size len)
{
	const WeirFamily *family = weir_family_find(table, name, len);

	if (family == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("family \"%s\" of wide table \"%s\" does not exist",
						pnstrdup(name, len), get_rel_name(table->face))));
	return family;
}

Oid
weir_table_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		weir_argument_is_null("wide table");
	return PG_GETARG_OID(n);
}

int64
weir_clock_usec(void)
{
	return GetCurrentTimestamp() +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

static void
append_face(HeapTuple tuple, TupleDesc desc, void *faces)
{
	List	  **list = faces;

	*list = lappend_oid(*list, weir_catalog_oid(tuple, Anum_wide_tables_face,
												desc));
}

List *
weir_wide_table_list(void)
{
	List	   *faces = NIL;

	weir_catalog_visit("_wide_tables", append_face, &faces);
	return faces;
}
