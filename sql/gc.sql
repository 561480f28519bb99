-- Garbage collection: exact when read, the same with or without compaction.
SELECT weir.create_wide_table('g');
SELECT weir.add_family('g', 'v2', weir.max_versions(2)),
       weir.add_family('g', 'day', weir.max_age('1 day')),
       weir.add_family('g', 'both', weir.gc_intersection(weir.max_age('1 day'), weir.max_versions(2))),
       weir.add_family('g', 'any', weir.gc_union(weir.max_age('1 day'), weir.max_versions(2))),
       weir.add_family('g', 'keep'),
       weir.add_family('g', 'sum', weir.max_versions(1), 'sum');
CREATE VIEW cells AS
	SELECT encode(row_key, 'escape') AS row, family, encode(qualifier, 'escape') AS q,
		CASE WHEN ts > now() - interval '10 hours' THEN 'new' ELSE to_char(ts, 'YYYY-MM-DD') END AS ts,
		CASE family WHEN 'sum' THEN weir.int8_value(value)::text ELSE encode(value, 'escape') END AS value
	FROM weir.read_rows('g');

-- Rule 64: versions are counted by column, not by row or family.
SELECT count(*) FROM (SELECT weir.mutate_row('g', 'r64', weir.set_cell('v2', q, d::text, timestamptz '2024-01-01' + d * interval '1 day'))
	FROM unnest(ARRAY['a', 'b']) q, generate_series(1, 4) d) x;
SELECT * FROM cells;
-- a version that became surplus is gone for good, compacted or not
SELECT weir.mutate_row('g', 'r64', weir.delete_from_column('v2', 'a', '2024-01-05'));
SELECT * FROM cells;
SELECT rows FROM weir.compact('g');
SELECT weir.mutate_row('g', 'r64', weir.delete_from_column('v2', 'b', '2024-01-05'));
SELECT * FROM cells;
-- back-dated below the kept ones: surplus at once
SELECT weir.mutate_row('g', 'r64', weir.set_cell('v2', 'c', 'x', '2024-01-03'), weir.set_cell('v2', 'c', 'y', '2024-01-02'));
SELECT weir.mutate_row('g', 'r64', weir.set_cell('v2', 'c', 'z', '2024-01-01'));
SELECT weir.mutate_row('g', 'r64', weir.delete_from_column('v2', 'c', '2024-01-02'));
SELECT * FROM cells;
TRUNCATE g;

-- Rule 63: age is judged by the cell's own timestamp; Rule 24: a later write with an older timestamp is visible.
SELECT weir.mutate_row('g', 'r63', weir.set_cell('day', 'old', 'x', '2024-01-01'), weir.set_cell('day', 'new', 'x'),
	weir.set_cell('day', 'future', 'x', now() + interval '10 years'), weir.set_cell('keep', 'old', 'x', '2024-01-01'));
SELECT row, family, q FROM cells;
-- Rule 68: a row whose last cell is collected disappears.
SELECT weir.mutate_row('g', 'r68', weir.set_cell('day', 'old', 'x', '2024-01-01'));
SELECT count(*) FROM g WHERE row_key = 'r68';
SELECT weir.read_row('g', 'r68') IS NULL AS gone;
SELECT weir.check_and_mutate_row('g', 'r68', NULL, '{}', ARRAY[weir.set_cell('keep', 'q', 'was not there', '2024-01-01')]);
-- Rule 41 does not hold here: a predicate never sees an expired cell
SELECT weir.check_and_mutate_row('g', 'r63', weir.qualifier_regex('old'), ARRAY[weir.set_cell('keep', 'x', 'y')]),
       weir.check_and_mutate_row('g', 'r63', weir.chain(weir.family_regex('day'), weir.qualifier_regex('old')), ARRAY[weir.set_cell('keep', 'x', 'y')]);
TRUNCATE g;

-- Rules 65, 66: intersection keeps at least n, union keeps at most n; ranks are those of the original list.
SELECT count(*) FROM (SELECT weir.mutate_row('g', 'r66', weir.set_cell(f, 'q', d::text, timestamptz '2024-01-01' + d * interval '1 day'))
	FROM unnest(ARRAY['both', 'any']) f, generate_series(1, 4) d) x;
