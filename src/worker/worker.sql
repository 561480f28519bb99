/* src/worker/worker.sql */

-- Process id of the worker of this database; see wakeup.c.
CREATE SEQUENCE weir._worker_pid MINVALUE 0;
SELECT pg_catalog.setval('weir._worker_pid', 0);
-- When it was last said that there is no process for one, in seconds.
CREATE SEQUENCE weir._shortage_reported_at MINVALUE 0;
SELECT pg_catalog.setval('weir._shortage_reported_at', 0);

CREATE VIEW weir.stat_workers AS
SELECT pid, backend_start AS started_at, xact_start AS transaction_started_at,
	state, wait_event_type, wait_event, query AS activity
FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'weir worker' AND datname = pg_catalog.current_database();
COMMENT ON VIEW weir.stat_workers IS 'the background workers of this database';
GRANT SELECT ON weir.stat_workers TO PUBLIC;
