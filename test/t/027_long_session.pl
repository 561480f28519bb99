# What a session keeps of streams from one transaction to the next: which pages of
# the log have nothing new, which of its tables is written to, what a definition
# means. It stays true through rotation of the log, hint bits that change pages, the
# drop and re-creation of streams by others, and in a session on a standby through
# its promotion.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $primary = weir_node('primary', allows_streaming => 1, conf => <<CONF);
weir.start_workers = off
autovacuum = off
wal_log_hints = on
CONF
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION weir;
ALTER SYSTEM SET session_preload_libraries = 'weir';
SELECT pg_reload_conf();
SQL

my $make = <<'SQL';
SET client_min_messages = warning;
CREATE TABLE ev (n int);
SELECT weir.create_stream('ev');
SELECT weir.create_continuous_aggregate('ever', 'SELECT count(*) AS rows, sum(n) AS total FROM ev');
CALL weir.drain('ev');
SQL
$primary->safe_psql('postgres', $make);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $compare = 'SELECT e.rows = t.rows AND e.total = t.total, t.rows FROM ever e, (SELECT count(*) AS rows, sum(n) AS total FROM ev) t';
my $here = $primary->background_psql('postgres');
my $there = $standby->background_psql('postgres');
my $writer = $primary->background_psql('postgres');
$here->query_safe("SET weir.log_slot_size = '8kB'");
my $rows = 0;

# rows by the session that stays and by others, of which some roll back, and one
# has the id of long ago when it commits
sub write_rows
{
	my ($round) = @_;

	$writer->query_safe("BEGIN; INSERT INTO ev VALUES ($round)") if $round % 5 == 0;
	$here->query_safe("INSERT INTO ev SELECT $round FROM generate_series(1, 3)");
	$primary->safe_psql('postgres', "INSERT INTO ev VALUES ($round); BEGIN; INSERT INTO ev VALUES (1000); ROLLBACK;
		BEGIN; INSERT INTO ev VALUES (1000); PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'");
	$writer->query_safe('COMMIT') if $round % 5 == 3;
	$rows += 4;
	$rows++ if $round % 5 == 3;
	return;
}

my $wrong = 0;
for my $round (1 .. 60)
{
	write_rows($round) if $round > 4;
	my $reading = $here->query_safe($compare);
	$wrong++ if $round > 4 && $reading ne "t|$rows";
	$primary->wait_for_catchup($standby);
	$wrong++ if $round > 4 && $there->query_safe($compare) ne "t|$rows";
	# each of them consumes now and then; the others hear of it
	$here->query_safe("CALL weir.drain('ev')") if $round % 3 == 0;
	$primary->safe_psql('postgres', "SET weir.log_slot_size = '8kB'; CALL weir.drain('ev')") if $round % 3 == 1;
	# freezing and hint bits
	$primary->safe_psql('postgres', 'VACUUM (FREEZE)') if $round == 30;
}
is($wrong, 0, 'sessions that stay read the same as the table has, here and there');
cmp_ok($primary->safe_psql('postgres', 'SELECT max(turn) FROM weir._log_slot'), '>', 5, 'while the log goes round');

# The stream is dropped and made again by others.
$writer->query_safe('COMMIT');
$primary->safe_psql('postgres', "DROP TABLE ev CASCADE;\n$make");
$rows = 0;
for my $round (1 .. 3)
{
	$here->query_safe("INSERT INTO ev VALUES ($round)");
	$rows++;
	is($here->query_safe($compare), "t|$rows", "another stream of the same name, row $round");
	$here->query_safe("CALL weir.drain('ev')") if $round == 2;
}

# A backlog, known to the session on the standby, which becomes the primary.
$primary->wait_for_catchup($standby);
is($there->query_safe($compare), "t|$rows", 'on the standby, too');
$primary->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is($there->query_safe($compare), "t|$rows", 'the session has seen a promotion');
$wrong = 0;
$there->query_safe("SET weir.log_slot_size = '8kB'");
for my $round (1 .. 30)
{
	$there->query_safe("INSERT INTO ev VALUES ($round)");
	$standby->safe_psql('postgres', "INSERT INTO ev VALUES ($round)");
	$rows += 2;
	$wrong++ if $there->query_safe($compare) ne "t|$rows";
	$there->query_safe("CALL weir.drain('ev')") if $round % 3 == 0;
	$standby->safe_psql('postgres', "CALL weir.drain('ev')") if $round % 3 == 1;
}
is($wrong, 0, 'it writes, consumes and reads exactly');
is($standby->safe_psql('postgres', $compare), "t|$rows", 'and all is counted once');

$_->quit for $here, $there, $writer;
$standby->stop;
done_testing();
