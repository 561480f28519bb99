-- Sinks, failures of one aggregate, pausing, and with whose rights it all runs.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_sink TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_sink SET weir.start_workers = off;
\c weir_sink
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
SET weir.max_failures = 1;

CREATE TABLE ev (at timestamptz, k text, n int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('per_min', $$
    SELECT w.window_start, w.window_end, k, sum(n) AS total FROM ev, weir.tumble(at, '1 minute') w
    GROUP BY w.window_start, w.window_end, k $$);
CREATE TABLE alert (window_end timestamptz, k text, total bigint);
CREATE TABLE hourly (at timestamptz, k text, total bigint);
SELECT weir.create_stream('hourly', 'at');
SELECT weir.create_continuous_aggregate('per_hour', $$
    SELECT w.window_end, sum(total) FROM hourly, weir.tumble(at, '1 hour') w GROUP BY w.window_end $$);
CREATE FUNCTION remember(text, bigint) RETURNS void AS 'INSERT INTO alert VALUES (NULL, $1, $2)' LANGUAGE sql;

SELECT weir.create_sink('alerts', 'per_min', 'INSERT INTO alert SELECT window_end, k, total FROM closed WHERE total > 100');
SELECT weir.create_sink('cascade', 'per_min', $$INSERT INTO hourly SELECT window_end - interval '1 microsecond', k, total FROM closed$$);
SELECT weir.create_sink('functions', 'per_min', 'SELECT remember(k, total) FROM closed WHERE k = ''f''');
SELECT * FROM weir.sinks ORDER BY name;

INSERT INTO ev VALUES ('2024-01-01 10:00:10', 'a', 60), ('2024-01-01 10:00:20', 'a', 60), ('2024-01-01 10:00:20', 'f', 1), ('2024-01-01 10:01:10', 'a', 500);
CALL weir.drain('ev');
SELECT * FROM alert ORDER BY k;
INSERT INTO ev VALUES ('2024-01-01 10:02:00', 'a', 7);
CALL weir.drain('ev');
CALL weir.drain('ev');
SELECT * FROM alert ORDER BY 1, 2;
SELECT * FROM per_hour;

-- refused
SELECT weir.create_sink('alerts', 'per_min', 'SELECT 1');
SELECT weir.create_sink('two', 'per_min', 'SELECT 1; SELECT 2');
SELECT weir.create_sink('none', 'per_min', 'INSERT INTO alert SELECT nothing FROM closed');
SELECT weir.create_sink('temp', 'per_min', 'CREATE TEMP TABLE x AS SELECT * FROM closed');
SELECT weir.create_sink('role', 'per_min', 'SET ROLE postgres');
SELECT weir.create_sink('drain', 'per_min', 'CALL weir.drain(''ev'')');
SELECT weir.create_sink('wait', 'per_min', 'SELECT weir.wait(''ev'')');
SELECT weir.create_sink('', 'per_min', 'SELECT 1');
SELECT weir.create_sink(repeat('x', 64), 'per_min', 'SELECT 1');
SELECT weir.create_sink('none', 'per_min', 'SELECT FROM FROM closed');
SELECT weir.create_sink('none', 'per_min', 'COMMIT');
SELECT weir.create_sink('none', 'per_min', 'COPY (SELECT * FROM closed) TO STDOUT');
SELECT weir.create_sink(NULL, 'per_min', 'SELECT 1');
SELECT weir.create_sink('none', NULL, 'SELECT 1');
SELECT weir.create_sink('none', 'per_min', NULL);
SELECT weir.drop_sink(NULL);
SELECT weir.resume_sink(NULL);
SELECT weir.skip_sink(NULL);
SELECT weir.create_sink('x', 'ev', 'SELECT 1');
SELECT weir.create_continuous_aggregate('total', 'SELECT sum(n) FROM ev');
SELECT weir.create_sink('x', 'total', 'SELECT 1');
SELECT weir.drop_sink('x');
SELECT weir.drop_sink('functions');

-- a sink that fails: windows close, and nothing is lost (see sink_isolation)
SELECT weir.create_continuous_aggregate('other', $$
    SELECT w.window_end, sum(n) FROM ev, weir.tumble(at, '1 minute') w GROUP BY w.window_end $$);
CALL weir.drain('ev');
ALTER TABLE alert ADD CHECK (total < 1000);
INSERT INTO ev VALUES ('2024-01-01 10:02:30', 'a', 5000), ('2024-01-01 10:03:10', 'a', 1);
CALL weir.drain('ev');
SELECT * FROM other_closed ORDER BY 1;
SELECT * FROM per_min_closed ORDER BY 1, 3;
SELECT * FROM per_min ORDER BY 1, 3;
SELECT aggregate, status, failures, last_error FROM weir.stat_aggregates ORDER BY aggregate::text;
INSERT INTO ev VALUES ('2024-01-01 10:04:00', 'a', 2);
CALL weir.drain('ev');
ALTER TABLE alert DROP CONSTRAINT alert_total_check;
SELECT weir.resume('per_min');
CALL weir.drain('ev');
SELECT * FROM per_min ORDER BY 1, 3;
SELECT * FROM alert ORDER BY 1, 2;
SELECT aggregate, status, failures, last_error FROM weir.stat_aggregates ORDER BY aggregate::text;

-- a poisonous row: the aggregate that cannot take it fails, the others go on
SELECT weir.create_continuous_aggregate('inverse', $$
    SELECT w.window_end, sum(100 / n) FROM ev, weir.tumble(at, '1 minute') w GROUP BY w.window_end $$);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 10:04:10', 'a', 0);
CALL weir.drain('ev');
SELECT aggregate, status, failures, last_error FROM weir.stat_aggregates WHERE status <> 'active';
SELECT * FROM other ORDER BY 1;
SELECT * FROM inverse ORDER BY 1;
DELETE FROM ev WHERE n = 0;
SELECT weir.resume('inverse');
CALL weir.drain('ev');
SELECT * FROM inverse ORDER BY 1;
SELECT count(*) FROM weir.stat_aggregates WHERE status <> 'active';

-- it is tried again by itself before it has failed too often
SET weir.max_failures = 2;
SET weir.retry_delay = '10 min';
INSERT INTO ev VALUES ('2024-01-01 10:04:20', 'a', 0);
CALL weir.drain('ev');
SELECT aggregate, status, failures, next_retry IS NOT NULL AS has_next_retry, last_error FROM weir.stat_aggregates WHERE status <> 'active';
UPDATE weir._cursor SET not_before = '-infinity' WHERE not_before IS NOT NULL;
CALL weir.drain('ev');
RESET weir.retry_delay;
SELECT aggregate, status, failures, next_retry, last_error FROM weir.stat_aggregates WHERE status <> 'active';
DELETE FROM ev WHERE n = 0;
SELECT weir.resume('inverse');
CALL weir.drain('ev');
SELECT count(*) FROM weir.stat_aggregates WHERE status <> 'active';
SET weir.max_failures = 1;

-- pausing one aggregate: it misses nothing, and its view stays exact
SELECT weir.pause('other');
INSERT INTO ev VALUES ('2024-01-01 10:05:20', 'a', 3);
CALL weir.drain('ev');
SELECT aggregate, status FROM weir.stat_aggregates ORDER BY aggregate::text;
SELECT * FROM other_closed ORDER BY 1;
SELECT * FROM other ORDER BY 1;
SELECT weir.resume('other');
CALL weir.drain('ev');
SELECT * FROM other_closed ORDER BY 1;

-- the owner's rights, the settings of creation
CREATE ROLE weir_owner;
CREATE ROLE weir_reader;
CREATE SCHEMA own AUTHORIZATION weir_owner;
GRANT SELECT ON ev TO weir_owner;
SET ROLE weir_owner;
SELECT weir.create_continuous_aggregate('public.mine', 'SELECT k, sum(n) FROM public.ev GROUP BY k');
CREATE FUNCTION own.who(int) RETURNS text AS 'SELECT current_user::text' LANGUAGE sql STABLE;
SET timezone = 'Asia/Tokyo';
SET search_path = own, public;
SELECT weir.create_continuous_aggregate('mine', $$
    SELECT w.window_end, at::date AS day, who(n), sum(n) FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, at::date, who(n) $$);
CREATE TABLE log (day date, who text, me text);
SELECT weir.create_sink('log', 'mine', 'INSERT INTO log SELECT day, who, current_user FROM closed');
SELECT weir.create_sink('alert', 'mine', 'INSERT INTO public.alert SELECT window_end FROM closed');
GRANT USAGE ON SCHEMA own TO weir_reader;
GRANT SELECT ON mine TO weir_reader;
SELECT weir.drop_continuous_aggregate('per_min');
SELECT weir.alter_continuous_aggregate('per_min', realtime => false);
SELECT weir.create_sink('theirs', 'per_min', 'SELECT 1');
SELECT weir.drop_sink('alerts');
SELECT weir.pause('per_min');
SELECT weir.pause('ev');
RESET ROLE;
RESET search_path;
SET timezone = 'UTC';
SET ROLE weir_reader;
SELECT day, who, sum FROM own.mine ORDER BY day;
CREATE FUNCTION pg_temp.day() RETURNS date AS $$ BEGIN ASSERT current_user = 'weir_reader'; RETURN '2024-01-01'; END $$ LANGUAGE plpgsql STABLE;
SELECT day, who, sum FROM own.mine WHERE day = pg_temp.day();
DROP FUNCTION pg_temp.day();
SELECT count(*) FROM own.mine_closed;
SELECT count(*) FROM weir._open_1;
SELECT count(*) FROM weir._query_1;
SELECT count(*) FROM weir._state_1;
SELECT count(*) FROM weir._aggregate;
SELECT count(*) FROM weir.late_rows;
SELECT weir._maintain_aggregate('own.mine');
RESET ROLE;
INSERT INTO ev VALUES ('2024-01-01 20:00', 'late in the day', 1), ('2024-01-02 00:00', 'b', 1);
CALL weir.drain('ev');
SELECT * FROM own.log ORDER BY day;
-- another owner, another name: all parts, and the rights it runs with
ALTER VIEW own.mine OWNER TO weir_reader;
SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('mine', 'mine_closed') OR relname ~ '^_(open|query)_' AND relowner <> current_user::regrole ORDER BY 1;
SELECT day, who, sum FROM own.mine ORDER BY day;
ALTER VIEW own.mine OWNER TO weir_owner;
ALTER VIEW own.mine RENAME TO ours;
ALTER TABLE ev RENAME COLUMN n TO number;
INSERT INTO ev VALUES ('2024-01-02 00:05', 'b', 1);
CALL weir.drain('ev');
SELECT day, who, sum FROM own.ours ORDER BY day;
ALTER TABLE ev RENAME COLUMN number TO n;
ALTER VIEW own.ours RENAME TO mine;
REVOKE SELECT ON ev FROM weir_owner;
SELECT day, who, sum FROM own.mine ORDER BY day;
INSERT INTO ev VALUES ('2024-01-02 00:10', 'c', 1);
SELECT day, who, sum FROM own.mine ORDER BY day;
CALL weir.drain('ev');
SELECT aggregate, status, last_error FROM weir.stat_aggregates WHERE status <> 'active';
SELECT weir.drop_continuous_aggregate('own.mine');

-- not in real time; rows that were there before
SELECT weir.create_continuous_aggregate('lazy', 'SELECT count(*) FROM ev', realtime => false);
SELECT weir.create_continuous_aggregate('fresh', 'SELECT count(*) FROM ev', with_data => false);
SELECT * FROM lazy;
SELECT * FROM fresh;
INSERT INTO ev VALUES ('2024-01-02 00:11', 'c', 1);
SELECT * FROM fresh;
CALL weir.drain('ev');
SELECT (SELECT count(*) FROM ev), * FROM lazy;
SELECT * FROM fresh;
SELECT weir.alter_continuous_aggregate('lazy', realtime => true);
INSERT INTO ev VALUES ('2024-01-02 00:12', 'c', 1);
SELECT (SELECT count(*) FROM ev), * FROM lazy;

-- what a sink does to rows of the stream is nothing to the other aggregates of
-- the same tick, which read the same rows
CREATE TABLE shared_rows (at timestamptz NOT NULL, key int);
SELECT weir.create_stream('shared_rows', 'at');
SELECT weir.create_continuous_aggregate('shared_a', $$
	SELECT w.window_start, count(*) AS n, sum(s.key) AS total FROM shared_rows s, weir.tumble(s.at, '1 minute') w GROUP BY w.window_start$$);
SELECT weir.create_continuous_aggregate('shared_b', $$
	SELECT w.window_start, count(*) AS n, sum(s.key) AS total FROM shared_rows s, weir.tumble(s.at, '1 minute') w GROUP BY w.window_start$$);
SELECT weir.create_sink('delete_even', 'shared_a', 'DELETE FROM shared_rows WHERE key % 2 = 0');
CALL weir.drain('shared_rows');
CALL weir.drain('shared_rows');
SELECT count(*) FROM weir._cursor WHERE stream_id = (SELECT max(stream_id) FROM weir._cursor);
INSERT INTO shared_rows SELECT timestamptz '2024-01-01' + i * interval '1 second', i FROM generate_series(0, 120) i;
CALL weir.drain('shared_rows');
SELECT * FROM shared_a ORDER BY 1;
SELECT * FROM shared_b ORDER BY 1;
SELECT count(*) FROM shared_rows;
-- and rows that a query does not read to their end are still there for the others
SELECT weir.create_continuous_aggregate('shared_none', $$
	SELECT key, count(*) AS n FROM shared_rows WHERE false GROUP BY key$$);
CALL weir.drain('shared_rows');
CALL weir.drain('shared_rows');
INSERT INTO shared_rows VALUES ('2024-01-01 00:02:30', 1), ('2024-01-01 00:01:30', 2);
CALL weir.drain('shared_rows');
SELECT * FROM shared_none;
SELECT * FROM shared_b ORDER BY 1;
SELECT event_time, reason FROM weir.late_rows WHERE aggregate = 'shared_a'::regclass;
SELECT event_time, reason FROM weir.late_rows WHERE aggregate = 'shared_b'::regclass;
SELECT weir.drop_stream('shared_rows', cascade => true);
DROP TABLE shared_rows;

-- dropping: by function, by hand, with the stream
CREATE VIEW on_closed AS SELECT * FROM per_min_closed;
SELECT weir.drop_continuous_aggregate('per_min');
DROP VIEW per_min;
SELECT weir.drop_continuous_aggregate('per_min', cascade => true);
SELECT * FROM weir.sinks;
DROP VIEW inverse;
DROP TABLE other_closed;
DROP TABLE other_closed CASCADE;
DROP TABLE ev;
SELECT weir.drop_stream('ev');
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
DROP TABLE ev CASCADE;
SELECT aggregate FROM weir.continuous_aggregates;
SELECT weir.drop_stream('hourly', cascade => true);
SELECT relname FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relname ~ '^_(query|open|state)_';
SELECT count(*) FROM weir._cursor;
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1;
DROP SCHEMA own CASCADE;
DROP ROLE weir_owner, weir_reader;
\c postgres
DROP DATABASE weir_sink;
