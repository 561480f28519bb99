
# Real input: 321,206 measurements of 47 series (Numenta Anomaly Benchmark),
# loaded by four concurrent sessions that COPY chunks of mixed size, roll some of
# them back and try again, while the worker is terminated ten times and killed
# twice. In the end the aggregates, what was closed, and the wide rows that a
# sink wrote are what a plain GROUP BY says.
#
# Nothing is late, by construction: each loader reads its rows in order of time
# and is a source of its own, and the watermark is the least of the sources'; all
# four have sent a row before the worker sees any. Across loaders the rows are
# out of order by as much as one loader is ahead of another.
#
# The values are numeric, so that sums do not depend on the order of addition.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $file = $ENV{WEIR_DATA} // "$FindBin::RealBin/../../../shared/data/nab_real.csv.gz";
plan skip_all => "no real input: $file is not there (WEIR_DATA names it)" unless -r $file;

my $loaders = 4;
my $kills = 12;

# --- The rows, dealt out in chunks of mixed size

my $seed = $ENV{WEIR_SEED} // int(rand(1_000_000));
note("seed $seed (WEIR_SEED=$seed repeats it)");
srand($seed);

open(my $csv, '-|', 'gzip', '-dc', $file) or BAIL_OUT("could not read $file: $!");
my $header = <$csv> =~ s{\r?\n\z}{}r;
my @lines = map { s{\r?\n\z}{\n}r } <$csv>;
close($csv) or BAIL_OUT("could not read $file");
is($header, 'ts,series,value', 'the columns are the expected ones');
cmp_ok(scalar(@lines), '>', 300_000, 'there are rows');

my @chunks = map { [] } 1 .. $loaders;
my $n_chunks = 0;
for (my $at = 0; $at < @lines; $n_chunks++)
{
	my $size = $n_chunks < $loaders ? 1
	  : rand() < 0.3 ? 1 + int(rand(20))
	  : 1 + int(rand(3000));
	my $end = $at + $size - 1;

	$end = $#lines if $end > $#lines;
	push @{ $chunks[ $n_chunks % $loaders ] }, [ $at, $end ];
	$at = $end + 1;
}

# --- Stream, aggregates, sink

my $node = weir_node('real', conf => "log_statement = none\nmax_wal_size = 1GB");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE measurements (ts timestamp NOT NULL, series text NOT NULL, value numeric,
	loader int NOT NULL);
CREATE TABLE loaded (loader int, chunk int, PRIMARY KEY (loader, chunk));
SELECT weir.create_stream('measurements', 'ts', source => 'loader');
SELECT weir.create_continuous_aggregate('hourly', $$
	SELECT w.window_start, w.window_end, m.series, count(*) AS n, sum(m.value) AS total,
		avg(m.value) AS mean, min(m.value) AS low, max(m.value) AS high, stddev(m.value) AS spread
	FROM measurements m, weir.tumble(m.ts, '1 hour') w
	GROUP BY w.window_start, w.window_end, m.series $$);
SELECT weir.create_continuous_aggregate('daily', $$
	SELECT w.window_start, w.window_end, m.series, count(*) AS n, sum(m.value) AS total,
		avg(m.value) AS mean, min(m.value) AS low, max(m.value) AS high, stddev(m.value) AS spread
	FROM measurements m, weir.tumble(m.ts, '1 day') w
	GROUP BY w.window_start, w.window_end, m.series $$);
SELECT weir.create_wide_table('profiles');
SELECT weir.add_family('profiles', 'day');
SELECT weir.create_sink('profile', 'daily', $$
	SELECT weir.mutate_row('profiles', series,
		weir.set_cell('day', 'n', n::text, window_start::timestamptz),
		weir.set_cell('day', 'mean', mean::text, window_start::timestamptz),
		weir.set_cell('day', 'high', high::text, window_start::timestamptz)) FROM closed $$);
SQL

sub grouped
{
	my ($size) = @_;

	return <<SQL;
SELECT w.window_start, w.window_end, m.series, count(*), sum(m.value), avg(m.value),
	min(m.value), max(m.value), stddev(m.value)
FROM measurements m, weir.tumble(m.ts, '$size') w
GROUP BY w.window_start, w.window_end, m.series
SQL
}

# --- The loaders

# The text of one chunk: COPY and, in the same transaction, the note that it is in.
sub chunk_sql
{
	my ($loader, $number) = @_;
	my ($from, $to) = @{ $chunks[$loader][$number] };
	my $rows = join '', map { s/\n\z/,$loader\n/r } @lines[ $from .. $to ];
	my $copy = "COPY measurements FROM STDIN (FORMAT csv);\n$rows\\.\n";
	my $done = "INSERT INTO loaded VALUES ($loader, $number);\nCOMMIT;\n";
	my $luck = rand();

	return "BEGIN;\n${copy}ROLLBACK;\nBEGIN;\n$copy$done" if $luck < 0.15;
	return "BEGIN;\nSAVEPOINT s;\n${copy}ROLLBACK TO s;\n$copy$done" if $luck < 0.3;
	return "BEGIN;\n$copy$done";
}

