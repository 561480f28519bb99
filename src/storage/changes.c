/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  The change stream of a wide table: the heap of changes, its catalog,
 *	  and writing to it.
 *
 * The heap, <name>_changes, has one row for each write to a row of the wide
 * table:
 *
 *	seq			the number of the write, as in the heap of deltas
 *	row_key		null: all rows
 *	kind		what made the change
 *	changes		the mutations, as they were applied
 *	at			when it was made
 *	horizon		every number below seq was given to a transaction before
 *				this one: see changes_read.c
 *
 * A record is put into the heap by the transaction that writes, right after
 * the delta and under the same barrier, so that the records of a row are
 * numbered in the order in which its writes count.  A write that is rolled
 * back takes its record along.
 *
 * The mutations come from the delta: what mutate_row, the face and
 * read_modify_write_row have made of their input.  Applied to a copy of the
 * row with weir.mutate_row, in the order of seq, they make the same cells.
 * Of cells with one coordinate in a single write only the outcome is there.
 *
 * The heap is written by file access, with the rights of the code, as the
 * heap of deltas is; what the layer above puts on it (a capture index) is
 * maintained as any index.  Triggers are not fired.  One of them keeps SQL
 * from inserting, deleting and truncating.
 *
 * horizon is a generated column with the value 0, so that a dump leaves it
 * out: its transactions mean nothing in another cluster, and there all of
 * them have ended.
 *
 * Locks: after those of the wide table (catalog.c), the heap of changes.
 * Whoever switches a change stream on or off locks the face against writers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "storage/catalog_tables.h"
#include "storage/changes.h"
#include "storage/indexes.h"
#include "storage/owner.h"
#include "storage/sequence.h"
#include "weir.h"

struct WeirChangeWriter
{
	WeirWideTable *table;
	Relation	heap;
	Oid			mutation_type;
	List	   *indexes;		/* if all are on columns alone */
	WeirIndexes *other_indexes; /* if not */
	TupleTableSlot *slot;
	MemoryContext context;		/* reset after each record */
};

/* ---- from deltas to mutations ---- */

/* A growing list of values of type weir.mutation. */
typedef struct MutationList
{
	Datum	   *items;
	int			n;
	int			allocated;
} MutationList;

static const WeirFamily *
family_of_number(const WeirWideTable *table, uint16 number)
{
	const WeirFamily *family = number < table->nnumbers ?
		table->family_by_number[number] : NULL;

	if (family == NULL)
		elog(ERROR, "wide table %u has no family %u", table->home, number);
	return family;
}

static Datum
mutation(WeirMutationKind kind, const WeirFamily *family,
		 const char *qualifier, uint16 qualifier_len, int64 ts, int64 to)
{
	WeirMutation m = {0};

	m.kind = kind;
	m.family = family != NULL ? family->name : "";
	m.family_len = family != NULL ? family->name_len : 0;
	m.qualifier = qualifier;
	m.qualifier_len = qualifier_len;
	m.value = "";
	m.ts = ts;
	m.to = to;
	return weir_mutation_to_datum(&m);
}

Datum
weir_change_of_deleted_cell(const WeirWideTable *table,
							const WeirStoredCell *cell)
{
	return mutation(WEIR_DELETE_FROM_COLUMN,
					family_of_number(table, cell->family),
					cell->qualifier, cell->qualifier_len,
					cell->ts, cell->ts == PG_INT64_MAX ?
					WEIR_TS_UNBOUNDED : cell->ts + 1);
}

/*
 * A cell of an aggregate family is made by feeding it with its state, which
 * for integers is the same as the input; if it takes the place of another,
 * that is deleted first.
 */
