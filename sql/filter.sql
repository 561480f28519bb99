SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
SET bytea_output = 'hex';
SET timezone = 'UTC';
SET extra_float_digits = 1;

-- what a filter passes of the row of these tests, labels and duplicates included
CREATE TEMP TABLE t AS SELECT '{
	"a": {"": [[5, "empty"]], "q1": [[30, "v3"], [20, "v2"], [10, "v1"]], "q2": [[20, "w2"], [10, "w1"]]},
	"b": {"n": [[7, "\\x0000000000000002"], [6, "\\xffffffffffffffff"]], "q1": [[20, "x2"]]},
	"c.d": {"\\x00ff": [[1, "\\x6c696e650a"]], "z": [[1, ""]]}}'::weir.widerow AS w;
CREATE FUNCTION pg_temp.f(filter weir.filter, row_key text DEFAULT 'row#1') RETURNS text LANGUAGE sql
	AS $$ SELECT array_to_string(weir._filter_cells(w, convert_to(row_key, 'UTF8'), filter), ' ') FROM t $$;
\pset format unaligned
\pset tuples_only on

--
-- Each kind
--
SELECT pg_temp.f(weir.pass_all());
SELECT pg_temp.f(weir.block_all());
SELECT pg_temp.f(weir.family_regex('a|b'));
SELECT pg_temp.f(weir.family_regex('c.d'));
SELECT pg_temp.f(weir.qualifier_regex('q.'));
SELECT pg_temp.f(weir.qualifier_regex(''));
SELECT pg_temp.f(weir.qualifier_regex('\x00\xff'));
SELECT pg_temp.f(weir.value_regex('[vw]2'));
SELECT pg_temp.f(weir.column_range('a', 'q1', 'q2'));
SELECT pg_temp.f(weir.column_range('a', 'q1', 'q2', true, false));
SELECT pg_temp.f(weir.column_range('a', 'q1', 'q2', false, true));
SELECT pg_temp.f(weir.column_range('a', 'q1', 'q1', false, true));
SELECT pg_temp.f(weir.column_range('a'));
SELECT pg_temp.f(weir.column_range('a', '', 'q1', start_open => true));
SELECT pg_temp.f(weir.column_range('a', NULL, 'p'));
SELECT pg_temp.f(weir.column_range('c.d', '\x00'::bytea, '\x00ff'::bytea));
SELECT pg_temp.f(weir.column_range('c.d', '\x00ff'::bytea));
SELECT pg_temp.f(weir.column_range('c.d', 'a', '\xff'::bytea));
SELECT pg_temp.f(weir.column_range('c.d', '\x00'::bytea, 'y'));
SELECT pg_temp.f(weir.timestamp_range('1970-01-01 00:00:00.00001+00', '1970-01-01 00:00:00.00002+00'));
SELECT pg_temp.f(weir.timestamp_range('1970-01-01 00:00:00.00002+00'));
SELECT pg_temp.f(weir.timestamp_range("to" => '1970-01-01 00:00:00.000006+00'));
SELECT pg_temp.f(weir.timestamp_range()) = pg_temp.f(weir.pass_all());
SELECT pg_temp.f(weir.timestamp_range('-infinity', 'infinity')) = pg_temp.f(weir.pass_all());
SELECT pg_temp.f(weir.timestamp_range('infinity', NULL)), pg_temp.f(weir.timestamp_range(NULL, '-infinity')), pg_temp.f(weir.timestamp_range('2000-01-01', '1990-01-01'));
SELECT pg_temp.f(weir.timestamp_range('1900-01-01', '1970-01-01 00:00:00.000006+00'));
SELECT pg_temp.f(weir.value_range('v2', 'w1'));
SELECT pg_temp.f(weir.value_range('v2', 'w1', true, true));
SELECT pg_temp.f(weir.value_range('x'));
SELECT pg_temp.f(weir.value_range('\x00'::bytea, '\x80'::bytea));
SELECT pg_temp.f(weir.value_range('', ''));
SELECT pg_temp.f(weir.value_range('z', 'a'));
SELECT pg_temp.f(weir.cells_per_row_limit(3));
SELECT pg_temp.f(weir.cells_per_row_offset(9));
SELECT pg_temp.f(weir.cells_per_row_offset(0)) = pg_temp.f(weir.pass_all());
SELECT pg_temp.f(weir.cells_per_column_limit(1));
SELECT pg_temp.f(weir.cells_per_column_limit(2));
SELECT pg_temp.f(weir.strip_value());
SELECT pg_temp.f(weir.apply_label('l-1'));
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.cells_per_column_limit(1)));
SELECT pg_temp.f(weir.interleave(weir.family_regex('c\.d'), weir.qualifier_regex('q2')));
SELECT pg_temp.f(weir.condition(weir.value_regex('v3'), weir.family_regex('b'), weir.family_regex('a')));
SELECT pg_temp.f(weir.condition(weir.value_regex('v4'), weir.family_regex('b'), weir.qualifier_regex('q2')));
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.family_regex('b'), weir.pass_all()));

