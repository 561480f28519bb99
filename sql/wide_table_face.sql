-- The foreign table that is the face of a wide table.
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'z'), weir.add_family('w', 'f'), weir.add_family('w', 'n', NULL, 'sum');
\d w

-- INSERT and COPY add cells; rows of one key that follow each other are one write
INSERT INTO w VALUES
	('k2', '{"f": {"a": [[2000, "second"]]}}'),
	('k2', '{"f": {"a": [[1000, "first"]]}, "z": {"b": [[1000, "x"]]}}'),
	('k1', '{"z": {"b": [[1000, "y"]]}}');
SELECT count(*) FROM w_delta;
COPY w FROM stdin;
k3	{"f": {"a": [[1000, "3"]]}}
k3	{"f": {"b": [[1000, "3"]]}}
k4	{"f": {"a": [[1000, "4"]]}}
\.
COPY w (row_key, cells) FROM stdin (FORMAT csv);
k5,"{""f"": {""a"": [[1000, ""5""]]}}"
\.
SELECT count(*) FROM w_delta;
SELECT * FROM w;
INSERT INTO w VALUES ('k1', '{"f": {"a": [[5000, "more"]]}}') RETURNING row_key, cells;
INSERT INTO w VALUES ('empty', '{}');
SELECT count(*) FROM w WHERE row_key = 'empty';
INSERT INTO w SELECT row_key || '-copy', cells FROM w WHERE row_key < 'k3';
SELECT row_key, cells FROM w WHERE row_key > 'k1' AND row_key < 'k2z';

-- conditions, order, limit
EXPLAIN (COSTS OFF) SELECT * FROM w WHERE row_key = 'k1';
EXPLAIN (COSTS OFF) SELECT * FROM w WHERE 'k1'::bytea < row_key AND row_key <= 'k4' ORDER BY row_key DESC LIMIT 2;
EXPLAIN (COSTS OFF) SELECT row_key FROM w ORDER BY row_key;
EXPLAIN (COSTS OFF) SELECT row_key FROM w WHERE row_key IN ('k4', 'k1', 'k4', 'none') ORDER BY row_key DESC;
EXPLAIN (COSTS OFF) SELECT cells['f']['a'], cells['z'] FROM w WHERE cells['f']['b'] IS NULL;
EXPLAIN (COSTS OFF) SELECT cells['f']['a'], cells FROM w;
EXPLAIN (COSTS OFF) SELECT count(*) FROM w;
EXPLAIN (COSTS OFF) SELECT * FROM w WHERE length(row_key) = 2 AND row_key >= 'k';
SELECT row_key FROM w WHERE row_key = 'k1';
SELECT row_key FROM w WHERE 'k1'::bytea < row_key AND row_key <= 'k4' ORDER BY row_key DESC LIMIT 2;
SELECT row_key FROM w WHERE row_key IN ('k4', 'k1', 'k4', 'none') ORDER BY row_key DESC;
SELECT row_key FROM w WHERE row_key IN ('k4', 'k1', NULL);
SELECT row_key FROM w WHERE row_key = ANY (NULL::bytea[]);
SELECT row_key FROM w WHERE row_key = 'k1' AND row_key = 'k2';
SELECT row_key FROM w WHERE row_key IN ('k1', 'k2', 'k3') AND row_key IN ('k2', 'k3', 'k4') AND row_key > 'k2';
SELECT row_key FROM w WHERE row_key > 'k1' AND row_key > 'k2' AND row_key >= 'k2' AND row_key <= 'k4' AND row_key < 'k4';
SELECT row_key FROM w WHERE row_key > NULL;
SELECT row_key FROM w WHERE row_key < 'k2' OR row_key = 'k5';
SELECT row_key, cells['f']['a'], cells['f']['zz'], cells['nothing'] FROM w ORDER BY row_key DESC LIMIT 3;
SELECT count(*), count(cells['f']['a']), count(cells['z']['b']) FROM w;
SELECT w FROM w WHERE row_key = 'k1';
SELECT tableoid::regclass, row_key FROM w LIMIT 1;
PREPARE q(bytea) AS SELECT row_key, cells['f']['a'] FROM w WHERE row_key = $1;
EXECUTE q('k3');
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE q('k3');
EXECUTE q('k4');
EXECUTE q(NULL);
RESET plan_cache_mode;

