#!/bin/bash
# The command line: help suffices, bad input of every kind is one line that names the valid values, exit code 2.
. "$(dirname "$0")/lib.sh"
PYTHON=${PYTHON:-/usr/bin/python3}

# refused "text" "pattern" arguments...: exit code 2 and one line, which matches the pattern
refused() {
    local text=$1 pattern=$2
    shift 2
    check_fails 2 "$text is refused" dpsweep "$@"
    check "... in one line: $pattern" eval 'said_one_line && said "$pattern"'
}

sweep_file() { printf '%s\n' "$@" > "$TMPDIR/a.sweep"; }

# ---- help ------------------------------------------------------------------------------------------------------------

commands="run sweep launch plan tune check report merge rebuild validate compare export accountant info"
check "the program explains itself" dpsweep --help
for command in $commands; do
    check "... with $command in it" said "^  $command "
done
check "... and no hidden command" eval '! said worker'
for command in $commands; do
    check "$command --help" dpsweep $command --help
    check "... shows the usage" said "usage: dpsweep $command"
done
all_help() { for command in $commands; do dpsweep "$command" --help; done; }
fits_a_terminal() { all_help | awk 'length > 100 { exit 1 }'; }
shows_what_works() {
    local example n=0
    while read -r example; do
        eval "$example --help" > /dev/null && n=$((n + 1)) || return
    done < <(all_help | sed -n 's/^  e\.g\. .*\(dpsweep [a-z]* \)/\1/p')
    ((n >= 8))
}
check "help fits into 100 columns" fits_a_terminal
check "its examples have options that exist" shows_what_works
check "run --help" dpsweep run --help
for words in '--trainer NAME' 'standard, dpsgd, ' 'default: microbatch' '--batch-size N' '1 to 65536' \
    'tiny, small, medium, 1b' '^Privacy' '--noise-multiplier' 'broken-noclip' 'Exit codes'; do
    check "... says $words" said "$words"
done
check "sweep --help" dpsweep sweep --help
check "... marks what takes a list" said '--trainer NAME,\.\.\.'
check "the version is printed" dpsweep --version
check "... with the device" said '^dpsweep [0-9.]+, device (cpu|cuda)$'
check "docs/options.md is what the program says" eval 'dpsweep info --options | diff - docs/options.md'

# ---- bad input -------------------------------------------------------------------------------------------------------

refused "no command"            "${commands// /, }"
refused "an unknown command"    "'swep' is not a command: choose one of run, sweep"      swep
refused "an unknown option"     'unknown option --trianer; did you mean --trainer\?'     run --trianer dpsgd
refused "a shortened option"    'did you mean --batch-size\?'                            run --batch 4
refused "an option of others"   '--timeout: it belongs to sweep, launch; .dpsweep run'   run --timeout 9
refused "a strange option"      "'dpsweep run --help' lists"                             run --qqq
refused "a word with one dash"  '-batch-size: letters have one dash, words have two: --batch-size' run -batch-size 4
refused "... whose letter is an option" 'words have two: --output' sweep -output=a.h5
refused "a strange letter"      'unknown option -z'                                      run -z
refused "a missing value"       '--seed: its value is missing'                           run --seed
refused "a value of a switch"   '--json=yes: takes no value'                             run --json=yes
refused "an option given twice" '--seed: given twice'                                    run --seed 1 --seed 2
refused "secure noise of another generator" 'is short for --noise-generator chacha20, and .* philox; leave one out' \
    run --secure-noise --noise-generator philox
