
# What happens to a worker besides dying: the extension is dropped and created
# again under it, settings change, objects come and go; and what it leaves in the
# log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('again', conf => "log_statement = none\nautovacuum = off\nweir.naptime = '1h'");
my $offset = 0;
$node->start;

my $setup = <<'SQL';
CREATE EXTENSION weir;
CREATE TABLE events (ts timestamptz NOT NULL, n int);
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS n, sum(n) AS total FROM events');
INSERT INTO events VALUES ('2024-01-01', 1);
SQL

# The worker that commits know of is the one that runs.
sub worker_is_known
{
	my ($name) = @_;

	return ok($node->poll_query_until('postgres', <<'SQL'), $name);
SELECT count(*) = 1 FROM pg_stat_activity, weir._worker_pid
WHERE backend_type LIKE 'weir%' AND datname = current_database() AND pid = last_value & 4294967295
SQL
}

sub log_since
{
	return slurp_file($node->logfile, $offset);
}

# --- Another extension, before the worker of the first has noticed

$node->safe_psql('postgres', $setup);
worker_is_known('a worker has enrolled');
foreach my $try (1 .. 5)
{
	is($node->safe_psql('postgres', "SELECT weir.wait('events', '3 minutes')"), 't', "try $try: a worker is at work");
	$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP EXTENSION weir CASCADE; DROP TABLE events; ' . $setup);
	worker_is_known("try $try: a worker for the extension that was created again");
	is($node->safe_psql('postgres', "SELECT weir.wait('events', '3 minutes')"), 't', "try $try: it works");
	is($node->safe_psql('postgres', 'SELECT * FROM ever'), '1|1', "try $try: for the new stream");
}
unlike(log_since(), qr/ERROR|FATAL|PANIC/, 'no error');

