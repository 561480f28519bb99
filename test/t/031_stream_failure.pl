
# What holds a stream back as a whole, and who tells of it: a queue whose rows are
# not let go, and somebody who has prepared a transaction that holds the stream.
# Others go on meanwhile, and the stream does when the cause is gone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('failure');
$node->start;

sub run
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

run(<<'SQL');
CREATE EXTENSION weir;
CREATE ROLE stranger;
CREATE TABLE queue (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT '2024-01-01');
CREATE TABLE parts (id int REFERENCES queue ON DELETE RESTRICT);
GRANT SELECT ON queue TO stranger;
SELECT weir.create_stream('queue', 'at', retention => '0');
SELECT weir.create_continuous_aggregate('counted', 'SELECT count(*) AS n, sum(id) AS total FROM queue');
CREATE TABLE other (id int);
SELECT weir.create_stream('other');
SELECT weir.create_continuous_aggregate('of_other', 'SELECT count(*) AS n FROM other');
INSERT INTO queue VALUES (1);
SQL
is(run(q{SELECT weir.wait('queue')}), 't', 'consumed');
is(run('SELECT count(*) FROM queue'), '0', 'and deleted');

sub error_is
{
	my ($pattern, $name) = @_;

	ok($node->poll_query_until('postgres', <<SQL), $name);
SELECT last_error ~ '$pattern' AND last_error_at IS NOT NULL FROM weir.stat_streams WHERE stream = 'queue'::regclass
SQL
	return;
}

# --- A foreign key

run('BEGIN; INSERT INTO queue VALUES (2), (3); INSERT INTO parts VALUES (3); COMMIT');
# 18 tells RESTRICT from the others
error_is('^(23503|23001): update or delete on table "queue" violates (RESTRICT setting of )?foreign key constraint.*Key \(id\)=\(3\).*deleting consumed rows of table "queue"',
	'what keeps rows from being deleted is told');
is(run(q{SET ROLE stranger; SELECT last_error IS NULL FROM weir.stat_streams WHERE stream = 'queue'::regclass}), 't',
	'to those who own the stream');
is(run(q{SELECT rows_behind FROM weir.stat_streams WHERE stream = 'queue'::regclass}), '2', 'nothing is consumed');
is(run('SELECT * FROM counted'), '3|6', 'all is seen');
run('INSERT INTO other VALUES (1)');
is(run(q{SELECT weir.wait('other')}), 't', 'another stream goes on');
run('INSERT INTO queue VALUES (4); DELETE FROM parts');
is(run(q{SELECT weir.wait('queue', '3 minutes')}), 't', 'it goes on by itself');
is(run('SELECT n, total, (SELECT count(*) FROM queue) FROM counted'), '4|10|0', 'all is counted once, and deleted');
ok($node->poll_query_until('postgres', q{SELECT bool_and(last_error IS NULL AND last_error_at IS NULL) FROM weir.stat_streams}),
	'no more error');

# --- A trigger

run(<<'SQL');
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'row % is dear to me', OLD.id; END $$;
CREATE TRIGGER keep BEFORE DELETE ON queue FOR EACH ROW EXECUTE FUNCTION keep();
INSERT INTO queue VALUES (5);
SQL
error_is('^P0001: row 5 is dear to me', 'so is a trigger');
run('DROP TRIGGER keep ON queue');
is(run(q{CALL weir.drain('queue'); SELECT n, (SELECT count(*) FROM queue) FROM counted}), '5|0', 'drain goes on at once');
ok($node->poll_query_until('postgres', q{SELECT bool_and(last_error IS NULL) FROM weir.stat_streams}), 'no more error');
run('ALTER TABLE queue ADD CHECK (id > 0); CREATE TRIGGER keep BEFORE DELETE ON queue FOR EACH ROW EXECUTE FUNCTION keep(); INSERT INTO queue VALUES (6)');
error_is('dear to me', 'once more');
run(q{SET client_min_messages = error; SELECT weir.drop_stream('queue', cascade => true)});
is(run('SELECT count(*) FROM weir._stream_failure'), '0', 'nothing is left of a stream that is dropped');

# --- The worker itself, in the midst of a tick, is not what holds a stream back

