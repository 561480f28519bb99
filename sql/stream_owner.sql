-- Streams and aggregates get other owners, names and schemas, and their owners go.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_weir_first;
CREATE ROLE regress_weir_second;
CREATE SCHEMA one;
CREATE SCHEMA two;
GRANT ALL ON SCHEMA one, two TO regress_weir_first, regress_weir_second;
SET search_path = one;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE VIEW one.owners AS
SELECT c.oid::regclass AS relation, relkind AS kind, relowner::regrole AS owner FROM pg_class c
WHERE relnamespace IN ('one'::regnamespace, 'two'::regnamespace) AND relkind IN ('r', 'p', 'v') AND relname <> 'owners'
ORDER BY 1;
GRANT SELECT ON owners TO PUBLIC;

SET ROLE regress_weir_first;
CREATE TABLE events (ts timestamptz NOT NULL, key text, n int);
SELECT weir.create_stream('events', 'ts', source => 'key');
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_end, sum(e.n) AS total
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_end');
SELECT weir.create_continuous_aggregate('ever', 'SELECT sum(n) AS total, current_user::text AS whom FROM events');
CREATE TABLE sunk (total bigint, whom text DEFAULT current_user);
SELECT weir.create_sink('sunk', 'hourly', 'INSERT INTO one.sunk SELECT total FROM closed');
INSERT INTO events VALUES ('2024-01-01 00:10Z', 'a', 1), ('2024-01-01 01:10Z', 'a', 2);
CALL weir.drain('events');
SELECT * FROM owners;

-- another owner: of the stream, of an aggregate
RESET ROLE;
INSERT INTO events VALUES ('2024-01-01 01:20Z', 'a', 4);
-- an aggregate has its own rights to the stream, and needs them: in one
-- transaction, as a worker may be about
BEGIN;
ALTER TABLE events OWNER TO regress_weir_second;
GRANT SELECT ON events TO regress_weir_first;
ALTER VIEW hourly OWNER TO regress_weir_second;
GRANT INSERT ON sunk TO regress_weir_second;
COMMIT;
SELECT * FROM owners;
SET ROLE regress_weir_first;
CALL weir.drain('events');
SELECT weir.create_sink('other', 'hourly', 'SELECT 1');
SELECT * FROM ever;
SET ROLE regress_weir_second;
INSERT INTO events VALUES ('2024-01-01 02:10Z', 'a', 8);
CALL weir.drain('events');
SELECT * FROM hourly ORDER BY 1;
SELECT * FROM hourly_closed ORDER BY 1;
SELECT total, whom FROM sunk ORDER BY 1;
RESET ROLE;

