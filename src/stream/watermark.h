/*-------------------------------------------------------------------------
 *
 * watermark.h
 *	  How far event time has come in a stream.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WATERMARK_H
#define WEIR_WATERMARK_H

#include "executor/tuptable.h"

#include "stream/cursor.h"
#include "stream/stream.h"

/* Sees the rows of a batch and keeps the greatest event times. */
typedef struct WeirObserver WeirObserver;

/* The type of the source column; 42804 if it cannot be hashed. */
extern struct TypeCacheEntry *weir_observer_source_type(Oid relid,
														AttrNumber attno);

extern WeirObserver *weir_observer_create(const WeirStream *stream,
										  TimestampTz now);
extern void weir_observer_see(WeirObserver *observer, TupleTableSlot *slot);
extern int64 weir_observer_rows(const WeirObserver *observer);

/* Forget what was seen: the rows will be shown again. */
extern void weir_observer_reset(WeirObserver *observer);

/*
 * The watermark of a cursor once what the observer saw (NULL: nothing) is
 * consumed; changes nothing.
 */
extern Timestamp weir_watermark_compute(const WeirStream *stream,
										const WeirCursor *cursor,
										WeirObserver *observer,
										TimestampTz now);

/*
 * Carry what was seen over to the cursor (in memory) and its sources (in the
 * catalog); the watermark is left alone.
 */
extern void weir_watermark_store(WeirCursor *cursor, WeirObserver *observer,
								 TimestampTz now);

/* The sources of one cursor for another, and of none any more. */
extern void weir_watermark_fork(int32 from, int32 to);
extern void weir_watermark_forget(int32 cursor_id);

/*
 * A source of a restored stream, which its cursor does not know yet, by its text
 * as it is stored (is_whole: all of it).
 */
extern void weir_watermark_add_source(const WeirStream *stream,
									  int32 cursor_id, char *source,
									  bool is_whole,
									  Timestamp max_event_time);

/* Would an idle stream's watermark have moved by now? */
extern bool weir_watermark_is_due(const WeirStream *stream,
								  const WeirCursor *cursor, TimestampTz now);

#endif							/* WEIR_WATERMARK_H */
