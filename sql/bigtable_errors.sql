-- The errors and limits of Bigtable's that weir has, one by one, each with its SQLSTATE; and the
-- rules, by number, that no other test is named after. See wide_table_rules for the others.
\pset null '(null)'
\pset format unaligned
SET timezone = 'UTC';
SELECT weir.create_wide_table('t'), weir.create_wide_table('ms', 'millis');
SELECT weir.add_family('t', 'f'), weir.add_family('t', 's', NULL, 'sum'), weir.add_family('ms', 'f'), weir.add_family('ms', 's', NULL, 'sum');
SELECT weir.mutate_row('t', 'k', weir.set_cell('f', 'q', 'v', '1970-01-01'));
CREATE TABLE before AS SELECT * FROM weir.read_rows('t');
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION nested(n int) RETURNS weir.filter LANGUAGE plpgsql AS $$
DECLARE f weir.filter := weir.pass_all();
BEGIN
	FOR i IN 2 .. n LOOP
		f := weir.chain(f, weir.pass_all());
	END LOOP;
	RETURN f;
END $$;

SELECT condition, error_of(q) AS error FROM (VALUES
	('empty row key', $$SELECT weir.mutate_row('t', '', weir.delete_from_row())$$),
	('long row key', $$SELECT weir.mutate_row('t', repeat('k', 2049), weir.delete_from_row())$$),
	('no mutations', $$SELECT weir.mutate_row('t', 'k', VARIADIC '{}')$$),
	('no mutations at all', $$SELECT weir.mutate_row('t', 'k')$$),
	('no rules at all', $$SELECT weir.read_modify_write_row('t', 'k')$$),
	('no mutations in both lists', $$SELECT weir.check_and_mutate_row('t', 'k', weir.pass_all())$$),
	('no rules', $$SELECT weir.read_modify_write_row('t', 'k', VARIADIC '{}')$$),
	('100001 mutations', $$SELECT weir.mutate_row('t', 'k', VARIADIC array_fill(weir.delete_from_row(), ARRAY[100001]))$$),
	('100001 mutations if matched', $$SELECT weir.check_and_mutate_row('t', 'k', NULL, array_fill(weir.delete_from_row(), ARRAY[100001]))$$),
	('100001 mutations if not matched', $$SELECT weir.check_and_mutate_row('t', 'k', NULL, '{}', array_fill(weir.delete_from_row(), ARRAY[100001]))$$),
	('100001 rules', $$SELECT weir.read_modify_write_row('t', 'k', VARIADIC array_fill(weir.increment('f', 'n', 1), ARRAY[100001]))$$),
	('timestamp finer than the granularity', $$SELECT weir.mutate_row('ms', 'k', weir.set_cell('f', 'q', 'v', '1970-01-01 00:00:00.0005'))$$),
	('in an addition', $$SELECT weir.mutate_row('ms', 'k', weir.add_to_cell('s', 'q', '1970-01-01 00:00:00.0005', 1))$$),
	('in a merge', $$SELECT weir.mutate_row('ms', 'k', weir.merge_to_cell('s', 'q', '1970-01-01 00:00:00.0005', int8send(1)))$$),
	('in the bounds of a delete', $$SELECT weir.mutate_row('ms', 'k', weir.delete_from_column('f', 'q', '1970-01-01 00:00:00.0005'))$$),
	('timestamp below -1', $$SELECT '["set_cell","f","q","v",-2]'::weir.mutation$$),
	('-1, which is written as null', $$SELECT '["set_cell","f","q","v",-1]'::weir.mutation$$),
	('addition at a negative time', $$SELECT '["add_to_cell","s","q",-1,1]'::weir.mutation$$),
	('addition before 1970', $$SELECT weir.add_to_cell('s', 'q', '1969-12-31', 1)$$),
	('addition without a time', $$SELECT weir.add_to_cell('s', 'q', NULL, 1)$$),
	('merge without a time', $$SELECT weir.merge_to_cell('s', 'q', NULL, int8send(1))$$),
	('empty range of a delete', $$SELECT weir.delete_from_column('f', 'q', '1970-01-02', '1970-01-02')$$),
	('inverted range of a delete', $$SELECT weir.delete_from_column('f', 'q', '1970-01-02', '1970-01-01')$$),
	('the same in JSON', $$SELECT '["delete_from_column","f","q",2,1]'::weir.mutation$$),
	('inverted range of rows', $$SELECT * FROM weir.read_rows('t', rows => '{[b,a]}')$$),
	('invalid pattern', $$SELECT weir.value_regex('(')$$),
	('colon in the pattern of a family', $$SELECT weir.family_regex('a:b')$$),
	('filter of 21 levels', $$SELECT nested(21)$$),
	('filter of more than 20480 bytes', $$SELECT weir.value_regex(repeat('a', 20481))$$),
	('chain of one', $$SELECT weir.chain(weir.pass_all())$$),
	('chain of none', $$SELECT weir.chain()$$),
	('interleave of one', $$SELECT weir.interleave(weir.pass_all())$$),
	('interleave of none', $$SELECT weir.interleave()$$),
	('false boolean', $$SELECT '["pass_all",false]'::weir.filter$$),
	('invalid label', $$SELECT weir.apply_label('No')$$),
	('label of 16', $$SELECT weir.apply_label(repeat('a', 16))$$),
	('two labels in a chain', $$SELECT weir.chain(weir.apply_label('a'), weir.pass_all(), weir.apply_label('b'))$$),
	('sink in a condition', $$SELECT weir.condition(weir.pass_all(), weir.interleave(weir.sink(), weir.pass_all()))$$),
	('sink in a predicate', $$SELECT weir.condition(weir.sink(), weir.pass_all())$$),
	('sample of everything', $$SELECT weir.row_sample(1)$$),
	('sample of nothing', $$SELECT weir.row_sample(0)$$),
	('column range without a family', $$SELECT weir.column_range('', 'a', 'b')$$),
	('limit of no cells', $$SELECT weir.cells_per_row_limit(0)$$),
	('limit of no versions', $$SELECT weir.cells_per_column_limit(0)$$),
	('negative offset', $$SELECT weir.cells_per_row_offset(-1)$$),
	('negative limit of rows', $$SELECT * FROM weir.read_rows('t', row_limit => -1)$$),
	('set_cell on an aggregate', $$SELECT weir.mutate_row('t', 'k', weir.set_cell('s', 'q', 1))$$),
	('add_to_cell on a plain family', $$SELECT weir.mutate_row('t', 'k', weir.add_to_cell('f', 'q', '1970-01-01', 1))$$),
	('merge_to_cell on a plain family', $$SELECT weir.mutate_row('t', 'k', weir.merge_to_cell('f', 'q', '1970-01-01', int8send(1)))$$),
	('input of the wrong type', $$SELECT weir.mutate_row('t', 'k', weir.add_to_cell('s', 'q', '1970-01-01', 'bytes'::bytea))$$),
	('state of the wrong size', $$SELECT weir.mutate_row('t', 'k', weir.merge_to_cell('s', 'q', '1970-01-01', '\x00'))$$),
	('increment of an aggregate', $$SELECT weir.read_modify_write_row('t', 'k', weir.increment('s', 'q', 1))$$),
	('append to an aggregate', $$SELECT weir.read_modify_write_row('t', 'k', weir.append_value('s', 'q', 'v'))$$),
	('no versions', $$SELECT weir.max_versions(0)$$),
	('less than a millisecond', $$SELECT weir.max_age('0.999 ms')$$),
	('rule of more than 500 bytes', $$SELECT weir.gc_union(VARIADIC array_fill(weir.max_versions(1), ARRAY[100]))$$),
	('range of rows without a prefix', $$SELECT weir.drop_row_range('t', '')$$),
	('row key of an array', $$SELECT weir.row_key(ARRAY[1])$$),
	('no such table', $$SELECT weir.mutate_row('missing', 'k', weir.delete_from_row())$$),
	('no such table, reading', $$SELECT * FROM weir.read_rows('missing')$$),
	('no such family, set_cell', $$SELECT weir.mutate_row('t', 'k', weir.set_cell('missing', 'q', 'v'))$$),
	('no such family, add_to_cell', $$SELECT weir.mutate_row('t', 'k', weir.add_to_cell('missing', 'q', '1970-01-01', 1))$$),
	('no such family, delete_from_column', $$SELECT weir.mutate_row('t', 'k', weir.delete_from_column('missing', 'q'))$$),
	('no such family, delete_from_family', $$SELECT weir.mutate_row('t', 'k', weir.delete_from_family('missing'))$$),
	('no such family, check_and_mutate_row', $$SELECT weir.check_and_mutate_row('t', 'k', NULL, ARRAY[weir.delete_from_family('missing')])$$),
	('no such family, read_modify_write_row', $$SELECT weir.read_modify_write_row('t', 'k', weir.increment('missing', 'q', 1))$$),
	('no such family, INSERT', $$INSERT INTO t VALUES ('k', '{"missing": {"q": [[1, "v"]]}}')$$),
	('no such family, alter_family', $$SELECT weir.alter_family('t', 'missing', NULL)$$),
	('no such family, drop_family', $$SELECT weir.drop_family('t', 'missing')$$),
	('table exists', $$SELECT weir.create_wide_table('t')$$),
	('family exists', $$SELECT weir.add_family('t', 'f')$$),
	('increment of what is not 8 bytes', $$SELECT weir.read_modify_write_row('t', 'k', weir.append_value('f', 'other', 'x'), weir.increment('f', 'q', 1))$$)
) v(condition, q);

