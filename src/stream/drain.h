/*-------------------------------------------------------------------------
 *
 * drain.h
 *	  Consuming a stream from a session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DRAIN_H
#define WEIR_DRAIN_H

/* Called by those who wait, now and then: see to it that a worker runs. */
extern void weir_drain_set_nudge(void (*nudge) (void));

/* Has some cursor that runs not consumed all that the pg_snapshot sees? */
extern bool weir_drain_is_behind(int32 stream_id, Datum target);

/* Sleep for so long or until something happens; always true. */
extern bool weir_drain_nap(int ms);

#endif							/* WEIR_DRAIN_H */
