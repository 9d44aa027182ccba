#!/bin/bash
# estimate.sh - part of `make bench`: estimated against measured times of steps, some minutes; docs/planning.md says more.
# SEED chooses the points.  With a PROFILE of `dpsweep tune` nothing is tuned.
. "$(dirname "$0")/part.sh"
points=40 rounds=5 limit=40s
[[ $extent != quick ]] || { points=10 rounds=2 limit=10s; }
profile=${PROFILE:-$folder/profile.json}

export OMP_NUM_THREADS=1
[[ -n ${PROFILE:-} ]] || "$build/dpsweep" tune --threads 1 --time-limit "$limit" --profile "$profile" >&2
echo "## Estimated and measured time of a step"
echo
fenced "$build/tests/bench/estimate" "$profile" "${SEED:-1}" "$points" "$rounds"
