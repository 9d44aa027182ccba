#!/bin/bash
# Many runs are collected and published in bounded memory: 64 MiB and 8 KiB for each run, of 18 KiB that it has.
. "$(dirname "$0")/lib.sh"

records() { "$BUILD/tests/bench/records" "$TMPDIR/many.journal" "$1" 3 "$2"; }

check "5,000 runs are collected and published within 104 MiB" records 5000 104
check "... all of them" eval 'dpsweep report --format csv "$TMPDIR/many.h5" | tail -n +2 | wc -l | grep -qx 5000'
check_fails 3 "the limit is one: 20,000 runs are not even read within 40 MiB" records 20000 40
check "... which is one line" said_one_line

plan_done
