/* src/aggregate/live.sql */

CREATE FUNCTION weir._live_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME', 'weir__live_handler'
LANGUAGE C STRICT;
COMMENT ON FUNCTION weir._live_handler() IS
'foreign-data wrapper of the open windows of continuous aggregates';

CREATE FOREIGN DATA WRAPPER weir_live HANDLER weir._live_handler NO VALIDATOR;
COMMENT ON FOREIGN DATA WRAPPER weir_live IS
'open windows of continuous aggregates';
CREATE SERVER weir_live FOREIGN DATA WRAPPER weir_live;
COMMENT ON SERVER weir_live IS 'open windows of continuous aggregates';

-- A foreign table that belongs to no aggregate can't be read.
GRANT USAGE ON FOREIGN SERVER weir_live TO PUBLIC;
