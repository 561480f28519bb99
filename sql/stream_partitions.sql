-- Partitions that belong to others than the stream's owner, or have left the stream
-- with rows waiting.
SET timezone = 'UTC';
SET client_min_messages = warning;

-- keep the worker from consuming for a while
CREATE PROCEDURE hold(stream regclass, held boolean) LANGUAGE sql AS $$
	UPDATE weir._cursor SET is_paused = held FROM weir._stream s WHERE s.id = stream_id AND s.relation = stream $$;

-- ALTER TABLE ... OWNER of a partitioned table leaves its partitions as they are:
-- retention deletes from each as its owner
CREATE ROLE weir_test_owner;
CREATE ROLE weir_test_other;
CREATE TABLE q (at timestamptz NOT NULL, n int) PARTITION BY RANGE (n);
CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (10);
CREATE TABLE q2 PARTITION OF q FOR VALUES FROM (10) TO (20);
ALTER TABLE q OWNER TO weir_test_owner;
ALTER TABLE q2 OWNER TO weir_test_other;
SELECT weir.create_stream('q', 'at', retention => '0');
SELECT weir.create_continuous_aggregate('queued', 'SELECT count(*) AS rows, sum(n) AS total FROM q');
INSERT INTO q SELECT '2024-01-01', i FROM generate_series(5, 14) i;
CALL weir.drain('q');
SELECT q.*, (SELECT count(*) FROM q) AS left FROM queued q;
-- in the background, too
SELECT weir.alter_stream('q', retention => '1 hour');
INSERT INTO q SELECT '2024-01-02', i FROM generate_series(5, 14) i;
INSERT INTO q VALUES ('2024-01-03', 1);
CALL weir.drain('q');
SELECT weir.alter_stream('q', retention => '0');
CALL weir.drain('q');
SELECT q.*, (SELECT count(*) FROM q) AS left FROM queued q;
DROP TABLE q CASCADE;
DROP ROLE weir_test_owner, weir_test_other;

-- Rows that waited when a partition was detached are read as rows of the stream:
-- the columns of both stay as they were until then.
CREATE TABLE p (at timestamptz NOT NULL, n int, t varchar(10)) PARTITION BY RANGE (n);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 (more text, t varchar(10), at timestamptz NOT NULL, n int);
ALTER TABLE p2 DROP COLUMN more;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
SELECT weir.create_stream('p', 'at');
SELECT weir.create_continuous_aggregate('parted', 'SELECT count(t) AS rows, sum(n) AS total FROM p');
CALL weir.drain('p');
CALL hold('p', true);
INSERT INTO p SELECT '2024-01-01', i, i FROM generate_series(5, 14) i;
ALTER TABLE p DETACH PARTITION p2;
ALTER TABLE p2 DROP COLUMN n;
ALTER TABLE p2 RENAME COLUMN t TO u;
ALTER TABLE p2 ALTER COLUMN t TYPE text;
ALTER TABLE p ADD COLUMN c int;
ALTER TABLE p RENAME COLUMN n TO m;
-- what is no column of the stream's is nobody's business
ALTER TABLE p2 ADD COLUMN own int DEFAULT 1;
ALTER TABLE p2 RENAME COLUMN own TO mine;
ALTER TABLE p2 DROP COLUMN mine;
ALTER TABLE p1 ADD CHECK (n >= 0);
SELECT * FROM parted;
CALL hold('p', false);
CALL weir.drain('p');
SELECT * FROM parted;
ALTER TABLE p2 DROP COLUMN n;
ALTER TABLE p ADD COLUMN c int;
INSERT INTO p VALUES ('2024-01-01', 1, '1', 1);
CALL weir.drain('p');
SELECT * FROM parted;
DROP TABLE p CASCADE;
DROP TABLE p2;

-- No row is of two streams: a stream is no partition of another, by whichever way.
CREATE TABLE p (at timestamptz NOT NULL, n int) PARTITION BY RANGE (n);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
SELECT weir.create_stream('p', 'at');
CREATE TABLE s (LIKE p);
SELECT weir.create_stream('s', 'at');
ALTER TABLE p ATTACH PARTITION s FOR VALUES FROM (10) TO (20);
ALTER TRIGGER weir_refuse_update ON s RENAME TO refuse;
ALTER TABLE p ATTACH PARTITION s FOR VALUES FROM (10) TO (20);
CREATE TABLE m (LIKE p) PARTITION BY RANGE (n);
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (20) TO (30);
SELECT weir.create_stream('m', 'at');
ALTER TABLE p ATTACH PARTITION m FOR VALUES FROM (20) TO (30);
CREATE TABLE top (LIKE p) PARTITION BY RANGE (n);
ALTER TABLE top ATTACH PARTITION m FOR VALUES FROM (20) TO (30);
SELECT weir.create_stream('top', 'at');
SELECT weir.drop_stream('m');
SELECT weir.create_stream('top', 'at');
ALTER TABLE top ATTACH PARTITION p FOR VALUES FROM (0) TO (20);
SELECT weir.drop_stream('s');
ALTER TABLE p ATTACH PARTITION s FOR VALUES FROM (10) TO (20);
SELECT stream FROM weir.streams ORDER BY stream::text;
DROP TABLE p, top CASCADE;

DROP PROCEDURE hold;
