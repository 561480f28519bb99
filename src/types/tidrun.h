/*-------------------------------------------------------------------------
 *
 * tidrun.h
 *	  Runs of tuple identifiers, and their packed form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_TIDRUN_H
#define WEIR_TIDRUN_H

#include "storage/block.h"
#include "storage/itemptr.h"
#include "storage/off.h"

/* The line pointers first..last of one block. */
typedef struct WeirTidRun
{
	BlockNumber block;
	OffsetNumber first;
	OffsetNumber last;
} WeirTidRun;

/* Sort and merge in place; returns the number of runs that are left. */
extern int	weir_tidrun_normalize(WeirTidRun *runs, int nruns);

extern int64 weir_tidrun_count_rows(const WeirTidRun *runs, int nruns);
extern int	weir_tidrun_count_blocks(const WeirTidRun *runs, int nruns);
extern bool weir_tidrun_contains(const WeirTidRun *runs, int nruns,
								 const ItemPointerData *tid);

/*
 * Packs normalised runs, as many as fit into max_size bytes (at least one);
 * *packed says how many.
 */
extern bytea *weir_tidrun_pack(const WeirTidRun *runs, int nruns,
							   Size max_size, int *packed);

/*
 * The same without the header, into memory of the caller's that has room for
 * max_size bytes, WEIR_TIDRUN_MIN_SIZE at least: returns how many of the runs
 * it has, and in *size the bytes that were used.
 */
#define WEIR_TIDRUN_MIN_SIZE	16

extern int	weir_tidrun_pack_into(char *start, Size max_size,
								  const WeirTidRun *runs, int nruns,
								  Size *size);

/* Raises DATA_CORRUPTED; the result is palloc'd. */
extern WeirTidRun *weir_tidrun_unpack(const bytea *data, int *nruns);

/* The same for ascending, distinct transaction ids. */
extern bytea *weir_xids_pack(const TransactionId *xids, int nxids);
extern TransactionId *weir_xids_unpack(const bytea *data, int *nxids);

/* Sort ascending as numbers and drop duplicates; returns the new count. */
extern int	weir_xids_normalize(TransactionId *xids, int nxids);
extern bool weir_xids_contain(const TransactionId *xids, int nxids,
							  TransactionId xid);

#endif							/* WEIR_TIDRUN_H */
