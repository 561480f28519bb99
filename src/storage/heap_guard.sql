
/* src/storage/heap_guard.sql */

CREATE FUNCTION weir._refuse_write() RETURNS trigger
	AS 'MODULE_PATHNAME', 'weir__refuse_write'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._refuse_write() IS
	'internal: keeps SQL from writing to the heaps of wide tables';
