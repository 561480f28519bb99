-- Many tombstones and many versions in few columns: compared with naive models in
-- plain SQL, in a time that does not grow with the square, and not deaf to a cancel.
-- Run with \set seed 0.xyz to repeat another run.
\if :{?seed}
\else
\set seed 0.314159
\endif
SELECT setseed(:seed);
SET timezone = 'UTC';

SELECT weir.create_wide_table('tt');
SELECT weir.add_family('tt', 'z'),
       weir.add_family('tt', 's', NULL, 'sum'),
       weir.add_family('tt', 'v', weir.max_versions(20)),
       weir.add_family('tt', 'i', weir.gc_intersection(weir.max_versions(5), weir.max_age('1 day')));

CREATE FUNCTION rnd(n int) RETURNS int LANGUAGE sql VOLATILE AS
	$$ SELECT floor(random() * n)::int $$;
-- garbage by age, if even; far in the future, if odd
CREATE FUNCTION at(i int) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
	$$ SELECT CASE WHEN i % 2 = 0 THEN timestamptz '2020-01-01' ELSE '2120-01-01' END + i * interval '1 ms' $$;
-- what happens, in order; upto NULL: without an end
CREATE TABLE op (n int PRIMARY KEY, is_set bool, family text, qualifier text, ts timestamptz, upto timestamptz, v int);

CREATE FUNCTION mutation_of(o op) RETURNS weir.mutation LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN NOT o.is_set THEN weir.delete_from_column(o.family, o.qualifier, o.ts, o.upto)
		WHEN o.family = 's' THEN weir.add_to_cell(o.family, o.qualifier, o.ts, o.v)
		ELSE weir.set_cell(o.family, o.qualifier, int8send(o.v), o.ts) END $$;
CREATE FUNCTION write_ops(k text, from_n int, to_n int) RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT weir.mutate_row('tt', k, VARIADIC array_agg(mutation_of(op) ORDER BY n))
	FROM op WHERE n BETWEEN from_n AND to_n $$;
CREATE FUNCTION cells_of(k text) RETURNS TABLE (family text, qualifier text, ts timestamptz, v bigint) LANGUAGE sql STABLE AS $$
	SELECT family, convert_from(qualifier, 'UTF8'), ts, weir.int8_value(value)
	FROM weir.read_rows('tt', rows => weir.row_set(weir.row_range(k::bytea, k::bytea, '[]'))) $$;

-- Families that keep everything.  A cell stays if no later tombstone covers it.
INSERT INTO op
	SELECT n, random() < 0.5, (ARRAY['z', 's'])[1 + rnd(2)], (ARRAY['', 'a', 'ab'])[1 + rnd(3)],
		ts, CASE WHEN random() > 0.02 THEN ts + rnd(8) * interval '1 ms' + interval '1 ms' END, rnd(1000)
	FROM (SELECT n, at(rnd(400)) AS ts FROM generate_series(1, 6000) n OFFSET 0) x;
CREATE TABLE model AS
	SELECT family, qualifier, ts,
		CASE family WHEN 's' THEN sum(v)::bigint ELSE (array_agg(v ORDER BY n DESC))[1] END AS v
	FROM op c
	WHERE is_set AND NOT EXISTS (
		SELECT FROM op t WHERE NOT t.is_set AND t.n > c.n AND (t.family, t.qualifier) = (c.family, c.qualifier)
			AND c.ts >= t.ts AND (t.upto IS NULL OR c.ts < t.upto))
	GROUP BY family, qualifier, ts;
SELECT count(*) > 100 AS enough FROM model;
-- in one write, in many, and in many of which some are folded
SELECT write_ops('one', 1, 6000);
SELECT count(write_ops('many', i * 100 + 1, (i + 1) * 100)::text) FROM generate_series(0, 59) i;
SELECT count(write_ops('folded', i * 50 + 1, (i + 1) * 50)::text) FROM generate_series(0, 79) i;
SELECT rows FROM weir.compact('tt');
SELECT count(write_ops('folded', i * 50 + 1, (i + 1) * 50)::text) FROM generate_series(80, 119) i;
SELECT count(write_ops('many2', i * 100 + 1, (i + 1) * 100)::text) FROM generate_series(0, 59) i;
SELECT k, count(*) AS differences FROM unnest(ARRAY['one', 'many', 'folded', 'many2']) k,
	LATERAL ((TABLE model EXCEPT ALL SELECT * FROM cells_of(k)) UNION ALL (SELECT * FROM cells_of(k) EXCEPT ALL TABLE model)) d
GROUP BY k;
-- and composed, in either order
SELECT weir._compose(a.cells, weir._compose(b.cells, c.cells))::text = weir._compose(weir._compose(a.cells, b.cells), c.cells)::text AS same, count(*)
FROM (SELECT row_number() OVER (ORDER BY seq) AS n, cells FROM tt_delta WHERE row_key = 'many2') a
	JOIN (SELECT row_number() OVER (ORDER BY seq) AS n, cells FROM tt_delta WHERE row_key = 'many2') b ON b.n = a.n + 1
	JOIN (SELECT row_number() OVER (ORDER BY seq) AS n, cells FROM tt_delta WHERE row_key = 'many2') c ON c.n = b.n + 1
GROUP BY 1;
CREATE TABLE d AS SELECT cells FROM tt_delta WHERE row_key = 'many2' ORDER BY seq LIMIT 1;

