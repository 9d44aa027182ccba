#!/bin/bash
# The sweep of 28 points, 7 trainers x batch 2, 4 x sequence 64, 128, on both architectures, by the program that nvcc has
# built, on the stand-ins of CUDA's libraries: the verdicts, losses and norms of the CPU build.  Takes an hour, because
# kernels run in the emulator; tests/test_cuda.sh does the same in small.
. "$(dirname "$0")/../lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
nvcc=${CUDA_HOME:+$CUDA_HOME/bin/}nvcc
command -v "$nvcc" > /dev/null || [[ -x ${nvcc:=/usr/local/cuda/bin/nvcc} ]] || skip_all "nvcc is not installed"
build() { env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u DEVICE make --no-print-directory -j2 "$@"; }
cuda() { env LD_LIBRARY_PATH="$BUILD/standin" mpirun -n 2 build/cuda/dpsweep "$@"; }

check "make DEVICE=cuda builds" build DEVICE=cuda build/cuda/dpsweep
check "the stand-ins build" build -C tests/standin OUT="$BUILD/standin"
((tests_failed == 0)) || plan_done

points=(--trainer standard,dpsgd,fastclip,ghost,bookkeeping,mixed,microbatch --batch-size "${BATCHES:-2,4}"
    --seq-len "${LENGTHS:-64,128}" --wait-steps 0 --warmup-steps 0 --active-steps 2)
tiny=(--model tiny)
gpt2=(--model gpt2 --layers 2 --dim 64 --heads 4 --vocab 500 --max-seq 128)
for model in tiny gpt2; do
    declare -n arguments=$model
    check "$model: the points are measured" cuda sweep "${arguments[@]}" "${points[@]}" -o "$TMPDIR/$model.cuda.h5"
    check "... all of them" all_are "$TMPDIR/$model.cuda.h5" status ok
    check "... in the memory that was predicted" \
        column_is "$TMPDIR/$model.cuda.h5" predicted_peak "$(column "$TMPDIR/$model.cuda.h5" peak_ledger)"
    check "... and on the CPU" dpsweep sweep "${arguments[@]}" "${points[@]}" -o "$TMPDIR/$model.cpu.h5"
    check "... with the same verdicts" \
        column_is "$TMPDIR/$model.cuda.h5" verdict "$(column "$TMPDIR/$model.cpu.h5" verdict)"
    check "... and the same losses and norms" \
        "$PYTHON" tests/same_steps.py "$TMPDIR/$model.cpu.h5" "$TMPDIR/$model.cuda.h5" 1e-5
done
plan_done
