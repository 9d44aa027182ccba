#!/bin/bash
# What the ledger says is held during the steps is what the process holds, seen from outside (preload/interpose.c).
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
interpose=$TMPDIR/interpose.so
grep -q __asan_init "$BUILD/dpsweep" && skip_all "a sanitizer has its own allocator"
openmp=0 # bytes that clang's OpenMP takes for itself
ldd "$BUILD/dpsweep" | grep -q libomp && openmp=$((80 << 10))

# names OPTION: the values that --help names for it
names() { dpsweep run --help | tr '\n' ' ' | sed -E "s/.*--$1 NAME [^[]*\[([^];]*).*/\1/; s/,//g"; }

# run_seen ARGUMENTS...: measures a point in this process and keeps what was seen
run_seen() {
    INTERPOSE_REPORT=$TMPDIR/seen LD_PRELOAD=$interpose "$BUILD/dpsweep" run --no-isolate --batch-size 3 --threads 1 \
        --wait-steps 0 --warmup-steps 1 --active-steps 2 "$@" --json > "$TMPDIR/record.json"
}

# holds EXPRESSION: of the record r and of what was seen: steps, allocations, large, mapped (bytes)
holds() {
    "$PYTHON" - "$TMPDIR/record.json" "$TMPDIR/seen" "$1" <<'END'
import json, sys
(r,) = json.load(open(sys.argv[1]))
word = open(sys.argv[2]).read().split()
seen = dict(zip(word[::2], map(int, word[1::2])))
print(seen, {k: r[k] for k in ("status", "memory_after_profiling", "peak_ledger", "predicted_peak")})
sys.exit(not eval(sys.argv[3], {"r": r, **seen}))
END
}

# accounted "which" ARGUMENTS...
accounted() {
    check "$1 runs" run_seen "${@:2}"
    check "... its three steps are seen" holds "r['status'] == 'ok' and steps == 3"
    check "... no step allocates" holds "allocations == 0"
    check "... 99 % of what is held is in the ledger" \
        holds "r['memory_after_profiling'] >= 0.99 * (large - $openmp) > 0"
    check "... and what is in the ledger is held" holds "mapped >= r['memory_after_profiling'] == r['peak_ledger']"
    check "... and was predicted" holds "r['predicted_peak'] == r['peak_ledger']"
}

check "the library to preload builds" \
    "${CC:-gcc}" -O2 -Wall -Werror -shared -fPIC -o "$interpose" tests/preload/interpose.c
gpt2=(--model gpt2 --layers 2 --dim 64 --heads 4 --vocab 1000 --max-seq 64)
for trainer in $(names trainer); do
    accounted "$trainer on tiny" --trainer "$trainer" --model tiny --physical-batch-size 2 --recompute block
    accounted "$trainer on small" --trainer "$trainer" --model small
    accounted "$trainer on a small gpt2" --trainer "$trainer" "${gpt2[@]}" --optimizer adamw --dropout 0.1
    [[ $trainer == standard ]] ||
        accounted "$trainer with per_layer clipping" --trainer "$trainer" "${gpt2[@]}" --clipping per_layer
done

plan_done
