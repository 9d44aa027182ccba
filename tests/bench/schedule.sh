#!/bin/bash
# schedule.sh - part of `make bench`: sweeps with very many points and ranks, half a minute; docs/measuring.md says more.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/cpu}
folder=build/bench
mkdir -p "$folder"
ranks=10000
[[ ${BENCH:-full} != quick ]] || ranks=1000

echo "Order of measurement, on recorded durations (the program sees predicted FLOPs only):"
for points in 10000 20000; do
    "$build/tests/bench/makespan" tests/bench/durations.txt 1000 $points
done
echo "Rank 0, with ranks that answer at once:"
"$build/tests/bench/rank0" $ranks $ranks "$folder/rank0.h5" 2> "$folder/rank0.log"
rm -f "$folder"/rank0.{h5,journal,log}
echo
