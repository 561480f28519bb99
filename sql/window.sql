SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

--
-- Shapes
--
SELECT * FROM weir.tumble('2024-03-01 12:34:56+00'::timestamptz, '5 minutes');
SELECT * FROM weir.tumble('2024-03-01 12:34:56'::timestamp, '5 minutes');
SELECT * FROM weir.tumble('2024-03-01 12:34:56', '5 minutes');
SELECT * FROM weir.tumble(event_time => '2024-03-01 12:34:56'::timestamp, size => '1 day', origin => '2024-01-01 06:00');
SELECT * FROM weir.hop('2024-03-01 12:34:56'::timestamp, '5 minutes', '15 minutes');
SELECT * FROM weir.cumulate('2024-03-01 12:34:56'::timestamp, '15 minutes', '1 hour');
SELECT w.* FROM weir.hop(event_time => '2024-03-01 12:34:56+00'::timestamptz, slide => '12 hours', size => '1 day', timezone => 'Asia/Kolkata') w;
SELECT w.* FROM weir.cumulate(event_time => '2024-03-01 12:34:56+00'::timestamptz, step => '6 hours', size => '1 day', timezone => 'Asia/Kolkata') w;

-- rule 1: a row on a boundary belongs to the later window
SELECT * FROM weir.tumble('2024-03-01 12:35'::timestamp, '5 minutes');
SELECT * FROM weir.tumble('2024-03-01 12:34:59.999999'::timestamp, '5 minutes');
SELECT * FROM weir.hop('2024-03-01 12:35'::timestamp, '5 minutes', '10 minutes');
SELECT * FROM weir.cumulate('2024-03-01 12:45'::timestamp, '15 minutes', '1 hour');

