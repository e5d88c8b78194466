# What the demo and the benches stand on: private servers, the shop, its traffic, a clock. Sourced, not run.
# Nothing outside $tmp and $out is written; whatever was started is stopped at the end, also after an error or ctrl-C.

set -uo pipefail
export LC_ALL=C TZ=UTC
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Set $bin, $tmp and $out; $1 is where results go by default.
ground_begin() {
    [ "$(id -u)" != 0 ] || give_up "PostgreSQL does not run as root: run this as an ordinary user"
    [ "${BASH_VERSINFO[0]}" -ge 5 ] || give_up "bash 5 is needed (EPOCHREALTIME)"
    bin=${ZDM_BINDIR:-$("${PG_CONFIG:-pg_config}" --bindir)} || give_up "no pg_config: set PG_CONFIG"
    local tool
    for tool in initdb pg_ctl psql pgbench; do
        [ -x "$bin/$tool" ] || give_up "$bin/$tool is missing"
    done
    tmp=${ZDM_TMP:-$(mktemp -d /tmp/zdm.XXXXXX)}
    own_tmp=${ZDM_TMP:+no}
    out=${ZDM_OUT:-$1}
    mkdir -p "$out" "$tmp" || give_up "cannot write to $out or $tmp"
    out=$(cd "$out" && pwd)
    tmp=$(cd "$tmp" && pwd)
    # A socket's path has room for about a hundred bytes.
    sockets=$tmp
    [ ${#sockets} -lt 80 ] || sockets=$(mktemp -d /tmp/zdm.XXXXXX)
    # No TCP, and a directory of our own for the socket: the port is only a part of its name.
    export PGHOST=$sockets PGPORT=${ZDM_PORT:-6301} PGUSER=postgres PGDATABASE=postgres
    export PGOPTIONS= PGAPPNAME= PGSSLMODE=disable PGCLIENTENCODING=UTF8 PSQLRC=/dev/null PGTZ=UTC
    unset PGDATA PGSERVICE PGHOSTADDR PGPASSFILE
    running_servers=()
    traffic_dir=
    children=()
    trap ground_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

ground_end() {
    local rc=$? server pid
    trap - EXIT
    trap '' INT TERM HUP
    [ -z "$traffic_dir" ] || traffic_kill
    for pid in ${children[@]+"${children[@]}"}; do kill "$pid" 2>/dev/null; done
    for server in ${running_servers[@]+"${running_servers[@]}"}; do
        "$bin/pg_ctl" -D "$server" -m immediate -w stop >/dev/null 2>&1
    done
    wait 2>/dev/null
    [ "$sockets" = "$tmp" ] || rm -rf "$sockets"
    [ "$own_tmp" = no ] || rm -rf "$tmp"
    exit "$rc"
}

give_up() {
    echo "$(basename "$0"): $*" >&2
    exit 2
}

now() { echo "$EPOCHREALTIME"; }

# since <start>: seconds, two digits.
since() { perl -e 'printf "%.2f", $ARGV[1] - $ARGV[0]' "$1" "$EPOCHREALTIME"; }

# ---- servers ----

# One set of settings for every server: a small production machine, durable, with nothing tuned for the comparison.
# Checkpoints are apart far enough for a run of two minutes not to measure them by accident.
server_init() {
    "$bin/initdb" -D "$1" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$tmp/initdb.log" 2>&1 ||
        { cat "$tmp/initdb.log" >&2; give_up "initdb failed"; }
    cat >>"$1/postgresql.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$sockets'
		shared_buffers = 1GB
		maintenance_work_mem = 256MB
		max_wal_size = 8GB
		min_wal_size = 2GB
		checkpoint_timeout = 15min
		max_connections = 60
		logging_collector = off
		log_line_prefix = '%m [%p] %a '
		log_lock_waits = on
		jit = off
	CONF
}

# server_start <dir> [setting=value ...]
server_start() {
    local dir=$1 options= setting
    shift
    for setting in "$@"; do options+=" -c $setting"; done
    running_servers+=("$dir")
    if ! "$bin/pg_ctl" -D "$dir" -l "$dir.log" -w -t 60 -o "-p $PGPORT$options" start >"$tmp/pg_ctl.log" 2>&1; then
        cat "$tmp/pg_ctl.log" >&2
        tail -n 20 "$dir.log" >&2
        give_up "the server of $dir does not start"
    fi
}

server_stop() {
    local dir=$1 left=() server
    "$bin/pg_ctl" -D "$dir" -m fast -w -t 120 stop >"$tmp/pg_ctl.log" 2>&1 ||
        { cat "$tmp/pg_ctl.log" >&2; give_up "the server of $dir does not stop"; }
    for server in "${running_servers[@]}"; do [ "$server" = "$dir" ] || left+=("$server"); done
    running_servers=(${left[@]+"${left[@]}"})
}

# server_copy <stopped server> <new>: the same bytes.
server_copy() {
    cp -a --reflink=auto "$1" "$2" && "$bin/initdb" --sync-only -D "$2" >/dev/null || give_up "cannot copy $1"
}

sql() { "$bin/psql" -XqAt -v ON_ERROR_STOP=1 "$@"; }

# A server that has been at work for a while has WAL files to use again; a new one stops everybody for each 16 MB to make a new file.
# Give the running server a hundred.
server_wal() {
    sql <<-'SQL' || give_up "cannot make WAL files"
		DO $$
		BEGIN
		    FOR i IN 1 .. 100 LOOP
		        PERFORM pg_logical_emit_message(false, '', '');
		        PERFORM pg_switch_wal();
		    END LOOP;
		END $$;
		CHECKPOINT;
	SQL
}

# Tables into shared buffers, so that neither side of a comparison reads from disk.
warm() {
    local relation
    sql -c 'CREATE EXTENSION IF NOT EXISTS pg_prewarm' >/dev/null 2>&1 || return 0
    for relation in "$@"; do sql -c "SELECT pg_prewarm('$relation')" >/dev/null || return 1; done
}

# ---- the shop ----

# shop_build <dir>: a stopped server that holds the shop. $scale is a per cent of 1 million users and 2 million orders.
shop_build() {
    server_init "$1"
    server_start "$1" fsync=off wal_level=minimal max_wal_senders=0 autovacuum=off
    sql -c 'CREATE DATABASE shop' || give_up "no database"
    sql -d shop -v part=users -v scale="$scale" -f "$here/shop/shop.sql" &
    local users=$!
    sql -d shop -v part=orders -v scale="$scale" -f "$here/shop/shop.sql" || give_up "cannot fill orders"
    wait "$users" || give_up "cannot fill users"
    server_wal
    server_stop "$1"
    export PGDATABASE=shop
    "$bin/initdb" --sync-only -D "$1" >/dev/null
}

shop_warm() {
    warm $(sql -d shop -c "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace")
}

# ---- traffic ----

# Eight clients, one pgbench each, because a pgbench client ends at its first error: here that is noted and the client comes back.
# Arrivals are open-loop (--rate): a query that had to queue behind a slow one counts from when it should have been sent.
# Prepared statements, as drivers do it.
traffic_begin() {
    traffic_dir=$1
    mkdir -p "$traffic_dir"
    : >"$traffic_dir/failed"
    local number
    for number in 1 2 3 4 5 6 7 8; do
        client "$number" &
        children+=($!)
    done
}

client() {
    trap - EXIT INT TERM HUP
    local number=$1 turn=0 error
    local files=(-f "$here/shop/read_user.sql@40" -f "$here/shop/read_order.sql@30" -f "$here/shop/ship_order.sql@15"
        -f "$here/shop/touch_user.sql@10" -f "$here/shop/new_order.sql@5")
    while [ ! -e "$traffic_dir/stop" ]; do
        PGAPPNAME=shop "$bin/pgbench" -n -c 1 -j 1 -M prepared -R "${rate:-60}" -T 36000 -D scale="$scale" \
            --random-seed=$((number * 1000 + turn)) -l --log-prefix="$traffic_dir/log.$number.$turn" "${files[@]}" shop \
            >/dev/null 2>"$traffic_dir/err.$number.$turn" &
        echo $! >"$traffic_dir/pid.$number"
        wait $!
        [ -e "$traffic_dir/stop" ] && break
        error=$(sed -n 's/^pgbench: error: //; s/.*\(\(ERROR\|FATAL\): .*\)/\1/p' "$traffic_dir/err.$number.$turn" | head -n 1)
        error=${error:-$(tail -n 1 "$traffic_dir/err.$number.$turn")}
        printf '%s\t%s\t%s\t%s\n' "$EPOCHREALTIME" "$number" "$turn" "$error" >>"$traffic_dir/failed"
        turn=$((turn + 1))
        sleep 0.02
    done
}

# SIGALRM is pgbench's own end of -T: it finishes the query at hand and writes its log.
traffic_end() {
    [ -n "$traffic_dir" ] || return 0
    : >"$traffic_dir/stop"
    local pid file tries
    for file in "$traffic_dir"/pid.*; do kill -ALRM "$(cat "$file")" 2>/dev/null; done
    for file in "$traffic_dir"/pid.*; do
        pid=$(cat "$file")
        for tries in {1..100}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill "$pid" 2>/dev/null && echo "a client of the traffic still waited after ten seconds" >&2
    done
    traffic_dir=
}

traffic_kill() {
    local file
    : >"$traffic_dir/stop"
    for file in "$traffic_dir"/pid.*; do [ -e "$file" ] && kill "$(cat "$file")" 2>/dev/null; done
}

# report_begin: the ten-second report, in the background; report_end waits for it.
report_begin() {
    PGAPPNAME=report "$bin/psql" -XqAt -d shop -v scale="$scale" -f "$here/shop/report.sql" >"$tmp/report.out" 2>&1 &
    report_pid=$!
    children+=($!)
}
report_end() { wait "$report_pid"; }

# migration <statement>: run it as a client of its own. Leaves $from and $to (when), $state (SQLSTATE), $outcome (done, refused,
# failed), $message (the error), and all that the server said in $tmp/said.
migration() {
    from=$EPOCHREALTIME
    # psql's own variable tells the SQLSTATE: no message needs parsing.
    printf '%s;\n\\echo sqlstate :SQLSTATE\n' "$1" |
        PGAPPNAME=migration "$bin/psql" -XqAt -v ON_ERROR_STOP=0 -d shop >"$tmp/answer" 2>&1
    to=$EPOCHREALTIME
    state=$(sed -n 's/^sqlstate //p' "$tmp/answer" | tail -n 1)
    state=${state:-no answer}
    sed '/^sqlstate /d; s/^psql:<stdin>:[0-9]*: //' "$tmp/answer" >"$tmp/said"
    message=$(grep -m1 -o '\(ERROR\|FATAL\): .*' "$tmp/said")
    case $state in
        00000) outcome=done ;;
        ZD001) outcome=refused ;;
        *) outcome=failed ;;
    esac
}
