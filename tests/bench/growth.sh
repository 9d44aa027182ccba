#!/bin/bash
# growth.sh - part of `make bench`: how time and memory grow with T, B, L and D.
. "$(dirname "$0")/part.sh"
"$python" tests/bench/growth.py "$build/dpsweep" "$folder/growth.h5" "$extent"
