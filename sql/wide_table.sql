-- Wide tables: definition, mutate_row, read_row, read_rows.
\pset null '(null)'
SELECT weir.create_wide_table('profiles');
SELECT weir.add_family('profiles', 'stats'), weir.add_family('profiles', 'info', weir.max_versions(1)),
       weir.add_family('profiles', 'n', NULL, 'sum');
SELECT * FROM weir.wide_tables;
SELECT * FROM weir.families ORDER BY family;
SELECT c.relname, c.relkind FROM pg_class c WHERE relname LIKE 'profiles%' ORDER BY 1;

-- text and bytes
SELECT weir.mutate_row('profiles', 'r1', weir.set_cell('stats', 'temp', '21.5', '2024-01-01 00:00:00+00'));
SELECT weir.mutate_row('profiles', 'r1'::bytea, weir.set_cell('stats', '\x00ff'::bytea, '\xfe'::bytea, '2024-01-01 00:00:01+00'));
SELECT weir.mutate_row('profiles', 'r2', weir.set_cell('stats', 'count', 7, '2024-01-01'),
	weir.add_to_cell('n', 'visits', '2024-01-01', 3));
SELECT weir.read_row('profiles', 'r1');
SELECT weir.read_row('profiles', 'r1'::bytea);
SELECT weir.read_row('profiles', 'r2');
SELECT weir.read_row('profiles', 'no such row');
SELECT * FROM weir.read_rows('profiles');

-- the server's clock in whole milliseconds, the same for one call
SELECT weir.mutate_row('profiles', 'now', weir.set_cell('stats', 'a', '1'), weir.set_cell('stats', 'b', '2'));
SELECT count(DISTINCT ts) AS timestamps, bool_and(ts = date_trunc('milliseconds', ts)) AS whole,
       bool_and(ts BETWEEN now() - interval '1 s' AND clock_timestamp()) AS now
FROM weir.read_rows('profiles', prefix => 'now');

-- order of rows: unsigned bytes, the shorter first
SELECT weir.create_wide_table('keys');
SELECT weir.add_family('keys', 'f');
SELECT weir.mutate_row('keys', k, weir.set_cell('f', 'q', 'v', '2024-01-01'))
FROM unnest(ARRAY['b', 'a', 'ab', 'a\000', '\xff', '\xff00', '\x00', 'aa', '\x7f', '\x80']::bytea[]) k;
SELECT row_key FROM weir.read_rows('keys');
SELECT row_key FROM weir.read_rows('keys', reversed => true);
SELECT row_key FROM weir.read_rows('keys', row_limit => 3);
SELECT row_key FROM weir.read_rows('keys', row_limit => 2, reversed => true);
SELECT row_key FROM weir.read_rows('keys', prefix => 'a');
SELECT row_key FROM weir.read_rows('keys', prefix => '\xff');
SELECT row_key FROM weir.read_rows('keys', prefix => 'a', reversed => true, row_limit => 1);
SELECT row_key FROM weir.read_rows('keys', rows => '{[a,aa],[b,b]}');
SELECT row_key FROM weir.read_rows('keys', rows => '{(a,b)}');
SELECT row_key FROM weir.read_rows('keys', rows => '{[b,),(,a)}');
SELECT row_key FROM weir.read_rows('keys', rows => '{[a,b],[aa,aa],[a,ab)}');
SELECT row_key FROM weir.read_rows('keys', rows => '{[a,b],[\\xff,)}', prefix => 'a');
SELECT count(*) FROM weir.read_rows('keys', rows => '{}');
SELECT count(*) FROM weir.read_rows('keys', rows => NULL);
SELECT count(*) FROM weir.read_rows('keys', rows => '{[x,y]}');
SELECT row_key FROM weir.read_rows('keys', rows => weir.row_set(weir.row_range('a', 'b')), reversed => true);

