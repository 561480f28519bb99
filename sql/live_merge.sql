-- Reading all open windows: runs of state are merged in the order of the hash of
-- their keys, without a table of all groups.  In a database of its own, where no
-- worker merges them before.
CREATE DATABASE weir_live_merge TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_live_merge SET weir.start_workers = off;
\c weir_live_merge
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
CREATE FUNCTION compare(aggregate text, query text) RETURNS TABLE (missing bigint, surplus bigint)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT (SELECT count(*) FROM ((%1$s) EXCEPT ALL (TABLE %2$I)) x),
		(SELECT count(*) FROM ((TABLE %2$I) EXCEPT ALL (%1$s)) x)', query, aggregate);
END $$;

CREATE TABLE hits (ts timestamptz NOT NULL, key bigint, name text, price numeric);
SELECT weir.create_stream('hits', 'ts', max_out_of_orderness => '1 day');
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
	('by_key', $$SELECT w.window_start, w.window_end, key, count(*) AS n, sum(price) AS total, max(name) AS last
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, key$$),
	('by_all', $$SELECT w.window_end, price, name, key, count(*) AS n, min(ts) AS first
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end, price, name, key HAVING count(*) > 0$$),
	('running', $$SELECT name, count(DISTINCT key) AS keys, avg(price) AS mean FROM hits GROUP BY name$$),
	('hops', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.hop(ts, '1 hour', '3 hours') w GROUP BY w.window_start, w.window_end, key$$),
	('steps', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.cumulate(ts, '1 hour', '3 hours') w WHERE ts < w.window_end GROUP BY w.window_start, w.window_end, key$$),
	('sets', $$SELECT w.window_start, w.window_end, key, name, count(*) AS n
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, ROLLUP (key, name)$$);
SELECT weir.create_continuous_aggregate(name, query) FROM queries ORDER BY name;

-- 3, 2^32 + 2, 2 * 2^32 + 1 and 3 * 2^32 have the same hash, as others of the
-- kind; they come in another order each time.  1.5, 1.50 and 1.500 are equal.
CREATE PROCEDURE add_hits(tick int, n int) LANGUAGE sql AS $$
	INSERT INTO hits SELECT timestamptz '2024-01-01 10:00' + (i * 7 + tick) % 150 * interval '1 minute',
		CASE WHEN i % 11 = 0 THEN NULL ELSE ((i / 4 + tick) % 50) # ((i + tick) % 4) # (((i + tick) % 4)::bigint << 32) END,
		CASE WHEN i % 7 > 0 THEN repeat('n' || i % 3, i % 5) END,
		CASE i % 4 WHEN 0 THEN 1.5 WHEN 1 THEN 1.50 WHEN 2 THEN 1.500 END
	FROM generate_series(1, n) i ORDER BY hashint4(i + tick);
$$;

CALL add_hits(1, 2000);
CALL weir.drain('hits');
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
CALL add_hits(2, 1000);
CALL weir.drain('hits');
CALL add_hits(3, 2000);
CALL weir.drain('hits');
CALL add_hits(4, 10);
CALL weir.drain('hits');
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT hashint8(3) = hashint8(4294967298) AND hashint8(3) = hashint8(12884901888) AS collide;
SELECT count(*) > 1 AS several FROM by_key WHERE key IN (3, 4294967298, 8589934593, 12884901888);

-- in parts: windows, groups, and again with other values
SELECT count(*) FROM by_key WHERE window_end > '2024-01-01 11:00' AND window_end <= '2024-01-01 12:00';
SELECT count(*) FROM hits WHERE key = 3 AND ts >= '2024-01-01 11:00' AND ts < '2024-01-01 12:00';
SELECT n FROM by_key WHERE key = 3 AND window_start = '2024-01-01 11:00';
SELECT t, (SELECT sum(n) FROM by_key WHERE window_end > t), (SELECT count(*) FROM hits WHERE ts >= t)
FROM generate_series(timestamptz '2024-01-01 09:00', '2024-01-01 12:00', '1 hour') t ORDER BY t;

-- rows that are not consumed yet
CALL add_hits(5, 300);
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
CALL weir.drain('hits');

-- more runs than fit into memory at once, and no runs of much
DO $$
BEGIN
	FOR tick IN 6 .. 40 LOOP
		CALL add_hits(tick, 20);
		CALL weir.drain('hits');
		COMMIT;
	END LOOP;
END $$;
SET work_mem = '64kB';
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
RESET work_mem;
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;

-- however the server would group
SET enable_hashagg = off;
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
RESET enable_hashagg;

\c postgres
DROP DATABASE weir_live_merge;
