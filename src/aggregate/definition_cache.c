/*-------------------------------------------------------------------------
 *
 * definition_cache.c
 *	  What a process keeps of the definitions of aggregates.
 *
 * A tick of a few rows, or to read one group, takes little; to find out what the
 * definition means, and to plan the query that makes states of the rows, or the
 * result of states, takes more.  So all three are kept from one tick, or query of
 * a live view, to the next; plans for a few rows, or groups, only.  What changes
 * with every tick is not: the row of the aggregate in the catalog, cursor, state.
 *
 * An entry is good until the server says that something has changed that it
 * was made of:
 *
 *		a relation			the view that holds the definition, the stream, the
 *							tables joined to it, the catalog of streams (which
 *							is told when one is made or dropped)
 *		a function, a domain	those that definition and plan name or contain
 *		operators, operator classes, schemas, roles		whatever it is
 *
 * These messages come when the catalogs' own caches are told, thus an entry is
 * never older than what an analysis would find.  A plan is also made anew for
 * another owner, or other pinned settings.  Settings of the session by which the
 * server chooses between plans (enable_hashagg, work_mem) are not looked at, as
 * they are not for prepared statements.
 *
 * Not kept are definitions that read other relations than tables: a view, or
 * another aggregate, can change in ways that nobody tells us of.
 *
 * Invariants:
 * 1. Nothing is freed while it is used.  An entry that is not good any more is
 *	  replaced when it is asked for the next time, and freed at the end of that
 *	  transaction.
 * 2. What was invalidated while it was made is not kept.
 * 3. There are at most MAX_ENTRIES.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "weir.h"
#include "aggregate/definition_cache.h"
#include "storage/invalidation.h"

#define MAX_ENTRIES		64

/* State rows that the plan is made for: a few runs' of a few windows. */
#define PLANNED_ROWS	100

/* Rows that a plan of a batch is made for, and up to how many it is used. */
#define PLANNED_BATCH_ROWS	100
#define MAX_BATCH_ROWS		1000

/* The last used first; in CacheMemoryContext, as long as the process lives. */
static List *entries = NIL;

static uint64 invalidations = 0;	/* how many have come */

/* ---------- invalidation ---------- */

static void
relation_changed(Oid relid)
{
	ListCell   *lc;

	invalidations++;
	foreach(lc, entries)
	{
		WeirKnown *entry = lfirst(lc);

		if (!OidIsValid(relid) || entry->open == relid ||
			list_member_oid(entry->relations, relid))
			entry->is_valid = false;
	}
}

static void
object_changed(int cacheid, uint32 hashvalue)
{
	ListCell   *lc;
	ListCell   *lc2;

	invalidations++;
	foreach(lc, entries)
	{
		WeirKnown *entry = lfirst(lc);

		foreach(lc2, entry->items)
		{
			PlanInvalItem *item = lfirst_node(PlanInvalItem, lc2);

			if (item->cacheId == cacheid &&
				(hashvalue == 0 || item->hashValue == hashvalue))
				entry->is_valid = false;
		}
	}
}

static void
catalog_changed(int cacheid, uint32 hashvalue)
{
	relation_changed(InvalidOid);
}

void
weir_definition_cache_init(void)
{
	static const int catalogs[] = {
		OPEROID, AMOPOPID, CLAOID, NAMESPACEOID, AUTHOID, AUTHMEMROLEMEM
	};

	weir_watch_relations(relation_changed);
	weir_watch_objects(PROCOID, object_changed);
	weir_watch_objects(TYPEOID, object_changed);
	for (int i = 0; i < lengthof(catalogs); i++)
		weir_watch_objects(catalogs[i], catalog_changed);
}

/* ---------- entries ---------- */

/* Whoever uses it may go on to the end of the transaction. */
static void
retire(WeirKnown *entry)
{
	entries = list_delete_ptr(entries, entry);
	MemoryContextSetParent(entry->context, TopTransactionContext);
}

static void
keep(WeirKnown *entry)
{
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);

	entries = lcons(entry, entries);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(entry->context, CacheMemoryContext);
	entry->is_kept = true;
	if (list_length(entries) > MAX_ENTRIES)
		retire(llast(entries));
}

/* Would we be told of whatever changes what has been analyzed? */
static bool
can_be_kept(const WeirKnown *entry)
{
	ListCell   *lc;

	if (entry->def->parent != NULL)
		return false;
	foreach(lc, entry->relations)
	{
		char		relkind = get_rel_relkind(lfirst_oid(lc));

		if (lfirst_oid(lc) != entry->query && relkind != RELKIND_RELATION &&
			relkind != RELKIND_PARTITIONED_TABLE)
			return false;
	}
	return true;
}

/* Kept if that is possible; else in the current context. */
static WeirKnown *
make_entry(const WeirAggregate *agg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "weir definition",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	WeirKnown *entry = palloc0(sizeof(WeirKnown));
	uint64		seen = invalidations;
	Query	   *query = weir_definition_query(agg->query);
	bool		has_row_security;

	entry->context = context;
	entry->open = agg->open;
	entry->aggregate_id = agg->id;
	entry->query = agg->query;
	entry->def = weir_definition_analyze(query);
	extract_query_dependencies((Node *) query, &entry->relations,
							   &entry->items, &has_row_security);
	entry->relations = lappend_oid(entry->relations, agg->query);
	entry->relations = lappend_oid(entry->relations,
								   weir_own_relid("_stream", false));
	entry->is_valid = true;
	if (can_be_kept(entry) && seen == invalidations)
		keep(entry);
	MemoryContextSwitchTo(old);
	return entry;
}