SELECT weir.mutate_row('g', 'r66', weir.set_cell(f, 'q', 'now')) FROM unnest(ARRAY['both', 'any']) f;
SELECT * FROM cells;
SELECT rows FROM weir.compact('g');
SELECT * FROM cells;
TRUNCATE g;

-- Rule 67: no rule and empty ones keep everything.
SELECT weir.add_family('g', 'union0', weir.gc_union(VARIADIC '{}')), weir.add_family('g', 'inter0', weir.gc_intersection(VARIADIC '{}'));
SELECT weir.mutate_row('g', 'r67', weir.set_cell(f, 'q', '1', '2024-01-01'), weir.set_cell(f, 'q', '2', '2024-01-02'))
FROM unnest(ARRAY['keep', 'union0', 'inter0']) f;
SELECT * FROM cells;
TRUNCATE g;

-- Rule 70: aggregate cells obey the rules as well.
SELECT weir.mutate_row('g', 'r70', weir.add_to_cell('sum', 'q', '2024-01-01', 1));
SELECT weir.mutate_row('g', 'r70', weir.add_to_cell('sum', 'q', '2024-01-01', 2));
SELECT weir.mutate_row('g', 'r70', weir.add_to_cell('sum', 'q', '2024-01-02', 4));
SELECT weir.mutate_row('g', 'r70', weir.add_to_cell('sum', 'q', '2024-01-02', 8));
SELECT * FROM cells;
TRUNCATE g;

-- Rule 69: a new rule applies to what is there; relaxing it brings nothing back that was surplus.
SELECT count(*) FROM (SELECT weir.mutate_row('g', 'r69', weir.set_cell('keep', 'q', d::text, timestamptz '2024-01-01' + d * interval '1 day'))
	FROM generate_series(1, 4) d) x;
SELECT weir.alter_family('g', 'keep', weir.max_versions(2));
SELECT * FROM cells;
SELECT weir.alter_family('g', 'keep', weir.max_versions(3));
SELECT * FROM cells;
SELECT weir.mutate_row('g', 'r69', weir.set_cell('keep', 'q', '5', '2024-01-10'));
SELECT * FROM cells;
SELECT weir.alter_family('g', 'keep', NULL);
SELECT weir.mutate_row('g', 'r69', weir.set_cell('keep', 'q', '6', '2024-01-11'), weir.set_cell('keep', 'q', '0', '2024-01-01'));
SELECT * FROM cells;
SELECT rows FROM weir.compact('g');
SELECT * FROM cells;
SELECT weir.alter_family('g', 'keep', weir.max_versions(1));
SELECT * FROM cells;
SELECT weir.mutate_row('g', 'r69', weir.delete_from_column('keep', 'q', '2024-01-11'));
SELECT * FROM cells;
-- a version deleted before there was a rule does not take others with it
SELECT weir.alter_family('g', 'keep', NULL);
SELECT weir.mutate_row('g', 'r69b', weir.set_cell('keep', 'q', '1', '2024-01-01'));
SELECT weir.mutate_row('g', 'r69b', weir.set_cell('keep', 'q', '2', '2024-01-02'));
SELECT weir.mutate_row('g', 'r69b', weir.delete_from_column('keep', 'q', '2024-01-02'));
SELECT weir.alter_family('g', 'keep', weir.max_versions(1));
SELECT * FROM cells;
TRUNCATE g;

-- Rule 71: dropping a family deletes its data, and the name does not bring it back.
SELECT weir.mutate_row('g', 'r71', weir.set_cell('keep', 'q', 'x', '2024-01-01'), weir.set_cell('v2', 'q', 'x', '2024-01-01'));
SELECT rows FROM weir.compact('g');
SELECT weir.mutate_row('g', 'r71', weir.set_cell('keep', 'q2', 'x', '2024-01-01'));
SELECT weir.drop_family('g', 'keep');
SELECT weir.add_family('g', 'keep');
SELECT * FROM cells;
SELECT rows FROM weir.compact('g');
SELECT * FROM cells;

-- What expires later is collected when it is due, without a write.
SELECT weir.add_family('g', 'soon', weir.max_age('1 hour'));
SELECT weir.mutate_row('g', 'due', weir.set_cell('soon', 'q', 'x', now() - interval '1 hour' + interval '2 s'),
	weir.set_cell('v2', 'q', 'stays', '2024-01-01'));
