#!/bin/bash
# Groups of ranks that train one configuration on GPUs, over a stand-in of NCCL.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/on_standins.sh"

in_group=(--layers 1 --dim 14 --heads 2 --vocab 51 --max-seq 8 --seq-len 8 --batch-size 4 --model gpt2
    --ranks-per-run 2)
# steps so large that a number that is not updated, of few, moves the loss
placed=("${in_group[@]}" --trainer ghost,standard --noise-placement sum,shares,sharded --learning-rate 0.1)
check "groups of two GPUs train one configuration" \
    ranks_on 2 CUDA_STANDIN_LEAKS=1 sweep "${placed[@]}" -o "$TMPDIR/groups.h5"
check "... all measured" all_are "$TMPDIR/groups.h5" status ok
check "... with right gradients" all_are "$TMPDIR/groups.h5" verdict VALID
check "... in the memory that was predicted" \
    column_is "$TMPDIR/groups.h5" predicted_peak "$(column "$TMPDIR/groups.h5" peak_ledger)"
check "... on the CPU too" mpirun_n 2 "$BUILD/dpsweep" sweep "${placed[@]}" -o "$TMPDIR/cpu_groups.h5"
check "... with the same losses and norms" \
    "$PYTHON" tests/same_steps.py "$TMPDIR/cpu_groups.h5" "$TMPDIR/groups.h5" 1e-5
check "... lazily too" ranks_on 2 CUDA_STANDIN_LAZY=1 sweep "${placed[@]}" -o "$TMPDIR/lazy_groups.h5"
check "... every bit is the same" "$PYTHON" tests/same_steps.py "$TMPDIR/lazy_groups.h5" "$TMPDIR/groups.h5" 0

# ---- a sum that goes to the group in parts while the backward pass goes on: in two, if the model is not tiny
# Noise in shares must be there before the sum, which is then one; without noise both are the same numbers.
in_parts=(--layers 1 --dim 92 --heads 2 --vocab 51 --max-seq 8 --seq-len 8 --batch-size 4 --model gpt2 --ranks-per-run 2
    --learning-rate 0.1 --wait-steps 0 --warmup-steps 0 --active-steps 2 --physical-batch-size 1 --noise-multiplier 0
    --trainer ghost,bookkeeping,microbatch)
check "sums in parts, ahead of kernels" ranks_on 2 CUDA_STANDIN_LAZY=first sweep "${in_parts[@]}" -o "$TMPDIR/parts.h5"
check "... with right gradients" all_are "$TMPDIR/parts.h5" verdict VALID
check "... and in one" ranks_on 2 sweep "${in_parts[@]}" --noise-placement shares -o "$TMPDIR/whole.h5"
check "... have the same bits" "$PYTHON" tests/same_steps.py "$TMPDIR/whole.h5" "$TMPDIR/parts.h5" 0
check "... and the same bytes sent" \
    column_is "$TMPDIR/parts.h5" communication_bytes "$(column "$TMPDIR/whole.h5" communication_bytes)"

# member_fails RANK FUNCTION:K PLACEMENT [WIDTH]: a fault in one member of two is a result that names the member,
# never a hang
member_fails() {
    local arguments=("$cuda" sweep "${in_group[@]/#14/${4:-14}}" --trainer ghost --noise-placement "$3" --wait-steps 0
        --warmup-steps 0 --active-steps 1 -o "$TMPDIR/fault-$2.h5")
    local rank0=(env) rank1=(env)
    (($1 == 0)) && rank0+=("CUDA_STANDIN_FAIL=$2") || rank1+=("CUDA_STANDIN_FAIL=$2")
    LD_LIBRARY_PATH=$standins timeout 60 mpirun -n 1 "${rank0[@]}" "${arguments[@]}" : \
        -n 1 "${rank1[@]}" "${arguments[@]}" > "$TMPDIR/out" 2>&1
    local code=$?
    ((code == 1)) && column_is "$TMPDIR/fault-$2.h5" status failed &&
        column "$TMPDIR/fault-$2.h5" message | grep -qE "group_nccl.c:[0-9]+: .*member $1 of 2" && return
    echo "CUDA_STANDIN_FAIL=$2 on rank $1: exit code $code" && cat "$TMPDIR/out"
    return 1
}
all_members_fail() {
    local function good=0 placement
    for function in $nccl_functions nccl; do
        [[ $function == ncclGetUniqueId ]] && rank=0 || rank=1
        [[ $function =~ ^(ncclAllReduce|nccl|cudaStreamWaitEvent)$ ]] && placement=sum || placement=sharded
        member_fails $rank $function:1 $placement || good=1
    done
    return $good
}
nccl_functions=$(nm -D "$cuda" | sed -nE 's/.* U (nccl[A-Z][A-Za-z0-9_]*)$/\1/p' |
    grep -vE 'Abort|ErrorString|LastError' | xargs)
nccl_functions+=" cudaStreamWaitEvent"
check "a fault of one member, in any of $(wc -w <<< "$nccl_functions") functions or on the way, names it" \
    all_members_fail


# In a step without warm-up the verification sums one vector whole, then twice a step's in two parts; the step makes two
# more.
for call in ncclAllReduce:3 nccl:4 ncclAllReduce:7; do
    check "a fault in the second part of a sum, $call, names the member" member_fails 1 $call sum 92
done
check_fails 1 "... and there is no eighth sum" member_fails 1 ncclAllReduce:8 sum 92
check "... so that nothing failed" column_is "$TMPDIR/fault-ncclAllReduce:8.h5" status ok

plan_done
