
# Fifteen sessions write to a few rows of a wide table at once: blindly, by
# read-modify-write, by check-and-mutate, by DELETE under a condition, some of them
# rolled back; others compact, and read under a snapshot that they keep. The server
# crashes in the middle, twice. Then:
#
# - What was read to be modified is what the greatest committed write below left.
#   Each transaction logs the number of its write, the value it has seen and the
#   value it has left.
# - Of one write all cells are there or none (I10), for every reader.
# - A snapshot reads the same while the table is compacted (I9).
# - Nothing is lost from a counter, and nothing counted twice.
#
#	WEIR_SEED		repeats the random choices of a run (not the timing)
#	WEIR_ROUNDS		number of rounds, default 3; all but the last end in a crash

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $seed = $ENV{WEIR_SEED} // int(rand(1_000_000));
my $rounds = $ENV{WEIR_ROUNDS} // 3;
my $clients = 15;
my $transactions = 100;    # of each client in a round

note("seed $seed (WEIR_SEED=$seed repeats it)");

my $node = weir_node('stress', conf => "max_connections = 50\nautovacuum_naptime = 1s");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
SELECT weir.create_wide_table('w');
SELECT weir.add_family('w', 'f', weir.max_versions(1)), weir.add_family('w', 'n', NULL, 'sum');
CREATE SEQUENCE ids;
-- seen: NULL for a blind write; value: '' where the row was deleted
CREATE TABLE log (row_key text, seq bigint, seen text, value text NOT NULL);

