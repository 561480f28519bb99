
/* src/storage/face_alter.sql */

CREATE FUNCTION weir._wide_table_altered() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'weir__wide_table_altered'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._wide_table_altered() IS
	'internal: takes the parts of a wide table along, and refuses what it cannot follow';

CREATE EVENT TRIGGER weir_wide_table_alter ON ddl_command_end
	WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER TABLE', 'CREATE TABLE',
		'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'ALTER SEQUENCE')
	EXECUTE FUNCTION weir._wide_table_altered();
ALTER EVENT TRIGGER weir_wide_table_alter ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_wide_table_alter IS
	'keeps the parts of wide tables together, and refuses what they cannot follow';