int
weir_change_of_cell(const WeirWideTable *table, const WeirStoredCell *cell,
					Datum *mutations)
{
	const WeirFamily *family = family_of_number(table, cell->family);
	WeirMutation m = {0};
	int			n = 0;

	if (family->op != WEIR_OP_SET && cell->op == WEIR_OP_SET)
		mutations[n++] = weir_change_of_deleted_cell(table, cell);
	m.kind = family->op == WEIR_OP_SET ? WEIR_SET_CELL :
		family->op == WEIR_OP_HLL ? WEIR_MERGE_TO_CELL : WEIR_ADD_TO_CELL;
	m.family = family->name;
	m.family_len = family->name_len;
	m.qualifier = cell->qualifier;
	m.qualifier_len = cell->qualifier_len;
	m.value = cell->value;
	m.value_len = cell->value_len;
	m.ts = cell->ts;
	mutations[n++] = weir_mutation_to_datum(&m);
	return n;
}

static Datum *
next_items(MutationList *list, int n)
{
	if (list->n + n > list->allocated)
	{
		list->allocated = Max(list->allocated * 2, 16);
		list->items = list->items == NULL ?
			palloc(sizeof(Datum) * list->allocated) :
			repalloc_huge(list->items, sizeof(Datum) * list->allocated);
	}
	return &list->items[list->n];
}

static void
add_mutation(MutationList *list, Datum item)
{
	*next_items(list, 1) = item;
	list->n++;
}

/* In the order in which a delta is applied: what it deletes, then its cells. */
static void
list_mutations(MutationList *list, const WeirWideTable *table,
			   WeirDeltaReader *reader)
{
	WeirTombstone column;
	WeirStoredCell cell;
	uint16		family;

	if (reader->deletes_row)
		add_mutation(list, mutation(WEIR_DELETE_FROM_ROW, NULL, "", 0, 0, 0));
	while (weir_delta_next_family(reader, &family))
		add_mutation(list, mutation(WEIR_DELETE_FROM_FAMILY,
									family_of_number(table, family),
									"", 0, 0, 0));
	while (weir_delta_next_column(reader, &column))
		add_mutation(list, mutation(WEIR_DELETE_FROM_COLUMN,
									family_of_number(table, column.family),
									column.qualifier, column.qualifier_len,
									column.from, column.to));
	while (weir_delta_next_cell(reader, &cell))
		list->n += weir_change_of_cell(table, &cell, next_items(list, 2));
}

/* ---- writing ---- */

/*
 * What there is to know of the indexes is kept with the descriptor of the wide
 * table.
 */
static List *
index_infos(WeirWideTable *table, List *oids)
{
	MemoryContext old_context;
	ListCell   *lc;

	if (table->changes_index_infos != NIL && equal(oids, table->changes_indexes))
		return table->changes_index_infos;
	old_context = MemoryContextSwitchTo(table->context);
	table->changes_index_infos = NIL;
	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		table->changes_index_infos = lappend(table->changes_index_infos,
											 BuildIndexInfo(index));
		index_close(index, NoLock);
	}
	table->changes_indexes = list_copy(oids);
	MemoryContextSwitchTo(old_context);
	return table->changes_index_infos;
}

/*
 * Are these just the index on seq and that of the layer above, so that they
 * need nothing of the executor?
 */
static bool
are_plain(List *indexes, List *infos)
{
	ListCell   *lc;
	ListCell   *lc_info;

	if (list_length(indexes) != 2)
		return false;
	forboth(lc, indexes, lc_info, infos)
	{
		const IndexInfo *info = lfirst(lc_info);

		if (info->ii_Expressions != NIL || info->ii_Predicate != NIL ||
			info->ii_ExclusionOps != NULL || !info->ii_ReadyForInserts ||
			!((Relation) lfirst(lc))->rd_index->indimmediate)
			return false;
	}
	return true;
}

static void
close_indexes(WeirChangeWriter *writer)
{
	ListCell   *lc;

	foreach(lc, writer->indexes)
		index_close((Relation) lfirst(lc), NoLock);
	list_free(writer->indexes);
	writer->indexes = NIL;
}