SELECT rows FROM weir.compact('g');
SELECT count(*) FROM g_base WHERE gc_due IS NOT NULL;
SELECT pg_sleep(2.2) IS NULL AS waited;
SELECT * FROM cells;
SELECT rows, deltas FROM weir.compact('g');
SELECT count(*) FROM g_base WHERE gc_due IS NOT NULL;
SELECT rows, deltas FROM weir.compact('g');
SELECT * FROM cells;

-- A row too large for one segment, compacted again and again while it grows and shrinks.
SELECT weir.create_wide_table('seg');
SELECT weir.add_family('seg', 'f'), weir.add_family('seg', 'v', weir.max_versions(300));
CREATE FUNCTION check_seg() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before weir.widerow := weir.read_row('seg', 'k');
	r record;
	parts int;
BEGIN
	PERFORM weir.compact('seg');
	IF before::text IS DISTINCT FROM weir.read_row('seg', 'k')::text THEN RETURN 'row changed'; END IF;
	IF EXISTS (SELECT FROM seg_delta) THEN RETURN 'deltas are left'; END IF;
	FOR r IN SELECT * FROM weir.cells(before) c WHERE random() < 0.05 LOOP
		EXECUTE format('SELECT 1 FROM seg WHERE row_key = %L AND cells[%L][%L::bytea] IS NOT NULL', 'k', r.family, r.qualifier) INTO parts;
		IF parts IS NULL THEN RETURN 'column missing'; END IF;
	END LOOP;
	SELECT count(*) INTO parts FROM seg_base;
	RETURN format('%s cells, segments %s', coalesce(weir.cell_count(before), 0),
		CASE WHEN parts = 0 THEN 'none' WHEN parts = 1 THEN 'one' ELSE 'some' END);
END $$;
SELECT check_seg();
SELECT count(*) FROM (SELECT weir.mutate_row('seg', 'k', weir.set_cell('f', 'q' || i % 700, repeat('x', i % 50), '2024-01-01')) FROM generate_series(1, 1000) i) x;
SELECT check_seg();
SELECT count(*) FROM (SELECT weir.mutate_row('seg', 'k', weir.set_cell('v', 'one column', i::text, timestamptz '2024-01-01' + i * interval '1 s')) FROM generate_series(1, 1000) i) x;
SELECT check_seg();
SELECT weir.mutate_row('seg', 'k', weir.set_cell('f', 'huge', repeat('h', 100000), '2024-01-01'), weir.delete_from_column('f', 'q0'));
SELECT check_seg();
SELECT weir.mutate_row('seg', 'k', weir.delete_from_family('f'));
SELECT check_seg();
SELECT weir.mutate_row('seg', 'k', weir.set_cell('f', decode(repeat('00', 400) || to_hex(i), 'hex'), 'x', '2024-01-01')) FROM generate_series(16, 30) i;
SELECT check_seg();
SELECT weir.mutate_row('seg', 'k', weir.delete_from_column('v', 'one column'));
SELECT check_seg();
SELECT weir.mutate_row('seg', 'k', weir.delete_from_row());
SELECT check_seg();

-- A long row of which only what changes is folded, next to one that is never compacted.
SELECT weir.create_wide_table('long'), weir.create_wide_table('flat');
SELECT weir.add_family(t, 'a'), weir.add_family(t, 'v', weir.max_versions(2)), weir.add_family(t, 'z', NULL, 'sum')
FROM unnest(ARRAY['long', 'flat']::regclass[]) t;
SELECT setseed(0.5);
CREATE FUNCTION change() RETURNS weir.mutation[] LANGUAGE plpgsql AS $$
DECLARE
	fam text := (ARRAY['a', 'v'])[1 + floor(random() * 2)];
	q text := 'q' || floor(random() * 2000);
	ts timestamptz := timestamptz '2024-01-01' + floor(random() * 5) * interval '1 s';
