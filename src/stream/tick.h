/*-------------------------------------------------------------------------
 *
 * tick.h
 *	  One step of consumption: a transaction that takes the next rows of a
 *	  stream and hands them to the consumer, the layer above.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_TICK_H
#define WEIR_TICK_H

#include "stream/cursor.h"
#include "stream/stream.h"
#include "stream/newrows.h"

/* Valid while the consumer's function runs. */
typedef struct WeirTick
{
	WeirCursor	cursor;			/* as it was when the tick began: its
								 * watermark is the one lateness is judged
								 * against (all rows of the tick alike) */
	WeirBatch  *batch;			/* the rows; may be empty */
	Snapshot	snapshot;		/* active; every statement of the tick runs
								 * under it, plus own changes */
	bool		stays;			/* set by the consumer: it has not taken the
								 * rows, and the cursor stays where it is */
	bool		is_used;		/* set by the consumer: anything depends on the
								 * stream */
	bool		has_unstarted;	/* set by the consumer, see below */
} WeirTick;

/*
 * The watermark after this tick: never less than cursor.watermark.  Known
 * once the batch has been read; if no plan over it has run to its end yet,
 * it is read for this.
 */
extern Timestamp weir_tick_watermark(WeirTick *tick);

/*
 * Gives what uses the tick's cursor and cannot take this tick a cursor of
 * its own, which stands where the tick began.  To be called in the tick's
 * transaction, outside the subtransaction that failed.
 */
extern int32 weir_tick_fork_cursor(WeirTick *tick);

typedef enum WeirTickResult
{
	WEIR_TICK_IDLE,				/* nothing to do */
	WEIR_TICK_BUSY,				/* somebody else has the stream locked */
	WEIR_TICK_DONE,				/* all that was committed is consumed */
	WEIR_TICK_MORE,				/* something is, and there is more */
	WEIR_TICK_STAYS				/* nothing is, but the next transaction is
								 * one step nearer to it */
} WeirTickResult;

/*
 * The layer above.  Registered once, when the library is loaded.
 */
typedef struct WeirConsumer
{
	/*
	 * Take the rows of the tick, and close what the watermark after it
	 * allows.  Called for empty batches too when the watermark moved.  What
	 * fails for reasons of its own is to be isolated in a subtransaction.
	 */
	void		(*consume) (WeirTick *tick);

	/*
	 * Do some of what is due besides, because it could not be done in ticks;
	 * true if there may be more to do at once.
	 */
	bool		(*catch_up) (int32 stream_id);

	/*
	 * A cursor other than the main one has reached it: both stand at the same
	 * place now.  Whoever uses "from" uses "to" from now on.
	 */
	void		(*join_cursor) (int32 from, int32 to);

	/* name of an aggregate that depends on the stream, or NULL */
	char	   *(*dependent) (int32 stream_id);

	/*
	 * Is there anything on the stream's rows that came out of a dump and has not
	 * been started yet?  In a tick, consume says so.
	 */
	bool		(*has_unstarted) (int32 stream_id);

	/* the stream's settings have changed */
	void		(*stream_altered) (int32 stream_id);

	/* drop all that depends on the stream */
	void		(*drop_dependents) (int32 stream_id);

	/*
	 * What depends on the stream in a roundabout way, and takes part in its
	 * ticks, may have fallen behind: one step, in a transaction that can tick
	 * and has the stream locked.  WEIR_TICK_IDLE if there was none to do,
	 * WEIR_TICK_STAYS if none has brought it further.
	 */
	WeirTickResult (*follow_up) (int32 stream_id);

	/* is there anything like that, and not paused? */
	bool		(*is_behind) (int32 stream_id);

	/* warn of what has missed rows because it has failed */
	void		(*warn_of_failed) (int32 stream_id);
} WeirConsumer;

extern void weir_tick_set_consumer(const WeirConsumer *consumer);
extern const WeirConsumer *weir_tick_consumer(void);

/*
 * Sinks run between these, and closing that is not a tick's.  The nesting is
 * undone by the caller on error, too.
 */
extern void weir_stream_enter_sink(void);
extern void weir_stream_leave_sink(void);

/*
 * Raises 55000 in a sink, and in whatever else of the user's runs while a stream
 * is being consumed: triggers on closed rows, functions of a query.  A command
 * that consumes, or moves consumers to other cursors, would count rows twice
 * there.
 */
extern void weir_stream_refuse_in_tick(const char *command);
extern bool weir_stream_is_in_tick(void);

/* The same of a function that a sink is going to call, if it is one of these. */
extern void weir_stream_check_sink_call(const char *function);

/* ---- for the worker ---- */

/*
 * One tick of a cursor in the present transaction, which must be READ
 * COMMITTED and have no snapshot active.  Consumes no further than the
 * pg_snapshot target sees, if it is given.
 */
extern WeirTickResult weir_tick_cursor(int32 stream_id, int32 cursor_id,
									   Datum target, bool wait);

/*
 * The same of the main cursor, unless somebody else has the stream locked.  Before
 * it begins it tells the ids of the other cursors that the stream has.
 */
extern WeirTickResult weir_tick_main(int32 stream_id,
									 void (*remember) (List *others));

/*
 * Wait for one who may have inserted first rows without logging them, since the
 * cursor, the main one, cannot begin before he has ended.  If nobody else knows of
 * the log yet, for all writers, and have others wait until we have ended.
 */
extern void weir_tick_wait_for_unsettled(const WeirStream *stream,
										 const WeirCursor *cursor);

/* Have the consumer follow up, in a transaction of its own. */
extern WeirTickResult weir_tick_follow_up(int32 stream_id);

/*
 * What has to be done for a stream now and then, each call in a transaction
 * of its own: rotate the log; delete what retention does not keep.  True if
 * there may be more to do at once.
 */
extern bool weir_tick_rotate(int32 stream_id);
extern bool weir_tick_retain(int32 stream_id);

/*
 * Set the watermark of a stream's main cursor, which has consumed everything,
 * and close what it allows; a lower one changes nothing.  Returns the one in
 * force.
 */
extern Timestamp weir_tick_set_watermark(int32 stream_id, Timestamp watermark);

/* Make the present transaction fit for ticks; raises 25001 if it cannot be. */
extern void weir_tick_force_read_committed(void);

#endif							/* WEIR_TICK_H */
