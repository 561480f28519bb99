-- The algebra of deltas: composition is closed and associative, and applying
-- a composition is applying one after the other.
SELECT weir.create_wide_table('alg');
SELECT weir.add_family('alg', 'p'), weir.add_family('alg', 'q'),
       weir.add_family('alg', 's', NULL, 'sum'),
       weir.add_family('alg', 'lo', NULL, 'min'),
       weir.add_family('alg', 'hi', NULL, 'max');

-- Random deltas, many of them on the same few coordinates.
SELECT setseed(0.42);
CREATE FUNCTION rnd(n int) RETURNS int LANGUAGE sql VOLATILE AS
	$$ SELECT floor(random() * n)::int $$;
CREATE FUNCTION rnd_ts() RETURNS timestamptz LANGUAGE sql VOLATILE AS
	$$ SELECT timestamptz '2024-01-01' + rnd(5) * interval '1 microsecond' $$;
CREATE FUNCTION rnd_mutation() RETURNS weir.mutation LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	plain text := (ARRAY['p', 'q'])[1 + rnd(2)];
	agg text := (ARRAY['s', 'lo', 'hi'])[1 + rnd(3)];
	anyfam text := (ARRAY['p', 'q', 's', 'lo', 'hi'])[1 + rnd(5)];
	qual text := (ARRAY['', 'a', 'ab'])[1 + rnd(3)];
	lo int := rnd(5);
BEGIN
	CASE rnd(12)
		WHEN 0, 1, 2, 3 THEN
			RETURN weir.set_cell(plain, qual, rnd(100)::text, rnd_ts());
		WHEN 4, 5, 6 THEN
			RETURN weir.add_to_cell(agg, qual, rnd_ts(), rnd(100) - 50);
		WHEN 7, 8 THEN
			RETURN weir.delete_from_column(anyfam, qual,
				timestamptz '2024-01-01' + lo * interval '1 microsecond',
				timestamptz '2024-01-01' + (lo + 1 + rnd(3)) * interval '1 microsecond');
		WHEN 9 THEN
			RETURN weir.delete_from_column(anyfam, qual);
		WHEN 10 THEN
			RETURN weir.delete_from_family(anyfam);
		ELSE
			IF rnd(3) = 0 THEN RETURN weir.delete_from_row(); END IF;
			RETURN weir.set_cell(plain, qual, rnd(100)::text, rnd_ts());
	END CASE;
END $$;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		PERFORM weir.mutate_row('alg', 'k', VARIADIC
			(SELECT array_agg(rnd_mutation()) FROM generate_series(1, 1 + rnd(6))));
	END LOOP;
END $$;

CREATE TABLE d AS
	SELECT row_number() OVER (ORDER BY seq) AS n, cells FROM alg_delta;
SELECT count(*) FROM d;

-- associative
SELECT count(*) AS tested,
       count(*) FILTER (WHERE weir._compose(weir._compose(a.cells, b.cells), c.cells)::text <>
                              weir._compose(a.cells, weir._compose(b.cells, c.cells))::text) AS wrong
FROM d a JOIN d b ON b.n = a.n + 1 JOIN d c ON c.n = b.n + 1;

-- closed: the result is a valid delta
SELECT count(*) AS tested,
       count(*) FILTER (WHERE weir._compose(a.cells, b.cells)::text::weir.delta::text <>
                              weir._compose(a.cells, b.cells)::text) AS wrong
FROM d a JOIN d b ON b.n = a.n + 1;

-- applying
CREATE TABLE s (n int, row_before weir.segment);
DO $$
DECLARE
	state weir.segment := '\x0100000000000000';
	r record;
BEGIN
	FOR r IN SELECT * FROM d ORDER BY n LOOP
		INSERT INTO s VALUES (r.n, state);
		state := weir._apply(state, r.cells);
	END LOOP;
END $$;
SELECT count(*) AS tested,
       count(*) FILTER (WHERE weir._apply(weir._apply(row_before, a.cells), b.cells)::text <>
                              weir._apply(row_before, weir._compose(a.cells, b.cells))::text) AS wrong,
       count(DISTINCT row_before::text) > 100 AS varied
