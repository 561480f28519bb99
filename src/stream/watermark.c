/*-------------------------------------------------------------------------
 *
 * watermark.c
 *	  How far event time has come in a stream.
 *
 * watermark = greatest event time seen - max_out_of_orderness; with sources,
 * the least over the sources that are not idle; for processing time, the
 * clock.  A row further ahead of the clock than max_drift does not count
 * here.  After idle_timeout without rows the watermark follows the clock at
 * the distance max_out_of_orderness + idle_timeout.
 *
 * Sources are values of any type that can be hashed, and stored as text.  Where
 * equal values can differ in their text, as 1.0 and 1.00 do, those stored are read
 * again and compared as values, if the text of a new one is not among them.
 *
 * Event times of type timestamp count as UTC: both types are microseconds in
 * the same epoch, so that they are compared as they are.
 *
 * Invariant: the watermark of a cursor never goes back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "storage/newest.h"
#include "storage/owner.h"
#include "stream/watermark.h"
#include "types/window.h"
#include "weir.h"

/* The longest text of a source that is stored as it is: one that can be indexed. */
#define MAX_SOURCE_LEN		1024

/* An idle stream's watermark is stored only if it moves so far at least. */
#define MIN_IDLE_STEP_USEC	USECS_PER_SEC

typedef struct StoredSource StoredSource;

typedef struct SourceEntry
{
	Datum		key;
	Timestamp	max_event_time;
	StoredSource *stored;		/* in a table of those that are stored */
	uint32		hash;
	char		status;
} SourceEntry;

struct WeirObserver
{
	AttrNumber	event_time_attno;
	AttrNumber	source_attno;
	Timestamp	limit;			/* later times do not count */
	int64		rows;
	Timestamp	max_event_time;
	struct sources_hash *sources;	/* NULL without sources */
	TypeCacheEntry *source_type;
	Oid			source_collation;
	MemoryContext context;
};

static inline uint32
source_hash(WeirObserver *observer, Datum key)
{
	return DatumGetUInt32(FunctionCall1Coll(&observer->source_type->hash_proc_finfo,
											observer->source_collation, key));
}

static inline bool
source_equal(WeirObserver *observer, Datum a, Datum b)
{
	return DatumGetBool(FunctionCall2Coll(&observer->source_type->eq_opr_finfo,
										  observer->source_collation, a, b));
}

#define SH_PREFIX sources
#define SH_ELEMENT_TYPE SourceEntry
#define SH_KEY_TYPE Datum
#define SH_KEY key
#define SH_HASH_KEY(tb, key) source_hash((WeirObserver *) (tb)->private_data, key)
#define SH_EQUAL(tb, a, b) source_equal((WeirObserver *) (tb)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static Relation
open_source_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_source", false), lockmode);
}

/* t + delta, held within the finite timestamps; infinities stay. */
static Timestamp
shift(Timestamp t, int64 delta)
{
	Timestamp	result;

	if (TIMESTAMP_NOT_FINITE(t))
		return t;
	if (pg_add_s64_overflow(t, delta, &result) ||
		result < MIN_TIMESTAMP || result >= END_TIMESTAMP)
		return delta < 0 ? MIN_TIMESTAMP : END_TIMESTAMP - 1;
	return result;
}

/*
 * Sources are told apart by hashing.  Whether the type can be hashed is asked
 * each time: nothing keeps the column from being given another type.
 */
TypeCacheEntry *
weir_observer_source_type(Oid relid, AttrNumber attno)
{
	TypeCacheEntry *type = lookup_type_cache(get_atttype(relid, attno),
											 TYPECACHE_HASH_PROC_FINFO |
											 TYPECACHE_EQ_OPR_FINFO);

	if (!OidIsValid(type->hash_proc_finfo.fn_oid) ||
		!OidIsValid(type->eq_opr_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("source column \"%s\" must be of a type that can be hashed",
						get_attname(relid, attno, false))));
	return type;
}

