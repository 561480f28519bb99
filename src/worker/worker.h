/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The processes that consume streams in the background.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "postmaster/bgworker.h"

/* entry points of the processes */
extern PGDLLEXPORT void weir_worker_main(Datum database);
extern PGDLLEXPORT void weir_launcher_main(Datum unused);

/* Fill in the registration of a worker for that database. */
extern void weir_worker_describe(BackgroundWorker *worker, Oid database);

/* Wake the worker of this database, or start one. */
extern void weir_wakeup_worker(void);

/* In a worker: it is the one that others are to wake. */
extern void weir_wakeup_enroll(void);

extern void weir_worker_init(void);
extern void weir_launcher_init(void);
extern void weir_wakeup_init(void);

#endif							/* WEIR_WORKER_H */
