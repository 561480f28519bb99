-- When all is consumed, watermarks are what they are to be, and queues empty
CREATE DATABASE weir_settled TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
ALTER DATABASE weir_settled SET weir.start_workers = off;
\c weir_settled
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- an aggregate that has read its history shares the stream's watermark after that
CREATE TABLE reading (ts timestamptz NOT NULL, v int);
SELECT weir.create_stream('reading', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('older', $$
    SELECT w.window_start, count(*) AS n FROM reading r, weir.tumble(r.ts, '1 minute') w GROUP BY w.window_start $$);
INSERT INTO reading VALUES ('2024-01-01 00:10', 1);
CALL weir.drain('reading');
SELECT weir.create_continuous_aggregate('newer', $$
    SELECT w.window_start, count(*) AS n FROM reading r, weir.tumble(r.ts, '1 minute') w GROUP BY w.window_start $$);
CALL weir.drain('reading');
SELECT aggregate, watermark FROM weir.stat_aggregates ORDER BY aggregate::text;
INSERT INTO reading VALUES ('2024-01-01 00:05', 1);
SELECT * FROM newer;
CALL weir.drain('reading');
SELECT * FROM newer;
SELECT aggregate, event_time FROM weir.late_rows ORDER BY aggregate::text;

-- one that is made after the end of the input is closed by the same call
CREATE TABLE bounded (ts timestamptz NOT NULL, v int);
SELECT weir.create_stream('bounded', 'ts');
INSERT INTO bounded VALUES ('2024-01-01 00:05', 1), ('2024-01-01 00:10', 1);
SELECT weir.advance_watermark('bounded', 'infinity');
SELECT weir.create_continuous_aggregate('of_bounded', $$
    SELECT w.window_start, count(*) AS n FROM bounded r, weir.tumble(r.ts, '1 minute') w GROUP BY w.window_start $$);
CALL weir.drain('bounded');
SELECT * FROM of_bounded_closed ORDER BY window_start;

-- so is one that was paused
SELECT weir.pause('of_bounded');
SELECT weir.resume('of_bounded');
CALL weir.drain('bounded');
SELECT watermark FROM weir.stat_aggregates WHERE aggregate = 'of_bounded'::regclass;

-- the tick that is the last to consume rows of a queue deletes them, whichever that is
CREATE TABLE queue (ts timestamptz NOT NULL, v int);
SELECT weir.create_stream('queue', 'ts', retention => '0');
INSERT INTO queue SELECT '2024-01-01', i FROM generate_series(1, 10) i;
SELECT weir.advance_watermark('queue', '-infinity');
SELECT count(*) AS kept_without_aggregates FROM queue;
SELECT weir.create_continuous_aggregate('first_one', 'SELECT count(*) AS n, sum(v) AS v FROM queue');
INSERT INTO queue SELECT '2024-01-01', i FROM generate_series(1, 10) i;
SELECT weir.advance_watermark('queue', '-infinity');
SELECT n, v, (SELECT count(*) FROM queue) AS kept FROM first_one;
-- of one that is paused when it has caught up
SELECT weir.create_continuous_aggregate('second_one', 'SELECT count(*) AS n, sum(v) AS v FROM queue');
INSERT INTO queue VALUES ('2024-01-01', 1);
SELECT weir.advance_watermark('queue', '-infinity');
SELECT weir.pause('second_one');
INSERT INTO queue VALUES ('2024-01-01', 2), ('2024-01-01', 3);
SELECT weir.advance_watermark('queue', '-infinity');
SELECT f.n AS first, s.n AS second, (SELECT count(*) FROM queue) AS kept FROM first_one f, second_one s;
INSERT INTO queue VALUES ('2024-01-01', 4);
SELECT weir.resume('second_one');
SELECT weir.advance_watermark('queue', '-infinity');
SELECT f.n AS first, s.n AS second, (SELECT count(*) FROM queue) AS kept FROM first_one f, second_one s;
-- of two that lag
SELECT weir.pause('first_one'), weir.pause('second_one');
INSERT INTO queue VALUES ('2024-01-01', 5);
SELECT weir.advance_watermark('queue', '-infinity');
SELECT weir.resume('first_one');
INSERT INTO queue VALUES ('2024-01-01', 6);
SELECT weir.advance_watermark('queue', '-infinity');
SELECT f.n AS first, s.n AS second, (SELECT count(*) FROM queue) AS kept FROM first_one f, second_one s;
SELECT weir.resume('second_one');
SELECT weir.advance_watermark('queue', '-infinity');
SELECT f.n AS first, s.n AS second, (SELECT count(*) FROM queue) AS kept FROM first_one f, second_one s;
-- partitions whose columns are in another order
CREATE TABLE parts (ts timestamptz NOT NULL, k int) PARTITION BY LIST (k);
CREATE TABLE parts_1 (k int, gone text, ts timestamptz NOT NULL);
ALTER TABLE parts_1 DROP gone;
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES IN (1);
SELECT weir.create_stream('parts', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('of_parts', 'SELECT count(*) AS n FROM parts');
INSERT INTO parts VALUES ('2024-01-01', 1);
SELECT weir.advance_watermark('parts', '-infinity');
SELECT weir.create_continuous_aggregate('also_of_parts', 'SELECT count(*) AS n FROM parts');
INSERT INTO parts VALUES ('2024-01-01', 1);
SELECT weir.advance_watermark('parts', '-infinity');
SELECT o.n, a.n AS also, (SELECT count(*) FROM parts) AS kept FROM of_parts o, also_of_parts a;

-- a smaller max_out_of_orderness holds without new rows
CREATE TABLE event (ts timestamptz NOT NULL, source text);
SELECT weir.create_stream('event', 'ts', max_out_of_orderness => '1 hour', source => 'source');
SELECT weir.create_continuous_aggregate('per_minute', $$
    SELECT w.window_start, count(*) AS n FROM event e, weir.tumble(e.ts, '1 minute') w GROUP BY w.window_start $$);
INSERT INTO event VALUES ('2024-01-01 12:00:30', 'a'), ('2024-01-01 12:02', 'a'), ('2024-01-01 12:01', 'b');
CALL weir.drain('event');
SELECT watermark FROM weir.stat_streams WHERE stream = 'event'::regclass;
SELECT weir.alter_stream('event', max_out_of_orderness => '0');
CALL weir.drain('event');
SELECT watermark FROM weir.stat_streams WHERE stream = 'event'::regclass;
SELECT * FROM per_minute_closed;
SELECT weir.alter_stream('event', max_out_of_orderness => '2 hours');
CALL weir.drain('event');
SELECT watermark FROM weir.stat_streams WHERE stream = 'event'::regclass;
-- nobody waits for what the transaction itself is in the way of
BEGIN;
SELECT weir.alter_stream('event', max_out_of_orderness => '0'), weir.pause('per_minute'), weir.resume('per_minute'), weir.wait('event');
COMMIT;

-- nobody waits for what his own transaction keeps from being consumed
INSERT INTO event VALUES ('2024-01-02', 'own');
BEGIN;
SELECT weir.pause('per_minute'), weir.resume('per_minute');
SELECT weir.wait('event');
ROLLBACK;
BEGIN;
SELECT weir.create_continuous_aggregate('own', 'SELECT count(*) FROM event');
SELECT weir.wait('event');
ROLLBACK;
BEGIN;
CREATE TABLE own_stream (n int);
SELECT weir.create_stream('own_stream');
SELECT weir.wait('own_stream');
ROLLBACK;
BEGIN;
LOCK TABLE event;
SELECT weir.wait('event');
ROLLBACK;
-- he may wait for what he has consumed himself
BEGIN;
SELECT weir.advance_watermark('event', '2024-01-01');
SELECT weir.wait('event', '1 minute');
COMMIT;

-- what nobody has looked at yet is behind
CREATE TABLE new_one (ts timestamptz NOT NULL);
SELECT weir.create_stream('new_one', 'ts');
INSERT INTO new_one VALUES ('2024-01-01'), ('2024-01-02');
SELECT rows_behind, bytes_behind > 0 AS bytes, in_history FROM weir.stat_streams WHERE stream = 'new_one'::regclass;
CALL weir.drain('new_one');
SELECT rows_consumed, rows_behind, in_history FROM weir.stat_streams WHERE stream = 'new_one'::regclass;

-- tables of the server's in other schemas than pg_catalog
SELECT weir.create_stream('information_schema.sql_features');

\c postgres
DROP DATABASE weir_settled WITH (FORCE);
