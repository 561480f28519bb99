/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  The capture index: notes which rows a transaction inserts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CAPTURE_H
#define WEIR_CAPTURE_H

#include "types/tidrun.h"

#define WEIR_CAPTURE_AM "weir_capture"


/*
 * Called by writers: "flushed" within the transaction, before it commits or
 * prepares, once entries have been written; "committed" after the commit,
 * where nothing may fail and no catalog may be read.
 */
typedef struct WeirCaptureHooks
{
	void		(*flushed) (void);
	void		(*committed) (void);
} WeirCaptureHooks;

extern void weir_capture_set_hooks(const WeirCaptureHooks *hooks);
extern void weir_capture_init(void);

/* Has this transaction inserted rows into another file of the table? */
extern bool weir_capture_pending(Oid relid, Oid filenode);

#endif							/* WEIR_CAPTURE_H */
