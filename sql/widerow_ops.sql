-- weir.widerow: operators and functions
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
RESET client_min_messages;
SET search_path = weir, public;
SET timezone = 'UTC';

-- sqlstate and message of a statement that fails
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

CREATE TEMP TABLE t (id int, w widerow);
INSERT INTO t VALUES
	(1, '{"a": {"": [[7, "empty"]], "q": [[30, "new"], [20, "old"], [10, "older"]], "\\x00": [[10, "\\xff"]]}, "b": {"q": [[20, ""]]}}'),
	(2, '{}'),
	(3, NULL),
	(4, '{"b": {"q": [[20, "é"]]}, "c": {"n": [[5, "\\x00000000000004d2"]]}}');

--
-- look-ups
--
SELECT id, w['a'] AS a, w['b'] AS b, w['absent'] AS absent FROM t ORDER BY id;
SELECT id, w['a']['q'] AS q, w['a'][''] AS empty_qualifier, w['a']['\x00'::bytea] AS nul, w['b']['q'] AS bq, w['a']['absent'], w['absent']['q'] FROM t ORDER BY id;
SELECT id, w ->> 'a:q' AS q, w ->> 'a:' AS empty_qualifier, w ->> 'b:q' AS bq, w ->> 'a:absent', w ->> ':', w ->> 'a:q:' FROM t ORDER BY id;
SELECT id, value(w, 'a', 'q'), value(w, 'a', '\x00'::bytea), value(w, 'a', 'r'), text_value(w, 'b', 'q'), text_value(w, 'b', '\x71'::bytea) FROM t ORDER BY id;
SELECT id, int8_value(w['c']['n']), cell_count(w), w ? 'a' AS a, w ? 'c' AS c, has_family(w, '') FROM t ORDER BY id;
-- subscripts that are expressions, and NULL
SELECT w[f]['q'], w[f] FROM t, (VALUES ('a'), ('b'), (NULL)) v(f) WHERE id = 1;
SELECT w['a'][q] FROM t, (VALUES ('q'), (''), (NULL)) v(q) WHERE id = 1;
SELECT w['a'][q] FROM t, (VALUES ('\x00'::bytea), ('\x71'), (NULL)) v(q) WHERE id = 1;
SELECT w['a'::varchar(3)]['q'::name], w['a'::name]['q'::char(1)] FROM t WHERE id = 1;
SELECT (w['a'])['a']['q'], pg_typeof(w['a']), pg_typeof(w['a']['q']) FROM t WHERE id = 1;
CREATE DOMAIN pg_temp.bytes AS bytea;
CREATE DOMAIN pg_temp.wide AS widerow;
SELECT (w::pg_temp.wide)['a']['\x00'::pg_temp.bytes] FROM t WHERE id = 1;
-- a view's definition can be shown and read back
CREATE TEMP VIEW v AS SELECT w['a']['q'] AS q, w['a']['\x00'::bytea] AS z, w['a'] AS a FROM t WHERE (w ->> 'a:q') = 'new';
DO $$ BEGIN EXECUTE 'CREATE TEMP VIEW v2 AS ' || pg_get_viewdef('v'::regclass); END $$;
SELECT * FROM v2;
-- subscripts in an index, a generated column, statistics
CREATE TEMP TABLE indexed (w widerow, q bytea GENERATED ALWAYS AS (w['a']['q']) STORED);
CREATE INDEX ON indexed ((w['a']['q']));
INSERT INTO indexed SELECT w FROM t;
INSERT INTO indexed SELECT widerow('a', 'q', i, '2000-01-01') FROM generate_series(1, 500) i;
ANALYZE indexed;
SET enable_seqscan = off;
SELECT w = q_row AS same, int8_value(q) FROM indexed, (SELECT widerow('a', 'q', 77, '2000-01-01')) s(q_row) WHERE w['a']['q'] = '\x000000000000004d';
RESET enable_seqscan;

