# pgbench's TPC-B, which sends BEGIN and END as utility statements: what does a loaded zdm cost?
# Two servers on equal bytes stand side by side, one with zdm preloaded and its extension created; pgbench runs on plain, zdm, plain
# in turn. The two plain runs of a round tell the noise. synchronous_commit is off: waiting for the disk would hide a cost.

bench_overhead() {
    local rounds=${quick:+2} seconds=${quick:+3} round mode run tps
    rounds=${rounds:-9}
    seconds=${seconds:-6}
    overhead_servers
    for mode in simple prepared; do
        for run in plain zdm plain zdm; do overhead_run $run $mode 2 >/dev/null; done
        for ((round = 1; round <= rounds; round++)); do
            for run in plain zdm again; do
                tps=$(overhead_run "${run/again/plain}" $mode "$seconds")
                note "$mode.$run" "$tps"
            done
            note "$mode.ratio" "$(perl -e 'printf "%.4f", 2 * $ARGV[1] / ($ARGV[0] + $ARGV[2])' \
                "$(of_last $mode.plain)" "$(of_last $mode.zdm)" "$(of_last $mode.again)")"
            note "$mode.noise" "$(quotient "$(of_last $mode.again)" "$(of_last $mode.plain)")"
            progress "overhead, $mode, round $round: $(of_last $mode.plain) $(of_last $mode.zdm) $(of_last $mode.again) tps"
        done
    done
    export PGPORT=$plain_port
    server_stop "$tmp/overhead_plain"
    server_stop "$tmp/overhead_zdm"

    echo "== overhead: pgbench TPC-B, scale 10, -c 4 -j 2, $rounds rounds of $seconds s on plain, zdm, plain (median [lowest .. highest])"
    for mode in simple prepared; do
        printf '%-10s plain %6.0f tps, zdm %6.0f tps; ratio %.3f [%.3f .. %.3f]; plain against itself %.3f [%.3f .. %.3f]\n' "$mode" \
            "$(of median $mode.plain)" "$(of median $mode.zdm)" "$(of median $mode.ratio)" "$(of min $mode.ratio)" "$(of max $mode.ratio)" \
            "$(of median $mode.noise)" "$(of min $mode.noise)" "$(of max $mode.noise)"
        echo "goal: no difference beyond noise: $(overhead_verdict $mode)"
    done
}

# The median ratio is noise if it is as near to 1 as half of the rounds of plain against itself are, or within one per cent.
overhead_verdict() {
    perl -e '
        my ($ratio, @noise) = @ARGV;
        my @far = sort { $a <=> $b } map { abs($_ - 1) } @noise;
        my $usual = $far[ $#far / 2 ];
        $usual = 0.01 if $usual < 0.01;
        printf "%s (%.1f %%, noise %.1f %%)", 1 - $ratio <= $usual ? "goal met" : "goal missed", 100 * ($ratio - 1), 100 * $usual;' \
        "$(of median "$1.ratio")" $(cat "$out/$part.$1.noise.txt")
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

# overhead_run <plain|zdm> <mode> <seconds>: the tps.
overhead_run() {
    local port=$plain_port
    [ "$1" = plain ] || port=$((plain_port + 1))
    PGPORT=$port "$bin/pgbench" -c 4 -j 2 -M "$2" -T "$3" postgres 2>"$tmp/pgbench.err" | sed -n 's/^tps = \([0-9.]*\).*/\1/p' | grep . ||
        give_up "pgbench failed: $(tail -n 1 "$tmp/pgbench.err")"
}
