-- The table of closed rows is the user's: what he does to it, closing minds.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_closed_table TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_closed_table SET weir.start_workers = off;
ALTER DATABASE weir_closed_table SET weir.max_failures = 1;
\c weir_closed_table
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;
\set VERBOSITY terse

CREATE TABLE ev (at timestamptz, k text, n int);
SELECT weir.create_stream('ev', 'at');
SELECT weir.create_continuous_aggregate('tens', $$
    SELECT w.window_start, w.window_end, k, count(*) AS rows, sum(n) AS total FROM ev, weir.tumble(at, '10 minutes') w
    GROUP BY w.window_start, w.window_end, k $$);
\d tens_closed
-- steps of a cumulating window have the same start: their entries are alike
SELECT weir.create_continuous_aggregate('steps', $$
    SELECT w.window_start, w.window_end, k, count(*) AS rows FROM ev, weir.cumulate(at, '10 minutes', '40 minutes') w
    GROUP BY w.window_start, w.window_end, k $$);
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'steps_closed'::regclass ORDER BY 1;
SELECT weir.drop_continuous_aggregate('steps');
-- a key that has no order is in no index
SELECT weir.create_continuous_aggregate('unordered', $$
    SELECT w.window_end, array[n::text::xid] AS xids, count(*) AS rows FROM ev, weir.tumble(at, '10 minutes') w GROUP BY 1, 2 $$);
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'unordered_closed'::regclass ORDER BY 1;

-- Closes one more window, of five rows.
CREATE SEQUENCE windows;
CREATE PROCEDURE close_one() LANGUAGE sql AS $$
    INSERT INTO ev SELECT timestamptz '2024-01-01' + w * interval '10 minutes', 'k' || k, k FROM nextval('windows') w, generate_series(1, 5) k $$;
-- what was there in the last window that closed, and whether indexes agree
CREATE FUNCTION check_closed() RETURNS TABLE (n bigint, total bigint, by_key bigint, by_window bigint) LANGUAGE plpgsql AS $$
BEGIN
    SELECT count(*), sum(t.total) INTO n, total FROM tens_closed t;
    SET LOCAL enable_seqscan = off;
    SELECT count(*) INTO by_key FROM tens_closed t WHERE k = 'k3';
    SELECT count(*) INTO by_window FROM tens_closed t WHERE window_start >= '2024-01-01';
    SET LOCAL enable_seqscan = on;
    RETURN NEXT;
END $$;

INSERT INTO ev SELECT timestamptz '2024-01-01' + i * interval '10 minutes', 'k' || k, k FROM generate_series(0, 1) i, generate_series(1, 5) k;
CALL weir.drain('ev');
SELECT * FROM tens_closed ORDER BY window_start, k;
SELECT window_end, rows FROM unordered_closed ORDER BY xids[1]::text;
SELECT setval('windows', 1);
SELECT * FROM check_closed();

-- more rows than are stored at a time, of many windows, in order on disk
CREATE TABLE many (at timestamptz, k int);
SELECT weir.create_stream('many', 'at');
SELECT weir.create_continuous_aggregate('by_minute', $$
    SELECT w.window_start, w.window_end, k, count(*) AS rows FROM many, weir.tumble(at, '1 minute') w
    GROUP BY w.window_start, w.window_end, k $$);
