
# What the documentation shows works as printed: every ```sql block of a page is run,
# in order and in a database of its own; where a ```text block follows, that is what
# psql prints.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

# The pages, and what they take for granted.
my $profiles = <<'SQL';
CREATE EXTENSION weir;
SELECT weir.create_wide_table('profiles');
SELECT weir.add_family('profiles', 'stats');
SQL
my @pages = (
	{ file => 'README.md', before => '' },
	{ file => 'docs/wide_tables.md', before => 'CREATE EXTENSION weir; CREATE ROLE partner;' },
	{ file => 'docs/change_streams.md', before => $profiles });

# The blocks of a page: the line where each begins, its SQL and what it prints.
sub blocks
{
	my ($page) = @_;
	my @blocks;

	while ($page =~ /^```(\w+)\n(.*?)^```$/msg)
	{
		my ($kind, $text) = ($1, $2);

		if ($kind eq 'sql')
		{
			my $line = 1 + (substr($page, 0, $-[0]) =~ tr/\n//);
			push @blocks, { line => $line, sql => $text };
		}
		elsif ($kind eq 'text' && @blocks)
		{
			$blocks[-1]{output} = $text;
		}
	}
	return @blocks;
}

# Trailing blanks are not seen on paper.
sub printed
{
	my ($text) = @_;

	$text =~ s/[ \t]+$//mg;
	$text =~ s/\n+\z/\n/;
	return $text;
}

my $node = weir_node('readme');
$node->start;

sub run_page
{
	my ($page, $database) = @_;
	my @blocks = blocks(slurp_file("$FindBin::RealBin/../../$page->{file}"));

	cmp_ok(scalar(@blocks), '>', 1, "$page->{file} has SQL in it");
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $page->{before});
	foreach my $block (@blocks)
	{
		my ($stdout, $stderr);
		my $name = "$page->{file}, line $block->{line}";
		my $ok = IPC::Run::run(
			[
				$node->installed_command('psql'), '-X', '-q', '-v', 'ON_ERROR_STOP=1',
				'-P', 'footer=on', '-d', $node->connstr($database), '-f', '-'
			],
			'<', \$block->{sql}, '>', \$stdout, '2>', \$stderr);

		ok($ok, "$name: runs") or diag($stderr);
		is(printed($stdout), printed($block->{output}), "$name: prints what the page says")
		  if defined $block->{output};
	}
	return;
}

run_page($pages[$_], "page_$_") foreach 0 .. $#pages;

$node->stop;
done_testing();
