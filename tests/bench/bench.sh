#!/bin/bash
# bench.sh - what `make bench` runs: bench.sh [PART ...]. A part is a script here, which can be run alone as well.
#
# What a part prints is kept in build/bench/PART.md; of all of them reference.py makes $REFERENCE (build/bench/reference).
# BENCH=quick does less of it, long more. docs/measuring.md says how to read it.
. "$(dirname "$0")/part.sh"
all=(bound trainers auto growth peer schedule records one_billion estimate)
parts=("$@")
((${#parts[@]})) || parts=("${all[@]}")

for part in "${parts[@]}"; do
    if [[ " ${all[*]} " != *" $part "* ]]; then
        echo "bench: no part '$part': there are ${all[*]}" >&2
        exit 2
    fi
done

failed=()
for part in "${parts[@]}"; do
    start=$SECONDS
    rm -f "$folder/$part.md"
    if "tests/bench/$part.sh" | tee "$folder/$part.now"; then
        printf '\n%s: %d s from %s, BENCH=%s, commit %s, load average at the end %s\n' "$part" $((SECONDS - start)) \
            "$(date -u -d "-$((SECONDS - start)) seconds" +%FT%TZ)" "$extent" "$(git describe --always --dirty || echo unknown)" \
            "$(cut -d ' ' -f 1 /proc/loadavg)" | tee -a "$folder/$part.now"
        echo
        mv "$folder/$part.now" "$folder/$part.md"
    else
        failed+=("$part")
    fi
done
"$python" tests/bench/reference.py "$build/dpsweep" "$folder" "${REFERENCE:-$folder/reference}" "${all[@]}"
echo "bench: $SECONDS s"
if ((${#failed[@]})); then
    echo "bench: failed: ${failed[*]}" >&2
    exit 1
fi
