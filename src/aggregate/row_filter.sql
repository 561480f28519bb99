/* src/aggregate/row_filter.sql */

-- Called only from plans that weir makes itself, see window_filter.sql. It is so
-- cheap that the server calls it before any other condition.

CREATE FUNCTION weir._row_is_wanted(relation oid, tid tid, filter internal)
RETURNS boolean
AS 'MODULE_PATHNAME', 'weir__row_is_wanted'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 0.0001;
COMMENT ON FUNCTION weir._row_is_wanted(oid, tid, internal) IS
'is the row to be read in this step';
