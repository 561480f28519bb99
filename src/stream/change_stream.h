/*-------------------------------------------------------------------------
 *
 * change_stream.h
 *	  Change streams of wide tables as streams.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CHANGE_STREAM_H
#define WEIR_CHANGE_STREAM_H

#include "stream/cursor.h"
#include "stream/stream.h"

/* Raises 2BP01 if the table is the change stream of a wide table. */
extern void weir_change_stream_check_drop(Oid relid);

/* Raises 22023 if the retention of a change stream cannot be so long. */
extern void weir_change_stream_check_retention(int64 usec);

/*
 * Deletes some of the records of the wide table "home" that are too old and
 * that none of the cursors needs; they have all left history.  True if there
 * may be more.
 */
extern bool weir_change_stream_trim(const WeirStream *stream, Oid home,
									List *cursors);

#endif							/* WEIR_CHANGE_STREAM_H */
