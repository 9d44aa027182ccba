#!/usr/bin/env python3
"""trainers.py - every trainer against standard: time, CPU time, memory, verdict.

    trainers.py PROGRAM FILE.jsonl [--quick]

Each line of a table is `PROGRAM run` with a few steps, in a process of its own. Trainers take turns, several rounds, so
that a disturbed machine meets all of them. Minima over rounds are compared. `/1` is a physical batch of one sample.
The records of all runs are written to FILE, one line each.
"""

import json
import os
import subprocess
import sys
import time

CORES = len(os.sched_getaffinity(0))
MIB = 1 << 20

SMALL = "--model small --batch-size 8 --seq-len 128 --active-steps 3"
GPT2 = "--model gpt2 --layers 2 --batch-size 4 --seq-len 128 --active-steps 3"
MEDIUM = "--model medium --batch-size 4 --seq-len 512 --active-steps 2"
# configuration, threads, rounds
FULL = [(SMALL, 1, 3), (SMALL, CORES, 3), (GPT2, CORES, 1), (MEDIUM, 1, 1)]
QUICK = [(SMALL, 1, 1), (SMALL, CORES, 1)]


def list_trainers(program):
    """Standard, the same one sample at a time, and the others but the negative controls."""
    info = json.loads(subprocess.check_output([program, "info", "--json"]))
    private = [name for name in info["trainers"] if name != "standard" and not name.startswith("broken-")]
    return ["standard", "standard/1", *private]


def measure(program, options, threads, trainer):
    """The record of one run. Verification has warmed caches and libraries before its first step."""
    name, _, physical = trainer.partition("/")
    command = f"{program} run --json {options} --wait-steps 0 --warmup-steps 0 --threads {threads} --trainer {name}"
    if physical:
        command += f" --physical-batch-size {physical}"
    run = subprocess.run(command.split(), stdout=subprocess.PIPE, text=True)
    record = json.loads(run.stdout)[0] if run.stdout else {"status": "without a record", "message": ""}
    if record["status"] != "ok":
        sys.exit(f"trainers.py: {command}: {record['status']} {record['message']}")
    return record


def take_turns(program, options, threads, rounds, out):
    """{trainer: records}"""
    records = {trainer: [] for trainer in list_trainers(program)}
    for _ in range(rounds):
        for trainer in records:
            record = measure(program, options, threads, trainer)
            record["load_average"] = os.getloadavg()[0]
            records[trainer].append(record)
            print(json.dumps(record), file=out, flush=True)
    return records


def least(records, field):
    return min(record[field] for record in records)


def print_table(records):
    base = records["standard"]

    def against_base(runs, field):
        return least(runs, field) / least(base, field)

    print(f"{'':12}  ---- ms a step ----  -- to standard --  -------- peak --------")
    print(
        f"{'trainer':12}  {'wall':>6} {'CPU':>6} {'tok/s':>7}  {'wall':>6} {'CPU':>6}"
        f"    {'MiB':>6} {'ratio':>6} {'RSS':>6}   verdict"
    )
    for trainer, runs in records.items():
        print(
            f"{trainer:12}  {1e3 * least(runs, 'step_time_min'):6.0f} {1e3 * least(runs, 'step_cpu_time_p50'):6.0f}"
            f" {max(run['throughput_max'] for run in runs):7.0f}"
            f"  {against_base(runs, 'step_time_min'):6.3f} {against_base(runs, 'step_cpu_time_p50'):6.3f}"
            f"    {least(runs, 'peak_ledger') / MIB:6.0f} {against_base(runs, 'peak_ledger'):6.3f}"
            f" {least(runs, 'peak_rss') / MIB:6.0f}   {' '.join(sorted({run['verdict'] for run in runs}))}"
        )


def main():
    program, path = sys.argv[1:3]
    with open(path, "w") as out:
        for options, threads, rounds in QUICK if "--quick" in sys.argv[3:] else FULL:
            start = time.monotonic()
            records = take_turns(program, options, threads, rounds, out)
            print(f"\n{options}: threads {threads}, the least of {rounds} rounds\n")
            print_table(records)
            print(f"{time.monotonic() - start:.0f} s, load average {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
