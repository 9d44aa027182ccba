#!/bin/bash
# A sweep that is killed at random moments, most of them after it has measured something more, and resumed: no run that
# was committed is ever lost or changed, and the published file always opens.   KILLS=N (300)   RANDOM_SEED=N
. "$(dirname "$0")/../lib.sh"

kills=${KILLS:-300}
RANDOM=${RANDOM_SEED:-1}
file=$TMPDIR/a.h5
journal=${file%.h5}.journal
seeds=$(seq -s , 1 200)
sweep=("$BUILD/dpsweep" sweep --trainer standard,ghost --batch-size 2 --seq-len 8 --dim 16 --layers 1 --vocab 64 --heads 1
    --active-steps 5 --seed "$seeds" -o "$file" --resume)

# committed: "config_sha256 start_time grad_rel_err" of each run in the journal
committed() { dpsweep report "$journal" --columns config_sha256,start_time,grad_rel_err --format csv 2> /dev/null | sort; }
has_more() { ! kill -0 $job || (($(committed | wc -l) > $(wc -l < "$TMPDIR/before"))); }
sound() { [[ ! -e $file ]] || dpsweep validate "$file" > "$TMPDIR/said"; }
nothing_is_lost() { [[ -z $(comm -23 "$TMPDIR/before" "$TMPDIR/after") ]]; }

killed=0 completed=0 failures=0 lost=0 unsound=0 most=0
: > "$TMPDIR/before"
while ((killed < kills)); do
    "${sweep[@]}" > "$TMPDIR/sweep" 2>&1 &
    job=$!
    ((RANDOM % 4 == 0)) || eventually has_more
    sleep "0.$((RANDOM % 9))$((RANDOM % 9 + 1))"
    if kill -KILL $job 2> /dev/null; then killed=$((killed + 1)); fi
    wait $job 2> /dev/null
    ended=$?
    ((ended == 0 || ended == 137)) || echo "# it ended with $ended: $(tail -n 1 "$TMPDIR/sweep")"
    ((ended == 0 || ended == 137 || ++failures < 20)) || break # or a sweep that is refused is begun for ever
    ((ended != 0)) || { completed=$((completed + 1)) && sound || unsound=$((unsound + 1)); }
    [[ -e $journal ]] || continue
    committed > "$TMPDIR/after"
    nothing_is_lost || lost=$((lost + 1))
    sound || unsound=$((unsound + 1))
    runs=$(wc -l < "$TMPDIR/after")
    most=$((runs > most ? runs : most))
    cp "$TMPDIR/after" "$TMPDIR/before"
    if ((runs > 400)); then # all of them and a heading: from the beginning
        rm -f "$file" "$journal"*
        : > "$TMPDIR/before"
    fi
done 2> /dev/null
echo "# $killed kills, $completed sweeps came to their end, up to $most runs"
check "it was killed as often as was wanted" test $killed = "$kills"
check "no committed run is lost or changed" test $lost = 0
check "every published file is sound" test $unsound = 0
check "runs were measured between the kills" test "$most" -gt 2

plan_done
