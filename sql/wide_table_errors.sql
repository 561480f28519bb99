-- Errors of wide tables: nothing is changed by a failed call.
SELECT weir.create_wide_table('w');
SELECT weir.create_wide_table('ms', 'millis');
SELECT weir.add_family('w', 'f'), weir.add_family('w', 's', NULL, 'sum'), weir.add_family('ms', 'f'), weir.add_family('ms', 's', NULL, 'max');
SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'q', 'v', '2024-01-01'));
CREATE TABLE plain (a int);
CREATE FOREIGN TABLE fake (row_key bytea, cells weir.widerow) SERVER weir;
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text;
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' / ' || d ELSE '' END;
END $$;
SELECT q, error_of(q) FROM unnest(ARRAY[
	-- tables
	$q$SELECT weir.create_wide_table('w')$q$,
	$q$SELECT weir.create_wide_table('plain')$q$,
	$q$SELECT weir.create_wide_table(NULL)$q$,
	$q$SELECT weir.create_wide_table('')$q$,
	$q$SELECT weir.create_wide_table('a.b.c.d')$q$,
	$q$SELECT weir.create_wide_table('noschema.t')$q$,
	$q$SELECT weir.create_wide_table('pg_temp.t')$q$,
	$q$SELECT weir.create_wide_table('x', 'nanos')$q$,
	$q$SELECT weir.create_wide_table('x', NULL)$q$,
	$q$SELECT weir.drop_wide_table('nothing')$q$,
	$q$SELECT weir.drop_wide_table('plain')$q$,
	$q$SELECT weir.drop_wide_table(NULL)$q$,
	$q$SELECT weir.drop_wide_table(1)$q$,
	-- families
	$q$SELECT weir.add_family('w', 'f')$q$,
	$q$SELECT weir.add_family('w', '')$q$,
	$q$SELECT weir.add_family('w', 'a b')$q$,
	$q$SELECT weir.add_family('w', repeat('f', 65))$q$,
	$q$SELECT weir.add_family('w', NULL)$q$,
	$q$SELECT weir.add_family('w', 'g', NULL, 'avg')$q$,
	$q$SELECT weir.add_family('plain', 'g')$q$,
	$q$SELECT weir.add_family('fake', 'g')$q$,
	$q$SELECT weir.alter_family('w', 'g', NULL)$q$,
	$q$SELECT weir.drop_family('w', 'g')$q$,
	-- mutate_row
	$q$SELECT weir.mutate_row('nothing', 'k', weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('plain', 'k', weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('fake', 'k', weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row(NULL, 'k', weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('w', NULL::text, weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('w', '', weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('w', repeat('k', 2049), weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('w', repeat('k', 2048), weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('w', 'k', VARIADIC '{}')$q$,
	$q$SELECT weir.mutate_row('w', 'k', VARIADIC NULL::weir.mutation[])$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), NULL)$q$,
	$q$SELECT weir.mutate_row('w', 'k', VARIADIC array_fill(weir.delete_from_row(), ARRAY[100001]))$q$,
	$q$SELECT weir.mutate_row('w', 'k', VARIADIC array_fill(weir.set_cell('f', 'many', 'x', '2024-01-01'), ARRAY[100000]))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.set_cell('g', 'q', 'v'))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.delete_from_family('g'))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.delete_from_column('g', 'q'))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.set_cell('s', 'q', 'v'))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.add_to_cell('f', 'q', '2024-01-01', 1))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.merge_to_cell('f', 'q', '2024-01-01', NULL))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.add_to_cell('s', 'q', '2024-01-01', 'text'))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row(), weir.merge_to_cell('s', 'q', '2024-01-01', '\x01'))$q$,
	-- granularity: a finer timestamp is refused, not truncated
	$q$SELECT weir.mutate_row('ms', 'k', weir.set_cell('f', 'q', 'v', '2024-01-01 00:00:00.000001'))$q$,
	$q$SELECT weir.mutate_row('ms', 'k', weir.set_cell('f', 'q', 'v', '2024-01-01 00:00:00.001'))$q$,
	$q$SELECT weir.mutate_row('ms', 'k', weir.add_to_cell('s', 'q', '2024-01-01 00:00:00.0015', 1))$q$,
	$q$SELECT weir.mutate_row('ms', 'k', weir.delete_from_column('f', 'q', '2024-01-01 00:00:00.0015'))$q$,
	$q$SELECT weir.mutate_row('ms', 'k', weir.delete_from_column('f', 'q', NULL, '2024-01-01 00:00:00.0015'))$q$,
	$q$SELECT weir.mutate_row('ms', 'k', weir.set_cell('f', 'clock', 'v'), weir.delete_from_column('f', 'clock'))$q$,
	$q$INSERT INTO ms VALUES ('k', '{"f": {"q": [[1, "v"]]}}')$q$,
	-- reading
	$q$SELECT weir.read_row('nothing', 'k')$q$,
	$q$SELECT weir.read_row('plain', 'k')$q$,
	$q$SELECT weir.read_row(NULL, 'k')$q$,
	$q$SELECT weir.read_row('w', '')$q$,
	$q$SELECT weir.read_row('w', NULL::bytea)$q$,
	$q$SELECT weir.read_row('w', repeat('k', 2049))$q$,
	$q$SELECT * FROM weir.read_rows('plain')$q$,
	$q$SELECT * FROM weir.read_rows(NULL)$q$,
	$q$SELECT * FROM weir.read_rows('w', row_limit => -1)$q$,
	$q$SELECT * FROM weir.read_rows('w', rows => '{[b,a]}')$q$,
	$q$SELECT * FROM weir.read_rows('w', '["regex"]')$q$,
	$q$SELECT * FROM weir.sample_row_keys('plain')$q$,
	-- other
	$q$SELECT weir.drop_row_range('w', '')$q$,
	$q$SELECT weir.drop_row_range('w', NULL::text)$q$,
	$q$SELECT weir.drop_row_range('plain', 'x')$q$,
	$q$SELECT weir.compact('plain')$q$,
	$q$SELECT weir.compact(NULL)$q$
]) q;
SELECT * FROM w;
SELECT * FROM ms;
BEGIN READ ONLY;
SELECT weir.read_row('w', 'k');
SELECT weir.mutate_row('w', 'k', weir.delete_from_row());
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT weir.compact('w');
ROLLBACK;

