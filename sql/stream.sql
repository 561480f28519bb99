-- Streams: each committed row is consumed exactly once, whatever road it took.
\set VERBOSITY terse

-- rows consumed so far, and rows behind
CREATE FUNCTION consumed(stream regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT (weir._stream_status(id)).rows_consumed FROM weir._stream WHERE relation = stream $$;
CREATE FUNCTION behind(stream regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT (weir._stream_status(id)).rows_behind FROM weir._stream WHERE relation = stream $$;

-- a table with rows in it: they are the stream's first rows
CREATE TABLE readings (id int PRIMARY KEY, ts timestamptz, device text, temp float8 DEFAULT 1);
INSERT INTO readings SELECT i, '2026-01-01'::timestamptz + i * interval '1 second', 'd' || i % 3 FROM generate_series(1, 100) i;
SELECT weir.create_stream('readings', 'ts', max_drift => NULL);
\d readings
CALL weir.drain('readings');
SELECT consumed('readings'), behind('readings');
SELECT (weir._stream_status(id)).watermark FROM weir._stream WHERE relation = 'readings'::regclass;

-- INSERT, COPY, ON CONFLICT DO NOTHING, MERGE
INSERT INTO readings SELECT i, '2026-01-01 01:00Z', 'x' FROM generate_series(101, 200) i;
COPY readings (id, ts, device) FROM stdin;
201	2026-01-01 01:00Z	a
202	2026-01-01 01:00Z	b
\.
INSERT INTO readings SELECT i, '2026-01-01 01:00Z', 'y' FROM generate_series(151, 250) i ON CONFLICT DO NOTHING;
CALL weir.drain('readings');
SELECT consumed('readings'), count(*) FROM readings;

-- savepoints and exception blocks
BEGIN;
INSERT INTO readings SELECT i, '2026-01-01 02:00Z', 'x' FROM generate_series(251, 260) i;
SAVEPOINT a;
INSERT INTO readings SELECT i, '2026-01-01 02:00Z', 'x' FROM generate_series(261, 270) i;
ROLLBACK TO a;
INSERT INTO readings SELECT i, '2026-01-01 02:00Z', 'x' FROM generate_series(261, 265) i;
SAVEPOINT b;
INSERT INTO readings SELECT i, '2026-01-01 02:00Z', 'x' FROM generate_series(271, 275) i;
RELEASE b;
DO $$
BEGIN
	FOR i IN 270..290 LOOP
		BEGIN
			INSERT INTO readings VALUES (i, '2026-01-01 02:00Z', 'x');
		EXCEPTION WHEN unique_violation THEN NULL;
		END;
	END LOOP;
END $$;
COMMIT;
BEGIN;
INSERT INTO readings SELECT i, '2026-01-01 02:00Z', 'x' FROM generate_series(1000, 2000) i;
ROLLBACK;
CALL weir.drain('readings');
SELECT consumed('readings'), count(*) FROM readings;

-- two-phase commit: consumed when it commits
BEGIN;
INSERT INTO readings SELECT i, '2026-01-01 03:00Z', 'x' FROM generate_series(301, 310) i;
SAVEPOINT a;
INSERT INTO readings SELECT i, '2026-01-01 03:00Z', 'x' FROM generate_series(311, 320) i;
PREPARE TRANSACTION 'weir_stream';
INSERT INTO readings SELECT i, '2026-01-01 03:00Z', 'x' FROM generate_series(321, 330) i;
CALL weir.drain('readings');
SELECT consumed('readings'), count(*) FROM readings;
COMMIT PREPARED 'weir_stream';
CALL weir.drain('readings');
SELECT consumed('readings'), count(*) FROM readings;
BEGIN;
INSERT INTO readings SELECT i, '2026-01-01 03:00Z', 'x' FROM generate_series(331, 340) i;
PREPARE TRANSACTION 'weir_stream';
ROLLBACK PREPARED 'weir_stream';
CALL weir.drain('readings');
SELECT consumed('readings'), count(*) FROM readings;

-- from the stream itself, by a trigger, by a data-modifying CTE
INSERT INTO readings SELECT id + 1000, ts, device FROM readings WHERE id <= 10;
CREATE TABLE source (id int);
CREATE FUNCTION forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO readings VALUES (new.id, '2026-01-01 03:00Z', 't'); RETURN new; END $$;
CREATE TRIGGER forward AFTER INSERT ON source FOR EACH ROW EXECUTE FUNCTION forward();
INSERT INTO source SELECT generate_series(1101, 1110);
WITH w AS (INSERT INTO readings VALUES (1111, '2026-01-01 03:00Z', 'w') RETURNING *) SELECT count(*) FROM w;
CALL weir.drain('readings');
SELECT consumed('readings'), count(*) FROM readings;

-- isolation levels of writers
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 FROM readings;
INSERT INTO readings VALUES (1201, '2026-01-01 03:00Z', 'r');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) > 0 FROM readings;
INSERT INTO readings VALUES (1202, '2026-01-01 03:00Z', 's');
COMMIT;
CALL weir.drain('readings');
SELECT consumed('readings') - count(*) AS difference FROM readings;

-- rows deleted after they are consumed stay counted (the numbers that follow
-- are relative); before, they are not
DELETE FROM readings WHERE id > 1100;
SELECT consumed('readings') AS before \gset
BEGIN;
INSERT INTO readings SELECT i, '2026-01-01 04:00Z', 'x' FROM generate_series(2001, 2010) i;
DELETE FROM readings WHERE id = 2001;
COMMIT;
CALL weir.drain('readings');
SELECT consumed('readings') - :before AS new;
DROP TABLE source;

-- UPDATE is refused, by whatever road
UPDATE readings SET temp = 0 WHERE id = 1;
INSERT INTO readings VALUES (1, '2026-01-01 04:00Z', 'x') ON CONFLICT (id) DO UPDATE SET temp = 2;
SELECT consumed('readings') - :before AS new;
SELECT weir.drop_stream('readings');
UPDATE readings SET temp = 0 WHERE id = 1;
\d readings

-- TRUNCATE: what was not consumed is gone. A paused stream consumes nothing.
CREATE TABLE t (ts timestamptz NOT NULL, n int);
SELECT weir.create_stream('t', 'ts');
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 1000) i;
BEGIN;
TRUNCATE t;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 10) i;
SAVEPOINT a;
TRUNCATE t;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 500) i;
ROLLBACK TO a;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 5) i;
COMMIT;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 7) i;
CALL weir.drain('t');
SELECT count(*) FROM t;
SELECT behind('t'), consumed('t') >= 22 AS all_seen;

