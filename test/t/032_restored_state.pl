
# What comes out of a dump goes on as what was dumped does: whatever kinds of retention
# and of aggregates there are, the copy and the origin show the same, before the copy is
# started and after, and after the same rows and commands have come to both.  Also if the
# copy is made in steps, is used or has a worker while it is made, or comes from a dump
# that is taken under load.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('state', conf => "weir.naptime = '50ms'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE boss; CREATE ROLE clerk LOGIN; GRANT boss TO clerk');

sub query
{
	my ($db, $sql) = @_;

	return $node->safe_psql($db, $sql);
}

sub both
{
	my ($copy, @statements) = @_;

	foreach my $sql (@statements)
	{
		query($_, $sql) foreach ('origin', $copy);
	}
	return;
}

# fresh(DB): a database in which no worker is started.
sub fresh
{
	my ($db) = @_;

	query('postgres', "CREATE DATABASE $db TEMPLATE template0");
	query('postgres', "ALTER DATABASE $db SET weir.start_workers = off");
	return;
}

sub restored_ok
{
	my ($db, $dump, @options) = @_;

	$node->command_ok([ 'pg_restore', '--exit-on-error', @options, '-d', $node->connstr($db), $dump ], "$db: pg_restore @options");
	return;
}

sub dumped_ok
{
	my ($db, $name, @options) = @_;
	my $dump = $node->basedir . "/$name";

	$node->command_ok([ 'pg_dump', @options, '-d', $node->connstr($db), '-f', $dump ], "$name: pg_dump @options");
	return $dump;
}

# --- the origin: one stream for each kind of retention, aggregates of each kind
my %retention = (kept => 'NULL', trimmed => "'10 minutes'", queue => "'0'");
my @streams = sort keys %retention;
my @aggregates = qw(ever hours minutes later later_hours later_over sessions stopped over);

query('postgres', 'CREATE DATABASE origin');
query('origin', <<'SQL');
CREATE EXTENSION weir;
CREATE FUNCTION add_rows(tab regclass, first int, last int, behind interval DEFAULT '0') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %s SELECT n, timestamptz ''2024-01-01Z'' + n * interval ''1 second'' - $3, n %% 5
		FROM generate_series($1, $2) n', tab) USING first, last, behind;