-- families of kind hll need the extension
DROP EXTENSION IF EXISTS hll;
SELECT weir.add_family('w', 'h', NULL, 'hll');

-- who may do what
CREATE ROLE weir_reader;
CREATE ROLE weir_writer;
CREATE ROLE weir_deleter;
CREATE ROLE weir_owner;
GRANT SELECT ON w TO weir_reader;
GRANT INSERT ON w TO weir_writer;
GRANT DELETE ON w TO weir_deleter;
SET ROLE weir_reader;
SELECT weir.read_row('w', 'k') IS NOT NULL AS read, (SELECT count(*) FROM weir.read_rows('w')) AS rows, (SELECT count(*) FROM w) AS face;
SELECT q, error_of(q) FROM unnest(ARRAY[
	$q$SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'q', 'v'))$q$,
	$q$SELECT weir.check_and_mutate_row('w', 'k', NULL, ARRAY[weir.set_cell('f', 'q', 'v')])$q$,
	$q$SELECT weir.read_modify_write_row('w', 'k', weir.increment('f', 'n', 1))$q$,
	$q$INSERT INTO w VALUES ('k', '{}')$q$,
	$q$DELETE FROM w$q$,
	$q$TRUNCATE w$q$,
	$q$SELECT * FROM w_delta$q$,
	$q$SELECT * FROM w_base$q$,
	$q$SELECT nextval('w_seq')$q$,
	$q$SELECT weir.drop_row_range('w', 'k')$q$,
	$q$SELECT weir.add_family('w', 'x')$q$,
	$q$SELECT weir.alter_family('w', 'f', NULL)$q$,
	$q$SELECT weir.drop_family('w', 'f')$q$,
	$q$SELECT weir.drop_wide_table('w')$q$,
	$q$SELECT weir.compact('w')$q$,
	$q$INSERT INTO weir._families VALUES ('w', 9, 'x')$q$,
	$q$SELECT weir.read_row('ms', 'k')$q$,
	$q$SELECT * FROM weir.read_rows('ms')$q$,
	$q$SELECT * FROM weir.sample_row_keys('ms')$q$
]) q;
SET ROLE weir_writer;
SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'writer', 'v', '2024-01-01'));
INSERT INTO w VALUES ('k', '{"f": {"insert": [[1, "v"]]}}');
SELECT q, error_of(q) FROM unnest(ARRAY[
	$q$SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'q', 'v'), weir.delete_from_column('f', 'q'))$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.delete_from_row())$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.set_cell('secret', 'q', 'v'))$q$,
	$q$SELECT weir.read_row('w', 'k')$q$,
	$q$SELECT weir.check_and_mutate_row('w', 'k', NULL, ARRAY[weir.set_cell('f', 'q', 'v')])$q$,
	$q$SELECT weir.read_modify_write_row('w', 'k', weir.increment('f', 'n', 1))$q$
]) q;
SET ROLE weir_deleter;
SELECT weir.mutate_row('w', 'k', weir.delete_from_column('f', 'insert'));
SELECT weir.drop_row_range('w', 'zzz');
SELECT error_of($q$SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'q', 'v'))$q$),
       error_of($q$SELECT weir.mutate_row('w', 'k', weir.set_cell('secret', 'q', 'v'))$q$);