-- rewrites
CALL weir.drain('t');
SELECT consumed('t') AS before \gset
VACUUM FULL t;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 7) i;
CALL weir.drain('t');
CREATE INDEX t_n ON t (n);
CLUSTER t USING t_n;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 7) i;
CALL weir.drain('t');
ALTER TABLE t ALTER n TYPE bigint;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 7) i;
CALL weir.drain('t');
REINDEX TABLE t;
VACUUM (FREEZE) t;
INSERT INTO t SELECT '2026-01-01', i FROM generate_series(1, 7) i;
VACUUM (FREEZE) t;
CALL weir.drain('t');
SELECT consumed('t') - :before AS new;

-- columns
ALTER TABLE t ADD COLUMN note text DEFAULT 'none';
ALTER TABLE t RENAME COLUMN ts TO happened_at;
INSERT INTO t VALUES ('2026-02-01', 1);
ALTER TABLE t DROP COLUMN n;
INSERT INTO t VALUES ('2026-02-02');
CALL weir.drain('t');
SELECT consumed('t') - :before AS new;
SELECT (weir._stream_status(id)).watermark FROM weir._stream WHERE relation = 't'::regclass;
ALTER TABLE t RENAME TO u;
CALL weir.drain('u');
DROP TABLE u;
SELECT count(*) FROM weir._stream;

