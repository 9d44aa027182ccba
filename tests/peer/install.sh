#!/bin/bash
# install.sh - PyTorch and Opacus in an environment of their own, build/peer, for `make bench B=peer`.
#
#   tests/peer/install.sh [PACKAGE ...]       fastDP needs: transformers
#
# pip downloads about 3 GB (PyTorch for Linux brings its GPU libraries along) and needs 6 GB of disk.
# `rm -r build/peer` undoes it.
set -eu
cd "$(dirname "$0")/../.."
echo "peer: downloading about 3 GB into build/peer, which will have 6 GB" >&2
fail() { echo "peer: see above: $*" >&2 && exit 3; }
"${PYTHON:-/usr/bin/python3}" -m venv build/peer || fail "no Python environment (Debian: python3-venv)"
build/peer/bin/pip install --disable-pip-version-check -r tests/peer/requirements.txt "$@" ||
    fail "pip could not download or install them; once the network or the disk allows it, type the same again"
build/peer/bin/python tests/peer/peer_check.py tests/golden/postln.h5
