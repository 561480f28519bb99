/*-------------------------------------------------------------------------
 *
 * window.c
 *	  Windows over event time: which of them a row falls into.
 *
 * Panes lie on a grid of local time: pane n begins at origin + n * step.
 * Without a zone local time is UTC.  With one, a boundary of the grid is
 * turned into an instant by weir_wallclock_instant, which never decreases
 * with its argument, so that panes stay in order and do not overlap; where
 * the clocks jump forward some are empty, where they are set back one is
 * longer.  A row belongs to the pane between whose instants it lies.
 *
 * Lengths in months count months of the calendar from the origin, each
 * boundary on its own: from 31 January the next are 28 or 29 February and
 * 31 March.  A day is 24 hours on the grid, which makes it one calendar day
 * of the zone, of whatever length.
 *
 * The grid is computed in integers, rounding towards minus infinity.  The
 * origin is first reduced to the shortest equivalent one, so that differences
 * do not overflow for event times anywhere in the range of the type; where
 * they still do, or a window's bound is out of range, 22008 is raised.
 *
 * This file does not know which window functions a query calls, nor merges
 * sessions: that is the business of the aggregate layer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "types/window.h"

#define UNIX_EPOCH_TIMESTAMP \
	((Timestamp) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

/* A year beyond the range of the type, whatever the day. */
#define MAX_YEAR	300000

typedef struct WindowFunction
{
	const char *name;
	WeirWindowKind kind;
	const char *step_name;		/* NULL: the size is the step */
	const char *size_name;		/* NULL: there is only the step */
} WindowFunction;

/* in order of WeirWindowKind */
static const WindowFunction window_functions[] = {
	{"tumble", WEIR_WINDOW_TUMBLE, "size", NULL},
	{"hop", WEIR_WINDOW_HOP, "slide", "size"},
	{"cumulate", WEIR_WINDOW_CUMULATE, "step", "size"},
	{"session", WEIR_WINDOW_SESSION, "gap", NULL},
};

/* What a call's FmgrInfo remembers: the spec and the arguments it is for. */
typedef struct SpecCache
{
	bool		is_valid;
	bool		has_origin;
	Interval	lengths[2];		/* step, size; zero if not an argument */
	Timestamp	origin;
	int			zone_len;		/* -1 for NULL */
	char	   *zone;			/* in fn_mcxt */
	WeirWindowSpec spec;
} SpecCache;

PG_FUNCTION_INFO_V1(weir__tumble_start);
PG_FUNCTION_INFO_V1(weir__tumble_end);
PG_FUNCTION_INFO_V1(weir__hop_starts);
PG_FUNCTION_INFO_V1(weir__hop_ends);
PG_FUNCTION_INFO_V1(weir__cumulate_start);
PG_FUNCTION_INFO_V1(weir__cumulate_ends);
PG_FUNCTION_INFO_V1(weir_session);

static inline int64
floor_div(int64 a, int64 b)
{
	int64		q = a / b;

	return (a % b < 0) ? q - 1 : q;
}

static inline int64
floor_mod(int64 a, int64 b)
{
	int64		r = a % b;

	return (r < 0) ? r + b : r;
}

static void
out_of_range(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("timestamp out of range")));
}

static char *
interval_text(const Interval *length)
{
	return DatumGetCString(DirectFunctionCall1(interval_out,
											   IntervalPGetDatum(length)));
}

/*
 * Parameters
 */

/*
 * Check one length and split it into months or, else, microseconds.
 */
static void
check_length(const WindowFunction *func, const char *what,
			 const Interval *length, int32 *months, int64 *usec)
{
	int64		day_usec;

	if (!WeirIntervalIsFinite(length))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of %s window must be finite",
						what, func->name)));

	if (length->month != 0 && (length->day != 0 || length->time != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of %s window mixes calendar and clock units: \"%s\"",
						what, func->name, interval_text(length)),
				 errdetail("Months and years cannot be combined with days, hours, minutes or seconds.")));

	if (length->month != 0 && func->kind == WEIR_WINDOW_SESSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of %s window cannot be given in months or years: \"%s\"",
						what, func->name, interval_text(length))));

	*months = length->month;
	if (pg_mul_s64_overflow(length->day, USECS_PER_DAY, &day_usec) ||
		pg_add_s64_overflow(day_usec, length->time, usec))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of %s window is too long: \"%s\"",
						what, func->name, interval_text(length))));

	if (*months < 0 || *usec < 0 || (*months == 0 && *usec == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of %s window must be greater than zero, not \"%s\"",
						what, func->name, interval_text(length))));
}

