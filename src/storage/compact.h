/*-------------------------------------------------------------------------
 *
 * compact.h
 *	  Compaction: folding deltas into the base.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_COMPACT_H
#define WEIR_COMPACT_H

#include "postgres_ext.h"

typedef struct WeirCompactOptions
{
	int			min_deltas;		/* leave rows with fewer deltas alone */
	int64		max_rows;		/* stop after so many rows looked at */
	Size		max_bytes;		/* or so many bytes read */
	bool		wait_for_rows;	/* wait for row locks, else skip the row */
	bool		whole_rows;		/* fold long rows as a whole, and apply rules
								 * that were replaced: see compact.c */
} WeirCompactOptions;

/*
 * How far a pass over a table has got; zero it to begin.  The bytes are
 * allocated in the memory context that is current at the call, and may be
 * freed together with it once the pass has ended.
 */
typedef struct WeirCompactPosition
{
	char	   *row_key;		/* last key looked at, or NULL */
	uint32		row_key_len;
	bool		deltas_done;	/* only garbage is left to look for */
} WeirCompactPosition;

typedef struct WeirCompactStats
{
	int64		rows;			/* folded */
	int64		deltas;			/* folded away */
	int64		skipped;		/* rows that were locked */
} WeirCompactStats;

/*
 * Does some work on a wide table, starting at the position, and adds to the
 * stats.  True if the pass is not complete yet.  Also false, with nothing
 * done, when another transaction is compacting the table, unless
 * wait_for_rows.
 *
 * Must run in a READ COMMITTED transaction and without an open snapshot of
 * its own; holds a lock against other compactions of the table to its end.
 */
extern bool weir_compact_some(Oid face, const WeirCompactOptions *options,
							  WeirCompactPosition *position,
							  WeirCompactStats *stats);

#endif							/* WEIR_COMPACT_H */