SELECT statement, pg_temp.error_of(statement) FROM (VALUES
	(1, $$UPDATE t SET w['a'] = '{}'$$),
	(2, $$UPDATE t SET w['a']['q'] = 'x'$$),
	(3, $$INSERT INTO t (w['a']['q']) VALUES ('x')$$),
	(4, $$SELECT w['a':'b'] FROM t$$),
	(5, $$SELECT w['a':] FROM t$$),
	(6, $$SELECT w['a']['q']['r'] FROM t$$),
	(7, $$SELECT w[1] FROM t$$),
	(8, $$SELECT w['a'][1] FROM t$$),
	(9, $$SELECT w['a'::bytea] FROM t$$),
	(10, $$SELECT w ->> 'a' FROM t$$),
	(11, $$SELECT w ->> 'a:\x00' FROM t$$),
	(12, $$SELECT text_value(w, 'a', '\x00'::bytea) FROM t$$),
	(13, $$SELECT w ->> 'c:n' FROM t$$),
	(14, $$SELECT int8_value('\x00')$$),
	(15, $$SELECT int8_value('')$$),
	(16, $$SELECT int8_value('\x000000000000000001')$$)
) AS s(n, statement) ORDER BY n;
SELECT int8_value('\x0000000000000000'), int8_value('\xffffffffffffffff'), int8_value('\x8000000000000000'), int8_value('\x7fffffffffffffff');

--
-- making a row: text and bytes in every combination, an untyped literal being text
--
\set ts '''1970-01-01 00:00:00.000009+00'''
SELECT widerow('f', '\x41', '\x42', :ts) AS "lit lit", widerow('f', '\x41'::text, '\x42'::text, :ts) AS "text text",
	widerow('f', '\x41'::bytea, '\x42'::bytea, :ts) AS "bytea bytea", widerow('f', '\x41'::bytea, '\x42', :ts) AS "bytea lit",
	widerow('f', '\x41', '\x42'::bytea, :ts) AS "lit bytea";
SELECT widerow('f', '\x41'::text, '\x42'::bytea, :ts) AS "text bytea", widerow('f', '\x41'::bytea, '\x42'::text, :ts) AS "bytea text",
	widerow('f', '\x41'::text, '\x42', :ts) AS "text lit", widerow('f', '\x41', '\x42'::text, :ts) AS "lit text";
SELECT widerow('f', 'n', 258, :ts) AS "lit int4", widerow('f', 'n', 258::bigint, :ts) AS "lit int8", widerow('f', 'n', 1::smallint, :ts) AS "lit int2",
	widerow('f', 'n'::bytea, -1, :ts) AS "bytea int4", widerow('f', 'n'::text, -9223372036854775808, :ts) AS "text int8";
SELECT widerow('f'::name, 'q'::varchar, 'v'::char(5), :ts::timestamp), widerow('f'::text, 'q'::name, ('v' || 1)::varchar, '2000-01-01'::date);
SELECT widerow(family => 'f', qualifier => 'q', value => 'v', ts => :ts), widerow(NULL, 'q', 'v', :ts), widerow('f', 'q', NULL, :ts), widerow('f', NULL, 'v'::bytea, :ts);
-- so do the parameters of a driver, which come without types
PREPARE p1 AS SELECT widerow($1, $2, $3, $4), text_value('{"f":{"\\x5c783431":[[1,"text"]],"A":[[1,"bytes"]]}}', $1, $2);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'p1';
EXECUTE p1('f', '\x41', '\x42', '1970-01-01 00:00:00.000009+00');
PREPARE p2(text, bytea, bytea) AS SELECT widerow($1, $2, $3, $4);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'p2';
EXECUTE p2('f', '\x41', '\x42', '1970-01-01 00:00:00.000009+00');
-- a literal is no call
SELECT widerow('{"f":{"q":[[1,"v"]]}}');
-- times
SELECT t, pg_temp.error_of(format('SELECT weir.widerow(%L, %L, %L, %L)', 'f', 'q', 'v', t)) FROM unnest(ARRAY[
	'1970-01-01 00:00:00+00', '1969-12-31 23:59:59.999999+00', '294247-01-10 04:00:54.775807+00', '294247-01-10 04:00:54.775808+00',
	'infinity', '-infinity', '4713-01-01 00:00:00 BC']) t;
SELECT widerow('f', 'q', 'v', '1970-01-01 00:00:00+00'), widerow('f', 'q', 'v', '294247-01-10 04:00:54.775807+00');
SELECT * FROM cells(widerow('f', 'q', 'v', '294247-01-10 04:00:54.775807+00'));

