/*-------------------------------------------------------------------------
 *
 * rowmodify.c
 *	  Writing what was computed from what was read: check_and_mutate_row and
 *	  read_modify_write_row.
 *
 * The order of events for one row:
 *
 *	1. the row lock, exclusive, to the end of the transaction if that has
 *	   not very many: no other read-modify-write of the row meanwhile
 *	2. the barrier, exclusive: every blind write with a number is in the heap
 *	3. take a number, and note the transactions with uncommitted deltas
 *	4. give the barrier back, wait for those transactions
 *	5. under a fresh snapshot, read the writes with smaller numbers: all of
 *	   them have ended
 *	6. write, with the number taken
 *
 * Blind writes that come in between have greater numbers: they happen after.
 * So the server's time, of cells that are given none, is that of the number,
 * not that of the end of the wait: else such a write would seem to be older.
 * Nor is it that of the call, as what it is computed from may be younger.
 *
 * Under REPEATABLE READ and SERIALIZABLE the snapshot is that of the
 * transaction.  If a fresh one sees anything else of the row, acting on what
 * the old one sees would undo the work of others: 40001.  A compaction since
 * then counts as such, as it hides whether there was anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "storage/heapscan.h"
#include "storage/authorized_view.h"
#include "storage/filtered.h"
#include "storage/rowlock.h"
#include "storage/rowscan.h"
#include "storage/rowstore.h"
#include "types/json_list.h"
#include "types/rmw_rule.h"

/* A row that is locked and read. */
typedef struct LockedRow
{
	WeirWideTable *table;
	WeirRowKey	key;
	WeirWriter *writer;
	int64		seq;			/* the number of the write to come */
	int64		at;				/* and its time */
	Snapshot	snapshot;
	WeirRowScan *scan;
	bool		exists;
	bool		gives_lock_back;	/* when it is written */
} LockedRow;

/* ---- locking ---- */

static void
start_delta_scan(WeirHeapScan *cursor, Snapshot snapshot, ScanKey scankey,
				 Datum key)
{
	ScanKeyInit(scankey, Anum_delta_row_key, BTEqualStrategyNumber, F_BYTEAEQ,
				key);
	weir_heap_scan_start(cursor, snapshot, scankey, 1);
}

/*
 * The transactions, other than this one, with deltas that may yet vanish.
 * Those up to "hi" are folded, so they are of transactions that have ended;
 * dead ones, which an old snapshot may keep from vacuum, are many at times.
 */
static List *
doubtful_writers(WeirWideTable *table, Datum key, int64 hi)
{
	SnapshotData dirty;
	ScanKeyData scankeys[2];
	WeirHeapScan	cursor;
	List	   *xids = NIL;

	InitDirtySnapshot(dirty);
	weir_heap_scan_open(&cursor, table, WEIR_HEAP_DELTA);
	ScanKeyInit(&scankeys[0], Anum_delta_row_key, BTEqualStrategyNumber,
				F_BYTEAEQ, key);
	ScanKeyInit(&scankeys[1], Anum_delta_seq, BTGreaterStrategyNumber,
				F_INT8GT, Int64GetDatum(hi));
	weir_heap_scan_start(&cursor, &dirty, scankeys, 2);
	while (weir_heap_scan_next(&cursor, ForwardScanDirection))
		if (TransactionIdIsValid(dirty.xmin) &&
			!TransactionIdIsCurrentTransactionId(dirty.xmin))
			xids = list_append_unique_oid(xids, (Oid) dirty.xmin);
	weir_heap_scan_close(&cursor);
	return xids;
}

/* Does a fresh snapshot see the same of a heap as the transaction's? */
static bool
sees_same(const WeirWideTable *table, WeirHeapOf which, Datum key,
		  Snapshot a, Snapshot b)
{
	WeirHeapScan	first;
	WeirHeapScan	second;
	ScanKeyData scankey;
	bool		same = true;
	bool		more = true;

	weir_heap_scan_open(&first, table, which);
	weir_heap_scan_open(&second, table, which);
	start_delta_scan(&first, a, &scankey, key);
	start_delta_scan(&second, b, &scankey, key);
	while (same && more)
	{
		more = weir_heap_scan_next(&first, ForwardScanDirection);
		same = weir_heap_scan_next(&second, ForwardScanDirection) == more;
		if (more && same)
			same = ItemPointerEquals(&first.slot->tts_tid,
									 &second.slot->tts_tid);
	}
	weir_heap_scan_close(&first);
	weir_heap_scan_close(&second);
	return same;
}

