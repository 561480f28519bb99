-- Draining a stream some of whose aggregates fail.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_drain_failed TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_drain_failed SET weir.start_workers = off;
\c weir_drain_failed
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
SET datestyle = 'ISO';
-- whoever waited for it would wait for long
SET weir.retry_delay = '10 min';

CREATE TABLE ev (at timestamptz, k text, n int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('good', $$
    SELECT w.window_end, count(*) AS n FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end $$);
SELECT weir.create_continuous_aggregate('ratio', $$
    SELECT w.window_end, sum(100 / n) AS n FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end $$);
SELECT weir.create_continuous_aggregate('above', $$
    SELECT w.window_end, sum(100 / (n - 2)) AS n FROM good g, weir.tumble(g.window_end - interval '1 hour', '1 day') w GROUP BY w.window_end $$);
CREATE VIEW state AS SELECT aggregate, status, failures FROM weir.stat_aggregates ORDER BY aggregate::text;

-- nothing fails: nothing is said
INSERT INTO ev VALUES ('2024-01-01 10:00', 'a', 1);
CALL weir.drain('ev');

-- one fails over the stream: all the others are drained
INSERT INTO ev VALUES ('2024-01-01 10:30', 'b', 2), ('2024-01-01 11:00', 'b', 0);
CALL weir.drain('ev');
SELECT * FROM state;
SELECT * FROM good ORDER BY 1;
-- and one over an aggregate, whose row is closed and consumed
INSERT INTO ev VALUES ('2024-01-01 12:00', 'c', 3);
CALL weir.drain('ev');
SELECT * FROM state;
SELECT * FROM good ORDER BY 1;

-- those who own the stream only are told that it fails, not by what
CREATE ROLE weir_drainer;
ALTER TABLE ev OWNER TO weir_drainer;
SET ROLE weir_drainer;
CALL weir.drain('ev');
RESET ROLE;

-- the time has come: tried again, once, and paused
UPDATE weir._aggregate_progress SET next_retry = '-infinity' WHERE status = 1;
UPDATE weir._cursor SET not_before = '-infinity' WHERE not_before IS NOT NULL;
SET weir.max_failures = 2;
CALL weir.drain('ev');
SELECT * FROM state;
CALL weir.drain('ev');
-- what the user has paused is no failure
SELECT weir.pause('ratio');
CALL weir.drain('ev');
SELECT * FROM state;

-- the causes are gone
DELETE FROM ev WHERE n = 0;
SELECT weir.resume('ratio');
SELECT weir.drop_continuous_aggregate('above');
CALL weir.drain('ev');
SELECT * FROM state;
SELECT * FROM ratio ORDER BY 1;

-- The watermark is the stream's: it stays where it is when there is no aggregate
-- left, and later ones begin with it. What they find is history, and counts; what
-- comes then is judged by it.
SELECT watermark FROM weir.stat_streams;
SELECT weir.drop_continuous_aggregate('good');
SELECT weir.drop_continuous_aggregate('ratio');
SELECT watermark FROM weir.stat_streams;
INSERT INTO ev VALUES ('2024-01-01 09:00', 'd', 4);
CALL weir.drain('ev');
SELECT watermark FROM weir.stat_streams;
SELECT weir.create_continuous_aggregate('again', $$
    SELECT w.window_end, count(*) AS n FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end $$);
CALL weir.drain('ev');
SELECT watermark FROM weir.stat_streams;
INSERT INTO ev VALUES ('2024-01-01 09:10', 'e', 5), ('2024-01-01 12:10', 'e', 6);
CALL weir.drain('ev');
SELECT watermark FROM weir.stat_streams;
SELECT * FROM again ORDER BY 1;
SELECT event_time, watermark FROM weir.late_rows;

\c postgres
DROP DATABASE weir_drain_failed;
DROP ROLE weir_drainer;