-- The limits. What is allowed to the last byte, is.
CREATE FUNCTION mib(n int) RETURNS text LANGUAGE sql AS $$ SELECT repeat(repeat('x', 1024 * 1024), n) $$;
SELECT what, error_of(q) AS error FROM (VALUES
	('row key of 2048 bytes', $$SELECT weir.mutate_row('ms', repeat('k', 2048), weir.delete_from_row())$$),
	('row key, reading', $$SELECT weir.read_row('t', repeat('k', 2049))$$),
	('row key, check_and_mutate_row', $$SELECT weir.check_and_mutate_row('t', repeat('k', 2049), NULL, ARRAY[weir.delete_from_row()])$$),
	('row key, read_modify_write_row', $$SELECT weir.read_modify_write_row('t', repeat('k', 2049), weir.increment('f', 'q', 1))$$),
	('row key, INSERT', $$INSERT INTO t SELECT repeat('k', 2049)::bytea, weir.widerow('f', 'q', 'v', '1970-01-01')$$),
	('family of 64', $$SELECT weir.set_cell(repeat('f', 64), 'q', 'v')$$),
	('family of 65', $$SELECT weir.set_cell(repeat('f', 65), 'q', 'v')$$),
	('family, add_family', $$SELECT weir.add_family('t', repeat('f', 65))$$),
	('family, in JSON', $$SELECT format('["delete_from_family","%s"]', repeat('f', 65))::weir.mutation$$),
	('qualifier of 16 KiB', $$SELECT weir.set_cell('f', repeat('q', 16384), 'v')$$),
	('qualifier of one more', $$SELECT weir.set_cell('f', repeat('q', 16385), 'v')$$),
	('qualifier, in JSON', $$SELECT format('["set_cell","f","%s","v"]', repeat('q', 16385))::weir.mutation$$),
	('qualifier, delete_from_column', $$SELECT weir.delete_from_column('f', repeat('q', 16385))$$),
	('qualifier, increment', $$SELECT weir.increment('f', repeat('q', 16385), 1)$$),
	('value of more than 100 MiB', $$SELECT weir.set_cell('f', 'q', mib(100) || 'x')$$),
	('value, append_value', $$SELECT weir.append_value('f', 'q', mib(100) || 'x')$$),
	('value that grows above', $$SELECT weir.read_modify_write_row('t', 'k', weir.append_value('f', 'q', mib(60)), weir.append_value('f', 'q', mib(40)))$$),
	('label of 15', $$SELECT weir.apply_label(repeat('a', 15))$$),
	('filter of 20 levels', $$SELECT nested(20)$$),
	('100000 mutations', $$SELECT weir.mutate_row('ms', 'many', VARIADIC array_fill(weir.set_cell('f', 'q', 'v'), ARRAY[100000]))$$)
) v(what, q);
-- nothing was changed by any of them
(TABLE before EXCEPT ALL SELECT * FROM weir.read_rows('t')) UNION ALL (SELECT * FROM weir.read_rows('t') EXCEPT ALL TABLE before);

