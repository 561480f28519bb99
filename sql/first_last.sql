SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
SET timezone = 'UTC';
SET datestyle = 'ISO';

CREATE TABLE fl_rows (g int, at timestamptz, n int, t text, d numeric, a text[], b bool, i interval, u uuid, c "char", x name);
INSERT INTO fl_rows
	SELECT i % 7, '2024-01-01'::timestamptz + ((i * 7919) % 10007) * interval '1 second', i,
		repeat('v' || i, 1 + i % 50), i / 7.0, ARRAY['a' || i, NULL, 'b'], i % 2 = 0, i * interval '1 minute',
		lpad(i::text, 32, '0')::uuid, chr(65 + i % 26)::"char", ('n' || i)::name
	FROM generate_series(1, 10000) i;

-- against DISTINCT ON
SELECT count(*) AS wrong
FROM (SELECT g, weir.first(n, at) AS n, weir.first(t, at) AS t, weir.first(d, at) AS d, weir.first(a, at) AS a, weir.first(b, at) AS b,
		weir.first(i, at) AS i, weir.first(u, at) AS u, weir.first(c, at) AS c, weir.first(x, at) AS x, weir.first(fl_rows, at) AS r
	  FROM fl_rows GROUP BY g) agg
JOIN (SELECT DISTINCT ON (g) * FROM fl_rows ORDER BY g, at) ref USING (g)
WHERE (agg.n, agg.t, agg.d, agg.a, agg.b, agg.i, agg.u, agg.c, agg.x) IS DISTINCT FROM (ref.n, ref.t, ref.d, ref.a, ref.b, ref.i, ref.u, ref.c, ref.x)
	OR (agg.r).n <> ref.n OR (agg.r).t <> ref.t;
SELECT count(*) AS wrong
FROM (SELECT g, weir.last(n, at) AS n, weir.last(t, at) AS t, weir.last(d, at) AS d, weir.last(a, at) AS a, weir.last(b, at) AS b,
		weir.last(i, at) AS i, weir.last(u, at) AS u, weir.last(c, at) AS c, weir.last(x, at) AS x
	  FROM fl_rows GROUP BY g) agg
JOIN (SELECT DISTINCT ON (g) * FROM fl_rows ORDER BY g, at DESC) ref USING (g)
WHERE (agg.n, agg.t, agg.d, agg.a, agg.b, agg.i, agg.u, agg.c, agg.x) IS DISTINCT FROM (ref.n, ref.t, ref.d, ref.a, ref.b, ref.i, ref.u, ref.c, ref.x);

-- in parallel
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_hashagg = off;
CREATE FUNCTION pg_temp.partial_nodes(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN (SELECT count(*) FROM jsonb_path_query(plan, 'strict $.**."Partial Mode"') n WHERE n = '"Partial"');
END $$;
SELECT pg_temp.partial_nodes('SELECT g, weir.first(t, at), weir.last(t, at) FROM fl_rows GROUP BY g');
SELECT g, weir.first(n, at), left(weir.first(t, at), 10) AS first, left(weir.last(t, at), 10) AS last, weir.last(at, at) FROM fl_rows GROUP BY g ORDER BY g;
RESET enable_hashagg;
SET max_parallel_workers_per_gather = 0;
SELECT g, weir.first(n, at), left(weir.first(t, at), 10) AS first, left(weir.last(t, at), 10) AS last, weir.last(at, at) FROM fl_rows GROUP BY g ORDER BY g;

-- NULL values count, NULL times do not
SELECT weir.first(v, at), weir.last(v, at), weir.last(v, at) FILTER (WHERE v IS NOT NULL) AS last_not_null
FROM (VALUES (1, timestamptz '2024-01-01'), (NULL, '2024-01-02'), (3, NULL)) v(v, at);
SELECT weir.first(v, at), weir.last(v, at) FROM (VALUES (1, NULL::timestamptz)) v(v, at);
SELECT weir.first(v, at), weir.last(v, at) FROM (VALUES (1, timestamptz '2024-01-01')) v(v, at) WHERE false;
SELECT weir.first(v, at), weir.last(v, at) FROM (VALUES (1, timestamp '2024-01-01'), (2, '-infinity'), (3, 'infinity')) v(v, at);
-- ties: the least and the greatest value, in whatever order they come
SELECT weir.first(v, 'epoch'::timestamptz ORDER BY o), weir.last(v, 'epoch'::timestamptz ORDER BY o)
FROM (VALUES (-5), (3), (-2), (70000), (256)) v(v), (VALUES (1), (-1)) s(s), LATERAL (SELECT v * s AS o) o;
SELECT weir.first(v, 'epoch'::timestamptz ORDER BY v), weir.last(v, 'epoch'::timestamptz ORDER BY v),
	weir.first(v, 'epoch'::timestamptz ORDER BY v DESC) AS first2, weir.last(v, 'epoch'::timestamptz ORDER BY v DESC) AS last2
FROM (VALUES ('b'), ('ab'), ('a'), ('ba')) v(v);
SELECT weir.first(v, 'epoch'::timestamptz ORDER BY v), weir.last(v, 'epoch'::timestamptz ORDER BY v)
FROM (VALUES ('b'), (NULL), ('a')) v(v);
SELECT weir.first(v, 'epoch'::timestamptz ORDER BY o), weir.last(v, 'epoch'::timestamptz ORDER BY o), weir.first(v::float4, 'epoch'::timestamptz ORDER BY o DESC) AS first4, weir.last(v::float4, 'epoch'::timestamptz ORDER BY o DESC) AS last4
FROM (VALUES (-1.5::float8, 1), (-2.5, 3), (-0.5, 2), (2.5, 5), (1.5, 4)) v(v, o);
SELECT weir.last(v, 'epoch'::timestamptz ORDER BY o), weir.last(v::float4, 'epoch'::timestamptz ORDER BY o DESC) AS last4, weir.first(v, 'epoch'::timestamptz)
FROM (VALUES (-1.5::float8, 1), (-2.5, 3), (-0.5, 2)) v(v, o);
-- values out of line
SELECT length(weir.last(v, at)) FROM (SELECT string_agg(md5(i::text), '') AS v, now() AS at FROM generate_series(1, 10000) i) x;
-- as a moving window
SELECT n, weir.last(v, at) OVER (ORDER BY n) FROM (VALUES (1, 'a', timestamptz '2024-01-01'), (2, 'b', '2024-01-03'), (3, 'c', '2024-01-02')) v(n, v, at) ORDER BY n;

-- the state cannot be made up, or misread
SELECT '\x00'::weir._timed_value;
SELECT weir._first_trans(NULL, 1, now());
CREATE AGGREGATE pg_temp.state_of(text, timestamptz) (SFUNC = weir._first_trans, STYPE = weir._timed_value);
SELECT weir._timed_value_final(pg_temp.state_of('abc', 'epoch'), NULL::text, NULL::timestamptz);
SELECT weir._timed_value_final(pg_temp.state_of('abc', 'epoch'), NULL::numeric, NULL::timestamptz);
CREATE AGGREGATE pg_temp.state_of(int, timestamptz) (SFUNC = weir._first_trans, STYPE = weir._timed_value);
SELECT pg_temp.state_of(7, '2000-01-01 00:00:01+00');
SELECT weir._first_combine(pg_temp.state_of('abc', 'epoch'), pg_temp.state_of(7, 'epoch'));
DROP TABLE fl_rows;
