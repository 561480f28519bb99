/*-------------------------------------------------------------------------
 *
 * skip.h
 *	  Going on with an aggregate without what its query fails at.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SKIP_H
#define WEIR_SKIP_H

#include "aggregate/intake.h"

/*
 * weir_intake_run without the rows at which that fails.  They are those of the
 * batch or, if it is NULL, of the table that "source" reads (of which
 * row_conditions holds).  Returns what was left out: a list of WeirLateRow;
 * from then on the definition leaves them out by itself.
 */
extern List *weir_skip_intake(const WeirAggregate *agg, WeirDefinition *def,
							  WeirRowReader *read, void *arg, Timestamp bound,
							  WeirDefinition *source, WeirBatch *batch,
							  WeirIntake *intake);

/*
 * weir_partial_finish of windows that close, without the groups at which that
 * fails.  Returns these, as rows of their windows and keys.
 */
extern List *weir_skip_finish(const WeirAggregate *agg, WeirDefinition *def,
							  WeirStateSource *source, DestReceiver *dest);

#endif							/* WEIR_SKIP_H */
