
/* src/storage/changes.sql */

CREATE FUNCTION weir._refuse_change() RETURNS trigger
	AS 'MODULE_PATHNAME', 'weir__refuse_change'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._refuse_change() IS
	'internal: refuses writing to a change stream by SQL';

CREATE FUNCTION weir.changes(tbl regclass, after bigint DEFAULT NULL, record_limit bigint DEFAULT NULL)
	RETURNS TABLE (seq bigint, row_key bytea, kind text, changes weir.mutation[], at timestamptz)
	AS 'MODULE_PATHNAME', 'weir_changes'
	LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000;
COMMENT ON FUNCTION weir.changes(regclass, bigint, bigint) IS
	'the changes of a wide table after a position, as far as no earlier one can come any more; null: all that are retained';

CREATE FUNCTION weir.changes_position(tbl regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'weir_changes_position'
	LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION weir.changes_position(regclass) IS
	'the position up to which weir.changes gives the changes of a wide table now';
