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

/*
 * What deletes rows of a stream's table, or a partition of it, for reasons of its
 * own: those in which the column, of that type, is less than the limit, but for
 * such as the stream has not consumed.  As whoever is in force, under the active
 * snapshot.  True if there may be more; nothing is done while the stream is
 * locked by others.
 */
extern bool weir_retention_delete_consumed(Oid relid, const char *column,
										   Oid type, Timestamp limit);

#endif							/* WEIR_RETENTION_H */
