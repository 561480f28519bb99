-- Windows that come and close in the same tick: their state is not stored, but
-- held until they close, and merged with what is stored of them.  In a database
-- of its own, where no worker ticks.
CREATE DATABASE weir_closing_held TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_closing_held SET weir.start_workers = off;
\c weir_closing_held
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TABLE hits (ts timestamptz NOT NULL, key bigint, name text, price numeric);
SELECT weir.create_stream('hits', 'ts');
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
	('plain', $$SELECT w.window_start, w.window_end, key, count(*) AS n, max(name) AS last, min(price) AS low
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, key$$),
	('keys_only', $$SELECT w.window_end, key, name FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end, key, name$$),
	-- states that are no results
	('mixed', $$SELECT w.window_end, key, avg(price) AS mean, count(DISTINCT name) AS names
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end, key$$),
	('no_key', $$SELECT w.window_end, count(*) AS n, sum(price) AS total FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end$$),
	('no_hash', $$SELECT w.window_end, to_tsvector('simple', name) AS words, count(*) AS n
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end, to_tsvector('simple', name)$$),
	('sets', $$SELECT w.window_end, key, name, count(*) AS n
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end, GROUPING SETS ((key), (name), ())$$),
	('having', $$SELECT w.window_end, key, count(*) AS n
		FROM hits, weir.tumble(ts, '1 hour') w GROUP BY w.window_end, key HAVING count(*) > 3$$),
	('hops', $$SELECT w.window_start, w.window_end, key, count(*) AS n, avg(price) AS mean
		FROM hits, weir.hop(ts, '1 hour', '3 hours') w GROUP BY w.window_start, w.window_end, key$$),
	('steps', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.cumulate(ts, '1 hour', '4 hours') w GROUP BY w.window_start, w.window_end, key$$),
	('months', $$SELECT w.window_start, w.window_end, key, count(*) AS n
		FROM hits, weir.tumble(ts, '1 month', timezone => 'Europe/Berlin') w GROUP BY w.window_start, w.window_end, key$$),
	-- state is not kept by pane, as the window is needed for each row
	('by_window', $$SELECT w.window_start, w.window_end, key, count(*) AS n, max(w.window_end - ts) AS longest
		FROM hits, weir.hop(ts, '1 hour', '2 hours') w GROUP BY w.window_start, w.window_end, key$$);
SELECT weir.create_continuous_aggregate(name, query) FROM queries ORDER BY name;
SELECT weir.create_continuous_aggregate('sessions', $$SELECT w.window_start, w.window_end, key, count(*) AS n
	FROM hits, weir.session(ts, '10 minutes') w GROUP BY w.window_start, w.window_end, key$$);
-- what hangs on the rows
SELECT weir.create_continuous_aggregate('above', $$SELECT w.window_start, w.window_end, key, sum(n) AS n
	FROM plain p, weir.tumble(p.window_start, '2 hours') w GROUP BY w.window_start, w.window_end, key$$);
CREATE TABLE told (window_end timestamptz, n bigint);
SELECT weir.create_sink('tell', 'no_key', 'INSERT INTO told SELECT window_end, n FROM closed');

-- How many rows differ from those of the query: of the view, and of those closed,
-- the watermark being the newest row; and how many have closed.
CREATE FUNCTION compare(aggregate text, query text) RETURNS TABLE (different bigint, closed_different bigint, closed bigint)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('WITH q AS MATERIALIZED (%s), v AS MATERIALIZED (TABLE %I), c AS MATERIALIZED (TABLE %I),
		d AS (SELECT * FROM q WHERE window_end <= (SELECT max(ts) FROM hits))
		SELECT (SELECT count(*) FROM ((TABLE q EXCEPT ALL TABLE v) UNION ALL (TABLE v EXCEPT ALL TABLE q)) x),
		(SELECT count(*) FROM ((TABLE d EXCEPT ALL TABLE c) UNION ALL (TABLE c EXCEPT ALL TABLE d)) x), (SELECT count(*) FROM c)',
		query, aggregate, aggregate || '_closed');
