-- What fails in one aggregate stops no other; it can be resumed or skipped.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_skip TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_skip SET weir.start_workers = off;
ALTER DATABASE weir_skip SET weir.max_failures = 1;
\c weir_skip
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;
\set VERBOSITY terse

CREATE TABLE ev (at timestamptz, k text, a int, b int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('first', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(a) AS total FROM ev, weir.tumble(at, '10 minutes') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('divides', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(a / b) AS total FROM ev, weir.tumble(at, '10 minutes') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('third', $$
    SELECT k, max(a) AS highest FROM ev GROUP BY k $$);
CREATE VIEW stat AS SELECT aggregate, status, failures, skipped_rows, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates ORDER BY aggregate::text;
CREATE VIEW left_out AS SELECT aggregate, event_time, watermark, isfinite(window_end) AS has_end, reason, "row" FROM weir.late_rows ORDER BY aggregate::text, event_time, "row"::text;

-- a poisonous row fails one of three; the others go on, its rows wait
INSERT INTO ev VALUES ('2024-01-01 10:00', 'x', 6, 2), ('2024-01-01 10:01', 'x', 6, 3), ('2024-01-01 10:02', 'y', 1, 1);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 10:03', 'x', 7, 7), ('2024-01-01 10:04', 'y', 8, 0), ('2024-01-01 10:05', 'y', 9, 9);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 10:20', 'x', 1, 1);
CALL weir.drain('ev');
SELECT * FROM stat;
SELECT * FROM first_closed ORDER BY k;
SELECT * FROM divides_closed ORDER BY k;
SELECT * FROM third ORDER BY k;
-- resuming tries again, and fails again
SELECT weir.resume('divides');
CALL weir.drain('ev');
SELECT * FROM stat;
-- skipping leaves out the one row, and keeps it
SELECT weir.skip('divides');
SELECT status FROM stat WHERE aggregate = 'divides'::regclass;
CALL weir.drain('ev');
SELECT * FROM stat;
SELECT * FROM left_out;
SELECT * FROM divides_closed ORDER BY k;
SELECT * FROM divides ORDER BY window_start, k;
-- it has joined the others, and fails again at the next such row
INSERT INTO ev VALUES ('2024-01-01 10:21', 'x', 3, 1), ('2024-01-01 10:22', 'x', 4, 0);
CALL weir.drain('ev');
SELECT * FROM stat;
-- deleting the row from the stream is the other way
DELETE FROM ev WHERE b = 0 AND at > '2024-01-01 10:10';
SELECT weir.resume('divides');
CALL weir.drain('ev');
SELECT * FROM stat;
SELECT * FROM divides ORDER BY window_start, k;

-- several rows, late ones among them; the first, the last, all of a tick
INSERT INTO ev SELECT timestamptz '2024-01-01 10:30' + i * interval '1 second', 'z', i, i % 100 FROM generate_series(0, 300) i;
INSERT INTO ev VALUES ('2024-01-01 10:05', 'late', 1, 1), ('2024-01-01 10:06', 'late and poisonous', 1, 0), ('2024-01-01 10:23', 'in time', 1, 1);
CALL weir.drain('ev');
SELECT weir.skip('divides');
CALL weir.drain('ev');
SELECT * FROM stat;
SELECT * FROM left_out WHERE event_time > '2024-01-01 10:05' ORDER BY aggregate::text, event_time;
SELECT k, n, total FROM divides ORDER BY window_start, k;
SELECT sum(i / (i % 100)) FROM generate_series(0, 300) i WHERE i % 100 <> 0;
INSERT INTO ev VALUES ('2024-01-01 10:40', 'q', 1, 0), ('2024-01-01 10:41', 'q', 1, 0);
CALL weir.drain('ev');
SELECT weir.skip('divides');
CALL weir.drain('ev');
SELECT * FROM stat;
SELECT count(*) FROM divides WHERE k = 'q';

-- what is poisonous by WHERE, by a join, by a key; by all rows together
SELECT weir.create_continuous_aggregate('by_where', $$ SELECT count(*) AS n FROM ev WHERE 10 / b > 0 $$, with_data => false);
SELECT weir.create_continuous_aggregate('by_key', $$ SELECT a % b AS key, count(*) AS n FROM ev GROUP BY 1 $$, with_data => false);
CREATE TABLE names (b int, name text);
INSERT INTO names VALUES (1, 'one'), (2, 'two');
SELECT weir.create_continuous_aggregate('by_join', $$ SELECT name, sum(1 / (names.b - 2 + ev.a)) AS n FROM ev LEFT JOIN names USING (b) GROUP BY 1 $$, with_data => false);
SELECT weir.create_continuous_aggregate('overflows', $$ SELECT sum(a * float8 '1e307' * b) AS n FROM ev $$, with_data => false);
SELECT weir.create_continuous_aggregate('by_window', $$ SELECT w.window_start, w.window_end, sum(a / b) AS n FROM ev, weir.hop(at, '10 minutes', '20 minutes') w WHERE at > w.window_start GROUP BY w.window_start, w.window_end $$, with_data => false);
SELECT weir.create_continuous_aggregate('by_session', $$ SELECT w.window_start, w.window_end, k, sum(a / b) AS n FROM ev, weir.session(at, '1 minute') w GROUP BY w.window_start, w.window_end, k $$, with_data => false);
INSERT INTO ev VALUES ('2024-01-01 11:00', 's', 5, 3), ('2024-01-01 11:01', 's', 5, 3), ('2024-01-01 11:02', 's', 0, 2), ('2024-01-01 11:03', 's', 1, 0), ('2024-01-01 11:04', 't', 5, 1);
CALL weir.drain('ev');
SELECT * FROM stat;
SELECT weir.skip(aggregate) FROM weir.stat_aggregates WHERE status = 'failed';
CALL weir.drain('ev');
SELECT * FROM stat;
SELECT aggregate, event_time, has_end, reason, "row" FROM left_out WHERE event_time >= '2024-01-01 11:00';
TABLE by_where;
TABLE by_key ORDER BY key;
TABLE by_join ORDER BY name;
TABLE overflows;
TABLE by_window ORDER BY window_start;
TABLE by_session ORDER BY window_start;
SELECT weir.drop_continuous_aggregate(aggregate) FROM weir.continuous_aggregates WHERE aggregate::text ~ '^by_|overflows';

-- what is not about rows is not skipped
CREATE FUNCTION fails(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$;
SELECT weir.create_continuous_aggregate('by_function', $$ SELECT sum(fails(a)) AS n FROM ev $$, with_data => false);
SELECT weir.create_continuous_aggregate('always', $$ SELECT sum(a / fails(0 * b)) AS n FROM ev $$, with_data => false);
CREATE OR REPLACE FUNCTION fails(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN nonsense; END $$;
INSERT INTO ev SELECT '2024-01-01 11:06', 'many', 1, 1 FROM generate_series(1, 1100);
CALL weir.drain('ev');
SELECT weir.skip('by_function'), weir.skip('always');
CALL weir.drain('ev');
SELECT * FROM stat WHERE aggregate IN ('by_function'::regclass, 'always'::regclass);
CREATE OR REPLACE FUNCTION fails(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$;
SELECT weir.resume('by_function');
CALL weir.drain('ev');
SELECT * FROM stat WHERE aggregate = 'by_function'::regclass;
SELECT * FROM by_function;
SELECT weir.drop_continuous_aggregate('by_function');
SELECT weir.drop_continuous_aggregate('always');

-- over another aggregate; history; partitions; rights on some columns only
SELECT weir.create_continuous_aggregate('upper', $$
    SELECT w.window_start, w.window_end, sum(1 / (f.total - 6)) AS n, count(*) AS groups FROM first f, weir.tumble(f.window_start, '1 hour') w GROUP BY w.window_start, w.window_end $$);
CALL weir.drain('ev');
SELECT aggregate, status, error FROM stat WHERE aggregate = 'upper'::regclass;
INSERT INTO ev VALUES ('2024-01-01 12:00', 'u', 6, 1);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 13:00', 'u', 7, 1);
CALL weir.drain('ev');
SELECT * FROM stat WHERE aggregate = 'upper'::regclass;
SELECT weir.skip('upper');
CALL weir.drain('ev');
SELECT * FROM stat WHERE aggregate = 'upper'::regclass;
SELECT aggregate, event_time, reason, "row" FROM left_out WHERE aggregate = 'upper'::regclass;
SELECT * FROM upper_closed ORDER BY 1;
SELECT * FROM stat WHERE status <> 'active';
CREATE TABLE parts (at timestamptz, v int, secret text) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');
CREATE TABLE parts_2 (secret text, v int, at timestamptz);
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM ('2024-01-02') TO ('2024-01-03');
INSERT INTO parts SELECT timestamptz '2024-01-01' + i * interval '1 hour', i % 24, 'hidden' FROM generate_series(0, 40) i;
SELECT weir.create_stream('parts', 'at');
CREATE ROLE weir_skip_user;
GRANT SELECT (at, v) ON parts TO weir_skip_user;
GRANT CREATE ON SCHEMA public TO weir_skip_user;
SET ROLE weir_skip_user;
SELECT weir.create_continuous_aggregate('of_parts', $$ SELECT sum(100 / v) AS n FROM parts $$);
RESET ROLE;
CALL weir.drain('parts');
SELECT * FROM stat WHERE aggregate = 'of_parts'::regclass;
SELECT weir.skip('of_parts');
CALL weir.drain('parts');
SELECT * FROM stat WHERE aggregate = 'of_parts'::regclass;
SELECT event_time, reason, "row" FROM left_out WHERE aggregate = 'of_parts'::regclass;
SELECT n, (SELECT sum(100 / v) FROM parts WHERE v <> 0) FROM of_parts;

-- a group at fault: its result is computed when the window closes
CREATE TABLE shares (at timestamptz, k text, part int, whole int);
SELECT weir.create_stream('shares', 'at');
SELECT weir.create_continuous_aggregate('tumbling', $$ SELECT w.window_end, k, upper(k) AS big, sum(part) / sum(whole) AS share FROM shares, weir.tumble(at, '10 minutes') w GROUP BY w.window_end, k, length(k) $$);
SELECT weir.create_continuous_aggregate('hopping', $$ SELECT w.window_start, w.window_end, sum(part) / sum(whole) AS share FROM shares, weir.hop(at, '5 minutes', '10 minutes') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('sessions', $$ SELECT w.window_start, w.window_end, k, sum(part) / sum(whole) AS share FROM shares, weir.session(at, '1 minute') w GROUP BY w.window_start, w.window_end, k $$, allowed_lateness => '1 minute');
SELECT weir.create_continuous_aggregate('rolled_up', $$ SELECT w.window_end, k, sum(part) / sum(whole) AS share FROM shares, weir.tumble(at, '10 minutes') w GROUP BY w.window_end, ROLLUP (k) $$);
SELECT weir.create_continuous_aggregate('hours', $$ SELECT w.window_end, sum(1 / t.share) AS shares, count(*) AS n FROM tumbling t, weir.tumble(t.window_end - interval '1 microsecond', '1 hour') w GROUP BY w.window_end $$);
CREATE TABLE got (k text, share bigint);
SELECT weir.create_sink('get', 'tumbling', 'INSERT INTO got SELECT k, share FROM closed');
INSERT INTO shares VALUES ('2024-01-01 10:01', 'a', 6, 3), ('2024-01-01 10:02', 'b', 6, 0), ('2024-01-01 10:03', 'c', 8, 2), ('2024-01-01 10:04', 'd', 9, 1), ('2024-01-01 10:04', 'd', 9, -1), ('2024-01-01 10:09', 'e', 5, 5), ('2024-01-01 10:16', 'f', 5, 0);
CALL weir.drain('shares');
INSERT INTO shares VALUES ('2024-01-01 10:31', 'a', 1, 1);
CALL weir.drain('shares');
CREATE VIEW stat_shares AS SELECT aggregate, status, failures, skipped_rows, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE aggregate::text ~ 'hopping|tumbling|sessions|rolled|hours' ORDER BY aggregate::text;
TABLE stat_shares;
SELECT weir.skip(aggregate) FROM stat_shares WHERE status = 'failed';
CALL weir.drain('shares');
TABLE stat_shares;
SELECT aggregate, event_time, watermark, window_end, reason, "row" FROM weir.late_rows WHERE aggregate IN (SELECT aggregate FROM stat_shares) ORDER BY aggregate::text, event_time, "row"::text;
SELECT * FROM tumbling_closed ORDER BY window_end, k;
SELECT * FROM hopping_closed ORDER BY window_end;
SELECT * FROM sessions_closed ORDER BY window_end, k;
SELECT * FROM rolled_up_closed ORDER BY window_end, k;
TABLE got ORDER BY k;
INSERT INTO shares VALUES ('2024-01-01 11:31', 'a', 1, 1);
CALL weir.drain('shares');
TABLE stat_shares;
TABLE hours ORDER BY 1;

-- over another aggregate, what is kept of a row is what its owner may read
CREATE SCHEMA theirs AUTHORIZATION weir_skip_user;
GRANT SELECT (window_start, window_end, n) ON first TO weir_skip_user;
ALTER TABLE first_closed ADD secret text DEFAULT 'secret';
SET ROLE weir_skip_user;
SELECT weir.create_continuous_aggregate('theirs.over', $$
    SELECT w.window_start, w.window_end, sum(1 / (f.n - f.n)) AS bad FROM first f, weir.tumble(f.window_start, '1 hour') w GROUP BY w.window_start, w.window_end $$);
RESET ROLE;
CALL weir.drain('ev');
SET ROLE weir_skip_user;
SELECT weir.skip('theirs.over');
RESET ROLE;
CALL weir.drain('ev');
SET ROLE weir_skip_user;
SELECT DISTINCT k FROM weir.late_rows, jsonb_object_keys("row") k WHERE aggregate = 'theirs.over'::regclass ORDER BY 1;
RESET ROLE;
SELECT weir.drop_continuous_aggregate('theirs.over');
DROP SCHEMA theirs;
REVOKE SELECT (window_start, window_end, n) ON first FROM weir_skip_user;

-- errors
SELECT weir.skip('first');
SELECT weir.skip('ev');
SELECT weir.skip(NULL);
SET ROLE weir_skip_user;
SELECT weir.skip('first');
RESET ROLE;
\c postgres
DROP DATABASE weir_skip;
DROP ROLE weir_skip_user;
