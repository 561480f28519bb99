/* src/aggregate/maintain.sql */

CREATE FUNCTION weir._maintain_aggregate(aggregate regclass)
RETURNS boolean
AS 'MODULE_PATHNAME', 'weir__maintain_aggregate'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._maintain_aggregate(regclass) IS
'one step of what the worker does for an aggregate now and then; true if there is more';