--
-- The rules, by number
--
-- 42: byte-wise, anchored at both ends as a group, case-sensitive
SELECT pg_temp.f(weir.qualifier_regex('q1|n')), pg_temp.f(weir.qualifier_regex('q')), pg_temp.f(weir.qualifier_regex('Q1'));
SELECT pg_temp.f(weir.value_regex('line.')), pg_temp.f(weir.value_regex('line\C')), pg_temp.f(weir.value_regex('\xff{8}'));
-- 43: |a matches the empty string too, an empty pattern only that
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.qualifier_regex('|q2')));
SELECT pg_temp.f(weir.value_regex(''));
-- 44
SELECT weir.value_regex('(');
-- 45: unsigned bytes: big-endian -1 is above 2
SELECT pg_temp.f(weir.value_range('\x0000000000000002'::bytea, NULL::bytea, start_open => true));
-- 46: only cells of the family named
SELECT pg_temp.f(weir.column_range('b', 'q', 'r'));
-- 47: from the newest, and each duplicate counts
SELECT pg_temp.f(weir.chain(weir.interleave(weir.pass_all(), weir.pass_all()), weir.qualifier_regex('q1'), weir.cells_per_column_limit(3)));
-- 48: across columns, duplicates count, past the end nothing
SELECT pg_temp.f(weir.chain(weir.interleave(weir.pass_all(), weir.pass_all()), weir.cells_per_row_offset(1), weir.cells_per_row_limit(3)));
SELECT pg_temp.f(weir.chain(weir.cells_per_row_offset(4), weir.cells_per_row_limit(3)));
SELECT pg_temp.f(weir.cells_per_row_offset(100));
-- 49: the order of filters matters
SELECT pg_temp.f(weir.chain(weir.cells_per_column_limit(1), weir.timestamp_range(NULL, '1970-01-01 00:00:00.000025+00'), weir.family_regex('a')));
SELECT pg_temp.f(weir.chain(weir.timestamp_range(NULL, '1970-01-01 00:00:00.000025+00'), weir.cells_per_column_limit(1), weir.family_regex('a')));
-- 50: interleave keeps duplicates, sorted, in the order of its filters
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.interleave(weir.qualifier_regex('q2'), weir.apply_label('x'), weir.strip_value())));
SELECT pg_temp.f(weir.interleave(weir.block_all(), weir.block_all()));
-- 51: chain and interleave need two
SELECT weir.chain(weir.pass_all());
SELECT weir.interleave(weir.pass_all());
SELECT weir.chain(VARIADIC '{}');
SELECT '["interleave"]'::weir.filter;
-- 53: the predicate sees the row as it reaches the condition; the branch gets that too
SELECT pg_temp.f(weir.chain(weir.family_regex('b'), weir.condition(weir.value_regex('v3'), weir.pass_all(), weir.apply_label('no'))));
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.condition(weir.chain(weir.value_regex('v3'), weir.strip_value()), weir.pass_all())));
SELECT pg_temp.f(weir.condition(weir.block_all(), weir.pass_all())), pg_temp.f(weir.condition(weir.pass_all(), NULL, weir.pass_all()));
-- 54: row filters, limits and transformers in a branch, but no sink
SELECT pg_temp.f(weir.condition(weir.pass_all(), weir.chain(weir.row_key_regex('row.*'), weir.cells_per_row_limit(2), weir.strip_value())));
SELECT weir.condition(weir.pass_all(), weir.sink());
SELECT weir.condition(weir.pass_all(), NULL, weir.chain(weir.pass_all(), weir.interleave(weir.pass_all(), weir.sink())));
SELECT weir.condition(weir.interleave(weir.sink(), weir.pass_all()));
-- 55: sunk cells are touched by no later filter, in or around
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.sink(), weir.block_all()));
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.interleave(weir.pass_all(), weir.chain(weir.apply_label('sunk'), weir.sink())), weir.qualifier_regex('q2')));
SELECT pg_temp.f(weir.chain(weir.interleave(weir.chain(weir.qualifier_regex('q1'), weir.sink()), weir.qualifier_regex('q2')), weir.strip_value(), weir.cells_per_row_limit(1)));
SELECT pg_temp.f(weir.interleave(weir.sink(), weir.sink())) = pg_temp.f(weir.interleave(weir.pass_all(), weir.pass_all()));
SELECT pg_temp.f(weir.sink()) = pg_temp.f(weir.pass_all());
-- 56: one filter that labels in a chain; several in an interleave
SELECT weir.chain(weir.apply_label('a'), weir.apply_label('b'));
SELECT weir.chain(weir.apply_label('a'), weir.chain(weir.pass_all(), weir.apply_label('b')));
SELECT weir.chain(weir.apply_label('a'), weir.interleave(weir.pass_all(), weir.apply_label('b')));
SELECT weir.chain(weir.apply_label('a'), weir.condition(weir.pass_all(), weir.apply_label('b')));
SELECT pg_temp.f(weir.interleave(weir.chain(weir.qualifier_regex('n'), weir.apply_label('a')), weir.chain(weir.qualifier_regex('n'), weir.apply_label('b'))));
-- 57: a later filter sees the stripped value
SELECT pg_temp.f(weir.chain(weir.family_regex('b'), weir.strip_value(), weir.value_regex('')));
SELECT pg_temp.f(weir.chain(weir.family_regex('b'), weir.strip_value(), weir.value_regex('.+')));
-- 58: whole rows
SELECT pg_temp.f(weir.chain(weir.row_key_regex('row#\d'), weir.family_regex('b')), 'row#7');
SELECT pg_temp.f(weir.chain(weir.row_key_regex('row#\d'), weir.family_regex('b')), 'row#77');
SELECT weir.row_sample(0);
SELECT weir.row_sample(1);
SELECT weir.row_sample('NaN');
SELECT weir.row_sample(-0.5);
SELECT bool_and(c IN (0, 11)), avg((c > 0)::int) BETWEEN 0.4 AND 0.6 FROM (SELECT cardinality(weir._filter_cells(w, 'k', weir.row_sample(0.5))) AS c FROM t, generate_series(1, 2000)) x;
-- 59
SELECT weir.cells_per_column_limit(0);
SELECT weir.cells_per_row_limit(0);
SELECT weir.cells_per_row_limit(-1);
SELECT weir.cells_per_row_offset(-1);
-- 60: all bits of the mask; another length is no match, and no error
SELECT pg_temp.f(weir.value_bitmask('\x0000000000000002')), pg_temp.f(weir.value_bitmask('\x8000000000000000')), pg_temp.f(weir.value_bitmask('\x0000000000000000')),
	pg_temp.f(weir.value_bitmask('\x02')), pg_temp.f(weir.value_bitmask('\x'));
