/*-------------------------------------------------------------------------
 *
 * source.h
 *	  Where state rows come from, and what is done to them on the way.
 *
 * Sources are stacked; each lives in the memory context it was made in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SOURCE_H
#define WEIR_SOURCE_H

#include "utils/tuplestore.h"

#include "aggregate/partial.h"

/* The rows of a tuplestore of the definition's state_desc, from its start. */
extern WeirStateSource *weir_source_stored(WeirDefinition *def,
										   Tuplestorestate *rows);

/* A receiver that fills such a tuplestore; the context is where it lives. */
extern DestReceiver *weir_source_receiver(Tuplestorestate *rows);

/* one source after the other */
extern WeirStateSource *weir_source_concat(WeirStateSource *first,
										   WeirStateSource *second);

/*
 * Those of the source whose keys equal the values, of those keys that have one.
 */
extern WeirStateSource *weir_source_filter(WeirDefinition *def,
										   WeirStateSource *source,
										   const Datum *keys,
										   const bool *has_key);

/*
 * State rows of the source, once for each of their windows that ends after
 * "after" and not after "until".
 */
extern WeirStateSource *weir_source_spread(WeirDefinition *def,
										   WeirStateSource *source,
										   Timestamp after, Timestamp until);

#endif							/* WEIR_SOURCE_H */