static void
check_snapshot_is_current(WeirWideTable *table, Datum key, Snapshot snapshot)
{
	Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());

	if (!sees_same(table, WEIR_HEAP_DELTA, key, latest, snapshot) ||
		!sees_same(table, WEIR_HEAP_BASE, key, latest, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("The row of wide table \"%s\" was written since the transaction began.",
						   get_rel_name(table->face)),
				 errhint("Retry the transaction.")));
	UnregisterSnapshot(latest);
}

/* By what is committed now, not by what the transaction sees. */
static int64
folded_up_to(WeirWideTable *table, WeirRowKey key)
{
	Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
	int64		hi = weir_row_folded_up_to(table, latest, key);

	UnregisterSnapshot(latest);
	return hi;
}

/* Steps 1 to 4, and the snapshot of step 5. */
static void
lock_row(LockedRow *row, WeirWideTable *table, WeirRowKey key)
{
	uint32		hash = weir_row_hash(key.bytes, key.len);
	Datum		key_datum = PointerGetDatum(cstring_to_text_with_len(key.bytes,
																	 key.len));
	int64		hi;
	List	   *xids;
	ListCell   *lc;

	weir_check_row_in_view(table, key);
	row->table = table;
	row->key = key;
	row->writer = weir_writer_open(table);
	(void) GetCurrentTransactionId();
	if (row->gives_lock_back)
		weir_row_lock(table->home, hash, true);
	else
		row->gives_lock_back = !weir_row_lock_to_keep(table->home, hash);
	hi = folded_up_to(table, key);
	weir_barrier_acquire(table->home, hash, ExclusiveLock);
	row->seq = weir_writer_next_seq(row->writer);
	row->at = weir_clock_usec();
	xids = doubtful_writers(table, key_datum, hi);
	weir_barrier_release(table->home, hash, ExclusiveLock);
	foreach(lc, xids)
		XactLockTableWait((TransactionId) lfirst_oid(lc), NULL, NULL, XLTW_None);

	CommandCounterIncrement();	/* see what this transaction wrote */
	if (IsolationUsesXactSnapshot())
	{
		row->snapshot = RegisterSnapshot(GetTransactionSnapshot());
		check_snapshot_is_current(table, key_datum, row->snapshot);
	}
	else
		row->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

/*
 * Steps 1 to 5.  The scan is open, restricted to the columns (NULL: all), and
 * stands at the row if it exists.
 */
static void
lock_and_read(LockedRow *row, WeirWideTable *table, WeirRowKey key,
			  const WeirColumnSet *columns)
{
	lock_row(row, table, key);
	row->scan = weir_row_scan_begin(table, row->snapshot, weir_clock_usec());
	weir_row_scan_set_columns(row->scan, columns);
	weir_row_scan_set_limit(row->scan, row->seq);
	row->exists = weir_row_scan_get(row->scan, key);
}

/* Step 6, unless the delta is NULL; closes everything. */
static void
write_and_close(LockedRow *row, WeirDelta *delta)
{
	if (delta != NULL)
	{
		weir_delta_set_time(delta, row->at);
		weir_writer_put_numbered(row->writer, row->key, row->seq, delta);
	}
	if (row->scan != NULL)
		weir_row_scan_end(row->scan);
	if (row->gives_lock_back)
		weir_row_unlock(row->table->home,
						weir_row_hash(row->key.bytes, row->key.len));
	UnregisterSnapshot(row->snapshot);
	weir_writer_close(row->writer);
}

/*
 * As the deltas that a transaction has written can be waited for, its row lock
 * need not be kept once it has written.  So a statement can do this, and the
 * next, to any number of rows.
 */
bool
weir_row_put_if_current(WeirWideTable *table, WeirRowKey key, WeirDelta *delta,
						bool must_exist)
{
	LockedRow	row = {0};
	bool		done;

	Assert(IsolationUsesXactSnapshot());
	row.gives_lock_back = true;
	if (must_exist)
		lock_and_read(&row, table, key, NULL);
	else
		lock_row(&row, table, key);
	done = row.exists || !must_exist;
	write_and_close(&row, done ? delta : NULL);
	return done;
}

/*
 * The test evaluates conditions of the user's, which may do anything: what they
 * write to this very row would come after a write that they are a condition of.
 */
static bool
passes_test(LockedRow *row, WeirRowTest test, void *arg)
{
	WeirOpenWrite open;
	volatile bool passes = false;

	weir_open_write_begin(&open, row->table, row->key);
	PG_TRY();
	{
		passes = test(arg, row->scan);
	}
	PG_FINALLY();
	{
		weir_open_write_end(&open);
	}
	PG_END_TRY();
	if (passes && weir_open_write_is_overtaken(&open))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("row of wide table \"%s\" was already modified by an operation triggered by the current command",
						get_rel_name(row->table->face)),
				 errhint("Use no functions that write to the row in a condition for its deletion.")));
	return passes;
}