END $$;
SQL
foreach my $s (@streams)
{
	my $window = "FROM $s, weir.tumble(ts, '1 %s') w GROUP BY w.window_start, w.window_end, k";

	query('origin', "CREATE TABLE $s (id int, ts timestamptz NOT NULL, k int)");
	query('origin', "SELECT weir.create_stream('$s', 'ts', max_out_of_orderness => '20 seconds', retention => $retention{$s})");
	foreach my $name ('ever', 'stopped')
	{
		query('origin', "SELECT weir.create_continuous_aggregate('${s}_$name', 'SELECT k, count(*) AS n, sum(id) AS total FROM $s GROUP BY k')");
	}
	query('origin', "SELECT weir.create_continuous_aggregate('${s}_${_}s', \$\$
		SELECT w.window_start, w.window_end, k, count(*) AS n, sum(id) AS total FROM $s, weir.tumble(ts, '1 $_') w
		GROUP BY w.window_start, w.window_end, k \$\$)") foreach ('hour', 'minute');
	query('origin', "SELECT weir.create_continuous_aggregate('${s}_sessions', \$\$
		SELECT w.window_start, w.window_end, k, count(*) AS n FROM $s, weir.session(ts, '7 seconds') w
		GROUP BY w.window_start, w.window_end, k \$\$)");
	query('origin', "SELECT weir.create_continuous_aggregate('${s}_over', \$\$
		SELECT w.window_start, w.window_end, sum(n) AS n FROM ${s}_minutes m, weir.tumble(m.window_start, '1 hour') w
		GROUP BY w.window_start, w.window_end \$\$)");
	query('origin', "SELECT add_rows('$s', 1, 1500)");
	query('origin', "CALL weir.drain('$s')");
	query('origin', "SELECT weir.create_continuous_aggregate('${s}_later', 'SELECT k, count(*) AS n, sum(id) AS total FROM $s GROUP BY k', with_data => false)");
	query('origin', "SELECT weir.create_continuous_aggregate('${s}_later_hours', \$\$
		SELECT w.window_start, w.window_end, k, count(*) AS n, sum(id) AS total FROM $s, weir.tumble(ts, '1 hour') w
		GROUP BY w.window_start, w.window_end, k \$\$, with_data => false)");
	query('origin', "SELECT weir.create_continuous_aggregate('${s}_later_over', \$\$
		SELECT w.window_start, w.window_end, sum(n) AS n FROM ${s}_minutes m, weir.tumble(m.window_start, '1 hour') w
		GROUP BY w.window_start, w.window_end \$\$, with_data => false)");
	query('origin', "SELECT add_rows('$s', 1501, 3000)");
	query('origin', "CALL weir.drain('$s')");
	# an hour closes, and after the last of the minutes that had rows others without
	query('origin', "SELECT weir.advance_watermark('$s', '2024-01-01 01:05Z')");
	query('origin', "SELECT add_rows('$s', 4000, 4500)");
	query('origin', "CALL weir.drain('$s')");
	query('origin', "SELECT weir.advance_watermark('$s', '2024-01-01 01:40Z')");
	query('origin', "SELECT add_rows('$s', 6100, 6200)");
	query('origin', "CALL weir.drain('$s')");
}
query('origin', <<'SQL');
CREATE TABLE sourced (id int, ts timestamptz NOT NULL, k int);
CREATE TABLE over (LIKE sourced);
CREATE TABLE halted (LIKE sourced);
SELECT weir.create_stream('sourced', 'ts', source => 'k', retention => '0'), weir.create_stream('over', 'ts'), weir.create_stream('halted', 'ts');
SELECT weir.create_continuous_aggregate(s || '_minutes', format($$
	SELECT w.window_start, w.window_end, count(*) AS n FROM %I, weir.tumble(ts, '1 minute') w GROUP BY 1, 2 $$, s))
FROM unnest(ARRAY['sourced', 'over', 'halted']) s;
SELECT add_rows(t, 1, 600) FROM unnest(ARRAY['sourced', 'over', 'halted']::regclass[]) t;
INSERT INTO sourced VALUES (0, '2024-01-01 02:00Z', 1);
SQL
query('origin', "CALL weir.drain('$_')") foreach ('sourced', 'over', 'halted');
query('origin', "SELECT weir.advance_watermark('over', 'infinity')");
query('origin', "SELECT weir.pause('halted')");
# sessions that begin where, or before, others have been closed: made again from
# the rows they would be one with these
query('origin', <<'SQL');
CREATE TABLE ragged (LIKE sourced);
SELECT weir.create_stream('ragged', 'ts', max_out_of_orderness => '0');
SELECT weir.create_continuous_aggregate('ragged_minutes', 'SELECT w.window_start, w.window_end, count(*) AS n FROM ragged, weir.tumble(ts, $$1 minute$$) w GROUP BY 1, 2');
SELECT weir.create_continuous_aggregate('ragged_sessions', 'SELECT w.window_start, w.window_end, count(*) AS n FROM ragged, weir.session(ts, $$1 minute$$) w GROUP BY 1, 2');
SELECT weir.create_continuous_aggregate('ragged_adjacent', 'SELECT w.window_start, w.window_end, count(*) AS n FROM ragged, weir.session(ts, $$1 minute$$) w WHERE id % 100 = 0 GROUP BY 1, 2');
SQL
foreach my $n (1000, 1260, 1250, 1380, 1290, 1470, 1425, 2000)
{
	query('origin', "SELECT add_rows('ragged', $n, $n)");
	query('origin', "CALL weir.drain('ragged')");
}
query('origin', q{SELECT weir.advance_watermark('ragged', '2024-01-01 00:34:20Z'); INSERT INTO ragged VALUES (2100, '2024-01-01 00:34:20Z', 0)});
query('origin', "CALL weir.drain('ragged')");
query('origin', 'ALTER TABLE halted OWNER TO boss; ALTER VIEW halted_minutes OWNER TO boss');
ok($node->poll_query_until('origin', 'SELECT min(id) = 6100 FROM trimmed'), 'rows of open windows are gone');
# without a worker from here on: some rows that one has not consumed, and some that
# nobody has, also late ones, of a window that had no rows
query('postgres', 'ALTER DATABASE origin SET weir.start_workers = off');
$node->restart;
foreach my $s (@streams)
{
	query('origin', "SELECT weir.pause('${s}_stopped')");
	query('origin', "SELECT add_rows('$s', 6201, 6300)");
	query('origin', "CALL weir.drain('$s')");
	query('origin', "SELECT add_rows('$s', 6301, 6400)");
}
query('origin', "SELECT add_rows('$_', 5400, 5409)") foreach @streams;
query('origin', q{SELECT add_rows('ragged', 100, 101)});
query('origin', q{SELECT add_rows('sourced', 601, 700)});