-- filters
SELECT row_key, family, qualifier, value, labels FROM weir.read_rows('profiles',
	weir.chain(weir.family_regex('stats'), weir.qualifier_regex('temp|count'), weir.apply_label('x')));
SELECT row_key, labels FROM weir.read_rows('profiles', weir.interleave(weir.qualifier_regex('temp'), weir.chain(weir.pass_all(), weir.apply_label('all'))), prefix => 'r1');
SELECT weir.read_row('profiles', 'r1', weir.interleave(weir.pass_all(), weir.pass_all()));
SELECT weir.read_row('profiles', 'r1', weir.block_all());
SELECT weir.read_row('profiles', 'r1', weir.row_key_regex('r2'));
SELECT weir.read_row('profiles', 'r1', weir.column_range('stats', 'temp', 'temp'));
SELECT weir.read_row('profiles', 'r1', weir.family_regex('nothing'));
SELECT weir.read_row('profiles', 'r2', NULL);

-- deleting
SELECT weir.mutate_row('profiles', 'd', weir.set_cell('stats', 'a', g::text, timestamptz '2024-01-01' + g * interval '1 s'),
	weir.set_cell('stats', 'b', g::text, timestamptz '2024-01-01' + g * interval '1 s')) FROM generate_series(1, 4) g;
SELECT weir.mutate_row('profiles', 'd', weir.delete_from_column('stats', 'a', '2024-01-01 00:00:02', '2024-01-01 00:00:04'));
SELECT weir.read_row('profiles', 'd');
SELECT weir.mutate_row('profiles', 'd', weir.delete_from_column('stats', 'b', '2024-01-01 00:00:04'), weir.delete_from_column('stats', 'a', NULL, '2024-01-01 00:00:02'));
SELECT weir.read_row('profiles', 'd');
SELECT weir.mutate_row('profiles', 'd', weir.delete_from_family('stats'), weir.set_cell('stats', 'c', 'x', '2024-01-01'));
SELECT weir.read_row('profiles', 'd');
SELECT weir.mutate_row('profiles', 'd', weir.set_cell('stats', 'd', 'x', '2024-01-01'), weir.delete_from_row());
SELECT weir.read_row('profiles', 'd');

-- aggregates
SELECT weir.add_family('profiles', 'lo', NULL, 'min'), weir.add_family('profiles', 'hi', NULL, 'max');
SELECT weir.mutate_row('profiles', 'agg', weir.add_to_cell('n', 'q', '2024-01-01', v), weir.add_to_cell('lo', 'q', '2024-01-01', v),
	weir.add_to_cell('hi', 'q', '2024-01-01', v)) FROM unnest(ARRAY[-5, 10, 3]::bigint[]) v;
SELECT weir.mutate_row('profiles', 'agg', weir.merge_to_cell('n', 'q', '2024-01-01', int8send(100)),
	weir.merge_to_cell('lo', 'q', '2024-01-01', NULL), weir.add_to_cell('n', 'q', '2024-01-02', 1));
SELECT family, ts, weir.int8_value(value) FROM weir.read_rows('profiles', prefix => 'agg');

-- parameters whose type is not given
PREPARE put AS SELECT weir.mutate_row('profiles', $1, weir.set_cell('stats', $2, $3, $4), weir.add_to_cell('n', $2, $4, $5));
EXECUTE put('param', 'q', 'v', '2024-01-01', '-5');
EXECUTE put('param', 'q', 'v', '2024-01-01', '5 apples');
PREPARE get AS SELECT weir.read_row('profiles', $1, $2);
EXECUTE get('param', '["pass_all"]');
DEALLOCATE put; DEALLOCATE get;

-- families: numbers are never used again
SELECT weir.drop_family('profiles', 'stats');
SELECT * FROM weir.read_rows('profiles', prefix => 'r1');
SELECT weir.add_family('profiles', 'stats');
SELECT weir.read_row('profiles', 'r1'), weir.read_row('profiles', 'r2');
SELECT weir.alter_family('profiles', 'stats', weir.max_versions(2));
SELECT gc FROM weir.families WHERE family = 'stats';

