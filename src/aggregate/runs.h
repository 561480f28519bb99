/*-------------------------------------------------------------------------
 *
 * runs.h
 *	  Stored state: state rows packed into runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_RUNS_H
#define WEIR_RUNS_H

#include "aggregate/partial.h"
#include "utils/snapshot.h"

/* Runs of this many of a level are merged into one of the next. */
#define WEIR_RUN_FANOUT		8

/* What state to read; zeroed, everything. */
typedef struct WeirRunRange
{
	bool		has_after;		/* windows that end after this */
	Timestamp	after;
	bool		has_until;		/* and not after this */
	Timestamp	until;
	bool		has_start;		/* and start exactly here */
	Timestamp	start;
	bool		has_starts_until;	/* of sessions: chunks in which some
									 * start by then */
	Timestamp	starts_until;
	bool		has_max_level;	/* of runs up to this level */
	int32		max_level;
	bool		has_hash;		/* only what may hold keys of this hash */
	uint32		hash;
} WeirRunRange;

/* How much there is. */
typedef struct WeirRunStats
{
	int64		rows;			/* state rows */
	int64		bytes;
	int64		windows;
} WeirRunStats;

/* A window that has too many runs. */
typedef struct WeirCrowdedWindow
{
	Timestamp	window_end;
	Timestamp	window_start;
	int32		max_level;		/* those up to this level are to be merged */
} WeirCrowdedWindow;

/* State rows of windows that close before they are written. */
typedef struct WeirHeldRows WeirHeldRows;

typedef struct WeirRunWriter WeirRunWriter;
typedef struct WeirRunReader WeirRunReader;

/*
 * The state table of an aggregate; creating it needs no rights.  It is not dumped,
 * as it can be made again, unless it is said that it is.
 */
extern void weir_runs_create(int32 aggregate_id);
extern void weir_runs_set_dumped(int32 aggregate_id);
extern bool weir_runs_is_dumped(int32 aggregate_id, Snapshot snapshot);

/* Keep rows that lie in the state readable, see row_type.h. */
extern void weir_runs_guard(int32 aggregate_id, const WeirDefinition *def);
extern void weir_runs_drop(int32 aggregate_id);
extern Oid	weir_runs_relid(int32 aggregate_id);	/* InvalidOid if none */

/*
 * Write state rows.  What the receiver is sent is kept back and packed; all
 * is written when end_write returns, which tells how many rows it was.
 */
extern WeirRunWriter *weir_runs_begin_write(WeirDefinition *def, Oid relid,
											int32 level);
extern DestReceiver *weir_runs_receiver(WeirRunWriter *writer);
extern int64 weir_runs_end_write(WeirRunWriter *writer);

/*
 * Between the last row and end_write: do not write the rows of windows that end
 * by then, except what has been written by now for want of memory.  They are
 * given to who closes these windows, who releases them; NULL if there are none.
 * Not for sessions.
 */
extern WeirHeldRows *weir_runs_hold(WeirRunWriter *writer, Timestamp until);
extern int64 weir_runs_held_rows(const WeirHeldRows *held);
extern Timestamp weir_runs_held_first_end(const WeirHeldRows *held);
extern void weir_runs_release(WeirHeldRows *held);

/*
 * Read state rows as the snapshot sees them, in no order.  Raises XX001 for
 * bytes that are no state, 55000 for state of another layout.
 */
extern WeirRunReader *weir_runs_begin_read(WeirDefinition *def, Oid relid,
										   const WeirRunRange *range,
										   Snapshot snapshot);
extern WeirStateSource *weir_runs_source(WeirRunReader *reader);

/* Before anything is read: read these rows, too, as if they were a run. */
extern void weir_runs_add_held(WeirRunReader *reader, const WeirHeldRows *held);

/*
 * Instead: rows that are equal in window and keys follow each other, all of
 * them; where states are plain they are made one.  NULL if that takes more
 * memory than an operation of a query may use, if a key has no hash that lasts,
 * and for sessions.
 */
extern WeirStateSource *weir_runs_merged_source(WeirRunReader *reader);
extern void weir_runs_end_read(WeirRunReader *reader);

/*
 * Delete of what was to be read the windows that end by then; returns how many
 * different ends these have, with those of the rows held.  Nobody else may delete meanwhile: hold
 * weir_aggregate_lock_state.
 */
extern int64 weir_runs_delete_read(WeirRunReader *reader, Timestamp until);

/* the hash by which state rows of equal keys are kept together */
extern uint32 weir_runs_hash(WeirDefinition *def, const Datum *keys,
							 const bool *isnull);

/* earliest end of a window with state; false if there is none */
extern bool weir_runs_first_end(Oid relid, Snapshot snapshot, Timestamp *end);

/* how many chunks there are, whatever is in them */
extern int64 weir_runs_count_chunks(Oid relid, Snapshot snapshot);

/* In all of this, sessions are all taken for one window. */
extern void weir_runs_stats(Oid relid, bool is_session, Snapshot snapshot,
							WeirRunStats *stats);

/* The first windows with too many runs, so many at most; returns how many. */
extern int	weir_runs_find_crowded(Oid relid, bool is_session,
								   WeirCrowdedWindow *windows, int max);

/* Is it still one?  Sets max_level anew. */
extern bool weir_runs_is_crowded(Oid relid, bool is_session,
								 WeirCrowdedWindow *window);

#endif							/* WEIR_RUNS_H */
