# A model of wide tables in memory against the table: mutations of all kinds,
# read-modify-writes, check-and-mutates, writes through the face, transactions that
# are rolled back, changes of the garbage collection rules and of the families,
# compactions; reads with filters, ranges, limits, in both directions; and crashes,
# in the middle of statements too. After a crash the table is what the acknowledged
# statements have made of it, and at most some of those that had no answer, in order.
#
#	WEIR_SEED		repeats the random choices of a run
#	WEIR_OPERATIONS	how many, default 2100

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IPC::Run;
use List::Util qw(max min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable qw(dclone);
use Test::More;
use Weir::Test;

my $seed = $ENV{WEIR_SEED} // int(rand(1_000_000));
my $operations = $ENV{WEIR_OPERATIONS} // 2100;
my $crash_every = 260;    # operations, about

note("seed $seed (WEIR_SEED=$seed repeats it)");
srand($seed);

my $node = weir_node('model', conf => "autovacuum_naptime = 1s");
$node->start;

# ---- the session

my ($session, $in, $out, $err, $marks);
my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);

sub connect_session
{
	($in, $out, $err) = ('', '', '');
	$session = IPC::Run::start(
		[ $node->installed_command('psql'), '-XqAt', '-F', '|', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err, $timer);
	return;
}

# psql does not see the end of its input: a server that was started meanwhile has
# inherited the pipe.
sub disconnect
{
	$session->signal('KILL');
	eval { $session->finish; };
	return;
}

# Rows of the answer, or the SQLSTATE of the error in the second place.
sub ask
{
	my ($sql) = @_;
	my $mark = 'mark ' . ++$marks;

	($out, $err) = ('', '');
	$in .= "$sql;\n\\echo $mark\n";
	$timer->start;
	$session->pump until $out =~ /^\Q$mark\E\n/m;
	# errors are written before the mark, but to another pipe
	$session->pump_nb;
	$out =~ s/^\Q$mark\E\n//m;
	my ($state) = $err =~ /ERROR:  (\w{5})/;
	return ($out, $state // '');
}

sub run_ok
{
	my ($sql) = @_;
	my ($rows, $state) = ask($sql);

	BAIL_OUT("seed $seed: error $state in\n$sql") if $state ne '';
	return $rows;
}

# ---- the model: $model->{rows}{key}{family}{qualifier}{timestamp} = value

my %FAMILY = (
	f => {},
	v => { gc => [ 'versions', 2 ] },
	a => { gc => ['age'] },
	any => { gc => [ 'union', ['age'], [ 'versions', 3 ] ] },
	both => { gc => [ 'intersection', ['age'], [ 'versions', 1 ] ] },
	s => { aggregate => 'sum' },
	lo => { aggregate => 'min', gc => [ 'versions', 2 ] },
	hi => { aggregate => 'max' });
my @PLAIN = qw(f v a any both);
my @AGGREGATE = qw(s lo hi);
my @KEYS = ('a', 'k', "k\0", 'k1', "\xff", "\xff\xff");
my @QUALIFIERS = ('', 'a', "a\0", 'b', "\xff");
my $PAST = 1577836800 * 1_000_000;      # 2020
my $FUTURE = 4733510400 * 1_000_000;    # 2120
my $CLOCK_FROM = $PAST + 365 * 86400 * 1_000_000;
my $model = { rows => {}, families => dclone(\%FAMILY) };

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }
sub random_ts { return pick($PAST, $FUTURE) + int(rand(6)) * 1000; }
sub be8 { return pack('q>', $_[0]); }
sub int_of { return unpack('q>', $_[0]); }

sub random_value
{
	return pick('', 'x' x int(rand(3000)), "\0\n\xc3\xa9") if chance(0.05);
	return be8(int(rand(100)) - 50) if chance(0.3);
	return int(rand(1000));
}

# is the version garbage, the rank'th newest of its column?
sub is_garbage
{
	my ($rule, $rank, $ts) = @_;
	my ($kind, @of) = @$rule;

	return $rank >= $of[0] if $kind eq 'versions';
	return $ts < $CLOCK_FROM if $kind eq 'age';
	my $drops = grep { is_garbage($_, $rank, $ts) } @of;
	return $kind eq 'union' ? $drops > 0 : $drops == @of;
}

sub collect
{
	my ($m, @keys) = @_;

	foreach my $key (@keys)
	{
		my $row = $m->{rows}{$key} or next;
		foreach my $family (keys %$row)
		{
			my $rule = $m->{families}{$family}{gc};
			foreach my $qualifier (keys %{ $row->{$family} })
			{
				my $column = $row->{$family}{$qualifier};
				my @newest = sort { $b <=> $a } keys %$column;
				foreach my $rank (0 .. $#newest)
				{
					delete $column->{ $newest[$rank] } if $rule && is_garbage($rule, $rank, $newest[$rank]);
				}
				delete $row->{$family}{$qualifier} unless %$column;
			}
			delete $row->{$family} unless %{ $row->{$family} };
		}
		delete $m->{rows}{$key} unless %$row;
	}
	return;
}

# The cells of a row, [family, qualifier, timestamp, value, label], in order
sub cells_of
{
	my ($m, $key) = @_;
	my $row = $m->{rows}{$key} // {};
	my @cells;

	foreach my $family (sort keys %$row)
	{
		foreach my $qualifier (sort keys %{ $row->{$family} })
		{
			my $column = $row->{$family}{$qualifier};
			push @cells, map { [ $family, $qualifier, $_, $column->{$_}, '' ] } sort { $b <=> $a } keys %$column;
		}
	}
	return @cells;
}

# ---- SQL of values

sub bytes_sql { return "'\\x" . unpack('H*', $_[0]) . "'::bytea"; }
sub bytes_json { return '"\\\\x' . unpack('H*', $_[0]) . '"'; }

sub ts_sql
{
	my ($ts) = @_;
	my @t = gmtime(int($ts / 1_000_000));

	return sprintf("timestamptz '%04d-%02d-%02d %02d:%02d:%02d.%06d+00'",
		$t[5] + 1900, $t[4] + 1, @t[ 3, 2, 1, 0 ], $ts % 1_000_000);
}

sub rule_sql
{
	my ($rule) = @_;

	return 'NULL' unless $rule;
	my ($kind, @of) = @$rule;
	return "weir.max_versions($of[0])" if $kind eq 'versions';
	return "weir.max_age('1 day')" if $kind eq 'age';
	return "weir.gc_$kind(" . join(', ', map { rule_sql($_) } @of) . ')';
}

# ---- mutations: [kind, family, qualifier, ...]

sub random_mutation
{
	my ($m) = @_;
	my @exists = sort keys %{ $m->{families} };
	my $any = pick(@exists);
	my $plain = pick(grep { !$m->{families}{$_}{aggregate} } @exists);
	my $aggregate = pick(grep { $m->{families}{$_}{aggregate} } @exists);
	my $qualifier = pick(@QUALIFIERS);
	my $kind = int(rand(16));

	return [ 'set', $plain, $qualifier, random_ts(), random_value() ] if $kind < 7;
	return [ 'add', $aggregate, $qualifier, random_ts(), int(rand(100)) - 50 ] if $kind < 10;
	return [ 'merge', $aggregate, $qualifier, random_ts(), chance(0.1) ? undef : int(rand(100)) - 50 ] if $kind < 11;
	if ($kind < 14)
	{
		my $from = chance(0.3) ? undef : random_ts();
		my $to = chance(0.3) ? undef : ($from // random_ts()) + (1 + int(rand(4))) * 1000;
		return [ 'column', $any, $qualifier, $from, $to ];
	}
	return [ 'family', $any ] if $kind < 15 || chance(0.7);
	return ['row'];
}

sub mutation_sql
{
	my ($kind, $family, $qualifier, $ts, $value) = @{ $_[0] };
	my $q = defined $qualifier ? bytes_sql($qualifier) : '';

	if (chance(0.5))
	{
		my $names = defined $qualifier ? "\"$family\"," . bytes_json($qualifier) : '';
		my $text = {
			set => sub { "[\"set_cell\",$names," . bytes_json($value) . ",$ts]" },
			add => sub { "[\"add_to_cell\",$names,$ts,$value]" },
			merge => sub { "[\"merge_to_cell\",$names,$ts," . (defined $value ? bytes_json(be8($value)) : 'null') . ']' },
			column => sub { "[\"delete_from_column\",$names," . ($ts // 'null') . ',' . ($value // 'null') . ']' },
			family => sub { "[\"delete_from_family\",\"$family\"]" },
			row => sub { '["delete_from_row"]' } }->{$kind}->();
		return "'$text'::weir.mutation";
	}
	return "weir.set_cell('$family', $q, " . bytes_sql($value) . ', ' . ts_sql($ts) . ')' if $kind eq 'set';
	return "weir.add_to_cell('$family', $q, " . ts_sql($ts) . ", $value)" if $kind eq 'add';
	return "weir.merge_to_cell('$family', $q, " . ts_sql($ts) . ', ' . (defined $value ? bytes_sql(be8($value)) : 'NULL') . ')' if $kind eq 'merge';
	return "weir.delete_from_column('$family', $q, " . (defined $ts ? ts_sql($ts) : 'NULL') . ', ' . (defined $value ? ts_sql($value) : 'NULL') . ')' if $kind eq 'column';
	return "weir.delete_from_family('$family')" if $kind eq 'family';
	return 'weir.delete_from_row()';
}

sub mutate
{
	my ($m, $key, @mutations) = @_;

	foreach my $mutation (@mutations)
	{
		my ($kind, $family, $qualifier, $ts, $value) = @$mutation;

		if ($kind eq 'row')
		{
			delete $m->{rows}{$key};
		}
		elsif ($kind eq 'family')
		{
			delete $m->{rows}{$key}{$family};
		}
		elsif ($kind eq 'column')
		{
			my $column = $m->{rows}{$key}{$family}{$qualifier} // {};
			delete @$column{ grep { (!defined $ts || $_ >= $ts) && (!defined $value || $_ < $value) } keys %$column };
		}
		elsif ($kind eq 'set')
		{
			$m->{rows}{$key}{$family}{$qualifier}{$ts} = $value;
		}
		elsif (defined $value)
		{
			my $cell = \$m->{rows}{$key}{$family}{$qualifier}{$ts};
			my $old = defined $$cell ? int_of($$cell) : undef;
			my $how = $m->{families}{$family}{aggregate};
			my $new = !defined $old ? $value : $how eq 'sum' ? $old + $value : $how eq 'min' ? min($old, $value) : max($old, $value);
			$$cell = be8($new);
		}
	}
	collect($m, $key);
	return;
}

# ---- filters, as they are in JSON

sub random_filter
{
	my ($depth, $in_condition) = @_;
	my $kind = int(rand($depth > 0 ? 18 : 14));
	my @sub = map { sub { random_filter($depth - 1, $_[0] // $in_condition) } } 1 .. 3;

	return ['pass_all'] if $kind == 0;
	return ['block_all'] if $kind == 1 && chance(0.3);
	return [ 'family_regex', pick('f', 'f|v', '.', 'a.*', 'nothing') ] if $kind == 2;
	return [ 'qualifier_regex', pick('a', 'a?', '', '.*', '\C*') ] if $kind == 3;
	return [ 'value_regex', pick('[0-9]+', '.*', '\C{8}', '[1-5].*') ] if $kind == 4;
	return [ 'row_key_regex', pick('k.?', 'k\C?', '\C', 'a|k') ] if $kind == 5;
	return [ 'column_range', pick(@PLAIN, @AGGREGATE), pick(undef, @QUALIFIERS), pick(undef, @QUALIFIERS), chance(0.3), chance(0.3) ] if $kind == 6;
	return [ 'value_range', pick(undef, '2', "\0"), pick(undef, '7', "\0\xff"), chance(0.3), chance(0.3) ] if $kind == 7;
	return [ 'timestamp_range', pick(undef, $PAST + 2000, $CLOCK_FROM), pick(undef, $FUTURE + 3000) ] if $kind == 8;
	return [ 'cells_per_row_limit', 1 + int(rand(8)) ] if $kind == 9;
	return [ 'cells_per_row_offset', int(rand(5)) ] if $kind == 10;
	return [ 'cells_per_column_limit', 1 + int(rand(2)) ] if $kind == 11;
	return ['strip_value'] if $kind == 12;
	return [ 'value_bitmask', pick("\xff", "\0" x 8, '1') ] if $kind == 13;
	return [ 'chain', map { $_->() } @sub[ 0 .. pick(1, 2) ] ] if $kind < 16;
	return [ 'interleave', !$in_condition && chance(0.2) ? [ 'chain', $sub[0]->(), ['sink'] ] : $sub[0]->(), map { $_->() } @sub[ 1 .. pick(1, 2) ] ] if $kind == 16;
	return [ 'condition', map { $_->(1) } @sub ];
}

sub filter_json
{
	my ($name, @args) = @{ $_[0] };

	return 'null' unless defined $name;
	return '[' . join(',', "\"$name\"", map { filter_json($_) } @args) . ']' if $name =~ /^(chain|interleave|condition)$/;
	if ($name eq 'column_range' || $name eq 'value_range')
	{
		my ($start_open, $end_open) = splice(@args, -2);
		my @family = $name eq 'column_range' ? '"' . shift(@args) . '"' : ();
		return '[' . join(',', "\"$name\"", @family, (map { defined $_ ? bytes_json($_) : 'null' } @args),
			map { $_ ? 'true' : 'false' } $start_open, $end_open) . ']';
	}
	@args = map { $name eq 'value_bitmask' ? bytes_json($_) : $name =~ /regex|label/ ? '"' . s/\\/\\\\/gr . '"' : $_ // 'null' } @args;
	return '[' . join(',', "\"$name\"", @args) . ']';
}

sub in_range
{
	my ($bytes, $start, $end, $start_open, $end_open) = @_;

	return (!defined $start || ($start_open ? $bytes gt $start : $bytes ge $start)) &&
	  (!defined $end || ($end_open ? $bytes lt $end : $bytes le $end));
}

sub cell_order { my ($c, $d) = @_; return $c->[0] cmp $d->[0] || $c->[1] cmp $d->[1] || $d->[2] <=> $c->[2]; }

# sort of Perl is stable
sub merge_cells { return sort { cell_order($a, $b) } @_; }

sub regex_matches
{
	my ($pattern, $bytes) = @_;

	$pattern =~ s/\\C/[\\x00-\\xff]/g;
	return $bytes =~ /\A(?:$pattern)\z/;
}

sub filter_cells
{
	my ($filter, $key, $sunk, @cells) = @_;
	my ($name, @args) = @$filter;

	return @cells if $name eq 'pass_all';
	return () if $name eq 'block_all';
	if ($name eq 'sink')
	{
		push @$sunk, @cells;
		return ();
	}
	return grep { regex_matches($args[0], $_->[0]) } @cells if $name eq 'family_regex';
	return grep { regex_matches($args[0], $_->[1]) } @cells if $name eq 'qualifier_regex';
	return grep { regex_matches($args[0], $_->[3]) } @cells if $name eq 'value_regex';
	return regex_matches($args[0], $key) ? @cells : () if $name eq 'row_key_regex';
	return grep { $_->[0] eq $args[0] && in_range($_->[1], @args[ 1 .. 4 ]) } @cells if $name eq 'column_range';
	return grep { in_range($_->[3], @args) } @cells if $name eq 'value_range';
	return grep { (!defined $args[0] || $_->[2] >= $args[0]) && (!defined $args[1] || $_->[2] < $args[1]) } @cells if $name eq 'timestamp_range';
	return grep { length($_->[3]) == length($args[0]) && ($_->[3] & $args[0]) eq $args[0] } @cells if $name eq 'value_bitmask';
	return splice(@cells, 0, $args[0]) if $name eq 'cells_per_row_limit';
	return $args[0] < @cells ? @cells[ $args[0] .. $#cells ] : () if $name eq 'cells_per_row_offset';
	if ($name eq 'cells_per_column_limit')
	{
		my %seen;
		return grep { $seen{"$_->[0]:$_->[1]"}++ < $args[0] } @cells;
	}
	return map { [ @$_[ 0 .. 2 ], '', $_->[4] ] } @cells if $name eq 'strip_value';
	return map { [ @$_[ 0 .. 3 ], $args[0] ] } @cells if $name eq 'apply_label';
	if ($name eq 'chain')
	{
		@cells = filter_cells($_, $key, $sunk, @cells) foreach @args;
		return @cells;
	}
	if ($name eq 'interleave')
	{
		return merge_cells(map { filter_cells($_, $key, $sunk, @cells) } @args);
	}
	if ($name eq 'condition')
	{
		my @matched = filter_cells($args[0], $key, $sunk, @cells);
		return filter_cells(@matched ? $args[1] : $args[2], $key, $sunk, @cells);
	}
	die "filter $name";
}

sub filtered_row
{
	my ($m, $key, $filter) = @_;
	my @cells = cells_of($m, $key);
	my @sunk;

	return @cells unless $filter;
	@cells = filter_cells($filter, $key, \@sunk, @cells);
	return merge_cells(@sunk, @cells);
}

# ---- reading

my $ROWS = "SELECT encode(row_key, 'hex'), family, encode(qualifier, 'hex'), (extract(epoch FROM ts) * 1000000)::bigint, encode(value, 'hex'), array_to_string(labels, ',')";

sub lines_of
{
	my ($key, @cells) = @_;

	return map { join('|', unpack('H*', $key), $_->[0], unpack('H*', $_->[1]), $_->[2], unpack('H*', $_->[3]), $_->[4]) . "\n" } @cells;
}

sub whole_table
{
	my ($m) = @_;

	return join('', map { lines_of($_, cells_of($m, $_)) } sort keys %{ $m->{rows} });
}

# Is the table what the model is? Read by a function and through the face.
sub read_all
{
	my $rows = run_ok("$ROWS FROM weir.read_rows('m')");
	my $face = run_ok("SELECT encode(row_key, 'hex'), family, encode(qualifier, 'hex'), (extract(epoch FROM ts) * 1000000)::bigint, encode(value, 'hex'), '' FROM m, weir.cells(m.cells) ORDER BY row_key, family COLLATE \"C\", qualifier, ts DESC");

	BAIL_OUT("seed $seed: the face shows something else than read_rows:\n$face---\n$rows") if $rows ne $face;
	return $rows;
}

sub expect
{
	my ($what, $got, $expected) = @_;

	return if $got eq $expected;
	diag("got:\n$got\nexpected:\n$expected");
	BAIL_OUT("seed $seed: $what");
}

# ---- operations: each does one thing to the table and to the model

my %done;

# Statements whose effect does not depend on the clock, for sending without waiting:
# [SQL, what it does to the model]
sub random_write
{
	my ($m) = @_;
	my $key = pick(@KEYS);
	my $key_sql = bytes_sql($key);
	my $kind = int(rand(24));

	if ($kind < 14)
	{
		my @mutations = map { random_mutation($m) } 1 .. 1 + int(rand(5));
		return [ 'mutate_row', "SELECT weir.mutate_row('m', $key_sql, " . join(', ', map { mutation_sql($_) } @mutations) . ')',
			sub { mutate($_[0], $key, @mutations); return ''; } ];
	}
	if ($kind < 17)
	{
		my $filter = chance(0.2) ? undef : random_filter(2);
		my @yes = map { random_mutation($m) } 1 .. 1 + int(rand(2));
		my @no = map { random_mutation($m) } 1 .. int(rand(3));
		my $list = sub { return @_ ? 'ARRAY[' . join(', ', map { mutation_sql($_) } @_) . ']' : "'{}'"; };
		return [ 'check_and_mutate_row', "SELECT weir.check_and_mutate_row('m', $key_sql, " . ($filter ? "'" . filter_json($filter) . "'" : 'NULL') . ', ' . $list->(@yes) . ', ' . $list->(@no) . ')',
			sub {
				my @matched = filtered_row($_[0], $key, $filter);
				my $matched = @matched > 0;
				mutate($_[0], $key, $matched ? @yes : @no);
				return $matched ? 't' : 'f';
			} ];
	}
	if ($kind == 17)
	{
		return [ 'delete', "DELETE FROM m WHERE row_key = $key_sql", sub { delete $_[0]{rows}{$key}; return ''; } ];
	}
	if ($kind == 18)
	{
		my $qualifier = pick(@QUALIFIERS);
		my $ts = random_ts();
		my $value = random_value();
		return [ 'insert', "INSERT INTO m VALUES ($key_sql, weir.widerow('f', " . bytes_sql($qualifier) . ', ' . bytes_sql($value) . ', ' . ts_sql($ts) . '))',
			sub { mutate($_[0], $key, [ 'set', 'f', $qualifier, $ts, $value ]); return ''; } ];
	}
	if ($kind < 21)
	{
		# in the future, so that the time of the cell is known
		my $qualifier = pick(@QUALIFIERS);
		my $ts = $FUTURE + 10_000;
		my $amount = int(rand(20)) - 10;
		my $value = int(rand(10));
		return [ 'read_modify_write_row', "SELECT weir.mutate_row('m', $key_sql, weir.set_cell('f', " . bytes_sql($qualifier) . ", 5, " . ts_sql($ts) . ")); SELECT weir.cell_count(weir.read_modify_write_row('m', $key_sql, weir.increment('f', " . bytes_sql($qualifier) . ", $amount), weir.append_value('f', " . bytes_sql($qualifier) . ", '$value')))",
			sub {
				mutate($_[0], $key, [ 'set', 'f', $qualifier, $ts, be8(5) ], [ 'set', 'f', $qualifier, $ts, be8(5 + $amount) . $value ]);
				return "\n1";
			}, 'two statements' ];
	}
	if ($kind == 21)
	{
		my $prefix = pick('k', "\xff", 'none');
		return [ 'drop_row_range', "SELECT weir.drop_row_range('m', " . bytes_sql($prefix) . ') >= 0',
			sub {
				delete @{ $_[0]{rows} }{ grep { index($_, $prefix) == 0 } keys %{ $_[0]{rows} } };
				return 't';
			} ];
	}
	return [ 'compact', "SELECT skipped FROM weir.compact('m')", sub { return '0'; } ];
}

sub check_answer
{
	my ($write, $answer, $expected) = @_;

	$answer =~ s/\n\z//;
	expect("$write->[0] answers otherwise: $write->[1]", $answer, $expected);
	$done{ $write->[0] }++;
	return;
}

sub do_write
{
	my $write = random_write($model);
	my $expected = $write->[2]->($model);

	check_answer($write, run_ok($write->[1]), $expected);
	return;
}

# A transaction, or a part of one, that is rolled back or committed
sub do_transaction
{
	my $before = dclone($model);
	my $commits = chance(0.5);
	my @keeps = map { chance(0.7) } 1 .. 1 + int(rand(4));

	run_ok('BEGIN');
	foreach my $keep (@keeps)
	{
		my $inner = dclone($model);

		run_ok('SAVEPOINT s');
		do_write();
		run_ok('ROLLBACK TO s') unless $keep;
		$model = $inner unless $keep;
		expect('a transaction sees something else than it has done', read_all(), whole_table($model)) if chance(0.3);
	}
	run_ok($commits ? 'COMMIT' : 'ROLLBACK');
	$model = $before unless $commits;
	$done{$commits ? 'commit' : 'rollback'}++;
	return;
}

# An increment of what is no integer fails, and nothing of the request is done.
sub do_rmw
{
	my $key = pick(@KEYS);
	my $family = pick(qw(f v both));
	my $qualifier = pick(@QUALIFIERS);
	my $column = ($model->{rows}{$key} // {})->{$family} // {};
	my %versions = %{ $column->{$qualifier} // {} };
	my $newest = max(keys %versions);
	my $base = defined $newest ? $versions{$newest} : undef;
	my $appends = chance(0.5);
	my $amount = int(rand(100)) - 50;
	my $fails = !$appends && defined $base && length($base) != 8;
	my $rule = $appends ? "weir.append_value('$family', " . bytes_sql($qualifier) . ", '+')" : chance(0.5) ? "weir.increment('$family', " . bytes_sql($qualifier) . ", $amount)" :
	  "'[\"increment\",\"$family\"," . bytes_json($qualifier) . ",$amount]'::weir.rmw_rule";
	my ($answer, $state) = ask("SELECT (extract(epoch FROM c.ts) * 1000000)::bigint, encode(c.value, 'hex') FROM weir.cells(weir.read_modify_write_row('m', " . bytes_sql($key) . ", $rule)) c");
	my ($ts, $value) = $answer =~ /\A(\d+)\|([0-9a-f]*)\n\z/;

	$done{rmw_by_clock}++;
	if ($fails)
	{
		expect("$rule on \"$base\" does not fail", $state =~ /^(22023|55000)$/ ? 'fails' : "$state $answer", 'fails');
		return;
	}
	BAIL_OUT("seed $seed: $rule: error $state, answer \"$answer\"") unless defined $ts;
	my $expected = $appends ? ($base // '') . '+' : be8((defined $base ? int_of($base) : 0) + $amount);
	expect("$rule has another value", $value, unpack('H*', $expected));
	expect("$rule has another time", defined $newest && $newest > $CLOCK_FROM + 10 * 365 * 86400 * 1_000_000 ? $ts : $ts >= ($newest // $CLOCK_FROM) && $ts < $FUTURE,
		defined $newest && $newest > $CLOCK_FROM + 10 * 365 * 86400 * 1_000_000 ? $newest : 1);
	mutate($model, $key, [ 'set', $family, $qualifier, $ts, $expected ]);
	return;
}

# A cell at the server's time, which is read back
sub do_clock
{
	my $key = pick(@KEYS);
	my $qualifier = pick(@QUALIFIERS);
	my $value = random_value();

	run_ok("SELECT weir.mutate_row('m', " . bytes_sql($key) . ", weir.set_cell('f', " . bytes_sql($qualifier) . ', ' . bytes_sql($value) . '))');
	my $ts = run_ok("SELECT (extract(epoch FROM max(c.ts)) * 1000000)::bigint FROM weir.cells(weir.read_row('m', " . bytes_sql($key) .
		", weir.chain(weir.column_range('f', " . bytes_sql($qualifier) . ', ' . bytes_sql($qualifier) . "), weir.timestamp_range(now() - interval '1 day', now() + interval '1 day')))) c");
	chomp $ts;
	BAIL_OUT("seed $seed: a cell at the server's time is not in whole milliseconds: \"$ts\"") unless $ts =~ /^\d+000$/;
	mutate($model, $key, [ 'set', 'f', $qualifier, $ts, $value ]);
	$done{server_time}++;
	return;
}

# A request that must fail changes nothing.
sub do_failure
{
	my $key = pick(@KEYS);
	my @mutations = map { mutation_sql(random_mutation($model)) } 1 .. 1 + int(rand(3));
	my ($bad, $expected) = @{ pick([ "weir.set_cell('missing', 'q', 'v')", '42703' ], [ "weir.delete_from_family('missing')", '42703' ],
		[ "weir.set_cell('s', 'q', 'v')", '22023' ], [ "weir.add_to_cell('f', 'q', now(), 1)", '22023' ], [ 'NULL', '22023' ]) };
	my ($answer, $state) = ask("SELECT weir.mutate_row('m', " . bytes_sql($key) . ', ' . join(', ', @mutations, $bad) . ')');

	expect("another error for $bad", $state, $expected);
	$done{failure}++;
	return;
}

sub do_ddl
{
	my $family = pick('v', 'a', 'any', 'lo');

	if (chance(0.3) && exists $model->{families}{any})
	{
		run_ok("SELECT weir.drop_family('m', 'any')");
		delete $model->{families}{any};
		delete $_->{any} foreach values %{ $model->{rows} };
	}
	elsif (!exists $model->{families}{any})
	{
		run_ok("SELECT weir.add_family('m', 'any', " . rule_sql($FAMILY{any}{gc}) . ')');
		$model->{families}{any} = dclone($FAMILY{any});
	}
	else
	{
		my $rule = pick(undef, [ 'versions', 1 ], [ 'versions', 3 ], ['age'], [ 'intersection', ['age'], [ 'versions', 2 ] ]);
		run_ok("SELECT weir.alter_family('m', '$family', " . rule_sql($rule) . ')');
		$model->{families}{$family}{gc} = $rule;
	}
	collect($model, keys %{ $model->{rows} });
	$done{families}++;
	return;
}

sub do_read
{
	my $filter = chance(0.2) ? undef : random_filter(3);
	my $reversed = chance(0.4);
	my $limit = chance(0.4) ? 1 + int(rand(4)) : undef;
	my $prefix = chance(0.3) ? pick('k', "\xff", "k\0", 'none') : undef;
	my @ranges = chance(0.4) ? map { [ sort { $a cmp $b } pick(@KEYS), pick(@KEYS) ] } 1 .. 1 + int(rand(3)) : ();
	my @keys = grep {
		my $key = $_;
		(!defined $prefix || index($key, $prefix) == 0) && (!@ranges || grep { $key ge $_->[0] && $key le $_->[1] } @ranges)
	} sort @KEYS;
	my @lines;
	my $rows = 0;

	$filter = [ 'chain', $filter, [ 'apply_label', 'seen' ] ] if $filter && chance(0.2);
	@keys = reverse @keys if $reversed;
	foreach my $key (@keys)
	{
		my @cells = filtered_row($model, $key, $filter);

		push @lines, lines_of($key, @cells);
		last if @cells && defined $limit && ++$rows >= $limit;
	}
	my $sql = "$ROWS FROM weir.read_rows('m'" .
	  ($filter ? ", '" . filter_json($filter) . "'" : '') .
	  (@ranges ? ', rows => weir.row_set(' . join(', ', map { 'weir.row_range(' . bytes_sql($_->[0]) . ', ' . bytes_sql($_->[1]) . ", '[]')" } @ranges) . ')' : '') .
	  (defined $prefix ? ', prefix => ' . bytes_sql($prefix) : '') .
	  (defined $limit ? ", row_limit => $limit" : '') . ($reversed ? ', reversed => true' : '') . ')';
	expect($sql, run_ok($sql), join('', @lines));
	$done{read_rows}++;
	return;
}

sub do_read_row
{
	my $key = pick(@KEYS);
	my $filter = random_filter(2);
	my %seen;
	# of equal cells the first
	my @cells = grep { !$seen{"$_->[0]:$_->[1]:$_->[2]"}++ } filtered_row($model, $key, $filter);
	my $sql = "SELECT '" . unpack('H*', $key) . "', family, encode(qualifier, 'hex'), (extract(epoch FROM ts) * 1000000)::bigint, encode(value, 'hex'), '' FROM weir.cells(weir.read_row('m', " . bytes_sql($key) . ", '" . filter_json($filter) . "'))";

	expect($sql, run_ok($sql), join('', lines_of($key, @cells)));
	$done{read_row}++;
	return;
}

# Writes are sent without waiting, and the server or a backend dies meanwhile.
my $crashes = 0;

sub crash
{
	my $state = dclone($model);
	my @writes;
	my @states = (whole_table($model));
	my @models = ($model);

	foreach my $i (1 .. int(rand(8)))
	{
		my $write;

		do { $write = random_write($state) } while $write->[3];
		$write->[2]->($state);
		push @writes, $write;
		push @states, whole_table($state);
		push @models, dclone($state);
	}
	# The first of them are waited for, the others may be anywhere.
	my $acknowledged = int(rand(@writes + 1));
	my $mark = 'mark ' . ++$marks;
	my @statements = map { "$_->[1];\n" } @writes;
	$out = '';
	$in .= join('', @statements[ 0 .. $acknowledged - 1 ]) . "\\echo $mark\n" . join('', @statements[ $acknowledged .. $#statements ]);
	$timer->start;
	$session->pump until $out =~ /^\Q$mark\E\n/m;
	my $how = pick('immediate', 'postmaster', 'backend');
	if ($how eq 'backend')
	{
		my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'psql' AND pid <> pg_backend_pid() AND backend_type = 'client backend'");
		kill_process($node, $pid) if $pid;
	}
	elsif ($how eq 'postmaster')
	{
		crash_and_start($node);
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	disconnect();
	connect_session();
	my $got = read_all();
	my ($n) = grep { $states[$_] eq $got } reverse $acknowledged .. $#states;
	ok(defined $n, sprintf('after a crash (%s) with %d statements, of which %d had an answer, the table is what %s of them make of it',
		$how, scalar @writes, $acknowledged, $n // 'none'))
	  or BAIL_OUT("seed $seed: got\n$got\nbefore\n$states[0]\nthen\n$states[-1]");
	$model = $models[$n];
	$done{crash}++;
	$done{under_way} += @writes;
	$crashes++;
	return;
}

# ---- the run

connect_session();
run_ok("CREATE EXTENSION weir; SET timezone = 'UTC'");
run_ok("SELECT weir.create_wide_table('m')");
# not in the order of their names
run_ok("SELECT weir.add_family('m', '$_', " . rule_sql($FAMILY{$_}{gc}) . ', ' . ($FAMILY{$_}{aggregate} ? "'$FAMILY{$_}{aggregate}'" : 'NULL') . ')') foreach qw(v s both f a any lo hi);

sub count_done
{
	my $sum = 0;

	$sum += $_ foreach values %done;
	return $sum;
}

my $checked = 0;
until (count_done() >= $operations)
{
	my $kind = int(rand(40));

	if (chance(1 / $crash_every))
	{
		crash();
	}
	elsif ($kind < 18) { do_write(); }
	elsif ($kind < 26) { do_read(); }
	elsif ($kind < 30) { do_read_row(); }
	elsif ($kind < 34) { do_rmw(); }
	elsif ($kind < 36) { do_clock(); }
	elsif ($kind < 37) { do_transaction(); }
	elsif ($kind < 39) { do_failure(); }
	elsif (chance(0.4)) { do_ddl(); }
	if (count_done() >= $checked + 50)
	{
		$checked = count_done();
		expect('the table is another than the model', read_all(), whole_table($model));
	}
}
crash() while $crashes < 3;
is(read_all(), whole_table($model), 'the table is what the model is');
run_ok("SELECT weir.compact('m')");
is(read_all(), whole_table($model), 'the compacted table too');
is(run_ok('SELECT count(*) FROM m_delta'), "0\n", 'nothing is left to fold');

my @kinds = qw(mutate_row check_and_mutate_row read_modify_write_row rmw_by_clock server_time delete insert
  drop_row_range compact read_rows read_row commit rollback failure families crash);
is_deeply([ grep { !$done{$_} } @kinds ], [], 'every kind of operation was done');
cmp_ok(count_done(), '>=', $operations, "$operations operations were compared: " . join(', ', map { "$_ $done{$_}" } sort keys %done));

disconnect();
$node->stop;
done_testing();
