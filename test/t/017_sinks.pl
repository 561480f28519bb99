
# Sinks with the worker: one that fails beside others that don't, killed in the
# middle, dumped while it is behind; NOTIFY to another session, and closed rows
# published to another server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use Weir::Test;

my $node = weir_node('publisher', allows_streaming => 'logical', conf => <<'CONF');
weir.retry_delay = '20ms'
weir.naptime = '50ms'
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE events (ts timestamptz NOT NULL, key int);
CREATE TABLE poison (key int);
CREATE TABLE took_well (i serial, window_end timestamptz, key int, n bigint);
CREATE TABLE took_badly (LIKE took_well INCLUDING ALL);
CREATE FUNCTION bite(k int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM poison WHERE key = k) THEN
		RAISE EXCEPTION 'poisoned by %', k;
	END IF;
	RETURN k;
END $$;
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('hourly', $$
	SELECT w.window_end, e.key, count(*) AS n
	FROM events e, weir.tumble(e.ts, '1 hour') w GROUP BY w.window_end, e.key $$);
SELECT weir.create_sink('bad', 'hourly',
	'INSERT INTO took_badly (window_end, key, n) SELECT window_end, bite(key), n FROM closed ORDER BY 1, 2');
SELECT weir.create_sink('good', 'hourly',
	'INSERT INTO took_well (window_end, key, n) SELECT window_end, key, n FROM closed ORDER BY 1, 2');
CREATE SEQUENCE minutes;
-- an event a minute, and one of each key in each hour
CREATE PROCEDURE add_rows(n int) LANGUAGE sql AS $$
	INSERT INTO events SELECT timestamptz '2024-01-01' + interval '1 minute' * i, i % 3
	FROM (SELECT nextval('minutes') AS i FROM generate_series(1, n)) x $$;
SQL

my $closed = 'SELECT window_end, key, n FROM hourly_closed';

# Every closed row is there once, in the order of closings.
sub exact_ok
{
	my ($on, $db, $table, $name) = @_;

	same_rows($on, $db, "SELECT window_end, key, n FROM $table", $closed, "$name: once");
	return is($on->safe_psql($db, <<SQL), '0', "$name: in order");
SELECT count(*) FROM (SELECT window_end < lag(window_end) OVER (ORDER BY i) AS is_disordered FROM $table) x
WHERE is_disordered
SQL
}

# --- One fails, the other goes on, and the worker tries again by itself

$node->safe_psql('app', 'CALL add_rows(200)');
is($node->safe_psql('app', "SELECT weir.wait('events')"), 't', 'consumed');
exact_ok($node, 'app', 'took_badly', 'nothing has failed yet');
$node->safe_psql('app', 'INSERT INTO poison VALUES (1)');
for (1 .. 3)
{
	$node->safe_psql('app', 'CALL add_rows(100)');
	is($node->safe_psql('app', "SELECT weir.wait('events')"), 't', 'consumed, although a sink fails');
}
exact_ok($node, 'app', 'took_well', 'the other sink');
ok($node->poll_query_until('app', "SELECT status = 'failed' FROM weir.stat_sinks WHERE name = 'bad'"),
	'it is left alone after too many failures');
is( $node->safe_psql('app', <<'SQL'),
SELECT failures, closings_behind > 0, behind_since < now(), last_error LIKE 'P0001: poisoned by 1%',
	rows_behind = (SELECT count(*) FROM hourly_closed) - (SELECT count(*) FROM took_badly)
FROM weir.stat_sinks WHERE name = 'bad'
SQL
	'5|t|t|t|t', 'its lag can be seen');
is($node->safe_psql('app', "SELECT status, failures, sinks_behind FROM weir.stat_aggregates"),
	'active|0|1', 'and the aggregate is well');

# --- Dumped while it is behind

my $dump = $node->basedir . '/app.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('app'), '-f', $dump ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->safe_psql('postgres', 'ALTER DATABASE restored SET weir.start_workers = off');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ],
	'restored');
my $lag = 'SELECT name, status, closings_behind, rows_behind, behind_since, failures FROM weir.stat_sinks ORDER BY name';
is($node->safe_psql('restored', $lag), $node->safe_psql('app', $lag), 'it is as far behind as it was');
$node->safe_psql('restored', $_)
  for 'DELETE FROM poison', "SELECT weir.resume_sink('bad')", "CALL weir.drain('events')";
exact_ok($node, 'restored', 'took_badly', 'restored');
exact_ok($node, 'restored', 'took_well', 'restored, the other sink');
is($node->safe_psql('restored', 'SELECT count(*) FROM weir._undelivered'), '0', 'nothing is kept any more');
$node->safe_psql('postgres', 'DROP DATABASE restored');

$node->safe_psql('app', $_) for 'DELETE FROM poison', "SELECT weir.resume_sink('bad')";
ok($node->poll_query_until('app', 'SELECT sum(rows_behind) = 0 FROM weir.stat_sinks'), 'the worker delivers');
exact_ok($node, 'app', 'took_badly', 'delivered later');

