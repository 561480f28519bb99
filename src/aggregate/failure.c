/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  What becomes of an aggregate that fails.
 *
 * Each aggregate does its part of a tick in a subtransaction.  If it fails,
 * for reasons of its own (a division by zero, a sink that raises an error),
 * the others go on, and it is tried again later:
 *
 *		active		takes part
 *		retrying	has failed; waits for next_retry
 *		failed		has failed weir.max_failures times in a row; until
 *					weir.resume
 *		paused		by weir.pause (pause.c)
 *
 * What is nobody's fault (serialization failures, deadlocks, cancel, shutdown,
 * lack of memory or space) fails the transaction as a whole, which is repeated
 * by whoever runs it.
 *
 * How an aggregate keeps its place meanwhile is for consume.c to say, or, if it
 * is over another aggregate, for cascade.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "aggregate/failure.h"
#include "stream/cursor.h"

/* Waits between tries double from the first to the last of these. */
#define RETRY_FIRST_MSEC	1000
#define RETRY_LAST_MSEC		WEIR_MAX_DEFER_MS

static int	max_failures;

/* Is the error one that says nothing about the aggregate? */
static bool
is_nobodys_fault(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

ErrorData *
weir_failure_attempt(void (*run) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		run(arg);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();

	if (error != NULL && is_nobodys_fault(error))
		ReThrowError(error);
	return error;
}

static TimestampTz
next_retry(int failures)
{
	int64		msec = RETRY_FIRST_MSEC;

	while (--failures > 0 && msec < RETRY_LAST_MSEC)
		msec *= 2;
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									   Min(msec, RETRY_LAST_MSEC));
}

static char *
error_text(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s: %s", unpack_sql_state(error->sqlerrcode),
					 error->message);
	if (error->detail != NULL)
		appendStringInfo(&text, " (%s)", error->detail);
	if (error->context != NULL)
		appendStringInfo(&text, "\n%s", error->context);
	return text.data;
}

void
weir_failure_note(WeirAggregate *agg, const ErrorData *error)
{
	agg->failures++;
	if (agg->failures >= max_failures)
		agg->status = WEIR_AGGREGATE_FAILED;
	else
	{
		agg->status = WEIR_AGGREGATE_RETRYING;
		agg->next_retry = next_retry(agg->failures);
	}
	weir_aggregate_set_progress(agg, error_text(error));
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("continuous aggregate \"%s\" failed: %s",
					get_rel_name(agg->view), error->message),
			 agg->status == WEIR_AGGREGATE_FAILED ?
			 errdetail("It is paused until weir.resume is called.") :
			 errdetail("It will be tried again.")));
}

void
weir_failure_init(void)
{
	DefineCustomIntVariable("weir.max_failures",
							"Failures in a row after which a continuous aggregate is paused.",
							NULL,
							&max_failures,
							5, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
}
