#!/bin/bash
# `make bench` but for its measurements: parts and their names, tables from runs, and a peer that is not right is not
# timed. The peer is a stand-in here; the real one checks itself before it is timed (tests/peer/peer_check.py).
. "$(dirname "$0")/lib.sh"

export BUILD PYTHON=${PYTHON:-/usr/bin/python3} BENCH=quick REFERENCE=$TMPDIR/reference

in_bench() { PYTHONPATH=$ROOT/tests/bench "$PYTHON" -B -c "$1" "${@:2}"; }

check_fails 2 "an unknown part is refused" tests/bench/bench.sh growth nonesuch
check "... in one line with the parts there are" \
    eval "said_one_line && said \"'nonesuch'.*bound trainers auto growth peer\""
BENCH=slow check_fails 2 "and so is another extent" tests/bench/bench.sh growth
check "... in one line" eval 'said_one_line && said "BENCH=slow.*quick, full"'

check "an exponent is that of a power law" in_bench '
from growth import exponent
sizes = [2, 4, 8, 16, 128]
for power in 0, 0.5, 1, 2:
    assert abs(exponent(sizes, [7 * n**power for n in sizes]) - power) < 1e-12'

# ---- beside a peer

# What Python would be with PyTorch and Opacus in it: ghost and vmap do not clip rightly, fast clipping fails.
cat > "$TMPDIR/python" <<'END'
#!/bin/bash
case $1 in
-c) echo '{"torch": "7.8.9"}' ;;
*peer_check.py)
    for trainer in "torch standard" "opacus hooks" "opacus fastclip"; do
        echo "{\"kind\": \"check\", \"trainer\": \"$trainer\", \"arch\": \"postln\", \"error\": 1e-16, \"right\": true}"
    done
    echo '{"kind": "check", "trainer": "opacus ghost", "arch": "postln", "error": 0.5, "right": false}'
    ;;
*peer_steps.py)
    [[ $2 != *fastclip ]] || { echo "no such kernel" >&2; exit 1; }
    [[ -z $OMP_WAIT_POLICY && $3 == *'"dim": 256'*'"dropout": 0.1'* ]] || exit 1
    echo "{\"kind\": \"peer\", \"trainer\": \"$2\", \"rss_peak\": 1073741824," \
        '"steps": [{"wall_s": 4000, "cpu_s": 8000}, {"wall_s": 2000, "cpu_s": 3000}]}'
    ;;
esac
END
chmod +x "$TMPDIR/python"

measure_peer() {
    "$PYTHON" -B tests/bench/peer.py "$BUILD/dpsweep" "$TMPDIR/peer.h5" quick --python "$TMPDIR/python"
}
said_every_trainer() {
    local trainer
    for trainer in standard dpsgd fastclip ghost mixed bookkeeping microbatch; do
        said "^\| dpsweep \| $trainer " || return
    done
}
said_not_timed() { said "^Not timed with postln models: $1.*by 5.0e-01" && said_not "^\| +\| $1"; }

check "runs and a peer's take turns" measure_peer
check "the faster of a peer's steps counts" \
    said '^\| +\| opacus hooks +\| as installed +\| +2000.000 \| +3000.000 \| +0 \| +1024 \|'
check "every trainer of ours is there" said_every_trainer
check "ratios compare the same trainers" said '^\| dpsgd +\| opacus hooks +\| as installed \| +[0-9]{3,}\.'
check "a peer that is not right is not timed" said_not_timed "opacus ghost"
check "one that fails is named with its words" said '^Failed: opacus fastclip, as installed: no such kernel'
check "our runs are a sound results file" dpsweep validate "$TMPDIR/peer.h5"

# ---- what is kept

mkdir "$TMPDIR/parts"
cp "$TMPDIR"/peer.{h5,journal,jsonl} "$TMPDIR/parts"
echo "## The peer" > "$TMPDIR/parts/peer.md"
keep() {
    "$PYTHON" -B tests/bench/reference.py "$BUILD/dpsweep" "$TMPDIR/parts" "$REFERENCE" growth peer
    cat "$REFERENCE/bench.md"
}
check "what was measured is kept" keep
check "... with the machine" said '^- machine: .* cores'
check "... a part that is missing is named" eval 'said "^## growth" && said "^Not measured"'
check "... and the runs are in a file like any other" dpsweep validate "$REFERENCE/bench.h5"
check "... and in a table" grep -q '^mixed,small,' "$REFERENCE/bench.csv"

plan_done
