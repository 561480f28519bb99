
# The change stream of a wide table under concurrent writers, compactions and
# readers, on the primary and on a standby: readers that store the greatest
# position they have seen get every record once, and a copy made of the records
# is the table. So after a crash, in a restored dump, and after records have been
# deleted for their age, where a reader that is behind gets an error.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $seed = $ENV{WEIR_SEED} // int(rand(1_000_000));
my $writers = 3;
my $transactions = $ENV{WEIR_TRANSACTIONS} // 150;

note("seed $seed (WEIR_SEED=$seed repeats the choices)");
srand($seed);

my $node = weir_node('primary', allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE unrelated (x int);
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f', weir.max_versions(2));
SELECT weir.add_family('w', 'n', weir.max_versions(1), 'sum');
SELECT weir.create_wide_table('copy');
SELECT weir.add_family('copy', 'f');
SELECT weir.add_family('copy', 'n', NULL, 'sum');
SELECT weir.enable_changes('w');
SELECT weir.create_continuous_aggregate('kinds', $$
	SELECT kind, count(*) AS n FROM w_changes GROUP BY kind $$);
CREATE FUNCTION replay() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM weir.changes('w') LOOP
		PERFORM weir.mutate_row('copy', c.row_key, VARIADIC c.changes);
	END LOOP;
END $$;
SQL

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

# One write of some cells of one of few rows.
sub some_write
{
	my $key = 'r' . int(rand(6));
	my $q = 'q' . int(rand(3));
	my $ts = '2020-01-0' . (1 + int(rand(5)));
	my $choice = int(rand(8));

	return "SELECT weir.mutate_row('w', '$key', weir.add_to_cell('n', '$q', '$ts', " . int(rand(100)) . "));\n"
	  if $choice < 3;
	return "SELECT weir.mutate_row('w', '$key', weir.delete_from_column('n', '$q', '$ts'));\n" if $choice == 3;
	return "SELECT weir.check_and_mutate_row('w', 'none', NULL, ARRAY[weir.delete_from_row()]);\n" if $choice == 4;
	return "SELECT weir.mutate_row('w', '$key', weir.delete_from_column('f', '$q'), weir.set_cell('f', '$q', '"
	  . int(rand(1000)) . "', '$ts'));\n"
	  if $choice == 5;
	return "SELECT weir.mutate_row('w', '$key', weir.set_cell('f', '$q', '" . int(rand(1000)) . "', '$ts'));\n";
}

# A transaction: several writes, some rolled back to a savepoint; in the end it is
# committed, rolled back or prepared first.
sub some_transaction
{
	my ($writer) = @_;
	my $sql = "BEGIN;\n";
	my $end = int(rand(6));

	$sql .= "INSERT INTO unrelated VALUES (1);\n" if rand() < 0.3;
	for (0 .. int(rand(4)))
	{
		$sql .= some_write();
		$sql .= "SAVEPOINT s;\n" . some_write() . "ROLLBACK TO s;\n" if rand() < 0.2;
		$sql .= "SELECT pg_sleep(0.002);\n" if rand() < 0.3;
	}
	return $sql . "ROLLBACK;\n" if $end == 0;
	return $sql . "PREPARE TRANSACTION 'w$writer';\n" . "COMMIT PREPARED 'w$writer';\n" if $end == 1;
	return $sql . "PREPARE TRANSACTION 'w$writer';\n" . "ROLLBACK PREPARED 'w$writer';\n" if $end == 2;
	return $sql . "COMMIT;\n";
}

# Processes that write, and one that compacts, until they are done or the server
# is gone.
sub start_writers
{
	my @scripts;

	for my $writer (1 .. $writers)
	{
		push @scripts, join '', map { some_transaction($writer) } 1 .. $transactions;
	}
	push @scripts, "SELECT weir.compact('w');\nSELECT pg_sleep(0.01);\n" x $transactions;
	return run_children(map { my $sql = $_; sub { $node->psql('postgres', $sql); return 0; } } @scripts);
}

# A reader: the records it has got, and its position.
sub reader
{
	return { seqs => [], position => 0 };
}

sub read_changes
{
	my ($reader, $on) = @_;
	my ($status, $answer) = $on->psql('postgres',
		"SELECT seq FROM weir.changes('w', $reader->{position}) ORDER BY seq");

	return 0 if $status != 0;
	foreach my $seq (split /\n/, $answer)
	{
		push @{ $reader->{seqs} }, $seq;
		$reader->{position} = $seq;
	}
	return 1;
}

# Does the reader get exactly the records that are there? It goes on reading until it
# has those that were there when it began: on a standby a transaction may be in progress
# for a while after it has ended, as an abort is not sent at once; and others may come
# meanwhile, as the worker compacts too.
sub is_complete
{
	my ($reader, $on, $name) = @_;
	my @there = split /\n/, $on->safe_psql('postgres', 'SELECT seq FROM w_changes ORDER BY seq');
	my $last = $there[-1] // 0;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;

	read_changes($reader, $on) while $reader->{position} < $last && time < $until;
	my $got = join "\n", grep { $_ <= $last } @{ $reader->{seqs} };
	my $there = join "\n", @there;

	cmp_ok(scalar(@{ $reader->{seqs} }), '>', 0, "$name: some records");
	return ok($got eq $there, "$name: every record once, in order")
	  || diag("got:\n$got\nthere are:\n$there");
}

my $here = reader();
my $there = reader();

# --- a number is taken, and its record is not there yet
SKIP:
{
	skip 'not compiled with -DWEIR_DEBUG', 5
	  if $node->safe_psql('postgres', "LOAD 'weir'; SELECT count(*) FROM pg_settings WHERE name = 'weir.debug_point'") eq '0';
	my $locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = hashtext('write_numbered')::oid";

	$node->safe_psql('postgres', 'CREATE TABLE go ()');
	my ($holder) = run_children(sub {
		$node->psql('postgres', <<'SQL');
SELECT pg_advisory_lock(hashtext('write_numbered'));
DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;
SQL
		return 0;
	});
	$node->poll_query_until('postgres', "$locks AND granted", '1');
	my ($writer) = run_children(sub {
		$node->psql('postgres', <<'SQL');
SET weir.debug_point = 'write_numbered:wait';
SELECT weir.mutate_row('w', 'smaller', weir.set_cell('f', 'q', 'v', '2020-01-01'));
SQL
		return 0;
	});
	ok($node->poll_query_until('postgres', "$locks AND NOT granted", '1'), 'a writer has taken a number');
	$node->safe_psql('postgres', "SELECT weir.mutate_row('w', 'greater', weir.set_cell('f', 'q', 'v', '2020-01-01'))");
	$node->wait_for_catchup($standby);
	foreach my $on ($node, $standby)
	{
		is($on->safe_psql('postgres', "SELECT count(*) FROM weir.changes('w')"), '0',
			$on->name . ': the greater one is not handed out');
	}
	$node->safe_psql('postgres', 'INSERT INTO go DEFAULT VALUES');
	waitpid($_, 0) foreach $writer, $holder;
	$node->wait_for_catchup($standby);
	foreach my $on ($node, $standby)
	{
		is($on->safe_psql('postgres', "SELECT string_agg(encode(row_key, 'escape'), ' ' ORDER BY seq) FROM weir.changes('w')"),
			'smaller greater', $on->name . ': then both are');
	}
}

# --- readers at work with writers, on the primary and on the standby
{
	my @children = start_writers();
	my $polls = 0;

	while (grep { waitpid($_, 1) == 0 } @children)
	{
		read_changes($here, $node);
		read_changes($there, $standby);
		$polls++;
	}
	cmp_ok($polls, '>', 3, "readers were at work ($polls times)");
}
read_changes($here, $node);
is_complete($here, $node, 'primary');
$node->wait_for_catchup($standby);
is_complete($there, $standby, 'standby');
cmp_ok($standby->safe_psql('postgres', "SELECT weir.changes_position('w')"), '>=', $here->{position}, 'position on the standby');

# --- the server is killed while they are
{
	my @children = start_writers();
	my $before = $here->{position};

	read_changes($here, $node) while $here->{position} < $before + 100;
	crash_and_start($node);
	waitpid($_, 0) foreach @children;
}
$node->safe_psql('postgres', $_) foreach split /\n/,
  $node->safe_psql('postgres', "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts");
read_changes($here, $node);
is_complete($here, $node, 'after a crash');
$node->safe_psql('postgres', join '', map { some_transaction(1) } 1 .. 20);
read_changes($here, $node);
is_complete($here, $node, 'after a crash, and more writes');
$node->wait_for_catchup($standby);
is_complete($there, $standby, 'standby after the crash');

# --- a copy made of the records is the table
my $cells = 'SELECT row_key, family, qualifier, ts, value FROM weir.read_rows';

$node->safe_psql('postgres', "SELECT weir.compact('w')");
$node->safe_psql('postgres', 'SELECT replay()');
same_rows($node, 'postgres', "$cells('copy')", "$cells('w')", 'the copy');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM w_changes WHERE kind = 'gc'"), '>', 10, 'garbage was collected');
same_rows($node, 'postgres', 'SELECT * FROM kinds', 'SELECT kind, count(*) FROM w_changes GROUP BY kind',
	'a continuous aggregate over the changes');
read_changes($here, $node);

# --- a dump
my $dump = $node->basedir . '/dump.sql';
my $fresh = weir_node('fresh');

$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'pg_dump');
$fresh->start;
$fresh->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $fresh->connstr('postgres'), '-f', $dump ], 'restored');
is($fresh->safe_psql('postgres', "SELECT weir.changes_position('w')"), $here->{position}, 'position in the restored database');
is_complete($here, $fresh, 'restored');
is($fresh->safe_psql('postgres', "SELECT count(*) FROM weir.changes('w', 0)"), scalar(@{ $here->{seqs} }), 'all can be read there');
$fresh->safe_psql('postgres', join '', map { some_transaction(1) } 1 .. 20);
my $reader = { seqs => [ @{ $here->{seqs} } ], position => $here->{position} };
read_changes($reader, $fresh);
is_complete($reader, $fresh, 'restored, and more writes');
is($fresh->safe_psql('postgres', "SELECT weir.wait('w_changes')"), 't', 'the restored stream is consumed');
same_rows($fresh, 'postgres', 'SELECT * FROM kinds', 'SELECT kind, count(*) FROM w_changes GROUP BY kind',
	'the restored aggregate');
