
# The worker is in nobody's way, in the middle of a statement of a user's neither:
# whoever wants the database or the extension for himself has it at once. And it
# comes back by itself when he has changed his mind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('giveway');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE origin');
$node->safe_psql('origin', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE events (ts timestamptz NOT NULL, n int);
CREATE TABLE busy (since timestamptz);
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('hourly',
	'SELECT w.window_start, w.window_end, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end');
SQL

# A database whose worker is in a sink that goes on for ever. Each of these
# statements holds the processor or sleeps; one catches what it can.
my %sinks = (
	'sleeps' => 'SELECT pg_sleep(100000) FROM closed LIMIT 1',
	'computes' => 'INSERT INTO busy SELECT now() FROM closed, generate_series(1, 1000000000000) i WHERE i < 0',
	'catches errors' => 'SELECT stubborn() FROM closed LIMIT 1');

sub database_with_sink
{
	my ($db, $sink) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE origin");
	$node->safe_psql($db, <<'SQL');
CREATE FUNCTION stubborn() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			PERFORM pg_sleep(1000);
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
END $$;
SQL
	# tried over no rows when it is made, so that this returns
	$node->safe_psql($db, "SELECT weir.create_sink('endless', 'hourly', \$\$ $sink \$\$)");
	in_sink($db);
	return;
}

# Rows that close a window, and wait for the worker to be in the sink.
sub in_sink
{
	my ($db) = @_;

	$node->safe_psql($db, <<'SQL');
INSERT INTO events VALUES ('2024-01-01 00:30Z', 1), ('2024-01-01 05:00Z', 2);
SQL
	$node->poll_query_until('postgres', <<SQL) or BAIL_OUT('the worker does not come to the sink');
SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'weir%' AND datname = '$db'
	AND query = 'weir: tick' AND state = 'active' AND clock_timestamp() - xact_start > interval '1 second'
SQL
	return;
}

foreach my $what (sort keys %sinks)
{
	my $db = 'db_' . substr($what, 0, 3);

	database_with_sink($db, $sinks{$what});
	timed_ok(2, "a sink that $what: CREATE DATABASE with its database as template",
		sub { $node->safe_psql('postgres', "CREATE DATABASE ${db}_copy TEMPLATE $db") });
	$node->safe_psql('postgres', "DROP DATABASE ${db}_copy");
	in_sink($db);
	timed_ok(2, "a sink that $what: DROP EXTENSION",
		sub { $node->safe_psql($db, 'BEGIN; DROP EXTENSION weir CASCADE; ROLLBACK') });
	in_sink($db);
	timed_ok(2, "a sink that $what: DROP DATABASE",
		sub { $node->safe_psql('postgres', "DROP DATABASE $db") });
}

# --- In a deadlock with the worker it is the worker that gives way

$node->safe_psql('postgres', 'CREATE DATABASE deadlock TEMPLATE origin');
my $user = $node->background_psql('deadlock');
foreach my $try (1 .. 3)
{
	$user->query_safe('BEGIN; LOCK TABLE hourly_closed IN ACCESS EXCLUSIVE MODE');
	$node->safe_psql('deadlock', "INSERT INTO events VALUES ('2024-01-0${try} 00:30Z', 1), ('2024-01-0${try} 05:00Z', 2)");
	ok($node->poll_query_until('deadlock', <<'SQL'), "try $try: the worker waits for the user");
SELECT count(*) = 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE a.backend_type LIKE 'weir%' AND NOT l.granted AND l.relation = 'hourly_closed'::regclass
SQL
	# which waits for the tick to end
	$user->query_safe("SELECT weir.alter_stream('events', max_out_of_orderness => '$try minutes')");
	$user->query_safe('COMMIT');
	is($node->safe_psql('deadlock', "SELECT weir.wait('events', '3 minutes')"), 't', "try $try: and goes on later");
}
$user->quit;
is($node->safe_psql('deadlock', 'SELECT count(*), sum(n) FROM hourly_closed'), '5|5', 'what it had to do is done')
  or diag($node->safe_psql('deadlock', 'SELECT * FROM hourly'));

# --- DROP DATABASE that fails: the worker gave way in vain, and is back

$node->safe_psql('origin', "INSERT INTO events VALUES ('2024-01-01', 1)");
ok(wait_for_worker($node, 'origin'), 'a worker');
my ($before) = worker_pids($node, 'origin');
my $guest = $node->background_psql('origin');
$guest->query_safe('SELECT 1');
my ($status, undef, $stderr) = $node->psql('postgres', 'DROP DATABASE origin');
isnt($status, 0, 'a database in use is not dropped');
like($stderr, qr/is being accessed by other users/, 'because of its user');
ok($node->poll_query_until('postgres', <<SQL), 'the worker comes back by itself');
SELECT count(*) = 1 FROM pg_stat_activity
WHERE backend_type LIKE 'weir%' AND datname = 'origin' AND pid <> $before
SQL

$guest->quit;

# --- DROP EXTENSION waits for a writer to end, who needs the log for that

$node->safe_psql('postgres', 'CREATE DATABASE written TEMPLATE origin');
my $writer = $node->background_psql('written');
my $dropper = $node->background_psql('written');
$writer->query_safe("SET deadlock_timeout = '10ms'; BEGIN; INSERT INTO events VALUES ('2024-02-01 00:30Z', 1)");
$dropper->query_safe("SET deadlock_timeout = '10ms'; SET client_min_messages = warning");
$dropper->query_until(qr/dropping/, "\\echo dropping\nDROP EXTENSION weir CASCADE;\n");
ok($node->poll_query_until('postgres', <<'SQL'), 'DROP EXTENSION waits for a writer');
SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'written' AND query LIKE 'DROP EXTENSION%' AND wait_event_type = 'Lock'
SQL
$writer->query_safe('COMMIT');
pass('the writer commits');
$writer->quit;
$dropper->quit;
is($node->safe_psql('written', "SELECT count(*), (SELECT count(*) FROM pg_extension WHERE extname = 'weir') FROM events WHERE ts = '2024-02-01 00:30Z'"),
	'1|0', 'then the extension goes, and the rows stay');

$node->stop;
done_testing();
