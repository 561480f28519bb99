SELECT date_trunc('milliseconds', watermark) AS watermark, rows_consumed, rows_behind,
       seconds_behind, late_rows
FROM weir.stat_streams WHERE stream = 'latencies'::regclass;
