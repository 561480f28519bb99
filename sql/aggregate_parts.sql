-- What the server's own commands may do to the parts of an aggregate.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_parts TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_parts SET weir.start_workers = off;
\c weir_parts
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION weir;

CREATE TABLE t (ts timestamptz NOT NULL, k text, v int);
SELECT weir.create_stream('t', 'ts');
SELECT weir.create_continuous_aggregate('a', $$
    SELECT w.window_start, w.window_end, k, count(*) AS n FROM t, weir.tumble(ts, '1 hour') w GROUP BY 1, 2, 3 $$);
SELECT weir.create_continuous_aggregate('ever', 'SELECT k, count(*) AS n FROM t GROUP BY 1');
SELECT weir.create_continuous_aggregate('over_a', $$
    SELECT w.window_start, w.window_end, sum(n) AS n FROM a, weir.tumble(a.window_start, '1 day') w GROUP BY 1, 2 $$);
INSERT INTO t VALUES ('2024-01-01 10:00', 'x', 1), ('2024-01-01 11:00', 'x', 1), ('2024-01-01 11:00', 'y', 1);
CALL weir.drain('t');

-- the view cannot become another one
CREATE OR REPLACE VIEW a AS SELECT window_start, window_end, k, n FROM a_closed;
CREATE OR REPLACE VIEW ever AS SELECT ''::text AS k, 1::bigint AS n;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO ever DO INSTEAD SELECT ''::text AS k, 1::bigint AS n;
SELECT * FROM ever ORDER BY k;
DROP TABLE a_closed;
DROP FOREIGN TABLE weir._open_1;
-- others can
CREATE VIEW v AS SELECT 1 AS x;
CREATE OR REPLACE VIEW v AS SELECT 2 AS x;
CREATE RULE no_insert AS ON INSERT TO ever DO INSTEAD NOTHING;
INSERT INTO ever VALUES ('z', 1);
DROP RULE no_insert ON ever;

-- what is internal is not for users
ALTER VIEW weir._query_1 RENAME TO other;
ALTER VIEW weir._query_1 SET SCHEMA public;
ALTER VIEW weir._query_1 RENAME COLUMN n TO m;
ALTER TABLE weir._query_1 OWNER TO CURRENT_USER;
CREATE OR REPLACE VIEW weir._query_2 AS SELECT ''::text AS k, 1::bigint AS n;
ALTER FOREIGN TABLE weir._open_1 ADD COLUMN m int;
ALTER FOREIGN TABLE weir._open_1 RENAME COLUMN n TO m;
ALTER FOREIGN TABLE weir._open_1 RENAME TO other;
ALTER FOREIGN TABLE weir._open_1 SET SCHEMA public;
ALTER FOREIGN TABLE weir._open_1 OPTIONS (ADD x '1');
ALTER TABLE weir._open_1 ALTER COLUMN n TYPE int;

-- what may be done to view and table of closed rows
CREATE SCHEMA other;
ALTER VIEW a RENAME COLUMN n TO number;
ALTER VIEW a RENAME TO b;
ALTER VIEW b SET SCHEMA other;
ALTER TABLE a_closed SET SCHEMA other;
ALTER TABLE other.a_closed RENAME TO b_closed;
ALTER TABLE other.b_closed RENAME COLUMN k TO key;
ALTER VIEW other.b SET (security_barrier = true);
ALTER VIEW other.b ALTER COLUMN k SET DEFAULT 'none';
ALTER TABLE t RENAME COLUMN k TO kind;
INSERT INTO t VALUES ('2024-01-01 12:00', 'x', 1), ('2024-01-01 12:00', 'x', 1), ('2024-01-02 12:00', 'y', 1);
CALL weir.drain('t');
SELECT aggregate, closed FROM weir.continuous_aggregates ORDER BY aggregate::text;
SELECT * FROM other.b_closed ORDER BY window_end, key;
SELECT * FROM other.b ORDER BY window_end, k;
TABLE over_a ORDER BY window_end;

-- what makes the table a stream stays
ALTER TABLE t DROP COLUMN ts;
ALTER TABLE t DROP COLUMN ts CASCADE;
SELECT * FROM other.b WHERE k = 'y' ORDER BY window_end;
SELECT weir.drop_stream('t', cascade => true);
ALTER TABLE t DROP COLUMN ts;
SELECT count(*) FROM weir.continuous_aggregates;
\c postgres
DROP DATABASE weir_parts;
