/* src/aggregate/late_dump.sql */

CREATE FUNCTION weir._late_now()
RETURNS SETOF weir._late_row
AS 'MODULE_PATHNAME', 'weir__late_now'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._late_now() IS
'for dumps: rows that wait and are late, of aggregates whose state is made again';

SELECT pg_catalog.pg_extension_config_dump('weir._late_row',
    'UNION ALL SELECT * FROM weir._late_now()');
