-- Rules of Bigtable's data model that are easy to get wrong, by their numbers in the
-- list that weir follows; those of read-modify-write are in rmw, those of garbage
-- collection in gc, those of filters in filter.
\pset null '(null)'
SET timezone = 'UTC';
SELECT weir.create_wide_table('t'), weir.create_wide_table('ms', 'millis');
SELECT weir.add_family(t, 'f'), weir.add_family(t, 'g'), weir.add_family(t, 's', NULL, 'sum'), weir.add_family(t, 'lo', NULL, 'min'), weir.add_family(t, 'hi', NULL, 'max')
FROM unnest(ARRAY['t', 'ms']::regclass[]) t;
CREATE FUNCTION cells(k text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s:%s @%s = %s', family, encode(qualifier, 'escape'), extract(epoch FROM ts)::numeric::real, encode(value, 'escape'))
	FROM weir.read_rows('t', rows => weir.row_set(weir.row_range(k::bytea, k::bytea, '[]'))) $$;
CREATE FUNCTION error_of(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- Rule 1: on a millis table a finer timestamp is refused, not truncated.
SELECT error_of($$SELECT weir.mutate_row('ms', 'r1', weir.set_cell('f', 'q', 'v', '2024-01-01 00:00:00.0001'))$$);
SELECT weir.mutate_row('t', 'r1', weir.set_cell('f', 'q', 'v', '1970-01-01 00:00:00.000001'));
SELECT cells('r1');
-- Rule 2: NULL is the server's clock, 1970 is 1970.
SELECT weir.mutate_row('t', 'r2', weir.set_cell('f', 'epoch', 'v', '1970-01-01'), weir.set_cell('f', 'now', 'v', NULL));
SELECT encode(qualifier, 'escape') AS q, ts > now() - interval '1 min' AS now, ts = to_timestamp(0) AS epoch FROM weir.read_rows('t', prefix => 'r2');
-- Rule 3: two writes at the same server time collapse to the later one.
SELECT weir.mutate_row('ms', 'r3', weir.set_cell('f', 'q', 'first'), weir.set_cell('f', 'q', 'second'));
SELECT encode(value, 'escape') FROM weir.read_rows('ms', prefix => 'r3');
-- Rule 5: the same coordinate is overwritten, the last write wins.
SELECT weir.mutate_row('t', 'r5', weir.set_cell('f', 'q', 'first', '1970-01-01')), weir.mutate_row('t', 'r5', weir.set_cell('f', 'q', 'second', '1970-01-01'));
SELECT cells('r5');
-- Rules 8, 9, 10: unsigned bytes, prefix first; newest first; the empty qualifier first.
SELECT weir.mutate_row('t', 'r9', weir.set_cell('g', 'b', '1', '1970-01-01'), weir.set_cell('f', '\xff'::bytea, '1', '1970-01-01'), weir.set_cell('f', 'a', '1', '1970-01-01'),
	weir.set_cell('f', 'a', '2', '1970-01-02'), weir.set_cell('f', '', 'empty', '1970-01-01'), weir.set_cell('f', 'B', '1', '1970-01-01'), weir.set_cell('f', 'a\000'::bytea, '1', '1970-01-01'));
SELECT cells('r9');
-- Rule 11: reversed flips the rows only; the limit counts from the end.
SELECT weir.mutate_row('t', 'r11' || i, weir.set_cell('f', 'a', '1', '1970-01-01'), weir.set_cell('f', 'b', '2', '1970-01-02'), weir.set_cell('f', 'b', '1', '1970-01-01')) FROM generate_series(1, 3) i;
SELECT encode(row_key, 'escape') AS row, encode(qualifier, 'escape') AS q, encode(value, 'escape') AS v FROM weir.read_rows('t', prefix => 'r11', reversed => true, row_limit => 2);
-- Rule 12: a row with no cell does not exist.
SELECT weir.mutate_row('t', 'r12', weir.set_cell('f', 'a', '1', '1970-01-01')), weir.mutate_row('t', 'r12', weir.delete_from_column('f', 'a'));
SELECT weir.read_row('t', 'r12'), (SELECT count(*) FROM t WHERE row_key = 'r12'), weir.check_and_mutate_row('t', 'r12', NULL, ARRAY[weir.set_cell('f', 'a', '1')]);
-- Rule 13: the set of rows is a union, sorted, each row once.
SELECT encode(row_key, 'escape') AS row FROM weir.read_rows('t', weir.cells_per_row_limit(1), rows => '{[r113,r113],[r11,r112],[r111,r111],[r111,r113)}');
-- Rule 15: open and closed ends; the successor of FF is unbounded.
SELECT weir.mutate_row('t', k, weir.set_cell('f', 'a', '1', '1970-01-01')) FROM unnest(ARRAY['\xff', '\xffff', '\xfe']::bytea[]) k;
SELECT row_key FROM weir.read_rows('t', prefix => '\xff');
SELECT row_key FROM weir.read_rows('t', prefix => '\xffff');
SELECT row_key FROM weir.read_rows('t', rows => '{("\\xfe","\\xffff")}');
-- Rule 16: equal bounds that are not both closed hold nothing, inverted ones are an error.
SELECT count(*) FROM weir.read_rows('t', rows => '{[r111,r111)}');
SELECT count(DISTINCT row_key) FROM weir.read_rows('t', rows => '{[r111,r111]}');
SELECT error_of($$SELECT * FROM weir.read_rows('t', rows => '{[b,a)}')$$);
-- Rule 17: the limit counts rows that are returned, not those the filter empties.
SELECT encode(row_key, 'escape') AS row FROM weir.read_rows('t', weir.row_key_regex('r11[23]'), row_limit => 1);
SELECT encode(row_key, 'escape') AS row FROM weir.read_rows('t', weir.value_regex('second'), row_limit => 1);
-- Rule 19: mutations apply in order.
SELECT weir.mutate_row('t', 'r19', weir.set_cell('f', 'a', 'before', '1970-01-01'), weir.delete_from_row(), weir.set_cell('f', 'b', 'after', '1970-01-01'));
SELECT cells('r19');
-- Rules 20, 21: one bad mutation undoes all; an unknown family is an error even in a delete.
SELECT error_of($$SELECT weir.mutate_row('t', 'r19', weir.set_cell('f', 'c', 'x', '1970-01-01'), weir.delete_from_row(), weir.delete_from_family('unknown'))$$);
SELECT cells('r19');
-- Rule 22: deleting what is not there succeeds.
SELECT weir.mutate_row('t', 'r22', weir.delete_from_row()), weir.mutate_row('t', 'r19', weir.delete_from_column('g', 'x'), weir.delete_from_family('g'));
-- Rule 23: [start, end); without a range all versions, future ones too.
SELECT weir.mutate_row('t', 'r23', weir.set_cell('f', 'a', i::text, to_timestamp(i)), weir.set_cell('f', 'b', i::text, timestamptz '2100-01-01' + i * interval '1 s')) FROM generate_series(1, 3) i;
SELECT weir.mutate_row('t', 'r23', weir.delete_from_column('f', 'a', to_timestamp(1), to_timestamp(3)), weir.delete_from_column('f', 'b'));
SELECT cells('r23');
-- Rule 24: a later write with an older timestamp is visible.
SELECT weir.mutate_row('t', 'r24', weir.set_cell('f', 'a', 'gone', '2020-01-01')), weir.mutate_row('t', 'r24', weir.delete_from_row()), weir.mutate_row('t', 'r24', weir.set_cell('f', 'a', 'visible', '1970-01-01'));
SELECT cells('r24');
-- Rule 62 does not hold here: garbage is not seen even before anything has collected it.
SELECT weir.add_family('t', 'v1', weir.max_versions(1));
SELECT weir.mutate_row('t', 'r62', weir.set_cell('v1', 'q', i::text, to_timestamp(i))) FROM generate_series(1, 3) i;
SELECT cells('r62');
SELECT weir.check_and_mutate_row('t', 'r62', weir.value_regex('[12]'), ARRAY[weir.delete_from_row()]);
-- Rule 73: accumulation happens at the same timestamp only.
SELECT weir.mutate_row('t', 'r73', weir.add_to_cell('s', 'q', to_timestamp(i % 2), i)) FROM generate_series(1, 4) i;
SELECT extract(epoch FROM ts)::int AS ts, weir.int8_value(value) FROM weir.read_rows('t', prefix => 'r73');
-- Rule 74: the timestamp of an aggregate cell must be given.
SELECT error_of($$SELECT weir.mutate_row('t', 'r74', weir.add_to_cell('s', 'q', NULL, 1))$$);
-- Rule 75: no set_cell on an aggregate family, no add_to_cell on a plain one.
SELECT error_of($$SELECT weir.mutate_row('t', 'r75', weir.set_cell('s', 'q', 1))$$), error_of($$SELECT weir.mutate_row('t', 'r75', weir.add_to_cell('f', 'q', '1970-01-01', 1))$$);
-- Rule 76: the first addition sets the cell, min and max do not start from 0; the sum wraps around.
SELECT weir.mutate_row('t', 'r76', weir.add_to_cell('hi', 'q', '1970-01-01', -5), weir.add_to_cell('lo', 'q', '1970-01-01', 5), weir.add_to_cell('s', 'q', '1970-01-01', 9223372036854775807));
SELECT weir.mutate_row('t', 'r76', weir.add_to_cell('hi', 'q', '1970-01-01', -7), weir.add_to_cell('lo', 'q', '1970-01-01', 7), weir.add_to_cell('s', 'q', '1970-01-01', 1));
SELECT family, weir.int8_value(value) FROM weir.read_rows('t', prefix => 'r76');
-- Rule 78: merging a state adds or compares, a NULL state does nothing.
SELECT weir.mutate_row('t', 'r78', weir.add_to_cell('s', 'q', '1970-01-01', 5), weir.merge_to_cell('s', 'q', '1970-01-01', int8send(7)), weir.merge_to_cell('s', 'q', '1970-01-01', NULL), weir.merge_to_cell('s', 'never', '1970-01-01', NULL));
SELECT encode(qualifier, 'escape') AS q, weir.int8_value(value) FROM weir.read_rows('t', prefix => 'r78');
-- Rule 79: deleting resets, the next addition starts afresh.
SELECT weir.mutate_row('t', 'r78', weir.delete_from_column('s', 'q'), weir.add_to_cell('s', 'q', '1970-01-01', 1));
SELECT weir.int8_value(value) FROM weir.read_rows('t', prefix => 'r78');
-- Rule 80: filters see the 8 bytes, so that -1 sorts above 2.
SELECT weir.mutate_row('t', 'r80', weir.add_to_cell('s', 'minus', '1970-01-01', -1), weir.add_to_cell('s', 'two', '1970-01-01', 2));
SELECT encode(qualifier, 'escape') AS q FROM weir.read_rows('t', weir.value_range(int8send(2), NULL, true), prefix => 'r80');
-- Rule 83: between includes its start and not its end, as_of includes its time. Rule 84: after that the newest n are counted.
SELECT weir.mutate_row('t', 'r83', weir.set_cell('f', 'q', i::text, to_timestamp(i))) FROM generate_series(1, 4) i;
SELECT weir.between(cells, to_timestamp(2), to_timestamp(4)), weir.as_of(cells, to_timestamp(3)), weir.latest(weir.between(cells, NULL, to_timestamp(4)), 2) FROM t WHERE row_key = 'r83';
-- Rule 86: unpack pairs the cells of different columns by equal timestamps; a column without a cell there is absent.
SELECT weir.mutate_row('t', 'r83', weir.set_cell('g', 'other', 'with 4', to_timestamp(4)));
SELECT extract(epoch FROM u.ts)::int AS ts, u.cells['f']['q'] AS q, u.cells['g']['other'] AS other FROM t, weir.unpack(t.cells) u WHERE row_key = 'r83' ORDER BY u.ts;
-- Rule 87: an absent column is NULL, an empty value is empty, an absent family is an empty row.
SELECT weir.mutate_row('t', 'r87', weir.set_cell('f', 'empty', '', '1970-01-01'));
SELECT cells['f']['absent'] IS NULL AS absent, cells['f']['empty'] = '' AS empty, cells['g'] AS family, cells['g']['absent'] IS NULL AS absent_too FROM t WHERE row_key = 'r87';
-- Rule 89: ORDER BY and LIMIT are kept, whatever the order of a scan is.
SELECT encode(row_key, 'escape') AS row FROM t WHERE row_key >= 'r11' AND row_key < 'r12' ORDER BY row_key DESC LIMIT 2;
-- Rule 97: a range of rows is dropped by prefix, what is outside is untouched.
SELECT weir.drop_row_range('t', 'r11'), (SELECT count(*) FROM t WHERE row_key >= 'r11' AND row_key < 'r12');
SELECT count(*) FROM t WHERE row_key >= 'r11' AND row_key < 'r12';
SELECT cells('r19');
-- all of it again after compaction
CREATE TEMP TABLE before AS SELECT row_key, cells::text FROM t;
SELECT skipped FROM weir.compact('t');
SELECT count(*) FROM before FULL JOIN t USING (row_key) WHERE before.cells IS DISTINCT FROM t.cells::text;
DROP FUNCTION cells, error_of;
SELECT weir.drop_wide_table('t'), weir.drop_wide_table('ms');