END $$;
CREATE VIEW wrong AS SELECT q.name, c.* FROM queries q, compare(name, query) c WHERE different > 0 OR closed_different > 0 OR closed = 0;
-- How much of their state is stored.
CREATE FUNCTION chunks(aggregate text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM weir._state_%s', (SELECT aggregate_id FROM weir._aggregate WHERE view = aggregate::regclass)) INTO n;
	RETURN n;
END $$;
CREATE FUNCTION pages(aggregate text) RETURNS bigint LANGUAGE sql AS $$
	SELECT pg_relation_size(format('weir._state_%s', (SELECT aggregate_id FROM weir._aggregate WHERE view = aggregate::regclass))::regclass)
		/ current_setting('block_size')::int $$;
-- 3, 2^32 + 2, 2 * 2^32 + 1 and 3 * 2^32 have the same hash, as others of the
-- kind; 1.5 and 1.50 are equal.
CREATE PROCEDURE add_hits(since timestamptz, until timestamptz, n int) LANGUAGE sql AS $$
	INSERT INTO hits SELECT since + i * (until - since) / n,
		CASE WHEN i % 11 > 0 THEN (i / 4 % 40) # (i % 4) # ((i % 4)::bigint << 32) END,
		CASE WHEN i % 7 > 0 THEN repeat('n' || i % 3, i % 5) END, CASE i % 3 WHEN 0 THEN 1.5 WHEN 1 THEN 1.50 END
	FROM generate_series(1, n) i ORDER BY hashint4(i) $$;

-- all but the last hour comes and closes; nothing of that is stored
CALL weir.drain('hits');
CALL add_hits('2024-01-29 10:00', '2024-01-29 13:59', 800);
INSERT INTO hits VALUES ('2024-01-29 14:00', 1, 'x', 1);
CALL weir.drain('hits');
TABLE wrong;
SELECT name, chunks(name), pages(name) FROM queries WHERE name NOT IN ('hops', 'steps', 'by_window') ORDER BY name;
SELECT aggregate, closed_windows, state_rows FROM weir.stat_aggregates WHERE aggregate::text IN ('plain', 'hops', 'steps', 'no_key') ORDER BY 1;

-- a window of which a part is stored, panes of which some windows stay open, and
-- months that go on
CALL add_hits('2024-01-29 14:00', '2024-01-29 16:40', 600);
CALL weir.drain('hits');
TABLE wrong;
CALL add_hits('2024-01-29 16:40', '2024-01-29 16:50', 200);
CALL weir.drain('hits');
CALL add_hits('2024-01-29 16:50', '2024-01-29 19:10', 500);
CALL weir.drain('hits');
TABLE wrong;
SELECT count(*) FROM (TABLE above_closed EXCEPT ALL SELECT w.window_start, w.window_end, key, count(*) FROM hits, weir.tumble(ts, '2 hours') w
	GROUP BY w.window_start, w.window_end, key) x;
SELECT count(*), count(DISTINCT window_end) AS windows FROM above_closed;
SELECT n.window_end FROM no_key_closed n FULL JOIN told t USING (window_end, n) WHERE n.window_end IS NULL OR t.window_end IS NULL;

-- a month and all that is in it, at once
CALL add_hits('2024-01-29 19:10', '2024-03-05', 1000);
CALL weir.drain('hits');
TABLE wrong;
SELECT aggregate, closed_windows = (SELECT count(DISTINCT window_end) FROM plain_closed) AS counts
FROM weir.stat_aggregates WHERE aggregate::text IN ('plain', 'mixed', 'no_key', 'no_hash') ORDER BY 1;
SELECT count(*) FROM (TABLE sessions_closed EXCEPT ALL
	SELECT min(ts), max(ts) + interval '10 minutes', key, count(*) FROM
		(SELECT *, count(*) FILTER (WHERE starts) OVER (PARTITION BY key ORDER BY ts ROWS UNBOUNDED PRECEDING) AS session
		FROM (SELECT key, ts, coalesce(ts - lag(ts) OVER (PARTITION BY key ORDER BY ts) > interval '10 minutes', true) AS starts FROM hits) x) y
	GROUP BY key, session) z;

-- a tick that is undone leaves nothing behind: neither closed rows nor a hole
CREATE TABLE before AS TABLE plain_closed;
BEGIN;
CALL add_hits('2024-03-05 00:10', '2024-03-05 06:30', 500);
SELECT weir.advance_watermark('hits', '2024-03-05 07:00') IS NOT NULL AS advanced;
SELECT count(*) > (SELECT count(*) FROM before) AS more FROM plain_closed;
ROLLBACK;
SELECT count(*) FROM ((TABLE plain_closed EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE plain_closed)) x;
CALL weir.drain('hits');
CALL add_hits('2024-03-05 00:10', '2024-03-05 06:30', 700);
CALL weir.drain('hits');
TABLE wrong;

-- one that fails does so as before, and has lost nothing when it goes on
SELECT weir.create_continuous_aggregate('fragile', $$SELECT w.window_start, w.window_end, key, 12 / min(price) AS n
	FROM hits, weir.tumble(ts, '1 hour') w WHERE ts BETWEEN '2024-03-05 07:00' AND '2024-03-05 12:00' GROUP BY w.window_start, w.window_end, key$$);
INSERT INTO hits SELECT '2024-03-05 07:00'::timestamptz + i * interval '1 minute', i % 25, 'f', i % 25 FROM generate_series(0, 179) i;
CALL weir.drain('hits');
SELECT status, last_error FROM weir.stat_aggregates WHERE aggregate = 'fragile'::regclass;
SELECT count(*) FROM fragile_closed;
SELECT weir.skip('fragile');
CALL weir.drain('hits');
SELECT window_start, count(*), sum(n) FROM fragile_closed GROUP BY 1 ORDER BY 1;
SELECT reason, count(*) FROM weir.late_rows WHERE aggregate = 'fragile'::regclass GROUP BY 1;
SELECT weir.drop_continuous_aggregate('fragile');
TABLE wrong;

-- more groups than memory of maintenance holds: some are stored, and the rest held
SET maintenance_work_mem = '1MB';
INSERT INTO hits SELECT '2024-03-06 00:00'::timestamptz + i * interval '0.2 seconds', i, 'many', 1 FROM generate_series(1, 24000) i;
CALL weir.drain('hits');
RESET maintenance_work_mem;
SELECT name FROM queries WHERE pages(name) > 30 ORDER BY name;
TABLE wrong;

-- an aggregate over rows that are there already
INSERT INTO queries SELECT name || '_again', query FROM queries WHERE name IN ('plain', 'hops', 'mixed');
SELECT weir.create_continuous_aggregate(name, query) FROM queries WHERE name LIKE '%_again' ORDER BY name;
CALL weir.drain('hits');
TABLE wrong;
SELECT weir.drop_stream('hits', cascade => true);

-- With lateness: what closes is judged by the bound less the lateness, and rows
-- that come late count in windows that are held as in those that are stored.
CREATE TABLE calls (ts timestamptz NOT NULL, key int);
SELECT weir.create_stream('calls', 'ts');
SELECT weir.create_continuous_aggregate('tolerant', $$SELECT w.window_start, w.window_end, key, count(*) AS n
	FROM calls, weir.tumble(ts, '1 hour') w GROUP BY w.window_start, w.window_end, key$$, allowed_lateness => '2 hours');
CALL weir.drain('calls');
INSERT INTO calls SELECT '2024-01-01 10:00'::timestamptz + i * interval '1 minute', i % 3 FROM generate_series(0, 270) i;
CALL weir.drain('calls');
SELECT * FROM tolerant_closed ORDER BY 1, 3;
SELECT chunks('tolerant');
-- 12:30 is open still, and closes with a part that was stored; 11:30 is late
INSERT INTO calls VALUES ('2024-01-01 12:30', 7), ('2024-01-01 12:31', 0), ('2024-01-01 11:30', 7), ('2024-01-01 15:10', 1),
	('2024-01-01 13:30', 8), ('2024-01-01 16:00', 8), ('2024-01-01 14:59', 0);
CALL weir.drain('calls');
SELECT * FROM tolerant_closed WHERE window_start >= '2024-01-01 12:00' ORDER BY 1, 3;
SELECT row FROM weir.late_rows WHERE aggregate = 'tolerant'::regclass;
INSERT INTO calls VALUES ('2024-01-02', 9);
CALL weir.drain('calls');
SELECT * FROM tolerant_closed WHERE window_start >= '2024-01-01 14:00' ORDER BY 1, 3;
SELECT * FROM tolerant EXCEPT ALL SELECT * FROM tolerant_closed ORDER BY 1, 3;
SELECT weir.drop_stream('calls', cascade => true);

\c postgres
DROP DATABASE weir_closing_held;
