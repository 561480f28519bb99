
# What the machine can be short of: disk space in the middle of a tick, worker
# processes, memory, time (a clock that is set back). Nothing is lost or counted
# twice for it, and work goes on when there is enough again. And a log that has gone
# round many times is no larger than one that has gone round a few times.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Time::HiRes qw(usleep);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('shortage', conf => <<'CONF');
log_statement = none
max_worker_processes = 1
max_logical_replication_workers = 0
max_wal_size = 4GB
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE other');
my $offset;
my $setup = <<'SQL';
CREATE EXTENSION weir;
CREATE TABLE events (id int, ts timestamptz NOT NULL, key int);
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('ever', 'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key');
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_start, w.window_end, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end');
SQL
$node->safe_psql($_, $setup) for 'postgres', 'other';
my $id = 0;

sub add_rows
{
	my ($db, $n) = @_;

	$node->safe_psql($db, <<SQL);
INSERT INTO events SELECT i, timestamptz '2024-01-01' + interval '1 minute' * i, i % 3 FROM generate_series($id + 1, $id + $n) i;
SQL
	$id += $n;
	return;
}

sub exact_ok
{
	my ($db, $name) = @_;

	is($node->safe_psql($db, "SELECT weir.wait('events', '3 minutes')"), 't', "$name: consumed");
	same_rows($node, $db, 'SELECT * FROM ever', 'SELECT key, count(*), sum(id) FROM events GROUP BY key', "$name: running");
	same_rows($node, $db, 'SELECT * FROM hourly', <<'SQL', "$name: windows");
SELECT w.window_start, w.window_end, count(*) FROM events e, weir.tumble(e.ts, '1 hour') w GROUP BY 1, 2
SQL
	is($node->safe_psql($db, "SELECT count(*) FROM weir.stat_aggregates WHERE status <> 'active' OR failures > 0"), '0',
		"$name: no aggregate is blamed");
	return;
}

sub log_lines
{
	my ($offset, $what) = @_;
	my $count = () = slurp_file($node->logfile, $offset) =~ /$what/g;

	return $count;
}

# --- Disk space

add_rows('postgres', 100);
exact_ok('postgres', 'at first');
SKIP:
{
	skip 'not compiled with -DWEIR_DEBUG', 1
	  if $node->safe_psql('postgres', "LOAD 'weir'; SELECT count(*) FROM pg_settings WHERE name = 'weir.debug_point'") eq '0';

	foreach my $point (qw(tick_batch tick_aggregate tick_consumed tick_stored rotate_prepared))
	{
		my $offset = -s $node->logfile;

		$node->append_conf('postgresql.conf', "weir.debug_point = '$point:full'\nweir.log_slot_size = '8kB'");
		$node->reload;
		add_rows('postgres', 100);
		ok($node->poll_query_until('postgres', 'SELECT true') && $node->wait_for_log(qr/debug point "$point" finds no space left/, $offset),
			"no space at $point");
		add_rows('postgres', 100);
		same_rows($node, 'postgres', 'SELECT * FROM ever', 'SELECT key, count(*), sum(id) FROM events GROUP BY key',
			"no space at $point: the view is exact");
		$node->append_conf('postgresql.conf', "weir.debug_point = ''");
		$node->reload;
		exact_ok('postgres', "space again after $point");
	}
}

# what follows comes after all of this, with debug points or without
$id = 2000;

# --- Worker processes: the only one serves another database