-- partitioned
CREATE TABLE p (ts timestamptz NOT NULL, n int) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO p SELECT '2026-01-01', i FROM generate_series(1, 10) i;
SELECT weir.create_stream('p', 'ts');
-- later partitions, one with columns in another order
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE p3 (dropped text, n int, ts timestamptz NOT NULL);
ALTER TABLE p3 DROP COLUMN dropped;
INSERT INTO p3 SELECT i, '2026-03-01' FROM generate_series(1, 100) i;
CALL weir.drain('p');
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
-- rows that were in it are history
CALL weir.drain('p');
SELECT consumed('p');
INSERT INTO p SELECT '2026-01-01'::timestamptz + i * interval '1 day', i FROM generate_series(0, 89) i;
INSERT INTO p2 VALUES ('2026-02-01', 1);
INSERT INTO p3 (ts, n) VALUES ('2026-03-31', 1);
CALL weir.drain('p');
SELECT consumed('p');
SELECT (weir._stream_status(id)).watermark FROM weir._stream WHERE relation = 'p'::regclass;
UPDATE p SET n = 1;
UPDATE p2 SET n = 1;
DROP TABLE p3;
CALL weir.drain('p');
SELECT consumed('p');

-- a valid capture index is adopted
DROP TABLE p;
CREATE TABLE a (ts timestamp NOT NULL);
INSERT INTO a SELECT '2026-01-01' FROM generate_series(1, 10);
CREATE INDEX CONCURRENTLY a_capture ON a USING weir_capture (ts);
INSERT INTO a SELECT '2026-01-01' FROM generate_series(1, 10);
SELECT weir.create_stream('a', 'ts');
INSERT INTO a SELECT '2026-01-01' FROM generate_series(1, 10);
CALL weir.drain('a');
SELECT consumed('a');
SET enable_seqscan = off;
SELECT count(*) FROM a WHERE ts = '2026-01-01';
RESET enable_seqscan;

-- settings
SELECT weir.alter_stream('a', max_out_of_orderness => '1 minute', retention => '1 day');
SELECT max_out_of_orderness, idle_timeout, retention, max_drift FROM weir._stream WHERE relation = 'a'::regclass;
SELECT weir.advance_watermark('a', '2026-01-01 12:00Z');
SELECT weir.advance_watermark('a', '2025-01-01 12:00Z');
SELECT weir.wait('a');
SELECT weir.drop_stream('a');

-- COPY FREEZE into a table made in the same transaction
BEGIN;
CREATE TABLE f (ts timestamptz NOT NULL, n int);
SELECT weir.create_stream('f', 'ts');
TRUNCATE f;
COPY f FROM stdin (FREEZE);
2026-01-01	1
2026-01-01	2
\.
COMMIT;
INSERT INTO f VALUES ('2026-01-01', 3);
CALL weir.drain('f');
SELECT consumed('f');

-- sources: the least holds the watermark back
CREATE TABLE s (ts timestamptz NOT NULL, src text);
SELECT weir.create_stream('s', 'ts', source => 'src', max_out_of_orderness => '10 seconds');
INSERT INTO s VALUES ('2026-01-01 00:10Z', 'a'), ('2026-01-01 00:05Z', 'b'), ('2026-01-01 00:20Z', NULL);
CALL weir.drain('s');
SELECT (weir._stream_status(id)).watermark FROM weir._stream WHERE relation = 's'::regclass;
INSERT INTO s VALUES ('2026-01-01 00:08Z', 'b');
CALL weir.drain('s');
SELECT (weir._stream_status(id)).watermark FROM weir._stream WHERE relation = 's'::regclass;
INSERT INTO s VALUES ('2026-01-01 00:01Z', 'c');
CALL weir.drain('s');
SELECT (weir._stream_status(id)).watermark FROM weir._stream WHERE relation = 's'::regclass;
-- a row far ahead of the clock does not move it
INSERT INTO s VALUES (now() + interval '2 hours', 'a'), (now() + interval '2 hours', 'b'), (now() + interval '2 hours', 'c');
CALL weir.drain('s');
SELECT (weir._stream_status(id)).watermark FROM weir._stream WHERE relation = 's'::regclass;

DROP TABLE f, s, readings;
DROP TABLE a;
DROP FUNCTION consumed, behind, forward;
