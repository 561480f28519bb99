
# A physical standby: it answers from the same relations while it follows, and
# after a promotion in the middle of the stream it goes on exactly once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $primary = weir_node('primary', allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE events (ts timestamptz NOT NULL, key int, amount numeric);
CREATE TABLE ledger (LIKE events);
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('per_minute', $$
	SELECT w.window_start, w.window_end, e.key, count(*) AS n, sum(e.amount) AS total
	FROM events e, weir.tumble(e.ts, '1 minute') w
	GROUP BY w.window_start, w.window_end, e.key $$);
SELECT weir.create_continuous_aggregate('per_five', $$
	SELECT w.window_start, w.window_end, sum(m.n) AS n, sum(m.total) AS total
	FROM per_minute m, weir.tumble(m.window_start, '5 minutes') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('ever', $$
	SELECT key, count(*) AS n, avg(amount) AS mean FROM events GROUP BY key $$);
SQL

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $row = 0;

sub add_rows
{
	my ($node, $n) = @_;
	my $to = $row + $n;

	$node->safe_psql('postgres', <<SQL);
WITH new AS (SELECT timestamptz '2024-01-01 00:00:00Z' + interval '100 milliseconds' * i AS ts, i % 10, i / 7.0
	FROM generate_series($row + 1, $to) i),
	l AS (INSERT INTO ledger SELECT * FROM new)
INSERT INTO events SELECT * FROM new;
SQL
	$row = $to;
	return;
}

my $minutes = <<'SQL';
SELECT w.window_start, w.window_end, l.key, count(*) AS n, sum(l.amount) AS total
FROM ledger l, weir.tumble(l.ts, '1 minute') w GROUP BY 1, 2, 3
SQL
sub five
{
	my ($per_minute) = @_;

	return <<SQL;
SELECT w.window_start, w.window_end, sum(m.n), sum(m.total)
FROM ($per_minute) m, weir.tumble(m.window_start, '5 minutes') w GROUP BY 1, 2
SQL
}
my $ever = 'SELECT key, count(*), avg(amount) FROM ledger GROUP BY key';

add_rows($primary, 5000);
is($primary->safe_psql('postgres', "SELECT weir.wait('events')"), 't', 'consumed on the primary');
$primary->wait_for_catchup($standby);
same_rows($standby, 'postgres', 'SELECT * FROM per_minute', $minutes, 'windows on the standby');
same_rows($standby, 'postgres', 'SELECT * FROM per_five', five($minutes), 'windows over windows on the standby');
same_rows($standby, 'postgres', 'SELECT * FROM ever', $ever, 'running aggregate on the standby');

# With rows that are not consumed yet: the live view of the standby has them.
$primary->safe_psql('postgres', "SELECT weir.pause('events')");
add_rows($primary, 3000);
$primary->wait_for_catchup($standby);
same_rows($standby, 'postgres', 'SELECT * FROM ever', $ever, 'rows not consumed yet, on the standby');
same_rows($standby, 'postgres', 'SELECT * FROM per_five', five($minutes), 'rows not consumed yet, windows over windows');
$primary->safe_psql('postgres', "SELECT weir.resume('events')");

# Writers at work while the standby takes over. What had reached it counts.
my ($writer) = run_children(sub {
	for my $i (1 .. 200)
	{
		last if $primary->psql('postgres', <<SQL) != 0;
WITH new AS (SELECT timestamptz '2024-01-01 00:20:00Z' + interval '1 second' * ($i + i / 50.0) AS ts, i % 10, i / 3.0
	FROM generate_series(1, 50) i),
	l AS (INSERT INTO ledger SELECT * FROM new)
INSERT INTO events SELECT * FROM new;
SQL
	}
	return 0;
});
$standby->poll_query_until('postgres', "SELECT count(*) > $row + 1000 FROM ledger");
$primary->stop('immediate');
waitpid($writer, 0);
$standby->promote;

add_rows($standby, 4000);
ok(wait_for_worker($standby, 'postgres'), 'the promoted standby has a worker');
is($standby->safe_psql('postgres', "SELECT weir.wait('events')"), 't', 'consumed there');
same_rows($standby, 'postgres', 'SELECT * FROM events', 'SELECT * FROM ledger', 'events and ledger');
same_rows($standby, 'postgres', 'SELECT * FROM ever', $ever, 'running aggregate after promotion');

# Rows that came after the writer's are behind its watermark: late, and kept.
my $on_time = <<'SQL';
SELECT * FROM ledger EXCEPT ALL
SELECT (row->>'ts')::timestamptz, (row->>'key')::int, (row->>'amount')::numeric FROM weir.late_rows
SQL
$minutes =~ s/FROM ledger l/FROM ($on_time) l/;
same_rows($standby, 'postgres', 'SELECT * FROM per_minute', $minutes, 'windows after promotion');
$standby->safe_psql('postgres', "SELECT weir.advance_watermark('events', 'infinity')");
$standby->safe_psql('postgres', "SELECT weir.wait('events')");
ok($standby->poll_query_until('postgres',
		"SELECT count(*) = (SELECT count(*) FROM ($minutes) x) FROM per_minute_closed"),
	'every window closes');
same_rows($standby, 'postgres', 'SELECT * FROM per_minute_closed', $minutes, 'closed after promotion');
same_rows($standby, 'postgres', 'SELECT * FROM per_five_closed', five($minutes), 'windows over windows closed after promotion');

$standby->stop;
done_testing();
