/*-------------------------------------------------------------------------
 *
 * partial.h
 *	  Aggregation in steps: rows to states, states to states, states to the
 *	  final result.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_PARTIAL_H
#define WEIR_PARTIAL_H

#include "executor/tuptable.h"
#include "nodes/plannodes.h"
#include "tcop/dest.h"

#include "aggregate/definition.h"
#include "stream/newrows.h"
#include "utils/queryenvironment.h"

/*
 * Where state rows come from.  next() fills in the slot, which is virtual
 * and empty, of the definition's state_desc, and stores it; or returns false
 * at the end.  What the values point to lives until the next call.
 */
typedef struct WeirStateSource WeirStateSource;
struct WeirStateSource
{
	bool		(*next) (WeirStateSource *source, TupleTableSlot *slot);
	double		rows;			/* estimate */
	bool		is_clustered;	/* rows that are equal in window and keys
								 * follow each other */
	bool		is_combined;	/* there are no two, and states are plain (see
								 * plain_state.h) */
};

/* A row whose windows have all closed, or that is left out by weir.skip. */
typedef struct WeirLateRow
{
	Timestamp	event_time;
	Timestamp	window_end;		/* of its last window */
	Datum		row;			/* jsonb */
	char	   *reason;
} WeirLateRow;

/*
 * State rows of a batch, for windows that end after the bound.  Returns how
 * many rows (or, where state is not kept by pane, windows of rows) were left
 * out of a window or all of them; some may not have been wanted by the query
 * anyway.  Sessions are not left out here, and not merged yet: see session.h.
 */
extern int64 weir_partial_from_batch(WeirDefinition *def, WeirBatch *batch,
									 Timestamp bound, DestReceiver *dest);

/*
 * The same in two steps: a plan for small batches, in the current memory context,
 * that can be run any number of times as long as nothing in its invalItems is
 * altered, and the stream is not.  NULL if the query reads more than the stream,
 * or other rows for other roles.
 */
typedef struct WeirBatchPlan WeirBatchPlan;

extern WeirBatchPlan *weir_partial_prepare_batch(WeirDefinition *def,
												 WeirBatch *batch, double rows);
extern List *weir_partial_plan_items(const WeirBatchPlan *plan);
extern int64 weir_partial_run_batch(WeirDefinition *def, WeirBatchPlan *plan,
									WeirBatch *batch, Timestamp bound,
									DestReceiver *dest);

/*
 * The same of rows in memory, for a definition that reads them
 * (weir_parent_rows).
 */
extern int64 weir_partial_from_rows(WeirDefinition *def,
									EphemeralNamedRelation rows,
									Timestamp bound, DestReceiver *dest);

/*
 * The same of all rows of the table: where nothing has been consumed yet.
 */
extern int64 weir_partial_from_table(WeirDefinition *def, Timestamp bound,
									 DestReceiver *dest);

/*
 * The rows among them that the query wanted, and that have been left out of
 * all windows: a list of WeirLateRow; and how many were left out of some.  For
 * sessions the test tells whether a row with these keys and this event time
 * is late, and the end of its session; NULL for other windows.
 */
typedef bool WeirLateTest(void *arg, const Datum *keys, const bool *isnull,
						  Timestamp event_time, Timestamp *window_end);
extern List *weir_partial_late_rows(WeirDefinition *def, WeirBatch *batch,
									Timestamp bound, WeirLateTest *test,
									void *arg, int64 *partly_late);

/*
 * The rows themselves, that the definition's row_filter lets through, whether
 * the query wants them or not: relation, tid and, with values, event time and
 * the row as jsonb.  Without a batch, those of the table that row_conditions
 * allow.
 */
extern void weir_partial_rows(WeirDefinition *def, WeirBatch *batch,
							  bool with_values, DestReceiver *dest);

/* State rows that are equal in window and keys, made one. */
extern void weir_partial_combine(WeirDefinition *def, WeirStateSource *source,
								 DestReceiver *dest);

/* State rows as they are. */
extern void weir_partial_hand_on(WeirDefinition *def, WeirStateSource *source,
								 DestReceiver *dest);

/*
 * The result of the query.  State by pane has to be spread to windows before.
 */
extern void weir_partial_finish(WeirDefinition *def, WeirStateSource *source,
								DestReceiver *dest);

/*
 * The same in two steps: a plan for about so many state rows, in the current
 * memory context, that can be run any number of times as long as nothing in its
 * invalItems is altered.  NULL if the query reads more than states.
 */
extern PlannedStmt *weir_partial_prepare_finish(WeirDefinition *def,
												double rows);
extern void weir_partial_run_finish(PlannedStmt *plan, WeirStateSource *source,
									DestReceiver *dest);

/*
 * Does the result follow from rows that follow each other, if the source is
 * clustered?  Then no table of all groups is made.  What is kept by pane and
 * spread to several windows can't be clustered.
 */
extern bool weir_partial_can_cluster(const WeirDefinition *def);

/* the row type of the result; the slot's names are those of the query */
extern TupleDesc weir_partial_result_desc(const WeirDefinition *def);

#endif							/* WEIR_PARTIAL_H */
