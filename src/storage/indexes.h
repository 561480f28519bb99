/*-------------------------------------------------------------------------
 *
 * indexes.h
 *	  The indexes of a heap of a wide table: the one that it is read by, and
 *	  entries in all of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_INDEXES_H
#define WEIR_INDEXES_H

#include "access/htup.h"
#include "utils/relcache.h"

/*
 * The index of a heap, which is locked, whose keys are its first columns, one or
 * two, in ascending order; it has entries for all of the heap.  While the heap is
 * locked it stays in use.  Raises 55000 if there is none.
 */
extern Oid	weir_index_of_heap(Relation heap, int nkeys);

/* An index on one column, of all or a part of the heap; or InvalidOid. */
extern Oid	weir_index_on_column(Relation heap, AttrNumber column);

/* lives in the memory context of the opening */
typedef struct WeirIndexes WeirIndexes;

/* The heap stays open as long, and is locked for writing. */
extern WeirIndexes *weir_indexes_open(Relation heap);

/* Locks are kept. */
extern void weir_indexes_close(WeirIndexes *indexes);

/* A tuple that was just put into the heap gets its entries. */
extern void weir_indexes_insert(WeirIndexes *indexes, HeapTuple tuple);

#endif							/* WEIR_INDEXES_H */
