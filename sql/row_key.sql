-- composite row keys: order, equality, and the way back
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
RESET client_min_messages;
SET search_path = weir, public;
SET timezone = 'UTC';

SELECT row_key('a', -2, NULL);
SELECT row_key(NULL) AS "null", row_key(false) AS "false", row_key(true) AS "true", row_key(0) AS zero, row_key(1) AS one, row_key(255) AS "255", row_key(256) AS "256", row_key(-1) AS minus1, row_key(-256) AS "-256";
SELECT row_key(9223372036854775807), row_key((-9223372036854775808)::bigint), row_key(1::smallint) = row_key(1::bigint) AS same, row_key(-70000) = row_key(-70000::bigint) AS same;
SELECT row_key(0::float4), row_key('-0'::float4), row_key(1.5::float4), row_key(-1.5::float4), row_key('NaN'::float4), row_key('Infinity'::float4), row_key('-Infinity'::float4);
SELECT row_key(0::float8), row_key('-0'::float8), row_key(1.5::float8), row_key(-1.5::float8), row_key('NaN'::float8), row_key('Infinity'::float8), row_key('-Infinity'::float8);
SELECT row_key(0.0), row_key(1.0), row_key(1.00) = row_key(1.0) AS same, row_key(-12345.6789), row_key(10000), row_key(10000.0), row_key(0.0001), row_key('NaN'::numeric), row_key('Infinity'::numeric), row_key('-Infinity'::numeric);
SELECT row_key('2000-01-01'::date), row_key('2000-01-01'::timestamp), row_key('2000-01-01'::timestamptz), row_key('1999-12-31'::date), row_key('infinity'::date), row_key('-infinity'::timestamptz);
SELECT row_key('00112233-4455-6677-8899-aabbccddeeff'::uuid), row_key(''), row_key(''::bytea), row_key('é€'), row_key('\x6100ff'::bytea);
-- kinds of text are one
SELECT row_key('ab') = row_key('ab'::text) AND row_key('ab') = row_key('ab'::varchar) AND row_key('ab') = row_key('ab'::name) AND row_key('ab') = row_key('ab   '::char(5)) AS same;
-- domains are their base types; arrays by VARIADIC; nothing else has elements
CREATE DOMAIN pg_temp.key_part AS int;
CREATE DOMAIN pg_temp.key_part2 AS pg_temp.key_part;
SELECT row_key(7::pg_temp.key_part2) = row_key(7) AS same, row_key(VARIADIC ARRAY[7, NULL, 8]::pg_temp.key_part[]) = row_key(7, NULL, 8) AS same, row_key(VARIADIC ARRAY['a', 'b']) = row_key('a', 'b') AS same, row_key(VARIADIC NULL::int[]) AS "null";

--
-- the way back, whatever the settings
--
CREATE TEMP VIEW parts AS SELECT row_key_parts(row_key(NULL, true, false, 'text', ''::text, 'é', -5, 0, 123456789012345, 0.1::float4, 0.1::float8, -1e300::float8, 'NaN'::float8, 'Infinity'::float4, -0.000123000, 123456.7, 100000000, 'NaN'::numeric,
	'2024-02-29'::date, '0044-03-15 BC'::date, '-infinity'::date, '2024-02-29 12:34:56.789'::timestamp, '2024-02-29 12:34:56.000001+02'::timestamptz, '0044-03-15 12:00:00 BC'::timestamp, 'infinity'::timestamptz,
	'00112233-4455-6677-8899-aabbccddeeff'::uuid, '\x00ff'::bytea, ''::bytea)) AS p;
SELECT unnest(p) FROM parts;
SELECT p AS before FROM parts \gset
SET timezone = 'Asia/Tokyo'; SET datestyle = 'SQL, DMY'; SET extra_float_digits = -5; SET bytea_output = 'escape'; SET intervalstyle = 'sql_standard';
SELECT p = :'before' AS same FROM parts;
RESET timezone; RESET datestyle; RESET extra_float_digits; RESET bytea_output; RESET intervalstyle;
SET timezone = 'UTC';

