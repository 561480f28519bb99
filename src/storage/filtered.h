/*-------------------------------------------------------------------------
 *
 * filtered.h
 *	  A row filter in use on a wide table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FILTERED_H
#define WEIR_FILTERED_H

#include "storage/rowscan.h"
#include "types/filter.h"

/* lives in the memory context that was current at create */
typedef struct WeirRowFilter WeirRowFilter;

/* filter: a datum of type weir.filter */
extern WeirRowFilter *weir_row_filter_create(const WeirWideTable *table,
											 Datum filter);

/* Lets a scan leave out columns and rows that do not matter to the filter. */
extern void weir_row_filter_restrict(WeirRowFilter *filter, WeirRowScan *scan);

/* the columns the filter looks at, NULL for all */
extern const WeirColumnSet *weir_row_filter_columns(const WeirRowFilter *filter);

/* as weir_filter_apply */
extern int	weir_row_filter_apply(WeirRowFilter *filter, WeirRowKey key,
								  const WeirCell *cells, uint32 ncells,
								  WeirFilteredCell **result);

/*
 * What comes out of the row just read, as a value without labels in the
 * current memory context; NULL if nothing does.  Of several cells with one
 * coordinate the first counts.
 */
extern WeirRow *weir_row_filter_row(WeirRowFilter *filter, WeirRowScan *scan);

/* Does any cell of the row just read come out? */
extern bool weir_row_filter_matches(WeirRowFilter *filter, WeirRowScan *scan);

#endif							/* WEIR_FILTERED_H */
