/*-------------------------------------------------------------------------
 *
 * parent.h
 *	  Queries over another aggregate: what they mean, and what is read in its
 *	  place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_PARENT_H
#define WEIR_PARENT_H

#include "aggregate/aggregate.h"
#include "aggregate/definition.h"
#include "utils/queryenvironment.h"

/*
 * The aggregate that a query reads in place of a stream: its rows are taken
 * when they close, and the event time of a row is a bound of its window.
 */
struct WeirParent
{
	WeirAggregate agg;
	WeirDefinition *def;
	AttrNumber	start_column;	/* window_start among its columns; 0: none */
	AttrNumber	end_column;		/* window_end; 0: none */
	bool		by_start;		/* event time is window_start, and not ... */
	int64		less_usec;		/* ... window_end less this */
};

/*
 * Is the range table entry the view of an aggregate?  NULL if not.  Raises
 * 0A000 if it is one that cannot be a parent.
 */
extern WeirParent *weir_parent_find(const RangeTblEntry *rte);

/*
 * Take the argument of the window function, which is to be a bound of the
 * parent's windows; false if it is nothing of the kind.
 */
extern bool weir_parent_set_event_time(WeirDefinition *def, Node *node);

/*
 * Refuse functions that do not give over the parent's rows what they would
 * over the rows that these are made of: an average of averages.
 */
extern void weir_parent_check(const WeirDefinition *def);

/*
 * The watermark that follows from the parent's windows that end by "until"
 * being closed: no row to come has an earlier event time.
 */
extern Timestamp weir_parent_watermark(const WeirDefinition *def,
									   Timestamp until);

/*
 * Copies of the definition that read something else in place of the parent's
 * view: its closed rows whose windows end in (after, until]; its open windows;
 * both, if they end after that; the rows of a relation of that name and shape
 * in the query environment.
 */
extern WeirDefinition *weir_parent_closed(const WeirDefinition *def,
										  Timestamp after, Timestamp until);
extern WeirDefinition *weir_parent_open(const WeirDefinition *def);
extern WeirDefinition *weir_parent_later(const WeirDefinition *def,
										 Timestamp after);
extern WeirDefinition *weir_parent_rows(const WeirDefinition *def,
										EphemeralNamedRelation rows);

#endif							/* WEIR_PARENT_H */
