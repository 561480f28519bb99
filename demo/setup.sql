-- What pgbench logs about each transaction goes into this table.
CREATE EXTENSION weir;
CREATE TABLE latencies (
    finished_at timestamptz NOT NULL,
    client      int NOT NULL,
    latency_us  bigint NOT NULL
);
SELECT weir.create_stream('latencies', 'finished_at',
    max_out_of_orderness => '500 milliseconds');

-- A second of all clients; and a second of each client.
SELECT weir.create_continuous_aggregate('per_second', $$
    SELECT w.window_start, w.window_end, count(*) AS transactions,
           avg(l.latency_us) / 1000 AS mean_ms, max(l.latency_us) / 1000.0 AS max_ms
    FROM latencies l, weir.tumble(l.finished_at, '1 second') w
    GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('per_client', $$
    SELECT w.window_start, w.window_end, l.client, count(*) AS transactions,
           max(l.latency_us) AS max_us
    FROM latencies l, weir.tumble(l.finished_at, '1 second') w
    GROUP BY w.window_start, w.window_end, l.client $$);

-- Each client has a wide row: what its seconds came to, the newest first.
SELECT weir.create_wide_table('clients');
SELECT weir.add_family('clients', 'second', gc => weir.max_versions(60));
SELECT weir.create_sink('client_history', 'per_client', $$
    SELECT weir.mutate_row('clients', 'client-' || client,
        weir.set_cell('second', 'transactions', transactions::text, window_start),
        weir.set_cell('second', 'max_us', max_us::text, window_start)) FROM closed $$);