--
-- order: the rank by key is the rank by value, NULLs first; the rank is the
-- same only for values that are equal
--
SELECT setseed(0.125);
CREATE FUNCTION pg_temp.check_order(what text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($q$
		WITH v AS MATERIALIZED (%1$s),
		ranks AS (SELECT rank() OVER (ORDER BY v NULLS FIRST) AS by_value, rank() OVER (ORDER BY weir.row_key(v)) AS by_key, v, weir.row_key_parts(weir.row_key(v)) AS parts FROM v)
		SELECT %2$L || ': ' || count(*) || ' values, ' || count(*) FILTER (WHERE by_value <> by_key) || ' wrong, ' ||
			count(*) FILTER (WHERE parts[1]::%2$s IS DISTINCT FROM v OR cardinality(parts) <> 1) || ' not restored' FROM ranks
	$q$, query, what) INTO result;
	RETURN result;
END $$;
SELECT pg_temp.check_order('boolean', 'SELECT v FROM unnest(ARRAY[true, NULL, false, true]) v');
SELECT pg_temp.check_order('smallint', 'SELECT v::smallint AS v FROM generate_series(-32768, 32767, 7) v UNION ALL SELECT unnest(ARRAY[-32768, -256, -255, -1, 0, 1, 255, 256, 32767, NULL])::smallint');
SELECT pg_temp.check_order('integer', 'SELECT (s * (1::bigint << b) + d)::int AS v FROM generate_series(0, 30) b, unnest(ARRAY[-1, 1]) s, generate_series(-1, 1) d WHERE b > 0 UNION ALL SELECT (random() * 4e9 - 2e9)::int FROM generate_series(1, 500) UNION ALL SELECT unnest(ARRAY[-2147483648, 2147483647, NULL])');
SELECT pg_temp.check_order('bigint', 'SELECT s * (1::bigint << b) + d AS v FROM generate_series(0, 62) b, unnest(ARRAY[-1, 1]) s, generate_series(-1, 1) d UNION ALL SELECT (random() * 1.8e19 - 0.9e19)::bigint FROM generate_series(1, 500) UNION ALL SELECT unnest(ARRAY[-9223372036854775808, 9223372036854775807, NULL])');
SELECT pg_temp.check_order('real', $$SELECT (s * exp(random() * 170 - 85))::float4 AS v FROM generate_series(1, 500), unnest(ARRAY[-1, 1]) s UNION ALL SELECT unnest(ARRAY[0, '-0', 1, -1, 'NaN', 'Infinity', '-Infinity', 1.4e-45, -1.4e-45, 3.4028235e38, -3.4028235e38, 0.1, NULL]::float4[])$$);
SELECT pg_temp.check_order('double precision', $$SELECT s * exp(random() * 1400 - 700) AS v FROM generate_series(1, 500), unnest(ARRAY[-1, 1]) s UNION ALL SELECT unnest(ARRAY[0, '-0', 1, -1, 'NaN', 'Infinity', '-Infinity', 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 0.1, NULL]::float8[])$$);
SELECT pg_temp.check_order('numeric', $$SELECT s * round((random() * power(10::numeric, n))::numeric, d) AS v FROM generate_series(-8, 30) n, generate_series(0, 12) d, unnest(ARRAY[-1, 1]) s
	UNION ALL SELECT s * (a + b)::numeric FROM unnest(ARRAY[0, 1, 9999, 10000, 10001, 99999999, 100000000]) a, unnest(ARRAY[0, 0.1, 0.10, 0.0001, 0.00010000, 0.00001, 0.9999, 0.99999]) b, unnest(ARRAY[-1, 1]) s
	UNION ALL SELECT unnest(ARRAY['NaN', 'Infinity', '-Infinity', '0.000', '1e-1000', '-1e-1000', '1e1000', '-1e1000', '1.5', '1.50001', '-1.5', '-1.50001', NULL]::numeric[])$$);
SELECT pg_temp.check_order('date', $$SELECT '2000-01-01'::date + (random() * 1000000 - 500000)::int AS v FROM generate_series(1, 500) UNION ALL SELECT unnest(ARRAY['-infinity', 'infinity', '4713-01-01 BC', '5874897-12-31', '1999-12-31', '2000-01-01', '2000-01-02', NULL]::date[])$$);
SELECT pg_temp.check_order('timestamp', $$SELECT '2000-01-01'::timestamp + (random() * 1e6 - 5e5) * interval '1 day 1.000001 seconds' AS v FROM generate_series(1, 500) UNION ALL SELECT unnest(ARRAY['-infinity', 'infinity', '4713-01-01 BC', '294276-12-31 23:59:59.999999', '1999-12-31 23:59:59.999999', '2000-01-01', '2000-01-01 00:00:00.000001', NULL]::timestamp[])$$);
SELECT pg_temp.check_order('timestamptz', $$SELECT '2000-01-01'::timestamptz + (random() * 1e6 - 5e5) * interval '1 day 1.000001 seconds' AS v FROM generate_series(1, 500) UNION ALL SELECT unnest(ARRAY['-infinity', 'infinity', '4713-01-01 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', '1999-12-31 23:59:59.999999+00', '2000-01-01', '2000-01-01 00:00:00.000001+00', NULL]::timestamptz[])$$);
SELECT pg_temp.check_order('uuid', 'SELECT md5(n::text)::uuid AS v FROM generate_series(1, 300) n UNION ALL SELECT NULL');
SELECT pg_temp.check_order('text', $$SELECT (array_to_string(ARRAY(SELECT substr(E'aAb\u00e9\u20ac\U0001F600\u0001', 1 + floor(random() * 7)::int, 1) FROM generate_series(1, n % 6)), '')) COLLATE "C" AS v FROM generate_series(1, 800) n UNION ALL SELECT unnest(ARRAY['', 'a', 'aa', 'b', NULL])$$);
CREATE FUNCTION pg_temp.some_bytes(n int) RETURNS bytea LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(substr('\x0001fe4161ff'::bytea, 1 + floor(random() * 6)::int, 1), ''), '') FROM generate_series(1, n) $$;
SELECT pg_temp.check_order('bytea', 'SELECT pg_temp.some_bytes(n % 5) AS v FROM generate_series(1, 1500) n UNION ALL SELECT NULL');

