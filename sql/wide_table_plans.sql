-- Queries over wide tables against the same queries over plain tables with the
-- same rows, under settings that make the planner choose other plans.
SET client_min_messages = warning;
SET jit = off;
SELECT weir.create_wide_table('wa'), weir.create_wide_table('wb');
SELECT weir.add_family(t::regclass, f) FROM unnest('{wa,wb}'::text[]) t, unnest('{z,f,g}'::text[]) f;
INSERT INTO wa SELECT decode(md5(i::text), 'hex'), weir.widerow('f', 'n', (i % 50)::text, '1970-01-01') OPERATOR(weir.||)
	CASE WHEN i % 3 = 0 THEN weir.widerow('g', 'o', i::text, '1970-01-02') ELSE '{}' END OPERATOR(weir.||)
	CASE WHEN i % 5 = 0 THEN weir.widerow('f', 'n', 'new', '1970-01-02') ELSE '{}' END OPERATOR(weir.||)
	weir.widerow('z', i::text, repeat('p', i * 10), '1970-01-01') FROM generate_series(1, 200) i;
SELECT skipped FROM weir.compact('wa');
INSERT INTO wa SELECT decode(md5(i::text), 'hex'), weir.widerow('f', 'x', (i % 5)::text, '1970-01-01') FROM generate_series(1, 200, 7) i;
DELETE FROM wa WHERE row_key < '\x08';
INSERT INTO wa VALUES ('\x00', '{"f": {"": [[3, "c"], [2, "b"]]}}'), ('\xff', '{"f": {"n": [[3, "c"], [2, "b"]]}}'), ('\xffff', '{"g": {"n": [[3, "c"]]}}');
INSERT INTO wb SELECT decode(md5((i * 2)::text), 'hex'), weir.widerow('f', 'n', (i % 7)::text, '1970-01-01') FROM generate_series(1, 120) i;
CREATE TABLE pa AS SELECT * FROM wa;
CREATE TABLE pb AS SELECT * FROM wb;
CREATE TABLE o AS SELECT i AS id, decode(md5((i * 3)::text), 'hex') AS k, ('{f,g,none,NULL}'::text[])[1 + i % 4] AS fam, ('{n,x,o,NULL}'::text[])[1 + i % 4] AS q
	FROM generate_series(1, 80) i;
ANALYZE wa; ANALYZE wb; ANALYZE pa; ANALYZE pb; ANALYZE o;

