-- Continuous aggregates against the oracle: the same query, run as it is.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_aggregate TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_aggregate SET weir.start_workers = off;
\c weir_aggregate
SET client_min_messages = warning;
CREATE EXTENSION weir;
\set VERBOSITY terse

CREATE TABLE aggregates (name text PRIMARY KEY, query text);

-- create a continuous aggregate and remember its query
CREATE FUNCTION make(name text, query text) RETURNS regclass AS $$
    INSERT INTO aggregates VALUES (name, query);
    SELECT weir.create_continuous_aggregate(name, query);
$$ LANGUAGE sql;

-- rows that are in one of the two and not in the other, with duplicates
CREATE FUNCTION differences() RETURNS TABLE (name text, rows bigint, missing bigint, surplus bigint) AS $$
BEGIN
    FOR name IN SELECT a.name FROM aggregates a ORDER BY 1
    LOOP
        EXECUTE format('WITH q AS MATERIALIZED (%1$s), v AS MATERIALIZED (SELECT * FROM %2$I)
            SELECT (SELECT count(*) FROM v),
                (SELECT count(*) FROM (SELECT * FROM q EXCEPT ALL SELECT * FROM v) x),
                (SELECT count(*) FROM (SELECT * FROM v EXCEPT ALL SELECT * FROM q) x)',
            (SELECT a.query FROM aggregates a WHERE a.name = differences.name), name)
        INTO rows, missing, surplus;
        RETURN NEXT;
    END LOOP;
END $$ LANGUAGE plpgsql;

CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE place AS (room int, shelf text);
CREATE TABLE device (id int PRIMARY KEY, site text, factor numeric);
INSERT INTO device SELECT g, 'site ' || g % 3, g FROM generate_series(0, 9) g;
CREATE TABLE reading (
    at timestamptz, device int, value numeric, label text COLLATE ignore_case,
    place place, tags text[], f float8, flags int, bits bit(4), ok boolean, code varchar(10), n int
);
SELECT weir.create_stream('reading', 'at', max_out_of_orderness => '1 hour');

-- rows, up to 49 minutes out of order; whole numbers, so that sums of float8 are exact
CREATE FUNCTION rows_between(a int, b int) RETURNS SETOF reading AS $$
    SELECT '2024-02-28 12:00+00'::timestamptz + (g + g * 37 % 50) * interval '1 minute',
        NULLIF(g % 10, 9), round(g % 3, g % 4), CASE g % 4 WHEN 0 THEN 'Alpha' WHEN 1 THEN 'ALPHA' WHEN 2 THEN 'beta' END,
        (g % 2, 'x')::place, ARRAY[(g % 3)::text, NULL], g % 1000, g, (g % 16)::bit(4),
        g % 7 <> 0, 'c' || g % 5, g % 13
    FROM generate_series(a, b) g;
$$ LANGUAGE sql;

INSERT INTO reading SELECT * FROM rows_between(1, 500);

-- an aggregate function of the user's
CREATE FUNCTION larger(int, int) RETURNS int AS 'SELECT greatest($1, $2)' LANGUAGE sql IMMUTABLE;
CREATE AGGREGATE largest(int) (SFUNC = larger, STYPE = int, COMBINEFUNC = larger, INITCOND = '-1');

SELECT make('many', $$ SELECT w.window_start, w.window_end, device, count(*) AS a1, count(label) AS a2, sum(n) AS a3,
        sum(n::bigint) AS a4, avg(value) AS a5, sum(value) AS a6, stddev(value) AS a7, var_pop(f)::numeric(12,2) AS a8,
        max(label COLLATE "C") AS a9, min(code) AS a10, bool_and(ok) AS a11, bool_or(ok) AS a12, bit_or(flags) AS a13,
        bit_and(bits) AS a14, corr(f, n::float8)::numeric(8,4) AS a15, regr_count(f, n) AS a16, max(at) AS a17,
        min(tags) AS a18, largest(n) AS a19, max(tags) AS a20, every(n > 1) AS a21, avg(at - '2024-01-01') AS a22
    FROM reading r, weir.tumble(r.at, '1 hour') w GROUP BY w.window_start, w.window_end, device $$);
