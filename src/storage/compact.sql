
/* src/storage/compact.sql */

CREATE FUNCTION weir.compact(tbl regclass, whole_rows boolean DEFAULT false,
	OUT rows bigint, OUT deltas bigint, OUT skipped bigint)
	AS 'MODULE_PATHNAME', 'weir_compact'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.compact(regclass, boolean) IS
	'folds the writes of a wide table and collects its garbage: rows and deltas folded, rows skipped as others were writing them; of long rows only what has changed, unless whole_rows';
