#!/usr/bin/env python3
"""step_bound.py - the tables of what step_bound measured: step_bound.py FILE.jsonl

The bound of a step is the sum over its matrix products of the best time that a product of that shape took alone.
"""

import json
import os
import statistics
import sys


def gflop(gemm):
    return 2e-9 * gemm["batch"] * gemm["m"] * gemm["n"] * gemm["k"]


def print_shapes(gemms, trainers):
    first = trainers[0]

    def cost(gemm):
        return [-gemm["calls"][trainer] * gemm["wall_s"] for trainer in trainers]

    print("\nMatrix products C (m,n) = op(A) op(B), GFLOP/s: the best alone, and within steps of", first)
    print("with: b bias, + added to C, a another matrix added, r relu. Calls in a step of:")
    print("   ", ", ".join(trainers), "\n")
    print("op batch     m     n     k with  ms alone   alone  within  calls")
    for gemm in sorted(gemms, key=cost):
        within = gemm["within_s"].get(first)
        rate_within = f"{gflop(gemm) * gemm['calls'][first] / within:.0f}" if within else ""
        print(
            f"{gemm['op']} {gemm['batch']:5} {gemm['m']:5} {gemm['n']:5} {gemm['k']:5} {gemm['with']:4}"
            f" {1e3 * gemm['wall_s']:9.3f} {gflop(gemm) / gemm['wall_s']:7.0f} {rate_within:>7}",
            *(f"{gemm['calls'][trainer]:5}" for trainer in trainers),
        )


def summarize(trainer, gemms, steps):
    """Milliseconds of the bound, of the best and the median step; wall and CPU."""
    own = [step for step in steps if step["trainer"] == trainer]
    best = min(own, key=lambda step: step["wall_s"])

    def bound(clock):
        return 1e3 * sum(gemm["calls"][trainer] * gemm[clock] for gemm in gemms)

    return {
        "calls": sum(gemm["calls"][trainer] for gemm in gemms),
        "gflop": sum(gemm["calls"][trainer] * gflop(gemm) for gemm in gemms),
        "gemm": 1e3 * best["gemm_s"],
        "wall": (bound("wall_s"), 1e3 * best["wall_s"], 1e3 * statistics.median(step["wall_s"] for step in own)),
        "cpu": (
            bound("cpu_s"),
            1e3 * min(step["cpu_s"] for step in own),
            1e3 * statistics.median(step["cpu_s"] for step in own),
        ),
    }


def share_columns(times):
    bound, best, median = times
    return f"{bound:7.0f} {best:6.0f} {median:6.0f} {100 * bound / best:5.0f} %"


def print_steps(gemms, steps, trainers):
    print("\nSteps in ms. bound: the products alone; share: bound / best step; GEMM: products within the best step\n")
    print(f"{'':27} --------- wall time ----------  -------- CPU time --------   to {trainers[0]}")
    print(
        f"{'trainer':12} {'calls':>6} {'GFLOP':>6} {'bound':>8} {'best':>6} {'median':>6} {'share':>7} {'GEMM':>6}"
        f" {'bound':>7} {'best':>6} {'median':>6} {'share':>7} {'wall':>7} {'CPU':>6}"
    )
    rows = {trainer: summarize(trainer, gemms, steps) for trainer in trainers}
    base = rows[trainers[0]]
    for trainer, row in rows.items():
        print(
            f"{trainer:12} {row['calls']:6} {row['gflop']:6.0f}  {share_columns(row['wall'])} {row['gemm']:6.0f}"
            f" {share_columns(row['cpu'])}",
            f"{row['wall'][1] / base['wall'][1]:6.3f} {row['cpu'][1] / base['cpu'][1]:6.3f}",
        )


def main():
    with open(sys.argv[1]) as file:
        rows = [json.loads(line) for line in file]
    setting = next(row for row in rows if row["kind"] == "setting")
    gemms = [row for row in rows if row["kind"] == "gemm"]
    steps = [row for row in rows if row["kind"] == "step"]
    print(
        "{model}, batch {batch_size}, T {seq_len}: {device}, {libraries}, {threads} threads,"
        " {rounds} rounds of {steps} steps in one process;".format(**setting),
        f"load average {os.getloadavg()[0]:.1f}",
    )
    trainers = list(dict.fromkeys(step["trainer"] for step in steps))
    print_shapes(gemms, trainers)
    print_steps(gemms, steps, trainers)


if __name__ == "__main__":
    main()
