# shellcheck shell=bash
# part.sh - what the scripts of `make bench` begin with. Sets: build, folder, python, extent (quick, full, long).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${BUILD:-build/cpu}
folder=build/bench
python=${PYTHON:-/usr/bin/python3}
extent=${BENCH:-full}
. jobs/environment.sh
mkdir -p "$folder"
if [[ $extent != quick && $extent != full && $extent != long ]]; then
    echo "bench: BENCH=$extent: there are quick, full (the default) and long" >&2
    exit 2
fi

# fenced command...: its output as it stands, within Markdown
fenced() {
    echo '```'
    "$@"
    echo '```'
}
