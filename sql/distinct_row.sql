-- Distinct rows, and distinct values beside constants.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_distinct_row TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_distinct_row SET weir.start_workers = off;
\c weir_distinct_row
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TYPE pair AS (n float8, t interval);
CREATE TABLE ev (at timestamptz, k int, n numeric, t text, b bytea, u uuid, f float8, i interval, v varchar, o boolean);
SELECT weir.create_stream('ev', 'at', max_out_of_orderness => '90 minutes');
CREATE FUNCTION definition() RETURNS text LANGUAGE sql AS $x$ SELECT $$
    SELECT w.window_start, w.window_end, k, count(DISTINCT (n, t)) AS two,
        count(DISTINCT (n, t, at::date)) FILTER (WHERE n > 3) AS three, count(DISTINCT ROW(n)) AS one,
        count(DISTINCT (b, u, v, o, at::time, at, at AT TIME ZONE 'Europe/Berlin', at::date)) AS eight,
        count(DISTINCT (f, i)::pair) AS pairs, count(DISTINCT (t, n)) + count(DISTINCT n) AS sums, count(DISTINCT (lower(t), k % 2)) AS texts,
        string_agg(DISTINCT t, ', ') AS list, string_agg(DISTINCT v, chr(10) || '-') FILTER (WHERE k > 0) AS lines,
        string_agg(DISTINCT b, NULL) AS bytes, array_agg(DISTINCT t) AS texts_list, regr_count(DISTINCT f, 1) AS f, regr_sxx(DISTINCT f, NULL) AS nothing
    FROM ev, weir.hop(at, '30 minutes', '1 hour') w GROUP BY w.window_start, w.window_end, k $$ $x$;
SELECT weir.create_continuous_aggregate('rows', definition());
CREATE FUNCTION compare() RETURNS TABLE (differ bigint, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT count(*) FROM ((TABLE rows EXCEPT ALL (%1$s)) UNION ALL ((%1$s) EXCEPT ALL TABLE rows)) x', definition()) INTO differ;
    SELECT count(*) FROM rows INTO rows;
    RETURN NEXT;
END $$;
CREATE PROCEDURE step(n int) LANGUAGE sql AS $$
    INSERT INTO ev SELECT '2024-01-01 00:00Z'::timestamptz + n * interval '40 minutes' + (g % 500) * interval '10 seconds', g % 3,
        CASE g % 6 WHEN 0 THEN NULL WHEN 1 THEN 1.0 WHEN 2 THEN 1.00 WHEN 3 THEN 'NaN' WHEN 4 THEN -0.0 ELSE g % 13 END,
        CASE WHEN g % 5 = 0 THEN NULL WHEN g % 7 = 1 THEN '' WHEN g % 7 = 2 THEN '"null"' ELSE 'T' || g % 7 END,
        decode(lpad(to_hex(g % 17), 2, '0'), 'hex'), md5((g % 11)::text)::uuid, CASE WHEN g % 4 = 0 THEN '-0' ELSE (g % 3)::float8 / 3 END,
        CASE WHEN g % 2 = 0 THEN interval '1 day' ELSE interval '24 hours' END, 'v' || g % 2, CASE WHEN g % 3 > 0 THEN g % 2 = 0 END
    FROM generate_series(0, 999) g $$;
CALL step(0);
SELECT * FROM compare();
CALL weir.drain('ev');
SELECT * FROM compare();
CALL step(1);
SELECT * FROM compare();
CALL weir.drain('ev');
CALL step(2);
CALL weir.drain('ev');
-- settings are those of the aggregate
SET timezone = 'America/New_York';
SET bytea_output = 'escape';
SET datestyle = 'German';
CALL step(3);
CALL weir.drain('ev');
RESET ALL;
SET timezone = 'UTC';
SELECT * FROM compare();
SELECT weir.advance_watermark('ev', 'infinity');
SELECT * FROM compare();
SELECT k, two, three, one, pairs, sums, texts, list, lines, bytes, f, nothing FROM rows_closed ORDER BY window_start, k LIMIT 3;
\c postgres
DROP DATABASE weir_distinct_row;
