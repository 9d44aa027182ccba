#!/bin/bash
# `dpsweep accountant` against dp-accounting from PyPI at 200 seeded points of the whole range: up to an hour.
#
#   POINTS=20 SEED=7 tests/long/accountant.sh     fewer, others
. "$(dirname "$0")/../lib.sh"

venv=$TMPDIR/venv
python3 -m venv "$venv" > /dev/null 2>&1 && "$venv/bin/pip" -q install dp-accounting==0.6.0 > "$TMPDIR/pip.log" 2>&1 ||
    skip_all "dp-accounting cannot be installed: $(tail -n 1 "$TMPDIR/pip.log" 2> /dev/null)"

"$venv/bin/python" tests/long/accountant.py "$BUILD/dpsweep" "${POINTS:-200}" "${SEED:-1}" | tee "$TMPDIR/points"
for point in $(seq "${POINTS:-200}"); do
    check "point $point" grep -qE "^# $point .* fine$" "$TMPDIR/points"
done

plan_done
