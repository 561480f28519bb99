# bench/aggregates/aggregates.pl: the rows of the benchmark about the state of
# continuous aggregates, required by bench/measure.pl, whose functions it uses.
#
# What stands beside the state is the usual roll-up table: a row a group, with a
# primary key, which every tick writes by INSERT ... ON CONFLICT DO UPDATE.

use strict;
use warnings;

our (%measure, $n_rows, $n_runs);

my $groups = $ENV{BENCH_GROUPS} // 1_000_000;

# Fresh: the stream s, with an aggregate by window and key; the table "tick" that
# holds the rows of one tick, and the roll-up that is filled from it.
sub fresh_roll_up
{
	my ($window) = @_;
	my $query = "SELECT w.window_start, w.window_end, s.key, count(*) AS n, sum(s.value) AS total, max(s.value) AS high
		FROM %s s, weir.tumble(s.ts, '$window') w GROUP BY w.window_start, w.window_end, s.key";

	sql('SET client_min_messages = warning',
		"SELECT weir.drop_stream(stream, cascade => true) FROM weir.streams WHERE stream::text = 's'",
		'DROP TABLE IF EXISTS s, tick, roll_up',
		'CREATE TABLE s (ts timestamptz NOT NULL, key int NOT NULL, value float8 NOT NULL)',
		'CREATE TABLE tick (LIKE s)',
		"SELECT weir.create_stream('s', 'ts')",
		"SELECT weir.create_continuous_aggregate('by_key', \$\$" . sprintf($query, 's') . "\$\$)",
		'CREATE TABLE roll_up (window_start timestamptz, window_end timestamptz, key int, n bigint, total float8, high float8,'
		  . ' PRIMARY KEY (key, window_start))',
		"CALL weir.drain('s')");
	return (
		sprintf($query, 'tick'),
		'INSERT INTO roll_up ' . sprintf($query, 'tick') . ' ON CONFLICT (key, window_start) DO UPDATE'
		  . ' SET n = roll_up.n + excluded.n, total = roll_up.total + excluded.total, high = greatest(roll_up.high, excluded.high)');
}

# Puts the rows of a tick into both; they are read once, so that hint bits are set.
sub write_tick
{
	my ($rows) = @_;

	sql('TRUNCATE tick', "INSERT INTO tick $rows", 'INSERT INTO s TABLE tick', 'SELECT sum(value) FROM tick',
		'SELECT sum(value) FROM s WHERE ts >= (SELECT min(ts) FROM tick)');
	return;
}

