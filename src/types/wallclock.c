/*-------------------------------------------------------------------------
 *
 * wallclock.c
 *	  Between instants and the local time that the clocks of a zone show.
 *
 * The server's own conversion from local time (AT TIME ZONE) takes a time in
 * the hour that is skipped in spring to be an hour later.  Two neighbouring
 * windows would then overlap; here such a time is the instant of the jump.
 * Only full zone names are accepted, no abbreviations: their meaning depends
 * on a setting, and the windows of a row must not.
 *
 * Timestamps are the server's, microseconds since 2000-01-01, whether they
 * stand for an instant (UTC) or for local time.  Nothing here allocates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/timestamp.h"

#include "types/wallclock.h"

#define UNIX_EPOCH_SECS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/*
 * No offset from Greenwich has ever been as large as this; a local time
 * minus it, read as UTC, comes before every instant that could be meant.
 */
#define MAX_OFFSET_SECS		(26 * SECS_PER_HOUR)

/* Split into whole seconds since the Unix epoch and microseconds >= 0. */
static void
split_timestamp(Timestamp t, pg_time_t *secs, int64 *usecs)
{
	int64		q = t / USECS_PER_SEC;
	int64		r = t % USECS_PER_SEC;

	if (r < 0)
	{
		q--;
		r += USECS_PER_SEC;
	}
	*secs = q + UNIX_EPOCH_SECS;
	*usecs = r;
}

static Timestamp
join_timestamp(pg_time_t secs, int64 usecs)
{
	int64		result;

	if (pg_mul_s64_overflow(secs - UNIX_EPOCH_SECS, USECS_PER_SEC, &result) ||
		pg_add_s64_overflow(result, usecs, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}

/* Make the stretch that begins at t, or around it, the cached one. */
static void
look_up(WeirWallClock *clock, pg_time_t t)
{
	long		before_offset;
	long		after_offset;
	int			before_isdst;
	int			after_isdst;
	pg_time_t	boundary;
	int			res;

	res = pg_next_dst_boundary(&t, &before_offset, &before_isdst,
							   &boundary, &after_offset, &after_isdst,
							   clock->tz);
	if (res < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	clock->from = t;
	clock->until = (res > 0) ? boundary : PG_INT64_MAX;
	clock->offset = before_offset;
	clock->next_offset = (res > 0) ? after_offset : before_offset;
}

static inline void
look_up_unless_cached(WeirWallClock *clock, pg_time_t t)
{
	if (t < clock->from || t >= clock->until)
		look_up(clock, t);
}

void
weir_wallclock_init(WeirWallClock *clock, const char *zone)
{
	clock->tz = pg_tzset(zone);
	if (clock->tz == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", zone),
				 errhint("Full names such as \"Europe/Berlin\" are accepted, abbreviations are not.")));
	clock->from = 0;
	clock->until = 0;			/* nothing cached */
	clock->offset = 0;
	clock->next_offset = 0;
}

Timestamp
weir_wallclock_local(WeirWallClock *clock, Timestamp instant)
{
	pg_time_t	secs;
	int64		usecs;

	split_timestamp(instant, &secs, &usecs);
	look_up_unless_cached(clock, secs);
	return join_timestamp(secs + clock->offset, usecs);
}

Timestamp
weir_wallclock_instant(WeirWallClock *clock, Timestamp local)
{
	pg_time_t	secs;
	int64		usecs;

	split_timestamp(local, &secs, &usecs);

	/* Unless the cached stretch holds it, go through them one by one. */
	if (secs - clock->offset < clock->from ||
		secs - clock->offset >= clock->until)
		look_up(clock, secs - MAX_OFFSET_SECS);

	/* While it is shown after the next transition too, that one is meant. */
	while (clock->until != PG_INT64_MAX &&
		   secs - clock->next_offset >= clock->until)
		look_up(clock, clock->until);

	if (clock->until == PG_INT64_MAX || secs - clock->offset < clock->until)
		return join_timestamp(secs - clock->offset, usecs);

	return join_timestamp(clock->until, 0); /* jumped over */
}

bool
weir_wallclock_next_reset(WeirWallClock *clock, Timestamp instant,
						  Timestamp *local)
{
	pg_time_t	secs;
	int64		usecs;

	split_timestamp(instant, &secs, &usecs);
	look_up_unless_cached(clock, secs);
	if (clock->until == PG_INT64_MAX)
		return false;
	*local = join_timestamp(clock->until + clock->next_offset, 0);
	return true;
}
