-- Default privileges open nothing of what weir keeps to itself: neither those of
-- the extension's owner nor those of whoever creates a stream or a wide table.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_weir_maker;
CREATE ROLE regress_weir_given;
CREATE SCHEMA given;
GRANT ALL ON SCHEMA given TO regress_weir_maker;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_weir_given;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_weir_given;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_weir_maker GRANT ALL ON TABLES TO regress_weir_given;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_weir_maker GRANT ALL ON SEQUENCES TO regress_weir_given;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_weir_maker GRANT SELECT ON TABLES TO PUBLIC;
SET search_path = given, public;
CREATE TEMP TABLE before AS SELECT oid FROM pg_class;
-- relations that are new, and who has rights on them beside the owner
CREATE FUNCTION pg_temp.given() RETURNS TABLE (relation text, kind "char", grantees text) LANGUAGE sql AS $$
	SELECT DISTINCT relnamespace::regnamespace || '.' || regexp_replace(relname, '\d+', 'N', 'g'), relkind,
		(SELECT string_agg(DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, ', ')
			FROM aclexplode(relacl) WHERE grantee <> relowner)
	FROM pg_class WHERE relnamespace::regnamespace::text IN ('weir', 'given') AND relkind IN ('r', 'v', 'f', 'S') AND oid NOT IN (SELECT oid FROM before)
	ORDER BY 1 $$;
CREATE PROCEDURE make() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE events (ts timestamptz NOT NULL, n int);
	PERFORM weir.create_stream('events', 'ts');
	PERFORM weir.create_continuous_aggregate('hourly', 'SELECT w.window_end, sum(e.n) AS n FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_end');
	PERFORM weir.create_wide_table('wide');
	PERFORM weir.add_family('wide', 'f');
	PERFORM weir.create_authorized_view('part', 'wide', ARRAY['a'::bytea]);
	PERFORM weir.enable_changes('wide');
END $$;

-- what is for users has what they have said; on the rest nobody has any right
SET ROLE regress_weir_maker;
CALL make();
INSERT INTO events VALUES ('2024-01-01 00:30', 1), ('2024-01-01 01:30', 2);
SELECT weir.mutate_row('wide', 'a', weir.set_cell('f', 'q', 'v', '2024-01-01'));
RESET ROLE;
CALL weir.drain('events');
SELECT * FROM pg_temp.given();
-- so whoever has no right left on what is for users sees nothing; the owner sees all
SET ROLE regress_weir_maker;
REVOKE ALL ON hourly, hourly_closed, events, wide, part FROM PUBLIC, regress_weir_given;
SELECT n FROM hourly ORDER BY window_end;
SELECT count(*) FROM weir.changes('wide');
RESET ROLE;
SELECT oid::regclass AS readable FROM pg_class WHERE relkind IN ('r', 'v', 'f', 'S') AND oid NOT IN (SELECT oid FROM before)
	AND relnamespace::regnamespace::text IN ('weir', 'given') AND CASE relkind WHEN 'S' THEN has_sequence_privilege('regress_weir_given', oid, 'SELECT') ELSE has_table_privilege('regress_weir_given', oid, 'SELECT') END;

-- the same made by the extension's owner
SET ROLE regress_weir_maker;
DROP TABLE events CASCADE;
DROP FOREIGN TABLE wide CASCADE;
DROP TABLE IF EXISTS hourly_closed;
RESET ROLE;
CALL make();
INSERT INTO events VALUES ('2024-01-01 00:30', 1), ('2024-01-01 01:30', 2);
CALL weir.drain('events');
SELECT * FROM pg_temp.given();
DROP TABLE events CASCADE;
DROP FOREIGN TABLE wide CASCADE;
DROP TABLE IF EXISTS hourly_closed;

-- the extension itself: all may read its views, and that is all
SELECT current_database() AS here \gset
CREATE DATABASE regress_weir_given;
\c regress_weir_given
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_weir_given, PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_weir_given;
CREATE EXTENSION weir;
SELECT relkind, coalesce(grantee::regrole::text, 'nobody'), privilege_type
FROM pg_class LEFT JOIN aclexplode(relacl) ON grantee <> relowner
WHERE relnamespace = 'weir'::regnamespace AND relkind IN ('r', 'v', 'S') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
\c :here
SET client_min_messages = warning;
DROP DATABASE regress_weir_given WITH (FORCE);

ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_weir_given, PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM regress_weir_given;
DROP SCHEMA given CASCADE;
DROP OWNED BY regress_weir_maker;
DROP OWNED BY regress_weir_given;
DROP ROLE regress_weir_maker, regress_weir_given;
