	foreach my $keys (10, 1000)
	{
		my ($this, $that, $cpu) = compare_drains($n_runs > 3 ? 3 : $n_runs, $rows,
			[ sprintf $query, $keys, "hop(s.ts, '1 second', '1 minute')", $keys ], [ sprintf $query, $keys, "tumble(s.ts, '1 minute')", $keys ]);
		my $closed = $keys * $rows / 1000;

		row("$rows rows, a minute every second, $keys keys, closing $closed groups", 'each minute, a sixtieth of the groups', ms($this), ms($that),
			ratio($this, $that), $keys == 10 ? '<= 2 x' : 'reported', $cpu);
	}
