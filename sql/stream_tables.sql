-- Tables of unusual kinds as streams, and what happens to them.
\set VERBOSITY terse
SET client_min_messages = warning;

-- A stream without event time is indexed by its first column; there must be one.
CREATE TABLE none ();
SELECT weir.create_stream('none');
CREATE TABLE gone (a int);
ALTER TABLE gone DROP a;
SELECT weir.create_stream('gone');
CREATE TABLE second (a int, b json);
ALTER TABLE second DROP a;
SELECT weir.create_stream('second');
DROP TABLE none, gone, second;

-- Children made by whatever command are refused, those of others are not.
CREATE TABLE s (ts timestamptz NOT NULL, n int);
SELECT weir.create_stream('s', 'ts');
CREATE SCHEMA other CREATE TABLE child () INHERITS (public.s);
CREATE SCHEMA other CREATE TABLE s (ts timestamptz NOT NULL, n int) CREATE TABLE child () INHERITS (s);
CREATE TABLE child () INHERITS (s);
CREATE TABLE child (LIKE s);
ALTER TABLE child INHERIT s;
ALTER TABLE s INHERIT other.s;
ALTER TABLE child INHERIT other.s;
DROP SCHEMA other CASCADE;
DROP TABLE s;

-- A typed table follows its type, and so does the name of the source.
CREATE TYPE event AS (ts timestamptz, device numeric);
CREATE TABLE typed OF event;
SELECT weir.create_stream('typed', 'ts', source => 'device');
ALTER TYPE event RENAME ATTRIBUTE device TO sender CASCADE;
SELECT source FROM weir.streams;
INSERT INTO typed VALUES ('2024-01-01', 1), ('2024-01-02', 2);
CALL weir.drain('typed');
SELECT watermark = '2024-01-01' AS least FROM weir.stat_streams;
TRUNCATE typed;
ALTER TYPE event ALTER ATTRIBUTE sender TYPE money CASCADE;
ALTER TYPE event DROP ATTRIBUTE sender CASCADE;
-- the table alone, as a dump of it restores it: with index and trigger
SELECT pg_get_triggerdef(oid) AS trigger FROM pg_trigger WHERE tgrelid = 'typed'::regclass \gset
SELECT weir.drop_stream('typed');
CREATE INDEX ON typed USING weir_capture (ts);
:trigger;
ALTER TRIGGER weir_refuse_update ON typed RENAME TO refusing;
SELECT weir.create_stream('typed', 'ts');
INSERT INTO typed VALUES ('2024-01-01', 1);
UPDATE typed SET sender = 2;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'typed'::regclass;
DROP TABLE typed;
DROP TYPE event;

-- Sources: texts that no index can hold are told apart, and the same value is
-- one source, whoever consumes, however he likes to see it.
CREATE TABLE t (ts timestamptz NOT NULL, source text);
SELECT weir.create_stream('t', 'ts', source => 'source');
CREATE FUNCTION long_text(n int) RETURNS text LANGUAGE sql AS $$
	SELECT 'ä' || string_agg(md5(i::text), '') || n FROM generate_series(1, 1000) i $$;
