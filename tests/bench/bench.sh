#!/bin/bash
# bench.sh - what `make bench` runs; docs/measuring.md says how to read it.  BENCH=quick: one minute instead of six.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/cpu}
folder=build/bench
python=${PYTHON:-/usr/bin/python3}
. jobs/environment.sh
mkdir -p "$folder"

case ${BENCH:-full} in
full) bound=(3 2) trainers=() ;;
quick) bound=(1 2) trainers=(--quick) ;;
*)
    echo "bench: BENCH=$BENCH: there are full (the default) and quick" >&2
    exit 2
    ;;
esac

"$build/tests/bench/step_bound" "${bound[@]}" --model medium --batch-size 4 --seq-len 512 > "$folder/step_bound.jsonl"
"$python" tests/bench/step_bound.py "$folder/step_bound.jsonl"
"$python" tests/bench/trainers.py "$build/dpsweep" "$folder/trainers.jsonl" "${trainers[@]}"
echo
echo "bench: $SECONDS s; the measurements are in $folder/step_bound.jsonl and $folder/trainers.jsonl"
