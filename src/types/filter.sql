/* src/types/filter.sql */

CREATE TYPE weir.filter;

CREATE FUNCTION weir.filter_in(cstring) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_filter_in'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_in(cstring) IS 'I/O';

CREATE FUNCTION weir.filter_out(weir.filter) RETURNS cstring
AS 'MODULE_PATHNAME', 'weir_filter_out'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_out(weir.filter) IS 'I/O';

CREATE FUNCTION weir.filter_recv(internal) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_filter_recv'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_recv(internal) IS 'I/O';

CREATE FUNCTION weir.filter_send(weir.filter) RETURNS bytea
AS 'MODULE_PATHNAME', 'weir_filter_send'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_send(weir.filter) IS 'I/O';

CREATE TYPE weir.filter (
	INPUT = weir.filter_in,
	OUTPUT = weir.filter_out,
	RECEIVE = weir.filter_recv,
	SEND = weir.filter_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE weir.filter IS 'which cells of a wide row to pass, as a JSON array';

CREATE FUNCTION weir.filter_eq(weir.filter, weir.filter) RETURNS boolean
AS 'MODULE_PATHNAME', 'weir_filter_eq'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_eq(weir.filter, weir.filter) IS 'implementation of = operator';

CREATE FUNCTION weir.filter_ne(weir.filter, weir.filter) RETURNS boolean
AS 'MODULE_PATHNAME', 'weir_filter_ne'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_ne(weir.filter, weir.filter) IS 'implementation of <> operator';

CREATE FUNCTION weir.filter_hash(weir.filter) RETURNS integer
AS 'MODULE_PATHNAME', 'weir_filter_hash'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_hash(weir.filter) IS 'hash';

CREATE FUNCTION weir.filter_hash_extended(weir.filter, bigint) RETURNS bigint
AS 'MODULE_PATHNAME', 'weir_filter_hash_extended'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir.filter_hash_extended(weir.filter, bigint) IS 'hash';

CREATE OPERATOR weir.= (
	LEFTARG = weir.filter,
	RIGHTARG = weir.filter,
	FUNCTION = weir.filter_eq,
	COMMUTATOR = OPERATOR(weir.=),
	NEGATOR = OPERATOR(weir.<>),
	RESTRICT = eqsel,
	JOIN = eqjoinsel,
	HASHES
);
COMMENT ON OPERATOR weir.= (weir.filter, weir.filter) IS 'the same filter';

CREATE OPERATOR weir.<> (
	LEFTARG = weir.filter,
	RIGHTARG = weir.filter,
	FUNCTION = weir.filter_ne,
	COMMUTATOR = OPERATOR(weir.<>),
	NEGATOR = OPERATOR(weir.=),
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR weir.<> (weir.filter, weir.filter) IS 'not the same filter';

CREATE OPERATOR CLASS weir.filter_ops DEFAULT FOR TYPE weir.filter USING hash AS
	OPERATOR 1 weir.=,
	FUNCTION 1 weir.filter_hash(weir.filter),
	FUNCTION 2 weir.filter_hash_extended(weir.filter, bigint);

-- Constructors.  None is STRICT: NULL is an error where it has no meaning.

CREATE FUNCTION weir.pass_all() RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_pass_all'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.pass_all() IS 'filter: passes every cell';

CREATE FUNCTION weir.block_all() RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_block_all'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.block_all() IS 'filter: passes no cell';

CREATE FUNCTION weir.chain(VARIADIC filters weir.filter[] DEFAULT '{}') RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_chain'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.chain(weir.filter[]) IS 'filter: each filter gets what the one before passes';

CREATE FUNCTION weir.interleave(VARIADIC filters weir.filter[] DEFAULT '{}') RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_interleave'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.interleave(weir.filter[]) IS 'filter: all that any of the filters passes, duplicates included';

CREATE FUNCTION weir.condition(predicate weir.filter, if_true weir.filter DEFAULT NULL, if_false weir.filter DEFAULT NULL) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_condition'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.condition(weir.filter, weir.filter, weir.filter) IS
'filter: if_true if the predicate passes a cell of the row, else if_false; NULL passes nothing';

CREATE FUNCTION weir.sink() RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_sink'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.sink() IS 'filter: sends its input to the final result, past all other filters';

CREATE FUNCTION weir.row_key_regex(pattern text) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_row_key_regex'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.row_key_regex(text) IS 'filter: passes rows whose whole key matches';

CREATE FUNCTION weir.row_sample(probability float8) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_row_sample'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.row_sample(float8) IS 'filter: passes a row with this probability';

CREATE FUNCTION weir.family_regex(pattern text) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_family_regex'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.family_regex(text) IS 'filter: passes cells whose whole family name matches';

CREATE FUNCTION weir.qualifier_regex(pattern text) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_qualifier_regex'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.qualifier_regex(text) IS 'filter: passes cells whose whole qualifier matches';

CREATE FUNCTION weir.column_range(family text, start text DEFAULT NULL, "end" text DEFAULT NULL,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_column_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.column_range(text, text, text, boolean, boolean) IS
'filter: passes cells of one family with qualifiers from start to end; NULL is no bound';

CREATE FUNCTION weir.column_range(family text, start bytea, "end" bytea,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_column_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.column_range(text, bytea, bytea, boolean, boolean) IS
'filter: passes cells of one family with qualifiers from start to end; NULL is no bound';

CREATE FUNCTION weir.column_range(family text, start text, "end" bytea,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_column_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.column_range(text, text, bytea, boolean, boolean) IS
'filter: passes cells of one family with qualifiers from start to end; NULL is no bound';

CREATE FUNCTION weir.column_range(family text, start bytea, "end" text DEFAULT NULL,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_column_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.column_range(text, bytea, text, boolean, boolean) IS
'filter: passes cells of one family with qualifiers from start to end; NULL is no bound';

CREATE FUNCTION weir.timestamp_range("from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_timestamp_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.timestamp_range(timestamptz, timestamptz) IS
'filter: passes cells with timestamps in [from, to); NULL is no bound';

CREATE FUNCTION weir.value_regex(pattern text) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_value_regex'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.value_regex(text) IS 'filter: passes cells whose whole value matches';

CREATE FUNCTION weir.value_range(start text DEFAULT NULL, "end" text DEFAULT NULL,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_value_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.value_range(text, text, boolean, boolean) IS
'filter: passes cells with values from start to end; NULL is no bound';

CREATE FUNCTION weir.value_range(start bytea, "end" bytea,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_value_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.value_range(bytea, bytea, boolean, boolean) IS
'filter: passes cells with values from start to end; NULL is no bound';

CREATE FUNCTION weir.value_range(start text, "end" bytea,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_value_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.value_range(text, bytea, boolean, boolean) IS
'filter: passes cells with values from start to end; NULL is no bound';

CREATE FUNCTION weir.value_range(start bytea, "end" text DEFAULT NULL,
	start_open boolean DEFAULT false, end_open boolean DEFAULT false) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_value_range'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.value_range(bytea, text, boolean, boolean) IS
'filter: passes cells with values from start to end; NULL is no bound';

CREATE FUNCTION weir.value_bitmask(mask bytea) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_value_bitmask'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.value_bitmask(bytea) IS
'filter: passes cells with values of the mask''s length that have all its bits set';

CREATE FUNCTION weir.cells_per_row_offset(n integer) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_cells_per_row_offset'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.cells_per_row_offset(integer) IS 'filter: skips the first cells of a row';

CREATE FUNCTION weir.cells_per_row_limit(n integer) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_cells_per_row_limit'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.cells_per_row_limit(integer) IS 'filter: passes the first cells of a row';

CREATE FUNCTION weir.cells_per_column_limit(n integer) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_cells_per_column_limit'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.cells_per_column_limit(integer) IS 'filter: passes the newest cells of each column';

CREATE FUNCTION weir.strip_value() RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_strip_value'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.strip_value() IS 'filter: passes every cell with an empty value';

CREATE FUNCTION weir.apply_label(label text) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir_apply_label'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.apply_label(text) IS 'filter: passes every cell, labelled';

-- VOLATILE because of row_sample
CREATE FUNCTION weir.apply(cells weir.widerow, filter weir.filter) RETURNS weir.widerow
AS 'MODULE_PATHNAME', 'weir_apply'
LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION weir.apply(weir.widerow, weir.filter) IS
'what a filter passes of a row, without labels and duplicates';

CREATE FUNCTION weir._filter_receive(bytea) RETURNS weir.filter
AS 'MODULE_PATHNAME', 'weir__filter_receive'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._filter_receive(bytea) IS 'filter of its binary form';

CREATE FUNCTION weir._filter_cells(cells weir.widerow, row_key bytea, filter weir.filter) RETURNS text[]
AS 'MODULE_PATHNAME', 'weir__filter_cells'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._filter_cells(weir.widerow, bytea, weir.filter) IS
'all that a filter passes of a row, labels and duplicates included';

CREATE FUNCTION weir._filter_needs(filter weir.filter, row_key bytea) RETURNS text
AS 'MODULE_PATHNAME', 'weir__filter_needs'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._filter_needs(weir.filter, bytea) IS
'which row, columns and versions a filter depends on';
