#!/bin/bash
# Several ranks that train one configuration: they compute what one rank does, whatever the split; a member that
# crashes, hangs or is killed is a record, and the sweep goes on.
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_backing_directory=$TMPDIR # what killed ranks leave behind goes with this folder

# holds FILE.h5 EXPRESSION: of the list `runs`, each with its columns as attributes and its `steps`
holds() {
    "$PYTHON" - "$1" "$2" <<'END'
import sys, h5py
import numpy as np
from types import SimpleNamespace
file = h5py.File(sys.argv[1])
columns = {name: [v.decode() if isinstance(v, bytes) else v for v in file["runs"][name][:]] for name in file["runs"]}
runs = [SimpleNamespace(**dict(zip(columns, row))) for row in zip(*columns.values())]
for i, r in enumerate(runs):
    own_steps = file["steps/run"][:] == i
    r.losses, r.norms = (file["steps"][name][:][own_steps] for name in ("loss", "grad_norm"))
def groups(*names):
    key = lambda r: tuple(getattr(r, n) for n in names)
    return [[r for r in runs if key(r) == k] for k in sorted({key(r) for r in runs})]
def part(n, k):  # the largest
    return n - (k - 1) * (n // k // 4 * 4)
for r in runs:
    print(r.trainer, r.ranks_per_run, r.noise_placement, r.status, r.message, r.loss_last, r.weights_projection)
sys.exit(not eval(sys.argv[2]))
END
}

# ---- the same result on any number of ranks
# Five steps on 5 samples: shares of 5, 3+2, 2+2+1, 2+1+1+1.
file=$TMPDIR/sum.h5
trainers=standard,dpsgd,fastclip,ghost,bookkeeping,mixed,microbatch,auto
five=(--batch-size 5 --active-steps 2 "$mark")
check "all trainers run on 1, 2, 3 and 4 ranks" mpirun_n 4 "$BUILD/dpsweep" sweep "${five[@]}" \
    --trainer "$trainers" --ranks-per-run 1,2,3,4 -o "$file"
check "... and progress says on how many" said '/32 ghost B=5 T=64 tiny on 3 ranks: '
check "... and what was estimated is kept" holds "$file" 'all(r.estimated_step_time > 0 for r in runs)'
check "... with clipped sums like those of samples one by one" all_are "$file" verdict VALID
check "... in as much memory as was predicted" column_is "$file" predicted_peak "$(column "$file" peak_ledger)"
check "... and as many FLOPs on any number of ranks" \
    holds "$file" 'all(r.flops == same[0].flops > 0 for same in groups("trainer") for r in same)'
check "... and tokens" all_are "$file" token_count 640

# One rounding is 2^-24.  Losses near 7 and norms are sums of few roundings each, in another order.  A weight of about
# 0.02 is rounded once in each of 5 steps: over P = 244480 weights with random signs that is 5 * 0.02 * sqrt(P) * 2^-24.
# Noise of another rank or step would move the projection by 1e-3 * sqrt(P) / 5 = 0.1.
check "... the same losses, but for rounding" holds "$file" \
    'all(np.allclose(r.losses, same[0].losses, rtol=16 * 2**-24, atol=0) for same in groups("trainer") for r in same)'
check "... the same norms" holds "$file" \
    'all(np.allclose(r.norms, same[0].norms, rtol=64 * 2**-24, equal_nan=True) for same in groups("trainer")
         for r in same)'
check "... and the same weights after five steps" holds "$file" \
    'all(abs(r.weights_projection - same[0].weights_projection) < 4 * 5 * 0.02 * 244480**0.5 * 2**-24
         for same in groups("trainer") for r in same) and len({round(r.weights_projection, 2) for r in runs}) > 1'
check "... with the bytes of a sum over ranks" holds "$file" \
    'all(r.communication_bytes == 2 * (4 * r.n_params * (r.ranks_per_run - 1) // r.ranks_per_run) for r in runs)'
check "... of which only groups have any" \
    holds "$file" 'all((r.time_aggregate > 1e-5) == (r.ranks_per_run > 1) for r in runs)'

# ---- noise placements
file=$TMPDIR/placements.h5
check "all placements run" mpirun_n 3 "$BUILD/dpsweep" sweep "${five[@]}" --trainer standard,ghost,microbatch \
    --optimizer adamw --ranks-per-run 1,2,3 --noise-placement sum,shares,sharded -o "$file"
