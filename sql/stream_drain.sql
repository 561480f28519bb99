-- What drain and wait promise, right after the stream was made and whatever the
-- session's defaults are.
CREATE DATABASE weir_drain TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c weir_drain
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
CREATE TABLE ev (at timestamptz, n int);

-- the isolation of a session is no matter for CALL
SET default_transaction_isolation = 'serializable';
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('minutes', $$
    SELECT w.window_start, w.window_end, sum(n) FROM ev, weir.tumble(at, '1 minute') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('hours', $$
    SELECT w.window_start, w.window_end, sum(m.sum) FROM minutes m, weir.tumble(m.window_start, '1 hour') w GROUP BY w.window_start, w.window_end $$);
INSERT INTO ev VALUES ('2024-01-01 10:00', 1), ('2024-01-01 10:01', 2);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 10:02', 4), ('2024-01-01 11:00', 8);
CALL weir.drain('ev');
SHOW transaction_isolation;
SET default_transaction_isolation = 'repeatable read';
INSERT INTO ev VALUES ('2024-01-01 12:00', 16);
CALL weir.drain('ev');
RESET default_transaction_isolation;
SELECT * FROM minutes_closed ORDER BY 1;
SELECT * FROM hours_closed ORDER BY 1;

-- a stream that is paused consumes nothing, and whoever waits for it is told
SELECT weir.pause('ev');
SELECT weir.wait('ev', '0');
-- nor does it when an aggregate of it is resumed, which was not paused
SELECT weir.resume('minutes');
INSERT INTO ev VALUES ('2024-01-01 13:00', 32);
SELECT weir.wait('ev', '0'), weir.wait('ev', '100 ms');
SELECT rows_behind FROM weir.stat_streams;
SELECT weir.resume('ev');
SELECT weir.wait('ev', '1 minute');
SELECT rows_behind FROM weir.stat_streams;

-- the rows of a queue are gone after CALL, its first ones too, however they were
-- consumed: as history of an aggregate, by one that has a cursor of its own
CREATE TABLE queue (at timestamptz, n int);
INSERT INTO queue VALUES ('2024-01-01 10:00', 1);
SELECT weir.create_stream('queue', 'at', retention => '0');
CALL weir.drain('queue');
SELECT count(*) FROM queue;
SELECT weir.create_continuous_aggregate('first', 'SELECT sum(n) FROM queue');
INSERT INTO queue VALUES ('2024-01-01 10:00', 2);
CALL weir.drain('queue');
SELECT count(*) FROM queue;
SELECT weir.create_continuous_aggregate('second', 'SELECT sum(n) FROM queue');
INSERT INTO queue VALUES ('2024-01-01 10:00', 4);
CALL weir.drain('queue');
SELECT count(*) FROM queue;
SELECT weir.pause('second');
INSERT INTO queue VALUES ('2024-01-01 10:00', 8);
CALL weir.drain('queue');
SELECT count(*) FROM queue;
SELECT first.sum, second.sum FROM first, second;
SELECT weir.resume('second');
CALL weir.drain('queue');
SELECT count(*) FROM queue;
SELECT first.sum, second.sum FROM first, second;
-- A log that goes on from slot to slot keeps what a paused aggregate has not seen.
CREATE TABLE turning (at timestamptz, v int);
SELECT weir.create_stream('turning', 'at');
SELECT weir.create_continuous_aggregate('turning_all', 'SELECT count(*) AS n, sum(v) FROM turning');
SELECT weir.create_continuous_aggregate('turning_paused', 'SELECT count(*) AS n, sum(v) FROM turning');
CALL weir.drain('turning');
SELECT weir.pause('turning_paused');
SET weir.log_slot_size = '8kB';
CREATE PROCEDURE turn() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 200 LOOP
        INSERT INTO turning VALUES ('2024-01-01', i);
        COMMIT;
    END LOOP;
END $$;
CALL turn();
CALL weir.drain('turning');
CALL turn();
CALL weir.drain('turning');
CALL turn();
CALL weir.drain('turning');
CALL turn();
CALL weir.drain('turning');
CALL weir.drain('turning');
CALL weir.drain('turning');
SELECT max(turn) > 2 AS has_turned, count(drained_by) AS drained FROM weir._log_slot
WHERE stream_id = (SELECT max(stream_id) FROM weir._log_slot);
SELECT weir.resume('turning_paused');
CALL weir.drain('turning');
SELECT a.n, a.n = p.n AND a.sum = p.sum AS same FROM turning_all a, turning_paused p;
RESET weir.log_slot_size;
SELECT weir.drop_stream('turning', cascade => true);
\c postgres
DROP DATABASE weir_drain;
