/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  What is made of errors in users' queries and statements.
 *
 * They are caught, so that what does not depend on the one that failed goes
 * on; it is tried again later, and paused when it has failed too often.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "aggregate/failure.h"
#include "stream/cursor.h"

/* Waits between tries double, from weir.retry_delay to this. */
#define RETRY_LAST_MSEC		WEIR_MAX_DEFER_MS

int			weir_max_failures = 5;
static int	retry_delay = 1000;

bool
weir_failure_is_nobodys(const ErrorData *error)
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

TimestampTz
weir_failure_next_retry(int failures)
{
	int64		msec = retry_delay;

	while (--failures > 0 && msec < RETRY_LAST_MSEC)
		msec = Min(msec * 2, RETRY_LAST_MSEC);
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), msec);
}

char *
weir_failure_text(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s: %s", unpack_sql_state(error->sqlerrcode),
					 error->message);
	if (error->detail != NULL)
		appendStringInfo(&text, " (%s)", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&text, "\n%s", error->hint);
	if (error->context != NULL)
		appendStringInfo(&text, "\n%s", error->context);
	return text.data;
}

ErrorData *
weir_failure_catch(void (*function) (void *arg), void *arg, bool undo)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		function(arg);
		if (undo)
			RollbackAndReleaseCurrentSubTransaction();
		else
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
	return error;
}

ErrorData *
weir_failure_attempt(void (*function) (void *arg), void *arg)
{
	ErrorData  *error = weir_failure_catch(function, arg, false);

	if (error != NULL && weir_failure_is_nobodys(error))
		ReThrowError(error);
	return error;
}

void
weir_failure_note(WeirAggregate *agg, const ErrorData *error)
{
	bool		is_counted = !weir_failure_is_nobodys(error);

	if (is_counted)
		agg->failures++;
	if (is_counted && agg->failures >= weir_max_failures)
		agg->status = WEIR_AGGREGATE_FAILED;
	else
	{
		/* what does not count does not end what weir.skip has begun */
		if (agg->status != WEIR_AGGREGATE_SKIPPING || is_counted)
			agg->status = WEIR_AGGREGATE_RETRYING;
		agg->next_retry = weir_failure_next_retry(agg->failures);
	}
	weir_aggregate_set_progress(agg, weir_failure_text(error));
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("continuous aggregate \"%s\" failed: %s",
					get_rel_name(agg->view), error->message),
			 agg->status == WEIR_AGGREGATE_FAILED ?
			 errdetail("It is paused until weir.resume is called.") :
			 errdetail("It will be tried again.")));
}

static void
warn(const WeirAggregate *agg)
{
	char	   *error = NULL;
	const char *name = get_rel_name(agg->view);

	if (name == NULL)
		return;					/* dropped meanwhile */
	/* as the view of statistics has it */
	if (has_privs_of_role(GetUserId(), agg->view_owner))
		error = weir_aggregate_last_error(agg->id);
	if (error != NULL)
		error[strcspn(error, "\n")] = '\0';
	ereport(WARNING,
			(errmsg("continuous aggregate \"%s\" has failed and lacks rows",
					name),
			 error != NULL ? errdetail_internal("%s", error) : 0,
			 agg->status == WEIR_AGGREGATE_FAILED ?
			 errhint("It is paused: use weir.resume when the cause is gone, or weir.skip.") :
			 errhint("It will be tried again; weir.resume does so at once.")));
}

void
weir_failure_warn(int32 stream_id)
{
	ListCell   *lc;

	foreach(lc, weir_aggregate_ids_of_stream(stream_id))
	{
		WeirAggregate agg;

		if (weir_aggregate_read(lfirst_int(lc), NULL, &agg) &&
			(agg.status == WEIR_AGGREGATE_FAILED ||
			 agg.status == WEIR_AGGREGATE_RETRYING))
			warn(&agg);
	}
}

void
weir_failure_init(void)
{
	DefineCustomIntVariable("weir.max_failures",
							"Failures in a row after which a continuous aggregate or a sink is paused.",
							NULL,
							&weir_max_failures,
							5, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("weir.retry_delay",
							"Time until a continuous aggregate or a sink that has failed is tried again.",
							"It doubles with each failure in a row, up to ten minutes.",
							&retry_delay,
							1000, 1, RETRY_LAST_MSEC,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
}
