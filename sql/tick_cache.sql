-- What a process keeps from tick to tick: each tick is as if nothing were kept,
-- whatever has been altered meanwhile, and by whom.  All ticks are of one session.
CREATE DATABASE weir_tick_cache TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_tick_cache SET weir.start_workers = off;
\c weir_tick_cache
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION weir;
CREATE ROLE weir_tick_owner;
CREATE ROLE weir_tick_heir;
GRANT CREATE ON SCHEMA public TO weir_tick_owner, weir_tick_heir;

CREATE TABLE ev (unused int, at timestamptz NOT NULL, k int, v numeric);
ALTER TABLE ev DROP COLUMN unused;
GRANT SELECT ON ev TO weir_tick_owner;
SELECT weir.create_stream('ev', 'at');
CREATE FUNCTION twice(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION scaled(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT twice($1)';
CREATE FUNCTION wanted(int) RETURNS boolean STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 < 10; END';
CREATE AGGREGATE total(numeric) (SFUNC = numeric_add, STYPE = numeric, COMBINEFUNC = numeric_add, INITCOND = '0');
SET ROLE weir_tick_owner;
SELECT weir.create_continuous_aggregate('summed', 'SELECT k, count(*) AS n, sum(scaled(v)) AS scaled, total(v) AS total, count(DISTINCT v) AS of_distinct FROM ev WHERE wanted(k) GROUP BY k');
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_start, w.window_end, count(*) AS n FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY w.window_start, w.window_end');
SELECT weir.create_continuous_aggregate('halves', 'SELECT w.window_start, w.window_end, count(*) AS n FROM ev, weir.hop(at, ''30 minutes'', ''1 hour'') w GROUP BY w.window_start, w.window_end');
SELECT weir.create_continuous_aggregate('visits', 'SELECT w.window_start, w.window_end, k, count(*) AS n FROM ev, weir.session(at, ''10 minutes'') w GROUP BY w.window_start, w.window_end, k');
RESET ROLE;
CALL weir.drain('ev');

-- the same thing again and again
CREATE PROCEDURE put(minute int, k int, v numeric) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ev (at, k, v) VALUES (timestamptz '2024-01-01 00:00' + minute * interval '1 minute', k, v);
	COMMIT;
	CALL weir.drain('ev');
END $$;
CALL put(1, 1, 1);
CALL put(2, 1, 2);
CALL put(3, 1, 2);
CALL put(4, 2, 5);
CALL put(4, 20, 5);
SELECT * FROM summed ORDER BY k;
SELECT window_start, n FROM hourly;
SELECT window_start, n FROM halves ORDER BY 1;
SELECT window_start, window_end, k, n FROM visits ORDER BY k;

-- functions, inlined, called and of the aggregation
CREATE OR REPLACE FUNCTION twice(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 1000';
CALL put(4, 2, 1);
SELECT n, scaled FROM summed WHERE k = 2;
CREATE OR REPLACE FUNCTION scaled(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 100';
CALL put(5, 1, 1);
SELECT n, scaled FROM summed WHERE k = 1;
CREATE OR REPLACE FUNCTION wanted(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 < 30';
CALL put(6, 20, 7);
SELECT n, scaled FROM summed WHERE k = 20;
CREATE OR REPLACE AGGREGATE total(numeric) (SFUNC = numeric_sub, STYPE = numeric, COMBINEFUNC = numeric_add, INITCOND = '0');
CALL put(7, 1, 1000);
SELECT n, total FROM summed WHERE k = 1;

-- the stream
ALTER TABLE ev ADD COLUMN more int DEFAULT 4, ADD COLUMN other text;
CALL put(8, 1, 0);
ALTER TABLE ev RENAME COLUMN v TO value;
ALTER TABLE ev RENAME TO event;
INSERT INTO event (at, k, value) VALUES ('2024-01-01 00:09', 1, 0);
CALL weir.drain('event');
ALTER TABLE event RENAME TO ev;
ALTER TABLE ev RENAME COLUMN value TO v;
CALL put(9, 1, 0);
SELECT n FROM summed WHERE k = 1;

-- what is late is told by the bound of each tick
CALL put(61, 1, 0);
CALL put(10, 1, 0);
CALL put(11, 1, 0);
CALL put(62, 1, 0);
CALL put(125, 1, 0);
CALL put(63, 1, 0);
SELECT window_start, n FROM hourly ORDER BY 1;
SELECT aggregate, count(*) FROM weir.late_rows GROUP BY 1 ORDER BY 1;
SELECT aggregate, late_rows, partly_late_rows FROM weir.stat_aggregates ORDER BY 1;

-- many rows, and few again
INSERT INTO ev (at, k, v) SELECT '2024-01-01 02:10', i % 5, 1 FROM generate_series(1, 3000) i;
CALL weir.drain('ev');
CALL put(131, 1, 0);
SELECT k, n FROM summed ORDER BY k;
SELECT window_start, n FROM hourly WHERE window_start = '2024-01-01 02:00';

-- rows that its owner may not see, from now on
ALTER TABLE ev ENABLE ROW LEVEL SECURITY;
CREATE POLICY positive ON ev FOR SELECT USING (v > 0);
CALL put(132, 3, 0);
CALL put(132, 3, 1);
SELECT k, n FROM summed WHERE k = 3;
DROP POLICY positive ON ev;
CREATE POLICY small ON ev FOR SELECT USING (v < 5);
CALL put(133, 3, 9);
CALL put(133, 3, -1);
SELECT k, n FROM summed WHERE k = 3;
ALTER TABLE ev DISABLE ROW LEVEL SECURITY;
CALL put(134, 3, 9);
SELECT k, n FROM summed WHERE k = 3;

-- another owner, without rights and with them
ALTER VIEW summed OWNER TO weir_tick_heir;
CALL put(135, 3, 9);
SELECT aggregate, status, last_error FROM weir.stat_aggregates WHERE aggregate = 'summed'::regclass;
GRANT SELECT ON ev TO weir_tick_heir;
SELECT weir.resume('summed');
CALL put(136, 3, 9);
SELECT k, n FROM summed WHERE k = 3;
REVOKE SELECT ON ev FROM weir_tick_owner;
CALL put(137, 3, 9);
SELECT k, n FROM summed WHERE k = 3;
SELECT aggregate, status FROM weir.stat_aggregates ORDER BY 1;
GRANT SELECT ON ev TO weir_tick_owner;
SELECT weir.resume(aggregate) FROM weir.stat_aggregates WHERE status <> 'active';
CALL weir.drain('ev');

-- an error in the middle of it
CREATE OR REPLACE FUNCTION scaled(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT 1 / $1';
CALL put(138, 4, 1);
CALL put(138, 4, 0);
SELECT aggregate, status, last_error FROM weir.stat_aggregates WHERE status <> 'active';
CREATE OR REPLACE FUNCTION scaled(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1';
SELECT weir.resume('summed');
CALL put(139, 4, 1);
SELECT k, n FROM summed WHERE k = 4;

-- a stream of partitions, that come and go
CREATE TABLE pev (at timestamptz NOT NULL, k int) PARTITION BY LIST (k);
CREATE TABLE pev1 PARTITION OF pev FOR VALUES IN (1);
SELECT weir.create_stream('pev', 'at');
SELECT weir.create_continuous_aggregate('parts', 'SELECT k, count(*) AS n FROM pev GROUP BY k');
CALL weir.drain('pev');
INSERT INTO pev VALUES ('2024-01-01', 1);
CALL weir.drain('pev');
INSERT INTO pev VALUES ('2024-01-01', 1);
CALL weir.drain('pev');
CREATE TABLE pev2 (k int, junk text, at timestamptz NOT NULL);
ALTER TABLE pev2 DROP COLUMN junk;
ALTER TABLE pev ATTACH PARTITION pev2 FOR VALUES IN (2);
INSERT INTO pev VALUES ('2024-01-01', 1), ('2024-01-01', 2);
CALL weir.drain('pev');
ALTER TABLE pev DETACH PARTITION pev1;
INSERT INTO pev VALUES ('2024-01-01', 2);
CALL weir.drain('pev');
SELECT * FROM parts ORDER BY k;

-- another aggregate of the same name
SELECT weir.drop_continuous_aggregate('parts');
SELECT weir.create_continuous_aggregate('parts', 'SELECT -k AS k, count(*) + 100 AS n FROM pev GROUP BY k');
CALL weir.drain('pev');
INSERT INTO pev VALUES ('2024-01-01', 2);
CALL weir.drain('pev');
SELECT * FROM parts ORDER BY k;

\c postgres
DROP DATABASE weir_tick_cache;
DROP ROLE weir_tick_owner, weir_tick_heir;
