/* src/privileges.sql */

/*
 * The last part of the script: default privileges of whoever creates the extension
 * must not open its tables, or let others write to its views.
 */
CREATE FUNCTION weir._revoke_default_privileges(relation regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'weir__revoke_default_privileges'
	LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._revoke_default_privileges(regclass) IS
	'internal: takes away what default privileges have given on a relation of the extension';

SELECT weir._revoke_default_privileges(c.oid::pg_catalog.regclass)
FROM pg_catalog.pg_class c
WHERE c.relnamespace OPERATOR(pg_catalog.=) '@extschema@'::pg_catalog.regnamespace
	AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,S,v}'::"char"[]);