isnt($fresh->psql('postgres', 'DROP TABLE w_changes CASCADE'), 0, 'the restored heap does not go alone');
$fresh->safe_psql('postgres', 'DROP FOREIGN TABLE w CASCADE');
is($fresh->safe_psql('postgres', 'SELECT count(*) FROM weir.change_streams'), '0', 'but with its table');
$fresh->safe_psql('postgres', 'DROP EXTENSION weir CASCADE');
is($fresh->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname ~ '^(w|copy)_'}), '0', 'and with the extension');

# The same from a directory, restored by several processes at once.
{
	my $directory = $node->basedir . '/dump';
	my $summary = "SELECT count(*), md5(string_agg(c::text, ',' ORDER BY seq)) FROM weir.changes('w') c";
	my $table = "SELECT md5(string_agg(c::text, ',')) FROM ($cells('w')) c";

	$node->command_ok([ 'pg_dump', '-Fd', '-j', '3', '-d', $node->connstr('postgres'), '-f', $directory ], 'pg_dump -j');
	$fresh->safe_psql('postgres', 'CREATE DATABASE parallel');
	$fresh->command_ok([ 'pg_restore', '-e', '-j', '4', '-d', $fresh->connstr('parallel'), $directory ], 'pg_restore -j');
	is($fresh->safe_psql('parallel', $summary), $node->safe_psql('postgres', $summary), 'restored by several processes: changes');
	is($fresh->safe_psql('parallel', $table), $node->safe_psql('postgres', $table), 'restored by several processes: the table');
	is($fresh->safe_psql('parallel', "SELECT weir.changes_position('w')"), $here->{position}, 'restored by several processes: position');
	is($fresh->safe_psql('parallel', "SELECT weir.wait('w_changes')"), 't', 'restored by several processes: consumed');
	same_rows($fresh, 'parallel', 'SELECT * FROM kinds', 'SELECT kind, count(*) FROM w_changes GROUP BY kind',
		'the aggregate restored by several processes');
}
$fresh->stop;

