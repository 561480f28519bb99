/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  Compaction: folding deltas into the base.
 *
 * A pass over a table visits the rows that have deltas, in order of their
 * keys, then those that hold garbage.  It is done in steps of bounded work,
 * each in a transaction of its own if the caller likes; what is done to a row
 * is in compact_row.c.
 *
 * Rows that rest have the rules applied that were in force when they were
 * folded, and those that came later are applied by whoever reads them; so
 * they, and when their garbage is due by them, are found only by looking at
 * all rows.  A pass that is to fold whole rows does that, if a rule has been
 * replaced.  If then no row is left, visible to anyone, to which a replaced
 * rule would have to be applied, the rule is forgotten; that is in one of the
 * next such passes at the earliest, as the rows that this one has replaced
 * are visible to others.  (On a standby without hot_standby_feedback a query
 * may be older than that, as it may for vacuum.)
 *
 * Two compactions of one table exclude each other by a lock of their own,
 * held to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "storage/authorized_view.h"
#include "storage/compact.h"
#include "storage/compact_row.h"
#include "storage/heapscan.h"
#include "storage/indexes.h"
#include "storage/owner.h"
#include "storage/rowlock.h"
#include "storage/rowscan.h"
#include "storage/rowstore.h"
#include "storage/wide_table.h"
#include "weir.h"

/* At most so many rows with garbage are looked up at once. */
#define GARBAGE_ROWS		10000

/* To the next key by steps, if it is near; then by a new descent. */
#define KEY_STEPS			8

typedef struct Pass
{
	WeirWideTable *table;
	const WeirCompactOptions *options;
	WeirCompactStats *stats;
	WeirRowCompaction *compaction;
} Pass;

/* ---- rows with deltas ---- */

/* Finds the row keys in the heap of deltas, one after the other. */
typedef struct KeyScan
{
	WeirHeapScan scan;
	Snapshot	snapshot;
	bool		is_done;
} KeyScan;

static WeirRowKey
key_of_slot(const TupleTableSlot *slot)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(slot->tts_values[Anum_delta_row_key - 1]);
	WeirRowKey	key = {VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v)};

	return key;
}

/* Goes to the first delta with a key after that of the position. */
static void
seek_key(KeyScan *keys, const WeirCompactPosition *position)
{
	ScanKeyData scankey;
	bytea	   *after = NULL;

	if (position->row_key != NULL)
	{
		after = (bytea *) cstring_to_text_with_len(position->row_key,
												   position->row_key_len);
		ScanKeyInit(&scankey, Anum_delta_row_key, BTGreaterStrategyNumber,
					F_BYTEAGT, PointerGetDatum(after));
	}
	weir_heap_scan_start(&keys->scan, keys->snapshot, &scankey,
						 after != NULL ? 1 : 0);
	keys->is_done = !weir_heap_scan_next(&keys->scan, ForwardScanDirection);
}

static bool
is_at_position(const KeyScan *keys, const WeirCompactPosition *position)
{
	WeirRowKey	key = key_of_slot(keys->scan.slot);

	return weir_bytes_cmp(key.bytes, key.len, position->row_key,
						  position->row_key_len) == 0;
}

static void
set_position(WeirCompactPosition *position, WeirRowKey key)
{
	char	   *copy = palloc(key.len + 1);

	memcpy(copy, key.bytes, key.len);
	if (position->row_key != NULL)
		pfree(position->row_key);
	position->row_key = copy;
	position->row_key_len = key.len;
}

/*
 * Moves the position to the next row that has deltas; false if there is none.
 * *ndeltas is how many it has, as far as that matters.
 */
static bool
next_row_with_deltas(Pass *pass, KeyScan *keys, WeirCompactPosition *position,
					 int *ndeltas)
{
	int			steps = 1;

	if (keys->is_done)
		return false;
	set_position(position, key_of_slot(keys->scan.slot));
	for (;;)
	{
		if (!weir_heap_scan_next(&keys->scan, ForwardScanDirection))
		{
			keys->is_done = true;
			break;
		}
		if (!is_at_position(keys, position))
			break;
		steps++;
		if (steps >= Max(KEY_STEPS, pass->options->min_deltas))
		{
			seek_key(keys, position);
			break;
		}
	}
	*ndeltas = steps;
	return true;
}

