# Two million rows: the speed of zdm.backfill next to one UPDATE, and what either does to point updates of others.
# All on one server with zdm loaded. The table is rebuilt before each run, with a CHECKPOINT after it, so that each run pays for
# the same full-page images; autovacuum is off on it.

bench_backfill() {
    local rows=${quick:+500000} rounds=${quick:+2} round kind
    rows=${rows:-2000000}
    rounds=${rounds:-5}
    backfill_server "$rows"

    progress "backfill: a warm-up that does not count"
    backfill_table
    backfill_run update
    for ((round = 1; round <= rounds; round++)); do
        for kind in $([ $((round % 2)) = 1 ] && echo update backfill || echo backfill update); do
            backfill_table
            backfill_run $kind
            note "$kind.speed" "$(quotient "$rows" "$took")"
            progress "backfill, round $round, $kind: $(of_last $kind.speed) rows/s"
        done
        note ratio "$(quotient "$(of_last backfill.speed)" "$(of_last update.speed)")"
    done

    # Open-loop point updates: first alone, then with the backfill from its start to its end; then with one UPDATE of another table,
    # which shares processors and WAL with them but no row: what is worse than that is the backfill's doing.
    local rate
    for rate in 100 400; do
        for ((round = 1; round <= rounds; round++)); do
            backfill_table
            backfill_point_updates $rate 10 none
            backfill_point_updates $rate 0 backfill
            backfill_table elsewhere
            backfill_point_updates $rate 0 other
            note "$rate.ratio" "$(quotient "$(of_last "$rate.backfill.p99")" "$(of_last "$rate.none.p99")")"
            progress "backfill, point updates at $rate/s, round $round: p99 $(ms "$(of_last "$rate.none.p99")") without, $(ms "$(of_last "$rate.backfill.p99")") with, $(ms "$(of_last "$rate.other.p99")") with an UPDATE elsewhere"
        done
        backfill_table
        backfill_point_updates $rate 0 update
    done
    server_stop "$tmp/backfill"

    echo "== backfill: $rows rows, SET v = b ($rounds interleaved pairs; median [lowest .. highest])"
    for kind in update backfill; do
        printf '%-32s %10.0f rows/s  [%.0f .. %.0f]\n' "$([ $kind = update ] && echo 'one UPDATE' || echo zdm.backfill)" \
            "$(of median $kind.speed)" "$(of min $kind.speed)" "$(of max $kind.speed)"
    done
    printf '%-32s %10.2f         [%.2f .. %.2f]\n' ratio "$(of median ratio)" "$(of min ratio)" "$(of max ratio)"
    echo "goal: at least 0.9 of the speed of one UPDATE: $(verdict "$(of median ratio)" 'at least' 0.9)"
    echo
    echo "point updates of 16 clients meanwhile, open-loop ($rounds pairs; medians, and the longest of all)"
    printf '%-32s %10s %10s %10s\n' '' p50 p99 longest
    for rate in 100 400; do
        for kind in none backfill other update; do
            case $kind in
                none) printf '%-32s' "$rate/s, alone" ;;
                backfill) printf '%-32s' "$rate/s, with zdm.backfill" ;;
                other) printf '%-32s' "$rate/s, with an UPDATE elsewhere" ;;
                update) printf '%-32s' "$rate/s, with one UPDATE (once)" ;;
            esac
            printf ' %10s %10s %10s\n' "$(ms "$(of median $rate.$kind.p50)")" "$(ms "$(of median $rate.$kind.p99)")" "$(ms "$(of max $rate.$kind.longest)")"
        done
        printf '%-32s %21.2f  [%.2f .. %.2f]\n' "ratio of p99" "$(of median $rate.ratio)" "$(of min $rate.ratio)" "$(of max $rate.ratio)"
        echo "goal: p99 at most 1.5 times that without the backfill: $(verdict "$(of median $rate.ratio)" 'at most' 1.5)"
    done
}

