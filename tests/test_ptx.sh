#!/bin/bash
# What nvcc makes of the kernels, compiled by the command of the CUDA build: arithmetic that rounds as IEEE says,
# registers, memory.  No GPU is needed.
#
# Environment: ARCHS="80 90 100" checks these; 90 if not set.  CUOBJDUMP: reads machine code; if there is none, Python's
# package of it is installed for this run, and if that cannot be had, machine code is not looked at.
. "$(dirname "$0")/lib.sh"

nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
[[ -x $nvcc ]] || skip_all "nvcc is not installed: what it makes of the kernels is not checked"

# A multiprocessor holds 2048 threads, 65536 registers and, on sm_80, 164 KiB of shared memory.  So 64 registers leave
# room for half of the threads, and 16 KiB do not keep away a block of 256 threads.
MAX_REGISTERS=64
MAX_SHARED=$((16 * 1024))

# command ARCH: as the CUDA build compiles a kernel
command_for() {
    env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory DEVICE=cuda NVCC="$nvcc" CUDA_ARCHS="$1" \
        BUILD="$TMPDIR/$1" "$TMPDIR/$1/kernel_command" && cat "$TMPDIR/$1/kernel_command"
}

# targets NVCC: for what that compiler makes code unless told, PTX last
targets() {
    local build=$TMPDIR/${1//\//_}
    env -u MAKEFLAGS -u MAKELEVEL -u CUDA_ARCHS make --no-print-directory DEVICE=cuda NVCC="$1" BUILD="$build" \
        "$build/kernel_command" > "$TMPDIR/made" || { cat "$TMPDIR/made" && return 1; }
    grep -oE 'code=(sm|compute)_[0-9]+' "$build/kernel_command" | cut -d= -f2 | xargs
}

# compile FOLDER COMMAND FILE.cu...: leaves FILE.ptx and FILE.log, what the assembler says, in FOLDER
compile_one() {
    local folder=$1 command=$2 file=$3 name
    name=$(basename "$file" .cu)
    $command -MF /dev/null -I"$ROOT/kernels" -Xptxas -v --keep --keep-dir "$folder" -c -o "$folder/$name.o" "$file" \
        > "$folder/$name.log" 2>&1 && return
    cat "$folder/$name.log"
    return 1
}
export ROOT && export -f compile_one
compile() {
    mkdir -p "$1"
    printf '%s\0' "${@:3}" | xargs -0 -P 2 -I{} bash -c 'compile_one "$@"' _ "$1" "$2" {}
}

# ---- readings -------------------------------------------------------------------------------------------------------

# resources FOLDER: kernel, registers, stack bytes, spilled bytes, shared bytes of each
resources() {
    awk '
        function of(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART) + 0 : 0 }
        /Compiling entry function/ {
            match($0, /_Z[0-9]+/)
            kernel = substr($0, RSTART + RLENGTH, substr($0, RSTART + 2) + 0)
        }
        /bytes stack frame/ { stack = of("bytes stack"); spill = of("bytes spill stores") + of("bytes spill loads") }
        /Used [0-9]+ registers/ { print kernel, of("registers"), stack, spill, of("bytes smem") }
    ' "$1"/*.log
}

