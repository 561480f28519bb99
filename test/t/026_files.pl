# Files that change under a stream: an unlogged table that a crash empties, a log
# that VACUUM FULL of the database gives other files in the midst of a backlog, and
# a table whose file is replaced by something that weir knows nothing of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('files', allows_streaming => 1, conf => "weir.start_workers = off\nautovacuum = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION weir');

sub run
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# --- Unlogged: rows that were not consumed are lost, and nothing else

run(<<'SQL');
SET client_min_messages = error;
CREATE UNLOGGED TABLE brief (n int);
SELECT weir.create_stream('brief');
SELECT weir.create_continuous_aggregate('counted', 'SELECT count(*) AS n, sum(n) AS total FROM brief');
INSERT INTO brief SELECT i FROM generate_series(1, 1000) i;
CALL weir.drain('brief');
INSERT INTO brief SELECT i FROM generate_series(1, 1000) i;
SQL
is(run('SELECT * FROM counted'), '2000|1001000', 'all is seen');
crash_and_start($node);
is(run('SELECT count(*) FROM brief'), '0', 'a crash empties an unlogged table');
is(run('SELECT * FROM counted'), '1000|500500', 'what was consumed is kept, what waited is gone');
# rows that come to stand where those did
run('INSERT INTO brief SELECT i FROM generate_series(1, 10) i');
is(run('SELECT * FROM counted'), '1010|500555', 'rows in their places are seen once');
run(q{CALL weir.drain('brief')});
is(run('SELECT * FROM counted'), '1010|500555', 'and consumed once');
run('DROP TABLE brief CASCADE');

# --- VACUUM FULL of everything while a backlog is consumed, a crash, a standby

run(<<'SQL');
CREATE TABLE gate (shut boolean);
INSERT INTO gate VALUES (true);
CREATE TABLE ev (n int);
SELECT weir.create_stream('ev');
CREATE FUNCTION pass(n int) RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
	IF n >= 300 AND (SELECT shut FROM gate) THEN
		RAISE 'the gate is shut' USING ERRCODE = 'insufficient_resources';
	END IF;
	RETURN n;
END $$;
SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS n, sum(pass(n)) AS total FROM ev');
CALL weir.drain('ev');
SQL
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'hot_standby_feedback = on');
$standby->start;

# every other entry is of a transaction that was rolled back
for my $i (1 .. 10)
{
	run("BEGIN; INSERT INTO ev SELECT 0 FROM generate_series(1, 5); PREPARE TRANSACTION 'g$i'") if $i % 2;
	run("INSERT INTO ev SELECT $i * 50 + j FROM generate_series(0, 2) j");
}
run("ROLLBACK PREPARED 'g$_'") for (1, 3, 5, 7, 9);

sub drain_some
{
	my ($status, undef, $error) = $node->psql('postgres', "SET weir.tick_rows = 3; CALL weir.drain('ev')");

	return $error;
}

like(drain_some(), qr/the gate is shut/, 'a backlog is consumed in part');
is(run('SELECT count(*) FROM weir._cursor WHERE high IS NOT NULL'), '1', 'a cursor stands in the midst of it');
run('UPDATE gate SET shut = false');
my $all = run('SELECT count(*), sum(n) FROM ev');
my $behind = run('SELECT rows_behind FROM weir.stat_streams');
is(run('SELECT * FROM ever'), $all, 'all is seen');
my $files = run(q{SELECT string_agg(relfilenode::text, ',' ORDER BY oid) FROM pg_class WHERE relname ~ '^_log_\d+_\d+$'});
# who reads under an old snapshot sees what he saw
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM gate');
$node->psql('postgres', q{SELECT format('VACUUM FULL weir.%I', relname) FROM pg_class WHERE relname ~ '^_log_\d+_\d+$' \gexec});
isnt(run(q{SELECT string_agg(relfilenode::text, ',' ORDER BY oid) FROM pg_class WHERE relname ~ '^_log_\d+_\d+$'}), $files,
	'the log has other files');
is($reader->query_safe('SELECT * FROM ever'), $all, 'an old snapshot sees all');
is($reader->query_safe('SELECT rows_behind FROM weir.stat_streams'), $behind, 'and how much waits');
$reader->query_safe('COMMIT');
is(run('SELECT * FROM ever'), $all, 'so does a new one');
is(run('SELECT rows_behind FROM weir.stat_streams'), $behind, 'and how much waits');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT * FROM ever'), $all, 'and one on a standby');
# the files are others once more, and the cursor has not moved
$node->psql('postgres', 'VACUUM FULL weir._cursor');
$node->psql('postgres', q{SELECT format('VACUUM FULL weir.%I', relname) FROM pg_class WHERE relname ~ '^_log_\d+_\d+$' \gexec});
run('UPDATE gate SET shut = true');
like(drain_some(), qr/the gate is shut/, 'it goes on where it was');
crash_and_start($node);
is(run('UPDATE gate SET shut = false; SELECT * FROM ever'), $all, 'after a crash all is seen');
is(drain_some(), '', 'the rest is consumed');
is(run('SELECT * FROM ever'), $all, 'all of it once');
is(run('SELECT rows_behind FROM weir.stat_streams'), '0', 'nothing is left');
$reader->quit;

# --- A file that is replaced by who knows whom, as pg_repack does

run(<<'SQL');
INSERT INTO ev VALUES (1);
CREATE TABLE copy AS SELECT * FROM ev;
SET allow_system_table_mods = on;
UPDATE pg_class SET relfilenode = CASE oid WHEN 'ev'::regclass THEN (SELECT relfilenode FROM pg_class WHERE oid = 'copy'::regclass)
	ELSE (SELECT relfilenode FROM pg_class WHERE oid = 'ev'::regclass) END WHERE oid IN ('ev'::regclass, 'copy'::regclass);
SQL
my ($status, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nCALL weir.drain('ev')");
like($error, qr/55000: file of table "ev" has been replaced while rows of it were not consumed/, 'the stream stops');
like($error, qr/weir\.drop_stream/, 'and says what to do');
($status, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT * FROM ever");
like($error, qr/40001: table "ev" has been rewritten since this snapshot/, 'nobody is shown less than there is');
run(<<'SQL');
SET client_min_messages = warning;
SELECT weir.drop_stream('ev', cascade => true);
SELECT weir.create_stream('ev');
SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS n, sum(n) AS total FROM ev');
CALL weir.drain('ev');
SQL
is(run('SELECT * FROM ever'), run('SELECT count(*), sum(n) FROM ev'), 'what helps helps');

$standby->stop;
$node->stop;
done_testing();
