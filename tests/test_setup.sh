#!/bin/bash
# .ci/setup against a pretended system: which packages are there, who asks, and what sudo says.
. "$(dirname "$0")/lib.sh"

# pretend COMMAND: a command of the pretended system, its body from stdin
pretend() {
    { echo '#!/bin/bash'; cat; } > "$TMPDIR/bin/$1"
    chmod +x "$TMPDIR/bin/$1"
}
setup() { POLICY=$TMPDIR/policy PATH=$TMPDIR/bin:$PATH .ci/setup; }
apt_was_called() { grep -q "$1" "$TMPDIR/apt"; }

mkdir "$TMPDIR/bin"
: > "$TMPDIR/apt"
pretend id <<< 'echo 0'
pretend apt-get <<< "echo \"\$@\" >> '$TMPDIR/apt'; '$TMPDIR/policy' || echo policy \$? >> '$TMPDIR/apt'"
pretend sudo <<< 'exit 1'

pretend dpkg-query <<< 'echo -n installed'
check "nothing happens when all is there" setup
check "... apt-get was not called" test ! -s "$TMPDIR/apt"

pretend dpkg-query <<< '[[ $4 == libdnnl-dev ]] && exit 1; [[ $4 == git ]] && echo -n config-files || echo -n installed'
check "root installs what is missing" setup
check "... and removed packages count as missing" apt_was_called 'install --no-install-recommends git libdnnl-dev$'
check "... after an update" apt_was_called update
check "... while no daemon may start" apt_was_called 'policy 101'
check "... which is so no longer" test ! -e "$TMPDIR/policy"

: > "$TMPDIR/apt"
pretend id <<< 'echo 1000'
check_fails 3 "without root and sudo nothing is installed" setup
check "... the line to type is printed" said 'sudo apt-get install --no-install-recommends git libdnnl-dev$'
check "... and only that" said_one_line
check "... apt-get was not called" test ! -s "$TMPDIR/apt"

pretend sudo <<< '[[ $1 == -n ]] && shift; "$@"'
check "sudo without a password is used" setup
check "... to install" apt_was_called install

pretend apt-get <<< 'echo "E: no network" >&2; exit 100'
check_fails 3 "a failing apt-get is an error" setup
check "... with its words" said 'no network'

plan_done