# instructions FOLDER: the different ones in its PTX, with their types
instructions() { sed -nE 's/^\s+(@!?%p[0-9]+\s+)?([a-z][a-z0-9_.]*)\s.*/\2/p' "$1"/*.ptx | sort -u; }

# ---- gates: each prints what it refuses -----------------------------------------------------------------------------
nothing() { ! grep .; }
no_stack_and_no_spills() { resources "$1" | awk '$3 + $4 > 0' | nothing; }
few_registers() { resources "$1" | awk -v most=$MAX_REGISTERS '$2 > most' | nothing; }
shared_memory_fits() { resources "$1" | awk -v most=$MAX_SHARED '$5 > most' | nothing; }
every_kernel_is_there() {
    sed -nE 's/^__global__ void (\w+)\(.*/\1/p' kernels/*.cu | sort | diff - <(resources "$1" | cut -d' ' -f1 | sort)
}
# Arithmetic on floats is rounded to nearest and is not approximate; nothing flushes small numbers to zero.
floats_round_as_ieee() {
    instructions "$1" | grep -E '\.f(16|32|64)' |
        grep -vE '^(add|sub|mul|fma|div|rcp|sqrt)\.rn\.f32$' |
        grep -vE '^(ld|st|mov|selp|neg|abs|min|max|setp\.[a-z]+)(\.(global|shared|param|nc|v2|v4))*\.f32$' |
        grep -vE '^cvt\.(rn\.f32\.[su](32|64)|rzi\.[su](32|64)\.f32)$' | nothing
}
no_double_precision() { instructions "$1" | grep '\.f64' | nothing; }
no_atomics() { instructions "$1" | grep -E '^(atom|red)\b' | nothing; }
no_local_memory() { grep -E '\.local\b' "$1"/*.ptx | nothing; }
no_calls() { instructions "$1" | grep -E '^call' | nothing; }

# ---- machine code, which the assembler makes of PTX
find_cuobjdump() {
    local packages=(nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm)
    cuobjdump=${CUOBJDUMP:-$(command -v cuobjdump || echo "${nvcc%/*}/cuobjdump")}
    [[ ! -x $cuobjdump ]] || return 0
    python3 -m venv "$TMPDIR/venv" && timeout 60 "$TMPDIR/venv/bin/pip" install -q "${packages[@]}" || return
    cuobjdump=$(find "$TMPDIR/venv" -name cuobjdump -type f | head -n 1)
    [[ -x $cuobjdump ]] && PATH+=:${cuobjdump%/*}
}
machine_code() {
    local object
    for object in "$1"/*.o; do "$cuobjdump" -sass "$object" || return; done > "$1/sass" 2>&1
}
no_local_loads_or_stores() { ! grep -E '\b(LDL|STL)\b' "$1/sass"; }
every_kernel_is_in_it() { (($(grep -c 'Function : ' "$1/sass") == $(cat kernels/*.cu | grep -c '^__global__'))); }

gates=(no_stack_and_no_spills few_registers shared_memory_fits floats_round_as_ieee no_double_precision no_atomics
    no_local_memory no_calls)

find_cuobjdump > /dev/null 2>&1 || cuobjdump=
for arch in ${ARCHS:-90}; do
    command=$(command_for "$arch")
    check "sm_$arch: the kernels build" compile "$TMPDIR/$arch/out" "$command" kernels/*.cu
    ((tests_failed == 0)) || plan_done
    check "sm_$arch: every kernel is there" every_kernel_is_there "$TMPDIR/$arch/out"
    for gate in "${gates[@]}"; do
        check "sm_$arch: ${gate//_/ }" "$gate" "$TMPDIR/$arch/out"
    done
    if [[ -n $cuobjdump ]]; then
        check "sm_$arch: machine code is read" machine_code "$TMPDIR/$arch/out"
        check "sm_$arch: ... of every kernel" every_kernel_is_in_it "$TMPDIR/$arch/out"
        check "sm_$arch: ... which loads and stores nothing local" no_local_loads_or_stores "$TMPDIR/$arch/out"
        echo "# loads of 128 bits: $(grep -cE '\bLDG\.E\.128' "$TMPDIR/$arch/out/sass")"
    else
        skip "sm_$arch: machine code loads and stores nothing local" "there is no cuobjdump, nor a package of it"
    fi
    echo "# kernel registers stack_bytes spilled_bytes shared_bytes"
    resources "$TMPDIR/$arch/out" | sed 's/^/# /'
done

# ---- GPUs: what no nvcc before CUDA 12.8 knows is left out; the driver of each can compile the PTX
printf '#!/bin/bash\n[[ $1 == --list-gpu-code ]] || exec %q "$@"\nprintf "sm_%%s\\n" 75 80 86 90 90a\n' "$nvcc" \
    > "$TMPDIR/older"
chmod +x "$TMPDIR/older"
check "machine code is made for several GPUs, PTX for the oldest" \
    eval '[[ $(targets "$nvcc") =~ ^sm_80\ sm_90.*\ compute_80$ ]]'
check "an older nvcc is asked for what it knows" eval '[[ $(targets "$TMPDIR/older") == "sm_80 sm_90 compute_80" ]]'

# ---- each gate is able to refuse ------------------------------------------------------------------------------------
check "a build that contracts to fma compiles" compile "$TMPDIR/fma" "${command/-fmad=false/}" kernels/layernorm.cu
check_fails 1 "... and is refused: floats round as ieee" floats_round_as_ieee "$TMPDIR/fma"

cat > "$TMPDIR/bad.cu" << 'END'
#include "grid.h"
static __device__ __noinline__ float half_of(float x) { return 0.5f * x; }
__global__ void bad(float *x, int *count, const int *at, int n)
{
    __shared__ float tile[8192];
    float kept[64], sum = 0.0f;
    for (int i = 0; i < 64; i++) kept[i] = x[i * n];
    BLOCK_LOOP(i, n) tile[i] = half_of(kept[at[i] & 63]);
    __syncthreads();
    BLOCK_LOOP(i, n) sum += expf(tile[n - i]) * (float)sqrt((double)tile[i]);
    atomicAdd(count, (int)sum);
}
/* Many values that live at the same time. */
__global__ void greedy(float *x, int n)
{
    float v[96];
#pragma unroll
    for (int i = 0; i < 96; i++) v[i] = x[i];
    for (int k = 0; k < n; k++) {
#pragma unroll
        for (int i = 0; i < 96; i++) v[i] = v[i] * v[(i + 1) % 96] + v[(i + 7) % 96];
    }
#pragma unroll
    for (int i = 0; i < 96; i++) x[i] = v[i];
}
END
check "bad kernels build" compile "$TMPDIR/bad" "$command" "$TMPDIR/bad.cu"
for gate in "${gates[@]}"; do
    check_fails 1 "a bad kernel is refused: ${gate//_/ }" "$gate" "$TMPDIR/bad"
done
if [[ -n $cuobjdump ]]; then
    check "its machine code is read" machine_code "$TMPDIR/bad"
    check_fails 1 "... and refused: no local loads or stores" no_local_loads_or_stores "$TMPDIR/bad"
fi

plan_done
