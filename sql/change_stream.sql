-- Change streams of wide tables: what is recorded, reading it, rights,
-- switching on and off.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
RESET client_min_messages;

SELECT weir.create_wide_table('ct');
SELECT weir.add_family('ct', 'f', weir.max_versions(2));
SELECT weir.add_family('ct', 'old', weir.max_age('1 day'));
SELECT weir.add_family('ct', 'n', NULL, 'sum');
SELECT weir.add_family('ct', 'least', NULL, 'min');
SELECT weir.mutate_row('ct', 'before', weir.set_cell('f', 'q', 'not recorded', '2020-01-01'));
SELECT * FROM weir.changes('ct');
SELECT weir.changes_position('ct');
SELECT weir.disable_changes('ct');
SELECT weir.enable_changes('ct', '0');
SELECT weir.enable_changes('ct', '-1 day');
SELECT weir.enable_changes('ct', '1 month');
INSERT INTO ct SELECT 'x', weir.widerow('f', 'q', weir.enable_changes('ct')::text, '2020-01-01') FROM generate_series(1, 2);
SELECT weir.enable_changes('ct');
SELECT weir.enable_changes('ct');
SELECT tbl, changes, retention FROM weir.change_streams;
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
    WHERE attrelid = 'ct_changes'::regclass AND attnum > 0 ORDER BY attnum;
CREATE FUNCTION recorded(tbl regclass, after bigint DEFAULT NULL) RETURNS TABLE (n bigint, row_key text, kind text, changes weir.mutation[])
    LANGUAGE sql STABLE AS
    'SELECT row_number() OVER (ORDER BY seq), encode(c.row_key, ''escape''), c.kind, c.changes FROM weir.changes(tbl, after) c ORDER BY seq';
SELECT * FROM weir.changes('ct');

-- Rule 103: one record a row mutation, as it was applied
SELECT weir.mutate_row('ct', 'r', weir.set_cell('f', 'q', 'one', '2020-01-01'), weir.set_cell('f', 'q', 'two', '2020-01-01'),
    weir.set_cell('f', 'p', '\x00ff'::bytea, '2020-01-02'));
SELECT weir.mutate_row('ct', 'r', weir.add_to_cell('n', 'c', '2020-01-01', 5), weir.add_to_cell('n', 'c', '2020-01-01', -7),
    weir.merge_to_cell('least', 'c', '2020-01-01', '\x0000000000000003'));
SELECT weir.mutate_row('ct', 'r', weir.set_cell('f', 'q', 'three', '2020-01-03'), weir.delete_from_column('f', 'q', '2020-01-01', '2020-01-02'),
    weir.delete_from_column('f', 'p'), weir.delete_from_family('least'));
SELECT weir.mutate_row('ct', 'r', weir.set_cell('f', 'q', 'lost', '2020-01-01'), weir.delete_from_row(), weir.set_cell('f', 'z', 'kept', '2020-01-01'));
SELECT weir.mutate_row('ct', 'r', weir.merge_to_cell('n', 'c', '2020-01-01', NULL));
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('ct', 'i', weir.increment('f', 'n', 3), weir.append_value('f', 'a', 'x')), 'f', 'n'));
SELECT weir.check_and_mutate_row('ct', 'i', NULL, ARRAY[weir.set_cell('f', 'is', 'there', '2020-01-01')], ARRAY[weir.delete_from_row()]);
SELECT weir.check_and_mutate_row('ct', 'none', NULL, ARRAY[weir.set_cell('f', 'is', 'there', '2020-01-01')], '{}');
INSERT INTO ct VALUES ('a', weir.widerow('f', 'q', 'x', '2020-01-01')), ('a', weir.widerow('f', 'q', 'y', '2020-01-02')), ('b', weir.widerow('f', 'q', 'x', '2020-01-01'));
COPY ct FROM stdin;
\\x636f7079	{"f": {"q": [[0, "copied"]]}}
\.
DELETE FROM ct WHERE row_key IN ('a', 'none');
SELECT weir.drop_row_range('ct', 'c');
SELECT n, row_key, kind, CASE WHEN row_key = 'i' AND n < 7 THEN NULL ELSE changes END AS changes FROM recorded('ct');
-- a time that was not given is the one that was taken
SELECT m.mutation, m.family, encode(m.qualifier, 'escape') AS qualifier, m.value, m.ts = c.ts AS same_ts, m.ts_to
    FROM recorded('ct') r, weir.mutations(r.changes) m
    JOIN weir.read_rows('ct', prefix => 'i') c ON c.qualifier = m.qualifier WHERE r.row_key = 'i' ORDER BY 3;