/*
 * Set the number of panes in a window, or in a period of cumulate.
 */
static void
set_npanes(WeirWindowSpec *spec, const WindowFunction *func,
		   const Interval *step, const Interval *size)
{
	int32		months;
	int64		usec;

	check_length(func, func->size_name, size, &months, &usec);

	/* at most one of each pair is not zero */
	if ((months > 0) != (spec->step_months > 0) ||
		(months > 0 && months % spec->step_months != 0) ||
		(usec > 0 && usec % spec->step_usec != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of %s window must be a multiple of its %s",
						func->size_name, func->name, func->step_name),
				 errdetail("The %s is \"%s\", the %s \"%s\".",
						   func->size_name, interval_text(size),
						   func->step_name, interval_text(step))));

	spec->npanes = (months > 0) ? months / spec->step_months :
		usec / spec->step_usec;

	if (spec->npanes > WEIR_MAX_WINDOWS_PER_ROW)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a row would fall into too many %s windows",
						func->name),
				 errdetail("A %s of \"%s\" and a %s of \"%s\" make %lld windows; at most %d are allowed.",
						   func->size_name, interval_text(size),
						   func->step_name, interval_text(step),
						   (long long) spec->npanes,
						   WEIR_MAX_WINDOWS_PER_ROW)));
}

/*
 * Anchor the grid.  A NULL origin means midnight of 1970-01-01: of the zone,
 * or UTC without one.
 */
static void
set_origin(WeirWindowSpec *spec, const Timestamp *origin)
{
	Timestamp	local = UNIX_EPOCH_TIMESTAMP;

	if (origin != NULL)
	{
		if (TIMESTAMP_NOT_FINITE(*origin))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("window origin must be finite")));
		local = *origin;
		if (spec->has_zone)
			local = weir_wallclock_local(&spec->clock, local);
	}

	if (spec->step_months > 0)
	{
		int			year;
		int			month;
		int			day;

		j2date(floor_div(local, USECS_PER_DAY) + POSTGRES_EPOCH_JDATE,
			   &year, &month, &day);
		spec->origin_month = (int64) year * MONTHS_PER_YEAR + month - 1;
		spec->origin_day = day;
		spec->origin_usec = floor_mod(local, USECS_PER_DAY);
	}
	else
	{
		/* only a period of cumulate is longer than what repeats */
		int64		period = (spec->kind == WEIR_WINDOW_CUMULATE) ?
		spec->step_usec * spec->npanes : spec->step_usec;

		spec->origin_usec = floor_mod(local, period);
	}
}

static void
refuse_null_length(const WindowFunction *func, int lengthno)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s of %s window must not be null",
					lengthno == 0 ? func->step_name : func->size_name,
					func->name)));
}

static void
spec_init(WeirWindowSpec *spec, WeirWindowKind kind,
		  const Interval *step, const Interval *size,
		  const Timestamp *origin, const char *zone)
{
	const WindowFunction *func = &window_functions[kind];

	memset(spec, 0, sizeof(WeirWindowSpec));
	spec->kind = kind;
	spec->npanes = 1;

	if (step == NULL)
		refuse_null_length(func, 0);
	if (func->size_name != NULL && size == NULL)
		refuse_null_length(func, 1);

	check_length(func, func->step_name, step,
				 &spec->step_months, &spec->step_usec);
	if (kind == WEIR_WINDOW_SESSION)
		return;
	if (func->size_name != NULL)
		set_npanes(spec, func, step, size);
	if (zone != NULL)
	{
		weir_wallclock_init(&spec->clock, zone);
		spec->has_zone = true;
	}
	set_origin(spec, origin);
}

bool
weir_window_spec_from_call(WeirWindowSpec *spec, const char *funcname,
						   const NullableDatum *args, int nargs)
{
	for (int i = 0; i < lengthof(window_functions); i++)
	{
		const WindowFunction *func = &window_functions[i];
		const Interval *step = NULL;
		const Interval *size = NULL;
		Timestamp	origin;
		bool		has_origin = false;
		char	   *zone = NULL;
		int			argno = 1;

		if (strcmp(func->name, funcname) != 0)
			continue;

		if (argno < nargs && !args[argno].isnull)
			step = DatumGetIntervalP(args[argno].value);
		argno++;
		if (func->size_name != NULL)
		{
			if (argno < nargs && !args[argno].isnull)
				size = DatumGetIntervalP(args[argno].value);
			argno++;
		}
		if (argno < nargs && !args[argno].isnull)
		{
			origin = DatumGetTimestamp(args[argno].value);
			has_origin = true;
		}
		argno++;
		if (argno < nargs && !args[argno].isnull)
			zone = TextDatumGetCString(args[argno].value);

		spec_init(spec, func->kind, step, size,
				  has_origin ? &origin : NULL, zone);
		return true;
	}
	return false;
}

