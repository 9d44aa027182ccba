#!/usr/bin/env python3
"""Print how the loss of each run moved, at up to ten of its steps.

    results/loss.py NAME.h5
"""
import argparse

from reading import h5py

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file", help="results of a sweep")
options = parser.parse_args()

with h5py.File(options.file) as f:
    runs, steps = f["runs"], f["steps"]
    for i in range(len(runs["run"])):
        start, count = runs["steps_start"][i], runs["steps_count"][i]
        losses = steps["loss"][start:start + count]
        if count:
            shown = losses[::max(1, -(-int(count) // 10))]
            print(f'{runs["trainer"].asstr()[i]:12} B={runs["batch_size"][i]:<4} T={runs["seq_len"][i]:<5} loss',
                  " ".join(f"{x:.2f}" for x in shown))
