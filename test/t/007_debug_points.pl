
# The server is killed at every step between a commit and what comes of it: in the
# writer's flush, in each step of a tick, of the log's rotation, and while a table
# gets a new file. Afterwards each row is counted exactly once. Needs a build with
# -DWEIR_DEBUG.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Weir::Test;

my $node = weir_node('debug_points', conf => <<'CONF');
weir.start_workers = off
weir.log_slot_size = '8kB'
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION weir');
plan skip_all => 'not compiled with -DWEIR_DEBUG'
  if $node->safe_psql('postgres', "LOAD 'weir'; SELECT count(*) FROM pg_settings WHERE name = 'weir.debug_point'") eq '0';

# An event a minute, and the same in a ledger that weir knows nothing of.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE events (id int PRIMARY KEY, ts timestamptz NOT NULL, key int);
CREATE TABLE ledger (LIKE events);
CREATE TABLE sunk (LIKE ledger);
ALTER TABLE sunk DROP COLUMN id, ADD COLUMN n bigint;
CREATE SEQUENCE ids;
CREATE PROCEDURE add_rows(n int) LANGUAGE sql AS $$
	WITH new AS (INSERT INTO ledger SELECT id, timestamptz '2024-01-01' + interval '1 minute' * id, id % 3
		FROM (SELECT nextval('ids')::int AS id FROM generate_series(1, n)) x RETURNING *)
	INSERT INTO events SELECT * FROM new $$;
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('ever',
	'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key');
SELECT weir.create_continuous_aggregate('hourly',
	'SELECT w.window_start, w.window_end, e.key, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end, e.key');
