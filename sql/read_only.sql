-- A read-only transaction changes nothing: each function that would is refused.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE FUNCTION refusal(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'not refused: ' || command;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE TABLE t (ts timestamptz NOT NULL, n int);
CREATE TABLE other (ts timestamptz NOT NULL);
SELECT weir.create_stream('t', 'ts');
SELECT weir.create_continuous_aggregate('c', 'SELECT w.window_start, count(*) AS n FROM t, weir.tumble(t.ts, ''1 hour'') w
	GROUP BY w.window_start');
SELECT weir.create_sink('s', 'c', 'SELECT 1 FROM closed');
SELECT weir.create_wide_table('wide');
SELECT weir.add_family('wide', 'f');
SELECT weir.mutate_row('wide', 'k', weir.set_cell('f', 'q', 'v', '2024-01-01'));
SELECT weir.create_wide_table('followed');
SELECT weir.enable_changes('followed');
SELECT weir.create_authorized_view('part', 'wide');
INSERT INTO t VALUES ('2024-01-01', 1);

BEGIN READ ONLY;
SELECT refusal(command) FROM (VALUES (1, $$weir.create_stream('other', 'ts')$$),
	(2, $$weir.alter_stream('t', max_drift => '1 day')$$),
	(3, $$weir.drop_stream('t', cascade => true)$$),
	(4, $$weir.advance_watermark('t', 'infinity')$$),
	(5, $$weir.pause('t')$$),
	(6, $$weir.resume('t')$$),
	(7, $$weir.create_continuous_aggregate('d', 'SELECT count(*) FROM t')$$),
	(8, $$weir.alter_continuous_aggregate('c', realtime => false)$$),
	(9, $$weir.drop_continuous_aggregate('c')$$),
	(10, $$weir.skip('c')$$),
	(11, $$weir.create_sink('s2', 'c', 'SELECT 1 FROM closed')$$),
	(12, $$weir.resume_sink('s')$$),
	(13, $$weir.skip_sink('s')$$),
	(14, $$weir.drop_sink('s')$$),
	(15, $$weir.create_wide_table('wide2')$$),
	(16, $$weir.add_family('wide', 'g')$$),
	(17, $$weir.alter_family('wide', 'f', weir.max_versions(1))$$),
	(18, $$weir.drop_family('wide', 'f')$$),
	(19, $$weir.enable_changes('wide')$$),
	(20, $$weir.disable_changes('followed')$$),
	(21, $$weir.create_authorized_view('part2', 'wide')$$),
	(22, $$weir.drop_authorized_view('part')$$),
	(23, $$weir.mutate_row('wide', 'k', weir.delete_from_row())$$),
	(24, $$weir.read_modify_write_row('wide', 'k', weir.append_value('f', 'q', 'v'))$$),
	(25, $$weir.check_and_mutate_row('wide', 'k', if_matched => ARRAY[weir.delete_from_row()])$$),
	(26, $$weir.drop_row_range('wide', 'k')$$),
	(27, $$weir.compact('wide')$$),
	(28, $$weir.drop_wide_table('wide')$$),
	(29, $$weir.delete_late_rows('c')$$)) v (place, call),
	LATERAL (SELECT 'SELECT ' || call) c (command) ORDER BY place;
-- reading goes on
SELECT * FROM c;
SELECT * FROM wide;
SELECT weir.read_row('part', 'k');
SELECT * FROM weir.changes('followed');
COMMIT;
-- drain is not called in a transaction block
SET default_transaction_read_only = on;
CALL weir.drain('t');
RESET default_transaction_read_only;

SELECT weir.drop_wide_table(tbl) FROM weir.wide_tables WHERE tbl = 'followed'::regclass;
DROP FOREIGN TABLE wide CASCADE;
DROP TABLE t, other CASCADE;
DROP FUNCTION refusal;