-- Rule 6: the bounds of a filter may be finer than the table's granularity, they say what they say.
SELECT weir.mutate_row('ms', 'r6', weir.set_cell('f', 'q', i::text, timestamptz '1970-01-01' + i * interval '1 ms')) FROM generate_series(0, 2) i;
SELECT encode(value, 'escape') FROM weir.read_rows('ms', weir.timestamp_range('1970-01-01 00:00:00.0005', '1970-01-01 00:00:00.0015'), prefix => 'r6');
-- Rule 7: all mutations of a request at the server's time have the same one.
SELECT weir.mutate_row('t', 'r7', VARIADIC array_agg(weir.set_cell('f', 'q' || i, 'v'))) FROM generate_series(1, 1000) i;
SELECT count(DISTINCT ts) FROM weir.read_rows('t', prefix => 'r7');
-- Rule 14: NULL is all rows, an empty set none; a range without bounds is all, one without an end goes on.
SELECT (SELECT count(DISTINCT row_key) FROM weir.read_rows('t', rows => NULL)) AS all_rows, (SELECT count(*) FROM weir.read_rows('t', rows => '{}')) AS empty_set,
	(SELECT count(DISTINCT row_key) FROM weir.read_rows('t', rows => '{(,)}')) AS unbounded, (SELECT count(DISTINCT row_key) FROM weir.read_rows('t', rows => '{[l,)}')) AS no_end;