FROM s JOIN d a USING (n) JOIN d b ON b.n = a.n + 1;

-- The row read is all of them folded from nothing, and so is their composition.
ALTER TABLE alg_delta DISABLE TRIGGER weir_refuse_write;
DO $$
DECLARE
	whole weir.delta;
	state weir.segment := '\x0100000000000000';
	r record;
	before text := weir.read_row('alg', 'k');
BEGIN
	FOR r IN SELECT * FROM d ORDER BY n LOOP
		whole := CASE WHEN whole IS NULL THEN r.cells ELSE weir._compose(whole, r.cells) END;
		state := weir._apply(state, r.cells);
	END LOOP;
	IF weir._apply('\x0100000000000000', whole)::text <> state::text THEN
		RAISE 'composition of all differs';
	END IF;
	DELETE FROM alg_delta;
	INSERT INTO alg_delta VALUES ('k', 1, whole);
	IF weir.read_row('alg', 'k')::text IS DISTINCT FROM before THEN
		RAISE 'row of the composition differs';
	END IF;
END $$;

-- The internal types check what they are given.
CREATE FUNCTION sqlstate_of(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE q;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT v, sqlstate_of(format('SELECT %L::weir.delta', v)) FROM (VALUES
	(''), ('01'), ('\x'), ('\x02'), ('\xzz'),
	('\x0200000000000000000000'),
	('\x0100000000000000000000'),
	('\x0208000000000000000000'),
	('\x02020000000000000000ffff0300'),
	('\x0202000000000000000001000000'),
	('\x0202000000000000000001000100'),
	('\x02040000000000000000ffffffff0f00'),
	('\x02000000000000000000ffffffff0f'),
	('\x02000000000000000000ffffffff1f'),
	('\x020000000000000000008080808080'),
	('\x020000000000000000000a'),
	('\x02000000000000000000000a'),
	('\x0200000000000000000001000100000000000000000001610162'),
	('\x0200000000000000000001050100000000000000000001610162'),
	('\x0200000000000000000001800100000000000000000001610162'),
	('\x0200000000000000000001000100000000000000000001610262'),
	('\x020000000000000000000100010000000000000000008180010162'),
	('\x020000000000000000000110000000000000000001610162'),
	('\x02000000000000000000020001000100000000000000016101623000000000000000000163'),
	('\x020000000000000000000200010001000000000000000161016250016200'),
	('\x0200000000000000000002000100010000000000000001610162200200000000000000000000'),
	('\x0200000000000000000002000100000000000000000001610162700162')) v(v);
SELECT v, sqlstate_of(format('SELECT %L::weir.segment', v)) FROM (VALUES
	(''), ('\x'), ('\x0100000000000000'), ('\x01000000ffffffff'),
	('\x0100000001000000'), ('\x0101000000000000'),
	('\x01000000010000000100000001000010ffffffffffffffff61')) v(v);

-- Every truncation and every change of one byte is refused or valid.
DO $$
DECLARE
	good bytea := decode(substr((SELECT cells::text FROM d ORDER BY length(cells::text) DESC, n LIMIT 1), 3), 'hex');
	bad bytea;
	ok int := 0;
	refused int := 0;
BEGIN
	FOR i IN 0 .. length(good) - 1 LOOP
		FOR j IN 0 .. 3 LOOP
			bad := CASE j WHEN 0 THEN substr(good, 1, i)
				WHEN 1 THEN set_byte(good, i, 255)
				WHEN 2 THEN set_byte(good, i, 0)
				ELSE set_byte(good, i, (get_byte(good, i) + 1) % 256) END;
			BEGIN
				PERFORM ('\x' || encode(bad, 'hex'))::weir.delta;
				ok := ok + 1;
			EXCEPTION WHEN invalid_text_representation OR data_corrupted THEN
				refused := refused + 1;
			END;
		END LOOP;
	END LOOP;
	IF ok = 0 OR refused = 0 THEN RAISE 'ok %, refused %', ok, refused; END IF;
END $$;

DROP TABLE d, s;
SELECT weir.drop_wide_table('alg');
DROP FUNCTION rnd_mutation, rnd_ts, rnd, sqlstate_of;
