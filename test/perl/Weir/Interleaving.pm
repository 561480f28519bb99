
=pod

=head1 NAME

Weir::Interleaving - what sessions do to a stream, one step after another

=head1 DESCRIPTION

A world is a database with a stream "s", aggregates over it, and sessions. It is
taken from state to state by steps: hashes with a kind, the number of the session
that does it, and SQL. A step whose time has not come is passed over, so that any
part of a list of steps can be played again.

What aggregates must give is a matter of ordinary tables that are written in the
transactions of the steps themselves, so that savepoints, two-phase commit, crashes
and old snapshots do to them what they do to the stream:

	ledger		every row of the stream; a row deleted by who has inserted it goes
	excl		(aggregate, row): not counted, as it was deleted before it was
				consumed, or was gone or history when the aggregate was made
	aggs		aggregates, and what each must give as a query over these

Only "consumed" and "unsure" are kept by the test: which rows are certainly
consumed, or may be. Rows are deleted only where that is known.

=cut

package Weir::Interleaving;

use strict;
use warnings;

use Time::HiRes qw(time usleep);

use Weir::Session;

# Errors that may come of steps that meet each other.
my %may_fail = map { $_ => 1 } qw(
  40001 40P01 55P03 57014 57P01 25P02 25001 3B001 55000 23514 42704 2BP01 42P01 0A000 42710 42701 42P07 42809 42804 42703 23505 22023 22012);

# What a world leaves behind.
my $clean_up = <<'SQL';
SELECT weir.drop_stream('s', cascade => true) FROM weir.streams;
SELECT format('DROP TABLE %s CASCADE', oid::regclass) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname ~ '^(s|s_\d+|ledger|sunk_.*)$' \gexec
TRUNCATE excl, consumed, unsure, aggs, late_is_wrong;
SQL

# What blocks what: properties of kinds of steps.
#	alone		not in a transaction block
#	read_committed	not in a block of another isolation
#	consumes	moves cursors; not while rows are being deleted
#	deletes		rows that were committed; only while it is known which are consumed
#	shapes		makes, drops or moves aggregates, streams or partitions
#	taints		takes rows from older snapshots, as the server documents
my %property = (
	insert => {}, storm => { alone => 1 }, epoch => {},
	begin => { alone => 1 }, savepoint => { block => 1 }, release => { block => 1 }, back => { block => 1 },
	commit => { block => 1 }, rollback => { block => 1 }, prepare => { block => 1 },
	finish => { others => 1 }, check => {},
	drain => { alone => 1, consumes => 1 }, cut => { alone => 1, consumes => 1 }, wait => { alone => 1 }, skip => { read_committed => 1, shapes => 1 },
	advance => { read_committed => 1, consumes => 1, moves => 1 },
	delete_own => {},
	delete => { read_committed => 1, deletes => 1 },
	truncate => { read_committed => 1, deletes => 1, taints => 1 },
	vacuum => { alone => 1 }, turn => { alone => 1 }, move => { read_committed => 1 }, vacuum_full => { alone => 1 },
	rewrite => { read_committed => 1, taints => 1 }, add_column => { read_committed => 1 },
	detach => { read_committed => 1, shapes => 1 }, detach_concurrently => { alone => 1, shapes => 1 }, attach => { read_committed => 1, shapes => 1 },
	create_stream => { read_committed => 1, shapes => 1, taints => 1 },
	drop_stream => { read_committed => 1, shapes => 1, taints => 1 },
	create_aggregate => { read_committed => 1, shapes => 1 },
	drop_aggregate => { read_committed => 1, shapes => 1 },
	alter => { read_committed => 1, shapes => 1 },
	kill => { others => 1 }, cancel => { others => 1 }, crash => { others => 1 });

