
# A disk that is really full: a tablespace on a small file system, which test/run
# mounts where it may, and names in WEIR_SMALL_DISK. Ticks and writers fail as long
# as there is no space; then everything has been counted once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $small = $ENV{WEIR_SMALL_DISK};
plan skip_all => 'no small file system: WEIR_SMALL_DISK is not set' unless defined $small;

my $node = weir_node('full_disk', conf => 'log_statement = none');
$node->start;
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small'");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE events (ts timestamptz NOT NULL, key int, amount int);
SELECT weir.create_stream('events', 'ts');
CREATE TABLE sunk (window_start timestamptz, n bigint);

-- states and closed rows are on the small disk, the log is not
SET default_tablespace = small;
SELECT weir.create_continuous_aggregate('ever', 'SELECT key, count(*) AS n, sum(amount) AS total FROM events GROUP BY key');
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_start, w.window_end, e.key, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end, e.key');
SELECT weir.create_sink('sink', 'hourly', 'INSERT INTO sunk SELECT window_start, sum(n) FROM closed GROUP BY window_start');

-- the other way round
RESET default_tablespace;
CREATE TABLE notes (ts timestamptz NOT NULL, n int);
SET default_tablespace = small;
SELECT weir.create_stream('notes', 'ts');
RESET default_tablespace;
SELECT weir.create_continuous_aggregate('of_notes', 'SELECT count(*) AS n, sum(n) AS total FROM notes');
SQL

my $filler = "$small/filler";
my $hours = 0;

sub fill_up
{
	open(my $out, '>', $filler) or BAIL_OUT("could not write $filler: $!");
	1 while syswrite($out, 'x' x 65536);
	1 while syswrite($out, 'x' x 512);
	close($out);
	return;
}

# Twenty hours, a few thousand new keys.
sub add_events
{
	$node->safe_psql('postgres', <<SQL);
INSERT INTO events SELECT timestamptz '2024-01-01' + interval '1 hour' * $hours + interval '18 seconds' * i, $hours * 1000 + i, i
FROM generate_series(0, 3999) i;
SQL
	$hours += 20;
	return;
}

sub exact_ok
{
	my ($name) = @_;

	same_rows($node, 'postgres', 'SELECT * FROM ever', 'SELECT key, count(*), sum(amount) FROM events GROUP BY key', "$name: running");
	same_rows($node, 'postgres', 'SELECT * FROM hourly', <<'SQL', "$name: windows");
SELECT w.window_start, w.window_end, key, count(*) FROM events e, weir.tumble(e.ts, '1 hour') w GROUP BY 1, 2, 3
SQL
	return;
}

sub rollbacks
{
	return $node->safe_psql('postgres', "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'postgres'");
}

# --- Ticks

add_events();
is($node->safe_psql('postgres', "SELECT weir.wait('events', '3 minutes')"), 't', 'there is space');
exact_ok('at first');

my $offset = -s $node->logfile;
my $failed = qr/ERROR:  .*No space left on device/;
fill_up();
my $before = rollbacks();
add_events();
add_events();
$node->wait_for_log($failed, $offset);
ok($node->poll_query_until('postgres', "SELECT xact_rollback >= $before + 3 FROM pg_stat_database WHERE datname = 'postgres'"),
	'a full disk: the tick is tried again');
is($node->safe_psql('postgres', "SELECT weir.wait('events', '0')"), 'f', 'and not done');
exact_ok('while the disk is full');
my $log = slurp_file($node->logfile, $offset);
is(scalar(() = $log =~ /$failed/g), 1, 'the log says it once');
like($log, qr/CONTEXT:  .*weir: tick, in database "postgres"/, 'and whose failure it is');
is($node->safe_psql('postgres', "SELECT count(*) FROM weir.stat_aggregates WHERE status <> 'active' OR failures > 0"), '0',
	'no aggregate is blamed');

unlink($filler) or BAIL_OUT("could not remove $filler: $!");
is($node->safe_psql('postgres', "SELECT weir.wait('events', '3 minutes')"), 't', 'space again: consumed');
exact_ok('space again');
same_rows($node, 'postgres', 'SELECT * FROM sunk', 'SELECT window_start, sum(n) FROM hourly_closed GROUP BY window_start',
	'the sink has had each window once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM weir.late_rows'), '0', 'nothing was late');

# --- Writers: the log is on the full disk

fill_up();
my $error = '';
for (1 .. 200)
{
	# each a transaction, with an entry of its own in the log
	(undef, undef, $error) = $node->psql('postgres',
		join('', map { "INSERT INTO notes SELECT timestamptz '2024-01-01', $_ FROM generate_series(1, 10);\n" } 1 .. 500));
	last if $error ne '';
}
like($error, qr/No space left on device/, 'a writer is told that there is no space for the log');
unlink($filler) or BAIL_OUT("could not remove $filler: $!");
$node->safe_psql('postgres', "INSERT INTO notes VALUES ('2024-01-01', 0)");
is($node->safe_psql('postgres', "SELECT weir.wait('notes', '3 minutes')"), 't', 'space again: the writer goes on');
same_rows($node, 'postgres', 'SELECT * FROM of_notes', 'SELECT count(*), sum(n) FROM notes', 'and what was committed is counted');

$node->stop;
done_testing();
