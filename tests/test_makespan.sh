#!/bin/bash
# Sweeps of very many points and ranks (tests/bench/makespan.c, rank0.c): the order is good, and rank 0 loses nothing.
. "$(dirname "$0")/lib.sh"

makespan() { "$BUILD/tests/bench/makespan" tests/bench/durations.txt "$@"; }
for points in 10000 20000; do
    check "$points points on 1000 ranks" makespan 1000 $points
    check "... take at most 5 % longer than the bound" said "longest first [0-9.]+ s \(\+([0-4]\.[0-9]|5\.0) %\)"
done
check "a sweep on eight ranks" makespan 8 168
check "... as well" said "longest first [0-9.]+ s \(\+([0-4]\.[0-9]|5\.0) %\)"
check "... which the order of the list does not achieve" said_not "listed [0-9.]+ s \(\+[0-5]\.[0-9] %\)"

rank0() { "$BUILD/tests/bench/rank0" "$@" 2> /dev/null; }
check "rank 0 leads 400 ranks through 600 points" rank0 400 600 "$TMPDIR/a.h5"
check "... all of them at work at once" said "^600 points of 600, at most 400 at once"
check "... each with a result" eval '(($(dpsweep report --format csv "$TMPDIR/a.journal" | grep -c ",ok,") == 600))'

plan_done
