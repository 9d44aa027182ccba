#!/bin/bash
# test_epsilon.sh - the epsilon of a run: that of the accountant for the sampling that ran, or none and why.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
small=(--layers 1 --dim 16 --heads 2 --vocab 50 --max-seq 8 --seq-len 8 --threads 1 --batch-size 2 --active-steps 1)
poisson=(--sampling poisson --data random:1000 --delta 1e-6 --privacy-steps 2000)
results=$TMPDIR/epsilon.h5

# holds TRUTH: of the columns of /runs, by name
holds() {
    "$python" - "$results" "$1" <<'END'
import sys, h5py
runs = h5py.File(sys.argv[1])["runs"]
column = {name: [v.decode() if isinstance(v, bytes) else v for v in runs[name][:]] for name in runs}
print({name: column[name] for name in column if "epsilon" in name or name in ("trainer", "guarantee", "sample_rate")})
sys.exit(not eval("(" + sys.argv[2] + ")", {"false": False, "true": True} | column | {"all": all, "abs": abs}))
END
}

# what the accountant says, as a Python dictionary
accountant() { dpsweep accountant --noise-multiplier "$1" --sample-rate 0.002 --steps 2000 --delta 1e-6 --json; }

check "Poisson sampling has an epsilon" dpsweep sweep "${small[@]}" "${poisson[@]}" --noise-multiplier 0.8 \
    --trainer ghost,standard,microbatch -o "$results"
answer=$(accountant 0.8)
check "... the accountant's, for the rate and steps" holds "sample_rate[0] == 0.002 and
    all(abs(got / $answer[name] - 1) < 1e-6 for name, got in (('rdp', epsilon_rdp[0]), ('gdp', epsilon_gdp[0]),
        ('prv_lower', epsilon_prv_lower[0]), ('prv_upper', epsilon_prv_upper[0])))"
check "... the same for every private trainer" holds "epsilon_prv_upper[0] == epsilon_prv_upper[2] > 0"
check "... none for standard" holds "epsilon_prv_upper[1] != epsilon_prv_upper[1] and 'none: not a' in guarantee[1]"
check "... in words too" holds "'1e-06)-DP for 2000 steps, one record added or removed' in guarantee[0]"

results=$TMPDIR/price.h5
check "batches that may be cut cost delta" dpsweep run "${small[@]}" "${poisson[@]}" --noise-multiplier 0.8 \
    --trainer ghost --max-batch-size 18 -o "$results"
delta_left() { # docs/privacy.md, Sampling; epsilon is the largest that the price is computed with
    "$python" - "$answer" <<'END'
import json, math, sys
n, q, k, steps = 1001, 0.002, 19, 2000 # a neighbour has 1001 records
tail = math.exp(-(k * math.log(k / (n * q)) + (n - k) * (math.log1p(-k / n) - math.log1p(-q))))
print(1e-6 - steps * tail * (1 + math.exp(1.01 * json.loads(sys.argv[1])["prv_upper"] + 0.01)))
END
}
answer=$(dpsweep accountant --noise-multiplier 0.8 --sample-rate 0.002 --steps 2000 --delta "$(delta_left)" --json)
check "... N p (1 + e^epsilon) of it" holds "max_batch_size[0] == 18 and $answer['delta'] < 0.97e-6 and
    abs(epsilon_prv_upper[0] / $answer['prv_upper'] - 1) < 1e-6"

results=$TMPDIR/target.h5
check "a target is met" dpsweep sweep "${small[@]}" "${poisson[@]}" --target-epsilon 1,4 --trainer ghost -o "$results"
check "... from below, by a tenth of a percent at most" \
    holds "all(0.999 * t <= e <= t for e, t in zip(epsilon_prv_upper, target_epsilon))"
check "... with less noise for more of it" holds "noise_multiplier[0] > noise_multiplier[1]"
check "a sweep with a target is resumed without measuring again" dpsweep sweep "${small[@]}" "${poisson[@]}" \
    --target-epsilon 1,4 --trainer ghost -o "$results" --resume