refused "a stray word"          "'tiny': run takes options only"                         run tiny
refused "an unknown trainer"    "'foo' is not one of standard, dpsgd, "        run --trainer foo
refused "an unknown model"      "'huge' is not one of tiny, small, medium, 1b"           run --model huge
refused "a precision to come"   "'fp16' does not exist yet; there is: fp32, tf32, bf16"  run --precision fp16
refused "tf32 on a CPU"         'no processor multiplies in tf32: choose bf16 or fp32'   run --precision tf32
refused "a control in bf16"     'AVX512-BF16|broken-noclip; choose fp32'   run --precision bf16 --trainer broken-noclip
refused "an unknown optimizer"  "'lion' is not one of sgd, adamw"                        run --optimizer lion
refused "an unknown placement"  "'mean' is not one of sum, shares, sharded"              run --noise-placement mean
refused "a group of one rank"   '2: there is one rank; start more with mpirun -n 2'      run --ranks-per-run 2
refused "a group of one process" 'leave it out, and start 2 with mpirun -n 2' run --ranks-per-run 2 --no-isolate
refused "more in memory than a rank has" "than a rank's share of --batch-size 8 .* choose 0 to 4" \
    plan --batch-size 8 --ranks-per-run 2 --physical-batch-size 5
refused "too much dropout"      "'1.5' is not a possible number"                         run --dropout 1.5
refused "a hidden control"      'wrong with a tied head only; choose --model gpt2'       run --trainer broken-tied
refused "another device"        "--device: 'tpu' is not one of"                          run --device tpu
refused "a number with a tail"  "'4x' is not a possible whole number .1 to 65536"        run --batch-size 4x
refused "a negative number"     "'-4' is not a possible whole number"                    run --batch-size=-4
refused "a batch of none"       "'0' is not a possible whole number"                     run --batch-size 0
refused "not a number"          "'nan' is not a possible number"                         run --max-grad-norm nan
refused "an infinite number"    "'inf' is not a possible number"                         run --learning-rate inf
refused "a vocabulary of one"   'a single token.*choose 2 or more'                       run --vocab 1
refused "very many threads"     "'5000' is not a possible whole number .0 to"            run --threads 5000
refused "two formats"           'contradict each other'                                  report x.h5 --format csv --json
refused "two ends for a sweep"  'contradict each other'                                  sweep -o x.h5 --no-output
refused "a bad size"            'K, M, G, KiB, MiB, GiB'                                 run --memory-limit 3MB
refused "a bad time"            'seconds, or 90s, 15m, 2h'                               sweep --timeout 3d --no-output
refused "no time"               "'0s' is not a time above 0"              sweep --time-limit 0s --no-output
refused "no time to measure"    "'0' is not a time above 0"                              tune --time-limit 0
refused "a bad format"          'text, markdown, csv, json'                              report x.h5 --format pdf
refused "a bad order"           'longest, shortest, listed'                     sweep --order best --no-output
refused "a share of one shape"  'stays together, so this sweep has at most 1 share$'     plan --shard 1/2
refused "a share beyond all"    "'3/2' is not a share"                                   plan --shard 3/2
refused "a long sequence"       '--seq-len 512: model tiny has 256 positions.*--max-seq' run --seq-len 512
refused "a sequence of one"     "'1' is not a possible whole number .2 to"               run --seq-len 1
refused "heads that do not fit" '--dim 64 --heads 5: the width must be a multiple'       run --heads 5
refused "a split too large"     '--physical-batch-size 8: more than --batch-size 4'      run --physical-batch-size 8
refused "standard with clipping" 'trainer standard does not clip' run --trainer standard --clipping flat
refused "dpsgd without clipping" 'trainer dpsgd must clip; choose flat' run --trainer dpsgd --clipping none
refused "lists for run"         "these are 2; 'dpsweep sweep' takes them"                run --batch-size 2,4
refused "a comma in a number"   '--learning-rate 0,001: run measures one'   run --seed 3 --learning-rate 0,001
refused "an empty list item"    "--seq-len: '' is not"                                   plan --seq-len 64,,32
refused "a sweep to nowhere"    'say where the results go, -o FILE.h5'                   sweep
refused "both resume and overwrite" 'contradict' sweep -o x.h5 --resume --overwrite
refused "check without a file"  '--golden FILE.h5'                                       check
refused "report without a file" 'usage: dpsweep report|report takes one file'            report