static void
open_indexes(WeirChangeWriter *writer)
{
	List	   *oids = RelationGetIndexList(writer->heap);
	ListCell   *lc;

	foreach(lc, oids)
		writer->indexes = lappend(writer->indexes,
								  index_open(lfirst_oid(lc), RowExclusiveLock));
	if (!are_plain(writer->indexes, index_infos(writer->table, oids)))
	{
		close_indexes(writer);
		writer->other_indexes = weir_indexes_open(writer->heap);
	}
	list_free(oids);
}

WeirChangeWriter *
weir_change_writer_open(WeirWideTable *table)
{
	WeirChangeWriter *writer = palloc0(sizeof(WeirChangeWriter));
	TupleDesc	desc;

	(void) GetCurrentTransactionId();
	writer->table = table;
	writer->heap = table_open(table->changes, RowExclusiveLock);
	desc = RelationGetDescr(writer->heap);
	writer->mutation_type =
		get_element_type(TupleDescAttr(desc, Anum_changes_changes - 1)->atttypid);
	open_indexes(writer);
	writer->slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	writer->context = AllocSetContextCreate(CurrentMemoryContext,
											"weir change record",
											ALLOCSET_SMALL_SIZES);
	return writer;
}

/* Locks are kept to the end of the transaction. */
void
weir_change_writer_close(WeirChangeWriter *writer)
{
	MemoryContextDelete(writer->context);
	ExecDropSingleTupleTableSlot(writer->slot);
	close_indexes(writer);
	if (writer->other_indexes != NULL)
		weir_indexes_close(writer->other_indexes);
	table_close(writer->heap, NoLock);
	pfree(writer);
}

/* The record gets its entries in the indexes, which are plain. */
static void
insert_index_entries(WeirChangeWriter *writer, HeapTuple tuple)
{
	ListCell   *lc;
	ListCell   *lc_info;

	ExecStoreHeapTuple(tuple, writer->slot, false);
	writer->slot->tts_tableOid = RelationGetRelid(writer->heap);
	forboth(lc, writer->indexes, lc_info, writer->table->changes_index_infos)
	{
		IndexInfo  *info = lfirst(lc_info);
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		FormIndexDatum(info, writer->slot, NULL, values, nulls);
		index_insert((Relation) lfirst(lc), values, nulls,
					 &writer->slot->tts_tid, writer->heap,
					 info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
					 false, info);
	}
	ExecClearTuple(writer->slot);
}

