#!/bin/bash
# Every script of jobs/slurm on a real Slurm (tests/cluster/slurm.sh), and what happens to jobs there.  Nothing that was
# measured is ever lost, and nothing is measured again but what was in flight.
# What takes Slurm half a minute is in tests/long/slurm.sh.
. "$(dirname "$0")/lib.sh"
. tests/hold.sh
. tests/cluster/on_slurm.sh

on_slurm_start 4

# ---- a launch is checked in advance
check "srun --mpi=pmix gives a launch that info --mpi finds good" \
    srun --mpi=pmix -N2 --ntasks-per-node=2 "$program" info --mpi
check "... over hosts" said "^  one of each host +right: 2 ranks"
for kind in none pmi2; do
    check_fails 3 "srun --mpi=$kind is refused" srun --mpi=$kind -N2 --ntasks-per-node=1 "$program" info --mpi
    check "... with the remedy" said "use srun --mpi=pmix"
done

# ---- the scripts
submit sweep.sbatch -N1 --ntasks-per-node=2 -- a.sweep a.h5 "$program"
check "a sweep with a task for each GPU is completed" ended_as COMPLETED
check "... with every point" is_whole a.h5 a.sweep
check "... by both tasks" eval '[[ " $(column a.h5 rank) " == *" 0 "* && " $(column a.h5 rank) " == *" 1 "* ]]'
check "... and its table is in the job's output" grep -q "^standard .* VALID" "$job.out"

submit array.sbatch --array=1-3 -- a.sweep b.h5 "$program"
array=$job
submit report.sbatch --dependency=afterany:"$array" -- b.h5 "$program"
check "the report after a job array is completed" ended_as COMPLETED
check "... with every point of the array in one file" is_whole b.h5 a.sweep
check "... from one file of each element" eval 'shares=(b.[0-9].h5); ((${#shares[@]} == 3))'
check "... and prints the table" grep -q "^standard .* VALID" "$job.out"

if "$program" plan --ranks-per-run 4 > /dev/null 2>&1; then
    submit group.sbatch -N2 --ntasks-per-node=2 -- group.sweep c.h5 "$program"
    check "a group of four ranks on two nodes is completed" ended_as COMPLETED
    check "... with every point" all_are c.h5 status ok
    check "... by four ranks" all_are c.h5 ranks_per_run 4
else
    skip "a group of four ranks on two nodes" "this build has no groups"
fi

# ---- a job that is to stop, and goes on.  What it measures then is held: it can neither be too early nor too late.
# at NAME RESULTS LENGTH: of pairs.sweep so many are measured, and the two of this length are in flight
at() { held 2 "--seq-len=$3" && (($(runs "$1" | wc -l) == $2)); }

hold --seq-len=32 --seq-len=16
submit preemptible.sbatch -N1 --ntasks-per-node=2 -- pairs.sweep d.h5 "$program"
check "a preemptible job is at its second pair" eventually at d 2 32
remember d
scancel --batch --signal=USR1 "$job" # what --signal=B:USR1@120 sends before the time limit
check "... and when its time limit is near it queues itself again" eventually is_restarted 1
release --seq-len=32
check "... and goes on" eventually at d 4 16
remember d
sbatch --partition=urgent --nodes=4 --ntasks-per-node=4 --output=urgent.out --wrap true > urgent
check "... and again when it is preempted" eventually is_restarted 2
release --seq-len=16
check "... until it is completed" ended_as COMPLETED
check "... with every point" is_whole d.h5 pairs.sweep
check "... and nothing measured is lost or measured again" is_remembered d
check "... and begun again is what was in flight: two tasks, twice" eval '(($(begun_again d.h5) == 4))'

hold --seq-len=32
submit preemptible.sbatch -N1 --ntasks-per-node=2 -- pairs.sweep e.h5 "$program"
check "a preemptible job is at its second pair" eventually at e 2 32
first=$job
submit sweep.sbatch -N1 --ntasks-per-node=1 -- pairs.sweep e.h5 "$program"
check "... while a second that would go on with its file fails" ended_as FAILED
check "... and says why" grep -q "error: .*e.journal is being written by .*: wait for it, or take another" "$job.out"
job=$first
remember e
scancel "$job"
check "... and when it is cancelled it does not come back" ended_as CANCELLED
check "... and what was measured is in its file" is_remembered e
release --seq-len=32
submit sweep.sbatch -N1 --ntasks-per-node=2 -- pairs.sweep e.h5 "$program"
check "... and is not measured again when a job goes on with it" ended_as COMPLETED
check "... to every point" eval 'is_whole e.h5 pairs.sweep && is_remembered e && (($(begun_again e.h5) == 2))'

# ---- memory
if [[ $SLURM_TEST_MEMORY == 1 ]]; then
    hold --batch-size=1
    submit preemptible.sbatch -N1 --ntasks-per-node=2 --mem=400M -- large.sweep g.h5 "$program"
    check "a job one run of which needs more memory than it has measures others" eventually has_results g 2
    remember g
    scancel --batch --signal=USR1 "$job"
    check "... and queues itself again when its time limit is near" eventually is_restarted 1
    check "... though for Slurm it is the job that ran out of memory" grep -q "^srun: .* Out Of Memory" "$job.out"
    release --batch-size=1
    check "... until it is completed" ended_as COMPLETED
    check "... with every point" eval 'column_is g.h5 status "oom_host ok ok" && is_remembered g'
    check "... and it was the run that was killed" grep -q "oom_host: killed by SIGKILL in " "$job.out"
else
    skip "a job that runs out of memory" "memory cgroups of version 1 cannot be written here"
fi

# ---- a node that dies
if [[ $SLURM_TEST_MODE == namespaces ]]; then
    hold --seq-len=32
    submit sweep.sbatch -N2 --ntasks-per-node=1 --no-requeue -- pairs.sweep h.h5 "$program"
    check "a job on two nodes is at its second pair" eventually at h 2 32
    remember h
    lose_node "$(second_node)"
    check "... and when its second node dies it ends" ended_as NODE_FAIL
    release --seq-len=32
    submit sweep.sbatch -N2 --ntasks-per-node=1 -- pairs.sweep h.h5 "$program"
    check "... and another job goes on with it elsewhere" ended_as COMPLETED
    check "... to every point" is_whole h.h5 pairs.sweep
    check "... having lost and repeated nothing" eval 'is_remembered h && (($(begun_again h.h5) == 2))'

    hold --seed=2
    queue -N3 --ntasks-per-node=1 --no-kill --wrap "'$program' launch seeds.sweep -o i.h5 --retries 1 \
        --launcher 'srun -K1 --mpi=pmix --ntasks=2 --nodes=2 --exact'"
    check "a job that launches its runs one by one is at its second" eventually held 1 --seed=2
    lose_node "$(second_node)"
    check "... and begins it again when a node dies" eventually grep -q "run 1 .*; trying again, 1 of 1" "$job.out"
    release --seed=2
    check "... and goes on with the nodes that are left" ended_as COMPLETED
    check "... to every point" is_whole i.h5 seeds.sweep
    check "... the second at its second try" column_is i.h5 attempt "1 2 1"
else
    skip "a node that dies" "without namespaces nodes cannot die"
fi

plan_done
