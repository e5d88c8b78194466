# The suites that need a server, on other majors of PostgreSQL, each in a small Debian of its own (a chroot).
#
# Making one takes about a minute; it is kept in $ZDM_CACHE. It is made under another name and renamed when whole, so
# that a half-made one is never used. Packages of PostgreSQL are unpacked, not installed: nothing in them has to be
# configured, and no maintainer script asks for a mounted /proc. What is mounted for a run lives in a mount namespace,
# which ends with the run, however that ends; where mounting is forbidden it goes without.

: "${ZDM_MATRIX:=18}"
: "${ZDM_CACHE:=/var/cache/zdm-test}"
chroot_recipe=1 # raise it when a chroot must be made anew
counts=         # directory of the parts' tables
part_pid=

everything() {
    begin_count
    part "$ZDM_PG" "$BASH" "$repo/test/run" "${all_suites[@]}"
    on_each_major "${server_suites[@]}"
}

matrix() {
    begin_count
    on_each_major "${@:-${server_suites[@]}}"
}

# The last line counts, whatever happens.
begin_count() {
    counts=$(mktemp -d /tmp/zdm-counts.XXXXXX)
    trap end_count EXIT
    trap 'trap "" INT TERM HUP; [ -z "$part_pid" ] || kill -TERM "$part_pid"; wait; exit 143' INT TERM HUP
}

