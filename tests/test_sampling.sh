#!/bin/bash
# test_sampling.sh - batches of Poisson sampling through whole runs: every size, the empty one too, every trainer; and
# noise from a secret key.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
results=$TMPDIR/poisson.h5
small=(--model gpt2 --layers 1 --dim 32 --heads 2 --vocab 50 --max-seq 8 --seq-len 8 --threads 1)
trainers=dpsgd,fastclip,ghost,bookkeeping,mixed,microbatch,auto

# On the strict device a size that was not rehearsed, or a number that was not written, ends the run.
poisson_sweep() {
    DPSWEEP_STRICT=1 dpsweep sweep "${small[@]}" --trainer "$trainers" --clipping flat,per_layer --sampling poisson \
        --batch-size 2 --data random:12 --active-steps 40 -o "$results" "$@"
}
check "all trainers train on Poisson batches" poisson_sweep
check "... VALID" all_are "$results" verdict VALID

# sizes TRUTH: the batch sizes of all runs are the same, and TRUTH holds for size (runs, steps) and capacity
sizes() { sizes_of_any "(size == size[0]).all() and np.all($1)"; }
sizes_of_any() {
    "$python" - "$results" "$1" <<'END'
import sys, h5py, numpy as np
file = h5py.File(sys.argv[1])
runs, steps = file["runs"], file["steps"]
size = steps["batch_size"][:].reshape(len(runs["trainer"]), -1)
loss = steps["loss"][:].reshape(size.shape)
tokens = steps["tokens"][:].reshape(size.shape)
capacity = int(runs["max_batch_size"][0])
truth = eval(sys.argv[2])
print(size[0], capacity)
sys.exit(not truth)
END
}
check "every trainer sees the same batches" sizes "True"
check "... empty ones among them, without a loss" sizes "(size == 0).any() and (np.isnan(loss) == (size == 0)).all()"
check "... and larger ones than fit in memory at once" sizes "(size > 3).any()"
check "... of 8 tokens each" sizes "tokens == 8 * size"
check "... two samples on average" sizes "abs(size[0].mean() - 2) < 4.5 * np.sqrt(2 * 5 / 6 / size.shape[1])"
check "the default capacity is beyond what happens" sizes "capacity > 20 and size.max() < capacity"

results=$TMPDIR/one.h5
# a product that adds to the sum may need more workspace than one that overwrites it
long=(--model tiny --layers 1 --dim 128 --vocab 100 --max-seq 1024 --sampling poisson --data random:100)
check "a second physical batch finds its workspace" dpsweep run "${long[@]}" --trainer standard --batch-size 1 \
    --seq-len 1024 --active-steps 8
check "... also where it is full and comes seldom" dpsweep run "${long[@]}" --trainer ghost --batch-size 4 \
    --seq-len 256 --active-steps 30

check "a batch is cut at --max-batch-size" dpsweep run "${small[@]}" --sampling poisson --batch-size 2 --data random:4 \
    --max-batch-size 2 --active-steps 30 -o "$results"
check "... and what was dropped is counted" \
    sizes "size.max() == 2 and steps['dropped'][:].sum() > 0 and (size[0][steps['dropped'][:] > 0] == 2).all()"

check_fails 2 "--max-batch-size below the average is refused" \
    dpsweep run --sampling poisson --batch-size 4 --max-batch-size 3
check "... with the reason" said "--max-batch-size 3: less than --batch-size"
check_fails 2 "--max-batch-size means nothing to a shuffle" dpsweep run --batch-size 4 --max-batch-size 5
check "... which is said" said "unless --sampling is poisson"
check_fails 2 "fewer records than the average batch are refused" dpsweep run --sampling poisson --data random:3
check "... with both numbers" said "has 3 records, fewer than --batch-size 4"
check_fails 2 "random:RECORDS wants a number" dpsweep run --data random:many
check "... and says which" said "random:RECORDS with 1 to 2147483648"
check "standard may stand beside thresholds that move" \
    dpsweep sweep "${small[@]}" --trainer standard,ghost --clip-quantile 0.5 --no-output
check_fails 2 "automatic clipping has no threshold that could" dpsweep run --clipping automatic --clip-quantile 0.5
check "... which is said" said "has no threshold to stay below"

# ---- noise that nobody can repeat ------------------------------------------------------------------------------------

results=$TMPDIR/secure.h5
check "secure noise is verified as all noise is" dpsweep sweep "${small[@]}" --trainer ghost,microbatch --secure-noise \
    --clip-quantile 0.5 --sampling poisson --batch-size 8 --data random:40 --active-steps 10 -o "$results"
check "... VALID" all_are "$results" verdict VALID
check "... and its source is in the record" \
    sizes_of_any "all(b'secret key' in source for source in runs['noise_source'][:])"
check "... as is the sensitivity on the grid, a little above R" \
    sizes_of_any "((runs['sensitivity'][:] > 1) & (runs['sensitivity'][:] < 1.002)).all()"
check "two runs draw other records and noise" \
    sizes_of_any "(size[0] != size[1]).any() and runs['weights_projection'][0] != runs['weights_projection'][1]"
check_fails 2 "--secure-noise and another generator contradict" dpsweep run --secure-noise --noise-generator philox
check_fails 1 "wrong secure noise is found" dpsweep run "${small[@]}" --trainer broken-noise --secure-noise
plan_done
