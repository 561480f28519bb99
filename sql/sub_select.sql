-- Sub-selects and common table expressions over ordinary tables, wherever the query has them.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_sub_select TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_sub_select SET weir.start_workers = off;
\c weir_sub_select
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TABLE ev (at timestamptz, k int, n int);
CREATE TABLE plain (k int PRIMARY KEY, name text, lim int);
INSERT INTO plain SELECT g, 'name ' || g, g * 10 FROM generate_series(0, 5) g;
CREATE VIEW plain_view AS SELECT k, upper(name) AS name FROM plain;
SELECT weir.create_stream('ev', 'at');

CREATE TABLE query (name text, query text);
INSERT INTO query VALUES
('of a key', $$
    SELECT w.window_end, k, count(*) AS c, (SELECT name FROM plain p WHERE p.k = ev.k) AS name
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, k $$),
('in having', $$
    SELECT w.window_end, k, sum(n) AS s FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, k
    HAVING sum(n) > (SELECT lim FROM plain p WHERE p.k = ev.k) $$),
('of aggregate functions and the window', $$
    SELECT w.window_end, k, (SELECT p.name || count(ev.n) || max(ev.n)::text || w.window_end::text FROM plain p WHERE p.k = ev.k) AS x
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, k $$),
('of nothing', $$
    SELECT k, count(*) AS c, (SELECT max(lim) FROM plain) AS m FROM ev GROUP BY k $$),
('over a common table expression', $$
    WITH m AS (SELECT max(lim) AS m FROM plain)
    SELECT w.window_end, count(*) AS c, (SELECT m FROM m), count(DISTINCT ev.k) + (SELECT m FROM m) AS e
    FROM ev, weir.hop(at, '30 minutes', '1 hour') w GROUP BY w.window_end $$),
('exists, in', $$
    SELECT w.window_end, k, count(*) AS c, EXISTS (SELECT 1 FROM plain_view v WHERE v.k = ev.k AND v.name LIKE 'NAME%') AS e,
        k IN (SELECT p.k FROM plain p WHERE lim > 20) AS i
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, k $$),
('as a key', $$
    SELECT w.window_end, (SELECT name FROM plain p WHERE p.k = ev.k) AS name, count(*) AS c
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY 1, 2 $$),
('of what depends on a key', $$
    SELECT w.window_end, p.k, count(*) AS c, (SELECT p.name || x.name FROM plain x WHERE x.k = 1) AS e
    FROM ev JOIN plain p USING (k), weir.tumble(at, '1 hour') w GROUP BY w.window_end, p.k $$),
('two deep', $$
    SELECT w.window_end, k, ARRAY(SELECT p.lim + count(DISTINCT ev.n) FROM plain p
        WHERE p.k <= (SELECT min(x.k) FROM plain x WHERE x.k >= ev.k) ORDER BY 1) AS e
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, k $$),
('of grouping sets', $$
    SELECT w.window_end, k, grouping(k) AS g, count(*) AS c, (SELECT count(*) FROM plain p WHERE p.k < coalesce(ev.k, 100)) AS e
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, ROLLUP (k) $$),
('joined, and in where', $$
    WITH r AS (SELECT * FROM plain WHERE lim > 10), u AS (SELECT k, name FROM r)
    SELECT w.window_end, u.name, count(*) AS c FROM ev JOIN u USING (k), weir.tumble(at, '1 hour') w
    WHERE n > (SELECT min(lim) FROM r) GROUP BY w.window_end, u.name $$),
('recursive', $$
    WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 5)
    SELECT w.window_end, count(*) AS c, (SELECT sum(i) FROM r) AS s FROM ev, weir.tumble(at, '1 hour') w
    GROUP BY w.window_end HAVING count(*) > (SELECT min(i) FROM r) $$),
('in a running one', $$
    SELECT date_trunc('day', at) AS d, count(*) AS c, (SELECT max(lim) FROM plain) + count(*) AS e
    FROM ev GROUP BY date_trunc('day', at) HAVING (SELECT true) $$),
('inside aggregate functions', $$
    SELECT w.window_end, sum((SELECT p.lim FROM plain p WHERE p.k = ev.k)) AS s,
        count(*) FILTER (WHERE EXISTS (SELECT 1 FROM plain p WHERE p.k = ev.k)) AS f
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end $$),
('with tables inside', $$
    SELECT w.window_end, k, (WITH y AS (SELECT lim + max(ev.n) AS z FROM plain) SELECT sum(z) FROM (SELECT z FROM y WHERE z > ev.k) q) AS s
    FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_end, k $$);
SELECT weir.create_continuous_aggregate(format('%I', name), query) FROM query;

-- rows that differ from the plain query, of how many
CREATE FUNCTION compare() RETURNS TABLE (aggregate text, differ bigint, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
    q record;
BEGIN
    FOR q IN SELECT * FROM query LOOP
        aggregate := q.name;
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) x', q.name, q.query) INTO differ;
        EXECUTE format('SELECT count(*) FROM %I', q.name) INTO rows;
        RETURN NEXT;
    END LOOP;
END $$;
CREATE PROCEDURE step(n int) LANGUAGE sql AS $$
    INSERT INTO ev SELECT '2024-01-01'::timestamptz + (n * 500 + g) * interval '30 seconds', g % 7, g FROM generate_series(0, 499) g $$;
CALL step(0);
SELECT * FROM compare();
CALL weir.drain('ev');
CALL step(1);
SELECT * FROM compare();
CALL weir.drain('ev');
SELECT * FROM compare();

-- looked up when the window closes; what has closed stays as it is
UPDATE plain SET name = 'changed ' || k;
SELECT name, count(*) FROM "of a key" GROUP BY 1 ORDER BY 1;
SELECT weir.advance_watermark('ev', 'infinity');
SELECT name, count(*) FROM "of a key" GROUP BY 1 ORDER BY 1;
UPDATE plain SET name = 'again ' || k;
SELECT name, count(*) FROM "of a key" GROUP BY 1 ORDER BY 1;
SELECT status, count(*) FROM weir.stat_aggregates GROUP BY 1;

-- with the rights of the owner, whoever closes or reads
CREATE ROLE weir_other;
CREATE SCHEMA theirs AUTHORIZATION weir_other;
GRANT SELECT ON ev TO weir_other;
SET ROLE weir_other;
SELECT weir.create_continuous_aggregate('theirs.a', $$ SELECT k, count(*) AS c, (SELECT name FROM plain p WHERE p.k = ev.k) AS name FROM ev GROUP BY k $$);
RESET ROLE;
GRANT SELECT ON plain TO weir_other;
SET ROLE weir_other;
SELECT weir.create_continuous_aggregate('theirs.a', $$ SELECT k, count(*) AS c, (SELECT name FROM plain p WHERE p.k = ev.k) AS name FROM ev GROUP BY k $$);
RESET ROLE;
SELECT * FROM theirs.a WHERE k = 1;
REVOKE SELECT ON plain FROM weir_other;
SELECT * FROM theirs.a WHERE k = 1;
SELECT weir.drop_stream('ev', cascade => true);
DROP SCHEMA theirs;
DROP OWNED BY weir_other;
DROP ROLE weir_other;
\c postgres
DROP DATABASE weir_sub_select;
