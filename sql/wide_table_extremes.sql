-- The first and last times, the longest and shortest intervals, and other
-- values at the ends of their types, as arguments of everything that takes them.
\pset format unaligned
\pset null '(null)'
SET timezone = 'UTC';
SELECT weir.create_wide_table('t'), weir.create_wide_table('ms', 'millis');
SELECT weir.add_family(x::regclass, 'f'), weir.add_family(x::regclass, 's', NULL, 'sum') FROM unnest('{t,ms}'::text[]) x;
SELECT weir.enable_changes('t');
CREATE FUNCTION result_of(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
	EXECUTE q INTO r;
	RETURN coalesce(r, '(null)');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE TABLE times (n serial, name text, at timestamptz);
INSERT INTO times (name, at) VALUES ('-inf', '-infinity'), ('BC', '4714-11-24 BC'), ('-1 us', '1969-12-31 23:59:59.999999'), ('0', '1970-01-01'), ('1 us', '1970-01-01 00:00:00.000001'),
	('1 ms', '1970-01-01 00:00:00.001'), ('last ms', '294247-01-10 04:00:54.775'), ('last - 1 us', '294247-01-10 04:00:54.775806'), ('last', '294247-01-10 04:00:54.775807'),
	('last + 1 us', '294247-01-10 04:00:54.775808'), ('end', '294276-12-31 23:59:59.999999'), ('inf', 'infinity'), ('null', NULL);
-- %s is the time
CREATE TABLE templates (n serial, q text);
INSERT INTO templates (q) VALUES
	($$SELECT weir.set_cell('f', 'q', 'v', %s)$$),
	($$SELECT weir.add_to_cell('s', 'q', %s, 1)$$),
	($$SELECT weir.merge_to_cell('s', 'q', %s, int8send(1))$$),
	($$SELECT weir.delete_from_column('f', 'q', %s)$$),
	($$SELECT weir.delete_from_column('f', 'q', NULL, %s)$$),
	($$SELECT weir.timestamp_range(%s)$$),
	($$SELECT weir.timestamp_range(NULL, %s)$$),
	($$SELECT weir.widerow('f', 'q', 'v', %s)$$),
	($$SELECT weir.mutate_row('t', 'k', weir.set_cell('f', 'q', 'v', %1$s), weir.add_to_cell('s', 'q', %1$s, 1))$$),
	($$SELECT weir.mutate_row('ms', 'k', weir.set_cell('f', 'q', 'v', %1$s), weir.add_to_cell('s', 'q', %1$s, 1))$$),
	($$SELECT weir.mutate_row('ms', 'k', weir.delete_from_column('f', 'other', %s))$$),
	($$SELECT weir.mutate_row('ms', 'k', weir.delete_from_column('f', 'other', NULL, %s))$$),
	($$SELECT weir.row_key_parts(weir.row_key(%1$s, %1$s::timestamp, %1$s::date))$$);
SELECT q, string_agg(name || ': ' || result_of(format(q, CASE WHEN at IS NULL THEN CASE WHEN q LIKE '%row_key%' THEN 'NULL::timestamptz' ELSE 'NULL' END ELSE quote_literal(at) || '::timestamptz' END)), ', ' ORDER BY t.n)
	FROM templates f, times t GROUP BY f.n, q ORDER BY f.n;
-- the cell without a time has the clock's
SELECT weir.mutate_row(x::regclass, 'k', weir.delete_from_column('f', 'q', '2020-01-01', '2100-01-01')) FROM unnest('{t,ms}'::text[]) x;
SELECT weir.read_row('t', 'k'), weir.read_row('ms', 'k');
SELECT name, weir.cell_count(weir.as_of(c, at)) AS as_of, weir.cell_count(weir.between(c, at, NULL)) AS after, weir.cell_count(weir.between(c, NULL, at)) AS before,
	weir.cell_count(weir.apply(c, weir.timestamp_range(at, NULL))) AS after_too, weir.cell_count(weir.apply(c, weir.timestamp_range(NULL, at))) AS before_too
	FROM times, weir.read_row('t', 'k') c ORDER BY n;

-- the last time of all is deleted like any other, in one write and in two
CREATE FUNCTION after_deleting(VARIADIC mutations weir.mutation[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	sets weir.mutation[] := ARRAY[weir.set_cell('f', 'q', 'a', '294247-01-10 04:00:54.775806'), weir.set_cell('f', 'q', 'b', '294247-01-10 04:00:54.775807')];
	r text;
BEGIN
	PERFORM weir.mutate_row('t', 'one', VARIADIC sets || mutations);
	PERFORM weir.mutate_row('t', 'two', VARIADIC sets), weir.mutate_row('t', 'two', VARIADIC mutations);
	r := concat_ws(', ', coalesce(weir.read_row('t', 'one')::text, 'none'), coalesce(weir.read_row('t', 'two')::text, 'none'));
	PERFORM weir.compact('t');
	RETURN concat_ws(', ', r, coalesce(weir.read_row('t', 'one')::text, 'none'), coalesce(weir.read_row('t', 'two')::text, 'none'));
END $$;
SELECT after_deleting(weir.delete_from_column('f', 'q'));
SELECT after_deleting(weir.delete_from_column('f', 'q', '294247-01-10 04:00:54.775807'));
SELECT after_deleting(weir.delete_from_column('f', 'q', '294247-01-10 04:00:54.775806'));
SELECT after_deleting(weir.delete_from_column('f', 'q', NULL, '294247-01-10 04:00:54.775806'));
SELECT after_deleting(weir.delete_from_column('f', 'q', '294247-01-10 04:00:54.775806'), weir.set_cell('f', 'q', 'c', '294247-01-10 04:00:54.775807'));
SELECT after_deleting(weir.delete_from_column('s', 'q'), weir.add_to_cell('s', 'q', '294247-01-10 04:00:54.775807', 5));
-- and is in the change stream
SELECT to_jsonb(changes) FROM weir.changes('t') WHERE row_key IN ('one', 'two') ORDER BY seq DESC LIMIT 3;

-- intervals
SELECT i, result_of(format('SELECT weir.max_age(%L)', i)) FROM unnest('{0,-1 us,999 us,1 ms,1 day,-1 day,1 month -30 days,1 month -29 days,106751991 days,106751992 days,2147483647 days,-2147483648 days,292277 years,178000000 years,-178000000 years,2562047788:00:54.775807,-2562047788:00:54.775807}'::text[]) i;
SELECT weir.add_family('t', 'long', weir.max_age('106751991 days')), weir.add_family('t', 'short', weir.max_age('1 ms'));
SELECT weir.mutate_row('t', 'gc', weir.set_cell(f, 'q', 'first', '1970-01-01'), weir.set_cell(f, 'q', 'last', '294247-01-10 04:00:54.775807')) FROM unnest('{long,short}'::text[]) f;
SELECT weir.read_row('t', 'gc');
SELECT skipped FROM weir.compact('t');
SELECT weir.read_row('t', 'gc');

-- numbers
SELECT q, result_of('SELECT weir.' || q) FROM unnest(ARRAY['row_sample(1e-320)', 'row_sample(0.9999999999999999)', 'row_sample(''NaN'')', 'row_sample(''Infinity'')', 'row_sample(-0.0)',
	'cells_per_row_limit(2147483647)', 'cells_per_row_offset(2147483647)', 'cells_per_column_limit(-2147483648)', 'max_versions(2147483647)', 'max_versions(-2147483648)',
	'increment(''f'', ''q'', -9223372036854775808)', 'latest(''{}'', 2147483647)', 'set_cell(''f'', ''q'', -9223372036854775808, ''1970-01-01'')']) q;
SELECT count(*) FROM weir.read_rows('t', weir.chain(weir.cells_per_row_limit(2147483647), weir.cells_per_row_offset(2147483647)));
SELECT count(DISTINCT row_key) FROM weir.read_rows('t', row_limit => 9223372036854775807);
SELECT result_of($$SELECT count(*) FROM weir.read_rows('t', row_limit => -9223372036854775808)$$);
SELECT left(n::text, 20) AS n, weir.row_key_parts(weir.row_key(n)) = ARRAY[trim_scale(n)::text] AS same, weir.row_key(n) > lag(weir.row_key(n)) OVER (ORDER BY n) AS ascends
	FROM unnest('{-Infinity,-1e1000,-1.00,-1e-1000,0.000,1e-1000,1,1.5,9223372036854775808,1e1000,Infinity,NaN}'::numeric[]) v(n) ORDER BY v.n;
SELECT n, weir.row_key_parts(weir.row_key(n)), weir.row_key(n) > lag(weir.row_key(n)) OVER (ORDER BY n) AS ascends
	FROM unnest('{-Infinity,-1.7976931348623157e308,-5e-324,-0,5e-324,1,1.7976931348623157e308,Infinity,NaN}'::float8[]) n ORDER BY n;

-- sets of rows
SELECT rows, (SELECT count(DISTINCT row_key) FROM weir.read_rows('t', rows => rows::weir.row_set))
	FROM unnest('{"{}","{(,)}","{[,]}","{(,\"\")}","{[\"\",\"\"]}","{(\"\",)}","{empty}","{[gc,gc],[one,two)}","{(gc,one),(one,two]}"}'::text[]) rows;
SELECT count(DISTINCT row_key) FROM weir.read_rows('t', rows => (SELECT weir.row_set(VARIADIC array_agg(weir.row_range(int4send(i), int4send(i), '[]'))) FROM generate_series(1, 10000) i));
SELECT count(DISTINCT row_key) FROM weir.read_rows('t', rows => weir.row_set(weir.row_range('gc', decode(repeat('ff', 100000), 'hex'))), prefix => decode(repeat('ff', 100000), 'hex'));

DROP FUNCTION result_of, after_deleting;
DROP TABLE times, templates;
SELECT weir.drop_wide_table('t'), weir.drop_wide_table('ms');
