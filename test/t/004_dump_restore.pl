
# pg_dump and pg_restore into a fresh cluster, with rows in the streams that are
# not consumed yet, for each kind of retention: nothing is lost, nothing is
# counted twice, the definitions live, and the worker goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

# One stream for each kind of retention: rows are kept, kept for an hour of event
# time, or deleted as they are consumed.
my %retention = (kept => 'NULL', trimmed => "'1 hour'", queue => "'0'");
my @streams = sort keys %retention;

my $node = weir_node('source');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', <<'SQL');
CREATE EXTENSION weir;
CREATE SCHEMA app;
SELECT weir.create_wide_table('app.profiles');
SELECT weir.add_family('app.profiles', 'stats', weir.max_versions(3));
SQL
foreach my $stream (@streams)
{
	$node->safe_psql('app', <<SQL);
CREATE TABLE app.$stream (id bigint PRIMARY KEY, ts timestamptz NOT NULL, key int, value numeric);
SELECT weir.create_stream('app.$stream', 'ts', max_out_of_orderness => '1 minute',
	retention => $retention{$stream});
SELECT weir.create_continuous_aggregate('app.${stream}_hourly', \$\$
	SELECT w.window_start, w.window_end, s.key, count(*) AS n, sum(s.value) AS total, avg(s.value) AS mean,
		count(DISTINCT s.id % 7) AS kinds, weir.last(s.value, s.ts) AS latest
	FROM app.$stream s, weir.tumble(s.ts, '1 hour') w
	GROUP BY w.window_start, w.window_end, s.key \$\$);
SELECT weir.create_continuous_aggregate('app.${stream}_six_hours', \$\$
	SELECT w.window_start, w.window_end, sum(h.n) AS n, sum(h.total) AS total
	FROM app.${stream}_hourly h, weir.tumble(h.window_start, '6 hours') w
	GROUP BY w.window_start, w.window_end \$\$);
SELECT weir.create_continuous_aggregate('app.${stream}_short', \$\$
	SELECT w.window_start, w.window_end, count(*) AS n, sum(s.value) AS total
	FROM app.$stream s, weir.tumble(s.ts, '10 minutes') w GROUP BY w.window_start, w.window_end \$\$,
	retention => '30 minutes');
SELECT weir.create_continuous_aggregate('app.${stream}_over_short', \$\$
	SELECT w.window_start, w.window_end, sum(h.n) AS n, sum(h.total) AS total
	FROM app.${stream}_short h, weir.tumble(h.window_start, '6 hours') w
	GROUP BY w.window_start, w.window_end \$\$);
SELECT weir.create_sink('${stream}_profile', 'app.${stream}_hourly', \$\$
	SELECT weir.mutate_row('app.profiles', '$stream:' || key,
		weir.set_cell('stats', 'n', n::text, window_start)) FROM closed \$\$);
SQL
}
# A running aggregate can be rebuilt from its table only if that was never trimmed.
$node->safe_psql('app', <<'SQL');
SELECT weir.create_continuous_aggregate('app.kept_ever', $$
	SELECT key, count(*) AS n, sum(value) AS total FROM app.kept GROUP BY key $$);
SQL

# Rows $from to $to, one a second.
sub add_rows
{
	my ($on, $from, $to) = @_;

	$on->safe_psql('app', join '', map { <<SQL } @streams);
INSERT INTO app.$_ SELECT i, timestamptz '2024-01-01 00:00:00Z' + interval '1 second' * i, i % 5, i / 3.0
FROM generate_series($from, $to) i;
SQL
	return;
}

# What the rows 1 to $to come to.
sub hourly
{
	my ($to) = @_;

	return <<SQL;
SELECT w.window_start, w.window_end, i % 5, count(*), sum(i / 3.0), avg(i / 3.0),
	count(DISTINCT i % 7), weir.last(i / 3.0, timestamptz '2024-01-01 00:00:00Z' + interval '1 second' * i)
FROM generate_series(1, $to) i,
	weir.tumble(timestamptz '2024-01-01 00:00:00Z' + interval '1 second' * i, '1 hour') w
GROUP BY 1, 2, 3
SQL
}

sub six_hours
{
	my ($to) = @_;

	return <<SQL;
SELECT w.window_start, w.window_end, count(*)::numeric, sum(i / 3.0)
FROM generate_series(1, $to) i,
	weir.tumble(timestamptz '2024-01-01 00:00:00Z' + interval '1 second' * i, '6 hours') w
GROUP BY 1, 2
SQL
}

sub ever
{
	my ($to) = @_;

	return "SELECT i % 5, count(*), sum(i / 3.0) FROM generate_series(1, $to) i GROUP BY 1";
}

add_rows($node, 1, 20000);
foreach my $stream (@streams)
{
	is($node->safe_psql('app', "SELECT weir.wait('app.$stream')"), 't', "$stream: consumed");
	cmp_ok($node->safe_psql('app', "SELECT count(*) FROM app.${stream}_hourly_closed"),
		'>', 0, "$stream: windows are closed");
}
ok($node->poll_query_until('app', "SELECT count(*) < 10000 FROM app.trimmed"), 'old rows are gone');
is($node->safe_psql('app', 'SELECT count(*) FROM app.queue'), '0', 'the queue is empty');

foreach my $stream (@streams)
{
	ok($node->poll_query_until('app', "SELECT count(*) < 6 FROM app.${stream}_short_closed"),
		"$stream: closed rows are gone");
}

