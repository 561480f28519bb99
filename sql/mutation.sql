-- The types mutation, gc_rule and rmw_rule: constructors and text forms.
\pset null '(null)'

-- text and bytes in every combination; an untyped literal is text
SELECT weir.set_cell('f', 'q', 'v');
SELECT weir.set_cell('f', 'q', '\x41');
SELECT weir.set_cell('f', 'q', '\x41'::bytea);
SELECT weir.set_cell('f', '\x00ff'::bytea, 'v');
SELECT weir.set_cell('f', '\x00ff'::bytea, '\xfe'::bytea, '2024-01-01 00:00:00+00');
SELECT weir.set_cell('f', 'q', 5);
SELECT weir.set_cell('f', '\x71'::bytea, 5::bigint, '1970-01-01 00:00:00+00');
SELECT weir.set_cell('f', '', '');
SELECT weir.set_cell('f', 'q'::varchar, 'v'::varchar);
SELECT weir.set_cell(family => 'f', qualifier => 'q', value => 'é€', ts => '2024-01-01');
SELECT weir.add_to_cell('f', 'q', '2024-01-01', 5);
SELECT weir.add_to_cell('f', '\xff'::bytea, '2024-01-01', -5::bigint);
SELECT weir.add_to_cell('f', 'q', '2024-01-01', 'user 1');
SELECT weir.add_to_cell('f', 'q', '2024-01-01', '\xff'::bytea);
SELECT weir.add_to_cell('f', 'q'::bytea, '2024-01-01', 'x'::text);
SELECT weir.add_to_cell('f', 'q'::bytea, '2024-01-01', 'x'::bytea);
SELECT weir.merge_to_cell('f', 'q', '2024-01-01', '\x0000000000000005');
SELECT weir.merge_to_cell('f', 'q'::bytea, '2024-01-01', NULL);
SELECT weir.delete_from_column('f', 'q');
SELECT weir.delete_from_column('f', 'q', '2024-01-01');
SELECT weir.delete_from_column('f', 'q', NULL, '2024-01-01');
SELECT weir.delete_from_column('f', '\xff'::bytea, '2024-01-01', '2024-01-02');
SELECT weir.delete_from_family('f');
SELECT weir.delete_from_row();
SELECT weir.append_value('f', 'q', 'v'), weir.append_value('f', 'q'::bytea, 'v'),
       weir.append_value('f', 'q', '\xff'::bytea), weir.append_value('f', 'q'::bytea, 'v'::bytea);
SELECT weir.increment('f', 'q', 5), weir.increment('f', 'q'::bytea, -5);

-- the text form comes back as the same value
CREATE TEMP TABLE m (m weir.mutation);
INSERT INTO m VALUES
	(weir.set_cell('f', 'q', 'v')), (weir.set_cell('f', '\x00ff'::bytea, '\xfe'::bytea, '2024-01-01')),
	(weir.set_cell('f', 'a"b\c', E'tab\tnl\n')), (weir.set_cell('f', '\xnot hex', '')),
	(weir.add_to_cell('f', 'q', '2024-01-01', 5)), (weir.add_to_cell('f', 'q', '2024-01-01', 'u')),
	(weir.merge_to_cell('f', 'q', '2024-01-01', '\x05')), (weir.merge_to_cell('f', 'q', '2024-01-01', NULL)),
	(weir.delete_from_column('f', 'q')), (weir.delete_from_column('f', 'q', '2024-01-01')),
	(weir.delete_from_column('f', 'q', NULL, '2024-01-01')),
	(weir.delete_from_family('f')), (weir.delete_from_row());
SELECT m, m::text::weir.mutation::text = m::text AS same FROM m;
-- also by way of COPY, in text and in binary
\copy m TO 'results/mutation.bin' (FORMAT binary)
CREATE TEMP TABLE m2 (LIKE m);
\copy m2 FROM 'results/mutation.bin' (FORMAT binary)
SELECT count(*) FROM (SELECT m::text FROM m EXCEPT ALL SELECT m::text FROM m2) d;
SELECT '["set_cell","f","q","v",1000]'::weir.mutation, ' [ "set_cell", "f", "q", "v", null ] '::weir.mutation,
       '["delete_from_column","f","q",1000]'::weir.mutation;