my @all = ((map { my $s = $_; map { "${s}_$_" } @aggregates } @streams), (map { "${_}_minutes" } qw(sourced over halted ragged)), 'ragged_sessions', 'ragged_adjacent');

# What all aggregates show, and how they and their streams stand.
my $shown = join(' UNION ALL ', map { "SELECT '$_' AS name, count(*) AS n, md5(string_agg(x::text, chr(10) ORDER BY x::text)) AS rows FROM $_ x" } @all);
my %question = (
	aggregates => "SELECT * FROM ($shown) x ORDER BY name",
	streams => 'SELECT stream, watermark, is_paused FROM weir.stat_streams ORDER BY stream::text',
	status => q{SELECT aggregate, status, in_history AND status <> 'paused' FROM weir.stat_aggregates
		WHERE aggregate <> 'halted_minutes'::regclass ORDER BY aggregate::text},
	'late rows' => 'SELECT aggregate, reason, count(*), md5(string_agg(row::text, chr(10) ORDER BY row::text)) FROM weir.late_rows GROUP BY 1, 2 ORDER BY aggregate::text, 2');

# all_same(NAME, COPIES, QUESTION...): in the copies as in the origin.
sub all_same
{
	my ($name, $copies, @questions) = @_;

	foreach my $question (@questions)
	{
		my $expected = query('origin', $question{$question});

		isnt($expected, '', "$name: $question") unless $question eq 'late rows';
		is(query($_, $question{$question}), $expected, "$_, $name: $question") foreach @{$copies};
	}
	return;
}

# The same statements in all of them.
sub everywhere
{
	my ($copies, @statements) = @_;
	my $sql = join('', map { "$_;\n" } @statements);

	query($_, $sql) foreach ('origin', @{$copies});
	return;
}

# --- in each format, and by other roads
my $dump = dumped_ok('origin', 'origin.dump', '-Fc');
my $directory = dumped_ok('origin', 'origin.dir', '-Fd', '-j', '3');
my $data = dumped_ok('origin', 'data.dump', '-Fc', '--data-only');
my $schema = dumped_ok('origin', 'schema.dump', '-Fc', '--schema-only');
my $incomplete = qr/database ".*" has not been restored completely/;

# before it is started a copy can be copied, and paused and resumed
fresh('first');
restored_ok('first', $dump);
query('first', q{SELECT weir.resume('halted'), weir.pause('kept'), weir.resume('kept_stopped'), weir.pause('over_minutes')});
my $again = dumped_ok('first', 'again.dump', '-Fc');
fresh('second');
restored_ok('second', $again);
is(query('second', 'SELECT stream FROM weir.stat_streams WHERE is_paused'), 'kept', 'paused before it was started');
query('second', q{SELECT weir.pause('halted'), weir.resume('kept'), weir.pause('kept_stopped'), weir.resume('over_minutes')});

