/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Merging of sessions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include "utils/tuplestore.h"

#include "aggregate/partial.h"

/*
 * The rows of the source, each with the bounds of the session that it is part
 * of, given all others of the source.
 */
extern WeirStateSource *weir_session_merge(WeirDefinition *def,
										   WeirStateSource *source);

/* Part the rows of the source: those whose session ends by then, others. */
extern void weir_session_split(WeirDefinition *def, WeirStateSource *source,
							   Timestamp until, Tuplestorestate *closed,
							   Tuplestorestate *open);

/* A set of sessions that are late, by keys and time. */
typedef struct WeirLateSessions WeirLateSessions;

/* Of the merged rows of the source, those that end by the bound; NULL: none. */
extern WeirLateSessions *weir_session_late(WeirDefinition *def,
										   WeirStateSource *source,
										   Timestamp bound);

/*
 * A WeirLateTest: the end is that of the merged session, by which it has been
 * judged.  Nothing is late if sessions is NULL.
 */
extern bool weir_session_is_late(void *sessions, const Datum *keys,
								 const bool *isnull, Timestamp event_time,
								 Timestamp *session_end);

#endif							/* WEIR_SESSION_H */