/* In the context of the record. */
static void
put_record(WeirChangeWriter *writer, const WeirRowKey *key, int64 seq,
		   const char *kind, int64 at, Datum *mutations, int nmutations)
{
	TupleDesc	desc = RelationGetDescr(writer->heap);
	Datum	   *values = palloc0(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	HeapTuple	tuple;

	memset(nulls, true, sizeof(bool) * desc->natts);
	memset(nulls, false, sizeof(bool) * Natts_changes);
	values[Anum_changes_seq - 1] = Int64GetDatum(seq);
	if (key != NULL)
		values[Anum_changes_row_key - 1] =
			PointerGetDatum(cstring_to_text_with_len(key->bytes, key->len));
	nulls[Anum_changes_row_key - 1] = key == NULL;
	values[Anum_changes_kind - 1] = CStringGetTextDatum(kind);
	values[Anum_changes_changes - 1] =
		PointerGetDatum(construct_array(mutations, nmutations,
										writer->mutation_type, -1, false,
										TYPALIGN_INT));
	values[Anum_changes_at - 1] =
		TimestampTzGetDatum(weir_cell_ts_to_timestamptz(at));
	/* the number has been taken: who has a smaller one had his id before */
	values[Anum_changes_horizon - 1] =
		FullTransactionIdGetDatum(ReadNextFullTransactionId());

	tuple = heap_form_tuple(desc, values, nulls);
	heap_insert(writer->heap, tuple, GetCurrentCommandId(true), 0, NULL);
	if (writer->other_indexes != NULL)
		weir_indexes_insert(writer->other_indexes, tuple);
	else
		insert_index_entries(writer, tuple);
}

void
weir_change_writer_put(WeirChangeWriter *writer, const WeirRowKey *key,
					   int64 seq, const char *kind, int64 at,
					   Datum *mutations, int nmutations)
{
	MemoryContext old_context = MemoryContextSwitchTo(writer->context);

	put_record(writer, key, seq, kind, at, mutations, nmutations);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(writer->context);
}

void
weir_change_writer_put_delta(WeirChangeWriter *writer, WeirRowKey key,
							 int64 seq, const char *kind,
							 const WeirDelta *delta)
{
	MemoryContext old_context = MemoryContextSwitchTo(writer->context);
	WeirDeltaReader reader;
	MutationList list = {0};

	weir_delta_reader_init(&reader, VARDATA(delta), VARSIZE(delta) - VARHDRSZ);
	list_mutations(&list, writer->table, &reader);
	put_record(writer, &key, seq, kind, reader.at, list.items, list.n);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(writer->context);
}

void
weir_changes_put_event(WeirWideTable *table, const char *kind,
					   const WeirFamily *family)
{
	WeirChangeWriter *writer;
	Datum		deletion;

	if (!OidIsValid(table->changes))
		return;
	writer = weir_change_writer_open(table);
	if (family != NULL)
		deletion = mutation(WEIR_DELETE_FROM_FAMILY, family, "", 0, 0, 0);
	weir_change_writer_put(writer, NULL, nextval_internal(table->seq, false),
						   kind, weir_clock_usec(), &deletion,
						   family != NULL ? 1 : 0);
	weir_change_writer_close(writer);
}

/* ---- the catalog ---- */

/* The row of a wide table, a copy; NULL if it has no change stream. */
static HeapTuple
fetch_row(Relation rel, AttrNumber attno, const char *index, Oid oid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, attno, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(oid));
	scan = systable_beginscan(rel, weir_own_relid(index, false), true, NULL,
							  1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* Looks up a row by one column and returns the other one. */
static Oid
look_up(AttrNumber attno, const char *index, Oid oid, AttrNumber wanted)
{
	Relation	rel = table_open(weir_own_relid("_change_streams", false),
								 AccessShareLock);
	HeapTuple	tuple = fetch_row(rel, attno, index, oid);
	Oid			result = InvalidOid;
	bool		isnull;

	if (HeapTupleIsValid(tuple))
	{
		result = DatumGetObjectId(heap_getattr(tuple, wanted,
											   RelationGetDescr(rel), &isnull));
		heap_freetuple(tuple);
	}
	table_close(rel, AccessShareLock);
	return result;
}

Oid
weir_changes_of_table(Oid home)
{
	return look_up(Anum_change_streams_face, "_change_streams_pkey", home,
				   Anum_change_streams_changes);
}

Oid
weir_changes_lock(Oid home, LOCKMODE lockmode)
{
	Oid			changes = weir_changes_of_table(home);

	while (OidIsValid(changes))
	{
		Oid			now;

		LockRelationOid(changes, lockmode);
		now = weir_changes_of_table(home);
		if (now == changes)
			break;
		UnlockRelationOid(changes, lockmode);
		changes = now;
	}
	return changes;
}

Oid
weir_changes_home(Oid changes)
{
	return look_up(Anum_change_streams_changes, "_change_streams_changes_key",
				   changes, Anum_change_streams_face);
}

/*
 * Not an internal dependency, which would make the server refuse to drop the
 * heap with a hint to drop the wide table: weir_changes_check_dropped refuses.
 */
void
weir_changes_link(Oid home, Oid changes)
{
	ObjectAddress face;
	ObjectAddress heap;

	ObjectAddressSet(face, RelationRelationId, home);
	ObjectAddressSet(heap, RelationRelationId, changes);
	recordDependencyOn(&heap, &face, DEPENDENCY_AUTO);
}

/* By whoever has the rights of the owner, for the owner. */
static Oid
create_heap(Oid nspid, const char *relname, Oid owner)
{
	const char *name = quote_qualified_identifier(get_namespace_name(nspid),
												  relname);
	Oid			relid;

	weir_execute("CREATE TABLE %s (seq bigint PRIMARY KEY, row_key bytea,"
				 " kind text NOT NULL, changes " WEIR_SCHEMA ".mutation[] NOT NULL,"
				 " at timestamptz NOT NULL, horizon xid8 NOT NULL"
				 " GENERATED ALWAYS AS ('0') STORED) USING heap", name);
	relid = get_relname_relid(relname, nspid);
	weir_revoke_default_privileges(relid);
	weir_execute("CREATE TRIGGER weir_refuse_change"
				 " BEFORE INSERT OR DELETE OR TRUNCATE ON %s"
				 " FOR EACH STATEMENT EXECUTE FUNCTION "
				 WEIR_SCHEMA "._refuse_change()", name);
	if (owner != GetUserId())
		weir_execute("ALTER TABLE %s OWNER TO %s", name,
					 quote_identifier(GetUserNameFromId(owner, false)));
	return relid;
}

static void
insert_change_stream(const WeirWideTable *table, Oid changes)
{
	Relation	rel = table_open(weir_own_relid("_change_streams", false),
								 RowExclusiveLock);
	Datum		values[Natts_change_streams];
	bool		nulls[Natts_change_streams] = {false};

	values[Anum_change_streams_face - 1] = ObjectIdGetDatum(table->home);
	values[Anum_change_streams_changes - 1] = ObjectIdGetDatum(changes);
	values[Anum_change_streams_since_seq - 1] =
		Int64GetDatum(nextval_internal(table->seq, false));
	values[Anum_change_streams_trimmed_to - 1] = Int64GetDatum(0);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel),
											values, nulls));
	table_close(rel, NoLock);
}

