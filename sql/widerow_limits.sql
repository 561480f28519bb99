-- weir.widerow: limits
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS weir;
RESET client_min_messages;
SET search_path = weir, public;

-- the size of a row, or the error
CREATE FUNCTION pg_temp.try(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	cells bigint;
BEGIN
	EXECUTE 'SELECT weir.cell_count(' || expression || ')' INTO cells;
	RETURN cells || ' cells';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s (%s)', SQLSTATE, SQLERRM, detail);
END $$;

-- families, qualifiers: as text, as jsonb, and by the function
SELECT what, pg_temp.try(expression) FROM (VALUES
	(1, 'family', $$format('{"%s":{"q":[[1,"v"]]}}', repeat('f', 64))::weir.widerow$$),
	(2, 'family', $$format('{"%s":{"q":[[1,"v"]]}}', repeat('f', 65))::weir.widerow$$),
	(3, 'family', $$format('{"%s":{}}', repeat(':', 65))::weir.widerow$$),
	(4, 'family', $$format('{"%s":{"q":[[1,"v"]]}}', repeat('f', 65))::jsonb::weir.widerow$$),
	(5, 'family', $$weir.widerow(repeat('f', 64), 'q', 'v', '2000-01-01')$$),
	(6, 'family', $$weir.widerow(repeat('f', 65), 'q', 'v', '2000-01-01')$$),
	(7, 'family', $$weir.widerow('', 'q', 'v', '2000-01-01')$$),
	(8, 'family', $$weir.widerow('a b', 'q', 'v', '2000-01-01')$$),
	(9, 'family', $$weir.widerow('é', 'q', 'v', '2000-01-01')$$),
	(10, 'qualifier', $$format('{"f":{"%s":[[1,"v"]]}}', repeat('q', 16384))::weir.widerow$$),
	(11, 'qualifier', $$format('{"f":{"%s":[[1,"v"]]}}', repeat('q', 16385))::weir.widerow$$),
	(12, 'qualifier', $$format('{"f":{"%s":[[1,"v"]]}}', '\\x' || repeat('00', 16384))::weir.widerow$$),
	(13, 'qualifier', $$format('{"f":{"%s":[[1,"v"]]}}', '\\x' || repeat('00', 16385))::weir.widerow$$),
	(14, 'qualifier', $$format('{"f":{"%s":[[1,"v"]]}}', repeat('é', 8193))::jsonb::weir.widerow$$),
	(15, 'qualifier', $$weir.widerow('f', repeat('q', 16384), 'v', '2000-01-01')$$),
	(16, 'qualifier', $$weir.widerow('f', repeat('q', 16385), 'v', '2000-01-01')$$),
	(17, 'qualifier', $$weir.widerow('f', repeat('é', 8193), 'v', '2000-01-01')$$),
	(18, 'qualifier', $$weir.widerow('f', repeat('q', 16385)::bytea, 'v'::bytea, '2000-01-01')$$)
) AS t(n, what, expression) ORDER BY n;
-- the look-up of what cannot exist finds nothing
SELECT '{"f":{"q":[[1,"v"]]}}'::widerow ->> (repeat('f', 100) || ':' || repeat('q', 20000)), '{"f":{"q":[[1,"v"]]}}'::widerow ? repeat(':', 1000), '{"f":{"q":[[1,"v"]]}}'::widerow - repeat('f', 100);

-- values: 100 MiB
CREATE FUNCTION pg_temp.mib(n int) RETURNS text LANGUAGE sql AS
	$$SELECT repeat(repeat('x', 1024 * 1024), n)$$;
SELECT what, pg_temp.try(expression) FROM (VALUES
	(1, 'value', $$weir.widerow('f', 'q', pg_temp.mib(100) || 'x', '2000-01-01')$$),
	(2, 'value', $$('{"f":{"q":[[1,"' || pg_temp.mib(100) || 'x"]]}}')::weir.widerow$$)
) AS t(n, what, expression) ORDER BY n;

-- rows: 256 MiB, of which two values of 100 MiB and one of 56 MiB would leave
-- nothing for the rest: header 4, head 20, family 8, columns 24, cells 36,
-- names 4
CREATE FUNCTION pg_temp.row_of(value text) RETURNS widerow LANGUAGE sql AS $$
	SELECT weir.widerow('f', 'q', pg_temp.mib(100), '2000-01-01')
		|| weir.widerow('f', 'r', pg_temp.mib(100), '2000-01-01')
		|| weir.widerow('f', 's', value, '2000-01-01') $$;
SELECT pg_temp.try('pg_temp.row_of(substr(pg_temp.mib(56), 96))');
-- one byte less, and it can also be shown
SELECT length(pg_temp.row_of(substr(pg_temp.mib(56), 97))::text);
