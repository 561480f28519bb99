
/* src/storage/face_links.sql */

CREATE FUNCTION weir._wide_table_dropping() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'weir__wide_table_dropping'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._wide_table_dropping() IS
	'internal: puts back what pg_upgrade does not know of the parts of wide tables';

CREATE EVENT TRIGGER weir_wide_table_dropping ON ddl_command_start
	WHEN TAG IN ('DROP FOREIGN TABLE', 'DROP TABLE', 'DROP SEQUENCE', 'DROP SCHEMA',
		'DROP OWNED', 'DROP EXTENSION', 'DROP SERVER', 'DROP FOREIGN DATA WRAPPER')
	EXECUTE FUNCTION weir._wide_table_dropping();
ALTER EVENT TRIGGER weir_wide_table_dropping ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_wide_table_dropping IS
	'puts back what pg_upgrade does not know of the parts of wide tables';
