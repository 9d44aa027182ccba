#!/usr/bin/env python3
"""auto.py - trainer auto against every other private trainer, and under budgets of memory.

    auto.py STEPS [SHAPES [ROUNDS]]        STEPS: build/cpu/tests/bench/steps; 20 shapes and 5 rounds unless said

Shapes are random with a fixed seed. Trainers take turns, on one thread; the least CPU time of a step counts.
The second table is medium, batch 4, T 512: auto with budgets that are multiples of the memory of standard with a
physical batch of one sample.
"""

import json
import os
import random
import statistics
import subprocess
import sys

FIXED = ["dpsgd", "fastclip", "ghost", "bookkeeping", "mixed", "microbatch"]
MIB = 1 << 20
FLOPS = (1e9, 4e10)  # of a step: long enough to be timed, short enough to be repeated


def random_shape(rng):
    """Options of a step of so many FLOPs."""
    while True:
        model = rng.choice(["small", "gpt2"])
        dim = rng.choice([64, 128, 256, 384, 512, 768])
        layers = rng.randint(1, 6)
        vocab = rng.choice([1000, 4000, 8000, 16000, 32000])
        seq_len = rng.choice([16, 32, 64, 128, 200, 256, 512, 1024])
        batch = rng.randint(1, 32)
        flops = 6 * batch * seq_len * (12 * layers * dim**2 + dim * vocab) + 14 * layers * batch * seq_len**2 * dim
        if FLOPS[0] <= flops <= FLOPS[1]:
            return (
                f"--model {model} --layers {layers} --dim {dim} --heads {dim // 64} --vocab {vocab} --max-seq 1024"
                f" --batch-size {batch} --seq-len {seq_len}"
            )


def measure(program, rounds, subjects, options):
    """{subject: its line}"""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [program, str(rounds), ",".join(subjects), *options.split()]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.splitlines()
    return {line["trainer"]: line for line in map(json.loads, lines)}


def print_shapes(program, n_shapes, rounds):
    rng = random.Random(10)
    ratios = []
    print(f"{'model':6} {'L':>2} {'D':>4} {'V':>6} {'B':>3} {'T':>5}  {'auto ms':>8} {'best ms':>8} of           ratio  policy")
    for _ in range(n_shapes):
        options = random_shape(rng)
        lines = measure(program, rounds, ["auto", *FIXED], options)
        auto = lines.pop("auto")
        best = min(lines.values(), key=lambda line: line["cpu_s"])
        ratios.append(auto["cpu_s"] / best["cpu_s"])
        word = dict(zip(*[iter(options.split())] * 2))
        print(
            f"{word['--model']:6} {word['--layers']:>2} {word['--dim']:>4} {word['--vocab']:>6}"
            f" {word['--batch-size']:>3} {word['--seq-len']:>5}  {1e3 * auto['cpu_s']:8.1f}"
            f" {1e3 * best['cpu_s']:8.1f} {best['trainer']:11} {ratios[-1]:6.3f}  {auto['policy']}",
            flush=True,
        )
    print(f"\nauto over the best other trainer: median {statistics.median(ratios):.3f}, at most {max(ratios):.3f}\n")


def print_budgets(program, rounds):
    options = "--model medium --batch-size 4 --seq-len 512"
    base = measure(program, 1, ["standard/1"], options)["standard/1"]["peak_bytes"]
    budgets = {f"auto@{int(share * base)}": share for share in (1.01, 1.05, 1.08, 1.12, 1.5)}
    lines = measure(program, rounds, ["standard/1", *budgets, "microbatch"], options)
    base = lines["standard/1"]
    print(f"{options}: against standard with a physical batch of 1\n")
    print(f"{'trainer':10} {'budget':>6}  {'CPU ms':>8} {'ratio':>6}  {'MiB':>7} {'ratio':>6}  policy")
    for name, line in lines.items():
        print(
            f"{name.partition('@')[0]:10} {budgets.get(name, ''):6}  {1e3 * line['cpu_s']:8.1f}"
            f" {line['cpu_s'] / base['cpu_s']:6.3f}  {line['peak_bytes'] / MIB:7.1f}"
            f" {line['peak_bytes'] / base['peak_bytes']:6.3f}  {line['policy']}"
        )


def main():
    program = sys.argv[1]
    n_shapes, rounds = (int(word) for word in (sys.argv[2:] + ["20", "5"][len(sys.argv) - 2 :]))
    print_shapes(program, n_shapes, rounds)
    print_budgets(program, rounds)


if __name__ == "__main__":
    main()
