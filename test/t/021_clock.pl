
# The system's clock is set while the server runs, for the server alone: a library
# that is preloaded into it (test/clock) tells it the time, and reads how far that
# is off from a file. Watermarks never go back, rows are counted or late but never
# lost, and what follows the clock goes on with it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $directory = PostgreSQL::Test::Utils::tempdir;
my $library = "$directory/clock.so";
my $file = "$directory/clock";

plan skip_all => 'the clock cannot be compiled here'
  if system($ENV{CC} // 'cc', '-shared', '-fPIC', '-O', '-o', $library, "$FindBin::RealBin/../clock/clock.c") != 0;

# so many seconds ahead
sub set_clock
{
	my ($seconds) = @_;

	open(my $out, '+<', $file) or die "could not open $file: $!";
	syswrite($out, pack('q', $seconds * 1_000_000)) == 8 or die "could not write $file: $!";
	close($out);
	return;
}

append_to_file($file, pack('q', 0));
my $node = weir_node('clock', conf => "log_statement = none\nweir.naptime = '100ms'");
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{WEIR_CLOCK} = $file;

	$node->start;
}
set_clock(86400);
my $shift = $node->safe_psql('postgres', 'SELECT round(extract(epoch FROM clock_timestamp()) - ' . time . ')');
set_clock(0);
if (abs($shift - 86400) > 600)
{
	$node->stop;
	plan skip_all => 'the clock does not reach the server here';
}

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE arrivals (id int);
SELECT weir.create_stream('arrivals');
SELECT weir.create_continuous_aggregate('arrived', 'SELECT count(*) AS n, sum(id) AS total FROM arrivals');
CREATE TABLE events (ts timestamptz NOT NULL, source text, id int);
SELECT weir.create_stream('events', 'ts', source => 'source', idle_timeout => '1 second');
SELECT weir.create_continuous_aggregate('events_1s', 'SELECT w.window_start, w.window_end, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 second'') w GROUP BY w.window_start, w.window_end');
SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS n, sum(id) AS total FROM events');
SQL

my %watermark;

# The watermark of a stream now; it is an error if it has gone back.
sub look
{
	my ($stream, $name) = @_;
	my $now = $node->safe_psql('postgres', "SELECT extract(epoch FROM watermark) FROM weir.stat_streams WHERE stream = '$stream'::regclass");

	cmp_ok($now, '>=', $watermark{$stream}, "$name: the watermark of $stream has not gone back") if defined $watermark{$stream};
	$watermark{$stream} = $now if $now ne '';
	return;
}

sub nothing_lost
{
	my ($name) = @_;

	foreach my $stream ('arrivals', 'events')
	{
		is($node->safe_psql('postgres', "SELECT weir.wait('$stream', '3 minutes')"), 't', "$name: $stream consumed");
		look($stream, $name);
	}
	is($node->safe_psql('postgres', <<'SQL'), $node->safe_psql('postgres', 'SELECT count(*) FROM events'), "$name: all is in a window or late");
SELECT (SELECT sum(n) FROM events_1s) + (SELECT count(*) FROM weir.late_rows WHERE aggregate = 'events_1s'::regclass)
SQL
	same_rows($node, 'postgres', 'SELECT * FROM ever', 'SELECT count(*), sum(id) FROM events', "$name: each event once");
	same_rows($node, 'postgres', 'SELECT * FROM arrived', 'SELECT count(*), sum(id) FROM arrivals', "$name: each arrival once");
	return;
}

my $id = 0;

sub add_rows
{
	$node->safe_psql('postgres', <<SQL);
INSERT INTO arrivals SELECT generate_series($id + 1, $id + 50);
INSERT INTO events SELECT clock_timestamp(), CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, i FROM generate_series($id + 1, $id + 50) i;
SQL
	$id += 50;
	return;
}