check "... and are right" all_are "$file" verdict VALID
check "... with the stated variance" holds "$file" \
    'all(abs(r.noise_variance_ratio - 1) < r.noise_variance_allowed for r in runs if r.trainer != "standard")'
check "... in as much memory as was predicted" column_is "$file" predicted_peak "$(column "$file" peak_ledger)"
check "... sharded has a part of the optimizer's state" holds "$file" \
    'all(0 <= r.peak_optimizer - 2 * 4 * part(r.n_params, r.ranks_per_run) < 512 for r in runs
         if r.noise_placement == "sharded")'
check "... and ends with the weights of sum" holds "$file" \
    'all(abs(r.weights_projection - same[0].weights_projection) < 1e-3 for same in groups("trainer")
         for r in same if r.noise_placement != "shares" and same[0].noise_placement == "sum")'
check "... but shares are noise of its own on any number of ranks" holds "$file" \
    'all(len({round(r.weights_projection, 3) for r in same if r.noise_placement == "shares"}) == 3
         for same in groups("trainer") if same[0].trainer != "standard")'

# ---- shares that are uneven or empty, on the device that is strict like a GPU
file=$TMPDIR/odd.h5
export DPSWEEP_STRICT=1
check "groups run where ranks have nothing to do" mpirun_n 4 "$BUILD/dpsweep" sweep --trainer ghost,dpsgd \
    --batch-size 1,2 --ranks-per-run 3,4 --noise-placement sum,sharded --clipping flat,per_layer --active-steps 1 \
    --seq-len 16 "$mark" -o "$file"
check "... right" all_are "$file" verdict VALID
check "... in as much memory as was predicted" column_is "$file" predicted_peak "$(column "$file" peak_ledger)"
file=$TMPDIR/poisson.h5
check "groups run on Poisson batches, split, with dropout and a threshold that moves" \
    mpirun_n 3 "$BUILD/dpsweep" sweep --trainer fastclip --clipping per_layer --clip-quantile 0.5 \
    --model gpt2 --layers 1 --dim 32 --heads 2 --vocab 100 --max-seq 16 --seq-len 16 --batch-size 7 \
    --physical-batch-size 2 --sampling poisson --dropout 0.1 --recompute block --ranks-per-run 1,2,3 --active-steps 6 \
    "$mark" -o "$file"
check "... right" all_are "$file" verdict VALID
check "... in as much memory as was predicted" column_is "$file" predicted_peak "$(column "$file" peak_ledger)"
check "... with the same batches and masks on any number of ranks" \
    holds "$file" 'all(np.allclose(r.losses, runs[0].losses, rtol=16 * 2**-24) for r in runs)'
file=$TMPDIR/secure.h5
check "groups run with secret keys" mpirun_n 2 "$BUILD/dpsweep" sweep --trainer ghost --ranks-per-run 2 \
    --noise-generator chacha20 --noise-placement sum,shares,sharded --sampling poisson --data random:100 "$mark" \
    --dropout 0.1 --active-steps 1 -o "$file"
check "... right" all_are "$file" verdict VALID
check "... and each rank that rounds a sum of its own adds to the sensitivity" holds "$file" 'all(
    abs(r.sensitivity / r.max_grad_norm - 1 - {"shares": 2}.get(r.noise_placement, 1) * 2**-20 * r.n_params**0.5) < 1e-9
    for r in runs)'
unset DPSWEEP_STRICT

# ---- what must not pass
for control in samekey shares; do
    check_fails 1 "broken-$control is found" mpirun_n 2 "$BUILD/dpsweep" run --trainer "broken-$control" \
        --ranks-per-run 2 --noise-placement shares
    check "... by the noise" said 'invalid: the optimizer got a gradient of .* \(sum \+ noise\)'
    check_fails 2 "broken-$control is refused where it is not wrong" mpirun_n 2 "$BUILD/dpsweep" run \
        --trainer "broken-$control" --ranks-per-run 2
    check "... with the remedy" said 'choose --ranks-per-run 2 --noise-placement shares'
done
check_fails 2 "a group larger than the job is refused" mpirun_n 2 "$BUILD/dpsweep" run --ranks-per-run 3
check "... with the remedy" said 'ranks-per-run 3: there are fewer ranks; start more with mpirun -n 3'

