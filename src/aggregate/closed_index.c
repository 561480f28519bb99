/*-------------------------------------------------------------------------
 *
 * closed_index.c
 *	  The indexes that the table of closed rows has at first.
 *
 * A btree index on the keys and the window, for the history of one key; and
 * BRIN on the window, for a stretch of time, as rows lie on disk in its order.
 *
 * An entry of a btree index is a third of a page at most, about 2,700 bytes
 * after compression.  A key may be larger, and windows have to close all the
 * same: then the index on the keys goes, with a warning.  Not one that is not as
 * we have made it, nor any other: the user's own indexes are his own business.
 * It is dropped in the transaction of the tick, and only if nobody is reading
 * the table just now; else the aggregate tries again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "aggregate/closed_index.h"
#include "aggregate/failure.h"
#include "aggregate/partial.h"

/* ---------- columns ---------- */

AttrNumber
weir_closed_window_column(const WeirDefinition *def)
{
	AttrNumber	start = weir_definition_window_column(def, 1);

	return start != 0 ? start : weir_definition_window_column(def, 2);
}

List *
weir_closed_key_columns(const WeirDefinition *def, TupleDesc columns)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, weir_definition_key_columns(def))
	{
		Oid			type = TupleDescAttr(columns, lfirst_int(lc) - 1)->atttypid;

		if (OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr))
			keys = lappend_int(keys, lfirst_int(lc));
	}
	return keys;
}

/* columns of the index on the keys; NIL if there is none */
static List *
index_columns(const WeirDefinition *def, TupleDesc columns)
{
	List	   *list = list_truncate(weir_closed_key_columns(def, columns),
									 INDEX_MAX_KEYS - 1);
	AttrNumber	window = weir_closed_window_column(def);

	return window != 0 ? lappend_int(list, window) : list;
}

/* ---------- creation ---------- */

/*
 * Can two rows be equal in the columns?  Steps of cumulating windows have the
 * same start.
 */
static bool
may_repeat(const WeirDefinition *def, List *columns)
{
	return def->window.kind == WEIR_WINDOW_CUMULATE ||
		def->query->groupingSets != NIL ||
		list_length(columns) <= def->nkeys;
}

static char *
column_list(List *columns, TupleDesc desc)
{
	StringInfoData list;
	ListCell   *lc;

	initStringInfo(&list);
	foreach(lc, columns)
		appendStringInfo(&list, "%s%s", foreach_current_index(lc) > 0 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(desc, lfirst_int(lc) - 1)->attname)));
	return list.data;
}

List *
weir_closed_default_indexes(const WeirDefinition *def, TupleDesc columns,
							const char *table)
{
	AttrNumber	window = weir_closed_window_column(def);
	List	   *list = index_columns(def, columns);
	List	   *commands = NIL;

	if (window != 0 && list_length(list) > 1)
		commands = lappend(commands,
						   psprintf("CREATE INDEX ON %s USING brin (%s)", table,
									column_list(list_make1_int(window), columns)));
	if (list != NIL)
		commands = lappend(commands,
						   psprintf("CREATE INDEX ON %s (%s)%s", table,
									column_list(list, columns),
									may_repeat(def, list) ? "" :
									" WITH (deduplicate_items = off)"));
	return commands;
}

/* ---------- keys that are too large ---------- */

/* What is run, and what came of it. */
typedef struct Attempt
{
	int32		aggregate_id;
	void		(*function) (void *arg);
	void	   *arg;
	const ErrorData *error;		/* of the first try */
	bool		is_again;		/* there was a second */
} Attempt;