end_count() {
    local status=$?
    trap - EXIT
    # Cut short, or failed in a way that no suite has counted.
    if [ "$status" != 0 ] && ! awk '$3 > 0 { some = 1 } END { exit !some }' "$counts"/*.table 2>/dev/null; then
        echo "test/run 0 1 0 0" >"$counts/rest.table"
    fi
    summarize "$counts"/*.table
    rm -rf "$counts"
    exit "$status"
}

# part <name> <command> ...: a test/run, whose counts go to a table. One that leaves none has failed.
part() {
    local name=$1 table=$counts/$1.table status=0
    shift
    ZDM_TABLE=$table "$@" &
    part_pid=$!
    wait "$part_pid" || status=$?
    part_pid=
    if [ ! -s "$table" ]; then
        echo "tests 0 1 0 0" >"$table"
        [ "$status" != 0 ] || status=1
    fi
    sed -i "s|^|$name/|" "$table"
    [ "$status" = 0 ] || failed_parts=1
}

on_each_major() {
    local major
    for major in $ZDM_MATRIX; do
        printf '\n=== PostgreSQL %s\n' "$major"
        part "$major" on_major "$major" "$@"
    done
    [ -z "${failed_parts:-}" ]
}

# In a process of its own.
on_major() {
    local major=$1 root tree status=0
    shift
    root=$ZDM_CACHE/postgresql-$major-$chroot_recipe
    if [ ! -e "$root" ]; then
        make_chroot "$major" "$root" || {
            echo "test/run: there is no chroot for PostgreSQL $major, so nothing was tested there" >&2
            echo "chroot 0 1 0 0" >"$ZDM_TABLE"
            return 1
        }
    fi
    # The tree goes in, the results come out.
    tree=$(privileged mktemp -d "$root/tmp/zdm-tree.XXXXXX")
    tar -C "$repo" -cf - "${not_copied[@]}" . | privileged tar -C "$tree" -xf -
    trap '[ -z "$inside_pid" ] || kill -TERM "$inside_pid"' INT TERM HUP
    run_in_chroot "$root" "$tree" "$major" "$@" &
    inside_pid=$!
    while kill -0 "$inside_pid" 2>/dev/null; do
        status=0
        wait "$inside_pid" || status=$?
    done
    privileged cat "$tree/table" >"$ZDM_TABLE" 2>/dev/null || true
    if privileged test -d "$tree/test-out"; then
        mkdir -p "$repo/test-out/$major"
        privileged tar -C "$tree/test-out" -cf - . | tar -C "$repo/test-out/$major" -xf -
    fi
    privileged rm -rf "$tree"
    return "$status"
}

run_in_chroot() {
    local root=$1 inner=${2#"$1"} major=$3 tester
    shift 3
    tester=(env -i LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp
        TERM="${TERM:-dumb}" CI="${CI:-}" ZDM_PG="$major" ZDM_TABLE="$inner/table" ZDM_INSTALL=no
        ZDM_SUITE_TIMEOUT="${ZDM_SUITE_TIMEOUT:-}" bash "$inner/test/run" "$@")
    if may_mount; then
        exec_privileged unshare --mount --propagation private sh -c '
            mount -t proc proc "$0/proc" && mount -t tmpfs -o mode=1777 shm "$0/dev/shm" && exec chroot "$0" "$@"
            ' "$root" "${tester[@]}"
    fi
    exec_privileged chroot "$root" "${tester[@]}"
}

may_mount() { privileged unshare --mount mount -t tmpfs none /mnt 2>/dev/null; }

# Execs, so that a signal reaches the one that is meant.
exec_privileged() {
    if [ "$(id -u)" = 0 ]; then
        exec "$@"
    fi
    exec sudo "$@"
}

# Which Debian has it; what a suite does not know may be had from a newer one.
debian_with() {
    case $1 in
    15) echo bookworm ;;
    17) echo trixie ;;
    18) echo forky ;;
    19) echo experimental ;;
    *)
        echo "test/run: no Debian has PostgreSQL $1" >&2
        return 1
        ;;
    esac
}

make_chroot() {
    local major=$1 root=$2 new suite base mirror log own_mounts=() status=0
    suite=$(debian_with "$major") || return 1
    base=${suite/experimental/sid}
    command -v debootstrap >/dev/null || install_now debootstrap || return 1
    mirror=$(debian_mirror) || return 1
    privileged mkdir -p "$ZDM_CACHE" && new=$(privileged mktemp -d "$root.XXXXXX") || return 1
    log=$counts/chroot.log
    echo "test/run: making a chroot of Debian $suite for PostgreSQL $major (once; kept in $ZDM_CACHE)"
    may_mount && own_mounts=(unshare --mount --propagation private) # nothing stays mounted if debootstrap is killed
    privileged "${own_mounts[@]}" "$BASH" -c '. "$1/test/lib/matrix.sh"; shift; fill_chroot "$@"' _ "$repo" "$new" "$major" "$suite" \
        "$base" "$mirror" >"$log" 2>&1 || status=$?
    # Another run may have been faster: then its is as good.
    if [ "$status" = 0 ] && { privileged mv -T "$new" "$root" 2>>"$log" || [ -e "$root" ]; }; then
        privileged rm -rf "$new"
        return 0
    fi
    tail -n 40 "$log"
    privileged rm -rf --one-file-system "$new"
    return 1
}

# As root. Debian's archive, as this machine is told to get it.
fill_chroot() {
    local new=$1 major=$2 suite=$3 base=$4 mirror=$5 script=/usr/share/debootstrap/scripts/$4 apt proxy=
    set -e
    # A suite younger than this debootstrap is made like the youngest that it knows.
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "$proxy" ] || export http_proxy=$proxy
    chmod 755 "$new"
    debootstrap --variant=minbase --include=make,g++,perl,libipc-run-perl,procps,tzdata "$base" "$new" "$mirror" "$script"
    apt="apt-get -q -y -o Acquire::Check-Valid-Until=false -o APT::Install-Recommends=false"
    [ "$suite" = "$base" ] || {
        echo "deb $mirror $suite main" >>"$new/etc/apt/sources.list"
        apt="$apt -t $suite"
    }
    chroot "$new" $apt update
    chroot "$new" $apt --download-only install "postgresql-$major" "postgresql-$major-pgtap"
    chroot "$new" sh -c "cd /var/cache/apt/archives && $apt download postgresql-server-dev-$major libpq-dev &&
        for package in *.deb; do dpkg -x \"\$package\" /; done && ldconfig && rm -f *.deb"
    chroot "$new" "/usr/lib/postgresql/$major/bin/postgres" --version
}

# Where this machine gets its own Debian from.
debian_mirror() {
    local codename uri
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    uri=$(uri_of "$codename")
    [ -n "$uri" ] || { privileged apt-get -q update >/dev/null && uri=$(uri_of "$codename"); }
    if [ -z "$uri" ]; then
        echo "test/run: apt knows no mirror of Debian $codename" >&2
        return 1
    fi
    echo "$uri"
}

uri_of() {
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
        awk -v suite="$1" '$1 == suite && $2 ~ /^(https?|file):/ { print $2; exit }'
}
