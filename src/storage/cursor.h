/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  An index scan over one heap of a wide table; for this layer only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CURSOR_H
#define WEIR_CURSOR_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct WeirCursor
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;			/* NULL before the first use */
	Snapshot	snapshot;		/* it was begun with this */
	int			nkeys;			/* and so many keys */
	TupleTableSlot *slot;		/* all attributes are there */
	bool		has_tuple;
} WeirCursor;

/* Locks are kept to the end of the transaction. */
extern void weir_cursor_open(WeirCursor *cursor, Oid heap, Oid index);
extern void weir_cursor_close(WeirCursor *cursor);

/* The keys must live until the next start. */
extern void weir_cursor_start(WeirCursor *cursor, Snapshot snapshot,
							  ScanKey keys, int nkeys);
extern bool weir_cursor_next(WeirCursor *cursor, ScanDirection direction);

/* Lets go of the snapshot, which may then be unregistered. */
extern void weir_cursor_stop(WeirCursor *cursor);

#endif							/* WEIR_CURSOR_H */
