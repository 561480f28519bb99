/* src/stream/restored.sql */

-- What a dump says of streams besides their definitions: see restored.c.  What
-- stands in the tables is of streams, and aggregates, that have not been started
-- since they were restored; a dump adds what is true of the others.

CREATE TABLE weir._paused (
	stream_id int,
	aggregate_id int,					-- 0: the stream itself
	PRIMARY KEY (stream_id, aggregate_id)
);
COMMENT ON TABLE weir._paused IS 'streams and aggregates that were paused when they were dumped';

CREATE TABLE weir._last_watermark (
	stream_id int PRIMARY KEY,
	watermark timestamptz NOT NULL,
	max_event_time timestamptz NOT NULL
);
COMMENT ON TABLE weir._last_watermark IS 'how far event time had come in streams when they were dumped';

CREATE TABLE weir._last_source (
	stream_id int,
	source text,
	is_whole boolean NOT NULL,			-- is that all of the text?
	max_event_time timestamptz NOT NULL,
	PRIMARY KEY (stream_id, source)
);
COMMENT ON TABLE weir._last_source IS 'and in each of their sources';

SELECT pg_catalog.pg_extension_config_dump('weir._paused',
	'UNION SELECT c.stream_id, 0 FROM weir._cursor c WHERE c.is_main AND c.is_paused'
	' UNION SELECT a.stream_id, a.aggregate_id FROM weir._aggregate a'
	' JOIN weir._aggregate_progress p ON p.aggregate_id = a.aggregate_id WHERE p.status = 3');
SELECT pg_catalog.pg_extension_config_dump('weir._last_watermark',
	'UNION ALL SELECT c.stream_id, c.watermark, c.max_event_time FROM weir._cursor c WHERE c.is_main');
SELECT pg_catalog.pg_extension_config_dump('weir._last_source',
	'UNION ALL SELECT c.stream_id, s.source, s.type <> 0, s.max_event_time'
	' FROM weir._source s JOIN weir._cursor c ON c.id = s.cursor_id WHERE c.is_main');
