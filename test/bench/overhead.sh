# pgbench's TPC-B, which sends BEGIN and END as utility statements: what does a loaded zdm cost?
# Two servers on equal bytes stand side by side, one with zdm preloaded and its extension created; pgbench runs on plain, zdm, plain,
# then on zdm, plain, zdm, and so on. The first and the last of a round are the same server: they tell the noise.
# synchronous_commit is off: waiting for the disk would hide a cost. Beside tps, the processor time that the sessions of the
# server took for a transaction. Neither tells much while the machine does other work.

bench_overhead() {
    local rounds=${quick:+2} seconds=${quick:+3} round mode run tps cpu order seen_tps seen_cpu
    rounds=${rounds:-14}
    seconds=${seconds:-4}
    overhead_servers
    for mode in simple prepared; do
        for run in plain zdm plain zdm; do overhead_run $run $mode 2 >/dev/null; done
        for ((round = 1; round <= rounds; round++)); do
            if [ $((round % 2)) = 1 ]; then order=(plain zdm plain); else order=(zdm plain zdm); fi
            seen_tps=() seen_cpu=()
            for run in "${order[@]}"; do
                read -r tps cpu <<<"$(overhead_run "$run" $mode "$seconds")"
                seen_tps+=("$tps") seen_cpu+=("$cpu")
                note "$mode.$run" "$tps"
                note "$mode.$run.cpu" "$cpu"
            done
            overhead_ratio "${order[0]}" "$mode.ratio" "$mode.noise" "${seen_tps[@]}"
            overhead_ratio "${order[0]}" "$mode.cpu_ratio" "$mode.cpu_noise" "${seen_cpu[@]}"
            progress "overhead, $mode, round $round: ${order[*]}: ${seen_tps[*]} tps"
        done
    done
    export PGPORT=$plain_port
    server_stop "$tmp/overhead_plain"
    server_stop "$tmp/overhead_zdm"

    echo "== overhead: pgbench TPC-B, scale 10, -c 4 -j 2, $rounds rounds of three runs of $seconds s (median [lowest .. highest])"
    for mode in simple prepared; do
        overhead_line "$mode, tps" $mode.plain $mode.zdm $mode.ratio $mode.noise
        overhead_line "$mode, cpu us" $mode.plain.cpu $mode.zdm.cpu $mode.cpu_ratio $mode.cpu_noise
        echo "goal: no difference beyond noise: $(overhead_verdict $mode)"
    done
}

# overhead_ratio <which was first> <series of zdm to plain> <series of the noise> <first> <second> <third>
overhead_ratio() {
    note "$2" "$(perl -e 'my ($who, $a, $b, $c) = @ARGV; my $r = 2 * $b / ($a + $c); printf "%.4f", $who eq "plain" ? $r : 1 / $r' "$1" "${@:4}")"
    note "$3" "$(quotient "$6" "$4")"
}

overhead_line() {
    printf '%-18s plain %6.0f, zdm %6.0f; ratio %.3f [%.3f .. %.3f]; against itself %.3f [%.3f .. %.3f]\n' "$1" \
        "$(of median "$2")" "$(of median "$3")" "$(of median "$4")" "$(of min "$4")" "$(of max "$4")" \
        "$(of median "$5")" "$(of min "$5")" "$(of max "$5")"
}

# Noise is twice the standard error of the median of the ratios, from their median deviation; never taken as less than one per cent.
overhead_verdict() {
    perl -e '
        my ($ratio, @all) = @ARGV;
        my @far = sort { $a <=> $b } map { abs($_ - $ratio) } @all;
        my $noise = 2 * 1.253 * 1.483 * $far[ $#far / 2 ] / sqrt(@all);
        $noise = 0.01 if $noise < 0.01;
        printf "%s (%+.1f %%, noise %.1f %%)", 1 - $ratio <= $noise ? "goal met" : "goal missed", 100 * ($ratio - 1), 100 * $noise;' \
        "$(of median "$1.ratio")" $(cat "$out/$part.$1.ratio.txt")
}

overhead_servers() {
    plain_port=$PGPORT
    export PGDATABASE=postgres
    server_init "$tmp/overhead_plain"
    server_start "$tmp/overhead_plain"
    "$bin/pgbench" -i -q -s 10 postgres >/dev/null 2>&1 || give_up "pgbench -i failed"
    sql -c 'VACUUM FREEZE'
    server_wal
    server_stop "$tmp/overhead_plain"
    server_copy "$tmp/overhead_plain" "$tmp/overhead_zdm"
    PGPORT=$plain_port server_start "$tmp/overhead_plain" synchronous_commit=off autovacuum=off
    PGPORT=$((plain_port + 1)) server_start "$tmp/overhead_zdm" synchronous_commit=off autovacuum=off shared_preload_libraries=zdm
    PGPORT=$((plain_port + 1)) sql -c 'CREATE EXTENSION zdm' || give_up "CREATE EXTENSION zdm failed"
    local port
    for port in "$plain_port" $((plain_port + 1)); do
        PGPORT=$port warm pgbench_accounts pgbench_accounts_pkey pgbench_tellers pgbench_branches
    done
}

# overhead_run <plain|zdm> <mode> <seconds>: tps, and microseconds of processor time for a transaction.
overhead_run() {
    local port=$plain_port postmaster ticks count
    [ "$1" = plain ] || port=$((plain_port + 1))
    postmaster=$(head -n 1 "$tmp/overhead_$1/postmaster.pid")
    ticks=$(reaped_ticks "$postmaster")
    PGPORT=$port "$bin/pgbench" -c 4 -j 2 -M "$2" -T "$3" postgres >"$tmp/pgbench.out" 2>"$tmp/pgbench.err" ||
        give_up "pgbench failed: $(tail -n 1 "$tmp/pgbench.err")"
    sleep 0.3
    count=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$tmp/pgbench.out")
    TPS=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$tmp/pgbench.out") perl -e 'my ($before, $after, $hertz, $count) = @ARGV; printf "%s %.1f", $ENV{TPS}, ($after - $before) / $hertz * 1e6 / $count' \
        "$ticks" "$(reaped_ticks "$postmaster")" "$(getconf CLK_TCK)" "$count"
}

# Clock ticks of user and system time of a postmaster's children that have ended: its sessions.
reaped_ticks() { perl -ne 's/.*\) //; my @f = split; print $f[13] + $f[14]' "/proc/$1/stat"; }
