/*-------------------------------------------------------------------------
 *
 * stream.h
 *	  Which tables are streams, and how each is declared.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include "access/attnum.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef struct WeirStream
{
	int32		stream_id;
	Oid			relid;			/* plain or partitioned table */
	AttrNumber	event_time_attno;	/* 0: processing time */
	Oid			event_time_type;	/* timestamptz or timestamp */
	AttrNumber	source_attno;	/* 0: one source */
	int64		out_of_orderness_usec;
	int64		idle_timeout_usec;	/* -1: none */
	int64		retention_usec; /* -1: rows are kept */
	int64		max_drift_usec; /* -1: no guard */
} WeirStream;

/* By table or by id, as committed now plus own changes; false if none. */
extern bool weir_stream_lookup(Oid relid, WeirStream *stream);
extern bool weir_stream_lookup_id(int32 stream_id, WeirStream *stream);

/* The same, but raises 42809 with a hint, or 42501 for others than the owner. */
extern void weir_stream_get_owned(Oid relid, WeirStream *stream);

/* the stream that this table or one of its ancestors is, or 0 */
extern int32 weir_stream_of_leaf(Oid relid);

/* Do rows of that stream have an event time?  False if there is no stream. */
extern bool weir_leaf_has_event_time(Oid relid);

/*
 * Both at once.  *changes is what weir_leaf_changes returns for as long as this
 * session has not heard of a change to any relation, one of its own included:
 * neither of the answers has changed, then, nor has the file of a table that it
 * holds a lock on.
 */
extern int32 weir_leaf_look_up(Oid relid, bool *has_event_time,
							   uint64 *changes);
extern uint64 weir_leaf_changes(void);

extern void weir_stream_init(void);

/* ids and tables of all streams */
extern List *weir_stream_ids(void);
extern List *weir_stream_tables(void);

/*
 * oid of the table's capture index, valid or not, and the column that it is
 * on; InvalidOid if there is none
 */
extern Oid	weir_stream_capture_index(Relation rel, AttrNumber *attno,
									  bool *valid);

/*
 * Definitions come out of a dump alone: give the stream its log and its main
 * cursor, unless it has them.  All rows are its first rows.  False, if elevel is
 * less than ERROR, as long as the dump is being restored.
 */
extern bool weir_stream_revive(int32 stream_id, int elevel);

/* the SQL functions, for those who make streams of their own */
extern Datum weir_create_stream(PG_FUNCTION_ARGS);
extern Datum weir_drop_stream(PG_FUNCTION_ARGS);

/* interval in microseconds; months, and values below 0, are errors (22023) */
extern int64 weir_interval_usec(Datum interval, const char *what);

#endif							/* WEIR_STREAM_H */
