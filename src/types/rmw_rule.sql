
/* src/types/rmw_rule.sql */

CREATE TYPE weir.rmw_rule;

CREATE FUNCTION weir.rmw_rule_in(cstring) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_rmw_rule_in'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.rmw_rule_in(cstring) IS 'input of rmw_rule';

CREATE FUNCTION weir.rmw_rule_out(weir.rmw_rule) RETURNS cstring
	AS 'MODULE_PATHNAME', 'weir_rmw_rule_out'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.rmw_rule_out(weir.rmw_rule) IS 'output of rmw_rule';

CREATE FUNCTION weir.rmw_rule_recv(internal) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_rmw_rule_recv'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.rmw_rule_recv(internal) IS 'binary input of rmw_rule';

CREATE FUNCTION weir.rmw_rule_send(weir.rmw_rule) RETURNS bytea
	AS 'MODULE_PATHNAME', 'weir_rmw_rule_send'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.rmw_rule_send(weir.rmw_rule) IS 'binary output of rmw_rule';

CREATE TYPE weir.rmw_rule (
	INPUT = weir.rmw_rule_in,
	OUTPUT = weir.rmw_rule_out,
	RECEIVE = weir.rmw_rule_recv,
	SEND = weir.rmw_rule_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE weir.rmw_rule IS 'one rule of a read-modify-write of a row';

CREATE FUNCTION weir.append_value(family text, qualifier bytea, value bytea) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_append_value'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.append_value(text, bytea, bytea) IS 'appends bytes to the newest cell of a column';

CREATE FUNCTION weir.append_value(family text, qualifier bytea, value text) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_append_value_bytea_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.append_value(text, bytea, text) IS 'appends bytes to the newest cell of a column';

CREATE FUNCTION weir.append_value(family text, qualifier text, value bytea) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_append_value_text_bytea'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.append_value(text, text, bytea) IS 'appends bytes to the newest cell of a column';

CREATE FUNCTION weir.append_value(family text, qualifier text, value text) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_append_value_text_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.append_value(text, text, text) IS 'appends bytes to the newest cell of a column';

CREATE FUNCTION weir.increment(family text, qualifier bytea, amount bigint) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_increment'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.increment(text, bytea, bigint) IS 'adds to the newest cell of a column, an integer of 8 bytes, big-endian; wraps around';

CREATE FUNCTION weir.increment(family text, qualifier text, amount bigint) RETURNS weir.rmw_rule
	AS 'MODULE_PATHNAME', 'weir_increment_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.increment(text, text, bigint) IS 'adds to the newest cell of a column, an integer of 8 bytes, big-endian; wraps around';
