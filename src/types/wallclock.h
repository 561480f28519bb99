/*-------------------------------------------------------------------------
 *
 * wallclock.h
 *	  Between instants and the local time that the clocks of a zone show.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WALLCLOCK_H
#define WEIR_WALLCLOCK_H

#include "datatype/timestamp.h"
#include "pgtime.h"

/*
 * A zone and the stretch of constant offset that was looked at last.  The
 * fields after "tz" are a cache; times are seconds since the Unix epoch.
 */
typedef struct WeirWallClock
{
	pg_tz	   *tz;				/* lives as long as the process */
	pg_time_t	from;			/* offset is valid for from <= t < until */
	pg_time_t	until;			/* the next transition, or PG_INT64_MAX */
	int64		offset;			/* seconds east of Greenwich */
	int64		next_offset;	/* the same, from "until" on */
} WeirWallClock;

/* raises 22023 when there is no such zone */
extern void weir_wallclock_init(WeirWallClock *clock, const char *zone);

/* what the clock shows at an instant */
extern Timestamp weir_wallclock_local(WeirWallClock *clock, Timestamp instant);

/*
 * When the clock shows a local time: the second time if it does so twice,
 * and the first instant after the jump if it never does.  So the result
 * never decreases as the argument grows.
 */
extern Timestamp weir_wallclock_instant(WeirWallClock *clock, Timestamp local);

/*
 * The local time to which the first transition after an instant sets the
 * clock; false if there is none.
 */
extern bool weir_wallclock_next_reset(WeirWallClock *clock, Timestamp instant,
									  Timestamp *local);

#endif							/* WEIR_WALLCLOCK_H */