--
-- rows out of rows
--
SELECT id, w || '{"a": {"q": [[30, "overwritten"], [40, "newest"]]}, "0": {"q": [[1, "x"]]}}' AS merged FROM t ORDER BY id;
SELECT '{"a": {"q": [[30, "loses"], [40, "stays"]]}}'::widerow || w AS merged, merge(w, w) = w AS same, w || '{}' = w AS right_empty, '{}' || w = w AS left_empty FROM t ORDER BY id;
SELECT id, w - 'a' AS without_a, w - 'b' AS without_b, w - 'absent' = w AS same, w - 'a' - 'b' - 'c' AS nothing, without_family(w, 'a') = w - 'a' AS same FROM t ORDER BY id;
SELECT n, latest(w, n) FROM t, unnest(ARRAY[1, 2, 3, 2147483647]) n WHERE id = 1 ORDER BY n;
SELECT n, pg_temp.error_of(format('SELECT weir.latest(%L, %s)', '{}', n)) FROM unnest(ARRAY[1, 0, -1]) n;
CREATE FUNCTION pg_temp.us(us int) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
	$$SELECT '1970-01-01 00:00:00+00'::timestamptz + us * interval '1 microsecond'$$;
SELECT us, as_of(w, pg_temp.us(us)) FROM t, unnest(ARRAY[-1, 6, 7, 19, 20, 21, 1000]) us WHERE id = 1 ORDER BY us;
SELECT as_of(w, 'infinity') = latest(w, 1), as_of(w, '-infinity'), as_of(w, NULL) FROM t WHERE id = 1;
SELECT f, u, "between"(w, pg_temp.us(f), pg_temp.us(u)) FROM t, (VALUES (10, 20), (11, 20), (10, 21), (NULL, 20), (20, NULL), (NULL, NULL), (20, 20), (20, 10), (-5, 8)) v(f, u) WHERE id = 1 ORDER BY f, u;
SELECT weir.between(w, '-infinity', 'infinity') = w, weir.between(w, NULL, '-infinity'), weir.between(w, 'infinity', NULL), weir.between(NULL, NULL, NULL) FROM t WHERE id = 1;

--
-- as a set of rows
--
SELECT id, c.* FROM t, cells(w) c ORDER BY id, family, qualifier, ts DESC;
SELECT id, u.* FROM t, unpack(w) u ORDER BY id, u.ts DESC;
SELECT id, (cells(w)).family FROM t LIMIT 2;
SELECT merge(u.cells) = t.w FROM t, unpack(w) u WHERE id = 1 GROUP BY t.w;

--
-- order and hashing
--
CREATE TEMP TABLE o (n int, w widerow);
INSERT INTO o VALUES
	(1, '{}'),
	(2, '{"A": {"z": [[9, "z"]]}}'),
	(3, '{"a": {"": [[1, ""]]}}'),
	(4, '{"a": {"": [[1, "a"]]}}'),
	(5, '{"a": {"": [[1, "a"]], "q": [[1, ""]]}}'),
	(6, '{"a": {"": [[1, "aa"]]}}'),
	(7, '{"a": {"": [[1, "b"]]}}'),
	(8, '{"a": {"": [[1, "\\xff"]]}}'),
	(9, '{"a": {"q": [[10, "a"]]}}'),
	(10, '{"a": {"q": [[9, "a"]]}}'),
	(11, '{"a": {"q": [[9, "a"], [8, "a"]]}}'),
	(12, '{"a": {"q\\u00ff": [[10, "a"]]}}'),
	(13, '{"aa": {"": [[10, "a"]]}}');
SELECT count(*) FROM o a, o b WHERE (a.n < b.n) = (a.w < b.w) AND (a.n <= b.n) = (a.w <= b.w) AND (a.n = b.n) = (a.w = b.w)
	AND (a.n <> b.n) = (a.w <> b.w) AND (a.n >= b.n) = (a.w >= b.w) AND (a.n > b.n) = (a.w > b.w)
	AND sign(a.n - b.n) = widerow_cmp(a.w, b.w) AND (a.n = b.n) = (widerow_hash(a.w) = widerow_hash(b.w))
	AND (a.n = b.n) = (widerow_hash_extended(a.w, 42) = widerow_hash_extended(b.w, 42));
