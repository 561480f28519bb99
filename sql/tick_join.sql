-- Ticks of a few rows, which keep their plan, of queries in which the stream is joined
-- to what is no table: on either side of the join.
CREATE DATABASE weir_tick_join;
ALTER DATABASE weir_tick_join SET weir.start_workers = off;
\c weir_tick_join
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;
CREATE TABLE ev (ts timestamptz NOT NULL, k int);
SELECT weir.create_stream('ev', 'ts');
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
    ('series', 'SELECT g, count(*) AS n FROM ev, generate_series(1, 3) g GROUP BY 1'),
    ('joined', 'SELECT k, count(*) AS n FROM ev JOIN generate_series(1, 5000) g ON g = k GROUP BY 1'),
    ('left_joined', 'SELECT k, count(g) AS n FROM ev LEFT JOIN generate_series(1, 5000) g ON g = k GROUP BY 1'),
    ('listed', 'SELECT name, count(*) AS n FROM (VALUES (1, ''one''), (11, ''eleven'')) v (id, name) JOIN ev ON k = id GROUP BY 1'),
    ('semi', 'SELECT k, count(*) AS n FROM ev WHERE k IN (SELECT generate_series(1, 5000)) GROUP BY 1'),
    ('nested', 'SELECT k, count(*) AS n FROM ev, (SELECT max(i) AS top FROM generate_series(1, 11) i) x WHERE k <= top GROUP BY 1');
SELECT weir.create_continuous_aggregate(name, query) FROM queries;
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01', 1), ('2024-01-01', 11), ('2024-01-01', -1);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01', 1), ('2024-01-01', 12);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01', 11);
CALL weir.drain('ev');
SELECT aggregate, last_error FROM weir.stat_aggregates WHERE status <> 'active';
SELECT * FROM series ORDER BY 1;
-- as the queries themselves
CREATE FUNCTION differences(name text, query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) x', name, query) INTO result;
    RETURN result;
END $$;
SELECT name, differences(name, query) FROM queries ORDER BY 1;
SELECT * FROM joined ORDER BY 1;
\c postgres
DROP DATABASE weir_tick_join;
