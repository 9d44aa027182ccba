#!/bin/bash
# The kernels as a GPU would run them, on an emulator of thread blocks: docs/cuda.md says what that shows.
#
# Environment: EMU_VARIANTS="plain checker asan" builds and checks only these; FAIL_FAST=1 stops at the first failure.
. "$(dirname "$0")/lib.sh"

command -v "${CXX:-g++}" > /dev/null || skip_all "${CXX:-g++} is not installed, and the emulator is C++"

variants=${EMU_VARIANTS:-plain checker asan}
first=${variants%% *}
out=$BUILD/emu
export ASAN_OPTIONS=detect_leaks=0 # kernels allocate nothing; kernel_bits leaves its arrays to the system

build() { env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -j2 "$@"; }
try() { # as check, and stops at a failure if that is wanted
    check "$@"
    [[ -z ${FAIL_FAST:-} || $tests_failed == 0 ]] || plan_done
}
has() { [[ " $variants " == *" $1 "* ]]; }

# bits VARIANT FILE [VARIABLE=value...]: what kernel_bits prints
bits() { env "${@:3}" "$out/$1/kernel_bits" > "$2"; }
# in every order, with few blocks and with all
same_bits() {
    local blocks order seed=0
    for blocks in 1 3 1000000; do
        for order in inorder reverse random random; do
            seed=$((seed + 1))
            bits "$1" "$TMPDIR/now" EMU_SCHED=$order EMU_SEED=$seed EMU_GRID=$blocks &&
                diff "$TMPDIR/bits.$1" "$TMPDIR/now" && continue
            echo "EMU_SCHED=$order EMU_SEED=$seed EMU_GRID=$blocks"
            return 1
        done
    done
}

# Names in file $1, one a line, that are not words of file $2.
missing() { ! grep -vxFf <(grep -oE '\w+' "$2") "$1"; }
kernel_names() { sed -nE 's/^__global__ void (\w+)\(.*/\1/p' kernels/*.cu; }
launcher_names() { sed -nE 's/^(int|void) k_(\w+)\(.*/\2/p' kernels/kernels.h; }

try "the kernels build for the emulator: $variants" build -f tests/emu/Makefile BUILD="$BUILD" VARIANTS="$variants"
((tests_failed == 0)) || plan_done

# ---- the same bits, whatever the order and the number of blocks -----------------------------------------------------
for variant in $variants; do
    try "$variant: every launcher runs" bits "$variant" "$TMPDIR/bits.$variant"
    try "$variant: the same bits in any order, with 1, 3 or all blocks" same_bits "$variant"
    [[ $variant == "$first" ]] ||
        try "$variant: the same bits as $first" cmp "$TMPDIR/bits.$first" "$TMPDIR/bits.$variant"
done
launcher_names > "$TMPDIR/launchers"
try "no launcher was left out" missing "$TMPDIR/launchers" "$TMPDIR/bits.$first"

# ---- the right values, by the suites of the CPU build ---------------------------------------------------------------
# suites VARIANT [VARIABLE=value...]
suites() {
    for suite in test_kernels test_random test_layer_kernels; do
        try "$1: $suite passes${2:+ with ${*:2}}" env "${@:2}" "$out/$1/$suite"
    done
}
if has plain; then
    suites plain
    suites plain EMU_SCHED=random EMU_GRID=3
    try "plain: indices beyond 2^31 are right" "$out/plain/test_far_indices"
fi
if has checker; then
    suites checker EMU_SCHED=random EMU_GRID=3
    suites checker
fi
if has asan; then suites asan EMU_SCHED=reverse; fi

# ---- how warps use memory -------------------------------------------------------------------------------------------
if has checker; then
    kernel_names > "$TMPDIR/kernels"
    try "the checker sees every warp's requests" bits checker "$TMPDIR/now" EMU_REPORT="$TMPDIR/requests"
    try "no kernel was left out" missing "$TMPDIR/kernels" "$TMPDIR/requests"
    try "memory is used well, but for what requests_gate names" tests/emu/requests_gate "$TMPDIR/requests"
fi

[[ -z ${EMU_VARIANTS:-} ]] || plan_done

check "the bits are those of tests/golden/kernel_bits.txt, which a GPU is held against" \
    diff tests/golden/kernel_bits.txt "$TMPDIR/bits.plain"

# ---- the CPU build --------------------------------------------------------------------------------------------------
exact() { grep ' = ' "$1"; }
cpu_bits() { "$out/cpu/kernel_bits" > "$TMPDIR/bits.cpu"; }
check "the CPU's kernels link to the same program" build -f tests/emu/Makefile BUILD="$BUILD" "$out/cpu/kernel_bits"
check "... which runs" cpu_bits
check "kernels without sums along a row give the CPU the same bits" \
    diff <(exact "$TMPDIR/bits.cpu") <(exact "$TMPDIR/bits.plain")

# ---- each of these suites is able to fail ---------------------------------------------------------------------------
for bug in plain checker asan requests; do
    check "a seeded bug is noticed: $bug" tests/emu/mutate "$bug"
done

plan_done
