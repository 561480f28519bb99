/*-------------------------------------------------------------------------
 *
 * log.h
 *	  The log of a stream: which rows each transaction inserted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "types/tidrun.h"
#include "utils/snapshot.h"

/* Where in the log an entry stands; ordered as entries are consumed. */
typedef struct WeirLogPosition
{
	int64		turn;			/* how often the log had moved on to another
								 * slot when this one's turn came; 0: before
								 * everything */
	ItemPointerData tid;
} WeirLogPosition;

typedef struct WeirLogEntry
{
	WeirLogPosition position;
	Oid			slot_file;		/* that the position is in */
	Oid			leaf;			/* table that has the rows */
	Oid			filenode;		/* its file then */
	FullTransactionId xid;		/* top transaction */
	TimestampTz logged_at;
	int32		rows;
	int32		blocks;
	TransactionId *xids;		/* ascending; the top one and its subs */
	int			nxids;
	WeirTidRun *runs;
	int			nruns;
} WeirLogEntry;

/* Create and drop the slots of a stream. */
extern void weir_log_create(int32 stream_id);
extern void weir_log_drop(int32 stream_id);

/*
 * Is there a log?  A stream that has just been restored from a dump has none
 * until it is consumed for the first time.
 */
extern bool weir_log_exists(int32 stream_id);

/* Is the table one that entries of some log are written to? */
extern bool weir_log_is_slot(Oid relid);

/* Has this transaction made it, so that nobody else knows of it? */
extern bool weir_log_is_new(int32 stream_id);

/* The sequence that holds the number of the slot to write to. */
extern Oid	weir_log_sequence(int32 stream_id);

/*
 * Write what the transaction inserted, in as many entries as it takes; now is
 * the time that they will bear.  The top transaction has an id.  Runs and xids are normalised.  False, with
 * nothing written, if there is no log (see weir_log_exists).
 */
extern bool weir_log_write(int32 stream_id, Oid leaf, Oid filenode,
						   FullTransactionId xid, TimestampTz now,
						   const WeirTidRun *runs, int nruns,
						   const TransactionId *xids, int nxids);

/*
 * Read the entries that the snapshot sees, in order, from behind a position
 * on (NULL: from the start).  Entries of transactions that the pg_snapshot
 * consumed sees, if it is not 0, are left out.  With heads_only runs and xids stay packed and NULL.
 * An entry lives until the next call.  Raises 40001 where the log has been
 * truncated past what the snapshot needs.
 */
typedef struct WeirLogScan WeirLogScan;

extern WeirLogScan *weir_log_begin(int32 stream_id, Snapshot snapshot,
								   Datum consumed,
								   const WeirLogPosition *after,
								   bool heads_only);
extern WeirLogEntry *weir_log_next(WeirLogScan *scan);
extern void weir_log_end(WeirLogScan *scan);

/*
 * A place in a slot, such that it can be found again when the slot has got
 * another file: of the entries in it that high sees and low does not, n have been
 * consumed, one after the other, and digest is the sum of theirs.
 */
typedef struct WeirLogPlace
{
	WeirLogPosition position;	/* the last of them, in this file */
	Oid			slot_file;		/* of the slot */
	int64		n;
	int64		digest;
	bool		is_turned;		/* they go from first, over the end of the file,
								 * to position; see weir_log_relocate */
	ItemPointerData first;
} WeirLogPlace;

/* What the entry adds to the digest of a place; it has been read with its runs. */
extern int64 weir_log_entry_digest(const WeirLogEntry *entry);

/* Is the entry, which is seen by high and not by low, among those consumed? */
extern bool weir_log_has_passed(const WeirLogPlace *place,
								const WeirLogEntry *entry);

/*
 * If the slot has another file than the place was taken in: find it there.  The
 * file does not change any more in this transaction.  Who copies a large table may
 * begin in the midst of it, where somebody else is reading, and come round to the
 * beginning; then the entries consumed may be turned round as well.  The file of
 * such a place stays the one that it was taken in.  Raises 40001 where the slot has
 * been truncated since the snapshot.
 */
extern void weir_log_relocate(int32 stream_id, Snapshot snapshot, Datum low,
							  Datum high, WeirLogPlace *place);

/* -1, 0, 1 */
extern int	weir_log_position_cmp(const WeirLogPosition *a,
								  const WeirLogPosition *b);

/*
 * Rotation.  advance moves writers to another slot when the present one has
 * enough entries; the others are in log.c's banner.  is_consumed is asked for
 * each entry, but for those that "known" sees, if that pg_snapshot is given: of
 * these it says yes.  Return whether they changed anything.
 */
typedef bool (*WeirLogConsumed) (const WeirLogEntry *entry, void *arg);

extern bool weir_log_rotate(int32 stream_id, Datum known,
							WeirLogConsumed is_consumed, void *arg);

/*
 * Files of a table that are no more: entries for them have been moved to
 * others, or their rows are gone (TRUNCATE).
 */
extern void weir_log_supersede(int32 stream_id, Oid leaf, Oid filenode);
extern bool weir_log_is_superseded(int32 stream_id, Oid leaf, Oid filenode,
								   Snapshot snapshot);

extern void weir_log_init(void);

#endif							/* WEIR_LOG_H */