/*
 * The grid: pane numbers and local time
 */

/* where pane begins on a grid of months */
static Timestamp
calendar_start(const WeirWindowSpec *spec, int64 pane)
{
	int64		months;
	int64		year;
	int			month;
	int			day;
	int64		result;

	if (pg_mul_s64_overflow(pane, spec->step_months, &months) ||
		pg_add_s64_overflow(months, spec->origin_month, &months))
		out_of_range();
	year = floor_div(months, MONTHS_PER_YEAR);
	month = (int) floor_mod(months, MONTHS_PER_YEAR) + 1;
	if (year < JULIAN_MINYEAR || year > MAX_YEAR)
		out_of_range();

	day = Min(spec->origin_day,
			  day_tab[isleap(year) ? 1 : 0][month - 1]);
	if (pg_mul_s64_overflow(date2j((int) year, month, day) - POSTGRES_EPOCH_JDATE,
							USECS_PER_DAY, &result) ||
		pg_add_s64_overflow(result, spec->origin_usec, &result))
		out_of_range();
	return result;
}

static Timestamp
grid_start(const WeirWindowSpec *spec, int64 pane)
{
	int64		result;

	if (spec->step_months > 0)
		return calendar_start(spec, pane);
	if (pg_mul_s64_overflow(pane, spec->step_usec, &result) ||
		pg_add_s64_overflow(result, spec->origin_usec, &result))
		out_of_range();
	return result;
}

/* the pane of the grid that holds a local time */
static int64
grid_pane(const WeirWindowSpec *spec, Timestamp local)
{
	int64		diff;

	if (spec->step_months > 0)
	{
		int			year;
		int			month;
		int			day;
		int64		pane;

		j2date(floor_div(local, USECS_PER_DAY) + POSTGRES_EPOCH_JDATE,
			   &year, &month, &day);
		pane = floor_div((int64) year * MONTHS_PER_YEAR + month - 1 -
						 spec->origin_month, spec->step_months);
		/* right but for the day within the month */
		return (calendar_start(spec, pane) > local) ? pane - 1 : pane;
	}

	if (pg_sub_s64_overflow(local, spec->origin_usec, &diff))
		out_of_range();
	return floor_div(diff, spec->step_usec);
}

/*
 * Panes and windows
 */

Timestamp
weir_window_pane_start(WeirWindowSpec *spec, int64 pane)
{
	Timestamp	result = grid_start(spec, pane);

	if (spec->has_zone)
		result = weir_wallclock_instant(&spec->clock, result);
	if (!IS_VALID_TIMESTAMP(result))
		out_of_range();
	return result;
}

int64
weir_window_pane(WeirWindowSpec *spec, Timestamp t)
{
	int64		pane;

	Assert(spec->kind != WEIR_WINDOW_SESSION);

	if (TIMESTAMP_NOT_FINITE(t))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an infinite event time falls into no window")));

	if (!spec->has_zone)
		return grid_pane(spec, t);

	pane = grid_pane(spec, weir_wallclock_local(&spec->clock, t));

	/*
	 * The clock will be set back and show this time again, and boundaries in
	 * the repeated hour mean its second run, which is still to come.  The
	 * pane then is the last to begin before that hour.
	 */
	while (weir_window_pane_start(spec, pane) > t)
	{
		Timestamp	reset;

		pane--;
		if (weir_wallclock_next_reset(&spec->clock, t, &reset))
			pane = Min(pane, grid_pane(spec, reset - 1));
	}
	return pane;
}

/* the first pane of the period of cumulate that holds a pane */
static inline int64
period_start(const WeirWindowSpec *spec, int64 pane)
{
	return floor_div(pane, spec->npanes) * spec->npanes;
}

Timestamp
weir_window_last_end(WeirWindowSpec *spec, int64 pane)
{
	if (spec->kind == WEIR_WINDOW_CUMULATE)
		pane = period_start(spec, pane);
	return weir_window_pane_start(spec, pane + spec->npanes);
}

/*
 * Windows are counted by the pane with which they begin, those of cumulate,
 * which begin together, by the pane with which they end.
 */
