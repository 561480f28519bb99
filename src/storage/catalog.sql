
/* src/storage/catalog.sql */

-- The columns are known to src/storage/catalog_tables.h.
CREATE TABLE weir._wide_tables (
	face regclass PRIMARY KEY,
	delta regclass NOT NULL,
	base regclass NOT NULL,
	seq regclass NOT NULL,
	granularity text NOT NULL CHECK (granularity IN ('micros', 'millis')),
	last_family integer NOT NULL
);
COMMENT ON TABLE weir._wide_tables IS 'internal: wide tables and their relations';

CREATE TABLE weir._families (
	face regclass NOT NULL,
	number integer NOT NULL,
	name text COLLATE "C" NOT NULL,
	aggregate text,
	gc weir.gc_rule,
	PRIMARY KEY (face, number),
	UNIQUE (face, name)
);
COMMENT ON TABLE weir._families IS 'internal: families of wide tables';

-- A rule was in force until the write until_seq, made at until_time.
CREATE TABLE weir._family_rules (
	face regclass NOT NULL,
	number integer NOT NULL,
	until_seq bigint NOT NULL,
	until_time timestamptz NOT NULL,
	gc weir.gc_rule,
	PRIMARY KEY (face, number, until_seq)
);
COMMENT ON TABLE weir._family_rules IS 'internal: earlier garbage-collection rules of families';

CREATE TABLE weir._authorized_views (
	face regclass PRIMARY KEY,
	home regclass NOT NULL,
	prefixes bytea[],
	columns text[]
);
COMMENT ON TABLE weir._authorized_views IS 'internal: authorized views of wide tables';

-- Writes with numbers after since_seq are recorded; of those, the records up
-- to trimmed_to have been deleted.
CREATE TABLE weir._change_streams (
	face regclass PRIMARY KEY,
	changes regclass NOT NULL UNIQUE,
	since_seq bigint NOT NULL,
	trimmed_to bigint NOT NULL
);
COMMENT ON TABLE weir._change_streams IS 'internal: change streams of wide tables';

SELECT pg_catalog.pg_extension_config_dump('weir._change_streams', '');
SELECT pg_catalog.pg_extension_config_dump('weir._authorized_views', '');
SELECT pg_catalog.pg_extension_config_dump('weir._wide_tables', '');
SELECT pg_catalog.pg_extension_config_dump('weir._families', '');
SELECT pg_catalog.pg_extension_config_dump('weir._family_rules', '');

CREATE VIEW weir.wide_tables AS
	SELECT face AS tbl, granularity, delta, base FROM weir._wide_tables;
COMMENT ON VIEW weir.wide_tables IS 'wide tables of this database';
GRANT SELECT ON weir.wide_tables TO PUBLIC;

CREATE VIEW weir.families AS
	SELECT face AS tbl, name AS family, gc, aggregate FROM weir._families;
COMMENT ON VIEW weir.families IS 'families of the wide tables of this database';
GRANT SELECT ON weir.families TO PUBLIC;

CREATE VIEW weir.authorized_views AS
	SELECT face AS view, home AS tbl, prefixes AS row_prefixes, columns FROM weir._authorized_views;
COMMENT ON VIEW weir.authorized_views IS 'authorized views of the wide tables of this database';
GRANT SELECT ON weir.authorized_views TO PUBLIC;
