/* src/aggregate/aggregate.sql */

-- Definitions.  Relations are stored by regclass, which a dump writes as names.

CREATE TABLE weir._aggregate (
    aggregate_id integer PRIMARY KEY,
    stream_id integer NOT NULL,
    parent_id integer NOT NULL,         -- 0: over the stream itself
    view regclass NOT NULL UNIQUE,
    closed regclass,
    query regclass NOT NULL,
    open regclass NOT NULL,
    allowed_lateness interval NOT NULL,
    retention interval,
    realtime boolean NOT NULL,
    with_data boolean NOT NULL,
    settings text[] NOT NULL,
    closed_until timestamp NOT NULL,
    parent_until timestamp              -- NULL: follows its parent
);
CREATE INDEX _aggregate_stream_id ON weir._aggregate (stream_id);
CREATE INDEX _aggregate_parent_id ON weir._aggregate (parent_id);
COMMENT ON TABLE weir._aggregate IS 'continuous aggregates';
CREATE SEQUENCE weir._aggregate_id_seq AS integer OWNED BY weir._aggregate.aggregate_id;

-- What a dump leaves behind: it is about this server's log and state.  A tick
-- updates it: see newest.c.
CREATE TABLE weir._aggregate_progress (
    aggregate_id integer NOT NULL,
    cursor_id integer NOT NULL,
    status integer NOT NULL,
    failures integer NOT NULL,
    next_retry timestamptz,
    is_remade boolean NOT NULL,         -- restored, and its history counted before
    last_error text,
    last_error_at timestamptz,
    late_rows bigint NOT NULL,
    partly_late_rows bigint NOT NULL,
    skipped_rows bigint NOT NULL,
    ticks bigint NOT NULL,
    state_rows bigint NOT NULL,
    closed_rows bigint NOT NULL,
    closed_windows bigint NOT NULL,
    busy_usec bigint NOT NULL,
    version bigint NOT NULL,            -- of the row, counted up now and then
    updates integer NOT NULL            -- since then
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX _aggregate_progress_id_version ON weir._aggregate_progress (aggregate_id, version DESC);
COMMENT ON TABLE weir._aggregate_progress IS 'how each continuous aggregate fares';

-- What a search of weir.skip has found that goes on in the next tick.
CREATE TABLE weir._skip_found (
    aggregate_id integer NOT NULL,
    relid oid NOT NULL,                 -- 0: a group
    tid tid NOT NULL,
    "row" jsonb NOT NULL,
    reason text NOT NULL
);
COMMENT ON TABLE weir._skip_found IS 'what weir.skip has found so far';

CREATE TABLE weir._late_row (
    aggregate_id integer NOT NULL,
    arrived_at timestamptz NOT NULL,
    event_time timestamptz NOT NULL,
    watermark timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    reason text NOT NULL,
    "row" jsonb NOT NULL
);
COMMENT ON TABLE weir._late_row IS 'rows whose windows had closed, or at which a query failed';
CREATE INDEX ON weir._late_row (aggregate_id, arrived_at);

SELECT pg_catalog.pg_extension_config_dump('weir._aggregate_id_seq', '');
