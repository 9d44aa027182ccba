#!/bin/bash
# run.sh - runs the test suites: the programs of tests/test_*.c and the scripts tests/test_*.sh.
#
#   tests/run.sh [NAME...]      all suites, or those whose name contains one of NAMEs
#
# A suite speaks the Test Anything Protocol.  It fails if a test fails, if it crashes, exits non-zero, exceeds the time
# limit, runs no test, or runs another number of tests than it announced.  A suite is one line; one that failed is shown
# in full.
#
# Environment: BUILD (build/cpu), TESTS (folder of the suites, tests), PATTERN (their names, test_*), TIME_LIMIT (600
# seconds for each suite)

set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build/cpu}
tests=${TESTS:-tests}
pattern=${PATTERN:-test_*}
limit=${TIME_LIMIT:-600}
passed=0 failed=0 skipped=0
. jobs/environment.sh

scratch=$(mktemp -d)
suite= # process id of the running one
trap 'rm -rf "$scratch"' EXIT
trap 'kill $suite; wait; exit 130' INT TERM

# Names of the wanted suites, with their suffix.
suites() {
    local file name wanted
    for file in "$tests"/$pattern.c "$tests"/$pattern.sh; do
        [[ -e $file ]] || continue
        name=${file##*/}
        (($# == 0)) && echo "$name"
        for wanted; do
            [[ $name == *"$wanted"* ]] && echo "$name" && break
        done
    done
}

# run_suite NAME: its output in $scratch/output, its exit code as result; a private TMPDIR, removed afterwards
run_suite() {
    local name=$1 command=$tests/$1 code
    [[ $name == *.c ]] && command=$BUILD/tests/${name%.c}
    mkdir "$scratch/tmp"
    TMPDIR=$scratch/tmp TESTS_TMPDIR=1 CMOCKA_MESSAGE_OUTPUT=TAP \
        timeout --kill-after=10 "$limit" "$command" > "$scratch/output" 2>&1 < /dev/null &
    suite=$!
    wait $suite
    code=$?
    rm -rf "$scratch/tmp"
    return $code
}

# Counts the results in $scratch/output: sets ok, not_ok, skips (an array of lines) and planned.
read_results() {
    local line
    ok=0 not_ok=0 planned=0 whole=0 skips=()
    while IFS= read -r line; do
        case $line in
            '1..0 # SKIP'*) skips+=("all: ${line#*# SKIP }") whole=1 ;;
            '1..'[0-9]*) planned=$((planned + ${line#1..})) ;;
            'ok '*'# SKIP'* | 'not ok '*'# SKIP'*) skips+=("$(skip_text "$line")") ;;
            'ok '[0-9]*) ok=$((ok + 1)) ;;
            'not ok '[0-9]*) not_ok=$((not_ok + 1)) ;;
        esac
    done < "$scratch/output"
}

# "ok 3 - text # SKIP why" -> "text: why";  cmocka's "not ok 3 # SKIP text" -> "text"
skip_text() {
    local text=${1%% # SKIP*} why=${1#*# SKIP }
    [[ $text == *' - '* ]] && echo "${text#* - }: $why" || echo "$why"
}

# What is wrong with a suite that ended with code $1 after $2 seconds; empty: nothing.
complaint() {
    local code=$1 run=$((ok + not_ok + ${#skips[@]}))
    if ((code == 124 || (code == 137 && $2 >= limit))); then
        echo "ran past its time limit of $limit s"
    elif ((code > 128)); then
        echo "killed by SIG$(kill -l $((code - 128)))"
    elif ((code == 126 || code == 127)); then
        echo "could not be started (exit code $code)"
    elif ((not_ok > 0)); then
        echo "$not_ok failed"
    elif ((code != 0)); then
        echo "exit code $code"
    elif ((run == 0)); then
        echo "ran no test"
    elif ((!whole && run != planned)); then
        echo "ran $run tests of $planned announced"
    fi
}

report_suite() {
    local name=$1 seconds=$2 why=$3 counts="$ok passed"
    ((not_ok == 0)) || counts+=", $not_ok failed"
    ((${#skips[@]} == 0)) || counts+=", ${#skips[@]} skipped"
    printf '%-4s %-28s %6.1f s  %s\n' "${why:+FAIL}" "$name" "$seconds" "$counts${why:+ - $why}"
    ((${#skips[@]} == 0)) || printf '       skipped: %s\n' "${skips[@]}"
    [[ -z $why ]] || sed 's/^/     | /' "$scratch/output"
}

wanted=$(suites "$@")
if [[ -z $wanted ]]; then
    echo "no suite is named like: $*. There are:" "$(suites | tr '\n' ' ')" >&2
    exit 2
fi
for name in $wanted; do
    start=${EPOCHREALTIME/./}
    run_suite "$name"
    code=$?
    tenths=$(((${EPOCHREALTIME/./} - start) / 100000))
    read_results
    why=$(complaint $code $((tenths / 10)))
    report_suite "$name" "$((tenths / 10)).$((tenths % 10))" "$why"
    passed=$((passed + ok)) skipped=$((skipped + ${#skips[@]}))
    # a suite that fails without a failed test is one failure
    failed=$((failed + not_ok))
    [[ -n $why && $not_ok -eq 0 ]] && failed=$((failed + 1))
done

summary="$passed passed, $failed failed"
((skipped == 0)) || summary+=", $skipped skipped"
echo "$summary"
((failed == 0))
