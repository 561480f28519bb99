-- Random writes to a wide table, compared with a model made of plain SQL.
-- Run with \set seed 0.xyz to repeat another run.
\if :{?seed}
\else
\set seed 0.271828
\endif
SELECT setseed(:seed);

SELECT weir.create_wide_table('rt');
-- not in order of names, so that families have to be put into order
SELECT weir.add_family('rt', 'z'),
       weir.add_family('rt', 'v', weir.max_versions(2)),
       weir.add_family('rt', 'age', weir.max_age('1 day')),
       weir.add_family('rt', 'both', weir.gc_intersection(weir.max_age('1 day'), weir.max_versions(1))),
       weir.add_family('rt', 'any', weir.gc_union(weir.max_age('1 day'), weir.max_versions(3))),
       weir.add_family('rt', 'sum', NULL, 'sum'),
       weir.add_family('rt', 'min', weir.max_versions(2), 'min');

CREATE TABLE model (row_key bytea, family text, qualifier bytea, ts timestamptz, value bytea,
	PRIMARY KEY (row_key, family, qualifier, ts));

CREATE FUNCTION rnd(n int) RETURNS int LANGUAGE sql VOLATILE AS
	$$ SELECT floor(random() * n)::int $$;
-- old enough to be garbage, or far in the future
CREATE FUNCTION rnd_ts() RETURNS timestamptz LANGUAGE sql VOLATILE AS
	$$ SELECT CASE WHEN random() < 0.5 THEN timestamptz '2020-01-01' ELSE timestamptz '2120-01-01' END
	          + rnd(6) * interval '1 ms' $$;
