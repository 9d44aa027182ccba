#!/bin/bash
# Mistakes that an accountant could have are put into a copy of it: tests/test_accountant.c notices each.
. "$(dirname "$0")/../lib.sh"

# mutant "text" FILE 's/from/to/'
mutant() {
    local copy=$TMPDIR/mutant source=$TMPDIR/mutant/src/privacy/$2
    rm -rf "$copy" && mkdir "$copy" && cp -r src tests kernels "$copy"
    sed -i "$3" "$source"
    check "$1: the source is changed" eval '! cmp -s "$source" "src/privacy/$2"'
    check "... and compiles" gcc -std=gnu11 -D_GNU_SOURCE -O2 -w -o "$copy/test" "$copy/tests/test_accountant.c" \
        "$copy"/src/privacy/accountant*.c "$copy/src/base/log.c" -lcmocka -lcjson -lm
    check "... and is noticed" eval '! CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "$copy/test" > "$TMPDIR/said" 2>&1'
    check "... by a failed test" grep -q '^not ok' "$TMPDIR/said"
}

mutant "a twiddle factor of the wrong sign" accountant_fft.c 's/sincos(-2/sincos(2/'
mutant "cells rounded down" accountant_cells.c 's/const double up = fmin/const double up = 0 * fmin/'
mutant "intervals merged a little too far" accountant_cells.c \
    's/^    double low = x_l, high = INFINITY, x = 2/    return x_l + 0.3 * (x_l - start);\n&/'
mutant "neither of the two directions" accountant_pld.c 's/direction <= ADD; direction++/direction < REMOVE; direction++/'
mutant "steps less one" accountant_pld.c 's/steps = (double)p->phase\[i\].steps;/steps = (double)p->phase[i].steps - 1;/'
mutant "a conversion without its last term" accountant_rdp.c 's/ - log1p(1 \/ a);/;/'
mutant "the unsafe end of the search" accountant_calibrate.c 's/^    set(s, \*safe);/    set(s, unsafe);/'

plan_done