BEGIN
	RETURN CASE floor(random() * 20)
		WHEN 0 THEN ARRAY[weir.delete_from_column(fam, q)]
		WHEN 1 THEN ARRAY[weir.delete_from_column('z', q), weir.add_to_cell('z', q, ts, 3)]
		WHEN 2 THEN ARRAY[weir.set_cell(fam, q, repeat('x', floor(random() * 3000)::int), ts)]
		WHEN 3 THEN CASE WHEN random() < 0.1 THEN ARRAY[weir.delete_from_family(fam)] ELSE ARRAY[weir.add_to_cell('z', q, ts, 5)] END
		WHEN 4 THEN CASE WHEN random() < 0.03 THEN ARRAY[weir.delete_from_row()] ELSE ARRAY[weir.add_to_cell('z', q, ts, 5)] END
		WHEN 5 THEN (SELECT array_agg(weir.delete_from_column(fam, 'q' || i)) FROM generate_series(floor(random() * 2000)::int, floor(random() * 2000)::int) i)
		ELSE ARRAY[weir.set_cell(fam, q, md5(random()::text), ts), weir.set_cell(fam, q || 'x', 'y', ts)] END;
END $$;
DO $$
DECLARE
	m weir.mutation[];
	partial int := 0;
BEGIN
	FOR t IN 0 .. 1 LOOP
		PERFORM weir.mutate_row((ARRAY['long', 'flat'])[t + 1]::regclass, 'k', VARIADIC
			(SELECT array_agg(weir.set_cell('a', 'q' || i, md5(i::text), '2024-01-01')) ||
			        array_agg(weir.set_cell('v', 'q' || i, md5(i::text), '2024-01-01')) FROM generate_series(1, 2000) i));
	END LOOP;
	FOR i IN 1 .. 150 LOOP
		FOR j IN 0 .. floor(random() * 3) LOOP
			m := change();
			CONTINUE WHEN m IS NULL;
			PERFORM weir.mutate_row('long', 'k', VARIADIC m);
			PERFORM weir.mutate_row('flat', 'k', VARIADIC m);
		END LOOP;
		IF i = 75 THEN
			PERFORM weir.alter_family('long', 'v', weir.max_versions(1)), weir.alter_family('flat', 'v', weir.max_versions(1));
		END IF;
		PERFORM weir.compact('long', whole_rows => i % 25 = 0);
		IF weir.read_row('long', 'k')::text IS DISTINCT FROM weir.read_row('flat', 'k')::text THEN
			RAISE 'different after %', i;
		END IF;
		IF (SELECT count(*) FROM long_base) > 8 THEN partial := partial + 1; END IF;
	END LOOP;
	IF partial < 50 THEN RAISE 'the row was long only % times', partial; END IF;
END $$;
SELECT count(*) FROM long_delta;
SELECT weir.drop_wide_table('long'), weir.drop_wide_table('flat');
DROP FUNCTION change;

-- Rules that were replaced: a pass over whole rows applies them to rows at rest, and
-- forgets them when nobody can see a row any more to which they have not been applied.
CREATE VIEW replaced AS SELECT count(*) AS rules FROM weir._family_rules r JOIN weir._wide_tables t USING (face) WHERE t.delta::text = 'ruled_delta';
SELECT weir.create_wide_table('ruled');
SELECT weir.add_family('ruled', 'v'), weir.add_family('ruled', 'w', weir.max_versions(1));
SELECT weir.mutate_row('ruled', 'k' || i, weir.set_cell('v', 'q', repeat('x', 100), '2024-01-01'), weir.set_cell('v', 'q', '2', '2024-01-02'),
	weir.set_cell('w', 'q', '1', '2024-01-01')) FROM generate_series(1, 20) i \g /dev/null
SELECT * FROM weir.compact('ruled');
SELECT weir.alter_family('ruled', 'v', NULL), weir.alter_family('ruled', 'w', weir.max_versions(1));
SELECT rules AS rules_replaced_by_the_same FROM replaced;
SELECT weir.alter_family('ruled', 'v', weir.max_versions(1)), weir.alter_family('ruled', 'w', weir.max_versions(2));
SELECT weir.mutate_row('ruled', 'k1', weir.set_cell('w', 'q', '2', '2024-01-02'));
SELECT * FROM weir.compact('ruled');
SELECT sum(pg_column_size(b.cells)) > 2000 AS garbage_is_there, (SELECT sum(weir.cell_count(cells)) FROM ruled), (SELECT rules FROM replaced) FROM ruled_base b;
SELECT * FROM weir.compact('ruled', whole_rows => true);
SELECT sum(pg_column_size(b.cells)) > 2000 AS garbage_is_there, (SELECT sum(weir.cell_count(cells)) FROM ruled), (SELECT rules FROM replaced) FROM ruled_base b;
DO $$
BEGIN
	FOR i IN 1 .. 10000 LOOP
		COMMIT;
		EXIT WHEN (SELECT rules FROM replaced) = 0;
		COMMIT;
		PERFORM weir.compact('ruled', whole_rows => true);
	END LOOP;
