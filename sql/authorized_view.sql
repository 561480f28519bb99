-- Authorized views: a part of a wide table with rights of its own.
\pset null '(null)'
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'pub'), weir.add_family('w', 'mix'), weir.add_family('w', 'secret'), weir.add_family('w', 'n', NULL, 'sum');
SELECT weir.mutate_row('w', k, weir.set_cell('pub', 'q', 'p', '1970-01-01'), weir.set_cell('mix', 'name', 'n', '1970-01-01'), weir.set_cell('mix', 'addr1', 'a', '1970-01-01'),
	weir.set_cell('mix', 'salary', 's', '1970-01-01'), weir.set_cell('secret', 'x', 'x', '1970-01-01'))
FROM unnest(ARRAY['us#1', 'us#2', 'eu#1', 'eu#2', 'zz']) k;
SELECT weir.mutate_row('w', 'eu#3', weir.set_cell('secret', 'x', 'x', '1970-01-01'));
SELECT weir.create_authorized_view('v', 'w', ARRAY['eu#'::bytea], ARRAY['pub', 'mix:name', 'mix:addr*', 'n']);
SELECT weir.create_authorized_view('rows_only', 'w', ARRAY['eu#1'::bytea, 'zz']);
SELECT weir.create_authorized_view('columns_only', 'w', columns => ARRAY['mix:\x6e616d65']);
SELECT * FROM weir.authorized_views ORDER BY view::text;
SELECT tbl FROM weir.wide_tables;

-- Rule 101: what is outside is silently absent, and a row with nothing inside is absent
SELECT * FROM v;
SELECT row_key FROM rows_only;
SELECT row_key, cells FROM columns_only ORDER BY row_key DESC LIMIT 2;
SELECT weir.read_row('v', 'eu#1'), weir.read_row('v', 'eu#3'), weir.read_row('v', 'us#1');
SELECT row_key, cells['secret'], cells['mix']['salary'], cells['mix']['addr1'] FROM v WHERE row_key IN ('eu#1', 'us#1', 'eu#3');
SELECT count(*) FROM weir.read_rows('v');
SELECT row_key, qualifier FROM weir.read_rows('v', weir.family_regex('mix|secret'), reversed => true, row_limit => 1);
SELECT count(*) FROM weir.read_rows('v', prefix => 'us');
SELECT row_key FROM weir.sample_row_keys('v');
SELECT count(*) FROM v WHERE row_key > 'eu#1';
SELECT rows FROM weir.compact('w');
SELECT * FROM v;
SELECT row_key, cells['mix']['addr1'], cells['secret'] FROM v WHERE row_key = 'eu#2';

