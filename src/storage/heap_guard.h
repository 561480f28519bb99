/*-------------------------------------------------------------------------
 *
 * heap_guard.h
 *	  The heaps of wide tables are not written by SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_HEAP_GUARD_H
#define WEIR_HEAP_GUARD_H

#include "nodes/pg_list.h"

/* Makes the triggers on a heap that was made just now, of the given name. */
extern void weir_heap_guard_create(const char *heap);

/* As ExecuteTruncateGuts, for heaps of wide tables. */
extern void weir_heap_guard_truncate(List *rels, List *relids);

#endif							/* WEIR_HEAP_GUARD_H */
