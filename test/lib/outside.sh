# The outer half of test/run: packages, the unprivileged user, the private directory. May run as root.

private=  # the private directory
inside_pid=
suites=()

outside() {
    local suite
    suites=("$@")
    for suite in "$@"; do
        if ! declare -F "suite_$suite" >/dev/null; then
            echo "test/run: there is no \"$suite\"; test/run help lists what there is" >&2
            exit 2
        fi
    done

    trap leave EXIT
    trap '[ -z "$inside_pid" ] || kill -TERM "$inside_pid"' INT TERM HUP
    [ "${ZDM_INSTALL:-}" = no ] || install_packages "$@"
    make_private_directory
    run_inside "$@"
}

# Debian packages for what is missing, and only then; arguments: what is going to run.
install_packages() {
    local missing=()

    need make make
    need g++ g++
    need nm binutils
    need cmake cmake
    need clang-format-14 clang-format-14
    [[ " $* " != *" tidy "* ]] || need clang-tidy clang-tidy
    [ -e /usr/include/gtest/gtest.h ] || missing+=(libgtest-dev)
    perl -MTAP::Harness -MTest::More -MJSON::PP -MTime::HiRes -e 1 2>/dev/null || missing+=(perl)
    perl -MIPC::Run -e 1 2>/dev/null || missing+=(libipc-run-perl)
    if [ "$PG_CONFIG" = "/usr/lib/postgresql/$ZDM_PG/bin/pg_config" ] && ! debian_postgres_is_whole; then
        # Both in one call: a server older than the headers would refuse the library, or worse.
        missing+=("postgresql-$ZDM_PG" "postgresql-server-dev-$ZDM_PG")
    fi
    pgtap_directory >/dev/null || missing+=("postgresql-$ZDM_PG-pgtap")
    # Not packaged for every PostgreSQL: what needs it is skipped then.
    partman_directory >/dev/null || ! is_packaged "postgresql-$ZDM_PG-partman" || missing+=("postgresql-$ZDM_PG-partman")
    [ ${#missing[@]} -eq 0 ] || install_now "${missing[@]}"
}

install_now() {
    if ! command -v apt-get >/dev/null; then
        echo "test/run: missing, and this is no Debian to install it on: $*" >&2
        return 1
    fi
    echo "test/run: installing $*"
    # Debian starts a cluster with each new server; nobody asked for one here.
    local no_cluster=/etc/postgresql-common/createcluster.d/zdm-test.conf
    privileged mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' | privileged tee "$no_cluster" >/dev/null
    privileged apt-get -q update || echo "test/run: apt-get update failed; trying with the lists at hand" >&2
    local status=0
    privileged env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends "$@" || status=$?
    privileged rm -f "$no_cluster"
    return "$status"
}

need() { command -v "$1" >/dev/null || missing+=("$2"); }

debian_postgres_is_whole() {
    local server headers
    server=$(package_version "postgresql-$ZDM_PG") && headers=$(package_version "postgresql-server-dev-$ZDM_PG") &&
        [ "$server" = "$headers" ]
}

package_version() {
    dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | grep '^installed '
}

# pgTAP is plain SQL: any installed copy serves any PostgreSQL.
pgtap_directory() {
    local control
    for control in "$("$PG_CONFIG" --sharedir 2>/dev/null)"/extension/pgtap.control \
        /usr/share/postgresql/*/extension/pgtap.control; do
        if [ -e "$control" ]; then
            dirname "$control"
            return
        fi
    done
    return 1
}

# pg_partman, but for its background worker, is plain SQL too.
partman_directory() {
    local control
    for control in "$("$PG_CONFIG" --sharedir 2>/dev/null)"/extension/pg_partman.control \
        /usr/share/postgresql/*/extension/pg_partman.control; do
        if [ -e "$control" ]; then
            dirname "$control"
            return
        fi
    done
    return 1
}

is_packaged() { apt-cache show "$1" >/dev/null 2>&1; }

privileged() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "test/run: needs root or sudo for: $*" >&2
        return 1
    fi
}

not_copied=(--exclude-vcs --exclude='*.o' --exclude='*.d' --exclude='*.so' --exclude='*.bc'
    --exclude=./build --exclude=./results --exclude=./output_iso --exclude=./tmp_check
    --exclude=./demo-out --exclude=./bench-out --exclude=./test-out)

make_private_directory() {
    private=$(mktemp -d /tmp/zdm.XXXXXX) # short: socket paths end at 107 bytes
    mkdir "$private/tree" "$private/home" "$private/out" "$private/results"
    tar -C "$repo" -cf - "${not_copied[@]}" . | tar -C "$private/tree" -xf -
    copy_postgres "$private/pg"
    if [ "$(id -u)" = 0 ]; then
        id zdm-test >/dev/null 2>&1 || useradd --system --user-group --home-dir /nonexistent --no-create-home \
            --shell /usr/sbin/nologin zdm-test || id zdm-test # another run may have been faster
        chown -R zdm-test:zdm-test "$private"
    fi
}

# PostgreSQL finds its files relative to its programs, so a copy is an installation of its own.
copy_postgres() {
    local to=$1 dir root
    local bin share lib
    bin=$("$PG_CONFIG" --bindir) && share=$("$PG_CONFIG" --sharedir) && lib=$("$PG_CONFIG" --pkglibdir)
    root=$bin
    while [[ $share/ != "$root"/* || $lib/ != "$root"/* ]]; do
        root=${root%/*}
    done
    for dir in "$bin" "$share" "$lib"; do
        mkdir -p "$to${dir#"$root"}"
        cp -a "$dir/." "$to${dir#"$root"}"
    done
    dir=$("$PG_CONFIG" --includedir)
    mkdir -p "$(dirname "$to${dir#"$root"}")"
    ln -s "$dir" "$to${dir#"$root"}"
    [ -e "$to${share#"$root"}/extension/pgtap.control" ] ||
        cp "$(pgtap_directory)"/pgtap* "$to${share#"$root"}/extension/"
    if [ ! -e "$to${share#"$root"}/extension/pg_partman.control" ] && partman_directory >/dev/null; then
        cp "$(partman_directory)"/pg_partman* "$to${share#"$root"}/extension/"
    fi
    echo "$to${bin#"$root"}" >"$private/bindir"
}

# Nothing of the caller's environment reaches the tests, least of all PGOPTIONS and the like.
run_inside() {
    local bindir status=0
    bindir=$(cat "$private/bindir")
    as_tester env -i LC_ALL=C.UTF-8 HOME="$private/home" TMPDIR="$private" TERM="${TERM:-dumb}" CI="${CI:-}" \
        PATH="$bindir:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" PG_CONFIG="$bindir/pg_config" ZDM_PG="$ZDM_PG" \
        ZDM_BINDIR="$bindir" ZDM_TMP="$private" ZDM_SUITE_TIMEOUT="${ZDM_SUITE_TIMEOUT:-}" ZDM_ARGUMENTS="${ZDM_ARGUMENTS:-}" \
        ZDM_REVISION="$(git -C "$repo" rev-parse --short HEAD 2>/dev/null || true)" \
        "$BASH" "$private/tree/test/run" --inside "$@" &
    inside_pid=$!
    # A signal ends one wait, not the child.
    while kill -0 "$inside_pid" 2>/dev/null; do
        status=0
        wait "$inside_pid" || status=$?
    done
    return "$status"
}

# Execs, so that the child's id is the id of the inner test/run.
as_tester() {
    cd "$private/tree"
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=zdm-test --regid=zdm-test --init-groups "$@"
    fi
    exec "$@"
}

# On the way out, however we got here: no server, no file stays; the counts come last, or go to who asked for them.
leave() {
    local status=$? pidfile
    trap - EXIT
    set +e
    if [ -n "$private" ]; then
        find "$private" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
            (as_tester "$(cat "$private/bindir")/pg_ctl" -s -D "$(dirname "$pidfile")" -m immediate stop) 2>/dev/null
        done
        cp -R "$private/out/." "$repo/" 2>/dev/null
        if [ -e "$private/results/table" ]; then
            if [ -n "${ZDM_TABLE:-}" ]; then
                cp "$private/results/table" "$ZDM_TABLE"
            elif [[ " ${suites[*]} " != *" demo "* && " ${suites[*]} " != *" bench "* ]]; then
                summarize "$private/results/table"
            fi
        fi
        if [ -n "${ZDM_KEEP:-}" ]; then
            echo "test/run: kept $private" >&2
        else
            rm -rf "$private"
        fi
    fi
    exit "$status"
}

# The tables of one or several runs as one, and their sum.
summarize() {
    cat "$@" 2>/dev/null | awk '
        BEGIN { printf "\n%-12s %7s %7s %7s %8s\n", "suite", "passed", "failed", "skipped", "seconds" }
        { printf "%-12s %7d %7d %7d %8d\n", $1, $2, $3, $4, $5; passed += $2; failed += $3; skipped += $4 }
        END {
            printf "\n%d passed, %d failed", passed, failed
            if (skipped > 0) { printf ", %d skipped", skipped }
            printf "\n"
        }'
}

# `make && make install` for the PostgreSQL of the machine.
install_into_postgres() {
    install_packages
    make -C "$repo" -j"$(nproc)" PG_CONFIG="$PG_CONFIG"
    privileged make -C "$repo" install PG_CONFIG="$PG_CONFIG"
    echo "Next: add zdm to shared_preload_libraries (last in the list), restart, CREATE EXTENSION zdm."
}
