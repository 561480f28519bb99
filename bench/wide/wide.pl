# bench/wide/wide.pl: the rows of the benchmark about wide tables, required by
# bench/measure.pl, whose functions it uses.
#
# Everything is measured on the same data in four shapes: a wide table, a table
# of one tuple a cell with a primary key, a table of one jsonb a row and one of
# one hstore a row. The values are texts of letters and digits that do not
# compress. What belongs together is measured in turns, the order rotating.

use strict;
use warnings;

use Time::HiRes qw(usleep);

our (%measure, $n_runs, $seconds, $tmp, $src);

my $clients = 2;
my @shapes = ('wide', 'cells', 'jsonb', 'hstore');
my %shape_name = (
	cells => 'one tuple a cell',
	jsonb => 'jsonb rows',
	hstore => 'hstore rows',
	bytes => 'the row stored as one bytea');

# Several things measured in turns: name => [median, median of processor time].
# Each is measured by run_one->(name), which returns a number, or one and the
# processor time that the server used.
sub in_turns
{
	my ($runs, $names, $run_one) = @_;
	my (%all, %cpu);

	foreach my $run (0 .. $runs - 1)
	{
		my @order = map { $names->[ ($_ + $run) % @$names ] } 0 .. $#$names;
		foreach my $name (@order)
		{
			my ($value, $cpu) = $run_one->($name);
			push @{ $all{$name} }, $value;
			push @{ $cpu{$name} }, $cpu if defined $cpu;
		}
	}
	return map { $_ => [ median(@{ $all{$_} }), $cpu{$_} && median(@{ $cpu{$_} }) ] } @$names;
}

