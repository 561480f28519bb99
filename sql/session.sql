-- Session windows against gaps and islands.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_session TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_session SET weir.start_workers = off;
\c weir_session
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TABLE click (at timestamptz, visitor text, page int);
SELECT weir.create_stream('click', 'at', max_out_of_orderness => '20 minutes');
SELECT weir.create_continuous_aggregate('visit', $$
    SELECT w.window_start, w.window_end, visitor, count(*) AS clicks, count(DISTINCT page) AS pages, sum(page)
    FROM click, weir.session(at, '10 minutes') w GROUP BY w.window_start, w.window_end, visitor $$);
SELECT weir.create_continuous_aggregate('busy', $$
    SELECT w.window_end, count(*) AS clicks FROM click, weir.session(at, '1 minute') w WHERE page > 2
    GROUP BY w.window_end HAVING count(*) > 1 $$);
CREATE FUNCTION islands() RETURNS TABLE (window_start timestamptz, window_end timestamptz, visitor text, clicks bigint, pages bigint, sum bigint) LANGUAGE sql AS $$
    SELECT min(at), max(at) + interval '10 minutes', visitor, count(*), count(DISTINCT page), sum(page)
    FROM (SELECT *, sum(starts) OVER (PARTITION BY visitor ORDER BY at) AS island
          FROM (SELECT *, CASE WHEN at - lag(at) OVER (PARTITION BY visitor ORDER BY at) <= '10 minutes' THEN 0 ELSE 1 END AS starts FROM click) x) y
    GROUP BY visitor, island $$;
CREATE FUNCTION differences() RETURNS TABLE (missing bigint, surplus bigint, busy_missing bigint, busy_surplus bigint) LANGUAGE sql AS $$
    WITH b AS (SELECT max(at) + interval '1 minute', count(*)
        FROM (SELECT *, sum(starts) OVER (ORDER BY at) AS island
              FROM (SELECT *, CASE WHEN at - lag(at) OVER (ORDER BY at) <= '1 minute' THEN 0 ELSE 1 END AS starts FROM click WHERE page > 2) x) y
        GROUP BY island HAVING count(*) > 1)
    SELECT (SELECT count(*) FROM (SELECT * FROM islands() EXCEPT ALL SELECT * FROM visit) x),
        (SELECT count(*) FROM (SELECT * FROM visit EXCEPT ALL SELECT * FROM islands()) x),
        (SELECT count(*) FROM (SELECT * FROM b EXCEPT ALL SELECT * FROM busy) x),
        (SELECT count(*) FROM (SELECT * FROM busy EXCEPT ALL SELECT * FROM b) x) $$;

-- exactly the gap apart is one session, a microsecond more is two (RULES 5)
INSERT INTO click VALUES ('2024-01-01 10:00', 'a', 1), ('2024-01-01 10:10', 'a', 2), ('2024-01-01 10:20:00.000001', 'a', 3), ('2024-01-01 10:03', 'b', 3), ('2024-01-01 10:03', NULL, 3), ('2024-01-01 10:05', NULL, 4);
SELECT * FROM visit ORDER BY 1, 3;
CALL weir.drain('click');
SELECT * FROM visit ORDER BY 1, 3;

-- a row out of order bridges two sessions (RULES 6), before and after it is consumed
INSERT INTO click VALUES ('2024-01-01 10:15', 'a', 1);
SELECT * FROM visit ORDER BY 1, 3;
CALL weir.drain('click');
SELECT * FROM visit ORDER BY 1, 3;
SELECT visitor, clicks FROM visit WHERE visitor = 'a';
SELECT visitor, clicks FROM visit WHERE window_end > '2024-01-01 10:20' ORDER BY 1;
SELECT visitor, clicks FROM visit WHERE window_start = '2024-01-01 10:03' ORDER BY 1;

-- a session closes when the watermark reaches its end
INSERT INTO click VALUES ('2024-01-01 10:50:00.000001', 'c', 1);
CALL weir.drain('click');
SELECT * FROM visit_closed ORDER BY 1, 3;
SELECT * FROM visit ORDER BY 1, 3;
SELECT * FROM differences();