SELECT pg_temp.f(weir.value_bitmask('\x7600'));
-- 61: nothing is left of the row
SELECT pg_temp.f(weir.chain(weir.family_regex('a'), weir.family_regex('b')));

--
-- Errors of constructors
--
SELECT weir.family_regex('a:b');
SELECT weir.family_regex('[[:alpha:]]');
SELECT weir.apply_label('');
SELECT weir.apply_label('sixteen-letters-');
SELECT weir.apply_label('fifteen-letters');
SELECT weir.apply_label('Upper');
SELECT weir.apply_label('a_b');
SELECT weir.column_range('');
SELECT weir.column_range('a:b');
SELECT weir.column_range(repeat('f', 65));
SELECT weir.column_range(repeat('f', 64)) IS NOT NULL;
SELECT weir.chain(weir.pass_all(), NULL);
SELECT weir.interleave(NULL, weir.pass_all());
SELECT weir.chain(VARIADIC NULL);
SELECT weir.condition(NULL, weir.pass_all(), weir.pass_all());
SELECT weir.row_key_regex(NULL);
SELECT weir.family_regex(NULL);
SELECT weir.qualifier_regex(NULL);
SELECT weir.value_regex(NULL);
SELECT weir.row_sample(NULL);
SELECT weir.column_range(NULL, 'a', 'b');
SELECT weir.column_range('a', 'a', 'b', NULL, false);
SELECT weir.value_range('a', 'b', false, NULL);
SELECT weir.value_bitmask(NULL);
SELECT weir.cells_per_row_offset(NULL);
SELECT weir.cells_per_row_limit(NULL);
SELECT weir.cells_per_column_limit(NULL);
SELECT weir.apply_label(NULL);

-- depth 20, 20480 bytes
CREATE FUNCTION pg_temp.nested(depth int) RETURNS weir.filter LANGUAGE plpgsql AS $$
DECLARE
	f weir.filter := weir.pass_all();
BEGIN
	FOR i IN 2..depth LOOP
		f := weir.chain(f, weir.pass_all());
	END LOOP;
	RETURN f;
