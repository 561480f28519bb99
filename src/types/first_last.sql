/* src/types/first_last.sql */

CREATE TYPE weir._timed_value;

CREATE FUNCTION weir._timed_value_in(cstring) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__timed_value_in'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION weir._timed_value_out(weir._timed_value) RETURNS cstring
AS 'MODULE_PATHNAME', 'weir__timed_value_out'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION weir._timed_value_recv(internal) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__timed_value_recv'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION weir._timed_value_send(weir._timed_value) RETURNS bytea
AS 'MODULE_PATHNAME', 'weir__timed_value_send'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE weir._timed_value (
	INPUT = weir._timed_value_in,
	OUTPUT = weir._timed_value_out,
	RECEIVE = weir._timed_value_recv,
	SEND = weir._timed_value_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE weir._timed_value IS 'state of the aggregates first and last';

CREATE FUNCTION weir._first_trans(weir._timed_value, value anyelement, at timestamptz) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__first_trans'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION weir._first_trans(weir._timed_value, value anyelement, at timestamp) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__first_trans'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION weir._last_trans(weir._timed_value, value anyelement, at timestamptz) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__last_trans'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION weir._last_trans(weir._timed_value, value anyelement, at timestamp) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__last_trans'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION weir._first_combine(weir._timed_value, weir._timed_value) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__first_combine'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION weir._last_combine(weir._timed_value, weir._timed_value) RETURNS weir._timed_value
AS 'MODULE_PATHNAME', 'weir__last_combine'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION weir._timed_value_final(weir._timed_value, anyelement, timestamptz) RETURNS anyelement
AS 'MODULE_PATHNAME', 'weir__timed_value_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION weir._timed_value_final(weir._timed_value, anyelement, timestamp) RETURNS anyelement
AS 'MODULE_PATHNAME', 'weir__timed_value_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE AGGREGATE weir.first(value anyelement, at timestamptz) (
	SFUNC = weir._first_trans,
	STYPE = weir._timed_value,
	COMBINEFUNC = weir._first_combine,
	FINALFUNC = weir._timed_value_final,
	FINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE weir.first(anyelement, timestamptz) IS 'the value at the earliest time';

CREATE AGGREGATE weir.first(value anyelement, at timestamp) (
	SFUNC = weir._first_trans,
	STYPE = weir._timed_value,
	COMBINEFUNC = weir._first_combine,
	FINALFUNC = weir._timed_value_final,
	FINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE weir.first(anyelement, timestamp) IS 'the value at the earliest time';

CREATE AGGREGATE weir.last(value anyelement, at timestamptz) (
	SFUNC = weir._last_trans,
	STYPE = weir._timed_value,
	COMBINEFUNC = weir._last_combine,
	FINALFUNC = weir._timed_value_final,
	FINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE weir.last(anyelement, timestamptz) IS 'the value at the latest time';

CREATE AGGREGATE weir.last(value anyelement, at timestamp) (
	SFUNC = weir._last_trans,
	STYPE = weir._timed_value,
	COMBINEFUNC = weir._last_combine,
	FINALFUNC = weir._timed_value_final,
	FINALFUNC_EXTRA,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE weir.last(anyelement, timestamp) IS 'the value at the latest time';
