
/* src/storage/wide_table.sql */

CREATE FUNCTION weir._wide_table_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'weir__wide_table_changed'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._wide_table_changed() IS
	'internal: takes over descriptions of wide tables that a dump brings';

CREATE TRIGGER _changed AFTER INSERT ON weir._wide_tables
	FOR EACH ROW EXECUTE FUNCTION weir._wide_table_changed();
CREATE TRIGGER _changed AFTER INSERT ON weir._families
	FOR EACH ROW EXECUTE FUNCTION weir._wide_table_changed();
CREATE TRIGGER _changed AFTER INSERT ON weir._family_rules
	FOR EACH ROW EXECUTE FUNCTION weir._wide_table_changed();
CREATE TRIGGER _changed AFTER INSERT ON weir._authorized_views
	FOR EACH ROW EXECUTE FUNCTION weir._wide_table_changed();
CREATE TRIGGER _changed AFTER INSERT ON weir._change_streams
	FOR EACH ROW EXECUTE FUNCTION weir._wide_table_changed();
ALTER TABLE weir._change_streams ENABLE ALWAYS TRIGGER _changed;
ALTER TABLE weir._authorized_views ENABLE ALWAYS TRIGGER _changed;
ALTER TABLE weir._wide_tables ENABLE ALWAYS TRIGGER _changed;
ALTER TABLE weir._families ENABLE ALWAYS TRIGGER _changed;
ALTER TABLE weir._family_rules ENABLE ALWAYS TRIGGER _changed;

CREATE FUNCTION weir._wide_table_drop() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'weir__wide_table_drop'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._wide_table_drop() IS
	'internal: forgets wide tables that were dropped';

CREATE EVENT TRIGGER weir_wide_table_drop ON sql_drop
	EXECUTE FUNCTION weir._wide_table_drop();
ALTER EVENT TRIGGER weir_wide_table_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER weir_wide_table_drop IS 'removes what is left of a wide table that is dropped';

CREATE FUNCTION weir.create_wide_table(name text, granularity text DEFAULT 'micros') RETURNS regclass
	AS 'MODULE_PATHNAME', 'weir_create_wide_table'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.create_wide_table(text, text) IS
	'creates a wide table with timestamps in micros or millis';

CREATE FUNCTION weir.drop_wide_table(tbl regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'weir_drop_wide_table'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_wide_table(regclass) IS
	'drops a wide table, as DROP FOREIGN TABLE does';

CREATE FUNCTION weir.add_family(tbl regclass, family text, gc weir.gc_rule DEFAULT NULL, aggregate text DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'weir_add_family'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.add_family(regclass, text, weir.gc_rule, text) IS
	'adds a family to a wide table, an aggregate one if sum, min, max or hll is given';

CREATE FUNCTION weir.alter_family(tbl regclass, family text, gc weir.gc_rule) RETURNS void
	AS 'MODULE_PATHNAME', 'weir_alter_family'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.alter_family(regclass, text, weir.gc_rule) IS
	'changes the garbage-collection rule of a family; null: keep everything';

CREATE FUNCTION weir.drop_family(tbl regclass, family text) RETURNS void
	AS 'MODULE_PATHNAME', 'weir_drop_family'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_family(regclass, text) IS
	'drops a family of a wide table with all its cells';
