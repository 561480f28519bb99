
/* src/stream/change_stream.sql */

CREATE FUNCTION weir.enable_changes(tbl regclass, retention interval DEFAULT '7 days') RETURNS regclass
	AS 'MODULE_PATHNAME', 'weir_enable_changes'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.enable_changes(regclass, interval) IS
	'records the changes of a wide table in a stream of its own; retention null: for good';

CREATE FUNCTION weir.disable_changes(tbl regclass, cascade boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME', 'weir_disable_changes'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.disable_changes(regclass, boolean) IS
	'records the changes of a wide table no more and drops their stream';

CREATE VIEW weir.change_streams AS
	SELECT c.face AS tbl, c.changes, s.retention, c.since_seq, c.trimmed_to
	FROM weir._change_streams c LEFT JOIN weir._stream s ON s.relation = c.changes;
COMMENT ON VIEW weir.change_streams IS 'change streams of the wide tables of this database';
GRANT SELECT ON weir.change_streams TO PUBLIC;