-- Rule 18: a row that is missing is no row, no error.
SELECT weir.read_row('t', 'missing'), (SELECT count(*) FROM weir.read_rows('t', prefix => 'missing'));
-- Rule 25: every call has an outcome of its own.
DO $$ BEGIN PERFORM weir.mutate_row('t', 'r25', weir.set_cell('missing', 'q', 'v')); EXCEPTION WHEN undefined_column THEN PERFORM weir.mutate_row('t', 'r25b', weir.set_cell('f', 'q', 'v')); END $$;
SELECT encode(row_key, 'escape') FROM weir.read_rows('t', prefix => 'r25');
-- Rule 52: false booleans cannot be written, as there is nothing to write them in.
SELECT q, error_of(format('SELECT %L::weir.filter', q)) FROM unnest(ARRAY['["pass_all",false]', '["block_all",false]', '["strip_value",false]', '["sink",false]']) q;
-- Rule 67: a union or intersection of nothing can be written, and drops nothing.
SELECT weir.gc_union(), weir.gc_intersection();
-- Rule 81: what an aggregate family accumulates is chosen once, its garbage collection is not.
SELECT weir.alter_family('t', 's', weir.max_versions(1));
SELECT error_of($$SELECT weir.alter_family('t', 's', weir.max_versions(1), 'max')$$), aggregate FROM weir.families WHERE tbl = 't'::regclass AND family = 's';
-- Rule 82: what a row lacks is NULL, and the row stays.
SELECT encode(row_key, 'escape') AS row, cells['f']['q'], cells['f']['none'] FROM t WHERE row_key = 'k';
-- Rule 88: an integer is 8 bytes, big-endian, and read by int8_value.
SELECT weir.mutate_row('t', 'r88', weir.set_cell('f', 'n', -2, '1970-01-01'), weir.add_to_cell('s', 'n', '1970-01-01', -2));
SELECT family, value, weir.int8_value(value) FROM weir.read_rows('t', prefix => 'r88');
SELECT error_of($$SELECT weir.int8_value('\x02')$$);
-- Rule 96: changes of families in one statement are done together or not at all.
SELECT error_of($$SELECT weir.add_family('t', 'new'), weir.drop_family('t', 'missing')$$);
SELECT count(*) FROM weir.families WHERE tbl = 't'::regclass AND family = 'new';
-- Rule 98: samples ascend, and end with the end of the table; an empty table has only that.
SELECT weir.create_wide_table('empty');
SELECT * FROM weir.sample_row_keys('empty');
SELECT count(*) FILTER (WHERE row_key = '') AS ends, bool_and(ascends) AS ascend, bool_and(offset_bytes >= 0) AS from_zero FROM (
	SELECT *, coalesce(offset_bytes >= lag(offset_bytes) OVER w AND (row_key > lag(row_key) OVER w OR row_key = ''), true) AS ascends
	FROM weir.sample_row_keys('t') WITH ORDINALITY s(row_key, offset_bytes, n) WINDOW w AS (ORDER BY n)) x;

SELECT weir.drop_wide_table('t'), weir.drop_wide_table('ms'), weir.drop_wide_table('empty');
DROP TABLE before;
DROP FUNCTION error_of, nested, mib;