bool
weir_row_put_if(WeirWideTable *table, WeirRowKey key, WeirDelta *delta,
				WeirRowTest test, void *arg)
{
	LockedRow	row = {0};
	bool		passes;

	Assert(!IsolationUsesXactSnapshot());
	row.gives_lock_back = true;
	lock_and_read(&row, table, key, NULL);
	passes = row.exists && passes_test(&row, test, arg);
	write_and_close(&row, passes ? delta : NULL);
	return passes;
}

/* ---- check_and_mutate_row ---- */

/* The list in argument n.  What is wrong is said before anything is waited for. */
static WeirMutationList
list_argument(FunctionCallInfo fcinfo, int n, const WeirWideTable *table)
{
	WeirMutationList list = {0};

	if (PG_ARGISNULL(n))
		return list;
	list = weir_mutation_list_of_array(table, PG_GETARG_ARRAYTYPE_P(n));
	(void) weir_mutation_list_delta(table, &list, 0);
	return list;
}

static Datum
check_and_mutate_row(FunctionCallInfo fcinfo, bool key_is_text)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												RowExclusiveLock, ACL_SELECT);
	WeirRowKey	key = weir_row_key_argument(fcinfo, 1, key_is_text);
	WeirRowFilter *predicate = NULL;
	WeirMutationList if_matched;
	WeirMutationList if_not_matched;
	LockedRow	row = {0};
	bool		matched;

	PreventCommandIfReadOnly("weir.check_and_mutate_row()");
	if (!PG_ARGISNULL(2))
		predicate = weir_row_filter_create(table, PG_GETARG_DATUM(2));
	if_matched = list_argument(fcinfo, 3, table);
	if_not_matched = list_argument(fcinfo, 4, table);
	if (if_matched.n == 0 && if_not_matched.n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no mutations"),
				 errdetail("At least one of the two lists must not be empty.")));

	lock_and_read(&row, table, key,
				  predicate ? weir_row_filter_columns(predicate) : NULL);
	matched = row.exists &&
		(predicate == NULL || weir_row_filter_matches(predicate, row.scan));
	write_and_close(&row,
					weir_mutation_list_delta(table, matched ? &if_matched :
											 &if_not_matched, row.at));
	PG_RETURN_BOOL(matched);
}

PG_FUNCTION_INFO_V1(weir_check_and_mutate_row);
Datum
weir_check_and_mutate_row(PG_FUNCTION_ARGS)
{
	return check_and_mutate_row(fcinfo, false);
}

PG_FUNCTION_INFO_V1(weir_check_and_mutate_row_text);
Datum
weir_check_and_mutate_row_text(PG_FUNCTION_ARGS)
{
	return check_and_mutate_row(fcinfo, true);
}

/* ---- read_modify_write_row ---- */

