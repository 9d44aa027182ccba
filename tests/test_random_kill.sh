#!/bin/bash
# A short run of tests/long/random_kill.sh.
POINTS=12 KILLS=8 exec "$(dirname "$0")/long/random_kill.sh"
