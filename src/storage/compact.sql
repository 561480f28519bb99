
/* src/storage/compact.sql */

CREATE FUNCTION weir.compact(tbl regclass, OUT rows bigint, OUT deltas bigint, OUT skipped bigint)
	AS 'MODULE_PATHNAME', 'weir_compact'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.compact(regclass) IS
	'folds the writes of a wide table and collects its garbage: rows and deltas folded, rows skipped as others were writing them';