-- other names, and another schema, with rows that wait
INSERT INTO events VALUES ('2024-01-01 02:20Z', 'a', 16);
ALTER TABLE events RENAME TO things;
ALTER TABLE things RENAME COLUMN ts TO happened_at;
ALTER TABLE things RENAME COLUMN key TO origin;
ALTER TABLE things RENAME COLUMN n TO amount;
ALTER INDEX events_weir RENAME TO captured;
ALTER VIEW hourly RENAME TO by_hour;
ALTER TABLE hourly_closed RENAME TO by_hour_closed;
SELECT * FROM by_hour ORDER BY 1;
INSERT INTO things VALUES ('2024-01-01 03:10Z', 'a', 32);
CALL weir.drain('things');
SELECT * FROM by_hour ORDER BY 1;
SELECT stream, event_time, source FROM weir.streams;
-- (not all versions qualify columns where there is one table)
SELECT aggregate, stream, closed, replace(query, 'things.', '') AS query FROM weir.continuous_aggregates ORDER BY 1;
INSERT INTO things VALUES ('2024-01-01 03:20Z', 'a', 64);
ALTER TABLE things SET SCHEMA two;
ALTER VIEW by_hour SET SCHEMA two;
ALTER TABLE by_hour_closed SET SCHEMA two;
ALTER SCHEMA two RENAME TO three;
SELECT * FROM three.by_hour ORDER BY 1;
INSERT INTO three.things VALUES ('2024-01-01 04:10Z', 'a', 128);
CALL weir.drain('three.things');
SELECT * FROM three.by_hour ORDER BY 1;
SELECT * FROM ever;
SELECT aggregate, stream, closed FROM weir.continuous_aggregates ORDER BY 1;
-- the trigger, too, but what is a stream stays one, and nobody else is in the way
ALTER TRIGGER weir_refuse_update ON three.things RENAME TO something;
UPDATE three.things SET amount = 0;
ALTER TABLE three.things DISABLE TRIGGER ALL;
UPDATE three.things SET amount = 0;
ALTER TABLE three.things DISABLE TRIGGER something;
ALTER TABLE three.things ENABLE TRIGGER ALL;
SET session_replication_role = replica;
UPDATE three.things SET amount = 0;
RESET session_replication_role;
DROP TRIGGER something ON three.things;
CREATE TABLE unrelated (n int);
DROP TABLE unrelated;
CREATE TABLE parted (ts timestamptz NOT NULL, n int) PARTITION BY LIST (n);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
SELECT weir.create_stream('parted', 'ts');
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted VALUES ('2024-01-01', 1), ('2024-01-01', 2);
ALTER TABLE parted DISABLE TRIGGER USER;
ALTER TABLE parted_2 DISABLE TRIGGER ALL;
UPDATE parted SET ts = now() WHERE n = 1;
UPDATE parted SET ts = now() WHERE n = 2;
ALTER TRIGGER weir_refuse_update ON parted RENAME TO parts;
SELECT weir.drop_stream('parted');
UPDATE parted SET ts = '2024-01-02';
SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'parted%';
SELECT weir.create_stream('three.things', 'happened_at');
SELECT weir.alter_stream('three.things', max_out_of_orderness => '1 minute');
SELECT weir.drop_sink('sunk');

-- REASSIGN OWNED
INSERT INTO three.things VALUES ('2024-01-01 05:10Z', 'a', 256);
REASSIGN OWNED BY regress_weir_second TO regress_weir_first;
SELECT aggregate, v.relowner::regrole AS owner FROM weir.continuous_aggregates a JOIN pg_class v ON v.oid = a.aggregate ORDER BY 1;
SELECT c.relowner::regrole AS owner, count(*) FROM pg_class c WHERE c.relowner IN ('regress_weir_first'::regrole, 'regress_weir_second'::regrole)
	AND relkind IN ('r', 'v', 'p', 'f') GROUP BY 1;
SET ROLE regress_weir_first;
CALL weir.drain('three.things');
SELECT * FROM three.by_hour_closed ORDER BY 1;
SELECT * FROM ever;
RESET ROLE;
DROP OWNED BY regress_weir_second;
DROP ROLE regress_weir_second;

-- DROP OWNED: rows wait, and there is a stream of another's with an aggregate of his
CREATE TABLE others (ts timestamptz NOT NULL);
SELECT weir.create_stream('others', 'ts');
SELECT weir.create_continuous_aggregate('of_others', 'SELECT count(*) AS n FROM others');
GRANT SELECT ON others TO regress_weir_first;
SET ROLE regress_weir_first;
SELECT weir.create_continuous_aggregate('his', 'SELECT count(*) AS n FROM others');
INSERT INTO three.things VALUES ('2024-01-01 06:10Z', 'a', 512);
RESET ROLE;
INSERT INTO others VALUES ('2024-01-01');
-- not while he owns something
DROP ROLE regress_weir_first;
DROP OWNED BY regress_weir_first CASCADE;
DROP ROLE regress_weir_first;
CALL weir.drain('others');
SELECT * FROM of_others;
SELECT stream FROM weir.streams;
SELECT aggregate FROM weir.continuous_aggregates;
DROP SCHEMA one, three CASCADE;
SELECT (SELECT count(*) FROM weir._stream) AS streams, (SELECT count(*) FROM weir._aggregate) AS aggregates,
	(SELECT count(*) FROM weir._cursor) AS cursors, (SELECT count(*) FROM weir._log_slot) AS slots,
	(SELECT count(*) FROM weir._sink) AS sinks, (SELECT count(*) FROM weir._source) AS sources;
SELECT relname FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relname ~ '_\d+' AND relkind IN ('r', 'S', 'v', 'f');
