-- What DDL does to wide tables and to their parts.
SET client_min_messages = warning;
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f', weir.max_versions(2)), weir.add_family('w', 'n', NULL, 'sum');
INSERT INTO w SELECT ('k' || i)::bytea, weir.widerow('f', 'a', i::text, '2024-01-01') FROM generate_series(1, 3) i;
SELECT rows FROM weir.compact('w');
INSERT INTO w VALUES ('k4', '{"f": {"a": [[1000, "4"]]}}');
SELECT weir.create_authorized_view('w_k1', 'w', ARRAY['k1'::bytea]);

-- child tables are refused, of views too
CREATE TABLE plain (row_key bytea NOT NULL, cells weir.widerow NOT NULL);
SELECT q, error_of(q) FROM unnest(ARRAY[
	'CREATE TABLE child () INHERITS (w)',
	'CREATE TABLE child () INHERITS (plain, w)',
	'CREATE TABLE child () INHERITS (w_k1)',
	'CREATE FOREIGN TABLE child () INHERITS (w) SERVER weir',
	'CREATE SCHEMA other CREATE TABLE child () INHERITS (public.w)',
	'ALTER TABLE plain INHERIT w',
	'ALTER TABLE plain SET (fillfactor = 90), INHERIT w_k1',
	'ALTER FOREIGN TABLE w_k1 INHERIT w',
	'CREATE TABLE child () INHERITS (plain)'
]) q;
DROP TABLE child;
SELECT count(*) FROM w;
-- a wide table can be the child, and a partition
ALTER FOREIGN TABLE w INHERIT plain;
SELECT tableoid::regclass, row_key FROM plain WHERE row_key < 'k2';
SELECT error_of('ALTER TABLE plain ADD COLUMN more int');
ALTER FOREIGN TABLE w NO INHERIT plain;
CREATE TABLE parts (row_key bytea NOT NULL, cells weir.widerow NOT NULL) PARTITION BY RANGE (row_key);
ALTER TABLE parts ATTACH PARTITION w FOR VALUES FROM ('a') TO ('z');
INSERT INTO parts VALUES ('k5', '{"f": {"a": [[1000, "5"]]}}');
SELECT row_key, cells['f']['a'] FROM parts WHERE row_key >= 'k4' ORDER BY 1;
DELETE FROM parts WHERE row_key = 'k5';
-- other columns are refused, also those that come down from a parent
SELECT q, error_of(q) FROM unnest(ARRAY[
	'ALTER FOREIGN TABLE w_k1 ADD COLUMN more int',
	'ALTER TABLE w_k1 ALTER cells SET STATISTICS 5, DROP COLUMN cells',
	'ALTER FOREIGN TABLE w_k1 ALTER row_key TYPE text',
	'ALTER TABLE parts ADD COLUMN more int',
	'ALTER TABLE parts ALTER cells TYPE text',
	'ALTER TABLE parts DROP COLUMN cells',
	'ALTER TABLE w ADD COLUMN IF NOT EXISTS cells int',
	'ALTER FOREIGN TABLE w ALTER cells SET STATISTICS 5'
]) q;
SELECT row_key, cells['f']['a'] FROM parts WHERE row_key >= 'k4' ORDER BY 1;
ALTER TABLE parts DETACH PARTITION w;
SELECT q, error_of(q) FROM unnest(ARRAY[
	'ALTER FOREIGN TABLE w ADD COLUMN more int',
	'ALTER FOREIGN TABLE w DROP COLUMN row_key',
	'ALTER TABLE w ALTER cells TYPE text'
]) q;
DROP TABLE parts, plain;

-- another schema: all parts go along, but the views
SELECT weir.enable_changes('w');
CREATE SCHEMA regress_weir_new;
CREATE VIEW parts AS
	SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relname ~ '^w(_|$)' AND c.relkind IN ('f', 'r', 'i', 'S') ORDER BY c.relname COLLATE "C";
ALTER FOREIGN TABLE w SET SCHEMA regress_weir_new;
SELECT * FROM parts;
SELECT weir.mutate_row('regress_weir_new.w', 'k1', weir.set_cell('f', 'a', 'again', '2024-01-02'));
SELECT row_key, cells['f']['a'] FROM regress_weir_new.w;
SELECT row_key, cells['f']['a'] FROM w_k1;
SELECT kind, changes FROM weir.changes('regress_weir_new.w');
SELECT rows FROM weir.compact('regress_weir_new.w');
-- the old schema can go, and the new one takes all of it along
ALTER TABLE regress_weir_new.w SET SCHEMA public;
SELECT DISTINCT nspname FROM parts;
DROP SCHEMA regress_weir_new CASCADE;
SELECT count(*) FROM w;
CREATE SCHEMA regress_weir_new CREATE TABLE w_base (a int);
ALTER FOREIGN TABLE w SET SCHEMA regress_weir_new;
SELECT DISTINCT nspname FROM parts WHERE relname <> 'w_base';
ALTER TABLE w_base RENAME TO w_base2;
ALTER FOREIGN TABLE w SET SCHEMA regress_weir_new;
-- parts that were moved by themselves are where the table is again
ALTER TABLE regress_weir_new.w_delta SET SCHEMA public;
SELECT count(*) FROM regress_weir_new.w;
ALTER FOREIGN TABLE regress_weir_new.w RENAME TO w9;
SELECT relname FROM parts WHERE nspname = 'public';
ALTER FOREIGN TABLE regress_weir_new.w9 SET SCHEMA public;
SELECT nspname, count(*) FROM parts GROUP BY 1 ORDER BY 1;
ALTER FOREIGN TABLE w9 RENAME TO w;
SELECT * FROM weir.wide_tables WHERE tbl = 'w'::regclass;
DROP SCHEMA regress_weir_new CASCADE;
SELECT count(*) FROM w;
-- also where triggers do not fire
CREATE SCHEMA regress_weir_new;
SET session_replication_role = replica;
ALTER FOREIGN TABLE w SET SCHEMA regress_weir_new;
RESET session_replication_role;
SELECT DISTINCT nspname FROM parts;
ALTER FOREIGN TABLE regress_weir_new.w SET SCHEMA public;
DROP SCHEMA regress_weir_new;
ALTER EXTENSION weir SET SCHEMA public;
DROP VIEW parts;

