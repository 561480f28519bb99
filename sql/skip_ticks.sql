-- A search of weir.skip that takes longer than a tick may goes on in the next.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_skip_ticks TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_skip_ticks SET weir.start_workers = off;
ALTER DATABASE weir_skip_ticks SET weir.max_failures = 1;
\c weir_skip_ticks
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;
\set VERBOSITY terse

-- With no time at all, a tick finds one row. The function stops a drain, by an
-- error that is no fault of the aggregate's, when so many have been found.
SET weir.skip_time = 0;
SET test.stop_at = 'never';
CREATE FUNCTION inverse(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('test.stop_at') = (SELECT count(*) FROM weir._skip_found)::text THEN
		RAISE EXCEPTION 'stopped' USING ERRCODE = 'serialization_failure';
	END IF;
	RETURN 100 / v;
END $$;
CREATE TABLE ev (at timestamptz, id int, v int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('other', 'SELECT count(*) AS n FROM ev');
SELECT weir.create_continuous_aggregate('total', 'SELECT count(*) AS n, sum(inverse(v)) AS total FROM ev');
CREATE VIEW stat AS SELECT aggregate, status, ticks, skipped_rows FROM weir.stat_aggregates ORDER BY aggregate::text;
CREATE VIEW found AS SELECT relid::regclass, "row"->'id' AS id, reason FROM weir._skip_found ORDER BY relid, "row"::text;
INSERT INTO ev SELECT timestamptz '2024-01-01' + i * interval '1 second', i, i % 10 FROM generate_series(1, 69) i;
CALL weir.drain('ev');
SELECT weir.skip('total');
SET test.stop_at = '3';
CALL weir.drain('ev');
-- three ticks are done, each with a row; nothing is taken in yet, nothing kept
SELECT aggregate, status, skipped_rows FROM stat;
SELECT relid, id, reason FROM found;
SELECT count(*) FROM weir.late_rows;
-- others are not held up: more rows, and their ticks
INSERT INTO ev VALUES ('2024-01-02', 70, 0), ('2024-01-02', 71, 1);
CALL weir.drain('ev');
TABLE other;
SELECT relid, id FROM found;
-- what was found is gone, or another row in the same place: not left out
DELETE FROM ev WHERE id IN (10, 20);
VACUUM ev;
INSERT INTO ev SELECT '2024-01-03', i, 50 FROM generate_series(101, 110) i;
SELECT count(*) FROM weir._skip_found f JOIN ev ON ev.ctid = f.tid WHERE ev.id > 100;
SET test.stop_at = 'never';
CALL weir.drain('ev');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT "row"->'id' AS id, reason FROM weir.late_rows ORDER BY 1;
SELECT n, total, n + 5 = (SELECT count(*) FROM ev) AS counted, total = (SELECT sum(100 / v) FROM ev WHERE v <> 0) AS summed FROM total;
SELECT count(*) FROM weir._skip_found;
SELECT count(*) AS unused FROM weir._cursor c WHERE NOT is_main AND NOT EXISTS (SELECT FROM weir._aggregate_progress p WHERE p.cursor_id = c.id);

-- the table is rewritten meanwhile; the same row twice
INSERT INTO ev SELECT timestamptz '2024-01-04', i % 4, 0 FROM generate_series(0, 7) i;
INSERT INTO ev SELECT timestamptz '2024-01-05', i, 1 FROM generate_series(1, 20) i;
CALL weir.drain('ev');
SELECT weir.skip('total');
SET test.stop_at = '6';
CALL weir.drain('ev');
DELETE FROM ev WHERE at < '2024-01-03';
VACUUM FULL ev;
SET test.stop_at = 'never';
CALL weir.drain('ev');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT "row"->'id' AS id, count(*) FROM weir.late_rows WHERE event_time = '2024-01-04' GROUP BY 1 ORDER BY 1;

-- what makes the search end in another way ends what was found
INSERT INTO ev SELECT timestamptz '2024-01-06', i, 0 FROM generate_series(1, 4) i;
CALL weir.drain('ev');
SELECT weir.skip('total');
SET test.stop_at = '2';
CALL weir.drain('ev');
SELECT weir.skip('total');
SELECT id FROM found;
SELECT weir.resume('total');
SELECT id FROM found;
SELECT weir.drop_continuous_aggregate('other');
DELETE FROM ev WHERE v = 0;
SET test.stop_at = 'never';
CALL weir.drain('ev');
SELECT aggregate, status, skipped_rows FROM stat;
INSERT INTO ev SELECT timestamptz '2024-01-06', i, 0 FROM generate_series(1, 3) i;
CALL weir.drain('ev');
SELECT weir.skip('total');
SET test.stop_at = '1';
CALL weir.drain('ev');
SELECT id FROM found;
SELECT weir.drop_continuous_aggregate('total');
SELECT count(*) FROM weir._skip_found;
SET test.stop_at = 'never';

-- history
CREATE TABLE history (at timestamptz, v int);
INSERT INTO history SELECT timestamptz '2024-01-01' + i * interval '1 second', i % 3 FROM generate_series(1, 90) i;
SELECT weir.create_stream('history', 'at');
SELECT weir.create_continuous_aggregate('of_history', 'SELECT count(*) AS n, sum(10 / v) AS total FROM history');
CALL weir.drain('history');
SELECT weir.skip('of_history');
CALL weir.drain('history');
TABLE stat;
SELECT count(*) FROM weir.late_rows;
SELECT *, (SELECT sum(10 / v) FROM history WHERE v <> 0) FROM of_history;
-- the watermark is moved in one transaction: it waits for a search that takes no
-- longer than a tick may, and leaves behind who needs more
INSERT INTO history SELECT timestamptz '2024-01-02' + i * interval '1 second', i % 3 FROM generate_series(1, 30) i;
SELECT weir.create_continuous_aggregate('hours_of_history', $$ SELECT w.window_end, count(*) AS n, sum(10 / v) AS total FROM history, weir.tumble(at, '1 hour') w GROUP BY w.window_end $$, with_data => false);
INSERT INTO history VALUES ('2024-01-02 00:00:59', 5);
CALL weir.drain('history');
SELECT weir.skip('of_history');
SELECT weir.advance_watermark('history', '2024-01-03');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT count(*) FROM found;
TABLE hours_of_history_closed;
CALL weir.drain('history');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT *, (SELECT sum(10 / v) FROM history WHERE v <> 0) FROM of_history;
RESET weir.skip_time;
INSERT INTO history SELECT timestamptz '2024-01-04' + i * interval '1 second', i % 3 FROM generate_series(1, 30) i;
CALL weir.drain('history');
SELECT weir.skip(aggregate) IS NULL FROM weir.stat_aggregates WHERE status = 'failed';
SELECT weir.advance_watermark('history', '2024-01-05');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT *, (SELECT sum(10 / v) FROM history WHERE v <> 0) FROM of_history;
TABLE hours_of_history_closed ORDER BY window_end;
SELECT weir.drop_continuous_aggregate('hours_of_history');
SET weir.skip_time = 0;

-- groups, found while windows close: rows of the tick are not taken in twice
CREATE TABLE shares (at timestamptz, k text, part int, whole int);
SELECT weir.create_stream('shares', 'at');
SELECT weir.create_continuous_aggregate('by_key', $$ SELECT w.window_end, k, count(*) AS n, sum(part) / sum(whole) AS share FROM shares, weir.tumble(at, '10 minutes') w GROUP BY w.window_end, k $$);
SELECT weir.create_continuous_aggregate('sessions', $$ SELECT w.window_start, w.window_end, k, count(*) AS n, inverse((sum(whole) / 2)::int) AS share FROM shares, weir.session(at, '1 minute') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('hours', $$ SELECT w.window_end, sum(inverse(t.share::int)) AS shares, count(*) AS n FROM by_key t, weir.tumble(t.window_end - interval '1 microsecond', '1 hour') w GROUP BY w.window_end $$);
INSERT INTO shares SELECT timestamptz '2024-01-01 10:01', 'key ' || i, i % 4, i % 3 FROM generate_series(0, 11) i, generate_series(1, 2);
CALL weir.drain('shares');
INSERT INTO shares VALUES ('2024-01-01 10:20', 'key 0', 1, 2), ('2024-01-01 10:21', 'key 1', 5, 2);
CALL weir.drain('shares');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT weir.skip('by_key');
CALL weir.drain('shares');
SELECT weir.skip('sessions');
SET test.stop_at = '3';
CALL weir.drain('shares');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT relid, reason, count(*) FROM found GROUP BY 1, 2;
-- another group of the windows that close, before those found
INSERT INTO shares VALUES ('2024-01-01 10:01', 'key', 6, 2);
SET test.stop_at = 'never';
CALL weir.drain('shares');
SELECT aggregate, status, skipped_rows FROM stat;
SELECT aggregate, "row"->'k' AS k, reason FROM weir.late_rows WHERE aggregate IN ('by_key'::regclass, 'sessions'::regclass) ORDER BY 1, 2;
SELECT count(*) AS unused FROM weir._cursor c WHERE NOT is_main AND NOT EXISTS (SELECT FROM weir._aggregate_progress p WHERE p.cursor_id = c.id);
SELECT count(*) FROM weir._skip_found;
SELECT * FROM by_key ORDER BY window_end, k;
SELECT k, n, share FROM sessions ORDER BY window_end, k;

-- rows and groups of one tick
CREATE TABLE both_kinds (window_start timestamptz, window_end timestamptz, part int);
SELECT weir.create_stream('both_kinds', 'window_end');
SELECT weir.create_continuous_aggregate('of_both', $$ SELECT w.window_start, w.window_end, inverse(sum(inverse(coalesce(part, 0)))::int) AS n FROM both_kinds b, weir.tumble(b.window_end, '10 minutes') w GROUP BY w.window_start, w.window_end $$);
INSERT INTO both_kinds SELECT '2024-01-01', timestamptz '2024-01-01' + i / 3 * interval '10 minutes', CASE WHEN i > 11 THEN 1 WHEN i % 3 = 2 THEN 0 WHEN i / 3 = 3 THEN 1 ELSE i % 3 * 200 - 100 END FROM generate_series(0, 12) i;
CALL weir.drain('both_kinds');
SELECT weir.skip('of_both');
CALL weir.drain('both_kinds');
SELECT aggregate, status, skipped_rows FROM stat WHERE aggregate = 'of_both'::regclass;
SELECT event_time, reason, "row" FROM weir.late_rows WHERE aggregate = 'of_both'::regclass ORDER BY isfinite(window_end), event_time;
SELECT * FROM of_both ORDER BY 1;

-- over another aggregate
INSERT INTO shares VALUES ('2024-01-01 12:00', 'key 0', 1, 1);
CALL weir.drain('shares');
SELECT aggregate, status, skipped_rows FROM stat WHERE aggregate = 'hours'::regclass;
SELECT weir.skip('hours');
SET test.stop_at = '2';
CALL weir.drain('shares');
SELECT aggregate, status, skipped_rows FROM stat WHERE aggregate = 'hours'::regclass;
SELECT relid, reason, count(*) FROM found GROUP BY 1, 2;
SET test.stop_at = 'never';
CALL weir.drain('shares');
SELECT aggregate, status, skipped_rows FROM stat WHERE aggregate = 'hours'::regclass;
SELECT * FROM hours ORDER BY 1;
SELECT date_bin('1 hour', window_end, '2024-01-01') AS hour, sum(100 / share), count(*) FROM by_key_closed WHERE share <> 0 GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM weir._skip_found;
\c postgres
DROP DATABASE weir_skip_ticks;
