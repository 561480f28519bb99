
# Random streams against an oracle: for every kind of window, event order and
# placing of ticks, the closed rows, the live view and the late rows of each
# aggregate are what plain SQL makes of the rows and the ticks they came in.
#
# The oracle shares nothing with weir. Windows: all that could be in question are
# listed, and rows join to those that hold them. Sessions: islands of rows. Ticks:
# a row counts where window_end + allowed_lateness > the watermark when its tick
# began; a window closes at the end of the first tick whose watermark reaches
# that bound; a row with no such window is late.
#
# A scenario is one stream with a dozen aggregates, each a case. No worker runs:
# a tick is one drain, and the drains are the script's.
#
#	WEIR_SEED		repeats a run
#	WEIR_ROUNDS		how often all combinations are gone through, default 1
#	WEIR_SECONDS	after the first time no further scenario after so many seconds
#
# make stress goes through them 25 times, or for as long as half an hour allows.

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
my $rounds = $ENV{WEIR_ROUNDS} // 1;
my $until = defined $ENV{WEIR_SECONDS} ? time + $ENV{WEIR_SECONDS} : undef;

note("seed $seed (WEIR_SEED=$seed repeats it)");
srand($seed);

my $node = weir_node('windows', conf => "log_statement = none\nfsync = off\nweir.start_workers = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;

-- rows as written: the tick that consumes them
CREATE TABLE model (id int PRIMARY KEY, ts timestamptz, k text, v int, tick int);
-- what the watermark was moved to by hand after a tick
CREATE TABLE by_hand (tick int, watermark timestamptz);
CREATE TABLE ticks (tick int PRIMARY KEY, wm_before timestamptz, wm_after timestamptz);
CREATE TABLE cases (name text PRIMARY KEY, kind text, unit interval, n int, origin timestamptz, zone text,
	lateness interval, keyed bool, filtered bool, query text);
CREATE TABLE candidates (name text, id int, window_start timestamptz, window_end timestamptz);

-- The instant at which the clocks of the zone have reached l for good: in the
-- hour that is skipped its end, in the one that is repeated the second time.
-- (The clocks change at whole quarters of an hour.)
CREATE FUNCTION instant(l timestamp, zone text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN zone IS NULL THEN l AT TIME ZONE 'UTC' ELSE
		(SELECT least(max(u) + (l - max(u) AT TIME ZONE zone), max(u) + interval '15 minutes')
		FROM generate_series(date_trunc('hour', l AT TIME ZONE 'UTC') - interval '15 hours',
			date_trunc('hour', l AT TIME ZONE 'UTC') + interval '15 hours', interval '15 minutes') u
		WHERE u AT TIME ZONE zone <= l) END $$;

-- The windows between two times: of a tumble n is 1, of a hop the units of its
-- size; of a cumulate the steps of a period.
CREATE FUNCTION windows(kind text, unit interval, n int, origin timestamptz, zone text, low timestamptz, high timestamptz)
	RETURNS TABLE (window_start timestamptz, window_end timestamptz) LANGUAGE sql STABLE AS $$
	WITH o AS MATERIALIZED
		(SELECT coalesce(origin AT TIME ZONE coalesce(zone, 'UTC'), timestamp '1970-01-01') AS local),
	bound AS MATERIALIZED
		(SELECT i, instant(o.local + i * unit, zone) AS at FROM o,
			generate_series(floor(extract(epoch FROM low AT TIME ZONE 'UTC' - o.local) / extract(epoch FROM unit))::int - 30 - n,
				ceil(extract(epoch FROM high AT TIME ZONE 'UTC' - o.local) / extract(epoch FROM unit))::int + 30 + n) i)
	SELECT DISTINCT s.at, e.at
	FROM bound s JOIN bound e ON e.i = s.i + n AND kind <> 'cumulate'
		OR kind = 'cumulate' AND s.i - n * floor(s.i::numeric / n) = 0 AND e.i BETWEEN s.i + 1 AND s.i + n
	WHERE s.at < e.at $$;

CREATE PROCEDURE prepare_oracle(out_of_orderness interval) LANGUAGE plpgsql AS $$
DECLARE
	c cases;
BEGIN
	INSERT INTO ticks
	SELECT tick, coalesce(lag(w) OVER (ORDER BY tick), '-infinity'), w
	FROM (SELECT tick, max(max(w)) OVER (ORDER BY tick) AS w
		FROM (SELECT tick, ts - out_of_orderness AS w FROM model UNION ALL TABLE by_hand) x GROUP BY tick) y;
	FOR c IN SELECT * FROM cases WHERE kind <> 'session'
	LOOP
		INSERT INTO candidates
		SELECT c.name, id, window_start, window_end
		FROM model, (SELECT min(ts), max(ts) FROM model) range(low, high),
			windows(c.kind, c.unit, c.n, c.origin, c.zone, low, high)
		WHERE ts >= window_start AND ts < window_end AND NOT (c.filtered AND v % 5 = 0);
	END LOOP;
END $$;

-- What becomes of the rows up to a tick: in which windows each counts; if in
-- none, it is late. The last of the ticks may be one that is still to come.
CREATE FUNCTION verdicts(c cases, last int)
	RETURNS TABLE (id int, tick int, window_start timestamptz, window_end timestamptz, counts bool) LANGUAGE sql STABLE AS $$
	SELECT id, tick, window_start, window_end, window_end + c.lateness > wm_before
	FROM candidates JOIN model USING (id) JOIN ticks USING (tick) WHERE name = c.name AND tick <= last $$;

CREATE TABLE session (id int, tick int, k text, ts timestamptz, window_start timestamptz, window_end timestamptz,
	counts bool, is_open bool);
CREATE PROCEDURE make_sessions(c cases, last int) LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	DELETE FROM session;
	FOR t IN SELECT * FROM ticks WHERE tick <= last ORDER BY tick
	LOOP
		-- rows of open sessions and new ones, put into sessions anew
		WITH kept AS
			(DELETE FROM session WHERE is_open RETURNING id, tick, k, ts),
		rows AS
			(TABLE kept UNION ALL
			SELECT id, tick, CASE WHEN c.keyed THEN k END, ts FROM model
			WHERE tick = t.tick AND NOT (c.filtered AND v % 5 = 0)),
		starts AS
			(SELECT *, coalesce(ts - lag(ts) OVER (PARTITION BY k ORDER BY ts, id) > c.unit, true) AS starts FROM rows),
		islands AS
			(SELECT *, count(*) FILTER (WHERE starts) OVER (PARTITION BY k ORDER BY ts, id) AS island FROM starts),
		bounds AS
			(SELECT *, min(ts) OVER w AS window_start, max(ts) OVER w + c.unit AS window_end FROM islands
			WINDOW w AS (PARTITION BY k, island))
		INSERT INTO session
		SELECT id, tick, k, ts, window_start, window_end, window_end + c.lateness > t.wm_before,
			window_end + c.lateness > t.wm_after
		FROM bounds;
		-- what was open is not late now
		IF EXISTS (SELECT FROM session WHERE NOT counts AND tick < t.tick AND is_open) THEN
			RAISE EXCEPTION 'the oracle of sessions is wrong';
		END IF;
	END LOOP;
END $$;

-- compare(consumed, last): rows up to the tick "last" are written, those up to
-- "consumed" are consumed. One line a difference.
CREATE TABLE difference (name text, what text, which text, rows text);
CREATE PROCEDURE compare(consumed int, last int) LANGUAGE plpgsql AS $$
DECLARE
	c cases;
	watermark timestamptz := (SELECT wm_after FROM ticks WHERE tick = consumed);
	aggregated constant text := 'count(*) AS n, sum(v) AS total, min(v) AS low, max(v) AS high, count(DISTINCT v) AS several';
BEGIN
	FOR c IN SELECT * FROM cases
	LOOP
		CREATE TEMP TABLE verdict (id int, tick int, window_start timestamptz, window_end timestamptz, counts bool) ON COMMIT DROP;
		IF c.kind = 'session' THEN
			CALL make_sessions(c, last);
			INSERT INTO verdict SELECT id, tick, window_start, window_end, counts FROM session;
		ELSE
			INSERT INTO verdict SELECT * FROM verdicts(c, last);
		END IF;
		CREATE TEMP TABLE expected ON COMMIT DROP AS
		SELECT window_start, window_end, CASE WHEN c.keyed THEN k END AS k, count(*) AS n, sum(v) AS total,
			min(v) AS low, max(v) AS high, count(DISTINCT v) AS several
		FROM verdict JOIN model USING (id) WHERE counts GROUP BY 1, 2, 3;
		CALL differ(c, 'view', 'SELECT * FROM expected', format('SELECT * FROM %I', c.name));
		IF consumed < last THEN
			IF c.kind = 'session' THEN
				CALL make_sessions(c, consumed);
				DELETE FROM verdict;
				INSERT INTO verdict SELECT id, tick, window_start, window_end, counts FROM session;
			END IF;
			DELETE FROM expected;
			INSERT INTO expected
			SELECT window_start, window_end, CASE WHEN c.keyed THEN k END, count(*), sum(v), min(v), max(v), count(DISTINCT v)
			FROM verdict JOIN model USING (id) WHERE counts AND verdict.tick <= consumed GROUP BY 1, 2, 3;
		END IF;
		CALL differ(c, 'closed', format('SELECT * FROM expected WHERE window_end + %L::interval <= %L', c.lateness, watermark),
			format('SELECT * FROM %I', c.name || '_closed'));
		-- of a session's late row the end is that of the session it was judged by
		CALL differ(c, 'late', format('SELECT id, ts, wm_before, max(window_end) FROM verdict JOIN model USING (id, tick) JOIN ticks USING (tick)
				WHERE tick <= %s GROUP BY 1, 2, 3 HAVING NOT bool_or(counts)', consumed),
			format('SELECT ("row" ->> ''id'')::int, event_time, watermark, window_end FROM weir.late_rows WHERE aggregate = %L::regclass', c.name));
		CALL differ(c, 'late_rows of stat_aggregates', format('SELECT count(*) FROM (SELECT FROM verdict WHERE tick <= %s GROUP BY id HAVING NOT bool_or(counts)) x', consumed),
			format('SELECT late_rows FROM weir.stat_aggregates WHERE aggregate = %L::regclass', c.name));
		CALL differ(c, 'partly_late_rows of stat_aggregates', format('SELECT count(*) FROM (SELECT FROM verdict WHERE tick <= %s GROUP BY id HAVING bool_or(counts) AND NOT bool_and(counts)) x', consumed),
			format('SELECT partly_late_rows FROM weir.stat_aggregates WHERE aggregate = %L::regclass', c.name));
		DROP TABLE verdict, expected;
	END LOOP;
END $$;
CREATE PROCEDURE differ(c cases, what text, expected text, got text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('WITH expected AS MATERIALIZED (%s), got AS MATERIALIZED (%s),
		difference AS (SELECT ''missing'' AS which, x.*::text FROM (TABLE expected EXCEPT ALL TABLE got) x
			UNION ALL SELECT ''surplus'', x.*::text FROM (TABLE got EXCEPT ALL TABLE expected) x)
		INSERT INTO difference SELECT %L, %L, which, left(string_agg(x, E''\n\t''), 1000) FROM difference GROUP BY which', expected, got, c.name, what);
END $$;
SQL

# --- What a scenario is made of

sub one_of { return $_[ int(rand(@_)) ] }

# Windows that make sense over a span of time: [kind, unit, n, origin, zone]; of a
# session the unit is the gap.
my %span = (
	hours => {
		starts => [ '2024-02-28 21:00', '1969-12-31 22:00', '2024-03-30 23:17:11.5', '2024-10-26 23:00', '0099-01-01' ],
		step => 300,
		windows => sub {
			my @origin = (undef, '2024-03-01 00:00:00.000001+00', '1969-07-20 20:17:40+00');
			return (
				[ 'tumble', one_of('1 minute', '10 minutes', '15 minutes', '00:07:00.5'), 1, one_of(@origin) ],
				[ 'tumble', one_of('1 hour', '90 minutes'), 1, undef, one_of('Europe/Berlin', 'Asia/Kathmandu') ],
				[ 'hop', one_of('5 minutes', '10 minutes', '00:03:20'), one_of(1, 2, 3, 12), one_of(@origin) ],
				[ 'hop', one_of('1 hour', '30 minutes'), one_of(2, 3), one_of(@origin), 'Australia/Lord_Howe' ],
				[ 'cumulate', one_of('5 minutes', '15 minutes'), one_of(1, 2, 4, 12), one_of(@origin) ],
				[ 'cumulate', '30 minutes', one_of(2, 8), undef, 'Europe/Berlin' ],
				[ 'session', one_of('5 minutes', '15 minutes', '1 minute') ],
				[ 'session', one_of('5 minutes', '10 minutes') ]);
		}
	},
	days => {
		starts => [ '2024-03-27', '2024-10-23', '1969-12-28', '2024-04-03', '2024-02-26' ],
		step => 7200,
		windows => sub {
			my @zone = ('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Sao_Paulo');
			return (
				[ 'tumble', one_of('1 day', '7 days'), 1, one_of(undef, '2024-01-01+00') ],
				[ 'tumble', '1 day', 1, undef, one_of(@zone) ],
				[ 'tumble', one_of('4 hours', '1 hour', '90 minutes'), 1, one_of(undef, '2023-12-31 05:00+00'), one_of(@zone) ],
				[ 'hop', one_of('1 hour', '4 hours'), one_of(3, 6), undef, one_of(@zone) ],
				[ 'hop', '1 day', one_of(2, 7), undef, one_of(undef, @zone) ],
				[ 'cumulate', one_of('1 hour', '6 hours', '1 day'), 4, undef, one_of(@zone) ],
				[ 'cumulate', '1 hour', 24, one_of(undef, '2024-01-01+00') ],
				[ 'session', one_of('1 hour', '2 hours') ],
				[ 'session', '1 day' ]);
		}
	},
	months => {
		starts => [ '2023-11-15', '1968-12-01', '2019-12-30' ],
		step => 10 * 86400,
		windows => sub {
			my @origin = (undef, '2023-01-31+00', '2020-02-29+00');
			my @zone = (undef, 'Europe/Berlin', 'America/New_York');
			return (
				[ 'tumble', '1 month', 1, one_of(@origin) ],
				[ 'tumble', one_of('3 months', '1 year', '4 years'), 1, one_of(@origin), one_of(@zone) ],
				[ 'hop', '1 month', one_of(2, 3), one_of(@origin) ],
				[ 'hop', one_of('1 month', '3 months'), 4, undef, one_of(@zone) ],
				[ 'cumulate', '1 month', 12, one_of(@origin) ],
				[ 'cumulate', '1 month', one_of(3, 6), undef, one_of(@zone) ],
				[ 'session', one_of('10 days', '20 days') ],
				[ 'session', one_of('5 days', '240 hours') ]);
		}
	});

sub literal { return defined $_[0] ? "'$_[0]'" : 'NULL' }

# An aggregate over windows of a kind: its case and its creation.
sub make_case
{
	my ($name, $step, $kind, $unit, $n, $origin, $zone) = @_;
	my $lateness = one_of(0, 0, $step, 3 * $step) . ' seconds';
	my ($keyed, $filtered) = (rand() < 0.7, rand() < 0.3);
	my $size = $kind eq 'hop' || $kind eq 'cumulate' ? ", $n * interval '$unit'" : '';
	my $more = ($origin ? ", origin => '$origin'" : '') . ($zone ? ", timezone => '$zone'" : '');
	my $query = 'SELECT w.window_start, w.window_end, ' . ($keyed ? 'k' : 'NULL::text AS k')
	  . ', count(*) AS n, sum(v) AS total, min(v) AS low, max(v) AS high, count(DISTINCT v) AS several'
	  . " FROM s, weir.$kind(ts, '$unit'$size$more) w" . ($filtered ? ' WHERE v % 5 <> 0' : '')
	  . ' GROUP BY w.window_start, w.window_end' . ($keyed ? ', k' : '');

	return "INSERT INTO cases VALUES ('$name', '$kind', '$unit', " . ($n // 'NULL') . ', ' . literal($origin)
	  . ', ' . literal($zone) . ", '$lateness', " . ($keyed ? 'true' : 'false') . ', ' . ($filtered ? 'true' : 'false')
	  . ", \$\$$query\$\$);\n"
	  . "SELECT weir.create_continuous_aggregate('$name', \$\$$query\$\$, allowed_lateness => '$lateness');\n";
}

# The rows of a scenario: [seconds after its start, key, value].
sub make_rows
{
	my ($order, $step, $disorder) = @_;
	my @rows;
	my $now = 0;

	foreach my $i (1 .. 45 + int(rand(20)))
	{
		# on the grid, where the bounds of windows are, half of the time; many at once
		$now += rand() < 0.3 ? 0 : rand() < 0.5 ? $step * (1 + int(rand(3))) : rand(1.5 * $step);
		$now = $step * int($now / $step + 0.5) if rand() < 0.3 && $step * int($now / $step + 0.5) > $now;
		my $back =
		    $order eq 'in order' ? 0
		  : $order eq 'shuffled' ? one_of(0, $disorder, rand($disorder))
		  : one_of(0, 0, rand($disorder), $step * int(rand(30)), rand(20 * $step));
		push @rows, [ $now - $back, one_of('NULL', "'a'", "'a'", "'b'"), int(rand(8)) ];
	}
	return @rows;
}

# Cuts rows into ticks.
sub make_ticks
{
	my ($where, @rows) = @_;
	my @ticks;

	push @ticks, [ splice @rows, 0, $where eq 'each row' ? 1 : $where eq 'random' ? 1 + int(rand(rand() < 0.5 ? 4 : 16)) : scalar @rows ]
	  while @rows;
	return @ticks;
}

sub scenario
{
	my ($name, $span_name, $order, $where) = @_;
	my $span = $span{$span_name};
	my $step = $span->{step};
	my $start = one_of(@{ $span->{starts} });
	my $type = rand() < 0.25 ? 'timestamp' : 'timestamptz';
	my $disorder = $order eq 'in order' ? one_of(0, $step) : $order eq 'shuffled' ? one_of($step, 4 * $step) : one_of(0, 2 * $step);
	my @ticks = make_ticks($where, make_rows($order, $step, $disorder));
	my (%case, %hand);
	my $id = 0;

	# the watermark is moved by hand too, before the only tick for example
	$hand{0} = -$step if rand() < 0.2;
	$hand{0} = 10 * $step if $where eq 'one';
	$hand{$_} = $ticks[ $_ - 1 ][0][0] + rand(3) * $step foreach grep { $where ne 'one' && $order eq 'late' && rand() < 0.05 } 1 .. @ticks;

	my $text = <<SQL;
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT setseed(0);
TRUNCATE model, by_hand, ticks, cases, candidates, difference;
CREATE TABLE s (id int, ts $type, k text, v int);
SELECT weir.create_stream('s', 'ts', max_out_of_orderness => '$disorder seconds');
SQL
	my $number = 0;
	foreach my $window ($span->{windows}->())
	{
		my $case = sprintf 'c%02d', ++$number;

		$case{$case} = 1;
		$text .= make_case($case, $step, @$window);
	}
	my $at = sub { sprintf "timestamptz '$start+00' + interval '%.6f seconds'", shift };
	foreach my $tick (1 .. @ticks)
	{
		$text .= 'INSERT INTO model VALUES '
		  . join(', ', map { '(' . ++$id . ', ' . $at->($_->[0]) . ", $_->[1], $_->[2], $tick)" } @{ $ticks[ $tick - 1 ] })
		  . ";\n";
	}
	$text .= 'INSERT INTO by_hand VALUES (0, \'-infinity\')' . join('', map { ", ($_, " . $at->($hand{$_}) . ')' } sort keys %hand)
	  . ', (' . (@ticks + 1) . ", 'infinity');\nCALL prepare_oracle('$disorder seconds');\n";
	$text .= "SELECT weir.advance_watermark('s', " . $at->($hand{0}) . ");\n" if exists $hand{0};

	# One look somewhere on the way, with rows written but not consumed.
	my $look = 1 + int(rand(@ticks));
	foreach my $tick (1 .. @ticks)
	{
		# several transactions a tick
		my $rows = @{ $ticks[ $tick - 1 ] };
		my $cut = rand() < 0.5 ? int(rand($rows)) : 0;

		$text .= "INSERT INTO s SELECT id, ts, k, v FROM (SELECT *, row_number() OVER (ORDER BY id) AS r FROM model WHERE tick = $tick) x WHERE r $_ $cut;\n"
		  foreach $cut > 0 ? ('<=', '>') : ('>');
		$text .= 'CALL compare(' . ($tick - 1) . ", $tick);\n" if $tick == $look;
		$text .= "CALL weir.drain('s');\n";
		$text .= "SELECT weir.advance_watermark('s', " . $at->($hand{$tick}) . ");\n" if exists $hand{$tick};
		$text .= "CALL compare($tick, $tick);\n" if $tick == @ticks || $tick == $look;
	}
	my $end = @ticks + 1;
	$text .= <<SQL;
SELECT weir.advance_watermark('s', 'infinity');
CALL weir.drain('s');
CALL compare($end, $end);
INSERT INTO difference SELECT aggregate::text, 'state at the end', status, groups || ' groups' FROM weir.stat_aggregates WHERE groups > 0 OR open_windows > 0 OR status <> 'active';
\\pset recordsep '\\n---\\n'
SELECT * FROM difference;
\\pset recordsep '\\n'
SELECT '====';
SELECT name, (SELECT count(*) FROM candidates c WHERE c.name = cases.name), (SELECT count(*) FROM weir.late_rows WHERE aggregate = name::regclass), lateness, query FROM cases ORDER BY name;
SELECT weir.drop_stream('s', cascade => true);
DROP TABLE s;
SQL
	my $file = $node->basedir . "/$name.sql";
	open(my $out, '>', $file) or die "could not write $file: $!";
	print $out $text;
	close($out) or die "could not write $file: $!";
	my ($answer, $error);
	IPC::Run::run(
		[ $node->installed_command('psql'), '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \$answer, '2>', \$error);
	my $title = "$span_name from $start, $order, ticks: $where";
	if ($error ne '' || $answer !~ /^====$/m)
	{
		fail("$title: $file runs");
		diag($error);
		# what is left of it must not disturb the next
		$node->safe_psql('postgres', "SELECT weir.drop_stream('s', cascade => true); DROP TABLE s");
		return;
	}
	my ($differences, $list) = $answer =~ /^(.*)^====\n(.*)/ms;
	$differences =~ s/^(?!c\d\d\|).*\n//mg if $differences !~ /^c\d\d\|/m;
	foreach my $line (split /\n/, $list)
	{
		my ($case, $rows, $late, $lateness, $query) = split /\|/, $line, 5;
		next unless defined $query;
		my @found = grep { /^$case\|/ } split /^(?=c\d\d\|)/m, $differences;

		ok(!@found, "$title: " . $query =~ s/.*FROM s, //r . ", lateness $lateness, $late late");
		diag("in $file: $query\n", @found) if @found;
	}
	return;
}

my @combinations;
foreach my $span ('hours', 'days', 'months')
{
	foreach my $order ('in order', 'shuffled', 'late')
	{
		push @combinations, [ $span, $order, $_ ] foreach 'each row', 'random', 'one';
	}
}
my $done = 0;
foreach my $round (1 .. $rounds)
{
	foreach my $combination (@combinations)
	{
		last if $round > 1 && defined $until && time > $until;
		scenario('scenario_' . ++$done, @$combination);
	}
}
$node->stop;
note("$done scenarios, " . sprintf('%.1f', $done / @combinations) . " rounds of $rounds");
cmp_ok(Test::More->builder->current_test, '>=', int(200 * $done / @combinations), 'there were enough cases');
done_testing();
