#!/bin/bash
# A sweep survives kills (a short run of tests/long/kill_sweep.sh), a full disk and a folder that cannot be written.
. "$(dirname "$0")/lib.sh"

killed_now_and_then() { mkdir "$TMPDIR/kills" && TMPDIR=$TMPDIR/kills KILLS=5 "$ROOT/tests/long/kill_sweep.sh"; }
check "a sweep that is killed five times loses nothing" killed_now_and_then

# ---- a full disk: one of 4 MiB that only this process sees, nearly full of ballast
points=(--batch-size 2 --seq-len 8 --active-steps 1 --seed 1,2,3,4,5,6,7,8,9,10,11,12)
small=$TMPDIR/small
mkdir "$small"
on_a_full_disk() {
    unshare --mount bash -s -- "$small" "$BUILD/dpsweep" "${points[@]}" <<'END'
set -u
small=$1 dpsweep=$2
shift 2
mount -t tmpfs -o size=4m none "$small" || exit 77
head -c 4050000 /dev/zero > "$small/ballast"
"$dpsweep" sweep "$@" -o "$small/a.h5" 2> "$small/../said" &
job=$!
for ((i = 0; i < 600; i++)); do # until it is full
    grep -q "No space left" "$small/../said" && break
    sleep 0.05
done
kill -STOP $job
rm "$small/ballast"
kill -CONT $job
wait $job
echo "ended with $?"
"$dpsweep" validate "$small/a.h5" && "$dpsweep" validate "$small/a.journal"
cat "$small/../said"
"$dpsweep" report "$small/a.h5" --columns status --format csv | grep -c ok
END
}
if unshare --mount true 2> /dev/null && ((EUID == 0)); then
    check "a sweep goes on while its disk is full" on_a_full_disk
    check "... and ends well" said "^ended with 0$"
    check "... having said that results stay in memory" said "No space left .*results stay in memory"
    check "... and that they are written again" said "is written again"
    check "... with all runs in the file" said "^12$"
    check "... which is sound" said "a.h5: sound, 12 runs"
    check "... as is the journal" said "a.journal: sound, 12 runs"
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
