#!/bin/bash
# validate: sound results are called sound, and each planted fault is found by name.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
cd "$TMPDIR" || exit 1
dpsweep sweep --trainer standard,dpsgd,broken-noclip --batch-size 2 --seq-len 16 --active-steps 5 -o good.h5 \
    > /dev/null 2>&1
check "the results of a sweep are sound" dpsweep validate good.h5
check "... which is said with what there is" said "^good.h5: sound, 3 runs with 16 steps"
check "... and so is its journal" dpsweep validate good.journal
check "two sweeps are merged" dpsweep merge good.h5 -o merged.h5
check "... and are sound" dpsweep validate merged.h5

# planted FAULT "what is said"
planted() {
    check_fails 1 "a planted fault is found: $1" dpsweep validate "$1.h5"
    check "... and named: $2" said "$2"
}
"$python" "$ROOT/tests/spoil_results.py" good.h5 attribute column units status verdict error noise median tokens \
    slices key run_id identity range word kinds timeline times phases protection count table bit unknown || exit 1
planted attribute  "the attribute git_commit is missing"
planted column     "the column /runs/grad_rel_err is missing"
planted units      "the units of /steps/step_time are not 's'"
planted status     "run 0 \(standard B=2 T=16\): status 'fine' is not a status"
planted verdict    "run 1 .*: status ok and verdict 'INVALID' contradict each other"
planted error      "run 1 .*: VALID, though an error is beyond its limit"
planted noise      "run 1 .*: VALID, though an error is beyond its limit"
planted median     "run 0 .*: step_time_p50 is not the median of its steps"
planted tokens     "run 0 .*: token_count is not the sum over measured steps"
planted slices     "run 2 claims rows that"
planted key        "row 3 of /steps is of run row 1 by its key and of 0 by the slices of /runs"
planted run_id     "two runs have the same run_id: run 0 and run 0"
planted identity   "run 1 .*: config_sha256 is not that of its configuration"
planted range      "run 1 .*: --dropout"
planted word       "run 1 .*: --trainer"
planted kinds      "run 1 .*: the kinds at its peak sum to more than peak_ledger"
planted timeline   "row 4 of its timeline is above its peak"
planted times      "run 0 .*: it ended before it started"
planted phases     "run 0 .*: the phases of step 1 take longer than the step"
planted protection "run 1 .*: unprotected_params does not fit"
planted count      "run_count"
planted table      "row 1 of /tables/runs has another seq_len than /runs"
planted bit        "cannot read bit.h5: .*checksum"
check "the file of a program that knew fewer columns is sound" dpsweep validate unknown.h5

head -c 20000 good.h5 > bad.h5
check_fails 1 "a file that was cut is not sound" dpsweep validate bad.h5
check "... which HDF5 says" said "cannot read bad.h5: .*truncated"
mkdir part && : > part/x.h5 && cp good.journal part/x.journal
check_fails 2 "a file without a byte is not an empty sweep" dpsweep report part/x.h5
check "... and the journal beside it is named" \
    eval 'said_one_line && said "is empty; what its sweep .* part/x.journal$"'
rm part/x.h5
check_fails 2 "a file that is not published yet cannot be read" dpsweep report part/x.h5
check "... and the journal is named too" eval 'said_one_line && said "No such file or directory; .* part/x.journal$"'
head -c -100 good.journal > bad.journal
check_fails 1 "a journal that was cut is not sound" dpsweep validate bad.journal
check "... which is said" said "the journal ends in [0-9]+ bytes of a frame that is not complete"
check_fails 1 "another HDF5 file is not sound" dpsweep validate "$ROOT/tests/golden/postln.h5"
check_fails 2 "an absent file is named" dpsweep validate absent.h5

plan_done
