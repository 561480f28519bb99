
/* src/storage/rowstore.sql */

CREATE FUNCTION weir.mutate_row(tbl regclass, row_key bytea, VARIADIC mutations weir.mutation[] DEFAULT '{}') RETURNS void
	AS 'MODULE_PATHNAME', 'weir_mutate_row'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.mutate_row(regclass, bytea, weir.mutation[]) IS
	'changes one row of a wide table, all or nothing';
CREATE FUNCTION weir.mutate_row(tbl regclass, row_key text, VARIADIC mutations weir.mutation[] DEFAULT '{}') RETURNS void
	AS 'MODULE_PATHNAME', 'weir_mutate_row_text'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.mutate_row(regclass, text, weir.mutation[]) IS
	'changes one row of a wide table, all or nothing';
