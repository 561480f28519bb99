-- Commands that change a stream's table, its columns, indexes and partitions.
\set VERBOSITY terse
CREATE FUNCTION consumed(stream regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT (weir._stream_status(id)).rows_consumed FROM weir._stream WHERE relation = stream $$;

-- The stream goes in the transaction that has written to it.
CREATE TABLE t (ts timestamptz NOT NULL, device text);
SELECT weir.create_stream('t', 'ts', source => 'device');
BEGIN;
INSERT INTO t VALUES ('2026-01-01', 'a');
SELECT weir.drop_stream('t');
COMMIT;
SELECT weir.create_stream('t', 'ts', source => 'device');
BEGIN;
INSERT INTO t VALUES ('2026-01-01', 'a');
SELECT weir.drop_stream('t');
SELECT weir.create_stream('t', 'ts', source => 'device');
INSERT INTO t VALUES ('2026-01-01', 'b');
COMMIT;
CALL weir.drain('t');
SELECT consumed('t');

-- The stream was made, and written to, in a savepoint that is rolled back.
CREATE TABLE u (ts timestamptz NOT NULL);
BEGIN;
SAVEPOINT a;
SELECT weir.create_stream('u', 'ts');
INSERT INTO u VALUES ('2026-01-01');
ROLLBACK TO a;
INSERT INTO u VALUES ('2026-01-01');
COMMIT;
SELECT count(*) FROM u;

-- The capture index is not dropped by hand, CONCURRENTLY neither, which would
-- have left one that captures nothing.
DROP INDEX t_weir;
DROP INDEX CONCURRENTLY t_weir;
INSERT INTO t VALUES ('2026-01-01', 'c');
CALL weir.drain('t');
SELECT consumed('t');
REINDEX INDEX CONCURRENTLY t_weir;
INSERT INTO t VALUES ('2026-01-01', 'd');
CALL weir.drain('t');
SELECT consumed('t');

-- The source column can be renamed, not dropped.
ALTER TABLE t RENAME COLUMN device TO gadget;
INSERT INTO t VALUES ('2026-01-01', 'e');
CALL weir.drain('t');
SELECT consumed('t');
SELECT source FROM weir._stream WHERE relation = 't'::regclass;
-- it can be given another type that can be hashed
ALTER TABLE t ALTER COLUMN gadget TYPE json USING to_json(gadget);
ALTER TABLE t ALTER COLUMN gadget TYPE varchar;
ALTER TABLE t RENAME COLUMN ts TO at;
ALTER TABLE t DROP COLUMN gadget;
ALTER TABLE t DROP COLUMN at;
ALTER TABLE t RENAME COLUMN at TO ts;

-- The event time stays a time, and there is one only.
ALTER TABLE t ALTER COLUMN ts TYPE text;
CREATE INDEX ON t USING weir_capture (gadget);

-- It is finite.
INSERT INTO t VALUES ('2026-01-01', 'f'), ('infinity', 'g');
\set VERBOSITY default
INSERT INTO t VALUES ('-infinity', 'g');
\set VERBOSITY terse
COPY t FROM stdin;
infinity	h
\.
-- there is room for windows around it, and it is there
\set VERBOSITY default
INSERT INTO t VALUES ('294276-12-30', 'i');
INSERT INTO t VALUES ('4713-01-01 BC', 'i');
BEGIN;
INSERT INTO t VALUES ('294176-01-01', 'i'), ('4613-01-01 BC', 'i');
ROLLBACK;
BEGIN;
ALTER TABLE t ALTER COLUMN ts DROP NOT NULL;
INSERT INTO t VALUES (NULL, 'i');
ROLLBACK;
\set VERBOSITY terse
SELECT source, max_event_time FROM weir._source ORDER BY 1;

-- A stream without event time may have what it likes.
CREATE TABLE v (ts timestamptz);
SELECT weir.create_stream('v');
INSERT INTO v VALUES ('infinity'), (NULL);
CALL weir.drain('v');
SELECT consumed('v');

-- Infinite times of rows older than the stream count where no window is.
SET weir.max_failures = 1;
CREATE TABLE w (ts timestamptz NOT NULL);
INSERT INTO w VALUES ('infinity'), ('2026-01-01 00:30');
SELECT weir.create_stream('w', 'ts', max_drift => NULL);
SELECT weir.create_continuous_aggregate('w_ever', 'SELECT count(*) AS n FROM w');
SELECT weir.create_continuous_aggregate('w_hourly',
	'SELECT x.window_start, x.window_end, count(*) AS n FROM w, weir.tumble(w.ts, ''1 hour'') x
	GROUP BY x.window_start, x.window_end');
CALL weir.drain('w');
SELECT * FROM w_ever;
SELECT watermark FROM weir.stat_streams WHERE stream = 'w'::regclass;
SELECT aggregate, split_part(last_error, E'\n', 1) AS last_error FROM weir.stat_aggregates
WHERE aggregate IN ('w_ever'::regclass, 'w_hourly'::regclass) ORDER BY 1;
RESET weir.max_failures;

-- More partitions than are opened at first, of several layouts.
CREATE TABLE p (ts timestamptz NOT NULL, k int, n int) PARTITION BY LIST (k);
DO $$
BEGIN
	FOR i IN 1 .. 40 LOOP
		IF i % 3 = 0 THEN
			EXECUTE format('CREATE TABLE p%s (gone int, n int, k int, ts timestamptz NOT NULL)', i);
			EXECUTE format('ALTER TABLE p%s DROP COLUMN gone', i);
			EXECUTE format('ALTER TABLE p ATTACH PARTITION p%s FOR VALUES IN (%s)', i, i);
		ELSE
			EXECUTE format('CREATE TABLE p%s PARTITION OF p FOR VALUES IN (%s)', i, i);
		END IF;
	END LOOP;
END $$;
SELECT weir.create_stream('p', 'ts');
SELECT weir.create_continuous_aggregate('p_ever',
	'SELECT k, count(*) AS n, sum(n) AS total FROM p GROUP BY k', realtime => false);
INSERT INTO p SELECT '2026-01-01', 1 + i % 40, i FROM generate_series(1, 4000) i;
INSERT INTO p SELECT '2026-01-01', 1 + i / 100, i FROM generate_series(1, 3999) i;
CALL weir.drain('p');
SELECT * FROM p_ever EXCEPT ALL SELECT k, count(*), sum(n) FROM p GROUP BY k;
SELECT sum(n) FROM p_ever;

-- Log tables are heaps, whatever the default is.
CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;
SET default_table_access_method = other_heap;
CREATE TABLE o (ts timestamptz NOT NULL);
SELECT weir.create_stream('o', 'ts');
SET default_table_access_method = heap;
CREATE TABLE o2 (ts timestamptz NOT NULL);
SET default_table_access_method = other_heap;
SELECT weir.create_stream('o2', 'ts');
RESET default_table_access_method;
SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE relnamespace = 'weir'::regnamespace AND relname LIKE '\_log\_%' AND relkind = 'r' AND amname <> 'heap';
ALTER TABLE o2 SET ACCESS METHOD other_heap;

-- Partitions that cannot be captured are refused, on every road.
CREATE FOREIGN DATA WRAPPER regress_weir_nothing;
CREATE SERVER regress_weir_nowhere FOREIGN DATA WRAPPER regress_weir_nothing;
CREATE TABLE f (ts timestamptz NOT NULL, n int) PARTITION BY LIST (n);
CREATE TABLE f_1 PARTITION OF f FOR VALUES IN (1);
SELECT weir.create_stream('f', 'ts');
CREATE FOREIGN TABLE f_2 PARTITION OF f FOR VALUES IN (2) SERVER regress_weir_nowhere;
CREATE FOREIGN TABLE f_3 (ts timestamptz NOT NULL, n int) SERVER regress_weir_nowhere;
ALTER TABLE f ATTACH PARTITION f_3 FOR VALUES IN (3);
CREATE TABLE f_4 (ts timestamptz NOT NULL, n int) PARTITION BY LIST (n);
CREATE FOREIGN TABLE f_4_4 PARTITION OF f_4 FOR VALUES IN (4) SERVER regress_weir_nowhere;
ALTER TABLE f ATTACH PARTITION f_4 FOR VALUES IN (4);
SELECT relid FROM pg_partition_tree('f');
DROP FOREIGN DATA WRAPPER regress_weir_nothing CASCADE;
DROP TABLE f_4;

-- Nor are there child tables, whose rows a plain query would show.
CREATE TABLE h (ts timestamptz NOT NULL, n int);
CREATE TABLE h_child () INHERITS (h);
DROP TABLE h_child;
SELECT weir.create_stream('h', 'ts');
CREATE TABLE h_child () INHERITS (h);
CREATE TABLE h_child (ts timestamptz NOT NULL, n int);
ALTER TABLE h_child INHERIT h;
ALTER TABLE h INHERIT h_child;
CREATE TABLE h_like (LIKE h INCLUDING ALL);
SELECT weir.drop_stream('h');
ALTER TABLE h_child INHERIT h;
DROP TABLE h, h_child, h_like;

-- A partition cannot be detached while first rows are read; a pause keeps them.
INSERT INTO f SELECT '2026-01-01', 1 FROM generate_series(1, 10);
CALL weir.drain('f');
BEGIN;
SELECT weir.create_continuous_aggregate('f_ever', 'SELECT count(*) AS n FROM f');
SELECT weir.pause('f_ever');
COMMIT;
ALTER TABLE f DETACH PARTITION f_1;
ALTER TABLE f DETACH PARTITION f_1 CONCURRENTLY;
SELECT n FROM f_ever;
SELECT weir.resume('f_ever');
CALL weir.drain('f');
CALL weir.drain('f');
SELECT weir.pause('f_ever');
INSERT INTO f SELECT '2026-01-01', 1 FROM generate_series(1, 10);
ALTER TABLE f DETACH PARTITION f_1 CONCURRENTLY;
SELECT n FROM f_ever;
SELECT weir.resume('f_ever');
CALL weir.drain('f');
SELECT n FROM f_ever;
DROP TABLE f_1;

-- What has been truncated is forgotten when the log has been.
CREATE TABLE e (ts timestamptz NOT NULL, n int);
SELECT weir.create_stream('e', 'ts');
SELECT weir.create_continuous_aggregate('e_ever', 'SELECT count(*) AS n FROM e');
CALL weir.drain('e');
SET weir.log_slot_size = '8kB';
DO $$
BEGIN
	FOR i IN 1 .. 40 LOOP
		INSERT INTO e VALUES ('2026-01-01', 1);
		COMMIT;
		TRUNCATE e;
		INSERT INTO e VALUES ('2026-01-01', 2);
		COMMIT;
		CALL weir.drain('e');
	END LOOP;
END $$;
SELECT count(*) < 20 AS few FROM weir._superseded;
SELECT n BETWEEN 40 AND 80 AS counted FROM e_ever;
RESET weir.log_slot_size;

-- A timeout beyond the end of time.
SELECT weir.wait('t', '200000 days'), weir.wait('t', interval '106000000 days');

-- Nothing is left behind.
TRUNCATE t;
INSERT INTO t VALUES ('2026-01-01', 'i');
TRUNCATE t;
-- Rows that are to be deleted, and a rule that does not.
CREATE TABLE d (ts timestamptz NOT NULL, n int);
SELECT weir.create_stream('d', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('d_ever', 'SELECT count(*) AS n FROM d');
CALL weir.drain('d');
CREATE RULE nothing AS ON DELETE TO d DO INSTEAD NOTHING;
INSERT INTO d VALUES ('2026-01-01', 1);
CALL weir.drain('d');
SELECT n FROM d_ever;
DROP RULE nothing ON d;
CALL weir.drain('d');
SELECT count(*) AS kept FROM d;
SELECT n FROM d_ever;
SELECT weir.drop_stream('d', cascade => true);
DROP TABLE d;

-- An aggregate goes with a table that it looks things up in, and this is told.
CREATE TABLE k (ts timestamptz NOT NULL, n int);
CREATE TABLE known (n int);
SELECT weir.create_stream('k', 'ts');
SELECT weir.create_continuous_aggregate('k_known', 'SELECT count(*) AS n FROM k JOIN known USING (n)');
CREATE VIEW of_known AS SELECT * FROM known;
-- (with the view they are two, and no number in a name is shown)
DROP TABLE known CASCADE;
SELECT weir.drop_stream('k');
DROP TABLE k;
DROP TABLE t, u, v, w, p, o, o2, f, e CASCADE;
SELECT (SELECT count(*) FROM weir._superseded) AS superseded, (SELECT count(*) FROM weir._log_slot) AS slots,
	(SELECT count(*) FROM weir._cursor) AS cursors, (SELECT count(*) FROM weir._source) AS sources,
	(SELECT count(*) FROM weir._stream) AS streams;
DROP ACCESS METHOD other_heap;
DROP FUNCTION consumed;

-- A session that has the role of a replica fires ordinary triggers and event triggers
-- no more; ours it does.
SET session_replication_role = replica;
CREATE TABLE replicated (at timestamptz NOT NULL, n int);
SELECT weir.create_stream('replicated', 'at');
INSERT INTO replicated VALUES ('2024-01-01', 1);
UPDATE replicated SET n = 2;
DROP INDEX replicated_weir;
DROP TABLE replicated;
SELECT count(*) FROM weir.streams WHERE stream::text LIKE '%replicated%';
RESET session_replication_role;

-- Event triggers of the user's run with the search_path of weir's commands.
CREATE TABLE ddl_log (tag text);
CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO ddl_log VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION log_ddl();
CREATE TABLE watched (ts timestamptz NOT NULL);
\set SHOW_CONTEXT never
\set VERBOSITY default
SELECT weir.create_stream('watched', 'ts');
ALTER FUNCTION log_ddl() SET search_path = public;
SELECT weir.create_stream('watched', 'ts');
DROP EVENT TRIGGER log_ddl;
SELECT tag, count(*) FROM ddl_log GROUP BY tag ORDER BY tag;
DROP TABLE watched, ddl_log;
DROP FUNCTION log_ddl;