-- a cached description follows what happens to the table
ALTER FOREIGN TABLE profiles RENAME TO people;
CREATE SCHEMA elsewhere;
ALTER FOREIGN TABLE people SET SCHEMA elsewhere;
SELECT weir.mutate_row('elsewhere.people', 'r3', weir.set_cell('stats', 'a', 'b', '2024-01-01'));
SELECT weir.read_row('elsewhere.people', 'r3');
SELECT tbl, granularity FROM weir.wide_tables ORDER BY 1;

-- a wide table whose name is taken in part, and odd names
CREATE TABLE t_delta (a int);
SELECT weir.create_wide_table('t');
SELECT weir.create_wide_table('elsewhere."Odd name"', granularity => 'millis');
SELECT weir.add_family('elsewhere."Odd name"', 'a-b_c.D');
SELECT weir.mutate_row('elsewhere."Odd name"', 'k', weir.set_cell('a-b_c.D', 'q', 'v', '2024-01-01'));
SELECT * FROM elsewhere."Odd name";
SELECT weir.create_wide_table(repeat('x', 63));

-- the parts go with the face, and do not go alone
DROP TABLE people_delta;
\set VERBOSITY terse
DROP TABLE elsewhere.profiles_delta;
DROP TABLE elsewhere.profiles_base;
DROP SEQUENCE elsewhere.profiles_seq;
DROP FOREIGN TABLE elsewhere.people;
\set VERBOSITY default
SELECT c.relname FROM pg_class c WHERE relname ~ '^(profiles|people)' ORDER BY 1;
SELECT count(*) FROM weir.families WHERE family = 'lo';
SELECT weir.drop_wide_table('keys'), weir.drop_wide_table('t');
BEGIN;
SELECT weir.create_wide_table('gone');
SELECT weir.add_family('gone', 'f');
SELECT weir.mutate_row('gone', 'k', weir.set_cell('f', 'q', 'v'));
SELECT weir.cell_count(weir.read_row('gone', 'k'));
ROLLBACK;
SELECT to_regclass('gone'), to_regclass('gone_delta');
DROP SCHEMA elsewhere CASCADE;
SELECT weir.drop_wide_table(tbl) FROM weir.wide_tables;
SELECT count(*) FROM weir._wide_tables;
SELECT count(*) FROM weir._families;
SELECT count(*) FROM weir._family_rules;
DROP TABLE t_delta;

-- sampling and dropping ranges
SELECT weir.create_wide_table('big');
SELECT weir.add_family('big', 'f');
SELECT * FROM weir.sample_row_keys('big');
INSERT INTO big SELECT to_char(i, 'FM000000')::bytea, weir.widerow('f', 'q', repeat(md5(i::text), 60), timestamptz '2024-01-01') FROM generate_series(1, 3000) i;
SELECT count(*) > 3 AS several, bool_and(row_key > before) AS ascending, bool_and(offset_bytes >= offset_before) AS offsets
FROM (SELECT *, lag(row_key) OVER (), lag(offset_bytes) OVER () FROM weir.sample_row_keys('big')) s(row_key, offset_bytes, before, offset_before)
WHERE row_key <> '';
SELECT row_key, offset_bytes > 1000000 AS big FROM weir.sample_row_keys('big') OFFSET (SELECT count(*) - 1 FROM weir.sample_row_keys('big'));
SELECT weir.drop_row_range('big', '0001');
SELECT weir.drop_row_range('big', '0001'::bytea);
SELECT count(*), count(*) FILTER (WHERE row_key >= '000100' AND row_key < '000200') AS dropped FROM big;
SELECT rows, skipped FROM weir.compact('big');
SELECT count(*) FROM big;
SELECT weir.drop_wide_table('big');