# Weir::Interleaving->new(NODE, DATABASE, SHAPE, PREVIOUS): a world of a shape (see
# Weir::Scenario). Its database is a copy of weir_template, or that of the previous
# world, if that has come to a good end, with its sessions.
sub new
{
	my ($class, $node, $db, $shape, $previous) = @_;
	my $self = bless {
		node => $node, db => $db, shape => $shape, sessions => [], prepared => {}, age => 0,
		trace => [], errors => {}, counts => {}, is_unclean => 0, is_fresh => 1, epoch => 0
	}, $class;

	if ($previous)
	{
		@$self{qw(control sessions)} = @$previous{qw(control sessions)};
		$self->{age} = $previous->{age} + 1;
		$self->{control}->ask($clean_up);
	}
	else
	{
		my $admin = Weir::Session->new($node, 'postgres');

		$admin->ask("DROP DATABASE IF EXISTS $db WITH (FORCE); CREATE DATABASE $db TEMPLATE weir_template;");
		$admin->quit;
		$self->connect_control;
	}
	$self->{control}->ask($shape->{setup});
	# the last one only looks
	foreach my $number (0 .. $shape->{sessions})
	{
		my $session = $self->{sessions}[$number];

		$session ? $session->{psql}->ask($self->settings) : $self->open_session($number);
	}
	$_->{psql}->quit foreach splice(@{ $self->{sessions} }, $shape->{sessions} + 1);
	return $self;
}

# Can another world have its sessions?
sub can_go_on
{
	my ($self) = @_;

	return !$self->{shape}{has_worker} && $self->{age} < 20;
}

sub settings
{
	my ($self) = @_;
	my $shape = $self->{shape};

	return join "\n", 'RESET ALL;', 'SET client_min_messages = warning;', "SET deadlock_timeout = '20ms';",
	  'SET weir.start_workers = ' . ($shape->{has_worker} ? 'on;' : 'off;'),
	  $shape->{small_slots} ? "SET weir.log_slot_size = '8kB';" : (),
	  $shape->{has_poison} ? 'SET weir.max_failures = 1;' : (),
	  $shape->{tick_rows} ? "SET weir.tick_rows = $shape->{tick_rows};" : (),
	  $shape->{default_isolation} ? "SET default_transaction_isolation = '$shape->{default_isolation}';" : ();
}

sub connect_control
{
	my ($self) = @_;

	$self->{control} = Weir::Session->new($self->{node}, $self->{db},
		"SET weir.start_workers = off;\nSET client_min_messages = warning;");
	return;
}

sub open_session
{
	my ($self, $number) = @_;

	$self->{sessions}[$number] = {
		number => $number, savepoints => [],
		psql => Weir::Session->new($self->{node}, $self->{db}, $self->settings)
	};
	return;
}

sub is_any
{
	my ($self, $what) = @_;

	return scalar grep { $_->{$what} } @{ $self->{sessions} }, values %{ $self->{prepared} };
}

sub busy { return grep { $_->{psql}{is_busy} } @{ $_[0]{sessions} } }

# --- Is it time for a step?

