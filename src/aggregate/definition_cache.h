/*-------------------------------------------------------------------------
 *
 * definition_cache.h
 *	  What a process keeps of the definitions of aggregates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DEFINITION_CACHE_H
#define WEIR_DEFINITION_CACHE_H

#include "nodes/plannodes.h"

#include "aggregate/aggregate.h"
#include "aggregate/definition.h"
#include "aggregate/partial.h"

typedef struct WeirKnown
{
	Oid			open;			/* the foreign table of open windows */
	int32		aggregate_id;
	WeirDefinition *def;		/* not to be changed; copy it to do so */

	/* The rest is the cache's own. */
	bool		is_kept;		/* to the next query */
	bool		is_valid;
	MemoryContext context;		/* holds all of this */
	Oid			query;			/* the internal view that holds the definition */
	List	   *relations;		/* oids of what the definition depends on */
	List	   *items;			/* the same, of functions and types */
	bool		has_plan;		/* it has been tried to make one: */
	PlannedStmt *plan;			/* NULL: it cannot be kept */
	bool		has_batch_plan; /* likewise: */
	WeirBatchPlan *batch_plan;	/* of rows to states */
	Oid			batch_owner;	/* with whose rights it was made */
	Oid			plan_owner;		/* with whose rights, and under which */
	List	   *plan_settings;	/* settings, it was made */
} WeirKnown;

/*
 * What is known of the aggregate that the foreign table belongs to.  Its
 * definition and the stream are locked against changes.  The entry stays,
 * whatever happens, to the end of the transaction, or, if it can't be kept, of
 * the current memory context.  Raises 42809 if the table belongs to none.
 */
extern const WeirKnown *weir_known_of_open(Oid open);

/*
 * What the definition of an aggregate means, for a tick or the like; all that is
 * said above holds for it, too.  It is not to be changed, but by weir.skip: that
 * gets one of its own.
 */
extern WeirDefinition *weir_known_definition(const WeirAggregate *agg);

/*
 * weir_partial_from_batch, with a plan that is kept if the definition is, and if
 * the batch is small.  We act as the owner of the aggregate.
 */
extern int64 weir_known_from_batch(WeirDefinition *def, WeirBatch *batch,
								   Timestamp bound, DestReceiver *dest);

/*
 * The plan that makes the result of a few state rows, for
 * weir_partial_run_finish; NULL if it cannot be kept.  We act as the owner of
 * the aggregate, which has been read anew.
 */
extern PlannedStmt *weir_known_plan(const WeirKnown *entry,
								   const WeirAggregate *agg);

extern void weir_definition_cache_init(void);

#endif							/* WEIR_DEFINITION_CACHE_H */
