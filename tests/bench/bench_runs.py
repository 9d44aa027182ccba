"""bench_runs.py - what the parts of `make bench` share: runs of dpsweep in a results file, and tables in Markdown."""

import json
import os
import subprocess
import sys

CORES = len(os.sched_getaffinity(0))
MIB = 1 << 20


class Runs:
    """Runs of PROGRAM, each in a process of its own, which go into one results file. Repeated runs of a configuration
    differ in the seed: 100 x threads + round."""

    def __init__(self, program, path):
        self.program, self.path, self.records = program, path, []
        for old in (path, os.path.splitext(path)[0] + ".journal"):
            if os.path.exists(old):
                os.remove(old)

    def measure(self, options, threads, round_number):
        """The records of a sweep over the lists in options, but for configurations that were measured before."""
        command = [self.program, "sweep", *options.split(), "--order", "listed", "--json", "-o", self.path]
        command += ["--threads", str(threads), "--seed", str(100 * threads + round_number)]
        command += ["--resume"] if self.records else []
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        try:
            all_records = json.loads(run.stdout)
        except ValueError:
            sys.exit(f"{' '.join(command)}: exit code {run.returncode}")
        for record in all_records:
            if record["status"] != "ok":
                sys.exit(f"{' '.join(command)}: {record['trainer']}: {record['status']} {record['message']}")
        known = {record["run_id"] for record in self.records}
        self.records = all_records
        return [record for record in all_records if record["run_id"] not in known]


def info(program):
    return json.loads(subprocess.check_output([program, "info", "--json"]))


def private_trainers(program):
    return [name for name in info(program)["trainers"] if name != "standard" and not name.startswith("broken-")]


def least(records, field):
    return min(record[field] for record in records)


def table(title, columns, rows):
    """A Markdown table that is readable as it stands. Columns of numbers end in ':'."""
    cells = [[name.rstrip(":") for name in columns], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    right = [name.endswith(":") for name in columns]

    def line(row):
        padded = (text.rjust(w) if r else text.ljust(w) for text, w, r in zip(row, widths, right))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right)) + "|"
    print("\n".join(["", title, "", line(cells[0]), rule, *map(line, cells[1:])]), flush=True)


def ratio(a, b):
    return f"{a / b:.2f}"