INSERT INTO many SELECT timestamptz '2024-01-01' + i * interval '1 second', i * 7919 % 1000 FROM generate_series(0, 5999) i;
INSERT INTO many VALUES ('2024-01-02', 0);
CALL weir.drain('many');
INSERT INTO many SELECT timestamptz '2024-01-02' + interval '1 minute', i * 7919 % 10007 FROM generate_series(0, 9999) i;
INSERT INTO many VALUES ('2024-01-03', 0);
CALL weir.drain('many');
SELECT count(*), count(DISTINCT window_start), sum(rows) FROM by_minute_closed;
SELECT bool_and((window_start, k) > previous) AS in_order FROM (SELECT window_start, k, lag((window_start, k)) OVER (ORDER BY ctid) AS previous FROM by_minute_closed) x WHERE previous IS NOT NULL;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM by_minute_closed WHERE k = 77;
SELECT count(*) FROM by_minute_closed WHERE k = 77;
SET enable_indexscan = off; SET enable_indexonlyscan = off;
DROP INDEX by_minute_closed_k_window_start_idx;
EXPLAIN (COSTS OFF) SELECT count(*) FROM by_minute_closed WHERE window_start >= '2024-01-02 00:01' AND window_start < '2024-01-02 00:02';
SELECT count(*) FROM by_minute_closed WHERE window_start >= '2024-01-02 00:01' AND window_start < '2024-01-02 00:02';
-- summaries are kept up where there are any: of the last range of blocks, too
DROP INDEX by_minute_closed_window_start_idx;
CREATE INDEX by_minute_brin ON by_minute_closed USING brin (window_start) WITH (pages_per_range = 2);
INSERT INTO many SELECT timestamptz '2024-01-03' + i * interval '1 minute', k FROM generate_series(1, 40) i, generate_series(1, 10) k;
INSERT INTO many VALUES ('2024-01-04', 0);
CALL weir.drain('many');
SELECT brin_summarize_new_values('by_minute_brin') >= 0 AS summarized;
INSERT INTO many SELECT timestamptz '2024-01-04' + i * interval '1 minute', k FROM generate_series(1, 40) i, generate_series(1, 10) k;
INSERT INTO many VALUES ('2024-01-05', 0);
CALL weir.drain('many');
SELECT window_start, count(*) FROM by_minute_closed WHERE window_start IN ('2024-01-03 00:01', '2024-01-03 00:02', '2024-01-03 00:40', '2024-01-04 00:01', '2024-01-04 00:40') GROUP BY 1 ORDER BY 1;
RESET enable_seqscan; RESET enable_indexscan; RESET enable_indexonlyscan;
SELECT weir.drop_stream('many', cascade => true);

-- indexes of all kinds, with expressions and conditions; extended statistics
CREATE INDEX tens_hash ON tens_closed USING hash (k);
CREATE INDEX tens_expression ON tens_closed (upper(k)) WHERE total > 2;
CREATE INDEX tens_gist ON tens_closed USING gist (tstzrange(window_start, window_end));
CREATE INDEX tens_brin ON tens_closed USING brin (k, total);
CREATE INDEX tens_gin ON tens_closed USING gin (string_to_array(k, NULL));
CREATE UNIQUE INDEX tens_unique ON tens_closed (window_end, k) INCLUDE (total);
CREATE STATISTICS tens_statistics ON k, total FROM tens_closed;
CALL close_one();
CALL weir.drain('ev');
SELECT * FROM check_closed();
SET enable_seqscan = off;
SELECT count(*) FROM tens_closed WHERE upper(k) = 'K3' AND total > 2;
SELECT count(*) FROM tens_closed WHERE tstzrange(window_start, window_end) && '[2024-01-01,2024-01-01 00:15)';
SELECT count(*) FROM tens_closed WHERE string_to_array(k, NULL) @> '{3}';
SELECT count(*) FROM tens_closed WHERE window_end = '2024-01-01 00:20' AND k = 'k4';
RESET enable_seqscan;

