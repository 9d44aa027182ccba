#!/bin/bash
# Children, ranks and whole jobs that crash, hang or are killed: each is a record or is measured again, and nothing else
# is lost.
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
file=$TMPDIR/kill.h5

# What killed ranks leave behind goes with the folder of this suite.
export OMPI_MCA_btl_vader_backing_directory=$TMPDIR

# Two short runs and one that goes on until it is killed, in this order.
endless=1000000
place="in ([a-z]+ of )?(step [0-9]+|the [a-z]+)" # where a run is
points=("$mark" --active-steps "3,4,$endless")

# rows FILE.h5: "active_steps status attempt message" of each run
rows() {
    "$PYTHON" - "$1" <<'END'
import sys, h5py
runs = h5py.File(sys.argv[1])["runs"]
for steps, status, attempt, message in zip(*(runs[c][:] for c in ("active_steps", "status", "attempt", "message"))):
    print(steps, status.decode(), attempt, message.decode())
END
}
only_short_runs_are_kept() { [[ $(rows "$file" | cut -d ' ' -f 1-3) == $'3 ok 1\n4 ok 1' ]]; }
has_row() { rows "$file" | grep -qE -- "$1"; }

# The process that measures STEPS steps.
child() { pgrep -f "dpsweep worker .* $mark .*--active-steps=$1 "; }
child_is_another() { child "$endless" > "$TMPDIR/another" && ! cmp -s "$TMPDIR/another" "$TMPDIR/child"; }
no_child() { ! child ".*"; }
no_child_is_left() { eventually no_child > "$TMPDIR/left"; }
# The process of a rank of mpirun $job.
rank() {
    local pid
    for pid in $(pgrep -P "$job"); do
        tr '\0' '\n' < "/proc/$pid/environ" | grep -q "^OMPI_COMM_WORLD_RANK=$1\$" && echo "$pid"
    done
}

# begin command...: a sweep in the background, as $job, until the short runs are recorded and the endless one runs
begin() {
    rm -f "$TMPDIR"/kill.*
    go_on "$@" && eventually grep -q " 2/3 " "$TMPDIR/job"
}
go_on() {
    "$@" -o "$file" > "$TMPDIR/job" 2>&1 &
    job=$!
    eventually child "$endless" > "$TMPDIR/child"
}
alone=("$BUILD/dpsweep" sweep "${points[@]}")
limited() { (ulimit -v 99999999 && OMP_SCHEDULE=nonsense exec "$@"); }
on_two=(mpirun -n 2 "${alone[@]}")
code_of_job() {
    wait "$job"
    code=$?
    cat "$TMPDIR/job"
}
ends_with() { code_of_job && ((code == $1)); }
ends_badly() { code_of_job && ((code != 0)); }

# ---- the child
check "a sweep reaches its endless point" begin limited "${alone[@]}"
kill -SEGV "$(< "$TMPDIR/child")"
check "a child that crashes is an error of the sweep" ends_with 1
check "... which is recorded" has_row "^$endless crashed 1 died of SIGSEGV $place"
check "... with the last that it said" has_row ": libgomp: .* OMP_SCHEDULE; "
check "... with the limit that may be the cause" has_row "; ulimit -v is 95.4 GiB: libraries may crash"
check "... and the others are measured" eval 'has_row "^3 ok 1" && has_row "^4 ok 1"'

check "a sweep on two ranks reaches its endless point" begin "${on_two[@]}"
kill -KILL "$(< "$TMPDIR/child")"
check "a child that is killed does not end the job" ends_with 1
check "... and is recorded, though nothing could be said" has_row "^$endless crashed 1 died of SIGKILL"
check "... and the others are measured" eval 'has_row "^3 ok 1" && has_row "^4 ok 1"'

check "a sweep with a timeout reaches its endless point" begin "${alone[@]}" --timeout 3
kill -STOP "$(< "$TMPDIR/child")"
check "a child that takes too long is ended" ends_with 1
check "... and recorded, with where it was" has_row "^$endless timeout 1 not finished after 3 s .*, $place\$"
check "... and gone" no_child_is_left

check "a sweep on two ranks that watches for hangs reaches its endless point" begin "${on_two[@]}" --stall 2
kill -STOP "$(< "$TMPDIR/child")"
check "a child that hangs is ended" ends_with 1
check "... after its rank has warned" said "^dpsweep\[[^ ]*:[01]\]: warning: .*: no progress for 1 s, $place\$"
check "... and recorded, with where it was" has_row "^$endless timeout 1 no progress for 2 s .*, $place\$"

# ---- what a child leaves behind
check "a library that leaves processes behind is built" \
    "${CC:-gcc}" -Wall -Werror -shared -fPIC -o "$TMPDIR/grandchild.so" tests/preload/grandchild.c
