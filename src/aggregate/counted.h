/*-------------------------------------------------------------------------
 *
 * counted.h
 *	  Rows that were dumped though they are in the state of an aggregate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_COUNTED_H
#define WEIR_COUNTED_H

#include "utils/relcache.h"

#include "aggregate/aggregate.h"
#include "stream/left_out.h"
#include "stream/newrows.h"

/* ---------- of restored aggregates ---------- */

/*
 * Has all come that is to be known of a restored aggregate before it is started,
 * as the active snapshot, if there is one, sees it?  Always so if it has no state.
 */
extern bool weir_counted_is_complete(const WeirAggregate *agg);

/* What came of looking for the rows that an aggregate had counted. */
typedef struct WeirCountedRows
{
	WeirLeftOut *left_out;		/* they are here */
	int64		missing;		/* rows it had counted that are not there */
	bool		is_same_rest;	/* the others are those that had waited */
} WeirCountedRows;

/*
 * Look for them in the table as the active snapshot sees it.  If some are missing
 * and the others are not those that had waited, the rows may not have come out of
 * the dump as they were.
 */
extern void weir_counted_find(const WeirAggregate *agg, WeirCountedRows *rows);
extern bool weir_counted_is_doubtful(const WeirCountedRows *rows);

/* The aggregate needs its set no more: it has been started, or is dropped. */
extern void weir_counted_settle(int32 aggregate_id);

/*
 * Has one that has been started, as the snapshot sees it, still to be told how to
 * go on?
 */
extern bool weir_counted_is_undecided(int32 aggregate_id, Snapshot snapshot);

/*
 * For an aggregate that has not been started: all rows that it has not counted,
 * NULL if that is all there are.  Raises 55000 if that is not known.
 */
extern WeirBatch *weir_counted_pending(const WeirAggregate *agg,
									   Snapshot snapshot);

/* ---------- the catalog, for dumps ---------- */

/* columns of weir._counted */
enum
{
	COUNTED_SET_ID = 1,
	COUNTED_PART,
	COUNTED_PARTS,
	COUNTED_AGGREGATE_IDS,
	COUNTED_STATE_CHUNKS,
	COUNTED_WAITING_ROWS,
	COUNTED_WAITING_SUM,
	COUNTED_DIGESTS,
	COUNTED_NATTS = COUNTED_DIGESTS
};

/* digests of a part: they fit into a page */
#define WEIR_COUNTED_PART_DIGESTS	480

typedef struct WeirCountedSet
{
	int32		set_id;
	int32		parts;			/* the first one is this */
	List	   *aggregate_ids;
	int64	   *state_chunks;	/* of each of them */
	int64		waiting_rows;
	uint64		waiting_sum;
} WeirCountedSet;

/* all that are there, as the snapshot sees them */
extern List *weir_counted_sets(Snapshot snapshot);

/* Calls the function for each other part of a set, in order. */
typedef void (*WeirCountedVisit) (bytea *digests, void *arg);

extern int32 weir_counted_visit(int32 set_id, Snapshot snapshot,
								WeirCountedVisit visit, void *arg);

/* the array of the ids, and that of what belongs to each */
extern Datum weir_counted_id_array(List *ids);
extern Datum weir_counted_chunk_array(const int64 *chunks, int n);

#endif							/* WEIR_COUNTED_H */