SELECT bool_and(at BETWEEN now() - interval '1 hour' AND clock_timestamp()) AS at, bool_and(at >= lag) AS in_order
    FROM (SELECT at, lag(at, 1, at) OVER (ORDER BY seq) FROM weir.changes('ct')) x;
SELECT weir.drop_family('ct', 'least');
TRUNCATE ct;
SELECT row_key, kind, changes FROM recorded('ct', (SELECT max(seq) - 2 FROM ct_changes));

-- mutations as rows
SELECT mutation, family, qualifier, value, ts, ts_to FROM weir.mutations(ARRAY[weir.set_cell('f', 'q', 'v'), weir.set_cell('f', 'q', 'v', '2020-01-01'),
    weir.add_to_cell('n', 'c', '2020-01-01', 5), weir.merge_to_cell('n', 'c', '2020-01-01', NULL), weir.delete_from_column('f', 'q'),
    weir.delete_from_column('f', 'q', '2020-01-01', '2020-01-02'), weir.delete_from_family('f'), weir.delete_from_row(), NULL]);
SELECT count(*) FROM weir.mutations('{}');
SELECT to_jsonb(ARRAY[weir.set_cell('f', 'q', '\xff'::bytea, '2020-01-01'), weir.delete_from_row()]);
SELECT weir.set_cell('f', 'q', '"')::json ->> 3;

-- garbage collection is told apart, and recorded once
SELECT weir.changes_position('ct') AS position \gset
SELECT weir.mutate_row('ct', 'g', weir.set_cell('f', 'q', 'v1', '2020-01-01'), weir.set_cell('f', 'q', 'v2', '2020-01-02'));
SELECT weir.mutate_row('ct', 'g', weir.set_cell('f', 'q', 'v3', '2020-01-03'), weir.set_cell('f', 'q', 'v4', '2020-01-04'));
SELECT weir.mutate_row('ct', 'g', weir.set_cell('old', 'q', 'expired', '2020-01-01'));
SELECT weir.mutate_row('ct', 'h', weir.set_cell('f', 'q', 'v1', '2020-01-01'), weir.set_cell('f', 'q', 'v2', '2020-01-02'), weir.set_cell('f', 'q', 'v3', '2020-01-03'));
SELECT weir.mutate_row('ct', 'h', weir.delete_from_row());
SELECT * FROM weir.compact('ct');
SELECT * FROM weir.compact('ct');
SELECT row_key, kind, changes FROM recorded('ct', :position) WHERE kind <> 'user';
SELECT weir.mutate_row('ct', 'g', weir.set_cell('f', 'q', 'v5', '2020-01-05'));
SELECT * FROM weir.compact('ct');
SELECT row_key, kind, changes FROM recorded('ct', :position) WHERE kind <> 'user';

-- what is rolled back is not recorded, and does not stop the reader
SELECT weir.changes_position('ct') AS position \gset
BEGIN;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'rolled back', '2020-01-01'));
ROLLBACK;
BEGIN;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'one', '2020-01-01'));
SAVEPOINT s;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'to savepoint', '2020-01-01'));
ROLLBACK TO s;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'two', '2020-01-01'));
SELECT row_key, kind, changes FROM recorded('ct', :position);
COMMIT;
VACUUM ct_changes;
SELECT row_key, kind, changes FROM recorded('ct', :position);
SELECT count(*) FROM weir.changes('ct', :position, 1);
SELECT count(*) FROM weir.changes('ct', :position, 0);
SELECT count(*) FROM weir.changes('ct', weir.changes_position('ct'));
SELECT weir.changes_position('ct') = (SELECT max(seq) FROM ct_changes) AS at_the_end;
SELECT weir.changes('ct', -1);
SELECT weir.changes('ct', NULL, -1);
SELECT weir.changes('ct', 1);
SELECT weir.changes(NULL);
SELECT weir.changes('ct_changes');
SELECT count(*) FROM weir.changes('ct', 0) WHERE kind = 'truncate';

