/*-------------------------------------------------------------------------
 *
 * spread.h
 *	  From panes to the windows that hold them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SPREAD_H
#define WEIR_SPREAD_H

#include "aggregate/partial.h"

/*
 * State rows of the source, once for each of their windows that ends after
 * "after" and not after "until".
 */
extern WeirStateSource *weir_spread_source(WeirDefinition *def,
										   WeirStateSource *source,
										   Timestamp after, Timestamp until);

/* one source after the other */
extern WeirStateSource *weir_spread_concat(WeirStateSource *first,
										   WeirStateSource *second);

#endif							/* WEIR_SPREAD_H */
