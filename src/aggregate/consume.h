/*-------------------------------------------------------------------------
 *
 * consume.h
 *	  What a tick means to continuous aggregates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CONSUME_H
#define WEIR_CONSUME_H

/* Is a tick of the cursor under way in this session (so, are we in a sink)? */
extern bool weir_consume_is_in_tick(int32 cursor_id);

extern void weir_consume_init(void);

#endif							/* WEIR_CONSUME_H */