-- Applied to a copy without rules, the records make the same table. Numbers
-- that are taken and not used, and rollbacks, are among the writes.
SELECT weir.create_wide_table('orig');
SELECT weir.add_family('orig', 'f', weir.max_versions(2));
SELECT weir.add_family('orig', 'g', weir.gc_union(weir.max_versions(3), weir.max_age('3 days')));
SELECT weir.add_family('orig', 'n', weir.max_versions(1), 'sum');
SELECT weir.create_wide_table('copy');
SELECT weir.add_family('copy', 'f');
SELECT weir.add_family('copy', 'g');
SELECT weir.add_family('copy', 'n', NULL, 'sum');
SELECT weir.enable_changes('orig');
CREATE TABLE progress AS SELECT weir.changes_position('orig') AS position;
CREATE FUNCTION replay() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM weir.changes('orig', (SELECT position FROM progress)) LOOP
        IF c.kind = 'truncate' THEN
            PERFORM weir.drop_row_range('copy', 'r');
        ELSIF c.changes <> '{}' THEN
            PERFORM weir.mutate_row('copy', c.row_key, VARIADIC c.changes);
        END IF;
        UPDATE progress SET position = c.seq;
    END LOOP;
END $$;
CREATE FUNCTION some_write(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    key bytea := ('r' || floor(random() * 5))::bytea;
    t timestamptz := '2020-01-01'::timestamptz + floor(random() * 6) * interval '1 day';
    now_t timestamptz := date_trunc('hour', now()) - floor(random() * 4) * interval '26 hours';
    q text := 'q' || floor(random() * 3);
    mutations weir.mutation[] := '{}';
BEGIN
    FOR i IN 0 .. random() * 4 LOOP
        mutations := mutations || CASE floor(random() * 9)
            WHEN 0 THEN weir.set_cell('f', q, i || random()::text, t)
            WHEN 1 THEN weir.set_cell('g', q, i || random()::text, now_t)
            WHEN 2 THEN weir.add_to_cell('n', q, t, (random() * 100)::bigint)
            WHEN 3 THEN weir.add_to_cell('n', q, now_t, (random() * 100)::bigint)
            WHEN 4 THEN weir.delete_from_column('f', q, t)
            WHEN 5 THEN weir.delete_from_column('n', q, t, t + interval '3 days')
            WHEN 6 THEN weir.delete_from_family(CASE WHEN random() < 0.5 THEN 'n' ELSE 'f' END)
            WHEN 7 THEN CASE WHEN random() < 0.2 THEN weir.delete_from_row() ELSE weir.set_cell('f', q, 'again', t) END
            ELSE weir.set_cell('f', q, 'now') END;
    END LOOP;
    CASE floor(random() * 8)
        WHEN 0 THEN
            BEGIN
                PERFORM weir.mutate_row(tbl, key, VARIADIC mutations);
                RAISE division_by_zero;
            EXCEPTION WHEN division_by_zero THEN NULL;
            END;
        WHEN 1 THEN PERFORM weir.check_and_mutate_row(tbl, key, weir.qualifier_regex(q), mutations);
        WHEN 2 THEN PERFORM weir.read_modify_write_row(tbl, key, weir.append_value('f', q, 'x'));
        WHEN 3 THEN INSERT INTO orig SELECT key, weir.merge(weir.widerow('f', q::bytea, i::text::bytea, t + i * interval '1 hour')) FROM generate_series(1, 3) i;
        ELSE PERFORM weir.mutate_row(tbl, key, VARIADIC mutations);
    END CASE;
    IF random() < 0.005 THEN
        TRUNCATE orig;
    ELSIF random() < 0.01 THEN
        DELETE FROM orig WHERE row_key = key;
    ELSIF random() < 0.01 THEN
        PERFORM weir.drop_row_range(tbl, 'r1');
    END IF;
END $$;
CREATE TABLE verdicts (round int, cells bigint, surplus bigint, missing bigint);
SELECT setseed(0.25);
DO $$
BEGIN
    FOR round IN 1 .. 25 LOOP
        FOR i IN 1 .. 30 LOOP
            PERFORM some_write('orig');
            IF random() < 0.05 THEN
                PERFORM weir.compact('orig', random() < 0.5);
            END IF;
        END LOOP;
        PERFORM weir.compact('orig');
        PERFORM replay();
        INSERT INTO verdicts
            WITH o AS (SELECT row_key, family, qualifier, ts, value FROM weir.read_rows('orig')),
                c AS (SELECT row_key, family, qualifier, ts, value FROM weir.read_rows('copy'))
            SELECT round, (SELECT count(*) FROM o), (SELECT count(*) FROM (TABLE c EXCEPT ALL TABLE o) x),
                (SELECT count(*) FROM (TABLE o EXCEPT ALL TABLE c) x);
        COMMIT;
    END LOOP;
END $$;
SELECT count(*), min(cells) > 0 AS some, sum(surplus) AS surplus, sum(missing) AS missing FROM verdicts;
SELECT * FROM verdicts WHERE surplus + missing > 0;
SELECT kind, count(*) > 5 AS many FROM orig_changes GROUP BY 1 ORDER BY 1;
-- an aggregate cell that was garbage, and was fed again when it was not any more
SELECT weir.changes_position('orig') AS position \gset
SELECT weir.mutate_row('orig', 'r0', weir.delete_from_family('n'), weir.add_to_cell('n', 'q', '2020-01-01', 5));
SELECT weir.mutate_row('orig', 'r0', weir.add_to_cell('n', 'q', '2020-01-02', 1));
SELECT weir.mutate_row('orig', 'r0', weir.delete_from_column('n', 'q', '2020-01-02'));
SELECT weir.mutate_row('orig', 'r0', weir.add_to_cell('n', 'q', '2020-01-01', 3));
SELECT weir.int8_value(weir.value(weir.read_row('orig', 'r0'), 'n', 'q'));
SELECT * FROM weir.compact('orig');
-- Rule 104: garbage collection is told apart from what users delete
SELECT row_key, kind, changes FROM recorded('orig', :position) WHERE kind = 'gc';
SELECT replay();
SELECT weir.int8_value(weir.value(weir.read_row('copy', 'r0'), 'n', 'q'));

-- many cells of garbage come in several records
SELECT weir.changes_position('orig') AS position \gset
INSERT INTO orig SELECT 'many', weir.merge(weir.widerow('f', 'q', 'v', '2020-01-01'::timestamptz + i * interval '1 second')) FROM generate_series(1, 6002) i;
SELECT * FROM weir.compact('orig');
SELECT kind, count(*), sum(cardinality(changes)), max(cardinality(changes)) FROM weir.changes('orig', :position) GROUP BY 1 ORDER BY 1;
SELECT weir.cell_count(weir.read_row('orig', 'many'));

-- a stream: continuous aggregates
SELECT weir.create_continuous_aggregate('writes', $$
    SELECT kind, count(*) AS n, sum(cardinality(changes)) AS mutations FROM ct_changes GROUP BY kind $$);
SELECT w.kind, w.n = c.n AS same FROM writes w FULL JOIN (SELECT kind, count(*) AS n FROM weir.changes('ct') GROUP BY 1) c USING (kind) ORDER BY 1;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'one', '2020-01-01'));
SELECT w.kind, w.n = c.n AS same FROM writes w FULL JOIN (SELECT kind, count(*) AS n FROM weir.changes('ct') GROUP BY 1) c USING (kind) ORDER BY 1;
SELECT weir.disable_changes('ct');
SELECT weir.alter_stream('ct_changes', retention => '0');
SELECT weir.alter_stream('ct_changes', retention => '2 days');
SELECT retention FROM weir.change_streams WHERE tbl = 'ct'::regclass;

