#!/bin/bash
# 100,000 runs are collected and published within 864 MiB, and read again.
. "$(dirname "$0")/../lib.sh"

check "100,000 runs are collected and published within 864 MiB" \
    "$BUILD/tests/bench/records" "$TMPDIR/many.journal" 100000 3 864
check "... all of them" eval \
    'dpsweep report --columns run_id --format csv "$TMPDIR/many.h5" | tail -n +2 | wc -l | grep -qx 100000'

plan_done
