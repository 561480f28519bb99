/* src/worker/stats.sql */

CREATE VIEW weir.streams AS
SELECT s.relation AS stream,
	CASE WHEN NOT s.processing_time THEN a.attname END AS event_time,
	s.max_out_of_orderness, s.idle_timeout, s.source, s.retention, s.max_drift
FROM weir._stream s
LEFT JOIN LATERAL (
	SELECT i.indrelid, i.indkey[0] AS attnum
	FROM pg_catalog.pg_index i
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
	JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam
	WHERE i.indrelid OPERATOR(pg_catalog.=) s.relation
		AND m.amname OPERATOR(pg_catalog.=) 'weir_capture'
	LIMIT 1) x ON true
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid
	AND a.attnum OPERATOR(pg_catalog.=) x.attnum;
COMMENT ON VIEW weir.streams IS 'streams and their settings';
GRANT SELECT ON weir.streams TO PUBLIC;

CREATE VIEW weir.stat_streams AS
SELECT s.relation AS stream,
	st.rows_consumed,
	st.rows_behind,
	-- the blocks that the rows are in
	st.blocks_behind * pg_catalog.current_setting('block_size')::bigint AS bytes_behind,
	COALESCE(GREATEST(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - st.oldest_at), 0), 0)::float8 AS seconds_behind,
	COALESCE(st.watermark, w.watermark) AS watermark,
	(SELECT COALESCE(pg_catalog.sum(p.late_rows), 0)::bigint
		FROM weir._aggregate a CROSS JOIN LATERAL (
			SELECT x.late_rows FROM weir._aggregate_progress x
			WHERE x.aggregate_id = a.aggregate_id
			ORDER BY x.version DESC LIMIT 1) p
		WHERE a.stream_id = s.id) AS late_rows,
	st.last_tick_at AS last_tick,
	b.pid AS blocked_by,
	b.query_start AS blocked_by_query_start,
	b.gid AS blocked_by_gid,
	COALESCE(st.is_paused, EXISTS (SELECT FROM weir._paused p
		WHERE p.stream_id = s.id AND p.aggregate_id = 0)) AS is_paused,
	COALESCE(st.in_history, true) AS in_history,
	CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN f.error END AS last_error,
	f.failed_at AS last_error_at
FROM weir._stream s
CROSS JOIN LATERAL weir._stream_status(s.id) st
JOIN pg_catalog.pg_class c ON c.oid = s.relation
LEFT JOIN weir._stream_failure f ON f.stream_id = s.id
-- of one that has been restored, and not started yet
LEFT JOIN weir._last_watermark w ON w.stream_id = s.id
LEFT JOIN LATERAL (
	-- who has the stream's lock (see cursor.c), or the oldest transaction that has
	-- written to the table and not ended; locks of prepared ones have no pid, but a
	-- virtual transaction in common
	SELECT l.pid, t.query_start, p.gid
	FROM pg_catalog.pg_locks l
	LEFT JOIN pg_catalog.pg_stat_activity t ON t.pid = l.pid
	LEFT JOIN (pg_catalog.pg_locks x
			JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid)
		ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
			AND x.virtualtransaction = l.virtualtransaction
	WHERE l.granted
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
		AND (l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'
				AND (l.relation = s.relation
					OR l.relation IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(s.relation) t))
			OR l.locktype = 'advisory' AND l.classid = s.id::oid AND l.objid = 0 AND l.objsubid = 76
				AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid())
		-- not the worker, by a lock of its own (worker.c): what a process is, not everybody sees
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks w WHERE w.pid = l.pid AND w.locktype = 'advisory'
			AND w.database = l.database AND w.classid = 0 AND w.objid = 0 AND w.objsubid = 77)
	ORDER BY l.locktype, COALESCE(t.xact_start, p.prepared) LIMIT 1) b ON true
WHERE pg_catalog.has_table_privilege(s.relation, 'SELECT, INSERT')
	OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW weir.stat_streams IS 'how far each stream is consumed, and what holds it back';
GRANT SELECT ON weir.stat_streams TO PUBLIC;
