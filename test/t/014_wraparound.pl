
# Transaction ids go once round, and a little further, while rows of a stream wait:
# they are counted then, once, and so are those inserted at each stop. Ids of 32 bits
# are in the heads of rows and in the log's entries; what a cursor has consumed is
# said in ids that do not wrap around.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $node = weir_node('wraparound', conf => "log_statement = none\nautovacuum = off\nweir.start_workers = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
CREATE TABLE events (id int, ts timestamptz NOT NULL, key int);
SELECT weir.create_stream('events', 'ts');
SELECT weir.create_continuous_aggregate('ever', 'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key');
SELECT weir.create_continuous_aggregate('stored', 'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key',
	realtime => false);
SELECT weir.create_continuous_aggregate('waiting', 'SELECT key, count(*) AS n, sum(id) AS total FROM events GROUP BY key',
	realtime => false);
CREATE SEQUENCE ids;
CREATE PROCEDURE add_rows(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		INSERT INTO events SELECT x, timestamptz '2024-01-01' + interval '1 minute' * x, x % 3 FROM (SELECT nextval('ids')::int AS x) y;
		BEGIN
			INSERT INTO events SELECT x, timestamptz '2024-01-01' + interval '1 minute' * x, x % 3 FROM (SELECT nextval('ids')::int AS x) y;
			IF i % 2 = 0 THEN RAISE EXCEPTION 'not this one'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
		COMMIT;
	END LOOP;
END $$;
CALL add_rows(20);
CALL weir.drain('events');
CALL weir.drain('events');
SELECT weir.pause('waiting');
CALL add_rows(20);
SQL

my $plain = 'SELECT key, count(*), sum(id) FROM events GROUP BY key';

# Everything is frozen, in all databases, and then the next id is this one.
sub jump_to
{
	my ($xid) = @_;
	my $segment = sprintf('%s/pg_xact/%04X', $node->data_dir, int($xid / (8192 * 4 * 32)));

	$node->safe_psql('postgres', 'UPDATE pg_database SET datallowconn = true');
	# not through a transaction that would be the oldest one
	$node->safe_psql($_, 'VACUUM (FREEZE)') for qw(template0 template1 postgres postgres);
	$node->stop;
	unless (-e $segment)
	{
		open(my $out, '>', $segment) or BAIL_OUT("could not write $segment: $!");
		binmode $out;
		print $out "\0" x (8192 * 32);
		close($out) or BAIL_OUT("could not write $segment: $!");
	}
	command_ok([ 'pg_resetwal', '-f', '-x', $xid, $node->data_dir ], "the next transaction is $xid");
	$node->start;
	return;
}

# What waits is followed if the table gets a new file, at the first stop.
my @stops = (1_200_000_000, 2_400_000_000, 3_600_000_000, 4_294_967_000);
foreach my $stop (@stops)
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM events');

	jump_to($stop);
	$node->safe_psql('postgres', 'VACUUM FULL events') if $stop == $stops[0];
	is($node->safe_psql('postgres', 'SELECT count(*) FROM events'), $before, "$stop: the rows are there");
	same_rows($node, 'postgres', 'SELECT * FROM ever', $plain, "$stop: live");
	# at the last stop the ids go over the end, and start with 3 again
	$node->safe_psql('postgres', 'CALL add_rows(400)');
	same_rows($node, 'postgres', 'SELECT * FROM ever', $plain, "$stop: live, with new rows");
	$node->safe_psql('postgres', "CALL weir.drain('events')");
	same_rows($node, 'postgres', 'SELECT * FROM stored', $plain, "$stop: consumed");
}
cmp_ok($node->safe_psql('postgres', "SELECT pg_current_xact_id()::text::bigint"), '>', 2**32, 'the ids have gone round');
$node->safe_psql('postgres', "SELECT weir.resume('waiting')");
$node->safe_psql('postgres', "CALL weir.drain('events')") for 1 .. 2;
same_rows($node, 'postgres', 'SELECT * FROM waiting', $plain, 'what has waited all the time is counted');
$node->safe_psql('postgres', 'CALL add_rows(20)');
$node->safe_psql('postgres', "CALL weir.drain('events')");
same_rows($node, 'postgres', 'SELECT * FROM waiting', $plain, 'and what comes now');
same_rows($node, 'postgres', 'SELECT * FROM stored', $plain, 'by all');

$node->stop;
done_testing();
