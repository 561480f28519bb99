-- read_modify_write_row and check_and_mutate_row.
\pset null '(null)'
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f'), weir.add_family('w', 'a'), weir.add_family('w', 's', NULL, 'sum');

-- Rules 30, 32, 35: absent is 0 or empty, and the row is created.
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'r30', weir.increment('f', 'n', 5)), 'f', 'n'));
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'r30'::bytea, weir.increment('f', 'n', -7)), 'f', 'n'));
SELECT weir.text_value(weir.read_modify_write_row('w', 'r32', weir.append_value('f', 'q', 'ab')), 'f', 'q');
SELECT weir.text_value(weir.read_modify_write_row('w', 'r32', weir.append_value('f', 'q', 'cd'::bytea)), 'f', 'q');
-- Rule 31: overflow wraps around.
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'r31', weir.increment('f', 'n', 9223372036854775807), weir.increment('f', 'n', 1)), 'f', 'n'));
-- Rule 28: the base is the newest cell by timestamp, also in the future; Rule 29: that one is overwritten in place.
SELECT weir.mutate_row('w', 'r28', weir.set_cell('f', 'q', 'future', '2100-01-01'), weir.set_cell('f', 'q', 'past', '2000-01-01'));
SELECT weir.read_modify_write_row('w', 'r28', weir.append_value('f', 'q', '!'));
SELECT weir.read_row('w', 'r28');
-- Rule 29: else a new version is added, in whole milliseconds of the clock.
SELECT weir.mutate_row('w', 'r29', weir.set_cell('f', 'q', 'past', '2000-01-01'));
SELECT weir.cell_count(weir.read_modify_write_row('w', 'r29', weir.append_value('f', 'q', '!')));
SELECT encode(value, 'escape') AS value, ts > now() - interval '1 min' AS now, ts = date_trunc('milliseconds', ts) AS whole FROM weir.read_rows('w', prefix => 'r29');
-- Rules 33, 34: rules run in order on one state and give one cell a column; only what was touched is returned, in the row's order.
SELECT weir.mutate_row('w', 'r33', weir.set_cell('f', 'other', 'x', '2100-01-01'), weir.set_cell('f', 'b', 'b', '2100-01-01'));
SELECT family, encode(qualifier, 'escape') AS q, encode(value, 'escape') AS value FROM weir.cells(
	weir.read_modify_write_row('w', 'r33', weir.append_value('f', 'b', '1'), weir.append_value('f', 'a', 'x'),
		weir.append_value('a', 'z', 'z'), weir.append_value('f', 'b', '2'), weir.append_value('f', 'a', 'y'))) c;
SELECT family, encode(qualifier, 'escape') AS q, encode(value, 'escape') AS value FROM weir.read_rows('w', prefix => 'r33');
-- an increment after an append: on the state as it is then
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'mix', weir.append_value('f', 'q', '\x00000000'::bytea), weir.append_value('f', 'q', '\x00000001'::bytea), weir.increment('f', 'q', 2)), 'f', 'q'));
-- twice in one statement, and many in one transaction
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'twice', weir.increment('f', 'n', 1)), 'f', 'n')) FROM generate_series(1, 3);
BEGIN;
SELECT weir.mutate_row('w', 'tx', weir.set_cell('f', 'n', 10, '2100-01-01'));
SAVEPOINT s;
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'tx', weir.increment('f', 'n', 1)), 'f', 'n'));
ROLLBACK TO s;
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'tx', weir.increment('f', 'n', 1)), 'f', 'n'));
COMMIT;
SELECT weir.int8_value(weir.value(weir.read_row('w', 'tx'), 'f', 'n'));
-- after a compaction
SELECT rows > 0 AS compacted FROM weir.compact('w');
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'tx', weir.increment('f', 'n', 1)), 'f', 'n'));
-- more columns than are read one by one
SELECT weir.cell_count(weir.read_modify_write_row('w', 'many', VARIADIC array_agg(weir.increment('f', 'c' || i % 50, i)))) FROM generate_series(1, 500) i;
SELECT sum(weir.int8_value(value)) FROM weir.read_rows('w', prefix => 'many');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'tx', weir.increment('f', 'n', 1)), 'f', 'n'));
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'tx', weir.increment('f', 'n', 1)), 'f', 'n'));
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT weir.mutate_row('w', 'ser', weir.set_cell('f', 'n', 1, '2100-01-01'));
SELECT weir.int8_value(weir.value(weir.read_modify_write_row('w', 'ser', weir.increment('f', 'n', 1)), 'f', 'n'));
COMMIT;