SELECT string_agg(n::text, ' ' ORDER BY w), string_agg(n::text, ' ' ORDER BY w DESC) FROM o;
SELECT count(*) FROM o WHERE widerow_hash_extended(w, 0) & 4294967295 <> widerow_hash(w)::bigint & 4294967295 OR widerow_hash_extended(w, 1) = widerow_hash_extended(w, 0);
CREATE UNIQUE INDEX o_btree ON o (w);
CREATE INDEX o_hash ON o USING hash (w);
INSERT INTO o VALUES (14, '{"a": {"": [[1, "a"]]}}');
INSERT INTO o SELECT 14 + i, widerow('f', 'q', i, '2000-01-01') FROM generate_series(1, 1000) i;
SET enable_seqscan = off;
SELECT n FROM o WHERE w >= '{"a": {"q": [[9, "a"]]}}' AND w < '{"aa": {"": [[10, "a"]]}}' ORDER BY w;
DROP INDEX o_btree;
SELECT n FROM o WHERE w = '{"a": {"": [[1, "aa"]]}}';
RESET enable_seqscan;
-- the default classes need no search_path
SET search_path = pg_catalog;
SELECT count(*) FROM (SELECT DISTINCT w FROM pg_temp.o UNION SELECT w FROM pg_temp.o) s;
SELECT w FROM pg_temp.o ORDER BY w LIMIT 2;
SET search_path = weir, public;
SELECT count(*) FROM o a JOIN o b USING (w);

