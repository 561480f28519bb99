/* src/aggregate/guard.sql */

CREATE FUNCTION weir._aggregate_guard()
RETURNS event_trigger
AS 'MODULE_PATHNAME', 'weir__aggregate_guard'
LANGUAGE C;
COMMENT ON FUNCTION weir._aggregate_guard() IS
'refuses what would take a continuous aggregate apart';
CREATE EVENT TRIGGER weir_aggregate_guard ON ddl_command_end
    WHEN TAG IN ('CREATE VIEW', 'CREATE RULE', 'ALTER VIEW', 'ALTER TABLE', 'ALTER FOREIGN TABLE')
    EXECUTE FUNCTION weir._aggregate_guard();
COMMENT ON EVENT TRIGGER weir_aggregate_guard IS
'refuses what would take a continuous aggregate apart';
