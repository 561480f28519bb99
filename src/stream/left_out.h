/*-------------------------------------------------------------------------
 *
 * left_out.h
 *	  Rows of its history that a cursor leaves out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_LEFT_OUT_H
#define WEIR_LEFT_OUT_H

#include "storage/itemptr.h"
#include "utils/snapshot.h"

/* In the memory context that was current when it was made. */
typedef struct WeirLeftOut WeirLeftOut;

extern WeirLeftOut *weir_left_out_make(void);

/* To be called in the order of leaf and tid. */
extern void weir_left_out_add(WeirLeftOut *left_out, Oid leaf,
							  const ItemPointerData *tid);
extern bool weir_left_out_contains(WeirLeftOut *left_out, Oid leaf,
								   const ItemPointerData *tid);

/*
 * What the cursor leaves out, as the snapshot (NULL: as committed now) sees it;
 * NULL if that is nothing.
 */
extern WeirLeftOut *weir_left_out_read(int32 cursor_id, Snapshot snapshot);

extern void weir_left_out_store(const WeirLeftOut *left_out, int32 cursor_id);
extern void weir_left_out_copy(int32 from_cursor, int32 to_cursor);
extern void weir_left_out_forget(int32 cursor_id);

#endif							/* WEIR_LEFT_OUT_H */