-- nobody writes to it by SQL, and it does not go alone
INSERT INTO ct_changes (seq, kind, changes, at) VALUES (1000000, 'user', '{}', now());
INSERT INTO ct_changes (seq, kind, changes, at) VALUES (1000000, 'user', '{}', now()) ON CONFLICT DO NOTHING;
COPY ct_changes (seq, kind, changes, at) FROM stdin;
1000000	user	{}	2020-01-01
\.
UPDATE ct_changes SET kind = 'gc';
DELETE FROM ct_changes;
TRUNCATE ct_changes;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP TABLE ct_changes CASCADE;
SELECT weir.drop_stream('ct_changes', true);
DROP INDEX ct_changes_weir;
RESET client_min_messages;
\set VERBOSITY default
ALTER TABLE ct_changes ADD extra int;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'one', '2020-01-01'));
ALTER TABLE ct_changes DROP extra;
ALTER TABLE ct_changes DROP CONSTRAINT ct_changes_pkey;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'one', '2020-01-01'));
ALTER TABLE ct_changes ADD PRIMARY KEY (seq);
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'one', '2020-01-01'));
-- indexes of the owner's are maintained
CREATE INDEX ct_changes_kind ON ct_changes (upper(kind), at) WHERE row_key = 'x';
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'indexed', '2020-01-01'));
SET enable_seqscan = off;
SELECT count(*) FROM ct_changes WHERE upper(kind) = 'USER' AND row_key = 'x';
RESET enable_seqscan;
DROP INDEX ct_changes_kind;
SELECT weir.mutate_row('ct', 'x', weir.set_cell('f', 'q', 'one', '2020-01-01'));

