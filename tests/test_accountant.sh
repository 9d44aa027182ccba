#!/bin/bash
# The command `dpsweep accountant`: what it prints, what it finds, what it refuses.
. "$(dirname "$0")/lib.sh"
PYTHON=${PYTHON:-/usr/bin/python3}

accountant() { dpsweep accountant "$@"; }

# json_is "condition" arguments...: the command's JSON, as a, fulfils the condition
json_is() {
    local condition=$1
    shift
    accountant "$@" --json | $PYTHON -c "
import json, sys
a = json.load(sys.stdin)
assert $condition, a"
}

# refused "text" "pattern" arguments...
refused() {
    local text=$1 pattern=$2
    shift 2
    check_fails 2 "$text is refused" accountant "$@"
    check "... in one line: $pattern" eval 'said_one_line && said "$pattern"'
}

run=(--noise-multiplier 1 --sample-rate 0.01 --steps 1000 --delta 1e-5)

# ---- the numbers -----------------------------------------------------------------------------------------------------

check "a run's epsilon is printed" accountant "${run[@]}"
check "... with the upper bound" said '^  prv_upper  1\.828'
check "... what gdp is worth" said 'gdp .*no guarantee'
check "... who the neighbours are" said 'one record added or removed'
check "... and for which sampling" said 'Poisson'
check "every reference value is met, in 500 MB" $PYTHON - "$BUILD/dpsweep" <<'END'
import json, resource, subprocess, sys
limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (500 << 20, 500 << 20))
rows = json.load(open("tests/golden/accountants.json"))
assert len(rows) == 6
for r in rows:
    values = [str(r[name]) for name in ("noise_multiplier", "sample_rate", "steps", "delta")]
    words = zip(("--noise-multiplier", "--sample-rate", "--steps", "--delta"), values)
    command = [sys.argv[1], "accountant", "--json"] + [word for pair in words for word in pair]
    a = json.loads(subprocess.run(command, check=True, capture_output=True, preexec_fn=limit).stdout)
    assert a["prv_lower"] <= a["rdp"] <= 1.001 * r["google_rdp"], (r, a)
    assert 0.995 * r["google_pld"] <= a["prv_upper"] <= 1.02 * r["google_pld"], (r, a)
    assert a["prv_lower"] <= 1.005 * r["google_pld"], (r, a)
    assert a["prv_upper"] - a["prv_lower"] <= 1e-3 * a["prv_upper"] + 1e-3 and not a["wide"], (r, a)
END
check "the largest grid stays below 500 MB" bash -c "ulimit -d 500000; exec '$BUILD/dpsweep' accountant \
    --noise-multiplier 0.7,0.5 --sample-rate 1e-4,1e-5 --steps 500000 --delta 1e-8"
check "JSON says what was asked" json_is \
    'a["delta"] == 1e-5 and a["phases"] == [{"noise_multiplier": 1, "sample_rate": 0.01, "steps": 1000}]' "${run[@]}"
check "... and what it means" json_is '"added or removed" in a["neighbours"] and a["sampling"] == "poisson"' "${run[@]}"
check "steps may be written as 1e3" json_is 'a["phases"][0]["steps"] == 1000' --noise-multiplier 1 --sample-rate 0.01 \
    --steps 1e3 --delta 1e-5
check "comma lists are phases" json_is 'len(a["phases"]) == 2 and a["phases"][1] == {
    "noise_multiplier": 0.8, "sample_rate": 0.01, "steps": 500} and 1.83 < a["prv_lower"] < a["prv_upper"] < 3.6' \
    --noise-multiplier 1,0.8 --sample-rate 0.01 --steps 1000,500 --delta 1e-5

# ---- calibration -----------------------------------------------------------------------------------------------------

check "a noise multiplier is found" json_is 'a["found"] == "noise_multiplier" and 1.8265 < a["prv_upper"] <= 1.8283 \
    and abs(a["noise_multiplier"] - 1) < 1e-3' --target-epsilon 1.8283 --sample-rate 0.01 --steps 1000 --delta 1e-5
check "steps are found" json_is 'a["found"] == "steps" and abs(a["steps"] - 1000) <= 1 and a["prv_upper"] <= 1.8283' \
    --target-epsilon 1.8283 --sample-rate 0.01 --noise-multiplier 1 --delta 1e-5
check "delta is found" json_is \
    'a["found"] == "delta" and abs(a["delta"] / 1e-5 - 1) < 2e-3 and a["prv_upper"] <= 1.8283' \
    --target-epsilon 1.8283 --sample-rate 0.01 --noise-multiplier 1 --steps 1000
check "what was found is said" accountant --target-epsilon 1.8283 --sample-rate 0.01 --steps 1000 --delta 1e-5
check "... in words" said '^found: noise_multiplier (1\.000|0\.999)'

# ---- refusals --------------------------------------------------------------------------------------------------------

q=(--sample-rate 0.01) n=(--steps 10) d=(--delta 1e-5) s=(--noise-multiplier 1)
refused "an unsampled question"         'sample-rate Q, the expected batch divided by' "${s[@]}" "${n[@]}" "${d[@]}"
refused "a question without delta"      '--delta is missing; or leave out one of'      "${s[@]}" "${n[@]}" "${q[@]}"
refused "a target with nothing to find" 'leave out that one' "${run[@]}" --target-epsilon 1
refused "a target with two to find"     'leave out that one' "${q[@]}" "${d[@]}" --target-epsilon 1
refused "little noise"            '0.3 to 1000'         --noise-multiplier 0.2 "${q[@]}" "${n[@]}" "${d[@]}"
refused "a large rate"            '1e-06 to 1'          "${s[@]}" --sample-rate 1.5 "${n[@]}" "${d[@]}"
refused "half a step"             '1 to 1000000'        "${s[@]}" "${q[@]}" --steps 0.5 "${d[@]}"
refused "a million and one steps" '1 to 1000000'        "${s[@]}" "${q[@]}" --steps 1000001 "${d[@]}"
refused "a tiny delta"            '1e-12 to 0.001'      "${s[@]}" "${q[@]}" "${n[@]}" --delta 1e-20
refused "a word"                  "'one' is not a number" --noise-multiplier one "${q[@]}" "${n[@]}" "${d[@]}"
refused "an empty item"           "'' is not a number"  --noise-multiplier 1, "${q[@]}" "${n[@]}" "${d[@]}"
refused "lists that do not match" '2 values where another option has 3' \
    --noise-multiplier 1,2,3 --sample-rate 0.1,0.2 "${n[@]}" "${d[@]}"
refused "a search in two phases"  'single phase'        --noise-multiplier 1,2 "${q[@]}" "${d[@]}" --target-epsilon 1
refused "a target out of reach"   'noise multiplier above 1000' \
    --target-epsilon 0.001 --sample-rate 1 --steps 1000000 --delta 1e-12
refused "a target of nothing"     '0.001 to 10000'      --target-epsilon 0 "${q[@]}" "${n[@]}" "${d[@]}"

plan_done