END $$;
SELECT rules FROM replaced;
SELECT * FROM weir.compact('ruled', whole_rows => true);
SELECT sum(weir.cell_count(cells)) FROM ruled;
-- With its family, or with all rows, a rule goes at once.
SELECT weir.alter_family('ruled', 'v', NULL), weir.alter_family('ruled', 'w', NULL);
SELECT weir.drop_family('ruled', 'v');
SELECT rules FROM replaced;
TRUNCATE ruled;
SELECT rules FROM replaced;
DROP VIEW replaced;
SELECT weir.drop_wide_table('ruled');

-- A column that reaches over several segments, of which the last is folded alone: what
-- is known of when its old versions are garbage is kept.
SELECT weir.create_wide_table('due');
SELECT weir.add_family('due', 'v', weir.gc_intersection(weir.max_versions(50), weir.max_age('1 second'))), weir.add_family('due', 'z');
SELECT weir.mutate_row('due', 'k', VARIADIC weir.set_cell('z', 'q', '1', '2024-01-01') ||
	(SELECT array_agg(weir.set_cell('v', 'm', repeat(md5(i::text), 10), now() - i * interval '1 us')) FROM generate_series(1, 150) i));
SELECT * FROM weir.compact('due');
SELECT weir.mutate_row('due', 'k', weir.set_cell('z', 'q', '2', '2024-01-01'));
SELECT * FROM weir.compact('due');
DO $$
DECLARE
	old timestamptz := (SELECT max(ts) + interval '1 second' FROM weir.read_rows('due', weir.family_regex('v')));
BEGIN
	WHILE clock_timestamp() <= old LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT FROM weir.compact('due');
SELECT sum(octet_length(weir._segment_send(b.cells))) BETWEEN 50 * 337 AND 51 * 337 AS garbage_has_gone, (SELECT weir.cell_count(cells) FROM due) FROM due_base b;
SELECT weir.drop_wide_table('due');

-- Many writes to one column, in no order of their times: what was surplus when others are deleted is gone.
SELECT weir.create_wide_table('many');
SELECT weir.add_family('many', 'v', weir.max_versions(2000));
SELECT count(weir.mutate_row('many', 'k', weir.set_cell('v', 'q', i::text, to_timestamp(i))))
FROM (SELECT i FROM generate_series(1, 6000) i ORDER BY md5(i::text) COLLATE "C") x;
CREATE VIEW versions AS SELECT count(*), min(extract(epoch FROM ts)), max(extract(epoch FROM ts)), bool_and(value = extract(epoch FROM ts)::int::text::bytea) AS right FROM weir.read_rows('many');
SELECT * FROM versions;
SELECT weir.mutate_row('many', 'k', weir.delete_from_column('v', 'q', to_timestamp(4500), to_timestamp(5500)));
SELECT * FROM versions;
SELECT count(weir.mutate_row('many', 'k', weir.set_cell('v', 'q', i::text, to_timestamp(i))))
FROM (SELECT i FROM generate_series(3001, 4000) i ORDER BY md5(i::text) COLLATE "C") x;
SELECT * FROM versions;
SELECT weir.mutate_row('many', 'k', weir.set_cell('v', 'q', i::text, to_timestamp(i))) FROM unnest(ARRAY[5000, 5001, 3500]) i;
SELECT * FROM versions;
SELECT deltas FROM weir.compact('many');
SELECT * FROM versions;
DROP VIEW versions;
SELECT weir.drop_wide_table('many');

DROP VIEW cells;
DROP FUNCTION check_seg;
SELECT weir.drop_wide_table('g'), weir.drop_wide_table('seg');
