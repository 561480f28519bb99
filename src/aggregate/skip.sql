/* src/aggregate/skip.sql */

CREATE FUNCTION weir.skip(aggregate regclass)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_skip'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.skip(regclass) IS
'go on with a continuous aggregate that has failed, without what it fails at, which is kept in weir.late_rows';
