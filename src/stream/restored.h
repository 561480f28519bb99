/*-------------------------------------------------------------------------
 *
 * restored.h
 *	  Streams that have come out of a dump, until they are started.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_RESTORED_H
#define WEIR_RESTORED_H

#include "stream/stream.h"

/* From now on dumps of this database say where they end. */
extern void weir_restored_mark_dumps(void);

/* Has the restore ended that the stream comes from?  If not, say so. */
extern bool weir_restored_has_ended(int32 stream_id, int elevel);

/*
 * The stream has its main cursor, which is given what the dump says: where the
 * watermark was, and whether it was paused.
 */
extern void weir_restored_start(const WeirStream *stream);

/*
 * Is the stream (aggregate 0), or the aggregate, which has not been started, to
 * be paused when it is?  To be changed in the stream's lock.
 */
extern bool weir_restored_is_paused(int32 stream_id, int32 aggregate_id);
extern void weir_restored_set_paused(int32 stream_id, int32 aggregate_id,
									 bool paused);

/* The stream, or the aggregate, is dropped. */
extern void weir_restored_forget(int32 stream_id);
extern void weir_restored_forget_aggregate(int32 aggregate_id);

#endif							/* WEIR_RESTORED_H */
