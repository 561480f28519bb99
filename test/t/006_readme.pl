
# The README's sessions work as printed: every ```sql block of it is run, in order
# and in one database; where a ```text block follows, that is what psql prints.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Test;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my @blocks;
while ($readme =~ /^```(\w+)\n(.*?)^```$/msg)
{
	my ($kind, $text) = ($1, $2);

	if ($kind eq 'sql')
	{
		my $line = 1 + (substr($readme, 0, $-[0]) =~ tr/\n//);
		push @blocks, { line => $line, sql => $text };
	}
	elsif ($kind eq 'text' && @blocks)
	{
		$blocks[-1]{output} = $text;
	}
}
cmp_ok(scalar(@blocks), '>', 5, 'the README has SQL in it');

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
$node->safe_psql('postgres', 'CREATE DATABASE readme');

foreach my $block (@blocks)
{
	my ($stdout, $stderr);
	my $ok = IPC::Run::run(
		[
			$node->installed_command('psql'), '-X', '-q', '-v', 'ON_ERROR_STOP=1',
			'-P', 'footer=on', '-d', $node->connstr('readme'), '-f', '-'
		],
		'<', \$block->{sql}, '>', \$stdout, '2>', \$stderr);

	ok($ok, "line $block->{line}: runs") or diag($stderr);
	is(printed($stdout), printed($block->{output}), "line $block->{line}: prints what the README says")
	  if defined $block->{output};
}

$node->stop;
done_testing();