CREATE FUNCTION note(k text, seen text, value text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO log SELECT k, max(seq), seen, value FROM w_delta
	WHERE row_key = k::bytea AND xmin::text = pg_current_xact_id()::xid::text $$;

CREATE FUNCTION blind(k text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id text := nextval('ids');
BEGIN
	PERFORM weir.mutate_row('w', k, weir.set_cell('f', 'q', id, '2100-01-01'), weir.set_cell('f', 'twin', id, '2100-01-01'));
	PERFORM weir.mutate_row('w', 'counter', weir.add_to_cell('n', 'blind', '2024-01-01', 1));
	PERFORM note(k, NULL, id);
END $$;

CREATE FUNCTION modify(k text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id text := ',' || nextval('ids');
	value text;
BEGIN
	value := weir.text_value(weir.read_modify_write_row('w', k, weir.append_value('f', 'q', id), weir.append_value('f', 'twin', id)), 'f', 'q');
	PERFORM note(k, left(value, -length(id)), value);
END $$;

CREATE FUNCTION check_first(k text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id text := nextval('ids');
	seen text := weir.text_value(weir.read_row('w', k), 'f', 'q');
BEGIN
	IF seen IS NULL THEN
		RETURN;
	END IF;
	IF weir.check_and_mutate_row('w', k, weir.chain(weir.column_range('f', 'q', 'q'), weir.value_range(seen, seen)),
		ARRAY[weir.set_cell('f', 'q', id, '2100-01-01'), weir.set_cell('f', 'twin', id, '2100-01-01')], '{}')
	THEN
		PERFORM note(k, seen, id);
	END IF;
END $$;

CREATE FUNCTION delete_if(k text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	seen text := weir.text_value(weir.read_row('w', k), 'f', 'q');
	deleted text;
BEGIN
	DELETE FROM w WHERE row_key = k::bytea AND cells['f']['q'] = seen::bytea RETURNING weir.text_value(cells, 'f', 'q') INTO deleted;
	IF deleted IS NOT NULL THEN
		PERFORM note(k, deleted, '');
	END IF;
END $$;

-- under REPEATABLE READ
CREATE FUNCTION look() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	before text;
BEGIN
	FOR i IN 1 .. 5 LOOP
		IF before <> (SELECT string_agg(row_key::text || cells::text, ' ' ORDER BY row_key) FROM w) THEN
			RAISE EXCEPTION 'a snapshot reads something else than before';
		END IF;
		before := (SELECT string_agg(row_key::text || weir.read_row('w', row_key)::text, ' ' ORDER BY row_key) FROM w);
		IF EXISTS (SELECT FROM w WHERE cells['f']['q'] IS DISTINCT FROM cells['f']['twin']) THEN
			RAISE EXCEPTION 'half of a write is seen';
		END IF;
	END LOOP;
END $$;
SQL

# name => weight and statement; one in eight is rolled back
my %script = (
	blind => [ 6, 'SELECT blind(:k)' ],
	modify => [ 6, 'SELECT modify(:k)' ],
	check_first => [ 3, 'SELECT check_first(:k)' ],
	delete_if => [ 2, 'SELECT delete_if(:k)' ]);
my @files;
foreach my $name (sort keys %script)
{
	my ($weight, $statement) = @{ $script{$name} };
	my $file = $node->basedir . "/$name.sql";

	append_to_file($file, <<SQL);
\\set k random(1, 3)
\\set rolls_back random(1, 8)
BEGIN;
$statement;
\\if :rolls_back = 1
ROLLBACK;
\\else
COMMIT;
\\endif
SQL
	push @files, '-f', "$file\@$weight";
}
append_to_file($node->basedir . '/modify_rr.sql', <<'SQL');
\set k random(1, 3)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM w;
SELECT modify(:k);
COMMIT;
SQL
append_to_file($node->basedir . '/look.sql', <<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT look();
COMMIT;
SQL
append_to_file($node->basedir . '/compact.sql', "SELECT weir.compact('w');\n");
push @files, '-f', $node->basedir . '/modify_rr.sql@1', '-f', $node->basedir . '/look.sql@1', '-f', $node->basedir . '/compact.sql@1';

# The writes that have seen something else than what the one before them left
my $WRONG = <<'SQL';
SELECT count(*) FROM (SELECT *, lag(value, 1, '') OVER (PARTITION BY row_key ORDER BY seq) AS before FROM log) x WHERE seen <> before
SQL

sub check
{
	my ($when) = @_;

	is($node->safe_psql('postgres', $WRONG), '0', "$when: whoever modified saw the greatest committed write below");
	same_rows($node, 'postgres', "SELECT row_key, cells['f']['q'], cells['f']['twin'] FROM w WHERE cells['f']['q'] IS NOT NULL",
		"SELECT row_key::bytea, value::bytea, value::bytea FROM (SELECT DISTINCT ON (row_key) * FROM log ORDER BY row_key, seq DESC) x WHERE value <> ''",
		"$when: the rows are what the last writes left");
	is($node->safe_psql('postgres', <<'SQL'), 't', "$when: the counter has counted what was committed");
SELECT coalesce((SELECT weir.int8_value(cells['n']['blind']) FROM w WHERE row_key = 'counter'), 0) = (SELECT count(*) FROM log WHERE seen IS NULL)
SQL
	return;
}

foreach my $round (1 .. $rounds)
{
	my $crashes = $round < $rounds;
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM log');
	my ($out, $err) = ('', '');
	my $client = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $clients, '-j', '2', '-t', $transactions, '-M', 'prepared',
			'--random-seed', $seed + $round, '--max-tries', '100', @files, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'<', \undef, '>', \$out, '2>', \$err);

	if ($crashes)
	{
		$node->poll_query_until('postgres', "SELECT count(*) > $before + 150 FROM log") or die "nothing is written: $err";
		$node->stop('immediate');
	}
	$client->finish;
	if ($crashes)
	{
		$node->start;
	}
	else
	{
		is($client->full_result(0), 0, 'no session had an error') or diag($err);
	}
	unlike($err, qr/a snapshot reads|half of a write/, 'readers saw whole writes, and the same again') or diag($err);
	check("round $round");
	is($node->safe_psql('postgres', "SELECT skipped FROM weir.compact('w', true)"), '0', 'nothing is left locked');
	check("round $round, compacted");
}
note($node->safe_psql('postgres', "SELECT count(*) || ' writes were committed, ' || count(*) FILTER (WHERE seen IS NOT NULL) || ' of them had read' FROM log"));

$node->stop;
done_testing();