# --- old records go, whether or not somebody has read them
$node->safe_psql('postgres', "SELECT weir.drop_continuous_aggregate('kinds')");
my $position = $here->{position};
$node->safe_psql('postgres', "SELECT weir.alter_stream('w_changes', retention => '1 millisecond')");
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM w_changes'), 'old records are deleted without an aggregate');
$node->wait_for_catchup($standby);
foreach my $on ($node, $standby)
{
	my $name = $on->name;
	my ($status, undef, $error) = $on->psql('postgres', '\set VERBOSITY verbose' . "\nSELECT * FROM weir.changes('w', 1)");

	isnt($status, 0, "$name: a reader that is behind");
	like($error, qr/55000: changes of wide table "w" after position 1 are not all there/, "$name: gets an error");
	is($on->safe_psql('postgres', "SELECT count(*) FROM weir.changes('w', $position)"), '0', "$name: one that is not does not");
	is($on->safe_psql('postgres', "SELECT count(*) FROM weir.changes('w')"), '0', "$name: null reads what is there");
	is($on->safe_psql('postgres', "SELECT weir.changes_position('w') = trimmed_to FROM weir.change_streams"), 't',
		"$name: the position is where the records end");
}

# What an aggregate has yet to consume is kept.
$node->safe_psql('postgres', <<'SQL');
SELECT weir.create_continuous_aggregate('kinds', 'SELECT kind, count(*) AS n FROM w_changes GROUP BY kind');
SQL
is($node->safe_psql('postgres', "SELECT weir.wait('w_changes')"), 't', 'consumed');
$node->safe_psql('postgres', "SELECT weir.pause('w_changes')");
$node->safe_psql('postgres', "SELECT weir.mutate_row('w', 'last', weir.set_cell('f', 'q', 'v', '2020-01-01'))");
$node->safe_psql('postgres', "SELECT weir.resume('w_changes')");
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM w_changes'), 'old records are deleted behind an aggregate');
is($node->safe_psql('postgres', "SELECT n >= 1 FROM kinds WHERE kind = 'user'"), 't', 'which has counted them');

$standby->stop;
$node->stop;
done_testing();
