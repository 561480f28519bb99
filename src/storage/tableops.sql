
/* src/storage/tableops.sql */

CREATE FUNCTION weir.sample_row_keys(tbl regclass) RETURNS TABLE (row_key bytea, offset_bytes bigint)
	AS 'MODULE_PATHNAME', 'weir_sample_row_keys'
	LANGUAGE C STABLE PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION weir.sample_row_keys(regclass) IS
	'row keys that divide a wide table into parts of about the same size; the last one is empty';

CREATE FUNCTION weir.drop_row_range(tbl regclass, prefix bytea) RETURNS bigint
	AS 'MODULE_PATHNAME', 'weir_drop_row_range'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_row_range(regclass, bytea) IS
	'deletes the rows whose keys begin with the prefix; returns how many';

CREATE FUNCTION weir.drop_row_range(tbl regclass, prefix text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'weir_drop_row_range_text'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_row_range(regclass, text) IS
	'deletes the rows whose keys begin with the prefix; returns how many';
