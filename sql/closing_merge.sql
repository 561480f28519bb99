-- Closing windows: runs of state are merged in the order of the hash of their
-- keys, groups are finished as they come, and put in window by window.  In a
-- database of its own, where no worker merges them before.
CREATE DATABASE weir_closing_merge TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_closing_merge SET weir.start_workers = off;
\c weir_closing_merge
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
CREATE FUNCTION compare(aggregate text, query text) RETURNS TABLE (missing bigint, surplus bigint, closed bigint, groups bigint)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT (SELECT count(*) FROM ((%1$s) EXCEPT ALL (TABLE %2$I)) x),
		(SELECT count(*) FROM ((TABLE %2$I) EXCEPT ALL (%1$s)) x), (SELECT count(*) FROM %3$I),
		(SELECT groups FROM weir.stat_aggregates WHERE aggregate = %2$L::regclass)', query, aggregate, aggregate || '_closed');
END $$;

CREATE TABLE names (id int PRIMARY KEY, name text);
INSERT INTO names SELECT i, 'number ' || i FROM generate_series(0, 3) i;
CREATE TABLE hits (ts timestamptz NOT NULL, key bigint, name text, price numeric, flag boolean, real float4);
SELECT weir.create_stream('hits', 'ts', max_out_of_orderness => '1 day');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
	-- states that are results: by value, by reference, NULL, of types that are known late only
	('plain', $$SELECT w.window_start, w.window_end, key, count(*) AS n, count(name) AS names, sum(flag::int) AS flags, sum(real) AS sum,
		max(name) AS last, min(price) AS low, bool_or(flag) AS some, min(real) FILTER (WHERE flag) AS least,
		max(ARRAY[key, 1]) AS list, max(CASE WHEN flag THEN 'happy' END::mood) AS mood, max(ts) AS newest
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, key$$),
	-- no state at all
	('keys_only', $$SELECT w.window_end, key, name FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end, key, name$$),
	-- others among them; the window is not put out
	('mixed', $$SELECT name, count(*) AS n, avg(price) AS mean, count(DISTINCT key) AS keys
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, name$$),
	('window_only', $$SELECT w.window_start, count(*) AS n, max(name) AS last FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start$$),
	('having', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, key HAVING count(*) > 20 AND max(name) IS NOT NULL$$),
	('having_never', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, key HAVING false$$),
	('expressions', $$SELECT w.window_start + interval '1 second' AS at, w.window_end, key % 4 AS number, GROUPING(key % 4, name) AS grouping,
		count(*) * 2 + sum(length(name)) AS n, (SELECT names.name FROM names WHERE id = max(length(hits.name)) % 4) AS called
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, key % 4, name$$),
	-- windows of the same start, and such as share panes
	('steps', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.cumulate(ts, '1 hour', '3 hours') w WHERE ts < w.window_end GROUP BY w.window_start, w.window_end, key$$),
	('hops', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.hop(ts, '1 hour', '3 hours') w GROUP BY w.window_start, w.window_end, key$$);
SELECT weir.create_continuous_aggregate(name, query) FROM queries ORDER BY name;

-- 3, 2^32 + 2, 2 * 2^32 + 1 and 3 * 2^32 have the same hash, as others of the
-- kind; they come in another order each time.  1.5, 1.50 and 1.500 are equal.
CREATE PROCEDURE add_hits(since timestamptz, tick int, n int) LANGUAGE sql AS $$
	INSERT INTO hits SELECT since + (i * 7 + tick) % 150 * interval '1 minute',
		CASE WHEN i % 11 = 0 THEN NULL ELSE ((i / 4 + tick) % 50) # ((i + tick) % 4) # (((i + tick) % 4)::bigint << 32) END,
		CASE WHEN i % 7 > 0 THEN repeat('n' || i % 3, i * tick % 5) END,
		CASE i % 4 WHEN 0 THEN 1.5 WHEN 1 THEN 1.50 WHEN 2 THEN 1.500 END,
		CASE WHEN i % 13 > 0 THEN i % 3 = 0 END, i % 128
	FROM generate_series(1, n) i ORDER BY hashint4(i + tick);
$$;
CREATE PROCEDURE add_ticks(since timestamptz, n int, rows int) LANGUAGE plpgsql AS $$
BEGIN
	FOR tick IN 1 .. n LOOP
		CALL add_hits(since, tick, rows);
		CALL weir.drain('hits');
		COMMIT;
	END LOOP;
END $$;

-- some windows at once, of several runs; others hang on their rows
SELECT weir.create_continuous_aggregate('above', $$
	SELECT w.window_start, w.window_end, sum(n) AS n FROM plain p, weir.tumble(p.window_start, '2 hours') w GROUP BY w.window_start, w.window_end $$);
