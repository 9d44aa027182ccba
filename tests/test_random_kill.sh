#!/bin/bash
# tests/long/random_kill.sh with fewer kills.
POINTS=60 KILLS=24 exec "$(dirname "$0")/long/random_kill.sh"
