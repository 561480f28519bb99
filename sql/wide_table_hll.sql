-- Families that count distinct values, by way of the extension hll.
SET client_min_messages = warning;
CREATE SCHEMA sketches;
CREATE EXTENSION hll SCHEMA sketches;
RESET client_min_messages;
SELECT weir.create_wide_table('h');
SELECT weir.add_family('h', 'u', NULL, 'hll'), weir.add_family('h', 'f');
SELECT count(*) FROM (SELECT weir.mutate_row('h', 'k', weir.add_to_cell('u', 'users', '2024-01-01', 'user ' || i % 50)) FROM generate_series(1, 200) i) x;
SELECT sketches.hll_cardinality(weir.value(cells, 'u', 'users')::sketches.hll) FROM h;
SELECT rows, deltas FROM weir.compact('h');
SELECT sketches.hll_cardinality(weir.value(cells, 'u', 'users')::sketches.hll) FROM h;
-- Rule 77: merging is idempotent; the state is that of the extension
SELECT weir.mutate_row('h', 'k', weir.merge_to_cell('u', 'users', '2024-01-01', weir.value(cells, 'u', 'users'))) FROM h;
SELECT weir.mutate_row('h', 'k', weir.merge_to_cell('u', 'users', '2024-01-01',
	(SELECT sketches.hll_add_agg(sketches.hll_hash_bytea(convert_to('user ' || i, 'UTF8')))::text::bytea FROM generate_series(40, 59) i)));
SELECT sketches.hll_cardinality(weir.value(cells, 'u', 'users')::sketches.hll) FROM h;
SELECT weir.mutate_row('h', 'k2', weir.add_to_cell('u', 'q', '2024-01-01', 'a'), weir.add_to_cell('u', 'q', '2024-01-01', '\x61'::bytea), weir.add_to_cell('u', 'q', '2024-01-01', 'b'));
SELECT sketches.hll_cardinality(weir.value(cells, 'u', 'q')::sketches.hll) FROM h WHERE row_key = 'k2';
-- wrong inputs
SELECT weir.mutate_row('h', 'k', weir.add_to_cell('u', 'q', '2024-01-01', 5));
SELECT weir.mutate_row('h', 'k', weir.set_cell('u', 'q', 'x'));
SELECT weir.mutate_row('h', 'k', weir.merge_to_cell('u', 'q', '2024-01-01', '\xffff'));
-- to the extension, what is not defined is a state that nothing gets rid of
SELECT sketches.hll_print('\x108b7f');
SELECT weir.mutate_row('h', 'k', weir.merge_to_cell('u', 'q', '2024-01-01', '\x108b7f'));
-- the empty one, and each of the other kinds, can be merged, and added to
SELECT weir.mutate_row('h', 'kinds', weir.merge_to_cell('u', 'e' || n, '2024-01-01',
	(SELECT sketches.hll_union(sketches.hll_empty(), sketches.hll_add_agg(sketches.hll_hash_integer(i)))::text::bytea FROM generate_series(1, n) i)))
FROM unnest(ARRAY[1, 160, 161, 500, 50000]) n;
SELECT weir.mutate_row('h', 'kinds', weir.merge_to_cell('u', 'e0', '2024-01-01', sketches.hll_empty()::text::bytea));
SELECT encode(qualifier, 'escape') AS q, sketches.hll_type(value::sketches.hll), round(sketches.hll_cardinality(value::sketches.hll)::numeric, -2) AS about
FROM weir.read_rows('h', weir.row_key_regex('kinds'));
SELECT weir.mutate_row('h', 'kinds', weir.add_to_cell('u', 'e0', '2024-01-01', 'x'));
SELECT sketches.hll_cardinality(weir.value(cells, 'u', 'e0')::sketches.hll) FROM h WHERE row_key = 'kinds';
SELECT weir.mutate_row('h', 'kinds', weir.delete_from_row());
-- states with other parameters could not be combined with the others when the row is read
SELECT weir.mutate_row('h', 'k', weir.merge_to_cell('u', 'q', '2024-01-01', sketches.hll_empty(12)::text::bytea));
SELECT weir.mutate_row('h', 'k', weir.merge_to_cell('u', 'q', '2024-01-01', sketches.hll_empty(11, 5, 0, 1)::text::bytea));
SELECT weir.read_row('h', 'k', weir.qualifier_regex('q'));
SELECT count(sketches.hll_set_defaults(12, 5, -1, 1));
SELECT weir.mutate_row('h', 'k3', weir.add_to_cell('u', 'q', '2024-01-01', 'a'));
SELECT count(sketches.hll_set_defaults(11, 5, -1, 1));
SELECT weir.mutate_row('h', 'k3', weir.add_to_cell('u', 'q', '2024-01-01', 'b'));
SELECT sketches.hll_cardinality(weir.value(cells, 'u', 'q')::sketches.hll) FROM h WHERE row_key = 'k3';
-- Changes are recorded as states that are merged; a copy made of them is the table.
SELECT weir.create_wide_table('hw'), weir.create_wide_table('hcopy');
SELECT weir.add_family('hw', 'u', weir.max_versions(2), 'hll'), weir.add_family('hcopy', 'u', NULL, 'hll');
SELECT weir.enable_changes('hw');
SELECT count(weir.mutate_row('hw', 'r' || i % 3, weir.add_to_cell('u', 'q' || i % 2, timestamptz '2024-01-01' + (i % 4) * interval '1 day', 'user ' || i % 50)))
FROM generate_series(1, 200) i;
SELECT deltas FROM weir.compact('hw');
SELECT weir.mutate_row('hw', 'r1', weir.delete_from_column('u', 'q0'), weir.add_to_cell('u', 'q0', '2024-01-09', 'again'), weir.add_to_cell('u', 'q0', '2024-01-09', 'and again'));
-- garbage that is fed again before a compaction comes by
SELECT weir.mutate_row('hw', 'r2', weir.add_to_cell('u', 'q1', '2024-01-08', 'x'), weir.add_to_cell('u', 'q1', '2024-01-01', 'y'));
SELECT deltas FROM weir.compact('hw');
SELECT kind, m.mutation, count(*) FROM weir.changes('hw') c, weir.mutations(c.changes) m GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(weir.mutate_row('hcopy', row_key, VARIADIC changes)) > 0 AS copied FROM (SELECT * FROM weir.changes('hw') ORDER BY seq) c;
SELECT encode(row_key, 'escape') AS key, encode(qualifier, 'escape') AS q, ts::date, sketches.hll_cardinality(value::sketches.hll) FROM weir.read_rows('hw');
SELECT count(*) FROM (SELECT row_key, family, qualifier, ts, value FROM weir.read_rows('hw')) a
FULL JOIN (SELECT row_key, family, qualifier, ts, value FROM weir.read_rows('hcopy')) b USING (row_key, family, qualifier, ts)
WHERE a.value IS NULL OR b.value IS NULL OR sketches.hll_ne(a.value::sketches.hll, b.value::sketches.hll);
SELECT weir.drop_wide_table('hw'), weir.drop_wide_table('hcopy');
-- without the extension states are bytes, but cannot be combined
SET client_min_messages = warning;
DROP EXTENSION hll;
RESET client_min_messages;
SELECT weir.mutate_row('h', 'k', weir.add_to_cell('u', 'users', '2024-01-01', 'x'));
SELECT length(weir.value(cells, 'u', 'q')) > 0 AS bytes FROM h WHERE row_key = 'k2';
DROP SCHEMA sketches;
SELECT weir.drop_wide_table('h');
