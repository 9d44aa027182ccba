#!/bin/bash
# local.sh - a sweep on this machine.  Edit the next three lines, or give them: jobs/local.sh FILE.sweep OUTPUT.h5 RANKS
sweep=${1:-jobs/smoke.sweep}
output=${2:-results/local.h5}
ranks=${3:-} # empty: one for each GPU of a CUDA build, one for each 4 cores of a CPU build

set -eu
[[ -z ${1:-} ]] || sweep=$(realpath "$1") # of the folder it is called in; what stands above is of the repository
[[ -z ${2:-} ]] || output=$(realpath "$2")
cd "$(dirname "$0")/.."
. jobs/environment.sh
program=${BUILD:-build}/dpsweep
[[ -x $program ]] || { echo "local.sh: $program is not there: run make first" >&2; exit 3; }

if [[ -z $ranks ]]; then
    ranks=$((($(nproc) + 3) / 4))
    [[ $("$program" --version) != *cuda* ]] || ranks=$(nvidia-smi --list-gpus | grep -c '^GPU')
fi

# An interrupted sweep goes on where it stopped.
resume=()
[[ ! -e ${output%.h5}.journal ]] || resume=(--resume)
set -x
exec mpirun -n "$ranks" "$program" sweep "$sweep" -o "$output" "${resume[@]}"
