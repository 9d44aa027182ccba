#!/bin/bash
# The sweep of 28 points, 7 trainers x batch 2, 4 x sequence 64, 128, on both architectures, by the program that nvcc has
# built, on the stand-ins of CUDA's libraries: the verdicts, losses and norms of the CPU build.  Takes a quarter of an
# hour, because kernels run in the emulator; tests/test_cuda.sh does the same in small.
. "$(dirname "$0")/../lib.sh"
. "$ROOT/tests/on_standins.sh"

points=(--trainer standard,dpsgd,fastclip,ghost,bookkeeping,mixed,microbatch,auto --batch-size "${BATCHES:-2,4}"
    --seq-len "${LENGTHS:-64,128}" --wait-steps 0 --warmup-steps 0 --active-steps 2)
tiny=(--model tiny)
gpt2=(--model gpt2 --layers 2 --dim 64 --heads 4 --vocab 500 --max-seq 128)
for model in tiny gpt2; do
    declare -n arguments=$model
    check "$model: the points are measured" ranks_on 2 sweep "${arguments[@]}" "${points[@]}" -o "$TMPDIR/$model.cuda.h5"
    check "... all of them" all_are "$TMPDIR/$model.cuda.h5" status ok
    check "... in the memory that was predicted" \
        column_is "$TMPDIR/$model.cuda.h5" predicted_peak "$(column "$TMPDIR/$model.cuda.h5" peak_ledger)"
    check "... and on the CPU" dpsweep sweep "${arguments[@]}" "${points[@]}" -o "$TMPDIR/$model.cpu.h5"
    check "... with the same verdicts" \
        column_is "$TMPDIR/$model.cuda.h5" verdict "$(column "$TMPDIR/$model.cpu.h5" verdict)"
    check "... and the same losses and norms" \
        "$PYTHON" tests/same_steps.py "$TMPDIR/$model.cpu.h5" "$TMPDIR/$model.cuda.h5" 1e-5
done

# longer than a tile of Gram matrices on a GPU, and no multiple of it
long=(--model gpt2 --layers 1 --dim 4 --heads 1 --vocab 11 --max-seq 600 --seq-len 600 --batch-size 2
    --trainer ghost,bookkeeping --wait-steps 0 --warmup-steps 0 --active-steps 1)
check "samples of several tiles are measured" on sweep "${long[@]}" -o "$TMPDIR/long.cuda.h5"
check "... with right gradients" all_are "$TMPDIR/long.cuda.h5" verdict VALID
check "... and on the CPU" dpsweep sweep "${long[@]}" -o "$TMPDIR/long.cpu.h5"
check "... with the same losses and norms" \
    "$PYTHON" tests/same_steps.py "$TMPDIR/long.cpu.h5" "$TMPDIR/long.cuda.h5" 1e-5
plan_done
