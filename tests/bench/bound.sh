#!/bin/bash
# bound.sh - part of `make bench`: steps against the matrix products in them.
. "$(dirname "$0")/part.sh"
rounds=2
[[ $extent != quick ]] || rounds=1
echo "## Steps against their matrix products"
"$build/tests/bench/step_bound" $rounds 2 --model medium --batch-size 4 --seq-len 512 > "$folder/bound.jsonl"
fenced "$python" tests/bench/step_bound.py "$folder/bound.jsonl"
