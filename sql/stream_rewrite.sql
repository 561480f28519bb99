-- Rows that wait to be consumed are followed when their table is rewritten.
\set VERBOSITY terse
CREATE FUNCTION consumed(stream regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT (weir._stream_status(id)).rows_consumed FROM weir._stream WHERE relation = stream $$;
-- keep the worker from consuming what is to wait
CREATE FUNCTION hold(stream regclass, held boolean) RETURNS void LANGUAGE sql AS $$
	UPDATE weir._cursor SET is_paused = held FROM weir._stream s WHERE s.id = stream_id AND s.relation = stream $$;

CREATE TABLE t (id int PRIMARY KEY, ts timestamptz NOT NULL, note text);
SELECT weir.create_stream('t', 'ts');
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1, 1000) i;
CALL weir.drain('t');
SELECT consumed('t') AS before \gset
SELECT hold('t', true);
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1001, 1500) i;
BEGIN;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1501, 1600) i;
SAVEPOINT a;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1601, 1700) i;
ROLLBACK TO a;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1701, 1710) i;
COMMIT;
DELETE FROM t WHERE id <= 1100;
VACUUM FULL t;
VACUUM (FREEZE) t;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(1, 50) i;
CLUSTER t USING t_pkey;
SELECT hold('t', false);
CALL weir.drain('t');
-- 1101 .. 1600, 1701 .. 1710, 1 .. 50
SELECT consumed('t') - :before AS new;

-- inserted by the transaction that rewrites
SELECT hold('t', true);
BEGIN;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(2001, 2010) i;
SAVEPOINT a;
CLUSTER t;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(2011, 2015) i;
ROLLBACK TO a;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(2016, 2020) i;
CLUSTER t;
INSERT INTO t SELECT i, '2026-01-01' FROM generate_series(2021, 2023) i;
COMMIT;
SELECT hold('t', false);
CALL weir.drain('t');
SELECT consumed('t') - :before AS new;

-- a new xmin for each row: only with nothing to follow
SELECT hold('t', true);
INSERT INTO t VALUES (3001, '2026-01-01');
ALTER TABLE t ALTER id TYPE bigint;
SELECT hold('t', false);
CALL weir.drain('t');
ALTER TABLE t ALTER id TYPE bigint;
SELECT hold('t', true);
INSERT INTO t VALUES (3002, '2026-01-01');
-- no rewrite
ALTER TABLE t ALTER note TYPE varchar;
ALTER TABLE t ADD COLUMN more int DEFAULT 7;

-- another tablespace: the same bytes in another file
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_weir LOCATION '';
ALTER TABLE t SET TABLESPACE regress_weir;
INSERT INTO t VALUES (3003, '2026-01-01');
SELECT hold('t', false);
CALL weir.drain('t');
SELECT consumed('t') - :before AS new;

-- TRUNCATE takes what was not consumed along
SELECT hold('t', true);
INSERT INTO t VALUES (4001, '2026-01-01');
TRUNCATE t;
INSERT INTO t VALUES (4002, '2026-01-01');
SELECT hold('t', false);
CALL weir.drain('t');
SELECT consumed('t') - :before AS new;

-- a partition that is detached before its rows are consumed
CREATE TABLE p (ts timestamptz NOT NULL, n int) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE p2 PARTITION OF p DEFAULT;
SELECT weir.create_stream('p', 'ts');
CALL weir.drain('p');
SELECT hold('p', true);
INSERT INTO p SELECT '2026-01-01', i FROM generate_series(1, 10) i;
INSERT INTO p SELECT '2026-02-01', i FROM generate_series(1, 10) i;
ALTER TABLE p DETACH PARTITION p1;
-- no longer the stream's
INSERT INTO p1 VALUES ('2026-01-01', 11);
VACUUM FULL p2;
SELECT hold('p', false);
CALL weir.drain('p');
SELECT consumed('p');
SELECT hold('p', true);
INSERT INTO p SELECT '2026-02-01', i FROM generate_series(1, 10) i;
DROP TABLE p2;
SELECT hold('p', false);
CALL weir.drain('p');
SELECT consumed('p');

-- Rows of a partition that has been detached are followed, too: into other files
-- and tablespaces, and if the table has become a stream itself.
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE INDEX p3_n ON p3 (n);
SELECT hold('p', true);
INSERT INTO p SELECT '2026-03-01', i FROM generate_series(10, 1, -1) i;
ALTER TABLE p DETACH PARTITION p3;
VACUUM FULL p3;
INSERT INTO p3 VALUES ('2026-03-01', 100);
ALTER TABLE p3 ALTER n TYPE bigint;
CLUSTER p3 USING p3_n;
ALTER TABLE p3 SET TABLESPACE regress_weir;
SELECT weir.create_stream('p3', 'ts');
CALL weir.drain('p3');
SELECT hold('p3', true);
INSERT INTO p3 SELECT '2026-03-01', i FROM generate_series(1, 5) i;
CLUSTER p3;
SELECT hold('p', false), hold('p3', false);
CALL weir.drain('p');
SELECT consumed('p');
CALL weir.drain('p3');
SELECT consumed('p3');
SELECT weir.drop_stream('p3');

-- inserted, detached and rewritten in one transaction
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
BEGIN;
INSERT INTO p SELECT '2026-03-01', i FROM generate_series(1, 7) i;
ALTER TABLE p DETACH PARTITION p3;
CLUSTER p3;
COMMIT;
CALL weir.drain('p');
SELECT consumed('p');

-- TRUNCATE takes those along
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
SELECT hold('p', true);
INSERT INTO p VALUES ('2026-03-01', 1);
ALTER TABLE p DETACH PARTITION p3;
TRUNCATE p3;
INSERT INTO p3 VALUES ('2026-03-01', 1);
SELECT hold('p', false);
CALL weir.drain('p');
SELECT consumed('p');

-- of a partition that is rewritten the stream is to be drained
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
SELECT hold('p', true);
INSERT INTO p VALUES ('2026-03-01', 2);
ALTER TABLE p ALTER n TYPE bigint;
SELECT hold('p', false);
CALL weir.drain('p');
SELECT consumed('p');

-- the table, the stream, rows and another file in one transaction
BEGIN;
CREATE TABLE o (ts timestamptz NOT NULL, n int PRIMARY KEY);
SELECT weir.create_stream('o', 'ts');
INSERT INTO o SELECT '2026-01-01', i FROM generate_series(10, 1, -1) i;
CLUSTER o USING o_pkey;
INSERT INTO o VALUES ('2026-01-01', 11);
COMMIT;
CALL weir.drain('o');
CALL weir.drain('o');
SELECT consumed('o');

DROP TABLE t, p, p1, p3, o;
DROP TABLESPACE regress_weir;
DROP FUNCTION consumed, hold;