-- late: a session of its own that has ended; not late: one that is part of an
-- open session, whose start it may move back (RULES 32)
INSERT INTO click VALUES ('2024-01-01 10:29', 'late', 1), ('2024-01-01 10:41', 'c', 1), ('2024-01-01 10:31', 'c', 1), ('2024-01-01 10:22', 'c', 1), ('2024-01-01 10:05', 'c', 1), ('2024-01-01 10:09', 'b', 1);
SELECT * FROM visit ORDER BY 1, 3;
CALL weir.drain('click');
SELECT * FROM visit ORDER BY 1, 3;
SELECT event_time, window_end, "row" FROM weir.late_rows WHERE aggregate = 'visit'::regclass ORDER BY event_time;
SELECT aggregate, late_rows FROM weir.stat_aggregates ORDER BY aggregate::text;

-- the end of input
SELECT weir.advance_watermark('click', 'infinity');
SELECT * FROM visit_closed ORDER BY 1, 3;
SELECT groups FROM weir.stat_aggregates;

-- many, in ticks of their own, merged in between
TRUNCATE click;
SELECT weir.drop_stream('click', cascade => true);
SELECT weir.create_stream('click', 'at', max_out_of_orderness => '20 minutes');
SELECT weir.create_continuous_aggregate('visit', $$
    SELECT w.window_start, w.window_end, visitor, count(*) AS clicks, count(DISTINCT page) AS pages, sum(page)
    FROM click, weir.session(at, '10 minutes') w GROUP BY w.window_start, w.window_end, visitor $$);
SELECT weir.create_continuous_aggregate('busy', $$
    SELECT w.window_end, count(*) AS clicks FROM click, weir.session(at, '1 minute') w WHERE page > 2
    GROUP BY w.window_end HAVING count(*) > 1 $$);
\set some 'INSERT INTO click SELECT ''2024-01-01''::timestamptz + (hashint4(g) % 600 + g) * interval ''1 second'', ''v'' || abs(hashint4(g + 1)) % 30, abs(hashint4(g + 2)) % 7 FROM generate_series((SELECT count(*)::int FROM click) * 7, (SELECT count(*)::int FROM click) * 7 + 1000, 7) g; CALL weir.drain(''click'');'
:some :some :some
SELECT * FROM differences();
:some :some :some :some :some :some :some
SELECT count(*) FROM click;
SELECT * FROM differences();
SELECT weir._maintain_aggregate('visit') IS NOT NULL, weir._maintain_aggregate('busy') IS NOT NULL;
SELECT * FROM differences();
:some :some :some
INSERT INTO click SELECT at + interval '1 second', visitor, page FROM click ORDER BY at DESC LIMIT 100;
SELECT * FROM differences();
SELECT count(*) > 0 AS some_closed FROM visit_closed;
SELECT weir.advance_watermark('click', 'infinity');
CALL weir.drain('click');
SELECT * FROM differences();
SELECT aggregate, status, groups, late_rows FROM weir.stat_aggregates ORDER BY aggregate::text;

-- refused
SELECT weir.create_continuous_aggregate('x', 'SELECT w.window_start, count(*) FROM click, weir.session(at, ''1 minute'') w GROUP BY 1');
SELECT weir.create_continuous_aggregate('x', 'SELECT w.window_end, visitor, count(*) FROM click, weir.session(at, ''1 minute'') w GROUP BY w.window_end, ROLLUP (visitor)');
SELECT weir.create_continuous_aggregate('x', 'SELECT w.window_end, count(*) FROM click, weir.session(at, ''1 minute'') w WHERE at < w.window_end - interval ''2 minutes'' GROUP BY 1');
SELECT weir.create_continuous_aggregate('x', 'SELECT w.window_end, count(*) FROM click, weir.session(at, ''-1 minute'') w GROUP BY 1');
SELECT * FROM weir.session(now(), '1 minute');
\c postgres
DROP DATABASE weir_session;