nap=$((100000 + $$))
grandchildren() { pgrep -fx "sleep $nap"; }
with_grandchildren() { GRANDCHILD_SLEEP=$nap LD_PRELOAD=$TMPDIR/grandchild.so "$@"; }
check "a sweep whose children do so reaches its endless point" begin with_grandchildren "${alone[@]}"
check "... with one left: those of the ended runs are gone" eval '(($(grandchildren | wc -l) == 1))'
kill -SEGV "$(< "$TMPDIR/child")"
check "... and the last goes when its run has crashed" ends_with 1
check_fails 1 "... so that none is left" grandchildren

# ---- tries
check "a sweep that retries reaches its endless point" begin "${alone[@]}" --retries 1
kill -SEGV "$(< "$TMPDIR/child")"
check "... which is begun again when it crashes" eventually child_is_another
kill -ABRT "$(child "$endless")"
check "... and recorded when it crashes again" ends_with 1
check "... which was said" said "run 2 crashed: died of SIGSEGV .*; trying again, 1 of 1"
check "... as the second try" has_row "^$endless crashed 2 died of SIGABRT $place"

# ---- signals of a launcher
for signal in TERM USR1 INT HUP; do
    check "a sweep is to be stopped by SIG$signal" begin "${alone[@]}"
    kill "-$signal" "$job"
    check "... and asks to be started again" ends_with 75
    check "... with what it has measured in the file" only_short_runs_are_kept
    check "... and no child left" no_child_is_left
done
ignoring_hangup() { trap '' HUP && exec "$@"; }
check "a sweep is begun as nohup begins it" begin ignoring_hangup "${alone[@]}"
kill -HUP "$job"
kill -TERM "$job"
check "... and is stopped" ends_with 75
check "... by the other signal" said "stopped by SIGTERM"
check "a sweep whose output nobody reads any more goes on" eval \
    'dpsweep sweep "$mark" --active-steps 3,4 -o "$TMPDIR/unread.h5" 2>&1 | :; dpsweep validate "$TMPDIR/unread.h5"'
check "a sweep on two ranks is to be stopped by a signal that mpirun passes on" begin "${on_two[@]}"
kill -USR1 "$job"
check "... and asks to be started again" ends_with 75
check "... with what it has measured in the file" only_short_runs_are_kept
check "a sweep on two ranks is to be stopped by SIGTERM to mpirun, which ends it" begin "${on_two[@]}"
kill -TERM "$job"
check "... badly, as mpirun says" ends_badly
check "... with what it has measured in the file" only_short_runs_are_kept
check "... and no child left" no_child_is_left
check "a sweep on two ranks is to be stopped by a signal to rank 1 alone" begin "${on_two[@]}"
kill -USR1 "$(rank 1)"
check "... and asks to be started again" ends_with 75
check "... with what it has measured in the file" only_short_runs_are_kept
check "... and no child left" no_child_is_left

# ---- ranks and jobs.  What is in flight then is tried again, but not for ever.
resumed() { dpsweep sweep "$mark" --active-steps 3,4,5 -o "$file" --resume; }
kept_all() { [[ $(rows "$file" | cut -d ' ' -f 1-3) == $'3 ok 1\n4 ok 1\n5 ok 1' ]]; }

for who in 0 1; do
    check "rank $who is to be killed" begin "${on_two[@]}"
    kill -KILL "$(rank $who)"
    check "... which ends the job" ends_badly
    check "... and the children" no_child_is_left
    check "... and --resume goes on" resumed
    check "... having lost nothing that was measured" kept_all
done

check "a whole job is to be killed" begin "${on_two[@]}"
kill -KILL "$job" $(pgrep -P "$job")
check "... which ends it" ends_badly
check "... and the children" no_child_is_left
check "... and --resume goes on" resumed
check "... having lost nothing that was measured" kept_all

check "a sweep is to be killed" begin "${alone[@]}"
for try in 2 3; do
    kill -KILL "$job"
    check "... which ends it" ends_badly
    check "... and is resumed, try $try" go_on "${alone[@]}" --resume
done
kill -KILL "$job"
check "... which ends it" ends_badly
check_fails 1 "what never came to a result in three tries is not tried again" "${alone[@]}" -o "$file" --resume
check "... but recorded as crashed" has_row "^$endless crashed 3 started 3 times without a result"
check "... and the others are kept" eval 'has_row "^3 ok 1" && has_row "^4 ok 1"'
check "--retry-failed tries it again" go_on "${alone[@]}" --resume --retry-failed
kill -SEGV "$(< "$TMPDIR/child")"
check "... once" ends_with 1
check "... as its fourth try" has_row "^$endless crashed 4 died of SIGSEGV"

plan_done
