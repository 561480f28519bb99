/*-------------------------------------------------------------------------
 *
 * stream_catalog.h
 *	  The columns of weir._stream.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STREAM_CATALOG_H
#define WEIR_STREAM_CATALOG_H

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

#endif							/* WEIR_STREAM_CATALOG_H */
