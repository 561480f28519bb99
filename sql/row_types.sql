-- Rows of composite types in state, whose types are altered meanwhile.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_row_types TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_row_types SET weir.start_workers = off;
\c weir_row_types
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;
\set VERBOSITY terse

CREATE TYPE part AS (x int, y text);
CREATE TYPE whole AS (number int, p part);
CREATE DOMAIN whole_domain AS whole;
CREATE DOMAIN part_array AS part[];
CREATE FUNCTION make_part(int, text) RETURNS part LANGUAGE plpgsql IMMUTABLE AS 'DECLARE p part; BEGIN p.x := $1; RETURN p; END';
CREATE TYPE part_range AS RANGE (subtype = part);
CREATE TABLE t (ts timestamptz NOT NULL, a int, b text);
SELECT weir.create_stream('t', 'ts');

-- keys: the row of the stream itself, a composite type, and what is made of it
CREATE TABLE queries (name text, query text);
INSERT INTO queries VALUES
    ('of_table', 'SELECT t AS k, count(*) AS n FROM t GROUP BY t'),
    ('of_part', 'SELECT ROW(a, b)::part AS k, count(*) AS n FROM t GROUP BY 1'),
    ('of_whole', 'SELECT ROW(1, ROW(a, b)::part)::whole AS k, count(*) AS n FROM t GROUP BY 1'),
    ('of_domain', 'SELECT ROW(1, ROW(a, b)::part)::whole_domain AS k, count(*) AS n FROM t GROUP BY 1'),
    ('of_array', 'SELECT ARRAY[ROW(a, b)::part] AS k, count(*) AS n FROM t GROUP BY 1'),
    ('of_array_domain', 'SELECT ARRAY[ROW(a, b)::part]::part_array AS k, count(*) AS n FROM t GROUP BY 1'),
    ('of_range', $$ SELECT part_range(ROW(a, b)::part, NULL) AS k, count(*) AS n FROM t GROUP BY 1 $$),
    ('of_multirange', $$ SELECT part_multirange(part_range(ROW(a, b)::part, NULL)) AS k, count(*) AS n FROM t GROUP BY 1 $$),
    ('of_both', 'SELECT a AS plain, ROW(a, b)::part AS k, count(*) AS n FROM t GROUP BY 1, 2'),
    ('of_hour', $$ SELECT w.window_start, w.window_end, ROW(a, b)::part AS k, count(*) AS n FROM t, weir.tumble(ts, '1 hour') w GROUP BY 1, 2, 3 $$),
    ('of_hops', $$ SELECT w.window_start, w.window_end, t AS k, count(*) AS n, sum(a) AS s FROM t, weir.hop(ts, '30 minutes', '1 hour') w GROUP BY 1, 2, 3 $$),
    ('of_hidden', 'SELECT count(*) AS n FROM t GROUP BY make_part(a, b)'),
    ('of_sets', 'SELECT a, ROW(a, b)::part AS k, count(*) AS n FROM t GROUP BY ROLLUP (1, 2)'),
    ('of_distinct', 'SELECT count(DISTINCT make_part(a, b)) AS n, count(DISTINCT t) AS m FROM t'),
    ('of_first', 'SELECT a, (weir.first(ROW(a, b)::part, ts)).x AS x, (weir.last(t, ts)).b AS b FROM t GROUP BY a');
SELECT name FROM queries WHERE weir.create_continuous_aggregate(name, query) IS NULL;

-- what an aggregate shows, beside what its query does; a view keeps it as it is meant
DO $$
DECLARE
    q record;
BEGIN
    FOR q IN SELECT * FROM queries LOOP
        EXECUTE format('CREATE VIEW plain_%s AS %s', q.name, q.query);
    END LOOP;
