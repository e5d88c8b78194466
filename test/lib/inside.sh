# The inner half of test/run: runs suites one after the other, in the private directory, and counts.
# A suite leaves "passed failed skipped" in $ZDM_TMP/results/<suite>.

suite_pid=

inside() {
    local suite suites=("$@") failures=0

    # The suite stops its server before we go.
    trap '[ -z "$suite_pid" ] || kill -TERM "$suite_pid"; wait; exit 143' INT TERM HUP
    if needs_build "${suites[@]}"; then
        suites=(build "${suites[@]}")
    fi
    : >"$ZDM_TMP/results/table"
    for suite in "${suites[@]}"; do
        run_suite "$suite" || failures=$((failures + 1))
    done
    [ "$failures" = 0 ]
}

needs_build() {
    case " $* " in
    *" build "*) return 1 ;;
    *" style "* | *" regress "* | *" tap "* | *" isolation "* | *" oracle "* | *" cluster "* | *" demo "* | *" bench "*) ;;
    *) return 1 ;;
    esac
}

# Every suite in a shell of its own under a time limit: a hanging test costs one suite.
run_suite() {
    local suite=$1 started=$SECONDS status=0 passed=0 failed=0 skipped=0

    printf '\n== %s\n' "$suite"
    if [ "$suite" != build ] && needs_build "$suite" && [ ! -e "$ZDM_TMP/results/built" ]; then
        echo "not run: there is nothing to test without a build"
        status=1
    else
        timeout -k 30 "$(time_limit "$suite")" "$BASH" "$repo/test/run" --suite "$suite" &
        suite_pid=$!
        wait "$suite_pid" || status=$?
        suite_pid=
        [ "$status" != 124 ] || echo "stopped after $(time_limit "$suite") s"
    fi
    if [ -e "$ZDM_TMP/results/$suite" ]; then
        read -r passed failed skipped <"$ZDM_TMP/results/$suite"
    fi
    if [ "$failed" = 0 ] && { [ "$status" != 0 ] || [ "$passed" = 0 ]; }; then
        failed=1 # could not run to its end, or ran nothing
    fi
    printf '%s %d %d %d %d\n' "$suite" "$passed" "$failed" "$skipped" $((SECONDS - started)) >>"$ZDM_TMP/results/table"
    [ "$failed" = 0 ]
}

# A test suite takes minutes; measuring takes what it takes.
time_limit() {
    case $1 in
    demo | bench) echo "${ZDM_SUITE_TIMEOUT:-7200}" ;;
    *) echo "${ZDM_SUITE_TIMEOUT:-900}" ;;
    esac
}

run_one_suite() {
    suite=$1
    trap 'exit 143' INT TERM HUP
    trap stop_server EXIT
    cd "$repo"
    record 0 0 0
    "suite_$suite"
}

record() { echo "$1 $2 ${3:-0}" >"$ZDM_TMP/results/$suite"; }

# Run a command quietly as one test; show what it said if it fails, and what it only mentions in any case.
checks_passed=0
checks_failed=0
check() {
    local what=$1 log=$ZDM_TMP/results/check.log
    shift
    if "$@" >"$log" 2>&1; then
        echo "ok      $what"
        grep '^mention: ' "$log" || true
        checks_passed=$((checks_passed + 1))
    else
        echo "FAILED  $what"
        tail -n 60 "$log"
        checks_failed=$((checks_failed + 1))
    fi
    record "$checks_passed" "$checks_failed"
}

# Files worth keeping when something failed end up in <repo>/test-out/<suite>.
keep() {
    mkdir -p "$ZDM_TMP/out/test-out/$suite"
    cp -R "$@" "$ZDM_TMP/out/test-out/$suite/" 2>/dev/null || true
}
