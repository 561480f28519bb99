/* src/types/row_key.sql: composite row keys */

CREATE FUNCTION weir.row_key(VARIADIC "any") RETURNS bytea
	LANGUAGE C IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_row_key';
COMMENT ON FUNCTION weir.row_key(VARIADIC "any") IS
	'row key whose order is that of the parts, NULLs first';

CREATE FUNCTION weir.row_key_parts(row_key bytea) RETURNS text[]
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_row_key_parts';
COMMENT ON FUNCTION weir.row_key_parts(bytea) IS
	'the parts of a row key made by row_key';
