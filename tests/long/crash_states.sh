#!/bin/bash
# Every state that a kill leaves of a longer sweep's files, and 3,000 power losses: tests/test_crash_states.c in full.
set -u
cd "$(dirname "$0")/../.." || exit 1
CRASH_STATES=all exec "${BUILD:-build/cpu}/tests/test_crash_states"
