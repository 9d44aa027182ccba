# shellcheck shell=bash
# on_slurm.sh - for suites about jobs (after lib.sh, hold.sh): a cluster that goes with the suite, and what they ask of
# jobs.
# A job's output is in $job.out; sweeps and results are in the current folder.

program=$BUILD/dpsweep
slurm=$ROOT/tests/cluster/slurm.sh

# on_slurm_start NODES: leaves out the suite where there is no Slurm
on_slurm_start() {
    local settings
    command -v slurmctld > /dev/null || skip_all "Slurm is not installed"
    SLURM_DIR=$(mktemp -d /tmp/dpsweep-XXXXXX)/slurm # sockets have short names
    export SLURM_DIR
    trap '"$slurm" stop; rmdir "${SLURM_DIR%/slurm}"; [[ ${TESTS_TMPDIR:-} ]] || rm -rf "$TMPDIR"' EXIT
    trap 'exit 1' INT TERM
    check "a cluster of $1 nodes starts" "$slurm" start "$1"
    settings=$("$slurm" env) || plan_done
    eval "$settings"
    cd "$TMPDIR" || exit 1
    [[ $SLURM_TEST_MODE == namespaces ]] || echo "# plain mode: no namespaces here"

    printf '%s\n' 'seq-len = 16' 'trainer = standard, dpsgd' 'batch-size = 2, 3, 4' > a.sweep
    printf '%s\n' 'seq-len = 16' 'trainer = standard, dpsgd' 'batch-size = 4' > group.sweep
    # two of each length, the longest first
    printf '%s\n' "adam-eps = ${mark#*=}" 'trainer = standard, dpsgd' 'seq-len = 64, 32, 16' > pairs.sweep
    printf '%s\n' "adam-eps = ${mark#*=}" 'trainer = standard' 'seed = 1, 2, 3' > seeds.sweep
    printf '%s\n' 'seq-len = 16' 'trainer = dpsgd' 'batch-size = 2048, 2, 1' > large.sweep
}

# queue sbatch's arguments...: as $job, whose runs can be held
queue() { job=$("${holdable[@]}" sbatch --parsable --output=%A.out "$@"); }
# submit SCRIPT sbatch's options... -- the script's arguments...
submit() {
    local script=$ROOT/jobs/slurm/$1 options=()
    shift
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    queue --gpus-per-task=1 "${options[@]}" "$script" "${@:2}"
}
ended_as() {
    local state
    state=$("$slurm" wait "$job" 90)
    [[ $state =~ ^($1)$ ]] || { echo "job $job is $state"; tail -n 20 "$job.out"; false; }
}
is_restarted() { scontrol -o show job "$job" | grep -q "JobState=RUNNING .*Restarts=$1 "; }
second_node() { scontrol show hostnames "$(squeue -h -o %N -j "$job")" | sed -n 2p; }
# lose_node NODE: it dies, and Slurm is told now what it would find out in half a minute
lose_node() {
    "$slurm" crash "$1"
    scontrol update NodeName="$1" State=DOWN Reason=crashed
}

# ---- results -----------------------------------------------------------------------------------------------------------

# runs NAME: "config_sha256 start_time" of each run with a result, as the journal has it now
runs() {
    "$program" report --format json "$1.journal" 2> /dev/null | "${PYTHON:-/usr/bin/python3}" -c '
import json, sys
for run in json.load(sys.stdin): print(run["config_sha256"], run["start_time"])' 2> /dev/null
}
has_results() { (($(runs "$1" | wc -l) >= $2)); }
remember() { runs "$1" > "$1.before"; }
# Each run that had a result at remember has the same one now.
is_remembered() { [[ -s $1.before && -z $(comm -23 <(sort "$1.before") <(runs "$1" | sort)) ]]; }
is_whole() { # FILE.h5 FILE.sweep: has each point of the sweep once, measured
    local points
    points=$("$program" plan --json "$2" | grep -c '"trainer"')
    all_are "$1" status ok && (($(column "$1" config_sha256 | tr ' ' '\n' | sort -u | wc -l) == points)) &&
        (($(column "$1" run_id | wc -w) == points))
}
begun_again() { column "$1" attempt | tr ' ' '\n' | awk '{n += $1 - 1} END {print n}'; }