run(<<'SQL');
CREATE TABLE slow (id int);
GRANT SELECT ON slow TO stranger;
CREATE FUNCTION pass(id int) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN id; END $$;
SELECT weir.create_stream('slow');
SELECT weir.create_continuous_aggregate('of_slow', 'SELECT sum(pass(id)) AS total FROM slow');
SQL
is(run(q{SELECT weir.wait('slow')}), 't', 'consumed');
run(q{BEGIN; SELECT pg_advisory_xact_lock(7); PREPARE TRANSACTION 'gate'; INSERT INTO slow VALUES (1)});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted}),
	'a tick has begun');
foreach my $role ('NONE', 'stranger')
{
	is(run("SET ROLE $role; SELECT blocked_by IS NULL AND blocked_by_gid IS NULL FROM weir.stat_streams WHERE stream = 'slow'::regclass"), 't',
		"nobody is in its way, as role $role sees it");
}
run(q{COMMIT PREPARED 'gate'});
is(run(q{SELECT weir.wait('slow', '3 minutes')}), 't', 'it ends');
is(run('SELECT * FROM of_slow'), '1', 'and has counted');

# --- A prepared transaction

run(q{SELECT weir.create_continuous_aggregate('more', 'SELECT sum(id) AS n FROM other')});
run(<<'SQL');
CREATE TABLE third (id int);
SELECT weir.create_stream('third');
SELECT weir.create_continuous_aggregate('of_third', 'SELECT count(*) AS n FROM third');
SQL
is(run(q{SELECT weir.wait('other') AND weir.wait('third')}), 't', 'consumed');
run(q{BEGIN; SELECT weir.pause('of_other'); SELECT weir.advance_watermark('other', now()); PREPARE TRANSACTION 'holds it'});
run('INSERT INTO other VALUES (2)');
is(run('SELECT * FROM of_other, more'), '2|3', 'nobody is kept from writing or reading');
is(run(q{SELECT blocked_by, blocked_by_gid FROM weir.stat_streams WHERE stream = 'other'::regclass}), '|holds it', 'who holds the stream');
is(run(q{SELECT weir.wait('other', '2 seconds')}), 'f', 'it is not consumed');
for (1 .. 5)
{
	run('INSERT INTO third VALUES (1)');
	is(run(q{SELECT weir.wait('third', '3 minutes')}), 't', 'others are');
}
unlike(slurp_file($node->logfile), qr/lock timeout.*\n.*maintaining/, 'nobody waits for it');
run(q{ROLLBACK PREPARED 'holds it'});
is(run(q{SELECT weir.wait('other', '3 minutes')}), 't', 'then it is');
is(run('SELECT * FROM of_other, more'), '2|3', 'once');
is(run(q{SELECT last_error IS NULL FROM weir.stat_streams WHERE stream = 'other'::regclass}), 't', 'no error');

# --- Who waits does not hold up who is to change a table, and with him the worker
sub start_to_wait
{
	my ($stream, $pattern) = @_;
	my ($pid) = run_children(
		sub {
			my (undef, $answer, $error) = $node->psql('postgres', "SELECT weir.wait('$stream', '3 minutes')");

			return "$answer$error" =~ $pattern ? 0 : 1;
		});

	ok($node->poll_query_until('postgres', <<SQL), "somebody waits for $stream");
SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT weir.wait(%' AND wait_event = 'Extension'
SQL
	return $pid;
}

sub goes_on_ok
{
	my ($sql, $name) = @_;

	return is($node->psql('postgres', "SET statement_timeout = '1min';\n$sql"), 0, $name);
}

sub end_of_waiting_ok
{
	my ($pid, $name) = @_;

	waitpid($pid, 0);
	is($?, 0, $name);
	return;
}

run(q{SELECT weir.pause('third'); INSERT INTO third VALUES (1)});
my $waiting = start_to_wait('third', qr/^t$/);
my $log = run(q{SELECT format('weir._log_%s_0', id) FROM weir._stream WHERE relation = 'third'::regclass});
goes_on_ok("VACUUM FULL $_", "$_ is rewritten meanwhile") for 'weir._cursor', $log, 'third';
run(q{SELECT weir.resume('third')});
end_of_waiting_ok($waiting, 'and all is consumed');

run(q{SELECT weir.pause('third'); INSERT INTO third VALUES (1)});
$waiting = start_to_wait('third', qr/"third" is not a stream/);
goes_on_ok(q{SET client_min_messages = error; SELECT weir.drop_stream('third', cascade => true)}, 'a stream is dropped that somebody waits for');
end_of_waiting_ok($waiting, 'who is told so');

$node->stop;
done_testing();