END $$;
SELECT pg_temp.f(pg_temp.nested(20)) = pg_temp.f(weir.pass_all());
\set SHOW_CONTEXT never
SELECT pg_temp.nested(21);
\set SHOW_CONTEXT errors
SELECT pg_temp.nested(20)::text::weir.filter IS NOT NULL;
SELECT (repeat('["chain",["pass_all"],', 20) || '["pass_all"]' || repeat(']', 20))::weir.filter;
SELECT (repeat('[', 1000000) || repeat(']', 1000000))::weir.filter;
SELECT octet_length(weir.filter_send(weir.value_range(repeat('a', 20475), NULL::text)));
SELECT weir.value_range(repeat('a', 20476), NULL::text);
SELECT weir.value_range(repeat('a', 10000000), NULL::text);
SELECT weir.chain(VARIADIC array_fill(weir.pass_all(), ARRAY[20476])) IS NOT NULL;
SELECT weir.chain(VARIADIC array_fill(weir.pass_all(), ARRAY[20477]));
SELECT weir.chain(VARIADIC array_fill(weir.pass_all(), ARRAY[100000]));

--
-- Text
--
CREATE TEMP TABLE filters (n serial, f weir.filter);
INSERT INTO filters (f) VALUES (weir.pass_all()), (weir.block_all()), (weir.sink()), (weir.strip_value()),
	(weir.chain(weir.family_regex('a'), weir.cells_per_column_limit(1))),
	(weir.interleave(weir.pass_all(), weir.block_all(), weir.sink())),
	(weir.condition(weir.pass_all(), weir.block_all(), weir.strip_value())), (weir.condition(weir.pass_all(), NULL, weir.strip_value())),
	(weir.condition(weir.pass_all(), weir.block_all())), (weir.condition(weir.pass_all())),
	(weir.row_key_regex(E'\\x00"\n\\Qé')), (weir.row_sample(0.1)), (weir.row_sample(1e-300)), (weir.qualifier_regex('')), (weir.value_regex('\xff')),
	(weir.column_range('f')), (weir.column_range('f', 'a')), (weir.column_range('f', 'a', '\x00ff'::bytea)), (weir.column_range('f', 'é', '\x\"')), (weir.column_range('f', NULL, 'b', true, true)),
	(weir.column_range('f', NULL, NULL, true)), (weir.value_range()), (weir.value_range('', '\x'::bytea)), (weir.value_range('\x5c78'::bytea)), (weir.value_range('a', NULL, false, true)),
	(weir.timestamp_range()), (weir.timestamp_range('2024-01-01', NULL)), (weir.timestamp_range(NULL, '1969-01-01')), (weir.timestamp_range('1970-01-01', '294276-12-31')),
	(weir.value_bitmask('\x')), (weir.value_bitmask('\x80ff')), (weir.cells_per_row_offset(0)), (weir.cells_per_row_limit(2147483647)), (weir.cells_per_column_limit(1)), (weir.apply_label('a-0'));
SELECT f FROM filters ORDER BY n;
-- in and out again, as text and as binary
SELECT count(*) AS n, count(*) FILTER (WHERE f::text::weir.filter OPERATOR(weir.=) f) AS same FROM filters;
CREATE TEMP TABLE filters2 (LIKE filters);
\set copy_file `echo "/tmp/weir_filter_test.$$"`
COPY filters TO :'copy_file' (FORMAT binary);
COPY filters2 FROM :'copy_file' (FORMAT binary);
SELECT count(*) AS n, count(*) FILTER (WHERE a.f OPERATOR(weir.=) b.f) AS same, count(*) FILTER (WHERE a.f OPERATOR(weir.<>) b.f) AS different FROM filters a JOIN filters2 b USING (n);
\! rm -f /tmp/weir_filter_test.*
SET search_path = weir, public;
SELECT count(*) AS n, count(DISTINCT f::text), (SELECT count(*) FROM (SELECT f FROM filters GROUP BY f) x) FROM filters;
SELECT count(*) FROM filters a JOIN filters b ON a.f = b.f;
RESET search_path;
SELECT weir.filter_send('["chain",["family_regex","a"],["cells_per_column_limit",1]]');
-- other spellings
SELECT ' [ "column_range" , "f" , "\u0061" , null , null , false ] '::weir.filter;
SELECT '["timestamp_range"]'::weir.filter, '["timestamp_range",1]'::weir.filter, '["timestamp_range",null,-1]'::weir.filter, '["value_bitmask","\\xFf"]'::weir.filter;
SELECT '["condition",["pass_all"],null]'::weir.filter;
-- as a parameter, in PL/pgSQL
PREPARE p(weir.filter) AS SELECT pg_temp.f($1);
EXECUTE p('["value_regex","v\\d"]');
DO $$
DECLARE
	f weir.filter := weir.chain('["family_regex","b"]', weir.strip_value());
