/* src/aggregate/sink.sql */

CREATE TABLE weir._sink (
    name name PRIMARY KEY,
    aggregate_id integer NOT NULL,
    statement text NOT NULL,
    status integer NOT NULL,
    failures integer NOT NULL,
    next_retry timestamptz,
    last_error text,
    last_error_at timestamptz,
    done bigint NOT NULL,
    closings_behind bigint NOT NULL,
    rows_behind bigint NOT NULL,
    behind_since timestamptz
);
COMMENT ON TABLE weir._sink IS 'statements that run over the rows of windows just closed';

CREATE TABLE weir._undelivered (
    sink name NOT NULL,
    delivery bigint NOT NULL,
    closed_at timestamptz NOT NULL,
    "row" text[] NOT NULL
);
COMMENT ON TABLE weir._undelivered IS 'closed rows that sinks are behind with';
CREATE INDEX ON weir._undelivered (sink, delivery);

SELECT pg_catalog.pg_extension_config_dump('weir._sink', '');
SELECT pg_catalog.pg_extension_config_dump('weir._undelivered', '');

CREATE FUNCTION weir.create_sink(name text, aggregate regclass, statement text)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_create_sink'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.create_sink(text, regclass, text) IS
'run a statement over the transition table "closed" whenever windows close';

CREATE FUNCTION weir.drop_sink(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_drop_sink'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_sink(text) IS 'drop a sink';

CREATE FUNCTION weir.resume_sink(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_resume_sink'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.resume_sink(text) IS
'try a sink that has failed again at once, with all that was kept for it';

CREATE FUNCTION weir.skip_sink(name text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'weir_skip_sink'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.skip_sink(text) IS
'give up the rows that a sink fails at, those of one closing; returns how many they are';

CREATE VIEW weir.sinks AS
SELECT s.name, a.view AS aggregate, s.statement
FROM weir._sink s
JOIN weir._aggregate a USING (aggregate_id);
COMMENT ON VIEW weir.sinks IS 'sinks and their statements';
GRANT SELECT ON weir.sinks TO PUBLIC;

CREATE VIEW weir.stat_sinks AS
SELECT s.name, a.view AS aggregate,
    CASE s.status WHEN 0 THEN 'active' WHEN 1 THEN 'retrying' ELSE 'failed' END AS status,
    s.closings_behind, s.rows_behind, s.behind_since, s.failures,
    CASE WHEN pg_catalog.pg_has_role(v.relowner, 'USAGE') THEN s.last_error END AS last_error,
    s.last_error_at, s.next_retry
FROM weir._sink s
JOIN weir._aggregate a USING (aggregate_id)
JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) a.view;
COMMENT ON VIEW weir.stat_sinks IS 'how each sink fares, and how far it is behind';
GRANT SELECT ON weir.stat_sinks TO PUBLIC;
