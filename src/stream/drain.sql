/* src/stream/drain.sql */

CREATE PROCEDURE weir.drain(stream regclass)
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_drain';
COMMENT ON PROCEDURE weir.drain(regclass)
IS 'consume in this session what was committed before the call';

CREATE FUNCTION weir.wait(stream regclass, timeout interval DEFAULT '30 seconds')
RETURNS boolean LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'weir_wait';
COMMENT ON FUNCTION weir.wait(regclass, interval)
IS 'wait until what was committed before the call is consumed; false on timeout';

CREATE FUNCTION weir.advance_watermark(stream regclass, watermark timestamptz)
RETURNS timestamptz LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'weir_advance_watermark';
COMMENT ON FUNCTION weir.advance_watermark(regclass, timestamptz)
IS 'move the watermark of a stream forward; returns the one in force';

CREATE FUNCTION weir._stream_status(stream_id int, OUT rows_consumed bigint,
	OUT rows_behind bigint, OUT blocks_behind bigint, OUT oldest_at timestamptz,
	OUT watermark timestamptz, OUT last_tick_at timestamptz,
	OUT is_paused boolean, OUT in_history boolean)
RETURNS record LANGUAGE C STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'weir_stream_status';
COMMENT ON FUNCTION weir._stream_status(int) IS 'how far a stream is consumed';
