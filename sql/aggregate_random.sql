-- Every kind of window, in every order of events, whatever the ticks, against
-- an oracle in plain SQL that knows which rows were late.  Another seed:
-- WEIR_SEED=0.5 make installcheck REGRESS='init aggregate_random'
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_random TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_random SET weir.start_workers = off;
\c weir_random
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
\set seed 0.42
\getenv seed WEIR_SEED
\o /dev/null
SELECT setseed(:seed);

-- Streams: 3 orders (in order; out of order within 5 minutes; some late) x
-- 3 ticks (a row each, at random, all in one) x 2.
CREATE TABLE stream AS
    SELECT s, s % 3 AS events, s / 3 % 3 AS ticks FROM generate_series(0, 17) s;
CREATE TABLE event AS
    SELECT s, i, sum(cut) OVER (PARTITION BY s ORDER BY i) AS tick, at, (random() * 3)::int AS k, (random() * 100)::int AS v
    FROM (SELECT s, i, CASE ticks WHEN 0 THEN 1 WHEN 1 THEN (random() < 0.25)::int ELSE 0 END AS cut,
            '2024-03-31 00:30+00'::timestamptz + i * i * interval '1.7 seconds'
            - CASE events WHEN 0 THEN interval '0' WHEN 1 THEN random() * interval '5 minutes'
                ELSE (CASE WHEN random() < 0.3 THEN random() * interval '45 minutes' ELSE random() * interval '2 minutes' END) END AS at
        FROM stream, generate_series(1, 60) i) x;
