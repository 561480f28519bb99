/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *	  The catalog of continuous aggregates, and with whose rights they run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_AGGREGATE_H
#define WEIR_AGGREGATE_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "storage/owner.h"

typedef enum WeirAggregateStatus
{
	WEIR_AGGREGATE_ACTIVE,
	WEIR_AGGREGATE_RETRYING,	/* failed; is tried again at next_retry */
	WEIR_AGGREGATE_FAILED,		/* failed too often; until weir.resume */
	WEIR_AGGREGATE_PAUSED,		/* by weir.pause */
	WEIR_AGGREGATE_SKIPPING		/* failed; is tried again without what it
								 * fails at: weir.skip */
} WeirAggregateStatus;

typedef struct WeirAggregate
{
	int32		id;
	int32		stream_id;
	int32		parent_id;		/* the aggregate whose closed rows it is over;
								 * 0: it is over the stream itself */
	Oid			view;			/* what users read */
	Oid			closed;			/* table of final rows; InvalidOid if running */
	Oid			query;			/* internal view that holds the definition */
	Oid			open;			/* foreign table of the open windows */
	Oid			owner;			/* of query; runs with these rights */
	Oid			view_owner;		/* differs only while being altered */
	int64		lateness_usec;
	int64		retention_usec; /* -1: closed rows are kept */
	bool		realtime;
	bool		with_data;		/* false: began with what came after it */
	List	   *settings;		/* name, value, name, value ... */
	Timestamp	closed_until;	/* windows that end by then are closed, or
								 * were found empty; DT_NOBEGIN at first */
	Timestamp	parent_until;	/* the parent's windows that end by then are in
								 * its state; DT_NOEND: all that have closed,
								 * as long as nothing goes wrong */
	/* The rest is of this server only, not of a dump. */
	bool		is_ready;		/* false: restored from a dump; state must be
								 * made again */
	int32		cursor_id;		/* 0: it follows its parent */
	WeirAggregateStatus status;
	int32		failures;		/* in a row */
	TimestampTz next_retry;
	bool		is_remade;		/* restored, and its history has been counted
								 * before */
} WeirAggregate;

/* What a tick did; added up in the catalog. */
typedef struct WeirAggregateCounts
{
	int64		late_rows;
	int64		partly_late_rows;	/* for some of their windows */
	int64		skipped_rows;	/* by weir.skip */
	int64		state_rows;		/* written */
	int64		closed_rows;
	int64		closed_windows;
	int64		busy_usec;
} WeirAggregateCounts;

/* The row for the snapshot, or, if NULL, the latest; false if there is none. */
extern bool weir_aggregate_read(int32 id, Snapshot snapshot,
								WeirAggregate *agg);

/* What made it fail last; NULL if nothing has since it last went well. */
extern char *weir_aggregate_last_error(int32 id);

/* By any relation of it: view, closed, open. */
extern bool weir_aggregate_find(Oid relid, Snapshot snapshot,
								WeirAggregate *agg);

/* The same; raises 42809 if it is none, 42501 if the user is not its owner. */
extern void weir_aggregate_get_owned(Oid relid, WeirAggregate *agg);

/* Raise 22004 if the argument of that number and name is NULL. */
extern void weir_aggregate_require_argument(FunctionCallInfo fcinfo, int argno,
											const char *name);

/*
 * ids, ascending, of all; of a stream's, those over other aggregates
 * included; of those that use a cursor
 */
extern List *weir_aggregate_ids(void);
extern List *weir_aggregate_ids_of_stream(int32 stream_id);
extern List *weir_aggregate_ids_of_cursor(int32 cursor_id);

/* of those over the closed rows of an aggregate */
extern List *weir_aggregate_ids_of_parent(int32 parent_id);

/*
 * All of a stream, in the order of their ids, as weir_aggregate_read has them.
 * Under the lock of the stream only weir_aggregate_start changes them besides us.
 */
extern List *weir_aggregate_list(int32 stream_id);

/* Changing the catalog: latest row, with the aggregate locked (see below). */
extern void weir_aggregate_insert(const WeirAggregate *agg,
								  Datum lateness, Datum retention,
								  bool has_retention);
extern void weir_aggregate_delete(int32 id);
extern void weir_aggregate_set_options(int32 id, Datum lateness,
									   bool set_lateness, Datum retention,
									   bool set_retention, bool realtime,
									   bool set_realtime);
extern void weir_aggregate_set_closed_until(int32 id, Timestamp closed_until);
extern void weir_aggregate_set_parent_until(int32 id, Timestamp parent_until);
extern void weir_aggregate_set_progress(const WeirAggregate *agg,
										const char *error);
extern void weir_aggregate_set_cursor(const WeirAggregate *agg);
extern void weir_aggregate_count(int32 id, const WeirAggregateCounts *counts);
extern int32 weir_aggregate_next_id(void);

/*
 * Locks.  A tick takes the one of the aggregate shared, changing its
 * definition or dropping it exclusive; readers of the view don't wait for
 * either but for dropping.  Returns false if it is gone meanwhile.
 */
extern bool weir_aggregate_lock(Oid open, bool exclusive);

/*
 * The lock of a tick, on one that was listed or read under the stream's lock:
 * it need not be read again.
 */
extern bool weir_aggregate_lock_listed(WeirAggregate *agg);

/*
 * Whoever deletes state holds this one: merging runs, and closing.  To
 * transaction end.  Without wait, false means somebody else has it.
 */
extern bool weir_aggregate_lock_state(int32 id, bool wait);

/* greatest window end that is closed */
extern Timestamp weir_aggregate_bound(const WeirAggregate *agg,
									  Timestamp watermark);

/* ---------- rights ---------- */

/*
 * Act as the owner of the aggregate, in a security-restricted operation,
 * under the settings that were pinned when it was created; until
 * weir_restore_identity.
 */
extern void weir_aggregate_become_owner(const WeirAggregate *agg,
										WeirIdentity *identity);

/* the settings to pin, as they are now: name, value, name, value ... */
extern List *weir_aggregate_settings(void);

#endif							/* WEIR_AGGREGATE_H */