/* True if stopped before the last row with deltas. */
static bool
compact_deltas(Pass *pass, WeirCompactPosition *position)
{
	KeyScan		keys = {0};
	int64		nrows = 0;
	bool		more = false;
	int			ndeltas;

	weir_heap_scan_open(&keys.scan, pass->table, WEIR_HEAP_DELTA);
	keys.snapshot = RegisterSnapshot(GetLatestSnapshot());
	seek_key(&keys, position);
	while (!more && next_row_with_deltas(pass, &keys, position, &ndeltas))
	{
		CHECK_FOR_INTERRUPTS();
		nrows++;
		if (ndeltas >= pass->options->min_deltas)
			weir_row_compaction_do(pass->compaction,
								   (WeirRowKey) {position->row_key,
								   position->row_key_len}, pass->stats);
		more = nrows >= pass->options->max_rows ||
			weir_row_compaction_bytes(pass->compaction) >=
			pass->options->max_bytes;
	}
	weir_heap_scan_close(&keys.scan);
	UnregisterSnapshot(keys.snapshot);
	return more;
}

/* ---- rows with garbage ---- */

/* Row keys of segments that hold garbage, at most "max" of them, sorted. */
static List *
rows_with_garbage(Pass *pass, int64 now, int64 max)
{
	Relation	base = table_open(pass->table->base, AccessShareLock);
	Oid			index = weir_index_on_column(base, Anum_base_gc_due);
	Snapshot	snapshot;
	WeirHeapScan	cursor;
	ScanKeyData scankey;
	List	   *rows = NIL;
	int64		n = 0;

	table_close(base, NoLock);
	if (!OidIsValid(index))
		return NIL;
	weir_heap_scan_open_index(&cursor, pass->table->base, index);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyInit(&scankey, 1, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(now));
	weir_heap_scan_start(&cursor, snapshot, &scankey, 1);
	while (n < max && weir_heap_scan_next(&cursor, ForwardScanDirection))
	{
		WeirRowKey *key = palloc(sizeof(WeirRowKey));

		*key = weir_row_key_copy(cursor.slot->tts_values[Anum_base_row_key - 1]);
		rows = lappend(rows, key);
		n++;
	}
	weir_heap_scan_close(&cursor);
	UnregisterSnapshot(snapshot);
	return rows;
}

/*
 * True if there may be more.  A row with several segments that are due is
 * compacted once, as its others are not due any more afterwards.
 */
static bool
compact_garbage(Pass *pass)
{
	int64		max = Min(pass->options->max_rows, GARBAGE_ROWS);
	int64		rows_before = pass->stats->rows;
	List	   *rows;
	ListCell   *lc;

	weir_row_compaction_renew(pass->compaction);
	rows = rows_with_garbage(pass, weir_clock_usec(), max);
	foreach(lc, rows)
	{
		CHECK_FOR_INTERRUPTS();
		weir_row_compaction_do(pass->compaction, *(WeirRowKey *) lfirst(lc),
							   pass->stats);
		weir_row_compaction_renew(pass->compaction);
		if (weir_row_compaction_bytes(pass->compaction) >=
			pass->options->max_bytes)
			return true;
	}
	/* If nothing could be done there is no use in trying again at once. */
	return list_length(rows) == max && pass->stats->rows > rows_before;
}

/* ---- rows folded before a rule was replaced ---- */

/*
 * The least number in a heap, in a column that may be null, of the tuples
 * that anyone can see; those below "limit" are given to "visit", if that is
 * given.
 */
