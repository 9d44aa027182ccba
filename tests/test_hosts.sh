#!/bin/bash
# mpirun over three hosts (tests/cluster/hosts.sh): a sweep, a group of ranks, ranks and hosts that die.
. "$(dirname "$0")/lib.sh"

program=$BUILD/dpsweep
hosts=$ROOT/tests/cluster/hosts.sh
HOSTS_DIR=$(mktemp -d "${TMPDIR:-/tmp}/XXXX")/hosts
export HOSTS_DIR
trap '"$hosts" stop; [[ ${TESTS_TMPDIR:-} ]] || rm -rf "$TMPDIR"' EXIT
trap 'exit 1' INT TERM
command -v ip > /dev/null || skip_all "the package iproute2 is not installed"
((EUID == 0)) && unshare --net --uts --pid --ipc --mount --fork true 2> /dev/null || skip_all "no namespaces here"

check "three hosts start" "$hosts" start 3 2
settings=$("$hosts" env) || plan_done
eval "$settings"
endless=1000000
file=$TMPDIR/a.h5
on_three() { "$hosts" login mpirun --hostfile "$HOSTFILE" --map-by node "$@"; }
points=("$mark" --trainer "standard,dpsgd" --batch-size "2,4" --seq-len "16,32")

check "the launch is good" on_three -n 6 "$program" info --mpi
check "... over three hosts" said "^  hosts +3"
check "... with sums between them" said "^  one of each host +right: 3 ranks"
check "... and on each of them" said "^  a host's ranks +right: 2 ranks"

check "a sweep on six ranks" on_three -n 6 "$program" sweep "${points[@]}" -o "$file"
check "... has every point" all_are "$file" status ok
check "... measured on all hosts" eval '(($(column "$file" host | tr " " "\n" | sort -u | wc -l) == 3))'
check "... each with its share of the host's cores" all_are "$file" threads "$((($(nproc) + 1) / 2))"

if dpsweep plan --ranks-per-run 3 > /dev/null 2>&1; then
    check "a group of a rank on each host" on_three -n 3 "$program" sweep --trainer dpsgd \
        --batch-size 6 --ranks-per-run 3 -o "$TMPDIR/group.h5"
    check "... is measured" column_is "$TMPDIR/group.h5" status ok
    check "... and right" column_is "$TMPDIR/group.h5" verdict VALID
else
    skip "a group of a rank on each host" "this build has no groups"
fi

# ---- death on another host
endless_children() { pgrep -f "dpsweep worker .* $mark .*--active-steps=$endless "; }
one_on_each_host() { (($(endless_children | wc -l) == 3)); }
no_child() { ! endless_children; }
child_on() { # HOST
    local pid
    for pid in $(endless_children); do
        [[ $(nsenter -t "$pid" -u hostname) != "$1" ]] || echo "$pid"
    done
}
# begin: three short runs are recorded, and one on each host goes on until it is ended
begin() {
    rm -f "$TMPDIR"/b.*
    on_three -n 3 "$program" sweep "$mark" --seed 1,2,3 --active-steps "3,$endless" --order shortest -o "$TMPDIR/b.h5" \
        > "$TMPDIR/said" 2>&1 &
    job=$!
    eventually one_on_each_host
}
ends_badly() { ! wait "$job"; }
resume() { dpsweep sweep "$mark" --seed 1,2,3 --active-steps 3 -o "$TMPDIR/b.h5" --resume; }
statuses() { column "$TMPDIR/b.h5" status | tr ' ' '\n' | sort | tr '\n' ' '; }

check "a sweep measures on three hosts" begin
kill -SEGV "$(child_on host2)"
check "... where a child on another host crashes, which is recorded" \
    eventually grep -q "crashed: died of SIGSEGV" "$TMPDIR/said"
kill -KILL "$(ps -o ppid= -p "$(child_on host3)")"
check "... and then a rank there, which ends the job" ends_badly
check "... with every child" eventually no_child
check_fails 1 "... and is resumed" resume
check "... with what was measured and the crash" eval '[[ $(statuses) == "crashed ok ok ok " ]]'
check "... each begun once" all_are "$TMPDIR/b.h5" attempt 1

check "a sweep measures on three hosts" begin
check "... one of which dies" "$hosts" crash host2
check "... which ends the job" ends_badly
check "... with every child" eventually no_child
check "... and is resumed" resume
check "... with what was measured" eval '[[ $(statuses) == "ok ok ok " ]]'
check "... each begun once" all_are "$TMPDIR/b.h5" attempt 1

check "three hosts again" eval '"$hosts" stop; "$hosts" start 3 2'
"$hosts" login "$program" launch "$mark" --batch-size 6 --ranks-per-run 3 --active-steps "$endless,3" \
    -o "$TMPDIR/c.h5" \
    --launcher "mpirun --hostfile $HOSTFILE --map-by node -n {ranks}" > "$TMPDIR/said" 2>&1 &
job=$!
check "a group over three hosts, which launch started, measures" eventually one_on_each_host
kill -KILL "$(ps -o ppid= -p "$(child_on host2)")"
check "... one rank of which dies, which is an error" ends_badly
check "... and recorded, and the next group is measured" column_is "$TMPDIR/c.h5" status "crashed ok"
check "... and no child is left" no_child

plan_done
