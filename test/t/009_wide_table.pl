
# Wide tables beyond one session: a standby reads the same, a crash loses nothing
# that was committed and keeps nothing that was not, a dump gives the same table,
# and many sessions that count in one cell, while it is compacted, lose nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('primary', allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', <<'SQL');
CREATE EXTENSION weir;
SELECT weir.create_wide_table('w', 'millis');
SELECT weir.add_family('w', 'gone'), weir.add_family('w', 'v', weir.max_versions(2)), weir.add_family('w', 'n', NULL, 'sum');
SELECT weir.drop_family('w', 'gone');
SELECT weir.alter_family('w', 'v', weir.gc_union(weir.max_versions(3), weir.max_age('100 years')));
SELECT weir.create_authorized_view('part', 'w', ARRAY['k1'::bytea], ARRAY['v:q*']);
SQL

my $PART = 'SELECT row_key, cells::text FROM part ORDER BY row_key';
my $ALL = 'SELECT row_key, cells::text FROM w ORDER BY row_key';

sub write_some
{
	my ($on, $from, $to, $db) = @_;

	$on->safe_psql($db // 'app', <<SQL);
SELECT weir.mutate_row('w', 'k' || i % 20, weir.set_cell('v', 'q' || i % 3, i::text, timestamptz '2024-01-01' + i * interval '1 ms'),
	weir.add_to_cell('n', 'count', '2024-01-01', 1)) FROM generate_series($from, $to) i;
SQL
	return;
}

# many sessions, compaction among them
my $script = $node->basedir . '/count.sql';
append_to_file($script, <<'SQL');
\set k random(1, 3)
SELECT weir.mutate_row('w', 'c' || :k, weir.add_to_cell('n', 'blind', '2024-01-01', 1));
SELECT weir.read_modify_write_row('w', 'c' || :k, weir.increment('v', 'counted', 1));
SQL
my $compact = $node->basedir . '/compact.sql';
append_to_file($compact, "SELECT weir.compact('w');\n");
$node->command_ok([ 'pgbench', '-n', '-c', '5', '-t', '200', '-f', "$script\@20", '-f', "$compact\@1", '-M', 'prepared', 'app' ],
	'counting and compacting at once');
is($node->safe_psql('app', <<'SQL'), 't', 'nothing is lost, nothing is counted twice');
SELECT (SELECT sum(weir.int8_value(value)) FROM weir.read_rows('w', weir.qualifier_regex('blind')))
	= (SELECT sum(weir.int8_value(value)) FROM weir.read_rows('w', weir.chain(weir.qualifier_regex('counted'), weir.cells_per_column_limit(1))))
SQL

# a standby
write_some($node, 1, 500);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
write_some($node, 501, 800);
$node->safe_psql('app', "SELECT weir.compact('w')");
write_some($node, 801, 1000);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('app', $ALL), $node->safe_psql('app', $ALL), 'the standby reads the same');
like($standby->psql('app', "SELECT weir.mutate_row('w', 'k', weir.delete_from_row())") . '', qr/3/,
	'the standby refuses to write');
$standby->stop;

# a crash, with a transaction open that has written and compacted
my $before = $node->safe_psql('app', $ALL);
my $open = $node->background_psql('app', on_error_stop => 1);
$open->query_safe('BEGIN');
$open->query_safe("SELECT weir.mutate_row('w', 'k1', weir.delete_from_row())");
$open->query_safe("SELECT weir.compact('w')");
$node->stop('immediate');
$node->start;
eval { $open->quit };
is($node->safe_psql('app', $ALL), $before, 'a crash leaves what was committed');
write_some($node, 1001, 1100);
is($node->safe_psql('app', "SELECT weir.int8_value(sum) FROM (SELECT int8send(sum(weir.int8_value(value))::bigint) AS sum FROM weir.read_rows('w', weir.qualifier_regex('count'))) x"),
	'1100', 'and writing goes on');

# a dump
$before = $node->safe_psql('app', $ALL);
my $dump = $node->basedir . '/app.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'app' ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', 'restored', $dump ], 'pg_restore');
is($node->safe_psql('restored', $ALL), $before, 'the restored table is the same');
is($node->safe_psql('restored', $PART),
	$node->safe_psql('app', $PART), 'and so is the view of a part');
is($node->safe_psql('restored', 'SELECT family, gc, aggregate FROM weir.families ORDER BY 1'),
	$node->safe_psql('app', 'SELECT family, gc, aggregate FROM weir.families ORDER BY 1'), 'and so are the families');
write_some($node, 1101, 1200, 'restored');
$node->safe_psql('restored', <<'SQL');
SELECT weir.add_family('w', 'gone');
SELECT weir.mutate_row('w', 'new', weir.set_cell('gone', 'q', 'v', '2024-01-01'));
SELECT weir.compact('w');
SQL
is($node->safe_psql('restored', "SELECT cells FROM w WHERE row_key = 'new'"), '{"gone": {"q": [[1704067200000000, "v"]]}}',
	'families go on being numbered, writes too');
$node->safe_psql('restored', 'DROP FOREIGN TABLE w CASCADE');
is($node->safe_psql('restored', "SELECT count(*) FROM pg_class WHERE relname ~ '^w_(delta|base|seq)\$'"), '0',
	'the restored table is dropped as a whole');

$node->stop;
done_testing();