sub may_step
{
	my ($self, $step) = @_;
	my $session = $self->{sessions}[ $step->{session} ];
	my $is = $property{ $step->{kind} } or die "no such step: $step->{kind}";

	return 0 if $step->{kind} eq 'finish' && !$self->{prepared}{ $step->{gid} // '' };
	return 1 if $is->{others};
	return 0 if $session->{psql}{is_busy};
	return 0 if $is->{block} && !$session->{in_block} || $is->{alone} && $session->{in_block};
	return 0 if $step->{kind} =~ /^(?:back|release)$/ && !grep { $_ eq $step->{name} } @{ $session->{savepoints} };
	return $step->{kind} =~ /^(?:commit|rollback|back)$/ if $session->{is_aborted};
	return 0 if $is->{read_committed} && $session->{in_block} && $session->{isolation} ne 'READ COMMITTED';
	return 0 if $step->{kind} eq 'epoch' && ($self->is_any('has_written') || $self->busy);
	return 0 if $is->{consumes} && $self->is_any('deletes');
	# this transaction may have consumed them
	return 0 if $step->{kind} eq 'delete_own' && $session->{is_consuming};
	if ($is->{deletes})
	{
		return 0 if $self->{shape}{has_worker} || $self->is_any('shapes') || $self->is_any('is_consuming');
		return 0 if $step->{kind} eq 'truncate' && $self->{control}->ask('SELECT EXISTS (SELECT FROM unsure)') eq 't';
	}
	if ($is->{shapes})
	{
		return 0 if $self->is_any('deletes') || grep { $_ != $session && $_->{shapes} } @{ $self->{sessions} }, values %{ $self->{prepared} };
		return 0 if $step->{is_lonely} && $self->is_any('is_consuming');
		return 0 if $step->{kind} =~ /^(?:detach|detach_concurrently|attach)$/ && $self->{is_fresh};
		return 0 if $step->{is_quiet} && $self->busy;
	}
	return 1;
}

# --- Steps

# Does it if its time has come; dies with a message that begins with a word for
# what is wrong.
sub step
{
	my ($self, $step) = @_;

	return 0 unless $self->may_step($step);
	$self->{counts}{ $step->{kind} }++;
	push @{ $self->{trace} }, $step;
	delete $step->{result};
	if ($property{ $step->{kind} }{others})
	{
		$self->disturb($step);
		return 1;
	}
	my $session = $self->{sessions}[ $step->{session} ];
	my $is = $property{ $step->{kind} };
	my $sql = $step->{sql};

	# whoever else is in the middle of consuming meets this one
	$self->{is_unclean} = 1 if $self->is_any('is_consuming') || $is->{consumes} && $self->is_any('shapes');
	$self->{is_drained} = 0 unless $step->{kind} =~ /^(?:check|wait)$/;
	$session->{step} = $step;
	$session->{has_waited} = 0;
	foreach my $flag (grep { $is->{$_} } qw(deletes shapes taints))
	{
		$session->{$flag} = 1;
	}
	$session->{is_consuming} = 1 if $is->{consumes};
	$session->{has_written} = 1 if $step->{writes};
	$self->{is_begun} = $is->{consumes} ? 1 : $step->{kind} eq 'create_stream' ? 0 : $self->{is_begun};
	$self->{is_fresh} = 1 if $step->{kind} =~ /^create_/;
	$self->taint($session) if $is->{taints};
	$session->{is_tainted} = 1 if $step->{kind} eq 'check' && grep { $_->{taints} && $_ != $session } @{ $self->{sessions} }, values %{ $self->{prepared} };
	$sql =~ s/:epoch:/$self->{epoch}/g;
	$sql =~ s/:clock:/scalar @{ $self->{trace} }/ge;
	$sql = "BEGIN" . ($step->{isolation} ? " ISOLATION LEVEL $step->{isolation}" : $is->{read_committed} ? ' ISOLATION LEVEL READ COMMITTED' : '') . ";\n$sql\nCOMMIT;"
	  if $step->{is_transaction} && !$session->{in_block};
	$session->{psql}->send($sql);
	$self->settle;
	return 1;
}

# Those whose snapshots are older than what has no versions of rows.
sub taint
{
	my ($self, $by) = @_;

	foreach my $other (@{ $self->{sessions} })
	{
		$other->{is_tainted} = 1 if $other != $by && ($other->{psql}{is_busy} || $other->{in_block} && $other->{isolation} ne 'READ COMMITTED');
	}
	return;
}

sub disturb
{
	my ($self, $step) = @_;
	my $session = $self->{sessions}[ $step->{session} ];

	$self->{is_unclean} = 1 if $self->is_any('is_consuming');
	$self->{is_drained} = 0;
	if ($step->{kind} eq 'crash')
	{
		$self->{node}->stop('immediate');
		$self->{node}->start;
		foreach my $other (@{ $self->{sessions} })
		{
			$other->{psql}->quit;
			$self->open_session($other->{number});
		}
		$self->{control}->quit;
		$self->connect_control;
		$self->doubt;
		return;
	}
	if ($step->{kind} eq 'finish')
	{
		$self->{control}->ask($step->{sql});
		$self->end_transaction(delete $self->{prepared}{ $step->{gid} });
		return $self->settle;
	}
	return if $step->{kind} eq 'cancel' && !$session->{psql}{is_busy};
	$self->{control}->ask($step->{kind} eq 'kill' ? "SELECT pg_terminate_backend($session->{psql}{pid}, 10000)" : "SELECT pg_cancel_backend($session->{psql}{pid})");
	if ($step->{kind} eq 'kill')
	{
		$session->{psql}->quit;
		$self->doubt if $session->{is_consuming};
		$self->open_session($session->{number});
	}
	$self->settle;
	return;
}

# Waits until each session has come to its end or waits for another.
sub settle
{
	my ($self) = @_;
	my $control = $self->{control};
	my $start = time;
	my $pause = 0.005;
	my %since;

	while (1)
	{
		foreach my $session ($self->busy)
		{
			next unless $session->{psql}->is_done($pause);
			$self->finish($session);
			# others may go on now
			%since = ();
			$start = time;
			$pause = 0.005;
		}
		my @busy = $self->busy or return;
		my %wait = map { /^(\d+)\|(\w*)\|(\w)/ ? ($1 => [ $2, $3 ]) : () } split /\n/,
		  $control->ask('SELECT pid, wait_event_type, cardinality(pg_blocking_pids(pid)) > 0 FROM pg_stat_activity WHERE pid IN ('
			  . join(', ', map { $_->{psql}{pid} } @busy) . ')');
		my $now = time;
		my $all = 1;
		foreach my $session (@busy)
		{
			my ($type, $is_blocked) = @{ $wait{ $session->{psql}{pid} } // [ '', 'f' ] };
			my $waits = 0;

			if ($is_blocked eq 't')
			{
				$since{ $session->{number} } //= $now;
				$waits = $session->{has_waited} || $now - $since{ $session->{number} } > 0.06;
			}
			else
			{
				delete $since{ $session->{number} };
				$waits = $type ne '' && $type ne 'Client' && $type ne 'IO' && $type ne 'LWLock' && $now - $start > 0.5;
			}
			$session->{has_waited} = 1 if $waits;
			$all &&= $waits;
		}
		return if $all;
		$pause *= 2 if $pause < 0.03;
		die "stuck: " . join('; ', map { "session $_->{number}: $_->{step}{kind}" } @busy) . "\n" if $now - $start > 60;
	}
	return;
}

# What a session has done is done.
sub finish
{
	my ($self, $session) = @_;
	my $step = delete $session->{step};
	my $is = $property{ $step->{kind} };
	my $psql = $session->{psql};
	my @errors = $psql->errors;
	my $failed = @errors > 0 || $psql->{is_lost};

	$step->{result} = ($session->{has_waited} ? 'after waiting: ' : '') . ($failed ? join('; ', map { "@$_" } @errors) : 'done');
	foreach my $error (@errors)
	{
		my ($code, $message) = @$error;

		$self->{errors}{"$step->{kind} $code"}++;
		die "error: $step->{kind}: $code $message\n" unless $may_fail{$code};
		die "error: a look fails: $code $message\n"
		  if $step->{kind} eq 'check' && $code =~ /^(?:55|42|0A|22)/ && !$session->{in_block} && !$session->{has_waited} && !$self->{shape}{has_poison};
		# a snapshot keeps what it sees in the log
		die "error: a look fails: $code $message\n" if $step->{kind} eq 'check' && $message =~ /log of stream/ && !$session->{is_tainted};
	}
	die "error: session $session->{number} lost its connection: $psql->{answer}\n" if $psql->{is_lost} && !@errors;
	die "warning: $1\n" if !$failed && $is->{consumes} && $psql->{answer} =~ /^(?:psql:[^\n]*?: )?WARNING:  \w{5}: (?!there is no transaction)([^\n]*aggregate (?!"p\d)[^\n]*)/m;
	# the first rows of an aggregate, when they are read, are what the snapshot sees
	if ($step->{kind} eq 'check' && !$failed && !$session->{is_tainted} && $psql->{answer} ne '' && !($session->{has_written} && $self->{is_fresh}))
	{
		die "difference: " . ($session->{in_block} ? "$session->{isolation}: " : '') . "$psql->{answer}\n";
	}
	if ($psql->{is_lost})
	{
		$psql->quit;
		$self->doubt;
		return $self->open_session($session->{number});
	}
	if ($is->{consumes} && $is->{alone})
	{
		$session->{is_consuming} = 0;
		$self->note_drain($step->{kind} eq 'cut' || $failed || $session->{has_waited});
	}
	$self->check_wait($session, $failed) if $step->{kind} eq 'wait' && !$session->{has_waited};
	$self->follow($session, $step, $failed);
	return;
}

# The state of a session's transaction after a step.
sub follow
{
	my ($self, $session, $step, $failed) = @_;
	my $kind = $step->{kind};
	my $savepoints = $session->{savepoints};

	if ($kind eq 'begin')
	{
		@$session{qw(in_block isolation)} = (1, $step->{isolation});
	}
	elsif ($kind =~ /^(?:commit|rollback|prepare)$/)
	{
		$self->{prepared}{ $step->{gid} } = { map { $_ => $session->{$_} } qw(has_written deletes shapes taints is_consuming) } if $kind eq 'prepare' && !$failed && !$session->{is_aborted};
		$session->{$_} = 0 foreach $kind eq 'prepare' && !$failed ? qw(taints is_consuming) : ();
		$self->end_transaction($session);
	}
	elsif ($failed)
	{
		$session->{is_aborted} = 1 if $session->{in_block};
	}
	elsif ($kind eq 'savepoint')
	{
		push @$savepoints, $step->{name};
	}
	elsif ($kind =~ /^(?:back|release)$/)
	{
		pop @$savepoints while @$savepoints && $savepoints->[-1] ne $step->{name};
		pop @$savepoints if $kind eq 'release';
		$session->{is_aborted} = 0;
	}
	$self->{epoch}++ if $kind eq 'epoch';
	$self->end_transaction($session) unless $session->{in_block};
	return;
}

sub end_transaction
{
	my ($self, $session) = @_;

	# what was consumed, or not, in a transaction of several steps
	$self->doubt if $session->{is_consuming};
	$self->taint($session) if $session->{taints};
	@$session{qw(in_block isolation is_aborted has_written deletes shapes taints is_consuming is_tainted)} = ();
	$session->{savepoints} = [];
	return;
}

# A drain is done: of a clean one, that met nobody, it is known what it consumed.
sub note_drain
{
	my ($self, $is_dirty) = @_;

	return $self->doubt if $is_dirty || $self->{is_unclean} || $self->is_any('is_consuming') || $self->{shape}{has_worker};
	$self->{control}->ask(<<'SQL');
INSERT INTO consumed SELECT a.name, l.uid FROM aggs a, ledger l WHERE NOT a.is_paused AND NOT a.is_poisoned ON CONFLICT DO NOTHING;
DELETE FROM unsure u USING aggs a WHERE a.name = u.agg AND NOT a.is_paused AND NOT a.is_poisoned;
INSERT INTO unsure SELECT a.name, l.uid FROM aggs a, ledger l WHERE a.is_poisoned ON CONFLICT DO NOTHING;
SQL
	$self->{is_fresh} = 0 if $self->{control}->ask('SELECT EXISTS (SELECT FROM aggs WHERE is_paused OR is_poisoned)') eq 'f';
	$self->{is_drained} = 1 if !$self->{shape}{has_poison} && !$self->{is_fresh};
	return;
}

# What a wait has said: what was committed before is consumed, or, after a drain
# that met nobody, it cannot but be.
sub check_wait
{
	my ($self, $session, $failed) = @_;

	return if $failed || $self->busy;
	my $is_done = $session->{psql}{answer} =~ /^t$/m;

	die "wait: nothing is left, but it is not done\n" if !$is_done && $self->{is_drained} && !%{ $self->{prepared} } && !$self->is_any('has_written');
	my $behind = $self->{control}->ask('SELECT rows_behind FROM weir.stat_streams WHERE rows_behind <> 0 AND NOT in_history');
	die "wait: it is done, but $behind rows are left\n" if $is_done && $behind ne '' && !$self->{shape}{has_poison} && !%{ $self->{prepared} };
	return;
}

# Any row may have been consumed by now.
sub doubt
{
	my ($self) = @_;

	$self->{is_unclean} = 0 unless $self->is_any('is_consuming');
	$self->{control}->ask(<<'SQL');
INSERT INTO unsure SELECT a.name, l.uid FROM aggs a, ledger l
WHERE NOT EXISTS (SELECT FROM consumed c WHERE c.agg = a.name AND c.uid = l.uid) ON CONFLICT DO NOTHING;
SQL
	return;
}

# --- The end

# Everybody commits, all is consumed, every window closes: then dies if anything
# differs.
sub conclude
{
	my ($self) = @_;
	my $control = $self->{control};

	foreach my $turn (1 .. 200)
	{
		my $open = 0;

		foreach my $session (@{ $self->{sessions} })
		{
			next unless $session->{in_block} || $session->{psql}{is_busy};
			$open = 1;
			$self->step({ session => $session->{number}, kind => 'commit', sql => 'COMMIT;' });
		}
		foreach my $gid (sort keys %{ $self->{prepared} })
		{
			$self->step({ session => 0, kind => 'finish', gid => $gid, sql => "COMMIT PREPARED '$gid';" });
		}
		$self->settle;
		last unless $open || %{ $self->{prepared} };
		usleep(50_000) if $turn > 5;
		die "stuck: sessions do not end\n" if $turn == 200;
	}
	$control->ask("SELECT weir.resume('s') FROM weir.streams");
	$control->ask('SELECT weir.resume(name::regclass) FROM aggs WHERE is_paused');
	$self->compare('false', 'before the last drain');
	return unless $control->ask('SELECT count(*) FROM weir.streams');
	$self->skip_poison if $self->{shape}{has_poison};
	$self->ask_or_die("CALL weir.drain('s')");
	$self->compare('false', 'after the last drain');
	$self->ask_or_die("SELECT weir.advance_watermark('s', 'infinity')");
	$self->ask_or_die("CALL weir.drain('s')");
	$self->compare('true', 'after all');
	my $states = $control->ask(<<'SQL');
SELECT aggregate, status, last_error, groups, open_windows FROM weir.stat_aggregates x JOIN aggs a ON a.name::regclass = x.aggregate
WHERE status NOT IN ('active', 'not started') OR last_error IS NOT NULL OR (a.kind <> 'running' AND (groups > 0 OR open_windows > 0));
SELECT stream, rows_behind FROM weir.stat_streams WHERE rows_behind <> 0 OR in_history;
SQL
	die "state: $states\n" if $states ne '';
	return;
}

# Until nothing fails any more.
sub skip_poison
{
	my ($self) = @_;
	my $control = $self->{control};

	foreach my $turn (1 .. 50)
	{
		$control->ask("SET weir.max_failures = 1; SELECT weir.resume(name::regclass) FROM aggs WHERE is_poisoned; CALL weir.drain('s')");
		last if $control->ask("SELECT count(weir.skip(aggregate)) FROM weir.stat_aggregates WHERE status = 'failed'") eq '0';
		$control->ask("CALL weir.drain('s')");
		die "stuck: there is no end of poison\n" if $turn == 50;
	}
	return;
}

sub ask_or_die
{
	my ($self, $sql) = @_;
	my $answer = eval { $self->{control}->ask($sql) } // die "error: at the end: $@";

	die "warning: $answer\n" if $answer =~ /WARNING/;
	return;
}

sub compare
{
	my ($self, $is_final, $when) = @_;
	my $differences = eval { $self->{control}->ask("SELECT * FROM differences($is_final)") } // die "error: $when: $@";

	die "difference: $when: $differences\n" if $differences ne '';
	return;
}

sub close
{
	my ($self) = @_;

	$_->{psql}->quit foreach @{ $self->{sessions} };
	$self->{control}->quit;
	my $admin = Weir::Session->new($self->{node}, 'postgres');
	my $gids = $admin->ask("SELECT gid FROM pg_prepared_xacts WHERE database = '$self->{db}'");
	$admin->quit;
	if ($gids ne '')
	{
		$admin = Weir::Session->new($self->{node}, $self->{db});
		$admin->ask("ROLLBACK PREPARED '$_'") foreach split /\n/, $gids;
		$admin->quit;
	}
	$admin = Weir::Session->new($self->{node}, 'postgres');
	$admin->ask("DROP DATABASE IF EXISTS $self->{db} WITH (FORCE)");
	$admin->quit;
	return;
}

1;
