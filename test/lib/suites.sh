# What `test/run <suite>` does. Runs inside; see inside.sh for the counting.

suite_build() {
    check "compiles without a warning" make -j"$(nproc)" ZDM_CXXFLAGS=-Werror
    [ "$checks_failed" = 0 ] && check "installs" make install
    [ "$checks_failed" = 0 ] && touch "$ZDM_TMP/results/built"
}

suite_style() {
    check "clang-format" find src test/unit -name '*.[ch]pp' -exec clang-format-14 --dry-run -Werror {} +
    check "META.json" perl test/lib/check-meta
    check "test/doors" test/doors --library zdm.so
    harness "$checks_passed" "$checks_failed" perl test/doors -- --self-test
}

suite_unit() {
    local build=$ZDM_TMP/unit log=$ZDM_TMP/results/unit.log status=0 failed
    cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DZDM_SANITIZE=ON -DPG_CONFIG= >"$log" &&
        cmake --build "$build" -j"$(nproc)" >>"$log" 2>&1 || status=$?
    if [ "$status" != 0 ]; then
        tail -n 60 "$log"
        return 1
    fi
    "$build/zdm_unit" --gtest_color=no >"$log" 2>&1 || status=$?
    failed=$(count '^\[  FAILED  \] .* \([0-9]+ ms\)$' "$log")
    # A sanitizer ends the program in the middle of a test, which is then counted nowhere.
    grep -qE '^\[==========\] .* ran\.' "$log" || failed=$((failed + 1))
    record "$(count '^\[       OK \]' "$log")" "$failed" "$(count '^\[  SKIPPED \] .* \([0-9]+ ms\)$' "$log")"
    if [ "$status" = 0 ]; then tail -n 3 "$log"; else cat "$log"; fi
    return "$status"
}

suite_regress() {
    installcheck ISOLATION= -- sql expected .
}

suite_isolation() {
    installcheck REGRESS= -- test/isolation/specs test/isolation/expected output_iso
}

# installcheck <make variables> -- <directory of tests> <of expected output> <where regression.diffs and results/ go>
installcheck() {
    local variables=() log=$ZDM_TMP/results/$suite.log status=0 test tests=0 passed failed
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    local given=$2 expected=$3 output=$4
    for test in "$given"/*.sql "$given"/*.spec; do
        [ -e "$test" ] || continue
        test=${test##*/}
        [[ $test != zdm--* ]] || continue # scripts of the extension itself
        tests=$((tests + 1))
        # pg_regress gives up altogether over a test without expected output.
        [ -e "$expected/${test%.*}.out" ] || : >"$expected/${test%.*}.out"
    done
    start_server
    make -s installcheck "${variables[@]}" 2>&1 | grep -vE '^(SET|(CREATE|DROP|ALTER) (DATABASE|EXTENSION))$' |
        tee "$log" || status=$?
    # 16 and later speak TAP, 15 does not. A test that did not run has failed.
    passed=$(count '\.\.\. ok +[0-9]+ ms|^ok [0-9]+ ' "$log")
    failed=$((tests > passed ? tests - passed : 0))
    if [ "$failed" != 0 ]; then
        cat "$output/regression.diffs" 2>/dev/null || true
        keep "$output/regression.diffs" "$output/results"
    fi
    finish_server_suite "$passed" "$failed" 0
    return "$status"
}

suite_tap() {
    start_server
    createdb zdm_pgtap
    psql -X -q -d zdm_pgtap -c 'CREATE EXTENSION pgtap'
    harness 0 0 "$BASH" "$repo/test/run" --pgtap -- test/tap/*.sql || true
    read -r passed failed skipped <"$ZDM_TMP/results/$suite"
    finish_server_suite "$passed" "$failed" "$skipped"
}

# One pgTAP file in a fresh database with pgtap and zdm.
pgtap_file() {
    local database _
    database=zdm_$(basename "$1" .sql)
    for _ in {1..100}; do
        # The file before may have crashed the server.
        pg_isready -q && break || sleep 0.2
    done
    createdb -T zdm_pgtap "$database"
    psql -X -q -d "$database" -c 'CREATE EXTENSION zdm'
    psql -X -q -t -A -v ON_ERROR_STOP=1 -P pager=off -d "$database" -f "$1"
}

suite_cluster() {
    local pgxs status=0
    pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
    # TESTDIR serves 15, the other two later versions.
    export PERL5LIB=$pgxs/src/test/perl:$repo/test/cluster PG_REGRESS=$pgxs/src/test/regress/pg_regress
    export TESTDIR=$ZDM_TMP/cluster TESTDATADIR=$ZDM_TMP/cluster/tmp_check TESTLOGDIR=$ZDM_TMP/cluster/tmp_check/log
    mkdir -p "$TESTLOGDIR"
    harness 0 0 perl -- test/cluster/*.pl || status=$?
    [ "$status" = 0 ] || keep "$TESTLOGDIR"
    return "$status"
}

suite_oracle() {
    # Nothing happens there but what a case does; small tables get no helpers either, whose scans nobody counts.
    start_server "autovacuum = off" "max_parallel_maintenance_workers = 0" "max_parallel_workers_per_gather = 0"
    createdb zdm_oracle
    PGDATABASE=zdm_oracle harness 0 0 perl -- test/oracle/run.pl || true
    read -r passed failed skipped <"$ZDM_TMP/results/$suite"
    finish_server_suite "$passed" "$failed" "$skipped"
}

suite_tidy() {
    local file
    cmake -S . -B "$ZDM_TMP/tidy" -DPG_CONFIG="$PG_CONFIG" >/dev/null
    for file in src/*/*.cpp; do
        check "$file" clang-tidy -p "$ZDM_TMP/tidy" --quiet "$file"
    done
    [ "$checks_failed" = 0 ]
}

suite_demo() { entry_point test/demo/run demo-out; }
suite_bench() { entry_point test/bench/run bench-out; }

# Demo and bench bring their own servers; what they leave in ZDM_OUT ends up in the caller's tree.
entry_point() {
    local arguments
    read -ra arguments <<<"${ZDM_ARGUMENTS:-}"
    if [ ! -x "$1" ]; then
        echo "$1 is not there"
        return 1
    fi
    mkdir -p "$ZDM_TMP/out/$2" "$ZDM_TMP/$suite"
    ZDM_OUT=$ZDM_TMP/out/$2 ZDM_TMP=$ZDM_TMP/$suite ZDM_PG_CONFIG=$PG_CONFIG "$1" "${arguments[@]}"
    record 1 0
    echo "results: $2/"
}

count() { grep -cE -- "$1" "$2" || true; }

# harness <passed so far> <failed so far> <interpreter> ... -- <TAP file> ...
harness() {
    local passed=$1 failed=$2
    shift 2
    perl test/lib/harness --counts "$ZDM_TMP/results/$suite" --passed "$passed" --failed "$failed" "$@"
}

finish_server_suite() {
    local passed=$1 failed=$2 skipped=$3
    if server_crashed; then
        echo "FAILED  a server process crashed"
        failed=$((failed + 1))
    fi
    record "$passed" "$failed" "$skipped"
    [ "$failed" = 0 ] || keep "$server/log"
    [ "$failed" = 0 ]
}
