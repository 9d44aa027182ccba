#!/usr/bin/env python3
"""trainers.py - every trainer against standard, with one thread and with all: time, CPU time, memory, verdict.

    trainers.py PROGRAM FILE.h5 quick|full|long

Each line of a table is a few steps in a process of its own. Trainers and numbers of threads take turns, several rounds,
so that a disturbed machine meets all of them. Minima over rounds are compared. `/1` is a physical batch of one sample.
"""

import os
import sys

from bench_runs import CORES, MIB, Runs, least, private_trainers, ratio, table

SMALL = "--model small --batch-size 8 --seq-len 128"
GPT2 = "--model gpt2 --layers 2 --batch-size 4 --seq-len 128"
MEDIUM = "--model medium --batch-size 4 --seq-len 512"
STEPS = "--wait-steps 0 --warmup-steps 0 --active-steps 2"  # verification has warmed caches and libraries
BASES = ["standard", "standard/1"]  # memory is compared with both
# configuration, rounds, trainers (None: all)
FULL = [(SMALL, 2, None), (GPT2, 1, None), (MEDIUM, 1, [*BASES, "microbatch", "bookkeeping"])]
QUICK = [(SMALL, 1, None)]


def measure(runs, options, threads, trainer, round_number):
    name, _, physical = trainer.partition("/")
    split = f"--physical-batch-size {physical}" if physical else ""
    return runs.measure(f"{options} {STEPS} --trainer {name} {split}", threads, round_number)


def take_turns(runs, options, rounds, trainers):
    """{(trainer, threads): records}"""
    trainers = trainers or [*BASES, *private_trainers(runs.program)]
    records = {(trainer, threads): [] for trainer in trainers for threads in sorted({1, CORES})}
    for number in range(1, rounds + 1):
        for trainer, threads in records:
            records[trainer, threads] += measure(runs, options, threads, trainer, number)
    return records


def time_columns(own, base):
    wall, cpu = least(own, "step_time_min"), least(own, "step_cpu_time_p50")
    return [
        f"{1e3 * wall:.0f}",
        f"{1e3 * cpu:.0f}",
        ratio(wall, least(base, "step_time_min")),
        ratio(cpu, least(base, "step_cpu_time_p50")),
    ]


def print_table(title, records):
    counts = sorted({threads for _, threads in records})
    rows = []
    for trainer in dict.fromkeys(trainer for trainer, _ in records):
        row = [trainer]
        for threads in counts:
            row += time_columns(records[trainer, threads], records["standard", threads])
        own = records[trainer, counts[-1]]
        peak = least(own, "peak_ledger")
        row += [f"{peak / MIB:.0f}"]
        row += [ratio(peak, least(records[base, counts[-1]], "peak_ledger")) for base in BASES]
        row += [f"{least(own, 'peak_rss') / MIB:.0f}", " ".join(sorted({run["verdict"] for run in own}))]
        rows.append(row)
    columns = ["trainer"]
    for n in counts:
        columns += [f"{n} thr: ms:", "CPU ms:", "ms ratio:", "CPU ratio:"]
    table(title, [*columns, "MiB:", *(f"to {base}:" for base in BASES), "RSS MiB:", "verdict"], rows)


def main():
    program, path, extent = sys.argv[1:4]
    runs = Runs(program, path)
    print("## Trainers against standard\n\nLeast of all rounds, a step; ratios are to standard with as many threads;")
    print("MiB: the ledger's peak with all threads, also against standard and standard/1.")
    for options, rounds, trainers in QUICK if extent == "quick" else FULL:
        records = take_turns(runs, options, rounds, trainers)
        print_table(f"`{options}`, rounds: {rounds}; load average {os.getloadavg()[0]:.1f}", records)


if __name__ == "__main__":
    main()
