#!/bin/bash
# What takes Slurm its time, about three minutes: time limits, the warning before them, nodes that are found dead.
# tests/test_slurm.sh has the rest.
. "$(dirname "$0")/../lib.sh"
. tests/hold.sh
. tests/cluster/on_slurm.sh

on_slurm_start 4

hold --seed=3
submit sweep.sbatch -N1 --ntasks-per-node=1 -- seeds.sweep a.h5 "$program"
check "a sweep has measured two points and is at its last" eventually held 1 --seed=3
remember a
"$slurm" limit "$job" 1
check "at its time limit the job ends" ended_as TIMEOUT
check "... with what was measured in its file" is_remembered a
check "... which the report has" column_is a.h5 status "ok ok"

# Slurm sends the warning up to a minute early.
submit preemptible.sbatch -N1 --ntasks-per-node=1 --time=2 --signal=B:USR1@60 -- seeds.sweep b.h5 "$program"
check "a preemptible job has measured two points and is at its last" eventually held 1 --seed=3
remember b
sleep 60
check "... and is warned before its time limit, and queued again" eventually is_restarted 1
check "... with what was measured" is_remembered b
scancel "$job"
check "... until it is cancelled" ended_as CANCELLED

if [[ $SLURM_TEST_MODE == namespaces ]]; then
    hold --seq-len=32
    submit preemptible.sbatch -N2 --ntasks-per-node=1 -- pairs.sweep c.h5 "$program"
    check "a job on two nodes is at its second pair" eventually held 2 --seq-len=32
    remember c
    "$slurm" crash "$(second_node)"
    sleep 30
    check "Slurm finds that a node is dead, and begins the job again elsewhere" eventually is_restarted 1
    release --seq-len=32
    check "... which completes it" ended_as COMPLETED
    check "... to every point" is_whole c.h5 pairs.sweep
    check "... having lost and repeated nothing" eval 'is_remembered c && (($(begun_again c.h5) == 2))'
else
    skip "a node that is found dead" "without namespaces nodes cannot die"
fi

plan_done
