#!/bin/bash
# docs/adding-a-trainer.md, followed to the letter in a copy of the tree: its file, its commands, its mistakes.
. "$(dirname "$0")/lib.sh"

page=$ROOT/docs/adding-a-trainer.md
copy=$TMPDIR/tree
file=src/trainers/trainer_twopass.c
built=build/${DEVICE:-cpu}

# block LANGUAGE NUMBER: the lines of a fenced block of the page
block() {
    awk -v fence="\`\`\`$1" -v number="$2" '
        inside && /^```/ { inside = 0; next }
        /^```/           { inside = 1; wanted = $0 == fence && ++n == number; next }
        inside && wanted' "$page"
}

# type_in NUMBER: the commands of a block, in the copy; the code of the first that fails
type_in() { (cd "$copy" && env -u MAKEFLAGS -u MAKELEVEL bash -ec "$(block sh "$1")"); }

# The sources, and the objects of the usual build with their times, so that make compiles only what is new.
copy_tree() {
    mkdir -p "$copy/tests" "$copy/$built"
    cp -a Makefile src kernels mpi "$copy" && cp -a tests/golden "$copy/tests" || return
    [[ ! -d $built ]] || (cd "$built" && cp -a --parents command libraries src kernels mpi "$copy/$built") 2> /dev/null
    true
}

write_file() { block c 1 > "$copy/$file"; }

# spoil NUMBER: the file with the change of a diff block, whose line must be there
spoil() {
    local from to text
    from=$(block diff "$1" | sed -n 's/^-//p') to=$(block diff "$1" | sed -n 's/^+//p')
    write_file
    text=$(< "$copy/$file")
    [[ -n $from && $text == *"$from"* ]] && printf '%s\n' "${text/"$from"/"$to"}" > "$copy/$file"
}

# Of the sources; one line for a new or changed file, then the changed lines.
differences() {
    (cd "$copy" && diff -rq "$ROOT/src" src | sed "s#$ROOT/##")
    diff src/trainers/trainer.c "$copy/src/trainers/trainer.c" | grep -c '^>'
}
touches_only_a_file_and_a_line() {
    diff - <(differences) << END
Files src/trainers/trainer.c and src/trainers/trainer.c differ
Only in src/trainers: trainer_twopass.c
1
END
}

# said_lines NUMBER PATTERN: so many lines of what the last command said match
said_lines() { (($(grep -cE -- "$2" "$output") == $1)); }

# said_peak_of_page TRAINER: the page has what plan said, in whole MiB
said_peak_of_page() { grep -q " $(awk -v of="$1" '$2 == of { printf "%.0f", $8 }' "$output") MiB" "$page"; }

# said_peaks_rise TRAINER TRAINER: the first needs less memory, says plan
said_peaks_rise() {
    awk -v lean="$1" -v fat="$2" '{ peak[$2] = $8 } END { exit !(0 < peak[lean] && peak[lean] < peak[fat]) }' "$output"
}

check "the tree is copied" copy_tree
write_file
check "the file and its word build" type_in 1
check "... nothing else was touched" touches_only_a_file_and_a_line
check "help names it" "$copy/build/dpsweep" run --help
check "... with its summary" said '^  twopass +one sample at a time'

check "both golden files say that every trainer is right" type_in 2
for clipping in flat automatic per_layer; do
    check "... twopass $clipping is among them, twice" said_lines 2 "^twopass +$clipping .* VALID"
done
check "its runs end well" type_in 3
check "... all three VALID" said_lines 3 '^twopass .* VALID +ok'
check "plan knows it" type_in 4
check "... its peak is below that of microbatch" said_peaks_rise twopass microbatch
check "... and stands on the page" said_peak_of_page twopass
check "... beside that of microbatch" said_peak_of_page microbatch

for mistake in 1 2 3; do
    check "mistake $mistake is a change of the file" spoil $mistake
    check_fails 1 "... it builds, and the run fails" type_in 5
    check "... as INVALID" said 'invalid: the clipped gradient of wte.weight differs from the sample-by-sample one'
done
check "mistake 4 is a change of the file" spoil 4
check "... unnoticed without a tied head" type_in 5
check_fails 1 "... found with one" "$copy/build/dpsweep" check --golden tests/golden/gpt2.h5
check "... in the norms" said '^twopass +flat .* INVALID'

plan_done
