
/* src/storage/mutate_row.sql */

CREATE FUNCTION weir._mutate_row_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'weir__mutate_row_support'
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._mutate_row_support(internal) IS
	'planner support for mutate_row';

CREATE FUNCTION weir._mutate_row(internal, layout bytea, tbl regclass, row_key "any", VARIADIC mutations "any") RETURNS void
	AS 'MODULE_PATHNAME', 'weir__mutate_row'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._mutate_row(internal, bytea, regclass, "any", "any") IS
	'what the planner makes of a call of mutate_row with calls of set_cell; has no other callers';

CREATE FUNCTION weir.mutate_row(tbl regclass, row_key bytea, VARIADIC mutations weir.mutation[] DEFAULT '{}') RETURNS void
	AS 'MODULE_PATHNAME', 'weir_mutate_row'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SUPPORT weir._mutate_row_support;
COMMENT ON FUNCTION weir.mutate_row(regclass, bytea, weir.mutation[]) IS
	'changes one row of a wide table, all or nothing';
CREATE FUNCTION weir.mutate_row(tbl regclass, row_key text, VARIADIC mutations weir.mutation[] DEFAULT '{}') RETURNS void
	AS 'MODULE_PATHNAME', 'weir_mutate_row_text'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SUPPORT weir._mutate_row_support;
COMMENT ON FUNCTION weir.mutate_row(regclass, text, weir.mutation[]) IS
	'changes one row of a wide table, all or nothing';
