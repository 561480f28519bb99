
# Dumps of a queue while its aggregates stand at different places: the dump has rows
# that some of them have counted, and their states.  Restored, each counts just what
# it had not; also if some rows are equal to others, have changed since, or come out
# of the dump as they did not go in, and whichever way the dump is made.  And late rows:
# each is kept once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('queue', conf => "weir.start_workers = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE dumper LOGIN; GRANT pg_read_all_data TO dumper;');

sub query
{
	my ($db, $sql) = @_;

	return $node->safe_psql($db, $sql);
}

# restore(DB, FILE): a new database out of a dump, not started yet.
sub restore
{
	my ($db, $file) = @_;

	query('postgres', "CREATE DATABASE $db");
	if ($file =~ /\.sql$/)
	{
		$node->command_ok(
			[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-f', $file ],
			"$db: restored");
	}
	else
	{
		$node->command_ok(
			[ 'pg_restore', '--exit-on-error', (-d $file ? ('-j', '3') : ()), '-d', $node->connstr($db), $file ],
			"$db: restored");
	}
	return;
}

# copy_to(DB, FROM, OPTION...): by pg_dump with these options (-Fc if there are none)
# and restore.
sub copy_to
{
	my ($db, $from, @options) = @_;
	my $file = $node->basedir . "/$db." . (grep({ /^--inserts|^-Fp/ } @options) ? 'sql' : 'dump');

	@options = ('-Fc') unless @options;
	$node->command_ok([ 'pg_dump', '-U', 'dumper', @options, '-d', $node->connstr($from), '-f', $file ],
		"$db: dumped");
	restore($db, $file);
	return;
}

# One for each kind of column whose text form depends on settings, or has an oid in its
# binary form; one that is gone, one that is computed.  All that has ever been inserted
# is in "everything"; the rows of a thousand are twice in the queue.
query('postgres', 'CREATE DATABASE app');
query('app', <<'SQL');
CREATE EXTENSION weir;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
CREATE TYPE pair AS (a int, m mood);
CREATE TABLE q (ts timestamptz NOT NULL, gone int, k int, id int, f float8, r real, num numeric, i interval,
	b bytea, j jsonb, moods mood[], p pair, long text, m money, d date, o regclass, "no ""thing" text,
	twice int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE q DROP COLUMN gone;
CREATE TABLE everything (ts timestamptz, k int, id int);
CREATE FUNCTION add_rows(first int, last int) RETURNS void LANGUAGE SQL AS $$
	INSERT INTO q SELECT timestamptz '2024-01-01 00:00:00.123456Z' + n * interval '1 second', n % 7, n, n / 3.0::float8,
			(n / 7.0)::real, n / 1.10, n * interval '1 month 1 day 1.000001 s', decode(md5(n::text), 'hex'),
			jsonb_build_object('n', n), ARRAY[enum_first(NULL::mood), NULL], ROW(n, 'glad')::pair,
			CASE WHEN n % 500 = 0 THEN (SELECT string_agg(md5((n + x)::text), '') FROM generate_series(1, 500) x) ELSE 'short ä' END,
			n::money, date '2024-02-03' + n, 'pg_class'::regclass
		FROM generate_series(first, last) n, generate_series(1, CASE WHEN n % 1000 = 0 THEN 2 ELSE 1 END);
	INSERT INTO everything SELECT timestamptz '2024-01-01 00:00:00.123456Z' + n * interval '1 second', n % 7, n
		FROM generate_series(first, last) n, generate_series(1, CASE WHEN n % 1000 = 0 THEN 2 ELSE 1 END);
$$;
-- Fails if it is told to: an aggregate that does not get past its first rows.
CREATE FUNCTION touchy(k int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('test.fail', true) = 'on' AND k = 200 THEN
		RAISE 'touchy';
	END IF;
	RETURN k;
END $$;
SELECT weir.create_stream('q', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('ahead', 'SELECT touchy(k) AS k, count(*) AS n, sum(id) AS total, count(DISTINCT id) AS ids FROM q GROUP BY touchy(k)');
SELECT weir.create_continuous_aggregate('minutes', $$
	SELECT w.window_start, w.window_end, count(*) AS n, sum(id) AS total FROM q, weir.tumble(ts, '1 minute') w
	GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('hours', $$
	SELECT w.window_start, w.window_end, sum(n) AS n, sum(total) AS total FROM minutes, weir.tumble(minutes.window_start, '1 hour') w
	GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('halfway', $$
	SELECT w.window_start, w.window_end, count(*) AS n, sum(id) AS total FROM q, weir.tumble(ts, '1 minute') w
	GROUP BY w.window_start, w.window_end $$);
SELECT weir.create_continuous_aggregate('behind', 'SELECT k, count(*) AS n, sum(id) AS total, count(DISTINCT id) AS ids FROM q GROUP BY k');
SQL

my $by_key = 'SELECT k, count(*), sum(id), count(DISTINCT id) FROM everything WHERE %s GROUP BY k';
my $by_window = q{SELECT w.window_start, w.window_end, %s FROM everything, weir.tumble(ts, '1 %s') w WHERE %s GROUP BY 1, 2};

# Everything is counted once by all, whether consumed or not; "fresh" has been there
# since the rows after 3000, late rows are those with k = 100.
sub is_exact
{
	my ($db, $name) = @_;

	same_rows($node, $db, "SELECT * FROM $_", sprintf($by_key, 'true'), "$name: $_") foreach ('ahead', 'behind');
	same_rows($node, $db, "SELECT * FROM $_", sprintf($by_window, 'count(*), sum(id)', 'minute', 'k <> 100'), "$name: $_")
	  foreach ('minutes', 'halfway');
	same_rows($node, $db, 'SELECT * FROM hours', sprintf($by_window, 'count(*)::numeric, sum(id)::numeric', 'hour', 'k <> 100'), "$name: hours");
	same_rows($node, $db, 'SELECT * FROM fresh', sprintf($by_key, 'id > 3000 OR k = 100'), "$name: fresh", 1)
	  if query($db, "SELECT to_regclass('fresh')") ne '';
	return;
}

# What was paused is still.
sub resume_all
{
	my ($db) = @_;

	query($db, "SELECT weir.resume(aggregate) FROM weir.stat_aggregates WHERE status = 'paused'");
	query($db, "CALL weir.drain('q')");
	return;
}

# And nothing is lost or doubled by going on.
sub goes_on
{
	my ($db, $name) = @_;

	is_exact($db, "$name, before it has started");
	query($db, "CALL weir.drain('q')");
	is_exact($db, "$name, started");
	resume_all($db);
	is_exact($db, "$name, resumed");
	is(query($db, q{SELECT count(*) FROM weir.stat_aggregates WHERE status <> 'active' OR in_history}), '0', "$name: all are active");
	query($db, 'SELECT add_rows(50001, 50500)');
	is_exact($db, "$name, with new rows");
	query($db, "CALL weir.drain('q')");
	is_exact($db, "$name, with new rows, consumed");
	is(query($db, 'SELECT count(*) FROM q'), '0', "$name: the queue is empty");
	is(query($db, 'SELECT count(*) FROM weir._counted') . query($db, 'SELECT count(*) FROM weir._left_out'), '00',
		"$name: nothing is left of the dump");
	query($db, "SELECT weir.advance_watermark('q', 'infinity')");
	is_exact($db, "$name, closed");
	return;
}

# --- all wait for the same rows
query('app', 'SELECT add_rows(1, 1000)');
query('app', "CALL weir.drain('q')");
is(query('app', 'SELECT count(*) FROM q'), '0', 'the queue is empty');
query('app', 'SELECT add_rows(1001, 1500)');
copy_to('even', 'app');
goes_on('even', 'even');

# --- three places, and one that was made when rows were there
query('app', "CALL weir.drain('q')");
query('app', "SELECT weir.pause('behind')");
query('app', 'SELECT add_rows(1501, 2000)');
query('app', "CALL weir.drain('q')");
query('app', "SELECT weir.pause('halfway')");
query('app', 'SELECT add_rows(2001, 3000)');
query('app', "CALL weir.drain('q')");
query('app', <<'SQL');
SELECT weir.create_continuous_aggregate('fresh', 'SELECT k, count(*) AS n, sum(id) AS total, count(DISTINCT id) AS ids FROM q GROUP BY k',
	with_data => false);
SQL
copy_to('all_rows', 'app');
goes_on('all_rows', 'one has counted all');

# Rows equal to some that are counted; and one that is late: for "minutes" at once, for
# "halfway" when it is consumed.
query('app', 'SELECT add_rows(3001, 4000)');
query('app', "CALL weir.drain('q')");
query('app', q{SELECT add_rows(4000, 4000), add_rows(4000, 4000), add_rows(3990, 4300)});
query('app', q{WITH late AS (INSERT INTO q (ts, k, id) VALUES ('2024-01-01 00:00:01', 100, 1), ('2024-01-01 00:00:02', 100, 2) RETURNING ts, k, id)
	INSERT INTO everything SELECT * FROM late});
query('app', "CALL weir.drain('q')");
query('app', 'SELECT add_rows(4300, 4301), add_rows(4299, 5000)');
is(query('app', q{SELECT count(*) FROM weir.late_rows}), '2', 'two rows are late for one');
is_exact('app', 'the origin');

foreach my $way (
	[ 'some_rows', '-Fc' ],
	[ 'plain', '-Fp' ],
	[ 'inserts', '--inserts' ],
	[ 'parallel', '-Fd', '-j', '3' ])
{
	my ($db, @options) = @{$way};

	copy_to($db, 'app', @options);
	is(query($db, 'SELECT count(*) FROM weir.late_rows'), '2', "$db: late rows are there");
	goes_on($db, $db);
	is(query($db, q{SELECT string_agg(aggregate::text || count, ' ' ORDER BY aggregate::text)
			FROM (SELECT aggregate, count(*) FROM weir.late_rows GROUP BY 1) x}), 'halfway2 minutes2',
		"$db: rows that were late, and some that are now");
}

# --- another dump before it is used up: not started; stuck in its first rows
copy_to('first_again', 'app');
copy_to('again', 'first_again');
goes_on('again', 'dumped again');

query('first_again', q{ALTER DATABASE first_again SET test.fail = 'on'; ALTER DATABASE first_again SET weir.tick_blocks = 1});
query('first_again', q{WITH last AS (INSERT INTO q (ts, k, id) VALUES ('2024-01-01 02:00:00', 200, 6000) RETURNING ts, k, id)
	INSERT INTO everything SELECT * FROM last});
query('first_again', "CALL weir.drain('q')");
# the server is free to put the row where there is room
is(query('first_again', q{SELECT max(history_block) FROM weir._cursor WHERE history_leaf IS NOT NULL}),
	query('first_again', q{SELECT (ctid::text::point)[0] FROM q WHERE id = 6000}), 'one has come to the row that it fails at');
is(query('first_again', q{SELECT string_agg(aggregate::text, ' ') FROM weir.stat_aggregates WHERE in_history AND status <> 'paused'}), 'ahead',
	'and does not get past it');
query('first_again', 'SELECT add_rows(20001, 20100)');
copy_to('stuck', 'first_again');
goes_on('stuck', 'dumped when stuck');
query('first_again', q{ALTER DATABASE first_again RESET test.fail});
query('first_again', q{SELECT weir.pause('ahead'), weir.pause('minutes')});
is_exact('first_again', 'stuck and paused');
fails_ok($node, 'first_again', 'VACUUM FULL q', qr/first rows are being read/, 'rows do not move meanwhile');
query('first_again', q{SELECT weir.resume('ahead'), weir.resume('minutes')});
query('first_again', "CALL weir.drain('q')");
is_exact('first_again', 'no longer stuck');
resume_all('first_again');
is(query('first_again', 'SELECT count(*) FROM weir._left_out'), '0', 'no longer stuck: nothing is left');

# --- what happens between restore and start
sub is_exact_without
{
	my ($db, $gone, $name) = @_;

	same_rows($node, $db, 'SELECT * FROM ahead', sprintf($by_key, 'true'), "$name: ahead");
	same_rows($node, $db, 'SELECT * FROM behind', sprintf($by_key, "id NOT IN ($gone)"), "$name: behind");
	return;
}

my $unclear = qr/restored with other rows than it had counted/;
copy_to('inserted', 'app');
query('inserted', 'SELECT add_rows(30001, 30010)');
goes_on('inserted', 'inserted');

copy_to('deleted', 'app');
query('deleted', 'DELETE FROM q WHERE id IN (1600, 3500)');		# counted by some
query('deleted', q{SELECT weir.drop_continuous_aggregate('halfway')});
is_exact_without('deleted', '1600, 3500', 'deleted, before it has started');
query('deleted', "CALL weir.drain('q')");
is_exact_without('deleted', '1600, 3500', 'deleted');
is(query('deleted', 'SELECT count(*) FROM weir._counted'), '0', 'deleted: nothing is left');

# Both together could be rows that have changed on their way; so could rows that are gone
# which nobody had counted.
copy_to('deleted_both', 'app');
query('deleted_both', 'DELETE FROM q WHERE id IN (1600, 4999)');	# counted by some, and by nobody
query('deleted_both', "CALL weir.drain('q')");
fails_ok($node, 'deleted_both', 'SELECT * FROM ahead', $unclear, 'deleted, also what was not counted');
query('deleted_both', q{SELECT weir.resume('ahead')});
query('deleted_both', "CALL weir.drain('q')");
same_rows($node, 'deleted_both', 'SELECT * FROM ahead', sprintf($by_key, 'id <> 4999'), 'deleted, also what was not counted, resumed');

copy_to('changed', 'app');
query('changed', 'DELETE FROM q WHERE id IN (1600, 3500)');
query('changed', 'SELECT add_rows(30001, 30010)');
query('changed', "CALL weir.drain('q')");
fails_ok($node, 'changed', 'SELECT * FROM ahead', $unclear, 'deleted and inserted');
query('changed', q{SELECT weir.resume('ahead'), weir.resume('minutes'), weir.resume('halfway'), weir.resume('fresh')});
resume_all('changed');
is_exact_without('changed', '1600, 3500', 'deleted and inserted, resumed');
is(query('changed', 'SELECT count(*) FROM q') . query('changed', 'SELECT count(*) FROM weir._counted'), '00', 'deleted and inserted: nothing is left');

# --- a restore that is not complete yet: what had been counted comes last
my $file = $node->basedir . '/changed.dump';
my ($list) = run_command([ 'pg_restore', '-l', $file ]);
my %listed = (first => join("\n", grep { !/TABLE DATA weir _counted/ } split(/\n/, $list)),
	last => join("\n", grep { /TABLE DATA weir _counted/ } split(/\n/, $list)));
query('postgres', 'CREATE DATABASE unfinished');
sub restore_part
{
	my ($part) = @_;

	PostgreSQL::Test::Utils::append_to_file($node->basedir . "/$part.list", "$listed{$part}\n");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-L', $node->basedir . "/$part.list", '-d', $node->connstr('unfinished'), $file ],
		"unfinished: restored, $part");
	return;
}
restore_part('first');
fails_ok($node, 'unfinished', "SELECT * FROM $_", qr/has not been restored completely/, "unfinished: $_") foreach ('ahead', 'behind');
query('unfinished', "CALL weir.drain('q')");
query('unfinished', 'SELECT add_rows(50001, 50010)');
query('unfinished', "CALL weir.drain('q')");
fails_ok($node, 'unfinished', 'SELECT * FROM ahead', qr/has not been restored completely/, 'unfinished: still not there');
restore_part('last');
is_exact('unfinished', 'unfinished, now that it is there');
query('unfinished', "SELECT weir._maintain_aggregate('$_')") foreach ('ahead', 'minutes', 'halfway', 'behind', 'fresh');
goes_on('unfinished', 'unfinished');

# --- a dump that has been damaged
copy_to('damaged', 'app');
query('damaged', q{UPDATE weir._counted SET digests = '\x00' WHERE part = 1});
fails_ok($node, 'damaged', 'SELECT * FROM ahead', qr/digests of counted rows have an invalid length/, 'damaged, before it has started');
query('damaged', "CALL weir.drain('q')");
is(query('damaged', q{SELECT status, last_error ~ 'could not be found out.*invalid length' FROM weir.stat_aggregates WHERE aggregate = 'minutes'::regclass}),
	'failed|t', 'damaged: held back');
query('damaged', q{SELECT weir.skip('ahead')});
query('damaged', q{SELECT weir.drop_continuous_aggregate('hours'), weir.drop_continuous_aggregate('minutes')});
is(query('damaged', q{SELECT sum(n) FROM ahead}), query('app', 'SELECT count(*) - 705 FROM everything'), 'damaged: skips all');

# --- values that do not survive: nobody counts twice without having been told to
copy_to('rounded', 'app', '-Fc', '--extra-float-digits=-12');
fails_ok($node, 'rounded', 'SELECT * FROM ahead', $unclear, 'rounded, before it has started');
query('rounded', "CALL weir.drain('q')");
fails_ok($node, 'rounded', 'SELECT * FROM ahead', $unclear, 'rounded, started');
query('rounded', q{SELECT weir.pause('ahead')});
fails_ok($node, 'rounded', 'SELECT * FROM ahead', $unclear, 'rounded, paused');
is(query('rounded', q{SELECT status, last_error ~ '[1-9][0-9]* rows .* are missing, and the others are not those' FROM weir.stat_aggregates WHERE aggregate = 'minutes'::regclass}),
	'failed|t', 'rounded: held back');
same_rows($node, 'rounded', 'SELECT * FROM behind', sprintf($by_key, 'true'), 'rounded: one that had counted nothing goes on');
cmp_ok(query('rounded', 'SELECT count(*) FROM q'), '>', 3000, 'rounded: rows stay');
copy_to('rounded_again', 'rounded');
query('rounded_again', "CALL weir.drain('q')");
fails_ok($node, 'rounded_again', 'SELECT * FROM minutes', $unclear, 'rounded, dumped again');
query('rounded', q{SELECT weir.resume('ahead'), weir.skip('minutes'), weir.skip('halfway'), weir.skip('fresh')});
query('rounded', 'SELECT add_rows(40001, 40100)');
query('rounded', "CALL weir.drain('q')");
resume_all('rounded');
is(query('rounded', q{SELECT count(*) FROM weir.stat_aggregates WHERE status <> 'active' OR in_history}), '0', 'rounded: all go on');
is(query('rounded', 'SELECT (SELECT sum(n) FROM ahead) > (SELECT count(*) FROM everything)'), 't', 'rounded, resumed: rows count twice');
is(query('rounded', 'SELECT (SELECT sum(n) FROM minutes) < (SELECT count(*) FROM everything)'), 't', 'rounded, skipped: rows are missing');
is(query('rounded', 'SELECT count(*) FROM weir._counted'), '0', 'rounded: nothing is left');

# --- a dump of what row security lets through
query('app', <<'SQL');
CREATE ROLE partly LOGIN;
GRANT pg_read_all_data TO partly;
ALTER TABLE q ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON q TO partly USING (id % 2 = 0);
SQL
$node->command_fails([ 'pg_dump', '-U', 'partly', '-Fc', '-d', $node->connstr('app'), '-f', $node->basedir . '/refused.dump' ],
	'row security: refused');
copy_to('partly', 'app', '-U', 'partly', '-Fc', '--enable-row-security');
# 705 rows wait, of which 353 have an even id
my $sum = 'SELECT sum(n) FROM ahead';
my $visible = query('app', 'SELECT count(*) FROM everything') - 705 + 353;
is(query('partly', $sum), $visible, 'row security: before it has started');
query('partly', "CALL weir.drain('q')");
is(query('partly', $sum), $visible, 'row security: started');
query('app', 'ALTER TABLE q DISABLE ROW LEVEL SECURITY');

# --- the stream is altered while it is dumped: what counts is what the dump sees
my $dump = $node->background_psql('app', on_error_stop => 1);
$dump->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
query('app', q{SELECT weir.alter_stream('q', retention => '36500 days')});
is($dump->query_safe('SELECT count(*) FROM weir._counted_now() WHERE part = 0'), '3', 'altered: what was a queue');
$dump->query_safe('COMMIT');
$dump->quit;
# what it has deleted stays in the states only, also when it is a queue no more
query('app', 'SELECT add_rows(45001, 45100)');
query('app', "CALL weir.drain('q')");
copy_to('was_queue', 'app');
is_exact('was_queue', 'was a queue, before it has started');
query('was_queue', "CALL weir.drain('q')");
is_exact('was_queue', 'was a queue, started');
query('app', q{SELECT weir.alter_stream('q', retention => '0')});
is_exact('app', 'the origin');

# --- partitions, whose columns are in another order
query('postgres', 'CREATE DATABASE parts');
query('parts', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE q (ts timestamptz NOT NULL, gone int, k int, id int) PARTITION BY RANGE (id);
ALTER TABLE q DROP COLUMN gone;
CREATE TABLE q2 (id int, k int, ts timestamptz NOT NULL);
CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (1) TO (1000);
ALTER TABLE q ATTACH PARTITION q2 FOR VALUES FROM (1000) TO (100000);
CREATE TABLE everything (ts timestamptz, k int, id int);
SELECT weir.create_stream('q', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('ahead', 'SELECT k, count(*) AS n, sum(id) AS total, count(DISTINCT id) AS ids FROM q GROUP BY k');
SELECT weir.create_continuous_aggregate('behind', 'SELECT k, count(*) AS n, sum(id) AS total, count(DISTINCT id) AS ids FROM q GROUP BY k');
CALL weir.drain('q');
SELECT weir.pause('behind');
CREATE FUNCTION add_rows(first int, last int) RETURNS void LANGUAGE SQL AS $$
	INSERT INTO q SELECT timestamptz '2024-01-01' + n * interval '1 second', n % 7, n FROM generate_series(first, last) n;
	INSERT INTO everything SELECT timestamptz '2024-01-01' + n * interval '1 second', n % 7, n FROM generate_series(first, last) n;
$$;
SELECT add_rows(500, 1500);
CALL weir.drain('q');
SELECT add_rows(900, 1600);
SQL
copy_to('parts_copy', 'parts');
foreach my $when ('before it has started', 'started', 'with new rows')
{
	same_rows($node, 'parts_copy', "SELECT * FROM $_", sprintf($by_key, 'true'), "partitions, $when: $_") foreach ('ahead', 'behind');
	query('parts_copy', $when eq 'started' ? 'SELECT add_rows(1, 2000)' : "CALL weir.drain('q')");
}
resume_all('parts_copy');
is(query('parts_copy', 'SELECT count(*) FROM q'), '0', 'partitions: the queue is empty');

# Rows that wait in a partition that has been detached are not the queue's any more.
query('parts', 'ALTER TABLE q DETACH PARTITION q1');
copy_to('parts_detached', 'parts');
is(query('parts_detached', 'SELECT sum(n) FROM ahead'), query('parts', 'SELECT count(*) - 100 FROM everything'), 'a partition less: ahead');
is(query('parts_detached', 'SELECT sum(n) FROM behind'), query('parts', 'SELECT count(*) - 600 FROM everything'), 'a partition less: behind');

# A row that is in no window, older than its stream; and late rows of a queue, one
# that is consumed and one that is not.
query('postgres', 'CREATE DATABASE late');
query('late', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE kept (ts timestamptz NOT NULL, k int);
CREATE TABLE queue (ts timestamptz NOT NULL, k int);
INSERT INTO kept VALUES ('infinity', 1), ('2024-01-01', 2);
SELECT weir.create_stream('kept', 'ts'), weir.create_stream('queue', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('of_' || s, format($$
	SELECT w.window_end, count(*) AS n FROM %I, weir.tumble(ts, '1 minute') w GROUP BY w.window_end $$, s))
FROM unnest(ARRAY['kept', 'queue']) s;
INSERT INTO queue VALUES ('2024-01-01 00:00:10', 1), ('2024-01-01 00:01:10', 2);
SQL
foreach my $stream ('kept', 'queue')
{
	query('late', "CALL weir.drain('$stream')");
}
query('late', "INSERT INTO queue VALUES ('2024-01-01 00:00:20', 3)");
query('late', "CALL weir.drain('queue')");
query('late', "INSERT INTO queue VALUES ('2024-01-01 00:00:30', 4), ('2024-01-01 00:01:30', 5)");
copy_to('late_again', 'late');
foreach my $stream ('kept', 'queue')
{
	query('late_again', "CALL weir.drain('$stream')");
}
is(query('late_again', q{SELECT string_agg(aggregate || ' ' || reason || ' ' || ("row" ->> 'k'), ', ' ORDER BY "row" ->> 'k') FROM weir.late_rows}),
	'of_kept event time is infinite 1, of_queue window closed 3, of_queue window closed 4', 'late rows are kept, once');
is(query('late_again', 'SELECT sum(n) FROM of_kept') . ' ' . query('late_again', 'SELECT sum(n) FROM of_queue'), '1 3',
	'the others count');

# Fresh from a dump there is no log until the stream is consumed.  Who consumes it first
# leaves nobody behind who writes, or has written, without a log: not one with the
# latest id of all, and not one who comes while the new log is not committed.
query('late', 'CREATE TABLE plain (ts timestamptz NOT NULL, k int)');
query('late', "SELECT weir.create_stream('plain', 'ts')");
query('late', "SELECT weir.create_continuous_aggregate('of_plain', 'SELECT count(*) AS n FROM plain')");
query('late', "CALL weir.drain('plain')");
copy_to('begun', 'late');
query('begun', "BEGIN; INSERT INTO plain VALUES ('2024-01-01', 1); PREPARE TRANSACTION 'writer'");
fails_ok($node, 'begun', "SET lock_timeout = '10ms'; SELECT weir.advance_watermark('plain', '2024-01-01')",
	qr/canceling statement due to lock timeout/, 'a prepared writer is waited for');
query('begun', "COMMIT PREPARED 'writer'");
query('begun', "BEGIN; SELECT weir.advance_watermark('plain', '2024-01-01'); PREPARE TRANSACTION 'reader'");
fails_ok($node, 'begun', "SET lock_timeout = '10ms'; INSERT INTO plain VALUES ('2024-01-01', 2)",
	qr/canceling statement due to lock timeout/, 'writers wait for the log');
query('begun', "COMMIT PREPARED 'reader'");
query('begun', "INSERT INTO plain VALUES ('2024-01-01', 3)");
query('begun', "CALL weir.drain('plain')");
is(query('begun', 'SELECT n FROM of_plain'), '2', 'no row is lost');

$node->stop;
done_testing();
