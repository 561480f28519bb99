
# A restore whose parts come in another order than that of a single process: by several
# jobs, or from lists.  Nobody consumes a stream, and no aggregate is started, before
# what it relies on is there; not even if somebody has said too early that all is
# there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('restore', conf => "weir.start_workers = off\n");
$node->start;

sub query
{
	my ($db, $sql) = @_;

	return $node->safe_psql($db, $sql);
}

# restored_ok(DB, DUMP, PART, ENTRIES): these lines of its list are restored.
sub restored_ok
{
	my ($db, $dump, $part, @entries) = @_;

	PostgreSQL::Test::Utils::append_to_file("$dump.$part", join("\n", @entries) . "\n");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-L', "$dump.$part", '-d', $node->connstr($db), $dump ],
		"$db: restored, $part");
	return;
}

# in_two_parts(DB, LAST, BETWEEN): a database "DB_copy" out of a dump, of which what
# matches LAST comes after BETWEEN has been called.
sub in_two_parts
{
	my ($db, $last, $between) = @_;
	my $dump = $node->basedir . "/$db.dump";

	$node->command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr($db), '-f', $dump ], "$db: dumped");
	my ($list) = run_command([ 'pg_restore', '-l', $dump ]);
	my @entries = split(/\n/, $list);
	my $end = qr/MATERIALIZED VIEW DATA weir _restored/;

	query('postgres', "CREATE DATABASE ${db}_copy");
	restored_ok("${db}_copy", $dump, 'first', grep { !/$last|$end/ } @entries);
	query("${db}_copy", 'REFRESH MATERIALIZED VIEW weir._restored');
	$between->("${db}_copy");
	restored_ok("${db}_copy", $dump, 'last', grep { /$last|$end/ } @entries);
	query("${db}_copy", "CALL weir.drain('q')");
	return;
}

# --- rows come, and then the index that logs them
query('postgres', 'CREATE DATABASE rows');
query('rows', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE q (id int);
SELECT weir.create_stream('q');
SELECT weir.create_continuous_aggregate('a', 'SELECT count(*) AS n FROM q');
INSERT INTO q SELECT generate_series(1, 100);
CALL weir.drain('q');
SQL
in_two_parts('rows', qr/TABLE DATA public q |INDEX public/,
	sub { fails_ok($node, $_[0], "CALL weir.drain('q')", qr/stream "q" has no capture index/, 'rows are not there yet') });
is(query('rows_copy', 'SELECT n FROM a'), '100', 'rows that came later count');

# --- and of partitions, those of some
query('postgres', 'CREATE DATABASE parts');
query('parts', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE q (ts timestamptz NOT NULL, id int) PARTITION BY RANGE (id);
CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (50);
CREATE TABLE q2 PARTITION OF q FOR VALUES FROM (50) TO (100);
SELECT weir.create_stream('q', 'ts');
SELECT weir.create_continuous_aggregate('a', 'SELECT count(*) AS n FROM q');
INSERT INTO q SELECT timestamptz '2024-01-01' + n * interval '1 second', n FROM generate_series(0, 99) n;
CALL weir.drain('q');
SQL
in_two_parts('parts', qr/TABLE DATA public q2|INDEX (ATTACH )?public q2/,
	sub { fails_ok($node, $_[0], "CALL weir.drain('q')", qr/capture index "q_weir" is not valid/, 'a partition is not there yet') });
is(query('parts_copy', 'SELECT n FROM a'), '100', 'rows of a partition that came later count');

# --- states of a queue, and of an aggregate over another one that does not keep its rows
query('postgres', 'CREATE DATABASE states');
query('states', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE q (ts timestamptz NOT NULL, id int);
SELECT weir.create_stream('q', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('other', 'SELECT count(*) AS n FROM q');
SELECT weir.create_continuous_aggregate('minutes', $$
	SELECT w.window_start, w.window_end, count(*) AS n FROM q, weir.tumble(ts, '1 minute') w GROUP BY 1, 2 $$, retention => '1 day');
SELECT weir.create_continuous_aggregate('hours', $$
	SELECT w.window_start, w.window_end, sum(n) AS n FROM minutes, weir.tumble(minutes.window_start, '1 hour') w GROUP BY 1, 2 $$);
INSERT INTO q SELECT timestamptz '2024-01-01' + n * interval '1 second', n FROM generate_series(0, 99) n;
CALL weir.drain('q');
SQL
my %expected = (
	other => 102,
	minutes => '60 40 1 1',
	hours => '100 1 1');
sub shows_all
{
	my ($db, $name) = @_;

	is(query($db, 'SELECT n FROM other'), $expected{other}, "$name: other");
	is(query($db, "SELECT string_agg(n::text, ' ' ORDER BY window_end) FROM $_"), $expected{$_}, "$name: $_") foreach ('minutes', 'hours');
	return;
}
in_two_parts('states', qr/TABLE DATA weir _state_/, sub {
	my ($db) = @_;

	query($db, q{INSERT INTO q VALUES ('2024-01-01 01:00', 1000)});
	query($db, "CALL weir.drain('q')");
	query($db, q{INSERT INTO q VALUES ('2024-01-01 03:00', 1001)});
	query($db, "CALL weir.drain('q')");
	fails_ok($node, $db, "SELECT * FROM $_", qr/aggregate "$_" has not been restored completely/, "$_ has no state yet")
	  foreach ('other', 'minutes', 'hours');
	# what is not complete is not complete in another dump
	is(query($db, 'SELECT string_agg(state_chunks::text, chr(32) ORDER BY set_id) FROM weir._counted WHERE part = 0'),
		query($db, 'SELECT string_agg(state_chunks::text, chr(32) ORDER BY set_id) FROM weir._counted_now() WHERE part = 0'), 'another dump would be as it is');
});
shows_all('states_copy', 'states that came later');
query('states_copy', "SELECT weir._maintain_aggregate('$_')") foreach ('other', 'minutes', 'hours');
query('states_copy', "CALL weir.drain('q')");
shows_all('states_copy', 'states that came later, started');
is(query('states_copy', q{SELECT count(*) FROM weir.stat_aggregates WHERE status = 'active' AND NOT in_history}), '3', 'all are active');
is(query('states_copy', 'SELECT count(*) FROM q') . query('states_copy', 'SELECT count(*) FROM weir._counted'), '00', 'nothing is left of the dump');
query('states_copy', q{SELECT weir.advance_watermark('q', 'infinity')});
shows_all('states_copy', 'states that came later, closed');

$node->stop;
done_testing();
