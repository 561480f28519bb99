/* src/aggregate/dumped.sql */

CREATE FUNCTION weir._closed_until(aggregate_id integer)
RETURNS timestamp
AS 'MODULE_PATHNAME', 'weir__closed_until'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._closed_until(integer) IS
'for dumps: windows that end by then are closed, if there is nothing in them, too';

-- All columns, in their order.
SELECT pg_catalog.pg_extension_config_dump('weir._aggregate',
    'WHERE false UNION ALL SELECT a.aggregate_id, a.stream_id, a.parent_id, a.view, a.closed, a.query, a.open,'
    ' a.allowed_lateness, a.retention, a.realtime, a.with_data, a.settings,'
    ' weir._closed_until(a.aggregate_id), a.parent_until FROM weir._aggregate a');
