#!/bin/bash
# Predictions against measurements, on many random shapes: too long for every day.
#     SHAPES=300 CUDA_SHAPES=396 tests/long/plan.sh
# On the CPU every shape is for every trainer.  The stand-ins of CUDA take a second for a run: there each shape is for
# one, and 396 is the number of combinations of trainer, clipping, precision, recomputation and ranks.
. "$(dirname "$0")/../lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
shapes=${SHAPES:-300} cuda_shapes=${CUDA_SHAPES:-396}
whole_batch=standard,dpsgd,fastclip,ghost,bookkeeping,mixed trainers=$whole_batch,microbatch,auto

# as_predicted "which" THREADS all|one SHAPES SEED ...: of random_points.py, run by three ranks of runs()
as_predicted() {
    local sweep=$TMPDIR/$5.sweep file=$TMPDIR/$5.h5
    "$PYTHON" tests/random_points.py "${@:3}" > "$sweep"
    check "$1: $4 random shapes are measured, in groups of one to three ranks" \
        runs sweep "$sweep" --threads "$2" -o "$file"
    check "... all end well" all_are "$file" status ok
    check "... and took what was predicted, to the byte" "$PYTHON" tests/predicted_is_measured.py "$file"
    echo "# $(head -n 1 "$output")"
}

runs() { mpirun_n 3 "$BUILD/dpsweep" "$@"; }
as_predicted "CPU" 1 all $((shapes / 2)) 10 fp32,bf16 3 150
as_predicted "CPU, two threads" 2 all $((shapes - shapes / 2)) 11 fp32,bf16 3 150
if [[ -x build/cuda/dpsweep && -d $BUILD/standin ]]; then
    runs() {
        LD_LIBRARY_PATH=$BUILD/standin CUDA_STANDIN_DEVICES=3 mpirun_n 3 "$ROOT/build/cuda/dpsweep" "$@"
    }
    as_predicted "CUDA on stand-ins" 1 one "$cuda_shapes" 20 fp32,tf32,bf16 3 8
else
    skip "the CUDA build on stand-ins" "it is not built: make test T=cuda builds it"
fi

# What is large is in the ledger: the rest of a process is code, libraries and small things.
# resident FILE.h5: all runs took more than 1 GB, and as much of the machine's memory as predicted, within 3 % and 60 MB
resident() {
    "$PYTHON" - "$1" << 'END'
import sys, h5py
with h5py.File(sys.argv[1]) as file:
    trainer = file["runs/trainer"].asstr()[:]
    peak, predicted, rss = (file["runs"][k][:].astype(float) for k in ("peak_ledger", "predicted_peak", "peak_rss"))
for name, p, r in zip(trainer, predicted, rss):
    print(f"{name}: predicted {p / 1e6:.1f} MB, resident {r / 1e6:.1f} MB, {(r - p) / 1e6:+.1f} MB, {r / p - 1:+.2%}")
near = abs(rss - predicted) <= 0.03 * predicted + 60e6
sys.exit(not ((peak == predicted).all() and (peak > 1e9).all() and near.all()))
END
}
# large "which" TRAINERS arguments...
large() {
    local file=$TMPDIR/${1// /_}.h5
    check "runs over 1 GB, mostly of $1" dpsweep sweep --threads 1 --trainer "$2" "${@:3}" \
        --wait-steps 0 --warmup-steps 0 --active-steps 1 -o "$file"
    check "... end well" all_are "$file" status ok
    check "... and are resident within 3 % and 60 MB of the prediction, which the ledger meets" resident "$file"
    sed 's/^/# /' "$output"
}
large "parameters" "$trainers" --model gpt2 --batch-size 2 --seq-len 32
large "parameters in bf16" standard,bookkeeping,microbatch --model gpt2 --batch-size 2 --seq-len 32 --precision bf16
large "activations" "$whole_batch" --model gpt2 --layers 2 --dim 64 --heads 4 --vocab 1000 \
    --batch-size 512 --seq-len 256

# The system agrees about what fits.  (auto would choose something else for one sample more.)
if grep -q __asan_init "$BUILD/dpsweep"; then
    skip "the system refuses one sample more than plan finds" "a sanitizer takes address space as it likes"
else
    check "the system refuses one sample more than plan finds" \
        "$PYTHON" tests/true_limit.py "$BUILD/dpsweep" ${whole_batch//,/ } microbatch
    sed 's/^/# /' "$output"
fi

plan_done
