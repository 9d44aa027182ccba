# shellcheck shell=bash
# hold.sh - after lib.sh: runs that wait until the suite lets them go on.  So what is to happen to a sweep while they
# are in flight does, however fast the program and the machine are.
#
#   hold --seed=2 --seed=3                  runs with one of these arguments wait before they begin
#   "${holdable[@]}" mpirun ... "$mark"     a command (not of this shell) the runs of which listen to that
#   eventually held 2 --seed=2              two of them wait
#   release --seed=2                        they, and those to come, begin

mkdir "$TMPDIR/hold" || exit
"${CC:-gcc}" -O2 -Wall -Werror -shared -fPIC -o "$TMPDIR/hold.so" "$ROOT/tests/preload/hold.c" || exit

holdable=(env HOLD="$TMPDIR/hold" LD_PRELOAD="$TMPDIR/hold.so")
hold() { (cd "$TMPDIR/hold" && touch -- "$@"); }
release() { (cd "$TMPDIR/hold" && rm -f -- "$@"); }
held() { (($(pgrep -fa "dpsweep worker .* $mark " | grep -c -- " $2 ") == $1)); } # NUMBER ARGUMENT
