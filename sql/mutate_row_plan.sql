-- A call of mutate_row with calls of set_cell becomes one call when it is
-- planned. Whatever it is given, it does what the call by itself does.
SET client_min_messages = warning;
SET search_path = public, weir;
SELECT weir.create_wide_table('plan_one');
SELECT weir.create_wide_table('plan_by_itself');
SELECT weir.add_family(t, f) FROM unnest('{plan_one,plan_by_itself}'::regclass[]) t, unnest('{f,g}'::text[]) f;
SELECT weir.add_family(t, 'n', aggregate => 'sum') FROM unnest('{plan_one,plan_by_itself}'::regclass[]) t;

-- what it becomes; a call whose mutations are all constants stays as it is
CREATE TABLE src AS SELECT i, i::text AS t, i::text::bytea AS b, i::bigint AS n, timestamptz '2024-01-01' + i * interval '1 hour' AS ts FROM generate_series(1, 4) i;
EXPLAIN (VERBOSE, COSTS OFF) SELECT weir.mutate_row('plan_one', t, weir.set_cell('f', 'q', t, ts), weir.delete_from_family('g'), weir.set_cell('g', b, n)) FROM src;
EXPLAIN (VERBOSE, COSTS OFF) SELECT weir.mutate_row('plan_one', b, weir.delete_from_column('g', t), weir.add_to_cell('n', t, ts, n)) FROM src;
EXPLAIN (VERBOSE, COSTS OFF) SELECT weir.mutate_row('plan_one', t, weir.set_cell('f', 'q', 'v', '2024-01-01')) FROM src;

-- nobody else can call it
SELECT weir._mutate_row(NULL, '\x0100', 'plan_one', 'k', 'x');
SELECT weir._mutate_row(NULL::internal, '\x0100', 'plan_one'::regclass, 'k'::text, 'x'::text);

-- all kinds of arguments; by itself: a list that is given as VARIADIC of a sub-select stays
CREATE FUNCTION same_effect(mutations text, key text DEFAULT 't') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	t text;
	state text[];
	message text;
	call text;
BEGIN
	FOREACH t IN ARRAY '{plan_one,plan_by_itself}'::text[] LOOP
		call := CASE t WHEN 'plan_one' THEN mutations ELSE format('VARIADIC (SELECT ARRAY[%s] OFFSET 0)', mutations) END;
		BEGIN
			EXECUTE format('SELECT count(weir.mutate_row(%L, %s, %s)) FROM src', t, key, call);
			message := 'done';
		EXCEPTION WHEN OTHERS THEN
			message := SQLSTATE || ' ' || replace(SQLERRM, t, 'table');
		END;
		state := state || message;
	END LOOP;
	RETURN NEXT state[1];
	IF state[1] <> state[2] THEN
		RETURN NEXT 'but by itself ' || state[2];
	END IF;
	RETURN QUERY EXECUTE 'SELECT ''a row differs'' FROM (TABLE plan_one EXCEPT ALL TABLE plan_by_itself) x';
	RETURN QUERY EXECUTE 'SELECT ''a row is missing'' FROM (TABLE plan_by_itself EXCEPT ALL TABLE plan_one) x';
END $$;
SELECT same_effect($$weir.set_cell('f', t, t, ts), weir.set_cell('f', b, b, ts + interval '1 s'), weir.set_cell('g', t, n, ts)$$);
SELECT same_effect($$weir.set_cell('f', b, t, ts), weir.set_cell('f', t, b, ts), weir.set_cell('g', b, n, ts)$$, 'b');
SELECT same_effect($$weir.set_cell('f', 'a', 'old', ts), weir.set_cell('g', 'a', t, ts), weir.delete_from_family('f'), weir.set_cell('f', 'a', t, ts),
	weir.add_to_cell('n', t, ts, n), weir.delete_from_column('g', t), '["set_cell","f","json","v",1000]'$$);
SELECT same_effect(string_agg(format($$weir.set_cell('f', t || %s, t, ts)$$, i), ', ')) FROM generate_series(1, 24) i;
SELECT same_effect(string_agg(format($$weir.set_cell('f', t || %s, t, ts)$$, i), ', ')) FROM generate_series(1, 25) i;
-- without a time both take that of the server
SELECT weir.mutate_row('plan_one', 'now', weir.set_cell('f', t, n), weir.set_cell('g', t, n)) FROM src;
SELECT count(*), bool_and(ts > now() - interval '1 day') AS is_recent
	FROM weir.read_rows('plan_one', prefix => 'now') WHERE family = 'f' OR family = 'g';
