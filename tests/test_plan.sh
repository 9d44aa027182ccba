#!/bin/bash
# `dpsweep plan` is right about memory, to the byte, and what it says of work, time and limits hangs together.
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
trainers=standard,dpsgd,fastclip,ghost,bookkeeping,mixed,microbatch

# json_holds EXPRESSION: of `plan`, the JSON that the last command kept
keep_json() { "$@" --json > "$TMPDIR/plan.json"; }
json_holds() {
    "$PYTHON" - "$TMPDIR/plan.json" "$1" <<'END'
import json, math, sys
plan = json.load(open(sys.argv[1]))
points = plan["points"] if "points" in plan else []
sys.exit(not eval(sys.argv[2], {"plan": plan, "points": points, "isclose": math.isclose}))
END
}

# file_holds FILE.h5 EXPRESSION: of the columns of /runs, by name
file_holds() {
    "$PYTHON" - "$@" <<'END'
import sys, h5py
with h5py.File(sys.argv[1]) as file:
    column = {k: v[:] for k, v in file["runs"].items() if getattr(v, "ndim", 0) == 1}
    sys.exit(not eval(sys.argv[2], {"c": column, "all": lambda x: bool(x.all())}))
END
}

# ---- prediction is measurement; tests/long/plan.sh does the same on 300 shapes, and with the CUDA build
"$PYTHON" tests/random_points.py all 18 1 fp32,bf16 3 60 > "$TMPDIR/random.sweep"
random=$TMPDIR/random.h5
check "18 random shapes are measured with every trainer, in groups of one to three ranks" \
    mpirun_n 3 "$BUILD/dpsweep" sweep "$TMPDIR/random.sweep" --threads 1 -o "$random"
check "... all are right" all_are "$random" status ok
check "plan says the same into a file" dpsweep plan "$TMPDIR/random.sweep" --threads 1 -o "$TMPDIR/plan.h5"
check "... with the status predicted" all_are "$TMPDIR/plan.h5" status predicted
check "... the memory, to the byte, and the work of each phase" \
    "$PYTHON" tests/predicted_is_measured.py "$random" "$TMPDIR/plan.h5"
check "... of every trainer with every clipping, precision and number of ranks" said "^144 runs, 138 combinations"
check "... and an estimate of time where no time was measured" file_holds "$TMPDIR/plan.h5" \
    'all(c["estimated_step_time"] > 0) and all(c["step_time_p50"] != c["step_time_p50"])'
check_fails 2 "an existing file is not touched" dpsweep plan -o "$TMPDIR/plan.h5"
check "predictions are nothing that --resume would keep" dpsweep sweep -o "$TMPDIR/plan.h5" --resume
check "... or take for measured" eval 'said "^microbatch .* ok"'

# ---- more is never less
check "points of growing batches and sequences are planned" keep_json dpsweep plan --trainer "$trainers" --model tiny \
    --layers 1 --batch-size 1,2,3,4,5,6,7,8,11,16,23,32 --seq-len 2,5,16,31,64 --threads 1
check "memory grows with the batch" json_holds 'all(a["predicted_peak"] <= b["predicted_peak"]
    for a in points for b in points if a["trainer"] == b["trainer"] and a["seq_len"] == b["seq_len"]
    and a["batch_size"] < b["batch_size"])'
check "... and with the sequence" json_holds 'all(a["predicted_peak"] <= b["predicted_peak"]
    for a in points for b in points if a["trainer"] == b["trainer"] and a["batch_size"] == b["batch_size"]
    and a["seq_len"] < b["seq_len"])'

# no T x T matrix, no B x T x V logits: what does not grow with the sequence at all leaves less than a doubling
linear='all(a["predicted_peak"] < b["predicted_peak"] <= 2 * a["predicted_peak"] for a in points for b in points
    if a["trainer"] == b["trainer"] and a["recompute"] == b["recompute"] and 2 * a["seq_len"] == b["seq_len"])'
for model in tiny "gpt2 --dim 64 --heads 4 --vocab 1000"; do
    check "long sequences of ${model%% *} are planned" keep_json dpsweep plan --trainer "$trainers" --model $model \
        --layers 1 --max-seq 8192 --seq-len 1024,2048,4096,8192 --recompute none,block --threads 1
    check "... and memory grows no faster than they do" json_holds "$linear"
