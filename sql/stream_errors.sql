-- What streams refuse, with SQLSTATE, detail and hint; and that a refusal
-- changes nothing.
CREATE FUNCTION refusal(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', state || ': ' || message, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on

CREATE TABLE t (ts timestamptz, d date, n int, g point);
CREATE VIEW v AS SELECT * FROM t;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM t;
CREATE TEMP TABLE tt (ts timestamptz);
CREATE TABLE parent (ts timestamptz);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE p (ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE p1 PARTITION OF p DEFAULT;
CREATE TABLE other (id int PRIMARY KEY);
CREATE TABLE fk (ts timestamptz, id int REFERENCES other ON DELETE SET NULL);
CREATE TABLE fk2 (ts timestamptz, id int REFERENCES other ON UPDATE CASCADE);
CREATE TABLE fk3 (ts timestamptz, id int REFERENCES other ON DELETE CASCADE);

SELECT refusal($$SELECT weir.create_stream(NULL)$$);
SELECT refusal($$SELECT weir.create_stream('nowhere', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream(1::regclass, 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('v', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('mv', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('tt', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('other_pkey', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('pg_class', 'relname')$$);
SELECT refusal($$SELECT weir.create_stream('weir._stream', 'id')$$);
SELECT refusal($$SELECT weir.create_stream('parent', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('child', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('p1', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('fk', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('fk2', 'ts')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'missing')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'd')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'xmin')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', max_out_of_orderness => NULL)$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', max_out_of_orderness => '-1 second')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', max_out_of_orderness => '1 month')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', idle_timeout => '-1 second')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', retention => '1 year')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', max_drift => '-1 day')$$);
SELECT refusal($$SELECT weir.create_stream('t', retention => '1 day')$$);
SELECT refusal($$SELECT weir.create_stream('t', source => 'n')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', source => 'missing')$$);
SELECT refusal($$SELECT weir.create_stream('t', 'ts', source => 'g')$$);
-- the column becomes NOT NULL
INSERT INTO t VALUES (NULL);
SELECT refusal($$SELECT weir.create_stream('t', 'ts')$$);
TRUNCATE t;
-- nothing of all that has left a trace
SELECT count(*) FROM weir._stream;
SELECT count(*) FROM pg_trigger WHERE tgname = 'weir_refuse_update';

DROP VIEW v;
DROP MATERIALIZED VIEW mv;

-- the index
SELECT refusal($$CREATE INDEX ON t USING weir_capture (ts) WHERE n > 1$$);
SELECT refusal($$CREATE INDEX ON t USING weir_capture ((n + 1))$$);
SELECT refusal($$CREATE INDEX ON tt USING weir_capture (ts)$$);
SELECT refusal($$CREATE UNIQUE INDEX ON t USING weir_capture (ts)$$);
SELECT refusal($$CREATE INDEX ON t USING weir_capture (ts, n)$$);
CREATE INDEX wrong ON t USING weir_capture (n);
SELECT refusal($$SELECT weir.create_stream('t', 'ts')$$);
DROP INDEX wrong;

-- an existing stream
SELECT weir.create_stream('t', 'ts');
SELECT refusal($$SELECT weir.create_stream('t', 'ts')$$);
SELECT refusal($$UPDATE t SET n = 1$$);
INSERT INTO t VALUES (now());
SELECT refusal($$UPDATE t SET n = 1$$);
SELECT refusal($$INSERT INTO t VALUES (NULL)$$);
SELECT refusal($$DROP INDEX t_weir$$);
SELECT refusal($$DROP TRIGGER weir_refuse_update ON t$$);
SELECT refusal($$ALTER TABLE t DROP COLUMN ts$$);
SELECT refusal($$SELECT weir.alter_stream('t', max_out_of_orderness => '1 month')$$);
SELECT refusal($$SELECT weir.alter_stream('other', max_out_of_orderness => '1 day')$$);
SELECT refusal($$SELECT weir.alter_stream(NULL)$$);
SELECT refusal($$SELECT weir.drop_stream('other')$$);
SELECT refusal($$SELECT weir.drop_stream(NULL)$$);
SELECT refusal($$SELECT weir.wait('other')$$);
SELECT refusal($$SELECT weir.wait('t', '-1 second')$$);
SELECT refusal($$SELECT weir.advance_watermark('other', now())$$);
SELECT refusal($$SELECT weir.advance_watermark('t', NULL)$$);
SELECT refusal($$CALL weir.drain('t')$$);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT refusal($$SELECT weir.advance_watermark('t', now())$$);
ROLLBACK;

-- rewriting with rows that are not consumed
BEGIN;
INSERT INTO t VALUES (now());
SELECT refusal($$ALTER TABLE t ALTER n TYPE bigint$$);
ROLLBACK;

-- others than the owner
CREATE ROLE regress_weir_writer;
GRANT INSERT ON t TO regress_weir_writer;
GRANT EXECUTE ON FUNCTION refusal TO regress_weir_writer;
SET ROLE regress_weir_writer;
INSERT INTO t VALUES (now());
SELECT refusal($$SELECT weir.create_stream('other', 'ts')$$);
SELECT refusal($$SELECT weir.alter_stream('t', max_out_of_orderness => '1 day')$$);
SELECT refusal($$SELECT weir.drop_stream('t')$$);
SELECT refusal($$SELECT weir.advance_watermark('t', now())$$);
SELECT weir.wait('t');
CALL weir.drain('t');
SELECT regexp_replace(refusal(format($$INSERT INTO weir.%I VALUES (1, 1, '1', now(), 1, 1, NULL, '')$$, relname)), '\d+_\d+$', 'N_0')
FROM pg_class WHERE relname ~ '^_log_\d+_0$' LIMIT 1;
SELECT refusal($$INSERT INTO weir._stream VALUES (9)$$);
SELECT refusal($$SELECT * FROM weir._cursor$$);
RESET ROLE;
REVOKE INSERT ON t FROM regress_weir_writer;
SET ROLE regress_weir_writer;
SELECT refusal($$SELECT weir.wait('t')$$);
RESET ROLE;
DROP TABLE t CASCADE;
DROP TABLE fk, fk2, fk3, other, p, child, parent;
DROP FUNCTION refusal;
DROP ROLE regress_weir_writer;
