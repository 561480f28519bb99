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

/* Called whenever one is opened: what is written will have to be compacted. */
extern void weir_writer_set_hook(void (*hook) (void));

/* What the change stream calls what is put from now on: see changes.h. */
extern void weir_writer_set_change_kind(WeirWriter *writer, const char *kind);

/* Appends a delta without looking at the row. */
extern void weir_writer_put(WeirWriter *writer, WeirRowKey key,
							WeirDelta *delta);

/*
 * Under REPEATABLE READ and SERIALIZABLE, for a write that depends on what
 * the transaction has read of the row: raises 40001 if its snapshot does not
 * see the whole row.  Takes the row lock.  In rowmodify.c.
 */
extern void weir_row_put_if_current(WeirWideTable *table, WeirRowKey key,
									WeirDelta *delta);

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
 * The delta of an array of mutations.  Checks the rights of the current user
 * on the face; raises 22023 for NULLs in the array or too many mutations.
 */
extern WeirDelta *weir_delta_of_mutations(const WeirWideTable *table,
										  ArrayType *array);

/* the same of a list that has been read */
extern WeirDelta *weir_delta_of_list(const WeirWideTable *table,
									 const WeirMutation *mutations, int n);

/* INSERT to set cells, DELETE to delete them */
extern AclMode weir_mutation_rights(const WeirMutation *mutation);

/* The row key in argument n; raises as weir_check_row_key. */
extern WeirRowKey weir_row_key_argument(FunctionCallInfo fcinfo, int n,
										bool is_text);

/* The current time in whole milliseconds, as microseconds since 1970. */
extern int64 weir_server_cell_ts(void);

#endif							/* WEIR_ROWSTORE_H */