-- a large table is analyzed by samples: of its rows, not of their segments
SELECT weir.create_wide_table('big');
SELECT weir.add_family('big', 'f');
INSERT INTO big SELECT ('r' || i % 10)::bytea || int4send(i), weir.merge(weir.widerow('f', 'q' || j, repeat(md5(i || ':' || j), 30), '2024-01-01'))
FROM generate_series(1, 1200) i, generate_series(1, 1 + i % 3 * 4) j GROUP BY i;
SELECT rows, skipped FROM weir.compact('big');
DELETE FROM big WHERE row_key < 'r1';
SET default_statistics_target = 1;
ANALYZE big;
RESET default_statistics_target;
SELECT pg_relation_size('big_base') / 8192 > 600 AS sampled, reltuples BETWEEN 700 AND 1600 AS plausible FROM pg_class WHERE relname = 'big';
SELECT n_distinct = -1 AS is_unique, null_frac FROM pg_stats WHERE tablename = 'big' AND attname = 'row_key';
SELECT weir.drop_wide_table('big');

-- joins
CREATE TABLE ids (id int, k bytea);
INSERT INTO ids SELECT i, ('k' || i)::bytea FROM generate_series(0, 4) i;
ANALYZE ids;
INSERT INTO w SELECT ('m' || i)::bytea, '{"f": {"a": [[1000, "m"]]}}' FROM generate_series(1, 5000) i;
ANALYZE w;
SELECT reltuples FROM pg_class WHERE oid = 'w'::regclass;
EXPLAIN (COSTS OFF) SELECT id, cells['f']['a'] FROM ids JOIN w ON w.row_key = k;
SELECT id, cells['f']['a'] FROM ids JOIN w ON w.row_key = k ORDER BY id;
EXPLAIN (COSTS OFF) SELECT id, cells['f']['a'] FROM ids LEFT JOIN w ON w.row_key = k || ''::bytea;
SELECT id, cells['f']['a'], cells['f'] IS NULL AS missing FROM ids LEFT JOIN w ON w.row_key = k || ''::bytea ORDER BY id;
SELECT id, (SELECT cells['f']['a'] FROM w WHERE row_key = k) FROM ids ORDER BY id;
SELECT id, x.cells['f']['a'] FROM ids, LATERAL (SELECT * FROM w WHERE w.row_key >= ids.k ORDER BY row_key LIMIT 1) x ORDER BY id;
SELECT count(*) FROM w a JOIN w b USING (row_key);
SELECT count(*) FROM w a FULL JOIN w b ON a.row_key = b.row_key AND a.cells['f']['a'] = b.cells['f']['a'];
SELECT count(*), max(encode(cells['f']['a'], 'escape')) FROM w GROUP BY cells['z'] IS NOT NULL HAVING count(cells['f']['b']) >= 0 ORDER BY 1;
SELECT row_key FROM w WHERE row_key IN (SELECT k FROM ids) ORDER BY 1;

-- a merge join makes use of the order
SET enable_nestloop = off; SET enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM w a JOIN w b USING (row_key);
SELECT count(*) FROM w a JOIN w b USING (row_key);
RESET enable_nestloop; RESET enable_hashjoin;

-- LIMIT stops the scan, cursors go on where they were
BEGIN;
DECLARE c CURSOR FOR SELECT row_key FROM w ORDER BY row_key;
FETCH 2 FROM c;
DELETE FROM w WHERE row_key < 'k4';
FETCH 2 FROM c;
ROLLBACK;

-- DELETE
DELETE FROM w WHERE row_key = 'k1' RETURNING row_key, cells['f']['a'];
DELETE FROM w USING ids WHERE w.row_key = ids.k AND ids.id = 2 RETURNING id, w.row_key;
DELETE FROM w WHERE row_key >= 'm';
-- a row that a join gives several times is deleted once, also if the transaction has one snapshot
BEGIN;
DELETE FROM w USING generate_series(1, 2) i WHERE row_key = 'k4' RETURNING row_key;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
DELETE FROM w USING generate_series(1, 2) i WHERE row_key = 'k4' RETURNING row_key;
ROLLBACK;
DELETE FROM w WHERE row_key = 'none';
SELECT row_key, cells FROM w;
WITH gone AS (DELETE FROM w WHERE row_key = 'k3' RETURNING *) INSERT INTO w SELECT row_key || '!', cells FROM gone;
SELECT row_key, cells FROM w;