RESET ROLE;
SELECT * FROM w;
-- a new owner has all of it, and the old heaps go with the table
GRANT CREATE ON SCHEMA public TO weir_owner;
ALTER FOREIGN TABLE w OWNER TO weir_owner;
SET ROLE weir_owner;
SELECT weir.add_family('w', 'mine');
SELECT weir.mutate_row('w', 'k', weir.set_cell('mine', 'q', 'v', '2024-01-01'));
SELECT rows FROM weir.compact('w');
SELECT * FROM w;
SELECT weir.drop_wide_table('w');
SELECT weir.create_wide_table('own');
SELECT weir.add_family('own', 'f');
INSERT INTO own VALUES ('k', '{"f": {"q": [[1, "v"]]}}');
RESET ROLE;
DROP OWNED BY weir_owner;
SELECT count(*) FROM pg_class WHERE relname ~ '^(w|own)(_|$)' AND relnamespace = 'public'::regnamespace;
SELECT tbl FROM weir.wide_tables;
-- and so does all that makes up a table, and what gives a part of it away
SELECT weir.create_wide_table('given');
SELECT weir.add_family('given', 'f');
SELECT weir.enable_changes('given');
SELECT weir.create_authorized_view('given_part', 'given', ARRAY['a'::bytea]);
ALTER TABLE given OWNER TO weir_owner;
SELECT relname, relkind, relowner::regrole FROM pg_class WHERE relname ~ '^given' ORDER BY relname COLLATE "C";
SET ROLE weir_owner;
SELECT weir.mutate_row('given', 'k', weir.set_cell('f', 'q', 'v', '2024-01-01'));
SELECT count(*) FROM weir.changes('given');
RESET ROLE;
-- a part that is given away by itself is somebody else's
ALTER FOREIGN TABLE given_part OWNER TO weir_reader;
SELECT relowner::regrole FROM pg_class WHERE relname = 'given_part';
ALTER FOREIGN TABLE given_part OWNER TO weir_owner;
REASSIGN OWNED BY weir_owner TO weir_writer;
SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname ~ '^given';
DROP FOREIGN TABLE given CASCADE;
DROP OWNED BY weir_owner, weir_writer;
SELECT count(*) FROM pg_class WHERE relname ~ '^given';
DROP ROLE weir_reader, weir_writer, weir_deleter, weir_owner;
DROP FUNCTION error_of;
DROP FOREIGN TABLE fake;
DROP TABLE plain;
SELECT weir.drop_wide_table('ms');
