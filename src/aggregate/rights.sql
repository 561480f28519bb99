/* src/aggregate/rights.sql */

CREATE FUNCTION weir._aggregate_altered()
RETURNS event_trigger
AS 'MODULE_PATHNAME', 'weir__aggregate_altered'
LANGUAGE C;
COMMENT ON FUNCTION weir._aggregate_altered() IS
'gives the parts of a continuous aggregate to the new owner of its view';
CREATE EVENT TRIGGER weir_aggregate_alter ON ddl_command_end
    WHEN TAG IN ('ALTER VIEW', 'ALTER TABLE')
    EXECUTE FUNCTION weir._aggregate_altered();
COMMENT ON EVENT TRIGGER weir_aggregate_alter IS
'gives the parts of a continuous aggregate to the new owner of its view';
