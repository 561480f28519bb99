-- string_agg and array_agg: where the server can combine their states, which it
-- can since 16, they are kept; where it cannot, they are refused.  The output is
-- the same: it says whether what happened is right for the server.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_lists TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_lists SET weir.start_workers = off;
\c weir_lists
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
CREATE TABLE ev (at timestamptz, k int, s text, n int, b bytea, a int[], acl aclitem);
SELECT weir.create_stream('ev', 'at');

CREATE FUNCTION combines(agg regprocedure) RETURNS boolean LANGUAGE sql AS
'SELECT aggcombinefn <> 0 FROM pg_aggregate WHERE aggfnoid = agg';
-- sqlstate, or what creating it says; nothing is left of it
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM weir.create_continuous_aggregate('x', query);
    RAISE EXCEPTION USING ERRCODE = 'WEIR1';
EXCEPTION
    WHEN SQLSTATE 'WEIR1' THEN RETURN 'accepted';
    WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT call, try(format('SELECT %s FROM ev', call)) = CASE WHEN combines(agg) AND is_fit THEN 'accepted' ELSE '0A000' END AS is_right
FROM (VALUES
    ('string_agg(s, '','')', 'string_agg(text, text)'::regprocedure, true),
    ('string_agg(b, ''\x2c'')', 'string_agg(bytea, bytea)', true),
    ('string_agg(s, '','' ORDER BY n)', 'string_agg(text, text)', false),
    ('array_agg(n)', 'array_agg(anynonarray)', true),
    ('array_agg(s) FILTER (WHERE n > 1)', 'array_agg(anynonarray)', true),
    ('array_agg(ev)', 'array_agg(anynonarray)', true),
    ('array_agg(a)', 'array_agg(anyarray)', true),
    ('array_agg(n ORDER BY n)', 'array_agg(anynonarray)', false),
    ('array_agg(acl)', 'array_agg(anynonarray)', false)) v (call, agg, is_fit)
ORDER BY call;

-- The same as the query gives; in which order partial lists are put together
-- nobody promises.  Where they are refused, something else takes their place.
SELECT combines('array_agg(anynonarray)') AS has_lists \gset
\if :has_lists
\set lists 'string_agg(s, '','') AS s, array_agg(n) AS n, array_agg(a) AS a, string_agg(b, ''\\x2c'') AS b, array_agg(s || n) FILTER (WHERE n % 2 = 0) AS f'
\else
\set lists 'min(s) AS s, array_agg(DISTINCT n) AS n, array_agg(DISTINCT a) AS a, min(b::text)::bytea AS b, array_agg(DISTINCT s || n) FILTER (WHERE n % 2 = 0) AS f'
\endif
SELECT format('SELECT w.window_end, k, %s FROM ev, weir.tumble(at, ''1 minute'') w GROUP BY w.window_end, k', :'lists') AS lists \gset
SELECT weir.create_continuous_aggregate('lists', :'lists');
INSERT INTO ev SELECT '2024-01-01'::timestamptz + g * interval '1 second', g % 3, repeat('s', g % 5), nullif(g % 7, 0), convert_to(g::text, 'UTF8'), ARRAY[g, NULL]
FROM generate_series(1, 200) g;
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-01'::timestamptz + g * interval '1 second', g % 3, NULL, NULL, NULL, ARRAY[g, NULL]
FROM generate_series(190, 300) g;
CREATE FUNCTION sorted(text) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(coalesce(x, '~'), ',' ORDER BY x) FROM unnest(string_to_array($1, ',')) x$$;
CREATE FUNCTION sorted(anyarray) RETURNS text LANGUAGE sql AS
$$SELECT string_agg(coalesce(x::text, '~'), ',' ORDER BY x::text) FROM unnest($1) x$$;
SELECT format('SELECT window_end, k, sorted(s), sorted(n), sorted(a), sorted(encode(b, ''escape'')), sorted(f) FROM (%s) q', :'lists') AS oracle,
    'SELECT window_end, k, sorted(s), sorted(n), sorted(a), sorted(encode(b, ''escape'')), sorted(f) FROM lists' AS view \gset
SELECT count(*) FROM (:view) v;
SELECT count(*) FROM ((:view EXCEPT ALL :oracle) UNION ALL (:oracle EXCEPT ALL :view)) d;
CALL weir.drain('ev');
SELECT count(*) FROM ((:view EXCEPT ALL :oracle) UNION ALL (:oracle EXCEPT ALL :view)) d;
SELECT weir.advance_watermark('ev', 'infinity');
SELECT count(*) FROM ((:view EXCEPT ALL :oracle) UNION ALL (:oracle EXCEPT ALL :view)) d;
SELECT count(*) FROM lists_closed;
\c postgres
DROP DATABASE weir_lists;
