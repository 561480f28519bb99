CREATE EXTENSION weir;
SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'weir';
