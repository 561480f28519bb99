/*-------------------------------------------------------------------------
 *
 * counted.h
 *	  Rows that a queue still holds though an aggregate has counted them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_COUNTED_H
#define WEIR_COUNTED_H

#include "aggregate/aggregate.h"

typedef enum WeirCounted
{
	WEIR_COUNTED_NONE,
	WEIR_COUNTED_SOME,
	WEIR_COUNTED_ALL
} WeirCounted;

/*
 * How many of the rows that came with a dump the aggregate had counted, as long
 * as nobody has said what is to become of them; NULL: as committed now.
 */
extern WeirCounted weir_counted_read(int32 aggregate_id, Snapshot snapshot);

/* There are none such, or it has been said. */
extern void weir_counted_settle(int32 aggregate_id);

#endif							/* WEIR_COUNTED_H */
