
# Random interleavings: sessions do things to a stream and its aggregates, one step
# after another, each session in transactions of its own, and under every snapshot,
# on the way and in the end, each aggregate gives what plain SQL makes of the rows
# that count. Who waits for another is left aside until he is free.
#
# What steps there are, and how it is known what must come out: see
# Weir::Interleaving and Weir::Scenario. If a scenario fails, steps are left out of
# it as long as it fails, and what is left is printed.
#
#	WEIR_SEED			seed of the first scenario, those of the others follow; it is printed
#	WEIR_SCENARIOS		how many, default 40
#	WEIR_SECONDS		no further scenario after so many seconds, default 20
#	WEIR_SHRINK			seconds for making a scenario that fails smaller, default 60
#	WEIR_STOP			stop at the first that fails
#
# make stress plays scenarios for as long as half an hour.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use Time::HiRes qw(time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Weir::Interleaving;
use Weir::Scenario qw(random_shape first_steps random_step template);
use Weir::Test;

my $seed = $ENV{WEIR_SEED} // int(rand(1_000_000));
my $scenarios = $ENV{WEIR_SCENARIOS} // 40;
my $until = time + ($ENV{WEIR_SECONDS} // 20);
my $shrink_seconds = $ENV{WEIR_SHRINK} // 60;

my $node = weir_node('interleavings', conf => <<'CONF');
log_statement = none
fsync = off
autovacuum = off
weir.start_workers = off
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE weir_template');
$node->safe_psql('weir_template', template());

my (%counts, %errors);

# A world whose database and sessions the next one takes over.
my $previous;

# Plays what the code does in a world of this shape; returns what is wrong and the
# world.
sub play
{
	my ($shape, $code) = @_;

	if ($previous && !($previous->can_go_on && !$shape->{has_worker}))
	{
		$previous->close;
		$previous = undef;
	}
	my $world = Weir::Interleaving->new($node, 'world', $shape, $previous);

	$previous = undef;
	eval {
		$code->($world);
		$world->conclude;
	};
	my $wrong = $@;
	if ($wrong)
	{
		eval { $world->close };
	}
	else
	{
		$previous = $world;
	}
	return ($wrong, $world);
}

sub random_play
{
	my ($number) = @_;

	srand($number);
	my $shape = random_shape();
	my ($wrong, $world) = play($shape, sub {
		my ($world) = @_;

		$world->step($_) foreach first_steps($world);
		foreach (1 .. $shape->{steps})
		{
			my $step = random_step($world);

			$world->step($step) if $step;
			$world->step({ session => 0, kind => 'check', sql => 'SELECT * FROM differences(false);' }) if rand() < 0.3;
		}
	});
	return ($wrong, $shape, $world);
}

# The kind of what is wrong.
sub kind_of
{
	my ($wrong) = @_;

	return $wrong =~ /^(error: .*?: \w{5}|\w+)/ ? $1 : $wrong;
}

# A short list of steps that still goes wrong.
sub shrink
{
	my ($wrong, $shape, @steps) = @_;
	my $end = time + $shrink_seconds;
	my $size = int(@steps / 2) || 1;

	while (time < $end)
	{
		my $has_shrunk = 0;

		for (my $at = @steps - $size; $at > -$size && time < $end; $at -= $size)
		{
			my @fewer = @steps;

			splice(@fewer, $at < 0 ? 0 : $at, $at < 0 ? $at + $size : $size);
			my ($now) = play($shape, sub { my ($world) = @_; $world->step($_) foreach map { { %$_ } } @fewer });

			next if kind_of($now) ne kind_of($wrong);
			@steps = @fewer;
			$has_shrunk = 1;
		}
		last if $size == 1 && !$has_shrunk;
		$size = int(($size + 1) / 2) || 1;
	}
	return play($shape, sub { my ($world) = @_; $world->step($_) foreach @steps });
}

sub describe
{
	my ($world) = @_;

	return join '', map { "$_->{session} $_->{kind}: " . ($_->{sql} // '') . ($_->{result} ? "\n\t-- $_->{result}" : '') . "\n" } @{ $world->{trace} };
}

my $done = 0;
foreach my $number ($seed .. $seed + $scenarios - 1)
{
	last if time > $until && $done > 0;
	my ($wrong, $shape, $world) = random_play($number);

	$done++;
	$counts{$_} += $world->{counts}{$_} foreach keys %{ $world->{counts} };
	$errors{$_} += $world->{errors}{$_} foreach keys %{ $world->{errors} };
	next if !$wrong;
	fail("scenario $number: " . substr($wrong, 0, 300) =~ s/\n.*//sr);
	diag("WEIR_SEED=$number WEIR_SCENARIOS=1 repeats it");
	diag(join ', ', map { "$_ => " . ($shape->{$_} // 'undef') } grep { $_ ne 'setup' } sort keys %$shape);
	diag($wrong);
	if ($shrink_seconds > 0)
	{
		my ($still, $small) = shrink($wrong, $shape, @{ $world->{trace} });

		diag($still ? "made smaller: $still" : 'it does not go wrong again with the same steps');
		$world = $small if $still;
	}
	diag(describe($world));
	last if $ENV{WEIR_STOP};
	$until += $shrink_seconds;
}
my $steps = 0;
$steps += $_ foreach values %counts;
note("steps: " . join(', ', map { "$_ $counts{$_}" } sort keys %counts));
note("errors that were met: " . join(', ', map { "$_: $errors{$_}" } sort keys %errors));
is(scalar(grep { !$_ } Test::More->builder->summary), 0, "$done scenarios of $steps steps, seeds from $seed");
$previous->close if $previous;
$node->stop;
done_testing();
