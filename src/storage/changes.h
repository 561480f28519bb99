/*-------------------------------------------------------------------------
 *
 * changes.h
 *	  The change stream of a wide table: what is recorded of its writes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CHANGES_H
#define WEIR_CHANGES_H

#include "storage/itemptr.h"

#include "storage/catalog.h"
#include "types/mutation.h"

/* what made a change: the column "kind" */
#define WEIR_CHANGE_USER			"user"
#define WEIR_CHANGE_GC				"gc"
#define WEIR_CHANGE_DROP_ROW_RANGE	"drop_row_range"
#define WEIR_CHANGE_DROP_FAMILY		"drop_family"
#define WEIR_CHANGE_TRUNCATE		"truncate"

/* columns of the heap of changes */
#define Anum_changes_seq		1
#define Anum_changes_row_key	2
#define Anum_changes_kind		3
#define Anum_changes_changes	4
#define Anum_changes_at			5
#define Anum_changes_horizon	6
#define Natts_changes			6

/* ---- writing ---- */

/* an open heap of changes; lives in the memory context of its opening */
typedef struct WeirChangeWriter WeirChangeWriter;

/*
 * The table has a change stream.  Assigns the transaction its id, so that
 * numbers are taken after that: see changes_read.c.
 */
extern WeirChangeWriter *weir_change_writer_open(WeirWideTable *table);
extern void weir_change_writer_close(WeirChangeWriter *writer);

/* Records what a delta does, with its number. */
extern void weir_change_writer_put_delta(WeirChangeWriter *writer,
										 WeirRowKey key, int64 seq,
										 const char *kind,
										 const WeirDelta *delta);

/*
 * Records mutations of a row, or of the whole table if key is NULL, made at
 * "at" (microseconds since 1970) with the number seq.
 */
extern void weir_change_writer_put(WeirChangeWriter *writer,
								   const WeirRowKey *key, int64 seq,
								   const char *kind, int64 at,
								   Datum *mutations, int nmutations);

/*
 * Records something that is done to the whole table, if it has a change
 * stream; the caller keeps others from writing.  The family may be NULL.
 */
extern void weir_changes_put_event(WeirWideTable *table,
								   const char *kind,
								   const WeirFamily *family);

/*
 * Records what garbage collection takes from a row: it turns the cells
 * "with" into the cells "without", both in order, of which the latter have
 * no coordinate that the former lack.  All as of the write hi.  False, with
 * nothing done, if that cannot be told apart from writes that are going on.
 */
extern bool weir_changes_put_garbage(const WeirWideTable *table,
									 WeirChangeWriter *writer,
									 WeirRowKey key, int64 hi, bool wait,
									 const WeirStoredCell *with, uint32 nwith,
									 const WeirStoredCell *without,
									 uint32 nwithout);

/* the mutations that make, or delete, a stored cell; how many (at most 2) */
extern int	weir_change_of_cell(const WeirWideTable *table,
								const WeirStoredCell *cell, Datum *mutations);
extern Datum weir_change_of_deleted_cell(const WeirWideTable *table,
										 const WeirStoredCell *cell);

/* ---- reading ---- */

/*
 * Deletes the oldest records, those made before "limit", that are not needed,
 * at most max_rows of them; returns how many, none if somebody has locked the
 * face.  There is an active snapshot.
 */
typedef bool (*WeirChangeIsNeeded) (const ItemPointerData *tid,
									TransactionId xmin, void *arg);

extern int	weir_changes_trim(Oid face, TimestampTz limit, int max_rows,
							  WeirChangeIsNeeded is_needed, void *arg);

/* ---- the catalog of change streams ---- */

/* the heap of changes of a wide table, or InvalidOid */
extern Oid	weir_changes_of_table(Oid home);

/*
 * The same, locked, so that it is there as long as the lock is held: a change
 * stream can be disabled while its wide table is being read.
 */
extern Oid	weir_changes_lock(Oid home, LOCKMODE lockmode);

/* the wide table of whose changes this is the heap, or InvalidOid */
extern Oid	weir_changes_home(Oid changes);

/* Creates the heap of changes and registers it. */
extern Oid	weir_changes_create(const WeirWideTable *table);

/* Registers no more; the heap remains. */
extern void weir_changes_forget(Oid home);

/* Makes the heap of changes go with the face. */
extern void weir_changes_link(Oid home, Oid changes);

/* Raises 2BP01 if a heap of changes has gone and its table has not. */
extern void weir_changes_check_dropped(void);

#endif							/* WEIR_CHANGES_H */
