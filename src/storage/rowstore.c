/*-------------------------------------------------------------------------
 *
 * rowstore.c
 *	  Writing to wide tables: appending deltas.
 *
 * A write is one small tuple in the heap of deltas: row key, number, delta.
 * A blind write reads nothing and waits for nobody.  It takes its number and
 * puts its tuple into heap and index under the shared barrier of its row, see
 * rowlock.c; the delta's time is taken there too.
 *
 * So is the server's time of cells that are given none, as the order of these
 * times must be that of the numbers: who reads a row to write to it sees what
 * has smaller numbers, and what it writes has to be newer.
 *
 * Under SERIALIZABLE a blind write first reads the deltas of its row, so that
 * the server sees a conflict between two transactions that write to the same
 * rows in different orders.
 *
 * The heap is written by file access, not by SQL.  If its owner has added
 * indexes they are maintained; triggers on it are not fired.
 *
 * Deltas are built with a fold that is kept for the life of the process, in
 * TopMemoryContext; it is made anew when it has grown large.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "storage/authorized_view.h"
#include "storage/changes.h"
#include "storage/debug_point.h"
#include "storage/hll.h"
#include "storage/indexes.h"
#include "storage/rowlock.h"
#include "storage/rowscan.h"
#include "storage/rowstore.h"
#include "storage/shape.h"
#include "types/json_list.h"
#include "weir.h"

/* The builder is freed after use when it holds more than this. */
#define BUILDER_MAX_MEMORY	(1024 * 1024)

struct WeirWriter
{
	WeirWideTable *table;
	Relation	heap;
	Relation	index;			/* the only index, or NULL if there are more */
	WeirIndexes *indexes;		/* if there are more */
	WeirChangeWriter *changes;	/* NULL: no change stream */
	const char *change_kind;	/* what is recorded there */
};

/* ---- the heap of deltas ---- */

static void (*writer_hook) (void) = NULL;

void
weir_writer_set_hook(void (*hook) (void))
{
	writer_hook = hook;
}

WeirWriter *
weir_writer_open(WeirWideTable *table)
{
	WeirWriter *writer = palloc0(sizeof(WeirWriter));
	List	   *indexes;

	writer->table = table;
	writer->heap = table_open(table->delta, RowExclusiveLock);
	indexes = RelationGetIndexList(writer->heap);
	/* one that has taken the place of the only one is like any other */
	if (list_length(indexes) == 1 &&
		linitial_oid(indexes) == table->delta_index)
	{
		writer->index = index_open(table->delta_index, RowExclusiveLock);
		if (table->delta_index_info == NULL)
		{
			MemoryContext old_context = MemoryContextSwitchTo(table->context);

			table->delta_index_info = BuildIndexInfo(writer->index);
			MemoryContextSwitchTo(old_context);
		}
	}
	else
		writer->indexes = weir_indexes_open(writer->heap);
	list_free(indexes);
	if (OidIsValid(table->changes))
		writer->changes = weir_change_writer_open(table);
	writer->change_kind = WEIR_CHANGE_USER;
	if (writer_hook)
		writer_hook();
	return writer;
}

/* Locks are kept to the end of the transaction. */
void
weir_writer_close(WeirWriter *writer)
{
	if (writer->index != NULL)
		index_close(writer->index, NoLock);
	else
		weir_indexes_close(writer->indexes);
	if (writer->changes != NULL)
		weir_change_writer_close(writer->changes);
	table_close(writer->heap, NoLock);
	pfree(writer);
}

void
weir_writer_set_change_kind(WeirWriter *writer, const char *kind)
{
	writer->change_kind = kind;
}

/* The innermost one, or NULL; they live on the stack of whoever begins them. */
static WeirOpenWrite *open_writes = NULL;

void
weir_open_write_begin(WeirOpenWrite *open, const WeirWideTable *table,
					  WeirRowKey key)
{
	open->home = table->home;
	open->key = key;
	open->overtaker = InvalidTransactionId;
	open->outer = open_writes;
	open_writes = open;
}

void
weir_open_write_end(WeirOpenWrite *open)
{
	Assert(open_writes == open);
	open_writes = open->outer;
}

bool
weir_has_open_write(const WeirWideTable *table)
{
	for (const WeirOpenWrite *open = open_writes; open; open = open->outer)
		if (open->home == table->home)
			return true;
	return false;
}