SELECT weir.mutate_row('plan_one', 'now', weir.delete_from_row());
-- errors, in the same order
SELECT same_effect($$weir.set_cell('f', t, nullif(t, '3'), ts)$$);
SELECT same_effect($$weir.set_cell('f', nullif(t, '1'), t, ts)$$);
SELECT same_effect($$weir.set_cell(nullif(t, '1'), t, t, ts)$$);
SELECT same_effect($$weir.set_cell('f', t, nullif(n, 2), ts)$$);
SELECT same_effect($$weir.set_cell('nowhere', t, t, ts)$$);
SELECT same_effect($$weir.set_cell('n', t, t, ts)$$);
SELECT same_effect($$weir.set_cell('bad name', t, t, ts)$$);
SELECT same_effect($$weir.set_cell('f', t, t, ts - interval '60 years')$$);
SELECT same_effect($$weir.set_cell('f', t, t, 'infinity')$$);
SELECT same_effect($$weir.set_cell('f', repeat(t, 20000), t, ts)$$);
SELECT same_effect($$weir.set_cell('f', t, t, ts), NULL$$);
SELECT same_effect($$NULL, weir.set_cell('f', t, nullif(t, '1'), ts)$$);
SELECT same_effect($$weir.set_cell('f', t, t, ts)$$, 'nullif(t, ''1'')');
SELECT same_effect($$weir.set_cell('f', t, t, ts)$$, 'left(t, 0)');
SELECT same_effect($$weir.set_cell('f', t, t, ts + interval '1 us')$$);
SELECT weir.mutate_row(nullif('plan_one', 'plan_one')::regclass, t, weir.set_cell('f', t, t, ts)) FROM src;
SELECT weir.mutate_row('src', t, weir.set_cell('f', t, t, ts)) FROM src;
START TRANSACTION READ ONLY;
SELECT weir.mutate_row('plan_one', t, weir.set_cell('f', t, t, ts)) FROM src;
ROLLBACK;

-- a prepared statement, planned for good and each time
PREPARE put(text, text, bigint) AS SELECT weir.mutate_row('plan_one', $1, weir.set_cell('f', $2, $3), weir.set_cell('g', 'q', $2, '2024-01-01'));
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE put('p', 'q', 1);
EXECUTE put('p', 'q', 1);
SELECT weir.int8_value(cells['f']['q']), cells ->> 'g:q' FROM plan_one WHERE row_key = 'p';
SET plan_cache_mode = force_custom_plan;
EXECUTE put('p', 'q', 2);
SELECT weir.int8_value(cells['f']['q']), cells ->> 'g:q' FROM plan_one WHERE row_key = 'p';
RESET plan_cache_mode;

-- rights: on the table, and to execute the functions that are not called
CREATE ROLE plan_reader;
CREATE ROLE plan_writer;
GRANT SELECT ON src TO plan_reader, plan_writer;
GRANT SELECT ON plan_one TO plan_reader;
GRANT INSERT ON plan_one TO plan_writer;
SET ROLE plan_reader;
SELECT weir.mutate_row('plan_one', t, weir.set_cell('f', t, t, ts)) FROM src;
SET ROLE plan_writer;
SELECT count(weir.mutate_row('plan_one', t, weir.set_cell('f', t, t, ts))) FROM src;
SELECT count(weir.mutate_row('plan_one', t, weir.set_cell('f', t, t, ts), weir.delete_from_family('g'))) FROM src;
PREPARE put_all AS SELECT count(weir.mutate_row('plan_one', t, weir.set_cell('f', t, t, ts))) FROM src;
EXECUTE put_all;
RESET ROLE;
BEGIN;
REVOKE EXECUTE ON FUNCTION weir.set_cell(text, text, text, timestamptz) FROM public;
SET ROLE plan_writer;
SAVEPOINT s;
EXECUTE put_all;
ROLLBACK TO s;
EXPLAIN (VERBOSE, COSTS OFF) SELECT weir.mutate_row('plan_one', t, weir.set_cell('f', t, t, ts)) FROM src;
ROLLBACK;
BEGIN;
REVOKE EXECUTE ON FUNCTION weir.mutate_row(regclass, text, weir.mutation[]) FROM public;
SET ROLE plan_writer;
EXECUTE put_all;
ROLLBACK;
-- who may not execute the one function still may the others
BEGIN;
REVOKE EXECUTE ON FUNCTION weir._mutate_row(internal, bytea, regclass, "any", "any") FROM public;
SET ROLE plan_writer;
EXPLAIN (VERBOSE, COSTS OFF) SELECT weir.mutate_row('plan_one', t, weir.set_cell('f', t, t, ts)) FROM src;
EXECUTE put_all;
ROLLBACK;

SELECT weir.drop_wide_table('plan_one'), weir.drop_wide_table('plan_by_itself');
DROP TABLE src;
DROP FUNCTION same_effect;
DROP ROLE plan_reader, plan_writer;