-- Families with rules, where the order of writes counts: up, down and at random in
-- time, with tombstones in between.  The model is collected after each write.
TRUNCATE model, op;
CREATE UNIQUE INDEX ON model (family, qualifier, ts);
INSERT INTO op
	SELECT n, random() < 0.8, (ARRAY['v', 'i'])[1 + rnd(2)], (ARRAY['a', 'b'])[1 + rnd(2)],
		ts, CASE WHEN random() > 0.02 THEN ts + rnd(8) * interval '1 ms' + interval '1 ms' END, rnd(1000)
	FROM (SELECT n, at(CASE n / 500 % 3 WHEN 0 THEN n % 500 WHEN 1 THEN 500 - n % 500 ELSE rnd(500) END) AS ts
		FROM generate_series(1, 6000) n OFFSET 0) x;
DO $$
DECLARE
	i int := 1;
	last int;
	o op;
BEGIN
	WHILE i <= 6000 LOOP
		last := i + CASE WHEN rnd(10) = 0 THEN 200 ELSE rnd(10) END;
		PERFORM write_ops('rules', i, last);
		FOR o IN SELECT * FROM op WHERE op.n BETWEEN i AND last ORDER BY op.n LOOP
			IF o.is_set THEN
				INSERT INTO model VALUES (o.family, o.qualifier, o.ts, o.v)
					ON CONFLICT (family, qualifier, ts) DO UPDATE SET v = excluded.v;
			ELSE
				DELETE FROM model m WHERE m.family = o.family AND m.qualifier = o.qualifier
					AND m.ts >= o.ts AND (o.upto IS NULL OR m.ts < o.upto);
			END IF;
		END LOOP;
		DELETE FROM model m USING (
			SELECT family, qualifier, ts, row_number() OVER (PARTITION BY family, qualifier ORDER BY ts DESC) AS rank FROM model) r
		WHERE (m.family, m.qualifier, m.ts) = (r.family, r.qualifier, r.ts)
			AND CASE m.family WHEN 'v' THEN rank > 20 ELSE rank > 5 AND m.ts < now() - interval '1 day' END;
		IF rnd(20) = 0 THEN
			IF EXISTS ((TABLE model EXCEPT ALL SELECT * FROM cells_of('rules')) UNION ALL (SELECT * FROM cells_of('rules') EXCEPT ALL TABLE model)) THEN
				RAISE 'wrong after %', last;
			END IF;
			IF rnd(5) = 0 THEN
				PERFORM weir.compact('tt');
			END IF;
		END IF;
		i := last + 1;
	END LOOP;
END $$;
SELECT count(*) AS differences FROM ((TABLE model EXCEPT ALL SELECT * FROM cells_of('rules')) UNION ALL (SELECT * FROM cells_of('rules') EXCEPT ALL TABLE model)) d;
SELECT family, count(*) > 20 AS enough FROM model GROUP BY family ORDER BY family;

-- As many as a write may have.  Time that grows with the square would be minutes.
CREATE TABLE big AS SELECT
	(SELECT array_agg(weir.set_cell('z', 'q', 'x', to_timestamp(i))) FROM generate_series(1, 50000) i) ||
	(SELECT array_agg(weir.delete_from_column('z', 'q', to_timestamp(i), to_timestamp(i + 1))) FROM generate_series(2, 50000) i) AS single,
	(SELECT array_agg(weir.delete_from_column('z', 'q', to_timestamp(i), to_timestamp(100000 - i))) FROM generate_series(1, 49999) i) ||
	(SELECT array_agg(weir.set_cell('z', 'q', 'x', to_timestamp(i))) FROM generate_series(1, 50000) i) AS nested,
	(SELECT array_agg(weir.set_cell('i', 'q', 'x', timestamptz '2120-01-01' + 2 * i * interval '1 s')) FROM generate_series(1, 90000) i) AS even,
	(SELECT array_agg(weir.set_cell('i', 'q', 'x', timestamptz '2120-01-01' + (2 * i + 1) * interval '1 s')) FROM generate_series(1, 90000) i) AS odd,
	(SELECT array_agg(weir.delete_from_column('i', 'q', timestamptz '2120-01-01' + (2 * i + 1) * interval '1 s', timestamptz '2120-01-01' + (2 * i + 2) * interval '1 s')) FROM generate_series(1, 90000) i) AS not_odd;
SET statement_timeout = '20s';
SELECT weir.mutate_row('tt', 'single', VARIADIC single) FROM big;
SELECT weir.mutate_row('tt', 'nested', VARIADIC nested) FROM big;
SELECT weir.mutate_row('tt', 'gaps', VARIADIC even) FROM big;
SELECT weir.mutate_row('tt', 'gaps', VARIADIC odd) FROM big;
SELECT weir.cell_count(cells) FROM tt WHERE row_key = 'gaps';
SELECT weir.mutate_row('tt', 'gaps', VARIADIC not_odd) FROM big;
SELECT row_key, weir.cell_count(cells) FROM tt WHERE row_key IN ('gaps', 'single', 'nested') ORDER BY row_key;
RESET statement_timeout;
DROP TABLE big;

-- A cancel that comes before the fold ends it, so what follows in the list is not
-- computed: with no fold between, it is.
CREATE SEQUENCE after_it;
SELECT pg_cancel_backend(pg_backend_pid()), nextval('after_it') FROM d;
SELECT is_called FROM after_it;
SELECT setval('after_it', 1, false);
SELECT pg_cancel_backend(pg_backend_pid()), weir._compose(cells, cells), nextval('after_it') FROM d;
SELECT pg_cancel_backend(pg_backend_pid()), weir._apply('\x0100000000000000', cells), nextval('after_it') FROM d;
SELECT is_called FROM after_it;

DROP TABLE d, model;
DROP SEQUENCE after_it;
DROP FUNCTION cells_of, write_ops, mutation_of, at, rnd;
DROP TABLE op;
SELECT weir.drop_wide_table('tt');