done

# ---- targets
check_fails 2 "an unknown target is refused" dpsweep plan --target h1000
check "... and the known ones are named" eval 'said_one_line && said "local, cpu:SIZE .cpu:24g., .*h100-80g"'
check_fails 2 "a target without room is refused" dpsweep plan --target cpu:1M
check "several targets" keep_json dpsweep plan --trainer standard,dpsgd --model 1b --batch-size 4 --seq-len 512 \
    --target cpu:24g,h100-80g,h200-141g --ranks 2
check "... have verdicts of their own" json_holds '[[t["fits"] for t in p["targets"].values()] for p in points] == [
    [True, True, True], [False, True, True]]'
check "... by what is left or lacks" json_holds 'all(
    t["spare_bytes"] == t["usable_bytes"] - p["predicted_peak"] and (t["spare_bytes"] >= 0) == t["fits"]
    for p in points for t in p["targets"].values())'
check "phases sum to the step" json_holds 'all(isclose(sum(f["flops"] for f in p["phases"].values()), p["flops"])
    and isclose(sum(f["bytes"] for f in p["phases"].values()), p["bytes_moved"])
    and all(isclose(sum(t["phase_time_s"].values()), t["step_time_s"]) for t in p["targets"].values())
    for p in points)'
check "no step is faster than its products at the peak rate" json_holds 'all(
    p["targets"][name]["step_time_s"] * plan["targets"][name]["fp32_flops_per_s"] >= p["flops"] * (1 - 1e-12)
    for p in points for name in p["targets"])'
check "two ranks end with the longer of two runs" json_holds 'isclose(
    max(p["targets"]["h100-80g"]["run_time_s"] for p in points), plan["targets"]["h100-80g"]["sweep_time_s"])'
check "what does not fit takes no time" json_holds 'plan["targets"]["cpu:24g"]["too_large"] == 1 and isclose(
    plan["targets"]["cpu:24g"]["sweep_time_s"], points[0]["targets"]["cpu:24g"]["run_time_s"])'
check "a plan for another build says so" dpsweep plan --target h100-80g --phases
check "... in words" said 'bytes are those of the cpu build; for its own: make DEVICE=cuda'
check "... and prints phases" said '^ +backward +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$'
check "so does a frontier" dpsweep plan --frontier --target h100-80g
check "... in the same words" said 'bytes are those of the cpu build; for its own: make DEVICE=cuda'
check_fails 2 "a file holds one target" dpsweep plan --target cpu:24g,h100-80g -o "$TMPDIR/two.h5"
check "what does not fit is kept" dpsweep plan --memory-limit 1M -o "$TMPDIR/large.h5"
check "... as oom_predicted" column_is "$TMPDIR/large.h5" status oom_predicted

# ---- auto
# Shapes whose steps are for the most part the products of blocks, of the head, and neither.
shapes=(--trainer auto --layers 4 --dim 96 --heads 4 --vocab 700,7000 --seq-len 16,128 --batch-size 8 --threads 1)
check "auto says what it chooses" dpsweep plan "${shapes[@]}" --budget
check "... what else there was" said '^    [ *] +[0-9.]+ +[0-9.]+  m=2; '
check "... and the price of a layer" said '^     q,k,v each +[0-9.]+ +[0-9.]+ +-?[0-9.]+ +-?[0-9.]+$'
check "as JSON" keep_json dpsweep plan "${shapes[@]}"
check "... stores where sequences are long, and keeps the gradients of outputs where they are short" json_holds \
    '[("store q,k,v,o,up,down" in p["policy"], "gram q,k,v,o,up,down" in p["policy"]) for p in points] == [
    (p["seq_len"] == 128, p["seq_len"] == 16) for p in points]'
check "a run of auto takes no more than its budget" dpsweep run --model tiny --layers 4 --trainer auto --batch-size 8 \
    --memory-budget 5600K --json -o "$TMPDIR/auto.h5"
check "... and what was predicted" file_holds "$TMPDIR/auto.h5" \
    'all(c["peak_ledger"] == c["predicted_peak"]) and all(c["peak_ledger"] <= 5600 << 10) and all(c["policy"] != "")'
