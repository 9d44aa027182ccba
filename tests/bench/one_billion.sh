#!/bin/bash
# one_billion.sh - part of `make bench`: the 1b model trains privately on a CPU machine with 24 GB, a few minutes.
#
# Two steps of DP-SGD at B = 4, T = 512, one sample at a time, added up in the momentum, verified as every run: valid,
# in the memory that was predicted, by the ledger to the byte and by the resident set within 3 % and 60 MB.
#     tests/bench/one_billion.sh [arguments]      of the run besides, such as --layers 1 where there is less memory
. "$(dirname "$0")/part.sh"
record=$folder/one_billion.json
model=(--model 1b --batch-size 4 --seq-len 512 --accumulate momentum "$@")
echo "## One billion parameters"
echo
if [[ $extent == quick ]]; then
    echo "Not run: BENCH=quick"
    exit
fi

# needed TRAINER: the bytes of its peak
needed() {
    "$build/dpsweep" plan "${model[@]}" --trainer "$1" --target cpu:24g --json |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["points"][0]["predicted_peak"])'
}
stored=$(needed dpsgd) bytes=$(needed microbatch)
printf 'B = 4, T = 512, gradients added up in the momentum: %.1f GB; with stored per-sample gradients (dpsgd) %.1f GB\n\n' \
    "${bytes}e-9" "${stored}e-9"
available=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo) * 1024))
if ((available < bytes + (256 << 20))); then
    printf 'Not run: %.1f GB are available here\n' "${available}e-9"
    exit
fi
"$build/dpsweep" run "${model[@]}" --trainer microbatch --wait-steps 0 --warmup-steps 0 --active-steps 2 --json \
    > "$record"
"$python" - "$record" << 'END'
import json, sys
r, = json.load(open(sys.argv[1]))
predicted, rss = r["predicted_peak"], r["peak_rss"]
print(f"{r['n_params'] / 1e6:.0f} million parameters, {r['threads']} threads: {r['status']}, {r['verdict']}, "
      f"gradient error {r['grad_rel_err']:.1e}")
print(f"\nmemory: predicted {predicted} B, in the ledger {r['peak_ledger']} B, resident {rss / 1e9:.2f} GB "
      f"({rss / predicted - 1:+.2%})")
print(f"\ntime: {r['end_time'] - r['start_time']:.0f} s with verification, {r['step_time_p50']:.1f} s a step, "
      f"{r['flop_rate'] / 1e9:.0f} GFLOP/s")
sys.exit(not (r["status"] == "ok" and r["verdict"] == "VALID" and r["peak_ledger"] == predicted
              and abs(rss - predicted) <= 0.03 * predicted + 60e6))
END
