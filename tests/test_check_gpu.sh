#!/bin/bash
# tests/gpu/check_gpu, which is for machines with a GPU, on the stand-ins of one and in small: it must be right the
# first time that it meets a GPU.
. "$(dirname "$0")/lib.sh"

GPU_GOAL=gpu-programs
. "$(dirname "$0")/on_standins.sh"
out=$TMPDIR/out

# in_small [VARIABLE=value...]: the script with tiny shapes; REPORT is what it leaves
in_small() { env SMALL=1 OUT="$out" LD_LIBRARY_PATH="$standins" "$@" "${script:-tests/gpu/check_gpu}"; }
reported() { grep -qE -- "$1" "$out/check-gpu.txt"; }

check_fails 3 "without a GPU it ends at once" in_small CUDA_STANDIN_DEVICES=0
check "... in one line" said_one_line
check "... that says so" said '^check-gpu: no GPU to check: .*there is no GPU here'

# ---- the steps
check "the steps go well" \
    in_small STEPS='^(machine|kernels give|kernels near|every.*bf16|out of|more ranks|1b|the lar|all res)'
for said in 'ok .*machine' 'device +stand-in GPU' '[0-9]+ results have the emulator.s bits' 'to_bf16 .* of a copy' \
    'ghost +flat .*VALID' 'oom_device' '2 GPUs?.*share|would share a GPU' 'ghost: batch 4 of at most 4' \
    '^9 ok, 0 FAIL, 0 skip'; do
    check "... and the report says $said" reported "$said"
done
check "one file has the results of all" \
    eval '[[ $(column "$out/check-gpu.h5" status | tr " " "\n" | sort | uniq -c | xargs) == "5 ok 1 oom_device" ]]'
check "kernels, products and steps are what they should be" \
    in_small STEPS='^(... in|copies|products of|what is added|steps of)' CUDA_STANDIN_LAZY=1 CUDA_STANDIN_GUARD=1
for said in '4[0-9] of [0-9]+ launches cut to 1 blocks' '0 of [0-9]+ launches cut to 1000 blocks' \
    '5242880 words came back$' 'up dX +NN .* in tf32|mix of heads .* error .* worst' \
    'ghost +flat +excess .* u, slack  1.95e-02' 'ghost +noise in the sharded .*: same bits' \
    '[1-9][0-9]+ of [0-9]+ launches cut to 3 blocks' '^9 ok, 0 FAIL, 0 skip'; do
    check "... and the report says $said" reported "$said"
done
check "products are measured against the peak" in_small STEPS='peak in bf16'
check "... each shape" reported 'NT batch +1 .* us .*TFLOP/s'

# ---- what goes wrong
check_fails 1 "a fault is reported" in_small STEPS='bits|memory in one' CUDA_STANDIN_FAIL=kernel:3
check "... as a step that failed, and the others are done" reported '^FAIL .* kernels give the emulator'
# A kernel whose grid-stride loop makes one turn: launches of the usual size are right.
broken=$TMPDIR/broken
break_loop() {
    mkdir -p "$TMPDIR/tree/tests" "$broken" && cp -rp kernels "$TMPDIR/tree" &&
        cp -rp tests/standin tests/emu "$TMPDIR/tree/tests" && cp -p "$standins"/*.o "$broken" &&
        sed -i '0,/GRID_LOOP(i, n)/s//for (long i = blockIdx.x * (long)blockDim.x + threadIdx.x; i < n; i = n)/' \
            "$TMPDIR/tree/kernels/elementwise.cu" &&
        build -C "$TMPDIR/tree/tests/standin" OUT="$broken" "$broken/libkernels.so"
}
check "a kernel whose loop does not turn is built" break_loop
check_fails 1 "... and found when blocks are few" \
    in_small STEPS='emulator.s bits|^... in 1,' LD_LIBRARY_PATH="$broken:$standins"
check "... but not before" reported '^ok .* kernels give the emulator'
check_fails 1 "a cuBLAS that drops bits is found" in_small STEPS='products of' CUDA_STANDIN_WRONG=cublas
check "... in fp32 and tf32" eval 'reported "^FAIL .*in fp32" && reported "^FAIL .*in tf32"'
check_fails 1 "an NCCL that changes a number is found" in_small STEPS='^steps of' CUDA_STANDIN_WRONG=nccl
check "... in the weights" reported 'OTHER BITS'
slack() { LD_LIBRARY_PATH=$standins build/cuda/tests/gpu/norm_slack bf16 small "$1"; }
check_fails 1 "an excess above the slack is found" slack 0
check "... and which it is" said 'ghost +flat .*TOO LARGE'

mkdir "$TMPDIR/hangs"
printf '#!/bin/bash\nexec sleep 100\n' > "$TMPDIR/hangs/nvidia-smi"
chmod +x "$TMPDIR/hangs/nvidia-smi"
check_fails 1 "a step that hangs is ended" in_small STEPS='machine|^the largest' LIMIT_S=2 PATH="$TMPDIR/hangs:$PATH"
check "... and says so" reported '^FAIL .*past its limit of'
mkdir "$TMPDIR/slow"
printf '#!/bin/bash\nsleep 6\nexec %q "$@"\n' "$(command -v make)" > "$TMPDIR/slow/make"
chmod +x "$TMPDIR/slow/make"
check "the time of the build" in_small STEPS=machine LIMIT_S=5 PATH="$TMPDIR/slow:$PATH"
check "... is not that of the steps" reported '^ok .*machine'

# ---- the bundle
check "a bundle is packed" build check-gpu-bundle
bundle=$TMPDIR/check-gpu-bundle script=$bundle/check_gpu
small_enough() { (($(stat -c %s build/check-gpu.tar.gz) < 60000000)); }
check "... of less than 60 MB" small_enough
check "... which unpacks elsewhere" tar -C "$TMPDIR" -xzf build/check-gpu.tar.gz
check "... and runs there" in_small STEPS='machine|kernels give|all res|every.*fp32'
check "... with its own libraries" eval 'ldd "$bundle/bin/dpsweep" | grep -q . && [[ -e $bundle/lib/libinih.so.1 ]]'
check "... and its own golden file" reported '[0-9]+ results have the emulator'
plan_done
