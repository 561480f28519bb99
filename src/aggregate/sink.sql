/* src/aggregate/sink.sql */

CREATE TABLE weir._sink (
    name name PRIMARY KEY,
    aggregate_id integer NOT NULL,
    statement text NOT NULL
);
COMMENT ON TABLE weir._sink IS 'statements that run over the rows of windows just closed';
SELECT pg_catalog.pg_extension_config_dump('weir._sink', '');

CREATE FUNCTION weir.create_sink(name text, aggregate regclass, statement text)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_create_sink'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.create_sink(text, regclass, text) IS
'run a statement over the transition table "closed" whenever windows close';

CREATE FUNCTION weir.drop_sink(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_drop_sink'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_sink(text) IS 'drop a sink';

CREATE VIEW weir.sinks AS
SELECT s.name, a.view AS aggregate, s.statement
FROM weir._sink s
JOIN weir._aggregate a USING (aggregate_id);
COMMENT ON VIEW weir.sinks IS 'sinks and their statements';
GRANT SELECT ON weir.sinks TO PUBLIC;
