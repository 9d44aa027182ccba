#!/bin/bash
# demo.sh - trains on Debian's fortune cookies: each quotation is one record, the unit of privacy.
# `make demo` installs and builds what this needs, then runs it.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build/cpu}
folder=build/demo
. jobs/environment.sh
mkdir -p "$folder"

texts=(/usr/share/games/fortunes/*.u8)
if [[ ! -e ${texts[0]} ]]; then
    echo "demo: there is no ${texts[0]}: install the Debian package fortunes" >&2
    exit 3
fi
# Quotations are separated by lines of "%"; paragraphs by empty lines, so empty lines within a quotation go first.
for file in "${texts[@]}"; do
    sed -e '/^[[:space:]]*$/d' -e 's/^%$//' "$file"
    echo
done > "$folder/fortunes.txt"

set -x
mpirun -n 2 "$build/dpsweep" sweep jobs/demo.sweep --data "$folder/fortunes.txt" --record paragraph \
    -o "$folder/demo.h5" --overwrite
{ set +x; } 2> /dev/null

echo
python=${PYTHON:-/usr/bin/python3}
"$python" results/loss.py "$folder/demo.h5"
echo
echo "The results are in $folder/demo.h5; results/README.md says how to read them."
echo "A page with figures:  $python results/report.py $folder/demo.h5"
