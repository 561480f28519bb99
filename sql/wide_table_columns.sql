-- which columns a scan of a wide table reads: subscripts that are not constants
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f'), weir.add_family('w', 'g');
SELECT count(weir.mutate_row('w', 'k' || i,
	weir.set_cell('f', 'a', 'fa' || i, '2024-01-01'), weir.set_cell('f', 'b', 'fb' || i, '2024-01-01'),
	weir.set_cell('g', 'a', 'ga' || i, '2024-01-01')))
FROM generate_series(1, 3) i;
SET bytea_output = 'escape';

-- parameters; a null, or what does not exist, does not hide the row
SET plan_cache_mode = force_generic_plan;
PREPARE q(text, text) AS SELECT row_key, cells[$1][$2] FROM w WHERE row_key >= 'k2';
EXPLAIN (COSTS OFF) EXECUTE q('f', 'a');
EXECUTE q('f', 'a');
EXECUTE q('g', 'a');
EXECUTE q('no', 'a');
EXECUTE q(NULL, 'a');
EXECUTE q('f', NULL);
PREPARE q2(bytea) AS SELECT row_key, cells['f'][$1], cells['g'] FROM w WHERE row_key = 'k1';
EXPLAIN (COSTS OFF) EXECUTE q2('b');
EXECUTE q2('b');
DEALLOCATE ALL;

-- expressions
PREPARE q(text) AS SELECT cells['f']['' || $1] FROM w;
EXPLAIN (COSTS OFF) EXECUTE q('a');
EXECUTE q('a');
EXPLAIN (COSTS OFF) SELECT cells['f'][now()::text] FROM w;
EXPLAIN (COSTS OFF) SELECT cells['f'][random()::text] FROM w;
EXPLAIN (COSTS OFF) SELECT cells['f'][encode(row_key, 'escape')] FROM w;
EXPLAIN (COSTS OFF) SELECT cells['f'][count(*)::text] FROM w GROUP BY cells;

-- not computed unless the query would
PREPARE q3(int) AS SELECT CASE WHEN $1 > 0 THEN cells['f'][(10 / $1)::text] END FROM w;
EXPLAIN (COSTS OFF) EXECUTE q3(0);
EXECUTE q3(0);
RESET plan_cache_mode;
DEALLOCATE ALL;

