#!/bin/bash
# `dpsweep check --golden`: every trainer against float64 references made elsewhere, and files that are not right.
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
golden=$ROOT/tests/golden/postln.h5

# ---- good files

# exactly_the_legal_pairs FILE: of what --json says, against the trainers and clippings that --help names
exactly_the_legal_pairs() {
    dpsweep run --help > "$TMPDIR/help"
    dpsweep check --golden "$1" --json > "$TMPDIR/cases.json" || return
    "$PYTHON" - "$TMPDIR/help" "$TMPDIR/cases.json" <<'END'
import json, re, sys
def named(option):
    text = re.search(r"--%s NAME .*?\[(.*?)[;\]]" % option, open(sys.argv[1]).read(), re.S).group(1)
    return re.split(r",\s*", text)
cases = json.load(open(sys.argv[2]))["cases"]
legal = [(t, c) for t in named("trainer") for c in named("clipping") if (t == "standard") == (c == "none")]
assert len(legal) >= 3 and [(c["trainer"], c["clipping"]) for c in cases] == legal, cases
for case in cases:
    assert set(case) == {"trainer", "clipping", "loss_rel_err", "norm_rel_err", "grad_rel_err", "verdict"}, case
    assert case["verdict"] == "VALID", case
    assert all(0 <= case[e] <= 1e-4 for e in ("loss_rel_err", "norm_rel_err", "grad_rel_err")), case
END
}

for file in tests/golden/*.h5; do
    check "every trainer agrees with $(basename "$file")" dpsweep check --golden "$file"
    check "... which --json says of exactly the legal pairs" exactly_the_legal_pairs "$file"
done

# ---- rounded factors

# bf16_is_here: this processor multiplies in it, as one that oneDNN may use does
bf16_is_here() { dpsweep plan --precision bf16 > /dev/null 2>&1; }
check_fails 2 "bf16 is refused where the processor lacks it" \
    env ONEDNN_MAX_CPU_ISA=AVX2 "$BUILD/dpsweep" check --golden "$golden" --precision bf16
check "... in one line with the remedy" eval 'said_one_line && said "AVX512-BF16.*choose fp32"'
check_fails 2 "... and so is a run" env ONEDNN_MAX_CPU_ISA=AVX2 "$BUILD/dpsweep" run --precision bf16
for file in tests/golden/*.h5; do
    if bf16_is_here; then
        check "in bf16 every trainer is near $(basename "$file")" dpsweep check --golden "$file" --precision bf16
    else
        skip "in bf16 every trainer is near $(basename "$file")" "this processor has no AVX512-BF16"
    fi
done

# ---- one changed number

# changed NAME CODE: a copy of the golden file, changed by Python CODE on its h5py.File f
changed() {
    cp "$golden" "$TMPDIR/$1.h5"
    "$PYTHON" -c "
import sys, h5py
import numpy as np
def bump(name):   # the first number, by a tenth of the whole
    x = f[name][...]
    x.flat[0] += 0.1 * np.linalg.norm(x)
    f[name][...] = x
with h5py.File(sys.argv[1], 'r+') as f:
    $2" "$TMPDIR/$1.h5"
}

# changed_fails CODE "text" PYTHON-CODE: a file so changed is not passed
changed_fails() {
    changed changed "$3"
    check_fails "$1" "$2" dpsweep check --golden "$TMPDIR/changed.h5"
}

changed same "pass"
check "a copy is as good as the file" dpsweep check --golden "$TMPDIR/same.h5"
for name in params/h.0.attn.q.weight params/h.1.mlp.up.weight params/ln_f.bias params/lm_head.weight loss \
    norm/h.1.attn.v.weight norm_total mean/wte.weight flat/h.0.mlp.down.weight automatic/wpe.weight \
    per_layer/h.1.ln_2.bias; do
    changed_fails 1 "one changed number in $name is found" "bump('$name')"
done
changed_fails 1 "one changed token is found" "f['tokens'][1, 2] = (f['tokens'][1, 2] + 1) % 50"
changed_fails 1 "another threshold is found" "f.attrs['clip'] = 4.2"

# ---- files that cannot be used: one line, which names the file

said_why() { said_one_line && said "$(basename "$1")" && said "$2"; }
unusable() { # "text" FILE PATTERN
    check_fails 2 "$1" dpsweep check --golden "$2"
    check "... in one line: $3" said_why "$2" "$3"
}
changed_unusable() { # "text" PYTHON-CODE PATTERN
    changed unusable "$2"
    unusable "$1" "$TMPDIR/unusable.h5" "$3"
}

head -c 200000 "$golden" > "$TMPDIR/truncated.h5"
unusable "a truncated file is refused" "$TMPDIR/truncated.h5" "cannot be read"
echo "not a golden file" > "$TMPDIR/text.h5"
unusable "a text is refused" "$TMPDIR/text.h5" "not an HDF5 file"
: > "$TMPDIR/empty.h5"
unusable "an empty file is refused" "$TMPDIR/empty.h5" "not an HDF5 file"
unusable "a file that is not there is refused" "$TMPDIR/missing.h5" "No such file"
unusable "a folder is refused" "$TMPDIR" "cannot be read"
changed_unusable "an architecture that does not exist yet is refused" "f.attrs['arch'] = 'llama'" "'llama'.*postln"
changed_unusable "a missing parameter is refused" "del f['params/ln_f.bias']" "params/ln_f.bias"
changed_unusable "a missing attribute is refused" "del f.attrs['vocab']" "vocab"
changed_unusable "sizes that contradict the parameters are refused" \
    "f.attrs['dim'] = 8; f.attrs['ffn_dim'] = 32" "shape"
changed_unusable "heads that do not divide the width are refused" "f.attrs['heads'] = 5" "heads"
changed_unusable "absurd sizes are refused before memory is asked for" "f.attrs['layers'] = 1 << 24" "no golden model"
changed_unusable "a negative size is refused" "f.attrs['vocab'] = -1" "vocab"
changed_unusable "a token outside of the vocabulary is refused" "f['tokens'][0, 0] = 50" "token"
changed_unusable "a threshold of zero is refused" "f.attrs['clip'] = 0.0" "clip"
check_fails 2 "a file must be named" dpsweep check
check "... which is said in one line" eval 'said "\-\-golden FILE.h5" && said_one_line'

plan_done