WeirObserver *
weir_observer_create(const WeirStream *stream, TimestampTz now)
{
	WeirObserver *observer = palloc0(sizeof(WeirObserver));

	observer->event_time_attno = stream->event_time_attno;
	observer->source_attno = stream->source_attno;
	observer->limit = stream->max_drift_usec < 0 ? DT_NOEND :
		shift(now, stream->max_drift_usec);
	observer->context = CurrentMemoryContext;
	if (stream->source_attno != 0)
	{
		Oid			type;
		int32		typmod;

		get_atttypetypmodcoll(stream->relid, stream->source_attno,
							  &type, &typmod, &observer->source_collation);
		observer->source_type = weir_observer_source_type(stream->relid,
														  stream->source_attno);
	}
	weir_observer_reset(observer);
	return observer;
}

void
weir_observer_reset(WeirObserver *observer)
{
	observer->rows = 0;
	observer->max_event_time = DT_NOBEGIN;
	if (observer->source_attno != 0)
		observer->sources = sources_create(observer->context, 64, observer);
}

int64
weir_observer_rows(const WeirObserver *observer)
{
	return observer->rows;
}

static void
see_source(WeirObserver *observer, TupleTableSlot *slot, Timestamp event_time)
{
	bool		is_null;
	bool		found;
	Datum		key = slot_getattr(slot, observer->source_attno, &is_null);
	SourceEntry *entry;

	if (is_null)
		return;					/* nobody's row holds back nobody */
	entry = sources_insert(observer->sources, key, &found);
	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(observer->context);

		entry->key = datumCopy(key, observer->source_type->typbyval,
							   observer->source_type->typlen);
		MemoryContextSwitchTo(old);
		entry->max_event_time = DT_NOBEGIN;
	}
	entry->max_event_time = Max(entry->max_event_time, event_time);
}

void
weir_observer_see(WeirObserver *observer, TupleTableSlot *slot)
{
	bool		is_null;
	Timestamp	event_time;

	observer->rows++;
	if (observer->event_time_attno == 0)
		return;
	event_time = DatumGetTimestamp(slot_getattr(slot, observer->event_time_attno,
												&is_null));
	/* rows older than the stream can have others, see capture.c */
	if (is_null || !weir_is_event_time(event_time) ||
		event_time > observer->limit)
		return;
	if (event_time > observer->max_event_time)
		observer->max_event_time = event_time;
	if (observer->source_attno != 0)
		see_source(observer, slot, event_time);
}

/* ----------------------------------------------------------------
 *		Sources
 * ----------------------------------------------------------------
 */

struct StoredSource
{
	char	   *source;
	Oid			type;
	Timestamp	max_event_time;
	TimestampTz last_row_at;
	int64		version;		/* see newest.c */
	int32		updates;
	ItemPointerData self;
	bool		is_seen;		/* in this tick */
};

enum
{
	SOURCE_CURSOR_ID = 1,
	SOURCE_SOURCE,
	SOURCE_TYPE,
	SOURCE_MAX_EVENT_TIME,
	SOURCE_LAST_ROW_AT,
	SOURCE_VERSION,
	SOURCE_UPDATES,
	SOURCE_NATTS = SOURCE_UPDATES
};

#define SOURCE_INDEX	"_source_version"

static StoredSource *
source_from_tuple(TupleDesc desc, HeapTuple tuple)
{
	StoredSource *source = palloc0(sizeof(StoredSource));
	Datum		values[SOURCE_NATTS];
	bool		nulls[SOURCE_NATTS];

	heap_deform_tuple(tuple, desc, values, nulls);
	source->source = TextDatumGetCString(values[SOURCE_SOURCE - 1]);
	source->type = DatumGetObjectId(values[SOURCE_TYPE - 1]);
	source->max_event_time = DatumGetTimestampTz(values[SOURCE_MAX_EVENT_TIME - 1]);
	source->last_row_at = DatumGetTimestampTz(values[SOURCE_LAST_ROW_AT - 1]);
	source->version = DatumGetInt64(values[SOURCE_VERSION - 1]);
	source->updates = DatumGetInt32(values[SOURCE_UPDATES - 1]);
	source->self = tuple->t_self;
	return source;
}

