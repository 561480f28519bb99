-- Groups whose states cannot be combined.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_skip_combine TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_skip_combine SET weir.start_workers = off;
ALTER DATABASE weir_skip_combine SET weir.max_failures = 1;
\c weir_skip_combine
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;
\set VERBOSITY terse

-- a user's aggregate function that refuses to combine more than a hundred
CREATE FUNCTION add(int, int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 + $2';
CREATE FUNCTION add_up(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF $1 + $2 > 100 THEN
        RAISE 'more than 100';
    END IF;
    RETURN $1 + $2;
END $$;
CREATE AGGREGATE upto_100(int) (SFUNC = add, STYPE = int, COMBINEFUNC = add_up, INITCOND = 0);
CREATE TABLE ev (at timestamptz, k text, v float8, i int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('fine', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n FROM ev, weir.tumble(at, '1 hour') w GROUP BY 1, 2, 3 $$);
SELECT weir.create_continuous_aggregate('tumbles', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS total FROM ev, weir.tumble(at, '1 hour') w GROUP BY 1, 2, 3 $$);
SELECT weir.create_continuous_aggregate('hops', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS total FROM ev, weir.hop(at, '1 hour', '2 hours') w GROUP BY 1, 2, 3 $$);
SELECT weir.create_continuous_aggregate('own', $$
    SELECT w.window_start, w.window_end, k, upto_100(i) AS total FROM ev, weir.tumble(at, '1 hour') w GROUP BY 1, 2, 3 $$);
SELECT weir.create_continuous_aggregate('totals', $$
    SELECT w.window_start, w.window_end, k, sum(v) AS total, upto_100(i) AS i FROM ev, weir.tumble(at, '1 hour') w GROUP BY 1, 2, ROLLUP (k) $$);
SELECT weir.create_continuous_aggregate('sessions', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n, sum(v) AS total, upto_100(i) AS i FROM ev, weir.session(at, '10 minutes') w GROUP BY 1, 2, 3 $$);
SELECT weir.create_continuous_aggregate('unordered', $$
    SELECT w.window_start, w.window_end, k::xid AS k, sum(v) AS total FROM ev, weir.tumble(at, '1 hour') w WHERE k ~ '^[0-9]+$' GROUP BY 1, 2, 3 $$);
CREATE VIEW stat AS SELECT aggregate, status, failures, skipped_rows, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE status <> 'active' OR skipped_rows > 0 OR last_error IS NOT NULL ORDER BY aggregate::text;
CREATE VIEW left_out AS SELECT aggregate, event_time, window_end, reason, "row" FROM weir.late_rows ORDER BY aggregate::text, window_end, event_time, "row"::text;
CREATE FUNCTION skip_all() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(weir.skip(aggregate)::text) FROM weir.stat_aggregates WHERE status = 'failed' $$;

-- one state is fine, and so is each of the others; not what they come to
INSERT INTO ev VALUES ('2024-01-01 10:00', 'big', 1e308, 60), ('2024-01-01 10:01', 'small', 1, 1), ('2024-01-01 10:02', NULL, 1, 1), ('2024-01-01 10:03', '1', 1, 1);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 10:07', 'small', 2, 2), ('2024-01-01 10:05', 'big', 1e308, 60), ('2024-01-01 10:06', NULL, 2, 2), ('2024-01-01 10:07', '1', 2, 2);
CALL weir.drain('ev');
TABLE stat;
-- nothing has failed; who reads the group is told, as by the query itself
SELECT * FROM tumbles WHERE k = 'small';
SELECT * FROM tumbles WHERE k = 'big';
SELECT weir.skip('tumbles');
INSERT INTO ev VALUES ('2024-01-01 13:00', 'later', 1, 1);
CALL weir.drain('ev');
TABLE stat;
SELECT skip_all();
CALL weir.drain('ev');
TABLE stat;
TABLE left_out;
TABLE fine_closed ORDER BY k;
TABLE tumbles_closed ORDER BY k;
TABLE hops_closed ORDER BY window_end, k;
TABLE own_closed ORDER BY k;
TABLE totals_closed ORDER BY k, total;
TABLE sessions_closed ORDER BY k;

-- a session that fails while others close; rows of one that overflow in a tick
INSERT INTO ev VALUES ('2024-01-01 13:55', 'shut', 3, 3), ('2024-01-01 14:00', 'open', 1e308, 1);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 14:01', 'shut too', 3, 3), ('2024-01-01 14:05', 'open', 1e308, 1), ('2024-01-01 14:12', 'other', 4, 4);
CALL weir.drain('ev');
SELECT aggregate, status, error FROM stat WHERE aggregate = 'sessions'::regclass;
SELECT weir.skip('sessions');
CALL weir.drain('ev');
SELECT * FROM stat WHERE aggregate = 'sessions'::regclass;
SELECT * FROM left_out WHERE aggregate = 'sessions'::regclass AND event_time >= '2024-01-01 14:00';
SELECT k, n, total, i FROM sessions WHERE window_start >= '2024-01-01 13:50' ORDER BY 1, 2;
INSERT INTO ev VALUES ('2024-01-01 14:13', 'rows', 1, 60), ('2024-01-01 14:14', 'rows', 2, 40), ('2024-01-01 14:15', 'rows', 3, 1), ('2024-01-01 14:15', 'other', 1, 1);
CALL weir.drain('ev');
SELECT aggregate, status, error FROM stat WHERE aggregate = 'sessions'::regclass;
SELECT weir.skip('sessions');
CALL weir.drain('ev');
SELECT * FROM stat WHERE aggregate = 'sessions'::regclass;
SELECT * FROM left_out WHERE aggregate = 'sessions'::regclass AND event_time > '2024-01-01 14:00';
SELECT k, n, total, i FROM sessions WHERE window_start >= '2024-01-01 13:50' ORDER BY 1, 2;

-- more of them than a tick has time for
SET weir.skip_time = 0;
INSERT INTO ev SELECT '2024-01-01 17:00', 'many' || i % 9, CASE WHEN i % 9 < 5 THEN 1e308 ELSE 1 END, 60 FROM generate_series(1, 9) i;
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-01 17:00', 'many' || i % 9, CASE WHEN i % 9 < 5 THEN 1e308 ELSE 1 END, 1 FROM generate_series(1, 9) i;
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-01 20:00', 'later', 1, 1);
CALL weir.drain('ev');
SELECT skip_all() > 0;
CALL weir.drain('ev');
SELECT * FROM left_out WHERE aggregate = 'tumbles'::regclass AND event_time >= '2024-01-01 17:00';
SELECT k, n, total FROM tumbles_closed WHERE window_start = '2024-01-01 17:00' ORDER BY k;
RESET weir.skip_time;
SELECT aggregate, status FROM weir.stat_aggregates WHERE status <> 'active';

-- keys that cannot be sorted, only hashed; with others, and where hashes collide
CREATE TYPE odd;
CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = int4);
CREATE FUNCTION odd_eq(odd, odd) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION odd_hash(odd) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT 1';
CREATE OPERATOR = (LEFTARG = odd, RIGHTARG = odd, FUNCTION = odd_eq, COMMUTATOR = =, HASHES);
CREATE OPERATOR CLASS odd_ops DEFAULT FOR TYPE odd USING hash AS OPERATOR 1 =, FUNCTION 1 odd_hash(odd);
CREATE CAST (int AS odd) WITHOUT FUNCTION;
CREATE CAST (odd AS int) WITHOUT FUNCTION;
SELECT weir.create_continuous_aggregate('collide', $$
    SELECT w.window_start, w.window_end, nullif(i / 10, 0)::odd AS k, count(*) AS n, sum(v) AS total FROM ev, weir.tumble(at, '1 hour') w GROUP BY 1, 2, 3 $$, with_data => false);
SELECT weir.create_continuous_aggregate('mixed', $$
    SELECT (i / 10)::odd AS k, (i % 10)::text AS ordered, nullif(i, 21)::text::xid AS other, count(*) AS n, sum(v) AS total FROM ev GROUP BY 1, 2, 3 $$, with_data => false);
CREATE FUNCTION plain_collide() RETURNS TABLE (window_start timestamptz, k text, n bigint, total float8) LANGUAGE sql AS $$
    SELECT date_bin('1 hour', at, '2024-01-01'), nullif(i / 10, 0)::text, count(*), sum(v) FROM ev WHERE at >= '2024-01-01 20:30' AND v < 1e300 GROUP BY 1, 2 $$;
INSERT INTO ev SELECT '2024-01-01 20:30', i % 7, CASE WHEN i / 10 IN (3, 5) THEN 1e308 ELSE i END, i FROM generate_series(0, 69) i WHERE i / 10 NOT IN (3, 5) OR i % 10 = 1;
INSERT INTO ev VALUES ('2024-01-01 20:30', '7', 1e308, 1000);
CALL weir.drain('ev');
INSERT INTO ev SELECT '2024-01-01 20:30', i % 7, CASE WHEN i / 10 IN (3, 5) THEN 1e308 ELSE i END, i FROM generate_series(0, 69) i WHERE i / 10 NOT IN (3, 5) OR i % 10 = 1;
INSERT INTO ev VALUES ('2024-01-01 20:30', '7', 1e308, 1000), ('2024-01-01 22:00', '8', 1, 2000);
CALL weir.drain('ev');
SELECT weir.skip('mixed');
SELECT k, ordered, other, n, total FROM mixed WHERE k::int BETWEEN 2 AND 5 ORDER BY k::int, ordered;
SELECT skip_all() > 0;
CALL weir.drain('ev');
SELECT aggregate, CASE WHEN isfinite(window_end) THEN event_time END AS event_time, reason, "row" FROM left_out WHERE aggregate::text IN ('unordered', 'collide', 'mixed') AND (event_time >= '2024-01-01 20:00' OR NOT isfinite(window_end)) ORDER BY aggregate::text, "row"::text;
SELECT k, total FROM unordered_closed WHERE window_start = '2024-01-01 20:00' ORDER BY k::text;
SELECT count(*) AS groups, (SELECT count(*) FROM (SELECT window_start, k::text, n, total FROM collide_closed EXCEPT ALL SELECT * FROM plain_collide()) x) AS differ FROM collide_closed;
SELECT weir.drop_continuous_aggregate(aggregate) IS NULL FROM weir.continuous_aggregates WHERE aggregate::text IN ('unordered', 'collide', 'mixed');

-- merging in the background: what fails is noted, and stops nothing else
SELECT skip_all() > 0;
CALL weir.drain('ev');
SELECT weir.create_continuous_aggregate('ever', 'SELECT k, count(*) AS n, sum(v) AS total FROM ev GROUP BY k', with_data => false);
DO $$
BEGIN
    FOR i IN 1 .. 9 LOOP
        INSERT INTO ev VALUES ('2024-01-01 22:00', 'ever', CASE WHEN i < 3 THEN 1e308 ELSE 1 END, 1), ('2024-01-01 22:01', 'good', i, i), ('2024-01-01 22:01', NULL, i, i);
        COMMIT;
        CALL weir.drain('ev');
    END LOOP;
END $$;
SELECT * FROM stat WHERE error IS NOT NULL;
SELECT weir._maintain_aggregate('ever'), weir._maintain_aggregate('tumbles'), weir._maintain_aggregate('fine');
SELECT * FROM stat WHERE error IS NOT NULL;
SELECT aggregate, groups FROM weir.stat_aggregates WHERE aggregate IN ('ever'::regclass, 'fine'::regclass) ORDER BY groups;
SELECT * FROM ever WHERE k = 'good';
TABLE ever;
SELECT weir._maintain_aggregate('ever');
-- an aggregate without windows never gets to close it: it is left out at once
SELECT weir.skip('ever');
SELECT aggregate, status, skipped_rows, error FROM stat WHERE aggregate = 'ever'::regclass;
SELECT aggregate, window_end, reason, "row" FROM left_out WHERE aggregate = 'ever'::regclass;
TABLE ever ORDER BY k;
SELECT weir.skip('ever');
INSERT INTO ev VALUES ('2024-01-01 22:02', 'ever', 5, 5), ('2024-01-01 22:02', 'good', 5, 5);
CALL weir.drain('ev');
TABLE ever ORDER BY k;
SELECT weir._maintain_aggregate('ever');
-- a single group of everything; over another aggregate
SELECT weir.drop_continuous_aggregate(aggregate) IS NULL FROM weir.continuous_aggregates WHERE aggregate::text IN ('own', 'hops', 'totals', 'sessions');
INSERT INTO ev VALUES ('2024-01-02 09:00', 'later', 1, 1);
CALL weir.drain('ev');
SELECT skip_all();
CALL weir.drain('ev');
SELECT weir.create_continuous_aggregate('all_of_it', 'SELECT sum(v) AS total FROM ev', with_data => false);
SELECT weir.create_continuous_aggregate('of_sums', 'SELECT k, sum(total) AS total FROM tumbles GROUP BY k', with_data => false);
INSERT INTO ev VALUES ('2024-01-02 10:00', 'x', 1e308, 1), ('2024-01-02 10:01', 'y', 7, 1);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-02 11:00', 'x', 1e308, 1), ('2024-01-02 11:01', 'y', 7, 1);
CALL weir.drain('ev');
INSERT INTO ev VALUES ('2024-01-02 14:00', 'z', 1, 1);
CALL weir.drain('ev');
TABLE all_of_it;
TABLE of_sums;
SELECT weir.skip('all_of_it'), weir.skip('of_sums');
TABLE all_of_it;
SELECT * FROM of_sums ORDER BY k;
SELECT aggregate, isfinite(window_end) AS has_end, reason, "row" FROM left_out WHERE aggregate IN ('all_of_it'::regclass, 'of_sums'::regclass);
\c postgres
DROP DATABASE weir_skip_combine;
