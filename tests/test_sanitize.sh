#!/bin/bash
# Everything again, built with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer: all test programs and a
# sweep.  A finding ends the program it is in with an exit code that is not 0.
. "$(dirname "$0")/lib.sh"

asan=$ROOT/build/${DEVICE:-cpu}-asan
report=$TMPDIR/report
export ASAN_OPTIONS=detect_leaks=1:exitcode=99:log_path=$report
export UBSAN_OPTIONS=print_stacktrace=1:exitcode=99:log_path=$report

build() { env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory SANITIZE=1 tests; }
# Open MPI keeps memory to the end of the process, which is no leak of ours.
mpirun_asan() { ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 mpirun_n 2 "$asan/dpsweep" "$@"; }
nothing_found() { ! cat "$report".* 2> /dev/null; }

check "everything builds with sanitizers" build
((tests_failed == 0)) || plan_done
for source in tests/test_*.c; do
    name=$(basename "$source" .c)
    check "$name passes under them" "$asan/tests/$name"
done
check "a sweep passes under them" "$asan/dpsweep" sweep jobs/smoke.sweep --seq-len 16 -o "$TMPDIR/alone.h5"
check "... also under mpirun" mpirun_asan sweep jobs/smoke.sweep --seq-len 16 -o "$TMPDIR/mpirun.h5"
check "the sanitizers found nothing in any process" nothing_found

plan_done
