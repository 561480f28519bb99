-- the relations of a wide table altered by their owner
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f');
SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'a', '1', '2024-01-01'));
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION errors() RETURNS TABLE (q text, error text) LANGUAGE sql AS $$
SELECT q, error_of(q) FROM unnest(ARRAY[
	$q$SELECT * FROM w$q$,
	$q$INSERT INTO w (row_key, cells) VALUES ('k', '{"f": {"b": [[1000, "1"]]}}')$q$,
	$q$SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'a', '2', '2024-01-01'))$q$,
	$q$SELECT weir.compact('w')$q$
]) q;
$$;

-- columns added: refused, never written to by guess
ALTER TABLE w_delta ADD COLUMN x text DEFAULT 'abc';
SELECT * FROM errors();
SELECT * FROM w;
ALTER TABLE w_delta DROP COLUMN x;
ALTER TABLE w_base ADD COLUMN x int;
SELECT * FROM errors();
ALTER TABLE w_base DROP COLUMN x;
-- the face, where nobody refused it
ALTER EVENT TRIGGER weir_wide_table_alter DISABLE;
ALTER FOREIGN TABLE w ADD COLUMN x int;
ALTER EVENT TRIGGER weir_wide_table_alter ENABLE ALWAYS;
SELECT * FROM errors();
ALTER FOREIGN TABLE w DROP COLUMN x;

-- and dropped again: as before
SELECT * FROM errors();
SELECT cells['f']['a'], cells['f']['b'] FROM w;
SELECT weir.mutate_row('w', 'k', weir.set_cell('f', 'a', '3', '2024-01-01'));
INSERT INTO w VALUES ('k2', '{"f": {"b": [[1000, "1"]]}}');
SELECT * FROM weir.compact('w');
SELECT row_key, cells['f']['a'], cells['f']['b'] FROM w;

-- other types
BEGIN;
ALTER EVENT TRIGGER weir_wide_table_alter DISABLE;
ALTER FOREIGN TABLE w ALTER COLUMN cells TYPE int[];
SELECT * FROM errors();
ROLLBACK;
BEGIN;
ALTER TABLE w_base ALTER COLUMN hi TYPE text;
SELECT * FROM errors();
ROLLBACK;
BEGIN;
ALTER TABLE w_delta DROP COLUMN cells;
SELECT * FROM errors();
ROLLBACK;
SELECT row_key, cells['f']['a'], cells['f']['b'] FROM w;

-- numbers that are given out otherwise than one by one
ALTER SEQUENCE w_seq CACHE 10;
SELECT * FROM errors();
ALTER SEQUENCE w_seq CACHE 1 CYCLE;
SELECT * FROM errors();
ALTER SEQUENCE w_seq NO CYCLE INCREMENT -1;
SELECT * FROM errors();
ALTER SEQUENCE w_seq INCREMENT 1;
SELECT * FROM errors();

DROP FUNCTION errors, error_of;
SELECT weir.drop_wide_table('w');

-- what the owner attached to the base runs with the owner's rights, whoever compacts
CREATE ROLE regress_weir_owner;
CREATE SCHEMA regress_weir_shape AUTHORIZATION regress_weir_owner;
GRANT USAGE ON SCHEMA weir TO regress_weir_owner;
SET ROLE regress_weir_owner;
SELECT weir.create_wide_table('regress_weir_shape.w');
SELECT weir.add_family('regress_weir_shape.w', 'f');
CREATE FUNCTION regress_weir_shape.who(bytea) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'compacting as %', current_user;
	RETURN length($1);
END $$;
CREATE INDEX ON regress_weir_shape.w_base (regress_weir_shape.who(row_key));
SELECT weir.mutate_row('regress_weir_shape.w', 'k', weir.set_cell('f', 'a', '1', '2024-01-01'));
RESET ROLE;
SELECT * FROM weir.compact('regress_weir_shape.w');
SELECT current_user = session_user AS is_restored;
SET client_min_messages = warning;
DROP SCHEMA regress_weir_shape CASCADE;
RESET client_min_messages;
REVOKE USAGE ON SCHEMA weir FROM regress_weir_owner;
DROP ROLE regress_weir_owner;