BEGIN
	RAISE WARNING '% %', f, pg_temp.f(f);
END $$;

CREATE FUNCTION pg_temp.error(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; f weir.filter;
BEGIN
	f := input::weir.filter;
	RETURN 'no error: ' || f;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN state || ' ' || message || ' / ' || detail;
END $$;
SELECT i || ' -> ' || pg_temp.error(i) FROM unnest(ARRAY['', 'x', '[', '["pass_all"', '["pass_all"]x', '{}', '"pass_all"', 'null', '1', '[]', '[1]', '[["pass_all"]]', '["pass_al"]', '["PASS_ALL"]',
	'["pass_all",1]', '["pass_all",null]', '["block_all",["pass_all"]]', '["chain"]', '["chain",["pass_all"]]', '["chain",["pass_all"],"pass_all"]', '["chain",["pass_all"],null]',
	'["chain",["pass_all"],{"a":1}]', '["condition"]', '["condition",null]', '["condition",["pass_all"],true]', '["condition",["pass_all"],null,null,null]', '["condition",["sink"]]',
	'["value_regex"]', '["value_regex",1]', '["value_regex",null]', '["value_regex","("]', '["value_regex","a","b"]', '["value_regex","\u0000"]', '["family_regex","a:"]',
	'["row_sample"]', '["row_sample","0.5"]', '["row_sample",0]', '["row_sample",1.0]', '["row_sample",1e400]', '["column_range"]', '["column_range",1]', '["column_range","a b"]',
	'["column_range","a",1]', '["column_range","a","b","c",1]', '["column_range","a","b","c",true,"x"]', '["column_range","a","b","c",true,true,true]', '["column_range","a","\\x0"]',
	'["value_range","\\xzz"]', '["timestamp_range",1.5]', '["timestamp_range","1"]', '["timestamp_range",9223372036854775808]', '["value_bitmask"]', '["value_bitmask",null]', '["value_bitmask",1]',
	'["cells_per_row_limit"]', '["cells_per_row_limit",0]', '["cells_per_row_limit",1.0]', '["cells_per_row_limit",2147483648]', '["cells_per_column_limit","1"]', '["cells_per_row_offset",-1]',
	'["apply_label"]', '["apply_label",""]', '["apply_label","A"]', '["chain",["apply_label","a"],["apply_label","a"]]']) WITH ORDINALITY u(i, n) ORDER BY n;

-- bytes that are no filter: each prefix, and each single byte changed, of some; a clear error or a filter
CREATE FUNCTION pg_temp.receive(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	f weir.filter;
BEGIN
	f := weir._filter_receive(bytes);
	RETURN CASE WHEN f::text::weir.filter OPERATOR(weir.=) f THEN 'filter' ELSE 'filter changes: ' || f::text END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT pg_temp.receive(weir.filter_send(f)) AS result, count(*) FROM filters GROUP BY 1 ORDER BY 1;
SELECT pg_temp.receive(substr(b, 1, i)) AS result, count(*) > 0 FROM (SELECT weir.filter_send(f) AS b FROM filters) x, generate_series(0, octet_length(b) - 1) i GROUP BY 1 ORDER BY 1;
SELECT pg_temp.receive(b || '\x00') AS result, count(*) FROM (SELECT weir.filter_send(f) AS b FROM filters) x GROUP BY 1 ORDER BY 1;
SELECT pg_temp.receive(set_byte(b, i, v)) AS result, count(*) > 0 FROM (SELECT weir.filter_send(f) AS b FROM filters) x, generate_series(0, octet_length(b) - 1) i, unnest('{0,1,2,3,5,12,20,21,127,128,255}'::int[]) v GROUP BY 1 ORDER BY 1;

--
-- What a reader may leave out
--
SELECT f, weir._filter_needs(f::weir.filter, 'row') FROM unnest(ARRAY[
	'["pass_all"]', '["block_all"]', '["sink"]', '["family_regex","a"]', '["family_regex","a|b"]', '["qualifier_regex","q"]', '["row_key_regex","row"]', '["row_key_regex","x"]',
	'["column_range","a","b","c",true,true]', '["column_range","a","c","b"]', '["column_range","a","c","c",true]', '["column_range","a",null,"",false,true]', '["cells_per_column_limit",2]', '["cells_per_row_limit",5]', '["cells_per_row_offset",5]', '["timestamp_range",1,2]',
	'["chain",["family_regex","a"],["qualifier_regex","q"],["cells_per_column_limit",1]]', '["chain",["qualifier_regex","q"],["family_regex","a"],["value_regex","x"],["cells_per_column_limit",1]]',
	'["chain",["cells_per_column_limit",1],["family_regex","a"]]', '["chain",["cells_per_row_limit",10],["family_regex","a"]]', '["chain",["family_regex","b"],["cells_per_row_offset",1],["qualifier_regex","a"]]',
	'["chain",["family_regex","a"],["family_regex","b"]]', '["chain",["column_range","a","b","m"],["column_range","a","f","z",true]]',
	'["interleave",["column_range","a","b","c"],["column_range","a","c","d"],["family_regex","b"]]', '["interleave",["column_range","a","b","c",false,true],["column_range","a","c","d",true]]', '["interleave",["column_range","b"],["column_range","a","x"],["column_range","a",null,"y"]]',
	'["interleave",["chain",["family_regex","a"],["cells_per_column_limit",3]],["chain",["family_regex","b"],["cells_per_column_limit",1]]]', '["interleave",["family_regex","a"],["value_regex","b"]]',
	'["chain",["interleave",["sink"],["pass_all"]],["family_regex","a"]]', '["chain",["sink"],["block_all"]]', '["chain",["row_key_regex","x"],["sink"]]', '["chain",["interleave",["sink"],["row_key_regex","x"]],["block_all"]]',
	'["condition",["column_range","a","p","p"],["family_regex","b"],["column_range","a","q","q"]]', '["condition",["pass_all"],["family_regex","b"]]', '["condition",["row_key_regex","x"],["pass_all"]]', '["condition",["row_key_regex","x"],null,["family_regex","b"]]',
	'["chain",["family_regex","a"],["condition",["qualifier_regex","q"],["qualifier_regex","r"]],["family_regex","b"]]',
	'["chain",["apply_label","x"],["strip_value"],["row_sample",0.5],["cells_per_column_limit",4]]', '["chain",["timestamp_range",1,2],["cells_per_column_limit",1]]', '["chain",["interleave",["pass_all"],["pass_all"]],["cells_per_column_limit",1]]']) WITH ORDINALITY u(f, n) ORDER BY n;

-- random filters over random rows: leaving out what is not needed changes nothing
CREATE FUNCTION pg_temp.random_filter(seed int, depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r int := abs(hashint4(seed)) % CASE WHEN depth > 0 THEN 20 ELSE 13 END;
	q int := abs(hashint4(seed + 77));
	c text := chr(97 + q % 3);
	d text := chr(97 + q / 3 % 3);
	kids text := '';
BEGIN
	CASE
		WHEN r = 0 THEN RETURN '["pass_all"]';
		WHEN r = 1 THEN RETURN format('["family_regex","%s"]', c);
		WHEN r = 2 THEN RETURN format('["qualifier_regex","%s"]', c);
		WHEN r = 3 THEN RETURN format('["column_range","%s","%s","%s",%s,%s]', chr(97 + q / 9 % 3), least(c, d), greatest(c, d), (q / 27 % 2 = 0)::text, (q / 54 % 2 = 0)::text);
		WHEN r = 4 THEN RETURN format('["cells_per_column_limit",%s]', 1 + q % 2);
		WHEN r = 5 THEN RETURN format('["cells_per_row_limit",%s]', 1 + q % 5);
		WHEN r = 6 THEN RETURN format('["cells_per_row_offset",%s]', q % 3);
		WHEN r = 7 THEN RETURN format('["timestamp_range",%s,%s]', q % 3, 1 + q % 5);
		WHEN r = 8 THEN RETURN format('["value_regex","%s.*"]', c);
		WHEN r = 9 THEN RETURN '["strip_value"]';
		WHEN r = 10 THEN RETURN format('["column_range","%s"]', c);
		WHEN r = 11 THEN RETURN CASE WHEN q % 3 = 0 THEN '["block_all"]' ELSE '["pass_all"]' END;
		WHEN r = 12 THEN RETURN format('["row_key_regex","%s"]', c);
		WHEN r = 19 THEN RETURN format('["condition",%s,%s,%s]', replace(pg_temp.random_filter(seed * 3 + 1, depth - 1), '"sink"', '"pass_all"'),
			replace(pg_temp.random_filter(seed * 3 + 2, depth - 1), '"sink"', '"pass_all"'), replace(pg_temp.random_filter(seed * 3 + 3, depth - 1), '"sink"', '"pass_all"'));
		WHEN r = 18 THEN RETURN '["sink"]';
		ELSE
			FOR i IN 1..2 + q % 2 LOOP
				kids := kids || ',' || pg_temp.random_filter(seed * 3 + i, depth - 1);
			END LOOP;
			RETURN format('["%s"%s]', CASE WHEN r % 2 = 0 THEN 'interleave' ELSE 'chain' END, kids);
	END CASE;
END $$;
CREATE FUNCTION pg_temp.row_of(seed int) RETURNS weir.widerow LANGUAGE sql AS $$
	SELECT weir.merge(weir.widerow(chr(97 + f)::text, convert_to(chr(97 + q), 'UTF8'), convert_to(chr(97 + v) || ts, 'UTF8'), 'epoch'::timestamptz + ts * interval '1 microsecond'))
	FROM generate_series(0, 2) f, generate_series(0, 2) q, generate_series(1, 4) ts, LATERAL (SELECT abs(hashint4(seed * 1000 + f * 100 + q * 10 + ts)) % 4 AS v) x WHERE v < 3 $$;
CREATE TEMP TABLE trials AS SELECT seed, f::weir.filter AS f, r FROM (SELECT seed, pg_temp.random_filter(seed * 1009, 3) AS f, pg_temp.row_of(seed % 50) AS r FROM generate_series(1, 3000) seed OFFSET 0) x;
CREATE FUNCTION pg_temp.cut(r weir.widerow, needs text) RETURNS weir.widerow LANGUAGE plpgsql AS $$
DECLARE
	versions int := substring(needs FROM '; (\d+) versions');
	result weir.widerow;
BEGIN
	IF needs LIKE 'no row%' THEN
		RETURN '{}';
	END IF;
	SELECT coalesce(weir.merge(weir.widerow(c.family, c.qualifier, c.value, c.ts)), '{}') INTO result
	FROM (SELECT *, row_number() OVER (PARTITION BY family, qualifier ORDER BY ts DESC) AS version FROM weir.cells(r)) c
	WHERE (versions IS NULL OR version <= versions) AND
		(needs LIKE '%all columns%' OR EXISTS (
			SELECT FROM regexp_matches(needs, '([abc])([[(])([abc]?),([abc]?)([])])', 'g') m
			WHERE c.family = m[1] AND (m[3] = '' OR convert_from(c.qualifier, 'UTF8') > m[3] OR (m[2] = '[' AND convert_from(c.qualifier, 'UTF8') = m[3]))
				AND (m[4] = '' OR convert_from(c.qualifier, 'UTF8') < m[4] OR (m[5] = ']' AND convert_from(c.qualifier, 'UTF8') = m[4]))));
	RETURN result;
END $$;
SELECT count(*) AS n, count(*) FILTER (WHERE needs NOT LIKE 'all columns') AS saved,
	count(*) FILTER (WHERE weir._filter_cells(r, 'a', f) <> weir._filter_cells(pg_temp.cut(r, needs), 'a', f)) AS wrong,
	count(*) FILTER (WHERE cardinality(weir._filter_cells(r, 'a', f)) > 0) AS passing
FROM (SELECT *, weir._filter_needs(f, 'a') AS needs FROM trials) x;

-- against a filter written in SQL: cells come with their place in the order
CREATE FUNCTION pg_temp.sql_filter(f jsonb, c jsonb, OUT res jsonb, OUT sunk jsonb) LANGUAGE plpgsql AS $$
DECLARE
	name text := f->>0;
	part record;
BEGIN
	res := '[]';
	sunk := '[]';
	IF name = 'pass_all' THEN res := c;
	ELSIF name = 'sink' THEN sunk := c;
	ELSIF name = 'chain' THEN
		res := c;
		FOR i IN 1..jsonb_array_length(f) - 1 LOOP
			SELECT * INTO part FROM pg_temp.sql_filter(f->i, res);
			res := part.res;
			sunk := sunk || part.sunk;
		END LOOP;
	ELSIF name = 'interleave' THEN
		FOR i IN 1..jsonb_array_length(f) - 1 LOOP
			SELECT * INTO part FROM pg_temp.sql_filter(f->i, c);
			res := res || part.res;
			sunk := sunk || part.sunk;
		END LOOP;
		res := pg_temp.sorted(res);
	ELSIF name = 'condition' THEN
		SELECT * INTO part FROM pg_temp.sql_filter(f->1, c);
		SELECT * INTO part FROM pg_temp.sql_filter(CASE WHEN part.res = '[]' THEN f->3 ELSE f->2 END, c);
		res := part.res;
	ELSIF name = 'strip_value' THEN
		res := coalesce((SELECT jsonb_agg(jsonb_set(e, '{3}', '""') ORDER BY n) FROM jsonb_array_elements(c) WITH ORDINALITY u(e, n)), '[]');
	ELSE
		res := coalesce((SELECT jsonb_agg(e ORDER BY n) FROM (
			SELECT e, n, row_number() OVER (PARTITION BY e->0, e->1 ORDER BY n) AS version FROM jsonb_array_elements(c) WITH ORDINALITY u(e, n)) x
			WHERE CASE name
				WHEN 'family_regex' THEN e->>0 = f->>1
				WHEN 'qualifier_regex' THEN e->>1 = f->>1
				WHEN 'row_key_regex' THEN f->>1 = 'a'
				WHEN 'value_regex' THEN left(e->>3, 1) = left(f->>1, 1)
				WHEN 'timestamp_range' THEN (e->>2)::int >= (f->>1)::int AND (e->>2)::int < (f->>2)::int
				WHEN 'cells_per_row_limit' THEN n <= (f->>1)::int
				WHEN 'cells_per_row_offset' THEN n > (f->>1)::int
				WHEN 'cells_per_column_limit' THEN version <= (f->>1)::int
				WHEN 'column_range' THEN e->>0 = f->>1 AND (f->>2 IS NULL OR e->>1 > f->>2 OR (e->>1 = f->>2 AND NOT coalesce((f->>4)::bool, false)))
					AND (f->>3 IS NULL OR e->>1 < f->>3 OR (e->>1 = f->>3 AND NOT coalesce((f->>5)::bool, false)))
				ELSE false END), '[]');
	END IF;
END $$;
CREATE FUNCTION pg_temp.sorted(c jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_agg(e ORDER BY e->>0, e->>1, (e->>2)::int DESC, n), '[]') FROM jsonb_array_elements(c) WITH ORDINALITY u(e, n) $$;
CREATE FUNCTION pg_temp.reference(r weir.widerow, f weir.filter) RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(format('%s:%s@%s=%s', e->>0, e->>1, e->>2, e->>3) ORDER BY n), '{}')
	FROM (SELECT * FROM pg_temp.sql_filter(f::text::jsonb, pg_temp.sorted((SELECT jsonb_agg(jsonb_build_array(family, convert_from(qualifier, 'UTF8'), (extract(epoch FROM ts) * 1000000)::int, convert_from(value, 'UTF8'))) FROM weir.cells(r))))) o,
		jsonb_array_elements(pg_temp.sorted(o.sunk || o.res)) WITH ORDINALITY u(e, n) $$;
SELECT count(*) AS n, count(*) FILTER (WHERE (SELECT array_agg(x ORDER BY x) FROM unnest(weir._filter_cells(r, 'a', f)) x) IS DISTINCT FROM (SELECT array_agg(x ORDER BY x) FROM unnest(pg_temp.reference(r, f)) x)) AS wrong
FROM trials WHERE seed <= 1500;

--
-- weir.apply
--
SELECT weir.apply(w, weir.chain(weir.family_regex('a'), weir.cells_per_column_limit(1))) FROM t;
SELECT weir.apply(w, weir.interleave(weir.qualifier_regex('q2'), weir.chain(weir.qualifier_regex('q2'), weir.strip_value(), weir.apply_label('x')))) FROM t;
SELECT weir.apply(w, weir.block_all()), weir.apply(w, NULL)::text = w::text, weir.apply(NULL, weir.pass_all()) IS NULL, weir.apply('{}', weir.pass_all()) FROM t;
SELECT weir.apply(w, weir.row_key_regex('.*')) FROM t;
-- the filter may change from row to row
SELECT weir.apply(w, f) FROM t, (VALUES (1, weir.qualifier_regex('n')), (2, weir.qualifier_regex('z')), (3, weir.qualifier_regex('n'))) v(n, f) ORDER BY n;
-- a large row
SELECT weir.cell_count(weir.apply(w, weir.chain(weir.column_range('f', 'c1', 'c2'), weir.value_regex('.*7')))) FROM (SELECT weir.merge(weir.widerow('f', convert_to('c' || i % 1000, 'UTF8'), convert_to('v' || i, 'UTF8'), 'epoch'::timestamptz + i * interval '1 microsecond')) AS w FROM generate_series(1, 100000) i) x;
\set VERBOSITY sqlstate
SELECT weir.apply(w, weir.row_key_regex('.*')) FROM t;
SELECT weir.chain(weir.pass_all());
SELECT weir.value_regex('(');
SELECT weir.condition(NULL);
SELECT weir.apply_label('A');
SELECT pg_temp.nested(21);
SELECT weir.value_range(repeat('a', 20476), NULL::text);
SELECT '["pass_al"]'::weir.filter;
