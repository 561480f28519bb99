-- Aggregates over aggregates, named in FROM.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_hierarchy TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_hierarchy SET weir.start_workers = off;
\c weir_hierarchy
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

-- How many rows differ between two queries.
CREATE FUNCTION difference(a text, b text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('WITH a AS MATERIALIZED (%s), b AS MATERIALIZED (%s)
        SELECT count(*) FROM ((TABLE a EXCEPT ALL TABLE b) UNION ALL (TABLE b EXCEPT ALL TABLE a)) x', a, b) INTO n;
    RETURN n;
END $$;

-- Every aggregate over another against its definition, run as a plain query: the view against the view below, and
-- closed rows, for the windows that there are, against the closed rows below.
CREATE FUNCTION wrong() RETURNS TABLE (aggregate regclass, live bigint, closed bigint) LANGUAGE plpgsql AS $$
DECLARE
    a record;
    query text;
BEGIN
    FOR a IN SELECT c.*, p.closed AS parent_closed FROM weir.continuous_aggregates c
        JOIN weir.continuous_aggregates p ON p.aggregate = c.parent ORDER BY c.aggregate::text
    LOOP
        CONTINUE WHEN a.query ~ 'weir.session';         -- not a plain query
        aggregate := a.aggregate;
        query := rtrim(a.query, ';');
        live := difference('TABLE ' || a.aggregate, query);
        closed := CASE WHEN a.closed IS NOT NULL THEN difference('TABLE ' || a.closed,
            format('SELECT q.* FROM (%s) q WHERE q.window_end IN (SELECT window_end FROM %s)',
                regexp_replace(query, 'FROM ' || a.parent, 'FROM ' || a.parent_closed), a.closed)) END;
        IF live <> 0 OR closed <> 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- three levels: minutes, hours, days
CREATE TABLE reading (id bigint, at timestamptz, device int, temp int);
SELECT weir.create_stream('reading', 'at');
SELECT weir.create_continuous_aggregate('minutes', $$
    SELECT w.window_start, w.window_end, r.device, count(*) AS n, sum(r.temp) AS total, min(r.temp) AS low, max(r.temp) AS high
    FROM reading r, weir.tumble(r.at, '1 minute') w GROUP BY w.window_start, w.window_end, r.device $$);
SELECT weir.create_continuous_aggregate('hours', $$
    SELECT w.window_start, w.window_end, m.device, sum(m.n) AS n, sum(m.total) AS total, min(m.low) AS low, max(m.high) AS high,
        sum(m.total) / sum(m.n) AS mean
    FROM minutes m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start, w.window_end, m.device $$);
SELECT weir.create_continuous_aggregate('days', $$
    SELECT w.window_start, w.window_end, sum(h.n) AS n, sum(h.total) AS total, count(DISTINCT h.device) AS devices
    FROM hours h, weir.tumble(h.window_start, '1 day') w GROUP BY w.window_start, w.window_end $$);

-- what is committed shows at every level, consumed or not
INSERT INTO reading SELECT g, '2024-01-01'::timestamptz + g * interval '10 seconds', g % 7, g % 100 FROM generate_series(0, 999) g;
SELECT * FROM days;
SELECT * FROM wrong();
SELECT count(*) AS minutes_closed FROM minutes_closed;
CALL weir.drain('reading');
SELECT * FROM days;
SELECT * FROM wrong();
-- hours close with their last minute, in one transaction
SELECT count(*) AS minutes_closed, max(window_end) FROM minutes_closed;
SELECT window_start, sum(n) AS n FROM hours_closed GROUP BY 1 ORDER BY 1;
SELECT count(*) AS days_closed FROM days_closed;
INSERT INTO reading SELECT g, '2024-01-01'::timestamptz + g * interval '10 seconds', g % 7, g % 100 FROM generate_series(1000, 19999) g;
SELECT * FROM wrong();
CALL weir.drain('reading');
SELECT * FROM wrong();
SELECT * FROM days_closed ORDER BY 1;
SELECT max(window_end) FROM hours_closed;
INSERT INTO reading VALUES (20000, '2024-01-03 08:00:00', 1, 1);
CALL weir.drain('reading');
SELECT max(window_end) FROM hours_closed;
SELECT max(window_end) FROM minutes_closed;
-- what is late below is missing above
INSERT INTO reading VALUES (20001, '2024-01-03 07:59:59', 1, 1000);
CALL weir.drain('reading');
SELECT aggregate, event_time FROM weir.late_rows;
SELECT max(high) FROM hours;
SELECT * FROM wrong();
SELECT aggregate, status, open_windows, watermark, in_history, late_rows, closed_rows FROM weir.stat_aggregates ORDER BY aggregate::text;
SELECT aggregate, stream, closed, parent FROM weir.continuous_aggregates ORDER BY aggregate::text;
SELECT difference('SELECT device, sum(n), min(low), max(high) FROM hours GROUP BY 1',
    'SELECT device, count(*), min(temp), max(temp) FROM reading WHERE id <> 20001 GROUP BY 1') AS exact;

-- the end of a bounded input closes everything, at once
BEGIN;
SELECT weir.advance_watermark('reading', 'infinity');
SELECT (SELECT count(*) FROM minutes_closed) AS minutes, (SELECT count(*) FROM hours_closed) AS hours, (SELECT count(*) FROM days_closed) AS days;
SELECT difference('TABLE days_closed', 'TABLE days') AS left_open;
SELECT * FROM wrong();
ROLLBACK;

-- lateness at each level; with less of it windows close at once
SELECT weir.alter_continuous_aggregate('hours', allowed_lateness => '30 minutes');
INSERT INTO reading VALUES (20002, '2024-01-03 09:29:59', 1, 1);
CALL weir.drain('reading');
SELECT max(window_end) AS hours, (SELECT max(window_end) FROM minutes_closed) AS minutes FROM hours_closed;
INSERT INTO reading VALUES (20003, '2024-01-03 09:30:30', 1, 1), (20004, '2024-01-03 09:30:40', 1, 1);
CALL weir.drain('reading');
SELECT max(window_end) AS hours, (SELECT max(window_end) FROM minutes_closed) AS minutes FROM hours_closed;
SELECT weir.alter_continuous_aggregate('minutes', allowed_lateness => '10 minutes');
INSERT INTO reading VALUES (20005, '2024-01-03 10:05:00', 2, 1);
CALL weir.drain('reading');
INSERT INTO reading VALUES (20006, '2024-01-03 09:55:30', 3, 1);
CALL weir.drain('reading');
SELECT weir.alter_continuous_aggregate('hours', allowed_lateness => '0');
SELECT max(window_end) AS hours, (SELECT max(window_end) FROM minutes_closed) AS minutes FROM hours_closed;
SELECT weir.alter_continuous_aggregate('minutes', allowed_lateness => '0');
SELECT max(window_end) AS hours, (SELECT max(window_end) FROM minutes_closed) AS minutes FROM hours_closed;
SELECT * FROM wrong();
SELECT count(*) AS late FROM weir.late_rows;
SELECT difference('SELECT device, sum(n) FROM hours GROUP BY 1',
    'SELECT device, count(*) FROM reading WHERE id <> 20001 GROUP BY 1') AS exact;

-- every kind of window over every kind; rows out of order, some of them late
CREATE TABLE ev (at timestamptz, k int, v int);
SELECT weir.create_stream('ev', 'at', max_out_of_orderness => '1 minute');
SELECT weir.create_continuous_aggregate('tumbling', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS v FROM ev, weir.tumble(at, '5 minutes') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('starts_only', $$
    SELECT w.window_start, k, count(*) AS n, sum(v) AS v FROM ev, weir.tumble(at, '5 minutes') w GROUP BY w.window_start, k $$);
SELECT weir.create_continuous_aggregate('hopping', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS v FROM ev, weir.hop(at, '5 minutes', '15 minutes') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('hopping_starts', $$
    SELECT w.window_start, k, count(*) AS n, sum(v) AS v FROM ev, weir.hop(at, '5 minutes', '15 minutes') w GROUP BY w.window_start, k $$);
SELECT weir.create_continuous_aggregate('cumulating', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS v FROM ev, weir.cumulate(at, '10 minutes', '30 minutes') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('by_window', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS v FROM ev, weir.tumble(at, '5 minutes') w
    WHERE at < w.window_start + interval '4 minutes' GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('sessions', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS v FROM ev, weir.session(at, '2 minutes') w GROUP BY w.window_start, w.window_end, k $$);
SELECT count(weir.create_continuous_aggregate(parent || '_' || child, format($$
    SELECT w.window_start, w.window_end, sum(p.n) AS n, sum(p.v) AS v, count(DISTINCT p.k) AS k, count(*) AS groups
    FROM %I p, weir.%s w GROUP BY w.window_start, w.window_end HAVING count(*) > 0 $$, parent, format(call, event_time))))
FROM unnest(ARRAY['tumbling', 'hopping', 'cumulating', 'by_window', 'sessions']) parent,
    (VALUES ('tumble', $$tumble(%s, '20 minutes')$$), ('hop', $$hop(%s, '10 minutes', '20 minutes')$$),
        ('cumulate', $$cumulate(%s, '10 minutes', '1 hour')$$), ('odd', $$tumble(%s, '7 minutes')$$),
        ('session', $$session(%s, '6 minutes')$$)) c (child, call),
    LATERAL (SELECT CASE WHEN child = 'cumulate' THEN 'p.window_end'
        WHEN parent IN ('sessions', 'by_window') OR child = 'hop' THEN $$p.window_end - interval '1 microsecond'$$
        ELSE 'p.window_start' END AS event_time) e;
SELECT count(weir.create_continuous_aggregate(parent || '_tumble', format($$
    SELECT w.window_start, w.window_end, sum(p.n) AS n, sum(p.v) AS v
    FROM %I p, weir.tumble(p.window_start, '20 minutes') w GROUP BY w.window_start, w.window_end $$, parent)))
FROM unnest(ARRAY['starts_only', 'hopping_starts']) parent;
SELECT count(weir.create_continuous_aggregate(parent || '_ever', format($$
    SELECT k, sum(n) AS n, sum(v) AS v, count(*) AS rows FROM %I GROUP BY k $$, parent)))
FROM unnest(ARRAY['tumbling', 'hopping', 'sessions']) parent;
-- one more level; and sessions by key
SELECT weir.create_continuous_aggregate('top', $$
    SELECT w.window_start, w.window_end, sum(p.n) AS n, sum(p.v) AS v
    FROM hopping_tumble p, weir.tumble(p.window_start, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('busy', $$
    SELECT w.window_start, w.window_end, p.k, sum(p.n) AS n, count(*) AS windows
    FROM tumbling p, weir.session(p.window_end, '5 minutes') w GROUP BY w.window_start, w.window_end, p.k $$);
CREATE FUNCTION busy_by_hand() RETURNS text LANGUAGE sql AS $x$ SELECT $$
    SELECT min(window_end), max(window_end) + interval '5 minutes', k, sum(n), count(*)
    FROM (SELECT *, sum(CASE WHEN window_end <= before + interval '5 minutes' THEN 0 ELSE 1 END) OVER (PARTITION BY k ORDER BY window_end) AS session
        FROM (SELECT *, lag(window_end) OVER (PARTITION BY k ORDER BY window_end) AS before FROM tumbling) x) y
    GROUP BY k, session $$ $x$;
CREATE PROCEDURE step(n int) LANGUAGE sql AS $$
    INSERT INTO ev SELECT '2024-01-01'::timestamptz + (n * 12 + g % 13) * interval '1 minute' + g * interval '1.7 seconds'
        - CASE WHEN g % 17 = 0 THEN interval '9 minutes' ELSE '0' END, g % 3, g
    FROM generate_series(1, 40) g WHERE (n + g % 3) % 4 <> 0 $$;
CALL step(0);
SELECT * FROM wrong();
CALL weir.drain('ev');
CALL step(1);
SELECT * FROM wrong();
CALL weir.drain('ev');
SELECT * FROM wrong();
CALL step(2);
CALL weir.drain('ev');
CALL step(3);
CALL weir.drain('ev');
SELECT * FROM wrong();
SELECT difference('TABLE busy', busy_by_hand()) AS busy;
-- over what has been closed, which window_start alone tells
SELECT count(weir.create_continuous_aggregate(parent || '_later', format($$
    SELECT w.window_start, w.window_end, sum(p.n) AS n, sum(p.v) AS v
    FROM %I p, weir.tumble(p.window_start, '20 minutes', origin => '2024-01-01 00:03') w GROUP BY w.window_start, w.window_end $$, parent)))
FROM unnest(ARRAY['starts_only', 'hopping_starts', 'cumulating', 'hopping']) parent;
SELECT * FROM wrong();
SELECT weir.pause('starts_only_tumble'), weir.pause('hopping_starts_tumble');
CALL step(5);
CALL step(6);
SELECT * FROM wrong();
CALL weir.drain('ev');
SELECT * FROM wrong();
SELECT weir.resume('starts_only_tumble'), weir.resume('hopping_starts_tumble');
CALL step(9);
CALL weir.drain('ev');
SELECT * FROM wrong();
SELECT difference('TABLE busy', busy_by_hand()) AS busy;
SELECT count(*) > 0 AS some_are_late FROM weir.late_rows WHERE stream = 'ev'::regclass;
SELECT aggregate, status FROM weir.stat_aggregates WHERE status <> 'active' OR in_history;
SELECT weir.advance_watermark('ev', 'infinity');
SELECT * FROM wrong();
SELECT difference('TABLE busy_closed', busy_by_hand()) AS busy;
SELECT c.aggregate FROM weir.continuous_aggregates c WHERE c.closed IS NOT NULL AND difference('TABLE ' || c.closed, 'TABLE ' || c.aggregate) <> 0
    AND c.stream = 'ev'::regclass;
SELECT count(*) FROM busy_closed;
SELECT weir.drop_stream('ev', cascade => true);
SELECT count(*) FROM weir.continuous_aggregates WHERE stream IS DISTINCT FROM 'reading'::regclass;

-- times without zone, and days of a calendar
CREATE TABLE local (at timestamp, k int);
SELECT weir.create_stream('local', 'at');
SELECT weir.create_continuous_aggregate('local_hours', $$
    SELECT w.window_start, w.window_end, count(*) AS n FROM local, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('local_days', $$
    SELECT w.window_start, w.window_end, sum(n) AS n
    FROM local_hours h, weir.tumble(h.window_end - interval '1 microsecond', '1 day', timezone => 'Europe/Berlin') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('local_months', $$
    SELECT w.window_start, w.window_end, sum(n) AS n
    FROM local_days d, weir.tumble(d.window_start, '1 month') w GROUP BY w.window_start, w.window_end $$);
INSERT INTO local SELECT '2024-03-29'::timestamp + g * interval '7 minutes' FROM generate_series(0, 999) g;
CALL weir.drain('local');
SELECT * FROM wrong();
SELECT * FROM local_days ORDER BY 1;
SELECT * FROM local_months_closed ORDER BY 1;
SELECT weir.drop_stream('local', cascade => true);

-- what does not combine
SELECT weir.create_continuous_aggregate('means', $$
    SELECT w.window_start, w.window_end, avg(temp) AS mean, round(stddev(temp), 2) AS spread, count(DISTINCT device) AS devices, count(*) AS n
    FROM reading, weir.tumble(at, '1 minute') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('mean_of_means', $$
    SELECT w.window_start, avg(mean) AS mean
    FROM means m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start $$);
SELECT weir.create_continuous_aggregate('mean_of_spreads', $$
    SELECT w.window_start, avg(spread) AS spread
    FROM means m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start $$);
SELECT weir.create_continuous_aggregate('all_devices', $$
    SELECT w.window_start, sum(devices) AS devices
    FROM means m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start $$);
SELECT weir.create_continuous_aggregate('about_means', $$
    SELECT w.window_start, max(mean) AS highest, avg(mean + 0) AS mean_of_minutes, max(devices) AS most, avg(devices) AS at_a_time,
        avg(n) AS readings, count(DISTINCT devices) AS numbers
    FROM means m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start $$);
SELECT weir.drop_continuous_aggregate('means', cascade => true);

CREATE TABLE trouble (divisor int);
INSERT INTO trouble VALUES (1);
-- created later: over the closed rows that are there, or from now on
SELECT weir.create_continuous_aggregate('quarters', $$
    SELECT w.window_start, w.window_end, m.device, sum(m.n) AS n FROM minutes m, weir.tumble(m.window_start, '15 minutes') w
    WHERE m.n / (SELECT divisor FROM trouble) > 0 GROUP BY w.window_start, w.window_end, m.device $$);
SELECT weir.create_continuous_aggregate('quarters_from_now', $$
    SELECT w.window_start, w.window_end, m.device, sum(m.n) AS n FROM minutes m, weir.tumble(m.window_start, '15 minutes') w
    GROUP BY w.window_start, w.window_end, m.device $$, with_data => false);
SELECT aggregate, status, in_history FROM weir.stat_aggregates WHERE aggregate::text ~ 'quarters' ORDER BY aggregate::text;
SELECT aggregate FROM wrong();
INSERT INTO reading VALUES (30000, '2024-01-03 10:29:00', 2, 1), (30001, '2024-01-03 10:31:00', 2, 1);
CALL weir.drain('reading');
SELECT aggregate, status, in_history, closed_rows > 0 AS has_closed FROM weir.stat_aggregates WHERE aggregate::text ~ 'quarters' ORDER BY aggregate::text;
SELECT * FROM quarters_from_now ORDER BY 1;
SELECT aggregate FROM wrong();
SELECT weir.drop_continuous_aggregate('quarters_from_now');
-- in several steps
CREATE TABLE tick (at timestamptz);
SELECT weir.create_stream('tick', 'at');
SELECT weir.create_continuous_aggregate('seconds', $$
    SELECT w.window_start, w.window_end, count(*) AS n FROM tick, weir.tumble(at, '1 second') w GROUP BY w.window_start, w.window_end $$);
INSERT INTO tick SELECT '2024-01-01'::timestamptz + g * interval '1 second' FROM generate_series(0, 24999) g;
CALL weir.drain('tick');
SELECT weir.create_continuous_aggregate('seconds_hourly', $$
    SELECT w.window_start, w.window_end, sum(n) AS n FROM seconds s, weir.tumble(s.window_start, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SET weir.tick_rows = 10000;
SELECT weir._maintain_aggregate('seconds_hourly');
SELECT status, in_history, watermark, state_rows > 0 AS has_begun FROM weir.stat_aggregates WHERE aggregate = 'seconds_hourly'::regclass;
SELECT * FROM wrong();
INSERT INTO tick SELECT '2024-01-01'::timestamptz + g * interval '1 second' FROM generate_series(25000, 28800) g;
CALL weir.drain('tick');
SELECT status, in_history, watermark, closed_rows FROM weir.stat_aggregates WHERE aggregate = 'seconds_hourly'::regclass;
SELECT * FROM wrong();
RESET weir.tick_rows;
SELECT weir.drop_stream('tick', cascade => true);

-- pausing one stops neither what is below nor the others
SELECT weir.pause('hours');
INSERT INTO reading SELECT g, '2024-01-03 11:00'::timestamptz + g * interval '10 seconds', g % 7, g % 100 FROM generate_series(0, 999) g;
CALL weir.drain('reading');
SELECT aggregate, status, in_history, watermark FROM weir.stat_aggregates ORDER BY aggregate::text;
SELECT max(window_end) FROM hours_closed;
SELECT aggregate FROM wrong();
SELECT weir.resume('hours');
CALL weir.drain('reading');
SELECT aggregate, status, in_history, watermark FROM weir.stat_aggregates ORDER BY aggregate::text;
SELECT max(window_end) FROM hours_closed;
SELECT aggregate FROM wrong();

-- nor does one that fails
UPDATE trouble SET divisor = 0;
INSERT INTO reading SELECT g, '2024-01-03 14:00'::timestamptz + g * interval '10 seconds', g % 7, g % 100 FROM generate_series(0, 999) g;
SET weir.max_failures = 1;
CALL weir.drain('reading');
SELECT aggregate, status, in_history, watermark, split_part(last_error, E'\n', 1) AS last_error FROM weir.stat_aggregates ORDER BY aggregate::text;
UPDATE trouble SET divisor = 1;
SELECT aggregate FROM wrong();
SELECT weir.resume('quarters');
CALL weir.drain('reading');
SELECT aggregate, status, in_history, watermark, last_error FROM weir.stat_aggregates ORDER BY aggregate::text;
SELECT aggregate FROM wrong();
-- until it is tried again, and works
UPDATE trouble SET divisor = 0;
RESET weir.max_failures;
INSERT INTO reading SELECT g, '2024-01-03 16:00'::timestamptz + g * interval '10 seconds', g % 7, g % 100 FROM generate_series(0, 999) g;
BEGIN;
SELECT weir.advance_watermark('reading', '2024-01-03 18:00');
SELECT aggregate, status, failures, in_history, watermark FROM weir.stat_aggregates ORDER BY aggregate::text;
COMMIT;
UPDATE trouble SET divisor = 1;
UPDATE weir._aggregate_progress SET next_retry = '-infinity' WHERE status = 1;
CALL weir.drain('reading');
SELECT aggregate, status, failures, in_history, watermark FROM weir.stat_aggregates ORDER BY aggregate::text;
SELECT aggregate FROM wrong();
SELECT weir.drop_continuous_aggregate('quarters');

-- retention leaves what the one above has not taken yet
SELECT weir.pause('hours');
SELECT weir.alter_continuous_aggregate('minutes', retention => '1 minute');
INSERT INTO reading SELECT g, '2024-01-03 19:00'::timestamptz + g * interval '10 seconds', g % 7, g % 100 FROM generate_series(0, 999) g;
CALL weir.drain('reading');
DO $$ BEGIN WHILE weir._maintain_aggregate('minutes') LOOP END LOOP; END $$;
SELECT min(window_end), max(window_end) FROM minutes_closed;
SELECT weir.resume('hours');
CALL weir.drain('reading');
SELECT sum(n) FROM hours WHERE window_start >= '2024-01-03 19:00';
DO $$ BEGIN WHILE weir._maintain_aggregate('minutes') LOOP END LOOP; END $$;
SELECT min(window_end), max(window_end) FROM minutes_closed;
SELECT sum(n) FROM hours WHERE window_start >= '2024-01-03 19:00';

-- names change
ALTER VIEW minutes RENAME TO mins;
ALTER VIEW mins RENAME COLUMN n TO readings;
ALTER TABLE minutes_closed RENAME COLUMN n TO readings;
ALTER TABLE minutes_closed RENAME TO mins_closed;
INSERT INTO reading SELECT g, '2024-01-03 22:00'::timestamptz + g * interval '10 seconds', g % 7, g % 100 FROM generate_series(0, 999) g;
SELECT sum(n) FROM hours WHERE window_start >= '2024-01-03 22:00';
CALL weir.drain('reading');
SELECT sum(n) FROM hours WHERE window_start >= '2024-01-03 22:00';
SELECT aggregate, status FROM weir.stat_aggregates WHERE status <> 'active';

-- a sink above; and what a sink below cannot read
CREATE TABLE sunk (window_start timestamptz, n numeric);
SELECT weir.create_sink('s', 'days', $$ INSERT INTO sunk SELECT window_start, n FROM closed $$);
SELECT weir.create_sink('t', 'mins', $$ SELECT count(*) FROM days $$);
CREATE FUNCTION count_days() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM days';
SELECT weir.create_sink('t', 'mins', $$ SELECT count_days() FROM closed $$);
INSERT INTO reading VALUES (50000, '2024-01-05 00:01', 1, 1);
SET weir.max_failures = 1;
CALL weir.drain('reading');
SELECT aggregate, status, split_part(last_error, E'\n', 1) AS last_error FROM weir.stat_aggregates WHERE last_error IS NOT NULL;
RESET weir.max_failures;
SELECT weir.drop_sink('t');
CALL weir.drain('reading');
TABLE sunk ORDER BY 1;
SELECT aggregate, status FROM weir.stat_aggregates WHERE status <> 'active';

-- no event time, joins, grouping sets
CREATE TABLE queue (k int);
CREATE TABLE name (k int PRIMARY KEY, name text);
INSERT INTO name SELECT g, 'name ' || g FROM generate_series(0, 4) g;
SELECT weir.create_stream('queue');
SELECT weir.create_continuous_aggregate('arrivals', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n FROM queue, weir.tumble(now(), '1 hour') w GROUP BY w.window_start, w.window_end, ROLLUP (k) $$);
SELECT weir.create_continuous_aggregate('arrivals_daily', $$
    SELECT w.window_end, name.name, sum(n) AS n FROM arrivals a LEFT JOIN name USING (k), weir.tumble(a.window_start, '1 day') w
    WHERE a.n > 0 GROUP BY w.window_end, name.name $$);
INSERT INTO queue SELECT generate_series(1, 10);
CALL weir.drain('queue');
SELECT name, sum(n) FROM arrivals_daily GROUP BY 1 ORDER BY 1;
SELECT weir.advance_watermark('queue', 'infinity');
SELECT name, sum(n) FROM arrivals_daily_closed GROUP BY 1 ORDER BY 1;
SELECT weir.drop_stream('queue', cascade => true);

-- whoever may read an aggregate may put one over it
CREATE ROLE weir_other;
CREATE SCHEMA theirs AUTHORIZATION weir_other;
SET ROLE weir_other;
SELECT weir.create_continuous_aggregate('theirs.h', $$
    SELECT w.window_start, w.window_end, sum(h.n) AS n FROM hours h, weir.tumble(h.window_start, '6 hours') w GROUP BY w.window_start, w.window_end $$);
RESET ROLE;
GRANT SELECT ON hours TO weir_other;
SET ROLE weir_other;
SELECT weir.create_continuous_aggregate('theirs.h', $$
    SELECT w.window_start, w.window_end, sum(h.n) AS n FROM hours h, weir.tumble(h.window_start, '6 hours') w GROUP BY w.window_start, w.window_end $$);
SELECT count(*) > 0 AS has_rows FROM theirs.h;
SELECT weir.drop_continuous_aggregate('hours');
SELECT * FROM hours_closed;
RESET ROLE;
CALL weir.drain('reading');
SET ROLE weir_other;
SELECT count(*) > 0 AS has_rows FROM theirs.h_closed;
SELECT public.difference('TABLE theirs.h', 'SELECT w.window_start, w.window_end, sum(h.n) AS n FROM hours h, weir.tumble(h.window_start, ''6 hours'') w GROUP BY w.window_start, w.window_end') AS wrong;
RESET ROLE;
REVOKE SELECT ON hours FROM weir_other;
INSERT INTO reading VALUES (50001, '2024-01-06 00:01', 1, 1);
SET weir.max_failures = 1;
CALL weir.drain('reading');
RESET weir.max_failures;
SELECT aggregate, status, split_part(last_error, E'\n', 1) AS last_error FROM weir.stat_aggregates WHERE status <> 'active';
SELECT * FROM theirs.h;
GRANT SELECT ON hours TO weir_other;
SELECT weir.resume('theirs.h');
CALL weir.drain('reading');
SELECT difference('SELECT sum(n) FROM theirs.h', 'SELECT sum(n) FROM hours') AS wrong;

-- dropping
SELECT weir.drop_continuous_aggregate('hours');
SELECT weir.drop_continuous_aggregate('mins');
DROP VIEW hours;
DROP TABLE hours_closed;
SELECT weir.drop_continuous_aggregate('theirs.h');
SELECT weir.drop_continuous_aggregate('days');
DROP VIEW hours;
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
CREATE PROCEDURE levels() LANGUAGE plpgsql AS $x$ BEGIN
    PERFORM weir.create_continuous_aggregate('hours', $$
        SELECT w.window_start, w.window_end, sum(readings) AS n FROM mins m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start, w.window_end $$);
    PERFORM weir.create_continuous_aggregate('days', $$
        SELECT w.window_start, w.window_end, sum(n) AS n FROM hours, weir.tumble(window_start, '1 day') w GROUP BY w.window_start, w.window_end $$);
END $x$;
CALL levels();
SELECT weir.drop_continuous_aggregate('hours', cascade => true);
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
CALL levels();
DROP VIEW hours CASCADE;
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
CALL levels();
SELECT weir.drop_stream('reading');
DROP TABLE mins_closed CASCADE;
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
SELECT weir.create_continuous_aggregate('mins', $$
    SELECT w.window_start, w.window_end, r.device, count(*) AS readings FROM reading r, weir.tumble(r.at, '1 minute') w GROUP BY w.window_start, w.window_end, r.device $$);
CALL levels();
DROP TABLE reading CASCADE;
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
SELECT relname FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relname ~ '^_(query|open|state)_\d';
DROP SCHEMA theirs;
DROP ROLE weir_other;
\c postgres
DROP DATABASE weir_hierarchy;
