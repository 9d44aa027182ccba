#!/bin/bash
# dpsweep launch: an mpirun for each configuration; what dies, hangs or is stopped costs that one only.
. "$(dirname "$0")/lib.sh"

export OMPI_MCA_btl_vader_backing_directory=$TMPDIR # what killed ranks leave behind goes with the folder of this suite
file=$TMPDIR/a.h5
endless=1000000
launch() { dpsweep launch "$mark" -o "$file" "$@"; }
pid_of_child() { pgrep -f "dpsweep worker .* $mark .*--active-steps=$endless "; }
no_process() { ! pgrep -f "dpsweep .*$mark "; }

# Launchers that hang, before the run and after it, and one that does not, but is as long: beside all that follows.
watched() { # NAME LAUNCHER option...
    dpsweep launch --stall 2 -o "$TMPDIR/$1.h5" --launcher "$2" "${@:3}" > "$TMPDIR/$1" 2>&1
    echo "ended with $?" >> "$TMPDIR/$1"
}
nap=$((100000 + $$))
watched before "sh -c 'sleep $nap; false' {ranks}" &
watched after "sh -c 'mpirun -n {ranks} \"\$@\"; exec sleep 1000' launch" &
watched never "mpirun -n {ranks}" --active-steps "$endless" --timeout 20 &
watched=$(jobs -p)

check "configurations are launched one by one" launch --trainer standard,dpsgd --batch-size 2,4
check "... and have the rows of a sweep" column_is "$file" run_id "0 1 2 3"
check "... which ended well" all_are "$file" status ok
check "... each in a launch of one rank" all_are "$file" world_size 1
check "... and no file of a launch is left" test ! -e "${file%.h5}.launch"
check "a sweep goes on with what was launched" dpsweep sweep "$mark" --trainer standard,dpsgd \
    --batch-size 2,4,8 -o "$file" --resume
check "... and the other way round" launch --trainer standard,dpsgd --batch-size 2,4,8,1 --resume
check "... each measured once" eval 'all_are "$file" attempt 1 && [[ $(column "$file" run_id) == "0 1 2 3 4 5 6 7" ]]'

check "noise for an epsilon is launched" dpsweep launch --target-epsilon 3 --sampling poisson --data random:1000 \
    --batch-size 8 -o "$TMPDIR/epsilon.h5"
check "... as the same configuration" column_is "$TMPDIR/epsilon.h5" status ok

spying="sh -c 'printf \"%s\n\" \"\$@\" > $TMPDIR/words; exec mpirun -n {ranks} \"\$@\"' launch"
auto() { dpsweep launch --trainer auto "$@" -o "$TMPDIR/auto.h5" --launcher "$spying"; }
was_told() { grep -qxF -e "$1" "$TMPDIR/words"; }
check "trainer auto is launched within a budget" auto --memory-budget 6M
check "... to take the policy that was predicted" was_told "--policy=$(column "$TMPDIR/auto.h5" policy)"
check "... and to fit, where it runs" auto --memory-budget 1M --overwrite
check "... or not to be started" column_is "$TMPDIR/auto.h5" status oom_predicted
check "without a budget" auto --try-anyway --overwrite --threads 2
check "... it chooses there" eval '! grep -q -e --policy= "$TMPDIR/words"'
check "... and is tried if that was asked for" was_told --try-anyway
check "... with the memory that was predicted there" column_is "$TMPDIR/auto.h5" predicted_peak \
    "$(column "$TMPDIR/auto.h5" peak_ledger)"

launched=(--active-steps "3,$endless" --order shortest --overwrite)
in_background() { # options: until the endless run is at work
    "$BUILD/dpsweep" launch "$mark" -o "$file" "${launched[@]}" "$@" > "$TMPDIR/said" 2>&1 &
    job=$!
    eventually pid_of_child > "$TMPDIR/child"
}
ends_with() {
    wait "$job"
    code=$?
    cat "$TMPDIR/said"
    ((code == $1))
}
kill_rank() { kill -KILL "$(ps -o ppid= -p "$(head -n 1 "$TMPDIR/child")")"; }

check "a launch is at its endless run" in_background
check "... whose rank is killed" kill_rank
check "... which is an error of the launch" ends_with 1
check "... recorded for this run only" column_is "$file" status "ok crashed"
launcher_is_blamed() { [[ $(column "$file" message) == *"the launcher ended with exit code"* ]]; }
check "... with the words of the launcher" launcher_is_blamed
check "a launch with a timeout" eval '! launch "${launched[@]}" --timeout 2'
check "... records it" column_is "$file" status "ok timeout"
check_fails 1 "... and goes on with other runs" launch --active-steps 3,4 --resume

check_fails 75 "a launch with a time limit ends then" launch --active-steps "$endless" --seed 2 --resume --time-limit 1
check "... with what was measured" column_is "$file" status "ok timeout ok"

check "a launch is to be stopped" in_background
kill -USR1 "$job"
check "... which it does, to be started again" ends_with 75
check "... with what was measured" column_is "$file" status ok
check "... and leaves no process" eventually no_process
check "a launch is to be killed" in_background
kill -KILL "$job"
check "... which leaves no process either" eval 'wait "$job"; eventually no_process'
check "... and is resumed" launch --active-steps 3,4 --resume
check "... having lost nothing" column_is "$file" status "ok ok"

check_fails 3 "a launcher that fails is given up" launch --launcher "false {ranks}" --seq-len 32 --resume
check "... with its words" said "run [0-9]+ has not begun: the launcher ended with exit code 1"
check "... and nothing is recorded" column_is "$file" status "ok ok"
check_fails 2 "launch under mpirun is refused" mpirun_n 1 "$BUILD/dpsweep" launch --no-skip -o "$TMPDIR/b.h5"
check "... which is said" said "start it without one"
check_fails 2 "launch needs a file" dpsweep launch
check "... in one line" said_one_line

wait $watched
has_said() { grep -q "$2" "$TMPDIR/$1"; }
check "a launcher that hangs before its run begins is ended, with --stall" has_said before "ended with 1"
check "... as a timeout" has_said before "timeout: no sign of life for 2 s (--stall) and 15 s"
check_fails 1 "... with what it had started" pgrep -fx "sleep $nap"
check "one that hangs after its run is ended" has_said after "ended with 0"
check "... whose result is kept" all_are "$TMPDIR/after.h5" status ok
check "one that does not hang is left to its run" has_said never "timeout: not finished after 20 s"

plan_done
