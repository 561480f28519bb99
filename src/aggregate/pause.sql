/* src/aggregate/pause.sql */

CREATE FUNCTION weir.pause(object regclass)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_pause'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.pause(regclass) IS
'stop consuming a stream, or for one continuous aggregate; nothing is lost';

CREATE FUNCTION weir.resume(object regclass)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_resume'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.resume(regclass) IS
'go on with what was paused, or has failed too often';
