-- Reading the log: a process remembers which pages of it hold nothing that can be
-- wanted any more, and looks again when there may be something.
-- In a database of its own, where no worker interferes.
CREATE DATABASE weir_stream_log TEMPLATE template0 ENCODING 'UTF8';
ALTER DATABASE weir_stream_log SET weir.start_workers = off;
\c weir_stream_log
SET client_min_messages = warning;
CREATE EXTENSION weir;
SET timezone = 'UTC';
CREATE TABLE log_events (id int, ts timestamptz NOT NULL);
SELECT weir.create_stream('log_events', 'ts');
SELECT weir.create_continuous_aggregate('log_counted', 'SELECT count(*) AS n, sum(id) AS total FROM log_events');
CALL weir.drain('log_events');

-- all consumed, and seen to be so
INSERT INTO log_events VALUES (1, '2024-01-01');
INSERT INTO log_events VALUES (2, '2024-01-01');
CALL weir.drain('log_events');
SELECT weir.wait('log_events', '0');
SELECT * FROM log_counted;
-- another entry in the same page
INSERT INTO log_events VALUES (4, '2024-01-01');
SELECT weir.wait('log_events', '0');
SELECT * FROM log_counted;
CALL weir.drain('log_events');
SELECT weir.wait('log_events', '0');
SELECT n, total FROM log_counted;

-- entries that nobody sees yet: their transactions end, and the page stays as it is
BEGIN;
INSERT INTO log_events VALUES (8, '2024-01-01');
PREPARE TRANSACTION 'log_commits';
BEGIN;
INSERT INTO log_events VALUES (16, '2024-01-01');
PREPARE TRANSACTION 'log_rolls_back';
INSERT INTO log_events VALUES (32, '2024-01-01');
CALL weir.drain('log_events');
SELECT weir.wait('log_events', '0');
SELECT * FROM log_counted;
COMMIT PREPARED 'log_commits';
SELECT weir.wait('log_events', '0');
SELECT * FROM log_counted;
CALL weir.drain('log_events');
SELECT * FROM log_counted;
ROLLBACK PREPARED 'log_rolls_back';
INSERT INTO log_events VALUES (64, '2024-01-01');
CALL weir.drain('log_events');
SELECT weir.wait('log_events', '0');
SELECT * FROM log_counted;

-- many pages, each consumed at another time, in slots of two pages that are used again
SET weir.log_slot_size = '16kB';
DO $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		INSERT INTO log_events VALUES (1000 * i, '2024-01-01');
		COMMIT;
		IF i % 100 = 0 THEN
			CALL weir.drain('log_events');
			PERFORM weir.wait('log_events', '0');
			IF (SELECT n FROM log_counted) <> i + 6 THEN
				RAISE 'rows are missing after %', i;
			END IF;
		END IF;
	END LOOP;
END $$;
SELECT * FROM log_counted;

DROP TABLE log_events CASCADE;
\c postgres
DROP DATABASE weir_stream_log (FORCE);