-- refused
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text;
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' / ' || d ELSE '' END;
END $$;
SELECT q, error_of(q) FROM unnest(ARRAY[
	$q$UPDATE w SET row_key = 'x'$q$,
	$q$SELECT * FROM w FOR UPDATE$q$,
	$q$SELECT * FROM w JOIN ids ON row_key = k FOR KEY SHARE OF w$q$,
	$q$SELECT * FROM w JOIN ids ON row_key = k FOR UPDATE OF ids$q$,
	$q$INSERT INTO w VALUES ('k1', '{"f": {"a": [[1000, "1"]]}}') ON CONFLICT DO NOTHING$q$,
	$q$INSERT INTO w VALUES ('k1', '{"n": {"a": [[1000, "1"]]}}')$q$,
	$q$INSERT INTO w VALUES ('k1', '{"nofamily": {"a": [[1000, "1"]]}}')$q$,
	$q$INSERT INTO w VALUES ('', '{"f": {"a": [[1000, "1"]]}}')$q$,
	$q$INSERT INTO w VALUES (repeat('x', 2049)::bytea, '{"f": {"a": [[1000, "1"]]}}')$q$,
	$q$INSERT INTO w VALUES (NULL, '{"f": {"a": [[1000, "1"]]}}')$q$,
	$q$INSERT INTO w VALUES ('k', NULL)$q$,
	$q$CREATE FOREIGN TABLE other (row_key bytea, cells weir.widerow) SERVER weir$q$,
	$q$SELECT * FROM other$q$,
	$q$INSERT INTO other VALUES ('k', '{}')$q$,
	$q$CREATE FOREIGN TABLE options (row_key bytea, cells weir.widerow) SERVER weir OPTIONS (a 'b')$q$
]) q;
DROP FUNCTION error_of;
DROP FOREIGN TABLE other;
SELECT row_key FROM w;
INSERT INTO w VALUES (repeat('x', 2048)::bytea, '{"f": {"a": [[1000, "1"]]}}');
SELECT length(row_key) FROM w ORDER BY row_key DESC LIMIT 1;

-- triggers
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % %', tg_op, encode(old.row_key, 'escape'), encode(new.row_key, 'escape');
	RETURN coalesce(new, old);
END $$;
CREATE TRIGGER b BEFORE INSERT OR DELETE ON w FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER a AFTER INSERT OR DELETE ON w FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO w VALUES ('t1', '{"f": {"a": [[1000, "1"]]}}'), ('t2', '{"f": {"a": [[1000, "1"]]}}');
DELETE FROM w WHERE row_key LIKE 't%';
DROP TRIGGER a ON w; DROP TRIGGER b ON w; DROP FUNCTION note;
-- which see the rows that were inserted, all of them afterwards
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % % sees %', tg_when, lower(tg_op), lower(tg_level), (SELECT sum(weir.cell_count(cells)) FROM w);
	RETURN new;
END $$;
CREATE TRIGGER a AFTER INSERT ON w FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
INSERT INTO w VALUES ('t1', '{"f": {"a": [[1000, "1"]]}}'), ('t1', '{"f": {"b": [[1000, "1"]]}}');
CREATE TRIGGER b AFTER INSERT ON w FOR EACH ROW EXECUTE FUNCTION count_rows();
COPY w FROM stdin;
t1	{"f": {"c": [[1000, "3"]]}}
t2	{"f": {"b": [[1000, "3"]]}}
\.
DROP TRIGGER a ON w; DROP TRIGGER b ON w;
CREATE TRIGGER b BEFORE INSERT ON w FOR EACH ROW EXECUTE FUNCTION count_rows();
INSERT INTO w VALUES ('t3', '{"f": {"a": [[1000, "1"]]}}'), ('t3', '{"f": {"b": [[1000, "1"]]}}');
DROP TRIGGER b ON w;
DELETE FROM w WHERE row_key LIKE 't%';

-- TRUNCATE; the numbers of writes go on
SELECT last_value AS before FROM w_seq \gset
TRUNCATE w RESTART IDENTITY;
SELECT count(*) FROM w;
SELECT last_value = :before AS goes_on FROM w_seq;
INSERT INTO w VALUES ('k1', '{"f": {"a": [[1000, "1"]]}}');
BEGIN; TRUNCATE w; SELECT count(*) FROM w; ROLLBACK;
SELECT count(*) FROM w;