-- rights: writers need none on it, readers need SELECT on it
CREATE ROLE weir_change_writer;
CREATE ROLE weir_change_reader;
GRANT INSERT, DELETE ON ct TO weir_change_writer;
GRANT SELECT ON ct_changes TO weir_change_reader;
SELECT weir.create_authorized_view('ct_part', 'ct', ARRAY['x'::bytea], ARRAY['f']);
GRANT SELECT, INSERT ON ct_part TO weir_change_writer;
SELECT max(seq) AS position FROM ct_changes \gset
SET ROLE weir_change_writer;
SELECT weir.mutate_row('ct', 'w', weir.set_cell('f', 'q', 'by writer', '2020-01-01'));
SELECT weir.mutate_row('ct_part', 'x', weir.set_cell('f', 'q', 'by view', '2020-01-01'));
SELECT weir.changes('ct');
SELECT weir.changes('ct_part');
SELECT weir.changes_position('ct');
SELECT weir.enable_changes('ct');
SELECT weir.disable_changes('ct');
INSERT INTO ct_changes (seq, kind, changes, at) VALUES (1000000, 'user', '{}', now());
SET ROLE weir_change_reader;
SELECT row_key, kind, changes FROM recorded('ct', :position);
SELECT count(*) FROM weir.read_rows('ct');
RESET ROLE;
SELECT weir.changes('ct_part');
SELECT weir.enable_changes('ct_part');
ALTER TABLE ct_changes ENABLE ROW LEVEL SECURITY;
SET ROLE weir_change_reader;
SELECT weir.changes('ct');
RESET ROLE;
SELECT count(*) > 0 AS owner_reads FROM weir.changes('ct');
ALTER TABLE ct_changes DISABLE ROW LEVEL SECURITY;

