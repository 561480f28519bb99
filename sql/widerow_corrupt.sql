-- weir.widerow: stored bytes that are not a valid row
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
RESET client_min_messages;
SET search_path = weir, public;

-- such casts do not exist outside of this test
CREATE CAST (bytea AS widerow) WITHOUT FUNCTION;
CREATE CAST (widerow AS bytea) WITHOUT FUNCTION;

CREATE FUNCTION pg_temp.out(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN bytes::widerow::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s (%s)', SQLSTATE, SQLERRM, detail);
END $$;

-- numbers in the byte order of the machine: found out from the head of a row
CREATE FUNCTION pg_temp.native(bytes bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT CASE WHEN get_byte('{"f":{"q":[[1,"v"]]}}'::widerow::bytea, 4) = 1
		THEN (SELECT string_agg(substr(bytes, n, 1), '' ORDER BY n DESC) FROM generate_series(1, length(bytes)) n)
		ELSE bytes END $$;
CREATE FUNCTION pg_temp.u(VARIADIC n bigint[]) RETURNS bytea LANGUAGE sql AS $$
	SELECT string_agg(pg_temp.native(substr(int8send(x), 5)), '' ORDER BY o) FROM unnest(n) WITH ORDINALITY t(x, o) $$;
CREATE FUNCTION pg_temp.t(n bigint) RETURNS bytea LANGUAGE sql AS $$
	SELECT pg_temp.native(int8send(n)) $$;

-- the example in widerow.c is right
\set v '\'\\x01000000\'::bytea'
SELECT '{"s": {"t": [[1000, "on"], [5, ""]]}}'::widerow::bytea =
	:v || pg_temp.u(1, 1, 2, 2, 1, 1, 2, 2) || pg_temp.t(1000) || pg_temp.u(2) || pg_temp.t(5) || pg_temp.u(2) || 'st' || 'on' AS same;

SELECT what, pg_temp.out(bytes) FROM (VALUES
	(1, 'empty row', :v || pg_temp.u(0, 0, 0, 0)),
	(2, 'one cell', :v || pg_temp.u(1, 1, 1, 2, 1, 1, 2, 1) || pg_temp.t(1) || pg_temp.u(1) || 'fqv'),
	(10, 'nothing', ''),
	(11, 'half a head', :v || pg_temp.u(0, 0, 0)),
	(12, 'version', '\x02000000' || pg_temp.u(0, 0, 0, 0)),
	(13, 'reserved', '\x01000100' || pg_temp.u(0, 0, 0, 0)),
	(14, 'too many families', :v || pg_temp.u(4294967295, 0, 0, 0)),
	(15, 'too many columns', :v || pg_temp.u(0, 4294967295, 0, 0)),
	(16, 'too many cells', :v || pg_temp.u(0, 0, 4294967295, 0)),
	(17, 'long names', :v || pg_temp.u(0, 0, 0, 4294967295)),
	(18, 'names behind', :v || pg_temp.u(0, 0, 0, 1) || 'x'),
	(19, 'bytes behind', :v || pg_temp.u(0, 0, 0, 0) || 'x'),
	(20, 'columns without family', :v || pg_temp.u(0, 1, 0, 0, 0, 0)),
	(21, 'cells without column', :v || pg_temp.u(0, 0, 1, 0) || pg_temp.t(1) || pg_temp.u(0)),
	(22, 'family without columns', :v || pg_temp.u(1, 0, 0, 1, 1, 0) || 'f'),
	(23, 'column without cells', :v || pg_temp.u(1, 1, 0, 2, 1, 1, 2, 0) || 'fq'),
	(24, 'no family name', :v || pg_temp.u(1, 1, 1, 1, 0, 1, 1, 1) || pg_temp.t(1) || pg_temp.u(1) || 'qv'),
	(25, 'bad family name', :v || pg_temp.u(1, 1, 1, 2, 1, 1, 2, 1) || pg_temp.t(1) || pg_temp.u(1) || ':qv'),
	(26, 'long family name', :v || pg_temp.u(1, 1, 1, 66, 65, 1, 66, 1) || pg_temp.t(1) || pg_temp.u(1) || repeat('f', 65)::bytea || 'qv'),
	(27, 'family name too far', :v || pg_temp.u(1, 1, 1, 2, 3, 1, 2, 1) || pg_temp.t(1) || pg_temp.u(1) || 'fqv'),
	(28, 'families out of order', :v || pg_temp.u(2, 2, 2, 4, 1, 1, 2, 2, 3, 1, 4, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'gfqqvv'),
	(29, 'family twice', :v || pg_temp.u(2, 2, 2, 4, 1, 1, 2, 2, 3, 1, 4, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'ffqqvv'),
	(30, 'family ends backwards', :v || pg_temp.u(2, 2, 2, 4, 2, 1, 1, 2, 3, 1, 4, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'fgqqvv'),
	(31, 'column numbers backwards', :v || pg_temp.u(2, 2, 2, 4, 1, 2, 2, 1, 3, 1, 4, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'fgqqvv'),
	(32, 'fewer columns', :v || pg_temp.u(1, 2, 2, 3, 1, 1, 2, 1, 3, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'fqrvv'),
	(40, 'qualifiers out of order', :v || pg_temp.u(1, 2, 2, 3, 1, 2, 2, 1, 3, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'frqvv'),
	(41, 'qualifier twice', :v || pg_temp.u(1, 2, 2, 3, 1, 2, 2, 1, 3, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'fqqvv'),
	(42, 'qualifier ends backwards', :v || pg_temp.u(1, 1, 1, 1, 1, 1, 0, 1) || pg_temp.t(1) || pg_temp.u(1) || 'fv'),
	(43, 'qualifier too far', :v || pg_temp.u(1, 1, 1, 2, 1, 1, 3, 1) || pg_temp.t(1) || pg_temp.u(1) || 'fqv'),
	(44, 'long qualifier', :v || pg_temp.u(1, 1, 1, 16386, 1, 1, 16386, 1) || pg_temp.t(1) || pg_temp.u(1) || 'f' || repeat('q', 16385)::bytea || 'v'),
	(45, 'names too long', :v || pg_temp.u(1, 1, 1, 3, 1, 1, 2, 1) || pg_temp.t(1) || pg_temp.u(1) || 'fqxv'),
	(46, 'cell numbers too high', :v || pg_temp.u(1, 1, 1, 2, 1, 1, 2, 2) || pg_temp.t(1) || pg_temp.u(1) || 'fqv'),
	(50, 'negative timestamp', :v || pg_temp.u(1, 1, 1, 2, 1, 1, 2, 1) || pg_temp.t(-1) || pg_temp.u(1) || 'fqv'),
	(51, 'timestamps out of order', :v || pg_temp.u(1, 1, 2, 2, 1, 1, 2, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(2) || pg_temp.u(2) || 'fqvv'),
	(52, 'timestamp twice', :v || pg_temp.u(1, 1, 2, 2, 1, 1, 2, 2) || pg_temp.t(1) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(2) || 'fqvv'),
	(53, 'value ends backwards', :v || pg_temp.u(1, 1, 2, 2, 1, 1, 2, 2) || pg_temp.t(2) || pg_temp.u(1) || pg_temp.t(1) || pg_temp.u(0) || 'fqv'),
	(54, 'value too far', :v || pg_temp.u(1, 1, 1, 2, 1, 1, 2, 1) || pg_temp.t(1) || pg_temp.u(2) || 'fqv'),
	(55, 'values too long', :v || pg_temp.u(1, 1, 1, 2, 1, 1, 2, 1) || pg_temp.t(1) || pg_temp.u(1) || 'fqvv')
) AS t(n, what, bytes) ORDER BY n;

-- What reads a value: each of these returns or raises XX001, whatever the
-- bytes are.  And bytes that are shown as a row are exactly those of that row.
CREATE TEMP TABLE operations (statement text);
INSERT INTO operations VALUES
	('SELECT $1::text'), ('SELECT $1::jsonb'), ('SELECT $1::json'), ('SELECT widerow_send($1)'),
	('SELECT $1[''a''][''q'']'), ('SELECT $1[''a''][''r'']'), ('SELECT $1[''bb''][''\x00''::bytea]'), ('SELECT $1[''bb''][''z'']'), ('SELECT $1[''c'']'), ('SELECT $1[''bb'']'),
	('SELECT text_value($1, ''a'', ''q'')'), ('SELECT $1 ->> ''bb:z'''), ('SELECT $1 ? ''bb'''), ('SELECT cell_count($1)'),
	('SELECT count(*) FROM cells($1) c'), ('SELECT count(*) FROM unpack($1) u'),
	('SELECT $1 || ''{"a":{"q":[[1,"x"]]}}'''), ('SELECT ''{"a":{"q":[[1,"x"]]}}'' || $1'), ('SELECT $1 - ''a'''), ('SELECT merge(w) FROM (VALUES ($1), ($1)) v(w)'),
	('SELECT latest($1, 1)'), ('SELECT as_of($1, ''infinity'')'), ('SELECT weir.between($1, NULL, NULL)'),
	('SELECT $1 = ''{"a":{"q":[[1,"x"]]}}'''), ('SELECT $1 < ''{"a":{"q":[[1,"x"]]}}'''), ('SELECT widerow_cmp($1, $1)'), ('SELECT widerow_hash($1), widerow_hash_extended($1, 1)');
CREATE FUNCTION pg_temp.try_all(w widerow) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op text;
	result text := 'value';
BEGIN
	FOR op IN SELECT statement FROM operations LOOP
		BEGIN
			EXECUTE op USING w;
		EXCEPTION
			WHEN data_corrupted THEN
				result := 'XX001';
			WHEN character_not_in_repertoire THEN
				NULL;	-- the value is no text
		END;
	END LOOP;
	IF result = 'value' AND w::text::widerow <> w THEN
		result := 'not canonical: ' || w::text;
	END IF;
	RETURN result;
END $$;

CREATE TEMP TABLE base AS SELECT '{"a": {"q": [[300, "v1"], [2, ""]], "r": [[1, "xyz"]]}, "bb": {"\\x00": [[4, "12"]], "z": [[9, "\\xff"]]}}'::widerow::bytea AS bytes;
SELECT pg_temp.try_all(bytes::widerow) FROM base;
-- every truncation, and some that are too long
SELECT pg_temp.try_all(substr(bytes, 1, n)::widerow) AS result, count(*) FROM base, generate_series(0, length(bytes) - 1) n GROUP BY 1;
SELECT pg_temp.try_all((bytes || substr(bytes, 1, n))::widerow) AS result, count(*) FROM base, generate_series(1, 30) n GROUP BY 1;
-- every change of a bit or a byte
SELECT DISTINCT pg_temp.try_all(set_byte(bytes, n, get_byte(bytes, n) # x)::widerow) AS result
FROM base, generate_series(0, length(bytes) - 1) n, unnest(ARRAY[1, 2, 4, 8, 16, 32, 64, 128, 255]) x ORDER BY 1;
-- random changes of several bytes
SELECT setseed(0.5);
CREATE FUNCTION pg_temp.garble(bytes bytea, changes int) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	FOR i IN 1..changes LOOP
		bytes := set_byte(bytes, floor(random() * length(bytes))::int, (floor(random() * CASE i % 2 WHEN 0 THEN 8 ELSE 256 END))::int);
	END LOOP;
	RETURN bytes;
END $$;
SELECT DISTINCT pg_temp.try_all(pg_temp.garble(bytes, 2 + n % 6)::widerow) AS result FROM base, generate_series(1, 1000) n ORDER BY 1;

-- the same for values out of line, of which slices are fetched
CREATE TEMP TABLE toasted (n int, w widerow);
ALTER TABLE toasted ALTER w SET STORAGE external;
UPDATE base SET bytes = (('{"a": {"x": [[5, "' || repeat('long', 700) || '"]]}}')::widerow || bytes::widerow)::bytea;
INSERT INTO toasted SELECT n, (pg_temp.garble(substr(bytes, 1, 250), 1 + n % 3) || substr(bytes, 251))::widerow FROM base, generate_series(1, 600) n;
INSERT INTO toasted SELECT 1000 + n, substr(bytes, 1, n)::widerow FROM base, generate_series(2100, length(bytes) - 1, 17) n;
SELECT DISTINCT pg_temp.try_all(w) AS result FROM toasted ORDER BY 1;
-- a directory longer than the first slice
UPDATE base SET bytes = ((SELECT merge(widerow('a', repeat('q', n), n, '2000-01-01')) FROM generate_series(1, 120) n) || bytes::widerow)::bytea;
TRUNCATE toasted;
INSERT INTO toasted SELECT n, (pg_temp.garble(substr(bytes, 1, 2400), 1 + n % 3) || substr(bytes, 2401))::widerow FROM base, generate_series(1, 200) n;
SELECT DISTINCT pg_temp.try_all(w) AS result FROM toasted ORDER BY 1;

DROP CAST (bytea AS widerow);
DROP CAST (widerow AS bytea);
