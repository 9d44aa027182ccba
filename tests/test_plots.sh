#!/bin/bash
# test_plots.sh - results/plot.py and report.py on real files: every figure, its numbers, what is INVALID, damage.
. "$(dirname "$0")/lib.sh"

python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import h5py, pandas, matplotlib' 2> /dev/null || skip_all "$python has no h5py, pandas and matplotlib"
export PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=$TMPDIR/matplotlib
plot() { "$python" results/plot.py "$@"; }
report() { "$python" results/report.py "$@"; }
figures=$("$python" results/plot.py --help | tr -d ' \n' | sed -E 's/.*onlythese:([a-z,-]+)--format.*/\1/; s/,/ /g')

# are_pictures FILE...: more than one colour, wide and high enough to be read
are_pictures() {
    "$python" - "$@" <<'EOF'
import sys
from matplotlib import image
for path in sys.argv[1:]:
    pixels = image.imread(path)
    if min(pixels.shape[:2]) < 300 or pixels.std(axis=(0, 1)).max() < 0.02:
        sys.exit(f"{path}: {pixels.shape}, or nothing on it")
EOF
}

# A sweep with everything that must not be mistaken for a result: INVALID runs and one that is out of memory.
sweep=$TMPDIR/sweep.h5
small=(--model tiny --layers 1 --dim 32 --vocab 200)
check_code 1 "a sweep with INVALID runs ends" dpsweep sweep "${small[@]}" --trainer standard,dpsgd,ghost,broken-noclip \
    --batch-size 2,4 --seq-len 16,32 --active-steps 5 --memory-limit 1200K -o "$sweep"
has_timeline=$("$python" -c 'import h5py, sys; print("timeline" in h5py.File(sys.argv[1]))' "$sweep")
check "all figures are drawn" plot "$sweep" -o "$TMPDIR/figures"
check "... without a warning of matplotlib" said_not Warning
if [[ $has_timeline == False ]]; then
    check "... but the timeline, and it says why" said "^plot.py: timeline is not drawn: the file has no /timeline"
    figures=${figures/timeline /}
fi
check "... as pictures" are_pictures $(printf "$TMPDIR/figures/%s.png\n" $figures)
check "the numbers in them are those of the file" "$python" tests/check_figures.py "$sweep"
check "runs are compared with the standard run of dpsweep report" "$python" -c '
import re, sys
sys.path.insert(0, "results")
import figure_tables
(words,) = re.findall(r"ignored\[\] = \{(.*?)NULL\}", open("src/records/report_tables.c").read(), re.S)
sys.exit(sorted(re.findall(r"\w+", words)) != sorted(figure_tables.PRIVATE))'
check "trainers that have a colour are trainers" "$python" -c '
import json, subprocess, sys
sys.path.insert(0, "results")
import style
names = json.loads(subprocess.check_output([sys.argv[1], "info", "--json"]))["trainers"]
sys.exit(not set(style.TRAINERS) <= set(names))' "$BUILD/dpsweep"

# One point, and two models.
point=$TMPDIR/point.h5
check "a sweep of one point ends" dpsweep sweep "${small[@]}" --trainer dpsgd -o "$point"
check "what one point has is drawn" plot "$point" -o "$TMPDIR/one" --format svg
check "... without a warning of matplotlib" said_not Warning
check "... what it has not is named" said '^plot.py: throughput-by-batch is not drawn: there is one batch size only$'
check "... and that there is nothing to compare with" said 'privacy-cost is not drawn: no valid run has a standard run'
check_fails 2 "a figure that was asked for is missed" plot "$point" -o "$TMPDIR/one" --figure frontier
check "... in one line" said_one_line
check_fails 2 "an unknown figure is refused" plot "$point" --figure nonesuch
check "... and the figures are named" said 'memory-by-kind, privacy-cost'
check_fails 2 "a size that is none is refused" plot "$point" --memory-limit many
two=$TMPDIR/two.h5
check "a sweep of two models and several ways ends" dpsweep sweep --model tiny,gpt2 --layers 1 --dim 32 --vocab 200 \
    --max-seq 64 --heads 4 --trainer dpsgd --clipping flat,per_layer --physical-batch-size 0,1 --seq-len 16 -o "$two"
check "each model has figures of its own" plot "$two" -o "$TMPDIR/two" --figure phases --format pdf
check "... with a bar for each way" "$python" -c '
import sys
sys.path.insert(0, "results")
import figure_tables, reading
series = set(figure_tables.phase_times(reading.read_results(sys.argv[1]))["series"])
ways = {f"dpsgd{split} {clipping}" for split in ("", " split by 1") for clipping in ("flat", "per_layer")}
sys.exit(series != ways and f"{series}")' "$two"
check "... with its name" test -s "$TMPDIR/two/phases-tiny.pdf" -a -s "$TMPDIR/two/phases-gpt2.pdf"
check "a sweep without a traced step ends" dpsweep sweep --model gpt2 --layers 1 --dim 32 --heads 4 --vocab 200 \
    --trainer dpsgd --wait-steps 0 --warmup-steps 0 -o "$TMPDIR/untraced.h5"