END $$;
CREATE FUNCTION differences(OUT name text, OUT missing bigint, OUT surplus bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    FOR name IN SELECT q.name FROM queries q LOOP
        EXECUTE format('SELECT (SELECT count(*) FROM (TABLE plain_%1$s EXCEPT ALL TABLE %1$s) d), (SELECT count(*) FROM (TABLE %1$s EXCEPT ALL TABLE plain_%1$s) d)',
            name) INTO missing, surplus;
        IF missing + surplus > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
-- what is merged in the background must not matter
CREATE FUNCTION merge_all() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM generate_series(1, 3), queries WHERE weir._maintain_aggregate(name::regclass) $$;
CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 8 LOOP
        INSERT INTO t (ts, a, b) SELECT timestamptz '2024-01-01 10:00', j % 5, 'b' || j % 3 FROM generate_series(1, 40) j;
        COMMIT;
        CALL weir.drain('t');
    END LOOP;
END $$;
CALL fill();
SELECT * FROM differences();

-- columns that are added, and filled in or not
ALTER TABLE t ADD COLUMN c text;
ALTER TYPE part ADD ATTRIBUTE z int;
SELECT * FROM differences();
CALL fill();
SELECT * FROM differences();
SELECT count(*) FROM of_table;
SELECT count(*) FROM of_table WHERE k = ROW('2024-01-01 10:00', 1, 'b1', NULL)::t;
SELECT k, n FROM of_part ORDER BY k LIMIT 3;
SELECT n FROM of_part WHERE k = ROW(1, 'b1', NULL)::part;
INSERT INTO t VALUES ('2024-01-01 10:00', 1, 'b1', 'c');
CALL weir.drain('t');
SELECT * FROM differences();
SELECT merge_all() > 0 AS merged;
SELECT * FROM differences();

-- columns that are dropped: groups become equal
ALTER TYPE part DROP ATTRIBUTE y;
ALTER TABLE t DROP COLUMN c;
SELECT * FROM differences();
SELECT k, n FROM of_part ORDER BY k;
CALL fill();
SELECT * FROM differences();
SELECT merge_all() > 0 AS merged;
SELECT * FROM differences();
-- windows close, and are one row each for groups that are equal by now
INSERT INTO t VALUES ('2024-01-01 13:00', 1, 'b1');
CALL weir.drain('t');
SELECT * FROM differences();
SELECT count(*), sum(n) FROM of_hour_closed;
SELECT count(*), sum(n) FROM of_hops_closed;

-- what would make stored rows something else is refused, as of columns of tables
SELECT format('DROP VIEW plain_%s', name) FROM queries \gexec
SELECT count(weir.drop_continuous_aggregate(name::regclass)::text) FROM queries WHERE name NOT IN ('of_hidden', 'of_distinct', 'of_first');
ALTER TABLE t ADD COLUMN d int DEFAULT 1;
SELECT count(weir.drop_continuous_aggregate('of_first')::text);
ALTER TYPE part ALTER ATTRIBUTE x TYPE bigint;
SELECT count(weir.drop_continuous_aggregate('of_hidden')::text);
ALTER TYPE part ALTER ATTRIBUTE x TYPE bigint;
SELECT count(weir.drop_continuous_aggregate('of_distinct')::text);
ALTER TYPE part ALTER ATTRIBUTE x TYPE bigint CASCADE;
ALTER TABLE t ADD COLUMN d int DEFAULT 1;

-- texts whose equality is not that of their bytes
CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT weir.create_continuous_aggregate('of_caseless', 'SELECT b COLLATE caseless AS k, count(*) AS n FROM t GROUP BY 1');
CALL weir.drain('t');
INSERT INTO t (ts, a, b) SELECT '2024-01-01 14:00', 1, 'B' || j % 3 FROM generate_series(1, 30) j;
SELECT k, n FROM of_caseless ORDER BY k;
CALL weir.drain('t');
SELECT k, n FROM of_caseless ORDER BY k;
SELECT lower(k), n FROM of_caseless WHERE k = 'b1';
-- (also those in ranges, which have a collation of their own): no hash is stored
CREATE TYPE caseless_range AS RANGE (subtype = text, collation = caseless);
CREATE TYPE exact_range AS RANGE (subtype = text, collation = "C");
CREATE DOMAIN caseless_ranges AS caseless_range[];
CREATE FUNCTION hashes(OUT aggregate regclass, OUT are_stored boolean) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    id int;
BEGIN
    FOR aggregate, id IN SELECT view, aggregate_id FROM weir._aggregate WHERE view::text IN ('of_b', 'of_caseless', 'of_caseless_range', 'of_caseless_multirange', 'of_caseless_array', 'of_exact_range') ORDER BY view::text LOOP
        EXECUTE format('SELECT bool_or(hash_lo < hash_hi) FROM weir._state_%s', id) INTO are_stored;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT weir.create_continuous_aggregate('of_b', 'SELECT b AS k, count(*) AS n FROM t GROUP BY 1');
SELECT weir.create_continuous_aggregate('of_exact_range', 'SELECT exact_range(b, NULL) AS k, count(*) AS n FROM t GROUP BY 1');
SELECT weir.create_continuous_aggregate('of_caseless_range', 'SELECT caseless_range(b, NULL) AS k, count(*) AS n FROM t GROUP BY 1');
SELECT weir.create_continuous_aggregate('of_caseless_multirange', 'SELECT caseless_multirange(caseless_range(b, NULL)) AS k, count(*) AS n FROM t GROUP BY 1');
SELECT weir.create_continuous_aggregate('of_caseless_array', 'SELECT ARRAY[caseless_range(b, NULL)]::caseless_ranges AS k, count(*) AS n FROM t GROUP BY 1');
CALL weir.drain('t');
INSERT INTO t (ts, a, b) SELECT '2024-01-01 14:00', 1, 'B' || j % 3 FROM generate_series(1, 30) j;
CALL weir.drain('t');
SELECT * FROM hashes();
SELECT lower(lower(k)), n FROM of_caseless_range ORDER BY k;
SELECT lower(lower(k)), n FROM of_caseless_range WHERE k = '[b1,)';
SELECT k, n FROM of_exact_range ORDER BY k;
SELECT weir.drop_continuous_aggregate(aggregate) IS NULL FROM hashes() WHERE aggregate <> 'of_caseless'::regclass;

-- enums keep their hash, and what is stored its order
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE moods (ts timestamptz NOT NULL, m mood);
SELECT weir.create_stream('moods', 'ts');
SELECT weir.create_continuous_aggregate('of_mood', 'SELECT m, count(*) AS n FROM moods GROUP BY m');
SELECT weir.create_continuous_aggregate('all_moods', 'SELECT min(m), max(m), count(DISTINCT m) AS n, array_agg(DISTINCT m) AS moods FROM moods');
INSERT INTO moods VALUES ('2024-01-01', 'sad'), ('2024-01-01', 'happy');
CALL weir.drain('moods');
ALTER TYPE mood ADD VALUE 'worst' BEFORE 'sad';
ALTER TYPE mood ADD VALUE 'middling' AFTER 'sad';
ALTER TYPE mood RENAME VALUE 'happy' TO 'best';
INSERT INTO moods VALUES ('2024-01-01', 'sad'), ('2024-01-01', 'best'), ('2024-01-01', 'worst'), ('2024-01-01', 'middling');
CALL weir.drain('moods');
SELECT * FROM of_mood ORDER BY m;
SELECT * FROM all_moods;
SELECT n FROM of_mood WHERE m = 'best';

-- a type, and a table, that are dropped take their aggregates along
CREATE TYPE pair AS (x int, y text);
SELECT weir.create_continuous_aggregate('by_pair', 'SELECT ROW(a, b)::pair AS k, count(*) AS n FROM t GROUP BY 1');
CALL weir.drain('t');
DROP TYPE pair;
DROP TYPE pair CASCADE;
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
SELECT weir.create_continuous_aggregate('by_row', 'SELECT t AS k, count(*) AS n FROM t GROUP BY t');
CALL weir.drain('t');
DROP TABLE t;
DROP TABLE t CASCADE;
SELECT aggregate FROM weir.continuous_aggregates ORDER BY aggregate::text;
SELECT count(*) FROM pg_class WHERE relname LIKE '\_state\_%' AND relkind = 'r';
\c postgres
DROP DATABASE weir_row_types;