# Some that one has not consumed, which stay in the queue, and some that nobody has.
$node->safe_psql('app', "SELECT weir.pause('app.${_}_short')") foreach @streams;
add_rows($node, 20001, 21500);
foreach my $stream (@streams)
{
	is($node->safe_psql('app', "SELECT weir.wait('app.$stream')"), 't', "$stream: consumed by most");
}
$node->safe_psql('app', "SELECT weir.pause('app.$_')") foreach @streams;
add_rows($node, 21501, 23000);
is($node->safe_psql('app', 'SELECT count(*) FROM app.queue'), '3000', 'the queue holds what one has not consumed');

my $plain = $node->basedir . '/app.sql';
my $directory = $node->basedir . '/app.dir';
$node->command_checks_all([ 'pg_dump', '-d', $node->connstr('app'), '-f', $plain ],
	0, [qr/^$/], [qr/^$/], 'pg_dump, plain, has nothing to complain about');
$node->command_ok([ 'pg_dump', '-d', $node->connstr('app'), '-Fd', '-j', '3', '-f', $directory ],
	'pg_dump, parallel');
my $profiles = $node->safe_psql('app',
	'SELECT row_key, family, qualifier, ts, value FROM weir.read_rows(\'app.profiles\')');
$node->stop;

foreach my $kind ('plain', 'parallel')
{
	my $fresh = weir_node("fresh_$kind");

	$fresh->start;
	$fresh->safe_psql('postgres', 'CREATE DATABASE app');
	if ($kind eq 'plain')
	{
		$fresh->command_ok(
			[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $fresh->connstr('app'), '-f', $plain ],
			'restored, plain');
	}
	else
	{
		$fresh->command_ok(
			[ 'pg_restore', '--exit-on-error', '-j', '3', '-d', $fresh->connstr('app'), $directory ],
			'restored, parallel');
	}

	is($fresh->safe_psql('app',
			'SELECT row_key, family, qualifier, ts, value FROM weir.read_rows(\'app.profiles\')'),
		$profiles, "$kind: the wide table is the same");
	# The states are made again from the rows before the views answer.
	foreach my $stream (@streams)
	{
		is($fresh->safe_psql('app', "SELECT is_paused FROM weir.stat_streams WHERE stream = 'app.$stream'::regclass"), 't',
			"$kind, $stream: is paused as it was");
		$fresh->safe_psql('app', "SELECT weir.resume('app.$stream')");
		is($fresh->safe_psql('app', "SELECT weir.wait('app.$stream')"), 't', "$kind, $stream: wakes up");
		is($fresh->safe_psql('app', "SELECT count(*) FROM weir.stat_aggregates
				WHERE aggregate::text LIKE 'app.${stream}_%' AND (in_history OR status <> 'active')
					AND aggregate <> 'app.${stream}_short'::regclass"), '0',
			"$kind, $stream: started");
		is($fresh->safe_psql('app', "SELECT status FROM weir.stat_aggregates WHERE aggregate = 'app.${stream}_short'::regclass"), 'paused',
			"$kind, $stream: one that was paused");
		$fresh->safe_psql('app', "SELECT weir.resume('app.${stream}_short')");
		is($fresh->safe_psql('app', "SELECT weir.wait('app.$stream')"), 't', "$kind, $stream: that catches up");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_hourly", hourly(23000),
			"$kind, $stream: the live view, as restored");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_six_hours", six_hours(23000),
			"$kind, $stream: the one over it, as restored");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_over_short", six_hours(23000),
			"$kind, $stream: one over rows that are deleted, as restored");
	}
	same_rows($fresh, 'app', 'SELECT * FROM app.kept_ever', ever(23000), "$kind: running, as restored");

	add_rows($fresh, 23001, 26000);
	foreach my $stream (@streams)
	{
		is($fresh->safe_psql('app', "SELECT weir.wait('app.$stream')"), 't', "$kind, $stream: goes on");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_hourly", hourly(26000),
			"$kind, $stream: the live view, after more rows");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_six_hours", six_hours(26000),
			"$kind, $stream: the one over it, after more rows");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_over_short", six_hours(26000),
			"$kind, $stream: one over rows that are deleted, after more rows");
		$fresh->safe_psql('app', "SELECT weir.advance_watermark('app.$stream', 'infinity')");
		$fresh->safe_psql('app', "SELECT weir.wait('app.$stream')");
		ok($fresh->poll_query_until('app',
				"SELECT count(*) = (SELECT count(*) FROM (" . hourly(26000) . ") x) FROM app.${stream}_hourly_closed"),
			"$kind, $stream: every window closes");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_hourly_closed", hourly(26000),
			"$kind, $stream: closed");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_six_hours_closed", six_hours(26000),
			"$kind, $stream: closed over it");
		same_rows($fresh, 'app', "SELECT * FROM app.${stream}_over_short_closed", six_hours(26000),
			"$kind, $stream: closed over rows that are deleted");
		same_rows($fresh, 'app',
			"SELECT convert_from(row_key, 'UTF8'), ts, convert_from(value, 'UTF8')::bigint
				FROM weir.read_rows('app.profiles', prefix => '$stream:')",
			"SELECT '$stream:' || key, window_start, n FROM
				(SELECT *, row_number() OVER (PARTITION BY key ORDER BY window_start DESC) AS version
				FROM app.${stream}_hourly_closed) x WHERE version <= 3",
			"$kind, $stream: the sink goes on");
	}
	same_rows($fresh, 'app', 'SELECT * FROM app.kept_ever', ever(26000), "$kind: running, after more rows");
	$fresh->stop;
}

done_testing();
