/*-------------------------------------------------------------------------
 *
 * invalidation.h
 *	  Hearing that something in the server's catalogs has changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_INVALIDATION_H
#define WEIR_INVALIDATION_H

/* The relation has changed, or, if InvalidOid, any may have. */
typedef void (*WeirRelationWatcher) (Oid relid);

/* So has what that cache knows under the hash value; 0: anything in it. */
typedef void (*WeirObjectWatcher) (int cacheid, uint32 hashvalue);

/*
 * Call the watcher whenever such a message comes, from now on to the end of the
 * process.  It may neither raise nor read a catalog.  Once for each watcher (and
 * cache).
 */
extern void weir_watch_relations(WeirRelationWatcher watcher);
extern void weir_watch_objects(int cacheid, WeirObjectWatcher watcher);

#endif							/* WEIR_INVALIDATION_H */
