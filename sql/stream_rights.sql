-- Who may do what with a stream: least privilege, the owner's rights in a tick,
-- row-level security.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_weir_owner;
CREATE ROLE regress_weir_writer;
CREATE ROLE regress_weir_reader;
CREATE ROLE regress_weir_nobody;
CREATE ROLE regress_weir_monitor;
GRANT pg_read_all_stats TO regress_weir_monitor;
CREATE SCHEMA rights;
GRANT USAGE ON SCHEMA rights TO PUBLIC;
GRANT CREATE ON SCHEMA rights TO regress_weir_owner, regress_weir_reader, regress_weir_nobody;
SET search_path = rights, public;

-- The owner needs nothing but the right to create tables.
SET ROLE regress_weir_owner;
CREATE TABLE events (ts timestamptz NOT NULL, who text, n int);
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_end, e.who, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_end, e.who');
SELECT weir.create_continuous_aggregate('ever', 'SELECT who, count(*) AS n FROM events GROUP BY who');
SELECT weir.create_sink('nothing', 'hourly', 'SELECT count(*) FROM closed');
GRANT INSERT ON events TO regress_weir_writer;
GRANT SELECT ON events, ever TO regress_weir_reader;

-- A writer with nothing but INSERT: by every road. It may wait, and see how the
-- stream fares.
SET ROLE regress_weir_writer;
INSERT INTO events VALUES ('2024-01-01', 'insert', 1);
COPY events FROM stdin;
2024-01-01	copy	2
\.
BEGIN;
SAVEPOINT a;
INSERT INTO events VALUES ('2024-01-01', 'savepoint', 3);
ROLLBACK TO a;
INSERT INTO events VALUES ('2024-01-01', 'savepoint', 4);
PREPARE TRANSACTION 'rights';
COMMIT PREPARED 'rights';
SELECT weir.wait('events', '1 minute');
SELECT stream, rows_consumed, rows_behind FROM weir.stat_streams;
SELECT * FROM events;
SELECT * FROM ever;
SELECT * FROM hourly_closed;
CALL weir.drain('events');
SELECT weir.advance_watermark('events', 'infinity');
SELECT weir.alter_stream('events', retention => '0');
SELECT weir.drop_stream('events', cascade => true);
SELECT weir.pause('events');
SELECT weir.resume('events');
SELECT weir.pause('ever');
SELECT weir.create_sink('mine', 'hourly', 'DELETE FROM events');
SELECT weir.drop_sink('nothing');
SELECT weir.drop_continuous_aggregate('ever');
UPDATE events SET n = 0;
TRUNCATE events;

-- A reader may wait, and look. An aggregate of its own runs with its own rights.
SET ROLE regress_weir_reader;
SELECT weir.wait('events', '1 minute');
SELECT * FROM ever ORDER BY who;
SELECT * FROM hourly;
INSERT INTO events VALUES ('2024-01-01', 'reader', 1);
SELECT weir.pause('ever');
SELECT weir.create_continuous_aggregate('readers', 'SELECT count(*) AS n FROM events');
SELECT * FROM readers;

