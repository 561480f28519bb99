
/* src/types/gc_rule.sql */

CREATE TYPE weir.gc_rule;

CREATE FUNCTION weir.gc_rule_in(cstring) RETURNS weir.gc_rule
	AS 'MODULE_PATHNAME', 'weir_gc_rule_in'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir.gc_rule_out(weir.gc_rule) RETURNS cstring
	AS 'MODULE_PATHNAME', 'weir_gc_rule_out'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir.gc_rule_recv(internal) RETURNS weir.gc_rule
	AS 'MODULE_PATHNAME', 'weir_gc_rule_recv'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir.gc_rule_send(weir.gc_rule) RETURNS bytea
	AS 'MODULE_PATHNAME', 'weir_gc_rule_send'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;

CREATE TYPE weir.gc_rule (
	INPUT = weir.gc_rule_in,
	OUTPUT = weir.gc_rule_out,
	RECEIVE = weir.gc_rule_recv,
	SEND = weir.gc_rule_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);

COMMENT ON TYPE weir.gc_rule IS 'which versions of a column are garbage';
COMMENT ON FUNCTION weir.gc_rule_in(cstring) IS 'input of gc_rule';
COMMENT ON FUNCTION weir.gc_rule_out(weir.gc_rule) IS 'output of gc_rule';
COMMENT ON FUNCTION weir.gc_rule_recv(internal) IS 'binary input of gc_rule';
COMMENT ON FUNCTION weir.gc_rule_send(weir.gc_rule) IS 'binary output of gc_rule';

CREATE FUNCTION weir.max_versions(versions int) RETURNS weir.gc_rule
	AS 'MODULE_PATHNAME', 'weir_max_versions'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.max_versions(int) IS
	'garbage is what is not among the newest versions of its column';

CREATE FUNCTION weir.max_age(age interval) RETURNS weir.gc_rule
	AS 'MODULE_PATHNAME', 'weir_max_age'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.max_age(interval) IS
	'garbage is what is older than this, by its own timestamp';

CREATE FUNCTION weir.gc_union(VARIADIC rules weir.gc_rule[] DEFAULT '{}') RETURNS weir.gc_rule
	AS 'MODULE_PATHNAME', 'weir_gc_union'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.gc_union(weir.gc_rule[]) IS
	'garbage is what any of the rules drops';

CREATE FUNCTION weir.gc_intersection(VARIADIC rules weir.gc_rule[] DEFAULT '{}') RETURNS weir.gc_rule
	AS 'MODULE_PATHNAME', 'weir_gc_intersection'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.gc_intersection(weir.gc_rule[]) IS
	'garbage is what all of the rules drop';
