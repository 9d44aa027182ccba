# shellcheck shell=bash
# environment.sh - what the demo and the tests run in: mpirun on any machine, also as root in a container with one
# core, and threads that wait asleep, so that ranks and neighbours on the same cores are not held up.
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none # containers forbid it, and Open MPI complains on every run
export OMP_WAIT_POLICY=passive
if ((EUID == 0)); then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
