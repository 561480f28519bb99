/*-------------------------------------------------------------------------
 *
 * sink.h
 *	  The catalog of sinks: statements that run over the rows of windows just
 *	  closed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SINK_H
#define WEIR_SINK_H

#include "aggregate/aggregate.h"

typedef enum WeirSinkStatus
{
	WEIR_SINK_ACTIVE,
	WEIR_SINK_RETRYING,			/* failed; is tried again at next_retry */
	WEIR_SINK_FAILED			/* failed too often; until weir.resume_sink */
} WeirSinkStatus;

/*
 * A sink that is behind has deliveries done + 1 to done + closings_behind
 * still to take, each the rows that were closed together.
 */
typedef struct WeirSink
{
	NameData	name;
	int32		aggregate_id;
	char	   *statement;
	WeirSinkStatus status;
	int32		failures;		/* in a row */
	TimestampTz next_retry;
	int64		done;			/* last delivery that is no longer kept */
	int64		closings_behind;
	int64		rows_behind;
	TimestampTz behind_since;	/* when the first of them was closed */
} WeirSink;

/* Those of an aggregate, in the order of their names. */
extern List *weir_sink_list(int32 aggregate_id);

/*
 * Store the state; an error message, if given, replaces the last one, and one
 * that is no longer behind has none.  Holds weir_aggregate_lock_state, or
 * weir_aggregate_lock exclusive.
 */
extern void weir_sink_write(const WeirSink *sink, const char *error);

/* Try again all that have failed: at once, as if nothing had happened. */
extern void weir_sink_resume_all(int32 aggregate_id);

/* The aggregate is being dropped. */
extern void weir_sink_drop_all(int32 aggregate_id);

#endif							/* WEIR_SINK_H */