CREATE TABLE told (window_start timestamptz, n bigint);
SELECT weir.create_sink('tell', 'plain', 'INSERT INTO told SELECT window_start, sum(n) FROM closed GROUP BY window_start');
CALL add_ticks('2024-01-01 10:00', 5, 1500);
INSERT INTO hits VALUES ('2024-01-03');
CALL weir.drain('hits');
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT hashint8(3) = hashint8(4294967298) AND hashint8(3) = hashint8(12884901888) AS collide;
SELECT count(*) > 1 AS several FROM plain_closed WHERE key IN (3, 4294967298, 8589934593, 12884901888);
SELECT * FROM above ORDER BY 1;
SELECT * FROM told ORDER BY 1;
-- some go where there was room in an earlier page, which is the server's affair
CREATE FUNCTION is_in_order(closed text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (SELECT (window_end, coalesce(key, 9223372036854775807)) <
		lag((window_end, coalesce(key, 9223372036854775807))) OVER (ORDER BY ctid) AS out_of_order FROM %I) x WHERE out_of_order', closed) INTO n;
	RETURN n < 20;
END $$;
SELECT is_in_order('plain_closed'), is_in_order('keys_only_closed'), is_in_order('having_closed');

-- by INSERT, where there is a trigger; one by one
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER keep BEFORE INSERT ON plain_closed FOR EACH ROW EXECUTE FUNCTION keep();
CALL add_ticks('2024-01-03 10:00', 4, 1500);
INSERT INTO hits VALUES ('2024-01-04 11:30'), ('2024-01-05');
CALL weir.drain('hits');
INSERT INTO hits VALUES ('2024-01-07');
CALL weir.drain('hits');
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT is_in_order('plain_closed'), is_in_order('keys_only_closed');
SELECT n FROM above ORDER BY window_start;
DROP TRIGGER keep ON plain_closed;

-- more runs than fit into memory at once
CALL add_ticks('2024-01-07 10:00', 150, 25);
INSERT INTO hits VALUES ('2024-01-09');
SET work_mem = '64kB';
SET maintenance_work_mem = '1MB';
SET hash_mem_multiplier = 1;
CALL weir.drain('hits');
RESET work_mem;
RESET maintenance_work_mem;
RESET hash_mem_multiplier;
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT is_in_order('plain_closed');

-- a window of many rows and small ones around it; however the server would group
SET enable_hashagg = off;
INSERT INTO hits SELECT timestamptz '2024-01-09' + i * interval '1 hour', key FROM generate_series(0, 9) i, generate_series(1, CASE i WHEN 5 THEN 3000 ELSE i END) key;
INSERT INTO hits VALUES ('2024-01-11');
CALL weir.drain('hits');
RESET enable_hashagg;
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT is_in_order('plain_closed');

-- runs that have been merged into larger ones before
CALL add_ticks('2024-01-11 10:00', 19, 300);
SELECT name, bool_or(weir._maintain_aggregate(name::regclass)) AS merged FROM queries, generate_series(1, 9) i GROUP BY name ORDER BY name;
CALL add_ticks('2024-01-11 10:00', 3, 300);
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
INSERT INTO hits VALUES ('2024-01-13');
CALL weir.drain('hits');
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT is_in_order('plain_closed');

SELECT weir.pause('plain');
-- two sums that are too large together fail the closing, as they do the query
ALTER DATABASE weir_closing_merge SET weir.max_failures = 1;
SET weir.max_failures = 1;
SELECT weir.create_continuous_aggregate('sums', $$
	SELECT w.window_start, w.window_end, name, sum(real) AS real FROM hits, weir.tumble(ts, '1 hour') w
	WHERE ts >= '2024-01-12' GROUP BY w.window_start, w.window_end, name $$);
CALL weir.drain('hits');
INSERT INTO hits (ts, name, real) VALUES ('2024-01-12', 'large', 3e38), ('2024-01-12', 'small', 1);
CALL weir.drain('hits');
INSERT INTO hits (ts, name, real) VALUES ('2024-01-12', 'large', 3e38), ('2024-01-12', 'small', 2);
CALL weir.drain('hits');
INSERT INTO hits VALUES ('2024-01-14');
CALL weir.drain('hits');
SELECT sum(real) FROM hits WHERE ts >= '2024-01-12';
SELECT status, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE aggregate = 'sums'::regclass;
SELECT window_start, name, real FROM sums_closed ORDER BY 1, 2;

\c postgres
DROP DATABASE weir_closing_merge;