static void
init_cursor_key(ScanKeyData *key, int32 cursor_id)
{
	ScanKeyInit(key, SOURCE_CURSOR_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(cursor_id));
}

/* One behind the other, past all old versions there are. */
static List *
scan_sources(Relation catalog, int32 cursor_id)
{
	List	   *result = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	init_cursor_key(&key, cursor_id);
	scan = systable_beginscan(catalog, weir_own_relid(SOURCE_INDEX, false),
							  true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		result = lappend(result, source_from_tuple(RelationGetDescr(catalog), tuple));
	systable_endscan(scan);
	return result;
}

/* One by one, each looked for behind the one before. */
static List *
find_sources(Relation catalog, int32 cursor_id)
{
	List	   *result = NIL;
	StoredSource *last = NULL;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	for (;;)
	{
		init_cursor_key(&keys[0], cursor_id);
		if (last != NULL)
			ScanKeyInit(&keys[1], SOURCE_SOURCE, BTGreaterStrategyNumber, F_TEXT_GT,
						CStringGetTextDatum(last->source));
		tuple = weir_newest_version(catalog, SOURCE_INDEX, NULL,
									last != NULL ? 2 : 1, keys);
		if (tuple == NULL)
			return result;
		last = source_from_tuple(RelationGetDescr(catalog), tuple);
		result = lappend(result, last);
	}
}

/*
 * Somebody who holds a snapshot keeps all old versions of all rows.  Looking for
 * each row costs the same however many there are, but more than to come by it: so
 * that is done when the table is much larger than the rows that have been read of
 * it last would make it.
 */
#define SOURCES_PER_BLOCK	8
#define FEW_BLOCKS			8

static List *
read_sources(int32 cursor_id)
{
	static int	nsources = 0;
	Relation	catalog = open_source_catalog(AccessShareLock);
	List	   *result;

	if (!IgnoreSystemIndexes &&
		RelationGetNumberOfBlocks(catalog) > FEW_BLOCKS + nsources / SOURCES_PER_BLOCK)
		result = find_sources(catalog, cursor_id);
	else
		result = scan_sources(catalog, cursor_id);
	nsources = list_length(result);
	/* who stores them must find them where they were */
	table_close(catalog, NoLock);
	return result;
}

static int
source_name_cmp(const ListCell *a, const ListCell *b)
{
	return strcmp(((StoredSource *) lfirst(a))->source,
				  ((StoredSource *) lfirst(b))->source);
}

/*
 * How sources are written must not depend on who consumes.  Until AtEOXact_GUC
 * with the result.
 */
static int
begin_exact_text(void)
{
	static const char *const settings[][2] = {
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"TimeZone", "UTC"},
		{"extra_float_digits", "1"},
		{"bytea_output", "hex"},
		{"lc_monetary", "C"},
		{"search_path", "pg_catalog"},
	};
	int			nest_level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
	{
		const char *now = GetConfigOption(settings[i][0], true, false);

		if (now == NULL || strcmp(now, settings[i][1]) != 0)
			(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
	return nest_level;
}

/*
 * What the source is stored as: its text, or the beginning of a text that an
 * index cannot hold, with a digest of all of it; which of them?
 */
static char *
source_name(Oid output, Datum key, bool *is_whole)
{
	char	   *text = OidOutputFunctionCall(output, key);
	int			len = strlen(text);

	*is_whole = len <= MAX_SOURCE_LEN;
	if (*is_whole)
		return text;
	return psprintf("%.*s... %016llx%016llx",
					pg_mbcliplen(text, len, MAX_SOURCE_LEN), text,
					(unsigned long long) hash_bytes_extended((unsigned char *) text, len, 0),
					(unsigned long long) hash_bytes_extended((unsigned char *) text, len, 1));
}

/* Are equal values of the type the same bytes, so that their text is the same? */
static bool
is_equal_as_bytes(Oid type, Oid collation)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
	RegProcedure proc = InvalidOid;

	if (OidIsValid(entry->btree_opf))
		proc = get_opfamily_proc(entry->btree_opf, entry->btree_opintype,
								 entry->btree_opintype, BTEQUALIMAGE_PROC);
	return OidIsValid(proc) &&
		DatumGetBool(OidFunctionCall1Coll(proc, collation,
										  ObjectIdGetDatum(entry->btree_opintype)));
}

/*
 * Can texts of equal values differ, and be read whatever has happened since they
 * were written?  That of a row cannot be when its type has got a column, nor what
 * a domain in it does not allow any more.
 */
static bool
has_several_texts(Oid type, Oid collation)
{
	type = getBaseType(type);
	for (;;)
	{
		switch (get_typtype(type))
		{
			case TYPTYPE_BASE:
				if (!OidIsValid(get_element_type(type)))
					return !is_equal_as_bytes(type, collation);
				type = get_element_type(type);
				break;
			case TYPTYPE_RANGE:
				collation = get_range_collation(type);
				type = get_range_subtype(type);
				break;
			case TYPTYPE_MULTIRANGE:
				type = get_multirange_range(type);
				break;
			default:
				return false;
		}
	}
}

/* Sources that are stored, by name, and by value if that is asked for. */
typedef struct KnownSources
{
	WeirObserver *observer;
	List	   *by_name;		/* of StoredSource, sorted */
	struct sources_hash *by_value;	/* NULL: not made yet */
	bool		has_values;		/* can it be asked for? */
} KnownSources;

static StoredSource *
find_by_name(const KnownSources *known, const char *name)
{
	int			low = 0;
	int			high = list_length(known->by_name) - 1;

	while (low <= high)
	{
		int			mid = (low + high) / 2;
		StoredSource *candidate = list_nth(known->by_name, mid);
		int			cmp = strcmp(name, candidate->source);

		if (cmp == 0)
			return candidate;
		if (cmp < 0)
			high = mid - 1;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Those of another type, or whose text is cut, are known by their names only. */
static void
read_values(KnownSources *known)
{
	Oid			type = known->observer->source_type->type_id;
	Oid			input;
	Oid			ioparam;
	ListCell   *lc;

	getTypeInputInfo(getBaseType(type), &input, &ioparam);
	known->by_value = sources_create(CurrentMemoryContext,
									 list_length(known->by_name) + 1,
									 known->observer);
	foreach(lc, known->by_name)
	{
		StoredSource *source = lfirst(lc);
		bool		found;

		if (source->type != type)
			continue;
		sources_insert(known->by_value,
					   OidInputFunctionCall(input, source->source, ioparam, -1),
					   &found)->stored = source;
	}
}

static StoredSource *
find_by_value(KnownSources *known, Datum value)
{
	SourceEntry *entry;

	if (!known->has_values)
		return NULL;
	if (known->by_value == NULL)
		read_values(known);
	entry = sources_lookup(known->by_value, value);
	return entry != NULL ? entry->stored : NULL;
}

/*
 * The stored sources with what the observer saw added; those that are new have
 * no valid self.
 */
static List *
merge_sources(int32 cursor_id, WeirObserver *observer, TimestampTz now)
{
	KnownSources known = {observer, read_sources(cursor_id)};
	List	   *added = NIL;
	sources_iterator iterator;
	SourceEntry *entry;
	Oid			output;
	bool		is_varlena;
	int			nest_level;

	if (observer == NULL || observer->sources == NULL)
		return known.by_name;
	list_sort(known.by_name, source_name_cmp);
	known.has_values = has_several_texts(observer->source_type->type_id,
										 observer->source_collation);
	getTypeOutputInfo(observer->source_type->type_id, &output, &is_varlena);
	nest_level = begin_exact_text();
	sources_start_iterate(observer->sources, &iterator);
	while ((entry = sources_iterate(observer->sources, &iterator)) != NULL)
	{
		bool		is_whole;
		char	   *name = source_name(output, entry->key, &is_whole);
		StoredSource *source = find_by_name(&known, name);

		if (source == NULL)
			source = find_by_value(&known, entry->key);
		if (source == NULL)
		{
			source = palloc0(sizeof(StoredSource));
			source->source = name;
			source->type = is_whole ? observer->source_type->type_id : InvalidOid;
			source->max_event_time = DT_NOBEGIN;
			ItemPointerSetInvalid(&source->self);
			added = lappend(added, source);
		}
		source->max_event_time = Max(source->max_event_time,
									 entry->max_event_time);
		source->last_row_at = now;
		source->is_seen = true;
	}
	AtEOXact_GUC(true, nest_level);
	return list_concat(known.by_name, added);
}

static void
store_sources(int32 cursor_id, List *sources)
{
	Relation	catalog = open_source_catalog(RowExclusiveLock);
	ListCell   *lc;

	foreach(lc, sources)
	{
		StoredSource *source = (StoredSource *) lfirst(lc);
		Datum		values[SOURCE_NATTS];
		bool		nulls[SOURCE_NATTS] = {0};
		HeapTuple	tuple;

		if (!source->is_seen)
			continue;
		values[SOURCE_CURSOR_ID - 1] = Int32GetDatum(cursor_id);
		values[SOURCE_SOURCE - 1] = CStringGetTextDatum(source->source);
		values[SOURCE_TYPE - 1] = ObjectIdGetDatum(source->type);
		values[SOURCE_MAX_EVENT_TIME - 1] = TimestampTzGetDatum(source->max_event_time);
		values[SOURCE_LAST_ROW_AT - 1] = TimestampTzGetDatum(source->last_row_at);
		if (ItemPointerIsValid(&source->self))
			weir_newest_count_update(&source->version, &source->updates);
		values[SOURCE_VERSION - 1] = Int64GetDatum(source->version);
		values[SOURCE_UPDATES - 1] = Int32GetDatum(source->updates);
		tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
		if (ItemPointerIsValid(&source->self))
			CatalogTupleUpdate(catalog, &source->self, tuple);
		else
			CatalogTupleInsert(catalog, tuple);
	}
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

/*
 * The least of the sources that are not idle.  If all are idle, the greatest
 * time seen, so that no window hangs.
 */
static Timestamp
sources_event_time(const WeirStream *stream, List *sources, TimestampTz now)
{
	Timestamp	least = DT_NOEND;
	Timestamp	greatest = DT_NOBEGIN;
	ListCell   *lc;

	foreach(lc, sources)
	{
		StoredSource *source = (StoredSource *) lfirst(lc);

		greatest = Max(greatest, source->max_event_time);
		if (stream->idle_timeout_usec < 0 ||
			now - source->last_row_at < stream->idle_timeout_usec)
			least = Min(least, source->max_event_time);
	}
	return TIMESTAMP_IS_NOEND(least) ? greatest : least;
}

/* ----------------------------------------------------------------
 *		The watermark
 * ----------------------------------------------------------------
 */

/* Where the clock alone has brought an idle stream, or DT_NOBEGIN. */
static Timestamp
idle_watermark(const WeirStream *stream, TimestampTz last_row_at,
			   TimestampTz now)
{
	if (stream->idle_timeout_usec < 0 ||
		now - last_row_at < stream->idle_timeout_usec)
		return DT_NOBEGIN;
	return shift(shift(now, -stream->out_of_orderness_usec),
				 -stream->idle_timeout_usec);
}

Timestamp
weir_watermark_compute(const WeirStream *stream, const WeirCursor *cursor,
					   WeirObserver *observer, TimestampTz now)
{
	Timestamp	candidate;
	Timestamp	idle;

	if (stream->event_time_attno == 0)
		candidate = now;
	else if (stream->source_attno != 0)
		candidate = shift(sources_event_time(stream,
											 merge_sources(cursor->cursor_id,
														   observer, now),
											 now),
						  -stream->out_of_orderness_usec);
	else
		candidate = shift(Max(cursor->max_event_time,
							  observer ? observer->max_event_time : DT_NOBEGIN),
						  -stream->out_of_orderness_usec);

	idle = idle_watermark(stream,
						  observer && observer->rows > 0 ? now : cursor->last_row_at,
						  now);
	return Max(cursor->watermark, Max(candidate, idle));
}

/*
 * Silence that is said to begin later than now was noted before the clock has
 * been set back: it begins now, or it would last for so much longer.
 */
static void
correct_silence(List *sources, TimestampTz now)
{
	ListCell   *lc;

	foreach(lc, sources)
	{
		StoredSource *source = (StoredSource *) lfirst(lc);

		if (source->last_row_at <= now)
			continue;
		source->last_row_at = now;
		source->is_seen = true;
	}
}

void
weir_watermark_store(WeirCursor *cursor, WeirObserver *observer,
					 TimestampTz now)
{
	List	   *sources;

	if (observer->rows == 0 && cursor->last_row_at <= now)
		return;
	cursor->rows_consumed += observer->rows;
	cursor->last_row_at = now;
	cursor->max_event_time = Max(cursor->max_event_time,
								 observer->max_event_time);
	if (observer->sources == NULL)
		return;
	sources = merge_sources(cursor->cursor_id, observer, now);
	correct_silence(sources, now);
	store_sources(cursor->cursor_id, sources);
}

bool
weir_watermark_is_due(const WeirStream *stream, const WeirCursor *cursor,
					  TimestampTz now)
{
	Timestamp	next;

	/* max_out_of_orderness or idle_timeout may be another by now */
	if (weir_cursor_is_tick_wanted(cursor))
		return true;
	if (stream->event_time_attno == 0)
		next = now;
	else if (stream->idle_timeout_usec < 0)
		return false;
	else if (cursor->last_row_at > now)
		return true;			/* see correct_silence */
	else if (stream->source_attno != 0)
		next = weir_watermark_compute(stream, cursor, NULL, now);
	else
		next = idle_watermark(stream, cursor->last_row_at, now);
	if (next <= cursor->watermark)
		return false;
	return TIMESTAMP_NOT_FINITE(cursor->watermark) ||
		next - cursor->watermark >= MIN_IDLE_STEP_USEC;
}

void
weir_watermark_fork(int32 from, int32 to)
{
	List	   *sources = read_sources(from);
	ListCell   *lc;

	foreach(lc, sources)
	{
		StoredSource *source = (StoredSource *) lfirst(lc);

		ItemPointerSetInvalid(&source->self);
		source->is_seen = true;
	}
	store_sources(to, sources);
}

void
weir_watermark_forget(int32 cursor_id)
{
	List	   *sources = read_sources(cursor_id);
	Relation	catalog = open_source_catalog(RowExclusiveLock);
	ListCell   *lc;

	foreach(lc, sources)
		CatalogTupleDelete(catalog, &((StoredSource *) lfirst(lc))->self);
	table_close(catalog, NoLock);
}

void
weir_watermark_add_source(const WeirStream *stream, int32 cursor_id,
						  char *source, bool is_whole,
						  Timestamp max_event_time)
{
	StoredSource stored = {0};

	stored.source = source;
	stored.type = is_whole ? get_atttype(stream->relid, stream->source_attno) :
		InvalidOid;
	stored.max_event_time = max_event_time;
	stored.last_row_at = GetCurrentTimestamp();
	ItemPointerSetInvalid(&stored.self);
	stored.is_seen = true;
	store_sources(cursor_id, list_make1(&stored));
}