-- garbage-collection rules
SELECT weir.max_versions(3), weir.max_age('1 hour'), weir.max_age('1 month 2 days 00:00:00.5');
SELECT weir.gc_union(weir.max_versions(1), weir.max_age('1 day'));
SELECT weir.gc_intersection(weir.max_versions(1), weir.gc_union(weir.max_age('1 day'), weir.max_versions(10)));
SELECT weir.gc_union(VARIADIC '{}');
SELECT '["gc_intersection",["max_versions",2],["max_age","1 day"],["max_age",1000]]'::weir.gc_rule;
CREATE TEMP TABLE g (g weir.gc_rule);
INSERT INTO g VALUES (weir.gc_intersection(weir.max_versions(1), weir.gc_union(weir.max_age('1 day'), weir.max_versions(10)))), ('["gc_union"]');
SELECT g::text::weir.gc_rule::text = g::text AS same FROM g;

-- errors
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
	$q$SELECT weir.set_cell('f', 'q', NULL)$q$,
	$q$SELECT weir.set_cell(NULL, 'q', 'v')$q$,
	$q$SELECT weir.set_cell('f', NULL, 'v')$q$,
	$q$SELECT weir.set_cell('', 'q', 'v')$q$,
	$q$SELECT weir.set_cell('a:b', 'q', 'v')$q$,
	$q$SELECT weir.set_cell(repeat('f', 65), 'q', 'v')$q$,
	$q$SELECT weir.set_cell('f', repeat('q', 16 * 1024 + 1), 'v')$q$,
	$q$SELECT length(weir.set_cell('f', repeat('q', 16 * 1024), 'v')::text)$q$,
	$q$SELECT weir.set_cell('f', 'q', 'v', '1969-12-31 23:59:59+00')$q$,
	$q$SELECT weir.set_cell('f', 'q', 'v', 'infinity')$q$,
	$q$SELECT weir.add_to_cell('f', 'q', NULL, 5)$q$,
	$q$SELECT weir.add_to_cell('f', 'q', '2024-01-01', NULL::bigint)$q$,
	$q$SELECT weir.delete_from_column('f', 'q', '2024-01-02', '2024-01-02')$q$,
	$q$SELECT weir.delete_from_column('f', 'q', '2024-01-03', '2024-01-02')$q$,
	$q$SELECT weir.delete_from_family(NULL)$q$,
	$q$SELECT weir.max_versions(0)$q$,
	$q$SELECT weir.max_versions(NULL)$q$,
	$q$SELECT weir.max_age('0.9 milliseconds')$q$,
	$q$SELECT weir.max_age('-1 day')$q$,
	$q$SELECT weir.max_age(NULL)$q$,
	$q$SELECT weir.gc_union(weir.max_versions(1), NULL)$q$,
	$q$SELECT weir.gc_union(VARIADIC array_agg(weir.max_versions(1))) FROM generate_series(1, 100)$q$,
	$q$SELECT weir.increment('f', 'q', NULL)$q$,
	$q$SELECT weir.append_value('f', 'q', NULL)$q$,
	$q$SELECT '{}'::weir.mutation$q$,
	$q$SELECT 'x'::weir.mutation$q$,
	$q$SELECT '[]'::weir.mutation$q$,
	$q$SELECT '["frobnicate"]'::weir.mutation$q$,
	$q$SELECT '["set_cell","f","q"]'::weir.mutation$q$,
	$q$SELECT '["set_cell","f","q","v",1.5]'::weir.mutation$q$,
	$q$SELECT '["set_cell","f","q","v",-1]'::weir.mutation$q$,
	$q$SELECT '["set_cell","f","q","v",1,2]'::weir.mutation$q$,
	$q$SELECT '["set_cell","f",{"a":[1,{"b":2}]},"v"]'::weir.mutation$q$,
	$q$SELECT '["set_cell","f","q","\\xzz"]'::weir.mutation$q$,
	$q$SELECT '["add_to_cell","f","q",5]'::weir.mutation$q$,
	$q$SELECT '["delete_from_row",1]'::weir.mutation$q$,
	$q$SELECT '["max_versions"]'::weir.gc_rule$q$,
	$q$SELECT '["max_versions","x"]'::weir.gc_rule$q$,
	$q$SELECT '["max_age","no time"]'::weir.gc_rule$q$,
	$q$SELECT '["max_age"]'::weir.gc_rule$q$,
	$q$SELECT '["gc_union",["max_versions",0]]'::weir.gc_rule$q$,
	$q$SELECT '["nothing"]'::weir.gc_rule$q$,
	$q$SELECT '["increment","f","q","x"]'::weir.rmw_rule$q$,
	$q$SELECT '["increment","f","q"]'::weir.rmw_rule$q$,
	$q$SELECT '["decrement","f","q",1]'::weir.rmw_rule$q$
]) q;
DROP FUNCTION error_of;