-- constraints: those that hold, and those that fail the aggregate
ALTER TABLE tens_closed ADD CONSTRAINT small CHECK (total < 100), ALTER total SET NOT NULL, ADD EXCLUDE USING hash (k WITH =) WHERE (total > 90);
CALL close_one();
CALL weir.drain('ev');
SELECT * FROM check_closed();
INSERT INTO ev SELECT at, 'large', 200 FROM (SELECT max(at) AS at FROM ev) x;
CALL close_one();
CALL weir.drain('ev');
SELECT status, failures, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE aggregate = 'tens'::regclass;
SELECT * FROM check_closed();
ALTER TABLE tens_closed DROP CONSTRAINT small;
SELECT weir.resume('tens');
CALL weir.drain('ev');
SELECT status, last_error FROM weir.stat_aggregates WHERE aggregate = 'tens'::regclass;
SELECT * FROM check_closed();
DELETE FROM tens_closed WHERE k = 'large';
ALTER TABLE tens_closed DROP CONSTRAINT tens_closed_k_excl;
-- a unique index is minded, and a deferrable one
INSERT INTO tens_closed SELECT window_start, window_end, k, rows, total FROM tens WHERE k = 'k1' ORDER BY 1 DESC LIMIT 1;
CALL close_one();
CALL weir.drain('ev');
SELECT status, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE aggregate = 'tens'::regclass;
DROP INDEX tens_unique;
ALTER TABLE tens_closed ADD UNIQUE (window_end, k, total) DEFERRABLE;
SELECT weir.resume('tens');
CALL weir.drain('ev');
SELECT status, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE aggregate = 'tens'::regclass;
ALTER TABLE tens_closed DROP CONSTRAINT tens_closed_window_end_k_total_key;
SELECT weir.resume('tens');
CALL weir.drain('ev');
SELECT * FROM check_closed();
DELETE FROM tens_closed WHERE ctid IN (SELECT min(ctid) FROM tens_closed GROUP BY window_start, k HAVING count(*) > 1);

-- triggers of every kind
CREATE TABLE told (what text, n bigint);
CREATE FUNCTION tell_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO told VALUES (tg_name, NEW.total); RETURN NEW; END $$;
CREATE FUNCTION tell_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO told SELECT tg_name, count(*) FROM new; RETURN NULL; END $$;
CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.k = 'k5' THEN RETURN NULL; END IF; NEW.total := NEW.total + 1000; RETURN NEW; END $$;
CREATE TRIGGER after_row AFTER INSERT ON tens_closed FOR EACH ROW EXECUTE FUNCTION tell_row();
CALL close_one();
CALL weir.drain('ev');
SELECT what, count(*), sum(n) FROM told GROUP BY 1 ORDER BY 1;
DROP TRIGGER after_row ON tens_closed;
CREATE TRIGGER statement AFTER INSERT ON tens_closed REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION tell_rows();
CREATE TRIGGER before_row BEFORE INSERT ON tens_closed FOR EACH ROW EXECUTE FUNCTION leave_out();
CREATE TRIGGER updates BEFORE UPDATE ON tens_closed FOR EACH ROW EXECUTE FUNCTION tell_row();
CALL close_one();
CALL weir.drain('ev');
SELECT what, count(*), sum(n) FROM told GROUP BY 1 ORDER BY 1;
SELECT k, total FROM tens_closed WHERE total > 1000 ORDER BY k;
DROP TRIGGER statement ON tens_closed;
DROP TRIGGER before_row ON tens_closed;
DELETE FROM tens_closed WHERE total > 1000;
TRUNCATE told;

-- rules, foreign keys
CREATE RULE tell AS ON INSERT TO tens_closed DO ALSO INSERT INTO told VALUES ('rule', NEW.total);
CALL close_one();
CALL weir.drain('ev');
SELECT what, count(*), sum(n) FROM told GROUP BY 1 ORDER BY 1;
DROP RULE tell ON tens_closed;
-- one that takes the place of the command is an error, until it is gone
CREATE RULE nothing AS ON INSERT TO tens_closed DO INSTEAD NOTHING;
CALL close_one();
CALL weir.drain('ev');
DROP RULE nothing ON tens_closed;
SELECT weir.resume('tens');
CALL weir.drain('ev');
SELECT * FROM check_closed();
CREATE TABLE known (k text PRIMARY KEY);
INSERT INTO known SELECT 'k' || i FROM generate_series(1, 5) i;
ALTER TABLE tens_closed ADD FOREIGN KEY (k) REFERENCES known;
DELETE FROM known WHERE NOT EXISTS (SELECT FROM tens_closed t WHERE t.k = known.k);
CALL close_one();
CALL weir.drain('ev');
SELECT * FROM check_closed();
ALTER TABLE tens_closed DROP CONSTRAINT tens_closed_k_fkey;

