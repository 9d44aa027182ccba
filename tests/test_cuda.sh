#!/bin/bash
# The program that nvcc builds, without a GPU: on stand-ins of CUDA's libraries (tests/standin), where kernels run in
# the emulator of tests/emu.  docs/cuda.md says what that shows and what only a GPU can show.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/on_standins.sh"

same_text() { [[ -s $1 ]] && diff "$1" "$2"; }

# ---- without a GPU
small=(--layers 1 --dim 16 --heads 2 --vocab 50 --seq-len 8)
tiny=("${small[@]}" --batch-size 2)
if "$cuda" info --gpus > /dev/null 2>&1; then
    skip "without a driver it says so" "there is a GPU here"
else
    check_fails 3 "without a driver a run is refused" "$cuda" run "${tiny[@]}"
    check "... in one line" said_one_line
    check "... that says what to do" said 'no (NVIDIA driver|GPU) here: .*DEVICE=cpu'
    check "... other commands do without" "$cuda" plan "${tiny[@]}"
    check "... which has no verdict about a device that is not there" said 'local: its memory is not known here'
    check "... and info says why there is no device" eval '"$cuda" info | grep -q "device *none: there is no"'
fi
check "a plan for a GPU needs none" "$cuda" plan "${tiny[@]}" --target h100-80g
check "... and takes the bytes of this build for its own" eval 'said "h100-80g: fits" && said_not "of the cuda build"'
targets=rtx4090-24g,a100-40g,h100-80g,h200-141g
check "what fits where is planned" \
    eval '"$cuda" plan jobs/feasibility.sweep --target $targets --json > "$TMPDIR/feasibility.json"'
check "... and is what docs/feasibility.md says" \
    eval '"$PYTHON" -B results/feasibility.py < "$TMPDIR/feasibility.json" | diff - docs/feasibility.md'
check "... and its figure shows" \
    eval '"$PYTHON" -B results/feasibility_figure.py < "$TMPDIR/feasibility.json" | diff - docs/feasibility.svg'
check "a GPU that is there tells its memory" on CUDA_STANDIN_MEMORY=3221225472 plan "${tiny[@]}" --memory-limit 2G
check "... and what of it is free for a run" said 'local: 3\.0 GiB of memory, 1\.0 GiB of it left alone'
check "... but not how fast it is" said_not "takes about"
dpsweep tune --threads 1 --time-limit 1s --profile "$TMPDIR/cpu.json" > /dev/null # the emulator would take longer
sed -e 's/"device":.*/"device": "stand-in GPU, sm_90",/' -e 's/"threads":.*/"threads": 0,/' "$TMPDIR/cpu.json" \
    > "$TMPDIR/profile.json"
check "... but for a profile of it" on plan "${tiny[@]}" --profile "$TMPDIR/profile.json"
check "... which says so" said "estimated by the profile of"
check "... and for a sweep, whose parent opens no GPU" on run "${tiny[@]}" --profile "$TMPDIR/profile.json"
check_fails 3 "a driver that is too old is refused" on CUDA_STANDIN_DRIVER=11080 run "${tiny[@]}"
check "... with both versions" said 'driver is for CUDA 11.8, this program needs [0-9]+\.[0-9]+: update the driver'
check_fails 3 "no visible GPU is refused" on CUDA_VISIBLE_DEVICES= run "${tiny[@]}"
check "... with the variable that hides it" said 'CUDA_VISIBLE_DEVICES= leaves no GPU'

