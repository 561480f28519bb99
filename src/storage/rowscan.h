/*-------------------------------------------------------------------------
 *
 * rowscan.h
 *	  Reading wide tables: merging the base with the deltas.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ROWSCAN_H
#define WEIR_ROWSCAN_H

#include "access/sdir.h"
#include "utils/snapshot.h"

#include "storage/catalog.h"
#include "types/key_range.h"
#include "types/widerow.h"

/*
 * An open wide table.  It lives in a child of the memory context that was
 * current at begin, and so do its results, until the next row is asked for.
 */
typedef struct WeirRowScan WeirRowScan;

/* "now": the time at which garbage collection is judged */
extern WeirRowScan *weir_row_scan_begin(WeirWideTable *table,
										Snapshot snapshot, int64 now);
extern void weir_row_scan_end(WeirRowScan *scan);

/*
 * Restrict the cells, not the rows, to some columns (NULL: all), or to more
 * than those: of an authorized view all its columns are read.  The set must
 * outlive the scan.
 */
extern void weir_row_scan_set_columns(WeirRowScan *scan,
									  const WeirColumnSet *columns);

/* Skip rows for whose keys the test says false. */
typedef bool (*WeirKeyTest) (void *arg, WeirRowKey key);

extern void weir_row_scan_set_key_test(WeirRowScan *scan, WeirKeyTest test,
									   void *arg);

/*
 * The caller will ask for the rows as values, or for their keys alone: lets
 * rows at rest be expanded objects (widerow_expanded.h), made without a fold.
 * What such a value shows lies in the given context; NULL: it lives only until
 * the next row is asked for, or the end of the scan.
 */
extern void weir_row_scan_expect_values(WeirRowScan *scan,
										MemoryContext context);

/* See only writes with smaller numbers; for those who hold the row lock. */
extern void weir_row_scan_set_limit(WeirRowScan *scan, int64 seq);

/* Is anything stored under the key?  If not, there is no such row. */
extern bool weir_row_scan_finds_key(WeirRowScan *scan, WeirRowKey key);

/* One row.  False if it does not exist. */
extern bool weir_row_scan_get(WeirRowScan *scan, WeirRowKey key);

/*
 * The rows of a range, one after the other, in order of their keys.  The bytes
 * of its bounds must stay until the last one.
 */
extern void weir_row_scan_start(WeirRowScan *scan, const WeirKeyRange *range,
								ScanDirection direction);
extern bool weir_row_scan_next(WeirRowScan *scan);

/* Nothing is stored in the rest of the range.  Columns can still be set. */
extern bool weir_row_scan_is_at_end(WeirRowScan *scan);

/* The row just read. */
extern WeirRowKey weir_row_scan_key(const WeirRowScan *scan);
extern uint32 weir_row_scan_ncells(const WeirRowScan *scan);

/* its cells as users see them, in order of family names */
extern WeirCell *weir_row_scan_cells(WeirRowScan *scan);

/*
 * and as a weir.widerow: in the current memory context, unless values are
 * expected
 */
extern Datum weir_row_scan_row(WeirRowScan *scan);

/*
 * The number up to which a row is folded, as the snapshot sees it: 0 if it is
 * not.  All writes up to there are those of transactions that have ended.
 */
extern int64 weir_row_folded_up_to(WeirWideTable *table, Snapshot snapshot,
								   WeirRowKey key);

/* Reads the deltas of a row for the sake of SERIALIZABLE alone. */
extern void weir_row_touch_deltas(WeirWideTable *table, WeirRowKey key);

/* columns of the heaps */
#define Anum_delta_row_key		1
#define Anum_delta_seq			2
#define Anum_delta_cells		3
#define Natts_delta				3

#define Anum_base_row_key		1
#define Anum_base_part			2
#define Anum_base_hi			3	/* these two: of the first segment */
#define Anum_base_folded_at		4	/* of a row only, else NULL */
#define Anum_base_gc_due		5
#define Anum_base_cells			6
#define Natts_base				6

#endif							/* WEIR_ROWSCAN_H */
