#!/bin/bash
# trainers.sh - part of `make bench`: every trainer against standard, with one thread and with all.
. "$(dirname "$0")/part.sh"
"$python" tests/bench/trainers.py "$build/dpsweep" "$folder/trainers.h5" "$extent"
