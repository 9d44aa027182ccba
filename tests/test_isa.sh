#!/bin/bash
# One program for all x86-64 processors: it starts on old ones, its kernels use what newer ones have, and numbers are as
# right.  Old processors are qemu's.  What it would start runs on the real processor, so nothing is measured here.
. "$(dirname "$0")/lib.sh"

[[ $(uname -m) == x86_64 ]] || skip_all "this is not an x86-64 processor"
grep -q __asan_init "$BUILD/dpsweep" && skip_all "a sanitizer starts too late for a choice of kernels"
dpsweep info | grep -q '^ *compiler .*clang' && skip_all "clang's kernels are for AVX2 alone"
command -v qemu-x86_64 > /dev/null || skip_all "qemu-user is not installed"
export OMP_NUM_THREADS=1

# on PROCESSOR program arguments...
on() { qemu-x86_64 -cpu "$1" "${@:2}" 2> >(grep -v "TCG doesn't support requested feature" >&2); }

# The processor here: its flags are all that level 4 adds to level 3.
here=3
for flag in avx512f avx512bw avx512cd avx512dq avx512vl; do
    grep -qw $flag /proc/cpuinfo || break
    [[ $flag != avx512vl ]] || here=4
done
check "here kernels are those for x86-64-v$here" dpsweep info
check "... as info says" said "kernels for x86-64-v$here"

# all but sums along a row, whose order depends on the width of a vector
exact() { grep ' = ' "$1"; }
bits_on() { on "$1" "$TMPDIR/cpu/kernel_bits" > "$TMPDIR/bits"; }
same_bits() { diff <(exact "$TMPDIR/bits") <(exact tests/golden/kernel_bits.txt); }
check "the kernels link to a program that prints their bits" \
    make -s -f tests/emu/Makefile BUILD="$BUILD" OUT="$TMPDIR" ARCH= "$TMPDIR/cpu/kernel_bits"
while read -r processor kernels; do
    check "the program starts on a $processor" on $processor "$BUILD/dpsweep" info
    check "... with kernels for $kernels" said "kernels for $kernels"
    for file in postln_one_sample gpt2_odd_sizes; do
        check "... and every trainer agrees with $file.h5" \
            on $processor "$BUILD/dpsweep" check --golden tests/golden/$file.h5
    done
    check "... and its kernels run by themselves" bits_on $processor
    check "... with the same bits but in sums" same_bits
done << END
qemu64 any x86-64
Nehalem any x86-64
Haswell x86-64-v3
END

plan_done
