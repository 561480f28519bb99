-- A stream that is consumed in the transaction that writes to it; the first rows of
-- one whose capture index was there before.
SET timezone = 'UTC';
SET client_min_messages = warning;

CREATE FUNCTION differs(view text, query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM ((TABLE %1$s EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL TABLE %1$s)) d', view, query) INTO n;
	RETURN n;
END $$;

-- all in one transaction: rows from before the stream are its history, those from
-- afterwards are logged, and nothing is both
BEGIN;
CREATE TABLE ev (at timestamptz NOT NULL, n int);
INSERT INTO ev VALUES ('2024-01-01 00:01', 1);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS rows, sum(n) AS total FROM ev');
INSERT INTO ev VALUES ('2024-01-01 00:02', 2);
SAVEPOINT a;
INSERT INTO ev VALUES ('2024-01-01 00:03', 4);
SAVEPOINT b;
INSERT INTO ev VALUES ('2024-01-01 00:04', 8);
ROLLBACK TO b;
SELECT weir.advance_watermark('ev', '2024-01-01 00:00');
INSERT INTO ev VALUES ('2024-01-01 00:05', 16);
COMMIT;
SELECT * FROM ever;
CALL weir.drain('ev');
SELECT * FROM ever;

-- rolled back to before it, it is as if it had not been
BEGIN;
CREATE TABLE back (at timestamptz NOT NULL, n int);
SELECT weir.create_stream('back', 'at');
SELECT weir.create_continuous_aggregate('backed', $$
	SELECT w.window_start, count(*) AS rows, sum(b.n) AS total
	FROM back b, weir.tumble(b.at, '1 hour') w GROUP BY w.window_start $$);
INSERT INTO back VALUES ('2024-01-01 00:02', 2);
SAVEPOINT a;
INSERT INTO back VALUES ('2024-01-01 00:03', 4);
SELECT weir.advance_watermark('back', 'infinity');
SELECT * FROM backed_closed;
ROLLBACK TO a;
INSERT INTO back VALUES ('2024-01-01 00:04', 8);
COMMIT;
SELECT * FROM backed;
CALL weir.drain('back');
SELECT weir.advance_watermark('back', 'infinity');
SELECT * FROM backed_closed;
SELECT count(*) FROM weir.late_rows;
DROP TABLE back CASCADE;

-- and once more, with an aggregate that reads its history in the middle of it
BEGIN;
INSERT INTO ev VALUES ('2024-01-01 00:06', 32);
SELECT weir.create_continuous_aggregate('second', 'SELECT count(*) AS rows, sum(n) AS total FROM ev');
INSERT INTO ev VALUES ('2024-01-01 00:07', 64);
SELECT weir.advance_watermark('ev', '2024-01-01 00:01');
TRUNCATE ev;
INSERT INTO ev VALUES ('2024-01-01 00:08', 128);
COMMIT;
CALL weir.drain('ev');
-- what was truncated away before it was logged is nobody's
SELECT * FROM ever;
SELECT * FROM second;
DROP TABLE ev CASCADE;

-- The capture index is there before the stream, so that the first rows are read when
-- those have ended who wrote without it: advance_watermark sees to that, too.
CREATE TABLE adopted (at timestamptz NOT NULL, n int);
CREATE INDEX ON adopted USING weir_capture (at);
INSERT INTO adopted SELECT '2024-01-01'::timestamptz + i * interval '1 minute', i FROM generate_series(1, 100) i;
SELECT weir.create_stream('adopted', 'at');
SELECT weir.create_continuous_aggregate('per_hour', $$
	SELECT w.window_start, w.window_end, count(*) AS rows, sum(a.n) AS total
	FROM adopted a, weir.tumble(a.at, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.advance_watermark('adopted', 'infinity');
SELECT * FROM per_hour_closed ORDER BY window_start;
SELECT differs('per_hour', $$
	SELECT w.window_start, w.window_end, count(*) AS rows, sum(a.n) AS total
	FROM adopted a, weir.tumble(a.at, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SELECT count(*) FROM weir.late_rows;
DROP TABLE adopted CASCADE;

DROP FUNCTION differs;
