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
	 * A cursor other than the main one has reached it: both stand at the same
	 * place now.  Whoever uses "from" uses "to" from now on.
	 */
	void		(*join_cursor) (int32 from, int32 to);

	/* name of an aggregate that depends on the stream, or NULL */
	char	   *(*dependent) (int32 stream_id);

	/* drop all that depends on the stream */
	void		(*drop_dependents) (int32 stream_id);
} WeirConsumer;

extern void weir_tick_set_consumer(const WeirConsumer *consumer);

#endif							/* WEIR_TICK_H */
