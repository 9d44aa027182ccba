#!/bin/bash
# schedule.sh - part of `make bench`: sweeps with very many points and ranks, half a minute.
. "$(dirname "$0")/part.sh"
ranks=10000
[[ $extent != quick ]] || ranks=1000

orders() {
    local points
    for points in 10000 20000; do
        "$build/tests/bench/makespan" tests/bench/durations.txt 1000 $points
    done
}

echo "## Very large sweeps"
echo
echo "Order of measurement, on recorded durations (the program sees predicted FLOPs only):"
fenced orders
echo "Rank 0, with ranks that answer at once:"
fenced "$build/tests/bench/rank0" $ranks $ranks "$folder/rank0.h5" 2> "$folder/rank0.log"
rm -f "$folder"/rank0.{h5,journal,log}
