#!/bin/bash
# `dpsweep tune` measures this machine, plan and sweep use what it wrote, and what it did not write is refused.
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
profile=$TMPDIR/folder/profile.json
tune() { dpsweep tune --threads 1 --time-limit 1s "$@"; }
plan() { dpsweep plan --threads 1 --trainer ghost --batch-size 2 --seq-len 16 "$@"; }

# edited FILE STATEMENT: the profile with a change
edited() {
    "$PYTHON" - "$profile" "$1" "$2" <<'END'
import json, sys
root = json.load(open(sys.argv[1]))
exec(sys.argv[3], {"root": root, "entry": root["profiles"][0]})
json.dump(root, open(sys.argv[2], "w"))
END
}

# step_s [OPTION ...]: what plan says of a step on this machine
step_s() { plan --json "$@" | "$PYTHON" -c '
import json, sys; print(json.load(sys.stdin)["points"][0]["targets"]["local"]["step_time_s"])'; }

# ---- measuring
check "a profile is measured" tune --profile "$profile" --json
check "... of this device, in a folder that was not there" "$PYTHON" - "$profile" "$output" <<'END'
import json, sys
entry, = json.load(open(sys.argv[1]))["profiles"]
said = json.load(open(sys.argv[2]))
assert entry["device"] == said["device"] and entry["threads"] == 1 and entry["precision"] == "fp32", entry
assert said["profile"] == sys.argv[1] and said["shapes"] >= 4 and 1e6 < said["product_flops_per_s"] < 1e13, said
assert all(sum(terms.values()) > 0 for terms in entry["kernels"].values()) and "sgd" in entry["kernels"]
END
check "another number of threads is measured beside it" dpsweep tune --threads 2 --time-limit 1s --profile "$profile"
check "... and the same one again, in its place" tune --profile "$profile"
check "... which makes two" "$PYTHON" -c "
import json; assert [p['threads'] for p in json.load(open('$profile'))['profiles']] == [1, 2]"
check_fails 2 "an unknown precision is refused" tune --precision fp8
check_fails 3 "a precision that the device has not is refused" tune --precision tf32 --profile "$profile"
check_fails 2 "tune is not given a configuration" tune --model tiny
touch "$TMPDIR/file"
check_fails 3 "a profile that cannot be written is refused" timeout 20 "$BUILD/dpsweep" tune --time-limit 1h \
    --profile "$TMPDIR/file/profile.json"
check "... in one line" eval 'said_one_line && said "cannot be written: Not a directory"'

# ---- where it is looked for
check "plan has default rates" plan
check "... and says so" said "Times are estimated by default rates; 'dpsweep tune'"
check "plan takes the profile that is named" plan --profile "$profile"
check "... and says so" said "estimated by the profile of 20..-..-..T..:..:..Z \(.*profile.json\)"
check "... or that of DPSWEEP_PROFILE" env DPSWEEP_PROFILE="$profile" "$BUILD/dpsweep" plan --threads 1
check "... which it says" said "by the profile of"
env -u DPSWEEP_PROFILE XDG_CACHE_HOME="$TMPDIR/cache" "$BUILD/dpsweep" tune --threads 1 --time-limit 1s > "$output"
check "... or the one that tune wrote where nobody named a place" \
    env -u DPSWEEP_PROFILE XDG_CACHE_HOME="$TMPDIR/cache" "$BUILD/dpsweep" plan --threads 1
check "... which it says" said "by the profile of .*/cache/dpsweep/profile.json"
check "a profile of other threads is not used" dpsweep plan --threads 3 --profile "$profile"
check "... which is said" said "default rates"
check "targets elsewhere have no profile" plan --target h100-80g --profile "$profile"
check "... which is not said" said "Times are estimated by default rates$"

# ---- what it changes
printf '[long]\nbatch-size = 1\nseq-len = 200\n[many]\nbatch-size = 4\nseq-len = 8\n' > "$TMPDIR/two.sweep"
edited "$TMPDIR/slow.json" '
for op in entry["products"].values(): op["call"] += 1
for kernel in entry["kernels"].values(): kernel["call"] += 1'
check "times are the sum of calls by the profile" eval \
    '(($(step_s --profile "$TMPDIR/slow.json" | cut -d. -f1) > $(step_s --profile "$profile" | cut -d. -f1) + 100))'
check "a sweep keeps what was estimated" dpsweep sweep --threads 1 --trainer standard,ghost --seq-len 16 \
    --profile "$TMPDIR/slow.json" -o "$TMPDIR/a.h5"
check "... beside what was measured" "$PYTHON" -c "
import h5py
runs = h5py.File('$TMPDIR/a.h5')['runs']
assert (runs['estimated_step_time'][:] > 100).all() and (runs['step_time_p50'][:] < 10).all()"

points=(--trainer microbatch --layers 1) # calls grow with the batch, FLOPs with the tokens
check "the longest first is the longest by the profile" dpsweep sweep --threads 1 "${points[@]}" --no-output \
    --profile "$TMPDIR/slow.json" "$TMPDIR/two.sweep"
check "... not by its FLOPs" said '1/2 microbatch B=4 T=8 '
check "... which default rates would choose" dpsweep sweep --threads 1 "${points[@]}" --no-output "$TMPDIR/two.sweep"
check "... as they do" said '1/2 microbatch B=1 T=200 '

# ---- what it lacks
run() { dpsweep run --trainer standard --seq-len 16 "$@"; }
lacks='default rates: .*/profile.json has none of this device with --threads 3 --precision fp32'
check "a sweep says once that a profile has nothing for its threads" dpsweep sweep --no-output --threads 3 \
    --trainer standard,ghost --seq-len 16 --profile "$profile"
check "... with the remedy" said "$lacks; 'dpsweep tune --profile .*/profile.json --threads 3 --precision fp32'"
check "... once" eval '(($(grep -c "default rates" "$output") == 1))'
check "... also of a profile that nobody named" env DPSWEEP_PROFILE="$profile" "$BUILD/dpsweep" run --threads 3
check "... where tune writes" said "$lacks; 'dpsweep tune --threads 3 --precision fp32' measures"
check "a run with what the profile has" run --threads 1 --profile "$profile"
check "... has nothing to say" said_not 'default rates'
check "a run without a profile" run
check "... neither" said_not 'default rates'

# auto chooses by the first rank's profile, also for children of other ranks
edited "$TMPDIR/store.json" '
for op in entry["products"].values(): op["call"] += 0.01'
choose() { mpirun_n 2 "$BUILD/dpsweep" sweep --threads 1 --trainer auto --batch-size 4,8 --seq-len 32,64 "$@"; }
check "all ranks take the policy of the prediction" choose --profile "$TMPDIR/store.json" -o "$TMPDIR/store.h5"
check "... and its memory" "$PYTHON" tests/predicted_is_measured.py "$TMPDIR/store.h5"
check "... which other rates would not choose" choose -o "$TMPDIR/other.h5"
check "... as they do" "$PYTHON" -c "
import h5py
a, b = (h5py.File(f'$TMPDIR/{name}.h5')['runs']['policy'][:] for name in ('store', 'other'))
assert all(a) and (a != b).any(), (a, b)"

# ---- what is no profile
check_refused() { # "text" FILE pattern
    check_fails 2 "$1 is refused" plan --profile "$2"
    check "... in one line" eval "said_one_line && said '$3'"
}
# wrong "text" STATEMENT pattern: the profile with a change that cannot be
wrong() {
    edited "$TMPDIR/wrong.json" "$2"
    check_refused "$1" "$TMPDIR/wrong.json" "wrong.json: .*damaged: .*$3"
}
head -c 700 "$profile" > "$TMPDIR/cut.json"
edited "$TMPDIR/foreign.json" '
for p in root["profiles"]: p["device"] = "a device of somebody else"'
check_refused "a file that is not there" "$TMPDIR/none.json" "No such file.*dpsweep tune"
check_refused "a damaged profile" "$TMPDIR/cut.json" "damaged"
wrong "a negative time" 'entry["products"]["NN"]["mnk"] = -1e-12' \
    'profiles\[0\].products.NN.mnk: -1e-12 s is not a time'
wrong "a time that is no number" 'entry["products"]["NN"]["mnk"] = "1"' 'profiles\[0\].products.NN.mnk: no number'
wrong "a number that JSON has not" 'entry["products"]["TN"]["k"] = float("nan")' 'is not JSON'
wrong "an infinite time" 'entry["kernels"][""]["call"] = 10**400' 'kernels..call: inf s is not a time'
wrong "a product of ages" 'root["profiles"][1]["products"]["NT"]["mnk"] = 1e30' \
    'profiles\[1\].products.NT: a product of 1024 x 1024 x 1024 would take 1.*e.39 s'
wrong "a product in no time" 'entry["products"]["TN"] = dict.fromkeys(entry["products"]["TN"], 0)' 'TN: .* 0 s'
wrong "a kernel in no time" 'entry["kernels"]["sgd"] = dict.fromkeys(entry["kernels"]["sgd"], 0)' 'sgd: 64 MiB .* 0 s'
wrong "a profile without a rate for unknown kernels" 'del entry["kernels"][""]' 'kernels: the first is not'
wrong "an unknown precision of a profile" 'entry["precision"] = "fp8"' 'precision: .fp8. is none'
check_refused "a profile of another device" "$TMPDIR/foreign.json" "nothing about this device"
check_fails 2 "a sweep refuses it too" dpsweep sweep --no-output --profile "$TMPDIR/cut.json"
check_fails 2 "tune does not write over what is no profile" tune --profile "$TMPDIR/cut.json"
check "a damaged profile that nobody named is left alone" env DPSWEEP_PROFILE="$TMPDIR/cut.json" "$BUILD/dpsweep" plan
check "... with a remark" said "damaged.*estimated without it"
check "... and one remark in a sweep" env DPSWEEP_PROFILE="$TMPDIR/cut.json" "$BUILD/dpsweep" run --threads 1
check "... not one from each process" eval '(($(grep -c damaged "$output") == 1))'

# ---- groups
check "what groups send is in the time" eval '[[ $(step_s --ranks-per-run 2) != $(step_s) ]]'
check_fails 2 "a group needs its ranks" plan --ranks-per-run 4 --ranks 2
check "... which is said" eval 'said_one_line && said "needs 4"'

plan_done