-- Rule 37: without predicate, matched if the row has any cell.
SELECT weir.check_and_mutate_row('w', 'c37', NULL, ARRAY[weir.set_cell('f', 'q', 'was there', '2024-01-01')], ARRAY[weir.set_cell('f', 'q', 'was not', '2024-01-01')]);
SELECT weir.check_and_mutate_row('w', 'c37', if_matched => ARRAY[weir.set_cell('f', 'q2', 'was there', '2024-01-01')]);
SELECT weir.read_row('w', 'c37');
SELECT weir.check_and_mutate_row('w', 'c37', weir.value_regex('was not'), ARRAY[weir.delete_from_column('f', 'q')]);
SELECT weir.check_and_mutate_row('w', 'c37'::bytea, weir.value_regex('was not'), ARRAY[weir.delete_from_column('f', 'q2')], ARRAY[weir.set_cell('f', 'q3', 'x', '2024-01-01')]);
SELECT weir.read_row('w', 'c37');
-- Rule 38: transformers of the predicate are not stored; block_all never matches, pass_all not on an absent row.
SELECT weir.check_and_mutate_row('w', 'c37', weir.chain(weir.strip_value(), weir.value_regex('')), ARRAY[weir.set_cell('f', 'stripped', 'yes', '2024-01-01')]);
SELECT weir.check_and_mutate_row('w', 'c37', weir.block_all(), ARRAY[weir.delete_from_row()], '{}');
SELECT weir.check_and_mutate_row('w', 'absent', weir.pass_all(), ARRAY[weir.set_cell('f', 'q', 'x')]);
SELECT weir.read_row('w', 'c37');
SELECT weir.read_row('w', 'absent');
-- Rule 39: the chosen list may be empty.
SELECT weir.check_and_mutate_row('w', 'c37', NULL, '{}', ARRAY[weir.delete_from_row()]);
-- Rule 41: a predicate sees all versions.
SELECT weir.mutate_row('w', 'c41', weir.set_cell('f', 'q', 'old', '2024-01-01'), weir.set_cell('f', 'q', 'new', '2024-01-02'));
SELECT weir.check_and_mutate_row('w', 'c41', weir.value_regex('old'), ARRAY[weir.set_cell('f', 'x', '1', '2024-01-01')]),
       weir.check_and_mutate_row('w', 'c41', weir.chain(weir.cells_per_column_limit(1), weir.value_regex('old')), ARRAY[weir.set_cell('f', 'y', '1', '2024-01-01')]);
SELECT weir.read_row('w', 'c41');
-- Any number of rows in one transaction: row locks are kept as long as there are few.
BEGIN;
SELECT count(weir.read_modify_write_row('w', 'few' || i, weir.append_value('f', 'x', 'y'))) FROM generate_series(1, 3) i;
SELECT count(weir.check_and_mutate_row('w', 'few' || i, weir.block_all(), ARRAY[weir.delete_from_row()])) FROM generate_series(3, 5) i;
SELECT count(*) AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory';
ROLLBACK;
BEGIN;
SELECT count(*) FROM generate_series(1, 30000) i WHERE weir.check_and_mutate_row('w', 'many' || i, weir.block_all(), ARRAY[weir.delete_from_row()]);
SELECT count(weir.read_modify_write_row('w', 'many' || i, weir.append_value('f', 'x', 'y'))) FROM generate_series(1, 30000) i;
SELECT count(*) BETWEEN 100 AND 10000 AS bounded FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory';
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
WITH d AS (DELETE FROM w WHERE cells['f']['x'] = 'y' AND row_key LIKE 'many%' RETURNING 1) SELECT count(*) FROM d;
SELECT count(*) AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory';
COMMIT;

-- Rule 20: all or nothing, also in the branch not taken
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
	$q$SELECT weir.check_and_mutate_row('w', 'c41', NULL, ARRAY[weir.set_cell('f', 'x', '2')], ARRAY[weir.set_cell('nofam', 'x', '2')])$q$,
	$q$SELECT weir.check_and_mutate_row('w', 'c41')$q$,
	$q$SELECT weir.check_and_mutate_row('w', 'c41', NULL, NULL, NULL)$q$,
	$q$SELECT weir.check_and_mutate_row('w', 'c41', NULL, ARRAY[NULL::weir.mutation])$q$,
	$q$SELECT weir.check_and_mutate_row('w', '', NULL, ARRAY[weir.delete_from_row()])$q$,
	$q$SELECT weir.check_and_mutate_row('w', NULL::text, NULL, ARRAY[weir.delete_from_row()])$q$,
	$q$SELECT weir.check_and_mutate_row('w', 'x', '["frobnicate"]', ARRAY[weir.delete_from_row()])$q$,
	$q$SELECT weir.read_modify_write_row('w', 'c41', weir.increment('f', 'q', 1))$q$,
	$q$SELECT weir.read_modify_write_row('w', 'c41', weir.append_value('f', 'x', '!'), weir.increment('f', 'q', 1))$q$,
	$q$SELECT weir.read_modify_write_row('w', 'c41', weir.increment('nofam', 'q', 1))$q$,
	$q$SELECT weir.read_modify_write_row('w', 'c41', weir.increment('s', 'q', 1))$q$,
	$q$SELECT weir.read_modify_write_row('w', 'c41', VARIADIC '{}')$q$,
	$q$SELECT weir.read_modify_write_row('w', 'c41', NULL)$q$,
	$q$SELECT weir.read_modify_write_row('w', '', weir.increment('f', 'q', 1))$q$,
	$q$SELECT weir.read_modify_write_row('w', 'x', VARIADIC array_fill(weir.increment('f', 'q', 1), ARRAY[100001]))$q$,
	$q$SELECT weir.read_modify_write_row('nothing', 'x', weir.increment('f', 'q', 1))$q$
]) q;
SELECT weir.read_row('w', 'c41');
DROP FUNCTION error_of;
SELECT weir.drop_wide_table('w');