-- anew for each scan
EXPLAIN (COSTS OFF)
SELECT k, (SELECT cells['f'][x.k] FROM w WHERE row_key = 'k1') FROM (VALUES ('a'), ('b'), ('c'), (NULL)) x (k);
SELECT k, (SELECT cells['f'][x.k] FROM w WHERE row_key = 'k1') FROM (VALUES ('a'), ('b'), ('c'), (NULL)) x (k);
-- of an InitPlan, which EXPLAIN names otherwise since 17
CREATE FUNCTION explain_columns(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Columns: ' THEN
			RETURN NEXT replace(line, '(InitPlan 1).col1', '$0');
		END IF;
	END LOOP;
END $$;
SELECT explain_columns($q$SELECT cells['f'][(SELECT 'b')] FROM w$q$);
DROP FUNCTION explain_columns(text);
SELECT cells['f'][(SELECT 'b')] FROM w;
SELECT o.row_key, l.cell
FROM w o LEFT JOIN LATERAL (SELECT i.cells['f'][CASE o.row_key WHEN 'k2' THEN 'b' ELSE 'a' END] AS cell FROM w i WHERE i.row_key = o.row_key OFFSET 0) l ON true;
DO $$
DECLARE
	cell bytea;
BEGIN
	FOR i IN 1 .. 8 LOOP
		SELECT cells['f'][chr(97 + i % 2)] INTO cell FROM w WHERE row_key = 'k1';
		ASSERT cell = ('f' || chr(97 + i % 2) || '1')::bytea;
	END LOOP;
END $$;

-- partitions, and what is below them, with other orders of columns
SELECT weir.create_wide_table('x');
SELECT weir.add_family('x', 'f'), weir.add_family('x', 'g');
INSERT INTO x VALUES ('x1', '{"f": {"a": [[0, "xa"]], "b": [[0, "xb"]]}, "g": {"a": [[0, "ga"]]}}');
CREATE FUNCTION columns_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		line := substring(line FROM 'Foreign Scan on \w|Columns: .*');
		IF line IS NOT NULL THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END $$;
CREATE TABLE below (cells weir.widerow NOT NULL, row_key bytea NOT NULL) PARTITION BY RANGE (row_key);
CREATE TABLE above (gone int, cells weir.widerow NOT NULL, row_key bytea NOT NULL) PARTITION BY RANGE (row_key);
ALTER TABLE above DROP COLUMN gone;
ALTER TABLE below ATTACH PARTITION w FOR VALUES FROM ('k') TO ('l');
ALTER TABLE above ATTACH PARTITION below FOR VALUES FROM ('a') TO ('m');
ALTER TABLE above ATTACH PARTITION x FOR VALUES FROM ('x') TO ('y');
SELECT columns_of($q$SELECT row_key, cells['f']['a'] FROM above$q$);
SELECT row_key, cells['f']['a'] FROM above ORDER BY 1;
SELECT columns_of($q$SELECT row_key FROM above WHERE cells['g']['a'] = 'ga' OR cells['f']['b'] = 'fb2'$q$);
SELECT row_key FROM above WHERE cells['g']['a'] = 'ga' OR cells['f']['b'] = 'fb2' ORDER BY 1;
SELECT columns_of($q$SELECT cells['g'], count(cells['f']['b']) FROM below GROUP BY 1$q$);
SELECT cells['g'], count(cells['f']['b']) FROM below GROUP BY 1 ORDER BY 1;
-- used as a whole, here or there
SELECT columns_of($q$SELECT above FROM above$q$);
SELECT columns_of($q$SELECT cells['f']['a'] FROM above ORDER BY above.cells$q$);
SELECT cells['f']['a'] FROM above WHERE cells OPERATOR(weir.->>) 'g:a' = 'ga';
-- joined, also partition by partition
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_partitionwise_join = on;
SELECT columns_of($q$SELECT a.cells['f']['a'], b.cells['g']['a'] FROM below a JOIN below b USING (row_key) WHERE b.cells['f']['b'] <> 'fb1'$q$);
SELECT a.cells['f']['a'], b.cells['g']['a'] FROM below a JOIN below b USING (row_key) WHERE b.cells['f']['b'] <> 'fb1' ORDER BY 1;
SELECT a.row_key, a.cells['f']['b'], b.cells['g']['a'] FROM below a LEFT JOIN x b ON b.cells['f']['a'] <> a.cells['g']['a'] AND a.row_key < 'k3' ORDER BY 1;
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_partitionwise_join;
-- UNION ALL: of columns, of the whole, of both
SELECT columns_of($q$SELECT row_key, cells['f']['a'] FROM w UNION ALL SELECT row_key, cells['g']['a'] FROM x$q$);
SELECT row_key, cells['f']['a'] FROM w UNION ALL SELECT row_key, cells['g']['a'] FROM x ORDER BY 1;
SELECT columns_of($q$SELECT u.cells['f']['b'] FROM (SELECT row_key, cells FROM w UNION ALL SELECT row_key, cells FROM x) u WHERE u.cells['g']['a'] IS NOT NULL$q$);
SELECT u.cells['f']['b'] FROM (SELECT row_key, cells FROM w UNION ALL SELECT row_key, cells FROM x) u WHERE u.cells['g']['a'] IS NOT NULL ORDER BY 1;
SELECT columns_of($q$SELECT u.cells['f']['b'], u.a FROM (SELECT cells, cells['g']['a'] AS a FROM w UNION ALL SELECT cells, cells['f']['a'] FROM x) u$q$);
SELECT u.cells['f']['b'], u.a FROM (SELECT cells, cells['g']['a'] AS a FROM w UNION ALL SELECT cells, cells['f']['a'] FROM x) u ORDER BY 1;
SELECT columns_of($q$SELECT u.cells['f']['b'], u.n FROM (SELECT cells, weir.cell_count(cells) AS n FROM w UNION ALL SELECT cells, 0 FROM x) u$q$);
SELECT u.cells['f']['b'], u.n FROM (SELECT cells, weir.cell_count(cells) AS n FROM w UNION ALL SELECT cells, 0 FROM x) u ORDER BY 1;
SELECT columns_of($q$SELECT u.cells FROM (SELECT cells FROM w UNION ALL SELECT cells FROM x) u$q$);
-- beside one
SELECT columns_of($q$SELECT w.cells['f']['a'], u.i FROM w, (SELECT 1 AS i UNION ALL SELECT 2) u WHERE w.row_key = 'k1'$q$);
-- subscripts that the query might never compute
SET plan_cache_mode = force_generic_plan;
PREPARE q(int) AS SELECT CASE WHEN $1 > 0 THEN u.c END FROM (SELECT cells['f'][(10 / $1)::text] AS c FROM w UNION ALL SELECT cells['f']['a'] FROM x) u;
SELECT columns_of($q$EXECUTE q(0)$q$);
RESET plan_cache_mode;
DEALLOCATE q;
ALTER TABLE below DETACH PARTITION w;
ALTER TABLE above DETACH PARTITION x;
DROP TABLE above;
DROP FUNCTION columns_of;
SELECT weir.drop_wide_table('x');

-- a function is not called before there is anything to call it for
CREATE FUNCTION fails() RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;
EXPLAIN (COSTS OFF) SELECT cells['f'][fails()] FROM w WHERE row_key = 'nothing';
SELECT cells['f'][fails()] FROM w WHERE row_key = 'nothing';
SELECT cells['f'][fails()] FROM w WHERE row_key IN ('nothing', 'neither');
SELECT cells['f'][fails()] FROM w WHERE row_key > 'z' ORDER BY row_key DESC;
SELECT cells['f'][fails()] FROM w WHERE row_key IN ('nothing', 'k1');
SELECT cells['f'][fails()] FROM w WHERE row_key > 'k';
SELECT cells['f'][fails()] FROM w WHERE row_key > 'k' LIMIT 0;
SELECT i, (SELECT cells['f'][(SELECT repeat('a', i))] FROM w WHERE row_key = ('k' || i)::bytea) FROM generate_series(0, 2) i;
SELECT i, x.a FROM generate_series(0, 3) i LEFT JOIN LATERAL (SELECT cells['f'][lower('A')] AS a FROM w WHERE row_key = ('k' || i)::bytea) x ON true ORDER BY i;
DROP FUNCTION fails;

RESET bytea_output;
-- looking up many rows takes no more memory than looking up one
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off; SET enable_material = off;
BEGIN;
DECLARE looked_up CURSOR FOR SELECT cells['f']['a'] FROM generate_series(1, 20000) i JOIN w ON row_key = ('k' || i % 3)::bytea;
MOVE 5000 FROM looked_up;
SELECT max(used_bytes) < 100000 AS bounded FROM pg_backend_memory_contexts WHERE name = 'weir row scan';
DECLARE ranges CURSOR FOR SELECT l.* FROM generate_series(1, 20000) i, LATERAL (SELECT row_key FROM w WHERE row_key >= ('k' || i % 2)::bytea AND row_key < ('l' || i)::bytea ORDER BY row_key LIMIT 1) l;
MOVE 15000 FROM ranges;
SELECT max(used_bytes) < 100000 AS bounded FROM pg_backend_memory_contexts WHERE name = 'weir row scan';
COMMIT;
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_memoize; RESET enable_material;
SELECT weir.drop_wide_table('w');
