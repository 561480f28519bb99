/*-------------------------------------------------------------------------
 *
 * intake.c
 *	  New rows into the state of an aggregate.
 *
 * Appends, and reads no state; but for sessions, and there only where that
 * decides whether a row is late.  The state of windows that come and close in
 * the same tick is not stored: it would be read and deleted again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "aggregate/intake.h"
#include "aggregate/runs.h"
#include "aggregate/source.h"

/* The sessions among the new ones that are late; NULL if none is. */
static WeirLateSessions *
find_late_sessions(const WeirAggregate *agg, WeirDefinition *def,
				   Tuplestorestate *sessions, Timestamp bound,
				   Snapshot snapshot)
{
	WeirRunRange range = {0};
	WeirRunReader *reader;
	WeirStateSource *source;
	WeirLateSessions *late;

	if (weir_session_late(def, weir_source_stored(def, sessions), bound) == NULL)
		return NULL;
	range.has_starts_until = true;
	range.starts_until = bound;
	reader = weir_runs_begin_read(def, weir_runs_relid(agg->id), &range,
								  snapshot);
	source = weir_source_concat(weir_source_stored(def, sessions),
								weir_runs_source(reader));
	late = weir_session_late(def, weir_session_merge(def, source), bound);
	weir_runs_end_read(reader);
	return late;
}

/* Write the sessions that are not late; does one of them begin by the bound? */
static bool
write_sessions(WeirDefinition *def, Tuplestorestate *sessions,
			   WeirLateSessions *late, Timestamp bound, DestReceiver *dest)
{
	WeirStateSource *source = weir_source_stored(def, sessions);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(def->state_desc,
													&TTSOpsVirtual);
	bool		result = false;

	while (source->next(source, slot))
	{
		Timestamp	end;

		if (!weir_session_is_late(late, slot->tts_values + def->nwindow,
								  slot->tts_isnull + def->nwindow,
								  DatumGetTimestamp(slot->tts_values[1]), &end))
		{
			if (DatumGetTimestamp(slot->tts_values[1]) <= bound)
				result = true;
			(void) dest->receiveSlot(slot, dest);
		}
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	return result;
}

/* The rows as sessions, merged with each other. */
static Tuplestorestate *
merge_rows(WeirDefinition *def, WeirIntakeReader *read, void *arg,
		   Timestamp bound, int64 *rejected)
{
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	Tuplestorestate *sessions = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *dest = weir_source_receiver(rows);

	*rejected = read(def, bound, dest, arg);
	dest->rDestroy(dest);
	dest = weir_source_receiver(sessions);
	weir_partial_combine(def,
						 weir_session_merge(def, weir_source_stored(def, rows)),
						 dest);
	dest->rDestroy(dest);
	tuplestore_end(rows);
	return sessions;
}

WeirLateSessions *
weir_intake_late_sessions(const WeirAggregate *agg, WeirDefinition *def,
						  WeirIntakeReader *read, void *arg, Timestamp bound,
						  Snapshot snapshot)
{
	int64		rejected;
	Tuplestorestate *sessions = merge_rows(def, read, arg, bound, &rejected);
	WeirLateSessions *late = find_late_sessions(agg, def, sessions, bound,
												snapshot);

	tuplestore_end(sessions);
	return late;
}

/*
 * Rows of sessions: merged with each other, and with what is stored only where
 * that decides whether they are late.
 */
static void
take_sessions(const WeirAggregate *agg, WeirDefinition *def,
			  WeirIntakeReader *read, void *arg, Timestamp bound,
			  WeirIntake *intake)
{
	Tuplestorestate *sessions = merge_rows(def, read, arg, bound,
										   &intake->rejected);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	intake->late_sessions = find_late_sessions(agg, def, sessions, bound,
											   snapshot);
	UnregisterSnapshot(snapshot);
	intake->reaches_back = write_sessions(def, sessions, intake->late_sessions,
										  bound, weir_runs_receiver(intake->writer));
	tuplestore_end(sessions);
}

void
weir_intake_begin(const WeirAggregate *agg, WeirDefinition *def,
				  WeirIntakeReader *read, void *arg, Timestamp bound,
				  WeirIntake *intake)
{
	memset(intake, 0, sizeof(*intake));
	intake->writer = weir_runs_begin_write(def, weir_runs_relid(agg->id), 0);
	if (def->is_session)
		take_sessions(agg, def, read, arg, bound, intake);
	else
		intake->rejected = read(def, bound, weir_runs_receiver(intake->writer),
								arg);
}

void
weir_intake_end(WeirDefinition *def, Timestamp closing_until,
				WeirIntake *intake)
{
	/* what a session is, and when it ends, is known when all is merged */
	if (def->nwindow > 0 && !def->is_session)
		intake->held = weir_runs_hold(intake->writer, closing_until);
	intake->state_rows = weir_runs_end_write(intake->writer);
	if (intake->held != NULL)
		intake->state_rows += weir_runs_held_rows(intake->held);
	intake->writer = NULL;
	CommandCounterIncrement();
}

void
weir_intake_release(WeirIntake *intake)
{
	if (intake->held != NULL)
		weir_runs_release(intake->held);
	intake->held = NULL;
}

void
weir_intake_run(const WeirAggregate *agg, WeirDefinition *def,
				WeirIntakeReader *read, void *arg, Timestamp bound,
				WeirIntake *intake)
{
	weir_intake_begin(agg, def, read, arg, bound, intake);
	weir_intake_end(def, DT_NOBEGIN, intake);
}
