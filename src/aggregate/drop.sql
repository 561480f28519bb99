/* src/aggregate/drop.sql */

CREATE FUNCTION weir.drop_continuous_aggregate(aggregate regclass, cascade boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_drop_continuous_aggregate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_continuous_aggregate(regclass, boolean) IS
'drop a continuous aggregate with its closed rows and sinks';

CREATE FUNCTION weir._aggregate_dropped()
RETURNS event_trigger
AS 'MODULE_PATHNAME', 'weir__aggregate_dropped'
LANGUAGE C;
COMMENT ON FUNCTION weir._aggregate_dropped() IS
'drops what is left when a part of a continuous aggregate is dropped by hand';
CREATE EVENT TRIGGER weir_aggregate_drop ON sql_drop
    EXECUTE FUNCTION weir._aggregate_dropped();
COMMENT ON EVENT TRIGGER weir_aggregate_drop IS
'drops what is left when a part of a continuous aggregate is dropped by hand';
