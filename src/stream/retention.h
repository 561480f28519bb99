/*-------------------------------------------------------------------------
 *
 * retention.h
 *	  Deleting rows of a stream that are consumed and not to be kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_RETENTION_H
#define WEIR_RETENTION_H

#include "stream/batch.h"

/* Are the stream's rows deleted as they are consumed (retention zero)? */
extern bool weir_retention_is_queue(const WeirStream *stream);

/* Delete the rows of the batch, in the tick that consumes them. */
extern void weir_retention_delete_batch(WeirBatch *batch,
										const WeirCursor *before);

/*
 * Delete some of the rows that are consumed by all cursors and too old.  True
 * if there may be more.
 */
extern bool weir_retention_run(const WeirStream *stream, List *cursors);

#endif							/* WEIR_RETENTION_H */
