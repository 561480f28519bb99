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
							  WeirIntakeReader *read, void *arg, Timestamp bound,
							  WeirDefinition *source, WeirBatch *batch,
							  WeirIntake *intake);

/*
 * weir_partial_finish, or weir_partial_combine, in a tick, without the groups at
 * which that fails.  Returns these, as rows of their windows and keys.
 */
extern List *weir_skip_finish(const WeirAggregate *agg, WeirDefinition *def,
							  WeirStateSource *source, DestReceiver *dest);

extern List *weir_skip_combine(const WeirAggregate *agg, WeirDefinition *def,
							   WeirStateSource *source, DestReceiver *dest);

/*
 * Of all state, without a tick: deletes the groups that cannot be combined, and
 * returns them.
 */
extern List *weir_skip_state(const WeirAggregate *agg, WeirDefinition *def);

/*
 * weir_partial_combine but of the groups that cannot be combined, whose rows are
 * handed on as they are.
 */
extern void weir_skip_combining(const WeirAggregate *agg, WeirDefinition *def,
								WeirStateSource *source, DestReceiver *dest);

/*
 * Those in a tick may take too long for it: then they raise an error, to undo
 * what it has done for the aggregate.  Is it this one?  What has been found is
 * stored then, and the aggregate has to be given the same rows again.  To be
 * asked at once, outside of the subtransaction that failed.
 */
extern bool weir_skip_is_postponed(int32 aggregate_id, const ErrorData *error);

extern void weir_skip_init(void);

#endif							/* WEIR_SKIP_H */
