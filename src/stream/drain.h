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

#endif							/* WEIR_DRAIN_H */
