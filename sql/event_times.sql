-- Rows older than their stream, whose event times no stream would take.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_event_times TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_event_times SET weir.start_workers = off;
ALTER DATABASE weir_event_times SET weir.max_failures = 1;
\c weir_event_times
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;

CREATE TABLE ev (at timestamptz NOT NULL, k text, n int);
CREATE TABLE local (at timestamp NOT NULL, k text, n int);
INSERT INTO ev VALUES ('2024-01-01 10:00', 'a', 1), ('2024-01-01 10:10', 'b', 2), ('2024-01-01 12:20', 'a', 4),
    ('infinity', 'a', 8), ('-infinity', 'b', 16), ('294276-12-31 23:59:59.999999', 'a', 32), ('4714-11-24 00:00:00 BC', 'b', 64),
    ('294177-03-01', 'a', 128), ('4614-01-01 BC', 'b', 256), ('294176-06-01', 'a', 512), ('4612-06-01 BC', 'b', 1024);
INSERT INTO local SELECT at AT TIME ZONE 'UTC', k, n FROM ev;
SELECT weir.create_stream('ev', 'at', max_drift => NULL);
SELECT weir.create_stream('local', 'at');

-- state by pane, by window, and of sessions; grouped in several ways
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
    ('tumbles', $$SELECT w.window_start, w.window_end, k, count(*), sum(n) AS n FROM %s, weir.tumble(at, '1 hour') w GROUP BY 1, 2, 3$$),
    ('months', $$SELECT w.window_start, w.window_end, count(*), sum(n) AS n FROM %s, weir.tumble(at, '1 month', timezone => 'Europe/Berlin') w GROUP BY 1, 2$$),
    ('hops', $$SELECT w.window_start, w.window_end, count(*), sum(n) AS n FROM %s, weir.hop(at, '1 hour', '2 hours') w GROUP BY 1, 2$$),
    ('steps', $$SELECT w.window_start, w.window_end, count(*), sum(n) AS n FROM %s, weir.cumulate(at, '1 hour', '1 day') w GROUP BY 1, 2$$),
    ('own_tumbles', $$SELECT w.window_start, w.window_end, count(*), sum(n) AS n, max(at - w.window_start) AS after FROM %s, weir.tumble(event_time => at, timezone => 'Europe/Berlin', size => '1 hour') w GROUP BY 1, 2$$),
    ('own_hops', $$SELECT w.window_start, w.window_end, count(*), sum(n) AS n FROM %s, weir.hop(at, '1 hour', '2 hours') w WHERE at < w.window_end GROUP BY 1, 2$$),
    ('own_steps', $$SELECT w.window_start, w.window_end, k || date_part('hour', w.window_end) AS k, count(*), sum(n) AS n FROM %s, weir.cumulate(at, '1 hour', '1 day') w GROUP BY 1, 2, 3$$),
    ('visits', $$SELECT w.window_start, w.window_end, k, count(*), sum(n) AS n FROM %s, weir.session(at, '15 minutes') w GROUP BY 1, 2, 3$$);
SELECT weir.create_continuous_aggregate(name, format(query, 'ev')), weir.create_continuous_aggregate('local_' || name, format(query, 'local')) FROM queries;

