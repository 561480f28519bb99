/*-------------------------------------------------------------------------
 *
 * batch_entries.h
 *	  The entries of a batch, packed.  For batch*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_BATCH_ENTRIES_H
#define WEIR_BATCH_ENTRIES_H

#include "stream/log.h"

/* What of an entry is needed to find its rows.  (Its lists follow it in memory.) */
typedef struct WeirBatchEntry
{
	Oid			leaf;
	int32		nxids;
	int32		nruns;
} WeirBatchEntry;

static inline const TransactionId *
weir_batch_entry_xids(const WeirBatchEntry *entry)
{
	return (const TransactionId *) (entry + 1);
}

static inline const WeirTidRun *
weir_batch_entry_runs(const WeirBatchEntry *entry)
{
	return (const WeirTidRun *) (weir_batch_entry_xids(entry) + entry->nxids);
}

/*
 * A list of entries, in the memory context that it was made in.  With a limit, what
 * takes more bytes than that is written to a temporary file, which is to be closed.
 */
typedef struct WeirEntryList WeirEntryList;

extern WeirEntryList *weir_entries_create(Size limit);
extern void weir_entries_add(WeirEntryList *list, const WeirLogEntry *entry);
extern void weir_entries_close(WeirEntryList *list);

/*
 * Reading it from the start.  Several may do so at the same time, but nobody adds
 * to it then.  An entry lives until the next call; if there is no limit, as long as
 * the list.  NULL at the end.
 */
typedef struct WeirEntryReader
{
	WeirEntryList *list;
	struct EntryChunk *chunk;	/* that is being read; NULL: the file is */
	Size		offset;			/* of the next entry in it */
	int			file_number;	/* where the next one begins in the file */
	off_t		file_offset;
	WeirBatchEntry *buffer;		/* the last entry from the file */
	Size		buffer_size;
} WeirEntryReader;

extern void weir_entries_read(WeirEntryList *list, WeirEntryReader *reader);
extern const WeirBatchEntry *weir_entries_next(WeirEntryReader *reader);

#endif							/* WEIR_BATCH_ENTRIES_H */
