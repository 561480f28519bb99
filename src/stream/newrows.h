/*-------------------------------------------------------------------------
 *
 * newrows.h
 *	  A batch of a stream's rows, and the custom scan that reads exactly
 *	  those in place of the table.
 *
 * A query over the stream is marked (weir_newrows_mark on the one range
 * table entry that stands for the stream) and planned by
 * weir_newrows_plan; the resulting plan reads the batch it was planned for,
 * is executed as any other and must not outlive the batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_NEWROWS_H
#define WEIR_NEWROWS_H

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "utils/snapshot.h"

#include "stream/cursor.h"
#include "stream/left_out.h"

typedef struct WeirBatch WeirBatch;

/*
 * The rows committed in the stream, as the snapshot sees it, and not yet
 * consumed by the cursor: what a live view adds to the state.  Raises 40001
 * where the log no longer has what the snapshot needs.  Lives in the current
 * memory context; the snapshot must stay registered or active meanwhile.
 */
extern WeirBatch *weir_batch_pending(const WeirCursor *cursor,
									 Snapshot snapshot);

/*
 * The same for who needs it for a query only: what of the log does not fit into
 * work_mem is in a temporary file, until weir_batch_close.
 */
extern WeirBatch *weir_batch_pending_in_file(const WeirCursor *cursor,
											 Snapshot snapshot);
extern void weir_batch_close(WeirBatch *batch);

/* All rows of the stream's table, whoever has consumed them. */
extern WeirBatch *weir_batch_of_table(int32 stream_id, Snapshot snapshot);

/* Leave these rows of its history out. */
extern void weir_batch_leave_out(WeirBatch *batch, WeirLeftOut *left_out);

/* Called by readers (weir_batch_pending): see to it that a worker runs. */
extern void weir_batch_set_reader_hook(void (*hook) (void));

/* an upper bound of the rows in it; 0 if there is certainly none */
extern int64 weir_batch_max_rows(const WeirBatch *batch);

/* rows that one transaction consumes, more or less: a setting */
extern int	weir_batch_tick_rows(void);

/* the range table entry is to be read through the batch (also partitioned) */
extern void weir_newrows_mark(RangeTblEntry *rte);

/*
 * Plan a query (which is scribbled on).  At most the marked entry is read
 * from the batch; without parallel plans.
 */
extern PlannedStmt *weir_newrows_plan(Query *query, WeirBatch *batch);

/*
 * Have a plan that reads nothing but the stream read another batch the next time
 * that it is started.  To be called only if it can be.
 */
extern bool weir_newrows_can_rebind(const PlannedStmt *plan);
extern void weir_newrows_rebind(PlannedStmt *plan, WeirBatch *batch);

extern void weir_newrows_init(void);

#endif							/* WEIR_NEWROWS_H */