# what the ranks of a launcher do not do together, one does
for words in "swep" "--mode=fast" "plan --trainer foo" "report $TMPDIR/none.h5"; do
    check_fails 2 "$words is refused under mpirun" mpirun_n 2 "$BUILD/dpsweep" $words
    check "... once" eval '(($(grep -c "error: " "$output") == 1))'
done
check "a plan under mpirun is printed" mpirun_n 2 "$BUILD/dpsweep" plan
check "... once" eval '(($(grep -c "^tiny" "$output") == 1))'

# ---- preflight -------------------------------------------------------------------------------------------------------

check "info --mpi checks a launch" mpirun_n 3 "$BUILD/dpsweep" info --mpi
check "... with each rank" said '^  2 +host .*, cores [0-9,-]+, GPUs '
check "... and sums that are right" said '^  all ranks +right: 3 ranks, '
check "... printed once" eval '(($(grep -c "^launch" "$output") == 1))'
check "... as JSON" eval 'mpirun_n 2 "$BUILD/dpsweep" info --mpi --json | $PYTHON -c "
import json, sys
assert json.load(sys.stdin)[\"launch\"][\"ranks\"] == 2"'
check "... and alone" dpsweep info --mpi
check "... where there is nothing to add" said '^  all ranks +nothing to add'
check_fails 3 "a program for CPUs lists no GPUs" dpsweep info --gpus
check "... and says how one does" said "built for CPUs: make DEVICE=cuda"
another_mpi() { PMI_RANK=$1 PMI_SIZE=2 PMI_FD=7 "$BUILD/dpsweep" info --mpi; }
no_pmix() { SLURM_PROCID=$1 SLURM_STEP_NUM_TASKS=2 "$BUILD/dpsweep" sweep --no-output; }
for launch in another_mpi no_pmix; do
    check_fails 3 "a launch with $launch is refused" $launch 0
    check "... with the remedy" said "use srun --mpi=pmix, or the mpirun of Open MPI"
    check "... in one line" said_one_line
    check_fails 3 "... by all tasks" $launch 1
    check "... in silence" test ! -s "$output"
done

# ---- data ------------------------------------------------------------------------------------------------------------

printf 'a line\n' > "$TMPDIR/one.txt"
printf 'no shard' > "$TMPDIR/bad.bin"
refused "unknown data"          'neither random, random:RECORDS, a text FILE.txt nor a token shard' run --data imdb
refused "a file that is not there" 'No such file'                                        run --data "$TMPDIR/none.bin"
refused "a text of bytes for few tokens" '--vocab 256 or more' run --data "$TMPDIR/one.txt" --vocab 99
refused "too few records"       'has 1 records, fewer than --batch-size 4'               run --data "$TMPDIR/one.txt"
refused "a broken shard"        'less than the header of a token shard'                  run --data "$TMPDIR/bad.bin"
mkdir "$TMPDIR/d.txt"
refused "a folder as data"      'is not an ordinary file|Is a directory' run --data "$TMPDIR/d.txt"

# ---- .sweep files ----------------------------------------------------------------------------------------------------

sweep_file 'model = tiny' 'trainer = standard, foo'
refused "a bad word in a file"  "a.sweep:2: --trainer: 'foo' is not one of"              plan "$TMPDIR/a.sweep"
sweep_file 'model = tiny' 'tariner = standard'
refused "a bad key in a file"   "a.sweep:2: 'tariner' is not a key; did you mean 'trainer'" plan "$TMPDIR/a.sweep"
sweep_file '[a]' 'seq-len = 64' '[b]' 'seq-len = 512'
refused "an impossible point in a file" 'a.sweep:4: --seq-len 512'                       plan "$TMPDIR/a.sweep"
sweep_file '[a]' 'seq-len 64'
refused "a line without ="      'a.sweep:2: is neither a \[section\] nor key = list'     plan "$TMPDIR/a.sweep"
sweep_file 'seed = 1' 'precision = fp32, fp16'
refused "a word to come in a file" "a.sweep:2: --precision: 'fp16' does not exist yet"    plan "$TMPDIR/a.sweep"
refused "a file that is not there" 'none.sweep: No such file'                            plan "$TMPDIR/none.sweep"

for file in jobs/*.sweep; do
    check "$file can be planned" dpsweep plan "$file"
done

sweep_file 'trainer = standard, dpsgd'
check "local.sh takes names of the folder it is called in" \
    env -C "$TMPDIR" BUILD="$BUILD" "$ROOT/jobs/local.sh" a.sweep local.h5 1
check "... and writes there" test -s "$TMPDIR/local.h5"
check "... and goes on with what is there" \
    env -C "$TMPDIR" BUILD="$BUILD" "$ROOT/jobs/local.sh" a.sweep local.h5 1

# ---- what works ------------------------------------------------------------------------------------------------------

check "the original spelling of a single run" \
    dpsweep --mode=single --trainer DPSGDTrainer --model-size tiny --batch-size 4 --seq-len 64
check "... trains with dpsgd" said '^dpsgd .*VALID'
check "the original local check" dpsweep --mode=test
check "... runs every trainer" eval '
    trainers=$(dpsweep info --json | $PYTHON -c "import json, sys; print(*json.load(sys.stdin)[\"trainers\"])")
    for trainer in $trainers; do
        [[ $trainer == broken-* ]] || said "^$trainer .* ok" || exit 1
    done'
refused "the original matrix to nowhere" '-o FILE.h5'                                    --mode=profile
refused "a mode beside a command" "leave 'run' out, or --mode"                           run --mode=single
refused "an unknown mode"       "'fast' is not one of single, profile, test"             --mode=fast
check "a run is printed as JSON" eval 'dpsweep run --json | $PYTHON -m json.tool'
check "a plan is printed as JSON" eval \
    'dpsweep plan --trainer standard,dpsgd --memory-limit 1M --json | $PYTHON -c "
import json, sys
points = json.load(sys.stdin)[\"points\"]
assert [p[\"trainer\"] for p in points] == [\"standard\", \"dpsgd\"]
assert all(p[\"n_params\"] == 244480 and p[\"predicted_peak\"] > 2**20 and not p[\"fits\"] for p in points)
assert all(sum(p[\"predicted\"].values()) <= p[\"predicted_peak\"] for p in points)"'
check "a plan is not wider than a terminal" eval \
    '! dpsweep plan --model gpt2-medium --trainer bookkeeping --batch-size 8 --physical-batch-size 4 | grep -E ".{101}"'
check "a plan says by how much it does not fit" dpsweep plan --memory-limit 1M
check "... in words" said 'does not fit: .* MiB too much'
check "repeated points are measured once" dpsweep plan --batch-size 2,2,4
check "... and that is said" said '1 of 3 points repeat others'
check "the program knows its libraries" eval 'dpsweep info --json | $PYTHON -c "
import json, sys
info = json.load(sys.stdin)
assert info[\"libraries\"][\"HDF5\"] and \"MPI\" in info[\"libraries\"][\"MPI\"]
assert info[\"models\"][\"1b\"][\"n_params\"] > 1e9"'

# ---- where it is said ------------------------------------------------------------------------------------------------

full() { "$BUILD/dpsweep" "$@" > /dev/full; }
check "a sweep for what follows" dpsweep sweep -o "$TMPDIR/full.h5"
for arguments in --help 'run --help' info 'run --json' 'plan --json' "report $TMPDIR/full.h5" \
    "validate $TMPDIR/full.h5" "accountant --noise-multiplier 1 --sample-rate 0.1 --steps 9 --delta 1e-5"; do
    check_fails 3 "${arguments%% *} says if its output has no room" full $arguments
    check "... in one line" eval 'said_one_line && said "standard output: No space left on device"'
done
check_fails 3 "a sweep whose standard output is closed says so" \
    eval '"$BUILD/dpsweep" sweep -o "$TMPDIR/closed.h5" >&-'
check "... and prints nothing into its journal" dpsweep validate "$TMPDIR/closed.journal"

plan_done