-- each beside what its query has of the other rows, before and after these are consumed
CREATE VIEW good_ev AS SELECT * FROM ev WHERE at BETWEEN '4613-01-01 BC' AND '294176-12-01';
CREATE VIEW good_local AS SELECT * FROM local WHERE at BETWEEN '4613-01-01 BC' AND '294176-12-01';
CREATE FUNCTION differences(OUT name text, OUT n bigint, OUT missing bigint, OUT surplus bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    q text;
BEGIN
    FOR name, q IN SELECT p || a.name, format(query, 'good_' || t) FROM queries a, (VALUES ('', 'ev'), ('local_', 'local')) v(p, t) WHERE a.name <> 'visits' ORDER BY 1 LOOP
        EXECUTE format('SELECT (SELECT count(*) FROM %1$s), (SELECT count(*) FROM (%2$s EXCEPT ALL TABLE %1$s) d), (SELECT count(*) FROM (TABLE %1$s EXCEPT ALL (%2$s)) d)', name, q) INTO n, missing, surplus;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM differences();
TABLE visits ORDER BY window_start;
CALL weir.drain('ev');
CALL weir.drain('local');
SELECT aggregate, status, last_error FROM weir.stat_aggregates WHERE status <> 'active';
SELECT stream, watermark FROM weir.stat_streams ORDER BY stream::text;
SELECT * FROM differences();
TABLE visits ORDER BY window_start;
TABLE local_visits ORDER BY window_start;

-- what was left out is kept, once, with the reason
SELECT aggregate, late_rows, partly_late_rows FROM weir.stat_aggregates ORDER BY aggregate::text;
SELECT event_time, window_end, reason, array_agg(aggregate ORDER BY aggregate::text) FROM weir.late_rows WHERE stream = 'ev'::regclass GROUP BY 1, 2, 3 ORDER BY 1;
SELECT event_time, window_end, reason, "row", count(*) FROM weir.late_rows WHERE stream = 'local'::regclass GROUP BY 1, 2, 3, 4 ORDER BY 1;

-- others than the stream has go on
INSERT INTO ev VALUES ('294176-06-01 01:00', 'a', 1), ('2024-01-01', 'late', 1);
CALL weir.drain('ev');
SELECT aggregate, status, last_error FROM weir.stat_aggregates WHERE status <> 'active';
SELECT window_start, n FROM tumbles_closed ORDER BY 1 DESC LIMIT 1;
SELECT count(*), min(reason) FROM weir.late_rows WHERE "row" ->> 'k' = 'late';

-- a watermark, and conditions on windows, near the ends of the range
CREATE TABLE edge (at timestamptz NOT NULL, k text, n int);
SELECT weir.create_stream('edge', 'at', max_drift => NULL);
SELECT weir.create_continuous_aggregate('edge_' || name, format(query, 'edge')) FROM queries;
SELECT weir.create_continuous_aggregate('edge_decades', $$SELECT w.window_start, w.window_end, count(*), sum(n) AS n FROM edge, weir.hop(at, '10 years', '20 years') w GROUP BY 1, 2$$);
SELECT weir.create_continuous_aggregate('edge_above', $$SELECT w.window_start, w.window_end, sum(e.n) AS n FROM edge_hops e, weir.hop(e.window_start, '1 day', '2 days') w GROUP BY 1, 2$$);
CREATE TABLE edges (i int, at timestamptz);
INSERT INTO edges VALUES (1, '4714-11-24 00:00:00 BC'), (2, '4714-11-24 00:00:00.000001 BC'), (3, '4713-01-01 BC'), (4, '4612-06-01 BC'),
    (5, '2024-01-02'), (6, '294176-11-01'), (7, '294200-01-01'), (8, '294276-12-31 23:00'), (9, '294276-12-31 23:59:59.999999');
CREATE FUNCTION edge_counts(condition text) RETURNS TABLE (view text, counts text) LANGUAGE plpgsql AS $$
BEGIN
    FOR view IN SELECT aggregate::text FROM weir.stat_aggregates WHERE aggregate::text LIKE 'edge%' ORDER BY 1 LOOP
        EXECUTE format('SELECT string_agg((SELECT count(*) FROM %I x WHERE %s)::text, '' '' ORDER BY i) FROM edges e', view, condition) INTO counts;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT weir.advance_watermark('edge', at) FROM edges WHERE i <= 3 ORDER BY i;
INSERT INTO edge VALUES ('4612-06-01 BC', 'a', 1), ('2024-01-01 10:00', 'a', 2), ('294176-11-01', 'b', 4);
SELECT * FROM edge_counts('x.window_start <= e.at');
SELECT * FROM edge_counts('x.window_start >= e.at');
SELECT * FROM edge_counts('x.window_end < e.at');
SELECT * FROM edge_counts('x.window_end >= e.at');
CALL weir.drain('edge');
SELECT * FROM edge_counts('x.window_start <= e.at');
SELECT * FROM edge_counts('x.window_end >= e.at');
SELECT weir.advance_watermark('edge', at) FROM edges WHERE i >= 5 ORDER BY i;
SELECT * FROM edge_counts('x.window_end >= e.at');
SELECT weir.advance_watermark('edge', '294276-12-31 23:59:59.999999');
SELECT aggregate, status, last_error FROM weir.stat_aggregates WHERE status <> 'active';
SELECT aggregate, open_windows FROM weir.stat_aggregates WHERE aggregate::text LIKE 'edge%' AND open_windows > 0;
SELECT weir._maintain_aggregate('edge_hops');

SELECT weir.advance_watermark('ev', 'infinity');
SELECT window_start, n FROM tumbles_closed ORDER BY 1 DESC LIMIT 1;
\c postgres
DROP DATABASE weir_event_times;
