
=pod

=head1 NAME

Weir::Test - what weir's TAP tests share

=head1 DESCRIPTION

Helpers around PostgreSQL::Test::Cluster. They wait for conditions, never for
time to pass, and compare relations by EXCEPT ALL both ways.

=cut

package Weir::Test;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use Time::HiRes qw(time usleep);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  weir_node worker_pids wait_for_worker wait_for_no_worker wait_for_server
  same_rows fails_ok timed_ok crash_and_start kill_process run_children
);

# What a worker shows as its type in pg_stat_activity.
my $WORKER = "backend_type LIKE 'weir%'";

# weir_node(NAME, OPTION => VALUE...): an initialised node, not started.
# allows_streaming goes to init, conf is appended to the configuration.
sub weir_node
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(
		allows_streaming => $option{allows_streaming} // 0,
		extra => [ '--encoding=UTF8', '--no-locale' ]);
	$node->append_conf('postgresql.conf', <<CONF);
max_prepared_transactions = 20
max_worker_processes = 16
max_connections = 50
restart_after_crash = on
timezone = 'UTC'
log_min_messages = warning
CONF
	$node->append_conf('postgresql.conf', $option{conf}) if $option{conf};
	return $node;
}

# pids of weir's workers in a database (those that serve one)
sub worker_pids
{
	my ($node, $db) = @_;

	return split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE $WORKER AND datname = '$db'");
}

sub wait_for_worker
{
	my ($node, $db) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE $WORKER AND datname = '$db'");
}

sub wait_for_no_worker
{
	my ($node, $db) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE $WORKER AND datname = '$db'");
}

# Does the server take a connection? Unlike psql of PostgreSQL::Test::Cluster this
# may find the server in the middle of a crash: the statement is not written to a
# program that has gone.
sub server_answers
{
	my ($node) = @_;

	return IPC::Run::run(
		[
			$node->installed_command('psql'), '-XqAt', '-d', $node->connstr('postgres'),
			'-c', 'SELECT true'
		],
		'>', \my $stdout, '2>', \my $stderr);
}

# The server restarts itself after one of its processes was killed.
sub wait_for_server
{
	my ($node) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;

	until (server_answers($node))
	{
		BAIL_OUT('the server does not come back') if time > $until;
		usleep(20_000);
	}
	return 1;
}

# fails_ok(NODE, DB, SQL, WHAT, NAME): the statement raises an error that says so.
sub fails_ok
{
	my ($node, $db, $sql, $what, $name) = @_;
	my ($status, undef, $error) = $node->psql($db, $sql);

	is($status, 3, "$name: raises an error");
	like($error, $what, $name);
	return;
}

# same_rows(NODE, DB, QUERY, QUERY, NAME [, MAY_BE_EMPTY]): both queries give
# the same rows, duplicates counted, and there are some.
sub same_rows
{
	my ($node, $db, $got, $expected, $name, $may_be_empty) = @_;
	my $answer = $node->safe_psql($db, <<SQL);
BEGIN ISOLATION LEVEL REPEATABLE READ;
WITH got AS MATERIALIZED ($got), expected AS MATERIALIZED ($expected)
SELECT (SELECT count(*) FROM expected),
	(SELECT count(*) FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM expected) x),
	(SELECT count(*) FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM got) x);
COMMIT;
SQL
	my ($rows, $surplus, $missing) = split /\|/, $answer;
	my $same = $surplus == 0 && $missing == 0 && ($rows > 0 || $may_be_empty);

	ok($same, "$name ($rows rows)");
	return 1 if $same;
	diag("$surplus rows too many, $missing missing");
	diag($node->safe_psql($db, <<SQL));
BEGIN ISOLATION LEVEL REPEATABLE READ;
WITH got AS MATERIALIZED ($got), expected AS MATERIALIZED ($expected)
(SELECT 'got', x::text FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM expected) x LIMIT 5)
UNION ALL
(SELECT 'expected', x::text FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM got) x LIMIT 5);
COMMIT;
SQL
	return 0;
}

# timed_ok(SECONDS, NAME, CODE): the code returns within so many seconds, says the
# name; what it is told from waits for minutes, so that ten times as long is no
# failure on a machine that has much else to do.
sub timed_ok
{
	my ($bound, $name, $code) = @_;
	my $start = time;

	$code->();
	my $elapsed = time - $start;
	return ok($elapsed < 10 * $bound, sprintf('%s (%.2f s, aim: %d s)', $name, $elapsed, $bound));
}

# kill_process(NODE, PID): kills one process of the server, which makes it restart
# itself, and waits until it has; returns 0 if the process had just ended by itself.
#
# The postmaster deals with a death before it accepts a connection, so that what
# it has to say of it is in its log once somebody has tried to connect.
sub kill_process
{
	my ($node, $pid) = @_;
	my $offset = -s $node->logfile;

	kill('KILL', $pid) or return 0;
	usleep(10_000) while kill(0, $pid);
	server_answers($node);
	return 0 unless slurp_file($node->logfile, $offset) =~ /terminated by signal 9/;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	wait_for_server($node);
	return 1;
}

# Kills the postmaster and starts the server again, as an init system would: not
# before its orphans have left the data directory. They notice at once that the
# postmaster is gone. (Its own entry in the process table may stay for as long as
# no one reaps it, so the lock files are removed.)
sub crash_and_start
{
	my ($node) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	my $directory = $node->data_dir;

	$node->kill9;
	while (grep { (readlink("$_/cwd") // '') eq $directory } glob('/proc/[0-9]*'))
	{
		BAIL_OUT('processes of the killed server do not end') if time > $until;
		usleep(20_000);
	}
	unlink("$directory/postmaster.pid", $node->host . '/.s.PGSQL.' . $node->port . '.lock');
	return $node->start;
}

# run_children(CODE...): runs each in a process of its own and returns their
# pids; the code's value is the exit status. They must not print test results.
sub run_children
{
	my @pids;

	foreach my $code (@_)
	{
		my $pid = fork // BAIL_OUT("could not fork: $!");

		if ($pid == 0)
		{
			my $status = eval { $code->() } // 1;

			print STDERR $@ if $@;
			# no END blocks: they would stop the parent's servers
			require POSIX;
			POSIX::_exit($status);
		}
		push @pids, $pid;
	}
	return @pids;
}

1;
