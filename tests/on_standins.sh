# shellcheck shell=bash
# on_standins.sh - for scripts that have sourced lib.sh and run the CUDA build on the stand-ins: builds both, or leaves
# out the suite.  GPU_GOAL is what is made of the CUDA build, the program unless said.
PYTHON=${PYTHON:-/usr/bin/python3}
nvcc=${CUDA_HOME:+$CUDA_HOME/bin/}nvcc
command -v "$nvcc" > /dev/null || [[ -x ${nvcc:=/usr/local/cuda/bin/nvcc} ]] ||
    skip_all "nvcc is not installed: the CUDA build is not tested (docs/building.md, CUDA)"
command -v g++ > /dev/null || skip_all "g++ is not installed, and the emulator is C++"

build() { env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u DEVICE make --no-print-directory -j2 "$@"; }
cuda=$ROOT/build/cuda/dpsweep
standins=$BUILD/standin
unset "${!CUDA_STANDIN_@}" "${!EMU_@}" CUDA_VISIBLE_DEVICES DPSWEEP_STRICT DPSWEEP_GPU LD_LIBRARY_PATH

# on [VARIABLE=value...] arguments...: the program on the stand-ins
on() {
    local variables=()
    while [[ $1 =~ ^[A-Z0-9_]+= ]]; do variables+=("$1") && shift; done
    env LD_LIBRARY_PATH="$standins" "${variables[@]}" "$cuda" "$@"
}
ranks_on() { # the same, as many ranks as $1 says
    local ranks=$1 variables=()
    shift
    while [[ $1 =~ ^[A-Z0-9_]+= ]]; do variables+=("$1") && shift; done
    env LD_LIBRARY_PATH="$standins" "${variables[@]}" mpirun -n "$ranks" "$cuda" "$@"
}
check "make DEVICE=cuda builds" build DEVICE=cuda "${GPU_GOAL:-build/cuda/dpsweep}"
check "the stand-ins build" build -C tests/standin OUT="$standins"
((tests_failed == 0)) || plan_done
