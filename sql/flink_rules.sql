-- What is easily got wrong in windows, watermarks and lateness, one block each.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_rules TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_rules SET weir.start_workers = off;
\c weir_rules
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE EXTENSION weir;
\set VERBOSITY terse

-- Each block has its own stream r(at, k, v).
CREATE PROCEDURE begin_rule(out_of_orderness interval DEFAULT '0', idle_timeout interval DEFAULT NULL, source name DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('r') IS NOT NULL THEN
        PERFORM weir.drop_stream('r', cascade => true);
        DROP TABLE r;
    END IF;
    CREATE TABLE r (at timestamptz, k text, v int);
    PERFORM weir.create_stream('r', 'at', out_of_orderness, idle_timeout, source);
END $$;
-- counts and sums a window of r
CREATE FUNCTION make(name text, window_function text, more text DEFAULT '', lateness interval DEFAULT '0') RETURNS regclass LANGUAGE sql AS $$
    SELECT weir.create_continuous_aggregate(name, format('SELECT w.window_start, w.window_end, count(*) AS n, sum(v) AS total%s
        FROM r, weir.%s w GROUP BY w.window_start, w.window_end', more, window_function), allowed_lateness => lateness) $$;
CREATE VIEW counted AS SELECT aggregate, late_rows, partly_late_rows FROM weir.stat_aggregates ORDER BY aggregate::text;
CREATE VIEW late AS SELECT aggregate, event_time, watermark, reason, "row" ->> 'v' AS v FROM weir.late_rows ORDER BY aggregate::text, event_time, 5;
CREATE VIEW watermark AS SELECT watermark FROM weir.stat_streams WHERE stream::text = 'r';

-- Rule 2: times before 1970, and before the origin, round towards minus infinity.
CALL begin_rule();
SELECT make('sevens', 'tumble(at, ''7 seconds'')');
SELECT make('offset_sevens', 'tumble(at, ''7 seconds'', ''1970-01-01 00:00:03+00'')');
INSERT INTO r VALUES ('1969-12-31 23:59:52+00', NULL, -8), ('1969-12-31 23:59:53+00', NULL, -7), ('1969-12-31 23:59:59.999999+00', NULL, -1),
    ('1970-01-01 00:00:00+00', NULL, 0), ('1970-01-01 00:00:02+00', NULL, 2);
SELECT * FROM sevens ORDER BY 1;
SELECT * FROM offset_sevens ORDER BY 1;
CALL weir.drain('r');
SELECT * FROM sevens_closed ORDER BY 1;
SELECT * FROM offset_sevens_closed ORDER BY 1;

-- Rule 5: rows exactly the gap apart are one session, a microsecond more two.
CALL begin_rule('1 hour');
SELECT make('sessions', 'session(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:00', 'a', 1);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:10', 'a', 2), ('2024-01-01 10:20:00.000001', 'a', 4);
SELECT * FROM sessions ORDER BY 1;
CALL weir.drain('r');
SELECT * FROM sessions ORDER BY 1;

-- Rule 6: a row out of order joins two sessions, their sets of distinct values
-- too; the ends of the old ones close nothing. A session ends a gap after its
-- last row.
CALL begin_rule('30 minutes');
SELECT make('sessions', 'session(at, ''10 minutes'')', ', count(DISTINCT k) AS several');
INSERT INTO r VALUES ('2024-01-01 10:00', 'a', 1), ('2024-01-01 10:20', 'a', 2), ('2024-01-01 10:20', 'b', 4);
CALL weir.drain('r');
SELECT * FROM sessions ORDER BY 1;
INSERT INTO r VALUES ('2024-01-01 10:10', 'b', 8);
CALL weir.drain('r');
SELECT * FROM sessions ORDER BY 1;
INSERT INTO r VALUES ('2024-01-01 10:41', 'c', 16);
CALL weir.drain('r');
TABLE watermark;
SELECT * FROM sessions_closed;
INSERT INTO r VALUES ('2024-01-01 11:00', 'c', 32);
CALL weir.drain('r');
SELECT * FROM sessions_closed;

-- Rule 8: a cascaded result falls into the period that it describes.
CALL begin_rule();
CREATE TABLE minutes (at timestamptz, n bigint);
SELECT weir.create_stream('minutes', 'at');
SELECT weir.create_continuous_aggregate('by_hour', $$ SELECT w.window_start, w.window_end, count(*) AS minutes, sum(n) AS n
    FROM minutes, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SELECT make('by_minute', 'tumble(at, ''1 minute'')');
SELECT weir.create_sink('cascade', 'by_minute', $$ INSERT INTO minutes SELECT window_end - interval '1 microsecond', n FROM closed $$);
INSERT INTO r SELECT at, NULL, 1 FROM generate_series(timestamptz '2024-01-01 10:00', '2024-01-01 12:00', '20 seconds') at;
CALL weir.drain('r');
CALL weir.drain('minutes');
-- the second hour needs a result of the third: its last microsecond has passed, its end has not
SELECT * FROM by_hour ORDER BY 1;
SELECT * FROM by_hour_closed ORDER BY 1;
INSERT INTO r VALUES ('2024-01-01 12:01', NULL, 1);
CALL weir.drain('r');
CALL weir.drain('minutes');
SELECT * FROM by_hour_closed ORDER BY 1;
SELECT weir.drop_stream('minutes', cascade => true);
DROP TABLE minutes;

-- Rule 12: windows follow the clocks of the zone. Of four-hour windows one has
-- three hours in spring and one five in autumn; a bound in the hour that is
-- skipped is the first instant after it, one in the hour that is repeated its
-- second occurrence; there is no window for the missing hour.
CALL begin_rule();
SELECT make('four_hours', 'tumble(at, ''4 hours'', timezone => ''Europe/Berlin'')');
SELECT make('half_past', 'tumble(at, ''1 hour'', ''2024-01-01 00:30+01'', ''Europe/Berlin'')');
SELECT make('hopping', 'hop(at, ''1 hour'', ''2 hours'', timezone => ''Europe/Berlin'')');
INSERT INTO r SELECT at, NULL, 1 FROM generate_series(timestamptz '2024-03-31 00:00+01', '2024-03-31 08:00+02', '30 minutes') at;
CALL weir.drain('r');
SELECT window_start AT TIME ZONE 'Europe/Berlin' AS local_start, window_end AT TIME ZONE 'Europe/Berlin' AS local_end, window_end - window_start AS hours, n FROM four_hours_closed ORDER BY window_start;
SELECT window_start AT TIME ZONE 'Europe/Berlin' AS local_start, window_end AT TIME ZONE 'Europe/Berlin' AS local_end, window_end - window_start AS hours, n FROM half_past_closed WHERE window_start < '2024-03-31 03:00+00' ORDER BY window_start;
SELECT window_start AT TIME ZONE 'Europe/Berlin' AS local_start, window_end AT TIME ZONE 'Europe/Berlin' AS local_end, window_end - window_start AS hours, n FROM hopping_closed WHERE window_end < '2024-03-31 03:00+00' ORDER BY window_start;
INSERT INTO r SELECT at, NULL, 1 FROM generate_series(timestamptz '2024-10-27 00:00+02', '2024-10-27 08:00+01', '30 minutes') at;
CALL weir.drain('r');
SELECT window_start AT TIME ZONE 'Europe/Berlin' AS local_start, window_end AT TIME ZONE 'Europe/Berlin' AS local_end, window_end - window_start AS hours, n FROM four_hours_closed WHERE window_start >= '2024-10-27 00:00+02' ORDER BY window_start;
SELECT window_start AT TIME ZONE 'Europe/Berlin' AS local_start, window_end AT TIME ZONE 'Europe/Berlin' AS local_end, window_end - window_start AS hours, n FROM half_past_closed WHERE window_start BETWEEN '2024-10-26 20:00+00' AND '2024-10-27 03:00+00' ORDER BY window_start;
SELECT window_start AT TIME ZONE 'Europe/Berlin' AS local_start, window_end AT TIME ZONE 'Europe/Berlin' AS local_end, window_end - window_start AS hours, n FROM hopping_closed WHERE window_start BETWEEN '2024-10-26 20:00+00' AND '2024-10-27 02:00+00' ORDER BY window_start;

-- Rules 14, 15: the watermark is the greatest event time less the disorder
-- allowed, to the microsecond. A second row of the same time is not late; a
-- window closes when the watermark is at its end, not a microsecond before.
CALL begin_rule();
SELECT make('tens', 'tumble(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:00', NULL, 1);
CALL weir.drain('r');
TABLE watermark;
INSERT INTO r VALUES ('2024-01-01 10:00', NULL, 2), ('2024-01-01 10:09:59.999999', NULL, 4);
CALL weir.drain('r');
TABLE watermark;
SELECT * FROM tens_closed;
INSERT INTO r VALUES ('2024-01-01 10:10', NULL, 8);
CALL weir.drain('r');
SELECT * FROM tens_closed;
TABLE late;
CALL begin_rule('5 minutes');
SELECT make('tens', 'tumble(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:14:59.999999', NULL, 1), ('2024-01-01 10:01', NULL, 2);
CALL weir.drain('r');
TABLE watermark;
SELECT * FROM tens_closed;
INSERT INTO r VALUES ('2024-01-01 10:15', NULL, 4);
CALL weir.drain('r');
TABLE watermark;
SELECT * FROM tens_closed;

-- Rule 17: late is judged by the watermark that was in force when the tick
-- began, for all its rows: their order within the tick does not matter.
CALL begin_rule();
SELECT make('tens', 'tumble(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 11:00', NULL, 1), ('2024-01-01 10:00', NULL, 2);
CALL weir.drain('r');
SELECT * FROM tens_closed;
TABLE late;
INSERT INTO r VALUES ('2024-01-01 10:00', NULL, 4), ('2024-01-01 12:00', NULL, 8), ('2024-01-01 11:05', NULL, 16);
CALL weir.drain('r');
SELECT * FROM tens_closed ORDER BY 1;
TABLE late;

-- Rules 21, 23: a source that is silent is left out of the minimum; when all
-- are, the watermark follows the clock. What comes then is late, and kept.
CALL begin_rule(idle_timeout => '1 day', source => 'k');
SELECT make('tens', 'tumble(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:25', 'fast', 1), ('2024-01-01 10:05', 'slow', 2);
CALL weir.drain('r');
TABLE watermark;
-- pausing and waiting is not being idle
SELECT weir.pause('r');
SELECT weir.resume('r');
CALL weir.drain('r');
TABLE watermark;
SELECT weir.alter_stream('r', idle_timeout => '1 second');
SELECT pg_sleep(1.1);
INSERT INTO r VALUES ('2024-01-01 10:26', 'fast', 4);
CALL weir.drain('r');
SELECT * FROM tens_closed ORDER BY 1;
SELECT pg_sleep(1.1);
CALL weir.drain('r');
SELECT watermark > now() - interval '1 hour' AS follows_the_clock FROM watermark;
SELECT * FROM tens_closed ORDER BY 1;
INSERT INTO r VALUES ('2024-01-01 10:07', 'slow', 8);
CALL weir.drain('r');
SELECT aggregate, event_time, reason, v FROM late;

-- Rule 26: the watermark is part of the state: what was late stays late in
-- another session, and after aggregates were dropped and made anew.
CALL begin_rule();
SELECT make('tens', 'tumble(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:30', NULL, 1);
CALL weir.drain('r');
\c
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
\set VERBOSITY terse
SELECT weir.drop_continuous_aggregate('tens');
TABLE watermark;
SELECT make('tens', 'tumble(at, ''10 minutes'')');
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:05', NULL, 2);
SELECT * FROM tens;
CALL weir.drain('r');
SELECT * FROM tens;
TABLE late;

-- Rule 27: stopping closes nothing, the end of input everything.
CALL begin_rule();
SELECT make('tens', 'tumble(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:05', NULL, 1);
CALL weir.drain('r');
SELECT weir.pause('tens');
SELECT weir.pause('r');
SELECT weir.resume('r');
SELECT weir.resume('tens');
CALL weir.drain('r');
SELECT * FROM tens_closed;
SELECT weir.advance_watermark('r', 'infinity');
CALL weir.drain('r');
SELECT * FROM tens_closed;

-- Rule 29: a row is late only if all its windows have closed; it counts in the
-- others, and a window that has no row yet is made for it.
CALL begin_rule();
SELECT make('hopping', 'hop(at, ''5 minutes'', ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:11', NULL, 1);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:09', NULL, 2), ('2024-01-01 09:59', NULL, 4);
CALL weir.drain('r');
SELECT * FROM hopping_closed ORDER BY 1;
SELECT * FROM hopping ORDER BY 1;
TABLE late;
-- rule 31, D4: what is lost is counted by row, not by window; what is lost for
-- some windows only is counted apart
TABLE counted;
SELECT weir.advance_watermark('r', 'infinity');
CALL weir.drain('r');
SELECT * FROM hopping_closed ORDER BY 1;
-- the same where state is not kept by pane, and for rows that WHERE rejects;
-- of twelve windows of a row, some, all and none have closed
CALL begin_rule();
SELECT make('hopping', 'hop(at, ''5 minutes'', ''1 hour'')');
SELECT weir.create_continuous_aggregate('by_window', $$ SELECT w.window_start, w.window_end, count(*) AS n, sum(v) AS total
    FROM r, weir.hop(at, '5 minutes', '1 hour') w WHERE v < 100 AND at >= w.window_start GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('choosy', $$ SELECT w.window_start, w.window_end, count(*) AS n, sum(v) AS total
    FROM r, weir.hop(at, '5 minutes', '1 hour') w WHERE v < 4 GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('tumbling', $$ SELECT w.window_start, w.window_end, count(*) AS n
    FROM r, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('local', $$ SELECT w.window_start, w.window_end, count(*) AS n
    FROM r, weir.hop(at, '5 minutes', '1 hour', timezone => 'Europe/Berlin') w GROUP BY w.window_start, w.window_end $$);
INSERT INTO r VALUES ('2024-01-01 12:02', NULL, 1);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 12:01', NULL, 1), ('2024-01-01 12:00', NULL, 1), ('2024-01-01 11:59:59.999999', NULL, 2), ('2024-01-01 11:30', NULL, 4),
    ('2024-01-01 11:00', NULL, 8), ('2024-01-01 10:59:59.999999', NULL, 16), ('2024-01-01 11:01', NULL, 200);
CALL weir.drain('r');
TABLE counted;
SELECT aggregate, event_time, v FROM late;

-- Rule 30: a row late for a step that has closed is in all later ones.
CALL begin_rule();
SELECT make('steps', 'cumulate(at, ''10 minutes'', ''40 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:01', NULL, 1), ('2024-01-01 10:15', NULL, 2);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:02', NULL, 4);
CALL weir.drain('r');
SELECT weir.advance_watermark('r', 'infinity');
CALL weir.drain('r');
SELECT * FROM steps_closed ORDER BY 1, 2;
TABLE late;
TABLE counted;
-- Rule 11: steps begin with the first that holds a row and go on without rows
CALL begin_rule();
SELECT make('steps', 'cumulate(at, ''10 minutes'', ''40 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:15', NULL, 1);
SELECT * FROM steps ORDER BY 1, 2;
CALL weir.drain('r');
SELECT weir.advance_watermark('r', 'infinity');
CALL weir.drain('r');
SELECT * FROM steps_closed ORDER BY 1, 2;

-- Rules 32, 37: a session that is kept open by allowed lateness takes late
-- rows, which may move its start back and join it with others; it is shown
-- once, with its final bounds. A closed one merges with nothing.
CALL begin_rule();
SELECT make('sessions', 'session(at, ''10 minutes'')', lateness => '30 minutes');
INSERT INTO r VALUES ('2024-01-01 10:00', NULL, 1), ('2024-01-01 10:15', NULL, 2);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:39', NULL, 4);
CALL weir.drain('r');
SELECT * FROM sessions_closed;
INSERT INTO r VALUES ('2024-01-01 10:08', NULL, 8), ('2024-01-01 09:52', NULL, 16);
CALL weir.drain('r');
SELECT * FROM sessions ORDER BY 1;
INSERT INTO r VALUES ('2024-01-01 10:55', NULL, 32);
CALL weir.drain('r');
SELECT * FROM sessions_closed;
INSERT INTO r VALUES ('2024-01-01 10:05', NULL, 64), ('2024-01-01 10:24', NULL, 128);
CALL weir.drain('r');
TABLE late;
-- the end that a late row is shown with is that of the session it was judged by:
-- of the late rows of the tick that belong together
INSERT INTO r VALUES ('2024-01-01 08:00', NULL, 256), ('2024-01-01 08:08', NULL, 512), ('2024-01-01 08:18', NULL, 1024), ('2024-01-01 08:40', NULL, 2048);
CALL weir.drain('r');
SELECT event_time, window_end, "row" ->> 'v' AS v FROM weir.late_rows WHERE aggregate = 'sessions'::regclass ORDER BY event_time;
TABLE counted;
SELECT weir.advance_watermark('r', 'infinity');
CALL weir.drain('r');
SELECT * FROM sessions_closed ORDER BY 1;

-- Rule 33: allowed lateness ends when the watermark is at its bound; a bound out
-- of range is never reached.
CALL begin_rule();
SELECT make('tens', 'tumble(at, ''10 minutes'')', lateness => '5 minutes');
SELECT make('patient', 'tumble(at, ''10 minutes'')', lateness => '106751990 days');
INSERT INTO r VALUES ('2024-01-01 10:00', NULL, 1), ('2024-01-01 10:14:59.999999', NULL, 2);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:01', NULL, 4), ('2024-01-01 10:15', NULL, 8);
CALL weir.drain('r');
SELECT * FROM tens_closed;
INSERT INTO r VALUES ('2024-01-01 10:02', NULL, 16), ('2034-01-01', NULL, 32);
CALL weir.drain('r');
TABLE late;
SELECT * FROM patient ORDER BY 1;
SELECT * FROM patient_closed;

-- Rule 39: DELETE retracts nothing that was counted, so that no count can fall
-- below zero; rows deleted before they are consumed do not count.
CALL begin_rule();
SELECT make('tens', 'tumble(at, ''10 minutes'')');
INSERT INTO r VALUES ('2024-01-01 10:00', NULL, 1);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:01', NULL, 2);
DELETE FROM r;
INSERT INTO r VALUES ('2024-01-01 10:02', NULL, 4);
CALL weir.drain('r');
SELECT * FROM tens;

-- Rule 41: nothing depends on the order in a window: of equal times first has
-- the least value, last the greatest, whichever came first.
CALL begin_rule();
SELECT make('tens', 'tumble(at, ''10 minutes'')', ', weir.first(k, at), weir.last(k, at)');
INSERT INTO r VALUES ('2024-01-01 10:00', 'b', 1), ('2024-01-01 10:09', 'x', 2);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:09', 'w', 4), ('2024-01-01 10:00', 'a', 8);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:00', 'c', 16), ('2024-01-01 10:09', 'y', 32);
SELECT * FROM tens;
CALL weir.drain('r');
SELECT * FROM tens;

-- Rule 43: sets of distinct values are merged across panes, sessions and ticks.
CALL begin_rule('1 hour');
SELECT make('hopping', 'hop(at, ''5 minutes'', ''15 minutes'')', ', count(DISTINCT k) AS several');
SELECT make('steps', 'cumulate(at, ''5 minutes'', ''15 minutes'')', ', count(DISTINCT k) AS several');
SELECT make('sessions', 'session(at, ''5 minutes'')', ', count(DISTINCT k) AS several');
INSERT INTO r VALUES ('2024-01-01 10:00', 'a', 1), ('2024-01-01 10:05', 'a', 2), ('2024-01-01 10:05', NULL, 2);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:10', 'a', 4), ('2024-01-01 10:05', 'b', 8), ('2024-01-01 10:00', 'a', 16);
CALL weir.drain('r');
INSERT INTO r VALUES ('2024-01-01 10:10', 'b', 32);
SELECT * FROM hopping ORDER BY 1;
SELECT * FROM steps ORDER BY 1, 2;
SELECT * FROM sessions ORDER BY 1;
SELECT weir.advance_watermark('r', 'infinity');
CALL weir.drain('r');
SELECT * FROM hopping_closed ORDER BY 1;
SELECT * FROM steps_closed ORDER BY 1, 2;
SELECT * FROM sessions_closed ORDER BY 1;
SELECT status, last_error FROM weir.stat_aggregates WHERE status <> 'active';

\c postgres
DROP DATABASE weir_rules;
