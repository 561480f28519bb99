use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION weir');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'weir'"),
	'1', 'the extension can be created');

done_testing();
