
# The worker's life: it starts by first use (and at boot when preloaded), comes
# back after every kind of death, and is in nobody's way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('worker');
$node->start;

# A stream with a windowed aggregate and one without a window.
my $setup = <<'SQL';
CREATE EXTENSION weir;
CREATE TABLE readings (ts timestamptz NOT NULL, device int, value numeric);
SELECT weir.create_stream('readings', 'ts');
SELECT weir.create_continuous_aggregate('per_minute', $$
	SELECT w.window_start, w.window_end, r.device, count(*) AS n, sum(r.value) AS total
	FROM readings r, weir.tumble(r.ts, '1 minute') w
	GROUP BY w.window_start, w.window_end, r.device $$);
SELECT weir.create_continuous_aggregate('per_device', $$
	SELECT device, count(*) AS n, max(value) AS highest FROM readings GROUP BY device $$);
SQL

my $minutes = 0;

# Ten minutes' worth of rows, in order of time.
sub more_rows
{
	my ($db) = @_;

	$node->safe_psql($db, <<SQL);
INSERT INTO readings
SELECT timestamptz '2024-01-01 00:00:00Z' + interval '1 minute' * $minutes + interval '3 seconds' * i,
	i % 7, i FROM generate_series(0, 199) i;
SQL
	$minutes += 10;
	return;
}

sub everything_counted
{
	my ($db, $name) = @_;

	is($node->safe_psql($db, "SELECT weir.wait('readings')"), 't', "$name: consumed");
	same_rows($node, $db, 'SELECT * FROM per_minute', <<'SQL', "$name: windows");
SELECT w.window_start, w.window_end, r.device, count(*), sum(r.value)
FROM readings r, weir.tumble(r.ts, '1 minute') w GROUP BY 1, 2, 3
SQL
	same_rows($node, $db, 'SELECT * FROM per_device', <<'SQL', "$name: running");
SELECT device, count(*), max(value) FROM readings GROUP BY 1
SQL
	return;
}