-- columns: more of them, of other types, computed, identity
ALTER TABLE tens_closed ADD noted text DEFAULT 'new', ADD id int GENERATED ALWAYS AS IDENTITY, ADD twice bigint GENERATED ALWAYS AS (total * 2) STORED;
CALL close_one();
CALL weir.drain('ev');
SELECT k, total, noted, twice FROM tens_closed WHERE id > (SELECT max(id) - 5 FROM tens_closed) ORDER BY k;
ALTER TABLE tens_closed DROP noted, DROP id, DROP twice;
DROP VIEW tens;
SELECT weir.create_continuous_aggregate('tens', $$
    SELECT w.window_start, w.window_end, k, count(*) AS rows, sum(n) AS total FROM ev, weir.tumble(at, '10 minutes') w
    GROUP BY w.window_start, w.window_end, k $$);
CALL weir.drain('ev');
SELECT * FROM check_closed();
-- rights and row security are those of the owner
CREATE ROLE weir_closed_owner;
GRANT SELECT ON ev TO weir_closed_owner;
ALTER VIEW tens OWNER TO weir_closed_owner;
REVOKE INSERT ON tens_closed FROM weir_closed_owner;
CALL close_one();
CALL weir.drain('ev');
SELECT status, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE aggregate = 'tens'::regclass;
GRANT INSERT ON tens_closed TO weir_closed_owner;
ALTER TABLE tens_closed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT weir.resume('tens');
CALL weir.drain('ev');
SELECT status, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE aggregate = 'tens'::regclass;
CREATE POLICY all_rows ON tens_closed USING (true);
SELECT weir.resume('tens');
CALL weir.drain('ev');
SELECT * FROM check_closed();
-- a partition of another table keeps to its bounds
ALTER TABLE tens_closed DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
CREATE TABLE whole (LIKE tens_closed) PARTITION BY RANGE (window_start);
ALTER TABLE whole ATTACH PARTITION tens_closed FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');
CALL close_one();
CALL weir.drain('ev');
SELECT * FROM check_closed();
SELECT count(*) FROM whole;
ALTER TABLE whole DETACH PARTITION tens_closed;
-- it can be a stream itself, published, unlogged
SELECT weir.create_stream('tens_closed', 'window_start', max_out_of_orderness => '1 hour');
SELECT weir.create_continuous_aggregate('keys', 'SELECT k, sum(rows) AS rows FROM tens_closed GROUP BY k');
SET client_min_messages = error;
CREATE PUBLICATION closed_tens FOR TABLE tens_closed WITH (publish = 'insert');
SET client_min_messages = warning;
CALL close_one();
CALL weir.drain('ev');
SELECT * FROM keys ORDER BY 1;
CALL weir.drain('tens_closed');
SELECT * FROM keys ORDER BY 1;
SELECT status, last_error FROM weir.stat_aggregates;
SELECT weir.drop_stream('tens_closed', cascade => true);
SELECT weir.drop_continuous_aggregate('unordered');

-- Keys that are too large for a btree index: windows close all the same, the
-- index that weir made itself is given up, with a warning.
CREATE TABLE doc (at timestamptz, url text, parts int[], number numeric, n int);
SELECT weir.create_stream('doc', 'at');
SELECT weir.create_continuous_aggregate('urls', $$
    SELECT w.window_start, w.window_end, url, count(*) AS rows FROM doc, weir.tumble(at, '10 minutes') w GROUP BY w.window_start, w.window_end, url $$);
SELECT weir.create_continuous_aggregate('lists', $$
    SELECT w.window_end, parts, number, count(*) AS rows FROM doc, weir.tumble(at, '10 minutes') w GROUP BY w.window_end, parts, number $$);
SELECT weir.create_continuous_aggregate('url_sessions', $$
    SELECT w.window_start, w.window_end, url, count(*) AS rows FROM doc, weir.session(at, '10 minutes') w GROUP BY w.window_start, w.window_end, url $$);
SELECT weir.create_continuous_aggregate('url_hours', $$
    SELECT w.window_start, w.window_end, url, sum(u.rows) AS rows FROM urls u, weir.tumble(u.window_start, '1 hour') w GROUP BY w.window_start, w.window_end, url $$);