# in three steps, while somebody writes, reads and tries to consume
fresh('steps');
restored_ok('steps', $dump, '--section=pre-data');
is(query('steps', 'SELECT count(*) FROM weir.stat_streams'), '0', 'steps: there are no streams yet');
restored_ok('steps', $dump, '--section=data');
fails_ok($node, 'steps', qq{CALL weir.drain('$_')}, qr/has no capture index/, "steps: $_ is not consumed") foreach @streams;
fails_ok($node, 'steps', 'SELECT count(*) FROM kept_later', qr/has no capture index/, 'steps: nor read');
# (all of post-data but what ends it)
my ($list) = run_command([ 'pg_restore', '-l', '--section=post-data', $dump ]);
PostgreSQL::Test::Utils::append_to_file("$dump.post", join("\n", grep { !/weir _restored/ } split(/\n/, $list)) . "\n");
restored_ok('steps', $dump, '--section=post-data', '-L', "$dump.post");
foreach my $s (@streams)
{
	fails_ok($node, 'steps', qq{CALL weir.drain('$s')}, $incomplete, "steps: $s is not consumed before the end");
	fails_ok($node, 'steps', qq{SELECT weir.advance_watermark('$s', '2025-01-01')}, $incomplete, "steps: nor by another command");
}
is(query('steps', q{SELECT weir.wait('kept', '0')}), 'f', 'steps: it is waited for');
query('steps', 'REFRESH MATERIALIZED VIEW weir._restored');

# schema first, and then the data; a dump of data alone does not say where it ends
fresh('later');
restored_ok('later', $schema);
restored_ok('later', $data, '--disable-triggers');
fails_ok($node, 'later', q{CALL weir.drain('kept')}, $incomplete, 'later: not consumed by itself');
query('later', 'REFRESH MATERIALIZED VIEW weir._restored');

# the same out of one dump: what ends it stands in the part that is the schema
fresh('halves');
restored_ok('halves', $dump, '--schema-only');
restored_ok('halves', $dump, '--data-only', '--disable-triggers');
fails_ok($node, 'halves', q{CALL weir.drain('kept')}, $incomplete, 'halves: not consumed by itself');
query('halves', 'REFRESH MATERIALIZED VIEW weir._restored');

# by several processes while a worker runs in the database, looking twenty times a second
query('postgres', 'CREATE DATABASE busy TEMPLATE template0');
query('busy', <<'SQL');
CREATE EXTENSION weir;
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f');
SELECT weir.mutate_row('w', 'r', weir.set_cell('f', 'q', 'v'));
DROP FOREIGN TABLE w;
SQL
ok(wait_for_worker($node, 'busy'), 'a worker runs');
$node->command_checks_all([ 'pg_restore', '-j', '3', '-d', $node->connstr('busy'), $directory ],
	1, [qr/^$/], [qr/^[^\n]*schema "weir" already exists\nCommand was: CREATE SCHEMA weir;\s*\n[^\n]*errors ignored on restore: 1\n$/], 'busy: pg_restore -j');
is(query('busy', "SELECT weir.wait('$_')"), 't', "busy: the worker has begun with $_") foreach (@streams, 'sourced', 'over', 'ragged');
is(query('busy', q{SELECT count(*) FROM weir.stat_aggregates WHERE status NOT IN ('active', 'paused') AND aggregate <> 'halted_minutes'::regclass}),
	'0', 'busy: all are started');

