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
check "products are measured against the peak" in_small STEPS='peak in bf16'
check "... each shape" reported 'NT batch +1 .* us .*TFLOP/s'

# ---- what goes wrong
check_fails 1 "a fault is reported" in_small STEPS='bits|memory in one' CUDA_STANDIN_FAIL=kernel:3
check "... as a step that failed, and the others are done" reported '^FAIL .* kernels give the emulator'
mkdir "$TMPDIR/hangs"
printf '#!/bin/bash\nexec sleep 100\n' > "$TMPDIR/hangs/nvidia-smi"
chmod +x "$TMPDIR/hangs/nvidia-smi"
check_fails 1 "a step that hangs is ended" in_small STEPS='machine|^the largest' LIMIT_S=2 PATH="$TMPDIR/hangs:$PATH"
check "... and says so" reported '^FAIL .*past its limit of'

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
