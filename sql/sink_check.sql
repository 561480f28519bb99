-- Sinks that could not run over any row are refused when they are created.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_sink_check TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_sink_check SET weir.start_workers = off;
\c weir_sink_check
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';

CREATE TABLE ev (at timestamptz, k text, n int);
CREATE TABLE other (at timestamptz, k text, n int);
SELECT weir.create_stream('ev', 'at'), weir.create_stream('other', 'at');
CREATE FUNCTION aggregate(name text, query text) RETURNS regclass LANGUAGE sql AS 'SELECT weir.create_continuous_aggregate($1, $2)';
SELECT aggregate('minutes', $$ SELECT w.window_end, k, sum(n) AS total FROM ev, weir.tumble(at, '1 minute') w GROUP BY w.window_end, k $$);
SELECT aggregate('hours', $$ SELECT w.window_end, sum(total) AS total FROM minutes m, weir.tumble(m.window_end - interval '1 microsecond', '1 hour') w GROUP BY w.window_end $$);
SELECT aggregate('ever', 'SELECT k, sum(n) AS total FROM ev GROUP BY k');
SELECT aggregate('elsewhere', 'SELECT k, sum(n) AS total FROM other GROUP BY k');
CREATE TABLE result (window_end timestamptz, k text, total bigint);
SELECT weir.create_wide_table('profiles');
SELECT weir.add_family('profiles', 'stats');

CREATE FUNCTION refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	PERFORM weir.create_sink('it', 'minutes', statement);
	PERFORM weir.drop_sink('it');
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', state || ': ' || message, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on

-- what the statement itself says
SELECT refusal('INSERT INTO result SELECT window_end, k FROM closed WHERE missing');
SELECT refusal('INSERT INTO missing TABLE closed');
CREATE SCHEMA later;
CREATE TABLE later.missing (LIKE result);
SET search_path = later, public;
SELECT refusal('INSERT INTO missing TABLE closed');
SELECT refusal('INSERT INTO later.missing TABLE closed');
RESET search_path;
SELECT refusal('SELECT missing(k) FROM closed');
SELECT refusal('SELECT upper(k, k) FROM closed');
SELECT refusal('INSERT INTO result (total) SELECT k FROM closed');

-- open windows on the same stream, wherever they stand
CREATE VIEW over_hours AS SELECT * FROM (SELECT total FROM hours WHERE total > 0) h;
SELECT refusal('INSERT INTO result SELECT c.window_end, c.k, e.total FROM closed c JOIN ever e USING (k)');
SELECT refusal('SELECT (SELECT max(total) FROM minutes m WHERE m.k = closed.k) FROM closed');
SELECT refusal('WITH x AS (TABLE over_hours) DELETE FROM result USING x WHERE result.total = x.total');
SELECT refusal('INSERT INTO result SELECT c.window_end, c.k, e.total FROM closed c JOIN elsewhere e USING (k)');
SELECT refusal('INSERT INTO result SELECT c.window_end, c.k, m.total FROM closed c JOIN minutes_closed m USING (k)');

-- commands that a sink may not use
SELECT refusal('SELECT weir.wait(''other'') FROM closed');
SELECT refusal('INSERT INTO result (total) SELECT 1 FROM closed WHERE weir.advance_watermark(''ev'', window_end) > window_end');
SELECT refusal('SELECT weir.pause(k::regclass), weir.resume(k::regclass) FROM closed');
SELECT refusal('SELECT weir.skip(k::regclass) FROM closed');
SELECT refusal('SELECT CASE WHEN total > 9 THEN weir.drop_stream(k::regclass) END FROM closed');
SELECT refusal('SELECT (SELECT weir.resume_sink(x) FROM unnest(ARRAY[k]) x) FROM closed');
SELECT refusal('SELECT weir.skip_sink(k) FROM closed');
SELECT refusal('SELECT weir.alter_continuous_aggregate(k::regclass, total * interval ''1 second'') FROM closed');
SELECT refusal('SELECT weir.delete_late_rows(k::regclass) FROM closed');

-- functions
CREATE TABLE gone (k text, total bigint);
CREATE FUNCTION into_gone(text, bigint) RETURNS void LANGUAGE sql AS 'INSERT INTO gone VALUES ($1, $2)';
CREATE FUNCTION pair(text, bigint) RETURNS SETOF gone LANGUAGE sql AS 'SELECT $1, $2';
SET check_function_bodies = off;
CREATE FUNCTION with_path(text, bigint) RETURNS void LANGUAGE sql SET search_path = hidden AS 'INSERT INTO elsewhere_gone VALUES ($1, $2)';
RESET check_function_bodies;
SELECT refusal('SELECT into_gone(k, total) FROM closed');
SELECT refusal('SELECT p.* FROM closed, pair(k, total) p');
SELECT refusal('SELECT with_path(k, total) FROM closed');
ALTER TABLE gone DROP COLUMN total;
SELECT refusal('SELECT into_gone(k, total) FROM closed');
SELECT refusal('SELECT p.* FROM closed, pair(k, total) p');
DROP TABLE gone CASCADE;
SELECT refusal('SELECT into_gone(k, total) FROM closed');

-- wide tables
SELECT refusal($$SELECT weir.mutate_row('profiles', k, weir.set_cell('stats', 'total', total, window_end)) FROM closed$$);
SELECT refusal($$SELECT weir.mutate_row('result', k, weir.set_cell('stats', 'total', total, window_end)) FROM closed$$);
SELECT refusal($$SELECT weir.mutate_row('profiles', k, weir.delete_from_row(), weir.set_cell('missing', 'total', total)) FROM closed$$);
SELECT refusal($$SELECT weir.mutate_row('profiles', k, CASE WHEN total > 0 THEN weir.delete_from_family('other') ELSE weir.delete_from_row() END) FROM closed$$);
SELECT refusal($$SELECT weir.mutate_row(k::regclass, k, weir.set_cell(k, k, k)) FROM closed$$);
CREATE ROLE weir_sink_owner;
GRANT CREATE ON SCHEMA public TO weir_sink_owner;
GRANT SELECT ON ev TO weir_sink_owner;
GRANT INSERT ON profiles TO weir_sink_owner;
SELECT weir.drop_continuous_aggregate('minutes', cascade => true);
SET ROLE weir_sink_owner;
SELECT aggregate('minutes', $$ SELECT w.window_end, k, sum(n) AS total FROM ev, weir.tumble(at, '1 minute') w GROUP BY w.window_end, k $$);
CREATE FUNCTION mine(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
SELECT refusal('SELECT mine(k) FROM closed');
SELECT refusal('INSERT INTO result TABLE closed');
SELECT refusal($$SELECT weir.mutate_row('profiles', k, weir.set_cell('stats', 'total', total)) FROM closed$$);
SELECT refusal($$SELECT weir.mutate_row('profiles', k, weir.set_cell('stats', 'total', total), weir.delete_from_column('stats', k)) FROM closed$$);
RESET ROLE;
REVOKE INSERT ON profiles FROM weir_sink_owner;
REVOKE USAGE ON LANGUAGE sql FROM PUBLIC;
SET ROLE weir_sink_owner;
SELECT refusal($$SELECT weir.mutate_row('profiles', k, weir.set_cell('stats', 'total', total)) FROM closed$$);
SELECT refusal('SELECT mine(k) FROM closed');
RESET ROLE;
-- nothing is left of it
TABLE weir.sinks;
SELECT count(*) FROM profiles;
\c postgres
DROP DATABASE weir_sink_check;
DROP ROLE weir_sink_owner;
