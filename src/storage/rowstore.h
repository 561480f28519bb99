/*-------------------------------------------------------------------------
 *
 * rowstore.h
 *	  Writing to wide tables: appending deltas.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ROWSTORE_H
#define WEIR_ROWSTORE_H

#include "utils/array.h"

#include "storage/catalog.h"
#include "storage/rowscan.h"
#include "types/mutation.h"

/* an open heap of deltas; lives in the memory context of weir_writer_open */
typedef struct WeirWriter WeirWriter;

/* the table, and the one behind an authorized view, are locked for writing */
extern WeirWriter *weir_writer_open(WeirWideTable *table);
extern void weir_writer_close(WeirWriter *writer);

/* What a call is to do to a row. */
typedef struct WeirMutationList
{
	WeirMutation *mutations;
	int			n;
	bool		needs_time;		/* cells without one get that of the write */
	WeirDelta  *delta;			/* NULL: empty, or it needs a time */
} WeirMutationList;

/* Called whenever one is opened: what is written will have to be compacted. */
extern void weir_writer_set_hook(void (*hook) (void));

/* What the change stream calls what is put from now on: see changes.h. */
extern void weir_writer_set_change_kind(WeirWriter *writer, const char *kind);

/* Appends a delta without looking at the row. */
extern void weir_writer_put(WeirWriter *writer, WeirRowKey key,
							WeirDelta *delta);

/* The same of a list, which must not be empty. */
extern void weir_writer_put_list(WeirWriter *writer, WeirRowKey key,
								 const WeirMutationList *list);

/*
 * Under REPEATABLE READ and SERIALIZABLE, for a write that depends on what
 * the transaction has read of the row: raises 40001 if its snapshot does not
 * see the whole row.  If the row must exist, which it may not because of what
 * the transaction itself has done, returns whether it did and was written.
 * Takes the row lock.  In rowmodify.c.
 */
extern bool weir_row_put_if_current(WeirWideTable *table, WeirRowKey key,
									WeirDelta *delta, bool must_exist);

/*
 * Writes if the row exists and passes the test, as all writes before this one
 * have left it; those of transactions that have not ended are waited for.
 * Nothing happens to the row between the test and the write.  Under READ
 * COMMITTED only.  Returns whether it has written.  In rowmodify.c.
 */
typedef bool (*WeirRowTest) (void *arg, WeirRowScan *scan);

extern bool weir_row_put_if(WeirWideTable *table, WeirRowKey key,
							WeirDelta *delta, WeirRowTest test, void *arg);

/*
 * A write that has its number but is not in the heap yet, while code of the
 * user's runs.  That must not compact the table, which would fold greater
 * numbers; if it writes to the row, that is noted.  The caller sees to it that
 * end is called, whatever happens.
 */
typedef struct WeirOpenWrite
{
	Oid			home;
	WeirRowKey	key;
	TransactionId overtaker;	/* of a later write to the row, or invalid */
	struct WeirOpenWrite *outer;
} WeirOpenWrite;

extern void weir_open_write_begin(WeirOpenWrite *open,
								  const WeirWideTable *table, WeirRowKey key);
extern void weir_open_write_end(WeirOpenWrite *open);
extern bool weir_has_open_write(const WeirWideTable *table);

/* Is there a later write to the row, which has not been rolled back? */
extern bool weir_open_write_is_overtaken(const WeirOpenWrite *open);

/*
 * For those who hold the row lock: the number of the next write, and writing
 * with a number that was taken.
 */
extern int64 weir_writer_next_seq(WeirWriter *writer);
extern void weir_writer_put_numbered(WeirWriter *writer, WeirRowKey key,
									 int64 seq, WeirDelta *delta);

/*
 * Building a delta.  There is one builder a process, so begin and finish
 * must not be nested; an error between them does no harm.  The bytes of what
 * is added must live until finish.
 */
extern WeirFold *weir_builder_begin(void);
extern WeirDelta *weir_builder_finish(WeirFold *builder);

/*
 * Adds a mutation as one step.  server_ts is the time of cells without one.
 * Raises 42703 for a missing family and 22023 for what the family or the
 * granularity does not allow.
 */
extern void weir_builder_add_mutation(WeirFold *builder,
									  const WeirWideTable *table,
									  const WeirMutation *mutation,
									  int64 server_ts);
extern void weir_builder_set_cell(WeirFold *builder,
								  const WeirWideTable *table,
								  const WeirCell *cell);

/*
 * Completes a list of which mutations and n are given.  Checks the rights of
 * the current user on the face; unless the list needs a time, raises 22023 and
 * 42703 as above.
 */
extern void weir_mutation_list_finish(const WeirWideTable *table,
									  WeirMutationList *list);

/* A complete list; raises 22023 for NULLs in the array or too many mutations. */
extern WeirMutationList weir_mutation_list_of_array(const WeirWideTable *table,
													ArrayType *array);

/*
 * The delta of a list for a write at a time; NULL if the list is empty.  Raises
 * 22023 and 42703 if the list needs a time.
 */
extern WeirDelta *weir_mutation_list_delta(const WeirWideTable *table,
										   const WeirMutationList *list,
										   int64 at);

/* INSERT to set cells, DELETE to delete them */
extern AclMode weir_mutation_rights(const WeirMutation *mutation);

/* The row key in argument n; raises as weir_check_row_key. */
extern WeirRowKey weir_row_key_argument(FunctionCallInfo fcinfo, int n,
										bool is_text);

/* A time of the clock in whole milliseconds, as microseconds since 1970. */
extern int64 weir_server_cell_ts(int64 at);

#endif							/* WEIR_ROWSTORE_H */