# ---- golden files
for golden in tests/golden/*.h5; do
    name=$(basename "$golden" .h5)
    on CUDA_STANDIN_GUARD=1 CUDA_STANDIN_LEAKS=1 check --golden "$golden" --json > "$TMPDIR/$name.eager" 2>&1
    check "all trainers reproduce $name" test $? = 0
    on CUDA_STANDIN_LAZY=1 check --golden "$golden" --json > "$TMPDIR/$name.lazy" 2>&1
    check "... with the same bits when nothing is done before it is waited for" \
        same_text "$TMPDIR/$name.eager" "$TMPDIR/$name.lazy"
done
for precision in tf32 bf16; do
    for golden in tests/golden/*.h5; do
        check "in $precision all trainers are near $(basename "$golden" .h5)" \
            on CUDA_STANDIN_GUARD=1 CUDA_STANDIN_LEAKS=1 check --golden "$golden" --precision "$precision"
    done
done
check_fails 2 "tf32 that the environment takes away is refused" \
    on NVIDIA_TF32_OVERRIDE=0 run "${tiny[@]}" --precision tf32
check "... with the variable" said 'precision tf32: NVIDIA_TF32_OVERRIDE=0 makes cuBLAS'
check_fails 1 "... or an old GPU does not have" \
    on CUDA_STANDIN_CAPABILITY=7 sweep "${tiny[@]}" --precision tf32 --no-output
check "... and says so" said 'precision tf32: GPUs before compute capability 8.0'
check "... which is good enough for fp32" on CUDA_STANDIN_CAPABILITY=7 run "${tiny[@]}"
check "memory that is released is not read" on DPSWEEP_STRICT=1 check --golden tests/golden/gpt2_odd_sizes.h5

# ---- a sweep
points=("${tiny[@]}" --trainer standard,dpsgd,fastclip,ghost,bookkeeping,mixed,microbatch,auto --model tiny,gpt2)
check "a sweep of all trainers on two ranks ends well" \
    ranks_on 2 CUDA_STANDIN_LEAKS=1 sweep "${points[@]}" -o "$TMPDIR/cuda.h5"
check "... all measured" all_are "$TMPDIR/cuda.h5" status ok
check "... with right gradients" all_are "$TMPDIR/cuda.h5" verdict VALID
check "... in the memory that was predicted" \
    column_is "$TMPDIR/cuda.h5" predicted_peak "$(column "$TMPDIR/cuda.h5" peak_ledger)"
check "... which is what the driver saw go" \
    column_is "$TMPDIR/cuda.h5" device_used_after_profiling "$(column "$TMPDIR/cuda.h5" memory_after_profiling)"
check "the CPU build measures the same sweep" dpsweep sweep "${points[@]}" -o "$TMPDIR/cpu.h5"
check "... with the same losses and norms" "$PYTHON" tests/same_steps.py "$TMPDIR/cpu.h5" "$TMPDIR/cuda.h5" 1e-5
check "lazily, on one rank" on CUDA_STANDIN_LAZY=1 sweep "${points[@]}" -o "$TMPDIR/lazy.h5"
check "... every bit is the same" "$PYTHON" tests/same_steps.py "$TMPDIR/lazy.h5" "$TMPDIR/cuda.h5" 0
rounded=("${tiny[@]}" --model gpt2 --trainer dpsgd,ghost,bookkeeping --precision tf32,bf16)
check "in tf32 and bf16 trainers are measured" \
    on CUDA_STANDIN_LEAKS=1 DPSWEEP_STRICT=1 sweep "${rounded[@]}" -o "$TMPDIR/rounded.h5"
check "... with right gradients" all_are "$TMPDIR/rounded.h5" verdict VALID
check "... in the memory that was predicted" \
    column_is "$TMPDIR/rounded.h5" predicted_peak "$(column "$TMPDIR/rounded.h5" peak_ledger)"
split=("${small[@]}" --batch-size 3 --physical-batch-size 2 --trainer ghost,dpsgd --clipping automatic,per_layer
    --dropout 0.1 --optimizer adamw --recompute block)
check "dropout, AdamW, recomputed activations, and a batch in parts" on sweep "${split[@]}" -o "$TMPDIR/cuda2.h5"
check "... on the CPU too" dpsweep sweep "${split[@]}" -o "$TMPDIR/cpu2.h5"
check "... with the same losses and norms" "$PYTHON" tests/same_steps.py "$TMPDIR/cpu2.h5" "$TMPDIR/cuda2.h5" 1e-5

# ---- ranks and GPUs
check_fails 2 "more ranks than GPUs are refused" ranks_on 2 CUDA_VISIBLE_DEVICES=1 sweep "${tiny[@]}" --no-output
check "... with the way out" said '2 ranks would share a GPU.*--share-gpu'
check "... which works" ranks_on 2 CUDA_VISIBLE_DEVICES=1 sweep "${tiny[@]}" --no-output --share-gpu

# ---- launches as nvcc of CUDA 12 makes them
legacy() {
    cat > "$TMPDIR/legacy.c" << 'CODE'
#include "kernels/kernels.h"
#include <cuda_runtime_api.h>
int main(void)
{
    cudaStream_t stream;
    float *x, y[5];
    return cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) || cudaMalloc((void **)&x, sizeof y) ||
           k_fill(stream, x, 2.5f, 5) || cudaMemcpyAsync(y, x, sizeof y, cudaMemcpyDeviceToHost, stream) ||
           cudaStreamSynchronize(stream) || y[4] != 2.5f;
}
CODE
    "$nvcc" -cudart shared -arch=sm_90 -fmad=false -D__NV_LEGACY_LAUNCH -Xcompiler -D__NV_LEGACY_LAUNCH -I. \
        -o "$TMPDIR/legacy" "$TMPDIR/legacy.c" kernels/elementwise.cu &&
        nm -D "$TMPDIR/legacy" | grep -q ' U cudaLaunchKernel' &&
        LD_LIBRARY_PATH=$standins "$TMPDIR/legacy"
}
check "the stand-ins run kernels that nvcc of CUDA 12 launches" legacy

# ---- memory
small_gpu() { on CUDA_STANDIN_MEMORY=20000000 sweep "${tiny[@]}" --trainer standard,dpsgd "$@"; }
check "what no GPU has memory for is not started" small_gpu -o "$TMPDIR/predicted.h5"
check "... but predicted" column_is "$TMPDIR/predicted.h5" status "oom_predicted oom_predicted"
check "a GPU that is too small is a result" small_gpu --try-anyway -o "$TMPDIR/oom.h5"
check "... with what was needed and what there is" said 'needs 32\.0 MiB beside .* MiB free of 19\.1'
check "... of what ran out of it, and of what needs no less" column_is "$TMPDIR/oom.h5" status "oom_device skipped"

# ---- faults, in every function that the program is linked to, and in a kernel
short=("${tiny[@]}" --wait-steps 0 --warmup-steps 0 --active-steps 1)
# One clear line and exit 3, or a result (memory).  Never a hang, never silence.
fails_well() {
    local code
    CUDA_STANDIN_FAIL=$1 LD_LIBRARY_PATH=$standins timeout 60 "$cuda" "${@:2}" > "$TMPDIR/out" 2> "$TMPDIR/err"
    code=$?
    if ((code == 3)) && (($(wc -l < "$TMPDIR/err") == 1)) && grep -qE '^dpsweep: error: .*GPU' "$TMPDIR/err"; then
        felt+=("${1%:*}")
    elif ((code != 0)) || ! grep -qE '"status":[[:space:]]*"(ok|oom_device)"|^GPU-' "$TMPDIR/out"; then
        echo "CUDA_STANDIN_FAIL=$1: exit code $code" && cat "$TMPDIR/err"
        return 1
    elif grep -q oom_device "$TMPDIR/out"; then
        felt+=("${1%:*}")
    fi
}
all_fail_well() {
    local function good=0
    for function in $functions kernel; do
        fails_well "$function:1" run --no-isolate --json "${short[@]}" || good=1
    done
    DPSWEEP_STRICT=1 fails_well cudaMemsetAsync:1 run --no-isolate --json "${short[@]}" || good=1
    for function in $often; do
        fails_well "$function:9" run --no-isolate --json "${short[@]}" || good=1
    done
    return $good
}
none_is_left_out() {
    local missing
    missing=$(comm -23 <(tr ' ' '\n' <<< "$functions" | sort -u) <(printf '%s\n' "${felt[@]}" | sort -u))
    [[ -z $missing ]] || { echo "not felt: $missing" && false; }
}
# What ends the program, or tells of an error, has none of its own to report; groups alone wait for events.
functions=$(nm -D "$cuda" | sed -nE 's/.* U (__cuda(Launch|Get)Kernel|(cuda|cublas)[A-Z][A-Za-z0-9_]*)@.*/\1/p' |
    grep -vE 'Destroy|FreeHost|GetLastError|GetError|GetStatus|StreamWaitEvent' | xargs)
often="__cudaLaunchKernel kernel cublasGemmEx cudaMemcpyAsync cudaMalloc cudaStreamSynchronize cudaEventRecord"
felt=()
check "a fault in any of $(wc -w <<< "$functions") functions, or in a kernel, ends in one clear line" all_fail_well
check "... and each was felt" none_is_left_out
check_fails 1 "in a sweep it is a result" on CUDA_STANDIN_FAIL=kernel:5 sweep "${tiny[@]}" -o "$TMPDIR/fault.h5"
check "... with CUDA's words and the kernel's place" \
    said 'failed: src/[a-z_/]*\.c:[0-9]+: kernel .*cudaErrorIllegalAddress'
check "... that failed" column_is "$TMPDIR/fault.h5" status failed

plan_done
