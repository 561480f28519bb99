/*-------------------------------------------------------------------------
 *
 * batch_entries.c
 *	  The entries of a batch, packed.
 *
 * Of a backlog of transactions of a row each there are as many entries as rows.
 * So no more of them is kept than what it takes to find the rows, one behind the
 * other: 24 bytes for such a transaction.  Ticks take a bounded number of them; who
 * reads a live view has all at once, and keeps those that do not fit into work_mem
 * in a temporary file.
 *
 *	offset	size	meaning						example
 *	0		4		leaf						16385
 *	4		4		number of ids (k)			1
 *	8		4		number of runs (n)			1
 *	12		4 * k	transaction ids, ascending	731
 *	.		8 * n	runs						(0, 3, 3)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/buffile.h"
#include "utils/memutils.h"

#include "stream/batch_entries.h"

/* Chunks of memory double in size, from the first to this. */
#define FIRST_CHUNK_SIZE	1024
#define MAX_CHUNK_SIZE		(256 * 1024)

typedef struct EntryChunk
{
	struct EntryChunk *next;
	Size		size;
	Size		used;
	char		data[FLEXIBLE_ARRAY_MEMBER];
} EntryChunk;

struct WeirEntryList
{
	MemoryContext context;
	Size		limit;			/* 0: none */
	Size		allocated;
	EntryChunk *first;
	EntryChunk *last;
	BufFile    *file;			/* what comes after the chunks; or NULL */
	WeirEntryReader *file_reader;	/* stands where this one reads on */
};

WeirEntryList *
weir_entries_create(Size limit)
{
	WeirEntryList *list = palloc0(sizeof(WeirEntryList));

	list->context = CurrentMemoryContext;
	list->limit = limit;
	return list;
}

void
weir_entries_close(WeirEntryList *list)
{
	if (list->file != NULL)
		BufFileClose(list->file);
	list->file = NULL;
}

static Size
entry_size(const WeirBatchEntry *entry)
{
	return sizeof(WeirBatchEntry) + sizeof(TransactionId) * entry->nxids +
		sizeof(WeirTidRun) * entry->nruns;
}

/* Room for so many bytes behind the last entry; NULL: not in memory any more. */
static char *
reserve(WeirEntryList *list, Size size)
{
	EntryChunk *chunk = list->last;

	if (list->file != NULL)
		return NULL;
	if (chunk == NULL || chunk->size - chunk->used < size)
	{
		Size		new_size = chunk == NULL ? FIRST_CHUNK_SIZE :
			Min(chunk->size * 2, MAX_CHUNK_SIZE);

		new_size = Max(new_size, size);
		if (list->limit > 0 && chunk != NULL &&
			list->allocated + new_size > list->limit)
			return NULL;
		chunk = MemoryContextAllocHuge(list->context,
									   offsetof(EntryChunk, data) + new_size);
		chunk->next = NULL;
		chunk->size = new_size;
		chunk->used = 0;
		if (list->last != NULL)
			list->last->next = chunk;
		else
			list->first = chunk;
		list->last = chunk;
		list->allocated += new_size;
	}
	chunk->used += size;
	return chunk->data + chunk->used - size;
}

static void
write_to_file(WeirEntryList *list, const WeirBatchEntry *head,
			  const WeirLogEntry *entry)
{
	if (list->file == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(list->context);

		list->file = BufFileCreateTemp(false);
		MemoryContextSwitchTo(old);
	}
	BufFileWrite(list->file, unconstify(WeirBatchEntry *, head), sizeof(*head));
	BufFileWrite(list->file, entry->xids, sizeof(TransactionId) * entry->nxids);
	BufFileWrite(list->file, entry->runs, sizeof(WeirTidRun) * entry->nruns);
}

void
weir_entries_add(WeirEntryList *list, const WeirLogEntry *entry)
{
	WeirBatchEntry head = {entry->leaf, entry->nxids, entry->nruns};
	char	   *place = reserve(list, entry_size(&head));

	if (place == NULL)
	{
		write_to_file(list, &head, entry);
		return;
	}
	memcpy(place, &head, sizeof(head));
	place += sizeof(head);
	memcpy(place, entry->xids, sizeof(TransactionId) * entry->nxids);
	place += sizeof(TransactionId) * entry->nxids;
	memcpy(place, entry->runs, sizeof(WeirTidRun) * entry->nruns);
}

void
weir_entries_read(WeirEntryList *list, WeirEntryReader *reader)
{
	reader->list = list;
	reader->chunk = list ? list->first : NULL;
	reader->offset = 0;
	reader->file_number = 0;
	reader->file_offset = 0;
	if (list)
		list->file_reader = NULL;
}

static void
read_from_file(WeirEntryList *list, void *place, Size size)
{
	if (BufFileRead(list->file, place, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file of log entries")));
}

static const WeirBatchEntry *
next_of_file(WeirEntryReader *reader)
{
	WeirEntryList *list = reader->list;
	WeirBatchEntry head;
	Size		size;
	Size		got;

	if (list->file_reader != reader &&
		BufFileSeek(list->file, reader->file_number, reader->file_offset,
					SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file of log entries")));
	list->file_reader = reader;
	got = BufFileRead(list->file, &head, sizeof(head));
	if (got == 0)
		return NULL;
	if (got != sizeof(head))
		read_from_file(list, (char *) &head + got, sizeof(head) - got);
	size = entry_size(&head);
	if (reader->buffer == NULL || size > reader->buffer_size)
	{
		if (reader->buffer != NULL)
			pfree(reader->buffer);
		reader->buffer = MemoryContextAlloc(list->context, size);
		reader->buffer_size = size;
	}
	*reader->buffer = head;
	read_from_file(list, reader->buffer + 1, size - sizeof(head));
	BufFileTell(list->file, &reader->file_number, &reader->file_offset);
	return reader->buffer;
}

const WeirBatchEntry *
weir_entries_next(WeirEntryReader *reader)
{
	const WeirBatchEntry *entry;

	while (reader->chunk != NULL && reader->offset >= reader->chunk->used)
	{
		reader->chunk = reader->chunk->next;
		reader->offset = 0;
	}
	if (reader->chunk == NULL)
		return reader->list != NULL && reader->list->file != NULL ?
			next_of_file(reader) : NULL;
	entry = (const WeirBatchEntry *) (reader->chunk->data + reader->offset);
	reader->offset += entry_size(entry);
	return entry;
}