-- the watermark in force when a tick begins
CREATE VIEW mark AS
    SELECT s, tick, coalesce(max(max(at)) OVER (PARTITION BY s ORDER BY tick ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - interval '5 minutes', '-infinity') AS watermark
    FROM event GROUP BY s, tick;

CREATE TABLE agg (name text, window_call text, lateness interval, condition text DEFAULT 'true');
INSERT INTO agg (name, window_call, lateness) VALUES
    ('tumble', $$weir.tumble(at, '10 minutes')$$, '0'),
    ('tumble_lenient', $$weir.tumble(at, '10 minutes')$$, '7 minutes'),
    ('tumble_origin', $$weir.tumble(at, '7 minutes', '2030-01-01 00:00:13')$$, '1 minute'),
    ('tumble_month', $$weir.tumble(at, '1 month')$$, '0'),
    ('tumble_zone', $$weir.tumble(at, '1 hour', timezone => 'Europe/Berlin')$$, '0'),
    ('hop', $$weir.hop(at, '3 minutes', '15 minutes')$$, '0'),
    ('hop_lenient', $$weir.hop(at, '5 minutes', '20 minutes', '2000-01-01 00:02')$$, '4 minutes'),
    ('hop_zone', $$weir.hop(at, '1 hour', '4 hours', timezone => 'Europe/Berlin')$$, '0'),
    ('cumulate', $$weir.cumulate(at, '5 minutes', '30 minutes')$$, '0'),
    ('cumulate_lenient', $$weir.cumulate(at, '10 minutes', '1 hour')$$, '10 minutes');
INSERT INTO agg VALUES
    ('hop_windows', $$weir.hop(at, '3 minutes', '15 minutes')$$, '2 minutes', $$at < window_end - interval '1 minute'$$),
    ('session', $$weir.session(at, '4 minutes')$$, '0', 'true');

\set ECHO none
SELECT format('CREATE TABLE s%s (at timestamptz, k int, v int)', s),
    format('SELECT weir.create_stream(''s%s'', ''at'', max_out_of_orderness => ''5 minutes'')', s)
FROM stream ORDER BY s \gexec
SELECT format('SELECT weir.create_continuous_aggregate(%L, %L, allowed_lateness => %L)', name || s,
    format('SELECT window_start, window_end, k, count(*) AS n, sum(v), count(DISTINCT v) AS d, max(at) FROM s%s, %s WHERE %s GROUP BY window_start, window_end, k',
        s, window_call, condition), lateness)
FROM agg, stream WHERE name <> 'session' OR events < 2 ORDER BY s, name \gexec
SELECT format('INSERT INTO s%s SELECT at, k, v FROM event WHERE s = %s AND tick = %s ORDER BY i', s, s, tick),
    format('CALL weir.drain(''s%s'')', s)
FROM event GROUP BY s, tick ORDER BY tick, s \gexec
\o
\set ECHO all

-- what there should be: rows count in the windows that were open when their tick began
CREATE FUNCTION oracle(name text, s int) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN oracle.name = 'session' THEN format(
            'SELECT min(at), max(at) + interval ''4 minutes'', k, count(*), sum(v), count(DISTINCT v), max(at) FROM (
                SELECT *, sum(starts) OVER (PARTITION BY k ORDER BY at) AS island FROM (
                    SELECT *, CASE WHEN at - lag(at) OVER (PARTITION BY k ORDER BY at) <= ''4 minutes'' THEN 0 ELSE 1 END AS starts FROM event WHERE s = %s) x) y
            GROUP BY k, island', oracle.s)
        ELSE format('SELECT window_start, window_end, k, count(*), sum(v), count(DISTINCT v), max(at)
            FROM event JOIN mark USING (s, tick), %s WHERE s = %s AND %s AND window_end > watermark - interval %L GROUP BY window_start, window_end, k',
            window_call, oracle.s, condition, lateness) END
    FROM agg WHERE agg.name = oracle.name $$;
CREATE FUNCTION late(name text, s int) RETURNS text LANGUAGE sql AS $$
    SELECT format('SELECT count(*) FROM event e JOIN mark USING (s, tick) WHERE s = %s AND EXISTS (SELECT FROM %s WHERE %s)
        AND NOT EXISTS (SELECT FROM %2$s WHERE %3$s AND window_end > watermark - interval %4$L)', late.s, window_call, condition, lateness)
    FROM agg WHERE agg.name = late.name $$;
CREATE FUNCTION compare(OUT cases int, OUT wrong text) LANGUAGE plpgsql AS $$
DECLARE
    c record; n int; l bigint; known bigint;
BEGIN
    cases := 0;
    FOR c IN SELECT name, s FROM agg, stream WHERE name <> 'session' OR events < 2 LOOP
        EXECUTE format('WITH o AS MATERIALIZED (%s), v AS MATERIALIZED (SELECT * FROM %I)
            SELECT (SELECT count(*) FROM (SELECT * FROM o EXCEPT ALL SELECT * FROM v) x) + (SELECT count(*) FROM (SELECT * FROM v EXCEPT ALL SELECT * FROM o) x)',
            oracle(c.name, c.s), c.name || c.s) INTO n;
        l := 0;
        IF c.name <> 'session' THEN
            EXECUTE late(c.name, c.s) INTO l;
        END IF;
        SELECT count(*) INTO known FROM weir.late_rows WHERE aggregate = (c.name || c.s)::regclass;
        cases := cases + 1;
        IF n > 0 OR l <> known THEN
            wrong := concat_ws(E'\n', wrong, format('%s%s: %s rows differ, %s late instead of %s', c.name, c.s, n, known, l));
        END IF;
    END LOOP;
END $$;
SELECT * FROM compare();
SELECT count(*) > 100 AS many_late FROM weir.late_rows;

-- runs merged, and then everything closed
\o /dev/null
SELECT weir._maintain_aggregate(aggregate) FROM weir.stat_aggregates, generate_series(1, 3);
\o
SELECT * FROM compare();
\o /dev/null
\set ECHO none
SELECT format('SELECT weir.advance_watermark(''s%s'', ''infinity'')', s), format('CALL weir.drain(''s%s'')', s) FROM stream \gexec
\set ECHO all
\o
SELECT * FROM compare();
SELECT count(*) AS not_closed FROM weir.stat_aggregates WHERE groups > 0 OR status <> 'active';
\c postgres
DROP DATABASE weir_random;