typedef struct Rule
{
	WeirRmwRule rule;
	const WeirFamily *family;
	int			index;			/* position in the list */
} Rule;

/* What a column has become. */
typedef struct ColumnState
{
	bool		exists;
	int64		ts;				/* of the newest cell, if exists */
	StringInfoData value;
} ColumnState;

/* The order of columns in a row, then that of the list. */
static int
rule_cmp(const void *x, const void *y)
{
	const Rule *a = x;
	const Rule *b = y;
	int			c = weir_bytes_cmp(a->family->name, a->family->name_len,
								   b->family->name, b->family->name_len);

	if (c == 0)
		c = weir_bytes_cmp(a->rule.qualifier, a->rule.qualifier_len,
						   b->rule.qualifier, b->rule.qualifier_len);
	if (c == 0)
		c = a->index < b->index ? -1 : a->index > b->index ? 1 : 0;
	return c;
}

static bool
same_column(const Rule *a, const Rule *b)
{
	return a->family == b->family &&
		a->rule.qualifier_len == b->rule.qualifier_len &&
		memcmp(a->rule.qualifier, b->rule.qualifier,
			   a->rule.qualifier_len) == 0;
}

/* The rules of the argument, sorted. */
static Rule *
unpack_rules(const WeirWideTable *table, ArrayType *array, int *nrules)
{
	Datum	   *elements;
	bool	   *nulls;
	Rule	   *rules;
	int			n;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no rules")));
	if (n > WEIR_MAX_MUTATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many rules: %d", n),
				 errdetail("One call takes at most %d.", WEIR_MAX_MUTATIONS)));
	rules = palloc(sizeof(Rule) * n);
	for (int i = 0; i < n; i++)
	{
		struct varlena *v;

		if (nulls[i])
			weir_argument_is_null("rule");
		v = PG_DETOAST_DATUM_PACKED(elements[i]);
		weir_rmw_rule_read(&rules[i].rule, VARDATA_ANY(v),
						   VARSIZE_ANY_EXHDR(v));
		rules[i].family = weir_family_get(table, rules[i].rule.family,
										  rules[i].rule.family_len);
		rules[i].index = i;
		if (rules[i].family->op != WEIR_OP_SET)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("family \"%s\" is an aggregate",
							rules[i].family->name),
					 errhint("Use weir.add_to_cell with weir.mutate_row.")));
	}
	qsort(rules, n, sizeof(Rule), rule_cmp);
	*nrules = n;
	return rules;
}

/* The columns that the rules touch, NULL (all) if they are many. */
static WeirColumnSet *
columns_of_rules(const Rule *rules, int nrules)
{
	const int	max_columns = 16;
	WeirColumnSet *set = palloc0(offsetof(WeirColumnSet, ranges) +
								 sizeof(WeirColumns) * max_columns);

	for (int i = 0; i < nrules; i++)
	{
		WeirColumns *columns = &set->ranges[set->nranges];

		if (i > 0 && same_column(&rules[i - 1], &rules[i]))
			continue;
		if (set->nranges == max_columns)
			return NULL;
		columns->family = rules[i].family->number;
		columns->start = columns->end = rules[i].rule.qualifier;
		columns->start_len = columns->end_len = rules[i].rule.qualifier_len;
		set->nranges++;
	}
	return set;
}

/* The newest cell of the rule's column; NULL if the column is empty. */
static const WeirCell *
newest_cell(const Rule *rule, const WeirCell *cells, uint32 ncells)
{
	WeirCell	column = {0};
	uint32		low = 0;
	uint32		high = ncells;

	column.family = rule->family->name;
	column.family_len = rule->family->name_len;
	column.qualifier = rule->rule.qualifier;
	column.qualifier_len = rule->rule.qualifier_len;
	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (weir_column_cmp(&cells[middle], &column) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < ncells && weir_column_cmp(&cells[low], &column) == 0)
		return &cells[low];
	return NULL;
}