check "... and is merged with one of another model" dpsweep merge "$point" "$TMPDIR/untraced.h5" -o "$TMPDIR/joined.h5"
plot "$TMPDIR/joined.h5" -o "$TMPDIR/joined" --figure timeline > "$output" 2>&1
check "the model that has no timeline is said to have none" said 'no valid run of gpt2 has a timeline$'

# The page, of a file whose name would break out of a careless one.
odd="$TMPDIR/a <b>&amp;.h5"
cp "$sweep" "$odd"
page=$TMPDIR/report.html
check_fails 2 "a size in other words is refused" report "$odd" -o "$page" --memory-limit 1MB
check "a page is written" report "$odd" -o "$page"
check "... without a warning" said_not Warning
dpsweep report "$sweep" --format markdown > "$TMPDIR/table.md"
check "... that is one well-formed file with the table of the program" \
    "$python" tests/check_page.py "$page" "$(wc -w <<< "$figures")" 4 "a <b>&amp;.h5" "$TMPDIR/table.md"
browser=$(command -v chromium-headless-shell chromium google-chrome | head -n 1)
if [[ -n $browser ]]; then
    [[ $browser == *headless-shell ]] || browser+=" --headless"
    check "a browser shows it" timeout 60 $browser --no-sandbox --disable-gpu --user-data-dir="$TMPDIR/browser" \
        --enable-logging=stderr --screenshot="$TMPDIR/page.png" --window-size=1200,3000 "file://$page"
    check "... without a word on its console" said_not CONSOLE
    check "... and it is a picture" are_pictures "$TMPDIR/page.png"
else
    skip "a browser shows it" "no chromium-headless-shell (Debian package of that name) or chromium"
fi

# What is installed works without the tree.
prefix=$TMPDIR/prefix
check "the program and the scripts are installed" make -s -o all install BUILD="$BUILD" PREFIX="$prefix"
check "... the program runs" "$prefix/bin/dpsweep" plan "$prefix/share/dpsweep/jobs/smoke.sweep"
for script in loss plot report; do
    check "... $script.py runs" env -C "$prefix" "$python" "share/dpsweep/results/$script.py" "$two"
done
check "... and jobs for Slurm are there" bash -n "$prefix/share/dpsweep/jobs/slurm/"*.sbatch

# Damage is one line.
refused() { # refused HOW "what the line says"
    local file=$TMPDIR/$1.h5
    "$python" tests/damage_results.py "$1" "$sweep" "$file" || return
    check_fails 2 "a file with damage '$1' is refused" report "$file" -o "$TMPDIR/no.html"
    check "... in one line" said_one_line
    check "... that says why" said "^report.py: .*$2"
}
refused norows "it holds no runs"
refused nocolumn "no column throughput_p50"
refused nosteps "it has no /steps"
refused lengths "differ in length"
refused other "not a results file of dpsweep"
refused cut "not a readable HDF5 file"
refused flip "not a readable HDF5 file"
check_fails 2 "a figure without its column is refused" plot "$TMPDIR/nocolumn.h5" --figure phases -o "$TMPDIR/no"
check "... in one line that names it" said '^plot.py: phases is not drawn: /runs has no column throughput_p50$'
check_fails 2 "a file that is not there is refused" plot "$TMPDIR/nonesuch.h5"
check "... in one line" said 'nonesuch.h5: there is no such file$'
check_fails 2 "... nor has it losses" "$python" results/loss.py "$TMPDIR/nonesuch.h5"
check "... in one line too" eval 'said_one_line && said "^loss.py: .*nonesuch.h5: there is no such file$"'
check_fails 2 "a text file is refused" report README.md -o "$TMPDIR/no.html"
check "... in one line" said_one_line
check "no page was written of any" test ! -e "$TMPDIR/no.html"
check_fails 2 "a folder that cannot be is one line" plot "$sweep" -o README.md/figures
check "... and no more" said_one_line
mkdir "$TMPDIR/without" && echo 'raise ImportError("No module named matplotlib")' > "$TMPDIR/without/matplotlib.py"
check_fails 3 "without matplotlib nothing is drawn" env PYTHONPATH="$TMPDIR/without" "$python" results/plot.py "$sweep"
check "... and the package to install is named" said 'install python3-matplotlib'

# The walk-through of results/README.md, as it stands there.
cp "$sweep" "$TMPDIR/NAME.h5"
sed -n '/^```python$/,/^```$/{/^```/d; p}' results/README.md > "$TMPDIR/walk.py"
missing=$("$python" -c 'import tables, xarray, netCDF4' 2>&1 | tail -n 1)
if [[ -z $missing ]]; then
    check "the lines of results/README.md run" env -C "$TMPDIR" "$python" walk.py
    check "... and find prediction and measurement equal" said '^True$'
else
    skip "the lines of results/README.md run" "$missing"
fi

plan_done
