#!/bin/bash
# A sweep on two ranks whose children, ranks or whole job are killed at random moments, and which is resumed until it is
# complete: every point has one result at the end, and what once was measured is what is there at the end.  The last
# point is held until all kills are done.
#   POINTS=N  of the sweep, at most 60       KILLS=N  before it is left in peace       RANDOM_SEED=N
. "$(dirname "$0")/../lib.sh"
. tests/hold.sh

export OMPI_MCA_btl_vader_backing_directory=$TMPDIR # what killed ranks leave behind goes with the folder of this suite
points=${POINTS:-60} kills=${KILLS:-40}
RANDOM=${RANDOM_SEED:-1}
file=$TMPDIR/a.h5
steps=$(seq -s , 10 $((9 + points)))
last=--active-steps=$((9 + points))
sweep=("${holdable[@]}" mpirun -n 2 "$BUILD/dpsweep" sweep "$mark" --active-steps "$steps" -o "$file" --resume
    --retry-failed)

# measured: "config_sha256 start_time" of each run that ended well
measured() {
    dpsweep report --format json "${file%.h5}.journal" 2> /dev/null | "${PYTHON:-/usr/bin/python3}" -c '
import json, sys
for run in json.load(sys.stdin):
    if run["status"] == "ok": print(run["config_sha256"], run["start_time"])' 2> /dev/null
}
children() { pgrep -f "dpsweep worker .* $mark "; }
ranks() { pgrep -P "$job"; }
kill_one_of() { (($# > 0)) && kill -KILL "${@:RANDOM % $# + 1:1}" 2> /dev/null; }
kill_something() {
    case $((RANDOM % 4)) in
        0 | 1) kill_one_of $(children) ;;
        2) kill_one_of $(ranks) ;;
        3) kill -KILL "$job" $(ranks) 2> /dev/null ;;
    esac
}
# The job has measured so many points, or all but those in flight, or is over.
has_measured() { (($(grep -c "/$points " "$TMPDIR/said") >= $1)) || held 1 "$last" || ! kill -0 "$job"; }
# One job, in which something is killed until it is over.  What was measured before is remembered.
disturbed_job() {
    "${sweep[@]}" > "$TMPDIR/said" 2>&1 &
    job=$!
    while kill -0 "$job" 2> /dev/null && ((kills > 0)); do
        eventually has_measured $((RANDOM % 4))
        sleep "0.$((RANDOM % 4 + 1))"
        kill_something && kills=$((kills - 1))
    done
    ((kills > 0)) || release "$last"
    wait "$job"
    code=$?
    while children > /dev/null; do sleep 0.05; done # the next job has the machine to itself
    measured >> "$TMPDIR/measured"
    return $code
}

hold "$last"
jobs=0
until disturbed_job 2> /dev/null || ((++jobs == 100)); do :; done
echo "# $jobs jobs ended before all was measured, which had measured $(sort "$TMPDIR/measured" | uniq -d | wc -l) points"

check "the sweep is completed" test "$code" = 0
check "... though jobs were killed" test "$jobs" -gt 0
check "every point has its result" all_are "$file" status ok
check "... once" eval '(($(column "$file" config_sha256 | wc -w) == points))'
check "... and numbers are unique" eval '(($(column "$file" run_id | tr " " "\n" | sort -u | wc -l) == points))'
nothing_was_lost() { [[ -z $(comm -23 <(sort -u "$TMPDIR/measured") <(measured | sort)) ]]; }
check "nothing that was measured is lost or was measured again" nothing_was_lost

plan_done
