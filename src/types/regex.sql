/* src/types/regex.sql */

CREATE FUNCTION weir._regex_match(pattern bytea, input bytea) RETURNS boolean
AS 'MODULE_PATHNAME', 'weir__regex_match'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION weir._regex_match(bytea, bytea) IS
'does the whole input match the pattern, as filters match?';
