-- Sets of distinct values, of every kind of type: beside the server's own
-- DISTINCT, across ticks, panes, sessions and merging.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_distinct TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_distinct SET weir.start_workers = off;
\c weir_distinct
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

-- The expression that makes a value of the type from a number, so that some
-- numbers give values that are equal, or equal but not the same.
CREATE TYPE mood AS ENUM ('sad', 'calm', 'glad');
ALTER TYPE mood ADD VALUE 'grim' BEFORE 'sad';
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE TYPE pair AS (a int, b numeric);
DO $$
BEGIN
    CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN feature_not_supported THEN
    CREATE COLLATION nocase (provider = libc, locale = 'C');
END $$;
DO $$
BEGIN
    CREATE EXTENSION citext;
EXCEPTION WHEN undefined_file OR feature_not_supported THEN
    CREATE DOMAIN citext AS text;
END $$;
CREATE TABLE kinds (name text, expr text);
INSERT INTO kinds VALUES
    ('bool', 'n % 3 = 1'),
    ('char', '("char" (n % 256 - 128))'),
    ('int2', '(n - 500)::int2'),
    ('int4', 'CASE n % 4 WHEN 0 THEN 2147483647 - n WHEN 1 THEN n - 2147483648 ELSE n - 100 END::int'),
    ('int8', 'CASE n % 5 WHEN 0 THEN 9223372036854775807 - n WHEN 1 THEN -9223372036854775807 - 1 + n ELSE (n - 100) * 1000003::int8 END'),
    ('oid', '(4294967295 - n * n)::oid'),
    ('date', 'CASE n % 50 WHEN 0 THEN ''infinity'' WHEN 1 THEN ''-infinity'' ELSE ''2024-01-01''::date + n END::date'),
    ('timestamptz', '''2024-01-01''::timestamptz + n * interval ''1 s'''),
    ('money', '(n - 300)::numeric::money'),
    ('enum', '(enum_range(NULL::mood))[1 + n % 4]'),
    ('domain', '(2 * n)::even'),
    ('float4', 'CASE n % 4 WHEN 0 THEN ''-0'' WHEN 1 THEN ''0'' WHEN 2 THEN ''NaN'' ELSE (n / 3.0)::text END::float4'),
    ('float8', 'CASE n % 4 WHEN 0 THEN ''-0'' WHEN 1 THEN ''0'' WHEN 2 THEN ''-Infinity'' ELSE (n / 3.0)::text END::float8'),
    ('numeric', 'CASE n % 3 WHEN 0 THEN n / 3 WHEN 1 THEN (n / 3)::numeric(20, 5) ELSE n / 7.0 END::numeric'),
    ('uuid', 'md5(n::text)::uuid'),
    ('interval', 'CASE n % 2 WHEN 0 THEN make_interval(days => n / 2) ELSE make_interval(hours => n / 2 * 24) END'),
    ('macaddr', '(''08:00:2b:01:'' || to_hex(16 + n % 200) || '':'' || to_hex(16 + n / 200))::macaddr'),
    ('name', '(''n'' || n)::name'),
    ('text', 'CASE n % 97 WHEN 0 THEN repeat(n::text, 1000) WHEN 1 THEN '''' ELSE ''text '' || n END'),
    ('nocase', 'CASE n % 3 WHEN 0 THEN ''word '' || n / 3 WHEN 1 THEN ''WORD '' || n / 3 ELSE ''Word '' || n END COLLATE nocase'),
    ('citext', '(CASE n % 3 WHEN 0 THEN ''word '' WHEN 1 THEN ''WORD '' ELSE ''Word '' END || n / 3)::citext'),
    ('bytea', 'decode(md5((n % 700)::text), ''hex'')'),
    ('bit', '(n % 300)::bit(12)::varbit'),
    ('inet', '(''10.0.'' || n % 256 || ''.'' || n / 256 || ''/24'')::inet'),
    ('jsonb', 'jsonb_build_object(''n'', n % 400)'),
    ('jsonb_number', 'to_jsonb(CASE n % 2 WHEN 0 THEN n / 2 ELSE (n / 2)::numeric(20, 2) END)'),
    ('array', 'ARRAY[n % 30, NULL, n / 30]'),
    ('array_numeric', 'ARRAY[CASE n % 2 WHEN 0 THEN n / 2 ELSE (n / 2)::numeric(20, 2) END, NULL]'),
    ('array_float', 'ARRAY[CASE n % 4 WHEN 0 THEN ''-0'' WHEN 1 THEN ''0'' WHEN 2 THEN ''NaN'' ELSE n::text END::float8]'),
    ('range', 'int4range(n % 20, n % 20 + n / 20)'),
    ('composite', 'row(n / 2, CASE n % 2 WHEN 0 THEN 1 ELSE 1.00 END)::pair'),
    ('composite_null', 'row(nullif(n % 50, 7), CASE n % 3 WHEN 0 THEN NULL ELSE n % 7 END)::pair'),
    ('tsvector', 'to_tsvector(''simple'', ''a b'' || n % 500)');

-- A row each number; the same numbers come again in other ticks.
CREATE TABLE ev (at timestamptz NOT NULL, k int NOT NULL, n int);
SELECT weir.create_stream('ev', 'at', max_out_of_orderness => '10 days');
CREATE FUNCTION query(window_call text, expr text) RETURNS text LANGUAGE sql AS $$
    SELECT format('SELECT window_start, window_end, k, count(DISTINCT %2$s) AS several, count(DISTINCT %2$s) FILTER (WHERE n %% 2 = 0) AS some,
        count(*) AS n FROM ev, %1$s w GROUP BY window_start, window_end, k', window_call, expr) $$;
CREATE VIEW windows AS SELECT * FROM (VALUES ('tumble', 'weir.tumble(at, ''1 hour'')'), ('hop', 'weir.hop(at, ''1 hour'', ''3 hours'')')) x (wname, wcall);
-- a kind of set each in the hopping windows
CREATE VIEW aggs AS SELECT name || '_' || wname AS agg, query(wcall, expr) AS q FROM kinds, windows WHERE wname = 'tumble' OR name IN ('int8', 'float8', 'numeric', 'text', 'nocase', 'tsvector');
SELECT count(weir.create_continuous_aggregate(agg, q)) FROM aggs;
SELECT weir.create_continuous_aggregate('sessions', $$
    SELECT window_start, window_end, k, count(DISTINCT n) AS several, sum(DISTINCT n::numeric), count(DISTINCT 'n' || n % 5) FILTER (WHERE n > 3) AS texts,
        avg(DISTINCT CASE n % 2 WHEN 0 THEN n / 4 ELSE (n / 4)::numeric(20, 3) END) FROM ev, weir.session(at, '1 minute') w GROUP BY window_start, window_end, k $$);
CREATE FUNCTION differences() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    wrong text := '';
    d bigint;
BEGIN
    FOR r IN SELECT * FROM aggs LOOP
        EXECUTE format('WITH a AS MATERIALIZED (TABLE %I), b AS MATERIALIZED (%s) SELECT (SELECT count(*) FROM (TABLE a EXCEPT ALL TABLE b) x) + (SELECT count(*) FROM (TABLE b EXCEPT ALL TABLE a) x)', r.agg, r.q) INTO d;
        IF d <> 0 THEN
            wrong := wrong || r.agg || ' ' || d || ' ';
        END IF;
    END LOOP;
    RETURN coalesce(nullif(wrong, ''), 'none');
END $$;

-- no set, an empty one, small ones, then large ones; NULLs
SELECT differences();
INSERT INTO ev VALUES ('2024-01-01 00:10', 1, NULL), ('2024-01-01 01:10', 1, NULL), ('2024-01-01 00:10', 2, 7);
CALL weir.drain('ev');
SELECT differences();
INSERT INTO ev SELECT '2024-01-01'::timestamptz + n % 4 * interval '37 minutes', 1 + n % 3, nullif(n, 11) FROM generate_series(1, 30) n;
CALL weir.drain('ev');
SELECT differences();
INSERT INTO ev SELECT '2024-01-01'::timestamptz + n % 10 * interval '20 minutes', 1 + (n / 10) % 2, n / 3 FROM generate_series(1, 1500) n;
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-01'::timestamptz + n % 7 * interval '30 minutes', 1 + (n / 10) % 2, n / 2 FROM generate_series(1, 1000) n;
-- not consumed yet, then consumed
SELECT differences();
CALL weir.drain('ev');
SELECT differences();
-- merged: six more runs
DO $$
BEGIN
    FOR i IN 1 .. 6 LOOP
        INSERT INTO ev SELECT '2024-01-01'::timestamptz + n % 5 * interval '30 minutes', n % 3, n * i FROM generate_series(0, 40) n;
        COMMIT;
        CALL weir.drain('ev');
    END LOOP;
END $$;
SELECT differences();
SELECT count(*) FROM aggs WHERE weir._maintain_aggregate(agg);
SELECT differences();
CREATE VIEW plain_sessions AS
    SELECT min(at), max(at) + interval '1 minute', k, count(DISTINCT n), sum(DISTINCT n::numeric), count(DISTINCT 'n' || n % 5) FILTER (WHERE n > 3) AS texts,
        avg(DISTINCT CASE n % 2 WHEN 0 THEN n / 4 ELSE (n / 4)::numeric(20, 3) END) FROM ev GROUP BY k, at;
SELECT (SELECT count(*) FROM (TABLE sessions EXCEPT ALL TABLE plain_sessions) x) AS more, (SELECT count(*) FROM (TABLE plain_sessions EXCEPT ALL TABLE sessions) x) AS fewer,
    count(*) > 20 AS many FROM sessions;
-- closed
SELECT weir.advance_watermark('ev', '2024-01-02');
SELECT differences();
SELECT count(*) > 0 AS closed, (SELECT count(*) FROM weir._state_1) AS state FROM text_hop_closed;

-- other functions than count: called in the order of the values
CREATE FUNCTION chain_step(state text, value int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT coalesce(state || ',', '') || coalesce(value::text, 'null') $$;
CREATE FUNCTION chain_both(a text, b text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT a || b $$;
CREATE AGGREGATE chain(int) (SFUNC = chain_step, STYPE = text, COMBINEFUNC = chain_both);
SELECT weir.create_continuous_aggregate('other', $$
    SELECT k, sum(DISTINCT n::float8 / 3) AS s, avg(DISTINCT n) AS a, min(DISTINCT n::text), max(DISTINCT n), chain(DISTINCT n % 20 - 10) AS c, bool_or(DISTINCT n % 2 = 0) FROM ev GROUP BY k $$);
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-03', n % 4, n FROM generate_series(3000, 3010) n;
CALL weir.drain('ev');
CREATE VIEW plain_other AS SELECT k, sum(DISTINCT n::float8 / 3) AS s, avg(DISTINCT n) AS a, min(DISTINCT n::text), max(DISTINCT n), chain(DISTINCT n % 20 - 10) AS c, bool_or(DISTINCT n % 2 = 0) FROM ev GROUP BY k;
SELECT count(*) FROM (TABLE other EXCEPT ALL TABLE plain_other) x;
SELECT k, c FROM other ORDER BY k;

-- other functions than count, in windows of panes: what is equal counts once
CREATE VIEW sums AS SELECT 'SELECT window_start, window_end, k, sum(DISTINCT n) AS s, sum(DISTINCT n) FILTER (WHERE n % 3 = 0) AS third,
    avg(DISTINCT CASE n % 2 WHEN 0 THEN n / 4 ELSE (n / 4)::numeric(20, 3) END) AS a, sum(DISTINCT (n / 4)::float8 * CASE n % 4 WHEN 0 THEN -1 ELSE 1 END) AS f,
    sum(DISTINCT CASE n % 2 WHEN 0 THEN make_interval(days => n / 2) ELSE make_interval(hours => n / 2 * 24) END) FILTER (WHERE n < 20) AS i,
    sum(DISTINCT n::numeric::money) AS m, sum(DISTINCT CASE n % 9 WHEN 0 THEN ''NaN'' ELSE n::text END::float4) FILTER (WHERE n > 10) AS nan
    FROM ev, weir.hop(at, ''1 hour'', ''3 hours'') w GROUP BY window_start, window_end, k' AS q;
SELECT weir.create_continuous_aggregate('sums_of_hops', q) FROM sums;
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-03'::timestamptz + n % 9 * interval '25 minutes', n % 3, n % 70 FROM generate_series(1, 200) n;
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-03'::timestamptz + n % 5 * interval '45 minutes', n % 3, n FROM generate_series(60, 100) n;
CALL weir.drain('ev');
CREATE FUNCTION sums_differ(OUT differ bigint, OUT rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE (SELECT format('SELECT count(*) FROM ((TABLE sums_of_hops EXCEPT ALL (%1$s)) UNION ALL ((%1$s) EXCEPT ALL TABLE sums_of_hops)) x', q) FROM sums) INTO differ;
    SELECT count(*) FROM sums_of_hops INTO rows;
END $$;
SELECT * FROM sums_differ();
SELECT differences();
SELECT weir.advance_watermark('ev', '2024-01-03 03:00');
SELECT * FROM sums_differ();
SELECT count(*) FROM weir.stat_aggregates WHERE status <> 'active';

-- a set of many values, and one that goes in and out of it whole
CREATE TABLE many (n int8, t text);
SELECT weir.create_stream('many');
SELECT weir.create_continuous_aggregate('large', 'SELECT count(DISTINCT n) AS n, count(DISTINCT t) AS t, sum(DISTINCT n) AS s FROM many');
INSERT INTO many SELECT n * 7919 % 40009, (n % 30000)::text FROM generate_series(1, 60000) n;
CALL weir.drain('many');
INSERT INTO many SELECT n, (n + 25000)::text FROM generate_series(-1000, 10000) n;
CALL weir.drain('many');
SELECT l.*, l = (SELECT row(count(DISTINCT n), count(DISTINCT t), sum(DISTINCT n)) FROM many) AS same FROM large l;

-- the bytes: numbers that are close take one byte each
SELECT x, length(weir._distinct_set(n)), weir._distinct_set(n) AS bytes
FROM (VALUES ('none', NULL::int8), ('few', 7), ('few', NULL), ('few', 9), ('few', -1)) v(x, n) GROUP BY x ORDER BY x;
SELECT length(weir._distinct_set(n)) FROM generate_series(1000000, 1000999) n;
SELECT weir._distinct_set(t) FROM (VALUES ('a'), ('a'), ('')) v(t);

\c postgres
DROP DATABASE weir_distinct;
