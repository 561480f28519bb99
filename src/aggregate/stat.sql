/* src/aggregate/stat.sql */

CREATE FUNCTION weir._aggregate_query(definition oid)
RETURNS text
AS 'MODULE_PATHNAME', 'weir__aggregate_query'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._aggregate_query(oid) IS 'text of the definition of a continuous aggregate, if it is still there';

CREATE VIEW weir.continuous_aggregates AS
SELECT a.view AS aggregate, s.relation AS stream, a.closed,
    weir._aggregate_query(a.query) AS query,
    a.allowed_lateness, a.retention, a.realtime, p.view AS parent
FROM weir._aggregate a
LEFT JOIN weir._aggregate p ON p.aggregate_id OPERATOR(pg_catalog.=) a.parent_id
LEFT JOIN weir._stream s ON s.id OPERATOR(pg_catalog.=) a.stream_id;
COMMENT ON VIEW weir.continuous_aggregates IS 'continuous aggregates and their definitions';
GRANT SELECT ON weir.continuous_aggregates TO PUBLIC;

CREATE FUNCTION weir._aggregate_stats(aggregate_id integer, OUT groups bigint,
    OUT bytes bigint, OUT open_windows bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'weir__aggregate_stats'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._aggregate_stats(integer) IS 'size of the state of a continuous aggregate';

CREATE FUNCTION weir._followed_until(aggregate_id integer)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__followed_until'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._followed_until(integer) IS 'by when windows of its parent have ended whose rows an aggregate has';

CREATE VIEW weir.stat_aggregates AS
SELECT a.view AS aggregate,
    CASE p.status WHEN 0 THEN 'active' WHEN 1 THEN 'retrying' WHEN 2 THEN 'failed'
        WHEN 3 THEN 'paused' WHEN 4 THEN 'skipping' ELSE 'not started' END AS status,
    st.groups, st.bytes, st.open_windows,
    coalesce(c.watermark, weir._followed_until(a.aggregate_id)) AS watermark,
    a.closed_until AT TIME ZONE 'UTC' AS closed_until,
    p.closed_windows, p.closed_rows, p.late_rows, p.partly_late_rows, p.skipped_rows,
    p.ticks, p.state_rows, p.busy_usec * interval '1 microsecond' AS time_spent,
    coalesce(c.history_leaf IS NOT NULL OR a.parent_until IS NOT NULL, false) AS in_history, p.failures,
    CASE WHEN pg_catalog.pg_has_role(v.relowner, 'USAGE')
        THEN coalesce(p.last_error, k.last_error) END AS last_error,
    CASE WHEN p.last_error IS NULL THEN k.last_error_at ELSE p.last_error_at END AS last_error_at,
    p.next_retry, k.sinks_behind
FROM weir._aggregate a
LEFT JOIN LATERAL (
    SELECT * FROM weir._aggregate_progress x
    WHERE x.aggregate_id OPERATOR(pg_catalog.=) a.aggregate_id
    ORDER BY x.version DESC LIMIT 1) p ON true
JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) a.view
LEFT JOIN LATERAL (
    SELECT * FROM weir._cursor x
    WHERE x.id OPERATOR(pg_catalog.=) p.cursor_id
    ORDER BY x.version DESC LIMIT 1) c ON true
CROSS JOIN LATERAL weir._aggregate_stats(a.aggregate_id) st
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) FILTER (WHERE s.closings_behind OPERATOR(pg_catalog.>) 0) AS sinks_behind,
        pg_catalog.max(s.last_error_at) AS last_error_at,
        (pg_catalog.array_agg(s.last_error ORDER BY s.last_error_at DESC NULLS LAST))[1] AS last_error
    FROM weir._sink s
    WHERE s.aggregate_id OPERATOR(pg_catalog.=) a.aggregate_id) k;
COMMENT ON VIEW weir.stat_aggregates IS 'how each continuous aggregate fares';
GRANT SELECT ON weir.stat_aggregates TO PUBLIC;

-- Late rows are shown to those who own the aggregate, as its closed rows are.
CREATE VIEW weir.late_rows WITH (security_barrier) AS
SELECT s.relation AS stream, a.view AS aggregate, l.arrived_at, l.event_time,
    l.watermark, l.window_end, l.reason, l."row"
FROM weir._late_row l
JOIN weir._aggregate a USING (aggregate_id)
JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) a.view
LEFT JOIN weir._stream s ON s.id OPERATOR(pg_catalog.=) a.stream_id
WHERE pg_catalog.pg_has_role(v.relowner, 'USAGE');
COMMENT ON VIEW weir.late_rows IS 'rows that came after their windows had closed, or that weir.skip left out';
GRANT SELECT ON weir.late_rows TO PUBLIC;