# timed(), and the WAL that was written meanwhile, in bytes
sub timed_wal
{
	my ($statement) = @_;
	my $before = sql('SELECT pg_current_wal_insert_lsn()');
	my $time = timed($statement);

	return [ @$time, sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before')") ];
}

sub add { my ($sum, $more) = @_; $sum->[$_] += $more->[$_] foreach 0 .. $#$more; return }
sub mb { return sprintf '%.4g MB', $_[0] / 1e6 }

# Ten ticks, each of which has one row of each of so many groups of one window.
$measure{state_write} = sub {
	my $touched = int($groups / 4);
	my (%time, @ratio);

	without_worker();
	foreach my $run (1 .. ($n_runs > 3 ? 3 : $n_runs))
	{
		my ($group, $upsert) = fresh_roll_up('1 day');
		my %sum = (weir => [ 0, 0, 0 ], upsert => [ 0, 0, 0 ], group => [ 0, 0, 0 ]);

		sql('CHECKPOINT');
		foreach my $tick (1 .. 10)
		{
			write_tick("SELECT timestamptz '2024-01-01' + $tick * interval '1 minute', i, i % 100 FROM generate_series(1, $touched) i");
			my @order = ([ weir => "CALL weir.drain('s')" ], [ group => "SELECT count(n), count(total), count(high) FROM ($group) x" ], [ upsert => $upsert ]);

			@order = reverse @order if $tick % 2;
			add($sum{ $_->[0] }, timed_wal($_->[1])) foreach @order;
		}
		push @{ $time{$_} }, $sum{$_} foreach keys %sum;
	}
	my $middle = sub { my ($what, $i) = @_; median(map { $_->[$i] } @{ $time{$what} }) };
	my ($this, $that, $plain) = map { $middle->($_, 0) } 'weir', 'upsert', 'group';
	my ($this_cpu, $that_cpu, $plain_cpu) = map { $middle->($_, 1) } 'weir', 'upsert', 'group';
	my $a_group = sub { sprintf '%.2f us', 1000 * $_[0] / 10 / $touched };

	row("10 ticks, $touched groups touched in each, whole tick, a group", 'INSERT ... ON CONFLICT DO UPDATE', $a_group->($this), $a_group->($that),
		ratio($this, $that), '-', $this_cpu / $that_cpu);
	row('the same less the plain GROUP BY: writing state', 'the same', $a_group->($this - $plain), $a_group->($that - $plain),
		ratio($this - $plain, $that - $plain), '<= 0.067', ($this_cpu - $plain_cpu) / ($that_cpu - $plain_cpu));
	row('WAL of these ticks', 'the same', mb($middle->('weir', 2)), mb($middle->('upsert', 2)),
		ratio($middle->('weir', 2), $middle->('upsert', 2)), '<= 0.1');
};

# A window of a million groups that comes in sixty ticks, to the closed rows.
$measure{million_groups} = sub {
	my $a_tick = int($groups / 20);
	my (@this, @that);

	without_worker();
	foreach my $run (1 .. ($n_runs > 3 ? 3 : $n_runs))
	{
		my ($group, $upsert) = fresh_roll_up('1 minute');
		my %sum = (weir => [ 0, 0, 0 ], upsert => [ 0, 0, 0 ]);

		sql('CHECKPOINT');
		# the 61st tick closes the window
		foreach my $tick (0 .. 60)
		{
			my $n = $tick < 60 ? $a_tick : 1;
			my $salt = 61 * $run + $tick;

			write_tick("SELECT timestamptz '2024-01-01' + $tick * interval '1 second',"
				. " (hashint8extended(i, $salt) & 1073741823) % $groups, i % 100 FROM generate_series(1, $n) i");
			my @order = ([ weir => "CALL weir.drain('s')" ], [ upsert => $upsert ]);

			@order = reverse @order if $tick % 2;
			add($sum{ $_->[0] }, timed_wal($_->[1])) foreach @order;
		}
		my ($closed, $rolled_up) = split /\|/, sql('SELECT (SELECT count(*) FROM by_key_closed), (SELECT count(*) - 1 FROM roll_up)');
		die "$closed closed rows, $rolled_up rolled up\n" if $closed != $rolled_up;
		push @this, $sum{weir};
		push @that, $sum{upsert};
	}
	my ($this, $that) = map { my $all = $_; [ map { my $i = $_; median(map { $_->[$i] } @$all) } 0 .. 2 ] } \@this, \@that;

	row("a window of $groups groups in 60 ticks of $a_tick rows, to its closed rows", 'INSERT ... ON CONFLICT DO UPDATE',
		ms($this->[0]), ms($that->[0]), ratio($this->[0], $that->[0]), '<= 0.2', $this->[1] / $that->[1]);
	row('WAL of these ticks', 'the same', mb($this->[2]), mb($that->[2]), ratio($this->[2], $that->[2]), '-');
};

# Draining all rows into one of several aggregates that wait for them, paused.
sub compare_drains
{
	my ($runs, $rows, $this, $that) = @_;
	my $resume = sub {
		my ($names) = @_;
		sql((map { "SELECT weir.resume('$_')" } @$names), 'CHECKPOINT');
		return timed("CALL weir.drain('stream')");
	};
	my @create;
	my $n = 0;
	my %query = (this => $this, that => $that);
	my %names;

	without_worker();
	local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
	fresh_tables();
	foreach my $which ('this', 'that')
	{
		foreach my $run (1 .. $runs)
		{
			my @run = map { $n++; push @create, "SELECT weir.create_continuous_aggregate('a$n', \$\$$_\$\$)"; "a$n" } @{ $query{$which} };
			push @{ $names{$which} }, \@run;
		}
	}
	sql("SELECT weir.alter_stream('stream', max_out_of_orderness => '0')", @create, "CALL weir.drain('stream')",
		'SELECT weir.pause(aggregate) FROM weir.continuous_aggregates WHERE stream::text = \'stream\'');
	# many transactions, so that there are many ticks' worth
	for (my $from = 1; $from <= $rows; $from += 100_000)
	{
		my $to = $from + 99_999 > $rows ? $rows : $from + 99_999;
		sql('INSERT INTO stream ' . rows($from, $to));
	}
	# the end, a year later
	sql("INSERT INTO stream VALUES ('2025-01-01', 0, 0, 0)", "CALL weir.drain('stream')", 'SELECT count(*) FROM stream');
	return side_by_side($runs, sub { $resume->(shift @{ $names{this} }) }, sub { $resume->(shift @{ $names{that} }) });
}

# Sixty panes a window: a minute every second, beside minutes.
$measure{hop} = sub {
	my $rows = int($n_rows / 3);
	my $query = "SELECT w.window_start, w.window_end, s.device %% %s AS key, count(*) AS n, avg(s.value) AS mean FROM stream s, weir.%s w GROUP BY w.window_start, w.window_end, s.device %% %s";

	foreach my $keys (10, 1000)
	{
		my ($this, $that, $cpu) = compare_drains($n_runs > 3 ? 3 : $n_runs, $rows,
			[ sprintf $query, $keys, "hop(s.ts, '1 second', '1 minute')", $keys ], [ sprintf $query, $keys, "tumble(s.ts, '1 minute')", $keys ]);
		my $closed = $keys * $rows / 1000;

		row("$rows rows, a minute every second, $keys keys, closing $closed groups", 'each minute, a sixtieth of the groups', ms($this), ms($that),
			ratio($this, $that), $keys == 10 ? '<= 2 x' : 'reported', $cpu);
	}
};

# A stream with so many aggregates, which have joined its cursor.
sub stream_with
{
	my ($stream, $n) = @_;

	sql('SET client_min_messages = warning', "DROP TABLE IF EXISTS $stream CASCADE", "CREATE TABLE $stream (LIKE plain)",
		"SELECT weir.create_stream('$stream', 'ts')",
		(map { "SELECT weir.create_continuous_aggregate('$stream\_$_', \$\$" . group_by('per_minute_device', $stream) . "\$\$)" } 1 .. $n),
		("CALL weir.drain('$stream')") x 2);
	my $cursors = sql("SELECT count(*) FROM weir._cursor WHERE stream_id = (SELECT max(stream_id) FROM weir._cursor)");
	die "the aggregates of $stream have $cursors cursors\n" if $cursors != 1;
	return;
}

# Five aggregates on one stream, beside one: each drain takes the rows of a day,
# and closes their windows.
$measure{five} = sub {
	my $rows = int($n_rows / 3);
	my %day;

	without_worker();
	fresh_tables();
	stream_with('s1', 1);
	stream_with('s5', 5);
	my $drain = sub {
		my ($stream) = @_;
		my $day = ++$day{$stream};
		my $later = "timestamptz '2024-01-01' + $day * interval '1 day'";

		for (my $from = 1; $from <= $rows; $from += 100_000)
		{
			my $to = $from + 99_999 > $rows ? $rows : $from + 99_999;
			sql("INSERT INTO $stream SELECT ts + $day * interval '1 day', device, sensor, value FROM (" . rows($from, $to) . ") r(ts, device, sensor, value)");
		}
		sql("INSERT INTO $stream VALUES ($later + interval '23 hours', 0, 0, 0)", "SELECT count(*) FROM $stream", 'CHECKPOINT');
		return timed("CALL weir.drain('$stream')");
	};
	my ($this, $that, $cpu) = side_by_side($n_runs, sub { $drain->('s5') }, sub { $drain->('s1') });

	row("$rows rows, five aggregates on the stream", 'one', ms($this), ms($that), ratio($this, $that), '<= 5 x', $cpu);
};

# The view of a hundred thousand open groups, beside a roll-up table and beside
# the plain query. The state has come in ten ticks and is not merged specially.
sub open_groups
{
	my $open = int($groups / 10);
	my ($group, $upsert) = fresh_roll_up('1 day');
	my $rows = int($n_rows / 30);

	without_worker();
	foreach my $tick (1 .. 10)
	{
		write_tick("SELECT timestamptz '2024-01-01' + $tick * interval '1 minute', (hashint8extended(i, $tick) & 1073741823) % $open, i % 100 FROM generate_series(1, $rows) i");
		sql("CALL weir.drain('s')", $upsert);
	}
	sql('VACUUM ANALYZE');
	return ($open, 10 * $rows, $group =~ s/FROM tick/FROM s/r);
}

$measure{live_point} = sub {
	my ($open) = open_groups();
	my $read = sub {
		my ($table) = @_;
		return 1000 / pgbench_tps("\\set key random(0, $open - 1)\nSELECT * FROM $table WHERE key = :key;\n", 1);
	};
	my ($this, $that) = side_by_side($n_runs, sub { $read->('by_key') }, sub { $read->('roll_up') });

	row("live view, one key of $open open groups", 'a roll-up table with a primary key', ms($this), ms($that), ratio($this, $that), '<= 5 x');
};

$measure{live_scan} = sub {
	my ($open, $rows, $group) = open_groups();
	my ($this, $that, $cpu) =
	  side_by_side($n_runs, sub { timed('SELECT count(n), sum(total) FROM by_key') }, sub { timed("SELECT count(n), sum(total) FROM ($group) x") });

	row("live view, all of $open open groups of $rows rows", 'GROUP BY of the rows', ms($this), ms($that), ratio($this, $that), '<= 0.5 x', $cpu);
};

1;
