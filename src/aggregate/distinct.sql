/* src/aggregate/distinct.sql */

CREATE FUNCTION weir._distinct_trans(state internal, value anyelement)
RETURNS internal
AS 'MODULE_PATHNAME', 'weir__distinct_trans'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._distinct_trans(internal, anyelement) IS 'adds a value to a set';

CREATE FUNCTION weir._distinct_combine(a internal, b internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'weir__distinct_combine'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._distinct_combine(internal, internal) IS 'union of two sets';

CREATE FUNCTION weir._distinct_serial(state internal)
RETURNS bytea
AS 'MODULE_PATHNAME', 'weir__distinct_serial'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._distinct_serial(internal) IS 'a set as bytes';

CREATE FUNCTION weir._distinct_deserial(data bytea, state internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'weir__distinct_deserial'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._distinct_deserial(bytea, internal) IS 'a set from bytes';

CREATE AGGREGATE weir._distinct_set(anyelement) (
    SFUNC = weir._distinct_trans,
    STYPE = internal,
    SSPACE = 128,
    COMBINEFUNC = weir._distinct_combine,
    SERIALFUNC = weir._distinct_serial,
    DESERIALFUNC = weir._distinct_deserial,
    FINALFUNC = weir._distinct_serial,
    FINALFUNC_MODIFY = SHAREABLE,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE weir._distinct_set(anyelement) IS 'the set of the values';

-- Called only from plans that weir makes itself, see window_filter.sql.
CREATE FUNCTION weir._distinct_apply(set bytea, call internal, result anyelement)
RETURNS anyelement
AS 'MODULE_PATHNAME', 'weir__distinct_apply'
LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION weir._distinct_apply(bytea, internal, anyelement) IS
'result of an aggregate function over the values of a set';
