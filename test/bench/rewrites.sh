# The rewrites that take long, on two million rows under traffic: how long do the others wait, and does any of their queries fail?

bench_rewrites() {
    local rounds=${quick:+1} round side key
    rounds=${rounds:-5}
    shop_once
    rewrites_base
    for ((round = 1; round <= rounds; round++)); do
        for side in $(sides "$round"); do
            rewrites_side "$side" "$round"
        done
    done

    echo "== rewrites: on $((scale * 20000)) orders and $((scale * 10000)) users, eight clients ($rounds rounds; duration: median, longest wait: median and worst)"
    printf '%-14s %10s %22s %8s   %10s %22s %8s\n' '' plain 'longest wait' failed zdm 'longest wait' failed
    for key in nothing index unique primary foreign check notnull; do
        printf '%-14s' "$key"
        for side in plain zdm; do
            printf ' %10s %22s %8s  ' "$(ms "$(of median "$side.$key.duration")")" \
                "$(ms "$(of median "$side.$key.longest")") / $(ms "$(of max "$side.$key.longest")")" "$(of sum "$side.$key.failed")"
        done
        echo
        [ "$key" = nothing ] || cat "$out/rewrites.zdm.$key.longest.txt" >>"$out/rewrites.all.longest.txt"
        [ "$key" = nothing ] || cat "$out/rewrites.zdm.$key.failed.txt" >>"$out/rewrites.all.failed.txt"
    done
    echo "goal: with zdm no query waits longer than 150 ms, none fails: $(verdict "$(of max all.longest)" 'at most' 0.150) ($(ms "$(of max all.longest)")), $(verdict "$(of sum all.failed)" is 0)"
}

# users loses its primary key, so that there is one to add; the traffic keeps an index.
rewrites_base() {
    [ ! -d "$tmp/shop_no_key" ] || return 0
    server_copy "$tmp/shop" "$tmp/shop_no_key"
    server_start "$tmp/shop_no_key"
    sql -d shop -c 'CREATE UNIQUE INDEX users_id_idx ON users (id)' -c 'ALTER TABLE users DROP CONSTRAINT users_pkey' \
        -c 'ALTER TABLE users ALTER COLUMN id DROP NOT NULL' || give_up "cannot prepare users"
    server_stop "$tmp/shop_no_key"
}

rewrites_side() {
    local side=$1 round=$2 key statement begun=() ended=() keys=() broken=() n longest failed
    shop_side "$side" shop_no_key
    keys=(nothing) begun=("$(now)") broken=(0)
    sleep 8
    ended=("$(now)")
    while IFS='|' read -r key statement; do
        sleep 1
        migration "$statement"
        [ "$outcome" = done ] || progress "$side, $key: $outcome: $state $message"
        keys+=("$key") begun+=("$from") ended+=("$to") broken+=("$([ "$outcome" = done ] && echo 0 || echo 1)")
    done <<-'LIST'
		index|CREATE INDEX orders_user_id_idx ON orders (user_id)
		unique|ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email)
		primary|ALTER TABLE users ADD CONSTRAINT users_pk PRIMARY KEY (id)
		foreign|ALTER TABLE orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
		check|ALTER TABLE orders ADD CONSTRAINT orders_amount_check CHECK (amount > 0)
		notnull|ALTER TABLE orders ALTER COLUMN status SET NOT NULL
	LIST
    sleep 1
    shop_side_end "$side"
    for n in "${!keys[@]}"; do
        read -r longest _ _ failed _ <<<"$(waits "$tmp/traffic" "${begun[n]}" "${ended[n]}")"
        note "$side.${keys[n]}.longest" "$longest"
        note "$side.${keys[n]}.failed" "$((failed + broken[n]))"
        note "$side.${keys[n]}.duration" "$(perl -e 'print $ARGV[1] - $ARGV[0]' "${begun[n]}" "${ended[n]}")"
    done
    progress "rewrites, round $round, $side"
}