# One line of the table. "show" makes a text of a number; the ratio is that of
# the speeds, also where less is better.
sub compare
{
	my ($what, $other, $this, $that, $show, $less_is_better, $goal) = @_;

	row($what, $other, $show->($this->[0]), $show->($that->[0]),
		$less_is_better ? ratio($that->[0], $this->[0]) : ratio($this->[0], $that->[0]),
		$goal // '-', $this->[1] && $that->[1] ? $that->[1] / $this->[1] : undef);
	return;
}

# The wide table beside each of the others.
sub beside
{
	my ($what, $goals, $show, $less_is_better, %median) = @_;

	foreach my $other (grep { exists $median{$_} && $_ ne 'wide' } @shapes, 'bytes')
	{
		compare($what, $shape_name{$other}, $median{wide}, $median{$other}, $show, $less_is_better, $goals->{$other});
	}
	return;
}

# Processor time of the server's processes that have ended, in seconds.
sub ended_processor_time
{
	open(my $in, '<', "$tmp/data/postmaster.pid") or die "could not read postmaster.pid: $!\n";
	my $pid = <$in>;
	chomp $pid;
	open($in, '<', "/proc/$pid/stat") or die "could not read /proc/$pid/stat: $!\n";
	my @stat = split / /, <$in>;
	return ($stat[15] + $stat[16]) / 100;
}

# The rate that run_one returns, and the server's processor time for one turn.
sub with_processor_time
{
	my ($run_one) = @_;
	my $before = ended_processor_time();
	my $rate = $run_one->();

	usleep(100_000);    # until the sessions have ended
	return ($rate, (ended_processor_time() - $before) / ($rate * $seconds));
}

sub client_rate
{
	my @args = @_;

	return with_processor_time(sub { return pgbench_tps(@args) });
}

sub per_second { return sprintf '%.0f/s', shift }

# --- The data

# A text of so many random characters that differs with the expression "seed".
sub random_text
{
	my ($length, $seed) = @_;
	my $parts = int(($length + 63) / 64);

	return "left(" . join(' || ', map { "translate(encode(sha384(($seed || '/$_')::bytea), 'base64'), E'\\n', '')" } 1 .. $parts) . ", $length)";
}

# Fresh tables of the four shapes.
sub fresh_shapes
{
	sql('DROP TABLE IF EXISTS cells, jsonb_rows, hstore_rows',
		"SELECT weir.drop_wide_table(c.oid::regclass) FROM pg_class c WHERE relname = 'wide'",
		"SELECT weir.create_wide_table('wide')", "SELECT weir.add_family('wide', 'f')",
		'CREATE TABLE cells (row_key bytea, family text, qualifier bytea, ts timestamptz, value bytea,'
		  . ' PRIMARY KEY (row_key, family, qualifier, ts))',
		'CREATE TABLE jsonb_rows (row_key bytea PRIMARY KEY, cells jsonb)',
		'CREATE TABLE hstore_rows (row_key bytea PRIMARY KEY, cells hstore)');
	return;
}

# The source: rows 1 .. n, columns c1 .. cm, each of one cell.
sub make_source
{
	my ($rows, $columns, $length) = @_;

	sql('DROP TABLE IF EXISTS source',
		"CREATE UNLOGGED TABLE source AS SELECT key::text AS row_key, 'c' || q AS qualifier, timestamptz '2024-01-01' AS ts, "
		  . random_text($length, "key || ':' || q")
		  . " AS value FROM generate_series(1, $rows) key, generate_series(1, $columns) q ORDER BY key::text::bytea, q",
		'VACUUM ANALYZE source');
	return;
}

# What loads the source into a shape.
my %load = (
	wide => ["INSERT INTO wide SELECT row_key::bytea, weir.widerow('f', qualifier, value, ts) FROM source", "SELECT weir.compact('wide')"],
	cells => ["INSERT INTO cells SELECT row_key::bytea, 'f', qualifier::bytea, ts, value::bytea FROM source"],
	jsonb => ['INSERT INTO jsonb_rows SELECT row_key::bytea, jsonb_object_agg(qualifier, value) FROM source GROUP BY row_key'],
	hstore => ['INSERT INTO hstore_rows SELECT row_key::bytea, hstore(array_agg(qualifier), array_agg(value)) FROM source GROUP BY row_key']);
my %relations = (
	wide => [ 'wide_base', 'wide_delta' ],
	cells => ['cells'],
	jsonb => ['jsonb_rows'],
	hstore => ['hstore_rows']);

sub vacuum { return sql(map { "VACUUM ANALYZE $_" } map { @{ $relations{$_} } } @_) }

# The same rows in all shapes, at rest.
sub fill_shapes
{
	my ($rows, $columns, $length, @which) = @_;

	fresh_shapes();
	make_source($rows, $columns, $length);
	sql(@{ $load{$_} }) foreach @which;
	vacuum(@which);
	checkpoint();
	return;
}

# --- Reading

my $reader;

# Queries per second with a random key; the result in text or binary form.
sub reader_rate
{
	my ($format, $keys, $query) = @_;

	unless (defined $reader)
	{
		$reader = "$tmp/t/reader";
		# the copied installation has no client headers, and a libpq that may lack its link
		my $flags = "-I$ENV{PG_CLIENT_INCLUDE} -L$ENV{PG_CLIENT_LIB}";
		system("cc -O2 -o $reader $flags '$src/bench/wide/reader.c' -lpq") == 0
		  or die "could not compile reader.c\n";
	}
	local $ENV{PGDATABASE} = 'bench';
	return with_processor_time(sub {
		my $answer = `$reader $clients $seconds $format $keys "$query"`;

		die "reader failed\n" if $? != 0;
		return $answer;
	});
}

my %point_query = (
	wide => "SELECT weir.read_row('wide', KEY)",
	cells => 'SELECT family, qualifier, ts, value FROM cells WHERE row_key = KEY::bytea',
	jsonb => 'SELECT cells FROM jsonb_rows WHERE row_key = KEY::bytea',
	hstore => 'SELECT cells FROM hstore_rows WHERE row_key = KEY::bytea',
	bytes => 'SELECT cells FROM bytea_rows WHERE row_key = KEY::bytea');

sub point_query
{
	my ($shape, $key) = @_;

	return $point_query{$shape} =~ s/KEY/$key/r;
}

$measure{wide_read} = sub {
	my $keys = 5000;

	without_worker();
	fill_shapes($keys, 100, 108, @shapes);
	# what the server can do at most: to find as many bytes and to send them
	sql('DROP TABLE IF EXISTS bytea_rows',
		'CREATE TABLE bytea_rows AS SELECT row_key, weir.widerow_send(cells) AS cells FROM wide',
		'ALTER TABLE bytea_rows ADD PRIMARY KEY (row_key)', 'VACUUM ANALYZE bytea_rows');
	my @read = (@shapes, 'bytes');
	my $goals = { cells => '>= 3 x, and >= 17,000/s' };
	foreach my $format ('binary', 'text')
	{
		beside("point read of a 100-cell row of 12 KB, $clients clients, $format output",
			$goals, \&per_second, 0,
			in_turns($n_runs, \@read, sub { reader_rate($format, $keys, point_query($_[0], '\$1::text')) }));
	}
	beside("the same with pgbench -M prepared (text)",
		$goals, \&per_second, 0,
		in_turns($n_runs, \@read,
			sub { client_rate("\\set key random(1, $keys)\n" . point_query($_[0], ':key::text') . ";\n", $clients) }));
};

$measure{wide_scan} = sub {
	my ($keys, $columns, $length) = (30000, 10, 100);
	my $bytes = $keys * $columns * $length;
	my %query = (
		wide => 'SELECT sum(pg_column_size(cells)) FROM (SELECT * FROM wide ORDER BY row_key) x',
		cells => 'SELECT sum(pg_column_size(q) + pg_column_size(t) + pg_column_size(v)) FROM (SELECT row_key, array_agg(qualifier) q, array_agg(ts) t,'
		  . ' array_agg(value) v FROM (SELECT * FROM cells ORDER BY row_key, family, qualifier, ts) c GROUP BY row_key) x',
		jsonb => 'SELECT sum(pg_column_size(cells)) FROM (SELECT * FROM jsonb_rows ORDER BY row_key) x',
		hstore => 'SELECT sum(pg_column_size(cells)) FROM (SELECT * FROM hstore_rows ORDER BY row_key) x');

	without_worker();
	fill_shapes($keys, $columns, $length, @shapes);
	beside("scan of $keys 1-KB rows in key order", { cells => '>= 3 x, and >= 220 MB/s' },
		sub { sprintf '%.0f MB/s', shift }, 0,
		in_turns($n_runs, \@shapes,
			sub {
				my ($ms, $cpu) = @{ timed('SET enable_sort = off', 'SET enable_hashagg = off', $query{ $_[0] }) };
				return ($bytes / 1e3 / $ms, $cpu);
			}));
};

$measure{wide_column} = sub {
	my $columns = 1_000_000;
	my %query = (
		wide => "SELECT weir.value(weir.read_row('wide', '1', weir.column_range('f', 'c' || :q, 'c' || :q)), 'f', 'c' || :q)",
		cells => "SELECT value FROM cells WHERE row_key = '1' AND family = 'f' AND qualifier = ('c' || :q)::bytea ORDER BY ts DESC LIMIT 1",
		jsonb => "SELECT cells ->> ('c' || :q) FROM jsonb_rows WHERE row_key = '1'",
		hstore => "SELECT cells -> ('c' || :q) FROM hstore_rows WHERE row_key = '1'");
	my $latency = sub {
		my ($text) = @_;
		my ($rate, $cpu) = client_rate("\\set q random(1, $columns)\n$text;\n", 1);
		return (1000 / $rate, $cpu);
	};

	without_worker();
	fill_shapes(1, $columns, 20, @shapes);
	my $goals = { cells => 'wide <= 1 ms' };
	beside("read one column of a 1 M-cell row", $goals, \&ms, 1, in_turns($n_runs, \@shapes, sub { $latency->($query{ $_[0] }) }));
	beside("the same through the foreign table, by subscripts", $goals, \&ms, 1,
		in_turns($n_runs, [ 'wide', 'cells' ],
			sub { $latency->($_[0] eq 'wide' ? "SELECT cells['f'][('c' || :q)] FROM wide WHERE row_key = '1'" : $query{ $_[0] }) }));
};

# --- Writing

# Ten cells of 100 bytes into a row; the values differ with each call.
sub write_script
{
	my ($shape, $keys) = @_;
	my $filler = substr(sql('SELECT ' . random_text(100, "'x'")), 0, 90);
	my $script = "\\set key random(1, $keys)\n\\set v random(1000000000, 9999999999)\n";
	my @columns = map { "'c$_'" } 1 .. 10;
	my $value = "(:v::text || '$filler')";

	return $script . "SELECT weir.mutate_row('wide', :key::text, "
	  . join(', ', map { "weir.set_cell('f', $_, $value)" } @columns) . ");\n" if $shape eq 'wide';
	return $script . 'INSERT INTO cells VALUES '
	  . join(', ', map { "(:key::text::bytea, 'f', $_, now(), ${value}::bytea)" } @columns)
	  . " ON CONFLICT (row_key, family, qualifier, ts) DO UPDATE SET value = excluded.value;\n" if $shape eq 'cells';
	return $script . 'INSERT INTO jsonb_rows VALUES (:key::text::bytea, jsonb_build_object('
	  . join(', ', map { "$_, $value" } @columns)
	  . ")) ON CONFLICT (row_key) DO UPDATE SET cells = jsonb_rows.cells || excluded.cells;\n" if $shape eq 'jsonb';
	return $script . 'INSERT INTO hstore_rows VALUES (:key::text::bytea, hstore(ARRAY['
	  . join(', ', @columns) . '], ARRAY[' . join(', ', map { $value } @columns)
	  . "])) ON CONFLICT (row_key) DO UPDATE SET cells = hstore_rows.cells || excluded.cells;\n";
}

$measure{wide_write} = sub {
	my $keys = 100000;

	without_worker();
	foreach my $sync ('off', 'on')
	{
		my $goal = '>= 1 x' . ($sync eq 'off' ? ', and >= 14,000/s' : '');

		fresh_shapes();
		local $ENV{PGOPTIONS} = "-c synchronous_commit=$sync";
		beside("1-KB row writes (10 cells), $clients clients, synchronous_commit $sync",
			{ jsonb => $goal }, \&per_second, 0,
			in_turns($n_runs, \@shapes, sub {
				checkpoint();
				return client_rate(write_script($_[0], $keys), $clients);
			}));
	}
};

$measure{wide_set_cell} = sub {
	my ($keys, $columns) = (20, 10000);
	my $script = "\\set key random(1, $keys)\n\\set q random(1, $columns)\n\\set v random(1, 1000000000)\n";
	my %write = (
		wide => "SELECT weir.mutate_row('wide', :key::text, weir.set_cell('f', 'c' || :q, :v::text, '2024-01-01'));\n",
		cells => "INSERT INTO cells VALUES (:key::text::bytea, 'f', ('c' || :q)::bytea, '2024-01-01', :v::text::bytea)"
		  . " ON CONFLICT (row_key, family, qualifier, ts) DO UPDATE SET value = excluded.value;\n",
		jsonb => "UPDATE jsonb_rows SET cells = cells || jsonb_build_object('c' || :q, :v::text) WHERE row_key = :key::text::bytea;\n",
		hstore => "UPDATE hstore_rows SET cells = cells || hstore('c' || :q, :v::text) WHERE row_key = :key::text::bytea;\n");

	without_worker();
	fill_shapes($keys, $columns, 20, @shapes);
	local $ENV{PGOPTIONS} = '-c synchronous_commit=off';
	beside("set one cell in a row of 10,000 cells, $clients clients, synchronous_commit off",
		{ cells => '>= 0.9 x', jsonb => '>= 100 x' }, \&per_second, 0,
		in_turns($n_runs, \@shapes, sub {
			checkpoint();
			return client_rate($script . $write{ $_[0] }, $clients);
		}));
};

$measure{wide_counter} = sub {
	my %write = (
		wide => "SELECT weir.mutate_row('counter', 'k', weir.add_to_cell('n', 'q', '2024-01-01', 1));\n",
		cells => "UPDATE plain_counter SET n = n + 1 WHERE k = 1;\n");

	without_worker();
	sql("SELECT weir.drop_wide_table(c.oid::regclass) FROM pg_class c WHERE relname = 'counter'",
		"SELECT weir.create_wide_table('counter')", "SELECT weir.add_family('counter', 'n', aggregate => 'sum')",
		'DROP TABLE IF EXISTS plain_counter', 'CREATE TABLE plain_counter (k int PRIMARY KEY, n bigint)', 'INSERT INTO plain_counter VALUES (1, 0)');
	foreach my $sync ('on', 'off')
	{
		local $ENV{PGOPTIONS} = "-c synchronous_commit=$sync";
		my %median = in_turns($n_runs, [ 'wide', 'cells' ], sub {
			sql("SELECT weir.compact('counter')", 'VACUUM counter_delta, counter_base, plain_counter');
			checkpoint();
			return client_rate($write{ $_[0] }, 16);
		});
		compare("counter, 16 clients, synchronous_commit $sync", 'UPDATE ... SET n = n + 1',
			$median{wide}, $median{cells}, \&per_second, 0, $sync eq 'on' ? '>= 5 x' : '>= 1.5 x');
	}
};

# --- Size and load

$measure{wide_load} = sub {
	my %size;

	without_worker();
	fresh_shapes();
	make_source(1000, 1000, 20);
	my %time = in_turns($n_runs > 3 ? 3 : $n_runs, \@shapes, sub {
		my ($shape) = @_;
		fresh_shapes();
		checkpoint();
		my ($time, $cpu) = (0, 0);
		foreach my $statement (@{ $load{$shape} })
		{
			my $used = timed($statement);
			$time += $used->[0];
			$cpu += $used->[1];
		}
		vacuum($shape);
		$size{$shape} = [ sql('SELECT ' . join(' + ', map { "pg_total_relation_size('$_')" } @{ $relations{$shape} })) ];
		return ($time, $cpu);
	});
	beside('bulk load of 1 M cells in 1,000 rows, compaction included', { cells => '>= 1 x' }, \&ms, 1, %time);
	beside('size on disk, 1 M cells of 20 bytes in 1,000 rows, compacted and vacuumed', { cells => '>= 3 x' },
		sub { sprintf '%.1f MB', $_[0] / 1e6 }, 1, %size);
};

# --- Reading what is not at rest

$measure{wide_deltas} = sub {
	my $keys = 1000;
	my $rate = sub { return reader_rate('binary', $keys, point_query('wide', '\$1::text')) };

	without_worker();
	fill_shapes($keys, 100, 108, 'wide');
	my %rest = in_turns($n_runs, ['wide'], $rate);
	sql("SELECT weir.mutate_row('wide', key::text, weir.set_cell('f', 'c' || i, 'changed', '2024-01-01')) FROM generate_series(1, 100) i, generate_series(1, $keys) key");
	my %unmerged = in_turns($n_runs, ['wide'], $rate);
	compare("point read of a 100-cell row with 100 unmerged deltas, $clients clients, binary",
		'the same row compacted', $unmerged{wide}, $rest{wide}, \&per_second, 0, 'reported');

	my $compactor = fork // die "could not fork: $!\n";
	if ($compactor == 0)
	{
		open(STDOUT, '>', '/dev/null');
		exec('psql', '-XqAt', '-d', 'bench', '-c', <<'SQL');
DO $$
BEGIN
	LOOP
		PERFORM weir.mutate_row('wide', key::text, weir.set_cell('f', 'c' || i, i::text, '2024-01-01'))
		FROM generate_series(1, 5) i, generate_series(1, 1000) key;
		COMMIT;
		PERFORM weir.compact('wide');
		COMMIT;
	END LOOP;
END $$
SQL
	}
	my %busy = in_turns($n_runs, ['wide'], $rate);
	kill 'TERM', $compactor;
	waitpid($compactor, 0);
	compare("point read while another session writes and compacts without pause, $clients clients, binary",
		'the same at rest', $busy{wide}, $rest{wide}, \&per_second, 0, 'reported');
};

1;
