#!/usr/bin/env python3
"""growth.py - how time and memory of each trainer grow with T, B, L and D: exponents fitted to small models.

    growth.py PROGRAM FILE.h5 quick|full|long

One size is varied, the others stay. An exponent is the slope of the least-squares line through (log size, log cost):
1 is proportional, 2 quadratic. It describes the range that was measured; what grows slower is still in it. CPU time of
one thread.
"""

import math
import sys

from bench_runs import Runs, least, private_trainers, table

BASE = {"batch_size": 2, "seq_len": 128, "layers": 2, "dim": 128}
AXES = {  # letter of docs/notation.md: column of the results, values
    "T": ("seq_len", [128, 256, 512, 1024]),
    "B": ("batch_size", [2, 4, 8, 16]),
    "L": ("layers", [2, 4, 8]),
    "D": ("dim", [128, 256, 512]),
}
FIELDS = ("step_cpu_time_p50", "peak_ledger")
FIXED = "--model tiny --heads 4 --max-seq 1024 --wait-steps 0 --warmup-steps 1 --active-steps 3"


def exponent(sizes, costs):
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def measure_axis(runs, trainers, column, values):
    sizes = {**BASE, column: ",".join(map(str, values))}
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in sizes.items())
    runs.measure(f"{FIXED} {options} --trainer {','.join(trainers)}", threads=1, round_number=1)


def fitted(records, trainer, column, values, field):
    def cost(value):
        wanted = {**BASE, "trainer": trainer, column: value}
        return least([r for r in records if all(r[name] == wanted[name] for name in wanted)], field)

    return f"{exponent(values, [cost(value) for value in values]):.2f}"


def main():
    program, path, extent = sys.argv[1:4]
    runs, trainers = Runs(program, path), ["standard", *private_trainers(program)]
    axes = {letter: AXES[letter] for letter in "TB"} if extent == "quick" else AXES
    for column, values in axes.values():
        measure_axis(runs, trainers, column, values)
    print("## Growth\n\nExponents fitted to small models (post-layernorm, V 1000, 4 heads): CPU time of one thread, peak memory.")
    print("Varied:", ", ".join(f"{letter} {values[0]} to {values[-1]}" for letter, (_, values) in axes.items()) + ";")
    print("else", ", ".join(f"{letter} {BASE[column]}" for letter, (column, _) in AXES.items()) + ".")
    rows = [
        [trainer, *(fitted(runs.records, trainer, *axis, field) for field in FIELDS for axis in axes.values())]
        for trainer in trainers
    ]
    columns = [f"{what}, {letter}:" for what in ("time", "memory") for letter in axes]
    table("Time and memory grow with the power:", ["trainer", *columns], rows)


if __name__ == "__main__":
    main()
