/* src/aggregate/late.sql */

CREATE FUNCTION weir.delete_late_rows(aggregate regclass, arrived_before timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'weir_delete_late_rows'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.delete_late_rows(regclass, timestamptz) IS
'delete what weir.late_rows has of a continuous aggregate, or what arrived before a time; returns how many rows';

-- Deleted by SQL, also where all tables are published.
ALTER TABLE weir._late_row REPLICA IDENTITY FULL;
