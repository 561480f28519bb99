/* src/types/window.sql */

-- The functions that users call are inlined by the planner: SQL, not STRICT,
-- no SET clause, not volatile, and no WHERE, which would keep a join in the
-- plan.  So a row without event time gets one window without bounds, as GROUP
-- BY date_bin(...) would put it into the group of NULL.

CREATE FUNCTION weir._tumble_start(event_time timestamptz, size interval, origin timestamptz, timezone text)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__tumble_start'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._tumble_start(timestamptz, interval, timestamptz, text) IS
'start of the tumbling window that holds event_time';

CREATE FUNCTION weir._tumble_end(event_time timestamptz, size interval, origin timestamptz, timezone text)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__tumble_end'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._tumble_end(timestamptz, interval, timestamptz, text) IS
'end of the tumbling window that holds event_time';

CREATE FUNCTION weir._tumble_start(event_time timestamp, size interval, origin timestamp, timezone text)
RETURNS timestamp
AS 'MODULE_PATHNAME', 'weir__tumble_start'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._tumble_start(timestamp, interval, timestamp, text) IS
'start of the tumbling window that holds event_time';

CREATE FUNCTION weir._tumble_end(event_time timestamp, size interval, origin timestamp, timezone text)
RETURNS timestamp
AS 'MODULE_PATHNAME', 'weir__tumble_end'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._tumble_end(timestamp, interval, timestamp, text) IS
'end of the tumbling window that holds event_time';

CREATE FUNCTION weir._hop_starts(event_time timestamptz, slide interval, size interval, origin timestamptz, timezone text)
RETURNS timestamptz[]
AS 'MODULE_PATHNAME', 'weir__hop_starts'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._hop_starts(timestamptz, interval, interval, timestamptz, text) IS
'starts of the hopping windows that hold event_time, in the order of _hop_ends';

CREATE FUNCTION weir._hop_ends(event_time timestamptz, slide interval, size interval, origin timestamptz, timezone text)
RETURNS timestamptz[]
AS 'MODULE_PATHNAME', 'weir__hop_ends'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._hop_ends(timestamptz, interval, interval, timestamptz, text) IS
'ends of the hopping windows that hold event_time, ascending';

CREATE FUNCTION weir._hop_starts(event_time timestamp, slide interval, size interval, origin timestamp, timezone text)
RETURNS timestamp[]
AS 'MODULE_PATHNAME', 'weir__hop_starts'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._hop_starts(timestamp, interval, interval, timestamp, text) IS
'starts of the hopping windows that hold event_time, in the order of _hop_ends';

CREATE FUNCTION weir._hop_ends(event_time timestamp, slide interval, size interval, origin timestamp, timezone text)
RETURNS timestamp[]
AS 'MODULE_PATHNAME', 'weir__hop_ends'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._hop_ends(timestamp, interval, interval, timestamp, text) IS
'ends of the hopping windows that hold event_time, ascending';

CREATE FUNCTION weir._cumulate_start(event_time timestamptz, step interval, size interval, origin timestamptz, timezone text)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'weir__cumulate_start'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._cumulate_start(timestamptz, interval, interval, timestamptz, text) IS
'common start of the cumulating windows that hold event_time';

CREATE FUNCTION weir._cumulate_ends(event_time timestamptz, step interval, size interval, origin timestamptz, timezone text)
RETURNS timestamptz[]
AS 'MODULE_PATHNAME', 'weir__cumulate_ends'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._cumulate_ends(timestamptz, interval, interval, timestamptz, text) IS
'ends of the cumulating windows that hold event_time, ascending';

CREATE FUNCTION weir._cumulate_start(event_time timestamp, step interval, size interval, origin timestamp, timezone text)
RETURNS timestamp
AS 'MODULE_PATHNAME', 'weir__cumulate_start'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._cumulate_start(timestamp, interval, interval, timestamp, text) IS
'common start of the cumulating windows that hold event_time';

CREATE FUNCTION weir._cumulate_ends(event_time timestamp, step interval, size interval, origin timestamp, timezone text)
RETURNS timestamp[]
AS 'MODULE_PATHNAME', 'weir__cumulate_ends'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION weir._cumulate_ends(timestamp, interval, interval, timestamp, text) IS
'ends of the cumulating windows that hold event_time, ascending';

CREATE FUNCTION weir.tumble(event_time timestamptz, size interval, origin timestamptz DEFAULT NULL, timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
AS $$
	SELECT weir._tumble_start($1, $2, $3, $4), weir._tumble_end($1, $2, $3, $4)
$$;
COMMENT ON FUNCTION weir.tumble(timestamptz, interval, timestamptz, text) IS
'the window of the given size that holds event_time';

CREATE FUNCTION weir.tumble(event_time timestamp, size interval, origin timestamp DEFAULT NULL, timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
AS $$
	SELECT weir._tumble_start($1, $2, $3, $4), weir._tumble_end($1, $2, $3, $4)
$$;
COMMENT ON FUNCTION weir.tumble(timestamp, interval, timestamp, text) IS
'the window of the given size that holds event_time';

CREATE FUNCTION weir.hop(event_time timestamptz, slide interval, size interval, origin timestamptz DEFAULT NULL, timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
AS $$
	SELECT pg_catalog.unnest(weir._hop_starts($1, $2, $3, $4, $5)),
		pg_catalog.unnest(weir._hop_ends($1, $2, $3, $4, $5))
$$;
COMMENT ON FUNCTION weir.hop(timestamptz, interval, interval, timestamptz, text) IS
'the windows of the given size, one starting every slide, that hold event_time';

CREATE FUNCTION weir.hop(event_time timestamp, slide interval, size interval, origin timestamp DEFAULT NULL, timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
AS $$
	SELECT pg_catalog.unnest(weir._hop_starts($1, $2, $3, $4, $5)),
		pg_catalog.unnest(weir._hop_ends($1, $2, $3, $4, $5))
$$;
COMMENT ON FUNCTION weir.hop(timestamp, interval, interval, timestamp, text) IS
'the windows of the given size, one starting every slide, that hold event_time';

CREATE FUNCTION weir.cumulate(event_time timestamptz, step interval, size interval, origin timestamptz DEFAULT NULL, timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
AS $$
	SELECT weir._cumulate_start($1, $2, $3, $4, $5),
		pg_catalog.unnest(weir._cumulate_ends($1, $2, $3, $4, $5))
$$;
COMMENT ON FUNCTION weir.cumulate(timestamptz, interval, interval, timestamptz, text) IS
'the windows that hold event_time, all starting with its period of the given size and growing by step';

CREATE FUNCTION weir.cumulate(event_time timestamp, step interval, size interval, origin timestamp DEFAULT NULL, timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
AS $$
	SELECT weir._cumulate_start($1, $2, $3, $4, $5),
		pg_catalog.unnest(weir._cumulate_ends($1, $2, $3, $4, $5))
$$;
COMMENT ON FUNCTION weir.cumulate(timestamp, interval, interval, timestamp, text) IS
'the windows that hold event_time, all starting with its period of the given size and growing by step';

CREATE FUNCTION weir.session(event_time timestamptz, gap interval)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
AS 'MODULE_PATHNAME', 'weir_session'
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION weir.session(timestamptz, interval) IS
'the session that holds event_time: rows at most gap apart; only in continuous aggregates';

CREATE FUNCTION weir.session(event_time timestamp, gap interval)
RETURNS TABLE (window_start timestamp, window_end timestamp)
AS 'MODULE_PATHNAME', 'weir_session'
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION weir.session(timestamp, interval) IS
'the session that holds event_time: rows at most gap apart; only in continuous aggregates';
