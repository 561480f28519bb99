
# ALTER EXTENSION weir UPDATE: from every version that is installed to the newest,
# with streams, aggregates, sinks and wide tables that have something in them, rows
# that wait, sessions that are open and a worker that runs. Afterwards all goes on,
# and the extension consists of what a fresh installation does.
#
# So that there is always something to update to, the test makes a next version out
# of the present one, in the way in which the scripts of real ones are made: new
# functions, a view with another column, a function with other arguments. It needs to
# write to the server's extension directory for that, as in test/run.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('upgrade');
my ($sharedir) = run_command([ 'pg_config', '--sharedir' ]);
my $directory = "$sharedir/extension";
plan skip_all => "cannot write to $directory" unless -w $directory;
my $present = slurp_file("$directory/weir.control") =~ /default_version\s*=\s*'([^']+)'/ ? $1 : die;
my $next = "$present.next";
my @made = ("$directory/weir--$present--$next.sql", "$directory/weir--$next.sql");

END { unlink @made if @made; }

sub write_file
{
	my ($name, $text) = @_;

	open(my $out, '>', $name) or BAIL_OUT("could not write $name: $!");
	print $out $text;
	close($out) or BAIL_OUT("could not write $name: $!");
	return;
}

# What is new, as an update script says it and as the next install script would.
my $view = <<'SQL';
VIEW weir.stat_workers AS
SELECT pid, backend_start AS started_at, xact_start AS transaction_started_at,
	state, wait_event_type, wait_event, query AS activity, state_change AS active_since
FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'weir worker' AND datname = pg_catalog.current_database();
SQL
my $functions = <<'SQL';
CREATE FUNCTION weir.next_value(value bytea) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'weir_int8_value';
COMMENT ON FUNCTION weir.next_value(bytea) IS 'new';
CREATE TABLE weir._new (id int PRIMARY KEY);
SELECT pg_catalog.pg_extension_config_dump('weir._new', '');
SQL
my $base = slurp_file("$directory/weir--$present.sql");
write_file($made[0], <<SQL);
\\echo Use "ALTER EXTENSION weir UPDATE" to load this file. \\quit
CREATE OR REPLACE $view
$functions
DROP FUNCTION weir._stream_status(int) CASCADE;
SQL
(my $status = $base) =~ s/.*(CREATE FUNCTION weir\._stream_status\b.*?;)\nCOMMENT.*/$1/s;
(my $stat_streams = $base) =~ s/.*(CREATE VIEW weir\.stat_streams\b.*?GRANT SELECT ON weir\.stat_streams TO PUBLIC;).*/$1/s;
open(my $more, '>>', $made[0]) or BAIL_OUT("could not write $made[0]: $!");
print $more "$status\nCOMMENT ON FUNCTION weir._stream_status(int) IS 'how far a stream is consumed';\n$stat_streams\n";
close($more) or BAIL_OUT("could not write $made[0]: $!");
(my $whole = $base) =~ s/CREATE VIEW weir\.stat_workers AS.*?;\n/CREATE $view/s;
write_file($made[1], "$whole\n$functions");

$node->start;

# What the extension consists of, but for what streams and wide tables have added:
# each object with what defines it.
my $members = <<'SQL';
SELECT pg_describe_object(d.classid, d.objid, 0) || ': ' || coalesce(
	CASE d.classid WHEN 'pg_proc'::regclass THEN (SELECT CASE WHEN prokind = 'a' THEN 'aggregate' ELSE pg_get_functiondef(d.objid) END FROM pg_proc WHERE oid = d.objid)
		WHEN 'pg_class'::regclass THEN (SELECT CASE WHEN relkind = 'v' THEN pg_get_viewdef(d.objid) END || relacl::text
			FROM pg_class WHERE oid = d.objid) ||
		(SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = d.objid AND attnum > 0) END, '') ||
	coalesce(obj_description(d.objid, d.classid::regclass::name), '')
FROM pg_depend d
WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'weir')
	AND NOT (d.classid = 'pg_class'::regclass AND
		(SELECT relname ~ '^_(log|runs|open|query|state|live)_\d+' FROM pg_class WHERE oid = d.objid))
ORDER BY 1
SQL

# Streams and what depends on them, in a database with that version.
sub fill
{
	my ($db, $version) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, <<SQL);
CREATE EXTENSION weir VERSION '$version';
CREATE TABLE events (id int, ts timestamptz NOT NULL, key int);
CREATE TABLE queue (LIKE events);
SELECT weir.create_stream('events', 'ts', max_out_of_orderness => '1 day');
SELECT weir.create_stream('queue', 'ts', retention => '0');
SELECT weir.create_continuous_aggregate('ever', 'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key');
SELECT weir.create_continuous_aggregate('hourly', 'SELECT w.window_start, w.window_end, e.key, count(*) AS n
	FROM events e, weir.tumble(e.ts, ''1 hour'') w GROUP BY w.window_start, w.window_end, e.key');
SELECT weir.create_continuous_aggregate('queued', 'SELECT count(*) AS n, sum(id) AS total FROM queue');
SELECT weir.create_wide_table('rows');
SELECT weir.add_family('rows', 'f', aggregate => 'sum');
SELECT weir.create_sink('sink', 'hourly', 'SELECT weir.mutate_row(''rows'', key::text,
	weir.add_to_cell(''f'', ''n'', timestamptz ''epoch'', n)) FROM closed');
SQL
	return;
}

