
=pod

=head1 NAME

Weir::Scenario - random worlds, and random steps in them

=head1 DESCRIPTION

See Weir::Interleaving for what a world is, and what a step.

Most worlds are strict: event times are of one epoch, longer than any window, until
no transaction is open that has written; so no row is late whatever the order in
which transactions end, and what each aggregate must give, at any moment and under
any snapshot, follows from the rows. In the others rows are late, and tumbling
windows must have, in the end, those that are not among the late ones.

=cut

package Weir::Scenario;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(random_shape first_steps random_step template);

my $columns = 'id, uid, ts, k, v, p, src, pad';

sub one_of { return $_[ int(rand(@_)) ] }

sub chance { return rand() < $_[0] }

# What all worlds have.
sub template
{
	return <<'SQL';
CREATE EXTENSION weir;
CREATE TABLE excl (agg text, uid bigint, PRIMARY KEY (agg, uid));
CREATE TABLE consumed (agg text, uid bigint, PRIMARY KEY (agg, uid));
CREATE TABLE unsure (agg text, uid bigint, PRIMARY KEY (agg, uid));
CREATE TABLE aggs (name text PRIMARY KEY, kind text, is_exact bool, has_sink bool, is_paused bool, is_poisoned bool, expected text);
CREATE TABLE late_is_wrong (yes bool);

CREATE FUNCTION difference(name text, what text, expected text, got text)
	RETURNS TABLE (agg text, of text, which text, n bigint, example text) LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY EXECUTE format('WITH expected AS MATERIALIZED (%s), got AS MATERIALIZED (%s)
		SELECT $1, $2, which, count(*), min(x) FROM
			(SELECT ''missing'' AS which, x::text FROM (TABLE expected EXCEPT ALL TABLE got) x
			UNION ALL SELECT ''surplus'', x::text FROM (TABLE got EXCEPT ALL TABLE expected) x) x
		GROUP BY which', expected, got) USING name, what;
END $$;

-- All that is wrong, under one snapshot.
CREATE FUNCTION differences(is_final bool)
	RETURNS TABLE (agg text, of text, which text, n bigint, example text) LANGUAGE plpgsql STABLE AS $$
DECLARE
	a aggs;
BEGIN
	FOR a IN SELECT * FROM aggs ORDER BY name
	LOOP
		IF a.is_exact OR is_final THEN
			RETURN QUERY SELECT * FROM difference(a.name, 'view', a.expected, 'SELECT * FROM ' || a.name);
		END IF;
		IF is_final AND a.kind <> 'running' THEN
			RETURN QUERY SELECT * FROM difference(a.name, 'closed', a.expected, 'SELECT * FROM ' || a.name || '_closed');
		END IF;
		IF a.has_sink THEN
			RETURN QUERY SELECT * FROM difference(a.name, 'sink', 'SELECT * FROM ' || a.name || '_closed', 'SELECT * FROM sunk_' || a.name);
		END IF;
	END LOOP;
	IF EXISTS (SELECT FROM late_is_wrong) THEN
		RETURN QUERY SELECT aggregate::text, 'late rows', reason, count(*), min("row"::text) FROM weir.late_rows JOIN aggs ON name::regclass = aggregate
			WHERE NOT (is_poisoned AND "row" ->> 'v' = '3') GROUP BY 1, 3;
	END IF;
END $$;
SQL
}

# What a world is like, at random.
sub random_shape
{
	my %shape = (
		is_strict => chance(0.8), has_event_time => chance(0.9), type => one_of('timestamptz', 'timestamptz', 'timestamp'),
		levels => one_of(0, 0, 1, 2), has_key => chance(0.5), has_source => chance(0.2),
		retention => one_of(undef, undef, '0', '300 seconds'), has_worker => chance(0.1), sessions => one_of(2, 3, 3, 4),
		small_slots => chance(0.7), tick_rows => one_of(undef, undef, 1, 1, 4, 30), has_poison => chance(0.15),
		default_isolation => one_of(undef, undef, undef, 'repeatable read', 'serializable'), steps => one_of(25, 50, 50, 90));

	$shape{is_strict} = 1 unless $shape{has_event_time};
	$shape{retention} = undef if $shape{has_worker} || !$shape{has_event_time} && ($shape{retention} // '') ne '0';
	my $definition = "id bigint NOT NULL, uid bigint NOT NULL, ts $shape{type} NOT NULL, k text, v int, p int NOT NULL, src text, pad text";
	my $key = !$shape{has_key} ? '' : $shape{levels} ? ', PRIMARY KEY (id, p)' : ', PRIMARY KEY (id)';
	my $setup = "CREATE TABLE s ($definition$key)" . ($shape{levels} ? ' PARTITION BY LIST (p)' : '') . ";\n";
	if ($shape{levels})
	{
		$setup .= "CREATE TABLE s_$_ PARTITION OF s FOR VALUES IN ($_);\n" foreach 0, 2, 3;
		$setup .= 'CREATE TABLE s_1 PARTITION OF s FOR VALUES IN (1)' . ($shape{levels} > 1 ? " PARTITION BY HASH (id);\n" : ";\n");
		$setup .= "CREATE TABLE s_1_$_ PARTITION OF s_1 FOR VALUES WITH (MODULUS 2, REMAINDER $_);\n" foreach $shape{levels} > 1 ? (0, 1) : ();
	}
	$setup .= "CREATE INDEX s_ts ON s (ts);\nCREATE TABLE ledger (LIKE s, xid xid8 DEFAULT pg_current_xact_id());\n";
	$setup .= "INSERT INTO late_is_wrong VALUES (true);\n" if $shape{is_strict};
	$shape{setup} = $setup;
	return \%shape;
}

# --- Rows

# SELECT of rows with these uids, which are their ids too but for some of those
# that are to collide.
sub rows
{
	my ($world, $first, $last, %option) = @_;
	my $shape = $world->{shape};
	my $salt = int(rand(1000));
	my $id = $option{collides} ? 'greatest(i - ' . int(rand(30)) . ', 1)' : 'i';
	my $base = $shape->{type} eq 'timestamp' ? "timestamp '2024-01-01'" : "timestamptz '2024-01-01 00:00Z'";
	my $ts = $shape->{is_strict}
	  ? "$base + :epoch: * interval '1000 s' + (i * 7919 + $salt) % 100000 * interval '1 ms'"
	  : "$base + :clock: * interval '5 s' - (i * 7919 + $salt) % " . one_of(1000, 50_000, 300_000) . " * interval '1 ms'";
	my $p = defined $option{p} ? $option{p} : '(ARRAY[' . join(', ', partitions($world)) . "])[1 + ($id) % " . partitions($world) . ']';
	my $pad = $option{pad} // (chance(0.15) ? "(SELECT string_agg(md5((i * x)::text), '') FROM generate_series(1, 100) x)" : "'x'");

	return "SELECT $id AS id, i AS uid, $ts AS ts, chr((97 + (i * 31 + $salt) % 3)::int) AS k, ((i * 17 + $salt) % 10)::int AS v, "
	  . "$p AS p, CASE WHEN i % 3 = 0 THEN 'x' ELSE 'y' END AS src, $pad AS pad FROM generate_series("
	  . ($option{of} // "$first, $last") . ') i';
}

# Values of the partitions there are.
sub partitions
{
	my ($world) = @_;

	return (0, 1) unless $world->{shape}{levels};
	$world->{partitions} //= [ split /\n/, $world->{control}->ask(
		"SELECT substr(inhrelid::regclass::text, 3) FROM pg_inherits WHERE inhparent = 's'::regclass ORDER BY 1") ];
	return @{ $world->{partitions} } ? @{ $world->{partitions} } : (0);
}

sub uids
{
	my ($world, $n) = @_;
	my $first = $world->{last_uid} //= 0;

	$world->{last_uid} += $n;
	return ($first + 1, $first + $n);
}

sub insert_step
{
	my ($world) = @_;
	my @uids = uids($world, one_of(1, 1, 1, 3, 3, 20, 150));
	my $how = one_of(qw(plain plain plain cte copy copy_in collide collide pieces pieces leaf));
	my $sql;

	if ($how eq 'cte' || $how eq 'collide')
	{
		my $rows = rows($world, @uids, collides => $how eq 'collide' && $world->{shape}{has_key});

		$sql = "WITH x AS (INSERT INTO s ($columns) $rows ON CONFLICT DO NOTHING RETURNING *)\nINSERT INTO ledger ($columns) SELECT $columns FROM x;";
	}
	elsif ($how eq 'copy')
	{
		my $file = $world->{node}->basedir . "/rows_$uids[0]";
		my $rows = rows($world, @uids);

		$sql = "COPY ($rows) TO '$file'\\; COPY s ($columns) FROM '$file'\\;\nINSERT INTO ledger ($columns) $rows;";
	}
	elsif ($how eq 'copy_in')
	{
		my $file = $world->{node}->basedir . "/rows_$uids[0]";
		my $rows = rows($world, @uids);

		$sql = "COPY ($rows) TO '$file';\n\\copy s ($columns) FROM '$file'\nINSERT INTO ledger ($columns) $rows;";
		return { kind => 'insert', sql => $sql, writes => 1, is_transaction => 1 };
	}
	elsif ($how eq 'pieces')
	{
		@uids = uids($world, one_of(3, 6, 12));
		my $rows = rows($world, 0, 0, of => 'n, n');
		my $which = int(rand(3));

		$sql = "DO \$\$ BEGIN FOR n IN $uids[0] .. $uids[1] LOOP BEGIN\nINSERT INTO s ($columns) $rows;\nINSERT INTO ledger ($columns) $rows;\n"
		  . "IF n % 3 = $which THEN RAISE EXCEPTION 'not this one'; END IF;\nEXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END \$\$;";
	}
	else
	{
		my $p = $how eq 'leaf' && $world->{shape}{levels} ? one_of(grep { $_ != 1 } partitions($world)) : undef;
		my $rows = rows($world, @uids, p => $p);

		$sql = 'INSERT INTO s' . (defined $p ? "_$p" : '') . " ($columns) $rows\\;\nINSERT INTO ledger ($columns) $rows;";
	}
	return { kind => 'insert', sql => $sql, writes => 1 };
}

# Many small transactions: the log goes on to another table.
sub storm_step
{
	my ($world) = @_;
	my @uids = uids($world, one_of(40, 90));
	my $rows = rows($world, 0, 0, of => 'n, n', pad => "'x'");

	return { kind => 'storm', writes => 1, sql => "DO \$\$ BEGIN FOR n IN $uids[0] .. $uids[1] LOOP\n"
		  . "INSERT INTO s ($columns) $rows;\nINSERT INTO ledger ($columns) $rows;\nCOMMIT; END LOOP; END \$\$;" };
}

# --- Aggregates

sub aggregates
{
	my ($world) = @_;

	return map { my @a = split /\|/; { name => $a[0], kind => $a[1], is_exact => $a[2] eq 't' } } split /\n/,
	  $world->{control}->ask('SELECT name, kind, is_exact FROM aggs ORDER BY name');
}

sub create_step
{
	my ($world) = @_;
	my $shape = $world->{shape};
	my @parents = grep { $_->{kind} =~ /^(?:tumble|hop|over)$/ && $_->{name} =~ /^a/ } aggregates($world);
	my @kinds = !$shape->{has_event_time} ? ('running') : $shape->{is_strict} ? qw(tumble tumble hop session running cumulate) : qw(tumble tumble running);
	my $kind = @parents && chance(0.35) ? 'over' : one_of(@kinds);
	my $name = 'a' . ++$world->{last_aggregate};
	my $lateness = one_of(0, 0, 30, 150);
	my $realtime = chance(0.9);
	my $with_data = $kind eq 'over' || chance(0.85);
	my $is_poisoned = $shape->{has_poison} && $kind =~ /^(?:tumble|hop|running)$/ && chance(0.5);
	my $filter = $is_poisoned || chance(0.2) ? ' WHERE r.v <> 3' : '';

	$name =~ s/^a/p/ if $is_poisoned;
	my $values = "r.k, count(*) AS n, sum(r.v) AS total, min(r.v) AS low, max(length(r.pad)) AS longest, count(DISTINCT r.v) AS several";
	my $source = "(SELECT * FROM ledger l WHERE l.xid IS DISTINCT FROM pg_current_xact_id_if_assigned()\n"
	  . "AND NOT EXISTS (SELECT FROM excl e WHERE e.agg = '$name' AND e.uid = l.uid)";
	my $is_exact = $shape->{is_strict} || $kind eq 'running';
	my ($query, $expected);

	$source .= "\nAND NOT EXISTS (SELECT FROM weir.late_rows x WHERE x.aggregate = '$name'::regclass AND (x.row ->> 'uid')::bigint = l.uid)"
	  unless $shape->{is_strict} || $kind eq 'running';
	$source .= ')';
	if ($kind eq 'over')
	{
		my $below = one_of(@parents);
		my $parent = $below->{name};
		my ($text) = "SELECT w.window_start, w.window_end, r.k, sum(r.n) AS n, sum(r.total) AS total, min(r.low) AS low, max(r.longest) AS longest\n"
		  . "FROM %s r, weir.tumble(r.window_end - interval '1 microsecond', '" . one_of(60, 200, 300) . " s') w GROUP BY w.window_start, w.window_end, r.k";

		# it shows what its parent shows
		$is_exact = $below->{is_exact};
		$query = sprintf $text, $parent;
		$expected = $world->{control}->ask("SELECT format(\$q\$$text\$q\$, '(' || expected || ')') FROM aggs WHERE name = '$parent'");
	}
	elsif ($kind eq 'running')
	{
		$query = "SELECT $values FROM s r$filter GROUP BY r.k";
		$expected = $query =~ s/FROM s r/FROM $source r/r;
	}
	elsif ($kind eq 'session')
	{
		my $gap = one_of(1, 3, 15);

		$query = "SELECT w.window_start, w.window_end, $values FROM s r, weir.session(r.ts, '$gap s') w$filter GROUP BY w.window_start, w.window_end, r.k";
		$expected = "SELECT min(r.ts), max(r.ts) + interval '$gap s', $values FROM\n"
		  . "(SELECT *, count(*) FILTER (WHERE starts) OVER (PARTITION BY k ORDER BY ts, uid) AS island FROM\n"
		  . "(SELECT *, coalesce(ts - lag(ts) OVER (PARTITION BY k ORDER BY ts, uid) > interval '$gap s', true) AS starts FROM $source r$filter) r) r\n"
		  . 'GROUP BY r.k, r.island';
	}
	else
	{
		my $size = one_of(10, 60, 200);
		my $window = $kind eq 'tumble' ? "weir.tumble(r.ts, '$size s')" : "weir.$kind(r.ts, '$size s', '" . $size * one_of(1, 2, 3) . " s')";

		$query = "SELECT w.window_start, w.window_end, $values FROM s r, $window w$filter GROUP BY w.window_start, w.window_end, r.k";
		$expected = $query =~ s/FROM s r/FROM $source r/r;
	}
	my $has_sink = $kind ne 'running' && chance(0.4);
	$is_exact = 0 if !$realtime || $is_poisoned;
	$query =~ s/r\.v <> 3/10 \/ (r.v - 3) <> 100/ if $is_poisoned;
	my $sql = "SELECT weir.create_continuous_aggregate('$name', \$q\$$query\$q\$"
	  . ($kind eq 'running' || $lateness == 0 ? '' : ", allowed_lateness => '$lateness s'")
	  . ($realtime ? '' : ', realtime => false') . ($with_data ? '' : ', with_data => false') . ");\n";

	$sql .= "CREATE TABLE sunk_$name AS SELECT * FROM ${name}_closed WITH NO DATA;\n"
	  . "SELECT weir.create_sink('to_$name', '$name', 'INSERT INTO sunk_$name SELECT * FROM closed');\n"
	  if $has_sink;
	$sql .= "INSERT INTO aggs VALUES ('$name', '$kind', " . ($is_exact ? 'true' : 'false') . ', ' . ($has_sink ? 'true' : 'false') . ", false, " . ($is_poisoned ? 'true' : 'false') . ", \$e\$$expected\$e\$);\n";
	$sql .= "INSERT INTO excl SELECT '$name', l.uid FROM ledger l" . ($with_data ? ' WHERE NOT EXISTS (SELECT FROM s WHERE s.uid = l.uid)' : ' WHERE l.xid <> pg_current_xact_id()') . ";\n"
	  if $kind ne 'over';
	return { kind => 'create_aggregate', is_transaction => 1, sql => $sql, is_quiet => !$with_data, is_lonely => !$with_data || defined $shape->{retention} };
}

sub create_stream_step
{
	my ($world) = @_;
	my $shape = $world->{shape};
	my $sql = "SELECT weir.create_stream('s'"
	  . ($shape->{has_event_time} ? ", 'ts', max_out_of_orderness => '" . ($shape->{is_strict} ? one_of(100, 200) : 20) . " s'" : '')
	  . ($shape->{has_source} && $shape->{has_event_time} ? ", source => 'src'" : '') . ($shape->{retention} ? ", retention => '$shape->{retention}'" : '') . ');';

	return { kind => 'create_stream', sql => $sql, is_lonely => 1 };
}

# Steps of which some come before all others.
sub first_steps
{
	my ($world) = @_;
	my $shape = $world->{shape};
	my @steps;

	if (chance(0.5))
	{
		my $has_index = $shape->{has_event_time} && chance(0.6);

		push @steps, { session => 1, kind => 'add_column', sql => 'CREATE INDEX s_weir ON s USING weir_capture (ts);' } if $has_index;
		push @steps, { %{ insert_step($world) }, session => 1 } if chance(0.5);
		# without an index it would be waited for in vain
		push @steps, { session => 2, kind => 'begin', isolation => 'READ COMMITTED', sql => 'BEGIN;' }, { %{ insert_step($world) }, session => 2 } if $has_index && chance(0.7);
	}
	push @steps, { %{ create_stream_step($world) }, session => 1 };
	return @steps;
}

# --- What happens next

my @isolation = ('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

my %make = (
	insert => \&insert_step, storm => \&storm_step, create_aggregate => \&create_step, create_stream => \&create_stream_step,
	begin => sub { my $isolation = one_of(@isolation); return { isolation => $isolation, sql => "BEGIN ISOLATION LEVEL $isolation;" . (chance(0.3) ? ' SELECT FROM ledger LIMIT 1;' : '') } },
	savepoint => sub { my $name = one_of(qw(a b)); return { name => $name, sql => "SAVEPOINT $name;" } },
	release => sub { my $name = one_of(qw(a b)); return { name => $name, sql => "RELEASE $name;" } },
	back => sub { my $name = one_of(qw(a b)); return { name => $name, sql => "ROLLBACK TO $name;" } },
	commit => sub { return { sql => 'COMMIT;' } },
	rollback => sub { return { sql => 'ROLLBACK;' } },
	prepare => sub { my ($world) = @_; my $gid = "$world->{db}_" . ++$world->{last_gid}; return { gid => $gid, sql => "PREPARE TRANSACTION '$gid';" } },
	finish => sub { my ($world) = @_; my @gids = sort keys %{ $world->{prepared} } or return; my $gid = one_of(@gids);
		return { gid => $gid, sql => (chance(0.75) ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid';" } },
	check => sub { return { sql => 'SELECT * FROM differences(false);' } },
	drain => sub { return { sql => "CALL weir.drain('s');" } },
	# it ends in the midst of a backlog
	cut => sub { return { sql => "SET statement_timeout = " . one_of(1, 2, 3, 4, 6, 10, 20) . ";\nCALL weir.drain('s');\nRESET statement_timeout;\nRESET statement_timeout;" } },
	wait => sub { return { sql => "SELECT weir.wait('s', '1 ms');" } },
	skip => sub { my ($world) = @_; my @a = grep { $_->{name} =~ /^p/ } aggregates($world) or return; my $a = one_of(@a);
		return { sql => 'SELECT weir.' . one_of(qw(skip skip resume)) . "('$a->{name}');" } },
	advance => sub { my ($world) = @_; return unless $world->{shape}{has_event_time};
		return { sql => "SELECT weir.advance_watermark('s', timestamptz '2024-01-01 00:00Z' + "
				. ($world->{shape}{is_strict} ? ":epoch: * interval '1000 s'" : ":clock: * interval '5 s' - interval '" . int(rand(300)) . " s'") . ') IS NULL;',
			  is_transaction => 1 } },
	delete_own => sub { my $salt = int(rand(1000)); my $n = one_of(1, 5, 100);
		return { sql => "WITH d AS (DELETE FROM s WHERE uid IN (SELECT uid FROM ledger WHERE xid = pg_current_xact_id_if_assigned() ORDER BY md5((uid + $salt)::text) LIMIT $n) RETURNING uid)\n"
				. 'DELETE FROM ledger l USING d WHERE l.uid = d.uid;' } },
	delete => sub { my $salt = int(rand(1000)); my $n = one_of(1, 5, 100);
		return { sql => "WITH d AS (DELETE FROM s WHERE uid IN (SELECT uid FROM s x WHERE NOT EXISTS (SELECT FROM unsure u WHERE u.uid = x.uid) ORDER BY md5((uid + $salt)::text) LIMIT $n) RETURNING uid)\n"
				. "INSERT INTO excl SELECT a.name, d.uid FROM aggs a, d WHERE NOT EXISTS (SELECT FROM consumed c WHERE c.agg = a.name AND c.uid = d.uid) ON CONFLICT DO NOTHING;" } },
	truncate => sub { my ($world) = @_; return one_of(truncate_leaf_step($world), 0) || { is_transaction => 1, sql => "LOCK TABLE s IN ACCESS EXCLUSIVE MODE;\n"
				. "INSERT INTO excl SELECT a.name, s.uid FROM aggs a, s WHERE NOT EXISTS (SELECT FROM consumed c WHERE c.agg = a.name AND c.uid = s.uid) ON CONFLICT DO NOTHING;\nTRUNCATE s;" } },
	vacuum => sub { return { sql => one_of('VACUUM s;', 'VACUUM (FREEZE) s;', 'REINDEX TABLE s;', 'REINDEX TABLE CONCURRENTLY s;', 'ANALYZE s;') } },
	vacuum_full => sub { return { sql => one_of('VACUUM FULL s;', 'VACUUM FULL s;',
				"SELECT format('VACUUM FULL %s', oid::regclass) FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relkind = 'r' AND relname ~ '^_(log|cursor|state|aggregate)' \\gexec") } },
	turn => sub { return { sql => "SELECT format('VACUUM FULL %s', oid::regclass) FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relkind = 'r' AND relname ~ '^_log_\\d+_\\d+\$' \\gexec" } },
	# a partitioned table cannot be clustered in a transaction block
	move => sub { my ($world) = @_; my @p = grep { $_ != 1 } partitions($world); return { sql => 'CLUSTER s USING s_ts;' } if !$world->{shape}{levels} || !@p || chance(0.2);
		my $p = one_of(@p); return { sql => "CLUSTER s_$p USING s_${p}_ts_idx;" } },
	rewrite => sub { my ($world) = @_; return { sql => 'ALTER TABLE s ADD COLUMN x' . ++$world->{last_column} . ' uuid DEFAULT gen_random_uuid();' } },
	add_column => sub { my ($world) = @_; my $n = ++$world->{last_column}; return { sql => "ALTER TABLE s ADD COLUMN x$n int" . one_of('', ' DEFAULT 5') . ';' . (chance(0.3) ? " ALTER TABLE s DROP COLUMN x$n;" : '') } },
	detach => sub { my ($world) = @_; my @p = grep { $_ > 0 } partitions($world); return unless $world->{shape}{levels} && @p > 1;
		my $p = one_of(@p); push @{ $world->{detached} }, $p; return { sql => "ALTER TABLE s DETACH PARTITION s_$p;" } },
	detach_concurrently => sub { my ($world) = @_; my @p = grep { $_ > 0 } partitions($world); return unless $world->{shape}{levels} && @p > 1;
		my $p = one_of(@p); push @{ $world->{detached} }, $p; return { sql => "ALTER TABLE s DETACH PARTITION s_$p " . one_of(qw(CONCURRENTLY CONCURRENTLY CONCURRENTLY FINALIZE)) . ';' } },
	attach => \&attach_step,
	drop_stream => sub { return { is_transaction => 1, is_lonely => 1, sql => "SELECT weir.drop_stream('s', cascade => true);\nDELETE FROM aggs;" } },
	drop_aggregate => sub { my ($world) = @_; my @a = aggregates($world) or return; my $a = one_of(@a);
		# what is over it goes with it
		return { is_transaction => 1, sql => "SELECT weir.drop_continuous_aggregate('$a->{name}', cascade => true);\nDELETE FROM aggs WHERE to_regclass(name) IS NULL;" } },
	alter => \&alter_step,
	epoch => sub { return { sql => '' } },
	kill => sub { return {} }, cancel => sub { return {} }, crash => sub { return {} });

sub truncate_leaf_step
{
	my ($world) = @_;
	my @p = partitions($world);

	return 0 unless $world->{shape}{levels} && @p;
	my $p = one_of(@p);
	return { is_transaction => 1, sql => "LOCK TABLE s IN ACCESS EXCLUSIVE MODE;\n"
		  . "INSERT INTO excl SELECT a.name, s.uid FROM aggs a, s WHERE p = $p AND NOT EXISTS (SELECT FROM consumed c WHERE c.agg = a.name AND c.uid = s.uid) ON CONFLICT DO NOTHING;\nTRUNCATE s_$p;" };
}

sub attach_step
{
	my ($world) = @_;

	return unless $world->{shape}{levels};
	my %is_there = map { $_ => 1 } partitions($world);
	my @gone = grep { !$is_there{$_} } @{ $world->{detached} // [] };
	if (@gone && chance(0.8))
	{
		my $p = one_of(@gone);
		return { sql => "ALTER TABLE s ATTACH PARTITION s_$p FOR VALUES IN ($p);" };
	}
	# one with rows, which are history
	my $p = 10 + ++$world->{last_partition};
	my $rows = rows($world, uids($world, one_of(1, 20)), p => $p);
	return { is_transaction => 1, writes => 1, sql => "CREATE TABLE s_$p (LIKE s);\nINSERT INTO s_$p ($columns) $rows;\nINSERT INTO ledger ($columns) $rows;\n"
		  . "INSERT INTO excl SELECT a.name, x.uid FROM aggs a, s_$p x;\nALTER TABLE s ATTACH PARTITION s_$p FOR VALUES IN ($p);" };
}

sub alter_step
{
	my ($world) = @_;
	my @a = aggregates($world) or return;
	my $a = one_of(@a);
	my $how = one_of(qw(pause resume resume stream stream_pause stream_resume lateness));

	return pause_step($world, $how)
	  if $how eq 'pause' || $how eq 'resume';
	return { sql => "SELECT weir.pause('s');" } if $how eq 'stream_pause' && chance(0.5);
	return { sql => "SELECT weir.resume('s');" } if $how =~ /^stream_/;
	return unless $world->{shape}{has_event_time};
	return { sql => "SELECT weir.alter_stream('s', max_out_of_orderness => '" . ($world->{shape}{is_strict} ? one_of(100, 150, 250) : one_of(0, 20, 60)) . " s');" } if $how eq 'stream';
	return unless $a->{kind} ne 'running';
	return { sql => "SELECT weir.alter_continuous_aggregate('$a->{name}', allowed_lateness => '" . one_of(0, 30, 150) . " s');" };
}

# How often each is tried.
my %weight = (
	insert => 34, storm => 2, begin => 20, savepoint => 10, release => 4, back => 9, commit => 14, rollback => 3, prepare => 4, finish => 6,
	check => 7, drain => 12, cut => 5, wait => 2, skip => 2, turn => 3, detach_concurrently => 1, advance => 8, delete_own => 3, delete => 5, truncate => 3, vacuum => 2, vacuum_full => 4, move => 3, rewrite => 2,
	add_column => 1, detach => 2, attach => 3, create_aggregate => 5, drop_aggregate => 1.5, alter => 7, drop_stream => 1, epoch => 5,
	kill => 1, cancel => 1.5, crash => 0.2);
my @kinds = sort keys %weight;

sub random_kind
{
	my $total = 0;

	$total += $weight{$_} foreach @kinds;
	my $x = rand($total);
	foreach my $kind (@kinds)
	{
		return $kind if ($x -= $weight{$kind}) < 0;
	}
	return $kinds[-1];
}

# Sequences of which each step alone is seldom followed by the next: of sessions x
# and y, with whatever steps of others come in between.
my @motifs = (
	# first rows that are consumed after all by another one
	[ 'x begin', 'x insert', 'x savepoint', 'x advance', 'x back', 'y drain', 'x commit', 'y check' ],
	[ 'x begin', 'x insert', 'x advance', 'x insert', 'y drain', 'x commit' ],
	# own rows move
	[ 'x begin', 'x insert', 'x move', 'x insert', 'x commit', 'y check' ],
	[ 'x drain', 'x begin', 'x insert', 'x rewrite', 'x insert', 'x commit', 'y check' ],
	[ 'x begin', 'x savepoint', 'x insert', 'x rewrite', 'x back', 'x insert', 'x commit', 'y check' ],
	[ 'x begin', 'x insert', 'x savepoint', 'x move', 'x insert', 'x back', 'x insert', 'x move', 'x commit', 'y check' ],
	[ 'x begin', 'x insert', 'x savepoint', 'x truncate', 'x insert', 'x back', 'x insert', 'x commit', 'y check' ],
	[ 'x begin', 'x savepoint', 'x insert', 'x back', 'y vacuum_full', 'x insert', 'x commit', 'y check' ],
	# the rows of others
	[ 'x insert', 'x rewrite', 'y check' ], [ 'x storm', 'y cut', 'x rewrite', 'x move', 'y check', 'y cut', 'y check' ],
	# in the midst of a backlog
	[ 'x storm', 'y cut', 'x check', 'y turn', 'x check', 'y cut', 'x insert', 'y turn', 'x check', 'y cut', 'y check' ],
	[ 'x pause', 'y storm', 'y drain', 'x resume', 'y cut', 'x insert', 'x cut', 'y check', 'x insert', 'y drain', 'x check' ],
	[ 'x storm', 'y create_aggregate', 'y cut', 'x insert', 'x cut', 'x insert', 'y cut', 'y check', 'y drain', 'x check' ],
	[ 'x begin', 'x insert', 'y storm', 'x prepare', 'y cut', 'y finish', 'y check', 'y drain', 'y storm', 'x check' ],
	# logs go round
	[ 'x storm', 'x drain', 'x storm', 'x drain', 'x storm', 'x drain', 'y check' ],
	[ 'y begin_old', 'y check', 'x storm', 'x drain', 'x storm', 'x drain', 'x storm', 'x drain', 'y check' ],
	[ 'y begin', 'y insert', 'x storm', 'x drain', 'x storm', 'x drain', 'y prepare', 'x drain', 'x storm', 'x drain', 'x finish', 'x drain', 'x drain', 'y check' ]);

# The next step of a motif, or nothing.
sub motif_step
{
	my ($world) = @_;
	my $motif = $world->{motif};

	if (!$motif || !@{ $motif->{steps} })
	{
		my $x = 1 + int(rand($world->{shape}{sessions}));
		my $y = 1 + ($x % $world->{shape}{sessions});

		return unless chance($world->{is_begun} ? 0.25 : 0.6);
		$motif = $world->{motif} = { steps => [ @{ $world->{is_begun} ? one_of(@motifs) : $motifs[ rand(2) ] } ], x => $x, y => $y, tries => 0 };
	}
	my ($who, $kind) = split / /, $motif->{steps}[0];
	my $session = $motif->{$who};
	my $step = $kind eq 'begin_old' ? { isolation => 'REPEATABLE READ', sql => 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM ledger LIMIT 1;' }
	  : $kind eq 'begin' ? { isolation => 'READ COMMITTED', sql => 'BEGIN ISOLATION LEVEL READ COMMITTED;' }
	  : $kind eq 'savepoint' || $kind eq 'back' ? { name => 'a', sql => ($kind eq 'back' ? 'ROLLBACK TO a;' : 'SAVEPOINT a;') }
	  : $kind eq 'pause' || $kind eq 'resume' ? pause_step($world, $kind)
	  : $make{$kind}->($world);

	if ($step)
	{
		@$step{qw(kind session)} = ($kind =~ s/_old$//r =~ s/^(?:pause|resume)$/alter/r, $session);
		$step = undef unless $world->may_step($step);
	}
	if ($step || ++$motif->{tries} > 6)
	{
		shift @{ $motif->{steps} };
		$motif->{tries} = 0;
	}
	return $step;
}

sub pause_step
{
	my ($world, $how) = @_;
	my @a = aggregates($world) or return;
	my $a = one_of(@a);

	return { is_transaction => 1, sql => "SELECT weir.$how('$a->{name}');\nUPDATE aggs SET is_paused = " . ($how eq 'pause' ? 'true' : 'false') . " WHERE name = '$a->{name}';" };
}

# A step whose time it is, or nothing if none was found.
sub random_step
{
	my ($world) = @_;
	my ($n_aggregates, $has_stream) = split /\|/, $world->{control}->ask("SELECT (SELECT count(*) FROM aggs), EXISTS (SELECT FROM weir.streams)");

	delete $world->{partitions};
	if ($has_stream eq 't' && $n_aggregates > 0 && chance(0.75))
	{
		my $step = motif_step($world);

		return $step if $step;
	}
	foreach my $try (1 .. 40)
	{
		my $kind = random_kind();
		my $session = 1 + int(rand($world->{shape}{sessions}));

		# the first rows of a stream come once only: be there, in all kinds of transactions
		my $state = $world->{sessions}[$session];
		$kind = one_of(qw(savepoint insert advance advance)) if $world->{is_fresh} && $state->{in_block} && $has_stream eq 't' && chance(0.3);
		$kind = 'back' if $state->{is_consuming} && @{ $state->{savepoints} } && chance(0.3);
		$kind = 'create_stream' if $has_stream eq 'f' && chance(0.3) && !$world->is_any('has_written');
		$kind = 'create_aggregate' if $has_stream eq 't' && $n_aggregates == 0 && chance($world->{is_begun} ? 0.5 : 0.8);
		next if $kind eq 'create_aggregate' && ($n_aggregates >= 5 || $has_stream eq 'f') || $kind eq 'drop_stream' && $has_stream eq 'f';
		next unless $world->may_step({ kind => $kind, session => $session, name => 'a' }) || $kind =~ /^(?:back|release|finish)$/;
		my $step = $make{$kind}->($world) or next;
		@$step{qw(kind session)} = ($kind, $session);
		return $step if $world->may_step($step);
	}
	return;
}

1;
