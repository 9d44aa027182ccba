#!/bin/bash
# bench.sh - what `make bench` runs; docs/measuring.md says how to read it.  BENCH=quick: about a minute instead of six.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/cpu}
folder=build/bench
. jobs/environment.sh
mkdir -p "$folder"

case ${BENCH:-full} in
full) bound=(--rounds 3 --steps 2) trainers=() ;;
quick) bound=(--rounds 1 --steps 1) trainers=(--quick) ;;
*)
    echo "bench: BENCH=$BENCH: there are full (the default) and quick" >&2
    exit 2
    ;;
esac

"$build/tests/bench/step_bound" "${bound[@]}" --json "$folder/step_bound.jsonl"
"${PYTHON:-/usr/bin/python3}" tests/bench/trainers.py "$build/dpsweep" "$folder/trainers.jsonl" "${trainers[@]}"
echo
echo "bench: $SECONDS s; $folder/step_bound.jsonl, $folder/trainers.jsonl"