# --- Killed when a sink has run: in a tick, and in what is delivered later

SKIP:
{
	skip 'not compiled with -DWEIR_DEBUG', 1
	  if $node->safe_psql('app', "LOAD 'weir'; SELECT count(*) FROM pg_settings WHERE name = 'weir.debug_point'") eq '0';

	$node->append_conf('postgresql.conf', 'weir.start_workers = off');
	$node->append_conf('postgresql.conf', "weir.retry_delay = '10min'");
	$node->restart;

	foreach my $later (0, 1)
	{
		my $what = $later ? 'delivered later' : 'in the tick';
		my $offset = -s $node->logfile;

		if ($later)
		{
			$node->safe_psql('app', $_)
			  for 'INSERT INTO poison VALUES (2)', 'CALL add_rows(100)', "CALL weir.drain('events')", 'CALL add_rows(100)',
			  "CALL weir.drain('events')", 'DELETE FROM poison', "SELECT weir.resume_sink('bad')";
			cmp_ok($node->safe_psql('app', "SELECT closings_behind FROM weir.stat_sinks WHERE name = 'bad'"),
				'>=', 2, 'it is behind');
		}
		else
		{
			$node->safe_psql('app', 'CALL add_rows(100)');
		}
		my $status = $node->psql('app', "SET weir.debug_point = 'sink_run:kill'; CALL weir.drain('events')");
		isnt($status, 0, "killed, $what");
		$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
		wait_for_server($node);
		$node->safe_psql('app', "CALL weir.drain('events')");
		exact_ok($node, 'app', 'took_badly', "killed, $what");
		exact_ok($node, 'app', 'took_well', "killed, $what, the other sink");
	}

	$node->append_conf('postgresql.conf', 'weir.start_workers = on');
	$node->append_conf('postgresql.conf', "weir.retry_delay = '20ms'");
	$node->restart;
}

# --- NOTIFY

$node->safe_psql('app', <<'SQL');
SELECT weir.create_sink('tell', 'hourly',
	$$SELECT pg_notify('hourly', window_end || ' ' || key || ' ' || n) FROM closed$$);
SQL
my ($in, $out) = ("LISTEN hourly;\n\\echo listening\n", '');
my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
my $listener = IPC::Run::start(
	[ $node->installed_command('psql'), '-X', '-q', '-A', '-t', '-d', $node->connstr('app'), '-f', '-' ],
	'<', \$in, '>', \$out, $timer);
$listener->pump until $out =~ /^listening$/m;
$node->safe_psql('app', 'CALL add_rows(70)');
my $last = $node->safe_psql('app', <<'SQL');
SELECT weir.wait('events');
SELECT window_end || ' ' || key || ' ' || n FROM hourly_closed ORDER BY window_end DESC, key LIMIT 1;
SQL
$last =~ s/^t\n//;
for (my $i = 1; $out !~ /Asynchronous notification "hourly" with payload "\Q$last\E" received/; $i++)
{
	# psql looks for notifications after a command
	$in .= "SELECT;\n\\echo ping $i\n";
	$listener->pump until $out =~ /^ping $i$/m;
	usleep(20_000);
}
pass('another session is told of closed rows');
$in .= "\\q\n";
$listener->finish;

# --- Closed rows are published

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
$node->safe_psql('app', "CREATE PUBLICATION closed FOR TABLE hourly_closed WITH (publish = 'insert')");
$subscriber->safe_psql('postgres', 'CREATE TABLE hourly_closed (window_end timestamptz, key int, n bigint)');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION closed CONNECTION '" . $node->connstr . " dbname=app' PUBLICATION closed");
$subscriber->wait_for_subscription_sync($node, 'closed');
$node->safe_psql('app', 'CALL add_rows(200)');
is($node->safe_psql('app', "SELECT weir.wait('events')"), 't', 'consumed');
my $closed_sum = 'SELECT count(*), sum(n), max(window_end) FROM hourly_closed';
my $before = $node->safe_psql('app', $closed_sum);
$node->wait_for_catchup('closed');
is($subscriber->safe_psql('postgres', $closed_sum), $before, 'the subscriber has them, old and new');

# retention deletes here and not there
$node->safe_psql('app', "SELECT weir.alter_continuous_aggregate('hourly', retention => '1 hour')");
ok($node->poll_query_until('app', 'SELECT count(*) < 10 FROM hourly_closed'), 'old rows are deleted');
$node->safe_psql('app', 'CALL add_rows(100)');
is($node->safe_psql('app', "SELECT weir.wait('events')"), 't', 'consumed');
$node->wait_for_catchup('closed');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM hourly_closed'),
	$node->safe_psql('app', 'SELECT count(*) FROM took_well'), 'the subscriber keeps them all');

$subscriber->stop;
$node->stop;
done_testing();
