-- Aggregates over aggregates, partitioned streams, streams without event time,
-- sketches of other extensions.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_cascade TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_cascade SET weir.start_workers = off;
\c weir_cascade
SET client_min_messages = warning;
CREATE EXTENSION weir;
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
SET timezone = 'UTC';

CREATE TABLE ev (at timestamptz, k int, v float8) PARTITION BY RANGE (at);
CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');
CREATE TABLE ev_2 (v float8, extra text, k int, at timestamptz);
ALTER TABLE ev_2 DROP COLUMN extra;
ALTER TABLE ev ATTACH PARTITION ev_2 FOR VALUES FROM ('2024-01-02') TO ('2024-01-03');
CREATE TABLE ev_rest PARTITION OF ev DEFAULT;
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('minutes', $$
    SELECT w.window_start, w.window_end, k % 2 AS k, count(*) AS n, sum(v) FROM ev, weir.tumble(at, '1 minute') w GROUP BY w.window_start, w.window_end, k % 2 $$);

-- the closed rows of one are the stream of the other
SELECT weir.create_stream('minutes_closed', 'window_start');
SELECT weir.create_continuous_aggregate('hours', $$
    SELECT w.window_start, w.window_end, k, sum(n) AS n, sum(sum) FROM minutes_closed m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('refused', $$
    SELECT w.window_start, sum(n) AS n FROM minutes m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start $$);
SELECT weir.create_continuous_aggregate('sketches', $$
    SELECT w.window_end, hll_add_agg(hll_hash_integer(k)) AS visitors, tdigest(v, 100) AS td, tdigest_percentile(v, 100, 0.5) AS median, weir.last(v, at) AS last, weir.first(k, at) AS first
    FROM ev, weir.tumble(at, '1 day') w GROUP BY w.window_end $$);

INSERT INTO ev SELECT '2024-01-01 10:00'::timestamptz + g * interval '1 second', g % 100, g FROM generate_series(0, 7199) g;
CALL weir.drain('ev');
CALL weir.drain('minutes_closed');
INSERT INTO ev SELECT '2024-01-01 23:00'::timestamptz + g * interval '1 second', g % 100, g FROM generate_series(0, 7199) g;
CALL weir.drain('ev');
SELECT * FROM hours ORDER BY 1, 3;
CALL weir.drain('minutes_closed');
SELECT * FROM hours ORDER BY 1, 3;
SELECT weir.advance_watermark('ev', 'infinity');
SELECT weir.advance_watermark('minutes_closed', 'infinity');
SELECT count(*) FROM (SELECT * FROM hours_closed EXCEPT ALL
    SELECT w.window_start, w.window_end, k % 2, count(*), sum(v) FROM ev, weir.tumble(at, '1 hour') w GROUP BY 1, 2, 3) x;
SELECT sum(n) FROM hours_closed;
-- every row is in its sketch; how well that tells the median (2699.5, 5399.5, of
-- all 3599.5) depends on the version of tdigest
SELECT window_end, round(hll_cardinality(visitors)) AS visitors, tdigest_count(td) AS n,
    round(median / 100) * 100 AS median, first, last
FROM sketches_closed ORDER BY 1;
SELECT count(*), min(at), max(at) FROM ev GROUP BY at::date ORDER BY 2;
SELECT round(tdigest_percentile(td, 0.5) / 100) * 100 AS median FROM sketches;

-- late rows of partitions, also of one with other columns
SELECT weir.drop_stream('ev', cascade => true);
SELECT relation FROM weir._stream;
SELECT aggregate FROM weir.continuous_aggregates;
TRUNCATE ev;
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('days', $$
    SELECT w.window_end, count(*) AS n FROM ev, weir.tumble(at, '1 day') w WHERE k > 0 GROUP BY w.window_end $$);
SELECT weir.create_continuous_aggregate('visits', $$
    SELECT w.window_end, k, count(*) AS n FROM ev, weir.session(at, '1 hour') w GROUP BY w.window_end, k $$);
INSERT INTO ev VALUES ('2024-01-01 01:00', 1, 1), ('2024-01-02 01:00', 2, 2), ('2024-01-03 01:00', 3, 3);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 02:00', 4, 4), ('2024-01-02 02:00', 5, 5), ('2024-01-03 02:00', 0, 9);
SELECT * FROM days ORDER BY 1;
CALL weir.drain('ev');
SELECT * FROM days ORDER BY 1;
SELECT * FROM visits ORDER BY 1;
SELECT aggregate, event_time, window_end, reason, "row" FROM weir.late_rows ORDER BY aggregate::text, event_time, "row" ->> 'k';
SELECT aggregate, status FROM weir.stat_aggregates ORDER BY aggregate::text;

-- no event time: the time a row is consumed
CREATE TABLE queue (k int);
SELECT weir.create_stream('queue');
SELECT weir.create_continuous_aggregate('arrivals', $$
    SELECT w.window_start, w.window_end, count(*) AS n FROM queue, weir.tumble(now(), '1 day') w GROUP BY w.window_start, w.window_end $$);
INSERT INTO queue SELECT generate_series(1, 10);
SELECT sum(n) FROM arrivals;
CALL weir.drain('queue');
INSERT INTO queue SELECT generate_series(1, 10);
SELECT sum(n), bool_and(now() < window_end + interval '1 day') FROM arrivals;
SELECT watermark > now() - interval '1 hour' AS follows_the_clock FROM weir.stat_aggregates WHERE aggregate = 'arrivals'::regclass;
\c postgres
DROP DATABASE weir_cascade;
