
# Commands that read or copy the log otherwise than in the order in which it was
# written: VACUUM FULL that begins where somebody else is reading, sessions that
# are to do without indexes. Nothing is missed or counted twice for it; what cannot
# be followed is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

# The log is larger than a quarter of the buffers, and stays in one table.
my $node = weir_node('order', conf => <<'CONF');
weir.start_workers = off
weir.log_slot_size = '64MB'
shared_buffers = '1MB'
synchronous_commit = off
autovacuum = off
CONF
$node->start;

sub run
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

run(<<'SQL');
CREATE EXTENSION weir;
CREATE TABLE gate (opens_to int);
INSERT INTO gate VALUES (0);
CREATE TABLE ev (n int);
SELECT weir.create_stream('ev');
CREATE FUNCTION pass(n int) RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
	IF n >= (SELECT opens_to FROM gate) THEN
		RAISE 'the gate is shut' USING ERRCODE = 'insufficient_resources';
	END IF;
	RETURN n;
END $$;
SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS n, sum(pass(n)) AS total FROM ev');
CREATE PROCEDURE add_rows(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN first .. last LOOP
		INSERT INTO ev VALUES (i);
		COMMIT;
	END LOOP;
END $$;
CALL weir.drain('ev');
SQL
my $log = run(q{SELECT format('weir.%I', relname) FROM pg_class WHERE relname ~ '^_log_\d+_0$'});
my $all;

# ticks of a hundred rows, up to that one
sub drain_to
{
	my ($n) = @_;
	my (undef, undef, $error) = $node->psql('postgres', "UPDATE gate SET opens_to = $n; SET weir.tick_rows = 100; CALL weir.drain('ev')");

	return $error;
}

# Somebody reads that many entries and leaves; who copies the log begins there.
sub vacuum_after
{
	my ($n) = @_;

	run("BEGIN; DECLARE c CURSOR FOR SELECT xid FROM $log; MOVE $n FROM c; COMMIT");
	run("VACUUM FULL $log");
	return;
}

sub is_turned
{
	return run("SELECT (SELECT xid FROM $log WHERE ctid = '(0,1)') <> min(xid) FROM $log");
}

sub exact_ok
{
	my ($name) = @_;

	is(run('UPDATE gate SET opens_to = 1000000000; SELECT * FROM ever'), $all, "$name: all is seen");
	# entries go to a temporary file
	is(run(q{SET work_mem = '64kB'; SELECT a.* FROM ever a, ever b WHERE a.n = b.n}), $all, "$name: with little memory");
	return;
}

# --- Consumed entries come to stand in the midst of the file, or in two parts

run('CALL add_rows(1, 8000)');
cmp_ok(run("SELECT pg_relation_size('$log') / 8192"), '>', 50, 'a large log');
$all = run('SELECT count(*), sum(n) FROM ev');
like(drain_to(3000), qr/the gate is shut/, 'a backlog is consumed in part');
is(run('SELECT count(*) FROM weir._cursor WHERE high IS NOT NULL'), '1', 'a cursor stands in the midst of it');
my $behind = run('SELECT rows_behind FROM weir.stat_streams');
exact_ok('before');
vacuum_after(2500);
is(is_turned(), 't', 'the log is turned');
exact_ok('turned, what is left in the midst');
is(run('SELECT rows_behind FROM weir.stat_streams'), $behind, 'as much waits as before');
run("SELECT weir.pause('ever')");
run("SELECT weir.resume('ever')");
exact_ok('after another has written the cursor');
vacuum_after(5500);
exact_ok('turned again, what is left in two parts');
is(run('SELECT rows_behind FROM weir.stat_streams'), $behind, 'as much waits as before');
like(drain_to(3001), qr/the gate is shut/, 'nothing is consumed');
exact_ok('after a failure');
is(drain_to(1000000), '', 'the rest is consumed');
exact_ok('consumed');
is(run('SELECT n, rows_behind FROM ever, weir.stat_streams'), '8000|0', 'all of it once');

# --- The entries that follow in another table, after a turned one

run('CALL add_rows(8001, 14000)');
run(q{ALTER SYSTEM SET weir.log_slot_size = '8kB'; SELECT pg_reload_conf()});
run('CALL add_rows(14001, 14003)');
run(q{SELECT weir.pause('ev'); SELECT weir.resume('ev')});
$all = run('SELECT count(*), sum(n) FROM ev');
like(drain_to(10050), qr/the gate is shut/, 'another backlog is consumed in part');
vacuum_after(4000);
exact_ok('turned');
is(drain_to(1000000), '', 'the rest is consumed');
exact_ok('consumed');

# --- Sessions without system indexes find the cursors

run(<<'SQL');
SELECT weir.create_continuous_aggregate('held', 'SELECT count(*) AS n FROM ev');
CALL weir.drain('ev');
SELECT weir.pause('held');
INSERT INTO ev VALUES (14004);
CALL weir.drain('ev');
SQL
$all = run('SELECT count(*), sum(n) FROM ev');
{
	local $ENV{PGOPTIONS} = '-c ignore_system_indexes=on';

	is(run('SELECT e.n, h.n FROM ever e, held h'), '14004|14004', 'all is seen without indexes');
	run(q{INSERT INTO ev VALUES (14005); CALL weir.drain('ev')});
	is(run('SELECT e.n, h.n, s.rows_behind FROM ever e, held h, weir.stat_streams s'), '14005|14005|0',
		'and consumed');
	run(q{SELECT weir.resume('held'); CALL weir.drain('ev')});
}
run(q{CALL weir.drain('ev')});
is(run('SELECT e.n, h.n, (SELECT count(*) FROM weir._cursor) FROM ever e, held h'), '14005|14005|1', 'both have gone on');

# --- What would make the log one of other transactions is refused

my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nALTER TABLE $log SET UNLOGGED");
like($error, qr/0A000: cannot rewrite table "_log_\d+_0" of the log of a stream/, 'the log stays what it is');
run('ALTER TABLE gate SET UNLOGGED');

# --- A log that has been truncated since a snapshot, or that lacks entries

run("INSERT INTO ev VALUES ($_)") for 15001 .. 15020;
like($node->psql('postgres', "UPDATE gate SET opens_to = 15010; SET weir.tick_rows = 1; CALL weir.drain('ev')") ? 'failed' : '', qr/failed/,
	'a backlog is consumed in part');
my ($slot, $turn, $truncated) = split /\|/, run(<<'SQL');
SELECT format('weir._log_%s_%s', stream_id, slot), turn, format('weir._log_%s_truncated', stream_id)
FROM weir._log_slot JOIN weir._cursor USING (stream_id, turn) WHERE high IS NOT NULL
SQL
run("DELETE FROM $slot");
run("VACUUM FULL $slot");
my $read = "\\set VERBOSITY verbose\nSELECT * FROM ever";
(undef, undef, $error) = $node->psql('postgres', $read);
like($error, qr/XX001: the log of stream \d+ lacks entries/, 'entries that are gone are missed');
(undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nCALL weir.drain('ev')");
like($error, qr/XX001: the log of stream \d+ lacks entries/, 'by who consumes, too');
# as on a standby that has replayed it
run("SELECT setval('$truncated', $turn)");
(undef, undef, $error) = $node->psql('postgres', $read);
like($error, qr/40001: the log of stream \d+ has been truncated past this snapshot/, 'but not those that older snapshots cannot see any more');

unlike(slurp_file($node->logfile), qr/temporary file leak/, 'temporary files are closed');
$node->stop;
done_testing();
