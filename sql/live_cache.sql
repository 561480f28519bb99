-- What a process keeps of a live view between queries: it is as if nothing were
-- kept, whatever has been altered meanwhile, and by whom.  In a database of its
-- own, where no worker interferes.
CREATE DATABASE weir_live_cache TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_live_cache SET weir.start_workers = off;
\c weir_live_cache
SET client_min_messages = warning;
CREATE EXTENSION weir;
CREATE ROLE weir_live_owner;
CREATE ROLE weir_live_heir;
GRANT weir_live_owner TO weir_live_heir;
GRANT pg_read_all_stats TO weir_live_owner;
GRANT CREATE ON SCHEMA public TO weir_live_owner, weir_live_heir;
ALTER DATABASE weir_live_cache SET timezone = 'UTC';
SET timezone = 'UTC';
SET ROLE weir_live_owner;

CREATE TABLE ev (at timestamptz, unused int, k bigint, t text, v numeric);
SELECT weir.create_stream('ev', 'at', max_out_of_orderness => '10 days');
CREATE DOMAIN amount AS numeric;
CREATE FUNCTION scaled(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION label(bigint) RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN RETURN ''k'' || $1; END';
CREATE FUNCTION twice(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT 2 * $1';
CREATE AGGREGATE total(numeric) (SFUNC = numeric_add, STYPE = numeric, COMBINEFUNC = numeric_add);
CREATE TABLE names (k bigint PRIMARY KEY, name text);
INSERT INTO names SELECT n, 'name ' || n FROM generate_series(0, 9) n;
SELECT weir.create_continuous_aggregate('agg', $$
	SELECT w.window_start, w.window_end, k, label(k) AS label, count(*) AS n, scaled(sum(v)) AS scaled, total(v), sum(DISTINCT v) AS of_distinct, max(v)::amount AS high
	FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end, k $$);
SELECT weir.create_continuous_aggregate('named', $$
	SELECT k, count(*) AS n, (SELECT name FROM names WHERE names.k = ev.k) AS name FROM ev GROUP BY k $$);
SELECT weir.create_continuous_aggregate('all_of_it', 'SELECT count(*) AS n, scaled(sum(v)) AS scaled FROM ev');
SELECT weir.create_continuous_aggregate('above', $$
	SELECT w.window_end, k, sum(n) AS n FROM agg, weir.tumble(agg.window_start, '1 day') w GROUP BY w.window_end, k $$);
INSERT INTO ev SELECT '2024-01-01 10:00'::timestamptz + n % 3 * interval '30 minutes', 0, n % 10, 't' || n % 3, n % 7 FROM generate_series(1, 1000) n;
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-01 10:00'::timestamptz + n % 3 * interval '30 minutes', 0, n % 10, 't' || n % 3, n % 7 FROM generate_series(1, 500) n;
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-01 10:00', 0, n % 10, 't', 100 FROM generate_series(1, 20) n;

-- one group, with what it is by the plain query
CREATE VIEW plain AS SELECT w.window_start, w.window_end, k, label(k) AS label, count(*) AS n, scaled(sum(v)) AS scaled, total(v), sum(DISTINCT v) AS of_distinct, max(v)::amount AS high
	FROM ev, weir.tumble(at, '1 hour') w GROUP BY w.window_start, w.window_end, k;
CREATE FUNCTION check_group(bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	live text;
	plain text;
BEGIN
	SELECT string_agg(a::text, ' ' ORDER BY window_start) INTO live FROM agg a WHERE k = $1;
	SELECT string_agg(p::text, ' ' ORDER BY window_start) INTO plain FROM plain p WHERE k = $1;
	RETURN CASE WHEN live = plain THEN live ELSE live || ' is not ' || plain END;
END $$;
PREPARE one(bigint) AS SELECT to_char(window_start, 'HH24') AS hour, label, n, scaled, total, of_distinct, high FROM agg WHERE k = $1 ORDER BY 1;
SET plan_cache_mode = force_generic_plan;
CREATE VIEW kept AS SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'weir definition';
SELECT check_group(3);
SELECT check_group(4);
EXECUTE one(3);
EXECUTE one(4);
EXECUTE one(NULL);
SELECT n, scaled FROM all_of_it;
SELECT n, name FROM named WHERE k = 3;
SELECT sum(n) FROM above WHERE k = 3;
-- an aggregate over another is not among them
SELECT * FROM kept;

-- functions, also aggregate functions, and domains
CREATE OR REPLACE FUNCTION scaled(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT twice($1) - 1';
SELECT check_group(3);
CREATE OR REPLACE FUNCTION twice(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT 3 * $1';
SELECT check_group(3);
EXECUTE one(3);
SELECT n, scaled FROM all_of_it;
CREATE OR REPLACE FUNCTION label(bigint) RETURNS text STABLE LANGUAGE sql AS 'SELECT ''group '' || $1';
SELECT check_group(3);
CREATE OR REPLACE AGGREGATE total(numeric) (SFUNC = numeric_add, STYPE = numeric, COMBINEFUNC = numeric_add, FINALFUNC = numeric_uminus);
SELECT check_group(3);
ALTER DOMAIN amount ADD CONSTRAINT small CHECK (VALUE < 50) NOT VALID;
SELECT check_group(3);
ALTER DOMAIN amount DROP CONSTRAINT small;
SELECT check_group(3);
ALTER FUNCTION scaled(numeric) RENAME TO in_scale;
CREATE FUNCTION scaled(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT 0';
EXECUTE one(3);
DROP FUNCTION scaled(numeric);
UPDATE names SET name = 'another name' WHERE k = 3;
SELECT n, name FROM named WHERE k = 3;

-- in a transaction, and back
BEGIN;
CREATE OR REPLACE FUNCTION in_scale(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 5';
EXECUTE one(3);
SAVEPOINT s;
CREATE OR REPLACE FUNCTION in_scale(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 7';
EXECUTE one(3);
ROLLBACK TO s;
EXECUTE one(3);
ROLLBACK;
EXECUTE one(3);
SELECT check_group(3);

-- cursors: what they have computed stays; what they have not is of now
BEGIN;
DECLARE c CURSOR FOR SELECT to_char(window_start, 'HH24') AS hour, label, scaled FROM agg WHERE k = 3;
DECLARE d CURSOR FOR SELECT to_char(window_start, 'HH24') AS hour, label, scaled FROM agg WHERE k = 3;
FETCH 1 FROM c;
CREATE OR REPLACE FUNCTION in_scale(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 9';
EXECUTE one(3);
ALTER TABLE names ADD COLUMN more int;
FETCH ALL FROM c;
FETCH ALL FROM d;
SELECT check_group(3);
COMMIT;

-- an error in the middle
CREATE OR REPLACE FUNCTION in_scale(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 / ($1 - $1)';
EXECUTE one(3);
BEGIN;
SAVEPOINT s;
EXECUTE one(3);
ROLLBACK TO s;
CREATE OR REPLACE FUNCTION in_scale(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
EXECUTE one(3);
COMMIT;

-- used while it is used
CREATE OR REPLACE FUNCTION label(bigint) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
	RETURN $1 || CASE WHEN $1 > 0 THEN ' after ' || (SELECT max(label) FROM agg WHERE k = $1 - 1) ELSE '' END;
END $$;
EXECUTE one(3);
SELECT check_group(2);
CREATE OR REPLACE FUNCTION label(bigint) RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN RETURN ''k'' || $1; END';

-- the stream: columns go, come and change their names
ALTER TABLE ev DROP COLUMN unused;
ALTER TABLE ev ADD COLUMN more text DEFAULT 'x';
INSERT INTO ev VALUES ('2024-01-01 10:30', 3, 'more', 8);
SELECT check_group(3);
ALTER TABLE ev RENAME COLUMN v TO value;
ALTER TABLE ev RENAME TO event;
INSERT INTO event VALUES ('2024-01-01 10:30', 3, 'more', 9);
SELECT check_group(3);
CALL weir.drain('event');
SELECT check_group(3);
CREATE TABLE other (at timestamptz);
SELECT weir.create_stream('other', 'at');
SELECT check_group(3);
-- a table that is joined becomes a stream: the query can no longer be kept
CREATE TABLE groups (k bigint, name text, made_at timestamptz NOT NULL DEFAULT now());
INSERT INTO groups SELECT k, name FROM names;
SELECT weir.create_continuous_aggregate('joined', 'SELECT name, count(*) AS n FROM event JOIN groups USING (k) GROUP BY name');
SELECT n FROM joined WHERE name = 'name 4';
SELECT weir.create_stream('groups', 'made_at');
SELECT n FROM joined WHERE name = 'name 4';
SELECT weir.drop_stream('groups');
SELECT n FROM joined WHERE name = 'name 4';

-- rights: those of the owner, as they are, and of another one
SELECT check_group(3);
REVOKE EXECUTE ON FUNCTION in_scale(numeric) FROM PUBLIC, weir_live_owner;
EXECUTE one(3);
GRANT EXECUTE ON FUNCTION in_scale(numeric) TO weir_live_heir;
RESET ROLE;
GRANT SELECT ON event, agg TO weir_live_heir;
EXECUTE one(3);
ALTER VIEW agg OWNER TO weir_live_heir;
EXECUTE one(3);
SET ROLE weir_live_heir;
EXECUTE one(3);
RESET ROLE;
ALTER VIEW agg OWNER TO weir_live_owner;
EXECUTE one(3);
GRANT EXECUTE ON FUNCTION in_scale(numeric) TO PUBLIC;
EXECUTE one(3);
DEALLOCATE one;

-- another one of the same name
SELECT weir.drop_continuous_aggregate('above'), weir.drop_continuous_aggregate('agg');
SELECT check_group(3);
SET ROLE weir_live_owner;
SELECT weir.create_continuous_aggregate('agg', $$
	SELECT w.window_start, w.window_end, k, label(k) AS label, count(*) AS n, in_scale(sum(value)) AS scaled, total(value), sum(DISTINCT value) AS of_distinct, max(value)::amount AS high
	FROM event, weir.tumble(at, '1 hour') w WHERE t <> 'more' GROUP BY w.window_start, w.window_end, k $$);
CALL weir.drain('event');
SELECT sum(n), max(high) FROM agg WHERE k = 3;
SELECT weir.drop_continuous_aggregate('agg');
BEGIN;
SELECT weir.create_continuous_aggregate('agg', 'SELECT k, count(*) AS n FROM event GROUP BY k');
SELECT n FROM agg WHERE k = 3;
ROLLBACK;
SELECT weir.create_continuous_aggregate('agg', 'SELECT k, sum(value) AS n FROM event GROUP BY k');
CALL weir.drain('event');
SELECT n = (SELECT sum(value) FROM event WHERE k = 3) AS same FROM agg WHERE k = 3;

-- keys of the same hash are still different keys
INSERT INTO event SELECT '2024-01-01 10:00', k, 't', n FROM unnest(ARRAY[3, 4294967298, 8589934593, 12884901888]) WITH ORDINALITY u (k, n);
CALL weir.drain('event');
SELECT k, n FROM agg WHERE k = 4294967298 UNION ALL SELECT k, n FROM agg WHERE k = 8589934593 UNION ALL SELECT k, n FROM agg WHERE k = 12884901888
UNION ALL SELECT k, n FROM agg WHERE k = 21474836481;

-- what is kept does not grow: not with changes, nor with the number of aggregates
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		EXECUTE format('CREATE OR REPLACE FUNCTION in_scale(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS ''SELECT $1 * %s''', i);
		PERFORM n, scaled FROM all_of_it;
		COMMIT;
	END LOOP;
END $$;
SELECT count < 8 AS few FROM kept;
SELECT count(weir.create_continuous_aggregate('many_' || i, format('SELECT k, count(*) + %s AS n FROM event GROUP BY k', i))) FROM generate_series(1, 70) i;
CALL weir.drain('event');
CREATE FUNCTION read_many() RETURNS TABLE (n bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 70 LOOP
		RETURN QUERY EXECUTE format('SELECT n - %s FROM many_%s WHERE k = 4', i, i);
	END LOOP;
END $$;
SELECT count(*), min(n), max(n) FROM read_many();
SELECT count(*), min(n), max(n) FROM read_many();
SELECT count FROM kept;

-- a plan that cannot be made leaves nothing behind
CREATE TABLE fails (at timestamptz NOT NULL, k int);
SELECT weir.create_stream('fails', 'at');
CREATE FUNCTION least_rows() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RETURN 1 / (current_setting('app.fails', true) IS DISTINCT FROM 'on')::int;
END $$;
SELECT weir.create_continuous_aggregate('failing', 'SELECT k, count(*) AS n FROM fails GROUP BY k HAVING count(*) >= least_rows()');
INSERT INTO fails VALUES ('2024-01-01', 4);
CALL weir.drain('fails');
\c
CREATE FUNCTION try_to_read() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	rows bigint;
BEGIN
	SELECT n INTO rows FROM failing WHERE k = 4;
	RETURN rows;
EXCEPTION WHEN division_by_zero THEN
	RETURN SQLERRM;
END $$;
CREATE FUNCTION memory_kept() RETURNS numeric LANGUAGE sql AS $$
	SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name IN ('weir definition', 'weir plan') $$;
SET app.fails = on;
SELECT try_to_read();
SELECT memory_kept() AS before \gset
SELECT DISTINCT try_to_read() FROM generate_series(1, 100);
SELECT memory_kept() = :before AS same;
RESET app.fails;
SELECT try_to_read();

\c postgres
DROP DATABASE weir_live_cache;
DROP ROLE weir_live_owner, weir_live_heir;
