-- Commands on streams and aggregates, called while a stream is being consumed:
-- by sinks, by triggers on closed rows, by functions of a query.  Those that
-- consume, or move an aggregate to another place in the stream, are refused: rows
-- would be counted twice.  Nothing else fails because of that.
\set VERBOSITY terse
CREATE DATABASE weir_tick_commands TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_tick_commands SET weir.start_workers = off;
\c weir_tick_commands
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
SET weir.retry_delay = '10 min';
CREATE TABLE ev (at timestamptz NOT NULL, n int);
CREATE TABLE other (at timestamptz NOT NULL, n int);
SELECT weir.create_stream('ev', 'at'), weir.create_stream('other', 'at');
CREATE FUNCTION aggregates() RETURNS void LANGUAGE sql AS $$
	SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS n, sum(n) AS total FROM ev'),
		weir.create_continuous_aggregate('minutes', 'SELECT window_end, count(*) AS n FROM ev, weir.tumble(at, ''1 minute'')
			GROUP BY window_end', allowed_lateness => '1 day'),
		weir.create_continuous_aggregate('closing', 'SELECT window_end, count(*) AS n FROM ev, weir.tumble(at, ''1 minute'')
			GROUP BY window_end') $$;
SELECT aggregates();
CALL weir.drain('ev');

-- A sink is refused; what it is about goes on.
CREATE FUNCTION do_it(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT ' || statement;
END $$;
CREATE FUNCTION in_sink(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM weir.create_sink('it', 'closing', format('SELECT do_it(%L) FROM closed', statement));
	INSERT INTO ev SELECT max + i * interval '1 minute', 1
		FROM (SELECT coalesce(max(at), '2024-01-01') FROM ev) m (max), generate_series(1, 3) i;
END $$;
CREATE PROCEDURE try(statement text) LANGUAGE plpgsql AS $$
DECLARE
	error text;
	exact boolean;
BEGIN
	PERFORM in_sink(statement);
	COMMIT;
	CALL weir.drain('ev');
	SELECT split_part(last_error, E'\n', 1) INTO error FROM weir.stat_sinks;
	SELECT ever.n = (SELECT count(*) FROM ev) AND (SELECT sum(n) FROM minutes) = ever.n AND (SELECT sum(n) FROM closing) = ever.n
		INTO exact FROM ever;
	RAISE NOTICE '%: %, exact %', statement, coalesce(error, 'done'), exact;
	PERFORM weir.drop_sink('it');
END $$;
SET client_min_messages = notice;
CALL try('weir.pause(''ever'')');
CALL try('weir.pause(''closing'')');
CALL try('weir.pause(''ev'')');
CALL try('weir.resume(''minutes'')');
CALL try('weir.resume(''other'')');
CALL try('weir.skip(''closing'')');
CALL try('weir.alter_continuous_aggregate(''closing'', ''0'')');
CALL try('weir.advance_watermark(''other'', ''infinity'')');
CALL try('weir.wait(''other'')');
CALL try('weir.drop_stream(''ev'', cascade => true)');
CALL try('weir.resume_sink(''it'')');
CALL try('weir.skip_sink(''it'')');
-- these do no harm
CALL try('weir.alter_stream(''ev'', max_out_of_orderness => ''0'')');
CALL try('weir.delete_late_rows(''closing'')');
SELECT aggregate, status, late_rows FROM weir.stat_aggregates ORDER BY aggregate::text;

-- A trigger on closed rows: the aggregate fails, and goes on where it was.
CREATE FUNCTION call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT ' || TG_ARGV[0];
	RETURN NULL;
END $$;
CREATE PROCEDURE try_trigger(statement text) LANGUAGE plpgsql AS $$
DECLARE
	error text;
BEGIN
	EXECUTE format('CREATE TRIGGER calls AFTER INSERT ON closing_closed FOR EACH ROW EXECUTE FUNCTION call(%L)', statement);
	INSERT INTO ev SELECT max(at) + interval '1 minute', 1 FROM ev;
	COMMIT;
	SET client_min_messages = error;
	CALL weir.drain('ev');
	SET client_min_messages = notice;
	SELECT split_part(last_error, E'\n', 1) INTO error FROM weir.stat_aggregates WHERE aggregate = 'closing'::regclass;
	RAISE NOTICE '%: %', statement, error;
	DROP TRIGGER calls ON closing_closed;
	PERFORM weir.resume('closing');
END $$;
CALL try_trigger('weir.advance_watermark(''ev'', ''infinity'')');
CALL try_trigger('weir.wait(''ev'')');
CALL try_trigger('weir.pause(''ever'')');
CALL try_trigger('weir.alter_continuous_aggregate(''minutes'', ''0'')');
CALL weir.drain('ev');
SELECT n = (SELECT count(*) FROM ev) AS exact, (SELECT sum(n) FROM closing) = n AS exact, (SELECT sum(n) FROM minutes) = n AS exact FROM ever;

-- The same when windows close because of another lateness.
CREATE TRIGGER calls AFTER INSERT ON minutes_closed FOR EACH ROW EXECUTE FUNCTION call('weir.advance_watermark(''ev'', ''infinity'')');
SELECT weir.alter_continuous_aggregate('minutes', allowed_lateness => '0');
DROP TRIGGER calls ON minutes_closed;

-- A function of a query.
CREATE FUNCTION waits(n int) RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
	PERFORM weir.wait('ev');
	RETURN n;
END $$;
SET client_min_messages = warning;
SELECT weir.create_continuous_aggregate('asking', 'SELECT waits(n) AS n, count(*) FROM ev GROUP BY waits(n)');
CALL weir.drain('ev');
SELECT aggregate, status, split_part(last_error, E'\n', 1) AS last_error FROM weir.stat_aggregates WHERE status <> 'active';
-- afterwards all is as ever
SELECT weir.drop_continuous_aggregate('asking'), weir.pause('ever'), weir.resume('ever'), weir.wait('ev');
SELECT n = (SELECT count(*) FROM ev) AS exact FROM ever;
\c postgres
DROP DATABASE weir_tick_commands (FORCE);
