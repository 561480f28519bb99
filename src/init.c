/*-------------------------------------------------------------------------
 *
 * init.c
 *	  Loading of the library.
 *
 * Each module that has settings, hooks or callbacks has a function
 * weir_<module>_init; they are called here once, lowest layer first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "aggregate/consume.h"
#include "aggregate/definition_cache.h"
#include "aggregate/failure.h"
#include "aggregate/skip.h"
#include "storage/catalog.h"
#include "storage/debug_point.h"
#include "storage/hll.h"
#include "storage/owner.h"
#include "storage/row_pieces.h"
#include "stream/batch.h"
#include "stream/capture.h"
#include "stream/log.h"
#include "stream/newrows.h"
#include "stream/stream.h"
#include "weir.h"
#include "worker/housekeeping.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	weir_owner_init();
	weir_hll_init();
	weir_catalog_init();
	weir_row_pieces_init();
	weir_debug_point_init();
	weir_stream_init();
	weir_log_init();
	weir_batch_init();
	weir_capture_init();
	weir_newrows_init();
	weir_definition_cache_init();
	weir_failure_init();
	weir_skip_init();
	weir_consume_init();
	weir_worker_init();
	weir_housekeeping_init();
	weir_launcher_init();
	weir_wakeup_init();
	MarkGUCPrefixReserved("weir");
}