CREATE TABLE seen (bytes int, rows bigint);
SELECT weir.create_sink('see', 'urls', 'INSERT INTO seen SELECT length(url), rows FROM closed');
-- text that does not compress
CREATE FUNCTION noise(bytes int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(chr(33 + (hashint8(i * 131) & 63)), '' ORDER BY i) FROM generate_series(1, bytes) i $$;
INSERT INTO doc SELECT at, noise(bytes), array(SELECT hashint4(i) FROM generate_series(1, bytes / 2) i), repeat('7919', bytes)::numeric + bytes, 1
    FROM (VALUES ('2024-01-01 10:00'::timestamptz, 10), ('2024-01-01 10:01', 3000)) v(at, bytes);
SELECT length(url), rows FROM urls ORDER BY 1;
SELECT length(url), rows FROM urls WHERE url = noise(3000);
INSERT INTO doc VALUES ('2024-01-01 10:20', 'short', '{1}', 1, 1);
CALL weir.drain('doc');
SELECT length(url), rows FROM urls_closed ORDER BY 1;
SELECT window_end, array_length(parts, 1), length(number::text), rows FROM lists_closed ORDER BY 2;
SELECT tablename, indexname FROM pg_indexes WHERE tablename IN ('urls_closed', 'lists_closed', 'url_sessions_closed', 'url_hours_closed') ORDER BY 1, 2;
SELECT aggregate, status, failures, last_error FROM weir.stat_aggregates WHERE aggregate::text ~ 'url|lists' ORDER BY aggregate::text;
-- a megabyte, and late
INSERT INTO doc VALUES ('2024-01-01 10:21', noise(1000000), '{1}', 1, 1), ('2024-01-01 10:05', noise(3001), '{1}', 1, 1), ('2024-01-01 11:30', 'short', '{1}', 1, 1);
SELECT length(url), rows FROM urls ORDER BY 1, window_end;
CALL weir.drain('doc');
SELECT length(url), rows FROM urls ORDER BY 1, window_end;
SELECT rows FROM urls WHERE url = noise(1000000);
SELECT length(url), rows FROM url_sessions ORDER BY 1, window_end;
SELECT length(url), rows FROM url_hours_closed ORDER BY 1;
SELECT aggregate, length("row" ->> 'url') FROM weir.late_rows WHERE stream = 'doc'::regclass ORDER BY aggregate::text;
TABLE seen ORDER BY 1;
SELECT tablename, indexname FROM pg_indexes WHERE tablename IN ('urls_closed', 'lists_closed', 'url_sessions_closed', 'url_hours_closed') ORDER BY 1, 2;
-- indexes of the user's own are his own business: that aggregate fails
CREATE INDEX mine ON urls_closed (url, window_start) WHERE length(url) = 4000;
INSERT INTO doc VALUES ('2024-01-01 11:31', noise(4000), '{1}', 1, 1), ('2024-01-01 12:30', 'short', '{1}', 1, 1);
CALL weir.drain('doc');
SELECT aggregate, status, split_part(last_error, E'\n', 1) AS error FROM weir.stat_aggregates WHERE status <> 'active';
DROP INDEX mine;
CREATE INDEX ON urls_closed USING hash (url);
SELECT weir.resume('urls');
CALL weir.drain('doc');
SELECT length(url), rows FROM urls_closed ORDER BY 1, window_end;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT rows FROM urls_closed WHERE url = 'x';
SELECT rows FROM urls_closed WHERE url = noise(4000);
RESET enable_seqscan;
SELECT aggregate, status, last_error FROM weir.stat_aggregates WHERE status <> 'active';
-- less lateness closes in the session of the user
SELECT weir.create_continuous_aggregate('patient', $$
    SELECT w.window_start, w.window_end, url, count(*) AS rows FROM doc, weir.tumble(at, '10 minutes') w GROUP BY w.window_start, w.window_end, url $$, allowed_lateness => '1 day');
CALL weir.drain('doc');
SELECT count(*) FROM patient_closed;
SELECT weir.alter_continuous_aggregate('patient', allowed_lateness => '0');
SELECT count(*), max(length(url)) FROM patient_closed;
SELECT indexname FROM pg_indexes WHERE tablename = 'patient_closed' ORDER BY 1;
\c postgres
DROP DATABASE weir_closed_table;
DROP ROLE weir_closed_owner;
