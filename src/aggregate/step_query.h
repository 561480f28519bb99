/*-------------------------------------------------------------------------
 *
 * step_query.h
 *	  Queries over the rows that an aggregate reads; for partial*.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STEP_QUERY_H
#define WEIR_STEP_QUERY_H

#include "nodes/plannodes.h"
#include "tcop/dest.h"
#include "utils/queryenvironment.h"

#include "aggregate/definition.h"
#include "stream/newrows.h"

/* The FROM and WHERE of the definition, without what stands above. */
extern Query *weir_step_query(WeirDefinition *def);

/* The entry becomes a row without columns, which the planner drops. */
extern void weir_step_forget_entry(Query *query, Index rti);

/* One more output column; one to group by, which key is NULL for a window's. */
extern void weir_step_add_output(Query *query, Expr *expr, const char *name);
extern void weir_step_group_by(Query *query, Expr *expr, const char *name,
							   const WeirKey *key);
extern void weir_step_add_qual(Query *query, Expr *qual);

/*
 * weir.<name>(arg, pointer); arg and, if it is one, result are of the type of a
 * window's bounds.
 */
extern Expr *weir_step_call(const char *name, Oid rettype, Expr *arg,
							Oid argtype, void *pointer);

/*
 * Start of the pane or of the window, and end of the last window or of it; of
 * a session, as if the row were alone.
 */
extern Expr *weir_step_window_start(WeirDefinition *def);
extern Expr *weir_step_window_end(WeirDefinition *def);

/*
 * Expand views, apply row security, and plan to read the batch, or, without
 * one, the table.
 */
extern PlannedStmt *weir_step_plan(WeirDefinition *def, Query *query,
								   WeirBatch *batch);

/* Run a plan to its end under the active snapshot. */
extern void weir_step_run(PlannedStmt *plan, QueryEnvironment *env,
						  DestReceiver *dest);

#endif							/* WEIR_STEP_QUERY_H */