Oid
weir_changes_create(const WeirWideTable *table)
{
	Oid			nspid = get_rel_namespace(table->home);
	char	   *relname = ChooseRelationName(get_rel_name(table->home), NULL,
											 "changes", nspid, false);
	Oid			changes = create_heap(nspid, relname,
									  weir_relation_owner(table->home));

	insert_change_stream(table, changes);
	weir_changes_link(table->home, changes);
	CacheInvalidateRelcacheByRelid(table->home);
	CommandCounterIncrement();
	return changes;
}

void
weir_changes_forget(Oid home)
{
	Relation	rel = table_open(weir_own_relid("_change_streams", false),
								 RowExclusiveLock);
	HeapTuple	tuple = fetch_row(rel, Anum_change_streams_face,
								  "_change_streams_pkey", home);

	if (HeapTupleIsValid(tuple))
		CatalogTupleDelete(rel, &tuple->t_self);
	table_close(rel, NoLock);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(home)))
		CacheInvalidateRelcacheByRelid(home);
	CommandCounterIncrement();
}

void
weir_changes_check_dropped(void)
{
	Relation	rel = table_open(weir_own_relid("_change_streams", false),
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		home = heap_getattr(tuple, Anum_change_streams_face,
										RelationGetDescr(rel), &isnull);
		Datum		changes = heap_getattr(tuple, Anum_change_streams_changes,
										   RelationGetDescr(rel), &isnull);

		if (!SearchSysCacheExists1(RELOID, changes) &&
			SearchSysCacheExists1(RELOID, home))
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop the change stream of wide table \"%s\"",
							get_rel_name(DatumGetObjectId(home))),
					 errhint("Use weir.disable_changes.")));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* ---- what SQL may not do ---- */

PG_FUNCTION_INFO_V1(weir__refuse_change);
Datum
weir__refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by trigger manager")));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot write to change stream \"%s\"",
					RelationGetRelationName(trigger->tg_relation)),
			 errdetail("It records the writes to a wide table, and old records are deleted by its retention."),
			 errhint("Use weir.alter_stream to change the retention.")));
	PG_RETURN_NULL();
}