bool
weir_open_write_is_overtaken(const WeirOpenWrite *open)
{
	return TransactionIdIsCurrentTransactionId(open->overtaker);
}

/*
 * One overtaker will do: as long as it is not rolled back, what is written
 * later can only be so together with it, or before it.
 */
static void
overtake_open_writes(const WeirWideTable *table, WeirRowKey key)
{
	for (WeirOpenWrite *open = open_writes; open; open = open->outer)
		if (open->home == table->home &&
			weir_row_key_cmp(&open->key, &key) == 0 &&
			!weir_open_write_is_overtaken(open))
			open->overtaker = GetCurrentTransactionId();
}

int64
weir_writer_next_seq(WeirWriter *writer)
{
	return nextval_internal(writer->table->seq, false);
}

void
weir_writer_put_numbered(WeirWriter *writer, WeirRowKey key, int64 seq,
						 WeirDelta *delta)
{
	Datum		values[Natts_delta];
	bool		nulls[Natts_delta] = {false};
	HeapTuple	tuple;
	bytea	   *key_datum = (bytea *) cstring_to_text_with_len(key.bytes, key.len);

	weir_check_row_in_view(writer->table, key);
	values[0] = PointerGetDatum(key_datum);
	values[1] = Int64GetDatum(seq);
	values[2] = PointerGetDatum(delta);
	tuple = weir_shape_form_tuple(writer->heap, values, nulls, Natts_delta);
	heap_insert(writer->heap, tuple, GetCurrentCommandId(true), 0, NULL);
	if (writer->index != NULL)
		index_insert(writer->index, values, nulls, &tuple->t_self,
					 writer->heap, UNIQUE_CHECK_NO, false,
					 writer->table->delta_index_info);
	else
		weir_indexes_insert(writer->indexes, tuple);
	heap_freetuple(tuple);
	pfree(key_datum);
	if (writer->changes != NULL)
		weir_change_writer_put_delta(writer->changes, key, seq,
									 writer->change_kind, delta);
	if (open_writes != NULL)
		overtake_open_writes(writer->table, key);
}

/* A blind write of the delta or, if it is NULL, of the list. */
static void
put_blindly(WeirWriter *writer, WeirRowKey key, WeirDelta *delta,
			const WeirMutationList *list)
{
	Oid			face = writer->table->home;
	uint32		hash = weir_row_hash(key.bytes, key.len);
	int64		seq;
	int64		at;

	if (IsolationIsSerializable())
		weir_row_touch_deltas(writer->table, key);
	weir_barrier_acquire(face, hash, ShareLock);
	seq = weir_writer_next_seq(writer);
	WEIR_DEBUG_POINT("write_numbered");
	at = weir_clock_usec();
	if (delta == NULL)
		delta = weir_mutation_list_delta(writer->table, list, at);
	weir_delta_set_time(delta, at);
	weir_writer_put_numbered(writer, key, seq, delta);
	weir_barrier_release(face, hash, ShareLock);
}

void
weir_writer_put(WeirWriter *writer, WeirRowKey key, WeirDelta *delta)
{
	put_blindly(writer, key, delta, NULL);
}

void
weir_writer_put_list(WeirWriter *writer, WeirRowKey key,
					 const WeirMutationList *list)
{
	put_blindly(writer, key, NULL, list);
}

/* ---- building deltas ---- */

static WeirFold *builder = NULL;

WeirFold *
weir_builder_begin(void)
{
	if (builder == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		builder = weir_fold_create(weir_hll_combine);
		MemoryContextSwitchTo(old_context);
	}
	weir_fold_reset(builder, NULL, 0);
	return builder;
}

WeirDelta *
weir_builder_finish(WeirFold *fold)
{
	WeirDelta  *delta = weir_fold_delta(fold, 0);

	if (weir_fold_memory(fold) > BUILDER_MAX_MEMORY)
	{
		weir_fold_destroy(fold);
		builder = NULL;
	}
	else
		weir_fold_reset(fold, NULL, 0);
	return delta;
}

int64
weir_server_cell_ts(int64 at)
{
	return at - at % 1000;
}

static void
check_granularity(const WeirWideTable *table, int64 ts)
{
	if (table->is_millis && ts % 1000 != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timestamp is finer than the granularity of wide table \"%s\"",
						get_rel_name(table->face)),
				 errdetail("Timestamps of this table are whole milliseconds, not " INT64_FORMAT " microseconds.",
						   ts)));
}

