#!/bin/bash
# test_results_readers.sh - a results file opens in h5py, pandas, PyTables, xarray, netCDF4, h5dump, h5ls, ncdump.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
sample=$TMPDIR/sample.h5 # texts beyond ASCII, NaN, numbers of 64 bits, runs without steps
"$BUILD/tests/test_store" --sample "$sample" || exit 1
sweep=$TMPDIR/sweep.h5
dpsweep sweep --trainer standard,dpsgd --batch-size 2 --seq-len 16 -o "$sweep" > /dev/null 2>&1 || exit 1

# check_python READER: reads both files with it
check_python() {
    if ! "$python" -c "import $1" 2> /dev/null; then
        skip "$1 reads a results file" "$python has no module $1"
        return
    fi
    check "$1 reads records of every kind" "$python" "$ROOT/tests/read_results.py" "$1" "$sample" 7
    check "$1 reads a real sweep" "$python" "$ROOT/tests/read_results.py" "$1" "$sweep" 2
}

check_python h5py
check_python pandas
check_python tables
check_python netCDF4
check_python xarray
check_python h5netcdf

if command -v h5ls > /dev/null && command -v h5dump > /dev/null; then
    check "h5ls lists all groups" h5ls -r "$sweep"
    for name in /runs/trainer /steps/loss /memory/bytes /tables/runs /config_text; do
        check "... $name among them" said "^$name +Dataset"
    done
    check "h5dump prints every value" h5dump "$sample"
    check "h5dump prints one column" h5dump -d /runs/trainer "$sweep"
    check "... with its values" said '"dpsgd"'
else
    skip "h5ls and h5dump read a results file" "hdf5-tools is not installed"
fi

if command -v ncdump > /dev/null; then
    check "ncdump prints every value" ncdump "$sample"
else
    skip "ncdump reads a results file" "netcdf-bin is not installed"
fi

plan_done