-- SQL does not write to the heaps, nor start the numbers anew
SELECT q, error_of(q) FROM unnest(ARRAY[
	$q$INSERT INTO w_delta SELECT 'k1', 1, cells FROM w_delta$q$,
	$q$UPDATE w_base2 SET hi = 1$q$,
	$q$DELETE FROM w_base2 WHERE part = ''$q$,
	$q$TRUNCATE w_delta RESTART IDENTITY$q$,
	$q$TRUNCATE w, w_base2$q$,
	$q$ALTER SEQUENCE w_seq RESTART$q$,
	$q$ALTER SEQUENCE w_seq RESTART WITH 1000000$q$,
	$q$ALTER SEQUENCE w_seq NO MAXVALUE$q$,
	$q$ALTER TABLE w_delta ADD CHECK (seq > 1000000) NOT VALID$q$
]) q;
COPY w_delta FROM stdin;
\.
-- what does no harm: the rest of what is done to tables
CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
CREATE TRIGGER t AFTER INSERT OR DELETE ON w_delta FOR EACH ROW EXECUTE FUNCTION raise();
CREATE RULE r AS ON INSERT TO w_delta DO INSTEAD NOTHING;
ALTER TABLE w_delta ENABLE ROW LEVEL SECURITY;
ALTER TABLE w_base2 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE child () INHERITS (w_base2);
SELECT weir.mutate_row('w', 'k6', weir.set_cell('f', 'a', '6', '2024-01-02'));
SELECT rows FROM weir.compact('w');
SELECT row_key, cells['f']['a'] FROM w;
DROP TABLE child;
CLUSTER w_base2 USING w_base_pkey;
VACUUM FULL w_delta, w_base2;
ANALYZE w_delta;
REINDEX TABLE w_base2;
REINDEX TABLE CONCURRENTLY w_delta;
REINDEX TABLE CONCURRENTLY w_base2;
ALTER TABLE w_base2 SET UNLOGGED;
ALTER TABLE w_base2 SET LOGGED;
SELECT row_key, cells['f']['a'] FROM w;

-- indexes of other orders, of a part, of another kind, in place of weir's
DROP INDEX w_delta_row_key_seq_idx;
CREATE INDEX ON w_delta (row_key DESC, seq DESC);
SELECT error_of('SELECT * FROM w');
CREATE INDEX ON w_delta (row_key, seq) WHERE seq > 1;
CREATE INDEX ON w_delta (row_key, seq) INCLUDE (cells) WHERE false;
CREATE INDEX ON w_delta USING brin (row_key, seq);
CREATE FUNCTION cmp_backwards(bigint, bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint8cmp($2, $1)';
CREATE OPERATOR FAMILY backwards USING btree;
CREATE OPERATOR CLASS backwards FOR TYPE bigint USING btree FAMILY backwards AS
	OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 cmp_backwards(bigint, bigint);
CREATE INDEX ON w_delta (row_key, seq backwards);
SELECT error_of('SELECT * FROM w');
CREATE INDEX ON w_delta (row_key, seq) INCLUDE (cells);
ALTER TABLE w_base2 DROP CONSTRAINT w_base_pkey;
SELECT error_of('SELECT * FROM w');
CREATE INDEX ON w_base2 (part, row_key);
CREATE INDEX ON w_base2 (row_key DESC, part);
SELECT error_of('SELECT * FROM w');
CREATE UNIQUE INDEX ON w_base2 (row_key, part);
SELECT weir.mutate_row('w', 'k' || i, weir.set_cell('f', 'a', 'new', '2024-01-03')) FROM generate_series(3, 4) i;
SELECT row_key, cells['f']['a'] FROM w;
SELECT row_key, cells['f']['a'] FROM w WHERE row_key = 'k3';
SELECT rows FROM weir.compact('w');
SELECT row_key, cells['f']['a'] FROM w ORDER BY row_key DESC;
SELECT weir.read_row('w', 'k3');
DROP OPERATOR FAMILY backwards USING btree CASCADE;
DROP FUNCTION cmp_backwards;

-- nulls, and tables that are no heaps
ALTER TABLE w_base2 ALTER part DROP NOT NULL;
SELECT error_of('SELECT * FROM w');
ALTER TABLE w_base2 ALTER part SET NOT NULL, ALTER hi DROP NOT NULL;
ALTER TABLE w_delta ALTER row_key DROP NOT NULL, ALTER cells DROP NOT NULL;
SELECT error_of('SELECT * FROM w'), error_of($$SELECT weir.mutate_row('w', 'k', weir.delete_from_row())$$);
ALTER TABLE w_delta ALTER row_key SET NOT NULL, ALTER cells SET NOT NULL;
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
ALTER TABLE w_delta SET ACCESS METHOD heap2;
SELECT error_of('SELECT * FROM w');
ALTER TABLE w_delta SET ACCESS METHOD heap;
DROP ACCESS METHOD heap2;
SELECT row_key, cells['f']['a'] FROM w;
TRUNCATE w;
SELECT count(*) FROM w;
SELECT weir.disable_changes('w');
SELECT weir.drop_authorized_view('w_k1');
SELECT weir.drop_wide_table('w');
DROP FUNCTION raise, error_of;