-- rights are those on the view
CREATE ROLE weir_guest;
GRANT SELECT, INSERT, DELETE ON v TO weir_guest;
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text;
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' / ' || d ELSE '' END;
END $$;
SET ROLE weir_guest;
SELECT count(*) FROM v;
SELECT weir.mutate_row('v', 'eu#1', weir.set_cell('pub', 'q', 'guest', '1970-01-01'), weir.add_to_cell('n', 'visits', '1970-01-01', 1), weir.delete_from_column('mix', 'addr1'));
SELECT weir.mutate_row('v', 'eu#4', weir.delete_from_family('pub'), weir.set_cell('mix', 'address', 'new', '1970-01-01'));
INSERT INTO v VALUES ('eu#4', '{"pub": {"q": [[0, "inserted"]]}}');
SELECT weir.text_value(weir.read_modify_write_row('v', 'eu#4', weir.append_value('pub', 'q2', 'x')), 'pub', 'q2');
SELECT weir.mutate_row('v', 'eu#4', weir.delete_from_column('pub', 'q2'));
-- a predicate sees only what is inside
SELECT weir.check_and_mutate_row('v', 'eu#3', NULL, '{}', ARRAY[weir.set_cell('pub', 'q', 'new', '1970-01-01')]);
-- a write outside fails as a whole
SELECT q, error_of(q) FROM unnest(ARRAY[
	$q$SELECT weir.read_row('w', 'eu#1')$q$,
	$q$SELECT weir.mutate_row('v', 'us#1', weir.set_cell('pub', 'q', 'guest'))$q$,
	$q$SELECT weir.mutate_row('v', 'eu#1', weir.set_cell('pub', 'q', 'not'), weir.set_cell('secret', 'q', 'guest'))$q$,
	$q$SELECT weir.mutate_row('v', 'eu#1', weir.set_cell('mix', 'salary', 'guest'))$q$,
	$q$SELECT weir.mutate_row('v', 'eu#1', weir.set_cell('nothing', 'q', 'guest'))$q$,
	$q$SELECT weir.mutate_row('v', 'eu#1', weir.delete_from_column('secret', 'x'))$q$,
	$q$SELECT weir.mutate_row('v', 'eu#1', weir.delete_from_family('mix'))$q$,
	$q$SELECT weir.mutate_row('v', 'eu#1', weir.delete_from_family('secret'))$q$,
	$q$SELECT weir.mutate_row('v', 'eu#1', weir.delete_from_row())$q$,
	$q$SELECT weir.check_and_mutate_row('v', 'us#1', NULL, ARRAY[weir.set_cell('pub', 'q', 'x')])$q$,
	$q$SELECT weir.read_modify_write_row('v', 'us#1', weir.increment('pub', 'n', 1))$q$,
	$q$SELECT weir.read_modify_write_row('v', 'eu#1', weir.increment('secret', 'n', 1))$q$,
	$q$INSERT INTO v VALUES ('us#1', '{"pub": {"q": [[0, "x"]]}}')$q$,
	$q$INSERT INTO v VALUES ('eu#1', '{"secret": {"q": [[0, "x"]]}}')$q$,
	$q$DELETE FROM v$q$,
	$q$TRUNCATE v$q$,
	$q$SELECT weir.drop_row_range('v', 'eu')$q$,
	$q$SELECT weir.drop_authorized_view('v')$q$,
	$q$SELECT weir.create_authorized_view('mine', 'w')$q$
]) q;
RESET ROLE;
SELECT row_key, cells FROM w WHERE row_key >= 'eu' AND row_key < 'ev';
SELECT q, error_of(q) FROM unnest(ARRAY[
	$q$TRUNCATE v$q$,
	$q$SELECT weir.add_family('v', 'x')$q$,
	$q$SELECT weir.drop_family('v', 'pub')$q$,
	$q$SELECT weir.compact('v')$q$,
	$q$SELECT weir.drop_wide_table('v')$q$,
	$q$SELECT weir.drop_authorized_view('w')$q$,
	$q$SELECT weir.create_authorized_view('x', 'v')$q$,
	$q$SELECT weir.create_authorized_view('v', 'w')$q$,
	$q$SELECT weir.create_authorized_view(NULL, 'w')$q$,
	$q$SELECT weir.create_authorized_view('x', 'w', ARRAY[NULL::bytea])$q$,
	$q$SELECT weir.create_authorized_view('x', 'w', NULL, ARRAY['a b:c'])$q$,
	$q$SELECT weir.create_authorized_view('x', 'w', NULL, ARRAY['pub:\xzz'])$q$,
	$q$DROP FOREIGN TABLE w$q$
]) q;
-- a view of rows only may delete rows
DELETE FROM rows_only WHERE row_key = 'zz';
SELECT count(*) FROM w WHERE row_key = 'zz';
-- a family that comes later is in a view that lists it, and one that goes is not
SELECT weir.create_authorized_view('later', 'w', NULL, ARRAY['later', 'pub']);
SELECT weir.add_family('w', 'later');
SELECT weir.mutate_row('later', 'l', weir.set_cell('later', 'q', 'x', '1970-01-01'));
SELECT weir.drop_family('w', 'pub');
SELECT * FROM later;
SELECT weir.drop_authorized_view('later');
DROP FUNCTION error_of;
DROP FOREIGN TABLE rows_only;
-- several prefixes are read one after the other, either way
SELECT weir.create_wide_table('many');
SELECT weir.add_family('many', 'f');
CREATE TABLE keys AS SELECT k FROM unnest(ARRAY['a', 'a#', 'a#1', 'a#2', 'b', 'b1', 'b2', 'ba', 'c', '\x00', '\x0000', '\xfe', '\xff', '\xff01', '\xffff']::bytea[]) k;
INSERT INTO many SELECT k, weir.widerow('f', 'q', 'v', '1970-01-01') FROM keys WHERE k < 'b2';
SELECT skipped FROM weir.compact('many');
INSERT INTO many SELECT k, weir.widerow('f', 'q', 'w', '1970-01-01') FROM keys WHERE k > 'a#1';
CREATE FUNCTION differs(prefixes bytea[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	ok boolean := true;
	inside bytea[];
	r weir.row_set;
BEGIN
	PERFORM weir.create_authorized_view('part', 'many', prefixes);
	inside := ARRAY(SELECT k FROM keys WHERE EXISTS (SELECT 1 FROM unnest(prefixes) p WHERE substr(k, 1, length(p)) = p) ORDER BY k);
	ok := ARRAY(SELECT row_key FROM part) = inside
		AND ARRAY(SELECT row_key FROM part ORDER BY row_key DESC LIMIT 3) = (ARRAY(SELECT k FROM unnest(inside) k ORDER BY k DESC LIMIT 3))
		AND ARRAY(SELECT row_key FROM part WHERE row_key > 'a#' AND row_key <= 'b2') = ARRAY(SELECT k FROM unnest(inside) k WHERE k > 'a#' AND k <= 'b2' ORDER BY k);
	FOREACH r IN ARRAY '{"{[a#1,b1),[ba,)}","{(,a],(b,c)}","{}"}'::weir.row_set[] LOOP
		ok := ok AND ARRAY(SELECT row_key FROM weir.read_rows('part', rows => r)) = ARRAY(SELECT k FROM unnest(inside) k WHERE k <@ r ORDER BY k)
			AND ARRAY(SELECT row_key FROM weir.read_rows('part', rows => r, row_limit => 4, reversed => true)) = ARRAY(SELECT k FROM unnest(inside) k WHERE k <@ r ORDER BY k DESC LIMIT 4);
	END LOOP;
	PERFORM weir.drop_authorized_view('part');
	RETURN NOT ok;
END $$;
SELECT p, differs(p::bytea[]) FROM (VALUES (ARRAY['a#', 'b']::bytea[]), (ARRAY['b', 'a#']::bytea[]), (ARRAY['b', 'a', 'a#', 'a#1', 'b']::bytea[]), (ARRAY['\xff', '\x00']::bytea[]),
	(ARRAY['\xff01', '\xff', 'c']::bytea[]), (ARRAY['none', 'b2', '\xfffe']::bytea[]), (ARRAY['', 'a']::bytea[]), ('{}'), (ARRAY['z', 'zz']::bytea[])) v(p);
DROP FUNCTION differs;
DROP TABLE keys;
SELECT weir.drop_wide_table('many');
-- how many rows the planner expects, and which part of the bytes the view has
SELECT weir.create_wide_table('sized');
SELECT weir.add_family('sized', 'f');
INSERT INTO sized SELECT (CASE WHEN i % 100 < 90 THEN 'a' WHEN i % 100 < 99 THEN 'b' ELSE 'c' END || i)::bytea,
	weir.widerow('f', 'q', repeat('x', 1000), '1970-01-01') FROM generate_series(1, 4000) i;
SELECT weir.create_authorized_view('va', 'sized', ARRAY['a'::bytea]), weir.create_authorized_view('vb', 'sized', ARRAY['b'::bytea]),
	weir.create_authorized_view('vc', 'sized', ARRAY['c'::bytea]), weir.create_authorized_view('vac', 'sized', ARRAY['a'::bytea, 'c']),
	weir.create_authorized_view('vnone', 'sized', ARRAY['d'::bytea]), weir.create_authorized_view('vall', 'sized', ARRAY[''::bytea]);
CREATE FUNCTION plan_of(q text, what text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || q INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> what;
END $$;
CREATE FUNCTION plan_rows(rel text) RETURNS float8 LANGUAGE sql AS $$ SELECT plan_of('SELECT FROM ' || rel, 'Plan Rows') $$;
CREATE FUNCTION plan_cost(rel text) RETURNS float8 LANGUAGE sql AS $$ SELECT plan_of('SELECT FROM ' || rel, 'Total Cost') $$;
-- without statistics as for any condition
SELECT v, plan_rows(v) / plan_rows('sized') < 0.02 AS few, plan_cost(v) / plan_cost('sized') < 0.05 AS cheap FROM unnest(ARRAY['va', 'vac', 'vnone', 'vall']) v;
ANALYZE sized;
SELECT v, abs(plan_rows(v) - n) <= 40 + n * 0.1 AS right FROM (VALUES ('va', 3600), ('vb', 360), ('vc', 40), ('vac', 3640), ('vnone', 1), ('vall', 4000)) v (v, n);
SELECT plan_cost('vb') / plan_cost('va') < 0.3 AS cheaper;
ANALYZE vb;
SELECT plan_rows('vb');
DROP FUNCTION plan_rows, plan_cost, plan_of;
-- bytes by rows: folded, in deltas, and both
CREATE FUNCTION part_of(v text) RETURNS numeric LANGUAGE sql AS $$
	SELECT round((SELECT max(offset_bytes) FROM weir.sample_row_keys(v)) / (SELECT max(offset_bytes) FROM weir.sample_row_keys('sized'))::numeric, 1) $$;
SELECT part_of('va'), part_of('vb'), part_of('vc'), part_of('vac'), part_of('vnone'), part_of('vall');
SELECT skipped FROM weir.compact('sized');
VACUUM sized_delta;
SELECT part_of('va'), part_of('vb'), part_of('vc'), part_of('vac'), part_of('vnone'), part_of('vall');
INSERT INTO sized SELECT ('b' || i)::bytea, weir.widerow('f', 'r', repeat('x', 1000), '1970-01-01') FROM generate_series(10001, 14000) i;
SELECT part_of('va'), part_of('vb'), part_of('vnone'), part_of('vall');
-- keys of the view in order, parts of about one megabyte, the empty key at last
SELECT count(*) BETWEEN 4 AND 6 AS some, bool_and(row_key ^@ 'b' OR row_key = '') AS are_in_view,
	bool_and(row_key > before IS NOT FALSE OR row_key = '') AS ascending, bool_and(offset_bytes - offset_before BETWEEN 1000000 AND 1200000 OR row_key = '') AS even
FROM (SELECT encode(row_key, 'escape') AS row_key, offset_bytes, lag(encode(row_key, 'escape')) OVER () AS before, coalesce(lag(offset_bytes) OVER (), 0) AS offset_before FROM weir.sample_row_keys('vb')) s;
DROP FUNCTION part_of;
SET client_min_messages = warning;
DROP FOREIGN TABLE sized CASCADE;
RESET client_min_messages;
-- default privileges are not given on the heaps, where a view ends
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO weir_guest;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO weir_guest;
SELECT weir.create_wide_table('given');
SELECT relname, has_table_privilege('weir_guest', oid, 'SELECT, INSERT') AS guest_may FROM pg_class
	WHERE relname LIKE 'given%' AND relkind IN ('r', 'f', 'S') ORDER BY 1;
REVOKE ALL ON given FROM PUBLIC, weir_guest;
SELECT has_sequence_privilege('weir_guest', 'given_seq', 'USAGE, SELECT, UPDATE') AS guest_may;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM weir_guest, PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM weir_guest;
SELECT weir.drop_wide_table('given');
\set VERBOSITY terse
SET client_min_messages = warning;
DROP FOREIGN TABLE w CASCADE;
RESET client_min_messages;
SELECT count(*) FROM weir.authorized_views;
SELECT count(*) FROM pg_class WHERE relname IN ('v', 'columns_only', 'w', 'w_delta', 'w_base');
DROP ROLE weir_guest;
