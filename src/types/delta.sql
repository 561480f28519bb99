
/* src/types/delta.sql */

CREATE TYPE weir.delta;

CREATE FUNCTION weir._delta_in(cstring) RETURNS weir.delta
	AS 'MODULE_PATHNAME', 'weir__delta_in'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir._delta_out(weir.delta) RETURNS cstring
	AS 'MODULE_PATHNAME', 'weir__delta_out'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir._delta_recv(internal) RETURNS weir.delta
	AS 'MODULE_PATHNAME', 'weir__delta_recv'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir._delta_send(weir.delta) RETURNS bytea
	AS 'MODULE_PATHNAME', 'weir__delta_send'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;

CREATE TYPE weir.delta (
	INPUT = weir._delta_in,
	OUTPUT = weir._delta_out,
	RECEIVE = weir._delta_recv,
	SEND = weir._delta_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE weir.delta IS 'internal to wide tables: what one write does to a row';

CREATE TYPE weir.segment;

CREATE FUNCTION weir._segment_in(cstring) RETURNS weir.segment
	AS 'MODULE_PATHNAME', 'weir__segment_in'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir._segment_out(weir.segment) RETURNS cstring
	AS 'MODULE_PATHNAME', 'weir__segment_out'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir._segment_recv(internal) RETURNS weir.segment
	AS 'MODULE_PATHNAME', 'weir__segment_recv'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir._segment_send(weir.segment) RETURNS bytea
	AS 'MODULE_PATHNAME', 'weir__segment_send'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;

CREATE TYPE weir.segment (
	INPUT = weir._segment_in,
	OUTPUT = weir._segment_out,
	RECEIVE = weir._segment_recv,
	SEND = weir._segment_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE weir.segment IS 'internal to wide tables: folded cells of a row';
