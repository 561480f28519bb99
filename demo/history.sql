SELECT to_char(u.ts, 'HH24:MI:SS') AS second,
       weir.text_value(u.cells, 'second', 'transactions') AS transactions,
       weir.text_value(u.cells, 'second', 'max_us') AS max_us
FROM weir.unpack(weir.read_row('clients', 'client-1')) u
ORDER BY u.ts DESC LIMIT 10;
