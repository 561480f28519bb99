/* src/aggregate/counted.sql */

CREATE FUNCTION weir._has_counted(aggregate_id integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'weir__has_counted'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._has_counted(integer) IS
'for dumps: has an aggregate counted some (f) or all (t) of the rows that its queue holds?';

CREATE TABLE weir._counted (
    aggregate_id integer,
    all_rows boolean,
    PRIMARY KEY (aggregate_id, all_rows)
);
COMMENT ON TABLE weir._counted IS 'aggregates restored from a dump with rows that they had counted';
SELECT pg_catalog.pg_extension_config_dump('weir._counted',
    'WHERE all_rows OPERATOR(pg_catalog.=) weir._has_counted(aggregate_id)');
