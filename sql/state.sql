-- State: packing, merging, reading by condition, retention, damage.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_state TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_state SET weir.start_workers = off;
\c weir_state
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TABLE ev (at timestamptz, k int, t text, v numeric);
SELECT weir.create_stream('ev', 'at', max_out_of_orderness => '10 days');
SELECT weir.create_continuous_aggregate('agg', $$
    SELECT w.window_start, w.window_end, k, t, count(*) AS n, sum(v), avg(v), stddev(v), min(t), max(v)
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end, k, t $$);
SELECT weir.create_continuous_aggregate('total', 'SELECT count(*) AS n, avg(v), max(t) FROM ev');
SELECT weir.create_continuous_aggregate('hops', $$
    SELECT w.window_start, w.window_end, k % 10 AS k10, count(*) AS n, sum(v)
    FROM ev, weir.hop(at, '1 hour', '3 hours') w GROUP BY w.window_start, w.window_end, k % 10 $$);
CREATE VIEW plain AS SELECT w.window_start, w.window_end, k, t, count(*) AS n, sum(v), avg(v), stddev(v), min(t), max(v)
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end, k, t;
CREATE FUNCTION same() RETURNS boolean LANGUAGE sql AS $$
    SELECT NOT EXISTS (SELECT * FROM plain EXCEPT ALL SELECT * FROM agg) AND NOT EXISTS (SELECT * FROM agg EXCEPT ALL SELECT * FROM plain)
        AND (SELECT (count(*), avg(v), max(t)) FROM ev) = (SELECT (n, avg, max) FROM total)
        AND (SELECT 3 * count(*) FROM ev) = (SELECT sum(n) FROM hops) $$;
CREATE VIEW runs AS
    SELECT window_start, level, count(DISTINCT run) AS runs, sum(nrows) AS rows, count(*) > 1 AS several_chunks,
        max(octet_length(data)) < 8192 AS fit FROM weir._state_1 GROUP BY 1, 2;

-- a tick adds a run for each window; a run takes several pages if need be
INSERT INTO ev SELECT '2024-01-01'::timestamptz + g % 2 * interval '1 hour', g % 500, 't' || g % 7, g FROM generate_series(1, 3500) g;
CALL weir.drain('ev');
SELECT * FROM runs ORDER BY 1, 2;
SELECT sum(pg_relation_size(c.oid)) = 0 AS nothing_out_of_line FROM pg_class c WHERE oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'weir._state_1'::regclass);
SELECT same();

-- merging: nothing to do, then too many runs, in several levels
SELECT weir._maintain_aggregate('agg'), weir._maintain_aggregate('total');
\set one 'INSERT INTO ev SELECT ''2024-01-01''::timestamptz + g % 3 * interval ''1 minute'', g, NULLIF(''t'' || g % 3, ''t2''), g FROM generate_series(1, 5) g; CALL weir.drain(''ev'');'
:one :one :one :one :one :one :one
SELECT * FROM runs ORDER BY 1, 2;
SELECT weir._maintain_aggregate('agg');
SELECT * FROM runs ORDER BY 1, 2;
SELECT weir._maintain_aggregate('agg'), weir._maintain_aggregate('total'), weir._maintain_aggregate('hops');
SELECT same();
:one :one :one :one :one :one :one :one
SELECT weir._maintain_aggregate('agg'), weir._maintain_aggregate('total'), weir._maintain_aggregate('hops');
SELECT * FROM runs ORDER BY 1, 2;
SELECT level, count(*) FROM weir._state_2 GROUP BY level ORDER BY level;
SELECT same();

-- a value that does not fit into a page
INSERT INTO ev SELECT '2024-01-01 02:00', 1, repeat('long ', 5000) || g, 1 FROM generate_series(1, 3) g;
CALL weir.drain('ev');
SELECT same();
SELECT count(*) FROM agg WHERE k = 1 AND t = repeat('long ', 5000) || 2;
DELETE FROM ev WHERE length(t) > 100;

