-- Rows that wait are found by what they are, not only by where: places that are used
-- again, values out of line, columns that came and went. Each time the aggregate is
-- what a ledger says that was written in the same transactions.
\set VERBOSITY terse
CREATE FUNCTION hold(stream regclass, held boolean) RETURNS void LANGUAGE sql AS $$
	UPDATE weir._cursor SET is_paused = held FROM weir._stream s WHERE s.id = stream_id AND s.relation = stream $$;
CREATE TABLE t (id int, ts timestamptz NOT NULL DEFAULT '2026-01-01', note text);
CREATE TABLE ledger (id int, note text);
SELECT weir.create_stream('t', 'ts');
SELECT weir.create_continuous_aggregate('counted', 'SELECT count(*) AS n, sum(id) AS total, sum(length(note)) AS length,
	max(md5(note)) AS digest FROM t', realtime => false);
SELECT weir.create_continuous_aggregate('live', 'SELECT count(*) AS n, sum(id) AS total, sum(length(note)) AS length,
	max(md5(note)) AS digest FROM t');
CREATE VIEW differences AS
WITH expected AS (SELECT count(*) AS n, sum(id) AS total, sum(length(note)) AS length, max(md5(note)) AS digest FROM ledger)
(SELECT * FROM counted EXCEPT SELECT * FROM expected) UNION ALL (SELECT * FROM expected EXCEPT SELECT * FROM counted)
UNION ALL (SELECT * FROM live EXCEPT SELECT * FROM expected);
CALL weir.drain('t');
CALL weir.drain('t');

-- A place that is used again while the entry for its first row waits: by a row that
-- waits as well, by one that is rolled back, by one of the same transaction.
SELECT hold('t', true);
INSERT INTO t (id, note) SELECT i, 'first' FROM generate_series(1, 500) i;
DELETE FROM t WHERE id % 2 = 0;
-- others (the worker, autovacuum) may still have a snapshot that sees the rows
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND age(backend_xmin) > 0);
		PERFORM pg_stat_clear_snapshot(), pg_sleep(0.02);
	END LOOP;
END $$;
VACUUM t;
VACUUM t;
INSERT INTO ledger SELECT id, note FROM t;
WITH new AS (INSERT INTO t (id, note) SELECT i, 'second' FROM generate_series(1001, 1200) i RETURNING *)
INSERT INTO ledger SELECT id, note FROM new;
SELECT count(*) > 100 AS places_are_used_again FROM t WHERE id > 1000 AND ctid < (SELECT max(ctid) FROM t WHERE id <= 500);
BEGIN;
INSERT INTO t (id, note) SELECT i, 'rolled back' FROM generate_series(2001, 2100) i;
ROLLBACK;
VACUUM t;
BEGIN;
INSERT INTO t (id, note) SELECT i, 'taken back' FROM generate_series(3001, 3100) i;
SAVEPOINT a;
INSERT INTO t (id, note) SELECT i, 'taken back' FROM generate_series(3101, 3200) i;
ROLLBACK TO a;
DELETE FROM t WHERE id > 3000;
WITH new AS (INSERT INTO t (id, note) SELECT i, 'third' FROM generate_series(4001, 4100) i RETURNING *)
INSERT INTO ledger SELECT id, note FROM new;
COMMIT;
VACUUM (FREEZE) t;
WITH new AS (INSERT INTO t (id, note) SELECT i, 'fourth' FROM generate_series(5001, 5100) i RETURNING *)
INSERT INTO ledger SELECT id, note FROM new;
SELECT n FROM live;
SELECT hold('t', false);
CALL weir.drain('t');
SELECT * FROM differences;

-- The end of the table is cut off, and grows again.
SELECT hold('t', true);
INSERT INTO t (id, note) SELECT i, repeat('x', 500) FROM generate_series(6001, 6400) i;
DELETE FROM t WHERE id > 6000;
VACUUM t;
INSERT INTO t (id, note) SELECT i, repeat('y', 500) FROM generate_series(6501, 6600) i;
INSERT INTO ledger SELECT id, note FROM t WHERE id > 6500;
SELECT hold('t', false);
CALL weir.drain('t');
SELECT * FROM differences;

-- Out of line, compressed or not; the aggregate has what it needs of them.
ALTER TABLE t ALTER note SET STORAGE EXTERNAL;
SELECT hold('t', true);
INSERT INTO t (id, note) SELECT i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 400) j) FROM generate_series(7001, 7020) i;
ALTER TABLE t ALTER note SET STORAGE EXTENDED;
INSERT INTO t (id, note) SELECT i, repeat(i::text, 100000) FROM generate_series(7101, 7105) i;
INSERT INTO ledger SELECT id, note FROM t WHERE id > 7000;
VACUUM FULL t;
SELECT n FROM live;
SELECT hold('t', false);
CALL weir.drain('t');
SELECT * FROM differences;

