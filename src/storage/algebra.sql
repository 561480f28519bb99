
/* src/storage/algebra.sql */

CREATE FUNCTION weir._compose(older weir.delta, newer weir.delta) RETURNS weir.delta
	AS 'MODULE_PATHNAME', 'weir__compose'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._compose(weir.delta, weir.delta) IS
	'internal: two deltas as one';

CREATE FUNCTION weir._apply(segment weir.segment, delta weir.delta) RETURNS weir.segment
	AS 'MODULE_PATHNAME', 'weir__apply'
	LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._apply(weir.segment, weir.delta) IS
	'internal: a segment after a delta';