SELECT weir.create_continuous_aggregate('daily',
	'SELECT w.window_start, w.window_end, sum(h.n) AS n
	FROM hourly h, weir.tumble(h.window_start, ''1 day'') w GROUP BY w.window_start, w.window_end');
SELECT weir.create_sink('sink', 'hourly', 'INSERT INTO sunk SELECT window_start, key, n FROM closed');
SQL

my $running = 'SELECT key, count(*), sum(id) FROM ledger GROUP BY key';
my $windows = 'SELECT w.window_start, w.window_end, l.key, count(*) AS n
	FROM ledger l, weir.tumble(l.ts, \'1 hour\') w GROUP BY 1, 2, 3';

my $days = 'SELECT w.window_start, w.window_end, count(*)::numeric AS n
	FROM ledger l, weir.tumble(l.ts, \'1 day\') w GROUP BY 1, 2';

# What was killed is over, and the server is there again.
sub wait_for_restart
{
	my ($offset) = @_;

	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	wait_for_server($node);
	return;
}

# Runs commands with a debug point that kills, again and again until it has.
sub killed_ok
{
	my ($point, $sql, $before) = @_;
	my $killed = 0;

	for (my $try = 0; $try < 30 && !$killed; $try++)
	{
		my $offset = -s $node->logfile;

		$node->safe_psql('postgres', $before);
		my $status = $node->psql('postgres', "SET weir.debug_point = '$point:kill'; $sql", stderr => \my $stderr);
		next if $status == 0;
		wait_for_restart($offset);
		$killed = 1;
	}
	return ok($killed, "killed at $point");
}

sub exact_ok
{
	my ($name) = @_;

	return same_rows($node, 'postgres', 'SELECT * FROM ever', $running, "$name: live")
	  && same_rows($node, 'postgres', 'SELECT * FROM hourly', $windows, "$name: windows")
	  && same_rows($node, 'postgres', 'SELECT * FROM daily', $days, "$name: windows over windows");
}

# --- A session is killed

foreach my $point (qw(flush_begin flush_end))
{
	killed_ok($point, 'CALL add_rows(10)', 'CALL add_rows(1)');
	same_rows($node, 'postgres', 'SELECT * FROM events', 'SELECT * FROM ledger', "$point: all or nothing");
}

my $drain = "CALL weir.drain('events')";

foreach my $point (
	qw(tick_locked tick_batch tick_aggregate cascade_aggregate tick_consumed tick_stored rotate_prepared rotate_switched
	rotate_closed rotate_drained truncate_begin truncate_marked truncate_end))
{
	# a step of rotation is done at the end of each drain
	killed_ok($point, $drain, 'CALL add_rows(70)');
	exact_ok("$point, before the next drain");
	$node->safe_psql('postgres', $drain);
	exact_ok("$point, after it");
}

# an aggregate that reads history joins the others in the end
$node->safe_psql('postgres', <<'SQL');
SELECT weir.create_continuous_aggregate('later', 'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key');
SQL
killed_ok('join_cursor', $drain, 'CALL add_rows(5)');
same_rows($node, 'postgres', 'SELECT * FROM later', $running, 'join_cursor, before the next drain');
$node->safe_psql('postgres', $drain);
same_rows($node, 'postgres', 'SELECT * FROM later', $running, 'join_cursor, after it');

# and one over another aggregate takes the closed rows that are there
$node->safe_psql('postgres', <<'SQL');
SELECT weir.create_continuous_aggregate('later_daily',
	'SELECT w.window_start, w.window_end, sum(h.n) AS n
	FROM hourly h, weir.tumble(h.window_start, ''1 day'') w GROUP BY w.window_start, w.window_end');
SQL
killed_ok('cascade_aggregate', $drain, 'SELECT 1');
same_rows($node, 'postgres', 'SELECT * FROM later_daily', $days, 'catching up, before the next drain');
$node->safe_psql('postgres', $drain);
same_rows($node, 'postgres', 'SELECT * FROM later_daily', $days, 'catching up, after it');

foreach my $point (qw(rewrite_begin rewrite_superseded rewrite_end))
{
	killed_ok($point, 'VACUUM FULL events', 'CALL add_rows(20)');
	exact_ok("$point, before the next drain");
	$node->safe_psql('postgres', $_) for 'VACUUM FULL events', $drain;
	exact_ok("$point, after it");
}

# --- An error is no more than a repeated tick

foreach my $point (qw(tick_batch tick_consumed tick_stored rotate_switched truncate_marked))
{
	my ($status, $stderr) = (0, '');

	for (my $try = 0; $try < 30 && $status == 0; $try++)
	{
		$node->safe_psql('postgres', 'CALL add_rows(70)');
		$status = $node->psql('postgres', "SET weir.debug_point = '$point:error'; $drain", stderr => \$stderr);
	}
	like($stderr, qr/debug point "$point" has been reached/, "error at $point");
	exact_ok("error at $point");
	$node->safe_psql('postgres', $drain);
}

# --- The worker, or the postmaster, is killed while the worker is at a point

$node->append_conf('postgresql.conf', 'weir.start_workers = on');
$node->reload;

# The worker will wait at the point: the lock that it waits for is held by a
# prepared transaction, since that outlives the kill.
sub hold_at
{
	my ($point) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;

	$node->safe_psql('postgres', <<SQL);
BEGIN; SELECT pg_advisory_xact_lock(hashtext('$point')); PREPARE TRANSACTION 'hold';
SQL
	$node->append_conf('postgresql.conf', "weir.debug_point = '$point:wait'");
	$node->reload;
	while (1)
	{
		my $pid = $node->safe_psql('postgres', <<'SQL');
SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)
WHERE backend_type LIKE 'weir%' AND l.locktype = 'advisory' AND NOT l.granted
SQL
		return $pid if $pid;
		BAIL_OUT("the worker does not come to $point") if time > $until;
		$node->safe_psql('postgres', 'CALL add_rows(1)');
		usleep(20_000);
	}
}

foreach my $point (
	qw(tick_locked tick_batch tick_aggregate cascade_aggregate tick_consumed tick_stored rotate_prepared rotate_switched
	rotate_closed))
{
	foreach my $what ('worker', 'postmaster')
	{
		my $pid = hold_at($point);
		my $offset = -s $node->logfile;

		same_rows($node, 'postgres', 'SELECT * FROM ever', $running, "held at $point");
		$node->append_conf('postgresql.conf', "weir.debug_point = ''");
		if ($what eq 'worker')
		{
			$node->reload;
			kill 'KILL', $pid or BAIL_OUT("could not kill $pid: $!");
			wait_for_restart($offset);
		}
		else
		{
			crash_and_start($node);
		}
		$node->safe_psql('postgres', "COMMIT PREPARED 'hold'");
		$node->safe_psql('postgres', 'CALL add_rows(10)');
		is($node->safe_psql('postgres', "SELECT weir.wait('events')"), 't', "$what killed at $point: consumed");
		exact_ok("$what killed at $point");
	}
}

# --- All in all

$node->safe_psql('postgres', "SELECT weir.advance_watermark('events', 'infinity')");
same_rows($node, 'postgres', 'SELECT * FROM hourly_closed', $windows, 'every window is closed');
same_rows($node, 'postgres', "SELECT * FROM ${_}_closed", $days, "so is every one of $_") foreach 'daily', 'later_daily';
same_rows($node, 'postgres', 'SELECT * FROM sunk', "SELECT window_start, key, n FROM ($windows) x", 'and has been sunk');
is($node->safe_psql('postgres', 'SELECT count(*) FROM weir.late_rows'), '0', 'nothing was late');

$node->stop;
done_testing();
