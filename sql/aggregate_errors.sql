-- Every query that is refused, and why.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_errors TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_errors SET weir.start_workers = off;
\c weir_errors
SET client_min_messages = warning;
CREATE EXTENSION weir;

CREATE TABLE ev (at timestamptz, k text, n int, f float8, j json);
CREATE TABLE ev2 (at timestamptz, k text);
CREATE TABLE plain (k text PRIMARY KEY, v int);
CREATE TABLE proc (k text);
CREATE TEMP TABLE temporary (k text);
CREATE VIEW on_stream AS SELECT * FROM ev;
CREATE VIEW on_plain AS SELECT * FROM plain;
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_stream('ev2', 'at');
SELECT weir.create_stream('proc');

-- sqlstate, message, detail and hint
CREATE FUNCTION try(query text, name text DEFAULT 'x') RETURNS text AS $$
DECLARE
    m text; d text; h text; s text;
BEGIN
    PERFORM weir.create_continuous_aggregate(name, query);
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT, s = RETURNED_SQLSTATE;
    RETURN concat_ws(E'\n', s || ' ' || m, nullif(d, ''), nullif('Hint: ' || h, 'Hint: '));
END $$ LANGUAGE plpgsql;
CREATE FUNCTION try_sql(command text) RETURNS text AS $$
DECLARE
    m text; d text; h text; s text;
BEGIN
    EXECUTE command;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT, s = RETURNED_SQLSTATE;
    RETURN concat_ws(E'\n', s || ' ' || m, nullif(d, ''), nullif('Hint: ' || h, 'Hint: '));
END $$ LANGUAGE plpgsql;
\t on
\pset format unaligned

-- streams
SELECT try('SELECT count(*) FROM plain');
SELECT try('SELECT count(*) FROM ev a, ev b');
SELECT try('SELECT count(*) FROM ev a JOIN ev2 b USING (k)');
SELECT try('SELECT count(*) FROM (SELECT * FROM ev) s');
SELECT try('SELECT count(*) FROM on_stream');
SELECT try('WITH s AS (SELECT * FROM ev) SELECT count(*) FROM s');
SELECT try('SELECT count(*) FROM ev WHERE n > (SELECT avg(n) FROM ev)');
SELECT try('SELECT count(*) FROM ev WHERE k IN (SELECT k FROM on_stream)');
SELECT try('SELECT count(*) FROM ev TABLESAMPLE system (1)');
SELECT try('SELECT count(*) FROM plain LEFT JOIN ev USING (k)');
SELECT try('SELECT count(*) FROM ev RIGHT JOIN plain USING (k)');
SELECT try('SELECT count(*) FROM ev FULL JOIN plain USING (k)');
SELECT try('SELECT ctid, count(*) FROM ev GROUP BY ctid');
SELECT try('SELECT count(*) FROM ev WHERE tableoid = 1');
SELECT try('SELECT count(*) FROM ev, temporary');

