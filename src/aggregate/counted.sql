/* src/aggregate/counted.sql */

-- Restored aggregates that have state: which of the rows that came with the dump
-- are in it, see counted.c.
CREATE TABLE weir._counted (
    set_id integer,
    part integer,
    parts integer,                      -- of the set; in part 0
    aggregate_ids integer[],            -- whose set it is, as long as they need it; in part 0
    state_chunks bigint[],              -- of each of them: rows of its state in the dump; in part 0
    waiting_rows bigint,                -- of the dump, that they had not counted; in part 0
    waiting_sum bigint,                 -- of the digests of these, if there are other parts; in part 0
    digests bytea,                      -- of rows that they had counted, ascending; in others
    PRIMARY KEY (set_id, part)
) WITH (toast_tuple_target = 8160);
ALTER TABLE weir._counted ALTER COLUMN digests SET STORAGE EXTERNAL;
COMMENT ON TABLE weir._counted IS 'rows of streams that aggregates had counted when they were dumped';

CREATE FUNCTION weir._counted_now()
RETURNS SETOF weir._counted
AS 'MODULE_PATHNAME', 'weir__counted_now'
LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION weir._counted_now() IS
'for dumps: which of the rows of streams are in states that are dumped';

-- The rows of the table itself are among those of the function.
SELECT pg_catalog.pg_extension_config_dump('weir._counted',
    'WHERE false UNION ALL SELECT * FROM weir._counted_now()');
