-- State: finding the chunks of one group, wherever they are among many.  In a
-- database of its own, where no worker merges them.
CREATE DATABASE weir_state_find TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_state_find SET weir.start_workers = off;
\c weir_state_find
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TABLE ev (at timestamptz NOT NULL, k int, t text);
SELECT weir.create_stream('ev', 'at', max_out_of_orderness => '10 days');
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
	('fixed', $$SELECT w.window_start, w.window_end, k, count(*) AS n, max(t || '') AS t FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end, k$$),
	('hops', $$SELECT w.window_start, w.window_end, k, count(*) AS n, max(t || '') AS t FROM ev, weir.hop(at, '1 hour', '3 hours') w GROUP BY w.window_start, w.window_end, k$$),
	('steps', $$SELECT w.window_start, w.window_end, k, count(*) AS n, max(t || '') AS t FROM ev, weir.cumulate(at, '1 hour', '3 hours') w WHERE at < w.window_end GROUP BY w.window_start, w.window_end, k$$),
	('visits', $$SELECT w.window_start, w.window_end, k, count(*) AS n, max(t || '') AS t FROM ev, weir.session(at, '10 minutes') w GROUP BY w.window_start, w.window_end, k$$),
	('running', $$SELECT k, count(*) AS n, max(t || '') AS t FROM ev GROUP BY k$$);
SELECT weir.create_continuous_aggregate(name, query) FROM queries ORDER BY name;
UPDATE queries SET query = 'SELECT * FROM visits' WHERE name = 'visits';

-- states so large that few are in a chunk (they are not compressed, as "t" itself
-- is); of some a single one
CREATE PROCEDURE add_events(start timestamptz, minutes int, first int, last int, size int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ev SELECT start + k % minutes * interval '1 minute', k, left(repeat(md5(k::text), size / 32 + 1), size) FROM generate_series(first, last) k;
	CALL weir.drain('ev');
END $$;
CALL add_events('2024-01-01 10:00', 1, 1, 2500, 3500);
CALL add_events('2024-01-01 10:20', 1, 1, 500, 1000);
CALL add_events('2024-01-01 10:30', 1, 2000, 2013, 10);
CALL add_events('2024-01-01 10:40', 1, 7, 7, 10);
CALL add_events('2024-01-01 10:50', 1, 1000, 1150, 9000);
CALL add_events('2024-01-01 11:00', 300, 1, 900, 900);
CALL add_events('2024-01-01 12:00', 60, 400, 700, 10);
CALL add_events('2024-01-01 14:00', 1, 1, 1500, 2100);
CALL add_events('2024-01-01 14:30', 1, 1, 1500, 2100);
CALL add_events('2024-01-01 15:10', 50, 1, 100, 10);
SELECT spread, count(*) > 100 AS many, count(DISTINCT run) > 1 AS in_several_runs FROM weir._state_1 GROUP BY spread ORDER BY spread;
SELECT window_start, count(*) > 64 AS many, count(DISTINCT spread) > 1 AS of_several_spreads FROM weir._state_1 GROUP BY window_start ORDER BY window_start;
SELECT count(*) FROM weir._state_1 WHERE hash_hi < hash_lo
	OR hash_hi::int8 - hash_lo >= CASE spread WHEN 0 THEN 2 ^ 17 WHEN 1 THEN 2 ^ 22 WHEN 2 THEN 2 ^ 27 ELSE 2 ^ 32 END
	OR hash_hi::int8 - hash_lo < CASE spread WHEN 0 THEN 0 WHEN 1 THEN 2 ^ 17 WHEN 2 THEN 2 ^ 22 ELSE 2 ^ 27 END;

-- group by group, with what all of them are
CREATE FUNCTION compare(aggregate text, query text, condition text DEFAULT 'true') RETURNS TABLE (found bigint, missing bigint, surplus bigint)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TEMP TABLE singly AS SELECT a.* FROM generate_series(1, 2605, 7) key, LATERAL (SELECT * FROM %I WHERE k = key AND %s OFFSET 0) a', aggregate, condition);
	EXECUTE format('CREATE TEMP TABLE plainly AS SELECT * FROM (%s) a WHERE k %% 7 = 1 AND %s', query, condition);
	RETURN QUERY SELECT (SELECT count(*) FROM singly), (SELECT count(*) FROM (TABLE plainly EXCEPT ALL TABLE singly) x), (SELECT count(*) FROM (TABLE singly EXCEPT ALL TABLE plainly) x);
	DROP TABLE singly, plainly;
END $$;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT c.* FROM queries q, compare(name, query, 'window_start >= ''2024-01-01 11:00'' AND window_end <= ''2024-01-01 15:00''') c WHERE name = 'fixed';
SELECT c.* FROM queries q, compare(name, query, 'window_end = ''2024-01-01 15:00''') c WHERE name = 'hops';

-- of the many entries of a window few are looked at
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT k, n, length(t) FROM fixed WHERE k = 1009 AND window_start = '2024-01-01 10:00';
SELECT pg_stat_get_xact_tuples_returned(indexrelid) < 64 + 10 AS few, (SELECT count(*) > 1000 FROM weir._state_1) AS of_many
FROM pg_index WHERE indrelid = 'weir._state_1'::regclass;
COMMIT;

-- merged, and closed
SELECT name FROM queries, LATERAL (SELECT weir._maintain_aggregate(name)) m ORDER BY name;
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;
SELECT weir.advance_watermark('ev', '2024-01-01 14:10');
SELECT q.name, c.* FROM queries q, compare(name, query) c ORDER BY q.name;

\c postgres
DROP DATABASE weir_state_find;