INSERT INTO t SELECT timestamptz '2024-01-01' + n * interval '1 hour', long_text(n) FROM generate_series(1, 3) n;
CALL weir.drain('t');
SELECT count(*) AS sources, max(octet_length(source)) < 2000 AS short FROM weir._source;
SELECT watermark = timestamptz '2024-01-01' + interval '1 hour' AS least FROM weir.stat_streams;
INSERT INTO t SELECT timestamptz '2024-01-02' + n * interval '1 hour', long_text(n) FROM generate_series(1, 3) n;
CALL weir.drain('t');
SELECT count(*) AS sources FROM weir._source;
SELECT watermark = timestamptz '2024-01-02' + interval '1 hour' AS least FROM weir.stat_streams;
DROP TABLE t;
CREATE TABLE t (ts timestamptz NOT NULL, source float8, day date);
SELECT weir.create_stream('t', 'ts', source => 'source');
SET extra_float_digits = -15;
INSERT INTO t VALUES ('2024-01-01', 0.1), ('2024-01-02', 0.1000001);
CALL weir.drain('t');
RESET extra_float_digits;
INSERT INTO t VALUES ('2024-01-03', 0.1), ('2024-01-04', 0.1000001);
CALL weir.drain('t');
SELECT watermark = '2024-01-03' AS least FROM weir.stat_streams;
DROP TABLE t;
CREATE TABLE t (ts timestamptz NOT NULL, source timestamptz);
SELECT weir.create_stream('t', 'ts', source => 'source');
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Kolkata';
INSERT INTO t VALUES ('2024-01-01', '2024-01-01 00:00Z');
CALL weir.drain('t');
RESET datestyle;
RESET timezone;
INSERT INTO t VALUES ('2024-01-03', '2024-01-01 00:00Z');
CALL weir.drain('t');
SELECT count(*) AS sources FROM weir._source;
DROP TABLE t;
-- (or as it is written)
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN amount AS numeric;
CREATE TYPE label_range AS RANGE (subtype = text, collation = ignore_case);
CREATE TYPE pair AS (x numeric, y text);
CREATE PROCEDURE merge(type text, texts text[], INOUT sources text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE t (ts timestamptz NOT NULL, source %s)', type);
	PERFORM weir.create_stream('t', 'ts', source => 'source');
	FOR i IN 1 .. cardinality(texts) LOOP
		EXECUTE format('INSERT INTO t VALUES (%L, %L)', date '2024-01-01' + i, texts[i]);
		COMMIT;
		CALL weir.drain('t');
	END LOOP;
	SELECT string_agg(source || ' ' || date_part('day', max_event_time), ', ' ORDER BY max_event_time) INTO sources FROM weir._source;
	DROP TABLE t;
END $$;
CALL merge('numeric', ARRAY['1.0', '2', '1.00', '1', '2.000', 'NaN', '1e0']);
CALL merge('float8', ARRAY['0', '-0', '1e-3', '0.001']);
CALL merge('interval', ARRAY['1 day', '24:00', '1 mon', '30 days']);
CALL merge('text COLLATE ignore_case', ARRAY['a', 'B', 'A', 'b']);
CALL merge('text', ARRAY['a', 'A', 'a']);
CALL merge('int', ARRAY['1', '01', '2']);
CALL merge('numeric[]', ARRAY['{1.0,2}', '{1,2.0}', '{1,3}']);
CALL merge('label_range[]', ARRAY['{"[a,b]"}', '{"[A,B]"}', '{"[a,c]"}']);
CALL merge('nummultirange', ARRAY['{[1.0,2)}', '{[1,2.00)}']);
CALL merge('amount', ARRAY['1.0', '1.00']);
CALL merge('pair', ARRAY['(1.0,a)', '(1.00,a)', '(1.0,a)']);
-- what is stored is not read as what it was not
CREATE TABLE t (ts timestamptz NOT NULL, source text COLLATE ignore_case, domain amount);
SELECT weir.create_stream('t', 'ts', source => 'source');
INSERT INTO t VALUES ('2024-01-01', 'none'), ('2024-01-01', '1.0'), ('2024-01-01', long_text(1));
CALL weir.drain('t');
TRUNCATE t;
ALTER TABLE t ALTER source TYPE numeric USING source::numeric;
INSERT INTO t VALUES ('2024-01-02', '1.00'), ('2024-01-02', '1.0');
CALL weir.drain('t');
INSERT INTO t VALUES ('2024-01-03', '1.00'), ('2024-01-03', '1.000'), ('2024-01-03', '2');
CALL weir.drain('t');
SELECT left(source, 10) AS source, max_event_time::date FROM weir._source ORDER BY source COLLATE "C";
DROP TABLE t;
CREATE TABLE t (ts timestamptz NOT NULL, source amount);
SELECT weir.create_stream('t', 'ts', source => 'source');
INSERT INTO t VALUES ('2024-01-01', 1.0), ('2024-01-01', -1);
CALL weir.drain('t');
TRUNCATE t;
ALTER DOMAIN amount ADD CHECK (value > 0);
INSERT INTO t VALUES ('2024-01-03', 1.00);
CALL weir.drain('t');
SELECT source, max_event_time::date FROM weir._source ORDER BY source;
DROP TABLE t;
DROP FUNCTION long_text;
DROP PROCEDURE merge;
DROP TYPE pair, label_range, amount;
DROP COLLATION ignore_case;

-- Retention deletes what is too old, and nothing else, however times are written
-- where it is done.
CREATE DATABASE weir_retention TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_retention SET datestyle = 'SQL, DMY';
ALTER DATABASE weir_retention SET timezone = 'Asia/Kolkata';
\c weir_retention
SET client_min_messages = warning;
CREATE EXTENSION weir;
CREATE TABLE kept (ts timestamptz NOT NULL);
CREATE TABLE trimmed (ts timestamptz NOT NULL);
SELECT weir.create_stream('kept', 'ts', retention => '5000000 days'), weir.create_stream('trimmed', 'ts', retention => '1 day');
SELECT weir.create_continuous_aggregate('of_kept', 'SELECT count(*) FROM kept'),
	weir.create_continuous_aggregate('of_trimmed', 'SELECT count(*) FROM trimmed');
INSERT INTO kept SELECT '2024-01-10 00:00Z'::timestamptz - n * interval '1 hour' FROM generate_series(0, 49) n;
INSERT INTO trimmed SELECT '2024-01-10 00:00Z'::timestamptz - n * interval '1 hour' FROM generate_series(0, 49) n;
SELECT weir.wait('kept'), weir.wait('trimmed');
DO $$
BEGIN
	FOR i IN 1 .. 6000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM trimmed WHERE ts < '2024-01-09 00:00Z');
		PERFORM pg_sleep(0.02);
		COMMIT;
	END LOOP;
END $$;
SELECT (SELECT count(*) FROM kept) AS kept, (SELECT count(*) FROM trimmed) AS not_trimmed, min(ts) = '2024-01-09 00:00Z' AS exact FROM trimmed;
\c postgres
DROP DATABASE weir_retention (FORCE);
