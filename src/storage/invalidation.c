/*-------------------------------------------------------------------------
 *
 * invalidation.c
 *	  Hearing that something in the server's catalogs has changed.
 *
 * A process has room for a few callbacks only, ten for relations and 64 for
 * other objects in 15, which all extensions share, and who asks for one more
 * ends it.  So weir has one for relations and one for each cache, and tells
 * its own modules.
 *
 * Watchers are never removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"

#include "storage/invalidation.h"

/* There are as many as modules that register them. */
#define MAX_WATCHERS	16

typedef struct ObjectWatcher
{
	int			cacheid;
	WeirObjectWatcher watcher;
} ObjectWatcher;

static WeirRelationWatcher relation_watchers[MAX_WATCHERS];
static int	nrelation_watchers = 0;

static ObjectWatcher object_watchers[MAX_WATCHERS];
static int	nobject_watchers = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < nrelation_watchers; i++)
		relation_watchers[i] (relid);
}

static void
object_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	for (int i = 0; i < nobject_watchers; i++)
		if (object_watchers[i].cacheid == cacheid)
			object_watchers[i].watcher(cacheid, hashvalue);
}

void
weir_watch_relations(WeirRelationWatcher watcher)
{
	if (nrelation_watchers == MAX_WATCHERS)
		elog(ERROR, "too many watchers of relations");
	if (nrelation_watchers == 0)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	relation_watchers[nrelation_watchers++] = watcher;
}

static bool
is_watched(int cacheid)
{
	for (int i = 0; i < nobject_watchers; i++)
		if (object_watchers[i].cacheid == cacheid)
			return true;
	return false;
}

void
weir_watch_objects(int cacheid, WeirObjectWatcher watcher)
{
	if (nobject_watchers == MAX_WATCHERS)
		elog(ERROR, "too many watchers of objects");
	if (!is_watched(cacheid))
		CacheRegisterSyscacheCallback(cacheid, object_changed, (Datum) 0);
	object_watchers[nobject_watchers].cacheid = cacheid;
	object_watchers[nobject_watchers++].watcher = watcher;
}