# --- Settings

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE seen (at int GENERATED ALWAYS AS IDENTITY, lock_timeout text, deadlock_timeout text);
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_start, w.window_end, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end');
SELECT weir.create_sink('settings', 'hourly', 'INSERT INTO seen (lock_timeout, deadlock_timeout)
	SELECT current_setting(''lock_timeout''), current_setting(''deadlock_timeout'') FROM closed LIMIT 1');
INSERT INTO events VALUES ('2024-01-02', 2);
SELECT weir.wait('events', '3 minutes');
SQL
is($node->safe_psql('postgres', 'SELECT lock_timeout, deadlock_timeout FROM seen'), '900ms|100ms', 'the worker waits shorter than others do');
foreach my $change ([ 'deadlock_timeout = 3s', '2700ms|300ms' ], [ 'deadlock_timeout = 500ms', '450ms|50ms' ])
{
	my ($setting, $expected) = @$change;

	$node->append_conf('postgresql.conf', $setting);
	$node->reload;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	my $got;
	do
	{
		$got = $node->safe_psql('postgres', <<'SQL');
INSERT INTO events SELECT max(ts) + interval '1 hour', 1 FROM events;
DO $$ BEGIN PERFORM weir.wait('events', '3 minutes'); END $$;
SELECT lock_timeout, deadlock_timeout FROM seen ORDER BY at DESC LIMIT 1;
SQL
	} until $got eq $expected || time > $until;
	is($got, $expected, "$setting: the worker follows");
}

# what a database makes of its sessions is not for the worker
$node->safe_psql('postgres', 'CREATE ROLE nobody; CREATE DATABASE odd');
$node->safe_psql('odd', $setup);
ok(wait_for_worker($node, 'odd'), 'a worker in another database');
my ($pid) = worker_pids($node, 'odd');
$node->safe_psql('postgres', <<SQL);
ALTER DATABASE odd SET role = 'nobody';
ALTER DATABASE odd SET default_transaction_read_only = on;
ALTER DATABASE odd SET lock_timeout = '1ms';
SELECT pg_terminate_backend($pid);
SQL
ok($node->poll_query_until('postgres', <<SQL), 'started again with settings of its database');
SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'weir%' AND datname = 'odd' AND pid <> $pid
SQL
is($node->safe_psql('odd', <<'SQL'), "t\n2|3", 'it works all the same');
SET ROLE NONE;
SET default_transaction_read_only = off;
INSERT INTO events VALUES ('2024-01-02', 2);
SELECT weir.wait('events', '3 minutes');
SELECT * FROM ever;
SQL

# --- What one cursor fails at is not in the way of another

my $ticks = "SELECT ticks FROM weir.stat_aggregates WHERE aggregate = 'ever'::regclass";
my $before = $node->safe_psql('postgres', <<"SQL");
DO \$\$ BEGIN
	PERFORM weir.pause('ever');
	INSERT INTO events SELECT max(ts) + interval '1 hour', 1 FROM events;
END \$\$;
DO \$\$ BEGIN PERFORM weir.wait('events', '3 minutes'); END \$\$;
$ticks;
SQL
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; LOCK hourly_closed');
$offset = -s $node->logfile;
$node->safe_psql('postgres', "INSERT INTO events SELECT max(ts) + interval '1 hour', 1 FROM events");
$node->wait_for_log(qr/ERROR:  canceling statement due to lock timeout/, $offset);
$node->safe_psql('postgres', "SELECT weir.resume('ever')");
ok($node->poll_query_until('postgres', $ticks =~ s/ticks/ticks > $before/r),
	'an aggregate catches up while the others wait for a lock');
$other->query_safe('ROLLBACK');
$other->quit;
is($node->safe_psql('postgres', "SELECT weir.wait('events', '3 minutes')"), 't', 'and they go on later');
same_rows($node, 'postgres', 'SELECT * FROM ever', 'SELECT count(*), sum(n) FROM events', 'both have counted all');
same_rows($node, 'postgres', 'SELECT n FROM hourly', q{SELECT count(*) FROM events GROUP BY date_trunc('hour', ts)}, 'in every window');

# --- Objects that come and go leave nothing behind in the worker

$node->append_conf('postgresql.conf', "weir.naptime = '100ms'");
$node->reload;
$node->safe_psql('postgres', <<'SQL');
SELECT weir.create_wide_table('wide_' || i), weir.add_family('wide_' || i, 'f') FROM generate_series(1, 20) i;
SELECT weir.mutate_row('wide_' || i, 'row', weir.set_cell('f', 'q' || j, 'x')) FROM generate_series(1, 20) i, generate_series(1, 10) j;
SQL

# how many positions of compactions it remembers
sub positions
{
	my ($worker) = worker_pids($node, 'postgres');
	my $from = -s $node->logfile;

	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($worker)");
	$node->wait_for_log(qr/\[$worker\] .*Grand total/, $from);
	my $count = () = slurp_file($node->logfile, $from) =~ /\[$worker\] .*weir compaction/g;

	return $count;
}

my $until = time + $PostgreSQL::Test::Utils::timeout_default;
my $positions = 0;
$positions = positions() until $positions > 15 || time > $until;
cmp_ok($positions, '>', 15, 'it remembers where it is in wide tables');
$node->safe_psql('postgres', "DROP FOREIGN TABLE wide_$_") for 2 .. 20;
$positions = positions() until $positions == 1 || time > $until;
is($positions, 1, 'and not for longer than they are there');

# --- Wide tables alone have a worker, too

$node->safe_psql('postgres', 'CREATE DATABASE only_wide');
$node->safe_psql('only_wide', <<SQL);
CREATE EXTENSION weir;
SELECT weir.create_wide_table('notes');
SELECT weir.add_family('notes', 'f');
SELECT weir.mutate_row('notes', 'a', weir.set_cell('f', 'q' || i, 'v')) FROM generate_series(1, 100) i;
SQL
ok(wait_for_worker($node, 'only_wide'), 'a write to a wide table starts one');
ok($node->poll_query_until('only_wide', 'SELECT EXISTS (SELECT FROM notes_base)'), 'which compacts the table');

# --- A dropped database is no error

# What the postmaster does with workers is in the log as debug messages only.
$node->append_conf('postgresql.conf', 'log_min_messages = debug1');
$node->reload;
$node->safe_psql('postgres', 'CREATE DATABASE passing');
$node->safe_psql('passing', $setup);
ok(wait_for_worker($node, 'passing'), 'a worker in a database');
my $worker = 'weir worker for database ' . $node->safe_psql('postgres', "SELECT oid FROM pg_database WHERE datname = 'passing'");
$offset = -s $node->logfile;
$node->safe_psql('postgres', 'DROP DATABASE passing');
# others come meanwhile
$node->safe_psql('postgres', 'CREATE DATABASE after_it');
$node->safe_psql('after_it', $setup);
$node->wait_for_log(qr/starting background worker process "$worker"/, $offset);
pass('the postmaster has started the worker of the dropped database again');
$node->wait_for_log(qr/unregistering background worker "$worker"/, $offset);
pass('which has ended for good');
ok(wait_for_worker($node, 'after_it'), 'another database has its worker');
unlike(join("\n", grep { !/ DEBUG:  / } split /\n/, log_since()), qr/ERROR|FATAL|does not exist/, 'and the log has no error');

$node->stop;
done_testing();
