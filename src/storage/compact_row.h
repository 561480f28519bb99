/*-------------------------------------------------------------------------
 *
 * compact_row.h
 *	  Compaction of one row; for compact.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_COMPACT_ROW_H
#define WEIR_COMPACT_ROW_H

#include "storage/catalog.h"
#include "storage/compact.h"

typedef struct WeirRowCompaction WeirRowCompaction;

/* The caller holds the compaction lock. */
extern WeirRowCompaction *weir_row_compaction_begin(WeirWideTable *table,
													const WeirCompactOptions *options);
extern void weir_row_compaction_end(WeirRowCompaction *compaction);

/*
 * Compacts a row that has not been since begin or renew, and adds to the
 * stats.  False if it was skipped because it is locked.
 */
extern bool weir_row_compaction_do(WeirRowCompaction *compaction,
								   WeirRowKey key, WeirCompactStats *stats);

/* Makes visible what has been done so far. */
extern void weir_row_compaction_renew(WeirRowCompaction *compaction);

/* how many bytes have been read */
extern Size weir_row_compaction_bytes(const WeirRowCompaction *compaction);

#endif							/* WEIR_COMPACT_ROW_H */
