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
SELECT weir.read_row('h', 'k', weir.qualifier_regex('q'));
-- without the extension states are bytes, but cannot be combined
SET client_min_messages = warning;
DROP EXTENSION hll;
RESET client_min_messages;
SELECT weir.mutate_row('h', 'k', weir.add_to_cell('u', 'users', '2024-01-01', 'x'));
SELECT length(weir.value(cells, 'u', 'q')) > 0 AS bytes FROM h WHERE row_key = 'k2';
DROP SCHEMA sketches;
SELECT weir.drop_wide_table('h');
