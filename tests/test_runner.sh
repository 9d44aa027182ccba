#!/bin/bash
# The runner finds what is wrong with a suite.  Each case is a folder of small suites given to tests/run.sh.
. "$(dirname "$0")/lib.sh"

# suite CASE NAME: a suite from stdin in the folder of CASE
suite() {
    mkdir -p "$TMPDIR/$1"
    cat > "$TMPDIR/$1/$2"
    chmod +x "$TMPDIR/$1/$2"
}

# run_case CASE [NAME...]: the runner on that folder, programs of test_*.c in bin/
run_case() {
    TESTS=$TMPDIR/$1 BUILD=$TMPDIR TIME_LIMIT=1 tests/run.sh "${@:2}"
}

# is_gone FILE: the folder that FILE names does not exist
is_gone() {
    [[ -s $1 && ! -e $(< "$1") ]]
}

suite good test_one.sh <<< 'echo "ok 1 - a"; echo "ok 2 - b"; echo 1..2; echo chatter'
suite good test_two.sh << 'END'
echo "ok 1 - c # SKIP no GPU"
echo "not ok 2 # SKIP cmocka_says_so"
echo "ok 3 - d"
echo 1..3
END
suite good test_three.sh <<< 'echo "1..0 # SKIP no Slurm"'
check "suites that pass are counted" run_case good
check "... in the last line" said '^3 passed, 0 failed, 3 skipped$'
check "... their output is not shown" said_not chatter
check "... a skipped test is named with its reason" said 'skipped: c: no GPU'
check "... also as cmocka writes it" said "skipped: cmocka_says_so$"
check "... so is a skipped suite" said 'skipped: all: no Slurm'
check "a part of the names selects suites" run_case good two three
check "... and only those run" said '^1 passed, 0 failed, 3 skipped$'
check_fails 2 "a name that no suite has is refused" run_case good nonesuch
check "... and the suites are named" said 'test_one.sh'

suite failing test_a.sh <<< 'echo "not ok 1 - x"; echo "# because"; echo "ok 2 - y"; echo 1..2; exit 1'
suite failing test_b.sh <<< 'echo "ok 1 - z"; echo 1..1'
check_fails 1 "a failed test fails the run" run_case failing
check "... is counted" said '^2 passed, 1 failed$'
check "... and the suite's output is shown" said '# because'

suite silent test_a.sh <<< 'exit 0'
check_fails 1 "a suite without a test fails" run_case silent
check "... with this reason" said 'ran no test'

suite code test_a.sh <<< 'echo "ok 1 - x"; echo 1..1; exit 7'
check_fails 1 "an exit code fails a suite whose tests passed" run_case code
check "... with this reason" said 'exit code 7'
check "... as one failure" said '^1 passed, 1 failed$'

suite crash test_a.sh <<< 'echo "ok 1 - x"; kill -SEGV $$'
check_fails 1 "a crash fails" run_case crash
check "... with its signal" said 'killed by SIGSEGV'

suite short test_a.sh <<< 'echo "ok 1 - x"; echo 1..2'
check_fails 1 "a suite that stops early fails" run_case short
check "... with both numbers" said 'ran 1 tests of 2 announced'

suite hang test_a.sh <<< 'echo "ok 1 - x"; sleep 60'
check_fails 1 "a suite that hangs is ended" run_case hang
check "... with this reason" said 'ran past its time limit of 1 s'

suite program test_a.c <<< ''
check_fails 1 "a program that was not built fails" run_case program
check "... with this reason" said 'could not be started'
suite tests test_a <<< 'echo "ok 1 - x"; echo "1..1"; touch "$TMPDIR/left behind"; echo "$TMPDIR" > '"$TMPDIR/where"
check "a program is found in the build folder" run_case program
check "... and its temporary folder is gone afterwards" is_gone "$TMPDIR/where"

plan_done