-- conditions: the same rows as without, however they get there
INSERT INTO ev VALUES ('2024-01-01 00:30', 77, 'pending', 5), ('2024-01-01 04:30', 77, 't0', 5);
CREATE FUNCTION pruned(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a text; b text;
BEGIN
    EXECUTE format('SELECT string_agg(x::text, E''\n'' ORDER BY x::text) FROM agg x WHERE %s', condition) INTO a;
    EXECUTE format('WITH m AS MATERIALIZED (SELECT * FROM agg) SELECT string_agg(x::text, E''\n'' ORDER BY x::text) FROM m x WHERE %s', condition) INTO b;
    RETURN CASE WHEN a IS NOT DISTINCT FROM b THEN coalesce(length(a)::text, 'none') ELSE 'different: ' || coalesce(a, '') || ' and ' || coalesce(b, '') END;
END $$;
SELECT c, pruned(c) FROM unnest(ARRAY['k = 77', 'k = 77 AND t = ''t0''', 't = ''pending''', '77 = k', 'k = NULL', 'k = 5000',
    'window_end = ''2024-01-01 01:00''', 'window_end > ''2024-01-01 01:00''', 'window_end >= ''2024-01-01 02:00''', 'window_end < ''2024-01-01 02:00''',
    'window_end <= ''2024-01-01 02:00''', 'window_start = ''2024-01-01 01:00''', 'window_start < ''2024-01-01 01:00''', 'window_start <= ''2024-01-01 01:00''',
    'window_start > ''2024-01-01 00:00''', 'window_start >= ''2024-01-01 04:00''', '''2024-01-01 02:00'' < window_start', 'window_start = ''infinity''',
    'window_end > ''-infinity''', 'k = 77 AND window_start = ''2024-01-01 00:00''', 'window_start BETWEEN ''2024-01-01 00:10'' AND ''2024-01-01 01:10''',
    'k = 77 OR t IS NULL', 't IS NULL AND k = 1', 'k = 77 AND k = 78', 'n > 2 AND k = 3']) c;
SELECT count(*), sum(n) FROM hops WHERE window_start = '2024-01-01 00:00';
SELECT count(*), sum(n) FROM hops WHERE window_start >= '2024-01-01 00:00' AND window_start < '2024-01-01 02:00' AND k10 = 7;
SELECT count(*), sum(n) FROM hops WHERE window_end <= '2024-01-01 01:00';
WITH m AS MATERIALIZED (SELECT * FROM hops) SELECT count(*) FILTER (WHERE window_start = '2024-01-01 00:00'), sum(n) FILTER (WHERE window_start = '2024-01-01 00:00'),
    count(*) FILTER (WHERE window_start >= '2024-01-01 00:00' AND window_start < '2024-01-01 02:00' AND k10 = 7),
    sum(n) FILTER (WHERE window_start >= '2024-01-01 00:00' AND window_start < '2024-01-01 02:00' AND k10 = 7),
    count(*) FILTER (WHERE window_end <= '2024-01-01 01:00'), sum(n) FILTER (WHERE window_end <= '2024-01-01 01:00') FROM m;
-- parameters, and scans that are repeated with another one or the same
PREPARE p(int, timestamptz) AS SELECT k, t, n FROM agg WHERE k = $1 AND window_start >= $2 ORDER BY t, n;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(77, '2024-01-01');
EXECUTE p(77, '2024-01-01 04:00');
EXECUTE p(NULL, '2024-01-01 04:00');
RESET plan_cache_mode;
SELECT x, (SELECT sum(n) FROM agg WHERE k = x) FROM generate_series(75, 78) x;
SELECT x, (SELECT sum(n) FROM agg WHERE k = x AND window_start < '2024-01-01 01:00') FROM generate_series(75, 77) x;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT count(*) FROM generate_series(1, 3) x, agg WHERE k + x = 80;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
-- a cursor goes on with what it saw
BEGIN;
DECLARE c CURSOR FOR SELECT k, t, n FROM agg WHERE k = 77 ORDER BY t, n;
FETCH 1 FROM c;
INSERT INTO ev VALUES ('2024-01-01 00:30', 77, 'pending', 5);
FETCH 1 FROM c;
-- own rows are seen from the commit on
SELECT n FROM agg WHERE k = 77 AND t = 'pending';
COMMIT;
SELECT n FROM agg WHERE k = 77 AND t = 'pending';

-- retention of closed rows
SELECT weir.alter_continuous_aggregate('agg', retention => '3 hours');
SELECT weir.advance_watermark('ev', '2024-01-01 04:30');
SELECT window_end, count(*) FROM agg_closed GROUP BY 1 ORDER BY 1;
SELECT weir._maintain_aggregate('agg');
SELECT window_end, count(*) FROM agg_closed GROUP BY 1 ORDER BY 1;

-- values of every length and alignment come back as they were stored
CREATE TABLE kinds (at timestamptz NOT NULL, b bool, c "char", s int2, i int4, l int8, f float4, d float8, u uuid, iv interval, nm name, t text, a int8[], v int2vector);
SELECT weir.create_stream('kinds', 'at', max_out_of_orderness => '10 days');
CREATE VIEW plain_kinds AS SELECT w.window_start, w.window_end, b, c, s, i, l, f, d, u, iv, nm, t, a, v::text AS v, count(*) AS n, max(iv) AS high, min(t) AS low, sum(l) AS total
    FROM kinds, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end, b, c, s, i, l, f, d, u, iv, nm, t, a, v::text;
SELECT weir.create_continuous_aggregate('all_kinds', pg_get_viewdef('plain_kinds'));
INSERT INTO kinds SELECT '2024-01-01', n % 2 = 0, (n % 256 - 128)::"char", n - 32769, (n - 2) * 2147483647, CASE n WHEN 1 THEN -9223372036854775808 ELSE 9223372036854775807 / n END,
    n / 3.0, CASE n WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' ELSE n * 1e300 END::float8, md5(n::text)::uuid, make_interval(n, n, n, n, n), 'name ' || n,
    repeat('x', 124 + n), array_fill(n::int8, ARRAY[n * 5]), (n || ' ' || n)::int2vector FROM generate_series(1, 3) n;
INSERT INTO kinds SELECT '2024-01-01', b, c, s, i, l, f, d, u, iv, nm, t, a, v FROM kinds;
INSERT INTO kinds (at, t) SELECT '2024-01-01', string_agg(md5(n::text), '') FROM generate_series(1, 400) n;
INSERT INTO kinds (at) VALUES ('2024-01-01'), ('2024-01-01');
CALL weir.drain('kinds');
SELECT count(*), (SELECT count(*) FROM (TABLE all_kinds EXCEPT ALL TABLE plain_kinds) x) AS more, (SELECT count(*) FROM (TABLE plain_kinds EXCEPT ALL TABLE all_kinds) x) AS fewer FROM all_kinds;

-- damage is found
INSERT INTO ev SELECT '2024-01-01 05:00', g, 'x', 1 FROM generate_series(1, 3) g;
CALL weir.drain('ev');
CREATE TABLE saved AS SELECT * FROM weir._state_1 WHERE window_start = '2024-01-01 05:00';
CREATE FUNCTION damaged(data bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d text;
BEGIN
    UPDATE weir._state_1 SET data = damaged.data WHERE window_start = '2024-01-01 05:00';
    PERFORM * FROM agg;
    RETURN 'read';
EXCEPTION WHEN data_corrupted OR object_not_in_prerequisite_state THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, 'block \d+, item \d+', 'block N, item N') || ' ' || d;
END $$;
SELECT damaged('');
SELECT damaged(substr(data, 1, 15)) FROM saved;
SELECT damaged(set_byte(data, 0, 1)) FROM saved;
SELECT damaged(set_byte(data, 1, 99)) FROM saved;
SELECT damaged(set_byte(data, 2, 99)) FROM saved;
SELECT damaged(set_byte(data, 12, get_byte(data, 12) # 1)) FROM saved;
SELECT damaged(data || '\x00') FROM saved;
SELECT damaged(data) FROM saved;
-- any bit, and bytes cut off
SELECT regexp_replace(damaged(set_bit(data, n, 1 - get_bit(data, n))), 'is \d+\.', 'is N.') AS result, count(*) > 0
FROM saved, generate_series(0, 8 * length(data) - 1, 13) n GROUP BY 1 ORDER BY 1;
SELECT damaged(substr(data, 1, n)) AS result, count(*) > 0 FROM saved, generate_series(0, length(data) - 1, 5) n GROUP BY 1 ORDER BY 1;

-- bytes that are wrong under a right checksum, as only other code would write them
CREATE TABLE crc32c_steps AS
    WITH RECURSIVE step (byte, bits, crc) AS (
        SELECT n, 0, n FROM generate_series(0::bigint, 255) n
        UNION ALL SELECT byte, bits + 1, (crc >> 1) # (crc & 1) * 2197175160 FROM step WHERE bits < 8)
    SELECT array_agg(crc ORDER BY byte) AS steps FROM step WHERE bits = 8;
CREATE FUNCTION crc32c(bytes bytea) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
DECLARE
    crc bigint := 4294967295;
    steps bigint[] := (SELECT c.steps FROM crc32c_steps c);
BEGIN
    FOR i IN 0 .. length(bytes) - 1 LOOP
        crc := (crc >> 8) # steps[1 + ((crc # get_byte(bytes, i)) & 255)];
    END LOOP;
    RETURN crc # 4294967295;
END $$;
-- in the byte order of the machine
CREATE FUNCTION sealed(data bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT substr(data, 1, 12) || string_agg(substr(bytes, n, 1), '' ORDER BY CASE WHEN swapped THEN -n ELSE n END) || substr(data, 17)
    FROM (SELECT substr(int8send(crc32c(substr(data, 1, 12) || substr(data, 17))), 5), get_byte((SELECT data FROM saved LIMIT 1), 4) > 0) x (bytes, swapped),
        generate_series(1, 4) n GROUP BY bytes, swapped $$;
SELECT sealed(data) = data AS is_crc32c FROM saved;
SELECT damaged(sealed(set_byte(data, 4, 4))) FROM saved;
SELECT damaged(sealed(set_byte(data, 8, get_byte(data, 8) # 1))) FROM saved;
SELECT damaged(sealed(set_byte(data, 2, 99))) FROM saved;
SELECT damaged(sealed(set_byte(data, 16, 255))) FROM saved;
SELECT damaged(sealed(data || '\x00')) FROM saved;
SELECT damaged(sealed(substr(data, 1, length(data) - 20))) FROM saved;
SELECT damaged(data) FROM saved;

-- of more rows than a group of the directory has, and read by key
INSERT INTO ev SELECT '2024-01-01 06:00', g, 'x', 1 FROM generate_series(1, 30) g;
CALL weir.drain('ev');
TRUNCATE saved;
INSERT INTO saved SELECT * FROM weir._state_1 WHERE window_start = '2024-01-01 06:00';
SELECT nrows FROM saved;
CREATE FUNCTION damaged_keys(data bytea) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    d text;
    key int;
    found int := 0;
BEGIN
    UPDATE weir._state_1 SET data = damaged_keys.data WHERE window_start = '2024-01-01 06:00';
    FOR key IN 1 .. 30 LOOP
        BEGIN
            found := found + (SELECT count(*) FROM agg WHERE window_start = '2024-01-01 06:00' AND k = key AND t = 'x');
        EXCEPTION WHEN data_corrupted THEN
            GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
            RETURN NEXT SQLSTATE || ' ' || regexp_replace(regexp_replace(SQLERRM, 'block \d+, item \d+', 'block N, item N') || ' ' || d, 'byte \d+(, not \d+)?', 'byte N');
        END;
    END LOOP;
    RETURN NEXT found;
END $$;
SELECT DISTINCT * FROM damaged_keys((SELECT data FROM saved));
SELECT DISTINCT * FROM damaged_keys((SELECT sealed(substr(data, 1, 30)) FROM saved)) ORDER BY 1;
-- the second group begins before the first, or far behind the end
SELECT DISTINCT * FROM damaged_keys((SELECT sealed(set_byte(set_byte(data, 26, 0), 27, 0)) FROM saved)) ORDER BY 1;
SELECT DISTINCT * FROM damaged_keys((SELECT sealed(set_byte(data, 27, 255)) FROM saved)) ORDER BY 1;
-- hashes out of order
SELECT DISTINCT * FROM damaged_keys((SELECT sealed(set_byte(data, 19, 255)) FROM saved)) ORDER BY 1;
SELECT damaged_keys IS NOT NULL AS is_read FROM damaged_keys((SELECT data FROM saved));

-- a state row, and sets of distinct values in it, of every form: each changed
-- byte, but for those of a long text, and each length gives rows or an error
CREATE TABLE forms (k int, t text, n name, u uuid, f float8, b bytea);
SELECT weir.create_stream('forms');
SELECT weir.create_continuous_aggregate('every_form', $$
    SELECT k, n, t, count(*), count(DISTINCT k) AS words, count(DISTINCT t) AS texts, sum(DISTINCT k) AS sum, max(DISTINCT u::text), avg(DISTINCT f) AS mean, array_agg(DISTINCT b) AS bytes
    FROM forms GROUP BY k, n, t $$);
INSERT INTO forms SELECT 7, repeat('t', 130), 'name', md5(g::text)::uuid, g / 3.0, ('b' || g)::bytea FROM generate_series(1, 2) g;
INSERT INTO forms SELECT k + 1, NULL, n, u, f, b FROM forms;
CALL weir.drain('forms');
TRUNCATE saved;
CREATE FUNCTION form_state() RETURNS text LANGUAGE sql AS $$ SELECT format('weir._state_%s', (SELECT max(aggregate_id) FROM weir._aggregate)) $$;
SELECT form_state() AS form_state \gset
INSERT INTO saved SELECT * FROM :form_state;
CREATE FUNCTION tried(data bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('UPDATE %s SET data = $1', form_state()) USING sealed(data);
    PERFORM * FROM every_form;
    RETURN 'rows';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(regexp_replace(SQLERRM, 'block \d+, item \d+', 'block N, item N'), '(type) (with OID \d+|.*)', '\1 ...');
END $$;
SELECT tried(data) FROM saved;
SELECT tried(set_byte(data, n, get_byte(data, n) # x)) AS result, count(*) > 0 FROM saved, generate_series(16, length(data) - 1) n, unnest(ARRAY[1, 255]) x
WHERE get_byte(data, n) <> ascii('t') GROUP BY 1 ORDER BY 1;
SELECT tried(substr(data, 1, n)) AS result, count(*) > 0 FROM saved, generate_series(16, length(data) - 1, 3) n GROUP BY 1 ORDER BY 1;

-- more windows with too many runs than one search finds, and some of them closed
-- after it: each is merged once, and what is not there any more is passed over
CREATE TABLE many (at timestamptz NOT NULL, k int);
SELECT weir.create_stream('many', 'at');
SELECT weir.create_continuous_aggregate('by_minute', $$
    SELECT w.window_start, k, count(*) AS n FROM many, weir.tumble(at, '1 minute') w GROUP BY w.window_start, k$$, allowed_lateness => '1 day');
\set one 'INSERT INTO many SELECT ''2024-01-01''::timestamptz + g * interval ''1 minute'', g % 2 FROM generate_series(1, 70) g; CALL weir.drain(''many'');'
:one :one :one :one :one :one :one :one
SELECT 'weir._state_' || max(aggregate_id) AS state FROM weir._aggregate \gset
SELECT runs, count(*) AS windows FROM (SELECT count(DISTINCT run) AS runs FROM :state GROUP BY window_end) w GROUP BY 1;
SELECT weir._maintain_aggregate('by_minute');
SELECT runs, count(*) AS windows FROM (SELECT count(DISTINCT run) AS runs FROM :state GROUP BY window_end) w GROUP BY 1;
SELECT weir.advance_watermark('many', '2024-01-02 00:06');
SELECT count(*) FROM by_minute_closed;
CREATE FUNCTION merges() RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int := 0;
BEGIN WHILE weir._maintain_aggregate('by_minute') LOOP n := n + 1; END LOOP; RETURN n; END $$;
SELECT merges();
SELECT runs, count(*) AS windows FROM (SELECT count(DISTINCT run) AS runs FROM :state GROUP BY window_end) w GROUP BY 1;
SELECT merges();
SELECT n, count(*) FROM by_minute GROUP BY n;
\c postgres
DROP DATABASE weir_state;