void
weir_window_iter_init(WeirWindowIter *iter, WeirWindowSpec *spec, int64 pane)
{
	Assert(spec->kind != WEIR_WINDOW_SESSION);

	iter->spec = spec;
	if (spec->kind == WEIR_WINDOW_CUMULATE)
	{
		iter->next = pane;
		iter->last = period_start(spec, pane) + spec->npanes - 1;
	}
	else
	{
		iter->next = pane - spec->npanes + 1;
		iter->last = pane;
	}
	iter->previous.start = DT_NOEND;	/* no window's */
	iter->previous.end = DT_NOEND;
}

bool
weir_window_iter_next(WeirWindowIter *iter, WeirWindow *window)
{
	WeirWindowSpec *spec = iter->spec;

	while (iter->next <= iter->last)
	{
		int64		first = iter->next;
		int64		end = iter->next + spec->npanes;

		if (spec->kind == WEIR_WINDOW_CUMULATE)
		{
			first = period_start(spec, iter->next);
			end = iter->next + 1;
		}
		iter->next++;

		window->start = weir_window_pane_start(spec, first);
		window->end = weir_window_pane_start(spec, end);

		/* where the clocks jump, windows that differ in local time coincide */
		if (window->start != iter->previous.start ||
			window->end != iter->previous.end)
		{
			iter->previous = *window;
			return true;
		}
	}
	return false;
}

Timestamp
weir_window_start_after(WeirWindowSpec *spec, Timestamp t)
{
	int64		pane = weir_window_pane(spec, t);

	/* its end may be out of range */
	return weir_window_pane_start(spec, spec->kind == WEIR_WINDOW_CUMULATE ?
								  period_start(spec, pane) :
								  pane - spec->npanes + 1);
}

WeirWindow
weir_window_session(const WeirWindowSpec *spec, Timestamp t)
{
	WeirWindow	window;

	Assert(spec->kind == WEIR_WINDOW_SESSION);

	if (TIMESTAMP_NOT_FINITE(t))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an infinite event time falls into no window")));
	window.start = t;
	if (pg_add_s64_overflow(t, spec->step_usec, &window.end) ||
		!IS_VALID_TIMESTAMP(window.end))
		out_of_range();
	return window;
}

/*
 * SQL functions
 */

/* Is the cached spec the one for these arguments? */
static bool
cache_matches(const SpecCache *cache, const Interval *const *lengths,
			  int nlengths, bool has_origin, Timestamp origin,
			  const char *zone, int zone_len)
{
	if (!cache->is_valid)
		return false;
	for (int i = 0; i < nlengths; i++)
	{
		if (lengths[i]->time != cache->lengths[i].time ||
			lengths[i]->day != cache->lengths[i].day ||
			lengths[i]->month != cache->lengths[i].month)
			return false;
	}
	return has_origin == cache->has_origin &&
		(!has_origin || origin == cache->origin) &&
		zone_len == cache->zone_len &&
		(zone_len <= 0 || memcmp(zone, cache->zone, zone_len) == 0);
}

static void
fill_cache(SpecCache *cache, WeirWindowKind kind, MemoryContext mcxt,
		   const Interval *const *lengths, int nlengths,
		   bool has_origin, Timestamp origin,
		   const char *zone, int zone_len)
{
	cache->is_valid = false;
	if (cache->zone != NULL)
		pfree(cache->zone);
	cache->zone = NULL;
	if (zone_len >= 0)
	{
		cache->zone = MemoryContextAlloc(mcxt, zone_len + 1);
		memcpy(cache->zone, zone, zone_len);
		cache->zone[zone_len] = '\0';
	}
	cache->zone_len = zone_len;
	cache->has_origin = has_origin;
	cache->origin = origin;
	for (int i = 0; i < nlengths; i++)
		cache->lengths[i] = *lengths[i];

	spec_init(&cache->spec, kind, lengths[0],
			  (nlengths > 1) ? lengths[1] : NULL,
			  has_origin ? &origin : NULL, cache->zone);
	cache->is_valid = true;
}

/*
 * The spec for a call whose arguments are event_time, then the lengths that
 * the kind of window has, then origin and timezone.
 */
