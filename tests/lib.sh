# shellcheck shell=bash
# lib.sh - for tests/test_*.sh, which source it: commands become lines of the Test Anything Protocol.
#
#   . "$(dirname "$0")/lib.sh"
#   check          "a sweep of two points ends well"      dpsweep sweep --batch-size 1,2 -o "$TMPDIR/a.h5"
#   check_fails 2  "an unknown trainer is refused"        dpsweep run --trainer nonesuch
#   check          "... and the valid ones are named"     said microbatch
#   skip           "a batch job is requeued"              "Slurm is not installed"
#   plan_done
#
# $ROOT is the repository, $BUILD the build folder, $TMPDIR a folder of this suite that is removed afterwards.

set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build/${DEVICE:-cpu}}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
cd "$ROOT" || exit 1
if [[ -z ${TESTS_TMPDIR:-} ]]; then # not started by run.sh
    TMPDIR=$(mktemp -d) && export TMPDIR && trap 'rm -rf "$TMPDIR"' EXIT
fi
. "$ROOT/jobs/environment.sh"

export DPSWEEP_PROFILE= # estimates by default rates, whatever was tuned here

# An option that changes no result (AdamW is not used) and tells the processes of this suite from those of others.
mark=--adam-eps=0.01${$}1

tests_run=0 tests_failed=0
output=$TMPDIR/output # what the last checked command said, on stdout and stderr

# The program under test.
dpsweep() { "$BUILD/dpsweep" "$@"; }

# mpirun_n N program arguments...
mpirun_n() { mpirun -n "$1" "${@:2}"; }

# True if the last checked command said something that matches the extended regular expression.
said() { grep -qE -- "$1" "$output"; }

said_not() { ! said "$1"; }

# True if the last checked command said exactly one line.
said_one_line() { (($(wc -l < "$output") == 1)); }

check() { check_code 0 "$@"; }
check_fails() { check_code "$@"; }

# check_code CODE "text" command...: ok if the command ends with exit code CODE
check_code() {
    local wanted=$1 text=$2 code command
    shift 2
    "$@" > "$output.now" 2>&1
    code=$?
    [[ $1 == said* ]] || mv "$output.now" "$output"
    if ((code == wanted)); then
        result "ok" "$text"
    else
        result "not ok" "$text"
        command=${*@Q}
        printf '# %s\n# ended with %d instead of %d and said:\n' "${command:0:300}" "$code" "$wanted"
        sed 's/^/#   /' "$output"
    fi
}

# eventually command...: tries it again for a minute
eventually() {
    local end=$((SECONDS + 60))
    until "$@"; do
        ((SECONDS < end)) || return
        sleep 0.05
    done
}

skip() { result "ok" "$1 # SKIP $2"; }

# Leaves out the whole suite.
skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

result() {
    tests_run=$((tests_run + 1))
    [[ $1 == ok ]] || tests_failed=$((tests_failed + 1))
    echo "$1 $tests_run - $2"
}

# column FILE.h5 NAME: the values of a column of /runs, in order of run_id, on one line
column() {
    "${PYTHON:-/usr/bin/python3}" - "$@" <<'END'
import sys, h5py
values = h5py.File(sys.argv[1])["runs"][sys.argv[2]][:]
print(*(v.decode() if isinstance(v, bytes) else v for v in values))
END
}
column_is() { [[ $(column "$1" "$2") == "$3" ]]; }
all_are() { [[ $(column "$1" "$2" | tr ' ' '\n' | sort -u) == "$3" ]]; }

# The last line of every suite.
plan_done() {
    echo "1..$tests_run"
    exit $((tests_failed > 0))
}