-- as a partition
CREATE TABLE parted (row_key bytea NOT NULL, cells weir.widerow NOT NULL) PARTITION BY RANGE (row_key);
ALTER TABLE parted ATTACH PARTITION w FOR VALUES FROM ('a') TO ('m');
INSERT INTO parted VALUES ('k2', '{"f": {"a": [[1000, "2"]]}}');
SELECT row_key, cells['f']['a'] FROM parted;
CREATE TRIGGER a AFTER INSERT ON parted FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
INSERT INTO parted VALUES ('k3', '{"f": {"a": [[1000, "2"]]}}'), ('k4', '{"f": {"a": [[1000, "2"]]}}');
DROP TRIGGER a ON parted;
DELETE FROM parted WHERE row_key >= 'k3';
ALTER TABLE parted DETACH PARTITION w;
DROP TABLE parted, ids;
DROP FUNCTION count_rows;

-- conditions that write to the row they are tested on, or fold what comes after its deletion
CREATE FUNCTION meddle(q text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN EXECUTE q; RETURN true; END $$;
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE q;
	RAISE EXCEPTION 'all well';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
INSERT INTO w VALUES ('v1', '{"f": {"a": [[1000, "1"]]}}'), ('v2', '{"f": {"a": [[1000, "2"]]}}');
SELECT q, error_of(format('DELETE FROM w WHERE row_key = ''v1'' AND meddle(%L)', q)) FROM unnest(ARRAY[
	$q$SELECT weir.mutate_row('w', 'v1', weir.set_cell('f', 'a', 'later'))$q$,
	$q$SELECT weir.check_and_mutate_row('w', 'v1', NULL, ARRAY[weir.set_cell('f', 'b', 'later')])$q$,
	$q$SELECT weir.read_modify_write_row('w', 'v1', weir.append_value('f', 'a', '!'))$q$,
	$q$INSERT INTO w VALUES ('v1', '{"f": {"a": [[2000, "1"]]}}')$q$,
	$q$DELETE FROM w WHERE row_key = 'v1'$q$,
	$q$SELECT weir.drop_row_range('w', 'v1')$q$,
	$q$SELECT weir.compact('w')$q$,
	$q$SELECT weir.mutate_row('w', 'v1', weir.set_cell('f', 'a', 'later')), weir.compact('w')$q$,
	$q$TRUNCATE w$q$
]) q;
SELECT row_key, cells FROM w WHERE row_key > 'v';
-- if it does not hold, or is about another row, all is well
DELETE FROM w WHERE row_key = 'v1' AND meddle($$SELECT weir.mutate_row('w', 'v1', weir.set_cell('f', 'a', 'not deleted', '2024-01-01'))$$) AND weir.cell_count(cells) < 2;
DELETE FROM w WHERE row_key = 'v1' AND meddle($$SELECT weir.mutate_row('w', 'v3', weir.set_cell('f', 'a', 'other', '2024-01-01'))$$) RETURNING row_key, cells;
-- so it is if what they write is rolled back, but not if more is written
SELECT undone, written, error_of(format($$DELETE FROM w WHERE row_key = 'v2' AND
	error_of(%L) = 'P0001 all well' AND meddle(%L)$$, undone, written)) FROM (VALUES
	($q$SELECT weir.mutate_row('w', 'v2', weir.set_cell('f', 'a', 'undone'))$q$, 'SELECT 1'),
	($q$SELECT weir.mutate_row('w', 'v2', weir.set_cell('f', 'a', 'undone'))$q$,
		$q$SELECT weir.mutate_row('w', 'v2', weir.set_cell('f', 'a', 'written'))$q$)
) q(undone, written);
SELECT rows > 0 AS compacts FROM weir.compact('w');
SELECT row_key, cells FROM w WHERE row_key > 'v';
DELETE FROM w WHERE row_key > 'v';
DROP FUNCTION meddle, error_of;

-- an index of the owner's on the heap is kept up to date
CREATE INDEX w_delta_len ON w_delta (length(row_key));
INSERT INTO w VALUES ('longer key', '{"f": {"a": [[1000, "2"]]}}');
SELECT weir.mutate_row('w', 'longer key', weir.set_cell('f', 'b', 'x', '2024-01-01'));
SET enable_seqscan = off;
SELECT count(*) FROM w_delta WHERE length(row_key) = 10;
RESET enable_seqscan;
SELECT cells FROM w WHERE row_key = 'longer key';
DROP INDEX w_delta_len;
-- its own must not be lost
DROP INDEX w_delta_row_key_seq_idx;
SELECT * FROM w;
CREATE INDEX ON w_delta (row_key, seq);
SELECT row_key FROM w;
SELECT weir.drop_wide_table('w');
