#!/bin/bash
# peer.sh - part of `make bench`: beside PyTorch and Opacus, once tests/peer/install.sh was run.
#
# PEER_PYTHON: a Python that has them, instead of build/peer's. FASTDP: a checkout of awslabs/fast-differential-privacy.
. "$(dirname "$0")/part.sh"
peer_python=${PEER_PYTHON:-build/peer/bin/python}
if ! why=$("$peer_python" -c 'import torch, opacus, h5py' 2>&1); then
    echo "## Beside PyTorch and Opacus"
    echo
    echo "Not measured: $(tail -n 1 <<< "$why")."
    echo "\`tests/peer/install.sh\` downloads PyTorch and Opacus (3 GB)."
    exit
fi
options=(--python "$peer_python" ${FASTDP:+--fastdp "$FASTDP"})
if grep -q AuthenticAMD /proc/cpuinfo && grep -q avx512f /proc/cpuinfo; then
    "${CC:-gcc}" -shared -fPIC -o "$folder/mkl_on_amd.so" tests/peer/mkl_on_amd.c
    options+=(--shim "$PWD/$folder/mkl_on_amd.so")
fi
"$python" tests/bench/peer.py "$build/dpsweep" "$folder/peer.h5" "$extent" "${options[@]}"
