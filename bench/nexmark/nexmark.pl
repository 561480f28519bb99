# bench/nexmark/nexmark.pl: Nexmark's queries that are continuous aggregates,
# required by bench/measure.pl, whose functions it uses.
#
# Each kind of event has a table, and there is one of all events, out of which q8
# picks two kinds, as it does in Flink; q8_apart is the same query on a table for
# each of the two. The tables are streams. All aggregates are there before the first row, and
# paused; then BENCH_EVENTS events are written. To measure one, it is resumed and
# what waits for it in the log is drained, tick by tick, windows closing on the
# way; then the query that a user would ask is put to its view. Beside it stands
# the whole query as one SELECT over the same tables, and the rate per core that
# is published for Flink. Where that is "stored", it is also measured with what the
# SELECT leaves out: each grouping is put into a table with the indexes that the
# table of closed rows has, and the query is put to these tables.
#
# A rate is that of the rows that the query reads; Flink's counts all events,
# those that the query skips too, and includes making them.

use strict;
use warnings;

our (%measure, $n_runs, $src);

my $events = $ENV{BENCH_EVENTS} // 1_000_000;
my $between = "'10 seconds'";
my $by_price = join ', ',
  map { my ($what, $as) = @$_; "$what AS ${as}s", map { "$what FILTER (WHERE $_->[1]) AS ${as}s_$_->[0]" }
	[ low => 'price < 10000' ], [ middle => 'price >= 10000 AND price < 1000000' ], [ high => 'price >= 1000000' ] }
  [ 'count(*)', 'bid' ], [ 'count(DISTINCT bidder)', 'bidder' ], [ 'count(DISTINCT auction)', 'auction' ];
my $new_sellers =
  'SELECT id, name, p.window_start FROM :p p JOIN :a a ON id = seller AND p.window_start = a.window_start AND p.window_end = a.window_end';
my $by_price_bids = $by_price =~ s/, count\(DISTINCT.*//r;

# For each query: what it reads; the aggregates it is made of, by the name that
# stands for each in "read", the rest of the query; Flink's rate, in thousands of
# events a second and core (GUIDE_V1 of nexmark/nexmark); how the whole query is
# written where it is not the same with the aggregates in place.
my %query = (
	q5 => {
		from => ['bid'], flink => 22.14,
		aggregates => {
			n => "SELECT w.window_start, w.window_end, auction, count(*) AS num
				FROM nexmark.bid, weir.hop(date_time, '2 seconds', '10 seconds') w GROUP BY w.window_start, w.window_end, auction"
		},
		read => 'SELECT window_start, auction, num FROM (SELECT *, rank() OVER (PARTITION BY window_start, window_end ORDER BY num DESC) FROM :n n) x WHERE rank = 1'
	},
	q7 => {
		from => ['bid'], flink => 12.33,
		aggregates => {
			high => "SELECT w.window_start, w.window_end, max(price) AS price
				FROM nexmark.bid, weir.tumble(date_time, $between) w GROUP BY w.window_start, w.window_end"
		},
		read => "SELECT b.auction, b.price, b.bidder, b.date_time, b.extra FROM nexmark.bid b JOIN :high h
			ON b.price = h.price AND b.date_time BETWEEN h.window_end - interval $between AND h.window_end"
	},
	q8 => {
		from => ['event'], flink => 146.14,
		aggregates => {
			p => "SELECT w.window_start, w.window_end, person_id AS id, person_name AS name FROM nexmark.event, weir.tumble(date_time, $between) w
				WHERE kind = 0 GROUP BY w.window_start, w.window_end, person_id, person_name",
			a => "SELECT w.window_start, w.window_end, auction_seller AS seller FROM nexmark.event, weir.tumble(date_time, $between) w
				WHERE kind = 1 GROUP BY w.window_start, w.window_end, auction_seller"
		},
		read => $new_sellers
	},
	q8_apart => {
		from => [ 'person', 'auction' ], flink => 146.14, stored => 'ORDER BY 1, 3',
		aggregates => {
			p => "SELECT w.window_start, w.window_end, id, name FROM nexmark.person, weir.tumble(date_time, $between) w
				GROUP BY w.window_start, w.window_end, id, name",
			a => "SELECT w.window_start, w.window_end, seller FROM nexmark.auction, weir.tumble(date_time, $between) w
				GROUP BY w.window_start, w.window_end, seller"
		},
		read => $new_sellers
	},
	q11 => {
		from => ['bid'], flink => 39.70,
		aggregates => {
			s => "SELECT w.window_start, w.window_end, bidder, count(*) AS bids
				FROM nexmark.bid, weir.session(date_time, $between) w GROUP BY w.window_start, w.window_end, bidder"
		},
		read => 'SELECT bidder, bids, window_start, window_end FROM :s s',
		batch => "SELECT bidder, count(*), min(date_time), max(date_time) + interval $between
			FROM (SELECT *, count(*) FILTER (WHERE starts) OVER (PARTITION BY bidder ORDER BY date_time ROWS UNBOUNDED PRECEDING) AS session
				FROM (SELECT bidder, date_time, coalesce(date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) > interval $between, true) AS starts
					FROM nexmark.bid) x) y
			GROUP BY bidder, session"
	},
	q12 => {
		from => ['arriving_bid'], flink => 75.67,
		aggregates => {
			n => "SELECT w.window_start, w.window_end, bidder, count(*) AS bids
				FROM nexmark.arriving_bid, weir.tumble(now(), $between) w GROUP BY w.window_start, w.window_end, bidder"
		},
		read => 'SELECT bidder, bids, window_start, window_end FROM :n n',
		same => 'SELECT bidder, sum(bids) FROM (%s) x GROUP BY bidder'    # not in the windows: they are of now
	},
	q15 => {
		from => ['bid'], flink => 72.42,
		aggregates => {
			d => "SELECT w.window_start, w.window_end, $by_price
				FROM nexmark.bid, weir.tumble(date_time, '1 day') w GROUP BY w.window_start, w.window_end"
		},
		read => 'SELECT * FROM :d d'
	},
	q16 => {
		from => ['bid'], flink => 18.65,
		aggregates => {
			d => "SELECT w.window_start, w.window_end, channel, max(to_char(date_time, 'HH24:MI')) AS minute, $by_price
				FROM nexmark.bid, weir.tumble(date_time, '1 day') w GROUP BY w.window_start, w.window_end, channel"
		},
		read => 'SELECT * FROM :d d'
	},
	q17 => {
		from => ['bid'], flink => 116.80,
		aggregates => {
			d => "SELECT w.window_start, w.window_end, auction, $by_price_bids, min(price), max(price), avg(price), sum(price)
				FROM nexmark.bid, weir.tumble(date_time, '1 day') w GROUP BY w.window_start, w.window_end, auction"
		},
		read => 'SELECT * FROM :d d'
	});