SELECT make('by_end', $$ SELECT w.window_end, count(*) FROM reading r, weir.tumble(r.at, '15 minutes') w GROUP BY w.window_end $$);
SELECT make('start_not_shown', $$ SELECT count(*) FROM reading r, weir.tumble(r.at, '15 minutes') w GROUP BY w.window_start $$);
SELECT make('filtered', $$ SELECT window_start, count(*) FILTER (WHERE ok) AS good, sum(n) FILTER (WHERE n > 5), device + 1 AS next
    FROM reading, weir.tumble(at, '1 hour') WHERE value <> 1 AND label IS NOT NULL GROUP BY window_start, device + 1 $$);
SELECT make('expressions', $$ SELECT w.window_start AS s, w.window_end - w.window_start AS size, upper(code) || '!' AS c,
        sum(n) * 100.0 / count(*) AS ratio, coalesce(max(device), -1) + 1 AS m, 'constant' AS k, now() IS NULL AS never
    FROM reading r, weir.tumble(r.at, '1 day') w GROUP BY 1, 2, w.window_end, code HAVING count(*) > 3 AND sum(n) > avg(n) $$);
SELECT make('by_label', $$ SELECT w.window_start, lower(min(label)) AS label, count(*) FROM reading r, weir.tumble(r.at, '1 day') w GROUP BY w.window_start, label $$);
SELECT make('by_numeric', $$ SELECT w.window_start, value::int AS value, count(*) FROM reading r, weir.tumble(r.at, '1 day') w GROUP BY w.window_start, value $$);
SELECT make('by_composite', $$ SELECT w.window_start, place, tags, bits, count(*) FROM reading r, weir.tumble(r.at, '1 day') w GROUP BY w.window_start, place, tags, bits $$);
SELECT make('only_keys', $$ SELECT w.window_start, device FROM reading r, weir.tumble(r.at, '1 day') w GROUP BY w.window_start, device $$);
SELECT make('joined', $$ SELECT w.window_start, d.site, sum(r.value * d.factor) FROM reading r JOIN device d ON d.id = r.device
        CROSS JOIN LATERAL weir.tumble(r.at, '1 hour') w WHERE d.id <> 3 GROUP BY w.window_start, d.site $$);
SELECT make('outer_joined', $$ SELECT w.window_start, d.id, d.site, count(*) FROM reading r LEFT JOIN device d ON d.id = r.device AND d.id > 4,
        weir.tumble(r.at, '1 hour') w GROUP BY w.window_start, d.id $$);
SELECT make('using_joined', $$ SELECT window_start, id, count(*), max(site) FROM (SELECT id, site FROM device OFFSET 0) d
        JOIN (VALUES (1), (2), (3)) v(id) USING (id) JOIN reading r ON r.device = id, weir.tumble(r.at, '1 hour') GROUP BY window_start, id $$);
SELECT make('sub_select', $$ WITH big AS (SELECT id FROM device WHERE factor > 5)
    SELECT w.window_start, count(*) FROM reading r, weir.tumble(r.at, '1 hour') w
    WHERE device IN (SELECT id FROM big) AND EXISTS (SELECT FROM device d WHERE d.id = r.device AND d.site <> 'site 1') GROUP BY w.window_start $$);
SELECT make('lateral', $$ SELECT w.window_start, t.tag, count(*) FROM reading r, weir.tumble(r.at, '1 hour') w, unnest(r.tags) AS t(tag) GROUP BY w.window_start, t.tag $$);
SELECT make('window_in_where', $$ SELECT w.window_start, extract(hour FROM w.window_end) AS h, max(w.window_end - r.at) FROM reading r, weir.tumble(r.at, '1 hour') w
    WHERE r.at > w.window_start + interval '10 minutes' GROUP BY w.window_start, w.window_end, extract(hour FROM w.window_end) $$);
SELECT make('rolled_up', $$ SELECT w.window_start, w.window_end, device, code, grouping(device, code) AS g, count(*), sum(value)
    FROM reading r, weir.tumble(r.at, '1 day') w GROUP BY w.window_start, w.window_end, ROLLUP (device, code) HAVING count(*) > 1 $$);
SELECT make('sets', $$ SELECT w.window_end, device, ok, count(*) FROM reading r, weir.tumble(r.at, '1 day') w
    GROUP BY GROUPING SETS ((w.window_end, device), (w.window_end, ok), (w.window_end)) $$);