-- several parts: in the order of the first, then of the second, then the shorter
CREATE TEMP TABLE tuples AS
SELECT CASE WHEN n % 11 > 0 THEN pg_temp.some_bytes(n % 4) END AS a, CASE WHEN n % 7 > 0 THEN (n * 7919 % 600 - 300) END AS b,
	CASE WHEN n % 5 > 0 THEN (ARRAY['', 'a', 'ab', 'b', E'\u00ff'])[1 + n % 5] END COLLATE "C" AS c, CASE WHEN n % 3 > 0 THEN (n % 13 - 6) / 4.0 END AS d
FROM generate_series(1, 3000) n;
SELECT count(*) FROM (SELECT rank() OVER (ORDER BY a NULLS FIRST, b NULLS FIRST, c NULLS FIRST, d NULLS FIRST) AS by_value, rank() OVER (ORDER BY row_key(a, b, c, d)) AS by_key FROM tuples) s WHERE by_value <> by_key;
SELECT count(*) FROM (SELECT rank() OVER (ORDER BY d NULLS FIRST, c NULLS FIRST, a NULLS FIRST) AS by_value, rank() OVER (ORDER BY row_key(d, c, a)) AS by_key FROM tuples) s WHERE by_value <> by_key;
-- the key of the first parts is a prefix of just the keys that begin with them
SELECT count(*) FILTER (WHERE (x.a IS NOT DISTINCT FROM y.a) <> (substr(row_key(y.a, y.b), 1, length(row_key(x.a))) = row_key(x.a))) AS wrong, count(*) > 10000 AS many
FROM (SELECT DISTINCT a FROM tuples) x, (SELECT DISTINCT ON (a, b) a, b FROM tuples LIMIT 200) y;
SELECT count(*) FILTER (WHERE ((x.d, x.c) IS NOT DISTINCT FROM (y.d, y.c)) <> (substr(row_key(y.d, y.c, y.a), 1, length(row_key(x.d, x.c))) = row_key(x.d, x.c))) AS wrong, count(*) > 10000 AS many
FROM (SELECT DISTINCT d, c FROM tuples) x, (SELECT DISTINCT d, c, a FROM tuples) y;

