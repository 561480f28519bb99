SELECT to_char(watermark, 'HH24:MI:SS.MS') AS watermark, rows_consumed, rows_behind,
       seconds_behind, late_rows
FROM weir.stat_streams WHERE stream = 'latencies'::regclass;
