#!/bin/bash
# compare: a rerun is the same, planted changes are found, the exit code says so.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
cd "$TMPDIR" || exit 1
for file in a.h5 b.h5; do
    dpsweep sweep --trainer standard,dpsgd --batch-size 2,3 --seq-len 16 --active-steps 30 -o $file > /dev/null 2>&1
done

# The time of a rerun is not asked for here: other processes of this machine decide about it.
check "a sweep and its rerun are compared" dpsweep compare a.h5 b.h5 --time-threshold 1000
check "... as four configurations" said "^4 configurations are in both$"
check "... with the same memory" said "^memory   4 SAME$"
check "... the same status" said "^status   4 SAME$"
check "... and the same error" said "^error    4 SAME$"
check "the verdicts of times are three words" eval 'dpsweep compare a.h5 b.h5 --json > json; (($? < 2)) &&
    ! grep -oE "\"time\":\"[A-Z]*\"" json | grep -vE "SAME|FASTER|SLOWER|AMBIGUOUS"'

"$python" "$ROOT/tests/spoil_results.py" a.h5 steady slower faster &&
    "$python" "$ROOT/tests/spoil_results.py" steady.h5 memory failed || exit 1
check "steady times are the same" dpsweep compare steady.h5 steady.h5
check "... which is said" said "^time     4 SAME$"
check_fails 1 "times scaled by 1.05 are a regression" dpsweep compare steady.h5 slower.h5
check "... of all four" said "^time     4 SLOWER$"
check "... with their ratio" said "standard .* 1\.050 .* SLOWER"
check "... unless so much is allowed" dpsweep compare steady.h5 slower.h5 --time-threshold 0.06
check "... or runs differ so much here" dpsweep compare steady.h5 slower.h5 --rerun-spread 0.05
check "... then it is ambiguous" said "^time     4 AMBIGUOUS$"
check "times scaled by 1/1.05 are none" dpsweep compare steady.h5 faster.h5
check "... but faster" said "^time     4 FASTER$"
check_fails 1 "a growth of memory by 1 % is a regression" dpsweep compare steady.h5 memory.h5
check "... of one configuration" said "^memory   3 SAME  1 MORE$"
check "... unless so much is allowed" dpsweep compare steady.h5 memory.h5 --memory-threshold 0.02
check_fails 1 "a run that crashes now is a regression" dpsweep compare steady.h5 failed.h5
check "... from what it was" said "WORSE: crashed, was ok"
check "... and the other way round an improvement" dpsweep compare failed.h5 steady.h5
check "... which is said" said "BETTER: ok, was crashed"
check "a comparison as CSV" dpsweep compare steady.h5 steady.h5 --format csv
check "... has a line for each and a heading" eval '(($(wc -l < "$output") == 5))'

dpsweep sweep --trainer ghost --batch-size 2 --seq-len 16 -o other.h5 > /dev/null 2>&1
check_fails 2 "sweeps without a common configuration are not compared" dpsweep compare a.h5 other.h5
check "... which is said" said "have no configuration in common"
check_fails 2 "compare wants two files" dpsweep compare a.h5
check_fails 2 "a file that is not there is named" dpsweep compare a.h5 absent.h5
check_fails 2 "a threshold is a number above 0" dpsweep compare a.h5 b.h5 --time-threshold 0

plan_done