-- values of different types are never one key, and each key has one way back
WITH k(type, key) AS (
	SELECT 'text', row_key(chr(64 + n), '') FROM generate_series(1, 50) n UNION ALL SELECT 'bytea', row_key(convert_to(chr(64 + n), 'UTF8'), '') FROM generate_series(1, 50) n
	UNION ALL SELECT 'text1', row_key(chr(64 + n)) FROM generate_series(1, 50) n UNION ALL SELECT 'int', row_key(n) FROM generate_series(-50, 50) n UNION ALL SELECT 'numeric', row_key(n::numeric) FROM generate_series(-50, 50) n
	UNION ALL SELECT 'float4', row_key(n::float4) FROM generate_series(-50, 50) n UNION ALL SELECT 'float8', row_key(n::float8) FROM generate_series(-50, 50) n UNION ALL SELECT 'bool', row_key(n > 0) FROM generate_series(0, 1) n
	UNION ALL SELECT 'date', row_key('2000-01-01'::date + n) FROM generate_series(-50, 50) n UNION ALL SELECT 'timestamp', row_key('2000-01-01'::timestamp + n * interval '1 us') FROM generate_series(-50, 50) n
	UNION ALL SELECT 'timestamptz', row_key('2000-01-01'::timestamptz + n * interval '1 us') FROM generate_series(-50, 50) n UNION ALL SELECT 'null', row_key(NULL) UNION ALL SELECT 'nulls', row_key(NULL, NULL)
	UNION ALL SELECT 'int int', row_key(n, n) FROM generate_series(-50, 50) n UNION ALL SELECT 'uuid', row_key(md5(n::text)::uuid) FROM generate_series(1, 50) n
)
SELECT count(*), count(DISTINCT key) = count(*) AS all_different, count(row_key_parts(key)) = count(*) AS all_decoded FROM k;