-- windows
SELECT try('SELECT count(*) FROM ev, weir.tumble(at, ''1 hour'') w');
SELECT try('SELECT k, count(*) FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY k');
SELECT try('SELECT date_trunc(''day'', w.window_start), count(*) FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.cumulate(at, ''1 hour'', ''1 day'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.tumble(at, ''1 hour'') w, weir.tumble(at, ''1 day'') v GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.tumble(at + interval ''1 hour'', ''1 hour'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.tumble(now(), ''1 hour'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM proc, weir.tumble(timestamptz ''2024-01-01'', ''1 hour'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.tumble(at, n * interval ''1 hour'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.tumble(at, ''0'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.hop(at, ''7 minutes'', ''1 hour'') w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev, weir.tumble(at, ''1 hour'') WITH ORDINALITY w GROUP BY 1');
SELECT try('SELECT w.window_start, count(*) FROM ev LEFT JOIN weir.tumble(at, ''1 hour'') w ON true GROUP BY 1');
SELECT try('SELECT w.window_start, k, count(*) FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY ROLLUP (w.window_start, k)');

-- over another aggregate
SELECT weir.create_continuous_aggregate('ever', 'SELECT k, count(*) AS n FROM ev GROUP BY k');
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_start, w.window_end, k, count(*) AS n FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY 1, 2, 3');
SELECT weir.create_continuous_aggregate('today', 'SELECT w.window_start, count(*) AS n FROM ev, weir.cumulate(at, ''1 hour'', ''1 day'') w GROUP BY w.window_start, w.window_end');
SELECT weir.create_continuous_aggregate('visits', 'SELECT w.window_start, w.window_end, k, count(*) AS n FROM ev, weir.session(at, ''1 hour'') w GROUP BY 1, 2, 3');
SELECT weir.create_continuous_aggregate('bare', 'SELECT k, count(*) AS n FROM ev, weir.tumble(at, ''1 hour'') w GROUP BY w.window_end, k');
SELECT try('SELECT k, sum(n) FROM ever GROUP BY k');
SELECT try('SELECT w.window_end, sum(n) FROM today t, weir.tumble(t.window_start, ''1 day'') w GROUP BY 1');
SELECT try('SELECT k, sum(n) FROM bare GROUP BY k');
SELECT try('SELECT w.window_end, sum(n) FROM visits v, weir.tumble(v.window_start, ''1 day'') w GROUP BY 1');
SELECT try('SELECT w.window_end, sum(n) FROM hourly h, weir.tumble(h.window_start + interval ''1 hour'', ''1 day'') w GROUP BY 1');
SELECT try('SELECT w.window_end, sum(n) FROM hourly h, weir.tumble(h.window_end - interval ''1 day'', ''1 day'') w GROUP BY 1');
SELECT try('SELECT w.window_end, sum(n) FROM hourly h, weir.tumble(h.window_end - interval ''-1 hour'', ''1 day'') w GROUP BY 1');
SELECT try('SELECT w.window_end, sum(n) FROM hourly h, weir.tumble(now(), ''1 day'') w GROUP BY 1');
SELECT try('SELECT sum(h.n) FROM hourly h JOIN visits v USING (k)');
SELECT try('SELECT sum(h.n) FROM hourly h JOIN ev USING (k)');
SELECT try('SELECT sum(h.n) FROM hourly h, hourly');
SELECT try('SELECT sum(n) FROM (SELECT * FROM hourly) h');
SELECT try('SELECT sum(h.n) FROM plain LEFT JOIN hourly h USING (k)');
SELECT try('SELECT sum(n) FROM hourly_closed');
SELECT weir.drop_continuous_aggregate(a) FROM unnest(ARRAY['ever', 'hourly', 'today', 'visits', 'bare']::regclass[]) a;

-- the shape of the query
SELECT try('SELECT k, n FROM ev');
SELECT try('SELECT DISTINCT count(*) FROM ev');
SELECT try('SELECT k, count(*) FROM ev GROUP BY k ORDER BY k');
SELECT try('SELECT k, count(*) FROM ev GROUP BY k LIMIT 1');
SELECT try('SELECT k, count(*) FROM ev GROUP BY k OFFSET 1');
SELECT try('SELECT count(*) FROM ev UNION ALL SELECT 1');
SELECT try('SELECT k, sum(count(*)) OVER () FROM ev GROUP BY k');
SELECT try('SELECT generate_series(1, count(*)) FROM ev');
SELECT try('SELECT count(*), (SELECT max(n) FROM ev2) FROM ev');
SELECT try('SELECT count(*) FROM ev HAVING count(*) > (SELECT count(*) FROM on_stream)');
SELECT try('WITH s AS (SELECT * FROM ev2) SELECT count(*), (SELECT count(*) FROM s) FROM ev');
SELECT try('SELECT count(*), (SELECT random()) FROM ev');
SELECT try('SELECT k, (SELECT ev.n) FROM ev GROUP BY k');
SELECT try('SELECT k FROM ev GROUP BY k FOR UPDATE');
SELECT try('SELECT random(), count(*) FROM ev');
SELECT try('SELECT count(*) FROM ev WHERE at > clock_timestamp()');
SELECT try('SELECT (k, n), count(*) FROM ev GROUP BY (k, n)');
SELECT try('SELECT (k, n)::record, count(*) FROM ev GROUP BY 1');
SELECT try('SELECT j::text, count(*) FROM ev GROUP BY j');

-- aggregate functions
SELECT try('SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY f) FROM ev');
SELECT try('SELECT mode() WITHIN GROUP (ORDER BY k) FROM ev');
SELECT try('SELECT json_agg(n) FROM ev');
SELECT try('SELECT max(n ORDER BY n) FROM ev');
SELECT try('SELECT string_agg(DISTINCT k, j::text) FROM ev');
SELECT try('SELECT count(DISTINCT (k, f)) FROM ev');
SELECT try('SELECT corr(DISTINCT f, f) FROM ev');
SELECT try('SELECT count(DISTINCT j) FROM ev');

-- not a query
SELECT try('SELECT');
SELECT try('SELEC 1');
SELECT try('');
SELECT try('SELECT count(*) FROM ev; SELECT 1');
SELECT try('INSERT INTO plain VALUES (''a'', 1)');
SELECT try('WITH d AS (DELETE FROM plain RETURNING *) SELECT count(*) FROM ev');
SELECT try('SELECT count(*) INTO y FROM ev');
SELECT try('SELECT nothing, count(*) FROM ev GROUP BY 1');
SELECT try('SELECT count(*), count(k) FROM ev');
SELECT try('SELECT count(*) FROM ev WHERE n = $1');

-- names
SELECT try('SELECT count(*) FROM ev', 'plain');
CREATE TABLE taken_closed ();
SELECT try('SELECT count(*) FROM ev', 'taken');
SELECT try('SELECT count(*) FROM ev', 'nowhere.x');
SELECT try('SELECT count(*) FROM ev', 'pg_temp.x');
SELECT try('SELECT count(*) FROM ev', 'weir.x');
SELECT try('SELECT count(*) FROM ev', 'a123456789012345678901234567890123456789012345678901234567');
SELECT try('SELECT count(*) FROM ev', 'a.b.c.d');
SELECT try_sql($q$SELECT weir.create_continuous_aggregate(NULL, 'SELECT 1')$q$);
SELECT try_sql($q$SELECT weir.create_continuous_aggregate('x', NULL)$q$);
SELECT try_sql($q$SELECT weir.create_continuous_aggregate('x', 'SELECT count(*) FROM ev', NULL)$q$);
SELECT try_sql($q$SELECT weir.create_continuous_aggregate('x', 'SELECT count(*) FROM ev', '1 month')$q$);

-- rights: on what is read, as of the caller
CREATE ROLE nobody;
CREATE SCHEMA theirs AUTHORIZATION nobody;
SET ROLE nobody;
SELECT try('SELECT count(*) FROM ev', 'theirs.x');
SELECT try('SELECT count(*) FROM ev', 'public.x');
SELECT try('SELECT count(*) FROM weir._cursor', 'theirs.x');
RESET ROLE;
DROP SCHEMA theirs;
DROP ROLE nobody;

-- other functions
SELECT try_sql($q$SELECT weir.alter_continuous_aggregate('plain')$q$);
SELECT try_sql($q$SELECT weir.alter_continuous_aggregate(NULL)$q$);
SELECT try_sql($q$SELECT weir.drop_continuous_aggregate('plain')$q$);
SELECT try_sql($q$SELECT weir.drop_continuous_aggregate(NULL)$q$);
SELECT try_sql($q$SELECT weir.pause('plain')$q$);
SELECT try_sql($q$SELECT weir.resume('plain')$q$);
SELECT try_sql($q$SELECT weir.pause(NULL)$q$);
SELECT try('SELECT count(*) FROM ev', 'has space');
SELECT try('SELECT count(*) FROM ev', '');
SELECT try('SELECT count(*) FROM ev', 'no_such_schema.x');
SELECT try_sql($q$SELECT weir.resume(NULL)$q$);
SELECT try_sql($q$SELECT weir.alter_continuous_aggregate(0)$q$);
SELECT weir.create_continuous_aggregate('w', 'SELECT w.window_start, count(*) FROM ev, weir.cumulate(at, ''1 hour'', ''1 day'') w GROUP BY w.window_start, w.window_end');
SELECT try_sql($q$SELECT weir.alter_continuous_aggregate('w', allowed_lateness => '1 year')$q$);
SELECT try_sql($q$SELECT weir.alter_continuous_aggregate('w', retention => '1 hour')$q$);
SELECT regexp_replace(try_sql('DROP TABLE ' || c.oid::regclass), '\d+ because', 'N because') FROM pg_class c WHERE relname ~ '^_state_' AND relkind = 'r';
CREATE FOREIGN TABLE alien (n int) SERVER weir_live;
SELECT try_sql($q$SELECT * FROM alien$q$);
SELECT try_sql($q$SELECT weir._pane_start(now(), NULL)$q$) ~ '^(42883|0A000)';
SELECT try_sql($q$SELECT weir._aggregate_dropped()$q$);

-- nothing is left of what was refused
SELECT count(*) FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relname ~ '^_(query|open)_';
\c postgres
DROP DATABASE weir_errors;
