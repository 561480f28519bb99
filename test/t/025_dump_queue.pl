
# Dumps of a queue while one of its aggregates is behind: rows that the others have
# counted are in the dump, and so are their states.  Nobody counts them again
# without having been told to.  And late rows: each is kept once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('queue', conf => "weir.start_workers = off\n");
$node->start;
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach ('app', 'even', 'all_rows', 'resumed', 'some_rows', 'late', 'late_again');

sub query
{
	my ($db, $sql) = @_;

	return $node->safe_psql($db, $sql);
}

sub copy_to
{
	my ($db, $from) = @_;
	my $file = $node->basedir . "/$db.dump";

	$node->command_ok([ 'pg_dump', '-Fc', '-U', 'dumper', '-d', $node->connstr($from), '-f', $file ],
		"$db: dumped");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($db), $file ], "$db: restored");
	return;
}

# A restored database, with a row that nobody has seen yet.
sub start
{
	my ($db, $from) = @_;

	copy_to($db, $from);
	is($node->psql($db, 'SELECT * FROM ahead'), 3, "$db: no answer before it has started");
	query($db, "CALL weir.drain('q')");
	query($db, "INSERT INTO q VALUES ('2024-01-01 00:00:50', 9)");
	query($db, "CALL weir.drain('q')");
	return;
}

# Groups of those ahead and behind, rows of the queue.
sub figures
{
	my ($db) = @_;

	return query($db, "SELECT string_agg(k || ':' || n, ' ' ORDER BY k) FROM ahead")
	  . '; ' . query($db, 'SELECT sum(n) FROM behind') . '; ' . query($db, 'SELECT count(*) FROM q');
}

my $status = "SELECT status, last_error ~ '%s' FROM weir.stat_aggregates WHERE aggregate = 'ahead'::regclass";

query('app', <<'SQL');
CREATE ROLE dumper LOGIN;
GRANT pg_read_all_data TO dumper;
CREATE EXTENSION weir;
CREATE TABLE q (ts timestamptz NOT NULL, k int);
SELECT weir.create_stream('q', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('ahead', 'SELECT k, count(*) AS n FROM q GROUP BY k');
SELECT weir.create_continuous_aggregate('behind', $$
	SELECT w.window_end, count(*) AS n FROM q, weir.tumble(ts, '1 minute') w GROUP BY w.window_end $$);
INSERT INTO q VALUES ('2024-01-01', 1), ('2024-01-01 00:00:10', 1);
SQL
query('app', "CALL weir.drain('q')");
is(figures('app'), '1:2; 2; 0', 'consumed');
query('app', "INSERT INTO q VALUES ('2024-01-01 00:00:15', 5)");

# Both wait for the same row.
copy_to('even', 'app');
query('even', "CALL weir.drain('q')");
is(figures('even'), '1:2 5:1; 3; 0', 'even: both go on');
is(query('even', 'SELECT count(*) FROM weir.stat_aggregates WHERE status <> $$active$$'), '0', 'even: nobody is held back');

query('app', "CALL weir.drain('q')");
query('app', "SELECT weir.pause('behind')");
query('app', "INSERT INTO q VALUES ('2024-01-01 00:00:20', 1), ('2024-01-01 00:00:30', 2)");
query('app', "CALL weir.drain('q')");
is(figures('app'), '1:3 2:1 5:1; 5; 2', 'one has counted what the other waits for');

# All rows of the table are counted: going on without them is exact.
start('all_rows', 'app');
is(query('all_rows', sprintf $status, 'all of them'), 'failed|t', 'all: held back');
is($node->psql('all_rows', 'SELECT * FROM ahead'), 3, 'all: the view raises an error');
is(query('all_rows', 'SELECT sum(n) FROM behind'), '6', 'all: the other goes on');
is(query('all_rows', 'SELECT count(*) FROM q'), '3', 'all: rows stay');

# What has not been decided is there after another dump.
copy_to('resumed', 'all_rows');
query('resumed', "CALL weir.drain('q')");
is(query('resumed', sprintf $status, 'all of them'), 'failed|t', 'dumped again: held back');

query('all_rows', "SELECT weir.skip('ahead')");
query('all_rows', "CALL weir.drain('q')");
is(query('all_rows', sprintf $status, '.'), 'active|', 'all: goes on');
is(query('all_rows', "SELECT string_agg(k || ':' || n, ' ' ORDER BY k) FROM ahead"), '1:3 2:1 5:1 9:1',
	'all: each row counted once');

query('app', "INSERT INTO q VALUES ('2024-01-01 00:00:40', 7)");
start('some_rows', 'app');
is(query('some_rows', sprintf $status, 'some'), 'failed|t', 'some: held back');
query('some_rows', "SELECT weir.pause('ahead')");
is($node->psql('some_rows', 'SELECT * FROM ahead'), 3, 'some, paused: the view raises an error');
query('some_rows', "SELECT weir.resume('ahead')");
query('some_rows', "CALL weir.drain('q')");
is(query('some_rows', "SELECT string_agg(k || ':' || n, ' ' ORDER BY k) FROM ahead"), '1:4 2:2 5:1 7:1 9:1',
	'some: counts all rows of the table');
is(query('some_rows', 'SELECT sum(n) FROM behind'), '7', 'some: the other one counts each once');

# A row that is in no window, older than its stream; and late rows of a queue, one
# that is consumed and one that is not.
query('late', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE kept (ts timestamptz NOT NULL, k int);
CREATE TABLE queue (ts timestamptz NOT NULL, k int);
INSERT INTO kept VALUES ('infinity', 1), ('2024-01-01', 2);
SELECT weir.create_stream('kept', 'ts'), weir.create_stream('queue', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('of_' || s, format($$
	SELECT w.window_end, count(*) AS n FROM %I, weir.tumble(ts, '1 minute') w GROUP BY w.window_end $$, s))
FROM unnest(ARRAY['kept', 'queue']) s;
INSERT INTO queue VALUES ('2024-01-01 00:00:10', 1), ('2024-01-01 00:01:10', 2);
SQL
foreach my $stream ('kept', 'queue')
{
	query('late', "CALL weir.drain('$stream')");
}
query('late', "INSERT INTO queue VALUES ('2024-01-01 00:00:20', 3)");
query('late', "CALL weir.drain('queue')");
query('late', "INSERT INTO queue VALUES ('2024-01-01 00:00:30', 4), ('2024-01-01 00:01:30', 5)");
copy_to('late_again', 'late');
foreach my $stream ('kept', 'queue')
{
	query('late_again', "CALL weir.drain('$stream')");
}
is(query('late_again', q{SELECT string_agg(aggregate || ' ' || reason || ' ' || ("row" ->> 'k'), ', ' ORDER BY "row" ->> 'k') FROM weir.late_rows}),
	'of_kept event time is infinite 1, of_queue window closed 3, of_queue window closed 4', 'late rows are kept, once');
is(query('late_again', 'SELECT sum(n) FROM of_kept') . ' ' . query('late_again', 'SELECT sum(n) FROM of_queue'), '1 3',
	'the others count');

done_testing();