my $number = sub { $_[0] =~ /(\d+)/ ? $1 : 0 };
my @queries = sort { $number->($a) <=> $number->($b) || $a cmp $b } keys %query;
my @streams = qw(person auction bid event arriving_bid);

# The query with ":name" replaced.
sub nexmark_query
{
	my ($text, $replace) = @_;

	return $text =~ s/:(\w+)/$replace->($1)/ger;
}

sub nexmark_batch
{
	my ($q) = @_;

	return $query{$q}{batch} // nexmark_query($query{$q}{read}, sub { "($query{$q}{aggregates}{$_[0]})" });
}

my $nexmark_runs = $n_runs > 3 ? 3 : $n_runs;
my $nexmark_is_loaded;

# Streams, paused aggregates, a copy of each for every run, and events.
sub nexmark_load
{
	my (@list) = @_;

	without_worker();
	run_psql("\\i $src/bench/nexmark/generate.sql\n");
	sql('CREATE TABLE nexmark.arriving_bid (LIKE nexmark.bid)',
		(map { "SELECT weir.create_stream('nexmark.$_', 'date_time', '4 seconds')" } grep { $_ ne 'arriving_bid' } @streams),
		"SELECT weir.create_stream('nexmark.arriving_bid')");
	foreach my $q (@list)
	{
		my $aggregates = $query{$q}{aggregates};

		foreach my $run (0 .. $nexmark_runs)
		{
			sql("SELECT weir.create_continuous_aggregate('nexmark.${q}_${_}_$run', \$\$$aggregates->{$_}\$\$)") foreach sort keys %$aggregates;
		}
	}
	sql("CALL weir.drain('nexmark.$_')") foreach @streams;
	sql('SELECT weir.pause(aggregate) FROM weir.continuous_aggregates');
	# in transactions of 100,000 events
	for (my $n = 0; $n < $events; $n += 100_000)
	{
		my $end = $n + 100_000 > $events ? $events : $n + 100_000;
		sql("CALL nexmark.generate($n, $end)");
	}
	# two days later, so that all windows close
	my $end = 50 * (int($events / 50) + 86400 * 2 * 200);
	sql("CALL nexmark.generate($end, $end + 5)", 'INSERT INTO nexmark.arriving_bid TABLE nexmark.bid',
		(map { "CALL weir.drain('nexmark.$_')" } @streams), 'VACUUM ANALYZE');
	return;
}