static WeirWindowSpec *
spec_for_call(FunctionCallInfo fcinfo, WeirWindowKind kind)
{
	const WindowFunction *func = &window_functions[kind];
	SpecCache  *cache = (SpecCache *) fcinfo->flinfo->fn_extra;
	const Interval *lengths[2];
	int			nlengths = (func->size_name != NULL) ? 2 : 1;
	bool		has_origin = !PG_ARGISNULL(nlengths + 1);
	Timestamp	origin = has_origin ? PG_GETARG_TIMESTAMP(nlengths + 1) : 0;
	char	   *zone = NULL;
	int			zone_len = -1;

	for (int i = 0; i < nlengths; i++)
	{
		if (PG_ARGISNULL(i + 1))
			refuse_null_length(func, i);
		lengths[i] = PG_GETARG_INTERVAL_P(i + 1);
	}
	if (!PG_ARGISNULL(nlengths + 2))
	{
		text	   *t = PG_GETARG_TEXT_PP(nlengths + 2);

		zone = VARDATA_ANY(t);
		zone_len = VARSIZE_ANY_EXHDR(t);
	}

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
									   sizeof(SpecCache));
		fcinfo->flinfo->fn_extra = cache;
	}
	if (!cache_matches(cache, lengths, nlengths, has_origin, origin,
					   zone, zone_len))
		fill_cache(cache, kind, fcinfo->flinfo->fn_mcxt, lengths, nlengths,
				   has_origin, origin, zone, zone_len);
	return &cache->spec;
}

Datum
weir__tumble_start(PG_FUNCTION_ARGS)
{
	WeirWindowSpec *spec;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	spec = spec_for_call(fcinfo, WEIR_WINDOW_TUMBLE);
	PG_RETURN_TIMESTAMP(weir_window_pane_start(spec,
											   weir_window_pane(spec, PG_GETARG_TIMESTAMP(0))));
}

Datum
weir__tumble_end(PG_FUNCTION_ARGS)
{
	WeirWindowSpec *spec;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	spec = spec_for_call(fcinfo, WEIR_WINDOW_TUMBLE);
	PG_RETURN_TIMESTAMP(weir_window_pane_start(spec,
											   weir_window_pane(spec, PG_GETARG_TIMESTAMP(0)) + 1));
}

/*
 * The starts, or the ends, of all windows that hold the event time, as an
 * array of its type.  A NULL makes one window with NULL bounds, as it does
 * for tumble.
 */
static Datum
window_bounds(FunctionCallInfo fcinfo, WeirWindowKind kind, bool want_ends)
{
	WeirWindowSpec *spec;
	Oid			elemtype;
	Datum	   *bounds;
	int			nbounds = 0;
	WeirWindowIter iter;
	WeirWindow	window;

	elemtype = get_fn_expr_argtype(fcinfo->flinfo, 0);
	if (!OidIsValid(elemtype))
		elemtype = TIMESTAMPTZOID;

	if (PG_ARGISNULL(0))
	{
		Datum		value = (Datum) 0;
		bool		isnull = true;
		int			dim = 1;
		int			lower = 1;

		return PointerGetDatum(construct_md_array(&value, &isnull,
												  1, &dim, &lower, elemtype,
												  sizeof(int64),
												  FLOAT8PASSBYVAL,
												  TYPALIGN_DOUBLE));
	}

	spec = spec_for_call(fcinfo, kind);

	/* npanes is limited when the spec is made */
	bounds = palloc(sizeof(Datum) * spec->npanes);
	weir_window_iter_init(&iter, spec,
						  weir_window_pane(spec, PG_GETARG_TIMESTAMP(0)));
	while (weir_window_iter_next(&iter, &window))
		bounds[nbounds++] = TimestampGetDatum(want_ends ? window.end :
											  window.start);

	return PointerGetDatum(construct_array(bounds, nbounds, elemtype,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

Datum
weir__hop_starts(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(window_bounds(fcinfo, WEIR_WINDOW_HOP, false));
}

Datum
weir__hop_ends(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(window_bounds(fcinfo, WEIR_WINDOW_HOP, true));
}

Datum
weir__cumulate_start(PG_FUNCTION_ARGS)
{
	WeirWindowSpec *spec;
	int64		pane;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	spec = spec_for_call(fcinfo, WEIR_WINDOW_CUMULATE);
	pane = weir_window_pane(spec, PG_GETARG_TIMESTAMP(0));
	PG_RETURN_TIMESTAMP(weir_window_pane_start(spec,
											   period_start(spec, pane)));
}

Datum
weir__cumulate_ends(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(window_bounds(fcinfo, WEIR_WINDOW_CUMULATE, true));
}

/*
 * Where a session ends depends on the rows that come after, so it cannot be
 * computed a row at a time; the aggregate layer recognises the call and does
 * not execute it.
 */
Datum
weir_session(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("session windows are only available in continuous aggregates"),
			 errhint("Create one with weir.create_continuous_aggregate().")));
	PG_RETURN_NULL();
}
