/*-------------------------------------------------------------------------
 *
 * indexes.h
 *	  The indexes of a heap that is written by file access, all of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_INDEXES_H
#define WEIR_INDEXES_H

#include "access/htup.h"
#include "utils/relcache.h"

/* lives in the memory context of the opening */
typedef struct WeirIndexes WeirIndexes;

/* The heap stays open as long, and is locked for writing. */
extern WeirIndexes *weir_indexes_open(Relation heap);

/* Locks are kept. */
extern void weir_indexes_close(WeirIndexes *indexes);

/* A tuple that was just put into the heap gets its entries. */
extern void weir_indexes_insert(WeirIndexes *indexes, HeapTuple tuple);

#endif							/* WEIR_INDEXES_H */
