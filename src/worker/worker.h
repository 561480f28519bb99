/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The processes that consume streams in the background.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"

/* entry points of the processes */
extern PGDLLEXPORT void weir_worker_main(Datum database);
extern PGDLLEXPORT void weir_launcher_main(Datum unused);

/* Fill in the registration of a worker for that database. */
extern void weir_worker_describe(BackgroundWorker *worker, Oid database);

/* In a worker: it is the one that others are to wake. */
extern void weir_wakeup_enroll(void);

/* ---- for what the worker does, in this layer ---- */

/* After a failure something is left alone, longer each time. */
typedef struct WeirBackoff
{
	int			ms;				/* 0: it went well */
	TimestampTz until;
	int			reported_code;	/* SQLSTATE of what was reported last */
	TimestampTz reported_at;
} WeirBackoff;

extern bool weir_backoff_holds(const WeirBackoff *backoff);
extern void weir_backoff_note(WeirBackoff *backoff, bool failed);

typedef bool (*WeirTask) (int32 id);

/*
 * Run a task in a transaction of its own.  *failed tells of an error, which
 * has been reported if it is news in a series that *backoff counts (to note it
 * there is the caller's business); the result is the task's, or false.
 */
extern bool weir_worker_run_task(WeirTask task, int32 id, const char *activity,
								 WeirBackoff *backoff, bool *failed);

/* In a task: a list that outlives it ... */
extern void weir_worker_remember(List *ids);

/* ... and after it: take over the list, to be freed. */
extern List *weir_worker_take_remembered(void);

/* Has so much time passed since *last, or was it 0?  Then it is now. */
extern bool weir_worker_is_due(TimestampTz *last, int interval_ms);

extern void weir_worker_init(void);
extern void weir_launcher_init(void);
extern void weir_wakeup_init(void);

#endif							/* WEIR_WORKER_H */