wait_for_worker($node, 'postgres');
$offset = -s $node->logfile;
my $session = $node->background_psql('other');
for (1 .. 3)
{
	$session->query_safe("INSERT INTO events SELECT i, timestamptz '2024-01-01' + interval '1 minute' * i, i % 3 FROM generate_series(1, 10) i");
	$session->query_safe('SELECT pg_sleep(1.1)');    # it tries once a second
}
is(log_lines($offset, qr/could not start a weir worker/), 1, 'it is said once that there is no worker process');
is($node->safe_psql('other', "SELECT weir.wait('events', '0')"), 'f', 'nothing is consumed');
same_rows($node, 'other', 'SELECT * FROM ever', 'SELECT key, count(*), sum(id) FROM events GROUP BY key', 'but all is seen');
$node->safe_psql('other', "CALL weir.drain('events')");
is($node->safe_psql('other', "SELECT weir.wait('events', '0')"), 't', 'drain needs no worker');
$node->safe_psql('postgres', 'DROP EXTENSION weir CASCADE');
$node->safe_psql('other', <<'SQL');
BEGIN;
INSERT INTO events VALUES (1, '2024-01-01 03:00', 1);
SET TRANSACTION READ ONLY;
COMMIT;
SQL
pass('a transaction may be made READ ONLY after it has written');
for (1 .. 1000)
{
	$session->query_safe("INSERT INTO events VALUES (1, '2024-01-01 03:00', 1)");
	last if worker_pids($node, 'other');
	usleep(100_000);
}
exact_ok('other', 'a worker process again');
is(log_lines($offset, qr/could not start a weir worker/), 1, 'and nothing more was said');
$session->quit;

# --- The clock has been set back: what was noted is far in the future

$node->safe_psql('other', <<'SQL');
UPDATE weir._cursor SET not_before = now() + interval '1 day', last_row_at = now() + interval '1 day',
	last_tick_at = now() + interval '1 day', version = version + 1;
SQL
my $watermark = $node->safe_psql('other', 'SELECT watermark FROM weir.stat_streams');
add_rows('other', 300);
exact_ok('other', 'clock set back');
is($node->safe_psql('other', "SELECT watermark >= '$watermark' FROM weir.stat_streams"), 't', 'the watermark does not go back');

# --- A day's worth of rotation: slots are used again, and nothing grows

$node->append_conf('postgresql.conf', 'weir.start_workers = off');
$node->restart;
$node->safe_psql('other', 'CREATE TABLE sizes (n int, name text, bytes bigint)');

# so many turns, each with rows, a tick and a step of rotation, and then the sizes
sub go_round
{
	my ($turns) = @_;

	$node->safe_psql('other', "SET weir.log_slot_size = '8kB';\n" .
		"INSERT INTO events SELECT 1, timestamptz '2024-01-05', i FROM generate_series(1, 3) i;\nCALL weir.drain('events');\n" x $turns);
	# as autovacuum would
	$node->safe_psql('other', 'VACUUM pg_class, pg_attribute, pg_depend, pg_type, pg_index, weir._cursor, weir._log_slot, weir._superseded, weir._aggregate_progress');
	return $node->safe_psql('other', <<'SQL');
SELECT string_agg(name || ' ' || bytes, ', ' ORDER BY name), max(slots), max(turn) FROM (
	SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class c
	WHERE oid IN ('pg_class'::regclass, 'pg_attribute'::regclass, 'pg_depend'::regclass, 'pg_type'::regclass,
		'weir._cursor'::regclass, 'weir._log_slot'::regclass, 'weir._superseded'::regclass)
	UNION ALL
	SELECT 'log', sum(pg_total_relation_size(c.oid)) FROM pg_class c
	WHERE relnamespace = 'weir'::regnamespace AND relname ~ '^_log_\d+_\d+$') x,
	(SELECT count(*) AS slots, max(turn) AS turn FROM weir._log_slot) y
SQL
}

go_round(100);
my ($sizes, $slots, $turn) = split /\|/, go_round(100);
go_round(100) for 1 .. 7;
my ($later_sizes, $later_slots, $later_turn) = split /\|/, go_round(100);
cmp_ok($later_turn - $turn, '>=', 300, 'the log has gone round');
is($later_slots, $slots, "in $slots tables");
is($later_sizes, $sizes, 'which have not grown, nor have the catalogs');
same_rows($node, 'other', 'SELECT * FROM ever', 'SELECT key, count(*), sum(id) FROM events GROUP BY key', 'and all is counted');
$node->append_conf('postgresql.conf', 'weir.start_workers = on');
$node->reload;

