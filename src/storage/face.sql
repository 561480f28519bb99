
/* src/storage/face.sql */

CREATE FUNCTION weir._face_handler() RETURNS fdw_handler
	AS 'MODULE_PATHNAME', 'weir__face_handler'
	LANGUAGE C STRICT VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION weir._face_handler() IS 'internal: handler of the foreign-data wrapper weir';

CREATE FUNCTION weir._face_validator(text[], oid) RETURNS void
	AS 'MODULE_PATHNAME', 'weir__face_validator'
	LANGUAGE C STRICT VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION weir._face_validator(text[], oid) IS 'internal: validator of the foreign-data wrapper weir';

CREATE FOREIGN DATA WRAPPER weir
	HANDLER weir._face_handler
	VALIDATOR weir._face_validator;
COMMENT ON FOREIGN DATA WRAPPER weir IS 'wide tables';

CREATE SERVER weir FOREIGN DATA WRAPPER weir;
COMMENT ON SERVER weir IS 'wide tables of this database';
GRANT USAGE ON FOREIGN SERVER weir TO PUBLIC;