-- One who may read some of the columns has those of his late rows.
RESET ROLE;
CREATE TABLE partly (ts timestamptz NOT NULL, who text, secret text);
ALTER TABLE partly OWNER TO regress_weir_owner;
GRANT SELECT (ts, who) ON partly TO regress_weir_reader;
SELECT weir.create_stream('partly', 'ts');
SET ROLE regress_weir_reader;
SELECT weir.create_continuous_aggregate('partial', 'SELECT w.window_end, p.who, count(*) AS n
	FROM partly p, weir.tumble(p.ts, ''1 hour'') w GROUP BY w.window_end, p.who');
RESET ROLE;
INSERT INTO partly VALUES ('2024-01-02', 'on time', 'secret');
CALL weir.drain('partly');
CALL weir.drain('partly');
INSERT INTO partly VALUES ('2024-01-01', 'late', 'secret');
CALL weir.drain('partly');
SET ROLE regress_weir_reader;
SELECT aggregate, row - 'ts' AS row FROM weir.late_rows;
RESET ROLE;
DROP TABLE partly CASCADE;

-- Others see that there is a stream, as they see that there is a table.
SET ROLE regress_weir_nobody;
SELECT weir.wait('events');
SELECT * FROM ever;
SELECT stream FROM weir.streams;
SELECT stream FROM weir.stat_streams;
SELECT count(*) FROM weir._stream s, weir._stream_status(s.id);
SELECT count(st.rows_consumed) FROM generate_series(1, 1000) i, weir._stream_status(i) st;
SELECT weir.create_continuous_aggregate('nobodys', 'SELECT count(*) FROM events');
SELECT weir.create_stream('events', 'ts');
-- Who monitors sees how it fares, and no rows.
SET ROLE regress_weir_monitor;
SELECT stream, rows_behind FROM weir.stat_streams;
SELECT * FROM events;
SELECT * FROM weir.late_rows;

-- Nobody forges the log, moves a cursor, or misuses the parts of a stream; the
-- owner of the stream neither.
SET ROLE regress_weir_owner;
SELECT id AS stream_id, '_log_' || id AS log FROM pg_class, LATERAL substring(relname, '^_log_(\d+)_slot$') id
WHERE relnamespace = 'weir'::regnamespace AND id IS NOT NULL ORDER BY id::int DESC LIMIT 1 \gset
CREATE FUNCTION refusal(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT command, refusal(format(command, :'log')) FROM unnest(ARRAY[
	'INSERT INTO weir.%s_0 SELECT 1, 1, ''1'', now(), 1, 1, NULL, ''''',
	'SELECT count(*) FROM weir.%s_0', 'TRUNCATE weir.%s_0', 'DROP TABLE weir.%s_0', 'LOCK TABLE weir.%s_0',
	'ALTER TABLE weir.%s_0 ADD CHECK (rows > 1000)', 'CREATE INDEX ON weir.%s_0 (leaf)',
	'SELECT setval(''weir.%s_slot'', 1)', 'SELECT nextval(''weir.%s_truncated'')']) command;
DROP FUNCTION refusal(text);
SELECT nextval('weir._worker_pid');
UPDATE weir._cursor SET low = NULL;
DELETE FROM weir._stream;
INSERT INTO weir._superseded VALUES (1, 1, 1);
CREATE TABLE weir.mine ();
CREATE TABLE plain (n int);
CREATE TRIGGER forged BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION weir._refuse_update();
INSERT INTO plain VALUES (1);
CREATE INDEX ON plain USING weir_capture (n);
INSERT INTO plain SELECT generate_series(1, 100);
DROP TABLE plain;
CALL weir.drain('events');
SELECT rows_consumed FROM weir.stat_streams;

-- What runs in a tick has the rights of the owner, whoever makes it run, and
-- cannot get at those of another. The function of a trap is not the owner's.
RESET ROLE;
CREATE TABLE seen (what text, as_whom name, got text);
GRANT INSERT, SELECT ON seen TO PUBLIC;
SET ROLE regress_weir_nobody;
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION trap(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO rights.seen VALUES (what, current_user, concat_ws(' ',
		rights.attempt('RESET ROLE'),
		rights.attempt('SET ROLE ' || (SELECT quote_ident(rolname) FROM pg_roles WHERE oid = 10)),
		rights.attempt('SET SESSION AUTHORIZATION DEFAULT'),
		rights.attempt('CREATE TEMP TABLE trap ()'),
		rights.attempt('CREATE ROLE regress_weir_more SUPERUSER'),
		rights.attempt('LISTEN trap')));
	RETURN what;
END $$;
-- what an aggregate calls may not be volatile: this one lies
CREATE FUNCTION harmless(what text) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
	RETURN rights.trap(what);
END $$;
CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rights.trap(TG_ARGV[0]);
	RETURN coalesce(new, old);
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA rights TO PUBLIC;
SET ROLE regress_weir_owner;
CREATE TABLE queue (ts timestamptz NOT NULL, what text);
CREATE TABLE target (what text);
SELECT weir.create_stream('queue', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('trapped', 'SELECT w.window_end, max(harmless(q.what)) AS what
	FROM queue q, weir.tumble(q.ts, ''1 hour'') w GROUP BY w.window_end');
SELECT weir.create_sink('trapped', 'trapped', 'INSERT INTO target SELECT what FROM closed');
CREATE TRIGGER trap BEFORE DELETE ON queue FOR EACH ROW EXECUTE FUNCTION trap('retention');
CREATE TRIGGER trap BEFORE INSERT ON trapped_closed FOR EACH ROW EXECUTE FUNCTION trap('closing');
CREATE TRIGGER trap BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION trap('sink');
-- the aggregate has caught up with its stream
CALL weir.drain('queue');
CALL weir.drain('queue');
INSERT INTO queue VALUES ('2024-01-01', 'query'), ('2024-01-02', 'query');
RESET ROLE;
-- the view of a superuser
BEGIN;
SELECT count(*) FROM trapped;
SELECT DISTINCT * FROM seen WHERE what = 'query';
ROLLBACK;
CALL weir.drain('queue');
INSERT INTO queue VALUES ('2024-01-03', 'query');
CALL weir.drain('queue');
SELECT DISTINCT * FROM seen ORDER BY what;
SELECT count(*) FROM target;
SELECT status, last_error FROM weir.stat_aggregates WHERE aggregate = 'trapped'::regclass;
SELECT count(*) FROM pg_roles WHERE rolname = 'regress_weir_more';
-- A trigger that is deferred would run after the owner's rights have ended: it is
-- refused, and the aggregate says so.
SET ROLE regress_weir_owner;
DROP TRIGGER trap ON target;
CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON target DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION trap('deferred');
RESET ROLE;
INSERT INTO queue VALUES ('2024-01-04', 'query');
DO $$
BEGIN
	-- not weir.wait, which would wait until the aggregate is given up
	FOR i IN 1 .. 1800 LOOP
		EXIT WHEN EXISTS (SELECT FROM weir.stat_aggregates
			WHERE aggregate = 'trapped'::regclass AND last_error IS NOT NULL);
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;
SELECT split_part(last_error, E'\n', 1) AS last_error FROM weir.stat_aggregates WHERE aggregate = 'trapped'::regclass;
SELECT count(*) FROM seen WHERE what = 'deferred';

-- Row-level security, switched on later: an aggregate has what its owner may see
-- of each row at the time when it is consumed, live and stored alike.
SET ROLE regress_weir_owner;
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON events USING (who LIKE 'r%');
TRUNCATE events;
RESET ROLE;
GRANT INSERT ON events TO regress_weir_reader;
SET ROLE regress_weir_owner;
INSERT INTO events VALUES ('2024-01-05', 'hidden', 1), ('2024-01-05', 'r', 2);
SELECT who, n FROM ever WHERE who IN ('r', 'hidden') ORDER BY who;
SET ROLE regress_weir_reader;
SELECT n FROM readers;
SELECT who, n FROM ever WHERE who IN ('r', 'hidden') ORDER BY who;
SET ROLE regress_weir_owner;
CALL weir.drain('events');
SELECT who, n FROM ever WHERE who IN ('r', 'hidden') ORDER BY who;
SET ROLE regress_weir_reader;
SELECT n FROM readers;
-- history, too
SELECT weir.create_continuous_aggregate('late_reader', 'SELECT who, count(*) AS n FROM events GROUP BY who');
SELECT * FROM late_reader;
-- Forced, it binds the owner as well, and with him retention: rows that he may not
-- see stay. Nothing is counted twice for that.
RESET ROLE;
CALL weir.drain('events');
DROP POLICY visible ON events;
SET ROLE regress_weir_owner;
CREATE POLICY visible ON events USING (who LIKE 'r%') WITH CHECK (true);
ALTER TABLE events FORCE ROW LEVEL SECURITY;
INSERT INTO events VALUES ('2024-01-05', 'hidden', 1), ('2024-01-05', 'r', 2);
SELECT who, n FROM ever WHERE who IN ('r', 'hidden') ORDER BY who;
CALL weir.drain('events');
SELECT who, n FROM ever WHERE who IN ('r', 'hidden') ORDER BY who;
SET ROLE regress_weir_reader;
SELECT * FROM late_reader;
RESET ROLE;
SELECT aggregate FROM weir.stat_aggregates WHERE status <> 'active' AND aggregate <> 'trapped'::regclass;

DROP SCHEMA rights CASCADE;
DROP ROLE regress_weir_owner, regress_weir_writer, regress_weir_reader, regress_weir_nobody, regress_weir_monitor;
