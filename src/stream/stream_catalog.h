/*-------------------------------------------------------------------------
 *
 * stream_catalog.h
 *	  The columns of weir._stream, and what stream_ddl.c and stream_guard.c
 *	  share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STREAM_CATALOG_H
#define WEIR_STREAM_CATALOG_H

#include "access/htup.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

enum
{
	STREAM_ID = 1,
	STREAM_RELATION,
	STREAM_PROCESSING_TIME,
	STREAM_SOURCE,
	STREAM_OUT_OF_ORDERNESS,
	STREAM_IDLE_TIMEOUT,
	STREAM_RETENTION,
	STREAM_MAX_DRIFT,
	STREAM_NATTS = STREAM_MAX_DRIFT
};

extern Relation weir_stream_open_catalog(LOCKMODE lockmode);

/* A copy of the stream's row; NULL if there is none. */
extern HeapTuple weir_stream_fetch_tuple(Relation catalog, int32 stream_id);

/* The catalogs forget the stream; its table and index are others' business. */
extern void weir_stream_forget(int32 stream_id);

/* schema.name, quoted as needed */
extern char *weir_stream_qualified_name(Oid relid);

#endif							/* WEIR_STREAM_CATALOG_H */
