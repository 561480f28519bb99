/*-------------------------------------------------------------------------
 *
 * stream_failure.h
 *	  What went wrong with a stream as a whole, for who looks at how it fares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STREAM_FAILURE_H
#define WEIR_STREAM_FAILURE_H

/* Keep the text of an error as the last one of the stream, if that is still there. */
extern void weir_stream_failure_note(int32 stream_id, const char *error);

/* It goes well again; or, if that is not to be left undone, it is being dropped. */
extern void weir_stream_failure_clear(int32 stream_id, bool is_dropped);

#endif							/* WEIR_STREAM_FAILURE_H */
