
# Exactly once under crashes. Writers insert events, and in the same transactions
# rows of a ledger, an ordinary table; they use savepoints, exception blocks,
# COPY, two-phase commit, and roll back at random. Meanwhile the worker and the
# whole server are killed at random. In the end everything that weir made of the
# events is what a plain GROUP BY makes of the ledger.
#
# Event times go up with a shared sequence, with more disorder than the stream
# allows for, so that windows close all along and some rows are late: those have
# to be in weir.late_rows, once for each aggregate whose window they missed.
#
#	WEIR_SEED		repeats the random choices of a run (not the timing)
#	WEIR_KILLS		number of kills, default 15
#	WEIR_SECONDS	no further kill after so many seconds, default 240; if there have
#			been fewer kills than wanted then, that is a failure
#
# make stress runs 200 kills.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Time::HiRes qw(time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $seed = $ENV{WEIR_SEED} // int(rand(1_000_000));
my $kills = $ENV{WEIR_KILLS} // 15;
my $until = time + ($ENV{WEIR_SECONDS} // 240);
my $writers = 4;
my $parent = $$;    # writers end with it, whatever it dies of
my $stop_file = PostgreSQL::Test::Utils::tempdir . '/stop';

note("seed $seed (WEIR_SEED=$seed repeats it)");
srand($seed);

my $node = weir_node('crash', conf => "log_statement = none\nmax_wal_size = 1GB");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE events (ts timestamptz NOT NULL, key int NOT NULL, amount numeric NOT NULL);
CREATE TABLE ledger (LIKE events);
CREATE SEQUENCE clock CACHE 1;
SELECT weir.create_stream('events', 'ts', max_out_of_orderness => '5 seconds');

SELECT weir.create_continuous_aggregate('by_ten_seconds', $$
	SELECT w.window_start, w.window_end, e.key, count(*) AS n, sum(e.amount) AS total,
		avg(e.amount) AS mean, min(e.amount) AS low, max(e.amount) AS high
	FROM events e, weir.tumble(e.ts, '10 seconds') w
	GROUP BY w.window_start, w.window_end, e.key $$);
SELECT weir.create_continuous_aggregate('by_minute', $$
	SELECT w.window_start, w.window_end, count(*) AS n, stddev(e.amount) AS spread
	FROM events e, weir.tumble(e.ts, '1 minute') w
	GROUP BY w.window_start, w.window_end $$, allowed_lateness => '1 minute');
SELECT weir.create_continuous_aggregate('ever', $$
	SELECT key, count(*) AS n, sum(amount) AS total FROM events GROUP BY key $$);

CREATE TABLE sunk (window_start timestamptz, key int, n bigint, total numeric);
SELECT weir.create_sink('to_table', 'by_ten_seconds', $$
	INSERT INTO sunk SELECT window_start, key, n, total FROM closed $$);
SELECT weir.create_wide_table('counters');
SELECT weir.add_family('counters', 'n', aggregate => 'sum');
SELECT weir.create_sink('to_wide_row', 'by_ten_seconds', $$
	SELECT weir.mutate_row('counters', key::text,
		weir.add_to_cell('n', 'events', timestamptz 'epoch', n)) FROM closed $$);

-- Event times: the clock goes up 20 ms an event; every tenth row is up to 40
-- seconds behind, which is too late for some windows.
CREATE FUNCTION event_time() RETURNS timestamptz LANGUAGE sql VOLATILE
RETURN timestamptz '2024-01-01 00:00:00Z' + nextval('clock') * interval '20 milliseconds'
	- CASE WHEN random() < 0.1 THEN random() * interval '40 seconds'
		ELSE random() * interval '4 seconds' END;

-- A few rows for both tables.
CREATE FUNCTION write_rows(n int) RETURNS void LANGUAGE sql VOLATILE AS $$
	WITH new AS MATERIALIZED
		(SELECT event_time() AS ts, (random() * 20)::int AS key, (random() * 1000)::numeric(10, 3) AS amount
		FROM generate_series(1, n)),
		e AS (INSERT INTO events SELECT * FROM new)
	INSERT INTO ledger SELECT * FROM new $$;

-- The same in subtransactions, some of which fail.
CREATE FUNCTION write_in_pieces(pieces int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. pieces LOOP
		BEGIN
			PERFORM write_rows((random() * 20)::int);
			IF random() < 0.4 THEN
				RAISE EXCEPTION 'not this piece';
			END IF;
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END LOOP;
END $$;
SQL

# --- Writers

# One random transaction, as text for psql.
sub transaction
{
	my ($writer, $number) = @_;
	my $luck = rand();
	my $end = rand() < 0.2 ? 'ROLLBACK' : 'COMMIT';

	return 'SELECT write_rows(' . (1 + int(rand(5))) . ");\n" if $luck < 0.3;
	return "BEGIN; SELECT write_rows(" . int(rand(200)) . "); $end;\n" if $luck < 0.5;
	return "BEGIN; SELECT write_rows(3); SAVEPOINT a; SELECT write_rows("
	  . int(rand(50)) . "); SAVEPOINT b; SELECT write_rows(7); ROLLBACK TO "
	  . (rand() < 0.5 ? 'a' : 'b') . "; SELECT write_rows(2); $end;\n"
	  if $luck < 0.7;
	return "BEGIN; SELECT write_in_pieces(" . int(rand(8)) . "); $end;\n" if $luck < 0.85;
	if ($luck < 0.92)
	{
		my $rows = join '', map {
			sprintf("2024-01-01 00:00:%02d.%03dZ,%d,%.3f\n", 5 + rand(40), rand(1000), rand(20), rand(1000))
		} 1 .. int(rand(30));

		return "BEGIN;\nCOPY events FROM STDIN (FORMAT csv);\n$rows\\.\n"
		  . "COPY ledger FROM STDIN (FORMAT csv);\n$rows\\.\n$end;\n";
	}
	my $gid = "w${writer}_$number";
	return "BEGIN; SELECT write_rows(" . int(rand(40)) . "); PREPARE TRANSACTION '$gid';\n"
	  . "SELECT write_rows(1);\n$end PREPARED '$gid';\n";
}

# Writes until the stop file is there. A lost connection loses what was not
# committed, from both tables alike; the writer just goes on.
sub write_until_stopped
{
	my ($writer) = @_;
	my $script = $node->basedir . "/writer_$writer.sql";
	my $number = 0;

	srand($seed + $writer);
	while (!-e $stop_file && getppid() == $parent)
	{
		open(my $out, '>', $script) or die "could not write $script: $!";
		print $out transaction($writer, ++$number) for 1 .. 25;
		close($out) or die "could not write $script: $!";
		my $ok = IPC::Run::run(
			[
				$node->installed_command('psql'), '-XqAt', '-v', 'ON_ERROR_STOP=1',
				'-d', $node->connstr('postgres'), '-f', $script
			],
			'>', '/dev/null', '2>', \my $stderr);

		Time::HiRes::usleep(50_000) unless $ok;    # the server is restarting
	}
	return 0;
}

my @pids = run_children(map { my $writer = $_; sub { write_until_stopped($writer) } } 1 .. $writers);

# --- Kills

my %done = (worker => 0, postmaster => 0, terminate => 0, backend => 0);
my $killed = 0;

while ($killed < $kills && time < $until)
{
	# some more was written, a random amount, and there is a worker to hit
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM ledger');
	my $more = 1 + int(rand(2000));

	$node->poll_query_until('postgres', "SELECT count(*) >= $rows + $more FROM ledger")
	  or BAIL_OUT('the writers do not get on');
	wait_for_worker($node, 'postgres') or BAIL_OUT('there is no worker');

	my $luck = rand();
	my $what = $luck < 0.5 ? 'worker' : $luck < 0.75 ? 'postmaster' : $luck < 0.85 ? 'backend' : 'terminate';

	if ($what eq 'postmaster')
	{
		crash_and_start($node);
		$killed++;
	}
	else
	{
		my ($pid) = $what eq 'backend'
		  ? $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity
				WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1")
		  : worker_pids($node, 'postgres');

		next unless $pid;
		if ($what eq 'terminate')
		{
			kill('TERM', $pid) or next;
		}
		else
		{
			kill_process($node, $pid) or next;
			$killed++;
		}
	}
	$done{$what}++;
}
note(join ', ', map { "$_: $done{$_}" } sort keys %done);
cmp_ok($killed, '>=', $kills, 'killed often enough');

open(my $stop, '>', $stop_file) or BAIL_OUT("could not write $stop_file: $!");
close($stop);
foreach my $pid (@pids)
{
	waitpid($pid, 0);
	is($?, 0, 'a writer ended');
}

# Transactions that were prepared when the server went down.
my $prepared = 0;
foreach my $gid (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'))
{
	$node->safe_psql('postgres', ($prepared++ % 2 ? 'ROLLBACK' : 'COMMIT') . " PREPARED '$gid'");
}
note("$prepared prepared transactions were left");

# --- What came of it

is($node->safe_psql('postgres', "SELECT weir.wait('events', '5 minutes')"), 't', 'consumed');
same_rows($node, 'postgres', 'SELECT * FROM events', 'SELECT * FROM ledger', 'events and ledger');
same_rows($node, 'postgres', 'SELECT * FROM ever',
	'SELECT key, count(*), sum(amount) FROM ledger GROUP BY key', 'running aggregate');

# What the windows of an aggregate should have: the ledger without its late rows.
sub on_time
{
	my ($aggregate) = @_;

	return <<SQL;
(SELECT * FROM ledger EXCEPT ALL
	SELECT (l.row->>'ts')::timestamptz, (l.row->>'key')::int, (l.row->>'amount')::numeric
	FROM weir.late_rows l WHERE l.aggregate = '$aggregate'::regclass)
SQL
}

my $ten_seconds = 'SELECT w.window_start, w.window_end, e.key, count(*), sum(e.amount), avg(e.amount),'
  . ' min(e.amount), max(e.amount) FROM ' . on_time('by_ten_seconds')
  . " e, weir.tumble(e.ts, '10 seconds') w GROUP BY 1, 2, 3";
my $minute = 'SELECT w.window_start, w.window_end, count(*), stddev(e.amount) FROM '
  . on_time('by_minute') . " e, weir.tumble(e.ts, '1 minute') w GROUP BY 1, 2";

cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM weir.late_rows'), '>', 0, 'some rows were late');
same_rows($node, 'postgres', 'SELECT * FROM by_ten_seconds', $ten_seconds, 'ten seconds, live');
same_rows($node, 'postgres', 'SELECT * FROM by_minute', $minute, 'minutes, live');

$node->safe_psql('postgres', "SELECT weir.advance_watermark('events', 'infinity')");
is($node->safe_psql('postgres', "SELECT weir.wait('events', '5 minutes')"), 't', 'consumed to the end');
ok($node->poll_query_until('postgres',
		"SELECT (SELECT count(*) FROM by_ten_seconds_closed) = (SELECT count(*) FROM ($ten_seconds) x)
			AND (SELECT count(*) FROM by_minute_closed) = (SELECT count(*) FROM ($minute) x)"),
	'every window is closed');
same_rows($node, 'postgres', 'SELECT * FROM by_ten_seconds_closed', $ten_seconds, 'ten seconds, closed');
same_rows($node, 'postgres', 'SELECT * FROM by_minute_closed', $minute, 'minutes, closed');
same_rows($node, 'postgres', 'SELECT * FROM sunk',
	'SELECT window_start, key, n, total FROM by_ten_seconds_closed', 'sink into a table');
same_rows($node, 'postgres',
	"SELECT convert_from(row_key, 'UTF8'), weir.int8_value(value)::numeric FROM weir.read_rows('counters')",
	'SELECT key::text, sum(n) FROM by_ten_seconds_closed GROUP BY key', 'sink into counters of a wide table');

$node->stop;
done_testing();