# What one member gets of the sum is not what the others get: a little, or so much that its own verification sees it.
spoil=$TMPDIR/spoil_member.so
spoiled() { # BY
    SPOIL_MEMBER=1 SPOIL_BY=$1 mpirun_n 2 -x LD_PRELOAD="$spoil" "$BUILD/dpsweep" run --trainer ghost --ranks-per-run 2
}
if grep -q __asan_init "$BUILD/dpsweep"; then
    skip "a member that gets another sum is found" "a sanitizer must be loaded first"
else
    check "the library to preload builds" \
        "${CC:-gcc}" -O2 -Wall -Werror -shared -fPIC -o "$spoil" tests/preload/spoil_member.c
    check_fails 1 "a member that gets another sum by rounding is found" spoiled 1e-6
    check "... by its weights" said 'invalid: the ranks of the group ended with different weights'
    check_fails 1 "a member that gets a wrong sum is found" spoiled 1e3
    check "... by its own verification" said 'invalid: rank 1 on .*: the clipped gradient of .* differs'
fi

# ---- members that fail.  An endless point, which is begun first, and two that are measured after it.
file=$TMPDIR/fail.h5
endless=1000000
children() { pgrep -f "dpsweep worker .* $mark .*--active-steps=$1 "; }
two_children() { (($(children "$endless" | wc -l) == 2)); }
no_child() { ! children ".*"; }
# member RANK: the child of that rank
member() {
    local pid parent
    for pid in $(children "$endless"); do
        parent=$(sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$pid/stat")
        tr '\0' '\n' < "/proc/$parent/environ" | grep -q "^OMPI_COMM_WORLD_RANK=$1\$" && echo "$pid"
    done
}
is_in_step() { grep -q . "/proc/$1/stat" && (($(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 12) > 15)); }
members_work() { two_children && is_in_step "$(member 0)" && is_in_step "$(member 1)"; }
begin() {
    rm -f "$TMPDIR"/fail.*
    mpirun -n 2 "$BUILD/dpsweep" sweep --trainer ghost --active-steps "$endless,3,4" --ranks-per-run 2 "$mark" \
        -o "$file" "$@" > "$TMPDIR/job" 2>&1 &
    job=$!
    eventually members_work
}
ends_with() {
    wait "$job"
    local code=$?
    cat "$TMPDIR/job"
    ((code == $1))
}
others_are_measured() { [[ $(column "$file" status) == "$1 ok ok" ]]; }
no_child_is_left() { eventually no_child > "$TMPDIR/left"; }

for way in "SEGV 1" "KILL 0"; do
    read -r signal rank <<< "$way"
    check "a group reaches its endless point" begin
    kill "-$signal" "$(member "$rank")"
    check "a member that dies of SIG$signal ends its group" ends_with 1
    check "... which says who died, of what, in which phase" \
        said "crashed: rank $rank on .*: died of SIG$signal in (.* of )?step [0-9]"
    check "... and the others are measured" others_are_measured crashed
done
check "a group with a timeout reaches its endless point" begin --timeout 4
kill -STOP "$(member 1)"
check "a member that hangs ends its group" ends_with 1
check "... which says who hung" said "timeout: rank 1 on .*: not finished after 4 s \(--timeout\), in (.* of )?step"
check "... and the others are measured" others_are_measured timeout
check "a group is to be stopped" begin
kill -USR1 "$job"
check "... and asks to be started again" ends_with 75
check "... with no child left" no_child_is_left

# A memory cgroup around one rank, its child included, with too little for the child.
cgroup=/sys/fs/cgroup/memory/dpsweep-test-$$
if mkdir "$cgroup" 2> "$TMPDIR/no" && echo $((64 << 20)) 2>> "$TMPDIR/no" > "$cgroup/memory.limit_in_bytes"; then
    limited() { (echo "$BASHPID" > "$cgroup/cgroup.procs" && exec "$@"); }
    export -f limited
    export cgroup BUILD
    large=(sweep --model small --trainer dpsgd,microbatch --batch-size 8 --seq-len 64,32 --ranks-per-run 2
        --active-steps 1 --no-skip -o "$TMPDIR/oom.h5")
    check "a group runs out of memory on one rank" mpirun -n 1 "$BUILD/dpsweep" "${large[@]}" : \
        -n 1 bash -c 'limited "$BUILD/dpsweep" "$@"' limited "${large[@]}"
    check "... which says so" said 'dpsgd B=8 T=64 .*: oom_host: rank 1 on .*: killed by SIGKILL in .*out of memory'
    rmdir "$cgroup"
else
    skip "a group runs out of memory on one rank" "no memory cgroup can be made: $(tail -n 1 "$TMPDIR/no")"
fi

plan_done
