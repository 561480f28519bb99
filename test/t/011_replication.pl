
# Logical replication into a stream: what the publisher had before (the initial
# copy of the table) and what it sends afterwards is counted exactly once, while
# the subscriber's apply worker, weir's worker and the subscriber itself are killed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $publisher = weir_node('publisher', allows_streaming => 'logical', conf => 'log_statement = none');
$publisher->start;
my $subscriber = weir_node('subscriber', conf => "log_statement = none\nwal_retrieve_retry_interval = 100");
$subscriber->start;

my $table = 'CREATE TABLE events (id int PRIMARY KEY, ts timestamptz NOT NULL, key int)';
my $parted = 'CREATE TABLE parted (id int, ts timestamptz NOT NULL) PARTITION BY HASH (id);
	CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1)';

$publisher->safe_psql('postgres', <<SQL);
$table; $parted;
CREATE SEQUENCE ids;
CREATE PROCEDURE add_rows(n int) LANGUAGE sql AS \$\$
	WITH new AS MATERIALIZED (SELECT nextval('ids')::int AS id FROM generate_series(1, n)),
	e AS (INSERT INTO events SELECT id, timestamptz '2024-01-01' + interval '1 minute' * id, id % 3 FROM new)
	INSERT INTO parted SELECT id, timestamptz '2024-01-01' + interval '1 minute' * id FROM new \$\$;
CALL add_rows(5000);
CREATE PUBLICATION all_events FOR TABLE events, parted WITH (publish = 'insert', publish_via_partition_root = true);
SQL

$subscriber->safe_psql('postgres', <<SQL);
CREATE EXTENSION weir;
$table; $parted;
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_stream('parted', 'ts');
SELECT weir.create_continuous_aggregate('ever', 'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key');
SELECT weir.create_continuous_aggregate('counted', 'SELECT count(*) AS n, sum(id) AS total FROM parted', realtime => false);
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_start, w.window_end, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end', allowed_lateness => '100 days');
SQL
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION events CONNECTION '$connection' PUBLICATION all_events WITH (streaming = on)");

# The rows of a transaction that is streamed, and in part rolled back.
my $large = <<'SQL';
SET logical_decoding_work_mem = '64kB';
BEGIN;
CALL add_rows(3000);
SAVEPOINT a;
CALL add_rows(2000);
ROLLBACK TO a;
CALL add_rows(500);
COMMIT;
BEGIN; CALL add_rows(4000); ROLLBACK;
SQL

sub exact_ok
{
	my ($name) = @_;
	my $rows = $publisher->safe_psql('postgres', 'SELECT count(*) FROM events');

	ok($subscriber->poll_query_until('postgres', "SELECT (SELECT count(*) FROM events) = $rows AND (SELECT count(*) FROM parted) = $rows"),
		"$name: replicated");
	is($subscriber->safe_psql('postgres', "SELECT weir.wait('events', '3 minutes') AND weir.wait('parted', '3 minutes')"), 't',
		"$name: consumed");
	same_rows($subscriber, 'postgres', 'SELECT * FROM ever',
		'SELECT key, count(*), sum(id) FROM events GROUP BY key', "$name: running");
	same_rows($subscriber, 'postgres', 'SELECT * FROM counted', 'SELECT count(*), sum(id) FROM parted',
		"$name: stored, partitioned");
	same_rows($subscriber, 'postgres', 'SELECT * FROM hourly', <<'SQL', "$name: windows");
SELECT w.window_start, w.window_end, count(*) FROM events e, weir.tumble(e.ts, '1 hour') w GROUP BY 1, 2
SQL
	is($subscriber->safe_psql('postgres', 'SELECT (SELECT sum(rows_consumed) FROM weir.stat_streams) = 2 * count(*) FROM events'),
		't', "$name: each once");
	return;
}

exact_ok('initial copy');

$publisher->safe_psql('postgres', 'CALL add_rows(10)') for 1 .. 20;
$publisher->safe_psql('postgres', $large);
exact_ok('afterwards');

# The apply worker is killed, and with it the server; then the server alone.
foreach my $what ('apply', 'weir worker', 'server')
{
	$publisher->safe_psql('postgres', 'CALL add_rows(100)') for 1 .. 10;
	$publisher->safe_psql('postgres', $large);
	if ($what eq 'server')
	{
		crash_and_start($subscriber);
	}
	else
	{
		# 17 calls it an apply worker, those before do not
		my $type = $what eq 'apply' ? 'logical replication %worker' : 'weir worker';
		my $find = "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE '$type' LIMIT 1";
		$subscriber->poll_query_until('postgres', "SELECT EXISTS ($find)");
		my $pid = $subscriber->safe_psql('postgres', $find);
		ok($pid && kill_process($subscriber, $pid), "$what killed");
	}
	$publisher->safe_psql('postgres', 'CALL add_rows(100)') for 1 .. 10;
	exact_ok("$what killed");
}

# Copied anew into a table that has been emptied: these rows are new ones.
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION events DISABLE');
$subscriber->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'logical replication %worker'");
$subscriber->safe_psql('postgres',
	"ALTER SUBSCRIPTION events SET (slot_name = NONE); DROP SUBSCRIPTION events; TRUNCATE events, parted");
$publisher->safe_psql('postgres', "SELECT pg_drop_replication_slot('events')");
my $before = $subscriber->safe_psql('postgres', 'SELECT n, total FROM counted');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION events CONNECTION '$connection' PUBLICATION all_events");
my $rows = $publisher->safe_psql('postgres', 'SELECT count(*) FROM events');
ok($subscriber->poll_query_until('postgres', "SELECT count(*) = $rows FROM parted"), 'copied anew');
is($subscriber->safe_psql('postgres', "SELECT weir.wait('parted', '3 minutes')"), 't', 'and consumed');
my ($n) = split /\|/, $before;
is($subscriber->safe_psql('postgres', 'SELECT n FROM counted'), $n + $rows, 'and counted once more, once');

$subscriber->stop;
$publisher->stop;
done_testing();