/* The entry at that place in the list, if it is still good. */
static WeirKnown *
use_entry(int place)
{
	WeirKnown *entry = list_nth(entries, place);

	if (place > 0)
	{
		entries = list_delete_nth_cell(entries, place);
		keep(entry);
	}
	if (entry->is_valid)
	{
		/* to get them may have taken until after a change */
		LockRelationOid(entry->query, AccessShareLock);
		LockRelationOid(entry->def->stream.relid, AccessShareLock);
	}
	if (entry->is_valid)
		return entry;
	retire(entry);
	return NULL;
}

const WeirKnown *
weir_known_of_open(Oid open)
{
	WeirKnown *entry = NULL;
	WeirAggregate agg;
	ListCell   *lc;

	foreach(lc, entries)
	{
		if (((WeirKnown *) lfirst(lc))->open == open)
		{
			entry = use_entry(foreach_current_index(lc));
			break;
		}
	}
	if (entry != NULL)
		return entry;
	if (!weir_aggregate_find(open, NULL, &agg))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign table \"%s\" does not belong to a continuous aggregate",
						get_rel_name(open)),
				 errhint("Foreign tables of server weir_live are made by weir.create_continuous_aggregate.")));
	return make_entry(&agg);
}

WeirDefinition *
weir_known_definition(const WeirAggregate *agg)
{
	WeirKnown *entry = NULL;
	ListCell   *lc;

	if (agg->status == WEIR_AGGREGATE_SKIPPING)
		return weir_definition_analyze(weir_definition_query(agg->query));
	foreach(lc, entries)
	{
		if (((WeirKnown *) lfirst(lc))->query == agg->query)
		{
			entry = use_entry(foreach_current_index(lc));
			break;
		}
	}
	return (entry != NULL ? entry : make_entry(agg))->def;
}

/* ---------- the plan ---------- */

static bool
settings_equal(const List *a, const List *b)
{
	ListCell   *lc;
	ListCell   *lc2;

	if (list_length(a) != list_length(b))
		return false;
	forboth(lc, a, lc2, b)
	{
		if (strcmp(lfirst(lc), lfirst(lc2)) != 0)
			return false;
	}
	return true;
}

static List *
copy_settings(const List *settings)
{
	List	   *copy = NIL;
	ListCell   *lc;

	foreach(lc, settings)
		copy = lappend(copy, pstrdup(lfirst(lc)));
	return copy;
}

/* For a plan: if it cannot be made, the memory goes with the caller's. */
static MemoryContext
make_plan_context(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "weir plan",
								 ALLOCSET_DEFAULT_SIZES);
}

/* The plan has been made in it, and is the entry's; so is what is to come. */
static void
adopt_plan_context(WeirKnown *entry, MemoryContext context)
{
	MemoryContextSetParent(context, entry->context);
	MemoryContextSwitchTo(entry->context);
}

/* Invariant 2 holds for the plan, too. */
static void
make_plan(WeirKnown *entry, const WeirAggregate *agg)
{
	MemoryContext context = make_plan_context();
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64		seen = invalidations;

	entry->plan = weir_partial_prepare_finish(entry->def, PLANNED_ROWS);
	adopt_plan_context(entry, context);
	if (entry->plan != NULL)
		entry->items = list_concat(entry->items, entry->plan->invalItems);
	entry->plan_owner = agg->owner;
	entry->plan_settings = copy_settings(agg->settings);
	entry->has_plan = true;
	if (seen != invalidations)
		entry->is_valid = false;
	MemoryContextSwitchTo(old);
}

PlannedStmt *
weir_known_plan(const WeirKnown *known, const WeirAggregate *agg)
{
	WeirKnown *entry = unconstify(WeirKnown *, known);

	if (!entry->is_kept)
		return NULL;
	if (!entry->has_plan)
		make_plan(entry, agg);
	if (entry->plan_owner == agg->owner &&
		settings_equal(entry->plan_settings, agg->settings))
		return entry->plan;
	entry->is_valid = false;	/* its successor gets another one */
	return NULL;
}

/* ---------- the plan for a few rows ---------- */

static void
make_batch_plan(WeirKnown *entry, WeirBatch *batch)
{
	MemoryContext context = make_plan_context();
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64		seen = invalidations;

	entry->batch_plan = weir_partial_prepare_batch(entry->def, batch,
												   PLANNED_BATCH_ROWS);
	adopt_plan_context(entry, context);
	if (entry->batch_plan != NULL)
		entry->items = list_concat(entry->items,
								   weir_partial_plan_items(entry->batch_plan));
	entry->batch_owner = GetUserId();
	entry->has_batch_plan = true;
	if (seen != invalidations)
		entry->is_valid = false;
	MemoryContextSwitchTo(old);
}

int64
weir_known_from_batch(WeirDefinition *def, WeirBatch *batch, Timestamp bound,
					  DestReceiver *dest)
{
	ListCell   *lc;

	foreach(lc, entries)
	{
		WeirKnown  *entry = lfirst(lc);

		if (entry->def != def)
			continue;
		if (!entry->is_valid || weir_batch_max_rows(batch) > MAX_BATCH_ROWS)
			break;
		if (!entry->has_batch_plan)
			make_batch_plan(entry, batch);
		if (entry->batch_plan == NULL || entry->batch_owner != GetUserId())
			break;
		return weir_partial_run_batch(def, entry->batch_plan, batch, bound, dest);
	}
	return weir_partial_from_batch(def, batch, bound, dest);
}
