/* src/aggregate/create.sql */

CREATE FUNCTION weir.create_continuous_aggregate(name text, query text,
    allowed_lateness interval DEFAULT '0', retention interval DEFAULT NULL,
    realtime boolean DEFAULT true, with_data boolean DEFAULT true)
RETURNS regclass
AS 'MODULE_PATHNAME', 'weir_create_continuous_aggregate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.create_continuous_aggregate(text, text, interval, interval, boolean, boolean) IS
'keep the result of a query over a stream up to date as rows arrive';

CREATE FUNCTION weir.alter_continuous_aggregate(aggregate regclass,
    allowed_lateness interval DEFAULT NULL, retention interval DEFAULT NULL,
    realtime boolean DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'weir_alter_continuous_aggregate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION weir.alter_continuous_aggregate(regclass, interval, interval, boolean) IS
'change options of a continuous aggregate; NULL leaves one as it is';
