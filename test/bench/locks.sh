# A ten-second report holds the table, eight clients are at work, someone adds a column: how long do the others wait?

bench_locks() {
    local rounds=${quick:+1} round side longest failed broken quiet_from quiet_to
    rounds=${rounds:-5}
    shop_once
    for ((round = 1; round <= rounds; round++)); do
        for side in $(sides "$round"); do
            shop_side "$side"
            # The noise of machine and traffic: the same report, nobody changes the schema.
            if [ "$side" = zdm ]; then
                report_begin
                quiet_from=$(now)
                report_end
                quiet_to=$(now)
                sleep 1
            fi
            report_begin
            sleep 0.5
            migration "ALTER TABLE orders ADD COLUMN amount_cents bigint"
            broken=0
            [ "$outcome" = done ] || { broken=1; progress "$side: $outcome: $state $message"; }
            report_end
            sleep 1
            shop_side_end "$side"
            read -r longest _ _ failed _ <<<"$(waits "$tmp/traffic" "$from" "$to")"
            note "$side.longest" "$longest"
            note "$side.duration" "$(perl -e 'print $ARGV[1] - $ARGV[0]' "$from" "$to")"
            note "$side.failed" "$((failed + broken))"
            if [ "$side" = zdm ]; then
                read -r longest _ <<<"$(waits "$tmp/traffic" "$quiet_from" "$quiet_to")"
                note quiet.longest "$longest"
            fi
            progress "locks, round $round, $side: longest wait $(ms "$(tail -n 1 "$out/locks.$side.longest.txt")")"
        done
    done

    echo "== locks: ADD COLUMN while a ten-second report holds the table, eight clients ($rounds rounds)"
    printf '%-26s %12s %16s %16s %8s\n' '' duration 'longest wait' 'of all rounds' failed
    printf '%-26s %12s %16s %16s %8s\n' 'report alone' '' "$(ms "$(of median quiet.longest)")" "$(ms "$(of max quiet.longest)")" ''
    for side in plain zdm; do
        printf '%-26s %12s %16s %16s %8s\n' "$side" "$(ms "$(of median $side.duration)")" "$(ms "$(of median $side.longest)")" \
            "$(ms "$(of max $side.longest)")" "$(of sum $side.failed)"
    done
    echo "goal: with zdm no query waits longer than 150 ms, none fails: $(verdict "$(of max zdm.longest)" 'at most' 0.150), $(verdict "$(of sum zdm.failed)" is 0)"
}