# nobody owns anything but who restores; with --create; with --clean over what is there
fresh('owned');
restored_ok('owned', $dump, '--no-owner', '--no-privileges', '-1');
query('postgres', 'CREATE DATABASE other');
my $create = dumped_ok('origin', 'create.sql', '-C', '--inserts');
query('postgres', 'ALTER DATABASE origin RENAME TO the_origin');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('other'), '-f', $create ], 'with --create and --inserts');
query('other', 'ALTER DATABASE origin RENAME TO created');
query('other', 'ALTER DATABASE the_origin RENAME TO origin');
fresh('cleaned');
restored_ok('cleaned', $dump);
query('cleaned', "CALL weir.drain('kept')");
$node->command_fails([ 'pg_restore', '--clean', '--if-exists', '-d', $node->connstr('cleaned'), $dump ], '--clean: complains');

# a dump of parts has no streams; the table can be made one again
fresh('part');
my $part = dumped_ok('origin', 'part.dump', '-Fc', '-t', 'kept');
query('part', 'CREATE EXTENSION weir');
restored_ok('part', $part);
query('part', q{SELECT weir.create_stream('kept', 'ts')});
query('part', q{SELECT weir.create_continuous_aggregate('n', 'SELECT count(*) AS n FROM kept')});
query('part', "CALL weir.drain('kept')");
is(query('part', 'SELECT n FROM n'), query('part', 'SELECT count(*) FROM kept'), 'part: it is a stream again');
query('part', q{SELECT weir.drop_stream('kept', cascade => true); DROP EXTENSION weir});
is(query('part', q{SELECT count(*) FROM pg_class WHERE relname = '_restored'}), '0', 'part: what marks the end goes with the extension');

# who may not read all is told so
$node->command_fails_like([ 'pg_dump', '-U', 'clerk', '-d', $node->connstr('origin'), '-f', $node->basedir . '/clerk.dump' ],
	qr/permission denied/, 'dumped by somebody who may not');

fails_ok($node, 'origin', 'SET ROLE clerk; SELECT * FROM weir._late_now()', qr/permission denied for table _late_row/, 'nor does he see late rows of others');

# over what is there already nothing is replaced, and nothing is quiet about it
fresh('double');
restored_ok('double', $dump);
query('double', "CALL weir.drain('queue')");
$node->command_checks_all([ 'pg_restore', '--data-only', '--disable-triggers', '-t', '_stream', '-t', '_aggregate', '-d', $node->connstr('double'), $dump ],
	1, [qr/^$/], [qr/duplicate key value violates unique constraint "_aggregate_pkey".*duplicate key value violates unique constraint "_stream_pkey"/s],
	'double: definitions are there');

# --- all of them go on
my @copies = qw(second steps later halves busy owned created cleaned);
my @consumed = (@streams, 'sourced', 'over', 'ragged');
my @drain = map { "CALL weir.drain('$_')" } @consumed;

all_same('before it has started', \@copies, 'aggregates');
all_same('before it has started', [ grep { $_ ne 'busy' } @copies ], 'streams');
everywhere(\@copies, @drain);
foreach my $db (@copies)
{
	fails_ok($node, $db, q{CALL weir.drain('halted')}, qr/stream "halted" is paused/, "$db: is paused");
}
all_same('started', \@copies, sort keys %question);
everywhere(\@copies, map { "SELECT add_rows('$_', 5410, 5419), add_rows('$_', 6401, 9000)" } @consumed);
all_same('new rows', \@copies, 'aggregates');
everywhere(\@copies, @drain);
all_same('new rows, consumed', \@copies, sort keys %question);
everywhere(\@copies, q{SELECT weir.resume('halted')}, (map { "SELECT weir.resume('${_}_stopped')" } @streams), @drain, "CALL weir.drain('halted')");
all_same('resumed', \@copies, sort keys %question);
foreach my $db (@copies)
{
	is(query($db, join(' UNION ALL ', map { "SELECT count(*) FROM $_" } qw(queue weir._counted weir._left_out weir._paused weir._last_watermark weir._last_source))),
		join("\n", (0) x 6), "$db: nothing is left of the dump");
}
everywhere(\@copies, map { "SELECT weir.advance_watermark('$_', 'infinity')" } @consumed, 'halted');
all_same('closed', \@copies, sort keys %question);
query('postgres', "DROP DATABASE $_") foreach @copies;

