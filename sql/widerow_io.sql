-- weir.widerow: text and binary form, casts to and from JSON
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
RESET client_min_messages;
SET search_path = weir, public;
\getenv abs_builddir PG_ABS_BUILDDIR

-- what a cast of the text says: the value, or the error
CREATE FUNCTION pg_temp.try_in(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN input::weir.widerow::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s (%s)', SQLSTATE, SQLERRM, detail);
END $$;

--
-- text form: accepted, and how it is shown
--
SELECT i, pg_temp.try_in(i) FROM unnest(ARRAY[
	'{}',
	' { } ',
	'{"f": {"q": [[0, "v"]]}}',
	'{"f":{"q":[[9223372036854775807,"v"]]}}',
	-- any order comes out sorted: families, qualifiers, newest first
	'{"b":{"2":[[1,"x"]],"10":[[1,"y"],[3,"z"],[2,"w"]]},"a":{"":[[5,""]]},"B":{"q":[[1,"v"]]}}',
	-- what has no cells does not exist
	'{"f":{},"g":{"q":[]},"h":{"q":[[1,"v"]],"r":[]}}',
	-- all characters of a family name, and the longest
	'{"aZ09-_.":{"q":[[1,"v"]]}}',
	'{"' || repeat('f', 64) || '":{"q":[[1,"v"]]}}'
]) WITH ORDINALITY AS t(i, n) ORDER BY n;

--
-- bytes: literal or hexadecimal
--
SELECT i, pg_temp.try_in(format('{"f":{"%s":[[1,"%s"]]}}', i, i)) FROM unnest(ARRAY[
	'',
	'plain',
	'seven77', 'eight888', 'nine99999', 'sixteen161616161', 'seventeen17171717',
	'a\"b', 'a\\b', '\\', '\\y', '\\X41',
	'\\x', '\\x41', '\\x4A4b', '\\x5c78', '\\x5c7841', '\\x5c',
	'\\x00', '\\x6100', '\\x0a', '\\x7e', '\\x7f', '\\x1f', '\\x20',
	'a\u0009b', '\/', '\u0041', '\u00e9', 'é', '€', '😀', '\ud83d\ude00',
	'\\xc3a9', '\\xc3', '\\xc328', '\\xe282ac', '\\xe282', '\\xeda080', '\\xf09f9880', '\\xf8888080', '\\xff',
	'\\xc280', '\\xc29f', '\\xc2a0', '\\xe280a7', '\\xe280a8', '\\xe280a9', '\\xc080',
	'12345678\"', '1234567\"8', '123456789012345\u007f', '12345678\\xé', 'ééééééé\\'
]) WITH ORDINALITY AS t(i, n) ORDER BY n;

--
-- text form: rejected
--
SELECT i, pg_temp.try_in(i) FROM unnest(ARRAY[
	'', 'x', '{', '{"f"}', '{"f":}', '{"f":{"q":[[1,"v"]]}} x', '{"f":{"q":[[1,"v"]]}',
	'null', 'true', '1', '"s"', '[]', '[{}]',
	'{"f":null}', '{"f":1}', '{"f":"v"}', '{"f":[]}', '{"f":[[1,"v"]]}',
	'{"f":{"q":null}}', '{"f":{"q":1}}', '{"f":{"q":"v"}}', '{"f":{"q":{}}}',
	'{"f":{"q":[null]}}', '{"f":{"q":[1]}}', '{"f":{"q":["v"]}}', '{"f":{"q":[{}]}}', '{"f":{"q":[1,"v"]}}',
	'{"f":{"q":[[]]}}', '{"f":{"q":[[1]]}}', '{"f":{"q":[["v"]]}}', '{"f":{"q":[["1","v"]]}}',
	'{"f":{"q":[[1,2]]}}', '{"f":{"q":[[1,null]]}}', '{"f":{"q":[[1,"v",2]]}}', '{"f":{"q":[[1,"v","w"]]}}',
	'{"f":{"q":[[1,["v"]]]}}', '{"f":{"q":[[1,{"v":1}]]}}', '{"f":{"q":[[[1],"v"]]}}',
	'{"f":{"q":[[-1,"v"]]}}', '{"f":{"q":[[-0,"v"]]}}', '{"f":{"q":[[1.0,"v"]]}}', '{"f":{"q":[[1e3,"v"]]}}',
	'{"f":{"q":[[9223372036854775808,"v"]]}}', '{"f":{"q":[[99999999999999999999999,"v"]]}}', '{"f":{"q":[[true,"v"]]}}',
	'{"":{"q":[[1,"v"]]}}', '{"a b":{"q":[[1,"v"]]}}', '{"a:b":{}}', '{"é":{}}', '{"\u0001":{}}',
	'{"f":{"\\x4":[]}}', '{"f":{"\\x4g":[]}}', '{"f":{"q":[[1,"\\x0"]]}}', '{"f":{"q":[[1,"\\x 00"]]}}', '{"f":{"q":[[1,"\\xzz"]]}}',
	'{"f":{"q":[[1,"\u0000"]]}}', '{"f":{"q":[[1,"\ud83d"]]}}', '{"f":{"q":[[1,"\q"]]}}',
	-- nothing may be given twice
	'{"f":{"q":[[1,"v"]]},"f":{"r":[[1,"v"]]}}', '{"f":{"q":[[1,"v"]]},"g":{},"f":{}}', '{"f":{},"f":{}}',
	'{"f":{"q":[[1,"v"]],"q":[[2,"v"]]}}', '{"f":{"q":[[1,"v"]],"q":[]}}', '{"f":{"q":[],"q":[]}}', '{"f":{"q":[[1,"v"]],"\\x71":[[2,"v"]]}}',
	'{"f":{"q":[[1,"v"],[1,"v"]]}}', '{"f":{"\\x00":[[2,"v"],[1,"v"],[2,"w"]]}}', '{"f":{"":[[1,"v"]],"\\x":[]}}'
]) WITH ORDINALITY AS t(i, n) ORDER BY n;

-- as a user sees it
SELECT '{"f":{"q":[[1,"v"]],"q":[[2,"v"]]}}'::widerow;
SELECT '{"f":[1]}'::widerow;
SELECT '{"f":'::widerow;
-- nesting does not overflow the stack
DO $$
BEGIN
	PERFORM repeat('[', 100000)::weir.widerow;
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
END $$;
DO $$
BEGIN
	PERFORM ('{"f":{"q":' || repeat('[', 100000))::weir.widerow;
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
END $$;

--
-- binary form.  The binary form of bytea is its bytes, so a file of bytea is
-- one of wide rows, right or wrong.
--
SELECT widerow_send('{}');
SELECT widerow_send('{"s":{"t":[[1000,"on"]]}}');
SELECT widerow_send('{"f":{"":[[258,""]],"q":[[2,"vw"],[1,"\\x00ff"]]},"g":{"r":[[9223372036854775807,"x"]]}}');

\set binary_file :abs_builddir '/results/widerow.bin'
CREATE TEMP TABLE settings AS SELECT :'binary_file'::text AS binary_file;
CREATE TEMP TABLE received (w widerow);
CREATE FUNCTION pg_temp.recv(bytes bytea) RETURNS widerow LANGUAGE plpgsql AS $$
DECLARE
	file text := (SELECT binary_file FROM settings);
	result weir.widerow;
BEGIN
	EXECUTE format('COPY (SELECT %L::bytea) TO %L (FORMAT binary)', bytes, file);
	DELETE FROM received;
	EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
	SELECT w INTO result FROM received;
	RETURN result;
END $$;
CREATE FUNCTION pg_temp.try_recv(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN pg_temp.recv(bytes)::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s (%s)', SQLSTATE, SQLERRM, detail);
END $$;

-- the parts of a binary form, to craft some
CREATE FUNCTION pg_temp.len(bytes bytea) RETURNS bytea LANGUAGE sql AS
	'SELECT int4send(length(bytes)) || bytes';
CREATE FUNCTION pg_temp.cell(ts bigint, value bytea) RETURNS bytea LANGUAGE sql AS
	'SELECT int8send(ts) || pg_temp.len(value)';
CREATE FUNCTION pg_temp.col(qualifier bytea, VARIADIC cells bytea[]) RETURNS bytea LANGUAGE sql AS
	$$SELECT pg_temp.len(qualifier) || int4send(cardinality(cells)) || string_agg(c, '' ORDER BY n)
	  FROM unnest(cells) WITH ORDINALITY u(c, n)$$;
CREATE FUNCTION pg_temp.fam(family text, VARIADIC columns bytea[]) RETURNS bytea LANGUAGE sql AS
	$$SELECT pg_temp.len(family::bytea) || int4send(cardinality(columns)) || string_agg(c, '' ORDER BY n)
	  FROM unnest(columns) WITH ORDINALITY u(c, n)$$;
CREATE FUNCTION pg_temp.bin(VARIADIC families bytea[]) RETURNS bytea LANGUAGE sql AS
	$$SELECT '\x01'::bytea || int4send(cardinality(families)) || string_agg(f, '' ORDER BY n)
	  FROM unnest(families) WITH ORDINALITY u(f, n)$$;

\set c1 'pg_temp.cell(1,''v'')'
SELECT what, pg_temp.try_recv(bytes) FROM (VALUES
	(1, 'empty row', '\x0100000000'::bytea),
	(2, 'one cell', pg_temp.bin(pg_temp.fam('f', pg_temp.col('q', :c1)))),
	(3, 'more', pg_temp.bin(pg_temp.fam('f', pg_temp.col('', pg_temp.cell(2, '\x00'), pg_temp.cell(0, '')), pg_temp.col('\x00', :c1)),
							pg_temp.fam('f.', pg_temp.col('q', pg_temp.cell(9223372036854775807, 'x'))))),
	(10, 'nothing', ''),
	(11, 'version 0', '\x0000000000'),
	(12, 'version 2', '\x0200000000'),
	(13, 'no count', '\x01000000'),
	(14, 'byte behind', '\x010000000000'),
	(15, 'missing family', '\x0100000001'),
	(16, 'many families', '\x01ffffffff'),
	(17, 'negative length of family', '\x0100000001ffffffff'),
	(18, 'family longer than the rest', '\x01000000010000000566'),
	(19, 'family without columns', '\x01000000010000000166' || int4send(0)),
	(20, 'empty family name', pg_temp.bin(pg_temp.fam('', pg_temp.col('q', :c1)))),
	(21, 'wrong family name', pg_temp.bin(pg_temp.fam('f:', pg_temp.col('q', :c1)))),
	(22, 'longest family name', pg_temp.bin(pg_temp.fam(repeat('f', 64), pg_temp.col('q', :c1)))),
	(23, 'long family name', pg_temp.bin(pg_temp.fam(repeat('f', 65), pg_temp.col('q', :c1)))),
	(24, 'families out of order', pg_temp.bin(pg_temp.fam('g', pg_temp.col('q', :c1)), pg_temp.fam('f', pg_temp.col('q', :c1)))),
	(25, 'family twice', pg_temp.bin(pg_temp.fam('f', pg_temp.col('q', :c1)), pg_temp.fam('f', pg_temp.col('r', :c1)))),
	(30, 'column without cells', '\x01000000010000000166' || int4send(1) || pg_temp.len('q') || int4send(0)),
	(31, 'long qualifier', pg_temp.bin(pg_temp.fam('f', pg_temp.col(convert_to(repeat('q', 16385), 'UTF8'), :c1)))),
	(32, 'negative length of qualifier', '\x01000000010000000166' || int4send(1) || '\xffffffff'),
	(33, 'qualifiers out of order', pg_temp.bin(pg_temp.fam('f', pg_temp.col('r', :c1), pg_temp.col('q', :c1)))),
	(34, 'qualifiers out of order', pg_temp.bin(pg_temp.fam('f', pg_temp.col('qq', :c1), pg_temp.col('q', :c1)))),
	(35, 'qualifier twice', pg_temp.bin(pg_temp.fam('f', pg_temp.col('q', :c1), pg_temp.col('q', pg_temp.cell(0, 'v'))))),
	(36, 'more columns than there are', '\x01000000010000000166' || int4send(2) || pg_temp.col('q', :c1)),
	(40, 'negative timestamp', pg_temp.bin(pg_temp.fam('f', pg_temp.col('q', pg_temp.cell(-1, 'v'))))),
	(41, 'timestamps out of order', pg_temp.bin(pg_temp.fam('f', pg_temp.col('q', pg_temp.cell(1, 'v'), pg_temp.cell(2, 'v'))))),
	(42, 'timestamp twice', pg_temp.bin(pg_temp.fam('f', pg_temp.col('q', pg_temp.cell(1, 'v'), pg_temp.cell(1, 'w'))))),
	(43, 'half a timestamp', '\x01000000010000000166' || int4send(1) || pg_temp.len('q') || int4send(1) || int4send(0)),
	(44, 'negative length of value', '\x01000000010000000166' || int4send(1) || pg_temp.len('q') || int4send(1) || int8send(1) || '\xffffffff'),
	(45, 'value longer than the rest', '\x01000000010000000166' || int4send(1) || pg_temp.len('q') || int4send(1) || int8send(1) || int4send(2) || 'v')
) AS t(n, what, bytes) ORDER BY n;

-- every truncation of a valid form is rejected, and nothing but 22P03
WITH b AS (SELECT widerow_send('{"f":{"":[[258,""]],"q":[[2,"vw"],[1,"\\x00ff"]]},"g":{"r":[[9223372036854775807,"x"]]}}') AS bytes)
SELECT left(pg_temp.try_recv(substr(bytes, 1, n)), 5) AS sqlstate, count(*)
FROM b, generate_series(0, length(bytes) - 1) n GROUP BY 1;

-- every change of a byte is either rejected or makes another valid value
WITH b AS (
	SELECT widerow_send('{"f":{"":[[258,""]],"q":[[2,"vw"]]},"g":{"r":[[1,"x"]]}}') AS bytes
), r AS (
	SELECT pg_temp.try_recv(set_byte(bytes, n, get_byte(bytes, n) # x)) AS result
	FROM b, generate_series(0, length(bytes) - 1) n, unnest(ARRAY[1, 128, 255]) x
)
SELECT CASE WHEN left(result, 1) = '{' THEN 'value' ELSE left(result, 5) END AS result, count(*),
	count(*) FILTER (WHERE left(result, 1) = '{' AND result::widerow::text <> result) AS not_a_value
FROM r GROUP BY 1 ORDER BY 1;

--
-- casts to and from JSON
--
\set w '{"f":{"10":[[1,"é"]],"2":[[9223372036854775807,"a\\"b"],[0,""]],"\\\\x00":[[1,"\\\\xff"]]},"empty":{}}'
SELECT :'w'::widerow::json;
SELECT :'w'::widerow::jsonb;
SELECT '{}'::widerow::json, '{}'::widerow::jsonb, to_jsonb('{}'::widerow), row_to_json(r) FROM (SELECT 1 AS k, :'w'::widerow AS cells) r;
SELECT to_jsonb(r), jsonb_build_object('w', :'w'::widerow), jsonb_agg(cells) FROM (SELECT 1 AS k, :'w'::widerow AS cells) r GROUP BY r;
SELECT :'w'::jsonb::widerow, :'w'::jsonb::widerow = :'w'::widerow AS same;
CREATE FUNCTION pg_temp.try_json(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN input::jsonb::weir.widerow::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s (%s)', SQLSTATE, SQLERRM, detail);
END $$;
SELECT i, pg_temp.try_in(i) = pg_temp.try_json(i) AS same, pg_temp.try_json(i) FROM unnest(ARRAY[
	'{}', '{"f":{"q":[[1,"v"]]}}', '{"f":{"q":[[1e3,"v"]]}}', '{"f":{"q":[[1.5,"v"]]}}', '{"f":{"q":[[1.0,"v"]]}}', '{"f":{"q":[[-1,"v"]]}}',
	'{"f":{"q":[[1e30,"v"]]}}', '[]', '1', '"s"', 'null', 'true', '{"f":null}', '{"f":{"q":true}}', '{"f":{"q":[[1,"v",3]]}}',
	'{"f":{"q":[[1,"v"]],"\\x71":[]}}', '{"f g":{}}', '{"f":{"q":[[1,"\\x0"]]}}', '{"f":{"q":[["v",1]]}}'
]) WITH ORDINALITY AS t(i, n) ORDER BY n;

--
-- round trips of random rows
--
SELECT setseed(0.25);
CREATE FUNCTION pg_temp.random_bytes(max_len int) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	len int := floor(random() * (max_len + 1));
	kind int := floor(random() * 4);
	result bytea := '';
BEGIN
	WHILE length(result) < len LOOP
		result := result || CASE kind
			WHEN 0 THEN set_byte('\x00', 0, floor(random() * 256)::int)
			WHEN 1 THEN convert_to(chr(32 + floor(random() * 95)::int), 'UTF8')
			WHEN 2 THEN convert_to(chr(1 + floor(random() * 2500)::int), 'UTF8')
			ELSE convert_to(substr('\x"é', 1 + floor(random() * 4)::int, 1), 'UTF8')
		END;
	END LOOP;
	RETURN result;
END $$;
CREATE TEMP TABLE rows AS
SELECT n, (SELECT merge(widerow(chr(97 + floor(random() * 3)::int), pg_temp.random_bytes(3), pg_temp.random_bytes(30),
						 to_timestamp(floor(random() * 5))))
		   FROM generate_series(1, 1 + (n % 40)) WHERE n > 0) AS w
FROM generate_series(1, 300) n;
SELECT count(*), sum(cell_count(w)) > 4000 AS many FROM rows;
SELECT count(*) FROM rows WHERE w::text::widerow = w AND w::text::widerow::text = w::text;
SELECT count(*) FROM rows WHERE w::jsonb::widerow = w AND w::text::jsonb = w::jsonb AND w::json::jsonb = w::jsonb;
SELECT count(*) FROM rows WHERE (SELECT merge(widerow(c.family, c.qualifier, c.value, c.ts)) FROM cells(w) c) = w;
SELECT count(*) FROM rows WHERE (SELECT merge(u.cells) FROM unpack(w) u) = w;
SELECT count(*) FROM rows WHERE (SELECT merge(w[f]) FROM unnest(ARRAY['a', 'b', 'c']) f) = w;
CREATE TEMP TABLE copied (LIKE rows);
CREATE FUNCTION pg_temp.copied_unchanged(format text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	file text := (SELECT binary_file FROM settings);
BEGIN
	TRUNCATE copied;
	EXECUTE format('COPY rows TO %L (FORMAT %s)', file, format);
	EXECUTE format('COPY copied FROM %L (FORMAT %s)', file, format);
	RETURN (SELECT count(*) FROM rows JOIN copied USING (n) WHERE rows.w = copied.w);
END $$;
SELECT pg_temp.copied_unchanged('binary'), pg_temp.copied_unchanged('text'), pg_temp.copied_unchanged('csv');

--
-- a database that is not in UTF-8: text means UTF-8 bytes all the same
--
SELECT current_database() AS old_database \gset
CREATE DATABASE weir_latin1 ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C';
\c weir_latin1
SET client_encoding = 'UTF8';
CREATE EXTENSION weir;
SET search_path = weir, public;
SELECT '{"f":{"é":[[1,"ü"]],"\u00e9a":[[1,"plain"]]}}'::widerow AS w \gset
SELECT :'w' AS w, octet_length((:'w'::widerow)['f']['é']), (:'w'::widerow)['f']['\xc3a9'::bytea], :'w'::widerow ->> 'f:é',
	value(:'w', 'f', 'é'), text_value(:'w', 'f', 'é'), text_value(:'w', 'f', 'éa');
SELECT widerow('f', 'é', 'ü', '1970-01-01 00:00:00.000001+00');
SELECT :'w'::widerow::jsonb::widerow = :'w'::widerow;
SELECT row_key('é'), row_key_parts(row_key('é'));
-- not in LATIN1
SELECT text_value('{"f":{"q":[[1,"\\xe282ac"]]}}', 'f', 'q');
SELECT text_value('{"f":{"q":[[1,"\\xff"]]}}', 'f', 'q');
SELECT '{"é":{}}'::widerow;
\c :old_database
DROP DATABASE weir_latin1;