/* Is the index, of plain columns, as CREATE INDEX ON table (columns) makes it? */
static bool
is_as_created(Relation index, List *columns, TupleDesc desc)
{
	Form_pg_index form = index->rd_index;
	HeapTuple	tuple = index->rd_indextuple;
	Datum		opclasses;
	bool		isnull;
	ListCell   *lc;

	if (index->rd_rel->relam != BTREE_AM_OID || form->indisunique ||
		form->indisexclusion || index->rd_rel->relispartition ||
		form->indisclustered || form->indisreplident ||
		form->indnatts != list_length(columns) ||
		form->indnkeyatts != form->indnatts ||
		!heap_attisnull(tuple, Anum_pg_index_indpred, NULL) ||
		!heap_attisnull(tuple, Anum_pg_index_indexprs, NULL))
		return false;
	opclasses = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass,
								&isnull);
	foreach(lc, columns)
	{
		int			i = foreach_current_index(lc);
		Form_pg_attribute att = TupleDescAttr(desc, lfirst_int(lc) - 1);

		if (form->indkey.values[i] != att->attnum ||
			index->rd_indoption[i] != 0 ||
			index->rd_indcollation[i] != att->attcollation ||
			((oidvector *) DatumGetPointer(opclasses))->values[i] !=
			GetDefaultOpClass(att->atttypid, BTREE_AM_OID))
			return false;
	}
	return true;
}

/* The default index on the keys, if it may be what the error is about. */
static Oid
find_index(const WeirAggregate *agg, const ErrorData *error)
{
	WeirDefinition *def = weir_definition_analyze(weir_definition_query(agg->query));
	List	   *columns = index_columns(def, weir_partial_result_desc(def));
	Relation	table = table_open(agg->closed, AccessShareLock);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(table))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (!OidIsValid(found) &&
			is_as_created(index, columns, RelationGetDescr(table)) &&
			(error->constraint_name == NULL ||
			 strcmp(error->constraint_name, RelationGetRelationName(index)) == 0))
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	table_close(table, AccessShareLock);
	return found;
}

/* Returns what there is to say about it. */
static char *
drop_index(const WeirAggregate *agg, Oid index, const ErrorData *error)
{
	ObjectAddress object;
	char	   *name = get_rel_name(index);

	if (!ConditionalLockRelationOid(agg->closed, AccessExclusiveLock))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not drop index \"%s\", for which a key is too large: table \"%s\" is in use",
						name, get_rel_name(agg->closed)),
				 errdetail("%s", error->message)));
	ObjectAddressSet(object, RelationRelationId, index);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
	ereport(WARNING,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("index \"%s\" of table \"%s\" was dropped because a key is too large for it",
					name, get_rel_name(agg->closed)),
			 errdetail("%s", error->message),
			 errhint("Index what your queries look for in another way, such as USING hash, or by an expression.")));
	return psprintf("index \"%s\" was dropped because a key is too large for it: %s",
					name, error->message);
}

static void
try_without_index(void *arg)
{
	Attempt    *attempt = arg;
	WeirAggregate agg;
	Oid			index;
	char	   *note;

	if (!weir_aggregate_read(attempt->aggregate_id, NULL, &agg) ||
		!OidIsValid(agg.closed))
		return;
	index = find_index(&agg, attempt->error);
	if (!OidIsValid(index))
		return;
	attempt->is_again = true;
	note = drop_index(&agg, index, attempt->error);
	attempt->function(attempt->arg);
	if (weir_aggregate_read(attempt->aggregate_id, NULL, &agg))
		weir_aggregate_set_progress(&agg, note);
}

/*
 * Is it from making an entry of an index?  A btree says which one, except
 * where the entry is too large for any index.
 */
static bool
is_of_index(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
		(error->constraint_name != NULL ||
		 (error->funcname != NULL &&
		  strncmp(error->funcname, "index_form_tuple",
				  strlen("index_form_tuple")) == 0));
}

ErrorData *
weir_closed_attempt(int32 aggregate_id, void (*function) (void *arg), void *arg)
{
	ErrorData  *error = weir_failure_attempt(function, arg);
	Attempt		attempt = {aggregate_id, function, arg, error, false};
	ErrorData  *second;

	if (error == NULL || !is_of_index(error))
		return error;
	second = weir_failure_catch(try_without_index, &attempt, false);
	if (second != NULL && weir_failure_is_nobodys(second) &&
		second->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(second);
	return attempt.is_again ? second : error;
}
