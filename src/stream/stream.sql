/* src/stream/stream.sql */

-- Streams: definitions, which are dumped.
CREATE TABLE weir._stream (
	id int PRIMARY KEY,
	relation regclass NOT NULL UNIQUE,
	processing_time boolean NOT NULL,
	source name,
	max_out_of_orderness interval NOT NULL,
	idle_timeout interval,
	retention interval,
	max_drift interval
);
CREATE SEQUENCE weir._stream_id AS int;
SELECT pg_catalog.pg_extension_config_dump('weir._stream', '');
SELECT pg_catalog.pg_extension_config_dump('weir._stream_id', '');

-- How far each consumer is: not dumped, a restored stream starts anew.
-- A tick updates its cursor: see newest.c.
CREATE TABLE weir._cursor (
	id int NOT NULL,
	stream_id int NOT NULL,
	is_main boolean NOT NULL,
	is_paused boolean NOT NULL,
	low pg_snapshot,					-- all of it is consumed; NULL: not started
	high pg_snapshot,					-- being consumed up to here
	turn bigint NOT NULL,				-- position in the log, within (low, high]
	tid tid NOT NULL,
	slot_file oid NOT NULL,				-- of the slot when tid was right
	slot_entries bigint NOT NULL,		-- of the interval in the slot, up to tid
	slot_digest bigint NOT NULL,		-- of these
	history_leaf oid,					-- history: unread from here on; NULL: all read
	history_block bigint NOT NULL,
	watermark timestamptz NOT NULL,
	max_event_time timestamptz NOT NULL,
	rows_consumed bigint NOT NULL,
	last_row_at timestamptz NOT NULL,
	last_tick_at timestamptz,
	not_before timestamptz,				-- back-off after a failure
	version bigint NOT NULL,			-- of the row, counted up now and then
	updates int NOT NULL				-- since then
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX _cursor_id_version ON weir._cursor (id, version DESC);
CREATE INDEX _cursor_stream_id ON weir._cursor (stream_id, id, version DESC);
CREATE SEQUENCE weir._cursor_id AS int;

-- Rows of its history that a cursor leaves out, see left_out.c.
CREATE TABLE weir._left_out (
	cursor_id int,
	leaf oid,
	part int,
	runs bytea NOT NULL,
	PRIMARY KEY (cursor_id, leaf, part)
) WITH (toast_tuple_target = 8160);

-- The watermark of each source of a stream that has sources.  A tick updates those
-- that it has seen: see newest.c.
CREATE TABLE weir._source (
	cursor_id int NOT NULL,
	source text COLLATE "C" NOT NULL,
	type oid NOT NULL,					-- of the column then; 0: it is not all of the text
	max_event_time timestamptz NOT NULL,
	last_row_at timestamptz NOT NULL,
	version bigint NOT NULL,			-- of the row, counted up now and then
	updates int NOT NULL				-- since then
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX _source_version ON weir._source (cursor_id, source, version DESC);

-- The slots of each stream's log, see log.c.
CREATE TABLE weir._log_slot (
	stream_id int,
	slot int,
	turn bigint NOT NULL,
	closed_at xid8,
	drained_by xid8,
	PRIMARY KEY (stream_id, slot)
) WITH (fillfactor = 50);

-- Streams that the worker fails at, and why.
CREATE TABLE weir._stream_failure (
	stream_id int PRIMARY KEY,
	error text NOT NULL,
	failed_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE weir._superseded (
	stream_id int,
	leaf oid,
	filenode oid,
	PRIMARY KEY (stream_id, leaf, filenode)
);

CREATE FUNCTION weir._refuse_update() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_refuse_update';
COMMENT ON FUNCTION weir._refuse_update() IS 'trigger that refuses UPDATE of a stream';

CREATE FUNCTION weir.create_stream(stream regclass, event_time name DEFAULT NULL,
	max_out_of_orderness interval DEFAULT '0', idle_timeout interval DEFAULT NULL,
	source name DEFAULT NULL, retention interval DEFAULT NULL,
	max_drift interval DEFAULT '1 hour')
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'weir_create_stream';
COMMENT ON FUNCTION weir.create_stream(regclass, name, interval, interval, name, interval, interval)
IS 'make an existing table a stream';

CREATE FUNCTION weir.alter_stream(stream regclass, max_out_of_orderness interval DEFAULT NULL,
	idle_timeout interval DEFAULT NULL, retention interval DEFAULT NULL,
	max_drift interval DEFAULT NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'weir_alter_stream';
COMMENT ON FUNCTION weir.alter_stream(regclass, interval, interval, interval, interval)
IS 'change the settings of a stream; NULL leaves one as it is';

CREATE FUNCTION weir.drop_stream(stream regclass, cascade boolean DEFAULT false)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'weir_drop_stream';
COMMENT ON FUNCTION weir.drop_stream(regclass, boolean)
IS 'make a stream a plain table again';

CREATE FUNCTION weir._stream_dropped() RETURNS event_trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_stream_dropped';
COMMENT ON FUNCTION weir._stream_dropped() IS 'cleans up behind dropped streams';
-- Event triggers are ALWAYS on: a session with the role of a replica can drop and
-- move a stream's table, too.
CREATE EVENT TRIGGER weir_stream_drop ON sql_drop EXECUTE FUNCTION weir._stream_dropped();
ALTER EVENT TRIGGER weir_stream_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_stream_drop IS 'ends a stream whose table is dropped';

CREATE FUNCTION weir._stream_altered() RETURNS event_trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_stream_altered';
COMMENT ON FUNCTION weir._stream_altered() IS 'follows changes of the tables of streams';
CREATE EVENT TRIGGER weir_stream_alter ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'ALTER TYPE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA') EXECUTE FUNCTION weir._stream_altered();
ALTER EVENT TRIGGER weir_stream_alter ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_stream_alter IS 'keeps streams in step with what is altered, and refuses what they cannot follow';

CREATE FUNCTION weir._log_rewriting() RETURNS event_trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_log_rewriting';
COMMENT ON FUNCTION weir._log_rewriting() IS 'keeps the rows of logs those of who wrote them';
CREATE EVENT TRIGGER weir_log_rewrite ON table_rewrite EXECUTE FUNCTION weir._log_rewriting();
ALTER EVENT TRIGGER weir_log_rewrite ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_log_rewrite IS 'refuses to rewrite the log of a stream';

CREATE FUNCTION weir._stream_altering() RETURNS event_trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_stream_altering';
COMMENT ON FUNCTION weir._stream_altering() IS 'refuses what would lose rows of a stream';
CREATE EVENT TRIGGER weir_stream_altering ON ddl_command_start
	WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION weir._stream_altering();
ALTER EVENT TRIGGER weir_stream_altering ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_stream_altering IS 'looks at what ALTER TABLE is about to do to a stream';

CREATE FUNCTION weir._extension_dropping() RETURNS event_trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_extension_dropping';
COMMENT ON FUNCTION weir._extension_dropping() IS 'locks streams before DROP EXTENSION locks the rest';
CREATE EVENT TRIGGER weir_extension_dropping ON ddl_command_start
	WHEN TAG IN ('DROP EXTENSION') EXECUTE FUNCTION weir._extension_dropping();
ALTER EVENT TRIGGER weir_extension_dropping ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_extension_dropping IS 'has DROP EXTENSION wait for writers to end';

CREATE FUNCTION weir._index_drop() RETURNS event_trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'weir_index_drop';
COMMENT ON FUNCTION weir._index_drop() IS 'keeps capture indexes from being dropped concurrently';
CREATE EVENT TRIGGER weir_index_drop ON ddl_command_start
	WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION weir._index_drop();
ALTER EVENT TRIGGER weir_index_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_index_drop IS 'refuses to drop the capture index of a stream';
