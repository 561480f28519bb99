
/* src/types/mutation.sql */

CREATE TYPE weir.mutation;

CREATE FUNCTION weir.mutation_in(cstring) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_mutation_in'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir.mutation_out(weir.mutation) RETURNS cstring
	AS 'MODULE_PATHNAME', 'weir_mutation_out'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir.mutation_recv(internal) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_mutation_recv'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION weir.mutation_send(weir.mutation) RETURNS bytea
	AS 'MODULE_PATHNAME', 'weir_mutation_send'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;

CREATE TYPE weir.mutation (
	INPUT = weir.mutation_in,
	OUTPUT = weir.mutation_out,
	RECEIVE = weir.mutation_recv,
	SEND = weir.mutation_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);

COMMENT ON TYPE weir.mutation IS 'one change to a row of a wide table';
COMMENT ON FUNCTION weir.mutation_in(cstring) IS 'input of mutation';
COMMENT ON FUNCTION weir.mutation_out(weir.mutation) IS 'output of mutation';
COMMENT ON FUNCTION weir.mutation_recv(internal) IS 'binary input of mutation';
COMMENT ON FUNCTION weir.mutation_send(weir.mutation) IS 'binary output of mutation';

CREATE FUNCTION weir.set_cell(family text, qualifier bytea, value bytea, ts timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_set_cell'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.set_cell(text, bytea, bytea, timestamptz) IS
	'puts a value into a cell, without timestamp at the server''s time in whole milliseconds';

CREATE FUNCTION weir.set_cell(family text, qualifier bytea, value text, ts timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_set_cell_bytea_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.set_cell(text, bytea, text, timestamptz) IS
	'puts a value into a cell, without timestamp at the server''s time in whole milliseconds';

CREATE FUNCTION weir.set_cell(family text, qualifier bytea, value bigint, ts timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_set_cell_bytea_bigint'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.set_cell(text, bytea, bigint, timestamptz) IS
	'puts a value into a cell as 8 bytes, big-endian, without timestamp at the server''s time in whole milliseconds';

CREATE FUNCTION weir.set_cell(family text, qualifier text, value bytea, ts timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_set_cell_text_bytea'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.set_cell(text, text, bytea, timestamptz) IS
	'puts a value into a cell, without timestamp at the server''s time in whole milliseconds';

CREATE FUNCTION weir.set_cell(family text, qualifier text, value text, ts timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_set_cell_text_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.set_cell(text, text, text, timestamptz) IS
	'puts a value into a cell, without timestamp at the server''s time in whole milliseconds';

CREATE FUNCTION weir.set_cell(family text, qualifier text, value bigint, ts timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_set_cell_text_bigint'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.set_cell(text, text, bigint, timestamptz) IS
	'puts a value into a cell as 8 bytes, big-endian, without timestamp at the server''s time in whole milliseconds';

CREATE FUNCTION weir.add_to_cell(family text, qualifier bytea, ts timestamptz, input bigint) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_add_to_cell'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.add_to_cell(text, bytea, timestamptz, bigint) IS
	'feeds a cell of an aggregate family with an integer';

CREATE FUNCTION weir.add_to_cell(family text, qualifier bytea, ts timestamptz, input bytea) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_add_to_cell_bytea_bytea'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.add_to_cell(text, bytea, timestamptz, bytea) IS
	'feeds a cell of an aggregate family with bytes, for families of kind hll';

CREATE FUNCTION weir.add_to_cell(family text, qualifier bytea, ts timestamptz, input text) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_add_to_cell_bytea_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.add_to_cell(text, bytea, timestamptz, text) IS
	'feeds a cell of an aggregate family with an integer written as text, or, for families of kind hll, with its bytes';

CREATE FUNCTION weir.add_to_cell(family text, qualifier text, ts timestamptz, input bigint) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_add_to_cell_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.add_to_cell(text, text, timestamptz, bigint) IS
	'feeds a cell of an aggregate family with an integer';

CREATE FUNCTION weir.add_to_cell(family text, qualifier text, ts timestamptz, input bytea) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_add_to_cell_text_bytea'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.add_to_cell(text, text, timestamptz, bytea) IS
	'feeds a cell of an aggregate family with bytes, for families of kind hll';

CREATE FUNCTION weir.add_to_cell(family text, qualifier text, ts timestamptz, input text) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_add_to_cell_text_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.add_to_cell(text, text, timestamptz, text) IS
	'feeds a cell of an aggregate family with an integer written as text, or, for families of kind hll, with its bytes';

CREATE FUNCTION weir.merge_to_cell(family text, qualifier bytea, ts timestamptz, state bytea) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_merge_to_cell'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.merge_to_cell(text, bytea, timestamptz, bytea) IS
	'merges a state into a cell of an aggregate family; a null state does nothing';

CREATE FUNCTION weir.merge_to_cell(family text, qualifier text, ts timestamptz, state bytea) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_merge_to_cell_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.merge_to_cell(text, text, timestamptz, bytea) IS
	'merges a state into a cell of an aggregate family; a null state does nothing';

CREATE FUNCTION weir.delete_from_column(family text, qualifier bytea, ts_from timestamptz DEFAULT NULL, ts_to timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_delete_from_column'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.delete_from_column(text, bytea, timestamptz, timestamptz) IS
	'deletes the cells of a column whose timestamps are in [ts_from, ts_to)';

CREATE FUNCTION weir.delete_from_column(family text, qualifier text, ts_from timestamptz DEFAULT NULL, ts_to timestamptz DEFAULT NULL) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_delete_from_column_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.delete_from_column(text, text, timestamptz, timestamptz) IS
	'deletes the cells of a column whose timestamps are in [ts_from, ts_to)';

CREATE FUNCTION weir.delete_from_family(family text) RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_delete_from_family'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.delete_from_family(text) IS
	'deletes the cells of a family from the row';

CREATE FUNCTION weir.delete_from_row() RETURNS weir.mutation
	AS 'MODULE_PATHNAME', 'weir_delete_from_row'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir.delete_from_row() IS
	'deletes the row';

CREATE FUNCTION weir.mutations(mutations weir.mutation[])
	RETURNS TABLE (mutation text, family text, qualifier bytea, value bytea, ts timestamptz, ts_to timestamptz)
	AS 'MODULE_PATHNAME', 'weir_mutations'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION weir.mutations(weir.mutation[]) IS
	'a list of mutations as rows: of delete_from_column, ts and ts_to are the bounds; null where there is none';

CREATE FUNCTION weir._mutation_to_json(weir.mutation) RETURNS json
	AS 'MODULE_PATHNAME', 'weir__mutation_to_json'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._mutation_to_json(weir.mutation) IS
	'implementation of cast to json';

CREATE CAST (weir.mutation AS json)
	WITH FUNCTION weir._mutation_to_json(weir.mutation) AS ASSIGNMENT;
COMMENT ON CAST (weir.mutation AS json) IS 'the text form of a mutation is JSON';
