-- Lateness: which rows count, which are late, what closes when.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_late TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_late SET weir.start_workers = off;
\c weir_late
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TABLE ev (at timestamptz, k text, n int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('strict', $$
    SELECT w.window_start, w.window_end, k, count(*), sum(n) FROM ev, weir.tumble(at, '10 minutes') w
    GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('lenient', $$
    SELECT w.window_start, w.window_end, count(*), sum(n) FROM ev, weir.tumble(at, '10 minutes') w
    WHERE k <> 'ignored' GROUP BY w.window_start, w.window_end $$, allowed_lateness => '5 minutes');
SELECT weir.create_continuous_aggregate('hops', $$
    SELECT w.window_start, w.window_end, count(*), sum(n) FROM ev, weir.hop(at, '5 minutes', '15 minutes') w
    GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('steps', $$
    SELECT w.window_start, w.window_end, count(*), sum(n) FROM ev, weir.cumulate(at, '5 minutes', '15 minutes') w
    GROUP BY w.window_start, w.window_end $$);

-- a window closes when the watermark reaches its end, not before
INSERT INTO ev VALUES ('2024-01-01 10:00', 'a', 1), ('2024-01-01 10:09:59.999999', 'a', 2);
CALL weir.drain('ev');
SELECT * FROM strict_closed;
INSERT INTO ev VALUES ('2024-01-01 10:10', 'b', 4);
CALL weir.drain('ev');
SELECT * FROM strict_closed;
SELECT * FROM lenient_closed;
SELECT * FROM hops_closed ORDER BY 1;
SELECT * FROM steps_closed ORDER BY 1, 2;

-- a row for the closed window: late where nothing is allowed, and where the
-- query wants it; the live view leaves it out already before it is consumed
INSERT INTO ev VALUES ('2024-01-01 10:05', 'late', 8), ('2024-01-01 10:06', 'ignored', 16);
SELECT * FROM strict ORDER BY 1, 3;
SELECT * FROM lenient ORDER BY 1;
SELECT * FROM hops ORDER BY 1;
SELECT * FROM steps ORDER BY 1, 2;
CALL weir.drain('ev');
SELECT * FROM strict ORDER BY 1, 3;
SELECT * FROM lenient ORDER BY 1;
SELECT * FROM hops ORDER BY 1;
SELECT * FROM steps ORDER BY 1, 2;
SELECT stream, aggregate, event_time, watermark, window_end, reason, "row" FROM weir.late_rows ORDER BY aggregate::text, event_time;

-- late is judged by the watermark in force when the tick began: the order
-- within a tick does not matter
INSERT INTO ev VALUES ('2024-01-01 10:30', 'c', 32);
INSERT INTO ev VALUES ('2024-01-01 10:11', 'c', 64);
CALL weir.drain('ev');
SELECT * FROM strict ORDER BY 1, 3;
SELECT * FROM lenient ORDER BY 1;

-- closed is closed: hop and cumulate never change a window that has closed,
-- the later ones contain the row (RULES 29, 30)
SELECT * FROM hops_closed ORDER BY 1;
SELECT * FROM steps_closed ORDER BY 1, 2;
SELECT * FROM hops ORDER BY 1;
SELECT aggregate, late_rows FROM weir.stat_aggregates ORDER BY aggregate::text;

-- more lateness: what is closed stays closed
SELECT weir.alter_continuous_aggregate('strict', allowed_lateness => '1 day');
INSERT INTO ev VALUES ('2024-01-01 10:01', 'x', 128), ('2024-01-01 10:31', 'x', 256), ('2024-01-01 11:00', 'x', 512), ('2023-12-31 12:00', 'x', 3);
CALL weir.drain('ev');
SELECT * FROM strict ORDER BY 1, 3;
SELECT count(*) FROM strict_closed;
-- less lateness: windows close at once
SELECT weir.alter_continuous_aggregate('strict', allowed_lateness => '0');
SELECT * FROM strict ORDER BY 1, 3;
SELECT * FROM strict_closed ORDER BY 1, 3;
SELECT event_time, window_end, "row" ->> 'k' AS k FROM weir.late_rows WHERE aggregate = 'strict'::regclass ORDER BY event_time;

-- the watermark is moved by hand; it never goes back
SELECT weir.advance_watermark('ev', '2024-01-01 12:00');
SELECT weir.advance_watermark('ev', '2024-01-01 11:00');
SELECT * FROM strict_closed ORDER BY 1, 3;
SELECT count(*) FROM lenient_closed;
SELECT weir.advance_watermark('ev', 'infinity');
CALL weir.drain('ev');
SELECT groups, watermark, closed_until FROM weir.stat_aggregates;

-- after the end of input everything is late
INSERT INTO ev VALUES ('2024-01-02', 'too late', 1);
CALL weir.drain('ev');
SELECT aggregate, event_time, watermark FROM weir.late_rows WHERE event_time >= '2024-01-02' ORDER BY aggregate::text;

-- retention of closed rows
SELECT weir.create_continuous_aggregate('bad', 'SELECT count(*) FROM ev', retention => '1 day');
SELECT weir.create_continuous_aggregate('bad', 'SELECT w.window_start, count(*) FROM ev, weir.cumulate(at, ''1 hour'', ''1 day'') w GROUP BY w.window_start, w.window_end', retention => '1 day');
SELECT weir.create_continuous_aggregate('bad', 'SELECT w.window_end, count(*) FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY 1', retention => '1 month');
SELECT weir.create_continuous_aggregate('bad', 'SELECT w.window_end, count(*) FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY 1', allowed_lateness => '-1 hour');

-- rows without time zone count as UTC; a tick may hold late rows only
CREATE TABLE plain (at timestamp, n int);
SELECT weir.create_stream('plain', 'at');
SELECT weir.create_continuous_aggregate('plain_10m', $$
    SELECT w.window_start, w.window_end, sum(n) FROM plain, weir.tumble(at, '10 minutes') w GROUP BY w.window_start, w.window_end $$);
INSERT INTO plain VALUES ('1969-12-31 23:55', 1), ('1970-01-01 00:15', 2);
CALL weir.drain('plain');
INSERT INTO plain VALUES ('1969-12-31 23:56', 4), ('1969-12-31 23:57', 8);
CALL weir.drain('plain');
SELECT * FROM plain_10m ORDER BY 1;
SELECT event_time, watermark, window_end, "row" FROM weir.late_rows WHERE stream = 'plain'::regclass ORDER BY 1;

-- retention where the end is no column: by what follows from the start
CREATE TABLE days (at timestamptz);
SELECT weir.create_stream('days', 'at');
SELECT weir.create_continuous_aggregate('by_end', $$
    SELECT w.window_start, w.window_end, count(*) FROM days, weir.hop(at, '6 hours', '1 day', timezone => 'Europe/Berlin') w GROUP BY w.window_start, w.window_end $$, retention => '30 hours');
SELECT weir.create_continuous_aggregate('by_start', $$
    SELECT w.window_start, count(*) FROM days, weir.hop(at, '6 hours', '1 day', timezone => 'Europe/Berlin') w GROUP BY w.window_start $$, retention => '30 hours');
SELECT weir.create_continuous_aggregate('months', $$
    SELECT w.window_start, count(*) FROM days, weir.tumble(at, '1 month') w GROUP BY w.window_start $$, retention => '30 days');
INSERT INTO days SELECT timestamptz '2024-02-25 00:00' + n * interval '1 hour' FROM generate_series(0, 40 * 24) n;
CALL weir.drain('days');
SELECT weir._maintain_aggregate('by_end'), weir._maintain_aggregate('by_start'), weir._maintain_aggregate('months');
SELECT count(*), min(window_start), max(window_start) FROM by_end_closed;
SELECT window_start, count FROM by_start_closed EXCEPT ALL SELECT window_start, count FROM by_end_closed;
SELECT window_start, count FROM by_end_closed EXCEPT ALL SELECT window_start, count FROM by_start_closed;
SELECT * FROM months_closed;
SELECT weir.advance_watermark('days', '2024-05-30 23:59:59.999999');
SELECT weir._maintain_aggregate('months');
SELECT * FROM months_closed ORDER BY 1;
SELECT weir.advance_watermark('days', '2024-05-31 00:00:00.000001');
SELECT weir._maintain_aggregate('months');
SELECT * FROM months_closed ORDER BY 1;

-- retention waits for the stream that a table of closed rows is made, or is a part of
CREATE TABLE hours (at timestamptz, n int);
SELECT weir.create_stream('hours', 'at');
SELECT weir.create_continuous_aggregate('hourly', $$
    SELECT w.window_start, w.window_end, sum(n) AS n FROM hours, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end $$, retention => '0');
SELECT weir.create_continuous_aggregate('hourly_too', $$
    SELECT w.window_start, w.window_end, sum(n) AS n FROM hours, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end $$, retention => '0');
INSERT INTO hours SELECT timestamptz '2024-01-01' + i * interval '1 hour', i FROM generate_series(0, 10) i;
CALL weir.drain('hours');
CREATE TABLE all_hours (window_start timestamptz, window_end timestamptz, n bigint) PARTITION BY RANGE (window_start);
CREATE TABLE other_hours PARTITION OF all_hours FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
ALTER TABLE all_hours ATTACH PARTITION hourly_too_closed DEFAULT;
SELECT weir.create_stream('hourly_closed', 'window_start');
SELECT weir.create_stream('all_hours', 'window_start');
SELECT weir.create_continuous_aggregate('of_hourly', 'SELECT sum(n) AS n, count(*) AS hours FROM hourly_closed');
SELECT weir.create_continuous_aggregate('of_all_hours', 'SELECT sum(n) AS n, count(*) AS hours FROM all_hours');
CREATE VIEW hours_left AS SELECT (SELECT count(*) FROM hourly_closed) AS hourly, (SELECT count(*) FROM hourly_too_closed) AS hourly_too,
    of_hourly.n, of_hourly.hours, of_all_hours.n AS all_n, of_all_hours.hours AS all_hours FROM of_hourly, of_all_hours;
-- not begun
SELECT weir._maintain_aggregate('hourly'), weir._maintain_aggregate('hourly_too');
TABLE hours_left;
CALL weir.drain('hourly_closed');
SELECT weir._maintain_aggregate('hourly'), weir._maintain_aggregate('hourly_too');
TABLE hours_left;
CALL weir.drain('all_hours');
SELECT weir._maintain_aggregate('hourly'), weir._maintain_aggregate('hourly_too');
TABLE hours_left;
-- consumed by some
SELECT weir.create_continuous_aggregate('of_hourly_too', 'SELECT max(window_start) AS latest, count(*) AS hours FROM hourly_closed');
CALL weir.drain('hourly_closed');
SELECT weir.pause('of_hourly_too');
INSERT INTO hours SELECT timestamptz '2024-01-01' + i * interval '1 hour', i FROM generate_series(11, 20) i;
CALL weir.drain('hours');
CALL weir.drain('hourly_closed');
SELECT weir._maintain_aggregate('hourly'), weir._maintain_aggregate('hourly_too');
TABLE hours_left;
INSERT INTO hours VALUES ('2024-01-02', 21);
SELECT weir.resume('of_hourly_too');
CALL weir.drain('hourly_closed');
CALL weir.drain('hours');
SELECT weir._maintain_aggregate('hourly');
TABLE hours_left;
CALL weir.drain('hourly_closed');
CALL weir.drain('all_hours');
SELECT weir._maintain_aggregate('hourly'), weir._maintain_aggregate('hourly_too');
TABLE hours_left;
TABLE of_hourly_too;

-- late rows are kept until their aggregate's owner deletes them
CREATE TABLE kept AS SELECT count(*) AS n, max(arrived_at) AS until FROM weir.late_rows WHERE aggregate = 'plain_10m'::regclass;
SELECT n FROM kept;
SELECT weir.delete_late_rows('plain_10m', '2001-01-01');
-- (also where all tables are published)
SET client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES;
SET client_min_messages = warning;
SELECT weir.delete_late_rows('plain_10m', until) < n AS some FROM kept;
SELECT count(*) > 0 AS rest FROM weir.late_rows WHERE aggregate = 'plain_10m'::regclass;
SELECT weir.delete_late_rows('plain_10m') > 0 AS others;
SELECT count(*) FROM weir.late_rows WHERE aggregate = 'plain_10m'::regclass;
SELECT late_rows = n AS still_counted FROM weir.stat_aggregates, kept WHERE aggregate = 'plain_10m'::regclass;
SELECT count(*) > 0 AS of_others FROM weir.late_rows;
SELECT weir.delete_late_rows('plain');
SELECT weir.delete_late_rows(NULL);
CREATE ROLE regress_weir_late;
SET ROLE regress_weir_late;
SELECT weir.delete_late_rows('plain_10m');
RESET ROLE;
DROP ROLE regress_weir_late;
\c postgres
DROP DATABASE weir_late;
