#!/bin/bash
# export: what other programs get is what the results say, and these programs take it.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
results=$TMPDIR/results.h5
cd "$TMPDIR" || exit 1
dpsweep sweep --trainer standard,ghost,broken-noclip --batch-size 2 --seq-len 16 --active-steps 4 -o "$results" \
    > /dev/null 2>&1
export_to() { dpsweep export "$results" --format "$1" -o "$2" "${@:3}"; }

check "results become CSV" export_to csv csv
check "... four tables" eval '[[ $(ls csv | tr "\n" " ") == "memory.csv runs.csv steps.csv timeline.csv " ]]'
check "... of three runs" eval '(($(wc -l < csv/runs.csv) == 4))'
check "... the same as the report's" eval 'dpsweep report "$results" --format csv | cmp - csv/runs.csv'
check "... and the steps of the two that were timed" eval '(($(wc -l < csv/steps.csv) == 1 + 2 * 7))'
check "results become JSON lines" export_to jsonl jsonl
check "... which are what the CSV says" "$python" - <<'END'
import csv, json
for name in ("runs", "steps", "memory", "timeline"):
    lines = [json.loads(line) for line in open(f"jsonl/{name}.jsonl")]
    rows = list(csv.DictReader(open(f"csv/{name}.csv", newline="")))
    assert len(lines) == len(rows) > 0, name
    for line, row in zip(lines, rows):
        assert list(line) == list(row), name
        assert all(float(row[k]) == v if isinstance(v, (int, float)) else row[k] == (v or "") for k, v in line.items())
END

check "results become a trace" export_to chrome trace.json
if "$python" -c "import jsonschema" 2> /dev/null; then
    check "... which is valid by the schema of its format, and says what the tables say" \
        "$python" "$ROOT/tests/read_trace.py" trace.json csv
else
    skip "a trace is valid" "$python has no module jsonschema"
fi

check "results become events of TensorBoard" export_to tensorboard events
check "... with correct checksums, which say what the tables say" \
    "$python" "$ROOT/tests/read_tensorboard.py" own events csv

# TensorBoard is not in Debian: it is installed once below the build folder.
venv=$BUILD/venv-tensorboard
install_tensorboard() {
    [[ -x $venv/bin/tensorboard ]] && return
    rm -rf "$venv"
    "$python" -m venv "$venv" && timeout 300 "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 0 \
        'tensorboard==2.15.2' 'numpy<2' 'protobuf<5' 'setuptools<70' || { rm -rf "$venv"; return 1; }
}
if install_tensorboard > venv.log 2>&1; then
    check "TensorBoard reads them, and its plugin shows the hyper-parameters" \
        "$venv/bin/python" "$ROOT/tests/read_tensorboard.py" tensorboard events csv
else
    skip "TensorBoard reads them" "it cannot be installed from PyPI here"
fi

check "a choice of runs is exported" export_to csv one --where trainer=ghost
check "... alone" eval '(($(wc -l < one/runs.csv) == 2))'
check "a journal is exported" dpsweep export "${results%.h5}.journal" --format csv -o journal
check "... to the same tables" diff -r csv journal
check_fails 2 "what exists is not overwritten" export_to csv csv
check_fails 2 "a format is needed" dpsweep export "$results" -o x
check_fails 2 "a place is needed" dpsweep export "$results" --format csv
check_fails 2 "an unknown format is refused" export_to pdf x
check "... and the valid ones are named" said "chrome, tensorboard, csv, jsonl"
check_fails 3 "a folder that cannot be made is named" export_to csv absent/x
check "... with the reason" said "cannot write absent/x: No such file or directory"

plan_done