sub kill_worker
{
	my ($signal) = @_;

	wait_for_worker($node, 'postgres');
	my ($pid) = worker_pids($node, 'postgres');
	kill $signal, $pid or BAIL_OUT("could not signal $pid: $!");
	$node->poll_query_until('postgres',
		"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	return;
}

# --- Started by first use, without preloading

$node->safe_psql('postgres', $setup);
more_rows('postgres');
ok(wait_for_worker($node, 'postgres'), 'the first commit starts the worker');
everything_counted('postgres', 'first use');
is(scalar(worker_pids($node, 'postgres')), 1, 'there is one worker for the database');

# The aggregates see committed rows at once while the worker is stopped.
$node->safe_psql('postgres', "SELECT weir.pause('readings')");
more_rows('postgres');
same_rows($node, 'postgres', 'SELECT * FROM per_device',
	'SELECT device, count(*), max(value) FROM readings GROUP BY 1',
	'the live view is exact while the stream is paused');
$node->safe_psql('postgres', "SELECT weir.resume('readings')");
everything_counted('postgres', 'resumed');

# --- Ended in every way

kill_worker('TERM');
more_rows('postgres');
everything_counted('postgres', 'worker terminated');

$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'weir%'");
more_rows('postgres');
everything_counted('postgres', 'worker terminated by SQL');

# SIGKILL of any process restarts the whole server.
kill_worker('KILL');
wait_for_server($node);
more_rows('postgres');
ok(wait_for_worker($node, 'postgres'), 'a worker again after SIGKILL of the worker');
everything_counted('postgres', 'worker killed');

more_rows('postgres');
crash_and_start($node);
more_rows('postgres');
everything_counted('postgres', 'server killed');

more_rows('postgres');
$node->stop('immediate');
$node->start;
everything_counted('postgres', 'immediate shutdown');

# --- In nobody's way

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', $setup);
more_rows('other');
ok(wait_for_worker($node, 'other'), 'a second database has its own worker');
timed_ok(8, 'CREATE DATABASE with that one as template does not wait',
	sub { $node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE other') });
everything_counted('copied', 'copied database');
more_rows('other');
wait_for_worker($node, 'other');
timed_ok(2, 'DROP DATABASE does not wait for the worker',
	sub { $node->safe_psql('postgres', 'DROP DATABASE other') });
ok(wait_for_no_worker($node, 'other'), 'the worker of the dropped database is gone');

# The same while the worker is in a tick that takes minutes.
$node->safe_psql('postgres', 'CREATE DATABASE third TEMPLATE copied');
$node->safe_psql('third', <<'SQL');
CREATE TABLE slow (ts timestamptz NOT NULL, pad text);
CREATE FUNCTION slowly(ts timestamptz) RETURNS int LANGUAGE plpgsql STABLE AS $$
	BEGIN PERFORM pg_sleep(0.01); RETURN 1; END $$;
SELECT weir.create_stream('slow', 'ts');
SELECT weir.create_continuous_aggregate('slow_sum', 'SELECT sum(slowly(ts)) FROM slow');
INSERT INTO slow SELECT '2024-01-01', repeat('x', 500) FROM generate_series(1, 20000) i;
SQL
my $in_long_tick = <<'SQL';
SELECT count(*) = 1 FROM pg_stat_activity
WHERE backend_type LIKE 'weir%' AND datname = 'third' AND wait_event = 'PgSleep'
SQL
ok($node->poll_query_until('postgres', $in_long_tick), 'a tick runs for long');
timed_ok(4, 'DROP EXTENSION does not wait for the tick',
	sub { $node->safe_psql('third', 'BEGIN; DROP EXTENSION weir CASCADE; ROLLBACK') });
ok($node->poll_query_until('postgres', $in_long_tick), 'it was not dropped, and the tick is tried again');
timed_ok(4, 'DROP DATABASE does not wait for the tick',
	sub { $node->safe_psql('postgres', 'DROP DATABASE third') });

more_rows('copied');
ok(wait_for_worker($node, 'copied'), 'a worker for the copied database');
timed_ok(2, 'DROP EXTENSION does not wait for the worker',
	sub { $node->safe_psql('copied', 'DROP EXTENSION weir CASCADE') });
ok(wait_for_no_worker($node, 'copied'), 'the worker of the dropped extension is gone');
is($node->safe_psql('copied', 'SELECT count(*) > 0 FROM readings'), 't',
	"the user's table stays");
# Rows of closed windows are the user's, too.
is($node->safe_psql('copied', 'SELECT count(*) > 0 FROM per_minute_closed'), 't',
	'and so do the closed rows');
$node->safe_psql('copied', 'DROP TABLE readings, per_minute_closed');
$node->safe_psql('copied', $setup);
more_rows('copied');
everything_counted('copied', 'extension created again');

# Fast shutdown in the middle of work.
$node->safe_psql('postgres', <<SQL);
INSERT INTO readings
SELECT timestamptz '2024-01-01 00:00:00Z' + interval '1 minute' * $minutes + interval '1 millisecond' * i, i % 1000, i
FROM generate_series(1, 300000) i;
SQL
$minutes += 10;
timed_ok(5, 'fast shutdown does not wait for the worker', sub { $node->stop('fast') });

# --- Preloaded: started at boot, by no one's use

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'weir'");
$node->start;
ok(wait_for_worker($node, 'postgres'), 'preloaded, the worker starts at boot');
everything_counted('postgres', 'preloaded');
kill_worker('KILL');
wait_for_server($node);
ok(wait_for_worker($node, 'postgres'), 'and by itself after a crash');
more_rows('postgres');
everything_counted('postgres', 'after a crash, preloaded');
is($node->safe_psql('postgres', 'SELECT count(*) FROM weir.late_rows'), '0', 'nothing was late');
timed_ok(5, 'fast shutdown, preloaded', sub { $node->stop('fast') });

done_testing();
