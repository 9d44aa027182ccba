#!/bin/bash
# A sweep survives kills (a short run of tests/long/kill_sweep.sh), a full disk and a folder that cannot be written.
# As root it has mounts of its own.
if ((EUID == 0)) && [[ -z ${OWN_MOUNTS:-} ]] && unshare --mount true 2> /dev/null; then
    OWN_MOUNTS=1 exec unshare --mount "$0"
fi
. "$(dirname "$0")/lib.sh"
. tests/hold.sh

killed_now_and_then() { mkdir "$TMPDIR/kills" && TMPDIR=$TMPDIR/kills KILLS=5 "$ROOT/tests/long/kill_sweep.sh"; }
check "a sweep that is killed five times loses nothing" killed_now_and_then

# ---- a full disk: one of 4 MiB that only this suite sees.  It is full when the second run ends, and no more when the
# last one does.
points=(--batch-size 2 --seq-len 8 --active-steps 1 --seed 1,2,3,4,5,6,7,8,9,10,11,12 "$mark")
small=$TMPDIR/small
mkdir "$small"
on_a_full_disk() {
    local job
    mount -t tmpfs -o size=4m none "$small" || return
    hold --seed=2 --seed=12
    "${holdable[@]}" "$BUILD/dpsweep" sweep "${points[@]}" -o "$small/a.h5" 2> "$TMPDIR/said" &
    job=$!
    eventually held 1 --seed=2
    cat /dev/zero > "$small/ballast"
    release --seed=2
    eventually held 1 --seed=12
    rm "$small/ballast"
    release --seed=12
    wait $job
    echo "ended with $?"
    dpsweep validate "$small/a.h5" && dpsweep validate "$small/a.journal"
    cat "$TMPDIR/said"
    dpsweep report "$small/a.h5" --columns status --format csv | grep -c ok
    umount "$small"
}
on_a_disk_that_stays_full() {
    mount -t tmpfs -o size=64k none "$small" || return
    dpsweep sweep --seq-len 8 --active-steps 1 -o "$small/a.h5"
    echo "ended with $?"
    umount "$small"
}
if [[ ${OWN_MOUNTS:-} ]]; then
    check "a sweep goes on while its disk is full" on_a_full_disk
    check "... and ends well" said "^ended with 0$"
    check "... having said that results stay in memory" said "No space left .*results stay in memory"
    check "... and that they are written again" said "is written again"
    check "... with all runs in the file" said "^12$"
    check "... which is sound" said "a.h5: sound, 12 runs"
    check "... as is the journal" said "a.journal: sound, 12 runs"
    check "a sweep comes to its end on a disk that stays full" on_a_disk_that_stays_full
    check "... with its table, and exit code 3" eval 'said "^microbatch .* ok$" && said "^ended with 3$"'
    check "... and names no file of results" said_not "^results: "
else
    skip "a sweep goes on while its disk is full" "a disk of its own needs root"
fi

# ---- a folder that cannot be written
locked=$TMPDIR/locked
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
mkdir -m 755 "$locked"
if ((EUID == 0)) && as_nobody test -x "$BUILD/dpsweep"; then
    check_fails 2 "a folder that cannot be written is refused before anything is measured" \
        as_nobody "$BUILD/dpsweep" sweep "${points[@]}" -o "$locked/a.h5"
    check "... in one line" eval 'said "cannot open $locked/a.journal: Permission denied" && said_one_line'
else
    skip "a folder that cannot be written is refused" "this needs root, and a build folder that others can read"
fi

plan_done
