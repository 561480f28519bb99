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

#include "storage/catalog.h"
#include "storage/hll.h"
#include "weir.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	weir_hll_init();
	weir_catalog_init();
	MarkGUCPrefixReserved("weir");
}
