
/* src/storage/face_owner.sql */

CREATE FUNCTION weir._wide_table_altered() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'weir__wide_table_altered'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._wide_table_altered() IS
	'internal: gives the parts of a wide table to its new owner';

CREATE EVENT TRIGGER weir_wide_table_alter ON ddl_command_end
	WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER TABLE')
	EXECUTE FUNCTION weir._wide_table_altered();
COMMENT ON EVENT TRIGGER weir_wide_table_alter IS
	'gives the parts of a wide table to its new owner';