SELECT make('hopping', $$ SELECT w.window_start, w.window_end, device, count(*), sum(value), avg(n) FROM reading r, weir.hop(r.at, '10 minutes', '1 hour') w GROUP BY w.window_start, w.window_end, device $$);
SELECT make('hopping_where', $$ SELECT w.window_start, w.window_end, count(*) FROM reading r, weir.hop(r.at, '30 minutes', '2 hours') w
    WHERE r.at < w.window_start + interval '90 minutes' GROUP BY w.window_start, w.window_end $$);
SELECT make('cumulating', $$ SELECT w.window_start, w.window_end, code, count(*), max(n) FROM reading r, weir.cumulate(r.at, '2 hours', '1 day') w GROUP BY w.window_start, w.window_end, code $$);
SELECT make('monthly', $$ SELECT w.window_start, w.window_end, count(*) FROM reading r, weir.tumble(r.at, '1 month') w GROUP BY w.window_start, w.window_end $$);
SELECT make('zoned', $$ SELECT w.window_start, w.window_end, count(*) FROM reading r, weir.tumble(r.at, '1 day', timezone => 'America/New_York') w GROUP BY w.window_start, w.window_end $$);
SELECT make('distinct_values', $$ SELECT w.window_start, w.window_end, code, count(DISTINCT device) AS d1, sum(DISTINCT device) AS d2, array_agg(DISTINCT device) AS d3,
        count(DISTINCT label) AS d4, count(DISTINCT tags) FILTER (WHERE ok) AS d5, avg(DISTINCT value) AS d6, count(DISTINCT place) AS d7, bool_or(DISTINCT ok) AS d8,
        max(DISTINCT code) AS d9, count(DISTINCT n) + count(*) AS d10
    FROM reading r, weir.tumble(r.at, '6 hours') w GROUP BY w.window_start, w.window_end, code HAVING count(DISTINCT n) > 1 $$);
SELECT make('distinct_hopping', $$ SELECT w.window_start, w.window_end, count(DISTINCT n), count(DISTINCT code) AS codes FROM reading r, weir.hop(r.at, '1 hour', '3 hours') w GROUP BY w.window_start, w.window_end $$);
SELECT make('distinct_total', $$ SELECT count(DISTINCT n), sum(DISTINCT n), count(DISTINCT code) FILTER (WHERE n > 1000) AS none, array_agg(DISTINCT code) FILTER (WHERE n > 1000) AS nothing FROM reading $$);
SELECT make('running', $$ SELECT device, count(*), avg(value), max(label COLLATE "C") FROM reading GROUP BY device $$);
SELECT make('running_total', $$ SELECT count(*), max(n), sum(value) FROM reading $$);
SELECT make('running_max', $$ SELECT max(n) FROM reading WHERE ok $$);
SELECT make('running_having', $$ SELECT sum(n) FROM reading HAVING count(*) > 100000 $$);
SELECT make('nothing', $$ SELECT w.window_start, count(*) FROM reading r, weir.tumble(r.at, '1 day') w WHERE false GROUP BY w.window_start $$);

-- nothing consumed yet: all comes from the rows themselves
SELECT * FROM differences();

-- consumed in one go, in pieces, partly; then more rows that are not consumed
CALL weir.drain('reading');
SELECT name, missing, surplus FROM differences() WHERE missing + surplus > 0;
INSERT INTO reading SELECT * FROM rows_between(501, 900);
CALL weir.drain('reading');
INSERT INTO reading SELECT * FROM rows_between(901, 1000);
CALL weir.drain('reading');
INSERT INTO reading SELECT * FROM rows_between(1001, 1300);
SELECT name, missing, surplus FROM differences() WHERE missing + surplus > 0;

-- all windows close
SELECT weir.advance_watermark('reading', 'infinity');
CALL weir.drain('reading');
SELECT * FROM differences();
SELECT aggregate, status, groups, open_windows FROM weir.stat_aggregates WHERE groups > 0 ORDER BY aggregate::text;
SELECT aggregate, status, late_rows FROM weir.stat_aggregates WHERE late_rows > 0 OR status <> 'active';
SELECT count(*) FROM hopping_closed;

-- the parts
\d+ filtered
\d filtered_closed
SELECT * FROM weir.continuous_aggregates WHERE aggregate = 'by_end'::regclass;

-- keys and window columns reach the state
-- autovacuum may have analyzed the small table of closed rows by now, or not
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM many WHERE device = 3 AND window_end > '2024-02-29';
RESET enable_seqscan;
RESET enable_bitmapscan;
\c postgres
DROP DATABASE weir_aggregate;
