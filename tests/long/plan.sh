#!/bin/bash
# Predictions against measurements, on many random shapes: too long for every day.
#     SHAPES=300 CUDA_SHAPES=20 tests/long/plan.sh
. "$(dirname "$0")/../lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
shapes=${SHAPES:-300} cuda_shapes=${CUDA_SHAPES:-20}

# file_holds FILE.h5 EXPRESSION: of its columns peak (measured), predicted and rss
file_holds() {
    "$PYTHON" - "$@" <<'END'
import sys, h5py
with h5py.File(sys.argv[1]) as file:
    peak, predicted, rss = (file["runs"][k][:].astype(float) for k in ("peak_ledger", "predicted_peak", "peak_rss"))
print(len(peak), "runs; resident set over peak, MiB:", (rss - peak).min() / 2**20, "to", (rss - peak).max() / 2**20)
sys.exit(not eval(sys.argv[2], {"peak": peak, "predicted": predicted, "rss": rss, "abs": abs}))
END
}
to_the_byte='(peak == predicted).all() and (peak > 0).all()'

# predicted_is_measured "which" SHAPES SEED command...
predicted_is_measured() {
    local file=$TMPDIR/$3.h5
    "$PYTHON" tests/random_points.py "$2" "$3" > "$TMPDIR/$3.sweep"
    check "$1: $2 random shapes with every trainer are measured" "${@:4}" sweep "$TMPDIR/$3.sweep" -o "$file"
    check "... all end well" all_are "$file" status ok
    check "... and took what was predicted, to the byte" file_holds "$file" "$to_the_byte"
}

predicted_is_measured "CPU" "$shapes" 10 mpirun_n "$(nproc)" "$BUILD/dpsweep"
if [[ -x build/cuda/dpsweep && -d $BUILD/standin ]]; then
    export CUDA_STANDIN_MEMORY=8000000000
    predicted_is_measured "CUDA on stand-ins" "$cuda_shapes" 20 \
        env LD_LIBRARY_PATH="$BUILD/standin" "$ROOT/build/cuda/dpsweep"
else
    skip "the CUDA build on stand-ins" "it is not built: make test T=cuda builds it"
fi

# What is large is in the ledger: the rest of a process is code, libraries and small things.
large=$TMPDIR/large.h5
check "runs over 1 GB" dpsweep sweep --threads 1 --model small --trainer dpsgd,bookkeeping \
    --batch-size 64 --seq-len 256 --wait-steps 0 --warmup-steps 0 --active-steps 1 -o "$large"
check "... end well" all_are "$large" status ok
check "... are large" file_holds "$large" '(peak > 1e9).all()'
check "... and the resident set is within 3 % and 60 MB of the prediction" \
    file_holds "$large" '(abs(rss - predicted) <= 0.03 * predicted + 60e6).all()'

plan_done
