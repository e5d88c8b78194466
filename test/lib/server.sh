# A private server with zdm preloaded: own data, own socket in an own directory, no TCP, so no port to collide on.

server=

# start_server [line of postgresql.conf] ...
start_server() {
    server=$ZDM_TMP/server-$suite
    rm -rf "$server"
    mkdir "$server"
    initdb -D "$server/data" -U postgres -A trust --no-sync --locale=C.UTF-8 --encoding=UTF8 >"$server/initdb.log"
    cat >>"$server/data/postgresql.conf" <<END
shared_preload_libraries = 'zdm'
listen_addresses = ''
unix_socket_directories = '$server'
fsync = off
log_line_prefix = '%m [%p] %q%a '
END
    printf '%s\n' "$@" >>"$server/data/postgresql.conf"
    export PGHOST=$server PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
    if ! pg_ctl -s -w -D "$server/data" -l "$server/log" start; then
        cat "$server/log"
        return 1
    fi
}

stop_server() {
    [ ! -e "$server/data/postmaster.pid" ] || pg_ctl -s -D "$server/data" -m immediate stop || true
}

# A backend that died is a failure even if every test got over it.
server_crashed() {
    grep -nE 'PANIC:|TRAP:|was terminated by signal' "$server/log"
}