--
-- the aggregate
--
SELECT merge(w ORDER BY n) FROM (VALUES (1, '{"f":{"q":[[1,"a"]]}}'::widerow), (2, NULL), (3, '{"f":{"q":[[1,"b"]]}}'), (4, '{"f":{"r":[[1,"a"]]}}'), (5, '{}')) v(n, w);
SELECT merge(w ORDER BY n DESC) FROM (VALUES (1, '{"f":{"q":[[1,"a"]]}}'::widerow), (2, NULL), (3, '{"f":{"q":[[1,"b"]]}}')) v(n, w);
SELECT merge(w) FROM t WHERE id = 3;
SELECT merge(w) FROM t WHERE false;
SELECT merge(w) FROM t WHERE id = 2;
-- many rows, large states, all kinds of execution: against sorting the cells
CREATE TABLE pieces AS
SELECT i, i % 3 AS k, widerow('f' || i % 2, 'q' || i * 7919 % 101, repeat(i::text, 1 + i % 5), '1970-01-01'::timestamptz + i * 31 % 4 * interval '1 microsecond') AS w
FROM generate_series(1, 12000) i;
CREATE TEMP TABLE truth AS
SELECT k, c.family, c.qualifier, c.ts, (array_agg(c.value ORDER BY i DESC))[1] AS value FROM pieces, cells(w) c GROUP BY 1, 2, 3, 4;
CREATE FUNCTION pg_temp.differences(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format('CREATE TEMP TABLE got AS SELECT k, c.* FROM (%s) m (k, w), weir.cells(w) c', query);
	SELECT count(*) INTO result FROM
		((TABLE got EXCEPT ALL TABLE truth) UNION ALL (TABLE truth EXCEPT ALL TABLE got)) d;
	DROP TABLE got;
	RETURN result;
END $$;
SELECT count(*) FROM truth;
SELECT pg_temp.differences('SELECT k, merge(w ORDER BY i) FROM pieces GROUP BY k');
SET enable_hashagg = off;
SELECT pg_temp.differences('SELECT k, merge(w) FROM (SELECT * FROM pieces ORDER BY k, i) s GROUP BY k');
RESET enable_hashagg;
SET enable_sort = off;
SELECT pg_temp.differences('SELECT k, merge(w) FROM pieces GROUP BY k');
SET hash_mem_multiplier = 1;
SET work_mem = '64kB';
SELECT count(*), sum(cell_count(m)) FROM (SELECT i % 6000, merge(w) AS m FROM pieces GROUP BY 1) s;
RESET work_mem;
RESET hash_mem_multiplier;
RESET enable_sort;
-- as a window function every state is used while it grows
SELECT count(*), sum(n) FROM (SELECT cell_count(merge(w) OVER (PARTITION BY k ORDER BY i)) AS n FROM pieces WHERE i <= 600) s;
SELECT cell_count(merge(w) OVER (ORDER BY i ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)) AS n, count(*) FROM pieces WHERE i <= 6 GROUP BY i, w ORDER BY i;
-- in parallel: the last of each cell is not defined, so compare the places
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION pg_temp.is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line LIKE '%Partial%Aggregate%' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT pg_temp.is_parallel('SELECT k, merge(w) FROM pieces GROUP BY k');
SELECT k, cell_count(merge(w)), (SELECT count(*) FROM truth WHERE truth.k = pieces.k) FROM pieces GROUP BY k ORDER BY k;
SELECT cell_count(merge(w)), (SELECT count(*) FROM (SELECT DISTINCT family, qualifier, ts FROM truth) s) FROM pieces;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DROP TABLE pieces;
SELECT pg_temp.error_of('SELECT weir._merge_transition(''{}'', ''{}'')');

--
-- toasted values: inline, compressed, external, both
--
CREATE TEMP TABLE big AS
SELECT merge(widerow('f' || lpad((i % 5)::text, 2, '0'), 'q' || i, repeat(i::text, 100), '2000-01-01'::timestamptz) || widerow('f00', 'q' || i, 'old', '1999-01-01')) AS w
FROM generate_series(1, 1000) i;
CREATE TEMP TABLE toasted (how text, w widerow);
ALTER TABLE toasted ALTER w SET STORAGE external;
INSERT INTO toasted SELECT 'external', w || '{}' FROM big;
INSERT INTO toasted SELECT 'external, one cell', latest(w['f03'], 1) || widerow('g', 'q', repeat('x', 30000), '2000-01-01') FROM big;
INSERT INTO toasted VALUES ('short', '{"f00":{"q5":[[1,"v"]]}}'), ('empty', '{}');
ALTER TABLE toasted ALTER w SET STORAGE main;
INSERT INTO toasted SELECT 'compressed', merge(widerow('f00', 'q' || i, repeat('x', 100), '2000-01-01')) FROM generate_series(1, 20) i;
ALTER TABLE toasted ALTER w SET STORAGE extended;
INSERT INTO toasted SELECT 'compressed and external', w FROM big;
SELECT how, pg_column_size(w) < length(widerow_send(w)) AS smaller, cell_count(w), length(w['f00']['q5']) AS q5, length(w['f01']['q1']) AS q1, length(w['f04']['q999']) AS q999, w['f01']['q2'] AS absent,
	cell_count(w['f03']), length(w['g']['q']) AS g, w ? 'f04' AS f04
FROM toasted ORDER BY how;
SELECT a.how, b.how, a.w = b.w AS equal, widerow_cmp(a.w, b.w) FROM toasted a, toasted b WHERE a.how LIKE '%external' ORDER BY 1, 2;
SELECT count(*) FROM toasted x JOIN big b ON x.w = b.w;
-- every value of a toasted row
SELECT count(*) FROM toasted, cells(w) c WHERE how = 'external' AND w[c.family][c.qualifier] = c.value;
SELECT count(*) FROM toasted, cells(w) c WHERE how = 'external' AND w[c.family][c.qualifier || '\x00'::bytea] IS NULL;
-- of a large value only a small part is read for one cell
CREATE TEMP TABLE large (w widerow);
ALTER TABLE large ALTER w SET STORAGE external;
INSERT INTO large SELECT merge(widerow('f' || i % 3, 'q' || i, repeat('x', 1000), '2000-01-01')) FROM generate_series(1, 2000) i;
CREATE FUNCTION pg_temp.blocks_read(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || query INTO plan;
	plan := plan -> 0 -> 'Plan';
	RETURN (plan ->> 'Shared Hit Blocks')::bigint + (plan ->> 'Shared Read Blocks')::bigint +
		(plan ->> 'Local Hit Blocks')::bigint + (plan ->> 'Local Read Blocks')::bigint;
END $$;
SELECT pg_temp.blocks_read($$SELECT w['f1']['q1999'] FROM large$$) < 60 AS value,
	pg_temp.blocks_read($$SELECT weir.text_value(w, 'f1', 'q1') FROM large$$) < 60 AS text_value,
	pg_temp.blocks_read($$SELECT w['f1']['absent'] FROM large$$) < 60 AS absent,
	pg_temp.blocks_read($$SELECT weir.cell_count(w) FROM large$$) < 15 AS cell_count,
	pg_temp.blocks_read($$SELECT weir.cell_count(w['f1']) FROM large$$) > 200 AS whole;