# Loads the chunks of one loader up to a number; after a lost connection it asks
# which of them are in, and goes on from there.
sub load
{
	my ($loader, $up_to) = @_;

	while (1)
	{
		my ($ret, $next) = $node->psql('postgres',
			"SELECT count(*) FROM loaded WHERE loader = $loader");

		if ($ret != 0)
		{
			wait_for_server($node);
			next;
		}
		return 0 if $next > $up_to;

		my $script = $node->basedir . "/load_$loader.sql";
		open(my $out, '>', $script) or die "could not write $script: $!";
		print $out map { chunk_sql($loader, $_) } $next .. $up_to;
		close($out) or die "could not write $script: $!";
		IPC::Run::run(
			[
				$node->installed_command('psql'), '-XqAt', '-v', 'ON_ERROR_STOP=1',
				'-d', $node->connstr('postgres'), '-f', $script
			],
			'>', \my $stdout, '2>', \my $stderr);
	}
}

# Every source has sent its first row before anything is consumed.
$node->safe_psql('postgres',
	"BEGIN;\n" . join('', map { chunk_sql($_, 0) =~ s/\A.*\bBEGIN;\n//sr =~ s/COMMIT;\n\z//r }
		0 .. $loaders - 1) . 'COMMIT;');

my $last_chunk = $#{ $chunks[$loaders - 1] };
my @events = ((('TERM') x 5), 'KILL', (('TERM') x 5), 'KILL');
my $restarts = 0;

foreach my $part (1 .. $kills)
{
	my $up_to = int($last_chunk * $part / $kills);
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM loaded');
	my @pids = run_children(
		map
		{
			my $loader = $_;
			my $end = $part == $kills ? $#{ $chunks[$loader] } : $up_to;
			sub { srand($seed + 100 * $part + $loader); load($loader, $end) }
		} 0 .. $loaders - 1);

	$node->poll_query_until('postgres', "SELECT count(*) > $before + 2 FROM loaded");
	wait_for_worker($node, 'postgres');
	my ($worker) = worker_pids($node, 'postgres');
	$events[ $part - 1 ] eq 'KILL' ? kill_process($node, $worker) : kill('TERM', $worker)
	  or BAIL_OUT("could not signal the worker: $!");
	foreach my $pid (@pids)
	{
		waitpid($pid, 0);
		is($?, 0, "part $part: a loader is through") if $? != 0;
	}
	wait_for_server($node);
}
pass("loaded while the worker was terminated ten times and killed twice");
is($node->safe_psql('postgres', 'SELECT count(*) FROM measurements'),
	scalar(@lines), 'every row is in the table once');

# --- What came of it

is($node->safe_psql('postgres', "SELECT weir.wait('measurements', '5 minutes')"), 't', 'consumed');
is($node->safe_psql('postgres', 'SELECT count(*) FROM weir.late_rows'), '0', 'nothing was late');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM hourly_closed'),
	'>', 0, 'windows closed during the load');
same_rows($node, 'postgres', 'SELECT * FROM hourly', grouped('1 hour'), 'hourly, live');
same_rows($node, 'postgres', 'SELECT * FROM daily', grouped('1 day'), 'daily, live');

$node->safe_psql('postgres', "SELECT weir.advance_watermark('measurements', 'infinity')");
is($node->safe_psql('postgres', "SELECT weir.wait('measurements', '5 minutes')"), 't',
	'the end of the input is consumed');
ok($node->poll_query_until('postgres',
		"SELECT count(*) = (SELECT count(*) FROM (" . grouped('1 day') . ") x) FROM daily_closed"),
	'every day is closed');
same_rows($node, 'postgres', 'SELECT * FROM hourly_closed', grouped('1 hour'), 'hourly, closed');
same_rows($node, 'postgres', 'SELECT * FROM daily_closed', grouped('1 day'), 'daily, closed');
same_rows($node, 'postgres', 'SELECT * FROM hourly', grouped('1 hour'), 'hourly, live, at the end');

# Read back from the wide rows through the function and through the face.
my $cells = <<'SQL';
SELECT window_start::timestamptz, series, q.qualifier, q.value::numeric
FROM (SELECT w.window_start, m.series, count(*) AS n, avg(m.value) AS mean, max(m.value) AS high
	FROM measurements m, weir.tumble(m.ts, '1 day') w GROUP BY 1, 2) d,
	LATERAL (VALUES ('n', n::text), ('mean', mean::text), ('high', high::text)) q(qualifier, value)
SQL
same_rows($node, 'postgres', <<'SQL', $cells, 'wide rows, by read_rows');
SELECT ts, convert_from(row_key, 'UTF8'), convert_from(qualifier, 'UTF8'),
	convert_from(value, 'UTF8')::numeric FROM weir.read_rows('profiles')
SQL
same_rows($node, 'postgres', <<'SQL', $cells, 'wide rows, by SELECT');
SELECT c.ts, convert_from(p.row_key, 'UTF8'), convert_from(c.qualifier, 'UTF8'),
	convert_from(c.value, 'UTF8')::numeric FROM profiles p, weir.cells(p.cells) c
SQL

$node->stop;
done_testing();
