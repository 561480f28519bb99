/* src/stream/capture.sql */

CREATE FUNCTION weir._capture_handler(internal) RETURNS index_am_handler
LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'weir_capture_handler';
COMMENT ON FUNCTION weir._capture_handler(internal) IS 'capture index access method handler';

CREATE ACCESS METHOD weir_capture TYPE INDEX HANDLER weir._capture_handler;
COMMENT ON ACCESS METHOD weir_capture IS 'notes inserted rows for a stream';

-- The index holds no values, so that any type will do.
CREATE OPERATOR CLASS weir.capture_ops DEFAULT FOR TYPE anyelement USING weir_capture AS STORAGE anyelement;