static const char *
aggregate_name(WeirCellOp op)
{
	static const char *const names[] = {"", "sum", "min", "max", "hll"};

	return names[op];
}

static void
check_is_plain(const WeirFamily *family)
{
	if (family->op != WEIR_OP_SET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("family \"%s\" is an aggregate of kind \"%s\"",
						family->name, aggregate_name(family->op)),
				 errhint("Use weir.add_to_cell or weir.merge_to_cell.")));
}

static void
check_is_aggregate(const WeirFamily *family)
{
	if (family->op == WEIR_OP_SET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("family \"%s\" is not an aggregate", family->name),
				 errhint("Use weir.set_cell.")));
}

static void
wrong_input(const WeirFamily *family)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("wrong type of input for family \"%s\" of kind \"%s\"",
					family->name, aggregate_name(family->op)),
			 family->op == WEIR_OP_HLL ?
			 errdetail("The input must be bytes or text.") :
			 errdetail("The input must be an integer.")));
}

/*
 * The integer that a text stands for, so that a parameter whose type the
 * server has to guess works too; as 8 bytes in the current memory context.
 */
static void
integer_of_text(const WeirFamily *family, WeirStoredCell *cell)
{
	char	   *text = pnstrdup(cell->value, cell->value_len);
	char	   *end;
	int64		integer;
	uint64		be;
	char	   *state = palloc(sizeof(be));

	errno = 0;
	integer = strtoi64(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0')
		wrong_input(family);
	be = pg_hton64((uint64) integer);
	memcpy(state, &be, sizeof(be));
	cell->value = state;
	cell->value_len = sizeof(be);
}

/* Turns the input of add_to_cell into a state. */
static void
state_of_input(WeirFold *fold, const WeirFamily *family,
			   const WeirMutation *mutation, WeirStoredCell *cell)
{
	bool		is_bytes = (mutation->flags & WEIR_MUTATION_BYTES_INPUT) != 0;
	bool		is_text = (mutation->flags & WEIR_MUTATION_TEXT_INPUT) != 0;
	MemoryContext old_context;

	old_context = MemoryContextSwitchTo(weir_fold_context(fold));
	if (family->op == WEIR_OP_HLL)
	{
		if (!is_bytes)
			wrong_input(family);
		weir_hll_of_bytes(mutation->value, mutation->value_len,
						  &cell->value, &cell->value_len);
	}
	else if (is_text)
		integer_of_text(family, cell);
	else if (is_bytes)
		wrong_input(family);
	MemoryContextSwitchTo(old_context);
}

static void
check_state(const WeirFamily *family, const WeirMutation *mutation)
{
	if (family->op == WEIR_OP_HLL)
		weir_hll_check(mutation->value, mutation->value_len);
	else if (mutation->value_len != sizeof(int64))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("state for family \"%s\" of kind \"%s\" must have 8 bytes, not %u",
						family->name, aggregate_name(family->op),
						mutation->value_len)));
}

/* The parts of a cell that all mutations of cells have in common. */
static void
cell_of_mutation(WeirStoredCell *cell, const WeirFamily *family,
				 const WeirMutation *mutation)
{
	memset(cell, 0, sizeof(*cell));
	cell->family = family->number;
	cell->qualifier = mutation->qualifier;
	cell->qualifier_len = mutation->qualifier_len;
	cell->value = mutation->value;
	cell->value_len = mutation->value_len;
	cell->ts = mutation->ts;
	cell->op = family->op;
}

