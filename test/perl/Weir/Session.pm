
=pod

=head1 NAME

Weir::Session - a psql that runs beside the test

=head1 DESCRIPTION

A session is given statements without waiting for them to end, so that several can
be in the middle of something, or wait for each other. Whether one waits is asked
of the server, through another session.

=cut

package Weir::Session;

use strict;
use warnings;

use IO::Select;
use IPC::Open3;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(time usleep);

# Weir::Session->new(NODE, DATABASE, SQL): a session that begins with these
# statements; dies if it cannot connect.
sub new
{
	my ($class, $node, $db, $setup) = @_;
	my $self = bless { number => 0, output => '' }, $class;
	my @psql = (
		$node->installed_command('psql'), '-XqAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($db));

	$self->{psql} = open3($self->{in}, $self->{out}, undef, @psql);
	$self->{in}->autoflush(1);
	$self->{out}->blocking(0);
	$self->{select} = IO::Select->new($self->{out});
	$self->send("SELECT pg_backend_pid();\n" . ($setup // ''));
	$self->wait_until_done(60);
	($self->{pid}) = $self->{answer} =~ /^(\d+)$/m or die "no session: $self->{answer}";
	return $self;
}

# Gives it something to do; it must have done what it was given before.
sub send
{
	my ($self, $sql) = @_;
	my $end = '=== done ' . ++$self->{number};

	local $SIG{PIPE} = 'IGNORE';
	$self->{is_busy} = 1;
	$self->{end} = $end;
	$self->{output} = '';
	print { $self->{in} } "$sql\n;\n\\echo $end\n";
	return;
}

# Reads what there is for at most so many seconds. True when it is at the end of
# what it was given: "answer" is its output, "is_lost" says that the connection is.
sub is_done
{
	my ($self, $seconds) = @_;
	my $until = time + $seconds;

	while ($self->{is_busy})
	{
		my $left = $until - time;

		last unless $self->{select}->can_read($left > 0 ? $left : 0);
		my $n = sysread($self->{out}, $self->{output}, 65536, length($self->{output}));
		if (defined $n && $n == 0)
		{
			@$self{qw(is_lost is_busy answer)} = (1, 0, $self->{output});
			last;
		}
		if ($self->{output} =~ /^\Q$self->{end}\E$/m)
		{
			@$self{qw(is_busy answer)} = (0, $` =~ s/\s+$//r);
		}
	}
	return !$self->{is_busy};
}

sub wait_until_done
{
	my ($self, $seconds) = @_;

	return $self->is_done($seconds) || die "no answer for $seconds s: $self->{output}";
}

# The answer to statements, at once.
sub ask
{
	my ($self, $sql) = @_;

	$self->send($sql);
	$self->wait_until_done(120);
	die "$sql\n$self->{answer}" if $self->{is_lost} || $self->errors;
	return $self->{answer};
}

# [SQLSTATE, message] of each error in the answer
sub errors
{
	my ($self) = @_;
	my @errors;

	push @errors, [ $1, $2 ] while $self->{answer} =~ /^(?:psql:[^\n]*?: )?(?:ERROR|FATAL|PANIC):  (\w{5}): ([^\n]*)$/mg;
	return @errors;
}

sub quit
{
	my ($self) = @_;

	local $SIG{PIPE} = 'IGNORE';
	kill('TERM', $self->{psql}) if $self->{is_busy};
	close($self->{in});
	close($self->{out});
	waitpid($self->{psql}, 0);
	return;
}

1;