check "... each point once" holds "len(trainer) == 2 and attempt == [1, 1]"
results=$TMPDIR/cut.h5
check "a target is met also where batches are cut" dpsweep run "${small[@]}" "${poisson[@]}" --target-epsilon 1 \
    --trainer ghost --max-batch-size 18 -o "$results"
check "... from below" holds "0.995 <= epsilon_prv_upper[0] <= 1"
check_fails 2 "... and refused where they are cut too often" dpsweep run "${small[@]}" "${poisson[@]}" \
    --target-epsilon 1 --max-batch-size 14
check "... with the remedy" said "max-batch-size.*choose a larger one"
results=$TMPDIR/adaptive.h5
check "a target is met with a threshold that moves" dpsweep run "${small[@]}" "${poisson[@]}" --target-epsilon 0.05 \
    --clip-quantile 0.5 --trainer ghost -o "$results"
check "... whose count noise fits the noise that was found" holds "noise_multiplier[0] > 5 and
    noise_multiplier[0] < noise_std[0] / sensitivity[0] <= 1.021 * noise_multiplier[0]"
check_fails 2 "a count noise that spends more than the target is refused" dpsweep run "${small[@]}" "${poisson[@]}" \
    --target-epsilon 0.05 --clip-quantile 0.5 --clip-count-noise 2.5 --trainer ghost
check_fails 2 "epsilon for fewer steps than the run takes is refused" dpsweep run "${small[@]}" \
    --sampling poisson --data random:1000 --warmup-steps 2 --wait-steps 1 --privacy-steps 3
check "... with both numbers" said "privacy-steps 3: the run alone takes 4 steps"
results=$TMPDIR/launched.h5
check "a launch finds the same noise" dpsweep launch "${small[@]}" "${poisson[@]}" --target-epsilon 1 --trainer ghost \
    --launcher "mpirun -n 1" -o "$results"
check "... for the same epsilon" holds "0.999 <= epsilon_prv_upper[0] <= 1 and noise_multiplier[0] > 0.7"

# guarantee_says TEXT OPTIONS...: a run has no epsilon, and says why
guarantee_says() {
    results=$TMPDIR/none.h5
    dpsweep run "${small[@]}" "${@:2}" -o "$results" --overwrite > /dev/null 2>&1
    holds "epsilon_prv_upper[0] != epsilon_prv_upper[0] and '$1' in guarantee[0]"
}
check "a shuffle has no epsilon" guarantee_says "no guarantee for this sampling"
check "no noise has none" guarantee_says "none: no noise" "${poisson[@]}" --noise-multiplier 0
for ((i = 0; i < 100; i++)); do echo '!'; done > "$TMPDIR/nothing.txt" # no token to predict
results=$TMPDIR/invalid.h5
check_fails 1 "a run is found INVALID" dpsweep run "${small[@]/50/256}" --sampling poisson \
    --data "$TMPDIR/nothing.txt" --record line -o "$results"
check "... and has no epsilon" holds \
    "epsilon_prv_upper[0] != epsilon_prv_upper[0] and 'found the run INVALID' in guarantee[0]"
check "a control has none" guarantee_says "a deliberately wrong trainer" "${poisson[@]}" --trainer broken-noclip
check "batches that are cut often have none" \
    guarantee_says "no number: batches larger" "${poisson[@]}" --max-batch-size 4
check "room for all records is not room for one more" guarantee_says "no number: batches larger" \
    --sampling poisson --data random:10 --batch-size 5 --max-batch-size 10
check "an epsilon out of reach is not guessed" guarantee_says "no number: " "${poisson[@]}" --noise-multiplier 0.01

check_fails 2 "a target without Poisson sampling is refused" dpsweep run --target-epsilon 1
check "... with the remedy" said "choose poisson"
check_fails 2 "a target and a noise multiplier contradict" \
    dpsweep run "${poisson[@]}" --target-epsilon 1 --noise-multiplier 1
check_fails 2 "a target that cannot be met is refused" \
    dpsweep run --sampling poisson --data random:8 --batch-size 8 --target-epsilon 0.001 --privacy-steps 1000000
check "... in one line" said_one_line
plan_done
