
# A key too large for the default index of closed rows, while somebody reads the
# table: the worker waits, without counting failures, and then drops the index.
# And a poisonous row, skipped, with the worker doing it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('closed_index', conf => <<'CONF');
weir.retry_delay = '20ms'
weir.naptime = '50ms'
weir.max_failures = 3
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE visits (at timestamptz NOT NULL, url text, n int);
SELECT weir.create_stream('visits', 'at');
SELECT weir.create_continuous_aggregate('urls', $$
	SELECT w.window_end, url, count(*) AS n FROM visits, weir.tumble(at, '1 hour') w GROUP BY w.window_end, url $$);
SELECT weir.create_continuous_aggregate('ratios', $$
	SELECT w.window_end, sum(100 / n) AS n FROM visits, weir.tumble(at, '1 hour') w GROUP BY w.window_end $$);
INSERT INTO visits VALUES ('2024-01-01 10:00', 'short', 1);
SQL

sub wait_for
{
	my ($what, $query) = @_;

	ok($node->poll_query_until('app', $query), $what);
	return;
}

# --- The table is in use

my $reader = $node->background_psql('app', on_error_stop => 1);

$reader->query_safe('BEGIN; SELECT count(*) FROM urls_closed');
$node->safe_psql('app', <<'SQL');
INSERT INTO visits SELECT '2024-01-01 10:01', string_agg(chr(33 + (hashint8(i) & 63)), '' ORDER BY i), 1 FROM generate_series(1, 5000) i;
INSERT INTO visits VALUES ('2024-01-01 11:00', 'short', 1);
SQL
wait_for('the aggregate waits until nobody reads the table',
	"SELECT status = 'retrying' AND failures = 0 AND last_error LIKE '55P03: could not drop index%' FROM weir.stat_aggregates WHERE aggregate = 'urls'::regclass");
wait_for('the other one has closed its window', 'SELECT count(*) = 1 FROM ratios_closed');
is($node->safe_psql('app', 'SELECT count(*) FROM urls WHERE length(url) = 5000'), '1', 'the live view has the row');
is($node->safe_psql('app', "SELECT count(*) FROM pg_indexes WHERE tablename = 'urls_closed'"), '2', 'the index is there');
$reader->query_safe('COMMIT');
wait_for('then the window closes', 'SELECT count(*) = 2 AND max(length(url)) = 5000 FROM urls_closed');
is($node->safe_psql('app', "SELECT indexname FROM pg_indexes WHERE tablename = 'urls_closed'"),
	'urls_closed_window_end_idx', 'the index on the keys is gone');
is($node->safe_psql('app', "SELECT status, failures FROM weir.stat_aggregates WHERE aggregate = 'urls'::regclass"),
	'active|0', 'the aggregate is active');
like(slurp_file($node->logfile), qr/WARNING: .*index "urls_closed_url_window_end_idx" of table "urls_closed" was dropped/, 'the log says so');
$reader->quit;

# --- A poisonous row

$node->safe_psql('app', "INSERT INTO visits VALUES ('2024-01-01 11:10', 'x', 0), ('2024-01-01 11:11', 'x', 50)");
wait_for('the aggregate fails for good', "SELECT status = 'failed' AND failures = 3 FROM weir.stat_aggregates WHERE aggregate = 'ratios'::regclass");
$node->safe_psql('app', "SELECT weir.skip('ratios'); INSERT INTO visits VALUES ('2024-01-01 12:00', 'x', 1)");
wait_for('the worker skips it', "SELECT status = 'active' AND skipped_rows = 1 FROM weir.stat_aggregates WHERE aggregate = 'ratios'::regclass");
wait_for('windows close', 'SELECT max(n) = 200 AND sum(n) = 302 FROM ratios_closed');
is($node->safe_psql('app', q{SELECT aggregate, reason, "row" ->> 'n' FROM weir.late_rows}),
	'ratios|failed: 22012: division by zero|0', 'and it is kept');
wait_for('both share the cursor of the stream again', 'SELECT count(DISTINCT cursor_id) = 1 FROM weir._aggregate_progress');

$node->stop;
done_testing();