-- rule 2: rounding towards minus infinity, also before the origin
CREATE FUNCTION pg_temp.at_usec(bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE
	AS $$ SELECT timestamp 'epoch' + $1 * interval '1 microsecond' $$;
CREATE FUNCTION pg_temp.usec(timestamp) RETURNS bigint LANGUAGE sql IMMUTABLE
	AS $$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;
SELECT t AS ts, o AS origin, pg_temp.usec(window_start) AS window_start
FROM (VALUES (-8, 0), (-7, 0), (-1, 0), (0, 0), (6, 0), (7, 0), (2, 3), (3, 3),
			 (12, -2), (11, -2), (-3, -2)) v(t, o),
	weir.tumble(pg_temp.at_usec(t), '7 microseconds', pg_temp.at_usec(o)) w
ORDER BY o, t;
SELECT * FROM weir.tumble('1969-12-31 23:59:59.999999'::timestamp, '1 hour');
SELECT * FROM weir.tumble('0044-03-15 12:00 BC'::timestamp, '1 day');

-- event times from 1600 to 2300, and around the epoch
CREATE TEMP TABLE instants AS
	SELECT timestamp '1600-01-01' + i * interval '1234567.891011 seconds' AS t
	FROM generate_series(0, 17000) i
	UNION ALL
	SELECT timestamp '1969-12-31' + i * interval '7 minutes 1.000001 seconds'
	FROM generate_series(0, 1000) i
	UNION ALL
	SELECT timestamp '2000-01-01' + i * interval '1 microsecond'
	FROM generate_series(-3, 3) i;
CREATE TEMP TABLE instants_tz AS SELECT t AT TIME ZONE 'UTC' AS t FROM instants;
CREATE TEMP TABLE lengths (size interval);
INSERT INTO lengths VALUES ('1 second'), ('1 minute'), ('7 minutes'), ('1 hour'), ('1 day'), ('1 week'),
	('1 day 12 hours'), ('0.333333 seconds'), ('1 microsecond'), ('10000 days');

-- against date_bin
SELECT count(*) AS n, count(*) FILTER (WHERE window_start <> date_bin(size, t, o)) AS wrong_start,
	count(*) FILTER (WHERE window_end <> date_bin(size, t, o) + size) AS wrong_end
FROM instants, lengths,
	(VALUES (timestamp 'epoch'), ('1583-02-03 04:05:06.789'), ('2024-01-01'), ('1969-12-31 23:59:59.999999')) v(o),
	weir.tumble(t, size, o) w
WHERE t >= o;		-- below it, date_bin of some versions misplaces times on a boundary
SELECT count(*) AS n, count(*) FILTER (WHERE window_start <> date_bin(size, t, 'epoch'::timestamptz - 1000000 * size)) AS wrong_start,
	count(*) FILTER (WHERE window_end <> window_start + size) AS wrong_end
FROM instants_tz, lengths, weir.tumble(t, size) w
WHERE size < '1 day' AND t >= 'epoch'::timestamptz - 1000000 * size;
-- below it: the definition
SELECT count(*) FILTER (WHERE NOT (window_start <= t AND t < window_end)) AS outside,
	count(*) FILTER (WHERE mod(extract(epoch FROM window_start - o), extract(epoch FROM size)) <> 0) AS off_grid,
	count(*) FILTER (WHERE window_end - window_start <> size) AS wrong_size
FROM instants, lengths, (VALUES (timestamp '2024-01-01'), ('2024-01-01 00:00:00.1')) v(o),
	weir.tumble(t, size, o) w;
-- the default origin is the epoch
SELECT count(*) FROM instants_tz, lengths, weir.tumble(t, size) a, weir.tumble(t, size, 'epoch') b WHERE a <> b;

-- calendar sizes, against date_trunc
SELECT unit, count(*) AS n, count(*) FILTER (WHERE window_start <> date_trunc(unit, t)) AS wrong_start,
	count(*) FILTER (WHERE window_end <> date_trunc(unit, t) + size) AS wrong_end
FROM instants, (VALUES ('month', interval '1 month', NULL::timestamp), ('quarter', '3 months', NULL), ('year', '1 year', NULL),
					   ('decade', '10 years', NULL), ('century', '100 years', '2001-01-01'), ('week', '7 days', '2024-01-01'))
	u(unit, size, o), weir.tumble(t, size, o) w
GROUP BY unit ORDER BY unit;
SELECT unit, count(*) FILTER (WHERE window_start <> date_trunc(unit, t, zone)) AS wrong_start,
	count(*) FILTER (WHERE window_start <> date_trunc(unit, window_end - interval '2 hours', zone)
		OR window_end <> date_trunc(unit, window_end, zone)) AS wrong_end
FROM instants_tz, (VALUES ('month', interval '1 month'), ('year', '1 year'), ('day', '1 day')) u(unit, size),
	(VALUES ('Europe/Berlin'), ('America/New_York'), ('Asia/Kolkata'), ('UTC')) z(zone),
	weir.tumble(t, size, timezone => zone) w
WHERE t >= '1900-01-01'
GROUP BY unit ORDER BY unit;

-- any origin: the 31st is cut to the length of the month, each month on its own
SELECT m, w.* FROM (VALUES (timestamp '2023-02-27'), ('2023-02-28'), ('2023-03-30 23:00'), ('2023-03-31'), ('2024-02-29'),
						   ('2024-02-28'), ('2022-12-31'), ('1904-02-29 08:00')) v(m),
	weir.tumble(m, '1 month', '2023-01-31') w ORDER BY m;
SELECT w.* FROM weir.tumble('2024-05-05 05:05'::timestamp, '1 month', '2020-01-05 06:00') w;

-- rule 3: hopping windows
SELECT count(*) AS n,
	count(*) FILTER (WHERE windows IS DISTINCT FROM expected) AS wrong
FROM (
	SELECT t, slide, n, (SELECT array_agg((window_start, window_end) ORDER BY window_start) FROM weir.hop(t, slide, n * slide)) AS windows,
		(SELECT array_agg((s, s + n * slide) ORDER BY s) FROM (
			SELECT (SELECT window_start FROM weir.tumble(t, slide)) - k * slide AS s FROM generate_series(0, n - 1) k) x) AS expected
	FROM (SELECT t FROM instants ORDER BY t LIMIT 1000 OFFSET 8000) i,
		(VALUES (interval '1 minute', 5), ('7 seconds', 3), ('1 day', 7), ('1 hour', 1), ('1 month', 3)) v(slide, n)
	) y;

-- rule 4: cumulating windows; a row in the last step is only in the full window
SELECT count(*) AS n,
	count(*) FILTER (WHERE windows IS DISTINCT FROM expected) AS wrong,
	min(cardinality(windows)) AS fewest, max(cardinality(windows)) AS most
FROM (
	SELECT (SELECT array_agg((window_start, window_end) ORDER BY window_end) FROM weir.cumulate(t, step, n * step)) AS windows,
		(SELECT array_agg((w.window_start, w.window_start + k * step) ORDER BY k)
		 FROM weir.tumble(t, n * step) w, generate_series(1, n) k WHERE w.window_start + k * step > t) AS expected
	FROM (SELECT t FROM instants ORDER BY t LIMIT 1000 OFFSET 8000) i,
		(VALUES (interval '1 minute', 5), ('7 seconds', 3), ('6 hours', 4), ('1 month', 12)) v(step, n)
	) y;
SELECT * FROM weir.cumulate('2024-03-01 12:59:59'::timestamp, '15 minutes', '1 hour');
-- the origin moves the period, not only the steps
SELECT * FROM weir.cumulate('2024-03-01 12:34:56'::timestamp, '15 minutes', '1 hour', '2024-01-01 00:30');
SELECT * FROM weir.cumulate('2024-03-01 12:34:56'::timestamp, '15 minutes', '1 hour', '2030-01-01 00:30');

-- rule 10: no event time, a window without bounds (streams refuse such rows)
SELECT v.t, w.* FROM (VALUES (NULL::timestamptz), ('2024-01-01')) v(t), weir.tumble(t, '1 hour') w ORDER BY 1;
SELECT v.t, w.* FROM (VALUES (NULL::timestamp), ('2024-01-01')) v(t), weir.hop(t, '1 hour', '1 hour') w ORDER BY 1;
SELECT v.t, w.* FROM (VALUES (NULL::timestamptz), ('2024-01-01 23:00')) v(t), weir.cumulate(t, '1 hour', '1 day') w ORDER BY 1;
SELECT w.* FROM weir.tumble(NULL::timestamptz, '1 hour') w;

--
-- rule 12: with a zone, windows follow its clocks
--
SET timezone = 'Europe/Berlin';
-- spring forward, 2024-03-31 02:00 -> 03:00; back, 2024-10-27 03:00 -> 02:00
SELECT window_start, window_end, count(*) AS hours
FROM generate_series(timestamptz '2024-03-30 00:00', '2024-04-01 23:00', '1 hour') t, weir.tumble(t, '1 day', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
SELECT window_start, window_end, count(*) AS hours
FROM generate_series(timestamptz '2024-10-26 00:00', '2024-10-28 23:00', '1 hour') t, weir.tumble(t, '1 day', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
-- 4 hours hold 3 hours and 5 hours
SELECT window_start, window_end, count(*) AS hours
FROM generate_series(timestamptz '2024-03-31 00:00', '2024-03-31 11:00', '1 hour') t, weir.tumble(t, '4 hours', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
SELECT window_start, window_end, count(*) AS hours
FROM generate_series(timestamptz '2024-10-27 00:00', '2024-10-27 11:00', '1 hour') t, weir.tumble(t, '4 hours', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
-- a boundary in the missing hour is the first instant after it: no window of that hour
SELECT window_start, window_end, count(*) AS quarters
FROM generate_series(timestamptz '2024-03-31 01:00', '2024-03-31 04:45', '15 minutes') t, weir.tumble(t, '1 hour', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
SELECT window_start, window_end, count(*) AS quarters
FROM generate_series(timestamptz '2024-03-31 00:00', '2024-03-31 05:45', '15 minutes') t,
	weir.tumble(t, '1 hour', '2024-01-01 00:30', 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
-- a boundary in the repeated hour is its second occurrence: the window before is two hours long
SELECT window_start, window_end, count(*) AS quarters
FROM generate_series(timestamptz '2024-10-27 01:00', '2024-10-27 03:45', '15 minutes') t, weir.tumble(t, '1 hour', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
SELECT window_start, window_end, count(*) AS quarters
FROM generate_series(timestamptz '2024-10-27 01:00', '2024-10-27 03:45', '15 minutes') t,
	weir.tumble(t, '1 hour', '2024-01-01 00:30', 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1;
-- hopping over the missing hour: shrunk windows are left out, equal ones merged
SELECT window_start, window_end, count(*) AS quarters
FROM generate_series(timestamptz '2024-03-31 00:30', '2024-03-31 04:15', '15 minutes') t,
	weir.hop(t, '30 minutes', '1 hour', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT window_start, window_end, count(*) AS quarters
FROM generate_series(timestamptz '2024-03-31 00:00', '2024-03-31 04:45', '15 minutes') t,
	weir.cumulate(t, '30 minutes', '4 hours', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT window_start, window_end, count(*) AS quarters
FROM generate_series(timestamptz '2024-10-27 01:00', '2024-10-27 04:00', '15 minutes') t,
	weir.cumulate(t, '1 hour', '4 hours', timezone => 'Europe/Berlin')
GROUP BY 1, 2 ORDER BY 1, 2;
SET timezone = 'America/New_York';
-- 2024-03-10 02:00 -> 03:00, 2024-11-03 02:00 -> 01:00
SELECT window_start, window_end, count(*) AS hours
FROM generate_series(timestamptz '2024-03-09 00:00', '2024-03-11 23:00', '1 hour') t, weir.tumble(t, '1 day', timezone => 'America/New_York')
GROUP BY 1, 2 ORDER BY 1;
SELECT window_start, window_end, count(*) AS hours
FROM generate_series(timestamptz '2024-11-02 00:00', '2024-11-04 23:00', '1 hour') t, weir.tumble(t, '1 day', timezone => 'America/New_York')
GROUP BY 1, 2 ORDER BY 1;
SELECT window_start, window_end, count(*) AS hours
FROM generate_series(timestamptz '2024-11-03 00:00', '2024-11-03 07:00', '1 hour') t, weir.tumble(t, '2 hours', timezone => 'America/New_York')
GROUP BY 1, 2 ORDER BY 1;
SELECT w.* FROM weir.tumble('2024-03-20 12:00', '1 month', timezone => 'America/New_York') w;
SELECT w.* FROM weir.hop('2024-03-11 12:00', '1 day', '2 days', timezone => 'America/New_York') w;
-- half an hour in Lord Howe, a day that was left out in Apia, and in Manila, and one that came twice in Sitka
SET timezone = 'Australia/Lord_Howe';
SELECT window_start, window_end, window_end - window_start AS length
FROM generate_series(timestamptz '2024-04-06 12:00', '2024-04-07 12:00', '1 day') t, weir.tumble(t, '1 day', timezone => 'Australia/Lord_Howe') ORDER BY 1;
SET timezone = 'Pacific/Apia';
SELECT DISTINCT window_start, window_end, window_end - window_start AS length
FROM generate_series(timestamptz '2011-12-29 00:00', '2012-01-01 00:00', '6 hours') t, weir.tumble(t, '1 day', timezone => 'Pacific/Apia') ORDER BY 1;
SET timezone = 'UTC';
SELECT window_start, window_end, count(*)
FROM generate_series(timestamptz '1844-12-29 00:00', '1845-01-02 00:00', '6 hours') t, weir.tumble(t, '1 day', timezone => 'Asia/Manila')
GROUP BY 1, 2 ORDER BY 1;
SELECT window_start, window_end
FROM weir.tumble(timestamptz '1867-10-18 10:00:00+00', '1 minute', timezone => 'America/Sitka');

-- windows of a zone: contain their row, do not overlap, leave no gap, and start on the grid of local time
CREATE TEMP TABLE around_jumps AS
	SELECT z AS zone, j + i * interval '5 minutes 0.000001 seconds' AS t
	FROM (VALUES ('Europe/Berlin', timestamptz '2024-03-31 01:00+00'), ('Europe/Berlin', '2024-10-27 01:00+00'),
				 ('America/New_York', '2024-03-10 07:00+00'), ('America/New_York', '2024-11-03 06:00+00'),
				 ('Europe/Berlin', '1945-05-24 00:00+00'), ('America/New_York', '1883-11-18 17:00+00'),
				 ('Australia/Lord_Howe', '2024-04-06 15:00+00'), ('Pacific/Apia', '2011-12-30 10:00+00'),
				 ('Asia/Manila', '1844-12-30 16:00+00'), ('America/Sitka', '1867-10-18 15:00+00')) v(z, j),
		generate_series(-400, 400) i;
CREATE TEMP TABLE sizes AS SELECT s::interval AS size FROM unnest('{15 minutes,30 minutes,1 hour,90 minutes,2 hours,4 hours,6 hours,1 day,1 week,1 month}'::text[]) s;
SELECT count(*) AS n,
	count(*) FILTER (WHERE NOT (window_start <= t AND t < window_end)) AS outside,
	count(*) FILTER (WHERE next_start < window_end) AS overlapping,
	count(*) FILTER (WHERE next_t = t + interval '5 minutes 0.000001 seconds' AND next_start > window_end AND size > '5 minutes') AS gaps
FROM (
	SELECT *, lead(window_start) OVER w AS next_start, lead(t) OVER w AS next_t
	FROM (SELECT DISTINCT ON (zone, size, window_start, window_end) * FROM around_jumps, sizes, weir.tumble(t, size, timezone => zone)
		  ORDER BY zone, size, window_start, window_end, t DESC) d
	WINDOW w AS (PARTITION BY zone, size ORDER BY window_start)) x;
-- where the server knows the local start of a window exactly, it is the same instant
SELECT count(*) AS n, count(*) FILTER (WHERE window_start <> date_bin(size, t AT TIME ZONE zone, timestamp '1800-01-01') AT TIME ZONE zone) AS wrong
FROM around_jumps, sizes, weir.tumble(t, size, timezone => zone) w
WHERE zone IN ('Europe/Berlin', 'America/New_York') AND size IN ('6 hours', '1 day') AND t > '1900-01-01';
-- hopping and cumulating windows: no duplicates, each holds its row
SELECT count(*) AS n, count(*) - count(DISTINCT (zone, t, window_start, window_end)) AS twice,
	count(*) FILTER (WHERE NOT (window_start <= t AND t < window_end)) AS outside
FROM around_jumps, weir.hop(t, '15 minutes', '2 hours', timezone => zone);
SELECT count(*) AS n, count(*) - count(DISTINCT (zone, t, window_start, window_end)) AS twice,
	count(*) FILTER (WHERE NOT (window_start <= t AND t < window_end)) AS outside
FROM around_jumps, weir.cumulate(t, '15 minutes', '6 hours', timezone => zone);
-- a "timestamp" is read as UTC
SELECT * FROM weir.tumble(timestamp '2024-07-01 23:30', '1 day', timezone => 'Europe/Berlin');
-- the result does not depend on the session's zone
SET timezone = 'Asia/Tokyo';
SELECT extract(epoch FROM window_start) FROM weir.tumble(timestamptz '2024-07-01 23:30+00', '1 day', timezone => 'Europe/Berlin');
SELECT extract(epoch FROM window_start) FROM weir.tumble(timestamptz '2024-07-01 23:30+00', '1 day');
SET timezone = 'UTC';

--
-- rule 7 and errors
--
SELECT * FROM weir.tumble(now(), '0');
SELECT * FROM weir.tumble(now(), '-1 minute');
SELECT * FROM weir.tumble(now(), '-1 month');
SELECT * FROM weir.tumble(now(), '1 day -25 hours');
SELECT * FROM weir.tumble(now(), '1 month 1 day');
SELECT * FROM weir.tumble(now(), '1 year 1 hour');
SELECT * FROM weir.tumble(now(), NULL);
SELECT * FROM weir.tumble(now(), interval '178956970 years 7 mons 2147483647 days 2562047788:00:54.775806');
SELECT * FROM weir.tumble(now(), interval '2147483647 days');
SELECT * FROM weir.tumble(now(), '1 hour', 'infinity');
SELECT * FROM weir.tumble(now(), '1 hour', timezone => 'Mars/Olympus');
SELECT * FROM weir.tumble(now(), '1 hour', timezone => 'PST');
SELECT * FROM weir.hop(now(), '2 minutes', '5 minutes');
SELECT * FROM weir.hop(now(), '10 minutes', '5 minutes');
SELECT * FROM weir.hop(now(), '0', '5 minutes');
SELECT * FROM weir.hop(now(), '1 minute', '-5 minutes');
SELECT * FROM weir.hop(now(), '1 day', '1 month');
SELECT * FROM weir.hop(now(), '2 months', '3 months');
SELECT * FROM weir.hop(now(), '1 minute', NULL);
SELECT * FROM weir.hop(now(), NULL, '1 minute');
SELECT * FROM weir.hop(now(), '1 second', '30 days');
SELECT * FROM weir.cumulate(now(), '25 minutes', '1 hour');
SELECT * FROM weir.cumulate(now(), '2 hours', '1 hour');
SELECT * FROM weir.cumulate(now(), '1 hour', '1 month');
SELECT * FROM weir.cumulate(now(), '-1 hour', '1 day');
-- times out of range
SELECT * FROM weir.tumble('infinity'::timestamptz, '1 hour');
SELECT * FROM weir.tumble('-infinity'::timestamp, '1 hour');
SELECT * FROM weir.hop('infinity'::timestamptz, '1 hour', '1 day');
SELECT * FROM weir.tumble('294276-12-31 23:59:59.999999'::timestamp, '1 hour');
SELECT * FROM weir.tumble('294276-12-31 22:59:59.999999'::timestamp, '1 hour');
SELECT * FROM weir.tumble('294276-12-31 22:59:59.999999'::timestamp, '1 month');
SELECT * FROM weir.tumble('294276-12-31 22:59:59.999999'::timestamp, '250000 years');
SELECT * FROM weir.tumble('4714-11-24 BC'::timestamp, '1 day');
SELECT * FROM weir.tumble('4714-11-24 BC'::timestamp, '1 week');
SELECT * FROM weir.tumble('4714-11-24 BC'::timestamptz, '1 day', timezone => 'America/New_York');
SELECT * FROM weir.tumble('294276-12-31 23:59:59.999999'::timestamptz, '1 day', timezone => 'Asia/Tokyo');
-- changing parameters within a query
SELECT g, w.* FROM generate_series(1, 3) g, weir.tumble('2024-03-01 12:34:56'::timestamp, g * interval '10 minutes', NULL, CASE g WHEN 2 THEN 'Asia/Kathmandu' END) w ORDER BY g;

-- sessions: known to the parser, not to the executor
CREATE TEMP VIEW sessions AS
	SELECT s.window_start, s.window_end, count(*) FROM instants_tz i, weir.session(i.t, gap => '10 minutes') s GROUP BY 1, 2;
SELECT * FROM sessions;
SELECT * FROM weir.session(timestamp '2024-01-01', '10 minutes');

--
-- Inlining: nothing of the window functions is left in the plan
--
CREATE FUNCTION pg_temp.function_scans(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN (SELECT count(*) FROM jsonb_path_query(plan, 'strict $.**."Node Type"') n
			WHERE n IN ('"Function Scan"', '"Subquery Scan"', '"Nested Loop"'));
END $$;
SELECT pg_temp.function_scans($$ SELECT w.window_start, w.window_end, count(*) FROM instants_tz i, weir.tumble(i.t, '1 minute') w
	GROUP BY w.window_start, w.window_end $$) AS tumble,
	pg_temp.function_scans($$ SELECT w.window_start, w.window_end, count(*) FROM instants i,
	weir.tumble(i.t, '1 day', timezone => 'Europe/Berlin', origin => '2000-01-01') w GROUP BY 1, 2 $$) AS tumble_zone,
	pg_temp.function_scans($$ SELECT w.window_start FROM instants i, weir.hop(i.t, '1 minute', '5 minutes') w $$) AS hop;

-- codes: 22023 for parameters, 54000 for too many windows, 22008 for times, 0A000 for sessions
\set VERBOSITY sqlstate
SELECT * FROM weir.tumble(now(), '0');
SELECT * FROM weir.tumble(now(), '1 month 1 day');
SELECT * FROM weir.tumble(now(), '1 hour', timezone => 'Mars/Olympus');
SELECT * FROM weir.hop(now(), '2 minutes', '5 minutes');
SELECT * FROM weir.hop(now(), '1 second', '30 days');
SELECT * FROM weir.tumble('infinity'::timestamptz, '1 hour');
SELECT * FROM weir.tumble('294276-12-31 23:59:59.999999'::timestamp, '1 hour');
SELECT * FROM weir.session(now(), '10 minutes');
