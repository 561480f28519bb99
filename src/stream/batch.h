/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Which rows of a stream are to be read (batch.c), and reading them
 *	  (batch_reader.c).
 *
 * What the stream layer shares behind newrows.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include "executor/tuptable.h"

#include "stream/batch_entries.h"
#include "stream/cursor.h"
#include "stream/left_out.h"
#include "stream/newrows.h"
#include "stream/stream.h"
#include "stream/watermark.h"

/* A range of blocks whose rows are history, but for those logged later. */
typedef struct WeirHistoryRange
{
	Oid			leaf;
	BlockNumber first;
	BlockNumber end;
} WeirHistoryRange;

/* A transaction id of an entry that is later than the history. */
typedef struct WeirLaterXid
{
	const WeirBatchEntry *entry;
	TransactionId xid;
} WeirLaterXid;

/* Where its rows are, once that is known; see batch_reader.c. */
typedef struct WeirFoundRows WeirFoundRows;

struct WeirBatch
{
	MemoryContext context;		/* that it was made in */
	WeirStream	stream;
	Snapshot	snapshot;
	int64		max_rows;

	WeirHistoryRange *ranges;
	int			nranges;
	WeirLaterXid *later_xids;	/* ids of entries that are not history,
								 * ascending */
	int64		nlater_xids;
	WeirLeftOut *left_out;		/* rows of history that are not read, or NULL */

	WeirEntryList *entries;		/* whose rows are read; NULL: none */
	Size		max_memory;		/* that they take; 0: no limit */
	Oid			last_leaf;		/* of the last of them */
	Oid			last_filenode;
	bool		has_skipped;	/* there were entries whose rows are gone */

	/* Set for ticks: how the cursor stands after this batch. */
	WeirCursor	after;
	bool		ends_interval;
	WeirObserver *observer;		/* sees every row once; NULL for readers */
	bool		is_observed;	/* it has seen them all */
	bool		shares_found;	/* several readers are to be expected */
	WeirFoundRows *found;
};

/*
 * The next batch of a cursor under the active snapshot.  target: consume no
 * more than this pg_snapshot sees (0: what the active snapshot sees).
 * Returns NULL if a table had to be locked first (*locked has those): take a
 * new snapshot and call again.
 */
extern WeirBatch *weir_batch_next(const WeirStream *stream,
								  const WeirCursor *cursor, Datum target,
								  List **locked);

/* A batch of no rows, which leaves the cursor where it is. */
extern WeirBatch *weir_batch_empty(const WeirStream *stream,
								   const WeirCursor *cursor);

/*
 * For weir_batch_is_later: the entries the active snapshot sees and the
 * cursor has not consumed for good.
 */
extern WeirBatch *weir_batch_unconsumed(const WeirStream *stream,
										const WeirCursor *cursor);
extern bool weir_batch_is_later(const WeirBatch *batch, Oid leaf,
								TransactionId xid, const ItemPointerData *tid);

/*
 * The rows, one after the other, in slots of the stream's row type (whose
 * kind may differ from leaf to leaf if the stream is partitioned).
 */
typedef struct WeirBatchReader WeirBatchReader;

extern WeirBatchReader *weir_batch_reader_begin(WeirBatch *batch, Relation rel);
extern TupleTableSlot *weir_batch_reader_next(WeirBatchReader *reader);
/* raw xmin of the row that it has just returned */
extern TransactionId weir_batch_reader_xmin(const WeirBatchReader *reader);
extern void weir_batch_reader_rewind(WeirBatchReader *reader);
extern void weir_batch_reader_end(WeirBatchReader *reader);

/* Let the observer see all rows, unless it has. */
extern void weir_batch_observe(WeirBatch *batch);

/*
 * Something to be called where a batch begins to be consumed and for each page
 * that it is read from, which may end the process; and for who runs other
 * statements.
 */
extern void weir_batch_set_breather(void (*breathe) (void));
extern void weir_batch_breathe(void);

extern void weir_batch_init(void);

#endif							/* WEIR_BATCH_H */