sub add_rows
{
	my ($db, $from) = @_;

	$node->safe_psql($db, <<SQL);
INSERT INTO events SELECT i, timestamptz '2024-01-01' + interval '1 minute' * i, i % 3 FROM generate_series($from, $from + 999) i;
INSERT INTO queue SELECT i, timestamptz '2024-01-01' + interval '1 minute' * i, i % 3 FROM generate_series($from, $from + 999) i;
SQL
	return;
}

sub exact_ok
{
	my ($db, $name, $nothing_closed) = @_;

	same_rows($node, $db, 'SELECT * FROM ever', 'SELECT key, count(*), sum(id) FROM events GROUP BY key', "$name: running");
	same_rows($node, $db, 'SELECT * FROM queued', 'SELECT count(*), sum(id) FROM events', "$name: queue");
	same_rows($node, $db, 'SELECT * FROM hourly', <<'SQL', "$name: windows");
SELECT w.window_start, w.window_end, e.key, count(*) FROM events e, weir.tumble(e.ts, '1 hour') w GROUP BY 1, 2, 3
SQL
	same_rows($node, $db, "SELECT convert_from(row_key, 'UTF8'), weir.int8_value(value)::numeric FROM weir.read_rows('rows')",
		'SELECT key::text, sum(n) FROM hourly_closed GROUP BY key', "$name: wide table", $nothing_closed);
	return;
}

my @versions = split /\n/, $node->safe_psql('postgres',
	"SELECT version FROM pg_available_extension_versions WHERE name = 'weir' AND version <> '$next' ORDER BY version");
cmp_ok(scalar(@versions), '>=', 1, 'there are versions: ' . join(' ', @versions));
my $number = 0;

foreach my $version (@versions)
{
	my $db = 'from_' . ++$number;

	fill($db, $version);
	add_rows($db, 1);
	is($node->safe_psql($db, "SELECT weir.wait('events', '3 minutes') AND weir.wait('queue', '3 minutes')"), 't', "$version: consumed");
	exact_ok($db, $version, 1);

	# rows wait, in one case for a prepared transaction; a session has plans; others write
	my $session = $node->background_psql($db);
	$session->query_safe('PREPARE live AS SELECT sum(n) FROM ever');
	is($session->query_safe('EXECUTE live'), '1000', "$version: a session reads");
	$session->query_safe(q{PREPARE new AS INSERT INTO events SELECT i, '2024-01-01 16:45', 7 FROM generate_series(1, 10) i});
	$session->query_safe('EXECUTE new') for 1 .. 6;
	$node->safe_psql($db, "SELECT weir.pause('queue')");
	add_rows($db, 1001);
	$node->safe_psql($db, "BEGIN; INSERT INTO events VALUES (5000, '2024-01-02 12:00', 7); PREPARE TRANSACTION 'waits'");
	$node->safe_psql($db, "ALTER EXTENSION weir UPDATE TO '$next'");
	is($node->safe_psql($db, "SELECT extversion FROM pg_extension WHERE extname = 'weir'"), $next, "$version: updated");
	is($session->query_safe('EXECUTE live'), '2060', "$version: the session reads on");
	$session->query_safe('EXECUTE new');
	$session->quit;
	is($node->safe_psql($db, 'SELECT count(*) FROM weir.late_rows'), '0', "$version: nothing is late");
	$node->safe_psql($db, "COMMIT PREPARED 'waits'");
	# the same rows in the queue
	$node->safe_psql($db, "SELECT weir.resume('queue')");
	$node->safe_psql($db, "INSERT INTO queue SELECT id, ts, key FROM events WHERE key = 7");
	add_rows($db, 2001);
	is($node->safe_psql($db, "SELECT weir.wait('events', '3 minutes') AND weir.wait('queue', '3 minutes')"), 't', "$version: consumed after it");
	exact_ok($db, "$version, updated");
	is($node->safe_psql($db, 'SELECT count(*) FROM weir.stat_streams'), '2', "$version: a view made anew");
	is($node->safe_psql($db, 'SELECT count(active_since) FROM weir.stat_workers'), '1', "$version: a view with a new column");
	is($node->safe_psql($db, q{SELECT weir.next_value('\x0000000000000007')}), '7', "$version: a new function");

	# what is made now, and what goes
	$node->safe_psql($db, "SELECT weir.create_continuous_aggregate('later', 'SELECT count(*) AS n FROM events')");
	is($node->safe_psql($db, "SELECT weir.wait('events', '3 minutes')"), 't', "$version: a new aggregate is there");
	same_rows($node, $db, 'SELECT * FROM later', 'SELECT count(*) FROM events', "$version: and right");
	$node->safe_psql($db, "SELECT weir.drop_continuous_aggregate('ever'); SELECT weir.drop_stream('queue', cascade => true)");

	$node->safe_psql('postgres', "CREATE DATABASE fresh_$number");
	$node->safe_psql("fresh_$number", "CREATE EXTENSION weir VERSION '$next'");
	is($node->safe_psql($db, $members), $node->safe_psql("fresh_$number", $members),
		"$version: the updated extension is what a fresh one is");
}

# An update that fails changes nothing.
fill('failing', $present);
add_rows('failing', 1);
write_file($made[0], "CREATE TABLE weir._half ();\nSELECT 1 / 0;\n");
my ($failed, undef, $stderr) = $node->psql('failing', "ALTER EXTENSION weir UPDATE TO '$next'");
isnt($failed, 0, 'an update fails');
like($stderr, qr/division by zero/, 'for its reason');
add_rows('failing', 1001);
is($node->safe_psql('failing', "SELECT weir.wait('events', '3 minutes') AND weir.wait('queue', '3 minutes')"), 't', 'after that: consumed');
exact_ok('failing', 'after that', 1);

$node->stop;
done_testing();