static int64
least_number(Pass *pass, Oid heap, AttrNumber column, int64 limit,
			 void (*visit) (Pass *pass, WeirRowKey key))
{
	Relation	rel = table_open(heap, AccessShareLock);
	SnapshotData visible;
	TableScanDesc scan;
	HeapTuple	tuple;
	int64		least = PG_INT64_MAX;

	InitNonVacuumableSnapshot(visible, GlobalVisTestFor(rel));
	scan = table_beginscan_strat(rel, &visible, 0, NULL, true, false);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		bool		isnull;
		Datum		number = heap_getattr(tuple, column, RelationGetDescr(rel),
										  &isnull);
		struct varlena *key;

		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		least = Min(least, DatumGetInt64(number));
		if (visit == NULL || DatumGetInt64(number) >= limit)
			continue;
		key = PG_DETOAST_DATUM_COPY(heap_getattr(tuple, Anum_base_row_key,
												 RelationGetDescr(rel),
												 &isnull));
		visit(pass, (WeirRowKey) {VARDATA(key), VARSIZE(key) - VARHDRSZ});
		pfree(key);
	}
	table_endscan(scan);
	table_close(rel, NoLock);
	return least;
}

static void
compact_visited(Pass *pass, WeirRowKey key)
{
	weir_row_compaction_do(pass->compaction, key, pass->stats);
	weir_row_compaction_renew(pass->compaction);
}

/* Applies rules that were replaced to all rows, and forgets them if it can. */
static void
apply_rules(Pass *pass)
{
	const WeirWideTable *table = pass->table;
	int64		least;

	weir_row_compaction_renew(pass->compaction);
	least = least_number(pass, table->base, Anum_base_hi,
						 table->rules_replaced, compact_visited);
	least = Min(least, least_number(pass, table->delta, Anum_delta_seq, 0,
									NULL));
	weir_forget_rules(table->face, 0, least);
}

/* ---- the pass ---- */

/*
 * The owner of the base, whose indexes may have functions of the owner's: they
 * must not run with the rights of whoever compacts.  Both heaps are locked.
 */
static Oid
owner_of_base(const WeirWideTable *table)
{
	LockRelationOid(table->delta, RowExclusiveLock);
	LockRelationOid(table->base, RowExclusiveLock);
	return weir_relation_owner(table->base);
}

bool
weir_compact_some(Oid face, const WeirCompactOptions *options,
				  WeirCompactPosition *position, WeirCompactStats *stats)
{
	Pass		pass = {NULL, options, stats, NULL};
	WeirIdentity identity;
	bool		more = true;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("compaction needs a READ COMMITTED transaction")));
	pass.table = weir_wide_table_open(face, RowExclusiveLock, 0);
	weir_check_is_no_view(pass.table);
	if (weir_has_open_write(pass.table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot compact wide table \"%s\" because it is being used by active queries in this session",
						get_rel_name(face))));
	if (!weir_compaction_lock(face, options->wait_for_rows))
		return false;
	CommandCounterIncrement();
	weir_become_restricted(&identity, owner_of_base(pass.table));
	pass.compaction = weir_row_compaction_begin(pass.table, options);
	if (!position->deltas_done)
	{
		more = compact_deltas(&pass, position);
		position->deltas_done = !more;
	}
	if (position->deltas_done)
		more = pass.table->has_rules && compact_garbage(&pass);
	if (!more && options->whole_rows && pass.table->rules_replaced > 0)
		apply_rules(&pass);
	weir_row_compaction_end(pass.compaction);
	weir_restore_identity(&identity);
	CommandCounterIncrement();
	return more;
}

/* ---- weir.compact ---- */

PG_FUNCTION_INFO_V1(weir_compact);
Datum
weir_compact(PG_FUNCTION_ARGS)
{
	Oid			face = weir_table_argument(fcinfo, 0);
	WeirCompactOptions options = {1, PG_INT64_MAX, SIZE_MAX, false, false};
	WeirCompactPosition position = {0};
	WeirCompactStats stats = {0};
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	PreventCommandIfReadOnly("weir.compact()");
	options.whole_rows = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	(void) weir_wide_table_open(face, RowExclusiveLock, 0);
	if (!WeirOwnsRelation(face, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE,
					   get_rel_name(face));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	weir_compaction_lock(face, true);
	while (weir_compact_some(face, &options, &position, &stats))
		 /* go on */ ;
	values[0] = Int64GetDatum(stats.rows);
	values[1] = Int64GetDatum(stats.deltas);
	values[2] = Int64GetDatum(stats.skipped);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