-- it follows the table
CREATE SCHEMA elsewhere;
ALTER FOREIGN TABLE ct RENAME TO ct2;
ALTER FOREIGN TABLE ct2 SET SCHEMA elsewhere;
SELECT weir.mutate_row('elsewhere.ct2', 'w', weir.set_cell('f', 'q', 'moved', '2020-01-01'));
SELECT row_key, kind, changes FROM recorded('elsewhere.ct2', :position) WHERE n > 2;
ALTER TABLE elsewhere.ct_changes RENAME TO the_changes;
SELECT weir.mutate_row('elsewhere.ct2', 'w', weir.set_cell('f', 'q', 'renamed', '2020-01-01'));
SELECT row_key, kind, changes FROM recorded('elsewhere.ct2', :position) WHERE n > 3;

-- off, and on again: a position of before is refused
SELECT weir.disable_changes('elsewhere.ct2', cascade => true);
SELECT to_regclass('the_changes'), to_regclass('writes');
SELECT weir.changes('elsewhere.ct2');
SELECT weir.mutate_row('elsewhere.ct2', 'w', weir.set_cell('f', 'q', 'unseen', '2020-01-01'));
SELECT weir.enable_changes('elsewhere.ct2', NULL);
SELECT retention FROM weir.change_streams WHERE tbl = 'elsewhere.ct2'::regclass;
\set VERBOSITY sqlstate
SELECT weir.changes('elsewhere.ct2', :position);
\set VERBOSITY default
SELECT count(*) FROM weir.changes('elsewhere.ct2', 0);

-- in one transaction
BEGIN;
SELECT weir.disable_changes('elsewhere.ct2');
SELECT weir.mutate_row('elsewhere.ct2', 'w', weir.set_cell('f', 'q', 'unseen', '2020-01-01'));
SELECT weir.enable_changes('elsewhere.ct2');
SELECT weir.mutate_row('elsewhere.ct2', 'w', weir.set_cell('f', 'q', 'seen', '2020-01-01'));
SELECT row_key, kind, changes FROM recorded('elsewhere.ct2');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT weir.disable_changes('elsewhere.ct2');
ROLLBACK TO s;
SELECT weir.mutate_row('elsewhere.ct2', 'w', weir.set_cell('f', 'q', 'seen', '2020-01-01'));
COMMIT;
SELECT row_key, kind, changes FROM recorded('elsewhere.ct2');

-- and goes with it
CREATE VIEW on_changes AS SELECT * FROM elsewhere.ct2_changes;
SELECT weir.disable_changes('elsewhere.ct2');
DROP FOREIGN TABLE elsewhere.ct2;
DROP VIEW on_changes;
DROP FOREIGN TABLE elsewhere.ct2 CASCADE;
SELECT count(*) FROM pg_class WHERE relname LIKE 'ct2\_%';
SELECT tbl FROM weir.change_streams;
SELECT weir.create_wide_table('elsewhere.other');
SELECT weir.enable_changes('elsewhere.other');
SET client_min_messages = warning;
DROP SCHEMA elsewhere CASCADE;
RESET client_min_messages;
CREATE ROLE weir_change_owner;
GRANT CREATE ON SCHEMA public TO weir_change_owner;
SET ROLE weir_change_owner;
SELECT weir.create_wide_table('owned');
SELECT weir.enable_changes('owned');
SELECT weir.add_family('owned', 'f');
SELECT weir.mutate_row('owned', 'x', weir.set_cell('f', 'q', 'one', '2020-01-01'));
SELECT count(*) FROM weir.changes('owned');
SELECT weir.disable_changes('owned');
RESET ROLE;
SELECT weir.enable_changes('owned');
SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'owned_changes';
DROP OWNED BY weir_change_owner;
DROP ROLE weir_change_owner, weir_change_reader;
SELECT tbl FROM weir.change_streams;
SELECT weir.drop_wide_table('orig');
SELECT weir.drop_wide_table('copy');
SELECT count(*) FROM weir._change_streams;
SELECT count(*) FROM weir._stream WHERE relation::oid NOT IN (SELECT oid FROM pg_class);
DROP TABLE progress, verdicts;
DROP FUNCTION replay(), some_write(regclass), recorded(regclass, bigint);
DROP ROLE weir_change_writer;
