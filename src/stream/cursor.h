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

#include "datatype/timestamp.h"
#include "utils/snapshot.h"

typedef struct WeirCursor
{
	int32		cursor_id;
	int32		stream_id;
	Oid			relid;			/* the stream's table */
	bool		is_main;
	bool		is_paused;
	bool		in_history;		/* rows older than the cursor still unread */
	Timestamp	watermark;		/* DT_NOBEGIN at first; UTC microseconds,
								 * whichever type the event time has */
} WeirCursor;

/*
 * Reads a cursor as the snapshot sees it; false if there is none (any more).
 * A reader compares windows with this watermark.
 */
extern bool weir_cursor_read(int32 cursor_id, Snapshot snapshot,
							 WeirCursor *cursor);

/*
 * A new cursor of the stream for an aggregate that is being created.  With
 * history it starts before the first row; the first tick takes its snapshot.
 * Without, it starts after the rows committed now.
 */
extern int32 weir_cursor_create(int32 stream_id, bool with_history);

/* The cursor is nobody's any more. */
extern void weir_cursor_drop(int32 cursor_id);

/* Who else uses it is the caller's business. */
extern void weir_cursor_set_paused(int32 cursor_id, bool paused);

/* id of the stream's main cursor */
extern int32 weir_cursor_main(int32 stream_id);

#endif							/* WEIR_CURSOR_H */
