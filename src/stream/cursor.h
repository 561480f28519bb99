/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  How far a stream has been consumed.
 *
 * Every stream has one main cursor; aggregates share it.  An aggregate that
 * is reading history, is paused or fails gets a cursor of its own (forked
 * from the main one, or new) and joins the main one again once it has
 * caught up.  A cursor says which log entries are consumed, and which
 * watermark is in force for those who share it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CURSOR_H
#define WEIR_CURSOR_H

#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "stream/log.h"
#include "stream/snapshot.h"

typedef struct WeirCursor
{
	int32		cursor_id;
	int32		stream_id;
	bool		is_main;
	bool		is_paused;
	bool		in_history;		/* rows older than the cursor still unread */
	Timestamp	watermark;		/* DT_NOBEGIN at first; UTC microseconds,
								 * whichever type the event time has */

	/* The rest is the stream layer's own. */
	Datum		low;			/* pg_snapshot: all it sees is consumed, but
								 * history; 0 before the first tick */
	Datum		high;			/* pg_snapshot: what it sees beyond low is
								 * being consumed; 0 if nothing is */
	WeirLogPlace place;			/* within (low, high] */
	Oid			history_leaf;	/* history from here on is unread, */
	BlockNumber history_block;	/* and from here on */
	Timestamp	max_event_time; /* seen so far, within max_drift */
	int64		rows_consumed;
	TimestampTz last_row_at;	/* when there was something to consume */
	TimestampTz last_tick_at;	/* 0: never */
	TimestampTz not_before;		/* no tick until then; 0: at once, if there is
								 * something to do; see want_tick */
	int64		version;		/* see newest.c */
	int32		updates;
	ItemPointerData self;		/* the row in weir._cursor */
	TransactionId xmin;			/* who has written it */
} WeirCursor;

/*
 * Reads a cursor as the snapshot sees it (NULL: as committed now); false if
 * there is none (any more).  A reader compares windows with this watermark.
 * Allocates in the current memory context.
 */
extern bool weir_cursor_read(int32 cursor_id, Snapshot snapshot,
							 WeirCursor *cursor);

/* All cursors of a stream, as committed now: the main one first. */
extern List *weir_cursor_list(int32 stream_id);

/* Store what the struct says. */
extern void weir_cursor_write(WeirCursor *cursor);

/*
 * One tick at a time: the stream's lock is taken before its cursors are
 * changed, and held to the end of the transaction.  False if it is not to be
 * had without waiting.
 */
extern bool weir_cursor_lock_stream(int32 stream_id, bool wait);

/* Does the present transaction hold it, so that nobody else can tick? */
extern bool weir_cursor_holds_stream(int32 stream_id);

/*
 * A new cursor of the stream for an aggregate that is being created.  With
 * history it starts before the first row; the first tick takes its snapshot.
 * Without, it starts after the rows committed now.
 */
extern int32 weir_cursor_create(int32 stream_id, bool with_history);

/* A new cursor that stands where this one does. */
extern int32 weir_cursor_fork(const WeirCursor *cursor);

/*
 * No tick for it before that time: back-off after a failure.  It is not further
 * away than this; if it seems to be, the clock has been set back, and it is over.
 */
#define WEIR_MAX_DEFER_MS	(10 * 60 * 1000)
extern void weir_cursor_defer(int32 cursor_id, TimestampTz not_before);
extern bool weir_cursor_is_deferred(const WeirCursor *cursor);

/*
 * Its next tick does what there is to do even if there are no rows: settings on
 * which the watermark depends have changed.
 */
extern void weir_cursor_want_tick(int32 cursor_id);
extern bool weir_cursor_is_tick_wanted(const WeirCursor *cursor);

/* The cursor is nobody's any more. */
extern void weir_cursor_drop(int32 cursor_id);

/* Who else uses it is the caller's business. */
extern void weir_cursor_set_paused(int32 cursor_id, bool paused);

/*
 * For one that has not begun with its history: this is what the active snapshot
 * sees, in which the stream's first tick has been, or is, taken.
 */
extern void weir_cursor_fix_history(int32 cursor_id);

/* Go on without what is left of the history. */
extern void weir_cursor_leave_history(int32 cursor_id);

/* id of the stream's main cursor */
extern int32 weir_cursor_main(int32 stream_id);

/* The main cursor of a new stream; all cursors of a dropped one go. */
extern int32 weir_cursor_create_main(int32 stream_id);
extern void weir_cursor_drop_all(int32 stream_id);

/* Is the entry consumed by the cursor? */
extern bool weir_cursor_has_consumed(const WeirCursor *cursor,
									 const WeirLogEntry *entry);

#endif							/* WEIR_CURSOR_H */
