
/* src/storage/rowread.sql */

CREATE TYPE weir.row_range AS RANGE (
	SUBTYPE = bytea,
	MULTIRANGE_TYPE_NAME = weir.row_set
);
COMMENT ON TYPE weir.row_range IS 'a range of row keys';
COMMENT ON TYPE weir.row_set IS 'a set of row keys, as disjoint ranges';
COMMENT ON FUNCTION weir.row_range(bytea, bytea) IS 'the row keys from the first on and before the second';
COMMENT ON FUNCTION weir.row_range(bytea, bytea, text) IS 'a range of row keys with bounds such as []';
COMMENT ON FUNCTION weir.row_set() IS 'no row keys';
COMMENT ON FUNCTION weir.row_set(weir.row_range) IS 'the row keys of one range';
COMMENT ON FUNCTION weir.row_set(weir.row_range[]) IS 'the row keys of several ranges';

CREATE FUNCTION weir.read_row(tbl regclass, row_key bytea, filter weir.filter DEFAULT NULL) RETURNS weir.widerow
	AS 'MODULE_PATHNAME', 'weir_read_row'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.read_row(regclass, bytea, weir.filter) IS
	'one row of a wide table, null if it does not exist';
CREATE FUNCTION weir.read_row(tbl regclass, row_key text, filter weir.filter DEFAULT NULL) RETURNS weir.widerow
	AS 'MODULE_PATHNAME', 'weir_read_row_text'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.read_row(regclass, text, weir.filter) IS
	'one row of a wide table, null if it does not exist';

CREATE FUNCTION weir.read_rows(tbl regclass, filter weir.filter DEFAULT NULL,
	rows weir.row_set DEFAULT NULL, prefix bytea DEFAULT NULL,
	row_limit bigint DEFAULT NULL, reversed boolean DEFAULT false)
	RETURNS TABLE (row_key bytea, family text, qualifier bytea, ts timestamptz, value bytea, labels text[])
	AS 'MODULE_PATHNAME', 'weir_read_rows'
	LANGUAGE C STABLE PARALLEL SAFE ROWS 1000;
COMMENT ON FUNCTION weir.read_rows(regclass, weir.filter, weir.row_set, bytea, bigint, boolean) IS
	'the cells of rows of a wide table, in order of row keys';