# The groupings stored in tables of their own, and the query on these.
sub nexmark_stored
{
	my ($q) = @_;
	my $aggregates = $query{$q}{aggregates};
	my @names = sort keys %$aggregates;
	my @time = (0, 0);

	sql('SET client_min_messages = warning',
		(map { ("DROP TABLE IF EXISTS nexmark.stored_$_", "CREATE TABLE nexmark.stored_$_ (LIKE nexmark.${q}_${_}_0_closed INCLUDING INDEXES)") } @names),
		'CHECKPOINT');
	foreach my $time (
		(map { timed("INSERT INTO nexmark.stored_$_ $aggregates->{$_} $query{$q}{stored}") } @names),
		timed('SELECT count(x) FROM (' . nexmark_query($query{$q}{read}, sub { "nexmark.stored_$_[0]" }) . ') x'))
	{
		$time[$_] += $time->[$_] foreach 0, 1;
	}
	return \@time;
}

sub measure_nexmark
{
	my (@list) = @_;

	nexmark_load(@list);
	my %rows = map { $_ => sql("SELECT count(*) FROM nexmark.$_") } @streams;

	foreach my $q (@list)
	{
		my $rows = 0;
		my $run = 0;
		my @names = sort keys %{ $query{$q}{aggregates} };
		my $read = sub { nexmark_query($query{$q}{read}, sub { "nexmark.${q}_$_[0]_$run" }) };
		my $consume = sub {
			my ($elapsed, $cpu) = (0, 0);
			my @resume = map { "SELECT weir.resume('nexmark.${q}_${_}_$run')" } @names;

			sql(@resume, 'CHECKPOINT');
			foreach my $time (
				(map { timed("CALL weir.drain('nexmark.$_')") } @{ $query{$q}{from} }),
				timed('SELECT count(x) FROM (' . $read->() . ') x'))
			{
				$elapsed += $time->[0];
				$cpu += $time->[1];
			}
			$run++;
			return [ $elapsed, $cpu ];
		};
		$rows += $rows{$_} foreach @{ $query{$q}{from} };

		# the first run, not counted, is for the page cache, and to compare results
		$consume->();
		$run = 0;
		my $same = $query{$q}{same} // '%s';
		my $differences = sql(sprintf "WITH a AS MATERIALIZED ($same), b AS MATERIALIZED ($same)"
			  . ' SELECT (SELECT count(*) FROM (TABLE a EXCEPT ALL TABLE b) x) + (SELECT count(*) FROM (TABLE b EXCEPT ALL TABLE a) x)',
			$read->(), nexmark_batch($q));
		die "$q: $differences rows differ from the batch query's\n" if $differences > 0;
		$run = 1;
		my ($this, $that, $cpu, $cpu_this) = side_by_side(
			$nexmark_runs, $consume,
			sub { timed('SELECT count(x) FROM (' . nexmark_batch($q) . ') x') });

		$cpu_this ||= 10;    # one step of the clock
		row("Nexmark $q, $rows rows of $events events", 'the query as one SELECT', ms($this), ms($that), ratio($this, $that), '<= 2 x', $cpu);
		if ($query{$q}{stored})
		{
			my @stored = map { nexmark_stored($q) } 1 .. $nexmark_runs;
			my $stored = median(map { $_->[0] } @stored);
			my $stored_cpu = median(map { $_->[1] } @stored) || 10;

			row("Nexmark $q", 'its groupings stored in tables with the same indexes, and the query on these', ms($this), ms($stored),
				ratio($this, $stored), 'reported', $cpu_this / $stored_cpu);
		}
		row("Nexmark $q, thousand rows a second of processor time", 'Flink 1.13, events per core',
			sprintf('%.0f', $rows / $cpu_this), $query{$q}{flink}, ratio($rows / $cpu_this, $query{$q}{flink}), '>= 5 x');
	}
	sql('SET client_min_messages = warning', 'SELECT weir.drop_stream(stream, cascade => true) FROM weir.streams', 'DROP SCHEMA nexmark CASCADE');
	return;
}

$measure{nexmark} = sub { measure_nexmark(@queries) };
foreach my $q (@queries)
{
	$measure{"nexmark_$q"} = sub { measure_nexmark($q) };
}

1;