backfill_server() {
    server_init "$tmp/backfill"
    server_start "$tmp/backfill" shared_preload_libraries=zdm
    export PGDATABASE=postgres
    server_wal
    sql <<-SQL || give_up "cannot prepare the backfill"
		CREATE EXTENSION zdm;
		SET zdm.mode = off;
		CREATE TABLE template_t (id bigint, a int, b text, c timestamptz, v text);
		INSERT INTO template_t
		SELECT n, n % 1000, md5(n::text) || 'xyz', timestamptz '2025-01-01' + n * interval '1 s', NULL FROM generate_series(1, $1) n;
		VACUUM (FREEZE, ANALYZE) template_t;
		CREATE TABLE elsewhere (LIKE template_t, PRIMARY KEY (id)) WITH (autovacuum_enabled = off);
	SQL
}

# backfill_table [elsewhere]: and a second one like it.
backfill_table() {
    PGOPTIONS='-c zdm.mode=off' sql -v also="$([ -n "${1-}" ] && echo on || echo off)" <<-'SQL' || give_up "cannot rebuild the table"
		SET client_min_messages = warning;
		SET synchronous_commit = off;
		DROP TABLE IF EXISTS t;
		TRUNCATE elsewhere;
		CREATE TABLE t (LIKE template_t) WITH (autovacuum_enabled = off);
		INSERT INTO t SELECT * FROM template_t;
		ALTER TABLE t ADD PRIMARY KEY (id);
		\if :also
		    INSERT INTO elsewhere SELECT * FROM template_t;
		    VACUUM (FREEZE, ANALYZE) elsewhere;
		\endif
		VACUUM (FREEZE, ANALYZE) t;
		CHECKPOINT;
	SQL
}

# backfill_run <update|backfill|other>: do it; $took is how long, in seconds.
backfill_run() {
    local from=$EPOCHREALTIME job left
    if [ "$1" = other ]; then
        sql -c 'UPDATE elsewhere SET v = b' || give_up "the UPDATE failed"
        took=$(perl -e 'print $ARGV[1] - $ARGV[0]' "$from" "$EPOCHREALTIME")
        return
    elif [ "$1" = update ]; then
        sql -c 'UPDATE t SET v = b' || give_up "the UPDATE failed"
    else
        job=$(sql -c "SELECT zdm.backfill('t', 'v = b')") && sql -c "CALL zdm.wait($job, '10 min')" || give_up "the backfill failed"
    fi
    took=$(perl -e 'print $ARGV[1] - $ARGV[0]' "$from" "$EPOCHREALTIME")
    left=$(sql -c 'SELECT count(*) FROM t WHERE v IS DISTINCT FROM b')
    [ "$left" = 0 ] || give_up "$1 left $left rows"
}

# backfill_point_updates <rate> <seconds> <none|backfill|update>: with seconds 0, for as long as the other takes.
backfill_point_updates() {
    local dir=$tmp/points from to longest p50 p99 failed
    rm -rf "$dir"
    mkdir "$dir"
    PGAPPNAME=points "$bin/pgbench" -n -c 16 -j 1 -M prepared -R "$1" -T 3600 -D rows="$rows" -l --log-prefix="$dir/log.1.0" \
        -f "$here/point_update.sql" postgres >"$dir/out" 2>&1 &
    local points=$!
    children+=("$points")
    sleep 1.5
    from=$EPOCHREALTIME
    if [ "$3" = none ]; then sleep "$2"; else backfill_run "$3"; fi
    to=$(perl -e 'print $ARGV[0] + $ARGV[1]' "$from" "$([ "$3" = none ] && echo "$2" || echo "$took")")
    sleep 0.5
    kill -ALRM "$points"
    wait "$points" || give_up "the point updates failed: $(tail -n 1 "$dir/out")"
    read -r longest p50 p99 failed _ <<<"$(waits "$dir" "$from" "$to")"
    note "$1.$3.longest" "$longest"
    note "$1.$3.p50" "$p50"
    note "$1.$3.p99" "$p99"
}
