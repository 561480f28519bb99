/*-------------------------------------------------------------------------
 *
 * fold.h
 *	  What a tick means to continuous aggregates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FOLD_H
#define WEIR_FOLD_H

/* Is a tick of the cursor under way in this session (so, are we in a sink)? */
extern bool weir_fold_is_in_tick(int32 cursor_id);

extern void weir_fold_init(void);

#endif							/* WEIR_FOLD_H */
