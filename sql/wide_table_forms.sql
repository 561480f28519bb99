-- A row at rest is handed on as an object that is made into bytes only where
-- the server asks for them. Whoever gets one, or its bytes, sees the same.

SET client_min_messages = warning;
SET search_path = public, weir;
SELECT weir.create_wide_table('forms_rows');
SELECT weir.add_family('forms_rows', 'f'), weir.add_family('forms_rows', 'g', weir.max_versions(3)), weir.add_family('forms_rows', 'h');
-- rows of one cell, of several versions, of several segments, of all families
SELECT count(weir.mutate_row('forms_rows', 'one', weir.set_cell('f', '', '', '2024-01-01')));
SELECT count(weir.mutate_row('forms_rows', 'versions', weir.set_cell('g', q::text, v || '"\', '2024-01-01'::timestamptz + v * interval '1 hour')))
  FROM generate_series(1, 3) q, generate_series(1, 3) v;
SELECT count(weir.mutate_row('forms_rows', 'segments', weir.set_cell(f, 'c' || q, decode(repeat(md5(q::text), 5), 'hex'), '2024-01-01')))
  FROM generate_series(1, 200) q, unnest('{f,g,h}'::text[]) f;
SELECT count(weir.mutate_row('forms_rows', 'text', weir.set_cell('h', 'ключ', 'значение', '2024-01-01')));
-- one of which nothing is left, and one with deltas, which is folded
SELECT weir.mutate_row('forms_rows', 'gone', weir.set_cell('f', 'q', 'v', '2024-01-01'));
SELECT weir.compact('forms_rows');
SELECT weir.mutate_row('forms_rows', 'gone', weir.delete_from_row());
SELECT weir.compact('forms_rows');
SELECT weir.mutate_row('forms_rows', 'delta', weir.set_cell('f', 'q', 'v', '2024-01-01'));

-- the bytes, as the server asks for them
CREATE TEMP TABLE flat AS SELECT row_key, weir.read_row('forms_rows', row_key) AS cells FROM forms_rows;
CREATE TEMP TABLE flat_face AS SELECT * FROM forms_rows;
TABLE flat EXCEPT ALL TABLE flat_face;
SELECT row_key, weir.cell_count(cells), pg_column_size(cells) > 0 AS has_size FROM flat ORDER BY row_key;
SELECT weir.read_row('forms_rows', 'gone') IS NULL AS is_gone;

-- text, binary and other forms; what the row made of the text has in common
-- with the object
CREATE FUNCTION same_forms(object weir.widerow, flat weir.widerow) RETURNS text[] LANGUAGE sql STABLE AS $$
SELECT array_agg(what) FILTER (WHERE same IS NOT TRUE) FROM (VALUES
	('text', object::text = flat::text),
	('binary', weir.widerow_send(object) = weir.widerow_send(flat)),
	('size', pg_column_size(object) = pg_column_size(flat::text::weir.widerow)),
	('equal', object = flat AND NOT object <> flat),
	('compare', weir.widerow_cmp(object, flat) = 0 AND object <= object AND object >= object),
	('hash', weir.widerow_hash(object) = weir.widerow_hash(flat)),
	('jsonb', object::jsonb = flat::jsonb AND object::jsonb::weir.widerow = flat),
	('count', weir.cell_count(object) = weir.cell_count(flat)),
	('merge', (object || object) = flat),
	('family', object['g'] = flat['g']),
	('value', object['f']['c7'] IS NOT DISTINCT FROM flat['f']['c7']),
	('values', weir.value(object, 'h', 'c1') IS NOT DISTINCT FROM weir.value(flat, 'h', 'c1')
		AND weir.text_value(object, 'h', 'ключ') IS NOT DISTINCT FROM weir.text_value(flat, 'h', 'ключ')),
	('filter', weir.apply(object, weir.cells_per_column_limit(1)) = weir.apply(flat, weir.cells_per_column_limit(1))),
	('latest', weir.latest(object, 1) = weir.latest(flat, 1)),
	('array', ARRAY[object, object] = ARRAY[flat, flat]),
	('record', ROW(object, 1) = ROW(flat, 1)),
	('has', (object OPERATOR(weir.?) 'g') = (flat OPERATOR(weir.?) 'g'))) AS forms (what, same)
$$;
SELECT row_key, same_forms(weir.read_row('forms_rows', row_key), cells) FROM flat ORDER BY row_key;
SELECT row_key, same_forms(w.cells, f.cells) FROM forms_rows w JOIN flat f USING (row_key) ORDER BY row_key;
-- one object used by many expressions of a node, not in a function
SELECT row_key, o::text = f.cells::text AS same_text, o < o AS is_less, o = f.cells AS same, weir.widerow_cmp(o, o) AS cmp,
	md5(weir.widerow_send(o)) = md5(weir.widerow_send(f.cells)) AS same_binary, weir.cell_count(o || o) AS cells
	FROM flat f, LATERAL (SELECT weir.read_row('forms_rows', f.row_key) AS o OFFSET 0) x ORDER BY row_key;

-- in what keeps values: sorts, sets, aggregates, sub-selects, cursors, variables
SELECT count(*) FROM (SELECT DISTINCT cells FROM (SELECT cells FROM forms_rows UNION ALL SELECT cells FROM flat) x) y;
SELECT row_key FROM (SELECT row_key, cells FROM forms_rows ORDER BY cells, row_key) x JOIN flat f USING (row_key, cells) ORDER BY row_key;
SELECT weir.merge(cells) = (SELECT weir.merge(cells) FROM flat) AS same FROM forms_rows;
SELECT array_agg(cells ORDER BY row_key) = (SELECT array_agg(cells ORDER BY row_key) FROM flat) AS same FROM forms_rows;
SELECT row_key, lag(cells) OVER (ORDER BY row_key) = (SELECT cells FROM flat WHERE row_key < w.row_key ORDER BY row_key DESC LIMIT 1) AS same
	FROM forms_rows w ORDER BY row_key;
SELECT count(*) FROM flat WHERE cells = (SELECT cells FROM forms_rows w WHERE w.row_key = flat.row_key);
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT row_key, md5(cells::text) FROM forms_rows ORDER BY row_key;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
DECLARE h CURSOR WITH HOLD FOR SELECT row_key, weir.read_row('forms_rows', row_key) AS o FROM flat WHERE row_key = 'text';
COMMIT;
FETCH h;
CLOSE h;
CREATE PROCEDURE keep_row() LANGUAGE plpgsql AS $$
DECLARE
	kept weir.widerow;
	rows weir.widerow[];
	r record;
BEGIN
	kept := weir.read_row('forms_rows', 'text');
	SELECT * INTO r FROM forms_rows WHERE row_key = 'text';
	rows := ARRAY[weir.read_row('forms_rows', 'versions')];
	COMMIT;
	PERFORM weir.mutate_row('forms_rows', 'text', weir.set_cell('h', 'q', 'later', '2024-01-01'));
	PERFORM weir.read_row('forms_rows', 'segments');
	COMMIT;
	RAISE NOTICE 'row %, again %, record %', kept, kept || kept, r;
	RAISE NOTICE 'rows %', rows;
	PERFORM weir.mutate_row('forms_rows', 'text', weir.delete_from_column('h', 'q'));
END $$;
SET client_min_messages = notice;
CALL keep_row();
SET client_min_messages = warning;
SELECT weir.compact('forms_rows');

-- rows that are read and written at once, and that COPY shows
SELECT weir.create_wide_table('forms_copy');
SELECT weir.add_family('forms_copy', 'h'), weir.add_family('forms_copy', 'g'), weir.add_family('forms_copy', 'f');
INSERT INTO forms_copy SELECT * FROM forms_rows;
SELECT weir.compact('forms_copy');
TABLE forms_copy EXCEPT ALL TABLE flat;
COPY (SELECT * FROM forms_rows WHERE row_key IN ('one', 'text', 'versions') ORDER BY row_key) TO stdout;
DELETE FROM forms_copy w USING forms_rows r WHERE w.row_key = r.row_key AND w.cells = r.cells AND w.row_key IN ('one', 'text') RETURNING w.*;
-- numbers of families do not follow the names here, so rows are folded
SELECT row_key, same_forms(w.cells, f.cells) FROM forms_copy w JOIN flat f USING (row_key) ORDER BY row_key;

SELECT weir.drop_wide_table('forms_rows'), weir.drop_wide_table('forms_copy');
DROP FUNCTION same_forms;
DROP PROCEDURE keep_row;