static void
increment(ColumnState *state, const Rule *rule)
{
	uint64		number = 0;

	if (state->exists)
	{
		if (state->value.len != sizeof(number))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot increment a cell of %d bytes",
							state->value.len),
					 errdetail("An integer has 8 bytes, big-endian.")));
		memcpy(&number, state->value.data, sizeof(number));
		number = pg_ntoh64(number);
	}
	/* Wraps around. */
	number = pg_hton64(number + (uint64) rule->rule.amount);
	resetStringInfo(&state->value);
	appendBinaryStringInfo(&state->value, (char *) &number, sizeof(number));
	state->exists = true;
}

static void
append(ColumnState *state, const Rule *rule)
{
	weir_check_value_len((Size) state->value.len + rule->rule.value_len);
	appendBinaryStringInfo(&state->value, rule->rule.value,
						   rule->rule.value_len);
	state->exists = true;
}

/* Applies the rules of one column; the result is the column's new cell. */
static void
apply_rules(const Rule *rules, int nrules, const WeirCell *newest,
			int64 server_ts, WeirCell *result)
{
	ColumnState state = {0};

	initStringInfo(&state.value);
	state.ts = server_ts;
	if (newest != NULL)
	{
		state.exists = true;
		state.ts = Max(server_ts, newest->ts);
		appendBinaryStringInfo(&state.value, newest->value, newest->value_len);
	}
	for (int i = 0; i < nrules; i++)
	{
		if (rules[i].rule.kind == WEIR_RMW_INCREMENT)
			increment(&state, &rules[i]);
		else
			append(&state, &rules[i]);
	}
	result->family = rules[0].family->name;
	result->family_len = rules[0].family->name_len;
	result->qualifier = rules[0].rule.qualifier;
	result->qualifier_len = rules[0].rule.qualifier_len;
	result->ts = state.ts;
	result->value = state.value.data;
	result->value_len = state.value.len;
}

static WeirRow *
modify_row(LockedRow *row, const Rule *rules, int nrules, WeirDelta **delta)
{
	const WeirCell *cells = weir_row_scan_cells(row->scan);
	uint32		ncells = row->exists ? weir_row_scan_ncells(row->scan) : 0;
	int64		server_ts = weir_server_cell_ts(row->at);
	WeirRowBuilder *result = weir_row_builder_create();
	WeirFold   *fold = weir_builder_begin();

	for (int i = 0; i < nrules;)
	{
		WeirCell	cell;
		int			run = 1;

		while (i + run < nrules && same_column(&rules[i], &rules[i + run]))
			run++;
		apply_rules(&rules[i], run, newest_cell(&rules[i], cells, ncells),
					server_ts, &cell);
		weir_builder_set_cell(fold, row->table, &cell);
		weir_row_builder_add(result, &cell);
		i += run;
	}
	*delta = weir_builder_finish(fold);
	return weir_row_builder_finish(result);
}

static Datum
read_modify_write_row(FunctionCallInfo fcinfo, bool key_is_text)
{
	WeirWideTable *table = weir_wide_table_open(weir_table_argument(fcinfo, 0),
												RowExclusiveLock,
												ACL_SELECT);
	WeirRowKey	key = weir_row_key_argument(fcinfo, 1, key_is_text);
	LockedRow	row = {0};
	Rule	   *rules;
	int			nrules;
	WeirRow    *result;
	WeirDelta  *delta;

	PreventCommandIfReadOnly("weir.read_modify_write_row()");
	weir_wide_table_check_acl(table->face, ACL_INSERT);
	if (PG_ARGISNULL(2))
		weir_argument_is_null("list of rules");
	rules = unpack_rules(table, PG_GETARG_ARRAYTYPE_P(2), &nrules);
	lock_and_read(&row, table, key, columns_of_rules(rules, nrules));
	result = modify_row(&row, rules, nrules, &delta);
	write_and_close(&row, delta);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(weir_read_modify_write_row);
Datum
weir_read_modify_write_row(PG_FUNCTION_ARGS)
{
	return read_modify_write_row(fcinfo, false);
}

PG_FUNCTION_INFO_V1(weir_read_modify_write_row_text);
Datum
weir_read_modify_write_row_text(PG_FUNCTION_ARGS)
{
	return read_modify_write_row(fcinfo, true);
}
