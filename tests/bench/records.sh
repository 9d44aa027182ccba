#!/bin/bash
# records.sh - part of `make bench`: what results cost.
. "$(dirname "$0")/part.sh"
sizes=(1000 10000 100000)
[[ $extent != quick ]] || sizes=(1000)

print_row() {
    "$python" - "$folder/records.json" <<'END'
import json, sys
r = json.load(open(sys.argv[1]))
n = r["records"]
print(f"{n:9}  {n / r['append_s']:9.0f}  {r['journal_bytes'] / n:13.0f}  {r['file_bytes'] / n:10.0f}"
      f"  {r['read_s'] + r['publish_s']:9.2f}  {r['limit_mib']:10}")
END
}

rows() {
    local n limit
    echo "  records  records/s  journal bytes  file bytes  publish s  within MiB"
    for n in "${sizes[@]}"; do
        limit=$((64 + n * 8 / 1000)) # MiB of memory of its own
        "$build/tests/bench/records" "$folder/records.journal" "$n" 3 $limit > "$folder/records.json"
        print_row
        rm -f "$folder/records.journal" "$folder/records.h5"
    done
}

echo "## Results"
echo
echo "6 steps, 5 stages and 150 changes of memory a run; a commit (fdatasync) for every 100 records:"
fenced rows
