-- What holds for every SQL object of weir's; each query finds the exceptions.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
RESET client_min_messages;
CREATE TEMP VIEW members AS
    SELECT classid, objid FROM pg_depend
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
        AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'weir');

-- everything that lives in a schema lives in weir
SELECT i.type, i.identity
FROM members m, pg_identify_object(m.classid, m.objid, 0) i
WHERE i.schema <> 'weir' ORDER BY 1, 2;

-- public functions, types and views have a comment
SELECT p.oid::regprocedure AS no_comment FROM members m JOIN pg_proc p ON p.oid = m.objid
WHERE m.classid = 'pg_proc'::regclass AND p.proname NOT LIKE '\_%'
    AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1::text;
SELECT t.oid::regtype AS no_comment FROM members m JOIN pg_type t ON t.oid = m.objid
WHERE m.classid = 'pg_type'::regclass AND t.typname NOT LIKE '\_%' AND t.typrelid = 0
    AND t.typtype <> 'm' AND obj_description(t.oid, 'pg_type') IS NULL ORDER BY 1::text;
SELECT c.oid::regclass AS no_comment FROM members m JOIN pg_class c ON c.oid = m.objid
WHERE m.classid = 'pg_class'::regclass AND c.relname NOT LIKE '\_%' AND c.relkind IN ('r', 'v')
    AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1::text;

-- a function with other rights than its caller's has a fixed search_path, and not everyone may call it
SELECT p.oid::regprocedure AS search_path_open FROM members m JOIN pg_proc p ON p.oid = m.objid
WHERE m.classid = 'pg_proc'::regclass AND p.prosecdef
    AND NOT coalesce(p.proconfig::text LIKE '%search\_path=pg\_catalog, pg\_temp%', false) ORDER BY 1::text;

-- no one but the owner writes to the tables
SELECT c.oid::regclass AS writable, a.privilege_type
FROM members m JOIN pg_class c ON c.oid = m.objid, aclexplode(c.relacl) a
WHERE m.classid = 'pg_class'::regclass AND a.grantee = 0 AND a.privilege_type <> 'SELECT'
ORDER BY 1::text, 2;

-- C functions are named after what they are called in SQL
SELECT p.oid::regprocedure, p.prosrc FROM members m JOIN pg_proc p ON p.oid = m.objid
WHERE m.classid = 'pg_proc'::regclass AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
    AND p.prosrc NOT LIKE 'weir\_%' ORDER BY 1::text;