check "a budget that is too small for any choice is refused" dpsweep run --trainer auto --memory-budget 1M
check "... with what is needed at least" said 'needs [0-9.]+ MiB at least, more than the memory budget of 1.0 MiB'
check "so is a trainer that has no choice" dpsweep run --trainer dpsgd --memory-budget 1M
check "... with what it needs" said 'needs [0-9.]+ MiB, more than the memory budget of 1.0 MiB'
check "a target is a budget" keep_json dpsweep plan --trainer auto --model 1b --batch-size 8 --seq-len 512 \
    --target cpu:21g
check "... that is kept" json_holds 'points[0]["fits"] and points[0]["memory_budget"] == 0'
check "two targets have a choice each" keep_json dpsweep plan --trainer standard,auto --model medium --batch-size 4 \
    --seq-len 512 --target h100-80g,cpu:1600M --budget
check "... in a point each" json_holds '[list(p["targets"]) for p in points] == [
    ["h100-80g", "cpu:1600M"], ["h100-80g"], ["cpu:1600M"]] and points[1]["policy"] != points[2]["policy"]'
check "... among alternatives, no two of which are equal" json_holds 'all(
    p["policy"] in (policies := [a["policy"] for a in p["alternatives"]]) and len(policies) == len(set(policies)) and
    isclose(p["budget_bytes"], p["targets"][t]["usable_bytes"]) for p in points[1:] for t in p["targets"])'
check_fails 2 "alternatives of a trainer that has none" dpsweep plan --trainer ghost --budget
check "... are refused with the remedy" said 'give --trainer auto'
policy="m=2 twice; gram lm_head; instantiate q,k,v,o,up,down"
check "an alternative is measured" dpsweep run --trainer auto --policy "$policy" -o "$TMPDIR/policy.h5"
check "... as it was asked for" column_is "$TMPDIR/policy.h5" policy "$policy"
check "... with the memory that was predicted for it" file_holds "$TMPDIR/policy.h5" \
    'all(c["peak_ledger"] == c["predicted_peak"]) and all(c["verdict"] == b"VALID")'
check_fails 2 "a policy of another model is refused" dpsweep run --trainer auto --policy "m=2; store conv"
check "... with the remedy" said "is none of this model; plan --trainer auto prints one"
check_fails 2 "a policy of a trainer that chooses nothing is refused" dpsweep run --policy "$policy"
check_fails 2 "a policy of two points is refused" dpsweep sweep --no-output --trainer auto --seed 1,2 --policy "$policy"

# ---- the frontier
# confirmed LARGEST TRAINERS: so many were run at the largest value, and one more failed
confirmed() {
    json_holds "[(a['measured'], a['one_more']) for a in plan if a['largest'] == '$1'] == [('ok', 'oom_device')] * $2"
}
measured() { keep_json dpsweep plan --frontier --measure --layers 1 --threads 1 "$@"; }
check "the largest that fits on a target fits, and one more fails" \
    measured --trainer "${trainers%,microbatch}" --seq-len 48 --max-seq 1400 --target cpu:522MiB
check "... of batches" confirmed batch_size 6
check "... of sequences" confirmed seq_len 6
check "microbatch needs little more for more samples" keep_json dpsweep plan --layers 1 --threads 1 --batch-size 200
limit=$("$PYTHON" -c "import json; print(json.load(open('$TMPDIR/plan.json'))['points'][0]['predicted_peak'])")
check "... but not nothing" measured --memory-limit "$limit" --max-seq 64
check "... of batches" confirmed batch_size 1
check "as JSON" keep_json dpsweep plan --frontier --trainer standard,dpsgd --memory-limit 20M --seq-len 32,64
check "... with the price in batch size" json_holds '[(a["trainer"], a["seq_len"], a["share_of_standard"] < 1) for a in
    plan if a["largest"] == "batch_size"] == [("standard", 32, False), ("dpsgd", 32, True),
    ("standard", 64, False), ("dpsgd", 64, True)]'
check "... and the largest model" json_holds '{a["model"] for a in plan if a["largest"] == "model"} == {"tiny"}'
check "nothing fits into nothing" dpsweep plan --frontier --memory-limit 1K
check "... which is said" said '^tiny +microbatch +flat +none'
check_fails 2 "--measure is for what is here" dpsweep plan --frontier --measure --target h100-80g
check "... which is said" eval 'said_one_line && said "choose local"'
check_fails 2 "--measure goes with --frontier" dpsweep plan --measure

plan_done
