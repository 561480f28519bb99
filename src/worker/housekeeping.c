/*-------------------------------------------------------------------------
 *
 * housekeeping.c
 *	  What the worker does besides ticks: merging and trimming the state of
 *	  aggregates, compacting wide tables.
 *
 * Every step is bounded and has a transaction of its own (worker.c), so that
 * ticks do not wait for long.  How far a compaction has got is remembered in
 * memory only; after a restart it begins again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "aggregate/aggregate.h"
#include "aggregate/maintain.h"
#include "storage/catalog.h"
#include "storage/compact.h"
#include "weir.h"
#include "worker/housekeeping.h"
#include "worker/worker.h"

/* how often to look for something to do */
#define AGGREGATE_INTERVAL_MS	250
#define COMPACT_INTERVAL_MS		1000

/* one step of compaction */
#define COMPACT_ROWS			2000
#define COMPACT_BYTES			(16 * 1024 * 1024)

/* rows with fewer deltas are left alone but now and then */
#define COMPACT_MIN_DELTAS		8
#define COMPACT_ALL_INTERVAL_MS 30000

/* What is remembered of an aggregate or a wide table. */
typedef struct Chore
{
	Oid			id;				/* hash key */
	uint32		seen_in_round;
	WeirBackoff backoff;
	TimestampTz done_at;
	TimestampTz all_done_at;	/* a compaction that left nothing alone */
	bool		all;			/* the present one is such */
	WeirCompactPosition position;
	MemoryContext context;		/* holds position */
} Chore;

static bool autocompact = true;

static HTAB *aggregates = NULL;
static HTAB *wide_tables = NULL;
static uint32 round_number = 0;

/* of looking for what there is to do */
static WeirBackoff looking = {0};

static Chore *
chore_of(HTAB **table, const char *name, Oid id)
{
	Chore	   *chore;
	bool		found;

	if (*table == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Chore);
		ctl.hcxt = TopMemoryContext;
		*table = hash_create(name, 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	chore = hash_search(*table, &id, HASH_ENTER, &found);
	if (!found)
	{
		memset(chore, 0, sizeof(Chore));
		chore->id = id;
	}
	chore->seen_in_round = round_number;
	return chore;
}

/* After a round through "left" objects: those that are gone. */
static void
forget_chores(HTAB *table, int left)
{
	HASH_SEQ_STATUS status;
	Chore	   *chore;

	if (table == NULL || hash_get_num_entries(table) <= left)
		return;
	hash_seq_init(&status, table);
	while ((chore = hash_seq_search(&status)) != NULL)
	{
		if (chore->seen_in_round == round_number)
			continue;
		if (chore->context != NULL)
			MemoryContextDelete(chore->context);
		hash_search(table, &chore->id, HASH_REMOVE, NULL);
	}
}

/* What "find" finds is to be remembered; NIL, and *failed, if it fails. */
static List *
look(WeirTask find, const char *activity, bool *failed)
{
	weir_worker_run_task(find, 0, activity, &looking, failed);
	weir_backoff_note(&looking, *failed);
	if (*failed)
	{
		list_free(weir_worker_take_remembered());
		return NIL;
	}
	return weir_worker_take_remembered();
}

/* ----------------------------------------------------------------
 *		Tasks
 * ----------------------------------------------------------------
 */

static bool
find_aggregates(int32 unused)
{
	weir_worker_remember(weir_aggregate_ids());
	return true;
}

static bool
find_wide_tables(int32 unused)
{
	weir_worker_remember(weir_wide_table_list());
	return true;
}

static bool
compact(int32 face)
{
	Chore	   *chore = chore_of(&wide_tables, "weir wide tables", (Oid) face);
	WeirCompactOptions options = {0};
	WeirCompactStats stats = {0};
	MemoryContext old;
	bool		more;

	options.min_deltas = chore->all ? 1 : COMPACT_MIN_DELTAS;
	options.max_rows = COMPACT_ROWS;
	options.max_bytes = COMPACT_BYTES;
	old = MemoryContextSwitchTo(chore->context);
	more = weir_compact_some((Oid) face, &options, &chore->position, &stats);
	MemoryContextSwitchTo(old);
	return more;
}

/* ----------------------------------------------------------------
 *		Rounds
 * ----------------------------------------------------------------
 */

static bool
serve_aggregates(void)
{
	List	   *ids;
	ListCell   *lc;
	bool		failed;
	bool		more = false;

	ids = look(find_aggregates, "weir: looking for aggregates", &failed);
	if (failed)
		return false;
	foreach(lc, ids)
	{
		Chore	   *chore = chore_of(&aggregates, "weir aggregates",
									 (Oid) lfirst_int(lc));

		if (weir_backoff_holds(&chore->backoff) ||
			!weir_worker_is_due(&chore->done_at, AGGREGATE_INTERVAL_MS))
			continue;
		if (weir_worker_run_task(weir_aggregate_maintain, lfirst_int(lc),
								 "weir: maintaining an aggregate",
								 &chore->backoff, &failed))
		{
			chore->done_at = 0;
			more = true;
		}
		weir_backoff_note(&chore->backoff, failed);
	}
	forget_chores(aggregates, list_length(ids));
	list_free(ids);
	return more;
}

static void
begin_pass(Chore *chore)
{
	if (chore->context == NULL)
		chore->context = AllocSetContextCreate(TopMemoryContext,
											   "weir compaction",
											   ALLOCSET_SMALL_SIZES);
	MemoryContextReset(chore->context);
	memset(&chore->position, 0, sizeof(WeirCompactPosition));
	chore->all = weir_worker_is_due(&chore->all_done_at, COMPACT_ALL_INTERVAL_MS);
}

static bool
serve_wide_tables(void)
{
	List	   *faces;
	ListCell   *lc;
	bool		failed;
	bool		more = false;

	if (!autocompact)
		return false;
	faces = look(find_wide_tables, "weir: looking for wide tables", &failed);
	if (failed)
		return false;
	foreach(lc, faces)
	{
		Chore	   *chore = chore_of(&wide_tables, "weir wide tables",
									 lfirst_oid(lc));
		bool		in_pass = chore->position.row_key != NULL ||
			chore->position.deltas_done;

		if (weir_backoff_holds(&chore->backoff) ||
			(!in_pass && !weir_worker_is_due(&chore->done_at, COMPACT_INTERVAL_MS)))
			continue;
		if (!in_pass)
			begin_pass(chore);
		if (weir_worker_run_task(compact, (int32) lfirst_oid(lc),
								 "weir: compacting a wide table",
								 &chore->backoff, &failed))
			more = true;
		else
			memset(&chore->position, 0, sizeof(WeirCompactPosition));
		weir_backoff_note(&chore->backoff, failed);
	}
	forget_chores(wide_tables, list_length(faces));
	list_free(faces);
	return more;
}

bool
weir_housekeeping_run(void)
{
	static TimestampTz looked_at = 0;
	static bool more = false;

	/* looking costs a transaction each */
	if (!more && !weir_worker_is_due(&looked_at, AGGREGATE_INTERVAL_MS))
		return false;
	round_number++;
	more = serve_aggregates();
	if (serve_wide_tables())
		more = true;
	return more;
}

bool
weir_housekeeping_compacts(void)
{
	return autocompact;
}

void
weir_housekeeping_init(void)
{
	DefineCustomBoolVariable("weir.autocompact",
							 "Compact wide tables in the background.",
							 "Without, weir.compact does it.",
							 &autocompact,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
}
