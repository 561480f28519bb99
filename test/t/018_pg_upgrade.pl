
# pg_upgrade, from this version of the server to itself, which takes the files of the
# tables as they are and gives the new cluster the transactions of the old one: wide
# tables, their change streams with readers and an aggregate, and a stream with rows
# that wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
plan skip_all => "$bindir has no pg_upgrade" unless -x "$bindir/pg_upgrade";

my $old = weir_node('old');
$old->start;
$old->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f', weir.max_versions(2));
SELECT weir.add_family('w', 'n', NULL, 'sum');
SELECT weir.create_authorized_view('w_part', 'w', ARRAY['r1'::bytea]);
SELECT weir.enable_changes('w');
SELECT weir.create_continuous_aggregate('kinds', 'SELECT kind, count(*) AS n FROM w_changes GROUP BY kind');
CREATE TABLE s (ts timestamptz NOT NULL, k int);
SELECT weir.create_stream('s', 'ts');
SELECT weir.create_continuous_aggregate('per_key', 'SELECT k, count(*) AS n FROM s GROUP BY k');
INSERT INTO s SELECT timestamptz '2024-01-01' + i * interval '1 s', i % 3 FROM generate_series(1, 100) i;
CREATE TABLE q (ts timestamptz NOT NULL, k int);
SELECT weir.create_stream('q', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('q_ahead', 'SELECT k, count(*) AS n FROM q GROUP BY k');
SELECT weir.create_continuous_aggregate('q_behind', 'SELECT k, count(*) AS n FROM q GROUP BY k');
SELECT weir.pause('q_behind');
INSERT INTO q SELECT timestamptz '2024-01-01' + i * interval '1 s', i % 3 FROM generate_series(1, 100) i;
SELECT weir.mutate_row('w', 'r' || i % 5, weir.set_cell('f', 'q', i::text, timestamptz '2024-01-01' + i * interval '1 s'), weir.add_to_cell('n', 'q', '2024-01-01', i))
FROM generate_series(1, 100) i;
SELECT weir.compact('w');
SELECT weir.mutate_row('w', 'r' || i, weir.set_cell('f', 'after', i::text, '2024-01-01')) FROM generate_series(1, 3) i;
SQL
is($old->safe_psql('postgres', "SELECT weir.wait('w_changes')"), 't', 'an aggregate has consumed the changes');
is($old->safe_psql('postgres', "SELECT weir.wait('q')"), 't', 'one has consumed what is in a queue');
my $cells = 'SELECT row_key, family, qualifier, ts, value FROM weir.read_rows';
my %query = (
	'the table' => "SELECT md5(string_agg(c::text, ',')) FROM ($cells('w')) c",
	'its view' => "SELECT md5(string_agg(c::text, ',')) FROM ($cells('w_part')) c",
	'its changes' => "SELECT count(*), md5(string_agg(c::text, ',' ORDER BY seq)) FROM weir.changes('w') c",
	'position' => "SELECT weir.changes_position('w')",
	'the aggregate of changes' => 'SELECT * FROM kinds ORDER BY kind',
	'the aggregate of the stream' => 'SELECT * FROM per_key ORDER BY k',
	'one that is ahead' => 'SELECT * FROM q_ahead ORDER BY k',
	'one that is behind' => 'SELECT * FROM q_behind ORDER BY k',
	'the queue' => 'SELECT count(*) FROM q');
$old->safe_psql('postgres', "SELECT weir.pause('s')");
$old->safe_psql('postgres', "INSERT INTO s SELECT timestamptz '2024-01-02' + i * interval '1 s', i % 3 FROM generate_series(1, 50) i");
my %answer = map { $_ => $old->safe_psql('postgres', $query{$_}) } keys %query;
my $position = $answer{position};
$old->stop;

my $new = weir_node('new');
my $directory = PostgreSQL::Test::Utils::tempdir;
{
	chdir $directory or BAIL_OUT("could not change to $directory: $!");
	$new->command_ok(
		[
			'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
			'-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port
		],
		'pg_upgrade');
}
$new->start;
is($new->safe_psql('postgres', $query{$_}), $answer{$_}, "upgraded: $_") foreach sort keys %query;

# --- and it all goes on
$new->safe_psql('postgres', <<'SQL');
SELECT weir.mutate_row('w', 'r' || i, weir.set_cell('f', 'upgraded', i::text, '2024-01-01')) FROM generate_series(1, 3) i;
SELECT weir.resume('s');
SELECT weir.resume('q_behind');
SQL
is($new->safe_psql('postgres', "SELECT count(*) FROM weir.changes('w', $position)"), '3', 'a reader goes on from its position');
$new->safe_psql('postgres', "SELECT weir.compact('w')");
is($new->safe_psql('postgres', 'SELECT count(*) FROM w_delta'), '0', 'compaction');
is($new->safe_psql('postgres', "SELECT weir.wait('w_changes') AND weir.wait('s')"), 't', 'streams are consumed');
same_rows($new, 'postgres', 'SELECT * FROM kinds', 'SELECT kind, count(*) FROM w_changes GROUP BY kind', 'the aggregate of changes');
ok($new->poll_query_until('postgres', 'SELECT count(*) = 0 FROM q'), 'the queue is consumed');
is($new->safe_psql('postgres', "SELECT * FROM q_$_ ORDER BY k"), "0|33\n1|34\n2|33", "the queue: $_") foreach ('ahead', 'behind');
same_rows($new, 'postgres', 'SELECT * FROM per_key', 'SELECT k, count(*) FROM s GROUP BY k', 'the aggregate of the stream');
isnt($new->psql('postgres', 'DROP TABLE w_changes CASCADE'), 0, 'the change stream does not go alone');
isnt($new->psql('postgres', 'DROP TABLE w_base CASCADE'), 0, 'nor does a heap');
isnt($new->psql('postgres', 'DROP SEQUENCE w_seq'), 0, 'nor the sequence');
isnt($new->psql('postgres', 'DROP FOREIGN TABLE w'), 0, 'nor the table as long as something depends on it');
$new->safe_psql('postgres', 'DROP FOREIGN TABLE w CASCADE');
is($new->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname ~ '^w_'}), '0', 'but with its table, as all of it');
$new->safe_psql('postgres', 'DROP EXTENSION weir CASCADE');
$new->stop;
done_testing();