# --- dumps under load
my @kinds = ("'0'", 'NULL', "'1 minute'", "'1 second'", "'1 day'");
query('postgres', 'CREATE DATABASE load');
query('load', 'CREATE EXTENSION weir; CREATE TABLE everything (s text, ts timestamptz, k int)');
foreach my $s (1 .. 3)
{
	my $retention = $kinds[ int(rand(@kinds)) ];
	my $with_data = int(rand(2)) ? 'true' : 'false';

	note("s$s: retention $retention, with_data $with_data");
	query('load', <<"SQL");
CREATE TABLE s$s (ts timestamptz NOT NULL, k int);
SELECT weir.create_stream('s$s', 'ts', max_out_of_orderness => '2 seconds', retention => $retention);
SELECT weir.create_continuous_aggregate('s${s}_ever', 'SELECT k, count(*) AS n FROM s$s GROUP BY k', with_data => $with_data);
SELECT weir.create_continuous_aggregate('s${s}_minutes', \$\$
	SELECT w.window_start, w.window_end, k, count(*) AS n FROM s$s, weir.tumble(ts, '1 minute') w GROUP BY 1, 2, 3 \$\$);
SELECT weir.create_continuous_aggregate('s${s}_over', \$\$
	SELECT w.window_start, w.window_end, sum(n) AS n FROM s${s}_minutes m, weir.tumble(m.window_start, '1 hour') w GROUP BY 1, 2 \$\$);
SQL
}
query('load', <<'SQL');
CREATE PROCEDURE write(rounds int, seed int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. rounds LOOP
		FOR s IN 1 .. 3 LOOP
			EXECUTE format('WITH new AS (INSERT INTO s%s SELECT timestamptz ''2024-01-01Z'' + ($1 + n / 10.0) * interval ''1 second'', n %% 3
				FROM generate_series(1, 30) n RETURNING *) INSERT INTO everything SELECT %L, * FROM new', s, s) USING i;
		END LOOP;
		COMMIT;
		IF i % 7 = seed THEN
			PERFORM pg_sleep(0.01);
		END IF;
	END LOOP;
END $$;
SQL
my @writers = run_children(map { my $seed = $_; sub { query('load', "CALL write(400, $seed)"); return 0 } } 1 .. 2);
my @ways = ([ 'l1', '-Fc' ], [ 'l2', '-Fd', '-j', '2' ], [ 'l3', '-Fc' ], [ 'l4', '-Fd', '-j', '2' ]);
dumped_ok('load', @{$_}) foreach @ways;
waitpid($_, 0) foreach @writers;
foreach my $way (@ways)
{
	my ($db) = @{$way};

	fresh($db);
	restored_ok($db, $node->basedir . "/$db", '-j', '2');
	foreach my $started (0, 1)
	{
		foreach my $s (1 .. 3)
		{
			my $rows = query($db, "SELECT count(*) FROM everything WHERE s = '$s'");

			query($db, "CALL weir.drain('s$s')") if $started;
			is(query($db, "SELECT coalesce(sum(n), 0) FROM s${s}_ever"), $rows, "$db, s$s, $started: all rows ($rows)");
			is(query($db, "SELECT sum(n) FROM s${s}_minutes"), query($db, "SELECT sum(n) FROM s${s}_over"), "$db, s$s, $started: all levels");
			is(query($db, "SELECT (SELECT coalesce(sum(n), 0) FROM s${s}_minutes) + (SELECT count(*) FROM weir.late_rows WHERE aggregate = 's${s}_minutes'::regclass)"),
				$rows, "$db, s$s, $started: each row counts, or is late") if $started;
		}
	}
}

$node->stop;
done_testing();