CREATE FUNCTION be8(v bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS
	$$ SELECT int8send(v) $$;
CREATE FUNCTION int_of(b bytea) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$ SELECT ('x' || encode(b, 'hex'))::bit(64)::bigint $$;

-- one mutation, done to the model and returned
CREATE FUNCTION step(k bytea) RETURNS weir.mutation LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	plain text := (ARRAY['z', 'v', 'age', 'both', 'any'])[1 + rnd(5)];
	agg text := (ARRAY['sum', 'min'])[1 + rnd(2)];
	fam text := (ARRAY['z', 'v', 'age', 'both', 'any', 'sum', 'min'])[1 + rnd(7)];
	qual bytea := (ARRAY[''::bytea, 'a', 'a\000'::bytea, 'b', '\xff'::bytea])[1 + rnd(5)];
	at timestamptz := rnd_ts();
	val bytea := convert_to(rnd(1000)::text, 'UTF8') || CASE WHEN random() < 0.02 THEN convert_to(repeat('x', rnd(6000)), 'UTF8') ELSE '' END;
	num bigint := rnd(100) - 50;
	lo timestamptz;
	hi timestamptz;
BEGIN
	CASE rnd(14)
		WHEN 0, 1, 2, 3, 4, 5, 6 THEN
			INSERT INTO model VALUES (k, plain, qual, at, val)
				ON CONFLICT (row_key, family, qualifier, ts) DO UPDATE SET value = excluded.value;
			RETURN weir.set_cell(plain, qual, val, at);
		WHEN 7, 8, 9 THEN
			INSERT INTO model VALUES (k, agg, qual, at, be8(num))
				ON CONFLICT (row_key, family, qualifier, ts) DO UPDATE SET value =
				CASE agg WHEN 'sum' THEN be8(int_of(model.value) + num)
				         ELSE be8(least(int_of(model.value), num)) END;
			RETURN weir.add_to_cell(agg, qual, at, num);
		WHEN 10, 11 THEN
			IF random() < 0.3 THEN lo := NULL; ELSE lo := rnd_ts(); END IF;
			IF random() < 0.3 THEN hi := NULL; ELSE hi := coalesce(lo, rnd_ts()) + (1 + rnd(4)) * interval '1 ms'; END IF;
			DELETE FROM model WHERE row_key = k AND family = fam AND qualifier = qual
				AND ts >= coalesce(lo, '-infinity') AND ts < coalesce(hi, 'infinity');
			RETURN weir.delete_from_column(fam, qual, lo, hi);
		WHEN 12 THEN
			DELETE FROM model WHERE row_key = k AND family = fam;
			RETURN weir.delete_from_family(fam);
		ELSE
			IF random() < 0.8 THEN
				DELETE FROM model WHERE row_key = k AND family = fam;
				RETURN weir.delete_from_family(fam);
			END IF;
			DELETE FROM model WHERE row_key = k;
			RETURN weir.delete_from_row();
	END CASE;
END $$;

-- garbage collection of a row of the model
CREATE FUNCTION collect(k bytea) RETURNS void LANGUAGE sql VOLATILE AS $$
	DELETE FROM model m USING (
		SELECT row_key, family, qualifier, ts,
			row_number() OVER (PARTITION BY row_key, family, qualifier ORDER BY ts DESC) AS rank,
			ts < now() - interval '1 day' AS old
		FROM model WHERE row_key = k) r
	WHERE (m.row_key, m.family, m.qualifier, m.ts) = (r.row_key, r.family, r.qualifier, r.ts)
		AND CASE m.family
			WHEN 'v' THEN rank > 2
			WHEN 'min' THEN rank > 2
			WHEN 'age' THEN old
			WHEN 'both' THEN old AND rank > 1
			WHEN 'any' THEN old OR rank > 3
			ELSE false END $$;

-- what is different
CREATE FUNCTION differences() RETURNS SETOF text LANGUAGE sql VOLATILE AS $$
	(SELECT 'model: ' || m::text FROM
		(SELECT row_key, family, qualifier, ts, value FROM model
		 EXCEPT ALL SELECT row_key, family, qualifier, ts, value FROM weir.read_rows('rt')) m LIMIT 5)
	UNION ALL
	(SELECT 'table: ' || m::text FROM
		(SELECT row_key, family, qualifier, ts, value FROM weir.read_rows('rt')
		 EXCEPT ALL SELECT row_key, family, qualifier, ts, value FROM model) m LIMIT 5)
	UNION ALL
	(SELECT 'face: ' || m::text FROM
		(SELECT rt.row_key, c.family, c.qualifier, c.ts, c.value FROM rt, weir.cells(rt.cells) c
		 EXCEPT ALL SELECT row_key, family, qualifier, ts, value FROM model) m LIMIT 5)
	UNION ALL
	(SELECT 'order' FROM (SELECT row_number() OVER () AS n, row_number() OVER (ORDER BY row_key, family COLLATE "C", qualifier, ts DESC) AS o
		FROM weir.read_rows('rt')) x WHERE n <> o LIMIT 1) $$;

DO $$
DECLARE
	k bytea;
	muts weir.mutation[];
	diff text;
	q bytea;
	exists_ boolean;
BEGIN
	FOR i IN 1 .. 1200 LOOP
		k := (ARRAY['k'::bytea, 'k1', 'k\000'::bytea, '\xff'::bytea])[1 + rnd(4)];
		CASE rnd(30)
			WHEN 0 THEN
				PERFORM weir.compact('rt');
			WHEN 1 THEN
				DELETE FROM rt WHERE row_key = k;
				DELETE FROM model WHERE row_key = k;
			WHEN 2 THEN
				-- insert through the face, two rows of one key
				INSERT INTO rt SELECT k, weir.widerow('z', 'ins' || g, g::text, timestamptz '2024-01-01') FROM generate_series(1, 2) g;
				INSERT INTO model SELECT k, 'z', convert_to('ins' || g, 'UTF8'), '2024-01-01', convert_to(g::text, 'UTF8') FROM generate_series(1, 2) g
					ON CONFLICT DO NOTHING;
			WHEN 3 THEN
				q := (ARRAY['n1'::bytea, 'n2'])[1 + rnd(2)];
				PERFORM weir.mutate_row('rt', k, weir.set_cell('z', q, 5, '2120-01-01'));
				PERFORM weir.read_modify_write_row('rt', k, weir.increment('z', q, 2), weir.append_value('z', q, 'x'), weir.append_value('z', 'only'::bytea, 'y'));
				INSERT INTO model VALUES (k, 'z', q, '2120-01-01', be8(7) || 'x')
					ON CONFLICT (row_key, family, qualifier, ts) DO UPDATE SET value = excluded.value;
				-- its timestamp is the clock's, so take it away again
				PERFORM weir.mutate_row('rt', k, weir.delete_from_column('z', 'only'));
			WHEN 4 THEN
				SELECT count(*) > 0 INTO exists_ FROM model WHERE row_key = k;
				IF weir.check_and_mutate_row('rt', k, NULL,
					ARRAY[weir.set_cell('z', 'yes', '1', '2024-01-01')],
					ARRAY[weir.set_cell('z', 'no', '1', '2024-01-01')]) <> exists_ THEN
					RAISE 'check_and_mutate_row was wrong in step %', i;
				END IF;
				INSERT INTO model VALUES (k, 'z', CASE WHEN exists_ THEN 'yes'::bytea ELSE 'no' END, '2024-01-01', '1')
					ON CONFLICT DO NOTHING;
			ELSE
				muts := '{}';
				FOR j IN 1 .. 1 + rnd(5) LOOP
					muts := muts || step(k);
				END LOOP;
				PERFORM weir.mutate_row('rt', k, VARIADIC muts);
		END CASE;
		PERFORM collect(k);
		IF i % 10 = 0 OR i < 20 THEN
			SELECT string_agg(d, E'\n') INTO diff FROM differences() d;
			IF diff IS NOT NULL THEN
				RAISE E'after step %:\n%', i, diff;
			END IF;
		END IF;
	END LOOP;
END $$;
SELECT * FROM differences();
SELECT count(*) > 25 AS enough FROM model;

-- Compaction changes nothing that is read, and leaves no deltas.
SELECT rows > 0 AS rows, deltas > 0 AS deltas, skipped FROM weir.compact('rt');
SELECT * FROM differences();
SELECT count(*) FROM rt_delta;
SELECT rows, deltas FROM weir.compact('rt');

-- Every column alone, as the face prunes it.
DO $$
DECLARE
	r record;
	got bytea;
BEGIN
	FOR r IN SELECT DISTINCT ON (row_key, family, qualifier) * FROM model ORDER BY row_key, family, qualifier, ts DESC LOOP
		EXECUTE format('SELECT cells[%L][%L::bytea] FROM rt WHERE row_key = %L', r.family, r.qualifier, r.row_key) INTO got;
		IF got IS DISTINCT FROM r.value THEN
			RAISE '% % %: % instead of %', r.row_key, r.family, r.qualifier, got, r.value;
		END IF;
	END LOOP;
END $$;

SELECT weir.drop_wide_table('rt');
DROP TABLE model;
DROP FUNCTION differences, collect, step, int_of, be8, rnd_ts, rnd;
