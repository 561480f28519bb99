# What weir.drain has done when it returns is as durable as synchronous_commit says,
# though its ticks are committed asynchronously: a crash right after it loses
# nothing, and standbys are waited for once, at the end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

# Nobody but who commits writes WAL out.
my $node = weir_node('durable', allows_streaming => 1, conf => <<CONF);
weir.start_workers = off
wal_writer_delay = 10s
wal_writer_flush_after = 1GB
bgwriter_lru_maxpages = 0
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE events (ts timestamptz NOT NULL, n int);
CREATE TABLE seen (n bigint);
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('hourly', $$
	SELECT w.window_start, w.window_end, count(*) AS n
	FROM events e, weir.tumble(e.ts, '1 hour') w GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_sink('copy', 'hourly', 'INSERT INTO seen SELECT n FROM closed');
CALL weir.drain('events');
SQL

# hours FROM TO: two rows in each of them, in a transaction each
sub hours
{
	my ($from, $to) = @_;

	$node->safe_psql('postgres', join('', map {
		"INSERT INTO events SELECT '2024-01-01Z'::timestamptz + interval '1 hour' * $_, i FROM generate_series(1, 2) i;"
	} $from .. $to));
	return;
}

# in a session whose ticks take one transaction each
sub drain
{
	my ($setting) = @_;

	$node->safe_psql('postgres', "SET synchronous_commit = $setting; SET weir.tick_rows = 1; CALL weir.drain('events')");
	return;
}

sub closed
{
	return $node->safe_psql('postgres',
		'SELECT (SELECT sum(n) FROM hourly_closed), (SELECT sum(n) FROM seen), (SELECT sum(n) FROM hourly)');
}

hours(0, 5);
drain('on');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT sum(n) FROM hourly_closed'), '10', 'a crash after drain has returned: what it closed is there');
is(closed(), '10|10|12', 'and so is the rest');

# With it off, a crash may take ticks back, whole: they are repeated.
hours(6, 9);
drain('off');
$node->stop('immediate');
$node->start;
drain('on');
is(closed(), '18|18|20', 'with synchronous_commit off nothing is lost either, nor done twice');

# Nobody confirms: whoever commits waits until he is cancelled. Rows are inserted
# without waiting.
$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$node->reload;
$node->safe_psql('postgres', <<'SQL');
SET synchronous_commit = local;
INSERT INTO events VALUES ('2024-01-01 10:00Z', 1);
INSERT INTO events VALUES ('2024-01-01 11:00Z', 1);
INSERT INTO events VALUES ('2024-01-01 12:00Z', 1);
SQL
my ($out, $err) = ('', '');
my $session = IPC::Run::start(
	[
		$node->installed_command('psql'), '-XqAt', '-d', $node->connstr('postgres'),
		'-c', 'SET weir.tick_rows = 1', '-c', "CALL weir.drain('events')", '-c', 'SELECT 1'
	],
	'>', \$out, '2>', \$err);

ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
	'drain waits for a standby');
is(closed(), '22|22|23', 'when all is consumed and closed');
is($node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
	't', 'it is cancelled');
IPC::Run::finish($session);
is($out, "1\n", 'which is not an error');
like($err, qr/WARNING:.*canceling wait for synchronous replication/, 'but a warning');

$node->safe_psql('postgres', "SET synchronous_commit = local; INSERT INTO events VALUES ('2024-01-01 13:00Z', 1)");
drain('local');
is(closed(), '23|23|24', 'with synchronous_commit local it does not wait');

$node->stop;
done_testing();
