SELECT to_char(window_start, 'HH24:MI:SS') AS second, transactions,
       round(mean_ms, 2) AS mean_ms, round(max_ms, 1) AS max_ms,
       repeat('#', (30 * transactions / max(transactions) OVER ())::int) AS chart
FROM (SELECT * FROM per_second ORDER BY window_start DESC LIMIT 12) newest
ORDER BY window_start DESC;
