#!/bin/bash
# The rules of the tree: which folder may include which, where libraries are named, sizes and names of files.
. "$(dirname "$0")/lib.sh"

sources=$(find src mpi kernels -name '*.[ch]' -o -name '*.cu')
written=$(find Makefile README.md CHANGELOG.md CONTRIBUTING.md .ci docs jobs kernels mpi results src tests -type f \
    ! -name '*.h5' ! -name '*.png' ! -path '*/__pycache__/*')

nothing() { ! grep .; }

# nowhere PATTERN FILES...: no line of them matches
nowhere() { grep -nE -- "$@" | nothing; }

# only_in FILES PATTERN: no source but FILES (a regular expression of paths) has the pattern
only_in() { nowhere "$2" $(grep -vE "$1" <<< "$sources"); }

# includes_only FILES ALLOWED: their quoted includes lead to their own folder or to what ALLOWED matches
includes_only() {
    local file path
    for file in $(grep -E "^$1" <<< "$sources"); do
        while read -r path; do
            path=$(realpath -m --relative-to=. "$(dirname "$file")/$path")
            [[ $(dirname "$path") == "$(dirname "$file")" || $path =~ ^($2) ]] || echo "$file includes $path"
        done < <(sed -n 's/^ *#include "\(.*\)".*/\1/p' "$file")
    done > "$TMPDIR/wrong"
    cat "$TMPDIR/wrong"
    [[ ! -s $TMPDIR/wrong ]]
}

# compiles_alone HEADER: with the flags of the build, without a warning
compiles_alone() {
    eval "$(< "$BUILD/command")" -Werror -MF /dev/null -fsyntax-only -x c - <<< "#include \"$ROOT/$1\""
}

nothing_longer_than() {
    local file lines
    for file in "${@:2}"; do
        lines=$(wc -l < "$file")
        ((lines <= $1)) || echo "$file has $lines lines"
    done | nothing
}

unique_names() { printf '%s\n' "${@##*/}" | sort | uniq -d | nothing; }

check "CUDA is named at its three doors only" only_in '^(src/device/device_cuda.c|mpi/group_nccl.c|kernels/grid.h)$' \
    '#include *<(cuda|cublas|nccl)|\b(cuda|cublas|nccl)[A-Z]\w*\('
check "oneDNN is named in device_cpu.c only" only_in '^src/device/device_cpu.c$' \
    '#include *[<"](oneapi/)?dnnl|\bdnnl_\w+\('
check "MPI is named in mpi/ only" only_in '^mpi/' \
    '#include *<mpi|\bMPI_[A-Z][a-z]\w*'
check "HDF5 is named in src/records/store*.c only" only_in '^src/records/store[a-z0-9_]*\.[ch]$' \
    '#include *<hdf5|\bH5[A-Z]+[a-z]\w*\('

# base <- device <- kernels <- layers <- model <- trainers <- bench <- main; privacy sits on kernels; records on base
# and on the lists of fields; mpi on base, device, records.  kernels.h is plain C, and device.h shows it to those above.
check "base includes only itself"           includes_only src/base/     'none'
check "kernels include only themselves"     includes_only kernels/      'none'
check "device includes what is below it"    includes_only src/device/   'src/base/|kernels/kernel(s|_bytes).h'
check "layers include what is below them"   includes_only src/layers/   'src/(base|device)/'
check "privacy includes no layers or ranks" includes_only src/privacy/  'src/(base|device)/|kernels/kernels.h'
check "model includes what is below it"     includes_only src/model/    'src/(base|device|layers)/'
check "trainers include no ranks or files"  \
    includes_only src/trainers/ 'src/(base|device|layers|model|privacy)/|mpi/group.h'
check "an algorithm sees model and vectors" \
    includes_only src/trainers/trainer_ 'src/(base|layers|model|privacy)/|src/device/(ledger|timer).h'
check "records include no measurement"      includes_only src/records/  'src/(base|device)/|src/bench/config.h'
check "mpi includes base, device, records"  includes_only mpi/          'src/(base|device|records)/|src/bench/config.h'

for header in $(find src mpi kernels -name '*.h' | sort); do
    check "$header compiles alone" compiles_alone "$header"
done

# `make mutate` takes too long for every day, but it must find what it changes
bugs_have_their_text() {
    "${PYTHON:-/usr/bin/python3}" -B - << 'END'
import runpy, sys
emulator = runpy.run_path("tests/emu/mutations.py")["MUTATIONS"]
gate = runpy.run_path("tests/gate/mutate")["MUTATIONS"]
standins = runpy.run_path("tests/standin/mutate")["MUTATIONS"]
texts = [(m.name, "kernels/" + m.file, m.old) for m in emulator] + [m[:3] for m in gate + standins]
lost = [(name, path) for name, path, text in texts if text not in open(path).read()]
print(len(texts), "bugs;", "without their text:", lost)
sys.exit(bool(lost) or not emulator or not gate or not standins)
END
}
check "every bug that make mutate seeds has the text that it changes" bugs_have_their_text

check "source file names are unique" unique_names $sources tests/*.[ch]
check "no source file is longer than 500 lines" nothing_longer_than 500 $sources tests/*.c
check "no source line is wider than 120 columns" nowhere '^.{121}' $sources tests/*.[ch] tests/*.sh .ci/* Makefile
check "no tabs in sources, no spaces at line ends" nowhere '	| +$' $sources tests/*.[ch]
check "no file names a path of somebody's machine" nowhere '(^|[^a-z.])/(work|home|root)/' $written
check "variables are not shared between files" nowhere '^extern ([^"c]|c[^o])' $(grep '\.h$' <<< "$sources")

plan_done
