#!/usr/bin/perl
#
# bench/measure.pl [ROW...]: the rows of bench/README.md's table. Run by bench/run,
# which has built weir and started a server that libpq finds by itself.
#
# Each row measures two things in turns (A B, B A, A B ...) and prints the ratio of
# the medians. What a row prepares is not measured.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Time::HiRes qw(time usleep);

our $n_rows = $ENV{BENCH_ROWS};
our $n_runs = $ENV{BENCH_RUNS};
our $seconds = $ENV{BENCH_SECONDS};
our $tmp = $ENV{WEIR_TMP};
our $src = dirname(dirname(abs_path($0)));
my $data = "$tmp/t/rows";
my $chunks = 30;
my @table;

# --- Talking to the server

sub run_psql
{
	my ($text, @options) = @_;
	my $script = "$tmp/t/script.$$";

	open(my $out, '>', $script) or die "could not write $script: $!\n";
	print $out $text;
	close($out) or die "could not write $script: $!\n";
	open(my $in, '-|', 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', 'bench', @options, '-f', $script)
	  or die "could not run psql: $!\n";
	my $answer = do { local $/; <$in> } // '';
	close($in) or die "failed:\n$text\n";
	chomp $answer;
	return $answer;
}

sub sql
{
	return run_psql(join ";\n", @_, '');
}

# How long the last of the statements took, in milliseconds: [elapsed, processor
# time of its session]. The latter hardly minds what else the machine does; it is
# counted in steps of 10 ms.
sub timed
{
	my $last = pop;
	my $cpu = "SELECT 'cpu', 10 * (split_part(stat, ' ', 14)::int + split_part(stat, ' ', 15)::int)"
	  . " FROM pg_read_file('/proc/self/stat') stat;\n";
	my $answer = run_psql(join(";\n", @_, '') . "$cpu\\timing on\n$last;\n\\timing off\n$cpu");

	my ($before, $elapsed, $after) = $answer =~ m{^cpu\|(\d+)\n.*?Time: ([0-9.]+) ms.*?cpu\|(\d+)}ms
	  or die "no time in: $answer\n";
	return [ $elapsed, $after - $before ];
}

sub restart
{
	my (%setting) = @_;

	sql(map { "ALTER SYSTEM SET $_ = $setting{$_}" } sort keys %setting) if %setting;
	system('pg_ctl', '-s', '-D', "$tmp/data", '-l', "$tmp/log/server", '-m', 'fast', '-w', 'restart') == 0
	  or die "could not restart the server\n";
	return;
}

# Without a free slot no worker can be started: the session that drains is the
# only one that consumes.
sub without_worker { return restart(max_worker_processes => 0) }
sub with_worker { return restart(max_worker_processes => 8) }

# --- Numbers

sub median
{
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[ $#sorted / 2 ] if @sorted % 2;
	return ($sorted[ @sorted / 2 - 1 ] + $sorted[ @sorted / 2 ]) / 2;
}

sub percentile
{
	my ($p, @values) = @_;
	my @sorted = sort { $a <=> $b } @values;

	return $sorted[ int($p / 100 * $#sorted) ];
}

# side_by_side(RUNS, A, B): runs both in turns, changing the order; returns the
# medians of both and, where the runs tell it, the ratio of their processor times
# and that of the first.
sub side_by_side
{
	my ($runs, $this, $that) = @_;
	my (@this, @that);

	foreach my $run (1 .. $runs)
	{
		if ($run % 2)
		{
			push @this, $this->();
			push @that, $that->();
		}
		else
		{
			push @that, $that->();
			push @this, $this->();
		}
	}
	return (median(@this), median(@that), undef) unless ref $this[0];
	return (
		median(map { $_->[0] } @this),
		median(map { $_->[0] } @that),
		median(map { $_->[1] } @that)
		? median(map { $_->[1] } @this) / median(map { $_->[1] } @that) : undef,
		median(map { $_->[1] } @this));
}

# One line of the table; also printed at once.
sub row
{
	my ($measure, $beside, $this, $that, $ratio, $goal, $cpu) = @_;

	$cpu = defined $cpu ? sprintf('%.3f', $cpu) : '-';
	push @table, [ $measure, $beside, $this, $that, $ratio, $cpu, $goal ];
	printf "# %s: %s, beside %s: %s, ratio %s, of processor time %s (goal %s)\n", $measure, $this,
	  $beside, $that, $ratio, $cpu, $goal;
	return;
}

sub ms { return sprintf '%.4g ms', shift }
sub ratio { return sprintf '%.3f', $_[0] / $_[1] }

# --- What is measured on

my $columns = 'ts timestamptz NOT NULL, device int NOT NULL, sensor int NOT NULL, value float8 NOT NULL';

# Rows a millisecond apart; 1,000 devices, 10,000 sensors.
sub rows
{
	my ($from, $to) = @_;

	return <<SQL;
SELECT timestamptz '2024-01-01 00:00:00Z' + interval '1 millisecond' * i,
	(hashint8(i) & 65535) % 1000, (hashint8(i + 7) & 1048575) % 10000, (hashint8(i) & 1023) / 10.0
FROM generate_series($from, $to) i
SQL
}

my $have_data;

sub need_data
{
	return if $have_data++;
	sql("COPY (" . rows(1, $n_rows) . ") TO '$data'");
	my $lines = int($n_rows / $chunks);

	system("split -l $lines -d -a 3 '$data' '$data.'") == 0 or die "could not split $data\n";
	return;
}

# A plain table and a stream with the same columns.
sub fresh_tables
{
	sql("DROP TABLE IF EXISTS plain", "DROP TABLE IF EXISTS stream CASCADE",
		"CREATE TABLE plain ($columns)", "CREATE TABLE stream ($columns)",
		"SELECT weir.create_stream('stream', 'ts', max_out_of_orderness => '30 days')");
	return;
}

my %aggregate = (
	per_minute_device => [
		'w.window_start, w.window_end, s.device, count(*) AS n, avg(s.value) AS mean, min(s.value) AS low, max(s.value) AS high',
		'1 minute', 'w.window_start, w.window_end, s.device'
	],
	per_minute =>
	  [ 'w.window_start, w.window_end, count(*) AS n', '1 minute', 'w.window_start, w.window_end' ],
	per_window_sensor => [
		'w.window_start, w.window_end, s.sensor, count(*) AS n, avg(s.value) AS mean', '10 minutes',
		'w.window_start, w.window_end, s.sensor'
	],
);

sub group_by
{
	my ($name, $from) = @_;
	my ($select, $size, $group) = @{ $aggregate{$name} };

	return "SELECT $select FROM $from s, weir.tumble(s.ts, '$size') w GROUP BY $group";
}

sub create_aggregate
{
	my ($name) = @_;

	return "SELECT weir.create_continuous_aggregate('$name', \$\$" . group_by($name, 'stream') . "\$\$)";
}

sub create_running
{
	return "SELECT weir.create_continuous_aggregate('per_device', "
	  . "\$\$SELECT device, count(*) AS n, max(value) AS high FROM stream GROUP BY device\$\$)";
}

sub checkpoint { return sql('CHECKPOINT') }

# --- The rows of the table

our %measure;

# COPY into a stream that nobody consumes: the cost of capture.
$measure{capture} = sub {
	need_data();
	without_worker();
	fresh_tables();
	my $copy = sub {
		my ($table) = @_;
		sql("TRUNCATE $table");
		sql("CALL weir.drain('stream')");
		checkpoint();
		return timed("COPY $table FROM '$data'");
	};
	my ($this, $that, $cpu) = side_by_side($n_runs, sub { $copy->('stream') }, sub { $copy->('plain') });

	row("COPY $n_rows rows into a stream, no worker", 'the same plain table',
		ms($this), ms($that), ratio($that, $this), '>= 0.97 of its speed', 1 / $cpu);
};

# The three aggregates of "ingest" as plain queries over a table.
sub three_queries
{
	my ($table) = @_;

	return (group_by('per_minute_device', $table), group_by('per_minute', $table),
		"SELECT device, count(*) AS n, max(value) AS high FROM $table GROUP BY device");
}

# Run statements again and again in a session of its own until the function that
# is returned is called.
sub keep_running
{
	my @statements = @_;
	my $script = "$tmp/t/running";

	open(my $out, '>', $script) or die "could not write $script: $!\n";
	print $out "\\o /dev/null\nSET application_name = 'running';\n", map { "$_;\n" } (@statements) x 1000;
	close($out) or die "could not write $script: $!\n";
	my $pid = fork() // die "could not fork: $!\n";
	exec('psql', '-Xq', '-d', 'bench', '-f', $script) or exit 1 if $pid == 0;
	sql("SELECT 1") until sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'running' AND state = 'active'");
	return sub {
		kill('TERM', $pid);
		waitpid($pid, 0);
		sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'running'");
	};
}

# The same with everything at work: 30 COPYs, so that the worker has its share.
# What a session that computes the same beside it costs COPY on this machine is
# measured, too.
$measure{ingest} = sub {
	need_data();
	with_worker();
	fresh_tables();
	sql(create_aggregate('per_minute_device'), create_aggregate('per_minute'), create_running(),
		"CREATE TABLE IF NOT EXISTS read_only ($columns)", 'TRUNCATE read_only', "COPY read_only FROM '$data'",
		'SELECT count(*) FROM read_only');
	my @behind;
	my $copy = sub {
		my ($table) = @_;
		sql("TRUNCATE $table");
		sql("SELECT weir.wait('stream', '10 minutes')");
		checkpoint();
		my $start = time;
		sql(map { sprintf "COPY $table FROM '$data.%03d'", $_ } 0 .. $chunks - 1);
		my $time = 1000 * (time - $start);
		if ($table eq 'stream')
		{
			$start = time;
			sql("SELECT weir.wait('stream', '10 minutes')");
			push @behind, 1000 * (time - $start);
		}
		return $time;
	};
	my $copy_beside_queries = sub {
		my $stop = keep_running(three_queries('read_only'));
		my $time = $copy->('plain');
		$stop->();
		return $time;
	};
	my ($this, $that) = side_by_side($n_runs, sub { $copy->('stream') }, sub { $copy->('plain') });
	my ($beside, $alone) = side_by_side($n_runs, $copy_beside_queries, sub { $copy->('plain') });

	row("$chunks COPYs, $n_rows rows, worker on, three aggregates", 'the same plain table',
		ms($this), ms($that), ratio($that, $this), '>= 0.90 of its speed');
	printf "#   consumed %s after the last commit\n", ms(median(@behind));
	row('the plain table, another session running the three as queries', 'the same plain table',
		ms($beside), ms($alone), ratio($alone, $beside), 'reported');
};

sub pgbench_tps
{
	my ($script, $clients, @options) = @_;
	my $file = "$tmp/t/pgbench.sql";

	open(my $out, '>', $file) or die "could not write $file: $!\n";
	print $out $script;
	close($out) or die "could not write $file: $!\n";
	my $answer = `pgbench -n -M prepared -c $clients -j 2 -T $seconds @options -f $file bench 2>&1`;

	$answer =~ /^tps = ([0-9.]+)/m or die "pgbench: $answer\n";
	return $1;
}

sub measure_inserts
{
	my ($what) = @_;

	foreach my $count (1, 100)
	{
		foreach my $sync ('on', 'off')
		{
			my $insert = sub {
				my ($table) = @_;
				sql("TRUNCATE $table");
				sql("CALL weir.drain('stream')");
				checkpoint();
				local $ENV{PGOPTIONS} = "-c synchronous_commit=$sync";
				my $values = "INSERT INTO $table SELECT timestamptz '2024-01-01' + :a * interval '1 millisecond',"
				  . " :a % 1000, i, 1.5 FROM generate_series(1, 100) i;\n";
				$values = "INSERT INTO $table VALUES (timestamptz '2024-01-01' + :a * interval '1 millisecond',"
				  . " :a % 1000, 1, 1.5);\n" if $count == 1;
				return pgbench_tps("\\set a random(1, 3000000)\n$values", 4);
			};
			my ($this, $that) =
			  side_by_side($n_runs, sub { $insert->('stream') }, sub { $insert->('plain') });

			row("$count-row INSERTs, 4 clients, synchronous_commit $sync, $what", 'the same plain table',
				sprintf('%.0f/s', $this), sprintf('%.0f/s', $that), ratio($this, $that),
				$count == 1 ? '>= 0.95' : '>= 0.93');
		}
	}
	return;
}

$measure{insert} = sub {
	without_worker();
	fresh_tables();
	measure_inserts('no worker');
};

$measure{insert_worker} = sub {
	with_worker();
	fresh_tables();
	sql(create_aggregate('per_minute_device'));
	measure_inserts('worker on, one aggregate');
};

# Consuming a backlog, nothing closes: what state costs beside the plain query.
$measure{drain} = sub {
	need_data();
	without_worker();
	fresh_tables();
	my $run = sub {
		sql("TRUNCATE stream");
		sql("CALL weir.drain('stream')");
		sql("SELECT weir.drop_continuous_aggregate(c.oid::regclass) FROM pg_class c WHERE relname = 'per_window_sensor'",
			create_aggregate('per_window_sensor'));
		# so that it shares the stream's cursor, as it soon does with a worker
		sql("CALL weir.drain('stream')");
		sql("COPY stream FROM '$data'", 'SELECT count(*) FROM stream', 'CHECKPOINT');
	};
	my ($this, $that, $cpu) = side_by_side(
		$n_runs,
		sub { $run->(); timed("CALL weir.drain('stream')") },
		sub {
			$run->();
			timed('SELECT count(n), count(mean) FROM (' . group_by('per_window_sensor', 'stream') . ') x');
		});

	row("draining $n_rows rows, 10,000 groups a window", 'the plain GROUP BY of the same rows',
		ms($this), ms($that), ratio($this, $that), '<= 1.15 x its time', $cpu);
};

# A thousand new rows on a small and on a large table.
$measure{tick_size} = sub {
	my %size = (small => int($n_rows / 30), large => int($n_rows / 3 * 10));
	my $next = $size{large} + 1;

	without_worker();
	sql(map { "DROP TABLE IF EXISTS $_ CASCADE" } sort keys %size);
	foreach my $table (sort keys %size)
	{
		sql("CREATE TABLE $table ($columns)", "SELECT weir.create_stream('$table', 'ts', max_out_of_orderness => '30 days')",
			"SELECT weir.create_continuous_aggregate('${table}_agg', \$\$" . group_by('per_minute_device', $table) . "\$\$)",
			"INSERT INTO $table " . rows(1, $size{$table}), "CALL weir.drain('$table')", 'CHECKPOINT');
	}
	my $tick = sub {
		my ($table) = @_;
		sql("INSERT INTO $table " . rows($next, $next + 999));
		$next += 1000;
		return timed("CALL weir.drain('$table')")->[0];
	};
	my ($this, $that) = side_by_side(4 * $n_runs, sub { $tick->('large') }, sub { $tick->('small') });

	row("tick of 1,000 rows on a table of $size{large}", "on one of $size{small}",
		ms($this), ms($that), ratio($this, $that), '<= 1.2 x');
};

# Ticks while someone's snapshot is held: 30,000 rows a second for a minute.
$measure{tick_snapshot} = sub {
	my $hold = $ENV{BENCH_HOLD} // 60;
	my $next = 1;

	without_worker();
	fresh_tables();
	sql(create_aggregate('per_minute_device'));
	my $phase = sub {
		my ($until) = (time + shift);
		my @times;

		while ((my $start = time) < $until)
		{
			sql('INSERT INTO stream ' . rows($next, $next + 2999));
			$next += 3000;
			push @times, timed("CALL weir.drain('stream')")->[0];
			my $left = $start + 0.1 - time;
			usleep(1_000_000 * $left) if $left > 0;
		}
		return @times;
	};
	$phase->(5);
	my $that = median($phase->($hold / 3));

	my $pid = open(my $holder, '|-', 'psql', '-XqAt', '-d', 'bench', '-o', '/dev/null')
	  or die "could not run psql: $!\n";
	$holder->autoflush(1);
	print $holder "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM stream;\n";
	my @held = $phase->($hold);
	close($holder);
	my $this = median(@held[ 2 * @held / 3 .. $#held ]);

	row("tick while a snapshot is held, $hold s at 30,000 rows/s (the last third)", 'without it',
		ms($this), ms($that), ratio($this, $that), '<= 1.1 x');
};

# From commit until the row is counted in the state: a probe row, and a view that
# shows the state alone (realtime => false), looked at again and again.
sub measure_freshness
{
	my ($rate) = @_;
	my $batch = $rate > 1000 ? 100 : 1;
	my $probes = 100 * $n_runs;

	with_worker();
	fresh_tables();
	sql(create_aggregate('per_minute_device'),
		"SELECT weir.create_continuous_aggregate('probes', "
		  . "\$\$SELECT count(*) AS n FROM stream WHERE sensor < 0\$\$, realtime => false)");
	my $script = "$tmp/t/load.sql";
	open(my $out, '>', $script) or die "could not write $script: $!\n";
	print $out "\\set a random(1, 3000000)\nINSERT INTO stream SELECT timestamptz '2024-01-01' + :a * interval '1 millisecond',"
	  . " i, :a % 10000, 1 FROM generate_series(1, $batch) i;\n";
	close($out);
	my $load = fork // die "could not fork: $!\n";
	if ($load == 0)
	{
		open(STDOUT, '>', '/dev/null');
		open(STDERR, '>', '/dev/null');
		exec('pgbench', '-n', '-M', 'prepared', '-c', 2, '-T', 600, '-R', $rate / $batch, '-f', $script, 'bench');
	}
	usleep(2_000_000);    # let it reach its rate
	my $answer = sql(<<"SQL");
CREATE TEMP TABLE probe_times (ms float8);
CREATE PROCEDURE pg_temp.probe(how_many int) LANGUAGE plpgsql AS \$\$
DECLARE
	start timestamptz;
	seen bigint;
	found bigint;
BEGIN
	SELECT coalesce(max(n), 0) INTO seen FROM probes;
	FOR i IN 1 .. how_many LOOP
		INSERT INTO stream VALUES ('2024-01-01', 0, -1, 0);
		COMMIT;
		start := clock_timestamp();
		LOOP
			SELECT coalesce(max(n), 0) INTO found FROM probes;
			COMMIT;
			EXIT WHEN found > seen;
			PERFORM pg_sleep(0.0005);
		END LOOP;
		seen := found;
		INSERT INTO probe_times VALUES (1000 * extract(epoch FROM clock_timestamp() - start));
		COMMIT;
		PERFORM pg_sleep(0.01 * random());
	END LOOP;
END \$\$;
CALL pg_temp.probe($probes);
SELECT ms FROM probe_times
SQL
	kill 'TERM', $load;
	waitpid($load, 0);
	my @times = split /\n/, $answer;

	row("commit until counted in state, at $rate rows/s", '-',
		sprintf('p50 %s, p99 %s', ms(percentile(50, @times)), ms(percentile(99, @times))),
		'-', '-', 'p50 <= 10 ms, p99 <= 50 ms');
	return;
}

$measure{freshness} = sub {
	measure_freshness($_) foreach 1000, 10000;
};

# WAL written to consume rows, beside a queue consumed by DELETE ... RETURNING.
$measure{wal} = sub {
	my $n = int($n_rows * 2 / 3);

	without_worker();
	fresh_tables();
	my $bytes = sub {
		my ($prepare, $consume) = @_;
		sql(@$prepare, 'CHECKPOINT');
		my $before = sql('SELECT pg_current_wal_insert_lsn()');
		sql($consume);
		return sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before')");
	};
	my ($this, $that) = side_by_side(
		$n_runs > 3 ? 3 : $n_runs,
		sub {
			sql('TRUNCATE stream');
			sql("CALL weir.drain('stream')");
			sql("SELECT weir.drop_continuous_aggregate(c.oid::regclass) FROM pg_class c WHERE relname = 'per_window_sensor'",
				create_aggregate('per_window_sensor'));
			$bytes->([ 'INSERT INTO stream ' . rows(1, $n), 'SELECT count(*) FROM stream' ], "CALL weir.drain('stream')");
		},
		sub {
			sql('DROP TABLE IF EXISTS results', 'TRUNCATE plain',
				'CREATE TABLE results AS ' . group_by('per_window_sensor', 'plain') . ' LIMIT 0');
			$bytes->(
				[ 'INSERT INTO plain ' . rows(1, $n), 'SELECT count(*) FROM plain' ],
				'WITH gone AS (DELETE FROM plain RETURNING *) INSERT INTO results ' . group_by('per_window_sensor', 'gone'));
		});

	row("WAL to consume $n rows, 10,000 groups a window", 'DELETE ... RETURNING',
		sprintf('%.4g MB', $this / 1e6), sprintf('%.4g MB', $that / 1e6), ratio($this, $that), '<= 0.05');
};

require "$src/bench/aggregates/aggregates.pl";
require "$src/bench/nexmark/nexmark.pl";
require "$src/bench/wide/wide.pl";

my @aggregates = qw(state_write million_groups hop live_point live_scan five);
my @wide = qw(wide_read wide_write wide_scan wide_set_cell wide_column wide_counter wide_load wide_deltas);
my @order = (qw(capture ingest insert insert_worker drain tick_size tick_snapshot freshness wal), @aggregates, 'nexmark', @wide);
my @wanted = map { $_ eq 'wide' ? @wide : $_ eq 'aggregates' ? @aggregates : $_ } @ARGV ? @ARGV : @order;
foreach my $name (@wanted)
{
	die "no such row: $name (there are: @order, wide, aggregates)\n" unless $measure{$name};
}

system('createdb', 'bench') == 0 or die "could not create the database\n";
sql('CREATE EXTENSION weir', 'CREATE EXTENSION hstore');
$| = 1;
foreach my $name (@wanted)
{
	print "# -- $name\n";
	$measure{$name}->();
}

print "\n| measure | beside | weir | that | ratio | of processor time | goal |\n|---|---|---|---|---|---|---|\n";
print '| ' . join(' | ', @$_) . " |\n" foreach @table;
