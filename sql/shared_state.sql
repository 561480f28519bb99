-- Aggregate functions with the same state keep it once.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_shared TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_shared SET weir.start_workers = off;
\c weir_shared
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;

-- a user's functions can become others: nothing is shared, whatever they are now
CREATE FUNCTION half_of(int8) RETURNS int8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
CREATE AGGREGATE int_sum(int4) (SFUNC = int4_sum, STYPE = int8, COMBINEFUNC = int8pl);
CREATE AGGREGATE int_half(int4) (SFUNC = int4_sum, STYPE = int8, COMBINEFUNC = int8pl, FINALFUNC = half_of);
CREATE FUNCTION plus(int8, int8) RETURNS int8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 + $2';
CREATE AGGREGATE int_plus(int4) (SFUNC = int4_sum, STYPE = int8, COMBINEFUNC = plus);
CREATE AGGREGATE greatest_from_0(int4) (SFUNC = int4larger, STYPE = int4, COMBINEFUNC = int4larger, INITCOND = '0');
CREATE AGGREGATE greatest_from_50(int4) (SFUNC = int4larger, STYPE = int4, COMBINEFUNC = int4larger, INITCOND = '50');
CREATE AGGREGATE greatest_from_fifty(int4) (SFUNC = int4larger, STYPE = int4, COMBINEFUNC = int4larger, INITCOND = '50');

CREATE TABLE ev (at timestamptz NOT NULL, k int, i int4, b int8, n numeric, f float8, g float8, t interval, s text);
SELECT weir.create_stream('ev', 'at');
CREATE TABLE pairs (name text, first text, second text, is_shared bool);
INSERT INTO pairs VALUES
    ('bigint', 'sum(b)', 'avg(b)', true),
    ('integer', 'sum(i)', 'avg(i)', false),
    ('numeric', 'avg(n)', 'sum(n)', true),
    ('deviation', 'round(stddev(f)::numeric, 9)', 'round(variance(f)::numeric, 9)', true),
    ('mean', 'round(avg(f)::numeric, 9)', 'round(stddev_pop(f)::numeric, 9)', true),
    ('float8', 'sum(f)', 'avg(f)', false),
    ('regression', 'round(corr(f, g)::numeric, 9)', 'round(regr_slope(f, g)::numeric, 9)', true),
    ('turned', 'round(corr(f, g)::numeric, 9)', 'round(corr(g, f)::numeric, 9)', false),
    ('intervals', 'avg(t)', 'sum(t)', NULL),
    ('same_filter', 'sum(b) FILTER (WHERE k > 3)', 'avg(b) FILTER (WHERE k > 3)', true),
    ('other_filter', 'sum(b) FILTER (WHERE k > 3)', 'avg(b) FILTER (WHERE k > 4)', false),
    ('one_filter', 'sum(b)', 'avg(b) FILTER (WHERE k > 4)', false),
    ('distinct', 'sum(DISTINCT b)', 'avg(DISTINCT b)', true),
    ('one_distinct', 'sum(DISTINCT b)', 'avg(b)', false),
    ('count', 'count(*)', 'count(i)', false),
    ('minimum', 'min(s)', 'max(s)', false),
    ('collation', 'min(s)', 'min(s COLLATE "C")', false),
    ('own', 'int_sum(i)', 'sum(i)', false),
    ('own_final', 'int_sum(i)', 'int_half(i)', false),
    ('own_initial', 'greatest_from_0(i)', 'greatest_from_50(i)', false),
    ('own_same', 'greatest_from_50(i)', 'greatest_from_fifty(i)', false),
    ('own_combine', 'int_sum(i)', 'int_plus(i)', false);
CREATE FUNCTION query(kind text, outputs text) RETURNS text LANGUAGE sql AS $$
    SELECT format(CASE kind
        WHEN 'k' THEN 'SELECT k, %s FROM ev GROUP BY k'
        WHEN 'w' THEN 'SELECT w.window_start, w.window_end, k, %s FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY 1, 2, 3'
        WHEN 'h' THEN 'SELECT w.window_start, w.window_end, %s FROM ev, weir.hop(at, ''1 hour'', ''3 hours'') w GROUP BY 1, 2, ROLLUP (k)' END, outputs) $$;
CREATE VIEW tests AS
SELECT name || '_' || kind AS aggregate, query(kind, format('%s AS x, %s AS y, %s + 1 AS z', first, second,
        CASE WHEN name IN ('minimum', 'collation', 'intervals') THEN 'count(*)' ELSE second END)
        || CASE WHEN kind = 'w' THEN ', ' || first || ' AS again' ELSE '' END) AS query, name, kind, is_shared
FROM pairs, unnest('{k,w,h}'::text[]) kind;
SELECT count(weir.create_continuous_aggregate(aggregate, query)) FROM tests;
SELECT count(weir.create_continuous_aggregate(name || '_only', query('k', first || ' AS x'))) FROM pairs;

-- the result is that of the query, read from state and rows, merged, and closed
CREATE FUNCTION differences(OUT aggregate text, OUT missing bigint, OUT surplus bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    test record;
BEGIN
    FOR test IN SELECT * FROM tests ORDER BY tests.aggregate LOOP
        aggregate := test.aggregate;
        EXECUTE format('SELECT (SELECT count(*) FROM (%s EXCEPT ALL TABLE %I) d), (SELECT count(*) FROM (TABLE %I EXCEPT ALL %s) d)',
            test.query, test.aggregate, test.aggregate, test.query) INTO missing, surplus;
        IF missing + surplus > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
DO $$
BEGIN
    FOR r IN 1 .. 9 LOOP
        -- floating-point numbers whose sums are exact, in any order
        INSERT INTO ev SELECT timestamptz '2024-01-01' + r * interval '20 minutes' + j * interval '1 second',
            j % 7, j, j * 10000000000, j / 4.0, (j % 64) * 0.5, (j * 7 % 32) * 0.25, j * interval '1 hour', 's' || j % 9
        FROM generate_series(1, 100) j;
        INSERT INTO ev (at, k) VALUES (timestamptz '2024-01-01' + r * interval '20 minutes', 8);
        COMMIT;
        IF r < 9 THEN
            CALL weir.drain('ev');
        END IF;
    END LOOP;
END $$;
SELECT * FROM differences();
CALL weir.drain('ev');
SELECT count(*) > 0 AS merged FROM weir.continuous_aggregates WHERE weir._maintain_aggregate(aggregate);
SELECT * FROM differences();

-- what is shared takes no more room than one alone
SELECT p.name, two.bytes = one.bytes AS is_shared
FROM pairs p JOIN weir.stat_aggregates two ON two.aggregate = (p.name || '_k')::regclass
    JOIN weir.stat_aggregates one ON one.aggregate = (p.name || '_only')::regclass
WHERE (two.bytes = one.bytes) IS DISTINCT FROM p.is_shared AND p.is_shared IS NOT NULL;
\c postgres
DROP DATABASE weir_shared;
