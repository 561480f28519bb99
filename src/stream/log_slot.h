/*-------------------------------------------------------------------------
 *
 * log_slot.h
 *	  The slots of the logs: their columns, and what weir._log_slot says of
 *	  them.  For log*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_LOG_SLOT_H
#define WEIR_LOG_SLOT_H

#include "access/htup.h"
#include "access/transam.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/* columns of a slot */
enum
{
	LOG_LEAF = 1,
	LOG_FILENODE,
	LOG_XID,
	LOG_LOGGED_AT,
	LOG_ROWS,
	LOG_BLOCKS,
	LOG_XIDS,
	LOG_RUNS,
	LOG_NATTS = LOG_RUNS
};

/*
 * The columns before those of variable length, as they lie in a tuple: none of
 * them is null, and nothing is between them.
 */
typedef struct WeirLogHead
{
	Oid			leaf;
	Oid			filenode;
	FullTransactionId xid;
	TimestampTz logged_at;
	int32		rows;
	int32		blocks;
} WeirLogHead;

#define WEIR_LOG_XID_OFFSET	offsetof(WeirLogHead, xid)

/* as many as a log has at most */
#define WEIR_MAX_LOG_SLOTS	256

typedef struct WeirLogSlot
{
	int32		slot;
	Oid			relid;			/* InvalidOid: not looked up yet */
	int64		turn;			/* 0: free */
	FullTransactionId closed_at;
	FullTransactionId drained_by;
	bool		is_passed;		/* in a scan: nothing wanted in it */
	HeapTuple	tuple;			/* of _log_slot; NULL: not stored yet */
} WeirLogSlot;

/* The relation _log_<stream>_<suffix>; InvalidOid or 42P01 if there is none. */
extern Oid	weir_log_relid(int32 stream_id, const char *suffix, bool missing_ok);
extern Oid	weir_log_slot_relid(int32 stream_id, int32 slot);
extern Oid	weir_log_truncated_sequence(int32 stream_id);

/*
 * All slots of a stream as the snapshot sees them (NULL: as committed now),
 * by turn.
 */
extern WeirLogSlot *weir_log_slots(int32 stream_id, Snapshot snapshot,
								   int *nslots);

/* Store what the struct says; inserts when it has no tuple yet. */
extern void weir_log_slot_store(int32 stream_id, WeirLogSlot *slot);

/*
 * Read the heads of all entries of one slot, whatever its state, that the
 * snapshot sees, but for those that "consumed" does, if it is given; see
 * weir_log_begin.
 */
struct WeirLogScan;
extern struct WeirLogScan *weir_log_begin_slot(WeirLogSlot *slot,
											   Snapshot snapshot,
											   Datum consumed);

/* Make the table of a new slot, and store it. */
extern void weir_log_slot_create(int32 stream_id, WeirLogSlot *slot,
								 int32 number, int64 turn);

/* Forget the stream's superseded files but those that are needed. */
extern void weir_log_superseded_forget(int32 stream_id,
									   bool (*is_needed) (Oid leaf, Oid filenode,
														  void *arg),
									   void *arg);

#endif							/* WEIR_LOG_SLOT_H */