void
weir_builder_add_mutation(WeirFold *fold, const WeirWideTable *table,
						  const WeirMutation *mutation, int64 server_ts)
{
	const WeirFamily *family = NULL;
	WeirStoredCell cell;
	WeirTombstone column = {0};

	weir_fold_begin_step(fold, 0, 0);
	if (mutation->kind == WEIR_DELETE_FROM_ROW)
	{
		weir_check_whole_row_in_view(table);
		weir_fold_delete_row(fold);
		return;
	}
	family = weir_family_get(table, mutation->family, mutation->family_len);
	weir_check_column_in_view(table, family,
							  mutation->kind == WEIR_DELETE_FROM_FAMILY ?
							  NULL : mutation->qualifier,
							  mutation->qualifier_len);
	if (mutation->kind == WEIR_DELETE_FROM_FAMILY)
	{
		weir_fold_delete_family(fold, family->number);
		return;
	}
	check_granularity(table, mutation->ts);
	if (mutation->kind == WEIR_DELETE_FROM_COLUMN)
	{
		if (mutation->to != WEIR_TS_UNBOUNDED)
			check_granularity(table, mutation->to);
		column.family = family->number;
		column.qualifier = mutation->qualifier;
		column.qualifier_len = mutation->qualifier_len;
		column.from = mutation->ts;
		column.to = mutation->to;
		weir_fold_delete_column(fold, &column);
		return;
	}
	cell_of_mutation(&cell, family, mutation);
	switch (mutation->kind)
	{
		case WEIR_SET_CELL:
			check_is_plain(family);
			if (mutation->flags & WEIR_MUTATION_SERVER_TIME)
				cell.ts = server_ts;
			break;
		case WEIR_ADD_TO_CELL:
			check_is_aggregate(family);
			state_of_input(fold, family, mutation, &cell);
			break;
		case WEIR_MERGE_TO_CELL:
			check_is_aggregate(family);
			if (mutation->flags & WEIR_MUTATION_NULL_STATE)
				return;
			check_state(family, mutation);
			break;
		default:
			elog(ERROR, "unrecognized kind of mutation: %d",
				 (int) mutation->kind);
	}
	weir_fold_add_cell(fold, &cell);
}

void
weir_builder_set_cell(WeirFold *fold, const WeirWideTable *table,
					  const WeirCell *cell)
{
	WeirMutation mutation = {WEIR_SET_CELL};

	mutation.family = cell->family;
	mutation.family_len = cell->family_len;
	mutation.qualifier = cell->qualifier;
	mutation.qualifier_len = cell->qualifier_len;
	mutation.value = cell->value;
	mutation.value_len = cell->value_len;
	mutation.ts = cell->ts;
	weir_builder_add_mutation(fold, table, &mutation, 0);
}

AclMode
weir_mutation_rights(const WeirMutation *mutation)
{
	return mutation->kind >= WEIR_DELETE_FROM_COLUMN ? ACL_DELETE : ACL_INSERT;
}

static WeirDelta *
build_delta(const WeirWideTable *table, const WeirMutationList *list, int64 at)
{
	int64		server_ts = weir_server_cell_ts(at);
	WeirFold   *fold = weir_builder_begin();

	for (int i = 0; i < list->n; i++)
		weir_builder_add_mutation(fold, table, &list->mutations[i], server_ts);
	return weir_builder_finish(fold);
}

void
weir_mutation_list_finish(const WeirWideTable *table, WeirMutationList *list)
{
	AclMode		required = 0;

	for (int i = 0; i < list->n; i++)
	{
		required |= weir_mutation_rights(&list->mutations[i]);
		if (list->mutations[i].flags & WEIR_MUTATION_SERVER_TIME)
			list->needs_time = true;
	}
	weir_wide_table_check_acl(table->face, required);
	if (list->n > 0 && !list->needs_time)
		list->delta = build_delta(table, list, 0);
}

WeirDelta *
weir_mutation_list_delta(const WeirWideTable *table,
						 const WeirMutationList *list, int64 at)
{
	return list->needs_time ? build_delta(table, list, at) : list->delta;
}

WeirMutationList
weir_mutation_list_of_array(const WeirWideTable *table, ArrayType *array)
{
	WeirMutationList list = {0};
	Datum	   *elements;
	bool	   *nulls;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, &list.n);
	if (list.n > WEIR_MAX_MUTATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many mutations: %d", list.n),
				 errdetail("One call takes at most %d.", WEIR_MAX_MUTATIONS)));
	list.mutations = palloc(sizeof(WeirMutation) * (list.n + 1));
	for (int i = 0; i < list.n; i++)
	{
		if (nulls[i])
			weir_argument_is_null("mutation");
		weir_mutation_from_datum(&list.mutations[i], elements[i]);
	}
	weir_mutation_list_finish(table, &list);
	return list;
}

WeirRowKey
weir_row_key_argument(FunctionCallInfo fcinfo, int n, bool is_text)
{
	WeirRowKey	key;

	key.bytes = weir_bytes_argument(fcinfo, n, is_text, "row key", &key.len);
	weir_check_row_key(key.bytes, key.len);
	return key;
}
