
/* src/storage/rowmodify.sql */

CREATE FUNCTION weir.check_and_mutate_row(tbl regclass, row_key bytea, predicate weir.filter DEFAULT NULL,
	if_matched weir.mutation[] DEFAULT '{}', if_not_matched weir.mutation[] DEFAULT '{}') RETURNS boolean
	AS 'MODULE_PATHNAME', 'weir_check_and_mutate_row'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.check_and_mutate_row(regclass, bytea, weir.filter, weir.mutation[], weir.mutation[]) IS
	'changes a row in one of two ways, by whether a filter lets any of its cells pass; without filter, by whether it exists';

CREATE FUNCTION weir.read_modify_write_row(tbl regclass, row_key bytea, VARIADIC rules weir.rmw_rule[] DEFAULT '{}') RETURNS weir.widerow
	AS 'MODULE_PATHNAME', 'weir_read_modify_write_row'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.read_modify_write_row(regclass, bytea, weir.rmw_rule[]) IS
	'changes columns of a row by what is in them; returns their new cells';

CREATE FUNCTION weir.check_and_mutate_row(tbl regclass, row_key text, predicate weir.filter DEFAULT NULL,
	if_matched weir.mutation[] DEFAULT '{}', if_not_matched weir.mutation[] DEFAULT '{}') RETURNS boolean
	AS 'MODULE_PATHNAME', 'weir_check_and_mutate_row_text'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.check_and_mutate_row(regclass, text, weir.filter, weir.mutation[], weir.mutation[]) IS
	'changes a row in one of two ways, by whether a filter lets any of its cells pass; without filter, by whether it exists';

CREATE FUNCTION weir.read_modify_write_row(tbl regclass, row_key text, VARIADIC rules weir.rmw_rule[] DEFAULT '{}') RETURNS weir.widerow
	AS 'MODULE_PATHNAME', 'weir_read_modify_write_row_text'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.read_modify_write_row(regclass, text, weir.rmw_rule[]) IS
	'changes columns of a row by what is in them; returns their new cells';