--
-- rejected
--
CREATE FUNCTION pg_temp.try(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
	hint text;
BEGIN
	EXECUTE 'SELECT ' || expression INTO result;
	RETURN CASE WHEN length(result) > 100 THEN length(result) || ' characters' ELSE result END;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT e, pg_temp.try(e) FROM unnest(ARRAY[
	'weir.row_key()', 'weir.row_key(VARIADIC ARRAY[]::text[])', 'weir.row_key(ARRAY[1])', 'weir.row_key(''1 day''::interval)', 'weir.row_key(''{}''::jsonb)', 'weir.row_key(ROW(1))', 'weir.row_key(VARIADIC ARRAY[''1 day''::interval])',
	'weir.row_key(repeat(''x'', 2045))', 'weir.row_key(repeat(''x'', 2046))', 'weir.row_key(repeat(''x'', 100000))', 'weir.row_key(repeat(''x'', 2000), repeat(''x'', 100))', 'weir.row_key(''\x00''::bytea || repeat(''x'', 2044)::bytea)',
	'weir.row_key(1e-16383)', 'weir.row_key(1e10000)', 'weir.row_key(repeat(''9'', 4100)::numeric)',
	'weir.row_key_parts('''')', 'weir.row_key_parts(''\x00'')', 'weir.row_key_parts(''\x04'')', 'weir.row_key_parts(''\x0101ff'')', 'weir.row_key_parts(''\x19'')', 'weir.row_key_parts(''\x1900'')', 'weir.row_key_parts(''\x1a00ff'')',
	'weir.row_key_parts(''\x17ff'')', 'weir.row_key_parts(''\x16ff00'')', 'weir.row_key_parts(''\x208000000000000000'')', 'weir.row_key_parts(''\x107fffffffffffffff'')', 'weir.row_key_parts(''\x107ffffffffffffffe'')', 'weir.row_key_parts(''\x21'')',
	'weir.row_key_parts(''\x247fffffff'')', 'weir.row_key_parts(''\x24ffc00001'')', 'weir.row_key_parts(''\x2400000000'')', 'weir.row_key_parts(''\x257fffffffffffffff'')', 'weir.row_key_parts(''\x25ffffffffffffffff'')', 'weir.row_key_parts(''\x25ff'')',
	'weir.row_key_parts(''\x28'')', 'weir.row_key_parts(''\x2800'')', 'weir.row_key_parts(''\x2807'')', 'weir.row_key_parts(''\x28048000'')', 'weir.row_key_parts(''\x280480000000'')', 'weir.row_key_parts(''\x280480000001'')', 'weir.row_key_parts(''\x2804800000030000'')',
	'weir.row_key_parts(''\x280480004e20'')', 'weir.row_key_parts(''\x280480004e1e'')', 'weir.row_key_parts(''\x280480000003'')', 'weir.row_key_parts(''\x280400000002'')', 'weir.row_key_parts(''\x2804ffff0002'')', 'weir.row_key_parts(''\x2802000001ff'')',
	'weir.row_key_parts(''\x3000000001'')', 'weir.row_key_parts(''\x30fffffffe'')', 'weir.row_key_parts(''\x310000000000000001'')', 'weir.row_key_parts(''\x32fffffffffffffffe'')', 'weir.row_key_parts(''\x3200'')', 'weir.row_key_parts(''\x380011'')',
	'weir.row_key_parts(''\x40'')', 'weir.row_key_parts(''\x4061'')', 'weir.row_key_parts(''\x406100'')', 'weir.row_key_parts(''\x40610000'')', 'weir.row_key_parts(''\x40610002'')', 'weir.row_key_parts(''\x4000ff0001'')', 'weir.row_key_parts(''\x40ff0001'')', 'weir.row_key_parts(''\x41ff00ff0001'')',
	'weir.row_key_parts(''\x42'')', 'weir.row_key_parts(''\xff'')', 'weir.row_key_parts(decode(repeat(''01'', 2048), ''hex''))', 'weir.row_key_parts(decode(repeat(''01'', 2049), ''hex''))'
]) WITH ORDINALITY AS t(e, n) ORDER BY n;

-- changed and random bytes are another key or an error, nothing else
CREATE FUNCTION pg_temp.outcome(key bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM weir.row_key_parts(key);
	RETURN 'parts';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
WITH k(key) AS (SELECT row_key(NULL, true, 'text', -5, 123456789, 0.1::float4, -0.1::float8, -0.000123000, 123456.7, '2024-02-29'::date, '2024-02-29 12:34:56.789'::timestamp, now(), md5('x')::uuid, '\x00ff'::bytea))
SELECT DISTINCT pg_temp.outcome(set_byte(key, n, get_byte(key, n) # x)) FROM k, generate_series(0, length(key) - 1) n, unnest(ARRAY[1, 2, 4, 8, 16, 32, 64, 128, 255]) x ORDER BY 1;
SELECT DISTINCT pg_temp.outcome(set_byte(decode(md5(n::text) || md5((-n)::text), 'hex'), 0, (ARRAY[1, 2, 16, 23, 25, 32, 36, 37, 40, 48, 49, 50, 56, 64, 65])[1 + n % 15])) FROM generate_series(1, 3000) n ORDER BY 1;
