/* src/aggregate/window_filter.sql */

-- Called only from plans that weir makes itself: an argument of type internal
-- can't be written in SQL.

CREATE FUNCTION weir._event_time(event_time timestamptz, spec internal)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__event_time'
LANGUAGE C IMMUTABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION weir._event_time(timestamptz, internal) IS
'event_time, or NULL if there can be no windows that hold it';

CREATE FUNCTION weir._window_is_open(window_end timestamptz, filter internal)
RETURNS boolean
AS 'MODULE_PATHNAME', 'weir__window_is_open'
LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION weir._window_is_open(timestamptz, internal) IS
'does the window still take rows';

CREATE FUNCTION weir._pane_start(event_time timestamptz, spec internal)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__pane_start'
LANGUAGE C IMMUTABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION weir._pane_start(timestamptz, internal) IS
'start of the pane that holds event_time';

CREATE FUNCTION weir._session_end(event_time timestamptz, spec internal)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__session_end'
LANGUAGE C IMMUTABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION weir._session_end(timestamptz, internal) IS
'end of the session of a row alone';

CREATE FUNCTION weir._pane_last_end(pane_start timestamptz, spec internal)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__pane_last_end'
LANGUAGE C IMMUTABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION weir._pane_last_end(timestamptz, internal) IS
'end of the last window that holds the pane';