# --- Retention: what is consumed by all and old enough goes, and nothing else

$node->safe_psql('other', <<'SQL');
CREATE TABLE kept (ts timestamptz NOT NULL, n int);
SELECT weir.create_stream('kept', 'ts', retention => '1 hour');
SELECT weir.create_continuous_aggregate('of_kept', 'SELECT count(*) AS n, sum(n) AS total FROM kept');
SELECT weir.create_continuous_aggregate('slow', 'SELECT count(*) AS n, sum(n) AS total FROM kept');
INSERT INTO kept SELECT timestamptz '2024-01-01' + interval '1 second' * i, i FROM generate_series(0, 4 * 3600 - 1) i;
SQL
ok($node->poll_query_until('other', 'SELECT count(*) = 3601 FROM kept'),
	'rows older than an hour are deleted, and no others');
is($node->safe_psql('other', 'SELECT min(ts) FROM kept'), '2024-01-01 02:59:59+00', 'those that are old');
is($node->safe_psql('other', 'SELECT * FROM of_kept'), '14400|103672800', 'they stay counted');
$node->safe_psql('other', "SELECT weir.wait('kept', '3 minutes'); SELECT weir.pause('slow')");
$node->safe_psql('other',
	"INSERT INTO kept SELECT timestamptz '2024-01-01 04:00' + interval '1 second' * i, i FROM generate_series(0, 4 * 3600 - 1) i");
is($node->safe_psql('other', "SELECT weir.wait('kept', '3 minutes')"), 't', 'the others go on');
is($node->safe_psql('other', 'SELECT count(*) FROM kept'), '18001', 'rows that a paused aggregate needs are kept');
is($node->safe_psql('other', 'SELECT * FROM slow'), '28800|207345600', 'and seen by it');
$node->safe_psql('other', "SELECT weir.resume('slow')");
ok($node->poll_query_until('other', 'SELECT count(*) = 3601 FROM kept'), 'until it has consumed them');
is($node->safe_psql('other', 'SELECT * FROM slow'), '28800|207345600', 'and counted them');

# --- Memory: a transaction of five million rows, a hundred thousand groups

$node->safe_psql('other', <<'SQL');
SELECT weir.create_continuous_aggregate('many', 'SELECT w.window_start, w.window_end, e.id % 100000 AS k, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end, e.id % 100000', realtime => false);
SELECT weir.wait('events', '3 minutes');
SQL
my $used = $node->safe_psql('other', <<'SQL');
BEGIN;
INSERT INTO events SELECT i, timestamptz '2024-02-01' + interval '1 millisecond' * i, 1 FROM generate_series(1, 5000000) i;
SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'TopTransactionContext';
COMMIT;
SQL
cmp_ok($used, '<', 16 * 1024 * 1024, "a writer of five million rows notes them in $used bytes");

my $most = 0;
my $behind = 'f';
my $deadline = time + 3 * $PostgreSQL::Test::Utils::timeout_default;
while (time < $deadline)
{
	foreach my $pid (worker_pids($node, 'other'))
	{
		my $status = eval { slurp_file("/proc/$pid/status") } // '';

		$most = $1 if $status =~ /^RssAnon:\s+(\d+) kB/m && $1 > $most;
	}
	$behind = $node->safe_psql('other', "SELECT weir.wait('events', '50 ms')");
	last if $behind eq 't';
}
is($behind, 't', 'five million rows are consumed');
cmp_ok($most, '<', 256 * 1024, "by a worker of $most kB");
same_rows($node, 'other', 'SELECT * FROM many', <<'SQL', 'and counted, every one');
SELECT w.window_start, w.window_end, e.id % 100000, count(*) FROM events e, weir.tumble(e.ts, '1 hour') w GROUP BY 1, 2, 3
SQL

$node->stop;
done_testing();