-- the number of rows, and what is wrong if anything is
CREATE FUNCTION compare(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	p text := regexp_replace(regexp_replace(q, '\mwa\M', 'pa', 'g'), '\mwb\M', 'pb', 'g');
	n bigint;
	d bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM ((SELECT x::text FROM (%1$s) x EXCEPT ALL SELECT x::text FROM (%2$s) x) UNION ALL'
		' (SELECT x::text FROM (%2$s) x EXCEPT ALL SELECT x::text FROM (%1$s) x)) d', q, p) INTO d;
	EXECUTE format('SELECT count(*) FROM (%s) x', p) INTO n;
	RETURN n || CASE WHEN d > 0 THEN ', but ' || d || ' differ' ELSE '' END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE queries (n serial, q text);
INSERT INTO queries (q) VALUES
	($$SELECT * FROM wa$$),
	($$SELECT * FROM wa WHERE row_key > '\x40' AND row_key <= '\xa0' AND row_key <> '\x81'$$),
	($$SELECT * FROM wa WHERE '\x40' < row_key AND '\xa0' >= row_key$$),
	($$SELECT * FROM wa WHERE row_key IN ('\x00', '\xff', '\xffff', '\xee')$$),
	($$SELECT * FROM wa WHERE row_key = ANY (ARRAY(SELECT k FROM o))$$),
	($$SELECT * FROM wa WHERE row_key = ANY (SELECT k FROM o WHERE id < 20)$$),
	($$SELECT * FROM wa WHERE row_key >= (SELECT k FROM o ORDER BY k DESC OFFSET 20 LIMIT 1)$$),
	($$SELECT row_key, cells['f']['n'], cells['g'] FROM wa WHERE cells['z'] IS NOT NULL$$),
	($$SELECT row_key FROM wa WHERE cells['g']['o'] > '5' OR cells['f']['x'] = '1'$$),
	($$SELECT cells['f']['n'] AS n, count(*) FROM wa GROUP BY 1 HAVING count(cells['g']['o']) > 1$$),
	($$SELECT row_key, cells FROM wa ORDER BY row_key DESC LIMIT 17 OFFSET 5$$),
	($$SELECT row_key, row_number() OVER (ORDER BY row_key), lag(cells['f']['n']) OVER (ORDER BY row_key) FROM wa$$),
	($$SELECT a.row_key, b.cells['f']['n'] FROM wa a JOIN wb b USING (row_key)$$),
	($$SELECT a.row_key, b.row_key AS other, b.cells['f']['n'] FROM wa a LEFT JOIN wb b ON a.row_key = b.row_key AND b.cells['f']['n'] = '3'$$),
	($$SELECT a.row_key, b.row_key AS other FROM wa a FULL JOIN wb b ON a.row_key = b.row_key$$),
	-- several sets of relations give conditions on the key
	($$SELECT a.row_key FROM wa a JOIN wb b ON a.row_key = b.row_key JOIN o ON o.k = b.row_key WHERE a.cells['f']['n'] IS NOT NULL$$),
	($$SELECT a.row_key FROM wa a, o, wb b WHERE a.row_key = o.k AND b.row_key = o.k AND a.row_key >= b.row_key$$),
	($$SELECT o.id, a.row_key FROM o JOIN wa a ON a.row_key >= o.k AND a.row_key < o.k || '\xff' WHERE o.id < 40$$),
	($$SELECT o.id, a.cells[o.fam][o.q] FROM o JOIN wa a ON a.row_key = o.k$$),
	($$SELECT o.id, (SELECT cells[o.fam][o.q] FROM wa WHERE row_key = o.k) FROM o$$),
	($$SELECT o.id FROM o WHERE EXISTS (SELECT 1 FROM wa WHERE row_key = o.k AND cells['f']['n'] = 'new')$$),
	($$SELECT o.id FROM o WHERE NOT EXISTS (SELECT 1 FROM wb WHERE row_key = o.k)$$),
	($$SELECT o.id, l.* FROM o, LATERAL (SELECT cells['f']['n'] FROM wa WHERE row_key >= o.k ORDER BY row_key LIMIT 2) l$$),
	($$SELECT o.id, l.* FROM o, LATERAL (SELECT row_key FROM wa WHERE row_key < o.k ORDER BY row_key DESC LIMIT 1) l$$),
	($$SELECT a.row_key, c.family, c.value FROM wa a, weir.cells(a.cells) c$$),
	($$WITH x AS MATERIALIZED (SELECT * FROM wa) SELECT cells['f']['n'], cells['z'] FROM x$$),
	($$SELECT (wa).cells, row_to_json(wa) FROM wa$$),
	($$SELECT CASE WHEN row_key > '\x80' THEN cells['f']['n'] ELSE cells['g']['o'] END FROM wa$$),
	($$SELECT a.row_key FROM wa a JOIN wb b ON a.cells['f']['n'] = b.cells['f']['n'] WHERE a.row_key < '\x20'$$),
	($$SELECT a.row_key FROM wa a WHERE a.cells OPERATOR(weir.=) (SELECT b.cells FROM wa b WHERE b.row_key = a.row_key)$$),
	($$SELECT count(*) FROM wa WHERE row_key < '\x20' AND row_key > '\x30' OR row_key = NULL$$),
	($$SELECT g.i, a.cells['f']['n'] FROM generate_series(1, 20) g(i) LEFT JOIN LATERAL (SELECT * FROM wa WHERE row_key = decode(md5(g.i::text), 'hex')) a ON true$$);
SELECT n, compare(q) FROM queries ORDER BY n;
CREATE TABLE expected AS SELECT n, compare(q) FROM queries;

SET enable_hashjoin = off; SET enable_mergejoin = off;
SELECT n, compare(q) FROM queries EXCEPT TABLE expected;
SET enable_nestloop = off; SET enable_mergejoin = on; SET enable_sort = off;
SELECT n, compare(q) FROM queries EXCEPT TABLE expected;
RESET enable_nestloop; SET enable_memoize = off; SET enable_material = off; SET enable_hashagg = off; SET join_collapse_limit = 1;
SELECT n, compare(q) FROM queries EXCEPT TABLE expected;
RESET ALL; SET jit = off;
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT n, compare(q) FROM queries EXCEPT TABLE expected;
RESET ALL;
SET client_min_messages = warning;
DROP TABLE pa, pb, o, queries, expected;
DROP FUNCTION compare;
SELECT weir.drop_wide_table('wa'), weir.drop_wide_table('wb');
