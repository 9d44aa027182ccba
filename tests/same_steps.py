#!/usr/bin/python3
"""same_steps.py A.h5 B.h5 LIMIT: every step of every run has the same loss, gradient norm and share of clipped samples
in both files, to a relative LIMIT (0: the same bits).  The runs must be the same sweep on any two devices.

Exit status 1 and one line if not.
"""
import sys

import h5py
import numpy as np

path_a, path_b, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
a, b = h5py.File(path_a), h5py.File(path_b)

for name in ("model", "trainer", "clipping", "batch_size", "seq_len", "optimizer", "status", "verdict"):
    if list(a["runs"][name][:]) != list(b["runs"][name][:]):
        sys.exit(f"same_steps: {name} differs: {list(a['runs'][name][:])} and {list(b['runs'][name][:])}")
for name in ("run", "step", "tokens", "loss", "grad_norm", "clip_fraction"):
    x, y = a["steps"][name][:].astype("f8"), b["steps"][name][:].astype("f8")
    if len(x) == 0 or len(x) != len(y):
        sys.exit(f"same_steps: {len(x)} and {len(y)} steps")
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, abs(x - y) / abs(x))
    if not (error <= limit).all():
        i = np.nanargmax(error)
        sys.exit(f"same_steps: {name} of run {a['steps/run'][i]} step {a['steps/step'][i]}: {x[i]} and {y[i]}")
print(f"{len(x)} steps are the same")
