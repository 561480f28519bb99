/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  The capture index: notes which rows a transaction inserts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CAPTURE_H
#define WEIR_CAPTURE_H

#include "datatype/timestamp.h"
#include "stream/log.h"
#include "types/tidrun.h"

#define WEIR_CAPTURE_AM "weir_capture"

/*
 * Called by writers: "flushed" within the transaction, before it commits or
 * prepares, once entries have been written; "committed" after the commit,
 * where nothing may fail and no catalog may be read.
 */
typedef struct WeirCaptureHooks
{
	void		(*flushed) (TimestampTz now);
	void		(*committed) (void);
} WeirCaptureHooks;

extern void weir_capture_set_hooks(const WeirCaptureHooks *hooks);
extern void weir_capture_init(void);

/*
 * For rewrites: take what this transaction has inserted into a file and not
 * logged yet (normalised; false if there is nothing), and put what takes its
 * place in another file.  The stream is that of the rows, 0 if there was none,
 * though the table may have been detached from it.
 */
extern bool weir_capture_take(Oid relid, Oid filenode, int32 *stream_id,
							  WeirTidRun **runs, int *nruns,
							  TransactionId **xids, int *nxids);
extern void weir_capture_replace(Oid relid, Oid filenode, int32 stream_id,
								 const WeirTidRun *runs, int nruns,
								 const TransactionId *xids, int nxids);

/*
 * The entries that this transaction will write to the log of the stream if it
 * commits now, without their positions.
 */
typedef void (*WeirCaptureVisitor) (const WeirLogEntry *entry, void *arg);

extern void weir_capture_visit(int32 stream_id, WeirCaptureVisitor visit, void *arg);

/*
 * None of these is to be written: the rows are first rows of the stream, of which
 * nobody has read any yet.
 */
extern void weir_capture_forget(int32 stream_id);

/* What was inserted into other files of the table is in this one now. */
extern void weir_capture_move(Oid relid, Oid filenode);

#endif							/* WEIR_CAPTURE_H */
