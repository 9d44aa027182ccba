#!/bin/bash
# auto.sh - part of `make bench`: trainer auto against the others on random shapes, and under budgets of memory.
# With a PROFILE of `dpsweep tune` it chooses by that.
. "$(dirname "$0")/part.sh"
shapes=20 rounds=5
[[ $extent != quick ]] || shapes=5 rounds=1
echo "## Trainer auto"
echo
DPSWEEP_PROFILE=${PROFILE:-} fenced "$python" tests/bench/auto.py "$build/tests/bench/steps" "$shapes" "$rounds"
