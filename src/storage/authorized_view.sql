
/* src/storage/authorized_view.sql */

CREATE FUNCTION weir.create_authorized_view(name text, tbl regclass, row_prefixes bytea[] DEFAULT NULL, columns text[] DEFAULT NULL) RETURNS regclass
	AS 'MODULE_PATHNAME', 'weir_create_authorized_view'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.create_authorized_view(text, regclass, bytea[], text[]) IS
	'creates a view of a part of a wide table: rows by prefixes of their keys, columns as family, family:qualifier or family:prefix*';

CREATE FUNCTION weir.drop_authorized_view(view regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'weir_drop_authorized_view'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.drop_authorized_view(regclass) IS
	'drops an authorized view, as DROP FOREIGN TABLE does';