-- Columns come and go while rows wait, with a default that old rows have not stored.
SELECT hold('t', true);
INSERT INTO t (id, note) SELECT i, 'before' FROM generate_series(8001, 8010) i;
ALTER TABLE t ADD COLUMN more int DEFAULT 42, ADD COLUMN gone text;
INSERT INTO t (id, note) SELECT i, 'between' FROM generate_series(8011, 8020) i;
ALTER TABLE t DROP COLUMN gone;
INSERT INTO t (id, note) SELECT i, 'after' FROM generate_series(8021, 8030) i;
INSERT INTO ledger SELECT id, note FROM t WHERE id > 8000;
SELECT weir.create_continuous_aggregate('more', 'SELECT more, count(*) AS n FROM t GROUP BY more');
SELECT hold('t', false);
CALL weir.drain('t');
SELECT * FROM differences;
SELECT m.n = (SELECT count(*) FROM t) AS all, more FROM more m;

-- From the stream itself, by its own trigger, a million that are rolled back.
WITH new AS (INSERT INTO t (id, note) SELECT id + 10000, note FROM t RETURNING id, note)
INSERT INTO ledger SELECT id, note FROM new;
CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.id > 0 THEN
		INSERT INTO t (id, note) VALUES (-new.id, 'echo');
	END IF;
	INSERT INTO ledger VALUES (new.id, new.note);
	RETURN NULL;
END $$;
CREATE TRIGGER echo AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION echo();
INSERT INTO t (id, note) SELECT i, 'call' FROM generate_series(1, 20) i;
DROP TRIGGER echo ON t;
CREATE CONSTRAINT TRIGGER echo AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION echo();
BEGIN;
INSERT INTO t (id, note) SELECT i, 'deferred' FROM generate_series(1, 20) i;
COMMIT;
DROP TRIGGER echo ON t;
BEGIN;
INSERT INTO t (id) SELECT generate_series(1, 1000000);
ROLLBACK;
BEGIN;
SAVEPOINT a;
INSERT INTO t (id) SELECT generate_series(1, 100000);
ROLLBACK TO a;
INSERT INTO t (id, note) VALUES (9, 'last');
INSERT INTO ledger VALUES (9, 'last');
COMMIT;
CALL weir.drain('t');
SELECT * FROM differences;
SELECT count(*) = (SELECT count(*) FROM ledger) AS complete FROM t;

DROP VIEW differences;
DROP TABLE t CASCADE;
DROP TABLE ledger;
DROP FUNCTION hold, echo;

-- A transaction writes to many tables in turns, each row in a savepoint of its own,
-- and some of them are rolled back, emptied, or dropped.
CREATE TABLE many (id int, part int NOT NULL, ts timestamptz NOT NULL DEFAULT '2026-01-01') PARTITION BY LIST (part);
DO $$
BEGIN
	FOR i IN 0..19 LOOP
		EXECUTE format('CREATE TABLE many_%s PARTITION OF many FOR VALUES IN (%1$s)', i);
	END LOOP;
END $$;
SELECT weir.create_stream('many', 'ts');
SELECT weir.create_continuous_aggregate('by_part', 'SELECT part, count(*) AS n, sum(id) AS total FROM many GROUP BY part', realtime => false);
CREATE VIEW differences_by_part AS
WITH expected AS (SELECT part, count(*) AS n, sum(id) AS total FROM many GROUP BY part)
(SELECT * FROM by_part EXCEPT SELECT * FROM expected) UNION ALL (SELECT * FROM expected EXCEPT SELECT * FROM by_part);
CALL weir.drain('many');
BEGIN;
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		BEGIN
			INSERT INTO many VALUES (i, i * 7 % 20);
			IF i % 11 = 0 THEN
				RAISE EXCEPTION 'not this one';
			END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
SAVEPOINT a;
TRUNCATE many_3, many_4;
INSERT INTO many SELECT i, i % 20 FROM generate_series(1001, 1200) i;
ROLLBACK TO a;
INSERT INTO many SELECT i, i % 20 FROM generate_series(2001, 2200) i;
TRUNCATE many_5, many_6;
INSERT INTO many SELECT i, i % 20 FROM generate_series(3001, 3200) i;
DROP TABLE many_7;
COMMIT;
CALL weir.drain('many');
SELECT * FROM differences_by_part;
SELECT sum(n) > 1000 AS has_rows, count(*) FROM by_part;

-- Entries of every length around the one that fits behind a length of one byte.
CREATE TABLE pages (id int, ts timestamptz NOT NULL DEFAULT '2026-01-01', page text);
ALTER TABLE pages ALTER page SET STORAGE PLAIN;
SELECT weir.create_stream('pages', 'ts');
SELECT weir.create_continuous_aggregate('paged', 'SELECT id, count(*) AS n FROM pages GROUP BY id', realtime => false);
CALL weir.drain('pages');
DO $$
BEGIN
	FOR n IN 1..60 LOOP
		INSERT INTO pages SELECT n, '2026-01-01', repeat('x', 5000) FROM generate_series(1, n);
		COMMIT;
	END LOOP;
END $$;
SELECT format('_log_%s_0', id) AS log FROM weir._stream WHERE relation = 'pages'::regclass \gset
SELECT count(DISTINCT length(runs)) > 50 AS has_all_lengths, max(length(runs)) > 126 AS has_long FROM weir.:log;
CALL weir.drain('pages');
SELECT count(*) FROM paged WHERE n = id;
DROP TABLE many, pages CASCADE;
