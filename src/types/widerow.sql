/* src/types/widerow.sql: the type weir.widerow */

CREATE TYPE weir.widerow;

CREATE FUNCTION weir.widerow_in(cstring) RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_in';
COMMENT ON FUNCTION weir.widerow_in(cstring) IS 'I/O';

CREATE FUNCTION weir.widerow_out(weir.widerow) RETURNS cstring
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_out';
COMMENT ON FUNCTION weir.widerow_out(weir.widerow) IS 'I/O';

CREATE FUNCTION weir.widerow_recv(internal) RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_recv';
COMMENT ON FUNCTION weir.widerow_recv(internal) IS 'I/O';

CREATE FUNCTION weir.widerow_send(weir.widerow) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_send';
COMMENT ON FUNCTION weir.widerow_send(weir.widerow) IS 'I/O';

CREATE FUNCTION weir._widerow_subscript(internal) RETURNS internal
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir__widerow_subscript';
COMMENT ON FUNCTION weir._widerow_subscript(internal) IS
	'subscripting of weir.widerow';

CREATE TYPE weir.widerow (
	INPUT = weir.widerow_in,
	OUTPUT = weir.widerow_out,
	RECEIVE = weir.widerow_recv,
	SEND = weir.widerow_send,
	SUBSCRIPT = weir._widerow_subscript,
	INTERNALLENGTH = variable,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE weir.widerow IS
	'cells of one row: family, qualifier and time to value';

-- look-ups

CREATE FUNCTION weir.value(cells weir.widerow, family text, qualifier text)
	RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_value_text';
COMMENT ON FUNCTION weir.value(weir.widerow, text, text) IS
	'newest value of a column, NULL if there is none';

CREATE FUNCTION weir.value(cells weir.widerow, family text, qualifier bytea)
	RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_value_bytea';
COMMENT ON FUNCTION weir.value(weir.widerow, text, bytea) IS
	'newest value of a column, NULL if there is none';

CREATE FUNCTION weir.text_value(cells weir.widerow, family text, qualifier text)
	RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_text_value_text';
COMMENT ON FUNCTION weir.text_value(weir.widerow, text, text) IS
	'newest value of a column as text, NULL if there is none';

CREATE FUNCTION weir.text_value(cells weir.widerow, family text, qualifier bytea)
	RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_text_value_bytea';
COMMENT ON FUNCTION weir.text_value(weir.widerow, text, bytea) IS
	'newest value of a column as text, NULL if there is none';

CREATE FUNCTION weir._text_value_of_column(cells weir.widerow, "column" text)
	RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir__text_value_of_column';
COMMENT ON FUNCTION weir._text_value_of_column(weir.widerow, text) IS
	'implementation of ->> operator';

CREATE FUNCTION weir.has_family(cells weir.widerow, family text)
	RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_has_family';
COMMENT ON FUNCTION weir.has_family(weir.widerow, text) IS
	'does the row have cells in the family?';

CREATE FUNCTION weir.cell_count(cells weir.widerow) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_cell_count';
COMMENT ON FUNCTION weir.cell_count(weir.widerow) IS
	'number of cells, all versions counted';

CREATE FUNCTION weir.int8_value(value bytea) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_int8_value';
COMMENT ON FUNCTION weir.int8_value(bytea) IS
	'number in a value of eight bytes, big-endian';

-- making rows

CREATE FUNCTION weir.widerow(family text, qualifier text, value text, ts timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_text_text';
COMMENT ON FUNCTION weir.widerow(text, text, text, timestamptz) IS
	'row of one cell';

CREATE FUNCTION weir.widerow(family text, qualifier text, value bytea, ts timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_text_bytea';
COMMENT ON FUNCTION weir.widerow(text, text, bytea, timestamptz) IS
	'row of one cell';

CREATE FUNCTION weir.widerow(family text, qualifier text, value bigint, ts timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_text_int8';
COMMENT ON FUNCTION weir.widerow(text, text, bigint, timestamptz) IS
	'row of one cell, the value as eight bytes, big-endian';

CREATE FUNCTION weir.widerow(family text, qualifier bytea, value text, ts timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_bytea_text';
COMMENT ON FUNCTION weir.widerow(text, bytea, text, timestamptz) IS
	'row of one cell';

CREATE FUNCTION weir.widerow(family text, qualifier bytea, value bytea, ts timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_bytea_bytea';
COMMENT ON FUNCTION weir.widerow(text, bytea, bytea, timestamptz) IS
	'row of one cell';

CREATE FUNCTION weir.widerow(family text, qualifier bytea, value bigint, ts timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_bytea_int8';
COMMENT ON FUNCTION weir.widerow(text, bytea, bigint, timestamptz) IS
	'row of one cell, the value as eight bytes, big-endian';

CREATE FUNCTION weir.merge(weir.widerow, weir.widerow) RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_merge';
COMMENT ON FUNCTION weir.merge(weir.widerow, weir.widerow) IS
	'cells of both rows; where both have one, that of the second';

CREATE FUNCTION weir.without_family(cells weir.widerow, family text)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_without_family';
COMMENT ON FUNCTION weir.without_family(weir.widerow, text) IS
	'the row without the cells of a family';

CREATE FUNCTION weir.latest(cells weir.widerow, versions integer)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_latest';
COMMENT ON FUNCTION weir.latest(weir.widerow, integer) IS
	'the newest versions of each column, so many at most';

CREATE FUNCTION weir.as_of(cells weir.widerow, ts timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_as_of';
COMMENT ON FUNCTION weir.as_of(weir.widerow, timestamptz) IS
	'the newest version of each column that is not after a time';

CREATE FUNCTION weir.between(cells weir.widerow, ts_from timestamptz, ts_to timestamptz)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_between';
COMMENT ON FUNCTION weir.between(weir.widerow, timestamptz, timestamptz) IS
	'the cells with from <= time < to, a NULL being no bound';

-- as a set of rows

CREATE FUNCTION weir.cells(cells weir.widerow,
		OUT family text, OUT qualifier bytea, OUT ts timestamptz, OUT value bytea)
	RETURNS SETOF record
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 20
	AS 'MODULE_PATHNAME', 'weir_cells';
COMMENT ON FUNCTION weir.cells(weir.widerow) IS
	'the cells of a row, in order';

CREATE FUNCTION weir.unpack(weir.widerow, OUT ts timestamptz, OUT cells weir.widerow)
	RETURNS SETOF record
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10
	AS 'MODULE_PATHNAME', 'weir_unpack';
COMMENT ON FUNCTION weir.unpack(weir.widerow) IS
	'one row for each timestamp, newest first, with the cells that have it';

-- merging many rows

CREATE FUNCTION weir._merge_transition(weir.widerow, weir.widerow)
	RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir__merge_transition';
COMMENT ON FUNCTION weir._merge_transition(weir.widerow, weir.widerow) IS
	'transition and combine function of merge';

CREATE AGGREGATE weir.merge(weir.widerow) (
	SFUNC = weir._merge_transition,
	STYPE = weir.widerow,
	COMBINEFUNC = weir._merge_transition,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE weir.merge(weir.widerow) IS
	'cells of all rows; where several have one, that of the last';

-- casts

CREATE FUNCTION weir._widerow_to_json(weir.widerow) RETURNS json
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir__widerow_to_json';
COMMENT ON FUNCTION weir._widerow_to_json(weir.widerow) IS
	'implementation of cast to json';

CREATE FUNCTION weir._widerow_to_jsonb(weir.widerow) RETURNS jsonb
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir__widerow_to_jsonb';
COMMENT ON FUNCTION weir._widerow_to_jsonb(weir.widerow) IS
	'implementation of cast to jsonb';

CREATE FUNCTION weir._widerow_from_jsonb(jsonb) RETURNS weir.widerow
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir__widerow_from_jsonb';
COMMENT ON FUNCTION weir._widerow_from_jsonb(jsonb) IS
	'implementation of cast from jsonb';

CREATE CAST (weir.widerow AS json)
	WITH FUNCTION weir._widerow_to_json(weir.widerow) AS ASSIGNMENT;
COMMENT ON CAST (weir.widerow AS json) IS 'the text form of a wide row is JSON';

CREATE CAST (weir.widerow AS jsonb)
	WITH FUNCTION weir._widerow_to_jsonb(weir.widerow) AS ASSIGNMENT;
COMMENT ON CAST (weir.widerow AS jsonb) IS 'the text form of a wide row is JSON';

CREATE CAST (jsonb AS weir.widerow)
	WITH FUNCTION weir._widerow_from_jsonb(jsonb) AS ASSIGNMENT;
COMMENT ON CAST (jsonb AS weir.widerow) IS 'the text form of a wide row is JSON';

-- comparison

CREATE FUNCTION weir.widerow_eq(weir.widerow, weir.widerow) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_eq';
COMMENT ON FUNCTION weir.widerow_eq(weir.widerow, weir.widerow) IS
	'implementation of = operator';

CREATE FUNCTION weir.widerow_ne(weir.widerow, weir.widerow) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_ne';
COMMENT ON FUNCTION weir.widerow_ne(weir.widerow, weir.widerow) IS
	'implementation of <> operator';

CREATE FUNCTION weir.widerow_lt(weir.widerow, weir.widerow) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_lt';
COMMENT ON FUNCTION weir.widerow_lt(weir.widerow, weir.widerow) IS
	'implementation of < operator';

CREATE FUNCTION weir.widerow_le(weir.widerow, weir.widerow) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_le';
COMMENT ON FUNCTION weir.widerow_le(weir.widerow, weir.widerow) IS
	'implementation of <= operator';

CREATE FUNCTION weir.widerow_ge(weir.widerow, weir.widerow) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_ge';
COMMENT ON FUNCTION weir.widerow_ge(weir.widerow, weir.widerow) IS
	'implementation of >= operator';

CREATE FUNCTION weir.widerow_gt(weir.widerow, weir.widerow) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_gt';
COMMENT ON FUNCTION weir.widerow_gt(weir.widerow, weir.widerow) IS
	'implementation of > operator';

CREATE FUNCTION weir.widerow_cmp(weir.widerow, weir.widerow) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_cmp';
COMMENT ON FUNCTION weir.widerow_cmp(weir.widerow, weir.widerow) IS
	'less-equal-greater';

CREATE FUNCTION weir.widerow_hash(weir.widerow) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_hash';
COMMENT ON FUNCTION weir.widerow_hash(weir.widerow) IS
	'hash';

CREATE FUNCTION weir.widerow_hash_extended(weir.widerow, bigint) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'weir_widerow_hash_extended';
COMMENT ON FUNCTION weir.widerow_hash_extended(weir.widerow, bigint) IS
	'hash';

CREATE OPERATOR weir.= (
	LEFTARG = weir.widerow, RIGHTARG = weir.widerow, FUNCTION = weir.widerow_eq,
	COMMUTATOR = OPERATOR(weir.=), NEGATOR = OPERATOR(weir.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel,
	HASHES, MERGES
);
COMMENT ON OPERATOR weir.= (weir.widerow, weir.widerow) IS 'equal';

CREATE OPERATOR weir.<> (
	LEFTARG = weir.widerow, RIGHTARG = weir.widerow, FUNCTION = weir.widerow_ne,
	COMMUTATOR = OPERATOR(weir.<>), NEGATOR = OPERATOR(weir.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR weir.<> (weir.widerow, weir.widerow) IS 'not equal';

CREATE OPERATOR weir.< (
	LEFTARG = weir.widerow, RIGHTARG = weir.widerow, FUNCTION = weir.widerow_lt,
	COMMUTATOR = OPERATOR(weir.>), NEGATOR = OPERATOR(weir.>=),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR weir.< (weir.widerow, weir.widerow) IS 'less than';

CREATE OPERATOR weir.<= (
	LEFTARG = weir.widerow, RIGHTARG = weir.widerow, FUNCTION = weir.widerow_le,
	COMMUTATOR = OPERATOR(weir.>=), NEGATOR = OPERATOR(weir.>),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR weir.<= (weir.widerow, weir.widerow) IS 'less than or equal';

CREATE OPERATOR weir.>= (
	LEFTARG = weir.widerow, RIGHTARG = weir.widerow, FUNCTION = weir.widerow_ge,
	COMMUTATOR = OPERATOR(weir.<=), NEGATOR = OPERATOR(weir.<),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR weir.>= (weir.widerow, weir.widerow) IS 'greater than or equal';

CREATE OPERATOR weir.> (
	LEFTARG = weir.widerow, RIGHTARG = weir.widerow, FUNCTION = weir.widerow_gt,
	COMMUTATOR = OPERATOR(weir.<), NEGATOR = OPERATOR(weir.<=),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR weir.> (weir.widerow, weir.widerow) IS 'greater than';

CREATE OPERATOR CLASS weir.widerow_ops
	DEFAULT FOR TYPE weir.widerow USING btree AS
	OPERATOR 1 weir.<,
	OPERATOR 2 weir.<=,
	OPERATOR 3 weir.=,
	OPERATOR 4 weir.>=,
	OPERATOR 5 weir.>,
	FUNCTION 1 weir.widerow_cmp(weir.widerow, weir.widerow);
COMMENT ON OPERATOR CLASS weir.widerow_ops USING btree IS
	'order of wide rows by their cells';

CREATE OPERATOR CLASS weir.widerow_ops
	DEFAULT FOR TYPE weir.widerow USING hash AS
	OPERATOR 1 weir.=,
	FUNCTION 1 weir.widerow_hash(weir.widerow),
	FUNCTION 2 weir.widerow_hash_extended(weir.widerow, bigint);
COMMENT ON OPERATOR CLASS weir.widerow_ops USING hash IS
	'hashing of wide rows';

-- other operators

CREATE OPERATOR weir.->> (
	LEFTARG = weir.widerow, RIGHTARG = text, FUNCTION = weir._text_value_of_column
);
COMMENT ON OPERATOR weir.->> (weir.widerow, text) IS 'newest value of a column, given as family:qualifier, as text';

CREATE OPERATOR weir.|| (
	LEFTARG = weir.widerow, RIGHTARG = weir.widerow, FUNCTION = weir.merge
);
COMMENT ON OPERATOR weir.|| (weir.widerow, weir.widerow) IS 'cells of both rows; where both have one, that of the right';

CREATE OPERATOR weir.- (
	LEFTARG = weir.widerow, RIGHTARG = text, FUNCTION = weir.without_family
);
COMMENT ON OPERATOR weir.- (weir.widerow, text) IS 'the row without the cells of a family';

CREATE OPERATOR weir.? (
	LEFTARG = weir.widerow, RIGHTARG = text, FUNCTION = weir.has_family
);
COMMENT ON OPERATOR weir.? (weir.widerow, text) IS 'does the row have cells in the family?';
