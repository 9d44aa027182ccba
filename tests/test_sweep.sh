#!/bin/bash
# `dpsweep sweep` and `dpsweep run`: what they measure, refuse, keep and go on with.
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}

same_column() { [[ -n $(column "$1" "$3") && $(column "$1" "$3") == "$(column "$2" "$3")" ]]; }
no_worker_is_left() { ! pgrep -f "dpsweep worker .* $mark "; }

points=(--model tiny --trainer "standard,dpsgd,microbatch" --batch-size "2,4" --seq-len "32,64" "$mark")
cores=$(nproc)

# ---- a sweep on two ranks
two=$TMPDIR/two.h5
check "a sweep of twelve points on two ranks ends well" mpirun_n 2 "$BUILD/dpsweep" sweep "${points[@]}" -o "$two"
check "... and says where the results are" said "^results: $two\$"
check "... and what came of each point" said '12/12 .* tokens/s, .*, VALID$'
check "every point has a row" column_is "$two" run_id "0 1 2 3 4 5 6 7 8 9 10 11"
check "... in the order in which it was asked for" column_is "$two" batch_size "2 2 2 2 2 2 4 4 4 4 4 4"
check "all ended well" all_are "$two" status ok
check "the gradients of all are right" all_are "$two" verdict VALID
check "both ranks measured" eval '[[ " $(column "$two" rank) " == *" 0 "* && " $(column "$two" rank) " == *" 1 "* ]]'
check "each run had its share of the cores" all_are "$two" threads "$((cores > 1 ? cores / 2 : 1))"
check "a run knows of the neighbour that measured beside it" eval '[[ $(column "$two" busy_neighbours) == *1* ]]'
check "memory was predicted to the byte" column_is "$two" predicted_peak "$(column "$two" peak_ledger)"
check "no child is left" no_worker_is_left

# ---- one rank is two ranks
one=$TMPDIR/one.h5
check "the same sweep without mpirun" dpsweep sweep "${points[@]}" -o "$one" --threads 1
check "... has no neighbours" all_are "$one" busy_neighbours 0
check "... and every loss is the same to the bit" same_column "$one" "$two" loss_last
check "... and every error of a gradient" same_column "$one" "$two" grad_rel_err
check "... and every configuration has the same name" same_column "$one" "$two" config_sha256

# ---- files
check_fails 2 "a file that exists is not touched" dpsweep sweep "${points[@]}" -o "$one"
check "... and both ways out are named" said '\-\-resume .* --overwrite'
check "--overwrite begins anew" dpsweep sweep "$mark" --trainer standard -o "$one" --overwrite
check "... with what is asked for now" column_is "$one" trainer "standard"
check_fails 2 "a sweep needs a file" dpsweep sweep "${points[@]}"
check "... and says how it is named" eval 'said "-o FILE.h5" && said_one_line'
check_fails 2 "the file is an .h5" dpsweep sweep "${points[@]}" -o "$TMPDIR/results.csv"
check "... which is said" eval 'said "must end in .h5" && said_one_line'
check_fails 2 "a folder that does not exist is refused" dpsweep sweep "${points[@]}" -o "$TMPDIR/none/x.h5"
check "... in one line" said_one_line
check_fails 2 "an impossible option is refused under mpirun" \
    mpirun_n 2 "$BUILD/dpsweep" sweep --trainer no -o "$TMPDIR/x.h5"
check "... by one rank only" eval '(($(grep -c "error: " "$output") == 1))'

# ---- resuming
check "--resume of a complete sweep measures nothing" dpsweep sweep "${points[@]}" -o "$two" --resume
check "... and still prints the report" eval 'said_not " 1/12 " && said "VALID"'
check "--resume adds what is new" dpsweep sweep "$mark" --trainer standard,dpsgd -o "$one" --resume
check "... and measures only that" eval 'said "2/2 dpsgd B=" && said_not "standard B="'
check "... and keeps what is there" column_is "$one" trainer "standard dpsgd"

late=$TMPDIR/late.h5
long=("$mark" --active-steps "3,4,1000000")
check_fails 75 "--time-limit ends a sweep that takes longer, as something to go on with" \
    dpsweep sweep "${long[@]}" --time-limit 4 -o "$late"
check "... and says what is left" said '2 of 3 measured; --resume goes on'
check "... and what was measured is published" column_is "$late" status "ok ok"
check "... and --resume measures the rest" dpsweep sweep "$mark" --active-steps 3,4,5 -o "$late" --resume
check "... and only that" eval 'column_is "$late" status "ok ok ok" && column_is "$late" attempt "1 1 1"'
check "no child is left behind the limit" no_worker_is_left

# ---- memory
small=$TMPDIR/small.h5
too_large=("$mark" --trainer dpsgd --batch-size "1,64,128" --memory-limit 20M -o "$small")
check "what by prediction does not fit under --memory-limit is not started" dpsweep sweep "${too_large[@]}"
check "... and it is said why" said 'oom_predicted: needs .* MiB, more than the memory limit of 20.0 MiB; --try'
check "... of each such point, and of no other" column_is "$small" status "ok oom_predicted oom_predicted"
check "--try-anyway starts it" dpsweep sweep "${too_large[@]}" --resume --retry-failed --try-anyway
check "... and it runs out of memory" column_is "$small" status "ok oom_device oom_device"

# 200 MiB of data in all are enough for one sample, not for the per-sample gradients of 512.
full=$TMPDIR/full.h5
with_little_memory() { (ulimit -d 204800 && "$@"); }
memory_points=(--trainer dpsgd --batch-size "1,512" --max-grad-norm "1,2" "$mark")
check "out of memory without a limit is a result" \
    with_little_memory "$BUILD/dpsweep" sweep "${memory_points[@]}" -o "$full"
check "... which spares the others that need as much" column_is "$full" status "ok ok oom_device skipped"
check "--no-skip spares none" \
    with_little_memory "$BUILD/dpsweep" sweep "${memory_points[@]}" -o "$full" --overwrite --no-skip
check "... of them" column_is "$full" status "ok ok oom_device oom_device"

# ---- run
check "run measures one point and prints it" dpsweep run --trainer dpsgd --batch-size 2
check "... as a table" said '^dpsgd .*VALID +ok'
check "run --json prints JSON" eval 'dpsweep run --seed 7 --json > "$TMPDIR/run.json"'
check "... of one record" "$PYTHON" -c "
import json
record, = json.load(open('$TMPDIR/run.json'))
assert record['status'] == 'ok' and record['seed'] == 7"
check "run -o keeps the record" dpsweep run --trainer dpsgd -o "$TMPDIR/run.h5"
check "... in a file like any other" column_is "$TMPDIR/run.h5" status ok
check_fails 2 "run takes one point only" dpsweep run --trainer dpsgd,standard
check "... and names sweep" eval 'said "dpsweep sweep" && said_one_line'
check "run under mpirun is measured once" mpirun_n 2 "$BUILD/dpsweep" run --trainer dpsgd
check "... and printed once" eval '(($(grep -c "^dpsgd" "$output") == 1))'
check "--no-isolate measures in the process itself" dpsweep run --no-isolate --trainer dpsgd
check "... with the same result" said '^dpsgd .*VALID +ok'
check_fails 2 "--no-isolate is refused under mpirun" mpirun_n 2 "$BUILD/dpsweep" run --no-isolate
check_fails 1 "a negative control is INVALID, and that is an error" dpsweep run --trainer broken-noclip

plan_done
