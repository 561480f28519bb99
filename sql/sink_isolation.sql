-- A sink that fails stops neither windows nor other sinks: it is behind, and
-- gets everything later, in order, once.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_sink_isolation TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_sink_isolation SET weir.start_workers = off;
\c weir_sink_isolation
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
SET weir.max_failures = 2;
SET weir.retry_delay = '10 min';

CREATE TABLE ev (at timestamptz, k text, n int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('per_min', $$
    SELECT w.window_end, k, sum(n) AS n FROM ev, weir.tumble(at, '1 minute') w GROUP BY w.window_end, k $$);
CREATE TABLE took (i serial, sink text, window_end timestamptz, k text, n bigint);
CREATE TABLE poison (k text);
CREATE FUNCTION bite(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM poison WHERE k = $1) THEN
        RAISE EXCEPTION 'poisoned by %', $1;
    END IF;
    RETURN $1;
END $$;
SELECT weir.create_sink(name, 'per_min', format('INSERT INTO took (sink, window_end, k, n) SELECT %L, window_end, %s, n FROM closed ORDER BY 2, 3', name, k))
FROM (VALUES ('a good', 'k'), ('b bad', 'bite(k)'), ('c worse', 'bite(k)'), ('d good', 'k')) s (name, k);

CREATE VIEW fares AS
SELECT name, status, closings_behind AS closings, rows_behind AS rows, behind_since <= now() AS since, failures,
    split_part(last_error, E'\n', 1) AS last_error, next_retry > last_error_at AS retries
FROM weir.stat_sinks;
SELECT * FROM fares ORDER BY name;

INSERT INTO ev VALUES ('2024-01-01 10:00', 'x', 1), ('2024-01-01 10:00', 'y', 2), ('2024-01-01 10:01', 'x', 3);
CALL weir.drain('ev');
INSERT INTO poison VALUES ('y');
-- closing 2: what the bad ones do is undone
INSERT INTO ev VALUES ('2024-01-01 10:01', 'y', 4), ('2024-01-01 10:02', 'y', 5);
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;
SELECT aggregate, status, failures, sinks_behind, split_part(last_error, E'\n', 1) AS last_error FROM weir.stat_aggregates;
-- closings 3 and 4: kept for them without asking, in order
INSERT INTO ev VALUES ('2024-01-01 10:03', 'x', 6);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 10:04', 'x', 7);
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;
SELECT * FROM per_min_closed ORDER BY 1, 2;
SELECT sink, window_end, k, n FROM took ORDER BY i;
SELECT sink, delivery, "row" FROM weir._undelivered ORDER BY sink, delivery, "row";

-- the second failure pauses; one of them is told to go on when the cause is gone
UPDATE weir._sink SET next_retry = '-infinity' WHERE status = 1;
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;
DELETE FROM poison;
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;
SELECT weir.resume_sink('b bad');
SELECT * FROM fares ORDER BY name;
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;
SELECT sink, window_end, k, n FROM took WHERE sink = 'b bad' ORDER BY i;

-- the other gives up the closing that it fails at, and no more
INSERT INTO poison VALUES ('y');
SELECT weir.skip_sink('c worse');
SELECT * FROM fares ORDER BY name;
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;
SELECT weir.skip_sink('c worse');
SELECT sink, window_end, k, n FROM took WHERE sink = 'c worse' ORDER BY i;
SELECT count(*) FROM weir._undelivered;
SELECT sink, count(*) FROM took GROUP BY sink ORDER BY 1;

-- resuming the aggregate resumes its sinks; while it is paused, they wait
INSERT INTO ev VALUES ('2024-01-01 10:04', 'y', 8), ('2024-01-01 10:06', 'z', 9);
CALL weir.drain('ev');
SELECT weir.pause('per_min');
DELETE FROM poison;
UPDATE weir._sink SET next_retry = '-infinity' WHERE status = 1;
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;
SELECT weir.resume('per_min');
CALL weir.drain('ev');
SELECT * FROM fares ORDER BY name;

-- a sink that is behind misses nothing of what happens to the closed rows
INSERT INTO poison VALUES ('z');
INSERT INTO ev VALUES ('2024-01-01 11:00', 'w', 10);
CALL weir.drain('ev');
SELECT weir.alter_continuous_aggregate('per_min', retention => '1 minute');
SELECT weir._maintain_aggregate('per_min');
SELECT count(*) FROM per_min_closed;
SELECT name, closings, rows FROM fares WHERE rows > 0 ORDER BY name;
DELETE FROM poison;
UPDATE weir._sink SET next_retry = '-infinity' WHERE status = 1;
-- what the worker does
SELECT weir._maintain_aggregate('per_min');
SELECT name, closings, rows FROM fares WHERE rows > 0 ORDER BY name;
SELECT sink, k, n FROM took WHERE k IN ('w', 'z') ORDER BY sink, i;

-- dropped while behind: nothing is left
INSERT INTO poison VALUES ('w');
INSERT INTO ev VALUES ('2024-01-01 12:00', 'v', 11);
CALL weir.drain('ev');
SELECT name, closings, rows FROM fares WHERE rows > 0 ORDER BY name;
SELECT weir.drop_sink('c worse');
SELECT sink, count(*) FROM weir._undelivered GROUP BY sink;
-- one of the same name begins anew
SELECT weir.create_sink('c worse', 'per_min', 'SELECT bite(k) FROM closed');
SELECT * FROM fares WHERE name >= 'b' ORDER BY name;
SELECT weir.drop_continuous_aggregate('per_min');
SELECT count(*) FROM weir._undelivered;
SELECT count(*) FROM weir.stat_sinks;

-- Values are kept exactly, whatever the settings say about their looks.
CREATE TYPE pair AS (x float8, y text);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE all_types (at timestamptz, id int, f8 float8, f4 float4, num numeric, ts timestamp, d date, tm time, iv interval, b bytea,
    t text, c char(5), arr text[], p pair, m mood, r int4range, j jsonb, dom positive, bits bit(3), wide weir.widerow);
INSERT INTO all_types VALUES
    ('2024-03-31 01:30+00', 1, 0.1 + 0.2, 1 / 3.0, 1e-30, 'infinity', '-infinity', '23:59:59.999999', '-1 year -2 days +3:04:05.6', '\x00ff', E'a "b",{c}\n\\', 'x', '{NULL,"a,b",""}', (1e300, NULL), 'ok', '[1,5)', '{"a":[1,null]}', 3, '101', weir.widerow('f', 'q', '\x00', 'epoch')),
    ('2024-10-27 01:30+00', 2, 'NaN', '-Infinity', 'NaN', '0044-03-15 BC', '2024-02-03', '00:00', '0', '', '', '', '{}', (NULL, ''), 'sad', 'empty', 'null', 1, '000', NULL),
    ('2024-10-27 02:30+00', 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE typed (LIKE all_types);
SELECT weir.create_stream('typed', 'at');
SET DateStyle = 'SQL, DMY';
SET timezone = 'Europe/Berlin';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -15;
SET bytea_output = 'escape';
SELECT weir.create_continuous_aggregate('types', $$
    SELECT w.window_end, id, f8, f4, num, ts, d, tm, iv, b, t, c, arr, p, m, r, j, dom, bits, wide, max(at) AS at, avg(f8)
    FROM typed, weir.tumble(at, '1 minute') w
    GROUP BY w.window_end, id, f8, f4, num, ts, d, tm, iv, b, t, c, arr, p, m, r, j, dom, bits, wide $$);
CREATE TABLE types_took (LIKE types_closed);
SELECT weir.create_sink('types', 'types', 'INSERT INTO types_took SELECT * FROM closed WHERE bite(id::text) IS NOT NULL');
INSERT INTO poison SELECT generate_series(1, 3);
INSERT INTO typed SELECT * FROM all_types;
SELECT weir.advance_watermark('typed', 'infinity');
SELECT count(*) FROM types_took;
DELETE FROM poison;
SELECT weir.resume_sink('types');
RESET ALL;
SET client_min_messages = warning;
SET weir.retry_delay = '10 min';
SET timezone = 'UTC';
CALL weir.drain('typed');
SELECT count(*) FROM types_took;
SELECT count(*) FROM (SELECT got::text FROM types_took got EXCEPT ALL SELECT expected::text FROM types_closed expected) x;
SELECT count(*) FROM (SELECT record_send(got) FROM types_took got EXCEPT ALL SELECT record_send(expected) FROM types_closed expected) x;

-- More than fits into work_mem, and than is delivered at once; the error comes
-- when some of it has been read.
SET work_mem = '64kB';
CREATE TABLE many (at timestamptz, n int);
SELECT weir.create_stream('many', 'at');
SELECT weir.create_continuous_aggregate('each', 'SELECT w.window_end, n, count(*) FROM many, weir.tumble(at, ''1 hour'') w GROUP BY w.window_end, n');
CREATE TABLE each_took (n int);
SELECT weir.create_sink('each', 'each', 'INSERT INTO each_took SELECT n FROM closed WHERE bite(CASE WHEN n % 1000 = 999 THEN n::text ELSE '''' END) IS NOT NULL');
SELECT weir.create_sink('each too', 'each', 'SELECT count(*) FROM closed');
INSERT INTO poison VALUES ('9999');
INSERT INTO many SELECT '2024-01-01 00:00', g FROM generate_series(1, 11000) g;
INSERT INTO many SELECT '2024-01-01 01:00', g FROM generate_series(1, 100) g;
CALL weir.drain('many');
SELECT weir.advance_watermark('many', 'infinity');
SELECT name, closings, rows FROM fares WHERE rows > 0 ORDER BY name;
DELETE FROM poison;
SELECT weir.resume_sink('each');
SELECT weir._maintain_aggregate('each');
SELECT name, closings, rows FROM fares WHERE rows > 0 ORDER BY name;
SELECT weir._maintain_aggregate('each');
SELECT name, closings, rows FROM fares WHERE rows > 0 ORDER BY name;
SELECT count(*), count(DISTINCT n) FROM each_took;

-- A sink cannot take away the rows that aggregates behind it have not read yet.
CREATE TABLE whole (at timestamptz, n int);
SELECT weir.create_stream('whole', 'at');
SELECT weir.create_continuous_aggregate('whole_1', 'SELECT w.window_end, count(*) FROM whole, weir.tumble(at, ''1 hour'') w GROUP BY w.window_end');
SELECT weir.create_continuous_aggregate('whole_2', 'SELECT count(*), sum(n) FROM whole');
INSERT INTO whole VALUES ('2024-01-01 10:00', 1);
CALL weir.drain('whole');
CREATE FUNCTION empty_it() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE whole; END';
SELECT weir.create_sink('empty it', 'whole_1', 'SELECT public.empty_it() FROM closed');
INSERT INTO whole SELECT '2024-01-01 11:00', 2 FROM generate_series(1, 1000);
CALL weir.drain('whole');
SELECT aggregate, status, failures, last_error FROM weir.stat_aggregates WHERE aggregate IN ('whole_1'::regclass, 'whole_2');
SELECT * FROM whole_2;
SELECT weir.drop_sink('empty it');

-- What it does not find any more, it may find under another name.
CREATE TABLE taken (at timestamptz);
SELECT weir.create_sink('take', 'whole_1', 'INSERT INTO taken SELECT window_end FROM closed');
CREATE SCHEMA away;
ALTER TABLE taken SET SCHEMA away;
INSERT INTO whole VALUES ('2024-01-01 12:00', 1);
CALL weir.drain('whole');
SELECT split_part(last_error, E'\n', 1) AS error, split_part(last_error, E'\n', 2) AS hint FROM weir.stat_sinks WHERE name = 'take';

-- rights
CREATE ROLE weir_stranger;
SET ROLE weir_stranger;
SELECT weir.resume_sink('each');
SELECT weir.skip_sink('each');
SELECT weir.drop_sink('each');
SELECT count(*) FROM weir._undelivered;
RESET ROLE;
SELECT weir.resume_sink('none');
SELECT weir.skip_sink('none');
SELECT weir.resume_sink('each');
SELECT weir.skip_sink('each');
INSERT INTO poison VALUES ('999');
SELECT weir.drop_stream('many', cascade => true);
TRUNCATE many;
SELECT weir.create_stream('many', 'at');
SELECT weir.create_continuous_aggregate('each', 'SELECT w.window_end, n, count(*) FROM many, weir.tumble(at, ''1 hour'') w GROUP BY w.window_end, n');
SELECT weir.create_sink('each', 'each', 'SELECT bite(n::text) FROM closed');
INSERT INTO many VALUES ('2024-01-01', 999);
SELECT weir.advance_watermark('many', 'infinity');
SET ROLE weir_stranger;
SELECT name, rows_behind, last_error FROM weir.stat_sinks WHERE rows_behind > 0 ORDER BY name;
SELECT aggregate, sinks_behind, last_error FROM weir.stat_aggregates WHERE sinks_behind > 0;
RESET ROLE;
SELECT name, rows_behind, last_error IS NOT NULL AS has_error FROM weir.stat_sinks WHERE rows_behind > 0 ORDER BY name;
DROP VIEW "each";
SELECT count(*) FROM weir._undelivered;
\c postgres
DROP DATABASE weir_sink_isolation;
DROP ROLE weir_stranger;