# With all sources silent the watermark follows the clock.
sub follows_the_clock
{
	my ($name) = @_;

	foreach my $stream ('arrivals', 'events')
	{
		ok($node->poll_query_until('postgres',
				"SELECT watermark > clock_timestamp() - interval '1 minute' FROM weir.stat_streams WHERE stream = '$stream'::regclass"),
			"$name: the watermark of $stream follows the clock");
		look($stream, $name);
	}
	return;
}

add_rows();
nothing_lost('at first');
follows_the_clock('at first');
foreach my $step ([ -3600, 'an hour back' ], [ -3610, 'ten seconds back' ], [ 7200, 'three hours ahead' ],
	[ 0, 'two hours back, in the middle of work' ])
{
	my ($offset, $name) = @$step;

	add_rows() if $name =~ /middle/;
	set_clock($offset);
	add_rows();
	nothing_lost($name);
	add_rows();
	nothing_lost("$name, more rows");
	follows_the_clock($name) if $offset > 0;
}

# The worker has not been made to wait: what was put off until a time that is far
# away now is not put off that long.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE switch (fails bool);
INSERT INTO switch VALUES (true);
CREATE TABLE told (n bigint);
SELECT weir.create_sink('sink', 'events_1s', 'INSERT INTO told SELECT n / (SELECT 1 - fails::int FROM switch) FROM closed');
SQL
set_clock(14400);
add_rows();
ok($node->poll_query_until('postgres', "SELECT failures > 0 FROM weir.stat_sinks WHERE name = 'sink'"), 'a sink fails');
set_clock(10800);
$node->safe_psql('postgres', 'UPDATE switch SET fails = false');
$node->safe_psql('postgres', "SELECT weir.advance_watermark('events', clock_timestamp() + interval '2 hours')");
ok($node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM told'), 'and is tried again, though the clock is an hour back');
nothing_lost('at last');

# Silence that was noted by a clock which was ahead is over when it would have been.
my $start = 10800;
set_clock($start);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE quiet (ts timestamptz NOT NULL, source text);
CREATE TABLE quiet_sources (LIKE quiet INCLUDING ALL);
SELECT weir.create_stream('quiet', 'ts', idle_timeout => '1 hour');
SELECT weir.create_stream('quiet_sources', 'ts', source => 'source', idle_timeout => '1 hour');
SELECT weir.create_continuous_aggregate('quiet_1s', 'SELECT w.window_start, w.window_end, count(*) AS n
	FROM quiet e, weir.tumble(e.ts, ''1 second'') w GROUP BY w.window_start, w.window_end');
SELECT weir.create_continuous_aggregate('quiet_sources_1s', 'SELECT w.window_start, w.window_end, count(*) AS n
	FROM quiet_sources e, weir.tumble(e.ts, ''1 second'') w GROUP BY w.window_start, w.window_end');
SQL
set_clock($start + 3000);
foreach my $stream ('quiet', 'quiet_sources')
{
	$node->safe_psql('postgres', <<"SQL");
INSERT INTO $stream VALUES (clock_timestamp() - interval '50 minutes', 'a'), (clock_timestamp() - interval '2 hours', 'b');
SELECT weir.wait('$stream');
SQL
}
set_clock($start);
foreach my $silence ("_cursor WHERE NOT EXISTS (SELECT FROM weir._cursor later WHERE later.id = _cursor.id AND later.version > _cursor.version)
	AND stream_id IN (SELECT id FROM weir._stream WHERE idle_timeout IS NOT NULL)", '_source')
{
	ok($node->poll_query_until('postgres', "SELECT bool_and(last_row_at <= clock_timestamp()) FROM weir.$silence"),
		'silence begins now at the latest');
}
set_clock($start + 3700);
foreach my $stream ('quiet', 'quiet_sources')
{
	ok($node->poll_query_until('postgres',
			"SELECT watermark > clock_timestamp() - interval '62 minutes' FROM weir.stat_streams WHERE stream = '$stream'::regclass"),
		"the watermark of $stream follows the clock after an hour");
}

$node->stop;
done_testing();
