/* src/init.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION weir" to load this file. \quit

COMMENT ON SCHEMA @extschema@ IS 'weir: streams, continuous aggregates and wide rows';
GRANT USAGE ON SCHEMA @extschema@ TO PUBLIC;
